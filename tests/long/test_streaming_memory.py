"""A file several times larger than the memory that a process may have is trained on."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("resource")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="the limit and /proc are Linux's"),
]

COLUMNS, GROUPS, GROUP_ROWS = 40, 60, 100_000  # 960 MB
ROOM = 200 << 20  # bytes that the process may ask for, beside what it has when it begins
SCRIPT = """
    import resource, sys
    import numpy as np
    import backprop as bp

    def told(name):
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

    path, room = sys.argv[1], int(sys.argv[2])
    net = bp.Network(39, [bp.Dense(32, "relu"), bp.Dense(1)], seed=0, n_threads=1)
    source = bp.sources.parquet(path, "y")
    net.fit(np.zeros((2, 39)), np.zeros(2))
    limit = told("VmData") + room
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    history = net.fit(source, epochs=2, batch_size=256, buffer_rows=400_000)
    assert history.n_samples == source.n_rows
    assert history.loss[1] < history.loss[0]
    print(told("VmHWM"))
    try:
        np.zeros(room, np.uint8)
    except MemoryError:
        print("limited")
"""


def test_a_file_of_several_times_the_memory(tmp_path):
    names = [*(f"x{i}" for i in range(COLUMNS - 1)), "y"]
    schema, rng = pa.schema([(name, pa.float32()) for name in names]), np.random.default_rng(0)
    path = tmp_path / "rows.parquet"
    with pq.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for _ in range(GROUPS):
            columns = list(rng.random((COLUMNS, GROUP_ROWS), np.float32))
            columns[-1] = columns[0] - columns[1]
            writer.write_table(pa.table(columns, schema=schema), GROUP_ROWS)
    size = path.stat().st_size
    assert size > 4 * ROOM
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(path), str(ROOM)],
        capture_output=True,
        text=True,
    )
    path.unlink()
    assert done.returncode == 0, done.stderr
    peak, limited = done.stdout.split()
    print(f"a file of {size / 1e6:.0f} MB, a peak of {int(peak) / 1e6:.0f} MB")
    assert limited == "limited"
