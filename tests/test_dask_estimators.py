"""Estimators that Dask's workers train: the bits of one process, and all that estimators have."""

import copy
import pickle
import sys

import numpy as np
import pytest

import backprop as bp

distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from scipy.sparse import csr_matrix  # noqa: E402 - when scikit-learn is there
from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402

from backprop.estimators import on_dask  # noqa: E402 - when dask is there

RNG = np.random.default_rng(8)
X = RNG.normal(size=(143, 5))
LABELS = np.array(["red", "green", "blue"])[(X[:, :3] + 0.3 * RNG.normal(size=(143, 3))).argmax(1)]
NUMBERS = X @ RNG.normal(size=(5, 2)) + 1.0
WEIGHTS = RNG.random(143)
NAMES = list("abcde")
FEW = {"hidden_layer_sizes": (9, 7), "max_iter": 4, "batch_size": 30, "random_state": 0}
FEW |= {"shards": 4}

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


@pytest.fixture(scope="module", params=[1, 2], ids=lambda n: f"{n} workers")
def each_client(request):
    with started(request.param) as client:
        yield client


@pytest.fixture(scope="module")
def client():
    with started(2) as client:
        yield client


class started:
    """Workers that are threads of this process."""

    def __init__(self, n_workers):
        how = {"n_workers": n_workers, "threads_per_worker": 1, "processes": False}
        how["dashboard_address"] = None
        self.cluster = distributed.LocalCluster(**how)

    def __enter__(self):
        self.client = distributed.Client(self.cluster)
        return self.client

    def __exit__(self, *error):
        self.client.close()
        self.cluster.close()


def rows(array, n=40):
    return da.from_array(array, chunks=(n, *array.shape[1:]))


def table(**columns):
    return dd.from_pandas(pd.DataFrame(X, columns=NAMES).assign(**columns), npartitions=4)


def arrays(model):
    return [array.tobytes() for array in (*model.coefs_, *model.intercepts_)]


@pytest.fixture
def twins(monkeypatch):
    """Of each network that is trained, the copy that this process trains on the same rows."""
    made = []

    def fit_blocks(net, pieces, *, shards, client, **options):
        own, fit = copy.deepcopy((net, options))
        whole = (None if one is None else np.concatenate(client.gather(one)) for one in pieces)
        x, y, sample_weight = whole
        own.fit(x, y, sample_weight=sample_weight, shards=shards, **fit)
        made.append(own)
        return real(net, pieces, shards=shards, client=client, **options)

    real = on_dask.fit_blocks
    monkeypatch.setattr(on_dask, "fit_blocks", fit_blocks)
    return made


KINDS = {
    "classes": (bp.DaskMLPClassifier, LABELS, {}),
    "two classes": (bp.DaskMLPClassifier, X[:, 0] > 0, {"dropout": 0.1, "norm": "layer"}),
    "several labels": (bp.DaskMLPClassifier, (X[:, :3] > 0).astype(int), {}),
    "weights of classes": (bp.DaskMLPClassifier, LABELS, {"class_weight": {"red": 3.0}}),
    "average": (bp.DaskMLPClassifier, LABELS, {"average": bp.EMA()}),
    "another loss": (bp.DaskMLPClassifier, LABELS, {"loss": "focal", "schedule": "cosine"}),
    "numbers": (bp.DaskMLPRegressor, NUMBERS, {}),
    "inverse scaling": (
        bp.DaskMLPRegressor,
        NUMBERS[:, 0],
        {"solver": "sgd", "learning_rate": "invscaling"},
    ),
    "adaptive": (
        bp.DaskMLPRegressor,
        NUMBERS,
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 9.0, "n_iter_no_change": 1},
    ),
    "quantiles": (bp.DaskMLPRegressor, NUMBERS[:, 0], {"loss": "quantile", "solver": "adamw"}),
    "in order": (bp.DaskMLPRegressor, NUMBERS, {"shuffle": False, "loss": "gaussian_nll"}),
}


@pytest.mark.parametrize("name", KINDS)
def test_weights_are_those_of_one_process(each_client, twins, name):
    kind, y, options = KINDS[name]
    model = kind(**FEW, **options).fit(rows(X), rows(y), rows(WEIGHTS))
    (own,) = twins
    own = own if options.get("average") is None else own.averaged()
    for ours, coefs, intercepts in zip(own.layers, model.coefs_, model.intercepts_, strict=True):
        assert ours.weights.tobytes() == coefs.tobytes()
        assert ours.bias.tobytes() == intercepts.tobytes()
    assert own.steps == model._engine.steps == 5 * model.n_iter_


