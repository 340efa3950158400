"""Dropout: an operation on a layer's outputs, or on the network's inputs, in training only."""
from backprop._core.dense cimport Layer, Operation, Run


cdef Operation drop_outputs(int layer) noexcept
cdef Operation drop_inputs() noexcept
cdef void outputs_forward(const Layer *layer, Run *run) noexcept nogil
cdef void inputs_forward(const Layer *layer, Run *run) noexcept nogil
cdef void output_factors(const Layer *layer, Run *run, char *ones) noexcept nogil
cdef void input_factors(const Layer *layer, Run *run, char *ones) noexcept nogil
