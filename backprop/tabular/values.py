"""The values of a column: what is there, and what it is as numbers or words.

A value that is not finite, or beyond 1e100, counts as missing: its square is no float64.
"""

import numpy as np

from backprop.tabular.tables import (
    TableError,
    Words,
    as_numbers,
    count,
    first_not_number,
    labels,
)

LARGEST = 1e100


def as_words(values):
    """A column as `Words`: numbers as `label` writes them."""
    if isinstance(values, Words):
        return values
    if values.dtype.kind == "M":
        return Words.of([None if np.isnat(value) else str(value) for value in values])
    return Words.of(values if values.dtype == object else labels(values))


def known_words(values):
    """The words that some row has."""
    return [word for word, n in zip(values.words, values.counts(), strict=True) if n]


def places_of(values, names):
    """Where the word of each row stands among `names`; -1 where it does not, or is missing."""
    index = {name: i for i, name in enumerate(names)}
    places = [index.get(word, -1) for word in values.words]
    return np.array([*places, -1], np.intp)[values.codes]


def notes_of_unseen(name, values, unknown, taken_as="none"):
    """A line for words, and one for missing values, in the rows where training had none."""
    notes, counts = [], values[unknown].counts()
    if counts.any():
        order = [i for i in np.argsort(-counts, kind="stable") if counts[i]]
        shown = ", ".join(repr(values.words[i]) for i in order[:3])
        shown += ", …" if len(order) > 3 else ""
        n_values = count(counts.sum(), "value")
        notes.append(f"{name}: {n_values} not seen in training ({shown}), taken as {taken_as}")
    n_missing = (values.codes[unknown] < 0).sum()
    if n_missing:
        notes.append(f"{name}: {count(n_missing, 'missing value')}, of which training had none")
    return notes


def present(values):
    """Which values of a column are there: neither missing nor, among numbers, infinite.

    Of several columns of numbers, (n, k), which rows have all.
    """
    if isinstance(values, Words):
        return values.codes >= 0
    if values.dtype.kind == "M":
        return ~np.isnat(values)
    if values.dtype == object:
        return np.fromiter((value is not None for value in values), bool, len(values))
    there = ~np.isnan(finite(values))
    return there if there.ndim == 1 else there.all(axis=1)


def numbers_of(name, values, first_row=1, written=""):
    """A column as float64; `TableError` when it is text that is not numbers.

    `first_row`: what to call the first row in that message. `written`: how text was in training.
    """
    if values.dtype.kind == "M":
        raise TableError(f"column {name!r} has to be numbers; it has dates")
    if values.dtype != object:
        return values
    numbers = as_numbers(values, written)
    if numbers is None:
        values = values.array() if isinstance(values, Words) else values
        row, value = first_not_number(values)
        raise TableError(f"column {name!r} has to be numbers; row {first_row + row} has {value!r}")
    return numbers


def finite(values):
    """The numbers with NaN for what is missing, infinite or beyond all bounds."""
    return np.where(np.abs(values) <= LARGEST, values, np.nan)


def mean_and_std(values, weights=None):
    """Mean and standard deviation, the latter 1 where the values are equal but for rounding."""
    if weights is None:
        mean, std = float(np.mean(values)), float(np.std(values))
    else:
        mean = float(np.average(values, weights=weights))
        std = float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))
    return mean, 1.0 if is_rounding(std, mean) else std


def is_rounding(std, mean):
    """Whether a standard deviation is that of equal values: 0 but for rounding."""
    return std <= 1e-12 * np.abs(mean) + 1e-100


def listed(names, most=20, between=", "):
    """The first of the names, and how many there are when these are not all."""
    names = list(names)
    more = f"{between}… ({len(names):,} in all)" if len(names) > most else ""
    return between.join(names[:most]) + more
