"""The core writes inside its own memory, whatever sizes follow each other."""

import itertools

import numpy as np
import pytest

import backprop as bp
from backprop._core import plan

GUARD = 0xA5
GUARD_BYTES = 2**18  # more than any overrun here would be: what lies behind stays whole


class GuardedNumpy:
    """numpy as the core's plans see it, except that zeros stand between guard bytes."""

    uint8 = np.uint8

    def __init__(self):
        self.blocks = []

    def zeros(self, n_bytes, dtype):
        assert dtype == np.uint8
        block = np.full(n_bytes + 2 * GUARD_BYTES, GUARD, np.uint8)
        self.blocks.append(block)
        inside = block[GUARD_BYTES:-GUARD_BYTES]
        inside[...] = 0
        return inside

    def check(self):
        assert self.blocks
        for block in self.blocks:
            assert (block[:GUARD_BYTES] == GUARD).all(), "written before an arena"
            assert (block[-GUARD_BYTES:] == GUARD).all(), "written past an arena"


@pytest.fixture
def guards(monkeypatch):
    guarded = GuardedNumpy()
    monkeypatch.setattr(plan, "np", guarded)
    return guarded


SIZES = (1, 15, 200, 16, 300, 3)  # of batches, in this order: larger and smaller in turns


@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("units", [[1], [17, 2], [33, 1, 50], [16, 64, 5, 31, 2]])
def test_all_methods_with_batches_of_any_size(guards, dtype, units, n_threads, matmul):
    rng = np.random.default_rng(0)
    layers = [bp.Dense(n, a) for n, a in zip(units, itertools.cycle(["tanh", "relu"]))]
    options = {"dtype": dtype, "seed": 0, "n_threads": n_threads, "matmul": matmul}
    for n_inputs in (1, 19, 60):
        net = bp.Network(n_inputs, layers, **options)
        for n in SIZES:
            X, y = rng.normal(size=(n, n_inputs)), rng.normal(size=(n, units[-1]))
            net.backward(net.forward(X))
            net.update()
            net.fit(X, y, epochs=1, batch_size=max(1, n // 2), sample_weight=np.ones(n))
            net.loss_and_gradients(X, y)
            net.predict(X)
            net.evaluate(X, y)
            net.explain(X, y)
            assert all(np.isfinite(layer.weights).all() for layer in net.layers)
    guards.check()
