"""The schedule that follows what epochs come to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from backprop.catalogue.records import says_how_to_change
from backprop.catalogue.schedules.base import Schedule
from backprop.validation import MAX_COUNT, check_integer, check_real


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
            "end": check_real("end", self.end, 0, most=1),
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
