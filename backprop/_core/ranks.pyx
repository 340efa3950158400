"""Several processes, one network: a step's sums over all their samples, to the bits of one process that has them all.

(a) Before a step changes anything each rank tells the others the sums of its shards' losses, and whether something
    stops it: all of them stop at the same step, or none.
(b) A rank's shards are one node of the tree of shards.pyx. Of all gradients each rank takes one slice of whole rows
    from every node, and adds them along the rest of the tree. It makes the step of these rows, whose moments it alone
    then has, and gives the new parameters to all. When the run is done, the moments go to all as well. Where a step
    needs more than a row's gradient, as clipping by the norm and Muon do, each rank gives the sum of its slice to all
    instead, and every rank makes the same step.
(c) The communicator, which backprop/ranks describes, moves bytes and adds nothing: how it would add is not known. It
    is called by thread 0, which is the thread that called the core.
"""
import numpy as np

cimport numpy as cnp
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from backprop._core.dense cimport Layer, Run, keep_raised, meet, share
from backprop._core.kernels cimport BP_ROW_MULTIPLE, BP_SHARDS, bp_is_raised, bp_raise, round_up
from backprop._core.shards cimport add_along_tree, each_shard
from backprop._core.steps cimport Ranked, Steps

cnp.import_array()

# What follows the sums in a rank's status.
cdef enum:
    IS_STOPPED
    IS_NOT_FINITE
    N_FLAGS


class RankStopped(ConnectionError):
    """Another rank was interrupted, or has met an error: all stop before the same step."""


cdef class Exchange:
    """The communicator, and the arrays that it is called with."""

    cdef object communicator
    cdef object parameters, gradient        # the blocks of all layers
    cdef object bounds                      # where each rank's slice of them begins
    cdef object received, received_bounds   # this rank's slice, as each of the ranks has it
    cdef object status, status_bounds       # [size][own shards + N_FLAGS]


