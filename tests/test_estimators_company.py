"""The estimators in scikit-learn's company: searches, ensembles, pipelines, threads, processes."""

import subprocess
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
import sklearn
from joblib import parallel_config
from scipy import sparse
from sklearn import neural_network
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import backprop as bp

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
TIMEOUT = 60


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:500] / 16, y[:500]


def network(**options):
    given = {"hidden_layer_sizes": (8,), "max_iter": 10, "random_state": 0, **options}
    return bp.MLPClassifier(**given)


# ---- in parallel -------------------------------------------------------------------------------


def search(X, y, n_jobs):
    grid = {"mlpclassifier__alpha": [1e-4, 1.0], "mlpclassifier__activation": ["relu", "tanh"]}
    estimator = make_pipeline(StandardScaler(), network())
    return (
        GridSearchCV(estimator, grid, cv=3, n_jobs=n_jobs).fit(X, y).cv_results_["mean_test_score"]
    )


def crossed(X, y, n_jobs):
    return cross_val_score(network(), X, y, cv=3, n_jobs=n_jobs)


def columns(X, y, n_jobs):
    halves = [("one", StandardScaler(), slice(0, 32)), ("other", StandardScaler(), slice(32, 64))]
    transformer = ColumnTransformer(halves, n_jobs=n_jobs)
    return make_pipeline(transformer, network()).fit(X, y).predict_proba(X)


def calibrated(X, y, n_jobs):
    model = CalibratedClassifierCV(network(), cv=3, n_jobs=n_jobs)
    return model.fit(X, y > 4).predict_proba(X)


def voting(X, y, n_jobs):
    voters = [("one", network()), ("two", network(random_state=1))]
    return VotingClassifier(voters, voting="soft", n_jobs=n_jobs).fit(X, y).predict_proba(X)


def importance(X, y, n_jobs):
    """One fitted model, which all threads predict with."""
    model = network(max_iter=60, learning_rate_init=0.02).fit(X, y > 4)
    found = permutation_importance(model, X, y > 4, n_repeats=4, random_state=0, n_jobs=n_jobs)
    assert found.importances_mean[0] == 0  # a pixel that is always 0
    assert found.importances_mean.max() > 0
    return found.importances


@pytest.mark.parametrize("backend", [pytest.param("loky", marks=pytest.mark.long), "threading"])
@pytest.mark.parametrize("run", [search, crossed, columns, calibrated, voting, importance])
def test_two_jobs_find_what_one_does(digits, run, backend):
    alone = run(*digits, 1)
    with parallel_config(backend=backend):
        np.testing.assert_array_equal(run(*digits, 2), alone)


@pytest.mark.parametrize("early", [False, True])
def test_threads_predict_with_one_model(digits, early):
    X, y = digits
    model = network(early_stopping=early).fit(X, y)
    model.coefs_[0] = model.coefs_[0] * 2  # also where the weights have to be taken over first
    X = np.tile(X, (20, 1))
    expected, wrong = model.predict_proba(X), []

    def predict():
        try:
            for _ in range(20):
                np.testing.assert_array_equal(model.predict_proba(X), expected)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=predict) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive()
    assert wrong == []


# ---- threads of a fit --------------------------------------------------------------------------

BUSY = """
import os, threading, time, warnings
import numpy as np
from joblib import parallel_config
from scipy import sparse
from sklearn.model_selection import cross_val_score
import backprop as bp

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X, y = rng.random((2000, 300)), rng.integers(0, 5, 2000)
S = sparse.csr_array(X)

def seconds():
    found = {}
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/schedstat") as file:
                found[thread] = int(file.read().split()[0]) / 1e9
        except OSError:
            pass  # it has just ended
    del found[str(watcher.native_id)]
    return found

def watch():  # while it lasts: joblib's threads end before it returns
    while True:
        seen.update(seconds())
        time.sleep(0.002)

seen, watcher = {}, threading.Thread(target=watch, daemon=True)
watcher.start()

def model(**options):
    given = {"hidden_layer_sizes": (200, 200), "max_iter": 4, "random_state": 0, **options}
    return bp.MLPClassifier(**given)

def two_jobs(**options):
    with parallel_config(backend="threading"):
        cross_val_score(model(**options), X, y, cv=2, n_jobs=2)

def look(name, call):
    global seen
    before, seen = seconds(), {}
    call()
    seen.update(seconds())
    spent = sorted(now - before.get(thread, 0) for thread, now in seen.items())
    print(name, spent[-1], sum(spent[:-1]), sum(spent[:-2]), sep="|")

look("adam", lambda: model().fit(X, y))
look("early stopping", lambda: model(early_stopping=True).fit(X, y))
look("sparse", lambda: model(early_stopping=True, scoring="loss").fit(S, y))
look("lbfgs", lambda: model(solver="lbfgs").fit(X, y))
look("lbfgs, sparse", lambda: model(solver="lbfgs").fit(S, y))
look("dense, then sparse", lambda: model(max_iter=2).fit(X, y).predict(S))
look("two jobs", lambda: two_jobs())
look("two jobs, lbfgs", lambda: two_jobs(solver="lbfgs"))
"""


