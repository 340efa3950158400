"""From a table or an array to the numbers a network sees, and from its outputs to the target.

Decisions, and why:

A. What a column *is* (numbers, text, a row number, an identifier) is read off the whole table;
   every number that is *learned* from it (mean, spread, categories) comes from the training rows
   only, or held-out scores would flatter. `columns` has what is learned.
B. Arrays are not copied: the network subtracts and multiplies while it gathers a batch
   (``input_offset`` and ``input_scale``). Each column's mean is subtracted. The columns of images
   share one unit and so one scale, or a pixel that is almost always 0 would be blown up: uint8 is
   divided by its range, arrays of more than one dimension a sample by their standard deviation;
   other arrays are divided by that of each column.
C. A column of many categories is encoded by means of the target (`means`), and a training row must
   not see its own. Which rows are training rows is known by the table: `transform` of the very one
   that was given to `fit` encodes the training rows without their own targets; all other rows, and
   all rows of other tables, are new.
"""

import math
import weakref
from dataclasses import asdict, dataclass

import numpy as np

from backprop.tabular.chunks import chunks, require_finite, statistics
from backprop.tabular.columns import (
    DateColumn,
    DroppedColumn,
    KeyColumn,
    NumericColumn,
    TextColumn,
    from_state,
)
from backprop.tabular.judging import (
    almost_numbers,
    as_dates,
    looks_like_id,
    looks_like_target,
    uselessness,
)
from backprop.tabular.means import MOST_OUTPUTS, fit_means
from backprop.tabular.tables import TableError
from backprop.tabular.targets import (
    ClassTarget,
    ValuesTarget,
    class_names,
    fit_values,
    require_no_dates,
)
from backprop.tabular.values import is_rounding, known_words, listed, present
from backprop.validation import check_integer

MOST_CLASSES_OF_NUMBERS = 20
MOST_PIECES = 4096  # of all columns: more would be memory and time for next to nothing


