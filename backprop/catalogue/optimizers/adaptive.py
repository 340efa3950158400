"""Optimizers that divide by the gradients' size, without a first moment."""

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
class RMSprop(Optimizer):
    """Steps scaled by a mean of the gradient's squares.

    v ← α v + (1−α) g², w ← w − lr g / (√v + ε). ``centered``: a ← α a + (1−α) g, and √(v − a²) in
    place of √v. With momentum μ: b ← μ b + g / (√v + ε), w ← w − lr b.

    Parameters
    ----------
    learning_rate : float, default 0.01
        lr, above 0.
    alpha : float, default 0.99
        α, in [0, 1).
    epsilon : float, default 1e-8
        ε, above 0.
    momentum : float, default 0.0
        μ, in [0, 1).
    centered : bool, default False
        Divide by the gradient's standard deviation.
    l2 : float, default 0.0
        λ, as Adam's.
    l1, weight_decay : float, default 0.0
        λ₁ and δ, at least 0: see `Optimizer`.
    schedule : Schedule, optional
        What the learning rate is multiplied by: ``backprop.catalogue.schedules``.

    References
    ----------
    Tieleman and Hinton, "Neural networks for machine learning", lecture 6.5, 2012; centered:
    Graves, "Generating sequences with recurrent neural networks", 2013. ε, as PyTorch has it, is
    outside the root.
    """

    learning_rate: float = 0.01
    alpha: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0
    centered: bool = False
    l2: float = 0.0
    l1: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule | None = None

    divisors: ClassVar[tuple[str, ...]] = ("epsilon",)
    variants: ClassVar[tuple[dict[str, float], ...]] = (
        {"momentum": 0.9},
        {"centered": True},
        {"momentum": 0.9, "centered": True},
    )

    def __post_init__(self) -> None:
        self.set_checked(
            alpha=check_real("alpha", self.alpha, 0, below=1),
            epsilon=check_real("epsilon", self.epsilon, 0, above=True),
            momentum=check_real("momentum", self.momentum, 0, below=1),
            centered=check_flag("centered", self.centered),
        )

    @property
    def kind(self) -> str:
        """The name of the core's row."""
        momentum = "_momentum" if self.momentum else ""
        return f"rmsprop{'_centered' if self.centered else ''}{momentum}"

    @property
    def title(self) -> str:
        """As people call it."""
        centered = "centered " if self.centered else ""
        return f"{centered}RMSprop{' with momentum' if self.momentum else ''}"

    @property
    def symbols(self) -> dict[str, str]:
        """{field: symbol in the rules}."""
        own = {"alpha": "alpha", "epsilon": "epsilon"}
        return {**Optimizer.symbols, **own, **({"momentum": "mu"} if self.momentum else {})}

    @property
    def moments(self) -> dict[str, str]:
        """{name of an array kept for each parameter: its symbol}; each starts at 0."""
        mean = {"moment1": "a"} if self.centered else {}
        return {"moment2": "v", **mean, **({"velocity": "b"} if self.momentum else {})}

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The assignments of a step."""
        lines = [Rule("v", Formula("alpha * v + (1 - alpha) * g**2"), "A mean of squares")]
        root = "sqrt(v)"
        if self.centered:
            lines += [Rule("a", Formula("alpha * a + (1 - alpha) * g"), "A mean of gradients")]
            root = "sqrt(max(v - a**2, 0))"
        if not self.momentum:
            step = Formula(f"w - lr * g / ({root} + epsilon)")
            return (*lines, Rule("w", step, "The new number"))
        velocity = Formula(f"mu * b + g / ({root} + epsilon)")
        return (
            *lines,
            Rule("b", velocity, "The velocity"),
            Rule("w", Formula("w - lr * b"), "The new number"),
        )


@says_how_to_change
@dataclass(frozen=True, repr=False)
class Adagrad(Optimizer):
    """Steps scaled by the sum of the gradient's squares: they shrink where gradients are large.

    v ← v + g², w ← w − lr / (1 + (t−1) η) g / (√v + ε).

    Parameters
    ----------
    learning_rate : float, default 0.01
        lr, above 0.
    lr_decay : float, default 0.0
        η, at least 0.
    epsilon : float, default 1e-10
        ε, above 0.
    l2 : float, default 0.0
        λ, as Adam's.
    l1, weight_decay : float, default 0.0
        λ₁ and δ, at least 0: see `Optimizer`.
    schedule : Schedule, optional
        What the learning rate is multiplied by: ``backprop.catalogue.schedules``.

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", JMLR 12, 2011.
    """

    learning_rate: float = 0.01
    lr_decay: float = 0.0
    epsilon: float = 1e-10
    l2: float = 0.0
    l1: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule | None = None

    divisors: ClassVar[tuple[str, ...]] = ("epsilon",)
    variants: ClassVar[tuple[dict[str, float], ...]] = ({"lr_decay": 0.01},)
    kind: ClassVar[str] = "adagrad"
    title: ClassVar[str] = "Adagrad"
    moments: ClassVar[dict[str, str]] = {"sum_of_squares": "v"}

    def __post_init__(self) -> None:
        self.set_checked(
            lr_decay=check_real("lr_decay", self.lr_decay, 0),
            epsilon=check_real("epsilon", self.epsilon, 0, above=True),
        )

    @property
    def symbols(self) -> dict[str, str]:
        """{field: symbol in the rules}."""
        decay = {"lr_decay": "eta"} if self.lr_decay else {}
        return {**Optimizer.symbols, "epsilon": "epsilon", **decay}

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The assignments of a step."""
        rate = "lr / (1 + (t - 1) * eta)" if self.lr_decay else "lr"
        return (
            Rule("v", Formula("v + g**2"), "The sum of squares"),
            Rule("w", Formula(f"w - {rate} * g / (sqrt(v) + epsilon)"), "The new number"),
        )


