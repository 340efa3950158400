"""MLPRegressor."""

from typing import ClassVar

import numpy as np
from sklearn.neural_network import MLPRegressor as _MLPRegressor

from backprop.estimators.base import CoreEstimator
from backprop.estimators.convert import counterpart
from backprop.estimators.parameters import CONSTRAINTS, DOCUMENTATION

POISSON = "poisson"  # scikit-learn's name, for half the deviance: not the catalogue's loss


@counterpart
class MLPRegressor(CoreEstimator, _MLPRegressor):
    __doc__ = DOCUMENTATION.format(name="MLPRegressor", score="R²", more="")

    _parameter_constraints: ClassVar[dict] = {
        **_MLPRegressor._parameter_constraints,
        **CONSTRAINTS,
    }

    def __init__(
        self,
        loss="squared_error",
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        scoring=None,
        n_threads=1,
        max_seconds=None,
        preprocess=None,
    ):
        super().__init__(
            loss=loss,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )
        self.scoring = scoring
        self.n_threads = n_threads
        self.max_seconds = max_seconds
        self.preprocess = preprocess

    def _preprocessed(self, X, y, incremental, reset):
        X, y = super()._preprocessed(X, y, incremental, reset)
        return X, self._counts(y)

    def _checked_targets(self, y, n_samples):
        return self._counts(super()._checked_targets(y, n_samples))

    def _counts(self, y):
        """y, of which the Poisson loss asks that it be at least 0."""
        if self.loss == POISSON and np.min(y, initial=0) < 0:
            raise ValueError(f"y has values down to {np.min(y)}: loss='poisson' expects 0 or more")
        return y
