"""The plans of one network."""
from libc.stdint cimport int64_t

from backprop._core.dense cimport Layer
from backprop._core.kernels cimport bp_kernels
from backprop._core.plan cimport Plan


cdef class Plans:
    cdef const bp_kernels *kernels
    cdef const Layer *layers            # the network's, as long as it lives
    cdef int n_layers
    cdef int threads_asked              # 0: the work decides
    cdef int threads_available
    cdef bint with_blas
    cdef Plan training, spare           # of the batch size of late, and of one before
    cdef list idle                      # for inference: each run takes one, as several threads may predict at once

    cdef int threads(self, int64_t batch) noexcept
    cdef int inference_threads(self, int64_t rows) noexcept
    cdef Plan to_train(self, int64_t batch)
    cdef Plan to_infer(self, int64_t n_rows)
    cdef void follow(self) noexcept
    cdef forget_training(self)


cdef Plans make_plans(const bp_kernels *kernels, const Layer *layers, int n_layers, threads, bint with_blas)
