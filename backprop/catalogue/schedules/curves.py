"""Schedules of the number of the step or epoch alone."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import ClassVar

from backprop.catalogue.records import says_how_to_change
from backprop.catalogue.schedules.base import Schedule
from backprop.validation import MAX_COUNT, check_flag, check_integer, check_real


@says_how_to_change
@dataclass(frozen=True)
class Constant(Schedule):
    """The learning rate, times ``value``.

    Parameters
    ----------
    value : float, default 1.0
        The factor, above 0.
    per : {"step", "epoch"}
        What t counts.
    """

    value: float = 1.0
    per: str = "step"

    advice: ClassVar[str] = "After a warm-up, or to compare with."
    formula: ClassVar[str] = "value"

    def __post_init__(self):
        self.set_checked(value=check_real("value", self.value, 0, above=True))

    def factor(self, t: int) -> float:
        """At step t."""
        return self.value


@says_how_to_change
@dataclass(frozen=True)
class StepDecay(Schedule):
    """The rate times ``ratio`` after every ``every`` steps: ratio^⌊t / every⌋.

    Parameters
    ----------
    every : int
        At least 1.
    ratio : float, default 0.1
        At least 0.
    per : {"step", "epoch"}
        What t counts.
    """

    every: int
    ratio: float = 0.1
    per: str = "step"

    advice: ClassVar[str] = "SGD, where it is known when the cost stops to fall; per epoch."
    formula: ClassVar[str] = "ratio^⌊t / every⌋"

    def __post_init__(self):
        self.set_checked(
            every=check_integer("every", self.every, 1, MAX_COUNT),
            ratio=check_real("ratio", self.ratio, 0),
        )

    def factor(self, t: int) -> float:
        """At step t."""
        return math.pow(self.ratio, t // self.every)


@says_how_to_change
@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """The rate times ``ratio`` at every step: ratio^t.

    Parameters
    ----------
    ratio : float
        In [0, 1].
    per : {"step", "epoch"}
        What t counts.
    """

    ratio: float
    per: str = "step"

    advice: ClassVar[str] = "Where no number of steps is planned."
    formula: ClassVar[str] = "ratio^t"

    def __post_init__(self):
        self.set_checked(ratio=check_real("ratio", self.ratio, 0, most=1))

    def factor(self, t: int) -> float:
        """At step t."""
        return math.pow(self.ratio, t)


@says_how_to_change
@dataclass(frozen=True)
class PolynomialDecay(Schedule):
    """From 1 to ``end``: end + (1 − end) (1 − t / steps)^power; then ``end``.

    Parameters
    ----------
    steps : int
        Planned, at least 1.
    power : float, default 1.0
        Above 0; 1 is a straight line.
    end : float, default 0.0
        At least 0.
    per : {"step", "epoch"}
        What t counts.
    """

    steps: int
    power: float = 1.0
    end: float = 0.0
    per: str = "step"

    advice: ClassVar[str] = "A planned number of steps; a straight line after a warm-up."
    formula: ClassVar[str] = "end + (1 − end) (1 − t / steps)^power"

    def __post_init__(self):
        self.set_checked(
            steps=check_integer("steps", self.steps, 1, MAX_COUNT),
            power=check_real("power", self.power, 0, above=True),
            end=check_real("end", self.end, 0),
        )

    def factor(self, t: int) -> float:
        """At step t."""
        left = 1 - min(t, self.steps) / self.steps
        return self.end + (1 - self.end) * math.pow(left, self.power)


@says_how_to_change
@dataclass(frozen=True)
class InverseScaling(Schedule):
    """1 / (t + 1)^power, as scikit-learn's "invscaling".

    Parameters
    ----------
    power : float, default 0.5
        At least 0.
    per : {"step", "epoch"}
        What t counts.
    """

    power: float = 0.5
    per: str = "step"

    advice: ClassVar[str] = "SGD without a planned number of steps."
    formula: ClassVar[str] = "1 / (t + 1)^power"

    def __post_init__(self):
        self.set_checked(power=check_real("power", self.power, 0))

    def factor(self, t: int) -> float:
        """At step t."""
        return 1 / math.pow(t + 1, self.power)


@says_how_to_change
@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from 1 to ``end``: end + ½ (1 − end) (1 + cos(π t / steps)); then ``end``.

    Parameters
    ----------
    steps : int
        Of the first period, at least 1.
    end : float, default 0.0
        At least 0.
    restarts : bool, default False
        Begin again at 1 after each period.
    growth : int, default 1
        How many times as long as the one before a period is.
    per : {"step", "epoch"}
        What t counts.

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
    """

    steps: int
    end: float = 0.0
    restarts: bool = False
    growth: int = 1
    per: str = "step"

    advice: ClassVar[str] = "The usual choice for a planned number of steps."
    formula: ClassVar[str] = "end + ½ (1 − end) (1 + cos(π t / steps))"

    def __post_init__(self):
        self.set_checked(
            steps=check_integer("steps", self.steps, 1, MAX_COUNT),
            end=check_real("end", self.end, 0),
            restarts=check_flag("restarts", self.restarts),
            growth=check_integer("growth", self.growth, 1),
        )

    def factor(self, t: int) -> float:
        """At step t."""
        length = self.steps
        if self.restarts and self.growth == 1:
            t %= length
        while self.restarts and t >= length:
            t -= length
            length *= self.growth
        return self.end + (1 - self.end) * (1 + math.cos(math.pi * min(t, length) / length)) / 2


