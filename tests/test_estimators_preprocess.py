"""``preprocess="auto"``: tables as they are, in the estimators."""

import copy
import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import backprop as bp
from backprop.estimators import frames

pd = pytest.importorskip("pandas", reason="pandas is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    n = 400
    area, colour = rng.uniform(20, 200, n), rng.choice(["red", "green", "blue"], n)
    rooms = rng.integers(1, 6, n).astype(float)
    price = 3 * area + 40 * rooms + np.where(colour == "red", 100, 0)
    rooms[::7] = np.nan
    table = pd.DataFrame(
        {
            "area": area,
            "colour": pd.Categorical(colour),
            "rooms": rooms,
            "note": pd.array(np.where(rng.random(n) < 0.3, None, "seen"), dtype="string"),
            "new": rng.random(n) < 0.5,
        }
    )
    return table, price


def test_a_frame_with_categories_and_gaps(frame):
    table, price = frame
    options = {"hidden_layer_sizes": (32,), "max_iter": 400, "random_state": 0}
    model = bp.MLPRegressor(preprocess="auto", **options)
    target = (price - price.mean()) / price.std()
    model.fit(table, target)
    assert model.score(table, target) > 0.95
    assert model.preprocessing_.input_names() == [
        "area",
        "colour=blue",
        "colour=green",
        "colour=red",
        "rooms",
        "rooms is missing",
        "note=seen",
        "note is missing",
        "new",
    ]
    assert list(model.feature_names_in_) == list(table.columns)
    assert model.n_features_in_ == 5
    other = table.iloc[:9].copy()
    other["colour"] = other["colour"].astype(str)
    np.testing.assert_allclose(model.predict(other), model.predict(table.iloc[:9]))
    kept = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(kept.predict(table), model.predict(table))
    assert model.explain(table.iloc[:3], target[:3]).input_names[1] == "colour=blue"
    assert model.input_gradients(table.iloc[:3]).shape == (3, 9)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table.rename(columns={"area": "size"}))
    with pytest.raises(ValueError, match=r"convert|cast"):
        bp.MLPRegressor().fit(table, target)


def test_it_is_the_preprocessing_of_backprop_train(frame, tmp_path):
    from backprop.tabular.preprocessing import Preprocessing
    from backprop.tabular.tables import read

    table, price = frame
    table.assign(price=price, new=table["new"].astype(float)).to_csv(
        tmp_path / "flats.csv", index=False
    )
    data = read(tmp_path / "flats.csv")
    trained = Preprocessing().fit(data, "price")
    model = bp.MLPRegressor(max_iter=2, preprocess="auto").fit(table, price)
    assert model.preprocessing_.columns == trained.columns


def test_early_stopping_on_frames(frame):
    table, price = frame
    model = bp.MLPClassifier(max_iter=40, preprocess="auto", early_stopping=True, random_state=0)
    y = price > np.median(price)
    model.fit(table.iloc[:300], y[:300], eval_set=(table.iloc[300:], y[300:]))
    assert model.score(table.iloc[300:], y[300:]) == model.best_validation_score_ > 0.8
    model.set_params(scoring="loss").fit(table, y)
    assert model.best_validation_score_ < 0


def as_table(X, preprocessing=None):
    return frames.as_table(X, frames.frame_of(X), preprocessing)


# ---- what a column is --------------------------------------------------------------------------


def fitted(table, y=None, **options):
    options = {"max_iter": 3, "random_state": 0, **options}
    y = np.arange(table.shape[0]) % 5.0 if y is None else y
    return bp.MLPRegressor(preprocess="auto", **options).fit(table, y)


@pytest.mark.parametrize("dtype", ["object", "str"])
def test_a_row_is_predicted_alike_alone_and_among_others(dtype):
    table = pd.DataFrame({"a": np.arange(300.0) % 7, "s": ["01", "02", "A3"] * 100})
    table["s"] = table["s"].astype(dtype)
    model = fitted(table, table.a)
    together = model.predict(table)
    for i in range(3):
        assert model.predict(table.iloc[[i]]) == pytest.approx(together[i], rel=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda values: pd.Series(pd.Categorical(values)),
        lambda values: pd.Series(values).astype(str).astype("string"),
        lambda values: pd.Series(values).astype(str).astype("str"),
        lambda values: pd.Series(values).astype(str).astype(arrow()),
    ],
    ids=["category", "string", "str", "arrow"],
)
def test_categories_and_strings_are_text_whatever_they_look_like(make):
    table = pd.DataFrame({"c": make([1, 2, 3] * 10)})
    assert fitted(table).preprocessing_.input_names() == ["c=1", "c=2", "c=3"]


