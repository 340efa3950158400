"""The three products of a layer: forward, backward to the data, weight gradient.

For every layer of the nine shapes, on the layouts that training uses: activations feature-major,
the bias as a last row of the parameters, rows padded to whole vectors. Three ways: `fused`, our
kernels with the epilogue that training gives them (relu, its derivative, Adam); `bare`, the same
without; `blas`, the bare product by BLAS. Each is compared with numpy in float64 before it is
timed. Work in `extra_info` is that of the weights; the bias comes on top.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from peers import ADAM
from products import aligned, blas_runner, layer_arrays
from shapes import SHAPES

from backprop import Adam
from backprop._core import probe

# (inputs, outputs, batch) of every layer, once each, under the first shape that has it.
LAYERS = {}
for _shape in SHAPES.values():
    for _sizes in _shape.layer_sizes:
        LAYERS.setdefault((*_sizes, _shape.batch), _shape.name)
CASES = [
    pytest.param(
        SimpleNamespace(n_in=key[0], n_out=key[1], batch=key[2]), id=f"{name}-{key[0]}-{key[1]}"
    )
    for key, name in LAYERS.items()
]

# Each product is a sum of up to 1024 terms of size 1: rounding of 1e-7 or 1e-16 a term.
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}

pytestmark = pytest.mark.benchmark(min_rounds=10, max_time=0.1)


def assert_equals(found, expected, dtype):
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert error <= TOLERANCE[dtype]


def exact(array):
    return array.astype(np.float64)


@pytest.mark.parametrize("how", ["fused", "bare", "blas"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layer", CASES)
def test_forward(benchmark, report, layer, how, dtype):
    """a_out = relu(parametersᵀ a_in)."""
    benchmark.group = f"forward {layer.batch}×{layer.n_in}×{layer.n_out} {dtype}"
    t = layer_arrays(layer, dtype)
    weights = t.parameters[:, : layer.n_out]
    expected = exact(weights).T @ exact(t.a_in)
    if how == "blas":
        run = blas_runner(weights, t.a_in, t.a_out, a_is_k_major=True)
    else:
        epilogue = {"epilogue": "activate", "activation": "relu"} if how == "fused" else {}
        run = probe.Product(weights, t.a_in, t.a_out, a_is_k_major=True, **epilogue).run
    if how == "fused":
        expected = np.maximum(expected, 0)
    run()
    assert_equals(t.a_out, expected, dtype)
    benchmark(run)
    report(2 * layer.batch * layer.n_in * layer.n_out, dtype)


@pytest.mark.parametrize("how", ["fused", "bare", "blas"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layer", CASES)
def test_backward_data(benchmark, report, layer, how, dtype):
    """dz_in = (weights dz) · relu'(z_in)."""
    benchmark.group = f"backward data {layer.batch}×{layer.n_in}×{layer.n_out} {dtype}"
    t = layer_arrays(layer, dtype)
    weights = t.parameters[:-1, : layer.n_out]
    expected = exact(weights) @ exact(t.dz)
    if how == "blas":
        run = blas_runner(weights, t.dz, t.da_in)
    else:
        epilogue = (
            {"epilogue": "derivative", "activation": "relu", "kept": t.a_in[:-1]}
            if how == "fused"
            else {}
        )
        run = probe.Product(weights, t.dz, t.da_in, **epilogue).run
    if how == "fused":
        expected *= t.a_in[:-1] > 0
    run()
    assert_equals(t.da_in, expected, dtype)
    benchmark(run)
    report(2 * layer.batch * layer.n_in * layer.n_out, dtype)


@pytest.mark.parametrize("how", ["fused", "bare", "blas"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layer", CASES)
def test_weight_gradient(benchmark, report, layer, how, dtype):
    """gradient = a_in dzᵀ, and Adam's step with it."""
    benchmark.group = f"weight gradient {layer.batch}×{layer.n_in}×{layer.n_out} {dtype}"
    t = layer_arrays(layer, dtype)
    a_in, dz_transposed = t.a_in[:, : layer.batch], t.dz_transposed[: layer.batch]
    gradient = exact(a_in) @ exact(dz_transposed)
    if how == "blas":
        run = blas_runner(
            a_in, t.dz[:, : layer.batch], t.gradient[:, : layer.n_out], b_is_n_major=True
        )
        run()
        assert_equals(t.gradient, gradient, dtype)
    elif how == "bare":
        run = probe.Product(a_in, dz_transposed, t.gradient).run
        run()
        assert_equals(t.gradient, gradient, dtype)
    else:
        step = (Adam(**ADAM), 1)
        moments = [aligned(*t.parameters.shape, dtype) for _ in step[0].moments]
        product = probe.Product(
            a_in, dz_transposed, t.parameters, epilogue="update", step=step, moments=moments
        )
        before = exact(t.parameters)
        run = product.run
        run()
        expected = before.copy(), np.zeros_like(before), np.zeros_like(before)
        step[0].update(expected[0], gradient, expected[1:], step[1])
        for found, exact_one in zip((t.parameters, *moments), expected, strict=True):
            assert_equals(found, exact_one, dtype)
    benchmark(run)
    report(2 * layer.batch * layer.n_in * layer.n_out, dtype)
