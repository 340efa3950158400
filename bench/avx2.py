"""The AVX2 kernels, forced: what share of the AVX2 peak a training step reaches.

In a worker of its own, where BACKPROP_ISA=avx2 holds for the networks and for the peak alike.
"""

from findings import Finding, alone, say
from shapes import SHAPES
from stopwatch import Stopwatch
from worker import Worker, environment

TURNS = 7
PEAK_SECONDS = 0.05


def measure(shape_name="deep", turns=TURNS):
    from backprop._core.kernels import instruction_sets

    shape = SHAPES[shape_name]
    what, asked = f"AVX2 forced, share of the AVX2 peak: {shape}", "≥ 85 %"
    if not instruction_sets().get("avx2"):
        return [Finding(what, asked, [], note="this processor or build has no AVX2 kernels")]
    say("AVX2: ")
    with environment(BACKPROP_ISA="avx2"):
        worker = Worker(Stopwatch, "backprop", "float32")
    worker.call("prepare", shape.name)
    shares = []
    for _ in range(turns):
        peak = worker.call("peak", PEAK_SECONDS)
        shares.append(100 * shape.flops / (1e9 * peak * worker.call("time")))
        say(".")
    worker.call("losses")
    worker.close()
    say("\n")
    return [Finding(what, asked, shares, "%", f"peak {peak:.0f} GFLOP/s")]


if __name__ == "__main__":
    alone(measure, __doc__)
