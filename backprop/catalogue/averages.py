"""Averages of a network's weights, kept beside them while it trains.

After n weights the next, w, moves the average a by a share of the way:
a ← a + share(n) (w − a). The first share is 1: the average begins at w.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from backprop.catalogue.records import Hinted, described_kind, optional_kind, says_how_to_change
from backprop.validation import MAX_COUNT, check_integer, check_real


class Average(Hinted):
    """What all averages share: which weights count, and how much each of them."""

    keyword_aliases: ClassVar[dict[str, str]] = {
        "momentum": "decay",
        "beta": "decay",
        "ema_momentum": "decay",
        "start": "start_epoch",
        "swa_start": "start_epoch",
        "swa_epoch_start": "start_epoch",
    }
    how_to_change: ClassVar[str] = (
        "make another, dataclasses.replace(average, {name}=…), and give it to an optimizer"
    )

    @property
    def rest(self) -> float:
        """The share of each weight after the first; 0: as a mean of all has it, 1 / (n + 1)."""
        return 0.0

    @property
    def first_epoch(self) -> int | None:
        """Whose last weights are the first that count, from 0; None: those after every step."""
        return None

    def share(self, n: int) -> float:
        """Of the next weights, after n."""
        return self.rest if n and self.rest else 1 / (n + 1)

    @property
    def row(self):
        """What the core is told."""
        return type(self).__name__, self.rest, self.first_epoch

    @property
    def description(self):
        """What JSON can hold of it."""
        return {"name": type(self).__name__, **asdict(self)}


@says_how_to_change
@dataclass(frozen=True)
class EMA(Average):
    """An exponential moving average of the weights after each step: a ← β a + (1 − β) w.

    Parameters
    ----------
    decay : float, default 0.999
        β, in [0, 1): about 1 / (1 − β) steps are looked back on.

    References
    ----------
    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", SIAM Journal on
    Control and Optimization 1992; begun at the first weights, as PyTorch's ``AveragedModel``.
    """

    decay: float = 0.999

    formula: ClassVar[str] = "a = decay * a + (1 - decay) * w"
    advice: ClassVar[str] = "Smooth predictions at any time of a training with a steady rate."

    def __post_init__(self) -> None:
        object.__setattr__(self, "decay", check_real("decay", self.decay, 0, below=1))

    @property
    def rest(self) -> float:
        """1 − β."""
        return 1 - self.decay


@says_how_to_change
@dataclass(frozen=True)
class SWA(Average):
    """The mean of the weights at the end of every epoch of ``fit``, from one epoch on.

    Parameters
    ----------
    start_epoch : int, default 0
        How many epochs have to be completed before those that count, at least 0.

    References
    ----------
    Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, "Averaging weights leads to wider optima and
    better generalization", UAI 2018.
    """

    start_epoch: int = 0

    formula: ClassVar[str] = "a = a + (w - a) / (n + 1)"
    advice: ClassVar[str] = "Over the last quarter of a training, whose rate stays high there."

    def __post_init__(self) -> None:
        start = check_integer("start_epoch", self.start_epoch, 0, MAX_COUNT)
        object.__setattr__(self, "start_epoch", start)

    @property
    def first_epoch(self) -> int | None:
        """As it was given."""
        return self.start_epoch


AVERAGES = {kind.__name__: kind for kind in (EMA, SWA)}


def check_average(value):
    """An average or None; or its description."""
    return optional_kind("average", value, Average, AVERAGES, described_average)


def described_average(description):
    """The average of which this is the `description`; every number has to be there."""
    return described_kind("average", description, AVERAGES)
