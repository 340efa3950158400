"""Estimators on rows that come with their target: the models of the same rows in memory."""

import numpy as np
import pytest

import backprop as bp

pytest.importorskip("sklearn")
pa = pytest.importorskip("pyarrow")
ds = pytest.importorskip("pyarrow.dataset")
pq = pytest.importorskip("pyarrow.parquet")
pd = pytest.importorskip("pandas")

N = 200
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.normal(size=N)})
Y = FRAME["a"].to_numpy() * 2
WORDS = np.where(Y > 0, "up", "down").astype(object)
WEIGHTS = RNG.random(N)


def model(kind=bp.MLPRegressor, **options):
    return kind(hidden_layer_sizes=5, max_iter=20, random_state=0, tol=0, **options)


@pytest.fixture(autouse=True)
def quiet():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def parquet(tmp_path):
    table = pa.table({**FRAME, "y": Y, "kind": WORDS.tolist(), "w": WEIGHTS})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=60)
    return tmp_path / "rows.parquet"


def test_files_tables_and_datasets(parquet):
    expected = model().fit(FRAME, Y).predict(FRAME)
    table = pq.read_table(parquet, columns=["a", "b", "y"])
    for X in (table, ds.dataset(table), table.combine_chunks().to_batches()[0]):
        np.testing.assert_array_equal(model().fit(X, "y").predict(FRAME), expected)
    small = parquet.parent / "small.parquet"
    pq.write_table(table, small)
    for X in (small, str(small), bp.sources.parquet(small, "y")):
        y = None if isinstance(X, bp.sources.Source) else "y"
        found = model().fit(X, y)
        np.testing.assert_array_equal(found.predict(FRAME), expected)
    assert list(model().fit(small, "y").feature_names_in_) == ["a", "b"]


def test_classes_weights_and_preprocessing(parquet):
    table = pq.read_table(parquet, columns=["a", "b", "kind", "w"])
    one = model(bp.MLPClassifier).fit(FRAME, WORDS, WEIGHTS)
    other = model(bp.MLPClassifier).fit(table, "kind", "w")
    np.testing.assert_array_equal(one.predict_proba(FRAME), other.predict_proba(FRAME))
    text = pq.read_table(parquet, columns=["a", "kind", "y"])
    one = model(preprocess="auto").fit(text.drop_columns("y"), Y)
    other = model(preprocess="auto").fit(text, "y")
    rows = text.drop_columns("y")
    np.testing.assert_array_equal(one.predict(rows), other.predict(rows))


def test_several_targets(parquet):
    found = model().fit(pq.read_table(parquet, columns=["a", "b", "y", "w"]), ["y", "w"])
    expected = model().fit(FRAME, np.column_stack([Y, WEIGHTS]))
    np.testing.assert_array_equal(found.predict(FRAME), expected.predict(FRAME))


def test_what_is_wrong(parquet):
    with pytest.raises(ValueError, match="X has no column 'z'"):
        model().fit(parquet, "z")
    with pytest.raises(TypeError, match="y is missing"):
        model().fit(parquet)
    with pytest.raises(FileNotFoundError, match=r"none\.parquet"):
        model().fit(parquet.with_name("none.parquet"), "y")
    with pytest.raises(ValueError, match="requires y to be passed"):
        model().fit(FRAME.to_numpy())
    holes = pa.table({"a": [1.0, 2.0], "y": [1.0, None]})
    with pytest.raises(ValueError, match="column 'y' has 1 rows without a value"):
        model().fit(holes, "y")


def test_dask():
    da, dd = pytest.importorskip("dask.array"), pytest.importorskip("dask.dataframe")
    expected = model().fit(FRAME, Y).predict(FRAME)
    parts = dd.from_pandas(FRAME.assign(y=Y), npartitions=3)
    np.testing.assert_array_equal(model().fit(parts, "y").predict(FRAME), expected)
    X = da.from_array(FRAME.to_numpy(), chunks=50)
    found = model().fit(X, da.from_array(Y, chunks=40))
    np.testing.assert_array_equal(found.predict(FRAME.to_numpy()), expected)
