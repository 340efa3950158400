"""What the entries of the catalogue share: parameters, and how an entry is found."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backprop.validation import check_real, name_hint


@dataclass(frozen=True)
class Parameter:
    """A number that shapes an entry, such as a slope; its domain as `check_real` takes it."""

    name: str
    default: float
    meaning: str
    minimum: float = 0.0
    above: bool = False
    below: float | None = None

    def check(self, value):
        """The value as a float; ValueError or TypeError outside the domain."""
        return check_real(self.name, value, self.minimum, above=self.above, below=self.below)


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
        values = self.values or [parameter.default for parameter in self.parameters]
        return dict(zip([p.name for p in self.parameters], values, strict=True))

    @property
    def row(self):
        """The name of the core's row, and the values of its parameters."""
        return self.name, tuple(self.settings.values())

    @property
    def label(self):
        """The name, by which it is found again; or the entry, where it has values of its own."""
        defaults = tuple(parameter.default for parameter in self.parameters)
        return self.name if self.values in ((), defaults) else self

    def __repr__(self):
        values = ", ".join(f"{name}={value:g}" for name, value in self.settings.items())
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


def table_of(*entries):
    """{name: entry}, in the order given."""
    return {entry.name: entry for entry in entries}