def test_a_word_is_made_of_a_category_and_not_of_each_row(monkeypatch):
    """Large tables are read in about the time that the network takes, and not in ten times it."""
    made = []
    word = frames._word
    monkeypatch.setattr(frames, "_word", lambda *given: (made.append(given), word(*given))[1])
    numbers = pd.Categorical([3, 1, None, 2] * 100)
    table = pd.DataFrame({"c": numbers, "s": ["a", "b"] * 200, "o": ["a", "b"] * 200})
    table["o"] = table["o"].astype(object)
    found = as_table(table)
    assert len(made) < 10
    assert found.column("c").tolist() == ["3", "1", None, "2"] * 100
    assert found.column("s").tolist() == found.column("o").tolist() == ["a", "b"] * 200
    text = table[["s", "o"]].to_numpy(dtype="U")
    assert as_table(text).column("x1").tolist() == ["a", "b"] * 200
    assert len(made) < 10


def arrow():
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return pd.ArrowDtype(pa.string())


def test_objects_are_numbers_where_all_of_them_are():
    table = pd.DataFrame({"n": ["1.5", None, 3] * 10, "t": ["1.5", None, "x"] * 10}, dtype=object)
    names = fitted(table).preprocessing_.input_names()
    assert names == ["n", "n is missing", "t=1.5", "t=x", "t is missing"]
    array = table.to_numpy()
    assert fitted(array).preprocessing_.input_names()[:3] == ["x0", "x0 is missing", "x1=1.5"]


def test_numbers_among_objects_are_not_read_from_text(monkeypatch):
    """Unless text is what was learned; and they are the numbers that would have been read."""
    values = [1, None, 0.1, np.nan, -3.0, np.float32(0.1), np.int64(2**53 + 1), 1e-300]
    X = np.array([[value, "x"] for value in values], dtype=object)
    read = frames.as_numbers(frames._text(X[:, 0], None))
    table = pd.DataFrame({"t": ["1", "x"] * 20, "n": [1.5, 2.5] * 20}, dtype=object)
    preprocessing = fitted(table).preprocessing_
    monkeypatch.setattr(frames, "_word", None)
    np.testing.assert_array_equal(as_table(X).column("x0"), read)
    assert as_table(table, preprocessing).column("n").dtype == np.float64
    monkeypatch.undo()
    numbers = table.assign(t=[1, 2] * 20).astype(object)
    assert as_table(numbers, preprocessing).column("t").tolist() == ["1", "2"] * 20


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pd.period_range("2020-01-01", periods=10), "period"),
        (np.arange(10) * 1j, "complex128"),
    ],
    ids=["period", "complex"],
)
def test_what_is_neither_is_refused(values, kind):
    table = pd.DataFrame({"x": range(10), "when": values})
    with pytest.raises(ValueError, match=f"column 'when' is {kind}.*: preprocess='auto' expects"):
        fitted(table)


def test_sparse_rows_are_refused():
    X = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ValueError, match="X is sparse: preprocess='auto' expects a DataFrame"):
        fitted(sparse.csr_array(X))
    model = fitted(X)
    with pytest.raises(ValueError, match="X is sparse"):
        model.predict(sparse.csr_array(X))


def test_what_is_not_used_is_said(frame):
    table, price = frame
    table = table.assign(no=np.arange(len(table)), name=[f"n{i}" for i in range(len(table))])
    with pytest.warns(UserWarning, match=r"does not use 'no' \(counts the rows\), 'name' \(text"):
        fitted(table, price)


def test_what_was_not_seen_is_said(frame):
    table, price = frame
    model = fitted(table, price)
    other = table.iloc[:5].assign(colour="mauve")
    with pytest.warns(UserWarning, match=r"colour: 5 values not seen in training \('mauve'\)"):
        predicted = model.predict(other)
    nothing = model._inputs(table.iloc[:5])
    nothing[:, 1:4] = 0  # no category
    found = model._decided(model._engine.predict(nothing))
    np.testing.assert_allclose(predicted, found, rtol=1e-5)


