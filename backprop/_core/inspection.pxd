"""All that passes through a network on one batch, kept."""
from backprop._core.dense cimport Layer
from backprop._core.kernels cimport bp_team
from backprop._core.steps cimport Kept


cdef keep_layer(Kept *kept, const Layer *layer, n_rows, dtype)
cdef void inspect(void *argument, bp_team *team, int thread) noexcept nogil