@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/task")
def test_a_fit_runs_on_one_thread():
    """Not even BLAS's own threads do any of its work; and two jobs of joblib's run on two."""
    done = subprocess.run(
        [sys.executable, "-c", BUSY], capture_output=True, text=True, timeout=2 * TIMEOUT
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split("|") for line in done.stdout.splitlines()]
    assert len(lines) == 8
    for name, busiest, others, all_but_two in lines:
        idle = float(all_but_two if name.startswith("two jobs") else others)
        assert idle < 0.3 * float(busiest), name  # a worker of BLAS that helps does half


def test_more_threads_give_the_same_bits(digits):
    options = {"hidden_layer_sizes": (512, 512), "max_iter": 1, "batch_size": 500}
    more = network(n_threads=2, **options).fit(*digits)
    assert more._engine.network.n_threads == 2
    np.testing.assert_array_equal(more.coefs_[0], network(**options).fit(*digits).coefs_[0])


# ---- other tools -------------------------------------------------------------------------------


def halved(X, y):
    grid = {"alpha": [1e-4, 1.0], "activation": ["relu", "silu"]}
    search = HalvingGridSearchCV(
        network(learning_rate_init=0.02), grid, resource="max_iter", max_resources=30, cv=3
    )
    return search.fit(X, y).best_estimator_


def stacked(X, y):
    return StackingClassifier(
        [("one", network(max_iter=60)), ("two", network(solver="lion", max_iter=60))]
    ).fit(X, y)


def bagged(X, y):
    return BaggingClassifier(network(max_iter=30), 3, random_state=0).fit(X, y)


def boosted(X, y):
    """By sample weights."""
    return AdaBoostClassifier(network(max_iter=30), n_estimators=3, random_state=0).fit(X, y)


@pytest.mark.parametrize("tool", [halved, stacked, bagged, boosted])
def test_tools_that_fit_many(digits, tool):
    X, y = digits
    assert tool(X, y > 4).score(X, y > 4) > 0.7


def test_partial_dependence(digits):
    X, y = digits
    model = network(max_iter=60, learning_rate_init=0.02).fit(X, y > 4)
    (found,) = partial_dependence(model, X, [20], kind="average")["average"]
    assert found.max() > found.min()


# ---- metadata, display, warnings ---------------------------------------------------------------


def test_sample_weights_are_routed(digits):
    """To the fit and to the score of each fold, as if they had been given by hand."""
    X, y = digits
    weight = np.random.default_rng(0).integers(0, 4, len(X)).astype(float)
    folds = KFold(3)
    with sklearn.config_context(enable_metadata_routing=True):
        model = network().set_fit_request(sample_weight=True)
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        found = cross_validate(
            make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model),
            X,
            y,
            cv=folds,
            scoring=scorer,
            params={"sample_weight": weight},
        )["test_score"]
    for (train, test), score in zip(folds.split(X), found, strict=True):
        scaler = StandardScaler().fit(X[train])
        by_hand = network().fit(scaler.transform(X[train]), y[train], sample_weight=weight[train])
        predicted = by_hand.predict(scaler.transform(X[test]))
        assert score == accuracy_score(y[test], predicted, sample_weight=weight[test])


def test_eval_sets_are_routed_too(digits):
    with sklearn.config_context(enable_metadata_routing=True):
        model = network(early_stopping=True).set_fit_request(eval_set=True)
        requests = model.get_metadata_routing().fit.requests
    assert requests["eval_set"] is True
    assert requests["sample_weight"] is None


def test_its_display_shows_its_parameters():
    html = bp.MLPClassifier((7, 5), class_weight="balanced")._repr_html_()
    for shown in ("MLPClassifier", "hidden_layer_sizes", "(7, 5)", "class_weight", "balanced"):
        assert shown in html


def test_output_goes_where_set_output_says(digits):
    X, y = digits
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    union = make_union(StandardScaler(), FunctionTransformer()).set_output(transform="pandas")
    frame = pd.DataFrame(X, columns=[f"p{i}" for i in range(64)])
    piped = make_pipeline(union, network()).fit(frame, y)
    assert piped[-1].feature_names_in_[0].endswith("p0")  # since 1.9 with a prefix
    assert piped.score(frame, y) > 0.2


