"""MLPRegressor."""

from typing import ClassVar

import numpy as np
from sklearn.neural_network import MLPRegressor as _MLPRegressor

from backprop.estimators.base import BEYOND, CoreEstimator


class MLPRegressor(CoreEstimator, _MLPRegressor):
    """scikit-learn's MLPRegressor, trained by the core: the same answer, many times faster.

    All parameters, attributes and methods are those of
    ``sklearn.neural_network.MLPRegressor``, whose documentation holds. From the same
    ``random_state`` come the same weights, but for rounding. Listed here is what is more.

    Parameters
    ----------
    activation : str or tuple of str
        A tuple: one for each hidden layer.
    verbose : bool or "bar", default False
        "bar": a progress bar instead of a line an iteration.
    warm_start : bool or "moments", default False
        "moments": the optimizer's moments go on too.
    scoring : "loss", str, callable or None, default None
        What ``early_stopping`` looks at: the validation loss, or any of scikit-learn's scorers.
        None is scikit-learn's own R². The best weights are put back.
    n_threads : int or None, default 1
        Threads of a fit; never changes the result. None: as many as the work is worth. 1 behaves
        under joblib, which runs several fits at once.
    max_seconds : float, optional
        No further iteration is begun after so long.
    preprocess : "auto" or None, default None
        "auto": numbers are standardised, categories and strings become 0/1 columns, missing values
        are filled in, each with an indicator; as `backprop train` does it. Kept in
        ``preprocessing_``.

    Notes
    -----
    ``fit`` takes an ``eval_set``. Adam's epsilon stands where scikit-learn has it.
    """

    _parameter_constraints: ClassVar[dict] = {
        **_MLPRegressor._parameter_constraints,
        **BEYOND,
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

    def _validate_input(self, X, y, incremental, reset):
        X, y = super()._validate_input(X, y, incremental, reset)
        if self.loss == "poisson" and np.min(y, initial=0) < 0:
            raise ValueError(f"y has values down to {np.min(y)}: loss='poisson' expects 0 or more")
        return X, y
