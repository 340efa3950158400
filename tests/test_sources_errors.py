"""What is wrong with a source: each message names the file, the column and the row."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback

import numpy as np
import pytest

import backprop as bp

pa = pytest.importorskip("pyarrow")
ds = pytest.importorskip("pyarrow.dataset")
pq = pytest.importorskip("pyarrow.parquet")

N = 1000
RNG = np.random.default_rng(0)
COLUMNS = {"a": RNG.normal(size=N), "b": RNG.normal(size=N), "y": RNG.normal(size=N)}


def network(units=1, **options):
    return bp.Network(2, [bp.Dense(3), bp.Dense(units)], seed=0, n_threads=1, **options)


def write(path, rows=100, **changes):
    columns = {**COLUMNS, **changes}
    table = pa.table({name: c for name, c in columns.items() if c is not None})
    pq.write_table(table, path, row_group_size=rows)
    return path


def changed(name, row, value):
    values = COLUMNS[name].copy()
    values[row] = value
    return {name: values}


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    """No reader's thread, and no open file."""
    before = files()
    yield
    assert not [t.name for t in threading.enumerate() if t.name.startswith("read ")]
    deadline = time.perf_counter() + 5
    while not files() <= before and time.perf_counter() < deadline:
        time.sleep(0.001)  # Arrow closes a CSV file in a thread of its own, within a millisecond
    assert files() <= before


def files():
    if not os.path.isdir("/proc/self/fd"):
        return set()
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue
        if target.endswith((".parquet", ".csv", ".npz", ".npy")):
            found.add(target)
    return found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c": COLUMNS["a"]}, r"2\.parquet has 4 columns: expected the 3 .* it has c beside them"),
        ({"b": None}, r"2\.parquet has 2 columns: expected the 3 of the first file; it lacks b"),
        ({"b": ["text"] * N}, r"2\.parquet: column 'b' is string: expected numbers"),
        ({"y": [[1.0]] * N}, r"2\.parquet: column 'y' is list.*: expected numbers"),
    ],
)
def test_a_later_file_with_other_columns(tmp_path, change, message):
    write(tmp_path / "1.parquet")
    write(tmp_path / "2.parquet", **change)
    with pytest.raises((ValueError, TypeError), match=message):
        network().fit(tmp_path, "y")
    with pytest.raises((ValueError, TypeError), match=message):
        network().fit(ds.dataset(tmp_path), "y")


@pytest.mark.parametrize("buffer_rows", [None, 150])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed("b", 655, np.nan), "column 'b' is nan in row 656: expected finite numbers"),
        (changed("a", 655, 1e300), "column 'a' is 1e\\+300 in row 656, which is not finite in f"),
        (changed("y", 655, np.inf), "column 'y' is inf in row 656"),
        ({"b": [None if i == 655 else 1.0 for i in range(N)]}, "'b' has no value in row 656"),
    ],
)
def test_a_number_that_is_none_in_the_7th_row_group(tmp_path, change, message, buffer_rows):
    path = write(tmp_path / "rows.parquet", **change)
    net = network()
    with pytest.raises(ValueError, match=rf"rows\.parquet, row group 7: .*{message}"):
        net.fit(path, "y", buffer_rows=buffer_rows, batch_size=10, shuffle=False)
    assert all(np.isfinite(array).all() for array in net.get_weights())
    assert (net.steps > 0) == (buffer_rows is not None)


def test_names_that_are_not_there(tmp_path):
    path = write(tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match=r"rows\.parquet has no column 'Y'; did you mean 'y'"):
        network().fit(path, "Y")
    with pytest.raises(ValueError, match="no column 'c'"):
        bp.sources.parquet(path, "y", ["a", "c"])
    with pytest.raises(ValueError, match="column 'y' is named twice"):
        bp.sources.parquet(path, "y", ["a", "y"])
    with pytest.raises(TypeError, match=r"y is missing: expected the name .*rows\.parquet"):
        network().fit(path)
    with pytest.raises(ValueError, match="has 1 inputs: expected 2 columns beside the target"):
        network().fit(bp.sources.parquet(path, "y", ["a"]))
    with pytest.raises(FileNotFoundError, match=r"none\.parquet"):
        network().fit(tmp_path / "none.parquet", "y")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty has no Parquet file: expected some \*\.parquet"):
        network().fit(tmp_path / "empty", "y")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match=r"bad\.parquet is not a Parquet file, or a damaged one"):
        network().fit(tmp_path / "bad.parquet", "y")
    (tmp_path / "k=1").mkdir()
    write(tmp_path / "k=1" / "rows.parquet")
    with pytest.raises(ValueError, match="column 'k' in the names of folders"):
        bp.sources.parquet(tmp_path, "y")
    (tmp_path / "rows.doc").write_bytes(b"")
    with pytest.raises(ValueError, match="cannot tell what kind of file"):
        network().fit(tmp_path / "rows.doc", "y")


