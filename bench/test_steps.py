"""Whole training steps on the nine shapes: gather, forward, loss, backward and Adam, one thread.

A round is one epoch of `fit`; `extra_info` has the microseconds of a step. The step's gradient and
update are compared with the reference before anything is timed.
"""

import pytest
from peers import ours
from shapes import SHAPES
from stopwatch import check

CASES = [(name, "float32") for name in SHAPES]
# In float64, one of each kind: parameters in the first cache, in the second, and in neither.
CASES += [(name, "float64") for name in ("rl", "mnist", "wide")]


@pytest.mark.benchmark(min_rounds=5, max_time=0.5)
@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_training_step(benchmark, report, name, dtype):
    shape = SHAPES[name]
    benchmark.group = f"step {shape}"
    X, y = shape.random_data()
    parameters = shape.initial_parameters(dtype)
    check(ours, shape, dtype, parameters, X[: shape.batch], y[: shape.batch], "fit")

    trainer = ours.Trainer(shape, dtype, parameters, X, y)
    trainer.train(1)
    benchmark(trainer.train, 1)
    report(shape.flops, dtype, steps=shape.steps)