def test_warnings_and_errors(digits):
    X, y = digits
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached"):
        network(max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="non-finite"):
        bp.MLPRegressor(solver="sgd", learning_rate_init=1e9, max_iter=5).fit(1e6 * X, y)
    with pytest.warns(UserWarning, match="Got `batch_size`") as warned:
        clone(network(max_iter=3, batch_size=10**4)).fit(X, y)
    assert sum("batch_size" in str(w.message) for w in warned) == 1


def interrupted(*_):
    raise KeyboardInterrupt


def early(model, **options):
    return model.set_params(early_stopping=True, **options)


PLACES = {
    "does not use 'text'": lambda model, X, y: model.fit(
        X.assign(text=X.index.map("no. {}".format)), y
    ),
    "not seen in training": lambda model, X, y: model.fit(X, y).predict(X.assign(c="z")),
    "1 missing value": lambda model, X, y: early(model).fit(X[1:], y[1:], eval_set=(X, y)),
    "Got `batch_size`": lambda model, X, y: model.set_params(batch_size=999).fit(X, y),
    "interrupted": lambda model, X, y: early(model, scoring=interrupted).fit(X, y),
    "Maximum iterations": lambda model, X, y: cross_val_score(make_pipeline(model), X, y, cv=2),
}


@pytest.mark.parametrize("words", PLACES)
def test_a_warning_is_of_the_users_line(words):
    """Not of a line of scikit-learn's or of ours."""
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    X = pd.DataFrame({"x": np.arange(40.0) % 7, "c": [None] + ["a", "b", "b"] * 13})
    with pytest.warns(match=words) as warned:
        PLACES[words](network(preprocess="auto", max_iter=2), X, np.arange(40) % 2)
    assert {w.filename for w in warned if words in str(w.message)} == {__file__}


