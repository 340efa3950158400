"""scikit-learn's MLPClassifier and MLPRegressor, trained by the core.

`base` puts the core where scikit-learn's arithmetic was; `engine` holds the networks, for dense and
for sparse inputs; `classifier` and `regressor` are the two classes; `frames` is what
``preprocess="auto"`` does; `convert` goes from scikit-learn's and back.
"""

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "MLPClassifier and MLPRegressor need scikit-learn: pip install 'backprop-mlp[sklearn]'"
    ) from error

from backprop.estimators.classifier import MLPClassifier
from backprop.estimators.convert import from_sklearn
from backprop.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "from_sklearn"]
