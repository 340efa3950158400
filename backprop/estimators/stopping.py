"""Early stopping: what is held out, or given for it, and what is looked at."""

import inspect
from numbers import Real

import joblib
import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring, r2_score
from sklearn.model_selection import train_test_split

from backprop.estimators.inputs import checked_weights, dense, plain
from backprop.estimators.numerics import reported


class Stopping:
    """A part of `CoreEstimator`."""

    def _split(self, n_samples, stratify, random_state):
        """Rows (trained on, held out): scikit-learn's."""
        trained, held_out = train_test_split(
            np.arange(n_samples),
            random_state=random_state,
            test_size=self.asked.validation_fraction,
            stratify=stratify,
        )
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        return trained, held_out

    def _hold_out(self, X, y):
        """(X, y, weights) of what is trained on, and (X, y, sample_weight) as `_score` takes it."""
        fitting = self._fitting
        if not self.asked.early_stopping:
            return (X, y, fitting.weights), (None, None, None)
        if self.asked.scoring not in (None, "loss"):
            fitting.scorer = finite_scorer(self)
        if fitting.eval_set is not None:
            scored, labels, weights = fitting.eval_set
            labels = self._targets(labels) if self.asked.scoring == "loss" else labels
            return (X, y, fitting.weights), (scored, labels, weights)
        is_binary = is_classifier(self) and self.n_outputs_ == 1
        parts = fitting.parts or self._split(len(y), y if is_binary else None, self._random_state)
        trained, held_out = parts
        weights = at(fitting.sample_weight, held_out)
        if weights is not None and not weights.any():
            raise ValueError(
                "Sample weights must contain at least one non-zero number: those of the "
                f"{len(held_out)} rows that are held out for early stopping are all 0"
            )
        labels = y[held_out]
        if self.asked.scoring != "loss":
            labels = self._labels(labels)
        return (
            (X[trained], y[trained], at(fitting.weights, trained)),
            (X[held_out], labels, weights),
        )

    def _start_comparing(self, engine):
        """Forget the best, unless this fit goes on from one that went by the same."""
        measure = measured(self, self._fitting.eval_set)
        if measure == getattr(self, "_measured", None):
            return
        self._measured, self._best = measure, engine.parameters()
        self._no_improvement_count = 0
        scored = self.asked.early_stopping
        self.validation_scores_ = [] if scored else None
        self.best_validation_score_ = -np.inf if scored else None
        self.best_loss_ = None if scored else np.inf

    def _count_improvements(self, engine, X, y, sample_weight):
        """Whether this epoch is better than those before, and by more than ``tol``."""
        if self.asked.early_stopping:
            found, best = self._score(X, y, sample_weight), self.best_validation_score_
            self.validation_scores_.append(found)
            if self._prints():
                print(f"Validation score: {found:f}")
            stalls = found < best + self.tol
            if found > best:
                self.best_validation_score_, self._best = found, engine.parameters()
        else:
            stalls = self.loss_ > self.best_loss_ - self.tol
            self.best_loss_ = min(self.loss_, self.best_loss_)
        self._no_improvement_count = self._no_improvement_count + 1 if stalls else 0

    def _checked_eval_set(self, fitted):
        """As a score takes it; `fitted`: the X that is trained on."""
        given = self._fitting.eval_set
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise ValueError("eval_set: expected (X, y) or (X, y, sample_weight)")
        try:
            return self._checked_scored(*given, fitted=fitted)
        except (ValueError, TypeError) as error:
            raise ValueError(f"eval_set: {error}") from error

    def _checked_scored(self, X, y, weights=None, *, fitted):
        X = plain(self._inputs(X, accept_sparse="csr", dtype=fitted.dtype))
        if issparse(X) != issparse(fitted):
            other = "sparse, and the X to fit dense" if issparse(X) else "dense, and to fit sparse"
            raise ValueError(f"X is {other}: expected the same of both")
        y = self._checked_targets(y, X.shape[0])
        return (
            X,
            y,
            None if weights is None else checked_weights("sample_weight", weights, X.shape[0]),
        )

    def _score(self, X, y, sample_weight):
        """What early stopping looks at, higher being better. `y`: labels, for "loss" targets."""
        if self.asked.scoring == "loss":
            mean = self._prediction_engine().mean_loss(X, y, sample_weight)
            return -reported(self._loss(), mean, y, sample_weight)
        if self._fitting.scorer is not None:
            return self._fitting.scorer(X, y, sample_weight)
        outputs = self._outputs_of(X)
        if not np.isfinite(outputs).all():
            return np.nan
        score = accuracy if is_classifier(self) else r2_score
        return score(y, self._decided(outputs), sample_weight=sample_weight)


def measured(model, eval_set):
    """What tells the best weights of a fit: its bests and another's compare where this is equal.

    Held-out rows are always the same thing, whichever they are, as in scikit-learn.
    """
    if not model.asked.early_stopping:
        return "training loss"
    if eval_set is None:
        return model.asked.scoring, None
    X, *rest = eval_set
    if issparse(X):  # its other attributes say what scipy has found out about it
        X = X.shape, X.data, X.indices, X.indptr
    return model.asked.scoring, joblib.hash((X, *rest), "sha1")  # md5 takes longer


def at(weights, rows):
    return None if weights is None else weights[rows]


def accuracy(y, found, sample_weight=None):
    """As `accuracy_score` has it, of labels that are known to be such: without its checks."""
    right = y == dense(found)
    if right.ndim == 2:
        right = right.all(axis=1)
    return float(np.average(right, weights=sample_weight))


def finite_scorer(model):
    """``score(X, y, sample_weight)`` by ``model.scoring``: made once, called at each iteration.

    A scorer is given a model of its own, with the attributes of this one, that takes arrays as the
    network does.
    """
    scorer, seen = check_scoring(model, model.scoring), object.__new__(type(model))
    seen._takes_prepared = True
    is_weighted = takes_weights(scorer)

    def score(X, y, sample_weight):
        vars(seen).update(vars(model))
        found = scorer(seen, X, y, **({"sample_weight": sample_weight} if is_weighted else {}))
        if not (isinstance(found, Real) and np.isfinite(found)):
            raise ValueError(f"scoring={model.scoring!r} gave {found!r}: expected a finite number")
        return found

    return score


def takes_weights(scorer):
    """Whether a scorer, or the metric behind it, has a parameter for sample weights."""
    function = getattr(scorer, "_score_func", scorer)
    return "sample_weight" in inspect.signature(function).parameters
