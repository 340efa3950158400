"""What all optimizers share: the rules of a step, and the fields that the core knows by name."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cache
from math import inf
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from backprop.catalogue.formula import Formula
from backprop.catalogue.records import Hinted
from backprop.validation import MAX_COUNT, check_integer, check_real

if TYPE_CHECKING:
    from backprop.catalogue.averages import Average
    from backprop.catalogue.schedules import Schedule


class Rule(NamedTuple):
    """One assignment of a step: symbol ← formula, and what it does in a few words."""

    symbol: str
    formula: Formula
    title: str

    @property
    def target(self) -> Formula:
        """The symbol as a formula, which writes it."""
        return Formula(self.symbol)

    def to_dict(self) -> dict:
        """What JSON can hold of it."""
        return {
            "title": self.title,
            "target": self.target.tree(),
            "formula": self.formula.tree(),
        }


# Fields of every optimizer, which the core knows by name. A file that is older than one of `ADDED`
# does not have it, and its training did without.
DECAYING = ("learning_rate", "l2", "l1", "weight_decay")  # numbers of at least 0
CLIPPING = ("clip_norm", "clip_value")  # numbers above 0, or None
SHARED = (*DECAYING, "schedule", *CLIPPING, "accumulate", "average")
ADDED = {
    "l1": 0.0,
    "weight_decay": 0.0,
    "schedule": None,
    "clip_norm": None,
    "clip_value": None,
    "accumulate": 1,
    "average": None,
}


@dataclass(frozen=True, repr=False)
class Common(Hinted):
    """The fields that every optimizer inherits, by keyword only."""

    clip_norm: float | None = field(default=None, kw_only=True)
    clip_value: float | None = field(default=None, kw_only=True)
    accumulate: int = field(default=1, kw_only=True)
    average: Average | None = field(default=None, kw_only=True)


@cache
def _own_fields(kind):
    """The names of those that the core does not know by name."""
    return [one.name for one in fields(kind) if one.name not in SHARED]


class Optimizer(Common):
    """What all optimizers share: a step is a list of rules, applied to every parameter alike.

    ``rules`` assign, in their order, to the symbols of ``moments`` and at last to ``w``; they read
    these, the gradient ``g``, the number ``t`` of the step, counted from 1, and ``symbols``. For
    weights, not for biases, ``decay_rules`` come first; they read ``decay_symbols`` and ``sums``,
    the sum of the batch's sample weights.

    ``l2`` and ``l1`` add the slopes of ½ λ Σ W² and λ₁ Σ |W|, of the sum of the losses, to the
    gradient; that of |W| is taken as 0 at 0. ``weight_decay``, δ, is apart from the gradient
    (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019): w ← w − lr δ w
    before the step.

    ``clip_value`` clips each number of the gradient to [-c, c]; ``clip_norm`` then multiplies all
    gradients, of weights and biases, by min(1, c / (‖g‖ + 1e-6)), where ‖g‖ is the norm of them all
    (Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML
    2013; the 1e-6 as PyTorch has it). Decay comes after both.

    ``accumulate``: how many batches a step takes, with the mean gradient of all their samples: one
    batch of so many times the size, in the memory of one. What is left at an epoch's end is a step
    of its own.

    ``average``: kept of the weights and biases beside them, ``backprop.catalogue.averages``; the
    steps are the same.
    """

    learning_rate: float
    l2: float
    l1: float
    weight_decay: float
    schedule: Schedule | None

    minimizes: ClassVar[bool] = False  # whether it has no steps, but `minimize`
    is_elementwise: ClassVar[bool] = True  # whether a step is its rules, of each number alone
    matrices: ClassVar[None] = None  # what the core is given of steps of whole matrices
    symbols: ClassVar[dict[str, str]] = {"learning_rate": "lr"}  # {field: symbol in the rules}
    decay_symbols: ClassVar[dict[str, str]] = {  # the same of the decay rules
        "l2": "lambda_",
        "l1": "lambda_1",
        "weight_decay": "delta",
    }
    decay_meanings: ClassVar[dict[str, str]] = {  # {field: in a few words}
        "l2": "weight decay, l2",
        "l1": "weight decay, l1",
        "weight_decay": "weight decay, apart from the gradient",
    }
    meanings: ClassVar[dict[str, str]] = {}  # {field: in a few words, where its name is not enough}
    clip_symbols: ClassVar[dict[str, str]] = {"clip_value": "c_value", "clip_norm": "c_norm"}
    divisors: ClassVar[tuple[str, ...]] = ()  # fields that keep a division from being one by 0
    suggested: ClassVar[dict[str, float]] = {}  # what `backprop train` sets beyond the defaults
    variants: ClassVar[tuple[dict[str, float], ...]] = ()  # settings that make other rules
    how_to_change: ClassVar[str] = (
        "give the network another, net.optimizer = dataclasses.replace(net.optimizer, {name}=…)"
    )
    keyword_aliases: ClassVar[dict[str, str]] = {
        "lr": "learning_rate",
        "rate": "learning_rate",
        "step_size": "learning_rate",
        "eta": "learning_rate",
        "decay": "weight_decay",
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
        "clipnorm": "clip_norm",
        "global_clipnorm": "clip_norm",
        "max_grad_norm": "clip_norm",
        "max_norm": "clip_norm",
        "grad_clip": "clip_norm",
        "gradient_clip_val": "clip_norm",
        "clipvalue": "clip_value",
        "gradient_accumulation_steps": "accumulate",
        "accumulate_grad_batches": "accumulate",
        "accumulation_steps": "accumulate",
    }

    def __repr__(self) -> str:
        """As it is called; fields in `ADDED` only where they are not what they were without it."""
        shown = [
            f"{name}={value!r}"
            for name, value in ((one.name, getattr(self, one.name)) for one in in_order(self))
            if name not in ADDED or value != ADDED[name]
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

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
    def decays(self) -> tuple[float, float, float]:
        """What the core is given of decay."""
        return self.l2, self.l1, self.weight_decay

    @property
    def clips(self) -> tuple[float, float]:
        """What the core is given of clipping: norm and value, infinite where there is none."""
        return tuple([inf if c is None else c for c in (self.clip_norm, self.clip_value)])

    @property
    def clip_numbers(self) -> dict[str, float]:
        """{symbol: number} of what the clip rules read beside the gradient and ``norm``."""
        given = {symbol: getattr(self, name) for name, symbol in self.clip_symbols.items()}
        return {symbol: number for symbol, number in given.items() if number is not None}

    @property
    def clip_rules(self) -> tuple[Rule, ...]:
        """Of every gradient, before all other rules; ``norm`` is that of all gradients."""
        lines = []
        if self.clip_value is not None:
            text = "max(-c_value, min(c_value, g))"
            lines.append(Rule("g", Formula(text), "The gradient, clipped by value"))
        if self.clip_norm is not None:
            text = "g * min(1, c_norm / (norm + 1e-06))"
            title = "The gradient, clipped by the norm of all of them"
            lines.append(Rule("g", Formula(text), title))
        return tuple(lines)

    @property
    def decay_rules(self) -> tuple[Rule, ...]:
        """Of weights, not of biases, before the rules."""
        lines = []
        if self.l2:
            lines.append(
                Rule("g", Formula("g + lambda_ / sums * w"), "The gradient, with weight decay")
            )
        if self.l1:
            text = "g + lambda_1 / sums * sign(w)"
            lines.append(Rule("g", Formula(text), "The gradient, with L1"))
        if self.weight_decay:
            lines.append(Rule("w", Formula("w - lr * delta * w"), "The weight, decayed"))
        return tuple(lines)

    @property
    def settings(self) -> tuple[float, ...]:
        """What the core's row is given beside the learning rate and l2, in the fields' order."""
        return tuple([float(getattr(self, name)) for name in _own_fields(type(self))])

    def set_checked(self, **own) -> None:
        """In a frozen dataclass, numbers of Python for what was given: numpy's, or a Fraction.

        `own`: of the class itself, checked; the fields in `SHARED` are checked here.
        """
        rate = check_real("learning_rate", self.learning_rate, 0, above=True)
        shared = {name: check_real(name, getattr(self, name), 0) for name in DECAYING}
        shared["learning_rate"] = rate
        for name in CLIPPING:
            value = getattr(self, name)
            shared[name] = None if value is None else check_real(name, value, 0, above=True)
        shared["accumulate"] = check_integer("accumulate", self.accumulate, 1, MAX_COUNT)
        shared["schedule"] = None
        if self.schedule is not None:  # else nothing need be imported of schedules
            from backprop.catalogue.schedules import check_schedule

            shared["schedule"] = check_schedule(self.schedule)
        shared["average"] = None
        if self.average is not None:
            from backprop.catalogue.averages import check_average

            shared["average"] = check_average(self.average)
        vars(self).update(shared, **own)

    @property
    def numbers(self) -> dict[str, float]:
        """{symbol: number} of what the rules read of the optimizer itself."""
        return {symbol: getattr(self, name) for name, symbol in self.symbols.items()}

    def numbers_at(self, t: int) -> dict[str, float]:
        """The same of step t, with t; and what the rules read that no single step makes."""
        return {**self.numbers, "t": t}

    def rate_at(self, step: int, epoch: int = 0, state=None) -> float:
        """The learning rate of a step, counted from 0, in an epoch, counted from 0.

        `state`: of the schedule, where it has one.
        """
        if self.schedule is None:
            return self.learning_rate
        return float(self.schedule.rates(self.learning_rate, step, epoch, 1, 1, state)[0])

    @property
    def description(self):
        """What JSON can hold of it."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        for name in ("schedule", "average"):
            part = getattr(self, name)
            values[name] = None if part is None else part.description
        return {"name": type(self).__name__, **values}

    def clipped(self, gradients):
        """The gradients of all layers, each a sequence of arrays, as the step takes them."""
        for rule in self.clip_rules:
            numbers = {**self.clip_numbers, "norm": norm(gradients)}
            gradients = [
                [rule.formula.evaluate({**numbers, "g": g}).astype(g.dtype) for g in layer]
                for layer in gradients
            ]
        return gradients

    def update(self, w, g, moments, t, sums=None, rate=None) -> None:
        """One step in place, in numpy: w and its moments, arrays in the order of ``moments``.

        `sums`: of the batch's sample weights; None for a bias, which does not decay. `rate`:
        of this step, where it is not ``learning_rate``.
        """
        held = dict(zip(self.moments.values(), moments, strict=True))
        values = {**self.numbers_at(t), "w": w, "g": g, **held}
        if rate is not None:
            values[self.symbols["learning_rate"]] = rate
        lines = self.rules
        if sums is not None:
            decays = {symbol: getattr(self, name) for name, symbol in self.decay_symbols.items()}
            values.update(decays, sums=float(sums))
            lines = (*self.decay_rules, *lines)
        for rule in lines:
            values[rule.symbol] = rule.formula.evaluate(values)
        for symbol, array in {**held, "w": w}.items():
            array[...] = values[symbol]


def in_order(optimizer) -> list:
    """The fields as they are called: what is given by keyword only comes last."""
    return sorted(fields(optimizer), key=lambda one: one.kw_only)


def norm(gradients) -> float:
    """The square root of the sum of all squares, of layers that are sequences of arrays each."""
    squares = (np.square(g, dtype=np.float64).sum() for layer in gradients for g in layer)
    return float(np.sqrt(sum(squares)))
