"""Rows from files, tables and functions: the bits of `fit` in memory, and the order in a buffer."""

import os
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import backprop as bp
from backprop import reference_random
from backprop._core import order

pa = pytest.importorskip("pyarrow")
ds = pytest.importorskip("pyarrow.dataset")
pq = pytest.importorskip("pyarrow.parquet")

N = 1003
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 4))
Y = X @ RNG.normal(size=4) + 0.1
LABELS = (Y > 0) + 2 * (X[:, 0] > 1)
WEIGHTS = RNG.integers(0, 3, N).astype(float)
COLUMNS = {f"x{i}": X[:, i] for i in range(4)}


def network(dtype="float32", loss="squared_error", units=1, **options):
    layers = [bp.Dense(7, "tanh"), bp.Dense(units)]
    return bp.Network(4, layers, loss, dtype=dtype, seed=3, n_threads=1, **options)


def bits(net):
    return b"".join(array.tobytes() for array in net.get_weights())


def table(**columns):
    return pa.table({**COLUMNS, **(columns or {"y": Y})})


def written(path, found, rows=100):
    pq.write_table(found, path, row_group_size=rows)
    return path


@pytest.fixture
def parquet(tmp_path):
    return written(tmp_path / "rows.parquet", table())


def no_reader():
    """That no thread of a reader is left."""
    return not any(thread.name.startswith("read ") for thread in threading.enumerate())


