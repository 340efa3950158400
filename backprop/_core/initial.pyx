"""Initial weights: drawn once, when a network is made.

Each distribution has a counterpart in backprop/reference.py, which has the same bits.
"""
import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint64_t

from backprop._core.dense cimport Layer
from backprop._core.kernels cimport bp_kernels, normal, orthonormalize

cnp.import_array()

# Numbers that are drawn between two looks for Ctrl-C.
cdef int64_t PORTION = 1 << 20


cdef set_weights(const bp_kernels *kernels, const Layer *layer, weights, uint64_t state, initial):
    """Of a layer, of whose parameters `weights` [n_in][n_out] are a view; the bias stays 0.

    `initial`: an array of that shape, or a distribution and its scale.
    """
    cdef int64_t n_in = layer.n_in, n_out = layer.n_out
    if isinstance(initial, np.ndarray):
        weights[...] = initial
        return
    distribution, scale = initial
    if distribution == "uniform":  # in ±scale
        kernels.uniform(state, scale, layer.parameters, n_in, n_out, layer.ldw)
    elif distribution == "normal":
        weights[...] = normals(state, n_in, n_out) * scale
    elif distribution == "orthogonal":
        weights[...] = orthogonal(state, n_in, n_out) * scale
    elif distribution == "constant":
        weights[...] = scale
    else:
        raise ValueError(f"distribution={distribution!r}: expected uniform, normal, orthogonal or constant")


def normals(uint64_t state, int64_t rows, int64_t columns):
    """[rows][columns] of mean 0 and variance 1, row by row from the stream."""
    cdef cnp.ndarray out = np.empty((rows, columns))
    cdef double *values = <double *>cnp.PyArray_DATA(out)
    cdef int64_t first, count = rows * columns
    for first from 0 <= first < count by PORTION:
        # a pair of numbers is made of a pair of the stream's, so that a portion begins where it would be
        normal(state + <uint64_t>first * <uint64_t>0x9E3779B97F4A7C15, values + first, min(PORTION, count - first))
        PyErr_CheckSignals()
    return out


def orthogonal(uint64_t state, int64_t rows, int64_t columns):
    """[rows][columns], whose columns are orthonormal, or whose rows where they are fewer."""
    cdef bint is_wide = rows < columns
    cdef int64_t n = min(rows, columns), m = max(rows, columns), row
    cdef cnp.ndarray drawn = normals(state, n, m)
    cdef double *values = <double *>cnp.PyArray_DATA(drawn)
    for row in range(n):
        with nogil:
            orthonormalize(values, row, m)
        PyErr_CheckSignals()
    return drawn if is_wide else drawn.T
