"""Optimizers that change one thing or another about Adam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from backprop.catalogue.formula import Formula
from backprop.catalogue.optimizers.adam import ADAM_MOMENTS, Adam
from backprop.catalogue.optimizers.base import Optimizer, Rule
from backprop.catalogue.records import says_how_to_change
from backprop.validation import check_real

if TYPE_CHECKING:
    from backprop.catalogue.schedules import Schedule


@says_how_to_change
@dataclass(frozen=True, repr=False)
class AMSGrad(Optimizer):
    """Adam whose second moment never shrinks: steps are scaled by the largest so far.

    m and v as Adam's, u ← max(u, v), w ← w − lr (m / (1−β₁ᵗ)) / (√(u / (1−β₂ᵗ)) + ε).

    Parameters
    ----------
    learning_rate : float, default 0.001
        lr, above 0.
    beta_1, beta_2 : float, default 0.9 and 0.999
        Decay of the two moments, in [0, 1).
    epsilon : float, default 1e-8
        ε, above 0.
    l2 : float, default 0.0
        λ, as Adam's.
    l1, weight_decay : float, default 0.0
        λ₁ and δ, at least 0: see `Optimizer`.
    schedule : Schedule, optional
        What the learning rate is multiplied by: ``backprop.catalogue.schedules``.

    References
    ----------
    Reddi, Kale and Kumar, "On the convergence of Adam and beyond", ICLR 2018; with Adam's
    corrections, as PyTorch has it.
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    l2: float = 0.0
    l1: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule | None = None

    symbols: ClassVar[dict[str, str]] = Adam.symbols
    divisors: ClassVar[tuple[str, ...]] = ("epsilon",)
    kind: ClassVar[str] = "amsgrad"
    title: ClassVar[str] = "AMSGrad"
    moments: ClassVar[dict[str, str]] = {**Adam.moments, "largest_moment2": "u"}

    def __post_init__(self) -> None:
        self.set_checked(
            beta_1=check_real("beta_1", self.beta_1, 0, below=1),
            beta_2=check_real("beta_2", self.beta_2, 0, below=1),
            epsilon=check_real("epsilon", self.epsilon, 0, above=True),
        )

    rules: ClassVar[tuple[Rule, ...]] = (
        *ADAM_MOMENTS,
        Rule("u", Formula("max(u, v)"), "The largest second moment so far"),
        Rule("m_hat", Formula("m / (1 - beta_1**t)"), "The first, corrected"),
        Rule("u_hat", Formula("u / (1 - beta_2**t)"), "The largest, corrected"),
        Rule("w", Formula("w - lr * m_hat / (sqrt(u_hat) + epsilon)"), "The new number"),
    )


@says_how_to_change
@dataclass(frozen=True, repr=False)
class NAdam(Optimizer):
    """Adam with Nesterov's momentum, which grows over the steps.

    m and v as Adam's, μₜ = β₁ (1 − ½ 0.96^(t ψ)), Mₜ = μ₁ μ₂ … μₜ,
    w ← w − lr ((1−μₜ) / (1−Mₜ) g + μₜ₊₁ / (1−Mₜ μₜ₊₁) m) / (√(v / (1−β₂ᵗ)) + ε).

    Parameters
    ----------
    learning_rate : float, default 0.002
        lr, above 0.
    beta_1, beta_2 : float, default 0.9 and 0.999
        Decay of the two moments, in [0, 1).
    epsilon : float, default 1e-8
        ε, above 0.
    momentum_decay : float, default 0.004
        ψ, at least 0: how fast μ grows to β₁.
    l2 : float, default 0.0
        λ, as Adam's.
    l1, weight_decay : float, default 0.0
        λ₁ and δ, at least 0: see `Optimizer`.
    schedule : Schedule, optional
        What the learning rate is multiplied by: ``backprop.catalogue.schedules``.

    References
    ----------
    Dozat, "Incorporating Nesterov momentum into Adam", ICLR 2016 workshop; the schedule of μ as
    PyTorch has it.
    """

    learning_rate: float = 0.002
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    momentum_decay: float = 0.004
    l2: float = 0.0
    l1: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule | None = None

    symbols: ClassVar[dict[str, str]] = {**Adam.symbols, "momentum_decay": "psi"}
    divisors: ClassVar[tuple[str, ...]] = ("epsilon",)
    kind: ClassVar[str] = "nadam"
    title: ClassVar[str] = "NAdam"
    moments: ClassVar[dict[str, str]] = Adam.moments

    def __post_init__(self) -> None:
        self.set_checked(
            beta_1=check_real("beta_1", self.beta_1, 0, below=1),
            beta_2=check_real("beta_2", self.beta_2, 0, below=1),
            epsilon=check_real("epsilon", self.epsilon, 0, above=True),
            momentum_decay=check_real("momentum_decay", self.momentum_decay, 0),
        )

    rules: ClassVar[tuple[Rule, ...]] = (
        *ADAM_MOMENTS,
        Rule("mu", Formula("beta_1 * (1 - 0.96 ** (t * psi) / 2)"), "This step's momentum"),
        Rule("mu_next", Formula("beta_1 * (1 - 0.96 ** ((t + 1) * psi) / 2)"), "The next one's"),
        Rule(
            "m_hat",
            Formula("(1 - mu) / (1 - product) * g + mu_next / (1 - product * mu_next) * m"),
            "The first moment, looking ahead",
        ),
        Rule("v_hat", Formula("v / (1 - beta_2**t)"), "The second, corrected"),
        Rule("w", Formula("w - lr * m_hat / (sqrt(v_hat) + epsilon)"), "The new number"),
    )

    def numbers_at(self, t: int) -> dict[str, float]:
        """With the product of the momenta of the steps up to t."""
        product = 1.0
        for i in range(1, t + 1):
            product *= self.beta_1 * (1 - 0.96 ** (i * self.momentum_decay) / 2)
            if product < 2.0**-60:  # 1 - product is 1
                break
        return {**super().numbers_at(t), "product": product}