class Preprocessing:
    """How to turn a table or an array into inputs, and a target into labels and back.

    Learned from training rows by `fit` or `fit_array`.

    Parameters
    ----------
    task : {"auto", "classification", "regression"}
        "auto" decides from the target, as `choose_task` does.
    drop : iterable of str
        Columns not to use.
    key : str or iterable of str
        Columns that name the rows, such as a customer's number: not to learn from.
    label_smoothing : float
        For classification; see `ClassTarget`.
    max_categories : int
        A text column with more categories than this is encoded by means of the target.
    n_pieces : int
        Of how many pieces, beside itself, a column of numbers is: see `pieces`. Fewer of many
        columns, so that all together are at most 4,096. 0: none.

    Attributes
    ----------
    columns : tuple of NumericColumn, TextColumn, DateColumn, MeansColumn and DroppedColumn
        In the order of the table; empty when fitted to an array.
    target : ClassTarget, ValueTarget or ValuesTarget
    remarks : tuple
        Pairs (what, text) about columns that mislead, as `describe` has them: a "note" on what may
        be an id or a row number, a "warning" of what all but is the target.
    n_inputs : int
        Columns of what `transform` returns.
    sample_shape : tuple of int
        The shape of one sample of the array; empty when fitted to a table.
    input_offset, input_scale : numpy.ndarray or None
        What a `Network` needs to standardise an array; None when fitted to a table.
    """

    def __init__(
        self, task="auto", drop=(), label_smoothing=0.0, max_categories=256, key=(), n_pieces=0
    ):
        self.task = task
        self.drop = tuple(drop)
        self.key = (key,) if isinstance(key, str) else tuple(key)
        self.label_smoothing = label_smoothing
        self.max_categories = max_categories
        self.n_pieces = n_pieces
        self.columns = ()
        self.target = None
        self.n_inputs = 0
        self.sample_shape = ()
        self.input_offset = self.input_scale = None
        self.remarks = ()
        self._training = None

    def __getstate__(self):
        return {**vars(self), "_training": None}  # elsewhere there are no training rows

    def fit(self, table, target, rows=None):
        """Learn from the `rows` (default: all) of a `Table` to predict its column `target`.

        Several targets, a list of names, are numbers.
        """
        targets = (target,) if isinstance(target, str) else tuple(target)
        self._check_names(table, targets)
        rows = slice(None) if rows is None else rows
        if len(targets) == 1:
            values = table.column(targets[0])[rows]
            self.target = self._fit_target(targets[0], values, table.written)
        elif self.task == "classification":
            raise TableError(f"the targets {', '.join(targets)} are several: expected numbers")
        else:
            columns = [table.column(name)[rows] for name in targets]
            parts = map(fit_values, targets, columns, [table.written] * len(targets))
            self.target = ValuesTarget(tuple(parts))
        others = [name for name in table.names if name not in targets]
        y = self.target.means_of(self.target_values(table, rows))
        return self._fit(table, others, rows, None, y)

    def target_values(self, table, rows=None):
        """What `target` encodes, of some rows: a column, or (n, k) numbers of several."""
        rows = slice(None) if rows is None else rows
        if self.target.kind != "regressions":
            return table.column(self.target.name)[rows]
        parts = self.target.parts
        return np.stack([p.numbers(table.column(p.name)) for p in parts], axis=1)[rows]

    def _check_names(self, table, targets):
        for role, names in (("dropped", self.drop), ("the key", self.key), ("", targets)):
            for name in names:
                table.column(name)
                if role and name in targets:
                    raise TableError(f"column {name!r} is the target and cannot be {role}")
        if not targets or len(set(targets)) != len(targets):
            raise TableError(f"target={list(targets)}: expected different names of columns")

    def fit_transform(self, table, target, rows=None, dtype=np.float32):
        """`fit`, and then `transform` of the training rows."""
        return self.fit(table, target, rows).transform(table, rows, dtype)

    def fit_columns(self, table, names=None, rows=slice(None), weights=None, y=None):
        """The same without a target: learn from the columns of those names, of all by default.

        Parameters
        ----------
        table : Table
            What is learned from.
        names : sequence of str, optional
            Columns to use.
        rows : array of int or slice, optional
            Rows to learn from.
        weights : numpy.ndarray, optional
            Of these rows, for means and spreads.
        y : numpy.ndarray, shape (number of these rows,) or (number of these rows, k), optional
            Numbers to predict, or a column of 0/1 for each class. Without them a text column of
            more than `max_categories` is dropped.
        """
        names = table.names if names is None else names
        if y is not None:
            y = np.asarray(y, np.float64).reshape(len(y), -1)[:, :MOST_OUTPUTS]
            y = y, ["y"] if y.shape[1] == 1 else [f"y{i}" for i in range(y.shape[1])]
        return self._fit(table, names, rows, weights, y)

    def _fit(self, table, names, rows, weights, y):
        """`y`: a pair (array, names of its columns) for means, or None."""
        left_out = {name: DroppedColumn(name, "as asked") for name in self.drop}
        left_out |= {name: KeyColumn(name) for name in self.key}
        self._training = _Training.of(table, rows)
        each = min(self.n_pieces, MOST_PIECES // max(1, len(names)))
        self.columns = tuple(
            left_out.get(name) or self._fit_column(table, name, rows, weights, y, each)
            for name in names
        )
        self.remarks = self._remarks(table, rows, y)
        self.n_inputs = sum(column.width for column in self.columns)
        if not self.n_inputs:
            dropped = [column for column in self.columns if column.kind == "dropped"]
            reasons = "; ".join(f"{column.name}: {column.reason}" for column in dropped)
            raise TableError(
                f"{table.source} has no column to learn from "
                f"({reasons or 'it has only the target'})"
            )
        return self

    def fit_array(self, X, y, rows=None, sample_shape=(), name=None):
        """Learn from the `rows` (default: all) of an array (samples, columns) and the column y."""
        self.target = self._fit_target(name, y if rows is None else y[rows], {})
        self.n_inputs = X.shape[1]
        self.sample_shape = tuple(sample_shape) or X.shape[1:]
        mean, spread, value_range = statistics(X, rows)
        if X.dtype == np.uint8:
            spread = np.full_like(mean, value_range)
        elif len(self.sample_shape) > 1:
            spread = np.full_like(mean, np.sqrt(np.mean(spread**2)))
        self.input_offset = mean
        self.input_scale = 1.0 / np.where(is_rounding(spread, mean), 1.0, spread)
        return self

    def transform(self, data, rows=None, dtype=np.float32, notes=None):
        """The inputs of the network for `rows` (all by default) of a `Table` or an array.

        In the table that was given to `fit`, a training row's own target is no part of its inputs;
        in all others every row is a new one.

        Parameters
        ----------
        data : Table or numpy.ndarray
            A table must have the columns of the training; others are ignored. An array is returned
            as it is, or its `rows`, which is a copy.
        rows : array of int, optional
            Which rows; all by default.
        dtype : dtype
            Of the result, for a table.
        notes : list, optional
            A line is appended for every column with missing values or categories that training did
            not have.

        Returns
        -------
        numpy.ndarray, shape (number of rows, n_inputs)
        """
        notes = [] if notes is None else notes
        if not self.columns:
            return self._transform_array(data, rows)
        rows = slice(None) if rows is None else rows
        used = [column for column in self.columns if column.width]
        values = [data.values(column.name)[rows] for column in used]
        X = np.zeros((len(values[0]), self.n_inputs), dtype)
        start = 0
        for column, column_values in zip(used, values, strict=True):
            out = X[:, start : start + column.width]
            column.encode(column_values, out, notes)
            if self._training is not None and self._training.is_of(data):
                self._training.write(column.name, rows, out)
            start += column.width
        return X

    def input_names(self):
        """A name for each input of the network; None for an array's."""
        if not self.columns:
            return None
        used = [column for column in self.columns if column.width]
        return [name for column in used for name in column.input_names]

    def text_columns(self):
        """Names of the columns, target included, that must be read as text.

        So are numbers with signs: in another file they may look as if a comma were another mark.
        """
        kinds = ("text", "means", "key")
        names = [c.name for c in self.columns if c.kind in kinds or getattr(c, "written", "")]
        if self.target.kind == "classification":
            return names if self.target.numeric else [*names, self.target.name]
        parts = self.target.parts if self.target.kind == "regressions" else [self.target]
        return [*names, *(part.name for part in parts if part.written)]

    def describe(self):
        """Pairs (what, text) for people: the target and what happens to the columns."""
        numeric = [column for column in self.columns if column.kind == "numeric"]
        text = [column for column in self.columns if column.kind == "text"]
        dates = [column for column in self.columns if column.kind == "date"]
        lines = [("target", f"{self.target.name}: {self.target.describe()}")]
        if self.sample_shape:
            lines.append(("inputs", "×".join(map(str, self.sample_shape)) + " numbers a sample"))
        if numeric:
            lines.append(("numeric", listed(column.name for column in numeric)))
        in_pieces = [f"{column.name} ({column.n_pieces})" for column in numeric if column.edges]
        if in_pieces:
            lines.append(("pieces", f"{listed(in_pieces)}: by quantiles, beside the number itself"))
        if text:
            lines.append(("text", listed(f"{c.name} ({len(c.categories)})" for c in text)))
        if dates:
            lines.append(("dates", listed(f"{c.name} ({', '.join(c.parts)})" for c in dates)))
        means = [column for column in self.columns if column.kind == "means"]
        if means:
            names = listed(f"{c.name} ({len(c.categories):,})" for c in means)
            lines.append(("means", f"{names}: text as means of the target"))
        missing = [
            f"{column.name} ({column.n_missing:,})"
            for column in numeric + text + dates + means
            if column.n_missing
        ]
        if missing:
            lines.append(("missing", listed(missing) + "; imputed, each with an indicator column"))
        if self.key:
            lines.append(("key", listed(self.key)))
        dropped = {}
        for column in self.columns:
            if column.kind == "dropped":
                dropped.setdefault(column.reason, []).append(column.name)
        lines += [("dropped", f"{listed(names)}: {reason}") for reason, names in dropped.items()]
        return [*lines, *self.remarks]

    def to_dict(self):
        """Everything learned, in JSON types, but `input_offset` and `input_scale`: the
        network's."""
        return {
            "columns": [{"kind": column.kind, **asdict(column)} for column in self.columns],
            "target": {"kind": self.target.kind, **asdict(self.target)},
            "remarks": [list(remark) for remark in self.remarks],
            "n_inputs": self.n_inputs,
            "sample_shape": list(self.sample_shape),
        }

    @classmethod
    def from_dict(cls, state):
        """The preprocessing that `to_dict` described; ValueError for any other dictionary."""
        new = cls()
        try:
            new.columns = tuple(from_state(column) for column in _listed_in(state, "columns"))
            new.target = from_state(state["target"])
            new.task = new.target.task
            new.key = tuple(column.name for column in new.columns if column.kind == "key")
            new.remarks = tuple(map(_remark, state.get("remarks", [])))
            new.n_inputs = check_integer("n_inputs", state["n_inputs"], 1)
            new.sample_shape = tuple(
                check_integer("sample_shape", n, 1) for n in _listed_in(state, "sample_shape")
            )
        except (KeyError, TypeError, ValueError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else error
            raise ValueError(f"the description of the preprocessing is damaged: {what}") from error
        widths = sum(column.width for column in new.columns)
        if not new.columns:
            widths = math.prod(new.sample_shape) if new.sample_shape else 0
        if widths != new.n_inputs:
            raise ValueError(
                f"the preprocessing describes {widths} columns and claims {new.n_inputs}"
            )
        return new

    def _fit_target(self, name, values, written):
        require_no_dates(name, values)
        there = values[present(values)]
        if len(there) == 0:
            raise TableError(f"the target {name or 'y'!r} has no value in the training rows")
        task = choose_task(there) if self.task == "auto" else self.task
        name = name or {"classification": "class", "regression": "value"}[task]
        if task == "regression":
            return fit_values(name, values, written)
        numeric = there.dtype != object
        return ClassTarget(name, class_names(name, there), numeric, self.label_smoothing)

    def _fit_column(self, table, name, rows, weights, y, n_pieces):
        everything, form = table.values(name), ""
        if everything.dtype == object:
            everything, form = as_dates(everything)
        values = everything[rows]
        reason = uselessness(name, everything, values)
        if reason is not None:
            return DroppedColumn(name, reason)
        if everything.dtype.kind == "M":
            return DateColumn.fit(name, values, form, weights)
        if everything.dtype == object:
            return self._fit_text(name, everything, values, weights, y)
        return NumericColumn.fit(name, values, weights, table.written.get(name, ""), n_pieces)

    def _fit_text(self, name, everything, values, weights, y):
        n_categories = len(known_words(values))
        if n_categories <= self.max_categories:
            return TextColumn.fit(name, values)
        if y is None:
            return DroppedColumn(
                name,
                f"text with {n_categories:,} different values, of which at most "
                f"{self.max_categories} are learned" + almost_numbers(everything),
            )
        column, self._training.inputs[name] = fit_means(name, values, *y, weights)
        return column

    def _remarks(self, table, rows, y):
        found = {}
        for column in self.columns:
            if column.width:
                values = table.values(column.name)
                remark = "note", looks_like_id(column.name, values)
                if y is not None and (copy := looks_like_target(values[rows], y[0])):
                    remark = "warning", copy
                if remark[1]:
                    found.setdefault(remark, []).append(column.name)
        return tuple((what, f"{listed(names)}: {why}") for (what, why), names in found.items())

    def _transform_array(self, X, rows):
        if X.ndim != 2 or X.shape[1] != self.n_inputs:
            shape = "×".join(map(str, self.sample_shape))
            raise TableError(
                f"the model was trained on {self.n_inputs} columns ({shape}); got an array "
                f"{X.shape}"
            )
        X = X if rows is None else X[rows]
        if X.dtype.kind == "f":
            for start, chunk in chunks(X, None):
                require_finite(chunk, start)
        return X


@dataclass
class _Training:
    """What `transform` has to know of the rows that were learned from."""

    table: object  # a weak reference
    places: np.ndarray  # among the training rows, of all rows of the table; -1 of others
    inputs: dict  # of the training rows, for columns of means, by name

    @classmethod
    def of(cls, table, rows):
        places = np.full(table.n_rows, -1)
        chosen = np.arange(table.n_rows)[rows]
        places[chosen] = np.arange(len(chosen))
        return cls(weakref.ref(table), places, {})

    def is_of(self, table):
        return self.table() is table

    def write(self, name, rows, out):
        """The inputs of the training rows among `rows` over those that a new row would have."""
        if name in self.inputs:
            places = self.places[rows]
            out[places >= 0] = self.inputs[name][places[places >= 0]]


def _remark(pair):
    if not isinstance(pair, list | tuple) or list(map(type, pair)) != [str, str]:
        raise TypeError(f"remarks has {pair!r}: expected two texts")
    return tuple(pair)


def _listed_in(state, name):
    if not isinstance(state[name], list):
        raise TypeError(f"{name}={state[name]!r}: expected a list")
    return state[name]


def choose_task(values):
    """Decide what is to be learned from a target column without missing values.

    Text is "classification". Whole numbers are when there are two different ones, or at most 20
    that occur ten times each on average; all other numbers are "regression".
    """
    if values.dtype == object:
        return "classification"
    if values.dtype.kind == "M":
        return "regression"  # of which the target complains
    return task_of(np.unique(values), len(values))


def task_of(distinct, n_rows):
    """The same of numbers, by the different ones and how many there are of all."""
    n = len(distinct)
    few = n <= 2 or (n <= MOST_CLASSES_OF_NUMBERS and n_rows >= 10 * n)
    return "classification" if few and (distinct % 1 == 0).all() else "regression"
