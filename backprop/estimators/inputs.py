"""What goes into the network: scikit-learn's checks, preprocessing, sample and class weights."""

from dataclasses import dataclass
from numbers import Number

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.utils import (
    check_array,
    check_X_y,
    column_or_1d,
    compute_sample_weight,
)
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import validate_data

from backprop.estimators import frames
from backprop.validation import check_weight_range

MADE_DENSE = 2**24  # numbers: 128 MiB


@dataclass
class Fitting:
    """What one call of fit knows beside X and y."""

    sample_weight: object  # the user's
    eval_set: object  # (X, y, sample_weight) once it is checked
    weights: object = None  # for training: the user's times the classes'
    parts: tuple | None = None  # rows (trained on, held out), where preprocessing had to know
    scorer: object = None  # (X, y, sample_weight), of early stopping


class Inputs:
    """A part of `CoreEstimator`."""

    def _validate_input(self, X, y, incremental, reset):
        """X and y as the network takes them."""
        weights = self._fitting.sample_weight
        X_checked, targets = self._preprocessed(X, y, incremental, reset)
        if weights is not None:
            weights = checked_weights("sample_weight", weights, X_checked.shape[0])
        self._fitting.sample_weight = weights
        self._fitting.weights = self._times_class_weight(weights, targets)
        if self._fitting.weights is not None and self._fitting.weights.any():
            given = "sample_weight" if weights is not None else "class_weight"
            check_weight_range(given, self._fitting.weights, X_checked.dtype)
        self.n_outputs_ = 1 if targets.ndim == 1 else targets.shape[1]
        if not reset:
            self._check_goes_on(X_checked.shape[1], self.n_outputs_)
        if self._fitting.eval_set is not None:
            self._fitting.eval_set = self._checked_eval_set(X_checked)
        return X_checked, targets

    def _check_goes_on(self, *found):
        """The core reads as many columns as the network has inputs and outputs, there or not."""
        expected = len(self.coefs_[0]), self.coefs_[-1].shape[1]
        if (found[0], self._loss().n_units(found[1])) != expected:
            raise ValueError(
                f"X has {found[0]} columns and y has {found[1]}: expected {expected[0]} and "
                f"{expected[1]}, as has coefs_, from which this fit goes on"
            )
        if np.size(self.asked.hidden_layer_sizes) != len(self.coefs_) - 1:
            sizes = self.asked.hidden_layer_sizes
            raise ValueError(
                f"hidden_layer_sizes={sizes!r}: expected {len(self.coefs_) - 1} hidden layers, "
                "as has coefs_, from which this fit goes on"
            )

    def _times_class_weight(self, weights, targets):
        if getattr(self, "class_weight", None) is None:
            return weights
        balance = self._class_weights(self._labels(targets))
        if not (balance.min() >= 0 and np.isfinite(balance).all()):
            raise ValueError(
                f"class_weight={self.class_weight!r}: expected finite weights of at least 0"
            )
        weights = balance if weights is None else balance * weights
        if not weights.any():
            raise ValueError(
                f"class_weight={self.class_weight!r}: no sample of y has a weight above 0"
            )
        return weights

    def _class_weights(self, labels):
        """Of each sample. A dict need not name classes that these labels happen not to have."""
        if self.class_weight == "balanced":
            return compute_sample_weight("balanced", labels)
        rows_of_all = (
            self.classes_ if labels.ndim == 1 else np.repeat([[0], [1]], labels.shape[1], 1)
        )
        found = compute_sample_weight(self.class_weight, np.concatenate([labels, rows_of_all]))
        return found[: len(labels)]

    def _preprocessed(self, X, y, incremental, reset):
        learning = reset and self.asked.preprocess == "auto"
        if reset:
            self.preprocessing_ = None
            self._learn_scale(None)
        if not learning and not self._prepares():
            X, y = self._checked_both(X, y, reset)
            return X, self._encoded(y, incremental)
        frame = frames.frame_of(X)
        X = frames.checked(X, frame)
        frames.check_names(self, X, frame, reset)
        table = frames.as_table(X, frame, self.preprocessing_)
        _, y = self._checked_both(np.zeros((table.n_rows, 1)), y, None)
        if learning:
            self._learn(table, y)
        dtype = frames.precision(X, frame) if self.preset is None else np.float32
        inputs = frames.transformed(self.preprocessing_, table, dtype)
        if learning:
            self._learn_scale(y)
        return check_array(inputs, dtype=None, estimator=self), self._encoded(y, incremental)

    def _prepares(self):
        return getattr(self, "preprocessing_", None) is not None

    def _checked_both(self, X, y, reset):
        frame = None if reset is None else frames.frame_of(X)
        options = {"accept_sparse": ["csr", "csc"], "dtype": (np.float64, np.float32)}
        options |= {"multi_output": True, "y_numeric": not is_classifier(self)}
        if reset is None:  # these stand for what preprocessing is to make
            X, y = check_X_y(X, y, estimator=self, **options)
        elif frame is None:
            X, y = validate_data(self, X, y, reset=reset, **options)
        else:
            frames.check_names(self, X, frame, reset)
            X, y = check_X_y(self._values(X, frame), y, estimator=self, **options)
        if issparse(y) and not is_classifier(self):
            raise ValueError("y is sparse: expected an array")
        for name, array in (("X", X), ("y", y))[: 1 if is_classifier(self) else 2]:
            if array.dtype.kind not in "biuf":
                raise ValueError(f"{name} has dtype {array.dtype}: expected numbers")
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _learn(self, table, y):
        """Preprocessing, from the rows that are trained on."""
        weights = self._fitting.sample_weight
        if weights is not None:
            weights = checked_weights("sample_weight", weights, table.n_rows)
        if self.asked.early_stopping and not self._minimizes() and self._fitting.eval_set is None:
            is_binary = is_classifier(self) and type_of_target(y) == "binary"
            stratify = y if is_binary else None
            self._fitting.parts = self._split(y.shape[0], stratify, self.random_state)
        rows = None if self._fitting.parts is None else self._fitting.parts[0]
        self.preprocessing_ = frames.learned(
            table, rows, weights, self._means_of(y), self.asked.n_pieces
        )

    def _inputs(self, X, accept_sparse=False, dtype=None):
        """X as the network takes it, with the checks of a prediction.

        `dtype` of what preprocessing makes; that of the weights by default.
        """
        if hasattr(self, "_takes_prepared") and (isinstance(X, np.ndarray) or issparse(X)):
            return X
        frame = frames.frame_of(X)
        if not self._prepares():
            if frame is None:
                return validate_data(self, X, accept_sparse=accept_sparse, reset=False)
            frames.check_names(self, X, frame, False)
            X, options = self._values(X, frame), {"accept_sparse": accept_sparse}
            return check_array(X, estimator=self, input_name="X", **options)
        X = frames.checked(X, frame)
        frames.check_names(self, X, frame, False)
        table = frames.as_table(X, frame, self.preprocessing_)
        dtype = self.coefs_[0].dtype if dtype is None else dtype
        return frames.transformed(self.preprocessing_, table, dtype)

    def _values(self, X, frame):
        """What scikit-learn's checks make an array of: of pandas' frames they do it best."""
        return X if hasattr(X, "dtypes") and hasattr(X, "iloc") else frame.to_numpy()

    def _dense_inputs(self, X):
        """For what shows every input; a few sparse rows are made dense."""
        X = plain(self._inputs(X, accept_sparse=True))
        if not issparse(X):
            return X
        most = max(1, MADE_DENSE // X.shape[1])
        if X.shape[0] > most:
            raise ValueError(
                f"X is sparse and has {X.shape[0]} rows of {X.shape[1]} features, which are made "
                f"dense here: expected at most {most}"
            )
        return X.toarray()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        if self.asked.preprocess == "auto":
            tags.input_tags.allow_nan = tags.input_tags.categorical = tags.input_tags.string = True
            tags.input_tags.sparse = False
        return tags

    # ---- targets ----

    def _means_of(self, y):
        """Numbers of each target, or 0/1 of each class, that columns of many categories go by."""
        y = dense(y).reshape(y.shape[0], -1)
        if not is_classifier(self) or y.shape[1] > 1:  # of several labels: yes or no of each
            return y.astype(np.float64)
        classes, codes = np.unique(y[:, 0], return_inverse=True)
        return (codes[:, None] == np.arange(len(classes))[min(1, len(classes) - 1) :]).astype(float)

    def _learn_scale(self, y):
        """Of the targets that are trained on, where the network is to see them standardised."""

    def _checked_targets(self, y, n_samples):
        """y of an eval_set, or to explain: with the labels or the outputs of the fit."""
        y = self._known(check_array(y, **self._target_options(), input_name="y"))
        n_columns = 1 if y.ndim == 1 else y.shape[1]
        expected = 1 if self._has_one_target() else self.n_outputs_
        if len(y) != n_samples or n_columns != expected:
            shape = (n_samples,) if expected == 1 else (n_samples, expected)
            raise ValueError(f"y has shape {y.shape}: expected {shape}")
        return y.ravel() if expected == 1 else y


def checked_weights(name, weights, n_samples, are_all=True):
    """At least 0, and, unless they are of a part of the rows, one of them above."""
    if isinstance(weights, Number):
        weights = np.full(n_samples, weights, np.float64)
    weights = check_array(
        weights, ensure_2d=False, dtype=[np.float64, np.float32], order="C", input_name=name
    )
    if weights.ndim != 1:
        raise ValueError(f"Sample weights must be 1D array or scalar, got {weights.ndim}D array.")
    if weights.shape != (n_samples,):
        raise ValueError(f"{name}.shape == {weights.shape}, expected {(n_samples,)}!")
    if are_all and not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    if weights.min() < 0:
        raise ValueError(f"{name} has values from {weights.min():g}: expected at least 0")
    return weights


def dense(y):
    """Several labels a row may be sparse, which not all scorers of scikit-learn's take."""
    return y.toarray() if issparse(y) else y


def as_row(x):
    """One sample as a table of one row: of a DataFrame's, with its names."""
    if hasattr(x, "to_frame"):
        return x.to_frame().T
    return x.reshape((1, -1)) if issparse(x) else np.asarray(x)[None]


def plain(values):
    """Of a type that the core reads: half, long double and swapped bytes become float64."""
    native = values.dtype.isnative and values.dtype.char != "g" and values.dtype.char != "e"
    return values if native else values.astype(np.float64)
