"""Shards: each of S has a part of the rows, and gives a part of every batch.

(a) Of the epoch's positions 0 .. n - 1, cut into batches, position j belongs to shard j mod S. Shard i has as many rows
    as positions, one piece of the data; which of them comes when, it shuffles for itself. So a process that trains some
    of the shards needs their rows and no others.
(b) In a batch the samples of a shard stand side by side, one shard behind another. What is worked out of each sample
    alone does not know of shards.
(c) A sum over the samples is the sums of the shards, added along one tree: 0 + 1, 2 + 3, then 01 + 23, and so on;
    what has no partner waits for the next round. It depends on S alone. A process with 2^k shards that begin at a
    multiple of 2^k has one node of it: several processes come to the bits of one.
"""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from backprop._core.dense cimport Run, Shards
from backprop._core.kernels cimport BP_SHARDS

cnp.import_array()


cdef object make_shards(Shards *shards, sharding):
    """As backprop/sharding.py has it; returns what has to be kept for as long as a run takes."""
    shards.count, shards.first, shards.last = sharding.count, sharding.first, sharding.last
    shards.n_rows, shards.rows_before = sharding.n_rows, sharding.rows_before
    ends = np.zeros(shards.last - shards.first, np.int64)
    drawn = np.empty(own_before(shards, shards.n_rows), np.int64)
    shards.ends, shards.drawn = <int64_t *>cnp.PyArray_DATA(ends), <int64_t *>cnp.PyArray_DATA(drawn)
    return ends, drawn


cdef int64_t rows_of(const Shards *shards, int shard) noexcept nogil:
    """How many of the positions are one shard's."""
    return positions_before(shards, shard, shards.n_rows)


cdef int64_t row_of_shard(const Shards *shards, int shard) noexcept nogil:
    """Its first, counted from the first that the process has."""
    return shards.n_rows // shards.count * shard + min(shard, shards.n_rows % shards.count) - shards.rows_before


cdef int64_t positions_before(const Shards *shards, int shard, int64_t position) noexcept nogil:
    """The same of those before a position."""
    return (position + shards.count - 1 - shard) // shards.count


cdef int64_t own_before(const Shards *shards, int64_t position) noexcept nogil:
    """Those of all the shards of this process."""
    cdef int64_t own = shards.last - shards.first
    return position // shards.count * own + min(max(position % shards.count - shards.first, 0), own)


cdef int64_t largest_batch(const Shards *shards, int64_t batch_size) noexcept nogil:
    """The most samples of one that this process has."""
    return min(shards.n_rows, (batch_size + shards.count - 1) // shards.count * (shards.last - shards.first))


cdef int64_t begin_batch(Shards *shards, int64_t start, int64_t stop, bint notes) noexcept nogil:
    """How many samples of the batch of positions [start, stop) are this process's; one thread `notes` whose."""
    cdef int64_t reached = 0, before = 0
    cdef int shard
    if not notes:
        return own_before(shards, stop) - own_before(shards, start)
    for shard in range(shards.first):
        before += positions_before(shards, shard, stop) - positions_before(shards, shard, start)
    for shard in range(shards.first, shards.last):
        reached += positions_before(shards, shard, stop) - positions_before(shards, shard, start)
        shards.ends[shard - shards.first] = reached
    shards.place = before
    return reached


cdef void deal_rows(const Shards *shards, int64_t batch_size, int64_t *order) noexcept nogil:
    """The rows of all batches, one behind another, from the order in which each shard has `drawn` its own."""
    cdef int64_t start, stop, first, count, own, placed = 0
    cdef int shard
    for start from 0 <= start < shards.n_rows by batch_size:
        stop, own = min(shards.n_rows, start + batch_size), 0
        for shard in range(shards.first, shards.last):
            first = positions_before(shards, shard, start)
            count = positions_before(shards, shard, stop) - first
            memcpy(order + placed, shards.drawn + own + first, count * sizeof(int64_t))
            placed += count
            own += rows_of(shards, shard)


cdef double sum_shards(const Run *run, const char *values) noexcept nogil:
    """Of a number for each sample of the batch: the sums of this process's shards, added along the tree."""
    cdef double[BP_SHARDS] sums
    each_shard(run, values, sums)
    add_along_tree(<char *>sums, run.shards.last - run.shards.first, sizeof(double))
    return sums[0]


cdef void each_shard(const Run *run, const char *values, double *sums) noexcept nogil:
    """The sum of each shard of this process."""
    cdef const Shards *shards = run.shards
    cdef int64_t first = 0
    cdef int i
    for i in range(shards.last - shards.first):
        sums[i] = run.kernels.sum(values + first * run.itemsize, shards.ends[i] - first)
        first = shards.ends[i]


cdef void add_along_tree(char *values, int count, int64_t itemsize) noexcept nogil:
    """The sum of float32 or float64 numbers, in place of the first of them."""
    cdef int step = 1, i
    while step < count:
        for i from 0 <= i < count - step by 2 * step:
            if itemsize == sizeof(float):
                (<float *>values)[i] += (<float *>values)[i + step]
            else:
                (<double *>values)[i] += (<double *>values)[i + step]
        step *= 2
