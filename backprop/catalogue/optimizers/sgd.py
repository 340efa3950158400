"""Gradient descent, plain and with momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from backprop.catalogue.formula import Formula
from backprop.catalogue.optimizers.base import Optimizer, Rule
from backprop.catalogue.records import says_how_to_change
from backprop.validation import check_flag, check_real

if TYPE_CHECKING:
    from backprop.catalogue.schedules import Schedule


@says_how_to_change
@dataclass(frozen=True, repr=False)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum v when ``momentum`` > 0.

    Plain: w ← w − lr g. With momentum μ: v ← μ v − lr g, w ← w + v.
    Nesterov: v ← μ v − lr g, w ← w + μ v − lr g.

    Parameters
    ----------
    learning_rate : float, default 0.01
        lr, above 0.
    momentum : float, default 0.0
        μ, in [0, 1).
    nesterov : bool, default False
        Look ahead along the momentum; needs momentum > 0.
    l2 : float, default 0.0
        λ, at least 0: g is the gradient of the batch's cost with ½ λ Σ W² / Σ w added to it, W all
        weights but no biases, w the sample weights or 1.
    l1, weight_decay : float, default 0.0
        λ₁ and δ, at least 0: see `Optimizer`.
    schedule : Schedule, optional
        What the learning rate is multiplied by: ``backprop.catalogue.schedules``.

    References
    ----------
    Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep
    learning", ICML 2013.
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    l2: float = 0.0
    l1: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule | None = None

    suggested: ClassVar[dict[str, float]] = {"momentum": 0.9, "nesterov": True}
    variants: ClassVar[tuple[dict[str, float], ...]] = ({"momentum": 0.9}, suggested)

    def __post_init__(self) -> None:
        self.set_checked(
            momentum=check_real("momentum", self.momentum, 0, below=1),
            nesterov=check_flag("nesterov", self.nesterov),
        )
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov=True needs momentum > 0, for example momentum=0.9")

    @property
    def kind(self) -> str:
        """The name of the core's row."""
        if self.momentum == 0:
            return "sgd"
        return "nesterov" if self.nesterov else "momentum"

    @property
    def title(self) -> str:
        """As people call it."""
        return (
            "gradient descent"
            + {
                "sgd": "",
                "momentum": " with momentum",
                "nesterov": " with Nesterov momentum",
            }[self.kind]
        )

    @property
    def symbols(self) -> dict[str, str]:
        """{field: symbol in the rules}."""
        shared = Optimizer.symbols
        return {**shared, "momentum": "mu"} if self.momentum else shared

    @property
    def moments(self) -> dict[str, str]:
        """{name of an array kept for each parameter: its symbol}; each starts at 0."""
        return {"velocity": "v"} if self.momentum else {}

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The assignments of a step."""
        if self.momentum == 0:
            return (Rule("w", Formula("w - lr * g"), "The new number"),)
        step = "w + mu * v - lr * g" if self.nesterov else "w + v"
        return (
            Rule("v", Formula("mu * v - lr * g"), "The velocity"),
            Rule("w", Formula(step), "The new number"),
        )


KINDS = (SGD,)
