"""Schedules: the learning rate as a function of the step.

A schedule gives a factor of the optimizer's learning rate: ``bp.Adam(1e-3,
schedule=bp.Cosine(1000))``. It is a pure function of the number t of the step, from 0, or of the
epoch (``per="epoch"``), and of a state, which the network keeps where the schedule follows what
epochs come to; so a training that goes on has the rates that it would have had. Factors
are worked out in Python's float64; where a power or a cosine is among them, its last bit is that of
the machine's C library, and may differ from one machine to another.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from backprop.catalogue.records import (
    Hinted,
    described_kind,
    optional_kind,
    says_how_to_change,
)
from backprop.validation import (
    MAX_COUNT,
    check_flag,
    check_integer,
    check_name,
    check_real,
)

PER = ("step", "epoch")


class Schedule(Hinted):
    """What all schedules share."""

    per: str | None

    advice: ClassVar[str] = ""
    how_to_change: ClassVar[str] = (
        "make another, dataclasses.replace(schedule, {name}=…), and give it to an optimizer"
    )
    keyword_aliases: ClassVar[dict[str, str]] = {
        "T_max": "steps",
        "T_0": "steps",
        "total_steps": "steps",
        "total_iters": "steps",
        "n_steps": "steps",
        "step_size": "every",
        "gamma": "ratio",
        "eta_min": "end",
        "T_mult": "growth",
        "start_factor": "start",
        "after": "then",
        "pct_start": "rising",
        "factor": "ratio",
        "min_lr": "end",
    }

    @property
    def follows_results(self) -> bool:
        """Whether it has a state, and has to be told what each epoch has come to."""
        return False

    def begin(self) -> dict[str, Any] | None:
        """The state that it starts with, of what JSON can hold."""
        return None

    def told(self, state, loss: float):
        """The state after an epoch of that validation loss, or loss where there is no other."""
        return state

    def check_state(self, state):
        """The state as it is; ValueError or TypeError where it is none of this schedule's."""
        if state is not None:
            raise ValueError(f"schedule_state={state!r}: expected None, {self} has no state")
        return state

    def factor_at(self, t: int, state) -> float:
        """Of the learning rate, at step (or epoch) t, in that state."""
        return self.factor(t)

    def factor(self, t: int) -> float:
        """Of the learning rate, at step (or epoch) t, from 0."""
        raise NotImplementedError

    def curve(self, n_steps: int, learning_rate: float = 1.0, steps_per_epoch: int = 1):
        """The rates of the first `n_steps` steps, float64 (n_steps,).

        `steps_per_epoch`: where the schedule is per epoch.
        """
        n_steps = check_integer("n_steps", n_steps, 0)
        rate = check_real("learning_rate", learning_rate, 0, above=True)
        steps_per_epoch = check_integer("steps_per_epoch", steps_per_epoch, 1)
        epochs = -(-n_steps // steps_per_epoch)
        return self.rates(rate, 0, 0, epochs, steps_per_epoch)[:n_steps]

    def rates(self, learning_rate, first_step, first_epoch, n_epochs, steps_per_epoch, state=None):
        """Of every step of some epochs, float64: the core's rates."""
        if self.per == "epoch":
            factors = [self.factor_at(first_epoch + i, state) for i in range(n_epochs)]
            return np.repeat(learning_rate * np.array(factors, np.float64), steps_per_epoch)
        count = n_epochs * steps_per_epoch
        factors = (self.factor_at(first_step + i, state) for i in range(count))
        return learning_rate * np.fromiter(factors, np.float64, count)

    def set_checked(self, **own) -> None:
        """In a frozen dataclass, numbers of Python for what was given; `per` is checked here."""
        own["per"] = check_name("per", self.per, PER)
        for name, value in own.items():
            object.__setattr__(self, name, value)

    @property
    def description(self):
        """What JSON can hold of it."""
        return {"name": type(self).__name__, **asdict(self)}


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
        self.set_checked(ratio=check_real("ratio", self.ratio, 0, below=math.nextafter(1, 2)))

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


@says_how_to_change
@dataclass(frozen=True)
class OnPlateau(Schedule):
    """The rate times ``ratio`` whenever the loss has not fallen for more than ``patience`` epochs.

    The loss is that of ``validation_data``, or of training where there is none. It has fallen where
    it is below best − threshold · |best|, best the lowest until then. The factor is part of the
    network's state: ``net.schedule_state``, saved with it.

    Parameters
    ----------
    ratio : float, default 0.1
        In [0, 1).
    patience : int, default 10
        Epochs without a fall that change nothing, at least 0.
    threshold : float, default 0.0001
        At least 0.
    cooldown : int, default 0
        Epochs after a reduction that are not counted, at least 0.
    end : float, default 0.0
        The least factor, in [0, 1].

    References
    ----------
    PyTorch's ReduceLROnPlateau, whose steps these are.
    """

    ratio: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    end: float = 0.0

    per: ClassVar[None] = None  # it counts neither
    advice: ClassVar[str] = "With validation data: nobody knows how long training is worth it."
    formula: ClassVar[str] = "ratio^(how often the loss has stopped to fall)"

    def __post_init__(self):
        own = {
            "ratio": check_real("ratio", self.ratio, 0, below=1),
            "patience": check_integer("patience", self.patience, 0, MAX_COUNT),
            "threshold": check_real("threshold", self.threshold, 0),
            "cooldown": check_integer("cooldown", self.cooldown, 0, MAX_COUNT),
            "end": check_real("end", self.end, 0, below=math.nextafter(1, 2)),
        }
        for name, value in own.items():
            object.__setattr__(self, name, value)

    @property
    def follows_results(self) -> bool:
        """It does nothing else."""
        return True

    def factor(self, t: int) -> float:
        """Before anything is known."""
        return 1.0

    def factor_at(self, t, state):
        """That of the state."""
        return 1.0 if state is None else state["factor"]

    def begin(self):
        """Nothing is known."""
        return {"factor": 1.0, "best": None, "epochs_without": 0, "cooling": 0}

    def told(self, state, loss):
        """The state after an epoch of that loss."""
        factor, best, without, cooling = state.values()
        if best is None and math.isfinite(loss):
            has_fallen = True
        else:
            has_fallen = best is not None and loss < best - self.threshold * abs(best)
        best, without = (float(loss), 0) if has_fallen else (best, without + 1)
        if cooling > 0:
            cooling, without = cooling - 1, 0
        if without > self.patience:
            factor, without, cooling = max(factor * self.ratio, self.end), 0, self.cooldown
        return {"factor": factor, "best": best, "epochs_without": without, "cooling": cooling}

    def check_state(self, state):
        """As `begin` and `told` make it."""
        names = list(self.begin())
        if not isinstance(state, dict) or list(state) != names:
            expected = ", ".join(names)
            raise ValueError(f"schedule_state={state!r}: expected a dict of {expected}")
        best = state["best"]
        return {
            "factor": check_real("factor", state["factor"], 0),
            "best": None if best is None else check_real("best", best, -math.inf),
            "epochs_without": check_integer("epochs_without", state["epochs_without"], 0),
            "cooling": check_integer("cooling", state["cooling"], 0),
        }


def _between(start, end, part):
    """Half a cosine."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))


SCHEDULES = {
    kind.__name__: kind
    for kind in (
        Constant,
        StepDecay,
        ExponentialDecay,
        PolynomialDecay,
        InverseScaling,
        Cosine,
        Warmup,
        OneCycle,
        CosLog,
        OnPlateau,
    )
}


def check_schedule(value):
    """A schedule or None; or its description."""
    return optional_kind("schedule", value, Schedule, SCHEDULES, described_schedule)


def described_schedule(description):
    """The schedule of which this is the `description`; every number has to be there."""
    values = dict(description)
    if values.get("then") is not None:
        values["then"] = described_schedule(values["then"])
    return described_kind("schedule", values, SCHEDULES)
