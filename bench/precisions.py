"""float64 beside float32: what share of its own multiply-add peak a step reaches in each."""

import statistics

from findings import Finding, alone, say
from shapes import SHAPES
from stopwatch import Stopwatch
from worker import Worker

TURNS = 5
PEAK_SECONDS = 0.05


def measure(shapes=tuple(SHAPES), turns=TURNS):
    say("float64: ")
    workers = {dtype: Worker(Stopwatch, "backprop", dtype) for dtype in ("float32", "float64")}
    found = []
    for shape in (SHAPES[name] for name in shapes if name != "xor"):  # whose share says nothing
        for worker in workers.values():
            worker.call("prepare", shape.name)
        shares = {dtype: [] for dtype in workers}
        for _ in range(turns):
            for dtype, worker in workers.items():
                peak = worker.call("peak", PEAK_SECONDS)
                shares[dtype].append(100 * shape.flops / (1e9 * peak * worker.call("time")))
        for worker in workers.values():
            worker.call("losses")
        single, double = (statistics.median(values) for values in shares.values())
        found.append(
            Finding(
                f"float64's share of its peak less float32's: {shape}",
                "≥ -5 points",
                [double - single for single, double in zip(*shares.values(), strict=True)],
                "points",
                f"float64 {double:.0f} %, float32 {single:.0f} %",
            )
        )
        say(".")
    for worker in workers.values():
        worker.close()
    say("\n")
    return found


if __name__ == "__main__":
    alone(measure, __doc__)
