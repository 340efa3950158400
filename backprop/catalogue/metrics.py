"""Metrics: how good predictions are, for `fit` and `evaluate`; each is declared once.

A metric is of labels (n,) and outputs (n, k), of yes-or-no answers (n, k), or of numbers (n, k).
Soft targets count as the class, or the answer, that is more probable; of a loss whose predictions
are more than one number for each of y, what it calls ``points``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from backprop.catalogue.records import Entry, Parameter, find, table_of
from backprop.catalogue.scores import R2
from backprop.validation import check_integer

TAKEN = ("loss", "seconds")  # names of a history's other columns
CLASS, ANSWER, NUMBER = "a class", "yes or no", "a number"  # what a target is


@dataclass(frozen=True)
class Whole(Parameter):
    """A whole number."""

    def check(self, value):
        return check_integer(self.name, value, int(self.minimum))


class Found(NamedTuple):
    """What metrics are worked out from.

    ``outputs`` and ``predictions`` (n, k); ``points`` (n, columns of y): of predictions one number
    for each of y; ``y``: as `Metric` has it; ``given_y``: as a function of one's own gets it;
    ``weight`` (n,) or None.
    """

    outputs: np.ndarray
    predictions: np.ndarray
    points: np.ndarray
    y: np.ndarray
    given_y: np.ndarray
    weight: np.ndarray | None


@dataclass(frozen=True, repr=False)
class Metric(Entry):
    """How good predictions are, as one number.

    Attributes
    ----------
    name, formula, source : str
        For people. Where ``source`` is a function of scikit-learn, the values are equal.
    value : callable
        (outputs or predictions [n][k], y, sample weights [n] or None, *values) -> float.
    targets : tuple of str
        Of what: CLASS (y is labels [n]), ANSWER (y is bool [n][k]), NUMBER (y is float64 [n][k]).
    higher_is_better : bool
    takes_outputs : bool
        Whether it is of the last layer's outputs, the largest or the sign of which decides; else of
        what ``predict`` returns.
    parameters : tuple of Parameter
    values : tuple of float
        Of the parameters; () for their defaults.
    """

    name: str
    formula: str
    source: str
    value: Callable[..., float]
    targets: tuple[str, ...]
    higher_is_better: bool | None
    takes_outputs: bool = False
    parameters: tuple[Parameter, ...] = ()
    values: tuple[float, ...] = ()

    @property
    def key(self):
        """What it is called in results: its name, and its values where these are no defaults."""
        shown = "" if self.label == self.name else "".join(f"_{value:g}" for value in self.values)
        return self.name + shown

    def measure(self, found):
        """The number."""
        of = found.outputs if self.takes_outputs else found.points
        return float(self.value(of, found.y, found.weight, *self.settings.values()))


class OwnMetric:
    """A function of one's own: function(y, predictions), with sample_weight= where there is one."""

    higher_is_better = None  # unknown

    def __init__(self, function):
        self.function = function
        self.key = getattr(function, "__name__", type(function).__name__)

    def measure(self, found):
        weighted = {} if found.weight is None else {"sample_weight": found.weight}
        value = self.function(found.given_y, found.predictions, **weighted)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise TypeError(f"metrics: {self.key} returned {value!r}, expected a number") from None


def _right(outputs, y):
    """Of labels: whether the largest output is the label's. Of answers: each, by its sign."""
    return outputs.argmax(axis=1) == y if y.ndim == 1 else (outputs > 0) == y


def _mean(values, weight):
    return np.average(values, axis=0, weights=weight)


def _accuracy(outputs, y, weight):
    right = _right(outputs, y)
    return _mean(right if y.ndim == 1 else right.all(axis=1), weight)


def _balanced_accuracy(outputs, y, weight):
    if y.ndim == 2:
        both = [np.stack([-column, column], axis=1) for column in outputs.T]
        pairs = zip(both, y.T.astype(int), strict=True)
        return np.mean([_balanced_accuracy(a, column, weight) for a, column in pairs])
    k = outputs.shape[1]
    weight = np.ones(len(y)) if weight is None else weight
    total = np.bincount(y, weight, k)
    right = np.bincount(y, weight * _right(outputs, y), k)
    return np.mean(right[total > 0] / total[total > 0])