@pytest.mark.long
def test_partitions_change_nothing(client):
    first, *others = (
        bp.DaskMLPClassifier(**FEW).fit(*data)
        for data in [
            (rows(X), rows(LABELS)),
            (rows(X, 143), rows(LABELS, 143)),  # fewer than workers
            (da.from_array(X, chunks=(20, 2)), rows(LABELS, 50)),
            (X, LABELS),
            (X.tolist(), LABELS.tolist()),
            (table(y=LABELS), "y"),
            (pd.DataFrame(X), pd.Series(LABELS)),
            (pd.DataFrame(X), LABELS.tolist()),
            (table()[NAMES], table(y=LABELS)["y"]),
            (table()[NAMES].to_dask_array(), table(y=LABELS)["y"]),  # of unknown sizes
            (table()[NAMES], table(y=pd.Categorical(LABELS))["y"]),
        ]
    )
    for other in others:
        assert arrays(other) == arrays(first)
        assert [*other.classes_] == ["blue", "green", "red"]
        assert other.loss_curve_ == first.loss_curve_


def test_partitions_without_rows(client):
    frame = table(y=LABELS)
    frame = dd.concat([frame[frame["a"] > 9], frame])
    model = bp.DaskMLPClassifier(**FEW).fit(frame[NAMES], frame["y"])
    assert arrays(model) == arrays(bp.DaskMLPClassifier(**FEW).fit(rows(X), rows(LABELS)))
    assert model.predict(frame[NAMES]).compute().tolist() == model.predict(pd_rows()).tolist()


def pd_rows():
    return pd.DataFrame(X, columns=NAMES)


def test_initial_weights_are_the_estimators(client):
    """Of one step of a tiny rate."""
    how = {"hidden_layer_sizes": (9,), "max_iter": 1, "random_state": 3, "solver": "sgd"}
    how |= {"learning_rate_init": 1e-12}
    ours = bp.DaskMLPClassifier(**how).fit(rows(X), rows(LABELS))
    np.testing.assert_allclose(ours.coefs_[0], bp.MLPClassifier(**how).fit(X, LABELS).coefs_[0])


def test_balanced_classes(client):
    counts = {one: np.count_nonzero(one == LABELS) for one in np.unique(LABELS)}
    weights = np.array([143 / (3 * counts[one]) for one in LABELS])
    balanced = bp.DaskMLPClassifier(**FEW, class_weight="balanced").fit(rows(X), rows(LABELS))
    weighted = bp.DaskMLPClassifier(**FEW).fit(rows(X), rows(LABELS), rows(weights))
    assert arrays(balanced) == arrays(weighted)


def test_what_is_fitted(client):
    model = bp.DaskMLPClassifier(**FEW).fit(table()[NAMES], table(y=LABELS)["y"])
    assert [*model.feature_names_in_] == NAMES
    assert (model.n_features_in_, model.n_outputs_, model.n_layers_) == (5, 3, 4)
    assert (model.n_iter_, model.t_, model.out_activation_) == (4, 4 * 143, "softmax")
    assert len(model.loss_curve_) == 4
    assert model.loss_ == model.loss_curve_[-1] == model.best_loss_
    assert model.validation_scores_ is model.best_validation_score_ is None
    assert model.to_sklearn().predict(pd_rows()).tolist() == model.predict(pd_rows()).tolist()


def test_float32(client):
    model = bp.DaskMLPRegressor(**FEW).fit(rows(X.astype("f4")), rows(NUMBERS))
    assert model.coefs_[0].dtype == np.float32
    assert model.predict(rows(X.astype("f4"))).dtype == np.float32


# ---- predictions --------------------------------------------------------------------------------


def test_predictions_of_collections_are_lazy(client):
    model = bp.DaskMLPClassifier(**FEW).fit(table()[NAMES], table(y=LABELS)["y"])
    plain = pd_rows()
    for method in ("predict", "predict_proba", "predict_log_proba"):
        found, expected = getattr(model, method)(table()[NAMES]), getattr(model, method)(plain)
        assert isinstance(found, da.Array)
        assert (found.dtype, found.ndim) == (expected.dtype, expected.ndim)
        np.testing.assert_array_equal(found.compute(), expected)
    scored = model.score(table()[NAMES], table(y=LABELS)["y"])
    assert scored == model.score(plain, LABELS) == model.score(plain, rows(LABELS))


def test_predictions_of_arrays(client):
    model = bp.DaskMLPRegressor(**FEW, loss="quantile").fit(rows(X), rows(NUMBERS[:, 0]))
    model.client = client
    found = model.predict_all(da.from_array(X, chunks=(50, 2)))
    assert found.chunks == ((50, 50, 43), (model.predict_all(X).shape[1],))
    np.testing.assert_array_equal(found.compute(), model.predict_all(X))
    assert model.predict(rows(X)).chunks == ((40, 40, 40, 23),)
    y, weights = NUMBERS[:, 0], WEIGHTS
    scored = model.score(rows(X), rows(y), rows(weights))
    assert scored == pytest.approx(model.score(X, y, weights), rel=1e-12)


