"""The estimators are scikit-learn's: its own checks, the same weights, at home in its company."""

import copy
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from joblib import parallel_config
from scipy import sparse
from sklearn import neural_network as sk
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_digits, make_multilabel_classification
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import backprop as bp
from backprop.estimators.base import EXPECTED

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Got `batch_size`"),
]
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
    "adam": {"solver": "adam"},
    "lbfgs": {"solver": "lbfgs"},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 3},
    "no penalty": {"alpha": 0},
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
    assert ours.loss_ == pytest.approx(its.loss_, rel=1e-5)


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
    assert vars(its).keys() <= vars(ours).keys()
    for name in ("n_layers_", "n_outputs_", "t_", "n_features_in_", "best_validation_score_"):
        assert getattr(ours, name, None) == pytest.approx(getattr(its, name, None)), name
    if solver != "lbfgs":
        np.testing.assert_allclose(ours.loss_curve_, its.loss_curve_, rtol=1e-4)


@pytest.mark.parametrize("kind", CLASSES)
def test_sample_weights_batches_and_warm_starts(kind):
    X, y = data_for(kind)
    weight = np.random.default_rng(0).integers(0, 4, len(X)).astype(float)
    ours, its = both(kind, warm_start=True, max_iter=3)
    for _ in range(3):
        ours.fit(X, y, sample_weight=weight)
        its.fit(X, y, sample_weight=weight)
        for one, other in zip(ours.coefs_, its.coefs_, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)
    ours, its = both(kind)
    classes = {"classes": np.unique(y)} if kind == "classifier" else {}
    for start in range(0, 400, 100):
        rows = slice(start, start + 100)
        ours.partial_fit(X[rows], y[rows], **classes)
        its.partial_fit(X[rows], y[rows], **classes)
    assert_same(ours, its)


def test_multilabel_and_multioutput():
    X, Y = make_multilabel_classification(200, 12, n_classes=4, random_state=0)
    ours, its = both("classifier")
    assert_same(ours.fit(X, Y), its.fit(X, Y))
    np.testing.assert_array_equal(ours.predict(X), its.predict(X))
    np.testing.assert_allclose(ours.predict_proba(X), its.predict_proba(X), rtol=1e-8)
    ours, its = both("regressor")
    assert_same(ours.fit(X, 1.0 * Y), its.fit(X, 1.0 * Y))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_poisson(solver):
    X, y = data_for("regressor")
    y = np.random.default_rng(0).poisson(np.exp(y)).astype(float)
    ours, its = both("regressor", loss="poisson", solver=solver)
    assert_same(ours.fit(X, y), its.fit(X, y), 1e-6)
    assert (ours.predict(X) > 0).all()
    with pytest.raises(ValueError, match="Poisson"):
        ours.explain(X, y)
    with pytest.raises(ValueError, match=r"y has values down to -1\.0: loss='poisson'"):
        ours.fit(X, y - 1)


def test_float32_stays_float32():
    X, y = data_for("classifier")
    ours, its = both("classifier")
    ours.fit(X.astype("float32"), y)
    its.fit(X.astype("float32"), y)
    assert ours.coefs_[0].dtype == ours.predict_proba(X.astype("float32")).dtype == np.float32
    np.testing.assert_allclose(ours.coefs_[0], its.coefs_[0], rtol=1e-3, atol=1e-4)


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