cdef object take_ranks(Steps *s, sharding, parameters, gradient, bint splits):
    """`parameters`, `gradient`: the blocks of all layers. Returns what `gather_moments` is given."""
    cdef Exchange exchange = Exchange.__new__(Exchange)
    cdef Ranked *ranked = &s.ranked
    cdef int size = sharding.ranks.size, rank = sharding.ranks.rank
    exchange.communicator, exchange.parameters, exchange.gradient = sharding.ranks, parameters, gradient
    exchange.bounds = np.array([row_before(s, len(gradient) * i // size) for i in range(size + 1)], np.int64)
    ranked.first, ranked.last = exchange.bounds[rank], exchange.bounds[rank + 1]
    exchange.received_bounds = np.arange(size + 1) * (ranked.last - ranked.first)
    exchange.received = np.empty(exchange.received_bounds[size], gradient.dtype)
    ranked.rank, ranked.size, ranked.own_shards = rank, size, sharding.last - sharding.first
    exchange.status_bounds = np.arange(size + 1) * (ranked.own_shards + <int>N_FLAGS)
    exchange.status = np.zeros(exchange.status_bounds[size])
    ranked.gradient = <char *>cnp.PyArray_DATA(gradient)
    ranked.received = <char *>cnp.PyArray_DATA(exchange.received)
    ranked.exchange, ranked.splits, ranked.failed = <PyObject *>exchange, splits, False
    if splits:
        own_rows(s, ranked.first, ranked.last)
    return exchange


cdef gather_moments(Steps *s, exchange, moments):
    """Of a run whose steps were split, each rank's part to all."""
    if s.ranked.splits and not s.ranked.failed:
        for block in moments:
            (<Exchange>exchange).communicator.gather(block, (<Exchange>exchange).bounds)


cdef void own_all_rows(Steps *s) noexcept:
    """The layers are the plan's, which has other runs."""
    cdef int i
    for i in range(s.n_layers):
        s.layers[i].own_first, s.layers[i].own_last = 0, s.layers[i].rows


cdef int64_t row_before(Steps *s, int64_t place) noexcept:
    """Of a place in the block of all layers: where its row begins, or of so many that they are whole vectors."""
    cdef int64_t start = 0, length, step
    cdef int i
    for i in range(s.n_layers):
        length = s.layers[i].rows * s.layers[i].ldw
        step = s.layers[i].ldw * (BP_ROW_MULTIPLE if s.layers[i].is_compact else 1)
        if place < start + length:
            return place - (place - start) % step
        start += length
    return round_up(start, BP_ROW_MULTIPLE)


cdef void own_rows(Steps *s, int64_t first, int64_t last) noexcept:
    """Let the rows of [first, last) of the block, and no others, make their steps here."""
    cdef Layer *layer
    cdef int64_t start = 0
    cdef int i
    for i in range(s.n_layers):
        layer = &s.layers[i]
        layer.own_first = min(max(0, first - start) // layer.ldw, layer.rows)
        layer.own_last = min(max(0, last - start) // layer.ldw, layer.rows)
        start += layer.rows * layer.ldw


cdef double whole_sum(Steps *s, Run *run, const char *values) noexcept nogil:
    """Of a number for each sample of the batch, those of all ranks; by thread 0, which learns what stops the others."""
    cdef double total = 0
    with gil:
        try:
            total = gather_sums(s, run, values)
        except BaseException as raised:
            fail(s, run, raised)
    return total


cdef double gather_sums(Steps *s, Run *run, const char *values) except *:
    cdef Exchange exchange = <Exchange>s.ranked.exchange
    cdef int own_shards = s.ranked.own_shards, rank
    cdef double[BP_SHARDS] sums
    cdef double *row = status_of(exchange, &s.ranked, s.ranked.rank)
    each_shard(run, values, row)
    row[own_shards + IS_STOPPED] = bp_is_raised(&run.interrupt.seen)
    row[own_shards + IS_NOT_FINITE] = bp_is_raised(&s.outcome.not_finite)
    exchange.communicator.gather(exchange.status, exchange.status_bounds)
    for rank in range(s.ranked.size):
        row = status_of(exchange, &s.ranked, rank)
        memcpy(sums + rank * own_shards, row, own_shards * sizeof(double))
        if row[own_shards + IS_STOPPED]:
            s.ranked.stops = True
            keep_raised(run.interrupt, RankStopped(f"rank {rank} was stopped, and all others with it"))
        if row[own_shards + IS_NOT_FINITE]:
            bp_raise(&s.outcome.not_finite)
    add_along_tree(<char *>sums, s.ranked.size * own_shards, sizeof(double))
    return sums[0]


cdef double *status_of(Exchange exchange, const Ranked *ranked, int rank):
    """A rank's row: the sums of its shards, then the flags."""
    return <double *>cnp.PyArray_DATA(exchange.status) + rank * (ranked.own_shards + N_FLAGS)


cdef bint reduce_gradients(Steps *s, Run *run) noexcept nogil:
    """The gradients of this rank's shards become those of all, or its slice does where the step is split.

    False where that fails, on every thread alike.
    """
    if run.thread == 0:
        with gil:
            try:
                send_slices(<Exchange>s.ranked.exchange)
            except BaseException as raised:
                fail(s, run, raised)
    meet(run)
    if s.ranked.failed:
        return False
    add_nodes(&s.ranked, run)
    meet(run)
    return s.ranked.splits or gather_slices(s, run, False)


cdef bint gather_parameters(Steps *s, Run *run) noexcept nogil:
    """After a step that was split; False where that fails, on every thread alike."""
    meet(run)
    return gather_slices(s, run, True)


cdef bint gather_slices(Steps *s, Run *run, bint of_parameters) noexcept nogil:
    if run.thread == 0:
        with gil:
            try:
                send_slice(<Exchange>s.ranked.exchange, of_parameters)
            except BaseException as raised:
                fail(s, run, raised)
    meet(run)
    return not s.ranked.failed


cdef send_slice(Exchange exchange, bint of_parameters):
    exchange.communicator.gather(exchange.parameters if of_parameters else exchange.gradient, exchange.bounds)


cdef send_slices(Exchange exchange):
    exchange.communicator.exchange(exchange.gradient, exchange.bounds, exchange.received, exchange.received_bounds)


cdef void add_nodes(const Ranked *ranked, Run *run) noexcept nogil:
    """This rank's slice: the nodes of all ranks, added along the tree; each thread some columns."""
    cdef int64_t first, last
    cdef int step = 1, rank
    share(ranked.last - ranked.first, BP_ROW_MULTIPLE, run, &first, &last)
    while step < ranked.size:
        for rank from 0 <= rank < ranked.size - step by 2 * step:
            run.kernels.add(node(ranked, run, rank), node(ranked, run, rank + step), 0, 1, first, last)
        step *= 2
    if ranked.rank > 0:
        memcpy(node(ranked, run, ranked.rank) + first * run.itemsize, node(ranked, run, 0) + first * run.itemsize,
               (last - first) * run.itemsize)


cdef inline char *node(const Ranked *ranked, const Run *run, int rank) noexcept nogil:
    """This rank's slice, as another has summed it; its own lies where it was made."""
    if rank == ranked.rank:
        return ranked.gradient + ranked.first * run.itemsize
    return ranked.received + rank * (ranked.last - ranked.first) * run.itemsize


cdef void fail(Steps *s, Run *run, raised) noexcept:
    """What the ranks were to exchange has not come: the step is not made."""
    s.ranked.failed = True
    keep_raised(run.interrupt, raised)