def test_a_later_fit_leaves_predictions_that_are_not_computed_yet(client):
    model = bp.DaskMLPRegressor(**FEW).fit(rows(X), rows(NUMBERS))
    expected, lazy = model.predict(X), model.predict(rows(X))
    model.set_params(random_state=1).fit(rows(X), rows(NUMBERS))
    np.testing.assert_array_equal(lazy.compute(), expected)


def test_other_columns_than_the_fits_are_refused(client):
    model = bp.DaskMLPRegressor(**FEW).fit(table()[NAMES], table(y=NUMBERS[:, 0])["y"])
    with pytest.raises(ValueError, match="feature names should match those that were passed"):
        model.predict(table()[NAMES[::-1]])
    model = bp.DaskMLPRegressor(**FEW).fit(rows(X), rows(NUMBERS))
    with pytest.raises(ValueError, match="X has 4 features, but DaskMLPRegressor is expecting 5"):
        model.predict(rows(X[:, :4]))
    with pytest.raises(ValueError, match="X has 1 dimensions"):
        model.predict(rows(X[:, 0]))


# ---- copies -------------------------------------------------------------------------------------


def test_copies(client):
    model = bp.DaskMLPClassifier(**FEW, client=client).fit(rows(X), rows(LABELS))
    assert model.get_params()["client"] is client
    copied = copy.deepcopy(model)
    assert copied.client is client
    read = pickle.loads(pickle.dumps(model))
    assert read.client is None
    for one in (copied, read):
        assert arrays(one) == arrays(model)
        assert one.predict(X).tolist() == model.predict(X).tolist()
    again = clone(model)
    assert again.client is client
    assert not hasattr(again, "coefs_")
    assert arrays(again.fit(rows(X), rows(LABELS))) == arrays(model)


def test_a_fit_that_fails_leaves_the_model(client):
    model = bp.DaskMLPClassifier(**FEW).fit(rows(X), rows(LABELS))
    before = arrays(model)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.fit(rows(np.where(X > 2, np.nan, X)), rows(LABELS))
    assert arrays(model) == before


# ---- when a fit ends ----------------------------------------------------------------------------


def test_a_loss_that_no_longer_falls_ends_a_fit(client, capfd):
    how = {**FEW, "max_iter": 50, "tol": 0.05, "n_iter_no_change": 3, "verbose": True}
    model = bp.DaskMLPClassifier(**how, learning_rate_init=0.01).fit(rows(X), rows(LABELS))
    assert 4 < model.n_iter_ < 50
    curve = np.array(model.loss_curve_)
    assert (curve[-4:] > np.minimum.accumulate(curve)[-5:-1] - 0.05).all()
    printed = capfd.readouterr().out
    assert f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}" in printed
    assert "Training loss did not improve more than tol=0.050000 for 3 consecutive" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_iter": 2}, r"Maximum iterations \(2\)"),
        ({"max_iter": 10**6, "tol": 0.0, "max_seconds": 0.1}, r"max_seconds \(0.1\)"),
    ],
)
@pytest.mark.filterwarnings("default:Stochastic Optimizer")
def test_ends_that_are_warned_of(client, options, message):
    with pytest.warns(ConvergenceWarning, match=message):
        bp.DaskMLPRegressor(**{**FEW, **options}).fit(rows(X), rows(NUMBERS))


