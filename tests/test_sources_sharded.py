"""Sources with shards, in one process and on ranks: the same bits on any number of them."""

import numpy as np
import pytest
from ranked import WEIGHT, X, Y, digest, network

import backprop as bp
from backprop.ranks import InProcess
from backprop.sources.source import ArraySource

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

NAMES = [f"x{i}" for i in range(9)]
N = 1000
RNG = np.random.default_rng(11)
ROWS, LABELS, WEIGHTS = RNG.normal(size=(N, 9)), RNG.integers(0, 3, N), RNG.random(N)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """1,000 rows in row groups of 70."""
    columns = {name: ROWS[:, i] for i, name in enumerate(NAMES)}
    found = tmp_path_factory.mktemp("rows") / "rows.parquet"
    table = pa.table({**columns, "y": LABELS, "w": WEIGHTS})
    pq.write_table(table, found, row_group_size=70)
    return found


def source(path):
    return bp.sources.parquet(path, target="y", columns=NAMES, weight="w")


def fit(rows, ranks=None, **options):
    net = network(n_threads=1)
    how = {"epochs": 3, "batch_size": 30, "shards": 4, **options}
    history = net.fit(rows, ranks=ranks, **how)
    return digest(net), tuple(history.loss)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("size", [None, 2, 4])
def test_buffers_that_hold_all_rows_have_the_bits_of_arrays(path, size, shuffle):
    net = network(n_threads=1)
    how = {"epochs": 3, "batch_size": 30, "shards": 4, "shuffle": shuffle}
    history = net.fit(ROWS, LABELS, sample_weight=WEIGHTS, **how)
    expected = digest(net), tuple(history.loss)
    if size is None:
        assert fit(source(path), shuffle=shuffle) == expected
        return

    def on_rank(ranks):
        return fit(source(path), ranks, shuffle=shuffle)

    assert set(InProcess.run(size, on_rank, timeout=20)) == {expected}


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [16, 30, 7])
def test_small_buffers_have_the_same_bits_on_any_number_of_ranks(path, batch_size, shuffle):
    how = {"buffer_rows": 300, "batch_size": batch_size, "shuffle": shuffle}
    expected = fit(source(path), **how)
    for size in (1, 2, 4):
        found = InProcess.run(size, lambda ranks: fit(source(path), ranks, **how), timeout=20)
        assert set(found) == {expected}
    assert expected != fit(source(path), **{**how, "buffer_rows": 2000}) or not shuffle


@pytest.mark.parametrize("buffer_rows", [100, 300, 999])
def test_every_row_is_trained_on_once_an_epoch(buffer_rows):
    """Seen by a loss of one's own, whose targets are the numbers of the rows."""
    seen = []

    def loss(output, target):
        seen.extend(target[:, 0].tolist())
        return np.zeros(len(output)), np.zeros_like(output)

    net = bp.Network(2, [bp.Dense(1)], loss=loss, optimizer="sgd", seed=1)
    rows = ArraySource(RNG.normal(size=(N, 2)), np.arange(float(N))[:, None])
    net.fit(rows, epochs=2, batch_size=30, shards=4, buffer_rows=buffer_rows)
    assert len(seen) == 2 * N
    for epoch in (seen[:N], seen[N:]):
        assert sorted(epoch) == list(range(N))
    assert seen[:N] != seen[N:]


def test_a_run_goes_on_with_other_ranks(path, tmp_path):
    saved = tmp_path / "run.safetensors"
    how = {"batch_size": 30, "shards": 4, "buffer_rows": 300}
    whole = network()
    whole.fit(source(path), epochs=4, **how)

    def begin(ranks):
        network().fit(source(path), epochs=2, ranks=ranks, callbacks=[bp.Checkpoint(saved)], **how)

    def go_on(ranks):
        net = bp.Network.resume(saved)
        net.fit(source(path), epochs=4, ranks=ranks, **how)
        return digest(net)

    InProcess.run(4, begin, timeout=20)
    assert set(InProcess.run(2, go_on, timeout=20)) == {digest(whole)}


# ---- what goes wrong ----------------------------------------------------------------------------


def test_an_error_of_one_rank_is_one_of_all(path, tmp_path):
    bad = tmp_path / "bad.parquet"
    values = ROWS.copy()
    values[900, 3] = np.nan
    columns = {name: values[:, i] for i, name in enumerate(NAMES)}
    pq.write_table(pa.table({**columns, "y": LABELS, "w": WEIGHTS}), bad, row_group_size=70)

    def on_rank(ranks):
        try:
            fit(source(bad), ranks, buffer_rows=300)
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    first, second = InProcess.run(2, on_rank, timeout=20)
    assert second.startswith("ValueError: ")
    assert "column 'x3' is nan in row 901" in second or "x3" in second
    assert first == f"RankStopped: rank 1: {second}"


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (lambda: iter([(X, Y)]), {"epochs": 1}, "shards=4 and .*: expected a source whose rows"),
        (lambda: ArraySource(X[:3], Y[:3]), {}, "shards=4: expected at most the 3 rows"),
        (lambda: ArraySource(X, Y), {"shards": 300}, "shards=300: expected an integer, from"),
        (lambda: ArraySource(X, Y, 0 * WEIGHT), {}, "every weight is 0: expected some above"),
    ],
)
def test_what_cannot_have_shards_says_so(rows, options, message):
    with pytest.raises(ValueError, match=message):
        fit(rows(), **options)


def test_own_rows_of_a_source():
    def on_rank(ranks):
        with pytest.raises(ValueError, match="expected the same source on all ranks"):
            fit(ArraySource(X, Y), ranks)

    InProcess.run(2, on_rank, rows="own", timeout=20)
