"""What a column is: of use or not, dates or text, or something that misleads.

It is read off the whole table; what is compared with the target, off the training rows.
"""

import re

import numpy as np

from backprop.tabular.dates import dates_in
from backprop.tabular.tables import Words, first_not_number, label, numbers_in
from backprop.tabular.values import mean_and_std, present

_ROW_NUMBER_NAME = re.compile(
    r"unnamed: \d+|__index_level_\d+__|.*id|index|no|#|row(number|names?|_number|_names?)?"
)
_COPY = 0.9999  # a correlation from which on a column is a near-copy
_FEWEST_ROWS = 20  # below them, rising numbers and copies are chance
_ROWS_TO_LOOK_AT = 100_000  # a copy is one anywhere


def as_dates(column):
    """Words as (datetime64, form) where all of them are dates, else (words, "")."""
    found = dates_in(column.words)
    if found is None:
        return column, ""
    return np.append(found[0], np.datetime64("NaT"))[column.codes], found[1]


def uselessness(name, everything, values):
    """Why a column cannot help, or None; `values` are the training rows of `everything`."""
    if everything.dtype == object:
        counts = everything.counts()
        if counts.sum() > 2 and counts.max() == 1:
            return "text that is different in every row" + almost_numbers(everything)
    elif everything.dtype.kind == "f" and _counts_rows(name, everything):
        return "counts the rows"
    there = values[present(values)]
    if len(there) == 0:
        return "no value in the training rows"
    different = there.codes if everything.dtype == object else there
    if len(there) == len(values) and (different == different[0]).all():
        return f"always {_shown(there)}"
    return None


def _shown(values):
    """The first of some values, for people."""
    if values.dtype == object:
        return values.words[values.codes[0]]
    return str(values[0]) if values.dtype.kind == "M" else label(values[0])


def _counts_rows(name, values):
    """Whether a column that is called like a row number is one: 0, 1, 2, … or 1, 2, 3, …"""
    if not is_named_as_row(name) or len(values) < 2 or values[0] not in (0, 1):
        return False
    return np.array_equal(values, np.arange(values[0], values[0] + len(values)))


def is_named_as_row(name):
    """Whether a column is called like a row number or an identifier."""
    return _ROW_NUMBER_NAME.fullmatch(name.strip().lower()) is not None


def almost_numbers(values):
    """A hint for a text column most of whose values are numbers: the first that is not."""
    values = values.array() if isinstance(values, Words) else values
    some = [value for value in values[:1000] if value is not None]
    n_numbers = sum(numbers_in([value]) is not None for value in some)
    if 2 * n_numbers <= len(some):
        return ""
    found = first_not_number(values)
    if found is None:  # all are, in a column that is text by its type
        return ""
    row, value = found
    return f" (mostly numbers, but row {row + 1} has {value!r})"


def looks_like_id(name, values):
    """What to say of numbers that are different in every row and rise or fall, or None."""
    if values.dtype.kind != "f" or len(values) < _FEWEST_ROWS or not present(values).all():
        return None
    steps = np.diff(values)
    ordered = (steps > 0).all() or (steps < 0).all()
    named = is_named_as_row(name)
    if not (ordered or named) or not (values % 1 == 0).all():
        return None
    if np.array_equal(values, np.arange(values[0], values[0] + len(values))):
        return "counts the rows: leave it out if it is a row number"
    if ordered:
        return "whole numbers that differ in every row, in order: leave it out if it is an id"
    if len(np.unique(values)) == len(values):
        return "whole numbers that differ in every row: leave it out if it is an id"
    return None


def looks_like_target(values, y):
    """What to say of a column that all but is the target, or None.

    `y`: (n, k), numbers or 0/1 for each class.
    """
    step = max(1, len(y) // _ROWS_TO_LOOK_AT)
    values, y = values[::step], y[::step]
    rows = present(values) & ~np.isnan(y).any(axis=1)
    if rows.sum() < _FEWEST_ROWS:
        return None
    values, y = values[rows], y[rows]
    why = "is it known when there is something to predict?"
    if values.dtype.kind == "f" and _correlation(values, y) > _COPY:
        return f"a near-copy of the target (correlation over {_COPY}): {why}"
    codes = _codes(values)
    if codes is not None and _explained(codes, y) > _COPY**2:
        return f"each of its values has one of the target: {why}"
    return None


def _correlation(values, y):
    """The largest one with a column of y, in absolute value."""
    found = 0.0
    mean, std = mean_and_std(values)
    for column in y.T:
        centre, spread = mean_and_std(column)
        r = np.mean((values - mean) / std * ((column - centre) / spread))
        found = max(found, abs(float(r)))
    return found


def _codes(values):
    """A number for each different value where each occurs ten times on average, else None."""
    if values.dtype == object:
        _, codes = np.unique(values.codes, return_inverse=True)
    elif values.dtype.kind == "f" and 10 * len(np.unique(values[:1000])) <= len(values[:1000]):
        _, codes = np.unique(values, return_inverse=True)
    else:
        return None
    n_different = codes.max() + 1
    return codes if 1 < n_different <= len(codes) / 10 else None


def _explained(codes, y):
    """The least share of the variance of a column of y that lies between the codes."""
    counts, least = np.bincount(codes), 1.0
    for column in (y - y.mean(axis=0)).T:
        total = np.sum(column**2)
        between = np.sum(np.bincount(codes, column) ** 2 / counts)
        least = min(least, between / total if total > 0 else 0.0)
    return least