def _top_k(outputs, y, weight, k):
    own = np.take_along_axis(outputs, y[:, None], axis=1)
    return _mean((outputs > own).sum(axis=1) < k, weight)


def _f1(outputs, y, weight):
    if y.ndim == 2:
        found, true = outputs > 0, y
    else:  # one column for each class that there is, or that is predicted
        k = outputs.shape[1]
        found = outputs.argmax(axis=1)[:, None] == np.arange(k)
        true = y[:, None] == np.arange(k)
        there = found.any(axis=0) | true.any(axis=0)
        found, true = found[:, there], true[:, there]
    both, found, true = (_mean(part, weight) for part in (found & true, found, true))
    all_of_both = found + true
    return np.mean(np.divide(2 * both, all_of_both, np.zeros_like(both), where=all_of_both > 0))


def _auc(score, yes, weight):
    """The share of pairs of a yes and a no, by weight, where yes scores higher; ½ for a tie."""
    weight = np.ones(len(score)) if weight is None else weight.astype(np.float64)
    order = np.argsort(score, kind="stable")
    score, yes, weight = score[order], yes[order], weight[order]
    starts = np.flatnonzero(np.r_[True, score[1:] != score[:-1]])
    positive = np.add.reduceat(weight * yes, starts)
    negative = np.add.reduceat(weight * ~yes, starts)
    pairs = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative / 2
    return (positive * below).sum() / pairs if pairs > 0 else np.nan


def _roc_auc(p, y, weight):
    if y.ndim == 1 and p.shape[1] == 2:
        return _auc(p[:, 1], y == 1, weight)
    true = y.T if y.ndim == 2 else [y == label for label in range(p.shape[1])]
    return np.mean([_auc(column, yes, weight) for column, yes in zip(p.T, true, strict=True)])


def _log_loss(p, y, weight):
    if p.size and not 0 <= p.min() <= p.max() <= 1:
        raise ValueError("metrics: log_loss is of probabilities, which this loss's predict has not")
    least = np.finfo(p.dtype).eps
    p = np.clip(p, least, 1 - least).astype(np.float64)
    if y.ndim == 1:
        return -_mean(np.log(np.take_along_axis(p, y[:, None], axis=1)[:, 0]), weight)
    return -_mean(np.log(np.where(y, p, 1 - p)).mean(axis=1), weight)


def _mae(p, y, weight):
    return _mean(np.abs(p - y).mean(axis=1), weight)


def _rmse(p, y, weight):
    return np.sqrt(_mean((p - y) ** 2, weight)).mean()


def _r2(p, y, weight):
    score = R2()
    score.add(p, y, weight)
    return score.value()


def _pinball(p, y, weight, level):
    error = y - p
    return _mean(np.maximum(level * error, (level - 1) * error).mean(axis=1), weight)


METRICS = table_of(
    Metric(
        name="accuracy",
        formula="the share of rows whose every label is right",
        source="sklearn.metrics.accuracy_score",
        value=_accuracy,
        targets=(CLASS, ANSWER),
        higher_is_better=True,
        takes_outputs=True,
    ),
    Metric(
        name="balanced_accuracy",
        formula="the mean over classes of the share of their rows that are right",
        source="sklearn.metrics.balanced_accuracy_score",
        value=_balanced_accuracy,
        targets=(CLASS, ANSWER),
        higher_is_better=True,
        takes_outputs=True,
    ),
    Metric(
        name="top_k",
        formula="the share of rows with the label among the k largest outputs",
        source="sklearn.metrics.top_k_accuracy_score",
        value=_top_k,
        targets=(CLASS,),
        higher_is_better=True,
        takes_outputs=True,
        parameters=(Whole("k", 5, "How many outputs", 1),),
    ),
    Metric(
        name="f1",
        formula="2 TP / (2 TP + FP + FN), the mean over classes or answers",
        source='sklearn.metrics.f1_score(…, average="macro")',
        value=_f1,
        targets=(CLASS, ANSWER),
        higher_is_better=True,
        takes_outputs=True,
    ),
    Metric(
        name="roc_auc",
        formula="the share of pairs of a yes and a no in which yes has the larger probability; "
        "the mean over answers, or over classes, each against the rest",
        source='sklearn.metrics.roc_auc_score(…, multi_class="ovr")',
        value=_roc_auc,
        targets=(CLASS, ANSWER),
        higher_is_better=True,
    ),
    Metric(
        name="log_loss",
        formula="-mean log p of what is true; the mean over answers",
        source="sklearn.metrics.log_loss",
        value=_log_loss,
        targets=(CLASS, ANSWER),
        higher_is_better=False,
    ),
    Metric(
        name="mae",
        formula="mean |p - y|",
        source="sklearn.metrics.mean_absolute_error",
        value=_mae,
        targets=(NUMBER,),
        higher_is_better=False,
    ),
    Metric(
        name="rmse",
        formula="√ mean (p - y)², the mean over outputs",
        source="sklearn.metrics.root_mean_squared_error",
        value=_rmse,
        targets=(NUMBER,),
        higher_is_better=False,
    ),
    Metric(
        name="r2",
        formula="1 - Σ (y - p)² / Σ (y - mean y)², the mean over outputs",
        source="sklearn.metrics.r2_score",
        value=_r2,
        targets=(NUMBER,),
        higher_is_better=True,
    ),
    Metric(
        name="pinball",
        formula="mean max(level (y - p), (level - 1) (y - p))",
        source="sklearn.metrics.mean_pinball_loss",
        value=_pinball,
        targets=(NUMBER,),
        higher_is_better=False,
        parameters=(Parameter("level", 0.5, "Of the quantile", 0, above=True, below=1),),
    ),
)

