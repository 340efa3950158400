"""A data file made ready for training: what is learned, from which rows, and which are held out."""

from dataclasses import dataclass

import numpy as np

from backprop.cli import streaming
from backprop.cli.common import read_data, shortened
from backprop.cli.settings import settled
from backprop.cli.values import names as names_in
from backprop.tabular.columns import present
from backprop.tabular.preprocessing import Preprocessing, choose_task
from backprop.tabular.tables import Arrays, TableError, count

# Of the training rows that are held out where the file has a test of its own, which says how good
# the model is and may not decide when training ends.
_SHARE_BESIDE_TEST = 0.1


@dataclass
class Part:
    """Some rows: their inputs, and the target as a column of a table."""

    X: np.ndarray
    values: np.ndarray

    def __len__(self):
        return len(self.values)

    def rows(self, target, dtype):
        """What `Network.fit` takes of them, by name."""
        return {"X": self.X, "y": target.targets(self.values, dtype)}


@dataclass
class Problem:
    """Rows to train on, to hold out (None: none), and the file's own test (None: none)."""

    preprocessing: Preprocessing
    training: Part
    held_out: Part | None
    test: Part | None
    lines: list  # for people, pairs (what, text)
    options: object  # all of them settled

    @property
    def target(self):
        """Of the preprocessing."""
        return self.preprocessing.target


def prepare(options):
    """The `Problem` that the options describe."""
    if streaming.is_wanted(options):
        return streaming.prepare(options)
    data = read_data(options.data, quiet=options.quiet)
    if isinstance(data, Arrays):
        return _prepare_arrays(data, options)
    targets = targets_in(data.names, data.source, options.target)
    values = [data.column(name) for name in targets]
    there = np.logical_and.reduce([present(column) for column in values])
    task = "regression" if len(targets) > 1 else options.task
    task, training, held_out = _choose_rows(values[0], there, task, options, options.validation)
    options = settled(options, True, task)
    preprocessing = Preprocessing(task, options.drop, key=options.key, n_pieces=options.pieces)
    preprocessing.fit(data, targets, training)
    values = preprocessing.target_values(data)
    lines = [("read", f"{data.source}: {data.n_rows:,} rows, {len(data.names)} columns")]
    lines += [("note", note) for note in data.notes]
    lines += [*preprocessing.describe(), _row_line(there, training, held_out)]
    X, notes = preprocessing.transform(data, training, options.dtype), []
    held = None
    if len(held_out):
        held = Part(preprocessing.transform(data, held_out, options.dtype, notes), values[held_out])
    lines += [("held out", note) for note in shortened(notes)]
    return Problem(preprocessing, Part(X, values[training]), held, None, lines, options)


def targets_in(names, source, given):
    """Names of the columns to predict: one, or several separated by commas."""
    if given is None:
        raise TableError(
            f"--target is needed: the column of {source} to predict, one of {', '.join(names)}"
        )
    return [given] if given in names else list(names_in(given)) or [given]


def _prepare_arrays(data, options):
    if options.target is not None or options.drop or options.key:
        raise TableError(
            f"--target, --drop and --key are for tables; {data.source} has arrays: X and y"
        )
    if options.pieces:
        raise TableError(f"--pieces is for tables; {data.source} has arrays")
    if data.y is None:
        raise TableError(f"{data.source} has no y_train or y to learn")
    own_test = data.X_test is not None and data.y_test is not None
    share = min(options.validation, _SHARE_BESIDE_TEST) if own_test else options.validation
    there = present(data.y)
    task, training, held_out = _choose_rows(data.y, there, options.task, options, share)
    rows = None if len(training) == len(data.X) else training  # None: the array, not a copy
    preprocessing = Preprocessing(task).fit_array(data.X, data.y, rows, data.sample_shape)
    lines = [
        ("read", f"{data.source}: {data.n_rows:,} samples of {data.X.dtype}"),
        *preprocessing.describe(),
    ]
    held = test = None
    if len(held_out):
        held = Part(preprocessing.transform(data.X, held_out), data.y[held_out])
    if own_test:
        known = np.flatnonzero(present(data.y_test))
        whole = len(known) == len(data.y_test)
        X_test = preprocessing.transform(data.X_test, None if whole else known)
        test = Part(X_test, data.y_test[known])
    lines.append(_row_line(there, training, held_out, test))
    part = Part(preprocessing.transform(data.X, rows), data.y[training])
    return Problem(preprocessing, part, held, test, lines, settled(options, False, task))


def _choose_rows(values, there, task, options, share):
    """The task, and the row numbers to train on and to hold out, of those whose target is there."""
    rows = np.flatnonzero(there)
    if len(rows) < 2:
        raise TableError(
            f"{options.data} has {count(len(rows), 'row')} with a target; at least 2 are needed"
        )
    task = choose_task(values[rows]) if task == "auto" else task
    training, held_out = split(values[rows], task, share, options.seed)
    return task, rows[training], rows[held_out]


def _row_line(there, training, held_out, test=None):
    text = f"{len(training):,} to train on, {len(held_out):,} held out"
    if test is not None:
        text += f", {len(test):,} of the file's own test"
    if not there.all():
        text += f", {(~there).sum():,} left out, whose target is missing"
    return "rows", text


def split(values, task, share, seed):
    """Divide rows into training and held-out ones at random.

    For classification, each class is divided in the same proportion.

    Parameters
    ----------
    values : numpy.ndarray
        The target, a column of a table without missing values.
    task : str
        "classification" or "regression".
    share : float
        Of the rows to hold out, at least one of each class staying in the training.
    seed : int
        Any number from 0 on; the same one gives the same rows everywhere.

    Returns
    -------
    training, held_out : numpy.ndarray of int
        Row numbers, ascending.
    """
    # The raw words of PCG64 are promised never to change; what numpy makes of them (permutation,
    # choice) is not.
    order = np.argsort(np.random.PCG64(seed).random_raw(len(values)), kind="stable")
    groups = [order]
    if task == "classification":
        _, classes = np.unique(values, return_inverse=True)
        by_class = order[np.argsort(classes[order], kind="stable")]
        groups = np.split(by_class, np.cumsum(np.bincount(classes))[:-1])
    held_out = np.sort(
        np.concatenate([g[: min(round(len(g) * share), len(g) - 1)] for g in groups])
    )
    return np.setdiff1d(order, held_out), held_out
