"""A `Preprocessing` learned from a table that comes in parts, in one pass.

Decisions, and why:

A. Means, spreads, ends, categories and their counts are of all training rows. Means and spreads of
   the parts are combined as by Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm
   for computing sample variances", 1979: they are those of the whole but for rounding.
B. Of text, the different values and how often each occurs say all that is learned: whether they are
   dates or amounts too. More than `MOST_WORDS` of them are not kept, and the column is dropped.
C. Quantiles, and what all but is the target, need all numbers at once: they are those of a sample
   of the rows, drawn by a seed.
D. Text of more categories than `max_categories` is dropped. Its means of the target would have to
   leave out each row's own, which is known when all rows are read.
"""

import numpy as np

from backprop.tabular.columns import (
    DateColumn,
    DroppedColumn,
    KeyColumn,
    NumericColumn,
    Spread,
    TextColumn,
)
from backprop.tabular.judging import almost_numbers, as_dates, is_named_as_row, looks_like_target
from backprop.tabular.pieces import edges_of
from backprop.tabular.preprocessing import MOST_PIECES, Preprocessing, task_of
from backprop.tabular.reading.text import quantities
from backprop.tabular.tables import TableError, Words, label
from backprop.tabular.targets import ClassTarget, ValuesTarget, ValueTarget, require_difference
from backprop.tabular.values import finite, is_rounding, listed, present

MOST_WORDS = 1_000_000  # different ones of a column
MOST_DISTINCT = 10_000  # different numbers of a target
SAMPLE_ROWS, SAMPLE_BYTES = 100_000, 1 << 26


class Numbers:
    """Count, mean, spread and ends of numbers that come in parts; NaN is none."""

    def __init__(self):
        self.n = self.n_missing = 0
        self.mean = self.squares = 0.0  # squares: Σ (x - mean)²
        self.low, self.high = np.inf, -np.inf

    def add(self, values):
        """A part of the column: float64."""
        known = values[present(values)]
        self.n_missing += len(values) - len(known)
        if not len(known):
            return
        n, mean = len(known), float(known.mean())
        away, total = mean - self.mean, self.n + n
        self.squares += float(((known - mean) ** 2).sum()) + away**2 * self.n * n / total
        self.mean += away * n / total
        self.n = total
        self.low = min(self.low, float(known.min()))
        self.high = max(self.high, float(known.max()))

    @property
    def mean_and_std(self):
        """As `values.mean_and_std` has them."""
        std = float(np.sqrt(self.squares / self.n))
        return self.mean, 1.0 if is_rounding(std, self.mean) else std

    @property
    def spread(self):
        """Of all of them."""
        return Spread(*self.mean_and_std, self.low, self.high)


class NumberParts(Numbers):
    """A column of numbers."""

    def __init__(self, name):
        super().__init__()
        self._name, self._first, self._counts = name, None, is_named_as_row(name)

    def look(self, values, first_row):
        """At all rows, also those that are not learned from: whether they are counted."""
        if self._counts:
            self._first = values[0] if self._first is None else self._first
            expected = self._first + first_row + np.arange(len(values))
            self._counts = self._first in (0, 1) and np.array_equal(values, expected)

    def column(self, table, sample):
        """What is learned."""
        if self.n == 0:
            return DroppedColumn(self._name, "no value in the training rows")
        if self._counts and self.n > 1:
            return DroppedColumn(self._name, "counts the rows")
        if self.low == self.high and not self.n_missing:
            return DroppedColumn(self._name, f"always {label(self.low)}")
        edges = edges_of(sample[present(sample)], table.pieces_of_each)
        return NumericColumn(self._name, **vars(self.spread), n_missing=self.n_missing, edges=edges)


class WordParts:
    """A column of text: how often each word occurs."""

    def __init__(self, name):
        self._name, self.counts, self.n_missing = name, {}, 0

    def look(self, values, first_row):
        """Nothing is to be seen in other rows."""

    def add(self, values):
        """A part of the column: `Words`."""
        self.n_missing += int((values.codes < 0).sum())
        if self.counts is None:
            return
        for word, n in zip(values.words, values.counts().tolist(), strict=True):
            if n:
                self.counts[word] = self.counts.get(word, 0) + n
        if len(self.counts) > MOST_WORDS:
            self.counts = None

    def column(self, table, sample):
        """What is learned."""
        name = self._name
        if self.counts is None:
            return DroppedColumn(name, f"text with over {MOST_WORDS:,} different values")
        if not self.counts:
            return DroppedColumn(name, "no value in the training rows")
        words = Words(np.arange(len(self.counts)), list(self.counts))
        counts = np.array(list(self.counts.values()))
        if counts.sum() > 2 and counts.max() == 1:
            why = f"text that is different in every row{almost_numbers(words)}"
            return DroppedColumn(name, why)
        if len(counts) == 1 and not self.n_missing:
            return DroppedColumn(name, f"always {words.words[0]}")
        found, how, _ = quantities(name, words)
        if how:
            known = present(found)
            spread = Spread.of(found[known], counts[known])
            n_missing = self.n_missing + int(counts[~known].sum())
            return NumericColumn(name, **vars(spread), n_missing=n_missing, written=how)
        found, form = as_dates(words)
        if form:
            found = found[: len(counts)]
            made = DateColumn.fit(name, found, form, counts)
            return DateColumn(**{**vars(made), "n_missing": self.n_missing})
        if len(counts) > table.max_categories:
            why = f"text with {len(counts):,} different values, of which at most "
            return DroppedColumn(name, f"{why}{table.max_categories} are learned")
        return TextColumn(name, tuple(sorted(self.counts)), self.n_missing)


