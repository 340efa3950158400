"""Adam and its relatives: steps scaled by the gradient's moments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from backprop.catalogue.formula import Formula
from backprop.catalogue.optimizers.base import Optimizer, Rule
from backprop.catalogue.records import says_how_to_change
from backprop.validation import check_flag, check_real

if TYPE_CHECKING:
    from backprop.catalogue.schedules import Schedule

ADAM_MOMENTS = (
    Rule("m", Formula("beta_1 * m + (1 - beta_1) * g"), "The first moment: a mean of gradients"),
    Rule(
        "v",
        Formula("beta_2 * v + (1 - beta_2) * g**2"),
        "The second moment: a mean of their squares",
    ),
)
ADAM_CORRECTED = (
    Rule("m_hat", Formula("m / (1 - beta_1**t)"), "The first, corrected"),
    Rule("v_hat", Formula("v / (1 - beta_2**t)"), "The second, corrected"),
)


@says_how_to_change
@dataclass(frozen=True, repr=False)
class Adam(Optimizer):
    """Adam: steps scaled by the gradient's two moments.

    m ← β₁ m + (1−β₁) g, v ← β₂ v + (1−β₂) g², w ← w − lr (m / (1−β₁ᵗ)) / (√(v / (1−β₂ᵗ)) + ε).

    Parameters
    ----------
    learning_rate : float, default 0.001
        lr, above 0.
    beta_1, beta_2 : float, default 0.9 and 0.999
        Decay of the two moments, in [0, 1).
    epsilon : float, default 1e-8
        ε, above 0.
    l2 : float, default 0.0
        λ, at least 0: g is the gradient of the batch's cost with ½ λ Σ W² / Σ w added to it, W all
        weights but no biases, w the sample weights or 1.
    epsilon_hat : bool, default False
        Add ε before the second moment is corrected, as scikit-learn does and the paper's last
        lines of section 2: w ← w − lr √(1−β₂ᵗ) / (1−β₁ᵗ) m / (√v + ε).
    l1, weight_decay : float, default 0.0
        λ₁ and δ, at least 0: see `Optimizer`.
    schedule : Schedule, optional
        What the learning rate is multiplied by: ``backprop.catalogue.schedules``.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, Algorithm 1.
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    l2: float = 0.0
    epsilon_hat: bool = False
    l1: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule | None = None

    symbols: ClassVar[dict[str, str]] = {
        "learning_rate": "lr",
        "beta_1": "beta_1",
        "beta_2": "beta_2",
        "epsilon": "epsilon",
    }
    variants: ClassVar[tuple[dict[str, float], ...]] = ({"epsilon_hat": True},)
    meanings: ClassVar[dict[str, str]] = {
        "beta_1": "decay of the first moment",
        "beta_2": "decay of the second",
        "epsilon": "against division by 0",
    }
    divisors: ClassVar[tuple[str, ...]] = ("epsilon",)
    kind: ClassVar[str] = "adam"
    title: ClassVar[str] = "Adam"
    moments: ClassVar[dict[str, str]] = {"moment1": "m", "moment2": "v"}

    def __post_init__(self) -> None:
        self.set_checked(
            beta_1=check_real("beta_1", self.beta_1, 0, below=1),
            beta_2=check_real("beta_2", self.beta_2, 0, below=1),
            epsilon=check_real("epsilon", self.epsilon, 0, above=True),
            epsilon_hat=check_flag("epsilon_hat", self.epsilon_hat),
        )

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The assignments of a step."""
        if self.epsilon_hat:  # epsilon is added before the correction, so that it is corrected too
            step = "w - lr * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)"
            return (*ADAM_MOMENTS, Rule("w", Formula(step), "The new number"))
        step = "w - lr * m_hat / (sqrt(v_hat) + epsilon)"
        return (*ADAM_MOMENTS, *ADAM_CORRECTED, Rule("w", Formula(step), "The new number"))


@says_how_to_change
@dataclass(frozen=True, repr=False)
class AdamW(Adam):
    """Adam with weights that decay apart from their gradient.

    w ← w − lr δ w, of weights but no biases; then Adam's step, whose two moments do not see it.

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon, l2, epsilon_hat, l1
        As Adam's.
    weight_decay : float, default 0.01
        δ, at least 0.

    References
    ----------
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019; δ times the learning
    rate, as PyTorch has it.
    """

    weight_decay: float = 0.01

    title: ClassVar[str] = "AdamW"


KINDS = (Adam, AdamW)