def open_files():
    return sorted(os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")[:-1])


KINDS = {
    "float32": {"dtype": "float32"},
    "float64": {"dtype": "float64"},
    "labels": {"dtype": "float32", "loss": "softmax_cross_entropy", "units": 4},
    "scaled": {"dtype": "float32", "input_offset": 0.3, "input_scale": 0.7},
    "dropout": {"dtype": "float32", "input_dropout": 0.2},
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_buffer_of_all_rows_gives_the_bits_of_arrays(tmp_path, kind, shuffle, weighted):
    y = LABELS if kind == "labels" else Y
    weight = WEIGHTS if weighted else None
    path = written(tmp_path / "rows.parquet", table(y=y, w=WEIGHTS))
    one, other = network(**KINDS[kind]), network(**KINDS[kind])
    found = one.fit(X, y, sample_weight=weight, epochs=3, batch_size=48, shuffle=shuffle)
    source = bp.sources.parquet(path, "y", list(COLUMNS), "w" if weighted else None)
    streamed = other.fit(source, epochs=3, batch_size=48, shuffle=shuffle)
    assert streamed.loss == found.loss
    assert bits(one) == bits(other)
    assert (one.steps, one.epochs_trained) == (other.steps, other.epochs_trained)
    assert streamed.n_samples == N


def ordered(sizes, buffer_rows, step_rows, seed, epoch):
    """The rows of an epoch in the order in which they are trained on, in plain Python.

    `sizes`: of blocks, each of which is read in one piece.
    """
    ends = np.cumsum(sizes)
    blocks = range(len(sizes))
    if sum(sizes) > buffer_rows:
        blocks = shuffled(len(sizes), reference_random.stream(seed, 7, epoch))
    buffer, places, count = {}, list(range(buffer_rows + 1)), 0
    trained, n_draws = [], 0
    for block in blocks:
        for row in range(ends[block] - sizes[block], ends[block]):
            if count == buffer_rows:
                n_draws += 1
                n = -(
                    -(ends[block] - row) // step_rows
                )  # steps that make room for the block's rest
                n = min(n, count // step_rows) * step_rows
                state = reference_random.stream(seed, 8, epoch)
                state = reference_random.stream(state, n_draws, 0)
                drawn = shuffled(count, state, n)
                places[:count] = [places[i] for i in drawn]
                trained += [buffer.pop(place) for place in places[count - n : count]]
                count -= n
            buffer[places[count]] = row
            count += 1
    empty = [place for place in range(count) if place not in buffer]
    behind = sorted(place for place in buffer if place >= count)
    for place, other in zip(empty, behind, strict=True):
        buffer[place] = buffer.pop(other)
    order_of_rest = shuffled(count, reference_random.stream(seed, 2, epoch))
    return trained + [buffer[place] for place in order_of_rest]


def shuffled(count, state, n=None):
    """Fisher and Yates; with n ended when that many places are final."""
    first = 1 if n is None else max(1, count - n)
    found = list(range(count))
    words = reference_random.random_words(state, max(count - first, 0)).tolist()
    for i, word in zip(range(count - 1, first - 1, -1), words, strict=True):
        j = (word * (i + 1)) >> 64
        found[i], found[j] = found[j], found[i]
    return found


def rows_in(sizes):
    """A source of blocks that can be read on their own: X is the number of the row."""

    class Numbered(bp.sources.Source):
        name = "numbered"
        block_rows, n_rows = tuple(sizes), sum(sizes)

        def pieces(self, blocks=None):
            ends = np.cumsum(sizes)
            for block in range(len(sizes)) if blocks is None else blocks:
                rows = np.arange(ends[block] - sizes[block], ends[block])
                yield bp.sources.Piece(rows[:, None] / 2**10, np.sin(rows), None, "numbered")

    return Numbered()


SIZES = st.lists(st.integers(1, 30), min_size=1, max_size=8)


@given(SIZES, st.integers(1, 60), st.integers(1, 12), st.integers(1, 3), st.booleans())
def test_the_order_is_the_one_that_is_told(sizes, buffer_rows, batch_size, accumulate, shuffle):
    """The bits are those of `fit` in memory, row by row in the order of `ordered`."""
    n = sum(sizes)
    batch_size = min(batch_size, n)
    step_rows = batch_size * accumulate
    held = n if n <= buffer_rows else max(buffer_rows, step_rows)
    optimizer = bp.Adam(1e-2, accumulate=accumulate)
    nets = [
        bp.Network(1, [bp.Dense(3, "tanh"), bp.Dense(1)], optimizer=optimizer, seed=9)
        for _ in range(2)
    ]
    options = {"epochs": 2, "batch_size": batch_size, "shuffle": shuffle}
    losses = nets[0].fit(rows_in(sizes), buffer_rows=buffer_rows, **options).loss
    numbers = np.arange(n)
    X, y, found, seconds = numbers[:, None] / 2**10, np.sin(numbers)[:, None], [], []
    for epoch in range(2):
        rows = ordered(sizes, held, step_rows, 9, epoch) if shuffle else range(n)
        assert sorted(rows) == list(range(n))
        nets[1]._core.fit(
            X,
            y,
            None,
            n_epochs=1,
            batch_size=batch_size,
            counted=True,
            losses=found,
            durations=seconds,
            order=np.array(rows),
        )
    assert losses == found
    assert bits(nets[0]) == bits(nets[1])


@given(st.integers(1, 200), st.integers(0, 200), st.integers(0, 5))
def test_a_draw_is_a_shuffle_that_ends_early(count, n_drawn, draw):
    n_drawn = min(count, n_drawn)
    rows = np.arange(count + 3)
    order.draw_rows(rows, count, n_drawn, 5, 6, draw)
    state = reference_random.stream(reference_random.stream(5, 8, 6), draw, 0)
    assert rows[:count].tolist() == shuffled(count, state, n_drawn)
    assert rows[count:].tolist() == [count, count + 1, count + 2]
    whole = reference_random.shuffle(state, count)
    np.testing.assert_array_equal(rows[count - n_drawn : count], whole[count - n_drawn :])


def test_a_draw_of_more_rows_than_there_are_is_refused():
    with pytest.raises(ValueError, match="count=9"):
        order.draw_rows(np.arange(8), 9, 2, 0, 0, 0)


def test_small_buffers_mix_rows_and_learn(parquet):
    net = network(optimizer=bp.Adam(1e-2))
    history = net.fit(parquet, "y", epochs=60, batch_size=16, buffer_rows=200)
    assert history.loss[-1] < 0.01 * history.loss[0]
    assert history.n_samples == N


def generator(size=100):
    return ((X[i : i + size], Y[i : i + size]) for i in range(0, N, size))


def kinds(tmp_path):
    """{name: (what fit is given, y)} of all kinds that hold X and Y."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for i, start in enumerate((0, 300, 700)):
        written(folder / f"part-{i}.parquet", table().slice(start, (300, 400, 303)[i]))
    csvs = tmp_path / "csvs"
    csvs.mkdir()
    for i, rows in enumerate((slice(0, 500), slice(500, None))):
        head = ",".join([*COLUMNS, "y"])
        values = np.column_stack([X, Y])[rows]
        lines = [",".join(map(repr, map(float, row))) for row in values]
        (csvs / f"{i}.csv").write_text("\n".join([head, *lines, ""]))
    np.savez(tmp_path / "rows.npz", X=X, y=Y)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", Y)
    found = table()
    return {
        "file": (written(tmp_path / "rows.parquet", found), "y"),
        "name of a file": (str(tmp_path / "rows.parquet"), "y"),
        "folder": (folder, "y"),
        "list": (bp.sources.parquet(sorted(folder.iterdir()), "y"), None),
        "table": (found, "y"),
        "chunked table": (pa.concat_tables([found.slice(0, 7), found.slice(7)]), "y"),
        "batch": (found.combine_chunks().to_batches()[0], "y"),
        "dataset": (ds.dataset(folder), "y"),
        "dataset in memory": (ds.dataset(found), "y"),
        "csvs": (csvs, "y"),
        "one csv": (bp.sources.csv_folder([csvs / "0.csv", csvs / "1.csv"], "y"), None),
        "npz": (tmp_path / "rows.npz", None),
        "npz by name": (bp.sources.npz(tmp_path / "rows.npz", "X", "y"), None),
        "npy": (bp.sources.npy(tmp_path / "X.npy", tmp_path / "y.npy"), None),
        "function": (generator, None),
        "blocks": (bp.sources.blocks(generator, n_rows=N), None),
        "list of blocks": (list(generator()), None),
    }


def test_every_kind_gives_the_bits_of_arrays(tmp_path):
    for shuffle in (True, False):
        expected = network()
        expected.fit(X, Y, epochs=2, shuffle=shuffle)
        for name, (given_x, y) in kinds(tmp_path).items() if shuffle else ():
            net = network()
            net.fit(given_x, y, epochs=2, shuffle=shuffle)
            assert bits(net) == bits(expected), name
    assert no_reader()


def test_what_can_be_read_once_serves_one_epoch():
    expected = network()
    expected.fit(X, Y, epochs=1)
    reader = pa.RecordBatchReader.from_batches(table().schema, table().to_batches(90))
    for once, y in ((generator(), None), (reader, "y")):
        net = network()
        before = bits(net)
        with pytest.raises(ValueError, match=r"epochs=2: .* can be read once"):
            net.fit(once, y, epochs=2)
        assert bits(net) == before
        source = bp.sources.open_source(once, y)
        net.fit(source, epochs=1)
        assert bits(net) == bits(expected)
        with pytest.raises(ValueError, match="has been read already"):
            net.fit(source, epochs=1)


def test_several_targets_and_columns_in_the_order_that_is_asked(tmp_path):
    path = written(tmp_path / "rows.parquet", table(a=Y, b=-Y))
    expected, found = (network(units=2) for _ in range(2))
    expected.fit(X[:, ::-1], np.column_stack([-Y, Y]), epochs=2)
    source = bp.sources.parquet(path, ["b", "a"], ["x3", "x2", "x1", "x0"])
    assert source.input_names == ("x3", "x2", "x1", "x0")
    found.fit(source, epochs=2)
    assert bits(found) == bits(expected)


def test_images_of_uint8_stay_one_byte(tmp_path):
    images = RNG.integers(0, 256, (50, 2, 2), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", X=images, y=LABELS[:50])
    expected, found = (network(**KINDS["labels"], input_scale=1 / 255) for _ in range(2))
    expected.fit(images.reshape(50, 4), LABELS[:50], epochs=2)
    source = bp.sources.npz(tmp_path / "images.npz")
    assert next(source.pieces()).X.dtype == np.uint8
    found.fit(source, epochs=2)
    assert bits(found) == bits(expected)


def test_a_function_is_called_anew_each_epoch_and_rows_of_files_that_fit_are_kept(parquet):
    calls = []

    def blocks():
        calls.append(threading.current_thread().name)
        return generator()

    network().fit(blocks, epochs=3)
    assert len(calls) == 3
    assert all(name.startswith("read ") for name in calls)
    source = bp.sources.parquet(parquet, "y")
    net = network()
    net.fit(source, epochs=1)
    parquet.unlink()  # of a file whose rows are in the buffer nothing is read again
    with pytest.raises((FileNotFoundError, ValueError), match=r"rows\.parquet"):
        net.fit(source, epochs=1)
    assert no_reader()


def test_validation_data_may_be_a_source(parquet):
    held = X[:77], Y[:77]
    expected, found = network(), network()
    options = {"epochs": 3, "metrics": ["mae"]}
    one = expected.fit(X, Y, validation_data=(X, Y), **options)
    for data in ((parquet, "y"), bp.sources.parquet(parquet, "y"), generator):
        net = network()
        other = net.fit(parquet, "y", validation_data=data, **options)
        assert other.validation_loss == one.validation_loss
        assert other.metrics == one.metrics
    in_memory = found.fit(X, Y, validation_data=(parquet, "y"), **options)
    assert in_memory.validation_loss == one.validation_loss
    assert network().fit(parquet, "y", validation_data=held).validation_loss


@pytest.mark.parametrize("n", [5, 70_000])
def test_evaluate_has_the_bits_of_arrays(n):
    rng = np.random.default_rng(1)
    X, y, weight = rng.normal(size=(n, 4)), rng.normal(size=n), rng.random(n)
    net = network()
    pieces = [(X[i : i + 999], y[i : i + 999], weight[i : i + 999]) for i in range(0, n, 999)]
    options = {"metrics": ["mae", "rmse"]}
    assert net.evaluate(pieces, **options) == net.evaluate(X, y, weight, **options)


def test_metrics_without_validation_data_are_of_the_rows_that_are_trained_on(parquet):
    one = network().fit(X, Y, epochs=2, metrics=["mae"])
    other = network().fit(parquet, "y", epochs=2, metrics=["mae"])
    assert other.metrics == one.metrics


def test_early_stopping_averages_and_schedules(parquet):
    def fitted(*data, **options):
        net = network(optimizer=bp.Adam(0.1, schedule=bp.Cosine(200), average=bp.SWA()))
        stop = bp.EarlyStopping(patience=2)
        history = net.fit(*data, epochs=40, validation_data=(X, Y), callbacks=[stop], **options)
        return history.loss, history.stopped, bits(net), bits(net.averaged())

    assert fitted(X, Y) == fitted(parquet, "y")
    small = fitted(parquet, "y", buffer_rows=200)
    assert small == fitted(parquet, "y", buffer_rows=200)
    assert small != fitted(parquet, "y", buffer_rows=300)


def test_a_loss_of_ones_own(parquet):
    def loss(output, target):
        return ((output - target[:, None]) ** 2).sum(axis=1), 2 * (output - target[:, None])

    expected, found, small = (network(loss=loss) for _ in range(3))
    expected.fit(X, Y, epochs=2)
    found.fit(parquet, "y", epochs=2)
    assert bits(found) == bits(expected)
    small.fit(parquet, "y", epochs=2, buffer_rows=300)
    assert np.isfinite(small.history.loss).all()


def test_class_weights(tmp_path):
    path = written(tmp_path / "rows.parquet", table(y=LABELS))
    expected, found = (network(**KINDS["labels"]) for _ in range(2))
    expected.fit(X, LABELS, class_weight={1: 3.0})
    found.fit(path, "y", class_weight={1: 3.0})
    assert bits(found) == bits(expected)


@pytest.mark.parametrize("buffer_rows", [None, 250])
def test_a_run_that_is_interrupted_goes_on_to_the_same_bits(parquet, tmp_path, buffer_rows):
    options = {"epochs": 5, "batch_size": 32, "buffer_rows": buffer_rows}
    expected = network()
    expected.fit(parquet, "y", **options)
    path = tmp_path / "run.safetensors"

    def leave(net, history):
        if len(history.loss) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        network().fit(parquet, "y", callbacks=[bp.Checkpoint(path), leave], **options)
    resumed = bp.Network.resume(path)
    with pytest.raises(ValueError, match="buffer_rows is 99"):
        resumed.fit(parquet, "y", **{**options, "buffer_rows": 99})
    other = written(tmp_path / "other.parquet", table(y=-Y))
    with pytest.raises(ValueError, match="X has"):
        resumed.fit(other, "y", **options)
    history = resumed.fit(parquet, "y", **options)
    assert history.loss == expected.history.loss
    assert bits(resumed) == bits(expected)


def test_other_rows_have_another_fingerprint(tmp_path):
    def prints(y):
        folder = tmp_path / str(y[0])
        folder.mkdir()
        np.savez(folder / "rows.npz", X=X, y=y)
        written(folder / "rows.parquet", table(y=y))
        (tmp_path / "rows.csv").write_text("a,y\n" + "\n".join(f"1,{v:.12g}" for v in y))
        sources = [
            bp.sources.npz(folder / "rows.npz"),
            bp.sources.arrow(table(y=y), "y"),
            bp.sources.parquet(folder / "rows.parquet", "y"),
            bp.sources.csv_folder(tmp_path / "rows.csv", "y"),
            bp.sources.prepared(folder / "rows.parquet", "y")[0],
        ]
        return [source.fingerprint() for source in sources]

    one, other = prints(Y), prints(Y + 1000)
    assert all(a != b for a, b in zip(one, other, strict=True))
    assert len(set(one)) == len(one)
    assert one[1] == bp.sources.arrow(table(), "y").fingerprint()


def test_what_is_told_while_it_trains(parquet, capsys):
    network().fit(parquet, "y", epochs=2, verbose=2)
    assert "epoch 2/2: loss" in capsys.readouterr().err
    network().fit(generator, epochs=2, verbose=True, batch_size=10)
    assert "2.01k/2.01k" in capsys.readouterr().err.split("\r")[-1]


def test_rows_are_read_ahead_while_others_are_trained_on():
    """Two blocks at most are there at a time, and the second is made while the first is used."""
    made, seen = [], []

    def blocks():
        for i in range(6):
            made.append(i)
            yield X[:100], Y[:100]

    def loss(output, target):
        seen.append(len(made))
        time.sleep(0.002)
        return np.zeros(len(output)), output * 0

    network(loss=loss).fit(blocks, batch_size=10, buffer_rows=100, epochs=1)
    assert seen[9] == 3  # one in the buffer, one that is to be put there, one read ahead
    assert max(n - i // 10 for i, n in enumerate(seen)) == 3
    assert seen == sorted(seen)
    assert made == list(range(6))
