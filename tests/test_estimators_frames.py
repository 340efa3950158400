"""A frame is a frame, whichever library it is of: columns have names, and types that say much."""

import datetime
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
import backprop as bp

pd = pytest.importorskip("pandas", reason="pandas is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def pandas(columns):
    types = {"colour": "category", "code": "string"}  # before pandas 3 strings were objects
    frame = pd.DataFrame(columns)
    return frame.astype({name: types[name] for name in types if name in columns})


def polars(columns):
    pl = pytest.importorskip("polars", reason="polars is not installed")
    return pl.DataFrame(columns).with_columns(pl.col("colour").cast(pl.Categorical))


def pyarrow(columns):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    arrays = {name: pa.array(values) for name, values in columns.items()}
    return pa.table({**arrays, "colour": arrays["colour"].dictionary_encode()})


def modin(columns):
    frames = pytest.importorskip("modin.pandas", reason="modin is not installed")
    return frames.DataFrame(pandas(columns))


class Stream:
    """Any table that hands its columns over as Arrow does."""

    def __init__(self, table):
        self.table, self.shape = table, table.shape

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def stream(columns):
    return Stream(pyarrow(columns))


LIBRARIES = [pandas, polars, pyarrow, modin, stream]
N = 120


def columns(order=("area", "colour", "code", "rooms", "new"), rows=slice(None)):
    rng = np.random.default_rng(0)
    found = {
        "area": rng.uniform(20, 200, N).tolist(),
        "colour": rng.choice(["red", "green", "blue"], N).tolist(),
        "code": rng.choice(["00007", "00012", "7"], N).tolist(),
        "rooms": [None if i % 7 == 0 else i % 5 for i in range(N)],
        "new": (rng.random(N) < 0.5).tolist(),
    }
    return {name: found[name][rows] for name in order}


def price():
    given = columns()
    red = np.array([colour == "red" for colour in given["colour"]])
    padded = np.array([code == "00007" for code in given["code"]])
    return 0.01 * np.array(given["area"]) + red + padded


def fitted(make, **options):
    given = {"preprocess": "auto", "max_iter": 30, "random_state": 0, **options}
    return bp.MLPRegressor(**given).fit(make(columns()), price())


@pytest.mark.parametrize("make", LIBRARIES)
def test_columns_are_what_their_types_say(make):
    model = fitted(make)
    assert model.preprocessing_.input_names() == [
        "area",
        *(f"colour={colour}" for colour in ("blue", "green", "red")),
        *(f"code={code}" for code in ("00007", "00012", "7")),
        "rooms",
        "rooms is missing",
        "new",
    ]
    assert list(model.feature_names_in_) == list(columns())
    assert model.n_features_in_ == 5
    np.testing.assert_array_equal(model.coefs_[0], fitted(pandas).coefs_[0])


@pytest.mark.parametrize("make", LIBRARIES)
def test_values_are_those_of_any_other_frame(make):
    model = fitted(pandas)
    expected = model.predict(pandas(columns()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(model.predict(make(columns())), expected)
        for i in range(9):
            row = make(columns(rows=slice(i, i + 1)))
            assert model.predict(row) == pytest.approx(expected[i], rel=1e-12)


@pytest.mark.parametrize("make", LIBRARIES)
def test_columns_are_met_by_name(make):
    """In another order they are refused, as in scikit-learn: never taken for one another."""
    model, given = fitted(make, max_iter=3), columns()
    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        model.predict(make(dict(reversed(given.items()))))
    given["size"] = given.pop("area")
    with pytest.raises(ValueError, match=r"(?s)unseen at fit time:\n- size\n.*missing:\n- area"):
        model.predict(make(given))


def numbers(library, names="abc"):
    values = dict(zip("abc", np.random.default_rng(0).normal(size=(3, N)), strict=True))
    values = {name: values[name] for name in names}
    if library == "pandas":
        return pd.DataFrame(values)
    made = pytest.importorskip(library, reason=f"{library} is not installed")
    return made.DataFrame(values) if library == "polars" else made.table(values)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_numbers_need_no_preprocessing(library):
    X = numbers(library)
    expected = np.column_stack([numbers("pandas")[name] for name in "abc"])
    model = bp.MLPRegressor(max_iter=3, random_state=0).fit(X, price())
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    plain = bp.MLPRegressor(max_iter=3, random_state=0).fit(expected, price())
    np.testing.assert_array_equal(model.predict(X), plain.predict(expected))
    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        model.predict(numbers(library, "cba"))
    with pytest.warns(UserWarning, match="X has feature names, but MLPRegressor was fitted with"):
        np.testing.assert_array_equal(plain.predict(X), plain.predict(expected))


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_dates_and_durations_of_any_frame_are_those_of_pandas(library):
    made = pytest.importorskip(library, reason=f"{library} is not installed")
    rng = np.random.default_rng(0)
    hours = rng.integers(0, 20_000, 60).tolist()
    start = datetime.datetime(2020, 1, 1)
    given = {
        "day": [(start + datetime.timedelta(hours=h)).date() for h in hours],
        "when": [start + datetime.timedelta(hours=h) if h % 9 else None for h in hours],
        "took": [datetime.timedelta(minutes=h) if h % 7 else None for h in hours],
    }
    X = made.DataFrame(given) if library == "polars" else made.table(given)
    same = pd.DataFrame({name: pd.to_datetime(given[name]) for name in ("day", "when")})
    same["took"] = pd.to_timedelta(given["took"])
    found = bp.MLPRegressor(preprocess="auto", max_iter=5, random_state=0).fit(X, hours)
    expected = bp.MLPRegressor(preprocess="auto", max_iter=5, random_state=0).fit(same, hours)
    np.testing.assert_array_equal(found.predict(X), expected.predict(same))
    assert found.preprocessing_.columns == expected.preprocessing_.columns


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_times_of_day_are_refused_in_any_frame(library):
    made = pytest.importorskip(library, reason=f"{library} is not installed")
    given = {"x": [*range(10)], "at": [datetime.time(i) for i in range(10)]}
    X = made.DataFrame(given) if library == "polars" else made.table(given)
    with pytest.raises(ValueError, match=r"column 'at' is .*: preprocess='auto' expects"):
        bp.MLPRegressor(preprocess="auto", max_iter=2).fit(X, range(10))


def test_two_columns_of_one_name():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), columns=["a", "a"])
    with pytest.raises(ValueError, match="X has several columns of one name"):
        bp.MLPRegressor(max_iter=2, preprocess="auto").fit(X, range(20))


@pytest.mark.parametrize("preprocess", [None, "auto"])
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_column_is_no_frame(library, preprocess):
    column = numbers(library)["a"]
    with pytest.raises(ValueError, match=r"Expected (2D array|a 2-dimensional container)"):
        bp.MLPRegressor(max_iter=2, preprocess=preprocess).fit(column, price())


def test_a_lazy_frame_is_to_be_collected():
    X = polars(columns()).lazy()
    with pytest.raises(ValueError, match=r"X is a LazyFrame: .*X\.collect\(\)"):
        bp.MLPRegressor(max_iter=2, preprocess="auto").fit(X, price())


@pytest.mark.parametrize("kind", [bp.MLPClassifier, bp.MLPRegressor])
def test_a_frame_of_sparse_columns(kind):
    """scikit-learn's checks make a sparse matrix of it."""
    X = numbers("pandas").clip(0)
    y = price() > 1
    spared = X.astype(pd.SparseDtype(float, 0.0))
    model, expected = (kind(max_iter=5, random_state=0).fit(given, y) for given in (spared, X))
    np.testing.assert_allclose(model.predict(spared), expected.predict(X), rtol=1e-9)
    np.testing.assert_allclose(model.predict(spared[:1]), expected.predict(X[:1]), rtol=1e-9)
    assert model.input_gradients(spared[:2]).shape[0] == 2
    model.set_params(early_stopping=True).fit(spared, y, eval_set=(spared, y))
