"""What the entries of the catalogue share: parameters, and how an entry is found."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, fields, replace
from functools import cached_property
from itertools import pairwise
from typing import ClassVar, NamedTuple, TypeVar

from backprop.catalogue.formula import Formula
from backprop.validation import check_flag, check_real, name_hint

TAKES_ANY_KEYWORD = 0x08  # CO_VARKEYWORDS of a function's code
TABLES = {}  # {class of record: its table}, in which what comes back from a pickle is found


@dataclass(frozen=True)
class Parameter:
    """A number that shapes an entry, such as a slope; its domain as `check_real` takes it.

    One that `is_quiet` is not shown where it has its default: then it does nothing. One that has a
    number for each output is called by its `symbol` in formulas.
    """

    name: str
    default: float
    meaning: str
    minimum: float = 0.0
    above: bool = False
    below: float | None = None
    is_quiet: bool = False
    symbol: str = ""

    def check(self, value):
        """The value as a float; ValueError or TypeError outside the domain."""
        return check_real(self.name, value, self.minimum, above=self.above, below=self.below)


@dataclass(frozen=True)
class Flag(Parameter):
    """A parameter that is True or False."""

    def check(self, value):
        """The value as a bool."""
        return check_flag(self.name, value)


@dataclass(frozen=True)
class Levels(Parameter):
    """A parameter of several numbers between 0 and 1, in ascending order, one for each output."""

    symbol: str = "q"
    most: int = 16

    def check(self, value):
        """The numbers as a tuple of floats."""
        try:
            levels = tuple(value)
        except TypeError:
            levels = (value,)
        levels = tuple(check_real(self.name, each, 0.0, above=True, below=1.0) for each in levels)
        falls = any(one >= other for one, other in pairwise(levels))
        if falls or not 1 <= len(levels) <= self.most:
            raise ValueError(
                f"{self.name}={shown(levels)}: expected 1 to {self.most} numbers, each above "
                "the last"
            )
        return levels


def shown(value):
    """The value of a parameter, as it is written in a call."""
    if isinstance(value, tuple):
        return f"({', '.join(map(shown, value))}{',' * (len(value) == 1)})"
    return str(value) if isinstance(value, bool) else f"{value:g}"


class Learned(NamedTuple):
    """How people write a number that each unit learns beside its weights and bias.

    ``symbol``: its name in formulas; ``slope``: the derivative by it of what it shapes;
    ``meaning``: what it is, in a few words.
    """

    symbol: str
    slope: Formula
    meaning: str


class Entry:
    """A part of each record; a call sets parameters, as in ``huber(delta=2)``."""

    def __call__(self, **given):
        """The same entry with other values of its parameters."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                expected = f"one of {', '.join(known)}" if known else "no parameters"
                hint = name_hint(name, known)
                raise TypeError(f"{self.name}({name}=…): expected {expected}{hint}")
        settings = {**self.settings, **{name: known[name].check(given[name]) for name in given}}
        return replace(self, values=tuple(settings.values()))

    @property
    def settings(self):
        """{name of a parameter: its value}."""
        return dict(zip([p.name for p in self.parameters], self.in_order, strict=True))

    @cached_property
    def in_order(self):
        """The values of the parameters."""
        return tuple(self.values or [parameter.default for parameter in self.parameters])

    @property
    def numbers(self):
        """The same, of those parameters that are one number for all outputs."""
        one = {parameter.name for parameter in self.parameters if not parameter.symbol}
        return {name: value for name, value in self.settings.items() if name in one}

    @cached_property
    def row(self):
        """The name of the core's row, and the values of its parameters."""
        numbers = []
        for value in self.in_order:
            numbers.extend(value if isinstance(value, tuple) else [value])
        return self.name, tuple(map(float, numbers))

    @property
    def label(self):
        """The name, by which it is found again; or the entry, where it has values of its own."""
        is_usual = not self.values or self.values == tuple(p.default for p in self.parameters)
        return self.name if is_usual else self

    @property
    def description(self):
        """What JSON can hold of it: the name, or {"name": …, parameter: value}."""
        return self.name if self.label == self.name else {"name": self.name, **self.settings}

    def __reduce__(self):  # by name: an entry's functions and formulas do not pickle
        return _restored, (type(self), self.name, self.values)

    def __repr__(self):
        pairs = zip(self.parameters, self.settings.values(), strict=True)
        given = [(p.name, value) for p, value in pairs if not (p.is_quiet and value == p.default)]
        values = ", ".join(f"{name}={shown(value)}" for name, value in given)
        return f"{self.name}({values})" if values else self.name


