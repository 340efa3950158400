"""From a fitted scikit-learn MLP to one of ours, and back."""

import copy

from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor

from backprop.estimators.base import OWN
from backprop.estimators.classifier import MLPClassifier
from backprop.estimators.regressor import MLPRegressor

OURS = {SklearnClassifier: MLPClassifier, SklearnRegressor: MLPRegressor}


def from_sklearn(estimator):
    """One of ours with the parameters and weights of scikit-learn's.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        Fitted or not; it is not changed.

    Returns
    -------
    MLPClassifier or MLPRegressor
        Its predictions equal the estimator's but for rounding.

    Raises
    ------
    TypeError
        For anything else.
    """
    if type(estimator) not in OURS:
        raise TypeError(
            f"estimator is a {type(estimator).__name__}: expected scikit-learn's MLPClassifier or "
            "MLPRegressor"
        )
    new = OURS[type(estimator)](**estimator.get_params(deep=False))
    _take_fitted(new, estimator)
    if hasattr(new, "coefs_"):
        new._fitted_sparse, new.preprocessing_ = False, None
        new._engine_of(False)
    return new


def _take_fitted(new, estimator):
    parameters = new.get_params(deep=False)
    for name, value in vars(estimator).items():
        if name not in parameters and name not in OWN:
            setattr(new, name, copy.deepcopy(value))
