"""The optimizer's step with gradients that are kept."""
from libc.stdint cimport int64_t

from backprop._core.dense cimport Layer, Run, meet
from backprop._core.steps cimport Steps, Training


cdef configure(Training *training, clips, int64_t parts, average)
cdef bint has_finite_gradients(Steps *s, Run *run) noexcept nogil
cdef void check_parameters(Steps *s, Run *run) noexcept nogil
cdef void update_kept(Steps *s, Run *run, double scale) noexcept nogil
cdef void limit_norms(Steps *s, Run *run) noexcept nogil
cdef void average_parameters(Steps *s, Run *run) noexcept nogil
cdef int n_parts(const Layer *layers, int n_layers) noexcept nogil


cdef inline void follow_update(Steps *s, Run *run) noexcept nogil:
    """What comes after a step, once all threads have done their share of it."""
    if s.training.limits_norms:
        meet(run)
        limit_norms(s, run)
    if s.training.averages_steps:
        meet(run)
        average_parameters(s, run)
