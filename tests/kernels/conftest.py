"""For the leaf kernels: tests run once for each instruction set and dtype, between guard bytes."""

import functools
import platform
import sys
from pathlib import Path

import numpy as np
import pytest

from backprop._core import probe

sys.path.insert(0, str(Path(__file__).resolve().parent))
import emulated

RUNS_HERE = {**probe.instruction_sets(), emulated.NAME: not emulated.missing()}
# SSE2 has no fused multiply-add: there "baseline" rounds a product before it is added.
FUSED = {
    name: name != "baseline" or platform.machine() in ("aarch64", "arm64") for name in RUNS_HERE
}
GUARD = 0xA5
GUARD_BYTES = 256


def why_not(instruction_set):
    if instruction_set == emulated.NAME:
        return f"neon is emulated, for which is missing: {emulated.missing()}"
    return f"this processor does not run {instruction_set}"


@pytest.fixture(scope="session")
def emulated_kernels(tmp_path_factory):
    """A function that returns them; the emulator is started when it is first called."""
    started = []

    @functools.cache
    def kernels():
        started.append(emulated.Driver(tmp_path_factory.mktemp("aarch64")))
        return emulated.Kernels(started[0])

    yield kernels
    for driver in started:
        driver.close()


@pytest.fixture(autouse=True)
def neon(monkeypatch, emulated_kernels):
    """probe's functions take "neon" too."""
    for name in emulated.NAMES:
        monkeypatch.setattr(probe, name, emulated.dispatching(name, emulated_kernels))


@pytest.fixture(
    params=[
        pytest.param(
            name,
            marks=[] if runs else pytest.mark.skip(reason=why_not(name)),
        )
        for name, runs in RUNS_HERE.items()
    ]
)
def isa(request):
    """An instruction set of the build; one that does not run here is reported as skipped."""
    return request.param


@pytest.fixture
def fused(isa):
    """Whether this instruction set multiplies and adds with one rounding."""
    return FUSED[isa]


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def fusing():
    """Names of the instruction sets that run here and multiply and add with one rounding."""
    names = [name for name, runs in RUNS_HERE.items() if runs and FUSED[name]]
    if len(names) < 2:
        pytest.skip(f"needs two instruction sets with fused multiply-adds, here run: {names}")
    return names


@pytest.fixture
def assert_same_bits(fusing):
    """Called with a function from instruction set to {name: array}: all that fuse agree."""

    def check(results_of):
        first, *others = map(results_of, fusing)
        for other in others:
            assert other.keys() == first.keys()
            for name, expected in first.items():
                found, bits = other[name], f"u{expected.itemsize}"
                np.testing.assert_array_equal(found.view(bits), expected.view(bits), name)
                assert not np.isnan(expected).any(), name

    return check


class GuardedNumpy:
    """numpy as the probe sees it, except that a new array stands between guard bytes."""

    def __init__(self):
        self.blocks = []

    def __getattr__(self, name):
        return getattr(np, name)

    def empty(self, shape, dtype=float):
        n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        block = np.full(n_bytes + 2 * GUARD_BYTES, GUARD, np.uint8)
        self.blocks.append((block, n_bytes))
        return self.inside(-1).view(dtype).reshape(shape)

    def empty_like(self, values):
        return self.empty(values.shape, values.dtype)

    def zeros(self, shape, dtype=float):
        return self.full(shape, 0, dtype)

    def full(self, shape, value, dtype=None):
        out = self.empty(shape, dtype)
        out[...] = value
        return out

    def inside(self, which):
        """Bytes of the array that was made as number `which`."""
        block, n_bytes = self.blocks[which]
        return block[GUARD_BYTES : GUARD_BYTES + n_bytes]

    def check(self):
        for block, n_bytes in self.blocks:
            assert (block[:GUARD_BYTES] == GUARD).all(), "written before an array"
            assert (block[GUARD_BYTES + n_bytes :] == GUARD).all(), "written past an array"


@pytest.fixture(autouse=True)
def guards(monkeypatch):
    """What the probe allocates, outputs and scratch, stands between guard bytes."""
    guarded = GuardedNumpy()
    monkeypatch.setattr(probe, "np", guarded)
    yield guarded
    guarded.check()
