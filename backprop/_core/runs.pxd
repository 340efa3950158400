"""What a team runs beside training: inference, gradients alone, an update alone."""
from backprop._core.kernels cimport bp_team


cdef void admit(void *argument, bp_team *team, int thread) noexcept nogil
cdef void infer(void *argument, bp_team *team, int thread) noexcept nogil
cdef void differentiate(void *argument, bp_team *team, int thread) noexcept nogil
cdef void differentiate_from_output(void *argument, bp_team *team, int thread) noexcept nogil
cdef void update(void *argument, bp_team *team, int thread) noexcept nogil
