"""scikit-learn's MLPClassifier and MLPRegressor, trained by the core.

- `classifier`, `regressor`: the two classes.
- `base`: what both share. The core stands where scikit-learn's arithmetic was: `training` fits,
  `stopping` holds rows out and scores them, `inputs` checks and prepares.
- `engine`: the networks, one kind for dense and one for sparse inputs; `numerics`: the catalogue's
  functions by scikit-learn's names, for what is computed on arrays.
- `parameters`: the parameters that scikit-learn does not have; `frames`: ``preprocess="auto"``.
- `convert`: from scikit-learn's estimators, and back.
- `blas`: holds BLAS to a fit's threads; `callers`: finds the user's line that a warning is about.
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
