"""MLPRegressor."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from backprop.catalogue.losses import LOSSES, Loss
from backprop.catalogue.losses.own import own_loss
from backprop.catalogue.targets import COUNTS, NUMBERS, ONE_NUMBER
from backprop.estimators.base import CoreEstimator, check_solver
from backprop.estimators.inputs import checked_weights, plain
from backprop.estimators.numerics import behind
from backprop.estimators.parameters import (
    CALLABLE,
    DOCUMENTATION,
    REGRESSOR,
    among,
    instance,
    parameter,
)
from backprop.tabular.baselines import is_mean_as_good
from backprop.tabular.values import mean_and_std

OF_A_UNIT = NUMBERS, ONE_NUMBER  # whose outputs are numbers in the targets' unit
OF_NUMBERS = {name: loss for name, loss in LOSSES.items() if not loss.target.is_categorical}


@dataclass(eq=False, repr=False)
class First:
    """The first parameter, so the last of the bases."""

    loss: object = parameter(
        "squared_error", among(*OF_NUMBERS), instance("a loss", Loss), CALLABLE, positional=True
    )


@dataclass(eq=False, repr=False)
class MLPRegressor(RegressorMixin, CoreEstimator, First):
    __doc__ = DOCUMENTATION.format(name="MLPRegressor", score="R²", more="", loss=REGRESSOR)

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
            The model. After an error it is as it was, but where the loss was not finite: then
            the batches before have trained it.
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

    def predict_all(self, X):
        """All outputs of each row: every quantile, or the means and then the variances.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            As for ``fit``.

        Returns
        -------
        array of shape (n_samples, units of the last layer)
        """
        return self._unscaled(self._outputs(X))

    # ---- targets ----

    def _loss(self):
        given = self.loss
        if isinstance(given, str):
            return OF_NUMBERS[given]
        return given if isinstance(given, Loss) else own_loss(given)

    def _learn_scale(self, y):
        """Mean and standard deviation of each target; None where the loss goes by its unit."""
        self.target_scale_ = None
        if y is None or self._loss().target not in OF_A_UNIT:
            return
        rows, weights = slice(None), self._fitting.sample_weight
        if self._fitting.parts is not None:
            rows = self._fitting.parts[0]
        if weights is not None:
            weights = checked_weights("sample_weight", weights, len(y))[rows]
        columns = plain(y).reshape(len(y), -1)[rows].astype(np.float64)
        found = [mean_and_std(column, weights) for column in columns.T]
        self.target_scale_ = tuple(np.array(part) for part in zip(*found, strict=True))

    def _scaled(self, y):
        """As the network sees them."""
        if getattr(self, "target_scale_", None) is None:
            return y
        mean, std = self.target_scale_
        return ((y.reshape(len(y), -1) - mean) / std).reshape(y.shape)

    def _unscaled(self, y):
        """In their unit."""
        if getattr(self, "target_scale_", None) is None:
            return y
        mean, std = self.target_scale_
        return (y.reshape(len(y), -1) * std + mean).reshape(y.shape)

    def _target_unit(self):
        scale = getattr(self, "target_scale_", None)
        if scale is None or len(scale[0]) > 1:
            return None
        return float(scale[0][0]), float(scale[1][0])

    def _encoded(self, y, incremental):
        return self._scaled(self._known(plain(y)))

    def _decided(self, outputs):
        loss = self._loss()
        if behind(loss) == getattr(self, "out_activation_", behind(loss)):
            outputs = loss.points_of(outputs)
        outputs = self._unscaled(outputs)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def input_gradients(self, X):
        found = super().input_gradients(X)
        if getattr(self, "target_scale_", None) is None:
            return found
        std = self.target_scale_[1]
        return found * (std if found.ndim == 2 else std[:, None])

    input_gradients.__doc__ = CoreEstimator.input_gradients.__doc__

    def _as_good(self, engine, X, y, weights):
        """The mean, where the model's squared error is no less; else None."""
        found, y = self._loss().points_of(engine.predict(X)), y[:, : self.n_outputs_]
        return "the mean" if is_mean_as_good(y, found, weights) else None

    def _direct_targets(self, y):
        """The targets of an array of floats, or None."""
        columns = 1 if y.ndim == 1 else y.shape[-1] * (y.ndim == 2 and y.shape[1] > 1)
        if y.dtype.char not in "fd" or not y.dtype.isnative or columns != self.n_outputs_:
            return None
        return y.reshape(len(y), -1) if self._loss().target is NUMBERS else None

    def _labels(self, targets):
        return self._unscaled(targets[:, : self.n_outputs_])

    def _targets(self, y):
        loss, y = self._loss(), self._scaled(y).reshape(len(y), -1)
        if loss.scikit_learn:
            return y
        return loss.target.check("y", y, self.coefs_[-1].shape[1], loss.name)

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
