"""A residual connection: a layer's inputs added to its outputs."""
from backprop._core.dense cimport Operation


cdef Operation add_inputs(int layer) noexcept
cdef Operation apart(int layer) noexcept