@says_how_to_change
@dataclass(frozen=True, repr=False)
class RAdam(Optimizer):
    """Adam that waits with its second moment until that is known well enough.

    m and v as Adam's, ρ∞ = 2 / (1−β₂) − 1, ρ = ρ∞ − 2 t β₂ᵗ / (1−β₂ᵗ). Where ρ > 5,
    w ← w − lr r (m / (1−β₁ᵗ)) √(1−β₂ᵗ) / (√v + ε) with
    r = √((ρ−4) (ρ−2) ρ∞ / ((ρ∞−4) (ρ∞−2) ρ)); before, w ← w − lr m / (1−β₁ᵗ).

    Parameters
    ----------
    learning_rate : float, default 0.001
        lr, above 0.
    beta_1 : float, default 0.9
        Decay of the first moment, in [0, 1).
    beta_2 : float, default 0.999
        Decay of the second moment, in (2/3, 1): below, ρ never exceeds 5.
    epsilon : float, default 1e-8
        ε, above 0.
    l2 : float, default 0.0
        λ, as Adam's.
    l1, weight_decay : float, default 0.0
        λ₁ and δ, at least 0: see `Optimizer`.
    schedule : Schedule, optional
        What the learning rate is multiplied by: ``backprop.catalogue.schedules``.

    References
    ----------
    Liu, Jiang, He, Chen, Liu, Gao and Han, "On the variance of the adaptive learning rate and
    beyond", ICLR 2020; ε and the bound 5 as PyTorch has them.
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    l2: float = 0.0
    l1: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule | None = None

    symbols: ClassVar[dict[str, str]] = Adam.symbols
    divisors: ClassVar[tuple[str, ...]] = ("epsilon",)
    kind: ClassVar[str] = "radam"
    title: ClassVar[str] = "RAdam"
    moments: ClassVar[dict[str, str]] = Adam.moments

    def __post_init__(self) -> None:
        self.set_checked(
            beta_1=check_real("beta_1", self.beta_1, 0, below=1),
            beta_2=check_real("beta_2", self.beta_2, 2 / 3, above=True, below=1),
            epsilon=check_real("epsilon", self.epsilon, 0, above=True),
        )

    rules: ClassVar[tuple[Rule, ...]] = (
        *ADAM_MOMENTS,
        Rule("m_hat", Formula("m / (1 - beta_1**t)"), "The first, corrected"),
        Rule(
            "rho_inf", Formula("2 / (1 - beta_2) - 1"), "How many gradients v averages in the end"
        ),
        Rule(
            "rho",
            Formula("rho_inf - 2 * t * beta_2**t / (1 - beta_2**t)"),
            "How many it averages now",
        ),
        Rule(
            "r",
            Formula(
                "sqrt(max(rho - 4, 0) * (rho - 2) * rho_inf"
                " / ((rho_inf - 4) * (rho_inf - 2) * rho))"
            ),
            "What corrects the variance",
        ),
        Rule(
            "w",
            Formula(
                "w - lr * m_hat * where(rho > 5, r * sqrt(1 - beta_2**t) / (sqrt(v) + epsilon), 1)"
            ),
            "The new number",
        ),
    )


@says_how_to_change
@dataclass(frozen=True, repr=False)
class Adamax(Optimizer):
    """Adam with the largest of the gradients in place of their second moment.

    m ← β₁ m + (1−β₁) g, u ← max(β₂ u, |g| + ε), w ← w − lr (m / (1−β₁ᵗ)) / u.

    Parameters
    ----------
    learning_rate : float, default 0.002
        lr, above 0.
    beta_1, beta_2 : float, default 0.9 and 0.999
        Decay of m and u, in [0, 1).
    epsilon : float, default 1e-8
        ε, above 0.
    l2 : float, default 0.0
        λ, as Adam's.
    l1, weight_decay : float, default 0.0
        λ₁ and δ, at least 0: see `Optimizer`.
    schedule : Schedule, optional
        What the learning rate is multiplied by: ``backprop.catalogue.schedules``.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, Algorithm 2; ε as
    PyTorch has it.
    """

    learning_rate: float = 0.002
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    l2: float = 0.0
    l1: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule | None = None

    symbols: ClassVar[dict[str, str]] = Adam.symbols
    divisors: ClassVar[tuple[str, ...]] = ("epsilon",)
    kind: ClassVar[str] = "adamax"
    title: ClassVar[str] = "Adamax"
    moments: ClassVar[dict[str, str]] = {"moment1": "m", "largest": "u"}

    def __post_init__(self) -> None:
        self.set_checked(
            beta_1=check_real("beta_1", self.beta_1, 0, below=1),
            beta_2=check_real("beta_2", self.beta_2, 0, below=1),
            epsilon=check_real("epsilon", self.epsilon, 0, above=True),
        )

    rules: ClassVar[tuple[Rule, ...]] = (
        ADAM_MOMENTS[0],
        Rule("u", Formula("max(beta_2 * u, abs(g) + epsilon)"), "The largest gradient, fading"),
        Rule("w", Formula("w - lr / (1 - beta_1**t) * m / u"), "The new number"),
    )


KINDS = (AMSGrad, NAdam, RAdam, Adamax)