def test_single_precision_stays():
    table = pd.DataFrame(
        {"x": np.arange(30, dtype="f4"), "n": np.arange(30) % 4, "s": ["a", "b", "c"] * 10}
    )
    assert fitted(table).coefs_[0].dtype == np.float32
    assert fitted(table.to_numpy(dtype=object)).coefs_[0].dtype == np.float64
    assert fitted(table.assign(y=np.arange(30.0) ** 2)).coefs_[0].dtype == np.float64


def test_an_array_after_a_frame(frame):
    """As scikit-learn takes it: a warning, and the columns by their position."""
    table, price = frame
    model = fitted(table, price)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        found = model.predict(table.to_numpy(dtype=object))
    np.testing.assert_allclose(found, model.predict(table))


# ---- with the rest -----------------------------------------------------------------------------


@pytest.mark.parametrize("scoring", [None, "loss", "balanced_accuracy", "neg_log_loss", "callable"])
@pytest.mark.parametrize("preprocess", [None, "auto"])
def test_every_score_of_frames(frame, scoring, preprocess):
    """Without a warning about names at each iteration."""
    table, price = frame
    table = table if preprocess else table[["area", "new"]]
    y = price > np.median(price)
    given = (lambda model, X, y: model.score(X, y)) if scoring == "callable" else scoring
    options = {"max_iter": 5, "random_state": 0, "early_stopping": True}
    model = bp.MLPClassifier(preprocess=preprocess, scoring=given, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(table.iloc[:300], y[:300], eval_set=(table.iloc[300:], y[300:]))
    if scoring == "neg_log_loss":
        assert model.best_validation_score_ < 0
    elif scoring in (None, "callable"):
        assert model.score(table.iloc[300:], y[300:]) == model.best_validation_score_


@pytest.mark.parametrize("scoring", ["r2", lambda model, X, y: model.score(X, y)])
def test_what_is_scored_is_prepared_once(scoring):
    """Also where as many columns go into the network as there are in the table."""
    X = np.random.default_rng(0).normal(1, 3, size=(60, 4))
    options = {"preprocess": "auto", "early_stopping": True, "max_iter": 5, "random_state": 0}
    expected = bp.MLPRegressor(**options).fit(X, X[:, 0]).validation_scores_
    found = bp.MLPRegressor(scoring=scoring, **options).fit(X, X[:, 0]).validation_scores_
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_nothing_is_learned_from_what_is_held_out(frame):
    table, price = frame
    y = price > np.median(price)
    options = {"early_stopping": True, "max_iter": 3, "random_state": 0}
    model = bp.MLPClassifier(preprocess="auto", **options).fit(table, y)
    trained, held_out = model._split(len(y), y, 0)
    assert len(held_out) == 40
    (area, *_) = model.preprocessing_.columns
    assert area.mean == pytest.approx(table["area"].to_numpy()[trained].mean(), rel=1e-12)
    assert model.t_ == 3 * len(trained)
    weight = np.random.default_rng(0).integers(0, 4, len(y)).astype(float)
    model.fit(table, y, sample_weight=weight)
    mean = np.average(table["area"].to_numpy()[trained], weights=weight[trained])
    assert model.preprocessing_.columns[0].mean == pytest.approx(mean, rel=1e-12)


def test_in_a_pipeline_and_a_search(frame):
    table, price = frame
    target = (price - price.mean()) / price.std()
    model = bp.MLPRegressor(preprocess="auto", max_iter=100, random_state=0)
    piped = make_pipeline(FunctionTransformer(), model).fit(table, target)
    np.testing.assert_array_equal(piped.predict(table), model.fit(table, target).predict(table))
    search = GridSearchCV(model, {"alpha": [1e-4, 100.0]}, cv=3).fit(table, target)
    assert search.best_params_ == {"alpha": 1e-4}
    assert search.best_score_ > 0.8


@pytest.mark.parametrize("early", [False, True])
def test_targets_are_checked_as_without(frame, early):
    table = frame[0][:60]
    options = {"early_stopping": early, "max_iter": 2, "random_state": 0}
    wrong = [np.array(list("abc") * 20), np.arange(60).astype("M8[D]"), sparse.csr_array((60, 2))]
    for y in (*wrong, np.zeros((60, 2, 2)), [], 3):
        found = []
        for preprocess, X in (("auto", table), (None, table[["area"]])):
            with pytest.raises((ValueError, TypeError)) as raised:
                bp.MLPRegressor(preprocess=preprocess, **options).fit(X, y)
            found.append(str(raised.value))
        assert found[0] == found[1]
    with pytest.raises(ValueError, match="requires y to be passed"):
        bp.MLPRegressor(preprocess="auto", **options).fit(table, None)


@pytest.mark.parametrize("early", [False, True])
def test_labels_may_be_sparse(frame, early):
    table = frame[0][:60]
    labels = np.random.default_rng(0).integers(0, 2, (60, 3))
    options = {"preprocess": "auto", "early_stopping": early, "max_iter": 3, "random_state": 0}
    given, expected = (
        bp.MLPClassifier(**options).fit(table, y) for y in (sparse.csr_array(labels), labels)
    )
    np.testing.assert_array_equal(given.predict_proba(table), expected.predict_proba(table))


def test_in_parts(frame):
    """What the first call learned holds for those after it."""
    table, price = frame
    model = bp.MLPRegressor(preprocess="auto", random_state=0)
    model.partial_fit(table.iloc[:200], price[:200])
    learned = model.preprocessing_
    model.partial_fit(table.iloc[200:], price[200:])
    assert model.preprocessing_ is learned
    by_hand = bp.MLPRegressor(random_state=0)
    for rows in (slice(0, 200), slice(200, None)):
        scaled = (price[rows] - model.target_scale_[0]) / model.target_scale_[1]
        by_hand.partial_fit(model._inputs(table.iloc[rows]), scaled)
    np.testing.assert_allclose(model.coefs_[0], by_hand.coefs_[0], rtol=1e-12)


@pytest.mark.parametrize(
    "column",
    [[f"{i:04d}" for i in range(60)], pd.Categorical(range(60))],
    ids=["text", "categories"],
)
def test_a_text_column_of_distinct_numbers(column):
    """Such as ids and zip codes: text by their type, and dropped or kept as any text is."""
    frame = pd.DataFrame({"id": column, "x": np.random.default_rng(0).normal(size=60)})
    with pytest.warns(UserWarning, match="'id'"):
        model = bp.MLPRegressor(preprocess="auto", max_iter=2).fit(frame, frame["x"])
    assert model.preprocessing_.input_names() == ["x"]


def test_infinity_is_refused_in_a_frame_as_in_an_array():
    x = np.random.default_rng(0).normal(size=60)
    model = bp.MLPRegressor(preprocess="auto", max_iter=2).fit(pd.DataFrame({"a": x}), x)
    x[7] = np.inf
    for rows in (pd.DataFrame({"a": x}), x[:, None]):
        with pytest.raises(ValueError, match="infinity"):
            model.predict(rows)


@pytest.mark.parametrize("form", ["frame", "array"])
def test_nothing_is_refused_as_scikit_learn_does(frame, form):
    table, price = frame
    model = fitted(table, price)
    for empty, what in ((table.iloc[:0], "sample"), (table[[]], "feature")):
        given = empty if form == "frame" else empty.to_numpy(dtype=object)
        with pytest.raises(ValueError, match=rf"Found array with 0 {what}\(s\) \(shape="):
            clone(model).fit(given, price[: len(given)])
        with pytest.raises(ValueError, match=rf"Found array with 0 {what}\(s\) \(shape="):
            model.predict(given)


def test_one_row_of_a_frame_is_explained():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"b": rng.normal(size=60) > 0, "x": rng.normal(size=60)})
    model = bp.MLPRegressor(preprocess="auto", max_iter=2, random_state=0).fit(frame, frame["x"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace = model.explain(frame.iloc[3], frame["x"][3])
    assert trace.x.tolist() == model.explain(frame[3:4], frame["x"][3:4]).x.tolist()


def sent(model, X, y):
    """To another process, say."""
    assert not hasattr(pickle.loads(pickle.dumps(model)), "_fitting")  # whose rows may be many
    return pickle.loads(pickle.dumps(model)).score(X, y)


def copied(model, X, y):
    return copy.deepcopy(copy.copy(model)).score(X, y)


def converted(model, X, y):
    return model.to_sklearn().score(X, y)


@pytest.mark.parametrize(
    ("scorer", "prepared"),
    [(sent, True), (sent, False), (copied, True), (copied, False), (converted, False)],
)
def test_a_scorer_may_do_with_its_model_what_it_likes(frame, scorer, prepared):
    table, price = frame
    table = table if prepared else table[["area"]].to_numpy()
    options = {"early_stopping": True, "max_iter": 3, "random_state": 0}
    options["preprocess"] = "auto" if prepared else None
    plain = bp.MLPRegressor(**options).fit(table, price)
    model = bp.MLPRegressor(scoring=scorer, **options).fit(table, price)
    np.testing.assert_allclose(model.validation_scores_, plain.validation_scores_, rtol=1e-9)


def test_what_a_scorer_keeps_takes_tables(frame):
    table, price = frame
    kept, clones = [], []

    def keep(model, X, y):
        kept.append((copy.deepcopy(model), model.predict(table)))
        clones.append(clone(model))
        return model.score(X, y)

    options = {"early_stopping": True, "max_iter": 2, "random_state": 0}
    bp.MLPRegressor(scoring=keep, preprocess="auto", **options).fit(table, price)
    for model, predicted in kept:
        np.testing.assert_array_equal(model.predict(table), predicted)
    assert {type(model) for model in clones} == {bp.MLPRegressor}
    assert not np.array_equal(kept[0][1], kept[1][1])


def test_numbers_in_lists_are_numbers_beside_text():
    rows = [["a", 1.0], ["b", 2.5], ["a", 4]] * 10
    model = bp.MLPRegressor(preprocess="auto", max_iter=2).fit(rows, range(30))
    assert model.preprocessing_.input_names() == ["x0=a", "x0=b", "x1"]
    table = pd.DataFrame(rows, columns=["x0", "x1"])
    np.testing.assert_array_equal(model.predict(rows), model.predict(table.to_numpy()))


def number_columns():
    yield pd.arrays.SparseArray([0.0, np.nan, 1.0] * 20)
    yield pd.array([True, None, False] * 20, dtype="boolean")
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    yield pd.array([True, None, False] * 20, dtype=pd.ArrowDtype(pa.bool_()))
    yield pd.array([1, None, 0] * 20, dtype=pd.ArrowDtype(pa.int8()))


def test_columns_of_numbers_whatever_keeps_them():
    for column in number_columns():
        frame = pd.DataFrame({"z": column})
        model = bp.MLPRegressor(preprocess="auto", max_iter=2).fit(frame, np.arange(60))
        assert model.preprocessing_.input_names() == ["z", "z is missing"]


def test_periods_are_refused_as_dates_are():
    frame = pd.DataFrame({"z": pd.period_range("2020", periods=60, freq="D")})
    with pytest.raises(ValueError, match=r"column 'z' is period\[D\]: preprocess='auto' expects"):
        bp.MLPRegressor(preprocess="auto", max_iter=2).fit(frame, np.arange(60))


# ---- targets, dates, many categories -------------------------------------------------------------


@pytest.mark.parametrize("factor", [1e-6, 1, 100, 1e4, 1e6])
def test_the_unit_of_the_target_does_not_matter(factor):
    X, y = make_regression(600, 8, random_state=0)
    model = bp.MLPRegressor(preprocess="auto", random_state=0, max_iter=300)
    model.fit(X[:400], factor * y[:400] + 7 * factor)
    assert model.score(X[400:], factor * y[400:] + 7 * factor) > 0.98
    slope = model.input_gradients(X[400:401])
    step = np.zeros(8)
    step[3] = 1e-3  # of columns that preprocessing has divided by about 1
    both = model.predict(X[400:401] + step) - model.predict(X[400:401] - step)
    std = model.preprocessing_.columns[3].std
    assert slope[0, 3] == pytest.approx(both[0] / 2e-3 * std, rel=1e-3)


def test_several_targets_of_different_units():
    X, y = make_regression(600, 8, n_targets=2, random_state=0)
    y = y * [1e-3, 1e5] + [0, 3e6]
    model = bp.MLPRegressor(preprocess="auto", random_state=0, max_iter=300, early_stopping=True)
    model.fit(X[:400], y[:400], sample_weight=np.arange(400) % 3)
    assert model.score(X[400:], y[400:]) > 0.95
    assert model.best_validation_score_ > 0.9
    again = bp.MLPRegressor(preprocess="auto", random_state=0, max_iter=300, early_stopping=True)
    again.fit(X[:300], y[:300], eval_set=(X[300:400], y[300:400]))
    assert again.best_validation_score_ == pytest.approx(again.score(X[300:400], y[300:400]))
    one = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(one.predict(X), model.predict(X))


def test_quantiles_of_a_scaled_target_are_in_its_unit():
    X, y = make_regression(600, 4, noise=5, random_state=0)
    y = 1e4 * y + 1e6
    model = bp.MLPRegressor(loss="quantile", preprocess="auto", max_iter=300, random_state=0)
    model.fit(X[:400], y[:400])
    low, middle, high = model.predict_all(X[400:]).T
    np.testing.assert_array_equal(model.predict(X[400:]), middle)
    assert 0.7 < ((low < y[400:]) & (y[400:] < high)).mean() < 1
    assert model.score(X[400:], y[400:]) > 0.95


def test_without_preprocessing_targets_are_as_given():
    X, y = make_regression(100, 3, random_state=0)
    model = bp.MLPRegressor(max_iter=3, random_state=0)
    model.set_params(preprocess="auto").fit(X, 1000 * y)
    assert model.target_scale_[1] == pytest.approx(1000 * y.std())
    model.set_params(preprocess=None).fit(X, y)
    assert model.target_scale_ is None
    poisson = bp.MLPRegressor(loss="poisson", preprocess="auto", max_iter=3, random_state=0)
    poisson.fit(X, np.abs(y))
    assert poisson.target_scale_ is None


def test_dates_of_frames_are_numbers():
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 700, 500), "D")
    y = np.sin(2 * np.pi * days.dayofyear / 365) + (days.weekday >= 5)
    for kind in ("datetime64[ns]", "datetime64[s]"):
        frame = pd.DataFrame({"day": pd.Series(days).astype(kind)})
        model = bp.MLPRegressor(preprocess="auto", random_state=0, max_iter=500)
        model.fit(frame[:400], y[:400])
        assert model.score(frame[400:], y[400:]) > 0.9
    zone = frame.assign(day=frame["day"].dt.tz_localize("UTC"))
    np.testing.assert_array_equal(model.predict(zone), model.predict(frame))


