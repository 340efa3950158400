"""The catalogue's activations and losses by scikit-learn's names, and what it reports of a loss."""

from functools import partial

import numpy as np
from scipy.special import xlogy

from backprop.catalogue.activations import ACTIVATIONS as CATALOGUE
from backprop.catalogue.losses import LOSSES
from backprop.catalogue.losses.own import own_loss
from backprop.catalogue.targets import COUNTS, NUMBERS

BLOCK = 2**15  # numbers that an activation is worked out of at a time: they stay in the cache

ACTIVATIONS = {
    **{one.scikit_learn: one for one in CATALOGUE.values() if one.scikit_learn},
    **CATALOGUE,
}
BEHIND = {loss.scikit_learn: loss for loss in LOSSES.values() if loss.scikit_learn}


def behind(loss):
    """The activation behind the last layer, by scikit-learn's name where it has one."""
    same = (other.scikit_learn for other in BEHIND.values() if other.link is loss.link)
    return loss.scikit_learn or next(same, loss.name)


def is_probability(out_activation):
    """Whether what stands there is one; 1/2 is then neither yes nor no."""
    found = BEHIND.get(out_activation)
    return found is not None and found.target.is_categorical


def trained_loss(loss, out_activation, n_outputs):
    """The entry that trains where this activation stands behind the last layer.

    That is not the loss's own where somebody has set ``out_activation_``. As in scikit-learn, the
    slope by z is then a - y, whatever the slope of the activation is.
    """
    other = BEHIND.get(out_activation)
    if out_activation == behind(loss):
        return loss
    if other is not None and loss.target.is_categorical and other.least_outputs <= n_outputs:
        return other
    return own_loss(partial(_as_if_canonical, loss, out_activation))


def _as_if_canonical(loss, out_activation, z, y):
    a = link_of(out_activation)(z)
    return loss.value(a, y), a - y


def link_of(out_activation):
    """z -> a of the activation behind the last layer."""
    found = BEHIND.get(out_activation)
    return ACTIVATIONS[out_activation].value if found is None else found.link


def divisor(loss, n_outputs):
    """By what scikit-learn divides the catalogue's loss: it has the squared error's mean."""
    return n_outputs if loss.scikit_learn and loss.target is NUMBERS else 1


def reported(loss, mean, y, weights=None, batches=None):
    """What scikit-learn reports for a mean of the catalogue's losses.

    Of the Poisson loss that is half the deviance, which is 0 at its least. `batches`: (order,
    size), where each batch's mean was weighted by its samples.
    """
    if not (loss.scikit_learn and loss.target is COUNTS):
        return mean / divisor(loss, y.shape[1])
    least = (xlogy(y, y) - y).sum(axis=1)
    if weights is None or batches is None:
        return mean + np.average(least, weights=weights)
    order, size = batches
    if order is not None:
        least, weights = least[order], weights[order]
    starts = np.arange(0, len(y), size)
    sums, totals = np.add.reduceat(weights * least, starts), np.add.reduceat(weights, starts)
    shares = np.divide(sums, totals, out=np.zeros_like(sums), where=totals > 0)
    return mean + np.average(shares, weights=np.diff([*starts, len(y)]))


def first_layer(X, weights, bias, activation):
    """z = X W + b of sparse X, and a = f(z): the same array where the slope is one of a alone."""
    z = X @ weights
    z += bias
    if activation.scikit_learn is None:
        return z, activation.value(z, *activation.settings.values()).astype(z.dtype)
    rows = max(1, BLOCK // z.shape[1])
    for start in range(0, len(z), rows):  # in place: a second array of that size costs time
        block = z[start : start + rows]
        block[...] = activation.value(block)
    return z, z
