"""What all optimizers share: the rules of a step, and the fields that the core knows by name."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from backprop.catalogue.formula import Formula
from backprop.catalogue.records import Hinted
from backprop.validation import check_real

if TYPE_CHECKING:
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


# Fields of every optimizer, which the core knows by name. A file that is older than one of `ADDED`
# does not have it, and its training did without.
SHARED = ("learning_rate", "l2", "l1", "weight_decay", "schedule")
ADDED = {"l1": 0.0, "weight_decay": 0.0, "schedule": None}


class Optimizer(Hinted):
    """What all optimizers share: a step is a list of rules, applied to every parameter alike.

    ``rules`` assign, in their order, to the symbols of ``moments`` and at last to ``w``; they read
    these, the gradient ``g``, the number ``t`` of the step, counted from 1, and ``symbols``. For
    weights, not for biases, ``decay_rules`` come first; they read ``decay_symbols`` and ``sums``,
    the sum of the batch's sample weights.

    ``l2`` and ``l1`` add the slopes of ½ λ Σ W² and λ₁ Σ |W|, of the sum of the losses, to the
    gradient; that of |W| is taken as 0 at 0. ``weight_decay``, δ, is apart from the gradient
    (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019): w ← w − lr δ w
    before the step.
    """

    learning_rate: float
    l2: float
    l1: float
    weight_decay: float
    schedule: Schedule | None

    symbols: ClassVar[dict[str, str]] = {"learning_rate": "lr"}  # {field: symbol in the rules}
    decay_symbols: ClassVar[dict[str, str]] = {  # the same of the decay rules
        "l2": "lambda_",
        "l1": "lambda_1",
        "weight_decay": "delta",
    }
    meanings: ClassVar[dict[str, str]] = {}  # {field: in a few words, where its name is not enough}
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
    }

    def __repr__(self) -> str:
        """As it is called; fields in `ADDED` only where they are not what they were without it."""
        shown = [
            f"{name}={value!r}"
            for name, value in ((one.name, getattr(self, one.name)) for one in fields(self))
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
        own = [field.name for field in fields(self) if field.name not in SHARED]
        return tuple(float(getattr(self, name)) for name in own)

    def set_checked(self, **own) -> None:
        """In a frozen dataclass, numbers of Python for what was given: numpy's, or a Fraction.

        `own`: of the class itself, checked; the fields in `SHARED` are checked here.
        """
        rate = check_real("learning_rate", self.learning_rate, 0, above=True)
        shared = {name: check_real(name, getattr(self, name), 0) for name in SHARED[1:-1]}
        shared["learning_rate"] = rate
        shared["schedule"] = None
        if self.schedule is not None:  # else nothing need be imported of schedules
            from backprop.catalogue.schedules import check_schedule

            shared["schedule"] = check_schedule(self.schedule)
        for name, value in {**shared, **own}.items():
            object.__setattr__(self, name, value)

    @property
    def numbers(self) -> dict[str, float]:
        """{symbol: number} of what the rules read of the optimizer itself."""
        return {symbol: getattr(self, name) for name, symbol in self.symbols.items()}

    def numbers_at(self, t: int) -> dict[str, float]:
        """The same of step t, with t; and what the rules read that no single step makes."""
        return {**self.numbers, "t": t}

    def rate_at(self, step: int, epoch: int = 0) -> float:
        """The learning rate of a step, counted from 0, in an epoch, counted from 0."""
        if self.schedule is None:
            return self.learning_rate
        return float(self.schedule.rates(self.learning_rate, step, epoch, 1, 1)[0])

    @property
    def description(self):
        """What JSON can hold of it."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        schedule = None if self.schedule is None else self.schedule.description
        return {"name": type(self).__name__, **values, "schedule": schedule}

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
