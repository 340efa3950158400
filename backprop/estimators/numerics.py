"""Activations, output activations and losses on arrays, for what the core's own kernels do not see.

That is the first layer of sparse inputs, the Poisson loss, and validation losses.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import expit, log_softmax, softmax, xlogy


class Activation(NamedTuple):
    """a = f(z), in place; and f'(z) from a."""

    f: Callable
    d: Callable


class Output(NamedTuple):
    """What scikit-learn puts behind the last layer's z, and the loss that goes with it.

    ``f(z)``; ``losses(z, y)`` of each sample and output; ``d(a, k)``: ∂a[:, k] / ∂z (n, n_outputs).
    """

    f: Callable
    losses: Callable
    d: Callable


ACTIVATIONS = {
    "identity": Activation(lambda z: z, np.ones_like),
    "logistic": Activation(lambda z: expit(z, out=z), lambda a: a * (1 - a)),
    "tanh": Activation(lambda z: np.tanh(z, out=z), lambda a: 1 - a * a),
    "relu": Activation(lambda z: np.maximum(z, 0, out=z), lambda a: (a > 0).astype(a.dtype)),
}


def logistic_losses(z, y):
    """−y log a − (1 − y) log(1 − a)."""
    return np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))


def poisson_losses(z, y):
    """Half the deviance."""
    return xlogy(y, y) - y * z - y + np.exp(z)


def column(values, k):
    """Zeros shaped like `values`, but for its column k."""
    alone = np.zeros_like(values)
    alone[:, k] = values[:, k]
    return alone


OUTPUTS = {
    "softmax": Output(
        lambda z: softmax(z, axis=1),
        lambda z, y: -y * log_softmax(z, axis=1),
        lambda a, k: column(a, k) - a * a[:, [k]],
    ),
    "logistic": Output(expit, logistic_losses, lambda a, k: column(a * (1 - a), k)),
    "identity": Output(
        lambda z: z, lambda z, y: 0.5 * (z - y) ** 2, lambda a, k: column(np.ones_like(a), k)
    ),
    "exp": Output(np.exp, poisson_losses, column),
}


def losses_of(out_activation, z, y):
    """Each sample's loss (n,), in float64."""
    return OUTPUTS[out_activation].losses(z.astype(np.float64), y.astype(np.float64)).sum(axis=1)


def loss_slope(out_activation, z, y):
    """Its derivative by z (n, n_outputs): of all these losses a − y."""
    return OUTPUTS[out_activation].f(z) - y.astype(z.dtype)


def first_layer(X, weights, bias, activation):
    """a = f(X W + b) of sparse X."""
    z = X @ weights
    z += bias
    return ACTIVATIONS[activation].f(z)


def sparse_outputs(X, coefs, intercepts, activations, out_activation):
    """Output activations for CSR or CSC rows, layer by layer."""
    a = X
    for weights, bias, name in zip(coefs, intercepts, (*activations, "identity"), strict=True):
        a = first_layer(a, weights, bias, name)
    return OUTPUTS[out_activation].f(a)
