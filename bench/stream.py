"""Rows from Parquet beside the same rows in memory: speed and peak memory.

Diamonds, one hundred times over (5.4 million rows), with three networks; in turns, each in a
process of its own, which reads on a second thread: unlike the others this benchmark is not bound to
one core. Then files of other sizes with one buffer, of which only the size of the file is another:
the peak of memory has to stay.
"""

import argparse
import csv
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from findings import Finding, conditions, say, table
from memory import STATUS, kilobytes
from results import number, save, spread
from worker import Worker, load

DATA = Path(
    os.environ.get("BACKPROP_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
TIMES, GROUP_ROWS, BUFFER_ROWS, BATCH = 100, 100_000, 500_000, 256
# The last is that of `backprop train` on tables.
NETWORKS = {"64-64": (64, 64), "128-128": (128, 128), "256-256-256": (256, 256, 256)}
ROWS_OF_TURN = {"64-64": TIMES, "128-128": TIMES // 2, "256-256-256": TIMES // 10}  # times diamonds
WIDE, WIDE_ROWS = 40, 1_000_000  # columns and rows of the generated file, times:
SIZES = (1, 2, 4, 8)


def diamonds():
    """(X, y) of float32: numbers as they are, and the places of words among theirs."""
    with open(DATA / "diamonds.csv", newline="") as file:
        names, *rows = csv.reader(file)
    columns = []
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        try:
            columns.append((name, np.array(values, np.float32)))
        except ValueError:
            columns.append((name, np.unique(values, return_inverse=True)[1].astype(np.float32)))
    columns = dict(columns[1:])  # the first counts the rows
    y = columns.pop("price")
    X = np.stack(list(columns.values()), axis=1)
    return (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()


def write_diamonds(path, times):
    import pyarrow as pa
    from pyarrow import parquet

    X, y = diamonds()
    columns = {**{f"x{i}": column for i, column in enumerate(X.T)}, "price": y}
    one = pa.table(columns)
    parquet.write_table(pa.concat_tables([one] * times), path, row_group_size=GROUP_ROWS)


def write_wide(path, times):
    """Random numbers, which nothing makes smaller: 160 MB a million rows."""
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    names = [*(f"x{i}" for i in range(WIDE - 1)), "y"]
    schema = pa.schema([(name, pa.float32()) for name in names])
    with parquet.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for _ in range(times * WIDE_ROWS // GROUP_ROWS):
            columns = rng.random((WIDE, GROUP_ROWS), np.float32)
            writer.write_table(pa.table(list(columns), schema=schema), GROUP_ROWS)


class Trainer:
    """One way to train, in memory or from the file; lives in a worker."""

    def __init__(self, path, hidden, in_memory, target="price", buffer_rows=BUFFER_ROWS):
        import backprop as bp

        self.source = bp.sources.parquet(path, target)
        self.rows = {"buffer_rows": buffer_rows, "X": self.source}
        if in_memory:
            pieces = list(self.source.pieces())
            X, y = (np.concatenate([piece[i] for piece in pieces]) for i in (0, 1))
            self.rows = {"X": X, "y": y}
        layers = [*(bp.Dense(units, "relu") for units in hidden), bp.Dense(1)]
        n_inputs = len(self.source.input_names)
        self.net = bp.Network(n_inputs, layers, optimizer=bp.Adam(1e-4), seed=0, n_threads=1)
        few = np.zeros((BATCH, n_inputs), np.float32)
        self.net.fit(few, few[:, 0], epochs=1, batch_size=BATCH)
        next(self.source.pieces())  # so that the code is in memory, ours and pyarrow's

    def speed(self):
        """Rows a second of one epoch, and a second of processor time of the thread that trains.

        The second leaves out waiting for rows: no machine does better, and a busy one worse.
        """
        started, own = time.perf_counter(), time.thread_time()
        n_rows = self.net.fit(**self.rows, epochs=1, batch_size=BATCH).n_samples
        return n_rows / (time.perf_counter() - started), n_rows / (time.thread_time() - own)

    def growth(self):
        """Bytes by which the peak of memory is above what there was before."""
        Path("/proc/self/clear_refs").write_text("5")
        before = kilobytes("VmRSS")
        self.net.fit(**self.rows, epochs=1, batch_size=BATCH)
        return 1024 * (kilobytes("VmHWM") - before)


def speeds(folder, repeats):
    found = []
    for name, hidden in NETWORKS.items():
        say(f"{name}: ")
        path = folder / f"{name}.parquet"
        write_diamonds(path, ROWS_OF_TURN[name])
        workers = [Worker(Trainer, str(path), hidden, in_memory) for in_memory in (True, False)]
        ratios, own, best = [], [], [0.0, 0.0]
        for turn in range(repeats):
            order = (0, 1) if turn % 2 else (1, 0)
            rates = {i: workers[i].call("speed") for i in order}
            best = [max(best[i], rates[i][0]) for i in (0, 1)]
            ratios.append(rates[1][0] / rates[0][0])
            own.append(rates[1][1] / rates[0][1])
            say(".")
        for worker in workers:
            worker.close()
        path.unlink()
        note = f"at best {best[0] / 1e6:.2f} in memory and {best[1] / 1e6:.2f} streamed, M rows/s"
        what = f"diamonds × {ROWS_OF_TURN[name]}, {name}: streamed / in memory"
        found.append(Finding(what, "≥ 0.9", ratios, "", note))
        what, note = (
            f"{what}, by the training thread's own time",
            "a bound: waiting for rows is no part of it",
        )
        found.append(Finding(what, "≥ 0.9", own, "", note))
        say("\n")
    return found


def memory(folder, turns):
    """Of files of several sizes: the peak beside buffer and two row groups."""
    found = []
    row = 4 * WIDE
    asked = (BUFFER_ROWS * (row + 8) + 2 * GROUP_ROWS * row) / 1e6  # 8: its place in the order
    for times in SIZES if STATUS.exists() else ():
        say(f"memory {times}: ")
        path, grown = folder / "wide.parquet", []
        write_wide(path, times)
        for _ in range(turns):
            worker = Worker(Trainer, str(path), (64, 64), False, "y", BUFFER_ROWS)
            grown.append(worker.call("growth") / 1e6)
            worker.close()
            say(".")
        note = f"a file of {path.stat().st_size / 1e6:,.0f} MB"
        path.unlink()
        what = f"peak memory, {times} million rows of {WIDE} numbers"
        found.append(Finding(what, f"≤ {number(asked)} MB", grown, "MB", note))
        say("\n")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--part", choices=("speed", "memory"), help="only this one")
    parser.add_argument("--json", metavar="FILE", help="write every number measured to FILE")
    options = parser.parse_args()
    busy, found = load(), []
    with tempfile.TemporaryDirectory() as folder:
        if options.part != "memory":
            found += speeds(Path(folder), options.repeats)
        if options.part != "speed":
            found += memory(Path(folder), min(options.repeats, 3))
    print(table(found))
    print(f"\n{conditions(None)}{busy}")
    if options.json:
        further = [{"what": f.what, "asked": f.asked, "values": f.values} for f in found]
        save(options.json, [], command=sys.argv[0], further=further)
    return [spread(each.values) for each in found if each.values]


if __name__ == "__main__":
    main()