def test_names_of_columns_that_are_no_text(tmp_path):
    path = write(tmp_path / "rows.parquet", abcdefgh=COLUMNS["a"])
    path.write_bytes(path.read_bytes().replace(b"abcdefgh", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe"))
    for read in (network().fit, bp.sources.prepared):
        with pytest.raises(ValueError, match=r"rows\.parquet is not a Parquet file, or a damaged"):
            read(path, "y")


def test_a_file_that_is_damaged_where_it_is_read(tmp_path):
    path = write(tmp_path / "rows.parquet", rows=200)
    content = bytearray(path.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = b"\xff" * third
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"rows\.parquet, row group \d"):
        network().fit(path, "y", shuffle=False)


def test_a_source_of_other_numbers_of_rows_in_a_later_epoch():
    calls = []

    def blocks():
        calls.append(1)
        for _ in range(4 - len(calls)):
            yield COLUMNS["a"][:20].reshape(10, 2), COLUMNS["y"][:10]

    with pytest.raises(ValueError, match="blocks has 20 rows in epoch 2: expected the 30 of each"):
        network().fit(blocks, epochs=3, batch_size=4)
    calls.clear()
    with pytest.raises(ValueError, match="has 30 rows in epoch 1: expected the 99 of its n_rows"):
        network().fit(bp.sources.blocks(blocks, n_rows=99), batch_size=4)
    calls.clear()
    with pytest.raises(ValueError, match="has 30 rows or more in epoch 1: expected the 25 of its"):
        network().fit(bp.sources.blocks(blocks, n_rows=25), batch_size=4)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (7, "block 1 is int: expected \\(X, y\\) or \\(X, y, weight\\)"),
        ((1, 2, 3, 4), "block 1 is 4 items"),
        ((np.ones((5, 3)), np.ones(5)), "block 1: X has 3 columns, expected 2"),
        ((np.ones(5), np.ones(5)), "block 1: X has shape \\(5,\\)"),
        ((np.ones((5, 2)), np.ones(4)), "block 1: y has shape \\(4,\\): expected 5 rows"),
        ((np.full((5, 2), np.nan), np.ones(5)), "block 1: X\\[:, 0\\] is nan in row 1"),
        ((np.ones((5, 2)), np.ones(5), np.ones(5)), "block 1: weight is float32, expected missing"),
        ((np.ones((5, 2), int), np.ones(5)), "block 1: X is int64, expected float32, as in the f"),
        ((np.array([["a", "b"]] * 5), np.ones(5)), "block 1: X has dtype <U1"),
    ],
)
def test_blocks_that_are_none(block, message):
    with pytest.raises((ValueError, TypeError), match=message):
        network().fit([(np.ones((5, 2)), np.ones(5)), block])


def test_weights():
    X, y = np.ones((5, 2)), np.ones(5)
    with pytest.raises(ValueError, match="every weight is 0"):
        network().fit([(X, y, np.zeros(5))])
    with pytest.raises(ValueError, match="block 0: weight has the value -1"):
        network().fit([(X, y, -y)])
    with pytest.raises(ValueError, match="block 0: weight has shape"):
        network().fit([(X, y, np.ones(4))])
    network().fit([(X, y, np.zeros(5)), (X, y, y)])  # of a block all may be


def test_what_a_function_raises_is_raised_with_its_traceback():
    def blocks():
        yield np.ones((5, 2)), np.ones(5)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone") as raised:
        network().fit(blocks)
    names = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert names[0].startswith("test_what")
    assert names[-1] == "blocks"
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        network().fit(lambda: next(iter(())))
    with pytest.raises(ValueError, match="has no rows"):
        network().fit([])


def test_an_error_of_the_caller_ends_the_reader_and_closes_what_it_reads():
    closed = []

    def blocks():
        try:
            for _ in range(1000):
                yield np.ones((5, 2)), np.ones(5)
        finally:
            closed.append(threading.current_thread().name)

    def loss(output, target):
        raise RuntimeError("of the loss")

    with pytest.raises(RuntimeError, match="of the loss"):
        network(loss=loss).fit(blocks, buffer_rows=10, batch_size=5)
    assert len(closed) == 1