ALIASES = {
    "acc": "accuracy",
    "categorical_accuracy": "accuracy",
    "sparse_categorical_accuracy": "accuracy",
    "binary_accuracy": "accuracy",
    "top_k_accuracy": "top_k",
    "top_k_categorical_accuracy": "top_k",
    "f1_score": "f1",
    "auc": "roc_auc",
    "crossentropy": "log_loss",
    "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse",
    "mse": "rmse",
    "r2_score": "r2",
    "mean_pinball_loss": "pinball",
}


def kind_of(target):
    """CLASS, ANSWER or NUMBER."""
    if target.is_class:
        return CLASS
    return ANSWER if target.is_categorical else NUMBER


def check_metrics(metrics, loss, y, n_outputs):
    """A tuple of metrics that fit these targets, out of names, entries and functions."""
    target = loss.target
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        raise TypeError(f'metrics={metrics!r}: expected a list, such as ["accuracy"]')
    found = tuple(
        OwnMetric(one)
        if callable(one) and not isinstance(one, Metric)
        else find(f"metrics[{i}]", one, METRICS, ALIASES)
        for i, one in enumerate(metrics)
    )
    for i, one in enumerate(found):
        if isinstance(one, Metric) and kind_of(target) not in one.targets:
            fitting = [m.name for m in METRICS.values() if kind_of(target) in m.targets]
            raise ValueError(
                f"metrics[{i}]={one.name!r} is of {' or '.join(one.targets)}, and y is "
                f"{target.name}: expected one of {', '.join(map(repr, fitting))}"
            )
    of_numbers = loss.ask is not None and any(isinstance(one, Metric) for one in found)
    if of_numbers and y.shape != (len(y), n_outputs):
        raise ValueError(
            f"metrics with a loss of one's own: expected functions, or y of shape "
            f"({len(y)}, {n_outputs}), as outputs are; it has {y.shape}"
        )
    keys = [one.key for one in found]
    for key in TAKEN:
        if key in keys:
            raise ValueError(f"metrics: the name {key!r} is another column's: expected a new one")
    if len(set(keys)) < len(keys):
        raise ValueError(f"metrics: expected each once, got {', '.join(keys)}")
    return found


def measure(metrics, loss, outputs, y, weight):
    """{key: value} of each metric."""
    predictions, kind, given_y = loss.link(outputs), kind_of(loss.target), y
    points = loss.points_of(predictions)
    if kind == CLASS:
        y = (y if y.ndim == 1 else y.argmax(axis=1)).astype(np.int64)
    elif kind == ANSWER:
        y = y > 0.5
    else:
        if loss.points is not None:
            given_y = y[:, : points.shape[1]]  # of means and variances y stands there twice
        y = given_y.astype(np.float64)
    found = Found(outputs, predictions, points, y, given_y, weight)
    return {one.key: one.measure(found) for one in metrics}
