"""Models that no fit of ours has made: what scikit-learn's does with the same attributes."""

import copy
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
import sklearn
from sklearn import neural_network as sk
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import LabelBinarizer

import backprop as bp

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))
KINDS = {
    "classifier": (bp.MLPClassifier, sk.MLPClassifier),
    "regressor": (bp.MLPRegressor, sk.MLPRegressor),
}


@pytest.fixture
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return 10 * X, (y - y.mean()) / y.std()


def data(kind, diabetes):
    X, y = diabetes
    return (X, y) if kind == "regressor" else (X, np.digitize(y, [-0.5, 0.5]))


def by_hand(kind, y, **parameters):
    """Of ours and of scikit-learn's, with the attributes that scikit-learn's reads."""
    rng = np.random.default_rng(0)
    n_outputs = 3 if kind == "classifier" else 1
    found = []
    coefs = [rng.normal(size=(10, 6)), rng.normal(size=(6, n_outputs))]
    intercepts = [rng.normal(size=6), rng.normal(size=n_outputs)]
    for make in KINDS[kind]:
        model = make(hidden_layer_sizes=(6,), random_state=0, **parameters)
        model.coefs_, model.intercepts_ = copy.deepcopy(coefs), copy.deepcopy(intercepts)
        model.n_layers_, model.n_outputs_ = 3, n_outputs
        model.out_activation_ = "identity"
        if kind == "classifier":
            model.out_activation_, model.classes_ = "softmax", np.unique(y)
            model._label_binarizer = LabelBinarizer().fit(y)
        found.append(model)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_weights_set_by_hand_predict(diabetes, kind):
    X, y = data(kind, diabetes)
    ours, its = by_hand(kind, y)
    np.testing.assert_allclose(ours.predict(X), its.predict(X))
    if kind == "classifier":
        np.testing.assert_allclose(ours.predict_proba(X), its.predict_proba(X))
        del ours._label_binarizer  # `classes_` says the same
        np.testing.assert_array_equal(ours.predict(X), its.predict(X))
    assert ours.score(X, y) == pytest.approx(its.score(X, y))
    ours.coefs_[0][...] = its.coefs_[0][...] = 1  # and the arrays stay the user's
    np.testing.assert_allclose(ours.predict(X), its.predict(X))
    with pytest.raises(ValueError, match="3"):
        ours.predict(X[:, :3])
    assert pickle.loads(pickle.dumps(ours)).predict(X).shape == y.shape


@pytest.mark.parametrize("kind", KINDS)
def test_weights_alone_suffice(diabetes, kind):
    """Sizes and the activation behind the last layer follow from them, and from the classes."""
    X, y = data(kind, diabetes)
    model, _ = by_hand(kind, y)
    expected = model.predict(X)
    for name in ("n_layers_", "n_outputs_", "out_activation_", "_label_binarizer"):
        vars(model).pop(name, None)
    np.testing.assert_array_equal(model.predict(X), expected)


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_warm_start_goes_on_from_given_weights(diabetes, kind, early):
    X, y = data(kind, diabetes)
    options = {"warm_start": True, "max_iter": 5, "early_stopping": early}
    ours, its = by_hand(kind, y, **options)
    ours.fit(X, y)
    its.t_, its.loss_curve_, its._no_improvement_count, its.best_loss_ = 0, [], 0, np.inf
    its.validation_scores_, its.best_validation_score_ = [], -np.inf
    its.fit(X, y)
    for mine, theirs in zip(ours.coefs_, its.coefs_, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-8)
    assert ours.n_iter_ == its.n_iter_
    np.testing.assert_allclose(ours.loss_curve_, its.loss_curve_)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_state_of_scikit_learns_is_taken(diabetes, kind, solver):
    X, y = data(kind, diabetes)
    ours, its = (make(solver=solver, max_iter=3, random_state=0) for make in KINDS[kind])
    its.fit(X, y)
    ours.__setstate__(copy.deepcopy(its.__getstate__()))
    np.testing.assert_allclose(ours.predict(X), its.predict(X), rtol=1e-9)
    if solver != "lbfgs":
        ours.partial_fit(X, y)
        its.partial_fit(X, y)
        np.testing.assert_allclose(ours.coefs_[0], its.coefs_[0], rtol=1e-8)
    other = KINDS[kind][0]()
    other.__setstate__(ours.__getstate__())
    np.testing.assert_array_equal(other.predict(X), ours.predict(X))


OUTPUTS = ["identity", "logistic", "tanh", "relu", "softmax"]


@pytest.mark.parametrize("out", [*OUTPUTS, *(["exp"] if VERSION >= (1, 7) else [])])
@pytest.mark.parametrize("kind", KINDS)
def test_another_activation_behind_the_last_layer(diabetes, kind, out):
    X, y = data(kind, diabetes)
    ours, its = (make(max_iter=3, random_state=0).fit(X, y) for make in KINDS[kind])
    ours.out_activation_ = its.out_activation_ = out
    np.testing.assert_allclose(ours.predict(X), its.predict(X), rtol=1e-8)
    if kind == "classifier":
        np.testing.assert_allclose(ours.predict_proba(X), its.predict_proba(X), rtol=1e-8)
    else:
        ours.partial_fit(X, y)
        its.partial_fit(X, y)
        np.testing.assert_allclose(ours.coefs_[0], its.coefs_[0], rtol=1e-8)
