"""Everything that is decided before the first batch: sizes, threads, the backend, and one arena laid out."""
from libc.stdint cimport int64_t

from backprop._core.dense cimport Layer, Muon, Operation, Run
from backprop._core.kernels cimport bp_kernels


cdef struct Buffers:        # of one batch, beside those of the layers
    char *targets           # [n_out][ld]
    char *labels            # [ld]
    char *weights           # [ld], of the samples
    char *losses            # [ld]
    char *samples           # [2][BP_ROW_MULTIPLE][sample_ld]: activations of few samples, or NULL
    int64_t sample_ld       # elements from one of them to the next
    char *scratch           # [n_threads][scratch_bytes]
    int64_t scratch_bytes   # of one thread


cdef class Plan:
    cdef Layer *layers
    cdef int n_layers
    cdef Operation *chain           # [n_operations]
    cdef int n_operations
    cdef Run run                    # what every thread copies
    cdef Buffers buffers
    cdef readonly int64_t capacity  # samples of the largest batch
    cdef readonly int n_threads
    cdef readonly bint training
    cdef bint weighted              # whether buffers.weights hold the user's, not ones
    cdef object arena
    cdef object input_gradient      # [n_in][ld] of the first layer, or None where nobody has asked for it

    cdef int64_t lay_out(self, char *base)
    cdef void lay_out_derivatives(self, char *base, int64_t *used) noexcept
    cdef void lay_out_kept(self, Layer *layer, char *base, int64_t *used) noexcept
    cdef void lay_out_buffers(self, char *base, int64_t *used) noexcept
    cdef void fill_constants(self) noexcept
    cdef void fill_sample_weights(self) noexcept
    cdef void follow(self, const Layer *layers) noexcept


cdef Plan make_plan(const bp_kernels *kernels, const Layer *layers, int n_layers, int64_t capacity, int n_threads,
                    bint with_blas, bint training)
cdef object zeros(n_bytes)
cdef object room_for_steps(const Layer *layers, int n_layers, int n_threads, bint rates_differ)
cdef object room_for_matrices(Muon *muon, const bp_kernels *kernels, Layer *layers, int n_layers, matrices)
cdef char *address(object array) except NULL
cdef int64_t row_stride(int64_t columns, int64_t itemsize) noexcept
