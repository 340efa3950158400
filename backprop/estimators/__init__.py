"""scikit-learn's MLPClassifier and MLPRegressor, trained by the core.

`base` puts the core where scikit-learn's arithmetic was, of which `training` fits, `stopping` holds
out and scores, and `inputs` checks and prepares; `engine` holds the networks, for dense and for
sparse inputs, `numerics` what is reckoned on arrays; `classifier` and `regressor` are the two
classes; `parameters` is what they take beyond scikit-learn's, `frames` what ``preprocess="auto"``
does; `convert` goes from scikit-learn's and back; `blas` holds BLAS to a fit's threads, `callers`
finds the line of the user's that a warning is of.
"""

from backprop._version import SCIKIT_LEARN

_INSTALL = "pip install 'backprop-mlp[sklearn]'"

try:
    import sklearn
except ImportError as error:
    raise ImportError(
        f"MLPClassifier and MLPRegressor need scikit-learn {SCIKIT_LEARN}: {_INSTALL}"
    ) from error

if sklearn.__version__.split(".")[:2] != SCIKIT_LEARN.split("."):
    raise ImportError(
        f"MLPClassifier and MLPRegressor are made for scikit-learn {SCIKIT_LEARN}, whose private "
        f"methods they call, and {sklearn.__version__} is installed: {_INSTALL}"
    )

# only now, since with another version they fail on a private name
from backprop.estimators.classifier import MLPClassifier  # noqa: E402
from backprop.estimators.convert import from_sklearn  # noqa: E402
from backprop.estimators.regressor import MLPRegressor  # noqa: E402

__all__ = ["MLPClassifier", "MLPRegressor", "from_sklearn"]
