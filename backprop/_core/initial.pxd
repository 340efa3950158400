"""Initial weights."""
from libc.stdint cimport uint64_t

from backprop._core.dense cimport Layer
from backprop._core.kernels cimport bp_kernels


cdef set_weights(const bp_kernels *kernels, const Layer *layer, weights, uint64_t state, initial)
