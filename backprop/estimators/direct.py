"""The short way of small calls: arrays of floats go to the core as they are.

scikit-learn's checks take many times what a step or a prediction of few rows does. An array of
floats with the right number of columns needs none of them, nor does a frame of them with the right
names: that its numbers are finite the core finds out for itself. Whatever else comes, or is found,
goes the long way, where it is named.
"""

from itertools import chain
from numbers import Integral
from operator import is_

import numpy as np

from backprop._core.errors import NotFinite
from backprop.estimators.callers import warn
from backprop.estimators.frames import Rows
from backprop.estimators.numerics import behind
from backprop.estimators.parameters import Parameters

SHOWN = ("coefs_", "intercepts_", "out_activation_", "preprocessing_", "_engine")
PARAMETERS = (*Parameters.__dataclass_fields__,)
ASKED = (*PARAMETERS, *SHOWN)
NOBODY = None, None, None  # no rows are held out


class Direct:
    """A part of `CoreEstimator`."""

    def _see(self):
        """Keep what the engine was made for: as long as all of it is the same, so is the engine."""
        engine, own = self._engine, vars(self)
        is_own = own.get("out_activation_") == behind(engine.key.loss)
        engine.seen = None
        if is_own and not engine.key.is_sparse:
            engine.seen = (*map(own.get, ASKED),)
            lists = [value for value in map(own.get, PARAMETERS) if type(value) is list]
            engine.lists = [(value, value.copy()) for value in lists]
        names = own.get("feature_names_in_")
        engine.names = None if names is None else [*names]
        known = None if engine.rows is None else engine.rows.preprocessing
        if known is not own.get("preprocessing_"):
            engine.rows = Rows(self.preprocessing_) if self._prepares() else None

    def _direct_engine(self):
        """The engine, if it is still what this model asks for, or None."""
        own = vars(self)
        engine = own.get("_engine")
        if engine is None or engine.seen is None or "_takes_prepared" in own:
            return None
        is_same = len(self.coefs_) == len(engine.arrays)
        if not (is_same and all(map(is_, engine.seen, map(own.get, ASKED)))):
            return None
        for value, before in engine.lists:  # that somebody may have written into
            if len(value) != len(before) or not all(map(is_, value, before)):
                return None
        shown = chain.from_iterable(zip(self.coefs_, self.intercepts_, strict=True))
        return engine if all(map(is_, chain.from_iterable(engine.arrays), shown)) else None

    def _direct_rows(self, engine, X):
        """X as the core takes it, or None."""
        if type(X) is not np.ndarray:
            if engine.names is None or not hasattr(X, "to_numpy"):
                return None
            if [*getattr(X, "columns", ())] != engine.names:
                return None
            try:
                X = X.to_numpy()
            except TypeError:  # columns that no one type of numpy holds, such as days and hours
                return None
        elif engine.names is not None:
            return None
        if engine.rows is not None:
            is_known = X.shape[1:] == (self.n_features_in_,) and X.dtype.char in "fdO"
            X = engine.rows(X) if is_known else None
        return X if X is not None and engine.network._core.takes(X) and len(X) else None

    def _direct_outputs(self, X):
        """What `_outputs` returns, or None."""
        engine = self._direct_engine()
        rows = None if engine is None else self._direct_rows(engine, X)
        if rows is None:
            return None
        try:
            outputs = engine.network._core.predict(rows)
        except NotFinite:
            return None
        is_wider = engine.rows is None and rows.dtype.itemsize > outputs.dtype.itemsize
        return outputs.astype(rows.dtype) if is_wider else outputs

    def _direct_step(self, X, y, sample_weight, classes):
        """One iteration of ``partial_fit``; whether it has been done."""
        if sample_weight is not None or classes is not None or self.verbose or self.warm_start:
            return False
        if self.asked.early_stopping or self.max_seconds is not None:
            return False
        engine = self._direct_engine()
        if engine is None or type(X) is not np.ndarray or engine.rows is not None:
            return False
        if self._direct_rows(engine, X) is None or not vars(self).keys() >= {
            "_rates",
            "_random_state",
        }:
            return False
        if type(y) is not np.ndarray or len(y) != len(X):
            return False
        y = self._direct_targets(y)
        if y is None or (self.batch_size != "auto" and self.batch_size > len(y)):
            return False
        if not engine.network._core.admits(X, y):  # the long way says where
            return False
        before = vars(self).copy()
        if isinstance(self.random_state, Integral):  # another generator would take 80 µs
            self._random_state.seed(self.random_state)
        try:
            self._epochs(engine, (X, y, None), NOBODY, True, None)
        except KeyboardInterrupt:
            warn("Training interrupted by user.")
        except ValueError:  # it has diverged, which it would again
            vars(self).update(before)
            raise
        return True