def test_a_large_sparse_matrix_is_never_dense():
    """50,000 texts of 100,000 words: 40 GB if it were; about 60 MB, and the weights, as it is."""
    program = """
import resource, numpy as np
from scipy import sparse
import backprop as bp
n, words, stored = 50_000, 100_000, 40
rng = np.random.default_rng(0)
columns = rng.integers(0, words, n * stored)
ends = np.arange(0, n * stored + 1, stored)
S = sparse.csr_matrix((np.ones(n * stored, np.float32), columns, ends), shape=(n, words))
S.sum_duplicates()
y = rng.integers(0, 2, n)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
bp.MLPClassifier((8,), max_iter=1, batch_size=5000).fit(S, y)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
held = (S.data.nbytes + S.indices.nbytes + 4 * 4 * 8 * words) / 2**20
print(grown / held)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 8


# ---- from and to scikit-learn ------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", CLASSES)
def test_there_and_back(kind, dtype):
    _, its = both(kind, hidden_layer_sizes=(9, 5))
    X, y = data_for(kind)
    X = X.astype(dtype)
    its.fit(X, y)
    ours = bp.from_sklearn(its)
    assert type(ours) is CLASSES[kind][0]
    rtol = 1e-12 if dtype == "float64" else 1e-5
    outputs = "predict_proba" if kind == "classifier" else "predict"
    expected = getattr(its, outputs)(X)
    np.testing.assert_allclose(getattr(ours, outputs)(X), expected, rtol=rtol, atol=rtol)
    back = ours.to_sklearn()
    assert type(back) is CLASSES[kind][1]
    np.testing.assert_allclose(getattr(back, outputs)(X), expected, rtol=rtol, atol=rtol)
    assert back.get_params() == its.get_params()
    if kind == "classifier":
        np.testing.assert_array_equal(back.predict(X), its.predict(X))
    unfitted = bp.from_sklearn(clone(its))
    assert not hasattr(unfitted, "coefs_")
    unfitted.fit(X, y)


def test_what_cannot_be_converted():
    with pytest.raises(TypeError, match="estimator is a StandardScaler"):
        bp.from_sklearn(StandardScaler())
    X, y = data_for("classifier")
    ours = bp.MLPClassifier((5, 4), ("tanh", "relu"), max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="activation="):
        ours.to_sklearn()


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


def test_partial_fit_goes_on_after_a_pickle():
    X, y = data_for("regressor")
    ours, _ = both("regressor")
    ours.partial_fit(X, y)
    other = pickle.loads(pickle.dumps(ours))
    for model in (ours, other):
        model.set_params(shuffle=False).partial_fit(X, y)
    np.testing.assert_array_equal(ours.coefs_[0], other.coefs_[0])


# ---- in scikit-learn's company -----------------------------------------------------------------


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_searches_in_parallel_find_the_same(backend):
    X, y = data_for("classifier")
    estimator = make_pipeline(StandardScaler(), bp.MLPClassifier((8,), max_iter=10, random_state=0))
    grid = {"mlpclassifier__alpha": [1e-4, 1.0], "mlpclassifier__activation": ["relu", "tanh"]}
    alone = GridSearchCV(estimator, grid, cv=3, n_jobs=1).fit(X, y)
    with parallel_config(backend=backend):
        search = GridSearchCV(estimator, grid, cv=3, n_jobs=2).fit(X, y)
        scores = cross_val_score(estimator, X, y, cv=3, n_jobs=2)
    found, expected = search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(scores, cross_val_score(estimator, X, y, cv=3))


def test_a_fit_runs_on_one_thread_unless_asked():
    X, y = data_for("classifier")
    before = threading.active_count(), _system_threads()
    model = bp.MLPClassifier((512, 512), max_iter=1, batch_size=500).fit(X, y)
    assert model._engine.network.n_threads == 1
    assert (threading.active_count(), _system_threads()) == before
    more = bp.MLPClassifier((512, 512), max_iter=1, batch_size=500, n_threads=2, random_state=0)
    one = bp.MLPClassifier((512, 512), max_iter=1, batch_size=500, random_state=0)
    np.testing.assert_array_equal(more.fit(X, y).coefs_[0], one.fit(X, y).coefs_[0])


def _system_threads():
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(line for line in status if line.startswith("Threads:"))
    except OSError:
        return None


def test_calibration_voting_columns_and_importance():
    X, y = data_for("classifier")
    y = y > 4
    model = bp.MLPClassifier((8,), max_iter=60, learning_rate_init=0.02, random_state=0)
    calibrated = CalibratedClassifierCV(model, cv=2).fit(X, y)
    assert calibrated.score(X, y) > 0.9
    voting = VotingClassifier([("one", model), ("two", clone(model).set_params(random_state=1))])
    assert voting.fit(X, y).score(X, y) > 0.9
    columns = ColumnTransformer(
        [("scaled", StandardScaler(), slice(0, 32))], remainder="passthrough"
    )
    piped = make_pipeline(columns, model).fit(X, y)
    assert piped.score(X, y) > 0.9
    importance = permutation_importance(model.fit(X, y), X, y, n_repeats=2, random_state=0)
    assert importance.importances_mean.shape == (64,)
    assert importance.importances_mean[0] == 0  # a pixel that is always 0
    assert importance.importances_mean.max() > 0


def test_metadata_display_and_warnings():
    import sklearn

    X, y = data_for("classifier")
    with sklearn.config_context(enable_metadata_routing=True):
        model = bp.MLPClassifier(max_iter=2).set_fit_request(sample_weight=True)
        assert "sample_weight" in str(model.get_metadata_routing())
    assert "MLPClassifier" in bp.MLPClassifier()._repr_html_()
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached"):
        bp.MLPClassifier(max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="non-finite"):
        bp.MLPRegressor(solver="sgd", learning_rate_init=1e9, max_iter=5).fit(1e6 * X, y)


def test_another_scikit_learn_is_refused():
    for name in EXPECTED:
        assert name in dir(sk.MLPClassifier)
    program = (
        "import sklearn.neural_network._multilayer_perceptron as m\n"
        "m.BaseMultilayerPerceptron._backprop = lambda self, X: None\n"
        "import backprop\n"
        "backprop.MLPClassifier"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "another BaseMultilayerPerceptron._backprop than 1.9" in done.stderr


def test_the_package_does_not_need_scikit_learn():
    program = (
        "import sys\n"
        "sys.modules['sklearn'] = None\n"
        "import backprop\n"
        "from backprop import *\n"
        "backprop.Network\n"
        "try:\n    backprop.MLPClassifier\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'backprop-mlp[sklearn]'" in done.stdout, done.stderr
