"""The estimators are scikit-learn's: its own checks, the same weights, at home in its company."""

import ast
import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
import sklearn
from scipy import sparse
from sklearn import neural_network as sk
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import backprop as bp
from backprop.estimators.engine import SparseEngine

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Got `batch_size`"),
]
VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))
with_weights = pytest.mark.skipif(
    VERSION < (1, 7), reason="scikit-learn's MLP has neither sample weights nor Poisson before 1.7"
)
CLASSES = {"classifier": (bp.MLPClassifier, sk.MLPClassifier)}
CLASSES["regressor"] = (bp.MLPRegressor, sk.MLPRegressor)


@parametrize_with_checks(
    [
        bp.MLPClassifier(max_iter=100),
        bp.MLPRegressor(max_iter=100),
        bp.MLPClassifier(max_iter=100, preprocess="auto"),
        bp.MLPRegressor(max_iter=100, preprocess="auto"),
    ]
)
def test_scikit_learns_checks(estimator, check):
    name = getattr(check, "func", check).__name__
    if VERSION < (1, 7) and estimator.preprocess == "auto" and name.endswith("on_sparse_data"):
        pytest.skip("scikit-learn 1.6 asks for sparse X where tags say there is none (its #30139)")
    check(estimator)


# ---- the same weights --------------------------------------------------------------------------

SOLVERS = {
    "sgd": {"solver": "sgd", "momentum": 0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd"},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    "adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.2,
        "tol": 0.01,
        "n_iter_no_change": 1,
    },
    "invscaling, no Nesterov": {
        "solver": "sgd",
        "learning_rate": "invscaling",
        "learning_rate_init": 0.1,
        "nesterovs_momentum": False,
    },
    "adaptive, no Nesterov": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.2,
        "tol": 0.01,
        "n_iter_no_change": 1,
        "nesterovs_momentum": False,
    },
    "adam": {"solver": "adam"},
    "lbfgs": {"solver": "lbfgs"},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 3},
    "no penalty": {"alpha": 0},
    "a large penalty": {"alpha": 10, "learning_rate_init": 0.1, "batch_size": 20, "max_iter": 60},
    "a momentum of 1": {"solver": "sgd", "momentum": 1.0, "learning_rate_init": 1e-5},
    "in order": {"shuffle": False, "batch_size": 37},
    "two layers": {"hidden_layer_sizes": (12, 7), "activation": "tanh"},
    "logistic": {"activation": "logistic", "alpha": 0.1},
    "no hidden layer": {"hidden_layer_sizes": ()},
}


def data_for(kind):
    if kind == "classifier":
        X, y = load_digits(return_X_y=True)
        return X[:500] / 16, y[:500]
    X, y = load_diabetes(return_X_y=True)
    return 10 * X, (y - y.mean()) / y.std()


def both(kind, **options):
    given = {"hidden_layer_sizes": (15,), "max_iter": 20, "random_state": 0, **options}
    return [make(**given) for make in CLASSES[kind]]


def assert_same(ours, its, rtol=1e-8):
    for name in ("coefs_", "intercepts_"):
        for one, other in zip(getattr(ours, name), getattr(its, name), strict=True):
            np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)
    assert ours.n_iter_ == its.n_iter_
    assert ours.loss_ == pytest.approx(its.loss_, rel=rtol)
    if hasattr(its, "loss_curve_"):
        np.testing.assert_allclose(ours.loss_curve_, its.loss_curve_, rtol=rtol)
        if its.best_loss_ is not None:
            assert ours.best_loss_ == pytest.approx(its.best_loss_, rel=rtol)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", CLASSES)
def test_the_same_weights_as_scikit_learn(kind, solver):
    ours, its = both(kind, **SOLVERS[solver])
    X, y = data_for(kind)
    ours.fit(X, y)
    its.fit(X, y)
    assert_same(ours, its, 1e-6 if solver == "lbfgs" else 1e-8)
    np.testing.assert_allclose(ours.predict(X), its.predict(X), rtol=1e-5)
    assert ours.out_activation_ == its.out_activation_
    assert {name for name in vars(its) if not name.startswith("_")} <= {*dir(ours)}
    for name in ("n_layers_", "n_outputs_", "t_", "n_features_in_", "best_validation_score_"):
        assert getattr(ours, name, None) == pytest.approx(getattr(its, name, None)), name