def find(argument, value, table, aliases=None):
    """The entry of that name in a table {name: entry}, or the entry that is given itself.

    Raises ValueError, which says what is nearest; `aliases`: {what others call it: our name}.
    """
    if isinstance(value, str) and value in table:
        return table[value]
    if isinstance(value, Entry) and value.name in table:
        return value
    names = ", ".join(map(repr, table))
    hint = name_hint(value, table, aliases)
    raise ValueError(f"{argument}={value!r}: expected one of {names}{hint}")


def described(argument, description, table):
    """The entry of which this is the `description`."""
    if not isinstance(description, dict):
        return find(argument, description, table)
    settings = dict(description)
    return find(argument, settings.pop("name"), table)(**settings)


def optional_kind(argument, value, base, kinds, described):
    """An instance of `base`, or None; or what `described` makes of its description.

    `kinds`: {name: class} of what is expected.
    """
    if isinstance(value, dict):
        return described(value)
    if value is not None and not isinstance(value, base):
        article = "an" if argument[0] in "aeiou" else "a"
        names = ", ".join(kinds)
        raise TypeError(
            f"{argument}={value!r}: expected None or {article} {argument}, one of {names}"
        )
    return value


def described_kind(what, description, kinds):
    """The instance of one of `kinds` that this describes: its name, and every one of its fields."""
    values = dict(description)
    name = values.pop("name", None)
    if name not in kinds:
        raise ValueError(f"the {what} {name!r} is unknown{name_hint(name, kinds)}")
    missing = [one.name for one in fields(kinds[name]) if one.name not in values]
    if missing:
        raise ValueError(f"the {what} lacks {missing[0]!r}")
    return kinds[name](**values)


def table_of(*entries):
    """{name: entry}, in the order given."""
    table = {entry.name: entry for entry in entries}
    TABLES[type(entries[0])] = table
    return table


def _restored(kind, name, values):
    return replace(TABLES[kind][name], values=values)


_Kind = TypeVar("_Kind", bound=type)


def says_how_to_change(kind: _Kind) -> _Kind:
    """Of a frozen dataclass: the error of an assignment says how to have another value.

    `how_to_change` of the class is a sentence with {name}, the field's.
    """

    def refuse(self, name, *_):
        names = [field.name for field in fields(self)]
        if name in names:
            how = f": {self.how_to_change.format(name=name)}"
        else:
            how = f", and has no field {name!r}{name_hint(name, names, self.keyword_aliases)}"
        raise FrozenInstanceError(f"{type(self).__name__} is a frozen value{how}")

    kind.__setattr__ = kind.__delattr__ = refuse
    return kind


class Hinted:
    """A base of what people construct: an unknown keyword argument is told which one is meant."""

    keyword_aliases: ClassVar[dict[str, str]] = {}  # {what others call it: the argument}

    def __new__(cls, *arguments, **named):
        """Check the names before `__init__` is called with them."""
        code = getattr(cls.__init__, "__code__", None) if named else None
        if code is not None and not code.co_flags & TAKES_ANY_KEYWORD:
            known = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
            for name in named:
                if name not in known:
                    aliases = {a: own for a, own in cls.keyword_aliases.items() if own in known}
                    raise TypeError(
                        f"{cls.__name__}({name}=…): there is no such argument, expected "
                        f"{', '.join(known)}{name_hint(name, known, aliases)}"
                    )
        return super().__new__(cls)
