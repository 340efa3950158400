"""Optimizers that read the signs of gradients, not their size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from backprop.catalogue.formula import Formula
from backprop.catalogue.optimizers.base import Optimizer, Rule
from backprop.catalogue.records import says_how_to_change
from backprop.validation import check_real

if TYPE_CHECKING:
    from backprop.catalogue.schedules import Schedule


@says_how_to_change
@dataclass(frozen=True, repr=False)
class Lion(Optimizer):
    """Steps of one size, along the sign of a momentum.

    c = β₁ m + (1−β₁) g, m ← β₂ m + (1−β₂) g, w ← w − lr sign(c).

    Parameters
    ----------
    learning_rate : float, default 0.0001
        lr, at least 0: a third to a tenth of Adam's.
    beta_1, beta_2 : float, default 0.9 and 0.99
        In [0, 1): how far a step follows m, and the decay of m.
    l2 : float, default 0.0
        λ, as Adam's.
    l1, weight_decay : float, default 0.0
        λ₁ and δ, at least 0: see `Optimizer`.
    schedule : Schedule, optional
        What the learning rate is multiplied by: ``backprop.catalogue.schedules``.

    References
    ----------
    Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, Algorithm 2.
    """

    learning_rate: float = 0.0001
    beta_1: float = 0.9
    beta_2: float = 0.99
    l2: float = 0.0
    l1: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule | None = None

    symbols: ClassVar[dict[str, str]] = {
        **Optimizer.symbols,
        "beta_1": "beta_1",
        "beta_2": "beta_2",
    }
    kind: ClassVar[str] = "lion"
    title: ClassVar[str] = "Lion"
    moments: ClassVar[dict[str, str]] = {"moment1": "m"}

    def __post_init__(self) -> None:
        self.set_checked(
            beta_1=check_real("beta_1", self.beta_1, 0, below=1),
            beta_2=check_real("beta_2", self.beta_2, 0, below=1),
        )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("c", Formula("beta_1 * m + (1 - beta_1) * g"), "The direction"),
        Rule("m", Formula("beta_2 * m + (1 - beta_2) * g"), "A mean of gradients"),
        Rule("w", Formula("w - lr * sign(c)"), "The new number"),
    )


@says_how_to_change
@dataclass(frozen=True, repr=False)
class Rprop(Optimizer):
    """A step size s for each weight, which grows while its gradient keeps its sign.

    For full batches: the noise of small ones turns signs. s starts at lr;
    s ← s η₊ where g has the sign of the step before, s η₋ where it has the other one, within
    [least, most]; and there this step is left out. w ← w − sign(g) s.

    Parameters
    ----------
    learning_rate : float, default 0.01
        lr, at least 0: the first s.
    eta_minus, eta_plus : float, default 0.5 and 1.2
        η₋ in (0, 1) and η₊ above 1.
    least_step, most_step : float, default 1e-6 and 50.0
        Bounds of s, above 0.
    l2 : float, default 0.0
        λ, as Adam's.
    l1, weight_decay : float, default 0.0
        λ₁ and δ, at least 0: see `Optimizer`.
    schedule : Schedule, optional
        What the learning rate is multiplied by: ``backprop.catalogue.schedules``.

    References
    ----------
    Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the RPROP
    algorithm", ICNN 1993; without taking a step back, as PyTorch has it (iRprop⁻, Igel and Hüsken
    2000).
    """

    learning_rate: float = 0.01
    eta_minus: float = 0.5
    eta_plus: float = 1.2
    least_step: float = 1e-6
    most_step: float = 50.0
    l2: float = 0.0
    l1: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule | None = None

    symbols: ClassVar[dict[str, str]] = {
        **Optimizer.symbols,
        "eta_minus": "eta_minus",
        "eta_plus": "eta_plus",
        "least_step": "least",
        "most_step": "most",
    }
    kind: ClassVar[str] = "rprop"
    title: ClassVar[str] = "Rprop"
    moments: ClassVar[dict[str, str]] = {"last_gradient": "p", "step_size": "s"}

    def __post_init__(self) -> None:
        self.set_checked(
            eta_minus=check_real("eta_minus", self.eta_minus, 0, above=True, below=1),
            eta_plus=check_real("eta_plus", self.eta_plus, 1, above=True),
            least_step=check_real("least_step", self.least_step, 0, above=True),
            most_step=check_real("most_step", self.most_step, 0, above=True),
        )
        if self.least_step > self.most_step:
            raise ValueError(
                f"least_step={self.least_step!r}: expected at most most_step={self.most_step!r}"
            )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("k", Formula("sign(g) * sign(p)"), "Whether the sign is that of the step before"),
        Rule("s", Formula("where(s == 0, lr, s)"), "The step size, at first lr"),
        Rule(
            "s",
            Formula(
                "min(most, max(least, s * where(k > 0, eta_plus, where(k < 0, eta_minus, 1))))"
            ),
            "The new step size",
        ),
        Rule("p", Formula("where(k < 0, 0, g)"), "The gradient, 0 where its sign has turned"),
        Rule("w", Formula("w - sign(p) * s"), "The new number"),
    )


KINDS = (Lion, Rprop)
