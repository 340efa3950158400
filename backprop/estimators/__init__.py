"""scikit-learn's MLPClassifier and MLPRegressor, trained by the core.

- `classifier`, `regressor`: the two classes, and what is of labels or numbers alone.
- `base`: what both share. `training` fits, `stopping` holds rows out and scores them, `inputs`
  checks and prepares. All stand on scikit-learn's public names.
- `engine`: the networks, one kind for dense and one for sparse inputs; `numerics`: the catalogue's
  functions by scikit-learn's names.
- `parameters`: what each parameter may be; `frames`: ``preprocess="auto"``.
- `convert`: from scikit-learn's estimators, and back.
- `blas`: holds BLAS to a fit's threads; `callers`: finds the user's line that a warning is about.
"""

from backprop._version import SCIKIT_LEARN, is_known

_NEEDED = (
    f"MLPClassifier and MLPRegressor need scikit-learn {SCIKIT_LEARN} or later: "
    "pip install 'backprop-mlp[sklearn]'"
)

try:
    import sklearn
except ImportError as error:
    raise ImportError(_NEEDED) from error

if not is_known(sklearn.__version__):
    raise ImportError(f"{_NEEDED}; {sklearn.__version__} is installed")

# only now, since an older version lacks names that are imported
from backprop.estimators.classifier import MLPClassifier  # noqa: E402
from backprop.estimators.convert import from_sklearn  # noqa: E402
from backprop.estimators.regressor import MLPRegressor  # noqa: E402

__all__ = ["MLPClassifier", "MLPRegressor", "from_sklearn"]
