"""The arrays around a layer as training lays them out, and the products on them.

Activations are feature-major, the bias is a last row of the parameters, rows are padded to whole
vectors and start on a cache line.
"""

from functools import partial
from types import SimpleNamespace

import numpy as np

from backprop._core import probe

ROW = 16  # elements that a row of parameters or activations is a multiple of
CACHE_SET_BYTES = 4096


def padded(count):
    return -(-count // ROW) * ROW


def random(rng, rows, columns, dtype, used=None):
    """[rows][columns] of numbers of size 1; columns beyond `used` are 0. Starts on a cache line."""
    values = aligned(rows, columns, dtype)
    values[:, :used] = rng.standard_normal((rows, used or columns))
    return values


def aligned(rows, columns, dtype):
    """Zeros; rows lie one vector further apart where else they would share a set of the cache."""
    itemsize = np.dtype(dtype).itemsize
    stride = columns + ROW if columns * itemsize % CACHE_SET_BYTES == 0 else columns
    memory = np.zeros(rows * stride * itemsize + 64, np.uint8)
    start = -memory.ctypes.data % 64
    whole = memory[start : start + rows * stride * itemsize].view(dtype).reshape(rows, stride)
    return whole[:, :columns]


def layer_arrays(layer, dtype):
    """Parameters and the activations and derivatives around them, as training lays them out."""
    rng = np.random.default_rng(0)
    columns = padded(layer.batch)
    made = SimpleNamespace(
        parameters=random(rng, layer.n_in + 1, padded(layer.n_out), dtype, layer.n_out),
        a_in=random(rng, layer.n_in + 1, columns, dtype, layer.batch),
        a_out=aligned(layer.n_out, columns, dtype),
        dz=random(rng, layer.n_out, columns, dtype, layer.batch),
        da_in=aligned(layer.n_in, columns, dtype),
        gradient=aligned(layer.n_in + 1, padded(layer.n_out), dtype),
    )
    made.a_in[-1] = 1  # the bias's input
    made.dz_transposed = aligned(columns, padded(layer.n_out), dtype)
    made.dz_transposed[:, : layer.n_out] = made.dz.T
    return made


def blas_runner(a, b, c, **how):
    """A function that works out c = a b by BLAS."""
    return lambda: probe.blas_multiply(a, b, c, **how)


def bare_products(layer, dtype):
    """{product: ({"fused" or "blas": its function, and one that does it for no rows}, array)}.

    Without an epilogue on either side, the same job for both; `array` is what both write.
    """
    t = layer_arrays(layer, dtype)
    weights = t.parameters[:, : layer.n_out]
    a_in, dz_transposed = t.a_in[:, : layer.batch], t.dz_transposed[: layer.batch]
    dz, gradient = t.dz[:, : layer.batch], t.gradient[:, : layer.n_out]
    return {
        "forward": (
            {
                "fused": fused_pair(weights, t.a_in, t.a_out, a_is_k_major=True),
                "blas": (
                    blas_runner(weights, t.a_in, t.a_out, a_is_k_major=True),
                    blas_runner(weights[:, :0], t.a_in, t.a_out[:0], a_is_k_major=True),
                ),
            },
            t.a_out,
        ),
        "backward data": (
            {
                "fused": fused_pair(weights[:-1], t.dz, t.da_in),
                "blas": (
                    blas_runner(weights[:-1], t.dz, t.da_in),
                    blas_runner(weights[:0], t.dz, t.da_in[:0]),
                ),
            },
            t.da_in,
        ),
        "weight gradient": (
            {
                "fused": fused_pair(a_in, dz_transposed, t.gradient),
                "blas": (
                    blas_runner(a_in, dz, gradient, b_is_n_major=True),
                    blas_runner(a_in[:0], dz, gradient[:0], b_is_n_major=True),
                ),
            },
            gradient,
        ),
    }


def fused_pair(a, b, c, **how):
    """Our own kernel: the product, and a call that does none of it."""
    run = probe.Product(a, b, c, **how).run
    return run, partial(run, 0, 0)
