"""Steps of 2 ranks against those of 1, and what a model that is fitted to them says of more.

    python bench/scale.py                # two ranks by mpiexec, one core each
    python bench/scale.py --turns 9 --shards 4

Strong scaling: the same batch, shared out; weak: as many rows for each rank. Both against one
process with as many shards, one thread each. The model of a step of R ranks:

    T(R) = rows(R) t + U / R + a (R - 1) + 2 b (R - 1) / R

t: of a row, and U: of the update with gradients that are kept, of which every rank makes its slice;
both are measured by one rank, with two sizes of the batch. It takes longer than a process without
ranks, whose gradients are spent while they are in cache. a: of a message, b: of all gradients; both
by two ranks that exchange and do nothing else. The model is compared with what two ranks measure,
and then says what 4 to 256 would come to over the same connection.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from results import markdown, spread
from shapes import SHAPES
from worker import processor

MEASURED = ("mnist", "wide", "deep")
ASKED = 1.8
STEPS_SECONDS = 0.3  # of one measurement, about
MORE_RANKS = (4, 16, 64, 256)


def main():
    options = parse()
    if options.rank:
        print(json.dumps(measured(options)))
        return
    runs = [{size: started(size, options) for size in (1, 2)} for _ in range(options.turns)]
    rows, models = [], []
    for name in MEASURED:
        of_shape = [{size: run[size][name] for size in run} for run in runs]
        rows.append(row_of(name, of_shape))
        models.append(model_of(name, of_shape))
    print(
        markdown(["shape, batch", "strong", "weak", "asked", "model, strong", "model, weak"], rows)
    )
    print("\nThe model, speedups over one rank, strong / weak:\n")
    print(markdown(["shape, batch", *(f"{size} ranks" for size in MORE_RANKS)], models))
    print(f"\n{processor()}, {options.shards} shards, {options.turns} turns")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5, help="default: 5")
    parser.add_argument("--shards", type=int, default=4, help="default: 4")
    parser.add_argument("--rank", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def started(size, options):
    """{shape: seconds} of so many ranks, each bound to a core."""
    mpiexec = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    command = [mpiexec, "-n", str(size), "-bind-to", "core", sys.executable, __file__]
    command += ["--rank", "--shards", str(options.shards)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


# ---- on a rank ----------------------------------------------------------------------------------


def measured(options):
    from backprop.ranks import MPI

    ranks = MPI()
    found = {}
    for name in MEASURED:
        shape = SHAPES[name]
        found[name] = {
            "strong": step_seconds(shape, shape.batch, ranks, options.shards),
            "weak": step_seconds(shape, shape.batch * ranks.size, ranks, options.shards),
            "kept": step_seconds(shape, shape.batch, ranks, options.shards, True),
            "few rows": step_seconds(shape, shape.batch // 4, ranks, options.shards, True),
            **exchange_seconds(shape, ranks),
        }
    if ranks.rank:
        sys.exit()
    return found


def step_seconds(shape, batch, ranks, shards, as_rank=False):
    """Of one step of the optimizer; `as_rank`: also one rank keeps its gradients."""
    import backprop as bp

    X, y = shape.random_data()
    repeated = -(-4 * batch // len(X))
    X, y = (
        np.tile(X.astype("float32"), (repeated, 1))[: 4 * batch],
        np.tile(y, repeated)[: 4 * batch],
    )
    net = bp.Network(shape.sizes[0], shape.layers(), shape.loss, seed=0, n_threads=1)
    epochs = 1
    how = {
        "batch_size": batch,
        "shards": shards,
        "ranks": ranks if ranks.size > 1 or as_rank else None,
    }
    best = None
    for turn in range(4):
        ranks.barrier()
        began = time.perf_counter()
        net.fit(X, y, epochs=epochs, **how)
        seconds = np.array([time.perf_counter() - began] * ranks.size)
        ranks.gather(seconds, np.arange(ranks.size + 1))
        of_step = seconds.max() / epochs / 4
        if turn == 0:
            epochs = max(1, round(STEPS_SECONDS / 4 / of_step))
        else:
            best = of_step if best is None else min(best, of_step)
    return best


def exchange_seconds(shape, ranks):
    """Of a status, and of all gradients there and back; 0 for one rank."""
    if ranks.size == 1:
        return {"message": 0.0, "gradients": 0.0}
    n = sum((n_in + 1) * n_out for n_in, n_out in shape.layer_sizes) // 32 * 32
    gradients, received = np.zeros(n, np.float32), np.zeros(n, np.float32)
    halves, status, ends = np.array([0, n // 2, n]), np.zeros(8), np.array([0, 4, 8])

    def both():
        ranks.exchange(gradients, halves, received, halves)
        ranks.gather(gradients, halves)

    return {
        "message": timed(ranks, lambda: ranks.gather(status, ends)),
        "gradients": timed(ranks, both),
    }


def timed(ranks, function, repeats=50):
    ranks.barrier()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return median(seconds)


# ---- the tables ---------------------------------------------------------------------------------


def row_of(name, of_turns):
    strong = [turn[1]["strong"] / turn[2]["strong"] for turn in of_turns]
    weak = [2 * turn[1]["strong"] / turn[2]["weak"] for turn in of_turns]
    by_model = [speedups(name, of_turns, 2, kind) for kind in ("strong", "weak")]
    return [
        str(SHAPES[name]),
        f"{spread(strong)}×",
        f"{spread(weak)}×",
        f"≥ {ASKED}×",
        *(f"{value:.2f}×" for value in by_model),
    ]


def model_of(name, of_turns):
    cells = [
        " / ".join(f"{speedups(name, of_turns, size, kind):.1f}" for kind in ("strong", "weak"))
        for size in MORE_RANKS
    ]
    return [str(SHAPES[name]), *cells]


def speedups(name, of_turns, size, kind):
    """What the model says: how many times the samples per second of one rank."""
    alone, two = ([turn[n] for turn in of_turns] for n in (1, 2))
    batch = SHAPES[name].batch
    whole, kept, few = (
        median(one[what] for one in alone) for what in ("strong", "kept", "few rows")
    )
    of_row = (kept - few) / (batch - batch // 4)
    update = max(0.0, kept - batch * of_row)
    message, gradients = (median(one[what] for one in two) for what in ("message", "gradients"))
    rows = batch / size if kind == "strong" else batch
    step = rows * of_row + update / size + message * (size - 1) + gradients * 2 * (size - 1) / size
    return whole / step * (size if kind == "weak" else 1)


if __name__ == "__main__":
    main()
