"""Probabilities that rows held out agree with: one temperature for all logits.

Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017: the logits
are divided by the temperature T at which the labels are most probable, where log T has a normal
distribution beforehand: rows that are all right would have T go to 0. Predictions keep their order.
The last layer's weights are divided, so that nothing else need know of it.
"""

import numpy as np

from backprop.catalogue.losses import usual_loss

_FARTHEST = 3.0  # of log T
_DEVIATION = 1.0  # of log T, beforehand


def temper(layer, loss, logits, y, weights=None):
    """Divide what a network's last layer gives by the temperature.

    Parameters
    ----------
    layer : Layer
        The last one, which is changed.
    loss : Loss
        What it was trained by, one for answers.
    logits : array (n, k)
        What it gives for rows that it was not trained on.
    y : array (n, k)
        Their answers, 0 and 1.
    weights : array (n,), optional
        Of the rows.
    """
    loss = usual_loss(loss.target)  # the cross-entropy: how improbable the labels are
    logits, y = logits.astype(np.float64), y.astype(np.float64)

    prior = 0.5 / _DEVIATION**2 / len(y)

    def mean_loss(log_scale):
        found = loss.value(logits * np.exp(log_scale), y, *loss.settings.values())
        return np.average(found, weights=weights) + prior * log_scale**2

    scale = np.exp(_lowest(mean_loss, -_FARTHEST, _FARTHEST))
    layer.weights = layer.weights * scale
    if layer.spec.use_bias:
        layer.bias = layer.bias * scale


def _lowest(function, low, high):
    """Where a function of one number that has one valley is lowest: golden sections."""
    ratio = (5**0.5 - 1) / 2
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if function(left) < function(right) else (left, high)
    return (low + high) / 2