class DateParts:
    """A column of dates: how often each occurs, to the hour where there are many."""

    def __init__(self, name):
        self._name, self._times, self._counts, self.n_missing = name, None, None, 0
        self._waiting = []

    def look(self, values, first_row):
        """Nothing is to be seen in other rows."""

    def add(self, values):
        """A part of the column: datetime64."""
        known = ~np.isnat(values)
        self.n_missing += int((~known).sum())
        times, counts = np.unique(values[known], return_counts=True)
        self._waiting.append((times, counts))
        if sum(len(times) for times, _ in self._waiting) > MOST_WORDS:
            self._gather()

    def _gather(self):
        waiting = [*self._waiting, *([] if self._times is None else [(self._times, self._counts)])]
        times, counts = (np.concatenate(parts) for parts in zip(*waiting, strict=True))
        if len(times) > MOST_WORDS:
            times = times.astype("M8[h]").astype("M8[us]")
        self._times, places = np.unique(times, return_inverse=True)
        self._counts = np.bincount(places, counts).astype(np.int64)
        self._waiting = []

    def column(self, table, sample):
        """What is learned."""
        if self._waiting:
            self._gather()
        if self._times is None or not len(self._times):
            return DroppedColumn(self._name, "no value in the training rows")
        if len(self._times) == 1 and not self.n_missing:
            return DroppedColumn(self._name, f"always {self._times[0]}")
        made = DateColumn.fit(self._name, self._times, "", self._counts)
        return DateColumn(**{**vars(made), "n_missing": self.n_missing})


def _parts_of(values):
    """What learns from such a column."""
    if isinstance(values, Words):
        return WordParts
    return DateParts if values.dtype.kind == "M" else NumberParts


