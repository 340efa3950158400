"""The short way of small calls: nothing but the time tells it from the long one."""

import copy

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn import neural_network as sk

import backprop as bp
from backprop.estimators.base import CoreEstimator
from backprop.estimators.direct import Direct

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
KINDS = {
    "two": (bp.MLPClassifier, lambda y: y > 4),
    "classes": (bp.MLPClassifier, lambda y: y),
    "words": (bp.MLPClassifier, lambda y: np.array(list("abcdefghij"))[y]),
    "one number": (bp.MLPRegressor, lambda y: y / 10),
    "numbers": (bp.MLPRegressor, lambda y: np.c_[y, -y, y**2] / 10),
}


@pytest.fixture(params=KINDS)
def made(request, digits):
    """(A model after a first call, rows, targets)."""
    make, targets = KINDS[request.param]
    X, y = digits[0], targets(digits[1])
    model = make(hidden_layer_sizes=(9, 8), random_state=0)
    first = {"classes": np.unique(y)} if make is bp.MLPClassifier else {}
    return model.partial_fit(X[:100], y[:100], **first), X, y


def only_short(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the long way was taken")

    monkeypatch.setattr(CoreEstimator, "_fit", refuse)
    monkeypatch.setattr(CoreEstimator, "_outputs_of", refuse)


def without_short(monkeypatch):
    monkeypatch.setattr(Direct, "_direct_engine", lambda self: None)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_gives_the_same_bits(made, monkeypatch, dtype):
    short, X, y = made
    X, long = X.astype(dtype), copy.deepcopy(made[0])
    with monkeypatch.context() as patched:
        only_short(patched)
        for start in range(100, 400, 32):
            assert short.partial_fit(X[start : start + 32], y[start : start + 32]) is short
        found = short.predict(X[:5])
    without_short(monkeypatch)
    for start in range(100, 400, 32):
        long.partial_fit(X[start : start + 32], y[start : start + 32])
    for mine, its in zip(short.coefs_, long.coefs_, strict=True):
        np.testing.assert_array_equal(mine, its)
    expected = long.predict(X[:5])
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    for name in ("n_iter_", "t_", "loss_", "loss_curve_", "best_loss_", "_no_improvement_count"):
        assert getattr(short, name) == getattr(long, name), name
    assert vars(short).keys() == vars(long).keys()


def test_a_single_precision_model_predicts_scikit_learns_types(digits, monkeypatch):
    X, y = digits[0].astype(np.float32), digits[1]
    model = bp.MLPClassifier(max_iter=2, random_state=0).fit(X, y)
    only_short(monkeypatch)
    assert model.predict_proba(X[:1]).dtype == np.float32
    assert model.predict_proba(X[:1].astype(float)).dtype == np.float64


def test_parameters_that_change_are_read_anew(digits):
    X, y = digits
    options = {"hidden_layer_sizes": (9,), "random_state": 0}
    ours, its = bp.MLPRegressor(**options), sk.MLPRegressor(**options)
    for model in (ours, its):
        model.partial_fit(X[:32], y[:32]).partial_fit(X[32:64], y[32:64])
        model.set_params(alpha=5.0).partial_fit(X[:32], y[:32]).partial_fit(X[32:64], y[32:64])
        model.set_params(shuffle=False, activation="tanh").partial_fit(X[:32], y[:32])
        model.coefs_[0][...] *= 2
        model.intercepts_[1] = model.intercepts_[1] + 1
    np.testing.assert_allclose(ours.predict(X[:1]), its.predict(X[:1]), rtol=1e-9)
    ours.out_activation_ = its.out_activation_ = "logistic"
    np.testing.assert_allclose(ours.predict(X[:1]), its.predict(X[:1]), rtol=1e-9)


def test_lists_that_are_written_into_are_read_anew(digits):
    X, y = digits[0][:100], digits[1][:100] / 10
    options = {"hidden_layer_sizes": [9, 9], "random_state": 0}
    model = bp.MLPRegressor(activation=["relu", "tanh"], **options).partial_fit(X, y)
    model.activation[0] = "tanh"
    expected = bp.MLPRegressor(activation="tanh", warm_start=True, **options).partial_fit(X, y)
    for name in ("coefs_", "intercepts_"):
        setattr(expected, name, [array.copy() for array in getattr(model, name)])
    np.testing.assert_array_equal(model.predict(X[:1]), expected.predict(X[:1]))


WRONG = {
    "nan": (lambda X, y: (np.where(X > 0.9, np.nan, X), y), "Input X contains NaN"),
    "infinity": (lambda X, y: (np.where(X > 0.9, np.inf, X), y), "Input X contains infinity"),
    "narrow": (lambda X, y: (X[:, :5], y), "X has 5 features"),
    "no rows": (lambda X, y: (X[:0], y[:0]), "0 sample"),
    "few targets": (lambda X, y: (X, y[:3]), "inconsistent numbers of samples"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_as_ever(made, name):
    model, X, y = made
    model.partial_fit(X[:32], y[:32])
    before, n = model.coefs_[0].copy(), len(model.loss_curve_)
    make, message = WRONG[name]
    given = make(X[:32], y[:32])
    with pytest.raises(ValueError, match=message):
        model.partial_fit(*given)
    if name != "few targets":
        with pytest.raises(ValueError, match=message):
            model.predict(given[0])
    np.testing.assert_array_equal(model.coefs_[0], before)
    assert len(model.loss_curve_) == n


def test_unknown_labels_and_targets_that_are_no_numbers(digits):
    X, y = digits
    model = bp.MLPClassifier((9,)).partial_fit(X, y, classes=range(10))
    with pytest.raises(ValueError, match=r"`y` has classes not in `self.classes_`"):
        model.partial_fit(X[:32], y[:32] + 100)
    model = bp.MLPRegressor(hidden_layer_sizes=(9,)).partial_fit(X, y / 10)
    before = model.coefs_[0].copy()
    with pytest.raises(ValueError, match="Input y contains NaN"):
        model.partial_fit(X[:32], y[:32] * np.nan)
    np.testing.assert_array_equal(model.coefs_[0], before)


def test_batches_before_one_that_diverges_are_trained_on_once(digits):
    X, y = digits[0][:60], digits[1][:60] / 10
    options = {"hidden_layer_sizes": (9,), "batch_size": 20, "shuffle": False, "random_state": 0}
    model = bp.MLPRegressor(**options).partial_fit(X, y).partial_fit(X, y)
    expected = copy.deepcopy(model).partial_fit(X[:40], y[:40])
    attributes = {name: getattr(model, name) for name in ("t_", "n_iter_", "loss_", "best_loss_")}
    with pytest.raises(ValueError, match="non-finite loss"):
        model.partial_fit(np.concatenate([X[:40], X[40:] * 1e200]), y)
    np.testing.assert_array_equal(model.coefs_[0], expected.coefs_[0])
    assert {name: getattr(model, name) for name in attributes} == attributes
    assert len(model.loss_curve_) == 2


def test_a_generator_stands_where_it_stood_after_a_refusal(digits):
    X, y = digits[0][:32], digits[1][:32] / 10
    generator = np.random.RandomState(0)
    model = bp.MLPRegressor(hidden_layer_sizes=(9,), random_state=generator)
    model.partial_fit(X, y).partial_fit(X, y)
    expected = copy.deepcopy(generator)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.partial_fit(X * np.nan, y)
    assert generator.random() == expected.random()


def table(n=40):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc"))
    return frame.assign(b=np.where(frame["b"] > 0, frame["b"], np.nan)), frame["a"] * 2


def with_words(frame):
    import pandas as pd

    words = np.where(frame["a"] > 0, "yes", "no")
    return frame.assign(d=pd.Categorical(words), e=words, f=frame["a"] > 0)


def without_gaps(frame):
    return frame.fillna(0.1)


@pytest.mark.parametrize("preprocess", [None, "auto"])
@pytest.mark.parametrize("form", [without_gaps, with_words, lambda X: X, np.asarray])
def test_rows_of_frames_are_predicted_to_the_same_bits(monkeypatch, form, preprocess):
    frame, y = table()
    X = form(frame)
    if preprocess is None and form is not without_gaps:
        pytest.skip("needs preprocessing")
    model = bp.MLPRegressor(preprocess=preprocess, max_iter=5, random_state=0).fit(X, y)
    rows = [X[i : i + 1] for i in range(len(X))]
    short = [model.predict(row) for row in rows]
    if form is without_gaps or form is with_words:
        with monkeypatch.context() as patched:
            only_short(patched)
            model.predict(rows[int(np.flatnonzero(frame["b"] > 0)[0])])
    without_short(monkeypatch)
    np.testing.assert_array_equal(short, [model.predict(row) for row in rows])


def test_what_is_new_in_a_row_is_said():
    frame, y = table()
    X = with_words(frame)
    model = bp.MLPRegressor(preprocess="auto", max_iter=2, random_state=0).fit(X, y)
    model.predict(X[:1])
    for other, message in (
        (X[:1].assign(a=99.0), "far outside"),
        (X[:1].assign(a=np.nan), "1 missing value"),
        (X[:1].assign(e="perhaps"), "not seen in training"),
    ):
        with pytest.warns(UserWarning, match=message):
            model.predict(other)
    with pytest.raises(ValueError, match="column 'a' has to be numbers"):
        model.predict(X[:1].assign(a="1.5x"))
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(X[:1][list("bacdef")])