def test_durations_are_numbers():
    hours = np.arange(200) % 50
    frame = pd.DataFrame({"took": pd.to_timedelta(hours, "h")})
    model = bp.MLPRegressor(preprocess="auto", random_state=0, max_iter=300).fit(frame, 2.0 * hours)
    assert model.score(frame, 2.0 * hours) > 0.99


def test_a_scaled_target_is_explained_in_its_unit(frame):
    table, price = frame
    model = fitted(table, price)
    trace = model.explain(table.iloc[:3], price[:3])
    mean, std = trace.target_scale
    assert (mean, std) == (price.mean(), pytest.approx(price.std()))
    np.testing.assert_allclose(
        trace.layers[-1].a[:, 0] * std + mean, model.predict(table.iloc[:3]), rtol=1e-5
    )


def test_many_categories_are_means_of_the_target():
    rng = np.random.default_rng(0)
    shop, effect = rng.integers(0, 400, 20_000), rng.normal(size=400)
    y = effect[shop] + 0.1 * rng.normal(size=len(shop))
    frame = pd.DataFrame({"shop": [f"s{i}" for i in shop]})
    model = bp.MLPRegressor(
        hidden_layer_sizes=(16,), preprocess="auto", random_state=0, max_iter=20
    )
    model.fit(frame[:16_000], y[:16_000])
    assert model.score(frame[16_000:], y[16_000:]) > 0.97
    labels = np.where(y > 0, "above", "below")
    classifier = bp.MLPClassifier(
        hidden_layer_sizes=(16,), preprocess="auto", random_state=0, max_iter=20
    )
    classifier.fit(frame[:16_000], labels[:16_000])
    assert classifier.score(frame[16_000:], labels[16_000:]) > 0.94
    noise = rng.normal(size=len(shop))  # which the means must not tell of
    model.fit(frame[:16_000], noise[:16_000])
    assert model.score(frame[:16_000], noise[:16_000]) < 0.05
