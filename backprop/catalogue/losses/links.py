"""Links: what the last layer's output a becomes for `predict`, and the slopes of that."""

import numpy as np

from backprop.catalogue.activations import ACTIVATIONS

identity = ACTIVATIONS["identity"].value
sigmoid = ACTIVATIONS["sigmoid"].value
exp = ACTIVATIONS["exp"].value


def softplus(a):
    """log(1 + exp(a))."""
    return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))


def below_highest(a):
    """Logits minus the highest of their row: softmax stays the same, and exp cannot overflow."""
    with np.errstate(over="ignore"):  # the difference of two finite numbers may be out of range
        return np.maximum(a - a.max(axis=1, keepdims=True), np.finfo(a.dtype).min)


def softmax(a):
    """exp(a) / Σ exp(a), row by row."""
    e = np.exp(below_highest(a))
    return e / e.sum(axis=1, keepdims=True)


def column(values, k):
    """Zeros shaped like `values`, but for its column k."""
    alone = np.zeros_like(values)
    alone[:, k] = values[:, k]
    return alone


def d_identity(p, k):
    """Of identity: ∂p[:, k] / ∂a."""
    return column(np.ones_like(p), k)


def d_sigmoid(p, k):
    """Of sigmoid."""
    return column(p * (1 - p), k)


def d_exp(p, k):
    """Of exp."""
    return column(p, k)


def d_softmax(p, k):
    """Of softmax."""
    return column(p, k) - p * p[:, [k]]