@says_how_to_change
@dataclass(frozen=True, repr=False)
class Adadelta(Optimizer):
    """Steps in the units of w: as large as those before were, by the size of their gradients.

    v ← ρ v + (1−ρ) g², d = √(u + ε) / √(v + ε) g, u ← ρ u + (1−ρ) d², w ← w − lr d.

    Parameters
    ----------
    learning_rate : float, default 1.0
        lr, above 0.
    rho : float, default 0.9
        ρ, in [0, 1).
    epsilon : float, default 1e-6
        ε, above 0: how large the first steps are.
    l2 : float, default 0.0
        λ, as Adam's.
    l1, weight_decay : float, default 0.0
        λ₁ and δ, at least 0: see `Optimizer`.
    schedule : Schedule, optional
        What the learning rate is multiplied by: ``backprop.catalogue.schedules``.

    References
    ----------
    Zeiler, "ADADELTA: an adaptive learning rate method", 2012.
    """

    learning_rate: float = 1.0
    rho: float = 0.9
    epsilon: float = 1e-6
    l2: float = 0.0
    l1: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule | None = None

    symbols: ClassVar[dict[str, str]] = {
        **Optimizer.symbols,
        "rho": "rho",
        "epsilon": "epsilon",
    }
    divisors: ClassVar[tuple[str, ...]] = ("epsilon",)
    kind: ClassVar[str] = "adadelta"
    title: ClassVar[str] = "Adadelta"
    moments: ClassVar[dict[str, str]] = {"moment2": "v", "steps_moment2": "u"}

    def __post_init__(self) -> None:
        self.set_checked(
            rho=check_real("rho", self.rho, 0, below=1),
            epsilon=check_real("epsilon", self.epsilon, 0, above=True),
        )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("v", Formula("rho * v + (1 - rho) * g**2"), "A mean of the gradient's squares"),
        Rule("d", Formula("sqrt(u + epsilon) / sqrt(v + epsilon) * g"), "The step"),
        Rule("u", Formula("rho * u + (1 - rho) * d**2"), "A mean of the steps' squares"),
        Rule("w", Formula("w - lr * d"), "The new number"),
    )


KINDS = (RMSprop, Adagrad, Adadelta)