def test_what_a_source_cannot_do_is_refused_by_name(tmp_path):
    path, net = write(tmp_path / "rows.parquet"), network()
    before = [array.copy() for array in net.get_weights()]
    for options, message in (
        ({"validation_split": 0.1}, "validation_split=0.1: expected validation_data"),
        ({"class_weight": "balanced"}, "class_weight='balanced': expected a dict"),
        ({"buffer_rows": 0}, "buffer_rows=0"),
        ({"callbacks": [bp.Checkpoint(tmp_path / "c", every_steps=3)]}, "every_steps: expected N"),
        ({"epochs": 0}, "epochs=0"),
    ):
        with pytest.raises(ValueError, match=message):
            net.fit(path, "y", **options)
    net.optimizer = bp.LBFGS()
    with pytest.raises(ValueError, match="L-BFGS and a source: expected an optimizer that takes s"):
        net.fit(path, "y")
    for array, was in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, was)
    with pytest.raises(ValueError, match="buffer_rows=5: expected None with arrays"):
        net.fit(np.ones((3, 2)), np.ones(3), buffer_rows=5)
    with pytest.raises(TypeError, match="y: expected None, since"):
        net.fit(bp.sources.parquet(path, "y"), "y")


@pytest.mark.parametrize("arrays", [{"X": np.ones((3, 2)), "y": np.ones(3)}])
def test_members_that_cannot_be_mapped(tmp_path, arrays):
    path = tmp_path / "rows.npz"
    np.savez_compressed(path, **arrays)
    with pytest.raises(ValueError, match=r"rows\.npz, member 'X' is compressed"):
        network().fit(path)
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="has no member 'Z'"):
        bp.sources.npz(path, "Z")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"rows\.npz is not an \.npz file, or a damaged one"):
        bp.sources.npz(path)
    np.savez(path, X=np.array([object()]), y=np.ones(1))
    with pytest.raises(ValueError, match="holds Python objects, expected numbers"):
        bp.sources.npz(path)
    np.savez(path, X=np.ones((3, 2)), y=np.ones(4))
    with pytest.raises(ValueError, match=r"y has 4 rows, expected 3, as X"):
        bp.sources.npz(path)
    np.save(tmp_path / "X.npy", np.ones((3, 2)))
    cut = (tmp_path / "X.npy").read_bytes()[:-5]
    (tmp_path / "X.npy").write_bytes(cut)
    with pytest.raises(ValueError, match=r"X\.npy cannot be mapped: it is cut off"):
        bp.sources.npy(tmp_path / "X.npy", tmp_path / "X.npy")
    (tmp_path / "X.npy").write_bytes(b"")
    with pytest.raises(ValueError, match=r"X\.npy cannot be mapped"):
        bp.sources.npy(tmp_path / "X.npy", tmp_path / "X.npy")


def test_csv_files_with_other_columns_or_text(tmp_path):
    (tmp_path / "1.csv").write_text("a,b,y\n1,2,3\n4,5,6\n")
    (tmp_path / "2.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"2\.csv has 2 columns: expected the 3 .* it lacks y"):
        network().fit(tmp_path, "y")
    (tmp_path / "2.csv").write_text("a,b,y\n1,2,x\n")
    with pytest.raises(TypeError, match=r"2\.csv: column 'y' is string: expected numbers"):
        network().fit(tmp_path, "y")
    (tmp_path / "2.csv").write_text("a,b,y\n1,2,3,4\n")
    with pytest.raises(ValueError, match=r"2\.csv"):
        network().fit(tmp_path, "y")


SCRIPT = """
    import os, signal, sys, threading, time
    import numpy as np
    import backprop as bp

    signal.signal(signal.SIGINT, signal.default_int_handler)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(500, 2)), rng.normal(size=500)

    def blocks():
        while True:
            time.sleep(pause)
            yield X, y

    def press():
        time.sleep(0.5)
        pressed.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    for pause in (0, 0.3):  # while it trains, and while it waits for rows
        pressed = []
        net = bp.Network(2, [bp.Dense(64), bp.Dense(1)], seed=0)
        threading.Thread(target=press).start()
        try:
            net.fit(blocks, buffer_rows=400)
        except KeyboardInterrupt:
            print(time.perf_counter() - pressed[0])
        for reader in [t for t in threading.enumerate() if t.name.startswith("read ")]:
            reader.join(10)  # it ends with the block that it waits for
            assert not reader.is_alive()
        assert net.steps > 0 and net.epochs_trained == 0
        assert np.isfinite(net.fit(X, y, epochs=1).loss[0])
"""


@pytest.mark.skipif(os.name != "posix", reason="signals to a process are POSIX")
def test_ctrl_c():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    seconds = list(map(float, done.stdout.split()))
    print(seconds)
    assert len(seconds) == 2
    assert max(seconds) < 5


def test_a_module_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"needs pyarrow: pip install 'backprop-mlp\[parquet\]'"):
        network().fit(tmp_path / "rows.parquet", "y")


def test_signals_are_left_as_they_were(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    network().fit(write(tmp_path / "rows.parquet"), "y")
    assert signal.getsignal(signal.SIGINT) is before