@pytest.mark.parametrize("form", ["dense", "sparse"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_a_batch_that_cannot_be_reckoned_with_changes_nothing(digits, form, loss):
    """Whether the core trains whole epochs, or the engine batch by batch."""
    X = digits[0].astype(np.float32)
    y = digits[1].astype(np.float32)
    X[200:] *= 3e38
    form = sparse.csr_array if form == "sparse" else np.asarray
    options = {"loss": loss, "batch_size": 100, "shuffle": False, "max_iter": 3, "random_state": 0}
    model = bp.MLPRegressor(hidden_layer_sizes=(8, 8), warm_start=True, **options)
    model.fit(form(X[:200]), y[:200])  # whose weights the next fit goes on from, in place
    with pytest.raises(ValueError, match="non-finite"):
        model.fit(form(X), y)
    assert all(np.isfinite(weights).all() for weights in model.coefs_)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("rate", [1e10, 1e30])
def test_early_stopping_puts_the_best_back_where_a_fit_diverges(digits, form, rate):
    """As scikit-learn's does; also where the first epoch does, before which the best were drawn."""
    X, y = form(digits[0]), digits[1] / 10
    options = {"hidden_layer_sizes": (8, 8), "solver": "sgd", "random_state": 0, "max_iter": 20}
    options |= {"early_stopping": True, "learning_rate_init": rate}
    model, its = bp.MLPRegressor(**options), neural_network.MLPRegressor(**options)
    with pytest.warns(ConvergenceWarning, match=r"non-finite loss.*The best weights are put back"):
        model.fit(X, y)
    with np.errstate(all="ignore"):
        its.fit(X, y)
    for mine, expected in zip(model.coefs_, its.coefs_, strict=True):
        np.testing.assert_allclose(mine, expected)
    assert not np.isfinite(model.loss_)
    assert np.isnan(model.validation_scores_[-1])
    assert model.best_validation_score_ == pytest.approx(its.best_validation_score_)
    assert model.n_iter_ == len(model.loss_curve_) == len(model.validation_scores_)


def test_a_search_goes_on_where_a_fit_diverges(digits):
    X, y = digits[0], digits[1] / 10
    options = {"hidden_layer_sizes": (8,), "solver": "sgd", "early_stopping": True, "max_iter": 20}
    grid = {"learning_rate_init": [0.1, 1e30]}
    model = bp.MLPRegressor(random_state=0, **options)
    search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_ == {"learning_rate_init": 0.1}


def test_sample_weights_out_of_range_are_named(digits):
    X, y = digits[0].astype(np.float32), digits[1]
    for value in (1e-44, 1e38):
        with pytest.raises(ValueError, match=r"sample_weight has the value .* for float32"):
            network(max_iter=2).fit(X, y, sample_weight=np.full(len(y), value))


NOT_NUMBERS = {
    "strings of numbers": np.array(["5.0"] * 60),
    "words": np.array(["a"] * 60),
    "bytes": np.array([b"1"] * 60),
    "dates": np.full(60, np.datetime64("2020-01-01")),
    "times": np.full(60, np.timedelta64(3, "D")),
}


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("what", NOT_NUMBERS)
def test_targets_of_a_regressor_are_numbers(what, solver):
    """The core takes an array's bytes for what its type says."""
    X = np.random.default_rng(0).normal(size=(60, 3))
    for method in ("fit", "partial_fit") if solver == "adam" else ("fit",):
        for rows in (X, sparse.csr_array(X)):
            with pytest.raises((ValueError, TypeError)):
                getattr(bp.MLPRegressor(max_iter=2, solver=solver), method)(rows, NOT_NUMBERS[what])


@pytest.mark.parametrize("form", [np.array, sparse.csr_array])
@pytest.mark.parametrize(("trained", "given"), [(2, 1), (1, 2), (2, 3)])
def test_a_fit_goes_on_with_as_many_outputs(digits, trained, given, form):
    """The core would read past the end of y."""
    X, y = form(digits[0]), np.c_[digits[1], digits[1], digits[1]] / 10
    y = {n: y[:, 0] if n == 1 else y[:, :n] for n in (1, 2, 3)}
    for options in ({}, {"solver": "lbfgs"}):
        model = bp.MLPRegressor(max_iter=2, warm_start=True, **options).fit(X, y[trained])
        before = model.predict(X)
        for again in (model.fit, model.partial_fit) if not options else (model.fit,):
            with pytest.raises(ValueError, match=f"y has {given}: expected 64 and {trained}, as"):
                again(X, y[given])
        np.testing.assert_array_equal(model.predict(X), before)


def test_a_fit_goes_on_with_as_many_inputs(digits):
    model = network(max_iter=2).fit(*digits)
    model.coefs_[0] = np.ones((70, 8))
    with pytest.raises(ValueError, match="X has 64 columns and y has 10: expected 70 and 10, as"):
        model.partial_fit(*digits)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("sizes", [(8, 8), ()])
def test_a_fit_goes_on_with_as_many_layers(digits, sizes, solver):
    model = network(max_iter=2, warm_start=True).fit(*digits)
    model.set_params(hidden_layer_sizes=sizes, solver=solver)
    with pytest.raises(ValueError, match="expected 1 hidden layers, as has coefs_"):
        model.fit(*digits)
    model.set_params(activation=("relu", "tanh"))
    with pytest.raises(ValueError, match="one for each of the 1 hidden layers of coefs_"):
        model.predict(digits[0])


def test_sparse_targets_of_a_regressor_are_refused(digits):
    with pytest.raises(ValueError, match="y is sparse: expected an array"):
        bp.MLPRegressor(max_iter=2).fit(digits[0], sparse.csr_array(digits[0]))


def test_a_fit_that_ends_in_an_error_leaves_the_model(digits):
    X, y = digits
    model = network(max_iter=3).fit(X, y)
    before, loss = model.predict_proba(X), model.loss_
    for parameters, rows in (
        ({"early_stopping": True}, 5),  # too few for every class
        ({"hidden_layer_sizes": (3.5,)}, 500),
        ({"early_stopping": True, "scoring": lambda *_: np.nan}, 500),  # after the first epoch
        ({"solver": "sgd", "learning_rate_init": 1e30}, 500),
    ):
        refused = clone(model).set_params(**parameters)
        vars(refused).update({k: v for k, v in vars(model).items() if k not in parameters})
        with pytest.raises((ValueError, TypeError)):
            refused.fit(X[:rows], y[:rows])
        refused.set_params(**{name: model.get_params()[name] for name in parameters})
        np.testing.assert_array_equal(refused.predict_proba(X), before)
        assert refused.loss_ == loss
    assert isinstance(model.loss_, np.float64)


def test_ctrl_c_outside_of_epochs_leaves_the_model(digits, monkeypatch):
    """As lbfgs's, which scikit-learn does not make a warning of either."""
    X, y = digits
    model = network(max_iter=2).fit(X, y)
    before, attributes = model.predict_proba(X), set(vars(model))
    model.set_params(solver="lbfgs", alpha=1)
    monkeypatch.setattr("backprop.estimators.engine.DenseEngine.sum_of_squares", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert set(vars(model)) == attributes
    np.testing.assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize("weights", [{0: -1, 1: 1}, {0: np.nan, 1: 1}, {0: np.inf, 1: 1}])
def test_class_weights_are_finite_and_not_negative(digits, weights):
    with pytest.raises(ValueError, match=r"class_weight=.*expected finite weights of at least 0"):
        network(class_weight=weights).fit(digits[0], digits[1] > 4)


def test_ctrl_c_ends_a_fit_with_what_was_learnt(digits):
    def interrupt(model, X, y):
        if len(model.loss_curve_) == 3:
            raise KeyboardInterrupt
        return model.score(X, y)

    model = network(early_stopping=True, scoring=interrupt, max_iter=50)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model.fit(*digits)
    assert model.n_iter_ == 3
    assert model.predict(digits[0]).shape == (500,)
