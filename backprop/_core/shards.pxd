"""Shards: what a batch falls into, whose gradients are summed by themselves, then along a tree."""
from libc.stdint cimport int64_t

from backprop._core.dense cimport Run, Shards


cdef object make_shards(Shards *shards, sharding)
cdef int64_t largest_batch(const Shards *shards, int64_t batch_size) noexcept nogil
cdef int64_t rows_of(const Shards *shards, int shard) noexcept nogil
cdef int64_t row_of_shard(const Shards *shards, int shard) noexcept nogil
cdef int64_t own_before(const Shards *shards, int64_t position) noexcept nogil
cdef int64_t begin_batch(Shards *shards, int64_t start, int64_t stop, bint notes) noexcept nogil
cdef void each_shard(const Run *run, const char *values, double *sums) noexcept nogil
cdef double sum_shards(const Run *run, const char *values) noexcept nogil
cdef void add_along_tree(char *values, int count, int64_t itemsize) noexcept nogil
cdef void deal_rows(const Shards *shards, int64_t batch_size, int64_t *order) noexcept nogil