def weights_for(X):
    return np.random.default_rng(0).integers(0, 4, X.shape[0]).astype(float)


@with_weights
@pytest.mark.parametrize("kind", CLASSES)
def test_sample_weights_batches_and_warm_starts(kind):
    X, y = data_for(kind)
    weight = weights_for(X)
    ours, its = both(kind, warm_start=True, max_iter=3)
    for _ in range(3):
        ours.fit(X, y, sample_weight=weight)
        its.fit(X, y, sample_weight=weight)
        assert_same(ours, its)
    ours, its = both(kind)
    classes = {"classes": np.unique(y)} if kind == "classifier" else {}
    for start in range(0, 400, 100):
        rows = slice(start, start + 100)
        ours.partial_fit(X[rows], y[rows], **classes)
        its.partial_fit(X[rows], y[rows], **classes)
    assert_same(ours, its)


@with_weights
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("options", [{}, {"solver": "lbfgs"}, {"early_stopping": True}], ids=str)
@pytest.mark.parametrize("kind", [*CLASSES, "poisson"])
def test_sample_weights_weigh(kind, options, form):
    """Losses too, and with early stopping the scores of what is held out."""
    X, y = data_for("classifier" if kind == "classifier" else "regressor")
    if kind == "poisson":
        y, options = np.exp(y), {"loss": "poisson", **options}
    ours, its = both("classifier" if kind == "classifier" else "regressor", **options)
    X, weight = form(X), weights_for(X)
    ours.fit(X, y, sample_weight=weight)
    its.fit(X, y, sample_weight=weight)
    assert_same(ours, its, 1e-6 if "solver" in options else 1e-8)
    if "early_stopping" in options:
        np.testing.assert_allclose(ours.validation_scores_, its.validation_scores_, rtol=1e-8)


@with_weights
def test_a_fit_stops_where_scikit_learns_does():
    X, y = data_for("classifier")
    for weight in (None, weights_for(X)):
        ours, its = both("classifier", max_iter=300, learning_rate_init=0.01, tol=1e-3, alpha=1)
        ours.fit(X, y, sample_weight=weight)
        its.fit(X, y, sample_weight=weight)
        assert 20 < its.n_iter_ < 300
        assert_same(ours, its)


@pytest.mark.parametrize(
    "options",
    [{}, {"early_stopping": True}, {"solver": "sgd", "learning_rate": "adaptive", "tol": 10}],
)
def test_a_warm_start_after_a_stall_stops_where_scikit_learns_does(options):
    """At once, where nothing has become better."""
    X, y = data_for("regressor")
    options = {"max_iter": 200, "tol": 1.0, "n_iter_no_change": 3, "warm_start": True, **options}
    ours, its = both("regressor", **options)
    for _ in range(3):
        ours.fit(X, y)
        its.fit(X, y)
        assert ours.n_iter_ == its.n_iter_ < 200


def test_partial_fit_keeps_the_rates_of_the_first_call():
    """scikit-learn's optimizer is made once; alpha is read anew."""
    X, y = data_for("regressor")
    ours, its = both("regressor")
    for model in (ours, its):
        model.partial_fit(X, y)
        model.set_params(solver="sgd", alpha=1, learning_rate_init=0.5, beta_1=0.1, epsilon=1)
        model.partial_fit(X, y)
    assert_same(ours, its)


def test_an_epsilon_that_is_no_normal_number():
    X, y = data_for("regressor")
    ours, its = both("regressor", epsilon=1e-320)
    assert_same(ours.fit(X, y), its.fit(X, y))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(
    "options",
    [{"hidden_layer_sizes": range(6, 4, -1)}, {"alpha": True}, {"tol": True}],
    ids=str,
)
def test_parameters_of_types_that_scikit_learn_takes_too(options, solver):
    X, y = data_for("regressor")
    ours, its = both("regressor", **{"hidden_layer_sizes": (6,), **options, "solver": solver})
    assert_same(ours.fit(X, y), its.fit(X, y))


