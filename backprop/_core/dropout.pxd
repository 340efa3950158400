"""Dropout: an operation on a layer's outputs, or on the network's inputs, in training only."""
from backprop._core.dense cimport Layer, Operation, Run


cdef Operation drop_outputs(int layer, bint slope_is_kept) noexcept
cdef Operation drop_inputs() noexcept
cdef void output_factors(const Layer *layer, Run *run, char *ones) noexcept nogil
cdef void input_factors(const Layer *layer, Run *run, char *ones) noexcept nogil
