"""Ranks: processes that train one network, each with some of the shards of every batch."""
from backprop._core.dense cimport Run
from backprop._core.steps cimport Steps


cdef object take_ranks(Steps *s, sharding, parameters, gradient, bint splits)
cdef gather_moments(Steps *s, exchange, moments)
cdef void own_all_rows(Steps *s) noexcept
cdef double whole_sum(Steps *s, Run *run, const char *values) noexcept nogil
cdef bint gather_parameters(Steps *s, Run *run) noexcept nogil
cdef bint reduce_gradients(Steps *s, Run *run) noexcept nogil
