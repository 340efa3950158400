"""What a data file holds: named columns, or arrays. `reading` fills them, one module a format.

A column of a `Table` is numbers (float64, NaN where missing), dates (datetime64, NaT where missing)
or text (strings, None where missing). Text may be held as `Words`: a table of a million rows has
few different ones, and what is done for each of these is not done for each row.
"""

import difflib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from backprop.tabular.written import plain, with_signs


class TableError(ValueError):
    """A data file cannot be used; the message is one line that says which, where and why."""


@dataclass(frozen=True, eq=False)
class Words:
    """A column of text: row i has ``words[codes[i]]``, and none where the code is -1."""

    codes: np.ndarray  # intp
    words: list  # different strings

    dtype = np.dtype(object)  # as that of the array that it stands for

    @classmethod
    def of(cls, values):
        """Of an object array of strings and None."""
        places = {None: -1}
        codes = np.fromiter(
            (places.setdefault(value, len(places) - 1) for value in values), np.intp, len(values)
        )
        return cls(codes, list(places)[1:])

    def __len__(self):
        return len(self.codes)

    def __getitem__(self, rows):
        return Words(self.codes[rows], self.words)

    def counts(self):
        """How many rows have each of `words`."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.words))

    def array(self):
        """An object array of strings and None."""
        return np.array([*self.words, None], object)[self.codes]


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of equal length.

    `written` has the decimal mark of the columns whose numbers stood there with signs or groups of
    digits: see `written`.
    """

    names: tuple
    columns: tuple
    source: str = "table"
    notes: tuple = ()
    written: dict = field(default_factory=dict)

    @property
    def n_rows(self):
        return len(self.columns[0])

    @cached_property
    def _places(self):
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def _words(self):
        return {}

    def __contains__(self, name):
        return name in self._places

    def column(self, name):
        """The values of the column called `name`; `TableError`, with the nearest name, when there
        is none."""
        values = self._column(name)
        return values.array() if isinstance(values, Words) else values

    def values(self, name):
        """The same with text as `Words`."""
        values = self._column(name)
        if isinstance(values, Words) or values.dtype != object:
            return values
        if name not in self._words:
            self._words[name] = Words.of(values)
        return self._words[name]

    def _column(self, name):
        if name not in self._places:
            raise TableError(f"{self.source} has no column {name!r}{nearest(name, self.names)}")
        return self.columns[self._places[name]]


@dataclass(frozen=True, eq=False)
class Arrays:
    """What an ``.npz`` file holds: X as (samples, columns), y as in a `Table`; perhaps a test."""

    X: np.ndarray
    y: np.ndarray | None
    X_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    sample_shape: tuple = ()
    source: str = "arrays"
    notes: tuple = ()

    @property
    def n_rows(self):
        return len(self.X)


def read(path, text=(), progress=None):
    """Read a data file.

    Parameters
    ----------
    path : str or os.PathLike
        The ending of the name says what it is; ``"-"`` is standard input.
    text : iterable of str
        Columns to read as text even if they hold nothing but numbers, because a model learned them
        as text. Formats that say which columns are numbers are taken at their word.
    progress : callable, optional
        Called with the number of bytes of the file that are read and with that of all, None where
        it is not known; perhaps from another thread.

    Returns
    -------
    Table or Arrays

    Raises
    ------
    TableError
        For whatever is wrong with the file.
    """
    from backprop.tabular import reading

    return reading.read(path, frozenset(text), progress)


def nearest(name, names):
    """``"; did you mean …?"`` with the most similar of `names`, or the list of them when none is
    similar."""
    close = difflib.get_close_matches(str(name), names, n=1)
    same = [other for other in names if other.strip().lower() == str(name).strip().lower()]
    if close or same:
        return f"; did you mean {(same or close)[0]!r}?"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"; its columns are: {shown}"


def label(value):
    """The text by which a value of a target or of a category is known: ``3.0`` is ``"3"``."""
    if isinstance(value, str):
        return value
    value = float(value)
    return str(int(value)) if value.is_integer() else repr(value)


def labels(numbers):
    """A column of numbers as one of text: `label` of each value, None where missing."""
    column = np.empty(len(numbers), object)
    for i, value in enumerate(numbers):
        if not np.isnan(value):
            column[i] = label(value)
    return column


def first_not_number(values):
    """Position and string of the first value of a text column that is no number, or None."""
    for position, value in enumerate(values):
        if value is not None and numbers_in([value]) is None:
            return position, value
    return None


def as_numbers(values, written=""):
    """A text column as float64 with NaN where missing, or None when some value is not a number.

    `written`: the decimal mark, where it is known.
    """
    values = values if isinstance(values, Words) else Words.of(values)
    found = numbers_in(values.words, written=written)
    return None if found is None else np.append(found[0], np.nan)[values.codes]


def numbers_in(words, decimal=".", written=""):
    """Different strings as (float64, how they are written: "", "." or ","), or None.

    `decimal`: the mark that the file suggests. `written`: the one that is known to be it.
    """
    if written:
        return with_signs(words, written)
    found = plain(words, decimal)
    if found is not None:
        return found[0], ""
    return with_signs(words, ".," if decimal == "." else ",.")


def count(n, noun):
    """``"1 row"``, ``"2,000 rows"``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def one_line(error):
    return " ".join(str(error).split())