@says_how_to_change
@dataclass(frozen=True)
class Warmup(Schedule):
    """A straight line from ``start`` to 1, and then another schedule, whose t counts from there.

    Parameters
    ----------
    steps : int
        Of the line, at least 1.
    then : Schedule, optional
        Per the same; by default the rate stays.
    start : float, default 0.01
        The first factor, at least 0.
    per : {"step", "epoch"}
        What t counts.

    References
    ----------
    Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017.
    """

    steps: int
    then: Schedule | None = None
    start: float = 0.01
    per: str = "step"

    advice: ClassVar[str] = "Before any other, where the first steps are too large."
    formula: ClassVar[str] = "start + (1 − start) t / steps, then the other's"

    def __post_init__(self):
        if self.then is not None and not isinstance(self.then, Schedule):
            raise TypeError(f"then={self.then!r}: expected a schedule")
        self.set_checked(
            steps=check_integer("steps", self.steps, 1, MAX_COUNT),
            start=check_real("start", self.start, 0),
        )
        if self.then is not None and self.then.per not in (self.per, None):
            raise ValueError(f"then is per {self.then.per!r}: expected {self.per!r}, as per says")

    def factor(self, t: int) -> float:
        """At step t."""
        if t < self.steps:
            return self.start + (1 - self.start) * t / self.steps
        return 1.0 if self.then is None else self.then.factor(t - self.steps)

    @property
    def follows_results(self) -> bool:
        """As the other."""
        return self.then is not None and self.then.follows_results

    def begin(self):
        """The other's."""
        return None if self.then is None else self.then.begin()

    def told(self, state, loss):
        """The other's, which listens from the first epoch on."""
        return state if self.then is None else self.then.told(state, loss)

    def check_state(self, state):
        """The other's."""
        return super().check_state(state) if self.then is None else self.then.check_state(state)

    def factor_at(self, t, state):
        """At step t, in the other's state."""
        if t < self.steps or self.then is None:
            return self.factor(t)
        return self.then.factor_at(t - self.steps, state)

    @property
    def description(self):
        """What JSON can hold of it."""
        then = None if self.then is None else self.then.description
        return {"name": "Warmup", **asdict(self), "then": then}


@says_how_to_change
@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from 1 / ``divisor`` to 1, down to that / ``last_divisor``, half a cosine each.

    Parameters
    ----------
    steps : int
        Planned, at least 2.
    rising : float, default 0.3
        The part of the steps that rises, in [0, 1).
    divisor, last_divisor : float, default 25.0 and 10000.0
        Above 0.
    per : {"step", "epoch"}
        What t counts.

    References
    ----------
    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning
    rates", 2018.
    """

    steps: int
    rising: float = 0.3
    divisor: float = 25.0
    last_divisor: float = 10000.0
    per: str = "step"

    advice: ClassVar[str] = "Few epochs at a rate that is as large as training stands."
    formula: ClassVar[str] = "half a cosine up, half a cosine down"

    def __post_init__(self):
        self.set_checked(
            steps=check_integer("steps", self.steps, 2, MAX_COUNT),
            rising=check_real("rising", self.rising, 0, below=1),
            divisor=check_real("divisor", self.divisor, 0, above=True),
            last_divisor=check_real("last_divisor", self.last_divisor, 0, above=True),
        )

    def factor(self, t: int) -> float:
        """At step t."""
        first, last = 1 / self.divisor, 1 / self.divisor / self.last_divisor
        top, end = max(self.rising * self.steps - 1, 0.0), self.steps - 1
        if t < top:
            return _between(first, 1.0, t / top)
        return _between(1.0, last, (min(t, end) - top) / (end - top))


@says_how_to_change
@dataclass(frozen=True)
class CosLog(Schedule):
    """Cosines of growing length: ½ (1 − cos(2π log₂(1 + (2^cycles − 1) t / steps))); then 0.

    Parameters
    ----------
    steps : int
        Planned, at least 1.
    cycles : int, default 4
        From 1 to 30; 4 is the paper's coslog4.
    per : {"step", "epoch"}
        What t counts.

    References
    ----------
    Holzmüller, Grinsztajn and Steinwart, "Better by default: strong pre-tuned MLPs and boosted
    trees on tabular data", NeurIPS 2024.
    """

    steps: int
    cycles: int = 4
    per: str = "step"

    advice: ClassVar[str] = "Tables: some cycles, without a choice of where to stop."
    formula: ClassVar[str] = "½ (1 − cos(2π log₂(1 + (2^cycles − 1) t / steps)))"

    def __post_init__(self):
        self.set_checked(
            steps=check_integer("steps", self.steps, 1, MAX_COUNT),
            cycles=check_integer("cycles", self.cycles, 1, 30),
        )

    def factor(self, t: int) -> float:
        """At step t."""
        passed = math.log2(1 + (2**self.cycles - 1) * min(t, self.steps) / self.steps)
        return (1 - math.cos(2 * math.pi * passed)) / 2


def _between(start, end, part):
    """Half a cosine."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))
