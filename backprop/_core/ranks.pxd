"""Ranks: processes that train one network, each with some of the shards of every batch."""
from backprop._core.dense cimport Run
from backprop._core.steps cimport Ranked, Steps


cdef object take_ranks(Ranked *ranked, sharding, gradient)
cdef double whole_sum(Steps *s, Run *run, const char *values) noexcept nogil
cdef bint reduce_gradients(Steps *s, Run *run) noexcept nogil