def test_divergence(client):
    model = bp.DaskMLPRegressor(**FEW, solver="sgd", learning_rate_init=1e9)
    with pytest.raises(ValueError, match="Solver produced a non-finite loss"):
        model.fit(rows(X), rows(NUMBERS))


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"early_stopping": True},
            "early_stopping=True of DaskMLPClassifier: expected False",
        ),
        ({"warm_start": True}, "warm_start=True of DaskMLPClassifier: expected False"),
        ({"warm_start": "moments"}, "warm_start='moments' of DaskMLPClassifier: expected False"),
        ({"preprocess": "auto"}, "preprocess='auto' of DaskMLPClassifier: expected None"),
        ({"preset": "tabular"}, "preset='tabular' of DaskMLPClassifier: expected None"),
        ({"scoring": "loss"}, "scoring='loss' of DaskMLPClassifier: expected None, since no rows"),
        ({"calibrate": True}, "calibrate=True of DaskMLPClassifier: expected False"),
        ({"solver": "lbfgs"}, "solver='lbfgs' of DaskMLPClassifier: expected one that takes steps"),
        ({"solver": bp.LBFGS()}, "solver=LBFGS.* of DaskMLPClassifier: expected one that takes"),
        ({"verbose": "bar"}, "verbose='bar' of DaskMLPClassifier: expected True or False"),
        ({"norm": "batch"}, r"shards=4 with layers\[0\] norm='batch', which takes its mean"),
        ({"accumulate": 2}, "shards=4 with accumulate=2: expected 1 and a batch_size"),
        ({"solver": bp.Adam(accumulate=2)}, "shards=4 with accumulate=2: expected 1"),
        ({"shards": 0}, "The 'shards' parameter of DaskMLPClassifier must be an int in the range"),
        ({"class_weight": [{0: 1.0}]}, "class_weight=.*: expected a dict, or 'balanced'"),
        ({"class_weight": {"red": -1.0}}, "class_weight=.*: expected finite weights of at least 0"),
        ({"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes must be > 0"),
        ({"shards": 3}, "shards=3 need 3 workers, or that times 2, 4 and so on: there are 2"),
    ],
)
def test_parameters_that_are_refused(client, options, message):
    with pytest.raises(ValueError, match=message):
        bp.DaskMLPClassifier(**{**FEW, **options}).fit(rows(X), rows(LABELS))


def test_refused_before_anything_is_computed(client):
    def computed(block):
        raise AssertionError

    x = rows(X).map_blocks(computed, meta=X[:0])
    for options in ({"early_stopping": True}, {"solver": "lbfgs"}, {"norm": "batch"}):
        with pytest.raises(ValueError, match="expected"):
            bp.DaskMLPClassifier(**FEW, **options).fit(x, rows(LABELS))
    with pytest.raises(ValueError, match=r"X has columns 'y' \(.*\): expected numbers"):
        bp.DaskMLPClassifier(**FEW).fit(table(y=LABELS), rows(LABELS))


@pytest.mark.parametrize(
    ("x", "y", "weights", "message"),
    [
        (X, rows(LABELS), None, "X: expected a dask array, DataFrame or Series, got ndarray"),
        (rows(X), LABELS, None, "y: expected a dask array, DataFrame or Series, got ndarray"),
        (rows(X), rows(LABELS[:99]), None, "y has 99 rows: expected 143, as X has"),
        (rows(X), table(y=LABELS)["y"].partitions[:2], None, "y has 2 partitions: expected 4"),
        (rows(X), table(y=LABELS)["y"], None, "inconsistent numbers of samples"),
        (X, LABELS[:99], None, "inconsistent numbers of samples"),
        (table(y=LABELS), "z", None, "X has no column 'z'"),
        ("rows.parquet", LABELS, None, "X has 0 dimensions"),
        (csr_matrix(X), LABELS, None, "X is sparse: expected a dask array of numpy arrays"),
        (rows(X).map_blocks(csr_matrix), rows(LABELS), None, "X is sparse: expected"),
        (rows(X[:, 0]), rows(LABELS), None, "X has 1 dimensions"),
        (rows(X), rows(X[:, 0]), None, "Unknown label type: continuous"),
        (rows(X), rows(LABELS), rows(WEIGHTS - 0.5), "sample_weight has values from -"),
        (rows(X), rows(LABELS), rows(0 * WEIGHTS), "must contain at least one non-zero number"),
        (rows(X)[:0], rows(LABELS)[:0], None, "X has no rows: expected at least one"),
    ],
)
def test_data_that_are_refused(client, x, y, weights, message):
    with pytest.raises((ValueError, TypeError), match=message):
        bp.DaskMLPClassifier(**FEW).fit(x, y, weights)


def test_counts_below_0(client):
    with pytest.raises(ValueError, match=r"y has values down to -.*loss='poisson' expects 0 or"):
        bp.DaskMLPRegressor(**FEW, loss="poisson").fit(rows(X), rows(NUMBERS[:, 0]))


def test_there_is_no_partial_fit():
    model = bp.DaskMLPRegressor()
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        model.partial_fit(X, NUMBERS)


def test_weights_of_classes_with_several_labels(client):
    model = bp.DaskMLPClassifier(**FEW, class_weight={0: 1.0, 1: 2.0})
    with pytest.raises(ValueError, match=r"class_weight=.*: expected one label a row, and y has"):
        model.fit(rows(X), rows((X[:, :3] > 0).astype(int)))


def test_dask_that_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "backprop.estimators.on_dask")
    monkeypatch.delattr(bp.estimators, "on_dask")
    monkeypatch.delitem(vars(bp), "DaskMLPClassifier", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'backprop-mlp\[dask,sklearn\]'"):
        bp.DaskMLPClassifier  # noqa: B018 - is looked up