class TargetParts:
    """One target: its numbers, or its words, and how often each occurs."""

    def __init__(self, name):
        self._name, self.numbers, self.counts, self.is_text = name, Numbers(), {}, None

    def add(self, values):
        """A part of the column, without missing values."""
        if isinstance(values, Words):
            self._tell(True)
            found = zip(values.words, values.counts().tolist(), strict=True)
        elif values.dtype.kind == "M":
            raise TableError(f"the target {self._name!r} has dates, expected numbers or classes")
        else:
            self._tell(False)
            self.numbers.add(values)
            if self.counts is None:
                return
            found = zip(*map(np.ndarray.tolist, np.unique(values, return_counts=True)), strict=True)
        for value, n in found:
            if n:
                self.counts[value] = self.counts.get(value, 0) + n
        if len(self.counts) > MOST_DISTINCT:
            self.counts = None

    def _tell(self, is_text):
        if self.is_text not in (None, is_text):
            raise TableError(f"the target {self._name!r} is text in one part, numbers in another")
        self.is_text = is_text

    def task(self):
        """As `choose_task` decides."""
        if self.is_text:
            return "classification"
        if self.counts is None:
            return "regression"
        return task_of(np.array(list(self.counts)), self.numbers.n)

    def made(self, task, smoothing):
        """A target of `targets`."""
        name = self._name
        if self.is_text is None:
            raise TableError(f"the target {name!r} has no value in the training rows")
        if self.counts is not None and len(self.counts) == 1:
            (only,) = self.counts
            require_difference(name, only, only)
        if task == "regression":
            if self.is_text:
                raise TableError(f"the target {name!r} is text: expected numbers to predict")
            return ValueTarget(name, *self.numbers.mean_and_std)
        n = 0 if self.counts is None else sum(self.counts.values())
        if self.counts is None or len(self.counts) > max(10, n // 2):
            raise TableError(f"the target {name!r} has too many different values to be classes")
        classes = tuple(map(label, sorted(self.counts)))
        return ClassTarget(name, classes, not self.is_text, smoothing)


class Learning:
    """One pass over a table: `add` its parts, and then take the `Preprocessing`.

    Parameters
    ----------
    targets : tuple of str
        Names of the columns to predict.
    seed : int
        Of the sample.
    settings
        As of `Preprocessing`.
    """

    def __init__(self, targets, seed=0, **settings):
        self._targets, self._made = targets, Preprocessing(**settings)
        self._parts, self._target_parts = None, {name: TargetParts(name) for name in targets}
        self._draw = np.random.PCG64(seed)
        self._keys, self._rows = np.empty(0, np.uint64), None  # of the sample
        self.n_rows = 0  # that were learned from
        self.max_categories = self._made.max_categories

    @property
    def pieces_of_each(self):
        """Of a column of numbers, as `Preprocessing` has it."""
        return min(self._made.n_pieces, MOST_PIECES // max(1, len(self._parts)))

    def add(self, table, first_row, training):
        """A part of the table; `training`: which of its rows are learned from, bool."""
        if self._parts is None:
            self._begin(table)
        for name, parts in self._parts.items():
            values = table.values(name)
            if type(parts) is not _parts_of(values):
                raise TableError(f"{table.source}: column {name!r} is of another type than before")
            parts.look(values, first_row)
            parts.add(values[training])
        for name, parts in self._target_parts.items():
            values = table.values(name)[training]
            parts.add(values[present(values)])
        self.n_rows += int(training.sum())
        self._sample(table, np.flatnonzero(training))

    def _begin(self, table):
        self._made._check_names(table, self._targets)
        self._parts = {}
        for name in table.names:
            if name in self._targets or name in self._made.drop or name in self._made.key:
                continue
            values = table.values(name)
            self._parts[name] = _parts_of(values)(name)
        self._names = table.names
        self._sampled = [n for n, parts in self._parts.items() if type(parts) is NumberParts]
        self._sampled += [n for n in self._targets if table.values(n).dtype.kind == "f"]
        self._most = max(1000, min(SAMPLE_ROWS, SAMPLE_BYTES // (8 * max(1, len(self._sampled)))))
        self._rows = np.empty((0, len(self._sampled)))

    def _sample(self, table, rows):
        """Keep the rows whose random keys are the smallest."""
        keys = self._draw.random_raw(table.n_rows)[rows]
        if len(self._keys) == self._most:
            chosen = keys < self._keys.max()
            keys, rows = keys[chosen], rows[chosen]
        if not len(rows) or not self._sampled:
            return
        found = np.stack([table.values(name)[rows] for name in self._sampled], axis=1)
        keys, found = np.concatenate([self._keys, keys]), np.concatenate([self._rows, found])
        kept = np.argsort(keys, kind="stable")[: self._most]
        self._keys, self._rows = keys[kept], found[kept]

    def preprocessing(self, settle=None):
        """What was learned; `settle`: makes n_pieces of the task."""
        made, targets = self._made, list(self._target_parts.values())
        if self._parts is None or not self.n_rows:
            raise TableError("there are no rows to learn from")
        made.target = self._target(made, targets)
        made.task = made.target.task
        made.n_pieces = made.n_pieces if settle is None else settle(made.task)
        samples = dict(zip(self._sampled, self._rows.T, strict=True))
        columns = []
        for name in self._names:
            if name in made.drop:
                columns.append(DroppedColumn(name, "as asked"))
            elif name in made.key:
                columns.append(KeyColumn(name))
            elif name in self._parts:
                columns.append(self._parts[name].column(self, samples.get(name)))
        made.columns = tuple(columns)
        made.n_inputs = sum(column.width for column in columns)
        if not made.n_inputs:
            raise TableError("the table has no column to learn from")
        made.remarks = self._remarks(samples)
        return made

    def class_counts(self):
        """How many rows each class has, where the target is classes; else None."""
        if self._made.task != "classification":
            return None
        (parts,) = self._target_parts.values()
        return [parts.counts[value] for value in sorted(parts.counts)]

    def _target(self, made, targets):
        if len(targets) == 1:
            task = targets[0].task() if made.task == "auto" else made.task
            return targets[0].made(task, made.label_smoothing)
        if made.task == "classification":
            names = ", ".join(self._targets)
            raise TableError(f"the targets {names} are several: expected numbers")
        return ValuesTarget(tuple(one.made("regression", 0.0) for one in targets))

    def _remarks(self, samples):
        """Of numbers that all but are the target, by the sample."""
        y = [samples[name] for name in self._targets if name in samples]
        if not y:
            return ()
        y, found = finite(np.stack(y, axis=1)), {}
        for name in self._sampled:
            if name not in self._targets and (why := looks_like_target(samples[name], y)):
                found.setdefault(why, []).append(name)
        return tuple(("warning", f"{listed(names)}: {why}") for why, names in found.items())
