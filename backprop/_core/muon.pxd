"""Muon's step, as an operation behind a layer's gradient and on its own."""
from libc.stdint cimport int64_t

from backprop._core.dense cimport Layer, Operation


cdef Operation orthogonalize(int layer) noexcept
cdef int64_t room_bytes(const Layer *layer, int64_t itemsize) noexcept nogil
