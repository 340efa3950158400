"""How fast a table is read and prepared: a million rows of mixed columns, with pyarrow and without.

python bench/tables.py [rows]
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from backprop.tabular.preprocessing import Preprocessing
from backprop.tabular.reading import fast
from backprop.tabular.tables import read

ROWS, TURNS = 1_000_000, 7


def write(path, n_rows):
    """Numbers with and without gaps, categories, 5,000 shops, days, and a target."""
    import pyarrow
    import pyarrow.csv

    rng = np.random.default_rng(0)
    numbers = {f"number{i}": rng.normal(0, 10.0**i, n_rows).round(6) for i in range(6)}
    numbers["whole"] = rng.integers(0, 10**6, n_rows)
    shop = rng.integers(0, 5_000, n_rows)
    days = np.datetime64("2015-01-01") + rng.integers(0, 3_000, n_rows)
    columns = {
        **numbers,
        "gaps": pyarrow.array(numbers["number0"], mask=rng.random(n_rows) < 0.1),
        "colour": np.array(["red", "green", "blue", "grey"])[rng.integers(0, 4, n_rows)],
        "town": np.array([f"town {i}" for i in range(200)])[rng.integers(0, 200, n_rows)],
        "shop": np.array([f"shop no. {i}" for i in range(5_000)])[shop],
        "day": days.astype(str),
        "y": (rng.normal(size=5_000)[shop] + numbers["number0"]).round(4),
    }
    pyarrow.csv.write_csv(pyarrow.table(columns), path)


def seconds(path):
    """For reading, and for learning and encoding nine rows of ten."""
    start = time.perf_counter()
    table = read(path)
    between = time.perf_counter()
    training = np.flatnonzero(np.arange(table.n_rows) % 10)
    Preprocessing("regression").fit_transform(table, "y", training)
    return between - start, time.perf_counter() - between


def main(n_rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        write(path, n_rows)
        megabytes = path.stat().st_size / 1e6
        print(f"{n_rows:,} rows, {megabytes:.0f} MB; goal: 100 MB/s read and prepared, by pyarrow")
        for name, turns, fewest in (("pyarrow", TURNS, 0), ("own reader", 1, sys.maxsize)):
            fast.FEWEST_BYTES = fewest
            times = [seconds(path) for _ in range(turns)]
            reading, preparing = min(times, key=sum)
            print(
                f"{name:<10}  read {reading:.2f} s ({megabytes / reading:.0f} MB/s), prepared "
                f"{preparing:.2f} s, together {megabytes / (reading + preparing):.0f} MB/s"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
