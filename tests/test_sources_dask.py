"""dask's arrays and frames, where dask is installed."""

import numpy as np
import pytest

import backprop as bp

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")

N = 500
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, 3)), RNG.normal(size=N)
WEIGHTS = RNG.random(N)


def fitted(*data, **options):
    net = bp.Network(3, [bp.Dense(4, "tanh"), bp.Dense(1)], seed=2, n_threads=1)
    history = net.fit(*data, epochs=2, batch_size=32, **options)
    return b"".join(array.tobytes() for array in net.get_weights()), history.loss


def test_arrays_have_the_bits_of_numpys():
    chunked = da.from_array(X, chunks=(90, 2)), da.from_array(Y, chunks=123)
    weight = da.from_array(WEIGHTS, chunks=77)
    assert fitted(*chunked) == fitted(X, Y)
    assert fitted(*chunked, sample_weight=weight) == fitted(X, Y, sample_weight=WEIGHTS)
    assert fitted(*chunked, shuffle=False, buffer_rows=64) == fitted(X, Y, shuffle=False)
    assert fitted(*chunked, buffer_rows=64) == fitted(*chunked, buffer_rows=64)
    assert fitted(bp.sources.dask(*chunked)) == fitted(X, Y)


def test_frames_have_the_bits_of_numpys():
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "y": Y, "w": WEIGHTS})
    parts = dd.from_pandas(frame, npartitions=4)
    assert fitted(parts.drop(columns="w"), "y") == fitted(X, Y)
    assert fitted(parts, "y", sample_weight="w") == fitted(X, Y, sample_weight=WEIGHTS)
    source = bp.sources.dask(parts, "y", ["a", "b", "c"])
    assert source.n_rows is None
    assert fitted(source) == fitted(X, Y)


def test_what_is_wrong():
    x, y = da.from_array(X, chunks=90), da.from_array(Y, chunks=90)
    with pytest.raises(TypeError, match="y is missing"):
        fitted(x)
    with pytest.raises(TypeError, match="expected dask arrays"):
        fitted(x, Y)
    with pytest.raises(ValueError, match="y has 400 rows: expected 500, as X"):
        fitted(x, y[:400])
    with pytest.raises(ValueError, match=r"expected X\.compute_chunk_sizes"):
        fitted(x[x[:, 0] > 0], y)
    frame = dd.from_pandas(pd.DataFrame({"a": ["u", "v"], "y": [1.0, 2.0]}), npartitions=1)
    with pytest.raises(TypeError, match=r"column 'a' is .*: expected numbers"):
        fitted(frame, "y")
    with pytest.raises(ValueError, match="has no column 'z'"):
        fitted(frame, "z")
