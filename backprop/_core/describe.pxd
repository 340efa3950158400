"""What a layer is, from what `core_layers` of backprop/layers.py says of it."""
from libc.stdint cimport int64_t

from backprop._core.dense cimport Layer
from backprop._core.kernels cimport bp_kernels


cdef describe(const bp_kernels *kernels, Layer *layer, int64_t n_in, given)
cdef void leave_out_padding(const bp_kernels *kernels, Layer *layer) noexcept
