"""MLPRegressor."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from backprop.catalogue.losses import LOSSES
from backprop.catalogue.targets import COUNTS, NUMBERS
from backprop.estimators.base import CoreEstimator, check_solver
from backprop.estimators.inputs import plain
from backprop.estimators.parameters import DOCUMENTATION, among, parameter

# by scikit-learn's names, which are ours too
OF_NUMBERS = {
    loss.name: loss
    for loss in LOSSES.values()
    if loss.scikit_learn and loss.target in (NUMBERS, COUNTS)
}


@dataclass(eq=False, repr=False)
class Loss:
    """The first parameter, so the last of the bases."""

    loss: object = parameter("squared_error", among(*OF_NUMBERS), positional=True)


@dataclass(eq=False, repr=False)
class MLPRegressor(RegressorMixin, CoreEstimator, Loss):
    __doc__ = DOCUMENTATION.format(name="MLPRegressor", score="R²", more="")

    @available_if(check_solver)
    def partial_fit(self, X, y, sample_weight=None):
        """One iteration over X and y, from where the last call ended.

        Parameters
        ----------
        X, y, sample_weight
            As for ``fit``.

        Returns
        -------
        self : object
            The model; after an error as it was.
        """
        if not self._direct_step(X, y, sample_weight, None):
            self._fit(X, y, sample_weight, incremental=True)
        return self

    def predict(self, X):
        """The numbers of each row.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            As for ``fit``.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._decided(self._outputs(X))

    # ---- targets ----

    def _loss(self):
        return OF_NUMBERS[self.loss]

    def _encoded(self, y, incremental):
        return self._known(plain(y))

    def _decided(self, outputs):
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def _direct_targets(self, y):
        """The targets of an array of floats, or None."""
        columns = 1 if y.ndim == 1 else y.shape[-1] * (y.ndim == 2 and y.shape[1] > 1)
        if y.dtype.char not in "fd" or not y.dtype.isnative or columns != self.n_outputs_:
            return None
        return y.reshape(len(y), -1) if self._loss().target is NUMBERS else None

    def _labels(self, targets):
        return targets

    def _targets(self, y):
        return y.reshape(len(y), -1)

    def _has_one_target(self):
        return False

    def _target_options(self):
        return {"ensure_2d": False, "dtype": np.float64}

    def _known(self, y):
        """y, of which some losses ask that it be at least 0."""
        if self._loss().target is COUNTS and np.min(y, initial=0) < 0:
            raise ValueError(
                f"y has values down to {np.min(y)}: loss={self.loss!r} expects 0 or more"
            )
        return y
