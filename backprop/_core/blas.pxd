"""The only door to BLAS."""
from libc.stdint cimport int64_t


cdef void gemm(int64_t itemsize, bint a_is_k_major, bint b_is_n_major, int64_t m, int64_t n, int64_t k, const void *a,
               int64_t lda, const void *b, int64_t ldb, void *c, int64_t ldc, bint resumes) noexcept nogil
