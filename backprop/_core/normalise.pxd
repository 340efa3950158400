"""Batch and layer normalisation: an operation between a layer's product and its activation."""
from backprop._core.dense cimport Layer, Operation


cdef Operation normalise(const Layer *layer, bint training) noexcept
