"""What all schedules share."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np

from backprop.catalogue.records import Hinted
from backprop.validation import check_integer, check_name, check_real

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
