"""The optimizer's step with gradients that are kept."""
from backprop._core.dense cimport Layer, Run
from backprop._core.steps cimport Steps


cdef void update_kept(Steps *s, Run *run, double scale) noexcept nogil
cdef int n_parts(const Layer *layers, int n_layers) noexcept nogil
