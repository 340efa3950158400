"""What the benchmarks under pytest share: their imports, one core, and the peak to compare with."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import worker


@pytest.fixture(scope="session", autouse=True)
def one_core():
    """Bind the benchmarks to one core; whatever tests follow get all of them back."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    yield worker.pin()
    if cores is not None:
        os.sched_setaffinity(0, cores)


@pytest.fixture
def report(benchmark):
    """A function that adds GFLOP/s and the share of the peak, probed just after the timing.

    A round is so many `steps` of so many `flops`.
    """
    from backprop._core.probe import multiply_add_peak

    def add(flops, dtype, steps=1):
        if benchmark.disabled:  # --benchmark-disable: only the checks were asked for
            return
        peak = multiply_add_peak(dtype, 0.05)
        median, best = (
            flops * steps / seconds / 1e9
            for seconds in (benchmark.stats.stats.median, benchmark.stats.stats.min)
        )
        benchmark.extra_info.update(
            microseconds=round(flops / median / 1e3, 3),
            gflops=round(median, 2),
            peak_gflops=round(peak, 2),
            share_of_peak=round(median / peak, 3),
            best_share_of_peak=round(best / peak, 3),
        )

    return add
