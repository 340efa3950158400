"""skl2onnx converts the estimators by its own converters of scikit-learn's MLP."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import backprop as bp

skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def outputs(model, X):
    session = onnxruntime.InferenceSession(skl2onnx.to_onnx(model, X[:1]).SerializeToString())
    return session.run(None, {"X": X})


def alone(model):
    return model


def piped(model):
    return make_pipeline(StandardScaler(), model)


LABELS = {
    "two": lambda y: y > 4,
    "classes": lambda y: y,
    "words": lambda y: np.array(list("abcdefghij"))[y],
    "several": lambda y: np.c_[y > 4, y % 2 == 0, y % 3 == 0].astype(int),
}


@pytest.mark.parametrize("place", [alone, piped])
@pytest.mark.parametrize("name", LABELS)
def test_a_classifier(digits, name, place):
    X, y = digits[0].astype(np.float32), LABELS[name](digits[1])
    model = place(bp.MLPClassifier((16, 8), "tanh", max_iter=5, random_state=0)).fit(X, y)
    labels, p = outputs(model, X)
    np.testing.assert_array_equal(labels, model.predict(X))
    np.testing.assert_allclose(p, model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("place", [alone, piped])
def test_a_regressor(digits, place):
    X, y = digits[0].astype(np.float32), digits[1]
    model = place(bp.MLPRegressor(hidden_layer_sizes=(16,), max_iter=5, random_state=0)).fit(X, y)
    (found,) = outputs(model, X)
    np.testing.assert_allclose(found.ravel(), model.predict(X), rtol=1e-5, atol=1e-6)


def test_what_scikit_learn_does_not_have_is_refused(digits):
    X = digits[0].astype(np.float32)
    model = bp.MLPClassifier((5, 4), ("tanh", "relu"), max_iter=2).fit(X, digits[1])
    with pytest.raises(ValueError, match="scikit-learn's MLP has one for all hidden layers"):
        skl2onnx.to_onnx(model, X[:1])
