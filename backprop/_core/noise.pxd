"""Gaussian noise on a layer's outputs, in training only."""
from backprop._core.dense cimport Layer, Operation, Run


cdef Operation add_noise(int layer) noexcept
cdef void output_noise(const Layer *layer, Run *run, char *values) noexcept nogil