def test_multilabel_and_multioutput():
    X, Y = make_multilabel_classification(200, 12, n_classes=4, random_state=0)
    ours, its = both("classifier")
    assert_same(ours.fit(X, Y), its.fit(X, Y))
    np.testing.assert_array_equal(ours.predict(X), its.predict(X))
    np.testing.assert_allclose(ours.predict_proba(X), its.predict_proba(X), rtol=1e-8)
    np.testing.assert_allclose(ours.predict_log_proba(X), its.predict_log_proba(X), rtol=1e-8)
    ours, its = both("regressor")
    assert_same(ours.fit(X, 1.0 * Y), its.fit(X, 1.0 * Y))


@with_weights
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_poisson(solver):
    X, y = data_for("regressor")
    y = np.random.default_rng(0).poisson(np.exp(y)).astype(float)
    ours, its = both("regressor", loss="poisson", solver=solver)
    assert_same(ours.fit(X, y), its.fit(X, y), 1e-6)
    assert (ours.predict(X) > 0).all()
    assert np.isfinite(ours.explain(X[:5], y[:5]).cost)
    with pytest.raises(ValueError, match=r"y has values down to -1\.0: loss='poisson'"):
        ours.fit(X, y - 1)
    if solver == "adam":
        ours.set_params(early_stopping=True)
        with pytest.raises(ValueError, match=r"eval_set: y has values down to -1\.0"):
            ours.fit(X, y, eval_set=(X, y - 1))


def test_float32_stays_float32():
    X, y = data_for("classifier")
    ours, its = both("classifier")
    ours.fit(X.astype("float32"), y)
    its.fit(X.astype("float32"), y)
    assert ours.coefs_[0].dtype == ours.predict_proba(X.astype("float32")).dtype == np.float32
    np.testing.assert_allclose(ours.coefs_[0], its.coefs_[0], rtol=1e-3, atol=1e-4)
    for model in (ours, its):  # and warm starts keep the type of the first
        model.set_params(warm_start=True).fit(X, y)
    assert ours.coefs_[0].dtype == its.coefs_[0].dtype == np.float32


@pytest.mark.parametrize("given", ["f2", "f4", ">f8", "g", "u1", "i8", "?"])
@pytest.mark.parametrize("fitted", ["f4", "f8"])
def test_predictions_have_scikit_learns_type(fitted, given):
    X, y = data_for("classifier")
    ours, its = both("classifier", max_iter=2)
    ours.fit(X.astype(fitted), y)
    its.fit(X.astype(fitted), y)
    X = (8 * X).astype(given)
    found, expected = ours.predict_proba(X), its.predict_proba(X)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-4)


# ---- sparse ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix", "csr_array"])
@pytest.mark.parametrize("options", [{}, {"solver": "sgd"}, {"solver": "lbfgs"}], ids=str)
@pytest.mark.parametrize("kind", CLASSES)
def test_sparse_inputs_give_the_weights_of_dense_ones(kind, options, form):
    X, y = data_for(kind)
    X = np.where(np.median(X) < X, X, 0)
    S = getattr(sparse, form)(X)
    dense, _ = both(kind, **options)
    thin, its = both(kind, **options)
    dense.fit(X, y)
    assert_same(thin.fit(S, y), dense, 1e-7)
    assert_same(thin, its.fit(S, y), 1e-7)
    np.testing.assert_allclose(thin.predict(S), dense.predict(X), rtol=1e-6)
    np.testing.assert_allclose(thin.predict(X), dense.predict(S), rtol=1e-6)


@pytest.mark.parametrize("hidden", [(15,), (9, 7), ()], ids=str)
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_each_activation_of_a_sparse_layer(activation, hidden):
    X, y = data_for("classifier")
    ours, its = both("classifier", activation=activation, hidden_layer_sizes=hidden)
    S = sparse.csr_array(X)
    assert_same(ours.fit(S, y), its.fit(S, y))
    for given in (S, X):  # dense rows may come too
        np.testing.assert_allclose(
            ours.predict_proba(given), its.predict_proba(given), rtol=1e-8, atol=1e-12
        )


