"""The short way of small calls: arrays of floats go to the core as they are.

scikit-learn's checks take many times what a step or a prediction of few rows does. An array of
floats with the right number of columns needs none of them: that its numbers are finite the core
finds out for itself. Whatever else comes, or is found, goes the long way, where it is named.
"""

from itertools import chain
from numbers import Integral
from operator import is_

import numpy as np

from backprop._core.errors import NotFinite
from backprop.estimators.callers import warn
from backprop.estimators.parameters import Parameters

ASKED = (*Parameters.__dataclass_fields__, "coefs_", "intercepts_", "out_activation_", "_engine")
NOBODY = None, None, None  # no rows are held out


class Direct:
    """A part of `CoreEstimator`."""

    def _see(self):
        """Keep what the engine was made for: as long as all of it is the same, so is the engine."""
        engine, own = self._engine, vars(self)
        is_plain = not self._prepares() and "feature_names_in_" not in own
        is_own = own.get("out_activation_") == engine.key.loss.scikit_learn
        is_direct = is_plain and is_own and not engine.key.is_sparse
        engine.seen = (*map(own.get, ASKED),) if is_direct else None

    def _direct_engine(self, X):
        """The engine that takes X as it is, or None."""
        own = vars(self)
        engine = own.get("_engine")
        if type(X) is not np.ndarray or engine is None or engine.seen is None:
            return None
        if not (engine.network._core.takes(X) and len(X)):
            return None
        if not all(map(is_, engine.seen, map(own.get, ASKED))):
            return None
        shown = chain.from_iterable(zip(self.coefs_, self.intercepts_, strict=True))
        return engine if all(map(is_, chain.from_iterable(engine.arrays), shown)) else None

    def _direct_outputs(self, X):
        """What `_outputs` returns, or None."""
        engine = self._direct_engine(X)
        if engine is None:
            return None
        try:
            outputs = engine.network._core.predict(X)
        except NotFinite:
            return None
        is_wider = X.dtype.itemsize > outputs.dtype.itemsize
        return outputs.astype(X.dtype) if is_wider else outputs

    def _direct_step(self, X, y, sample_weight, classes):
        """One iteration of ``partial_fit``; whether it has been done."""
        if sample_weight is not None or classes is not None or self.verbose or self.warm_start:
            return False
        if self.early_stopping or self.max_seconds is not None:
            return False
        engine = self._direct_engine(X)
        if engine is None or not vars(self).keys() >= {"_rates", "_random_state"}:
            return False
        if type(y) is not np.ndarray or len(y) != len(X):
            return False
        y = self._direct_targets(y)
        if y is None or (self.batch_size != "auto" and self.batch_size > len(y)):
            return False
        before, n_curve = vars(self).copy(), len(self.loss_curve_)
        if isinstance(self.random_state, Integral):  # another generator would take 80 µs
            self._random_state.seed(self.random_state)
        try:
            self._epochs(engine, (X, y, None), NOBODY, True, None)
        except KeyboardInterrupt:
            warn("Training interrupted by user.")
        except ValueError:  # that goes the long way, which says why
            vars(self).update(before)
            del self.loss_curve_[n_curve:]
            return False
        return True
