"""A loss of the user's own: a Python function that thread 0 calls, once a batch."""
from libc.stdint cimport int64_t

from backprop._core.dense cimport Run
from backprop._core.steps cimport Steps


cdef class OwnLoss:
    cdef object function    # (output, target) -> (losses, d_output), checked and of the network's dtype
    cdef object targets     # of all rows, as they were given
    cdef object order       # of the rows, or None: as they lie
    cdef object dtype


cdef OwnLoss make_own_loss(function, targets, order, dtype)
cdef void ask_own_loss(Steps *s, Run *run, int64_t start) noexcept nogil
