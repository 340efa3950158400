"""Gaussian noise on a layer's outputs, in training only."""
from backprop._core.dense cimport Operation


cdef Operation add_noise(int layer) noexcept