def test_columns_are_compressed_into_rows_once(monkeypatch):
    """Batches are rows: taking them out of columns would cost a pass over the matrix each."""
    seen, epoch = [], SparseEngine.epoch
    monkeypatch.setattr(
        SparseEngine,
        "epoch",
        lambda self, X, *rest: (seen.append(X.format), epoch(self, X, *rest))[1],
    )
    X, y = data_for("classifier")
    bp.MLPClassifier(max_iter=2).fit(sparse.csc_array(X), y)
    assert seen == ["csr", "csr"]


def test_partial_fit_goes_from_sparse_to_dense_with_its_moments():
    X, y = data_for("classifier")
    ours, its = both("classifier")
    for model in (ours, its):
        model.partial_fit(sparse.csr_array(X), y, classes=range(10)).partial_fit(X, y)
        model.partial_fit(sparse.csr_array(X), y)
    assert_same(ours, its)


def test_a_large_sparse_matrix_is_never_dense():
    """50,000 texts of 100,000 words: 40 GB if it were.

    What is held is the matrix, the order's batches, and of the weights: themselves, two moments, a
    gradient, scipy's product that makes it, and its copies for early stopping.
    """
    program = """
import resource, numpy as np
from scipy import sparse
import backprop as bp
n, words, stored, units = 50_000, 100_000, 40, 50
rng = np.random.default_rng(0)
columns = rng.integers(0, words, n * stored)
ends = np.arange(0, n * stored + 1, stored)
S = sparse.csr_matrix((np.ones(n * stored, np.float32), columns, ends), shape=(n, words))
S.sum_duplicates()
y = rng.integers(0, 2, n)
bp.MLPClassifier((8,), max_iter=1).fit(S[:100, :100], y[:100])  # all is imported
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
bp.MLPClassifier((units,), max_iter=1, batch_size=5000).fit(S, y)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
matrix, weights = (S.data.nbytes + S.indices.nbytes) / 2**20, 4 * words * units / 2**20
print((grown - 2 * matrix) / weights)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 7


# ---- from and to scikit-learn ------------------------------------------------------------------


def conversions():
    """{name: (kind, parameters, X, y)}."""
    X, y = data_for("classifier")
    for dtype in ("float32", "float64"):
        yield f"classes, {dtype}", "classifier", {}, X.astype(dtype), y
    yield "two classes", "classifier", {}, X, y > 4
    yield "labels", "classifier", {}, X, np.eye(10, dtype=int)[y]
    yield "names", "classifier", {}, X, np.array(list("abcdefghij"))[y]
    yield "sparse", "classifier", {}, sparse.csr_array(X), y
    yield "lbfgs", "classifier", {"solver": "lbfgs"}, X, y
    X, y = data_for("regressor")
    for dtype in ("float32", "float64"):
        yield f"number, {dtype}", "regressor", {}, X.astype(dtype), y
    yield "numbers", "regressor", {"solver": "sgd"}, X, np.c_[y, -y]
    if VERSION >= (1, 7):
        yield "counts", "regressor", {"loss": "poisson"}, X, np.exp(y)


CONVERSIONS = {name: rest for name, *rest in conversions()}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_there_and_back(name):
    kind, options, X, y = CONVERSIONS[name]
    _, its = both(kind, hidden_layer_sizes=(9, 5), **options)
    its.fit(X, y)
    ours = bp.from_sklearn(its)
    assert type(ours) is CLASSES[kind][0]
    tolerance = 1e-6 if X.dtype == np.float32 else 1e-12
    outputs = "predict_proba" if kind == "classifier" else "predict"
    expected = getattr(its, outputs)(X)
    given = {"rtol": tolerance, "atol": tolerance}
    np.testing.assert_allclose(getattr(ours, outputs)(X), expected, **given)
    back = ours.to_sklearn()
    assert type(back) is CLASSES[kind][1]
    np.testing.assert_array_equal(getattr(back, outputs)(X), expected)
    assert back.get_params() == its.get_params()
    assert all(w.flags.c_contiguous for w in back.coefs_)
    if kind == "classifier":
        np.testing.assert_array_equal(ours.predict(X), its.predict(X))
    unfitted = bp.from_sklearn(clone(its))
    assert not hasattr(unfitted, "coefs_")
    unfitted.fit(X, y)


@pytest.mark.parametrize("options", [{}, {"solver": "sgd"}, {"solver": "sgd", "momentum": 0}])
def test_moments_go_there_and_back(options):
    X, y = data_for("regressor")
    _, its = both("regressor", shuffle=False, **options)
    its.partial_fit(X, y).partial_fit(X, y)
    ours = bp.from_sklearn(its)
    back = ours.to_sklearn()
    for model in (its, ours, back):
        model.partial_fit(X, y)
    assert_same(ours, its)
    np.testing.assert_array_equal(back.coefs_[0], its.coefs_[0])


def test_conversions_share_no_array():
    X, y = data_for("regressor")
    _, its = both("regressor")
    ours = bp.from_sklearn(its.fit(X, y))
    back = ours.to_sklearn()
    expected = its.predict(X)
    for one in (its, back):
        for name in ("coefs_", "intercepts_", "_best_coefs", "loss_curve_"):
            for array in (values := getattr(one, name)):
                if isinstance(array, np.ndarray):
                    array[...] = 7
            values.append(None)
        np.testing.assert_allclose(ours.predict(X), expected, rtol=1e-12)
        assert None not in ours.loss_curve_
    ours.coefs_[0][...] = 0
    assert (back.coefs_[0] == 7).all()


def test_parameters_that_scikit_learn_does_not_have():
    given = {"activation": ("tanh", "tanh"), "warm_start": "moments", "verbose": 3}
    back = bp.MLPClassifier((5, 4), **given).to_sklearn()
    assert (back.activation, back.warm_start, back.verbose) == ("tanh", True, 3)
    assert bp.MLPClassifier(verbose="bar").to_sklearn().verbose is False
    array = bp.MLPClassifier((5, 4), np.array(["tanh", "tanh"])).to_sklearn().activation
    assert (array, type(array)) == ("tanh", str)


def test_what_cannot_be_converted():
    with pytest.raises(TypeError, match="estimator is a StandardScaler"):
        bp.from_sklearn(StandardScaler())
    for kind in (bp.MLPClassifier, type("Tuned", (sk.MLPClassifier,), {})):
        with pytest.raises(TypeError, match="no subclass, whose own methods would be lost"):
            bp.from_sklearn(kind())
    X, y = data_for("classifier")
    ours = bp.MLPClassifier((5, 4), ("tanh", "relu"), max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="activation="):
        ours.to_sklearn()
    prepared = bp.MLPClassifier((5,), preprocess="auto", max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="preprocesses"):  # as it was fitted, whatever is set now
        prepared.set_params(preprocess=None).to_sklearn()


def test_weights_are_the_users():
    """Assigned, written to, pickled and copied weights are those that predict."""
    X, y = data_for("regressor")
    ours, its = both("regressor")
    ours.fit(X, y)
    its.fit(X, y)
    for model in (ours, its):
        model.coefs_[0][:] *= 2
        model.intercepts_[-1] = model.intercepts_[-1] + 1
    np.testing.assert_allclose(ours.predict(X), its.predict(X), rtol=1e-8)
    for other in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours)):
        np.testing.assert_array_equal(other.predict(X), ours.predict(X))
        other.coefs_[0][:] = 0
        assert not np.array_equal(other.predict(X), ours.predict(X))
    assert pickle.loads(pickle.dumps(ours)).coefs_[0].shape == (10, 15)
    held = ours.coefs_[0] = 3 * ours.coefs_[0]  # another array
    kept = pickle.loads(pickle.dumps(ours))  # before anything else has looked at it
    expected = ours.predict(X)
    np.testing.assert_array_equal(kept.predict(X), expected)
    held *= 2
    assert not np.array_equal(ours.predict(X), expected)


def test_replaced_layers_may_have_another_width():
    X, y = data_for("regressor")
    ours, its = both("regressor", max_iter=2)
    for model in (ours.fit(X, y), its.fit(X, y)):
        model.coefs_ = [np.ones((10, 4)), np.ones((4, 1))]
        model.intercepts_[0] = np.arange(4.0)
    np.testing.assert_allclose(ours.predict(X), its.predict(X))
    other = pickle.loads(pickle.dumps(ours))
    np.testing.assert_array_equal(other.predict(X), ours.predict(X))


def test_a_refit_leaves_the_weights_that_somebody_holds():
    X, y = data_for("regressor")
    ours, _ = both("regressor")
    held = ours.fit(X, y).coefs_
    before, other = held[0].copy(), copy.copy(ours)
    predicted = ours.predict(X)
    other.set_params(random_state=1).fit(X, y)
    other.partial_fit(X, y)
    np.testing.assert_array_equal(ours.predict(X), predicted)
    twin = copy.copy(ours)
    twin.partial_fit(X, y)
    np.testing.assert_array_equal(ours.predict(X), predicted)
    ours.set_params(random_state=1).fit(X, y)
    np.testing.assert_array_equal(held[0], before)
    assert not np.array_equal(ours.coefs_[0], before)


@pytest.mark.parametrize("preprocess", [None, "auto"])
def test_a_fit_that_is_refused_leaves_the_model_as_it_was(preprocess):
    X, y = data_for("regressor")
    model = bp.MLPRegressor(max_iter=2, preprocess=preprocess)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X, y * np.nan)
    with pytest.raises(NotFittedError):
        model.predict(X)
    expected = model.fit(X, y).predict(X)
    for wrong in ({"y": y * np.nan}, {"y": y, "sample_weight": -(y**2)}):
        with pytest.raises(ValueError, match=r"NaN|sample_weight has values from -"):
            model.fit(X[:, :3], **wrong)
    assert model.n_features_in_ == 10
    np.testing.assert_array_equal(model.predict(X), expected)


def test_partial_fit_goes_on_after_a_pickle():
    X, y = data_for("regressor")
    ours, _ = both("regressor")
    ours.partial_fit(X, y)
    other = pickle.loads(pickle.dumps(ours))
    for model in (ours, other):
        model.set_params(shuffle=False).partial_fit(X, y)
    np.testing.assert_array_equal(ours.coefs_[0], other.coefs_[0])


# ---- which scikit-learn -----------------------------------------------------------------------


def test_an_older_version_is_refused():
    program = (
        "import sklearn\nsklearn.__version__ = '1.5.2'\nimport backprop\nbackprop.MLPClassifier"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "need scikit-learn 1.6 or later" in done.stderr
    assert "1.5.2 is installed" in done.stderr


def private_imports(text):
    """Of modules of scikit-learn's, or names in them, that begin with an underscore."""
    for node in ast.walk(ast.parse(text)):
        modules = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{name.name}" for name in node.names]
        for module in modules:
            first, *rest = module.split(".")
            if first == "sklearn" and any(part.startswith("_") for part in rest):
                yield module


def test_only_public_names_of_scikit_learn_are_used():
    """So that a later version does not fail because a private one moved."""
    assert [*private_imports("from sklearn.utils._tags import x\nimport sklearn._loss")]
    assert [*private_imports("from sklearn.utils.validation import (\n    a,\n    _check_y\n)")]
    for path in Path(bp.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not [*private_imports(text)], path
        assert "BaseMultilayer" not in text


def test_the_package_does_not_need_scikit_learn():
    program = (
        "import sys\n"
        "sys.modules['sklearn'] = None\n"
        "import backprop\n"
        "from backprop import *\n"
        "backprop.Network\n"
        "try:\n    backprop.MLPClassifier\n"
        "except ImportError as error:\n    print(error)\n"
        "import inspect\n"
        "print('MLPClassifier' in dir(backprop), len(inspect.getmembers(backprop)) > 5)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'backprop-mlp[sklearn]'" in done.stdout, done.stderr
    assert "False True" in done.stdout, done.stderr
    assert "MLPClassifier" in dir(bp)
