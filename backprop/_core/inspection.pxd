"""All that passes through a network on one batch, kept."""
from backprop._core.dense cimport Layer
from backprop._core.kernels cimport bp_kernels, bp_team
from backprop._core.steps cimport Kept, Steps


cdef keep_layer(Kept *kept, const Layer *layer, n_rows, dtype)
cdef void inspect(void *argument, bp_team *team, int thread) noexcept nogil
cdef bare_layers(Steps *s, const bp_kernels *kernels, int first, bint learned)
