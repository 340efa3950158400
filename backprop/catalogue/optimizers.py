"""Optimizers: what each is, for people and for every part of the library that asks.

A class here and a row in csrc/kernels/optimizers.h make an optimizer. Its hyper-parameters are the
fields of the class; ``rules`` are the assignments of one step, which the reference evaluates and
``explain`` shows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, NamedTuple

from backprop.catalogue.formula import Formula
from backprop.catalogue.records import Hinted
from backprop.validation import check_flag, check_real


class Rule(NamedTuple):
    """One assignment of a step: symbol ← formula, and what it does in a few words."""

    symbol: str
    formula: Formula
    title: str

    @property
    def target(self) -> Formula:
        """The symbol as a formula, which writes it."""
        return Formula(self.symbol)


SHARED = ("learning_rate", "l2")  # fields of every optimizer, which the core knows by name


class Optimizer(Hinted):
    """What all optimizers share: a step is a list of rules, applied to every parameter alike.

    ``rules`` assign, in their order, to the symbols of ``moments`` and at last to ``w``; they read
    these, the gradient ``g``, the number ``t`` of the step, counted from 1, and ``symbols``.
    """

    learning_rate: float
    l2: float

    symbols: ClassVar[dict[str, str]] = {"learning_rate": "lr"}  # {field: symbol in the rules}
    divisors: ClassVar[tuple[str, ...]] = ()  # fields that keep a division from being one by 0
    meanings: ClassVar[dict[str, str]] = {}  # {field: in a few words, where its name is not enough}
    suggested: ClassVar[dict[str, float]] = {}  # what `backprop train` sets beyond the defaults
    variants: ClassVar[tuple[dict[str, float], ...]] = ()  # settings that make other rules
    keyword_aliases: ClassVar[dict[str, str]] = {
        "lr": "learning_rate",
        "rate": "learning_rate",
        "step_size": "learning_rate",
        "eta": "learning_rate",
        "weight_decay": "l2",
        "decay": "l2",
        "alpha": "l2",
        "lambda_": "l2",
        "mu": "momentum",
        "nesterovs_momentum": "nesterov",
        "beta1": "beta_1",
        "betas": "beta_1",
        "b1": "beta_1",
        "beta2": "beta_2",
        "b2": "beta_2",
        "eps": "epsilon",
    }

    @property
    def kind(self) -> str:
        """The name of the core's row."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """As people call it."""
        raise NotImplementedError

    @property
    def moments(self) -> dict[str, str]:
        """{name of an array kept for each parameter: its symbol}; each starts at 0."""
        raise NotImplementedError

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The assignments of a step."""
        raise NotImplementedError

    @property
    def settings(self) -> tuple[float, ...]:
        """What the core's row is given beside the learning rate and l2, in the fields' order."""
        own = [field.name for field in fields(self) if field.name not in SHARED]
        return tuple(float(getattr(self, name)) for name in own)

    @property
    def numbers(self) -> dict[str, float]:
        """{symbol: number} of what the rules read of the optimizer itself."""
        return {symbol: getattr(self, name) for name, symbol in self.symbols.items()}

    def update(self, w, g, moments, t) -> None:
        """One step in place, in numpy: w and its moments, arrays in the order of ``moments``."""
        held = dict(zip(self.moments.values(), moments, strict=True))
        values = {**self.numbers, "w": w, "g": g, "t": t, **held}
        for rule in self.rules:
            values[rule.symbol] = rule.formula.evaluate(values)
        for symbol, array in {**held, "w": w}.items():
            array[...] = values[symbol]


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum v when ``momentum`` > 0.

    Plain: w ← w − lr g. With momentum μ: v ← μ v − lr g, w ← w + v.
    Nesterov: v ← μ v − lr g, w ← w + μ v − lr g.

    Parameters
    ----------
    learning_rate : float, default 0.01
        lr, at least 0.
    momentum : float, default 0.0
        μ, in [0, 1).
    nesterov : bool, default False
        Look ahead along the momentum; needs momentum > 0.
    l2 : float, default 0.0
        λ, at least 0: g is the gradient of the batch's cost with ½ λ Σ W² / Σ w added to it, W all
        weights but no biases, w the sample weights or 1.

    References
    ----------
    Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep
    learning", ICML 2013.
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    l2: float = 0.0

    suggested: ClassVar[dict[str, float]] = {"momentum": 0.9, "nesterov": True}
    variants: ClassVar[tuple[dict[str, float], ...]] = ({"momentum": 0.9}, suggested)

    def __post_init__(self) -> None:
        _set(
            self,
            learning_rate=check_real("learning_rate", self.learning_rate, 0),
            momentum=check_real("momentum", self.momentum, 0, below=1),
            nesterov=check_flag("nesterov", self.nesterov),
            l2=check_real("l2", self.l2, 0),
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


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam: steps scaled by the gradient's two moments.

    m ← β₁ m + (1−β₁) g, v ← β₂ v + (1−β₂) g², w ← w − lr (m / (1−β₁ᵗ)) / (√(v / (1−β₂ᵗ)) + ε).

    Parameters
    ----------
    learning_rate : float, default 0.001
        lr, at least 0.
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

    symbols: ClassVar[dict[str, str]] = {
        "learning_rate": "lr",
        "beta_1": "beta_1",
        "beta_2": "beta_2",
        "epsilon": "epsilon",
    }
    meanings: ClassVar[dict[str, str]] = {
        "beta_1": "decay of the first moment",
        "beta_2": "decay of the second",
        "epsilon": "against division by 0",
    }
    variants: ClassVar[tuple[dict[str, float], ...]] = ({"epsilon_hat": True},)
    divisors: ClassVar[tuple[str, ...]] = ("epsilon",)
    kind: ClassVar[str] = "adam"
    title: ClassVar[str] = "Adam"
    moments: ClassVar[dict[str, str]] = {"moment1": "m", "moment2": "v"}

    def __post_init__(self) -> None:
        _set(
            self,
            learning_rate=check_real("learning_rate", self.learning_rate, 0),
            beta_1=check_real("beta_1", self.beta_1, 0, below=1),
            beta_2=check_real("beta_2", self.beta_2, 0, below=1),
            epsilon=check_real("epsilon", self.epsilon, 0, above=True),
            l2=check_real("l2", self.l2, 0),
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


def _set(optimizer, **values):
    """In a frozen dataclass, numbers of Python for what was given: numpy's, or a Fraction."""
    for name, value in values.items():
        object.__setattr__(optimizer, name, value)


OPTIMIZERS = {kind.__name__: kind for kind in (SGD, Adam)}
