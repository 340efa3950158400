"""The catalogue's activations and losses by scikit-learn's names, for what the core does not see.

That is the first layer of sparse inputs, the Poisson loss, and validation losses.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import xlogy

from backprop.catalogue.activations import ACTIVATIONS as CATALOGUE
from backprop.catalogue.losses import LOSSES, column
from backprop.catalogue.targets import NUMBERS

BLOCK = 2**15  # numbers that an activation is worked out of at a time: they stay in the cache


class Output(NamedTuple):
    """What scikit-learn puts behind the last layer's z, and the loss that goes with it."""

    f: Callable  # z -> a
    losses: Callable  # (z, y) -> each sample's loss (n,)
    slope: Callable  # (z, y) -> its derivative by z (n, n_outputs)
    d: Callable  # (a, k) -> ∂a[:, k] / ∂z (n, n_outputs)
    core_loss: str | None  # None: the core has no such loss
    is_averaged: bool  # scikit-learn reports the loss's mean over the outputs, not their sum


def poisson_losses(z, y):
    """Half the deviance."""
    return (xlogy(y, y) - y * z - y + np.exp(z)).sum(axis=1)


ACTIVATIONS = {one.scikit_learn: one for one in CATALOGUE.values() if one.scikit_learn}
OUTPUTS = {
    "exp": Output(np.exp, poisson_losses, lambda z, y: np.exp(z) - y, column, None, False),
    **{
        loss.scikit_learn: Output(
            loss.link,
            loss.value,
            loss.derivative,
            loss.link_derivative,
            loss.name,
            loss.target is NUMBERS,
        )
        for loss in LOSSES.values()
        if loss.scikit_learn
    },
}


def losses_of(out_activation, z, y):
    """Each sample's loss (n,), in float64."""
    return OUTPUTS[out_activation].losses(z.astype(np.float64), y.astype(np.float64))


def loss_slope(out_activation, z, y):
    """Its derivative by z (n, n_outputs)."""
    return OUTPUTS[out_activation].slope(z, y.astype(z.dtype))


def first_layer(X, weights, bias, activation):
    """a = f(X W + b) of sparse X."""
    z = X @ weights
    z += bias
    rows = max(1, BLOCK // z.shape[1])
    for start in range(0, len(z), rows):  # in place: a second array of that size costs time
        block = z[start : start + rows]
        block[...] = activation.value(block)
    return z


def sparse_outputs(X, coefs, intercepts, activations, out_activation):
    """Output activations for CSR or CSC rows, layer by layer."""
    a = X
    for weights, bias, name in zip(coefs, intercepts, (*activations, "identity"), strict=True):
        a = first_layer(a, weights, bias, ACTIVATIONS[name])
    return OUTPUTS[out_activation].f(a)
