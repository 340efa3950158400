"""A learning rate to begin with: the range test."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from backprop.history import new_axes
from backprop.validation import check_batch_size, check_integer, check_real

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike

    from backprop.network import Network

SMOOTHING = 0.9  # what of the mean of losses stays at each step
DIVERGED = 4.0  # times the lowest loss: beyond it the test ends


@dataclass(frozen=True)
class LearningRates:
    """What `find_learning_rate` has found.

    Attributes
    ----------
    rates, losses : list of float
        Of each step: its learning rate, and the mean of the batches' losses up to it, the latest
        counting most.
    suggestion : float
        The rate at which that mean falls fastest by the logarithm of the rate.
    """

    rates: list[float]
    losses: list[float]
    suggestion: float

    def plot(self, axes: Any = None) -> Any:
        """Draw the losses over the rates, with a line at the suggestion.

        Parameters
        ----------
        axes : matplotlib.axes.Axes, optional
            Where to draw; by default on a new figure.

        Returns
        -------
        matplotlib.axes.Axes
        """
        axes = new_axes(axes)
        axes.plot(self.rates, self.losses)
        axes.axvline(self.suggestion, linestyle="--", color="grey")
        axes.set_xscale("log")
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss")
        return axes


def find_learning_rate(
    net: Network,
    X: ArrayLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    batch_size: int | None = None,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
) -> LearningRates:
    """Train a copy at ever higher learning rates, and see where its loss falls fastest.

    The network stays as it is.

    Parameters
    ----------
    net : Network
        With the optimizer of which a rate is looked for; its schedule is left out.
    X, y, sample_weight, batch_size
        As for ``fit``. Batches are drawn by the network's seed.
    lowest, highest : float
        The first and the last rate; those between are spaced evenly by their logarithms.
    steps : int, default 100
        How many, at least 10. Fewer are done where the loss comes to four times its lowest.

    Raises
    ------
    ValueError, TypeError
        Naming the argument; and where the loss has not fallen at any rate.

    References
    ----------
    Smith, "Cyclical learning rates for training neural networks", 2017, section 3.3.
    """
    lowest = check_real("lowest", lowest, 0, above=True)
    highest = check_real("highest", highest, lowest, above=True)
    steps = check_integer("steps", steps, 10)
    twin = net.copy()
    X, y, sample_weight = twin._check_samples(X, y, sample_weight)
    batch_size = check_batch_size(batch_size, len(X))
    random = np.random.RandomState([net.seed & 0xFFFFFFFF, net.seed >> 32])
    rates, losses, mean = [], [], 0.0
    for i in range(steps):
        rate = lowest * (highest / lowest) ** (i / (steps - 1))
        twin.optimizer = replace(net.optimizer, learning_rate=rate, schedule=None)
        rows = random.choice(len(X), batch_size, replace=False)
        try:
            loss = twin.train_step(
                X[rows], y[rows], None if sample_weight is None else sample_weight[rows]
            )
        except FloatingPointError:  # that rate is too high, which is what was asked
            break
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        rates.append(rate)
        losses.append(mean / (1 - SMOOTHING ** (i + 1)))
        if losses[-1] > DIVERGED * min(losses) + 1e-12:
            break
    if not rates:
        raise ValueError(f"training diverged at once: expected less than lowest={lowest:g}")
    return LearningRates(rates, losses, _suggestion(rates, losses))


def _suggestion(rates, losses):
    """Where the slope of the losses by the logarithm of the rate is lowest, before their lowest."""
    rates, losses = np.asarray(rates), np.asarray(losses)
    end, reach = int(np.argmin(losses)) + 1, max(1, len(rates) // 20)
    first = min(len(rates) // 10, max(0, end - 2))  # before it the mean is of a few batches alone
    places = range(first, end)
    lows = [max(first, i - reach) for i in places]
    highs = [min(end - 1, i + reach) for i in places]
    falls = losses[highs] - losses[lows]
    widths = np.maximum(np.log(rates[highs]) - np.log(rates[lows]), 1e-300)
    slopes = np.where(falls == 0, 0, falls / widths)
    steepest = int(np.argmin(slopes))
    if not slopes[steepest] < 0 or not math.isfinite(slopes[steepest]):
        raise ValueError(
            f"the loss did not fall at any learning rate from {rates[0]:g} to {rates[-1]:g}: give "
            "other limits (lowest, highest) or more steps"
        )
    return float(rates[first + steepest])
