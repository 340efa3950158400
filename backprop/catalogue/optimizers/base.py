"""What all optimizers share: the rules of a step, and the fields that the core knows by name."""

from __future__ import annotations

from dataclasses import fields
from typing import ClassVar, NamedTuple

from backprop.catalogue.formula import Formula
from backprop.catalogue.records import Hinted
from backprop.validation import check_real


class Rule(NamedTuple):
    """One assignment of a step: symbol ← formula, and what it does in a few words."""

    symbol: str
    formula: Formula
    title: str


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

    def set_checked(self, **own) -> None:
        """In a frozen dataclass, numbers of Python for what was given: numpy's, or a Fraction.

        `own`: of the class itself, checked; the fields in `SHARED` are checked here.
        """
        shared = {name: check_real(name, getattr(self, name), 0) for name in SHARED}
        for name, value in {**shared, **own}.items():
            object.__setattr__(self, name, value)

    @property
    def numbers(self) -> dict[str, float]:
        """{symbol: number} of what the rules read of the optimizer itself."""
        return {symbol: getattr(self, name) for name, symbol in self.symbols.items()}

    def numbers_at(self, t: int) -> dict[str, float]:
        """The same of step t, with t; and what the rules read that no single step makes."""
        return {**self.numbers, "t": t}

    def update(self, w, g, moments, t) -> None:
        """One step in place, in numpy: w and its moments, arrays in the order of ``moments``."""
        held = dict(zip(self.moments.values(), moments, strict=True))
        values = {**self.numbers_at(t), "w": w, "g": g, **held}
        for rule in self.rules:
            values[rule.symbol] = rule.formula.evaluate(values)
        for symbol, array in {**held, "w": w}.items():
            array[...] = values[symbol]
