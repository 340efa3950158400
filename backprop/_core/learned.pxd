"""Activations with a parameter that each unit learns: an operation after the product, or after the norm."""
from backprop._core.dense cimport Operation


cdef Operation activate_learned(int layer) noexcept
