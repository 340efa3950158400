"""Text with many different values: for each value the mean of the target where it stands.

Decisions, and why:

A. A mean over few rows is mostly noise, so it is drawn towards the mean of all rows, as if m more
   rows had that one: (sum + m · mean) / (n + m). m is the variance within the values over that
   between them, estimated as in an analysis of variance (Micci-Barreca 2001, "A preprocessing
   scheme for high-cardinality categorical attributes"). Of a target that has nothing to do with the
   column, all that is left is the mean of all rows.
B. A row's own target must not be part of its input, or the network learns to read it there. The
   training rows are divided into folds, and each is encoded by the means of the others. New rows
   are encoded by the means of all training rows.
C. A value that no other fold has is in training what an unseen one is later: it has the mean of all
   rows, and a column of 0/1 that says so. Missing is a value of its own, with such a column too.
"""

from dataclasses import dataclass

import numpy as np

from backprop.tabular.values import (
    as_words,
    known_words,
    mean_and_std,
    notes_of_unseen,
    places_of,
)

N_FOLDS = 5
MOST_OUTPUTS = 10
_SEED = 5_000  # any number: the same rows are in the same folds everywhere

Numbers = tuple[float, ...]
Rows = tuple[Numbers, ...]


@dataclass(frozen=True)
class MeansColumn:
    """A column of text: means of what is predicted, standardised, and what is 0/1 beside them."""

    name: str
    categories: tuple
    outputs: tuple  # what the means are of: targets or classes
    means: Rows  # of each category
    unseen: Numbers  # for a value that is none of them
    missing: Numbers
    n_missing: int
    n_unseen: int  # training rows whose value no other fold has

    kind = "means"

    @property
    def width(self):
        return len(self.outputs) + (self.n_missing > 0) + (self.n_unseen > 0)

    @property
    def input_names(self):
        """Of the columns that `encode` writes."""
        names = [f"{self.name}: mean of {output}" for output in self.outputs]
        names += [f"{self.name} is missing"] if self.n_missing else []
        return [*names, f"{self.name} is rare"] if self.n_unseen else names

    def encode(self, values, out, notes):
        """Write the means of all training rows, and what is missing or unseen, into `out`."""
        values = as_words(values)
        codes = places_of(values, self.categories)
        missing = values.codes < 0
        n, k = len(self.categories), len(self.outputs)
        unseen = (codes < 0) & ~missing
        codes[unseen], codes[missing] = n, n + 1
        out[:, :k] = np.array([*self.means, self.unseen, self.missing])[codes]
        _write_flags(self, missing, unseen, out)
        unknown = unseen if self.n_missing else unseen | missing
        if unknown.any():
            notes += notes_of_unseen(self.name, values, unknown, "the mean of all")

    def check(self):
        """ValueError when the numbers are not one for each category and output."""
        n, k = len(self.categories), len(self.outputs)
        if [len(row) for row in self.means] != [k] * n or {*map(len, self._others())} != {k}:
            raise ValueError(f"means={self.means!r:.60}: expected {n:,} rows of {k}")

    def _others(self):
        return self.unseen, self.missing


def fit_means(name, values, y, outputs, weights=None):
    """The `MeansColumn` of some rows, and their own inputs, each without its fold's targets.

    Parameters
    ----------
    name : str
        Of the column.
    values : Words
        Of the n training rows.
    y : numpy.ndarray, shape (n, k)
        Numbers to predict, or 0/1 for each class; NaN where it is not known.
    outputs : sequence of str
        What the k columns of y are.
    weights : numpy.ndarray, shape (n,), optional
        How much each row counts.

    Returns
    -------
    MeansColumn
    numpy.ndarray, shape (n, width)
    """
    categories = tuple(sorted(known_words(values)))
    codes = places_of(values, categories)
    missing = codes < 0
    codes[missing] = len(categories)  # one more category
    known = ~np.isnan(y).any(axis=1)
    weights = known * (1.0 if weights is None else weights)
    sums = _sums(codes, np.where(known[:, None], y, 0), weights, len(categories) + 1)
    overall = sums[1].sum(axis=0) / sums[0].sum()
    rows = _rows_of_means(sums)
    full = _drawn(sums, overall, rows)

    found, unseen = np.empty(y.shape), np.zeros(len(y), bool)
    folds = folds_of(len(y))
    for fold in range(N_FOLDS):
        own = folds == fold
        without = _without(sums, codes[own], y[own], weights[own])
        found[own] = _drawn(without, overall, rows)[codes[own]]
        unseen[own] = (without[0] <= 0)[codes[own]] & ~missing[own]

    centre, scale = np.transpose([mean_and_std(column) for column in found.T])
    standardised = [_tuple((row - centre) / scale) for row in (*full, overall)]
    n_missing = int(missing.sum())
    column = MeansColumn(
        name,
        categories,
        tuple(outputs),
        tuple(standardised[: len(categories)]),
        standardised[-1],
        standardised[len(categories)] if n_missing else standardised[-1],
        n_missing,
        int(unseen.sum()),
    )
    inputs = np.empty((len(y), column.width))
    inputs[:, : len(outputs)] = (found - centre) / scale
    _write_flags(column, missing, unseen, inputs)
    return column, inputs


def folds_of(n):
    """The fold of each of n training rows, at random, the same ones everywhere."""
    # The raw words of PCG64 are promised never to change.
    return (np.random.PCG64(_SEED).random_raw(n) % N_FOLDS).astype(np.int8)


def _write_flags(column, missing, unseen, out):
    place = len(column.outputs)
    if column.n_missing:
        out[:, place] = missing
        place += 1
    if column.n_unseen:
        out[:, place] = unseen


def _sums(codes, y, weights, n):
    """Of each category: rows (n,), the sum of y (n, k) and of its squares (n, k)."""
    columns = [
        np.stack([np.bincount(codes, weights * power, n) for power in powers.T], axis=1)
        for powers in (y, y * y)
    ]
    return np.bincount(codes, weights, n), *columns


def _without(sums, codes, y, weights):
    y = np.where(weights[:, None] > 0, y, 0)
    own = _sums(codes, y, weights, len(sums[0]))
    # what is left where nothing is left is rounding
    n = np.where(sums[0] - own[0] > 1e-9 * sums[0], sums[0] - own[0], 0)
    return n, np.where(n[:, None] > 0, sums[1] - own[1], 0)


def _rows_of_means(sums):
    """m of decision A for each output; at least 1, infinite where the means differ by chance."""
    n, total, squares = sums
    there = n > 0
    n, total, squares = n[there, None], total[there], squares[there]
    n_rows, n_categories = n.sum(), len(n)
    if n_categories < 2 or n_rows <= n_categories:
        return np.ones(total.shape[1])
    of_means = (total**2 / n).sum(axis=0)
    within = np.maximum(squares.sum(axis=0) - of_means, 0) / (n_rows - n_categories)
    between = (of_means - total.sum(axis=0) ** 2 / n_rows) / (n_categories - 1)
    size = (n_rows - (n**2).sum() / n_rows) / (n_categories - 1)  # of a category, about
    excess = (between - within) / size
    return np.maximum(1, np.divide(within, excess, np.full(len(excess), np.inf), where=excess > 0))


def _drawn(sums, overall, rows):
    """The mean of each category and output, drawn towards the overall one."""
    n, total = sums[0][:, None], sums[1]
    weight = np.where(np.isinf(rows), 0, 1 / (n + rows))
    return overall + weight * (total - n * overall)


def _tuple(row):
    return tuple(row.tolist())
