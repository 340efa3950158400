"""Everything that is decided before the first batch: sizes, threads, the backend, and one arena laid out."""
from libc.stdint cimport int64_t

from backprop._core.dense cimport Layer, Run
from backprop._core.kernels cimport bp_kernels


cdef class Plan:
    cdef Layer *layers
    cdef int n_layers
    cdef Run run                    # what every thread copies
    cdef readonly int64_t capacity  # samples of the largest batch
    cdef readonly int n_threads
    cdef readonly bint training
    cdef int64_t scratch_bytes      # of one thread
    cdef char *scratch              # [n_threads][scratch_bytes]
    cdef char *targets              # [n_out][ld]
    cdef char *labels               # [ld]
    cdef char *sample_weights       # [ld]
    cdef char *losses               # [ld]
    cdef char *samples              # [2][BP_ROW_MULTIPLE][sample_ld]: activations of few samples, or NULL
    cdef int64_t sample_ld          # elements from one of them to the next
    cdef bint weighted              # whether sample_weights hold the user's, not ones
    cdef object arena

    cdef int64_t lay_out(self, char *base)
    cdef void lay_out_derivatives(self, char *base, int64_t *used) noexcept
    cdef void fill_constants(self) noexcept
    cdef void fill_sample_weights(self) noexcept
    cdef void follow(self, const Layer *layers) noexcept


cdef Plan make_plan(const bp_kernels *kernels, const Layer *layers, int n_layers, int64_t capacity, int n_threads,
                    bint with_blas, bint training)
cdef object zeros(n_bytes)
cdef char *address(object array) except NULL
cdef int64_t row_stride(int64_t columns, int64_t itemsize) noexcept
