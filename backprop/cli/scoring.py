"""How good a model is, for people: of classes and of numbers, beside what takes no model at all."""

import numpy as np

from backprop.catalogue.metrics import METRICS
from backprop.cli.common import shown_number
from backprop.tabular.baselines import is_mean_as_good, log_loss_of_shares
from backprop.tabular.columns import present
from backprop.tabular.tables import TableError

_SHOWN_CLASSES = 10  # of which a table of confusions is a glance


def score(target, outputs, values):
    """Lines that say how well `outputs` of a network predict the `values` of a target column."""
    of = _score_of_classes if target.task == "classification" else _score_of_numbers
    return of(target, outputs, values)


def score_of_file(target, outputs, values):
    """The same of the rows whose target is there, or why there is no score."""
    there = known(values)
    try:
        return score(target, outputs[there], values[there])
    except TableError as error:
        return [f"no score: {error}"]


def known(values):
    """Of which rows every target is there."""
    if values.ndim == 1:
        return present(values)
    return np.logical_and.reduce([present(column) for column in values.T])


def is_no_better(target, outputs, values):
    """What does as well without a model: the majority's class or the mean; None where it does not.

    Classes are compared by log loss, which a model that says nothing but each class's share has
    too; numbers by the squared error.
    """
    if target.task == "classification":
        codes = target.encode(values)
        answers = np.eye(target.n_outputs)[codes[codes >= 0]]
        is_as_good = _measure("log_loss", outputs, codes) >= log_loss_of_shares(answers, True)
        return "each class's share" if is_as_good else None
    values, found = _columns(target, outputs, values)
    return "the mean" if is_mean_as_good(values, found) else None


def _score_of_classes(target, outputs, values):
    codes = target.encode(values)
    right = np.argmax(outputs, axis=1) == codes
    n, known = len(values), codes >= 0
    counts = np.bincount(codes[known], minlength=target.n_outputs)
    largest = int(counts.argmax())
    lines = [
        f"accuracy {100 * right.mean():.2f} % ({int(right.sum()):,} of {n:,}); "
        f"{100 * counts[largest] / n:.2f} % are {target.classes[largest]}"
    ]
    if known.all():
        balanced = _measure("balanced_accuracy", outputs, codes)
        log_loss = _measure("log_loss", outputs, codes)
        lines.append(f"balanced accuracy {100 * balanced:.2f} %, log loss {log_loss:.4f}")
    return [*lines, *_confusions(target, np.argmax(outputs, axis=1)[known], codes[known])]


def _measure(name, outputs, codes):
    return METRICS[name].value(outputs, codes, None)


def _confusions(target, found, codes):
    """A table, true classes in rows; or the most frequent confusions, where it would be large."""
    k = target.n_outputs
    table = np.bincount(codes * k + found, minlength=k * k).reshape(k, k)
    names = [name if len(name) <= 12 else name[:11] + "…" for name in target.classes]
    if k <= _SHOWN_CLASSES:
        texts = [["true \\ predicted", *names]]
        texts += [[name, *map(str, row)] for name, row in zip(names, table.tolist(), strict=True)]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        return ["  ".join(map(str.rjust, row, widths)) for row in texts]
    np.fill_diagonal(table, 0)
    order = np.argsort(-table, axis=None, kind="stable")[:5]
    pairs = [divmod(int(i), k) for i in order if table.flat[i] > 0]
    shown = [
        f"{names[true]} taken for {names[other]} {table[true, other]}×" for true, other in pairs
    ]
    return [f"most often: {', '.join(shown)}"] if shown else []


def _columns(target, outputs, values):
    """(values (n, k), predictions (n, k)) in the targets' units."""
    both = target.numbers(values), target.decode(outputs)
    return [part.reshape(len(part), -1) for part in both]


def _score_of_numbers(target, outputs, values):
    values, found = _columns(target, outputs, values)
    if values.shape[1] == 1:
        return [_score_of_column(values[:, 0], found[:, 0])]
    columns = zip(target.names, values.T, found.T, strict=True)
    return ["of each target", *(f"{name}: {_score_of_column(y, p)}" for name, y, p in columns)]


def _score_of_column(values, found):
    errors, spread = found - values, np.sum((values - values.mean()) ** 2)
    r2 = f"{1 - np.sum(errors**2) / spread:.4f}" if spread > 0 else "undefined (equal values)"
    rmse, mae = np.sqrt(np.mean(errors**2)), np.mean(np.abs(errors))
    return (
        f"R² {r2}, RMSE {shown_number(rmse)}, MAE {shown_number(mae)}; the mean has RMSE "
        f"{shown_number(values.std())}"
    )


class InUnits:
    """A metric of numbers, worked out in the target's unit: a function for `Network.fit`."""

    def __init__(self, metric, target):
        self._metric, self._target = metric, target
        self.__name__ = metric.key
        self.higher_is_better = metric.higher_is_better

    def __call__(self, y, predictions):
        """Of targets as the network has them."""
        both = (self._target.decode(values) for values in (y, predictions))
        y, predictions = (values.reshape(len(values), -1) for values in both)
        return self._metric.value(predictions, y, None, *self._metric.settings.values())
