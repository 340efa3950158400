"""The order of rows that come in blocks through a buffer, drawn by the shuffle of an epoch in memory.

(a) Blocks are read in a shuffled order, and rows are drawn from a buffer that is filled up again: one stream of random
    numbers for the blocks of an epoch, and one for each draw.
(b) A shuffle makes its places final from the last to the first. Begun and not ended, it has drawn the rows in the last.
(c) The rows left when there are no more blocks are shuffled as an epoch in memory is: a buffer that holds all rows
    gives its order.
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from backprop._core.kernels cimport shuffle, stream

# The streams of random numbers: FOR_SHUFFLE is that of steps.pyx.
cdef enum:
    FOR_SHUFFLE = 2
    FOR_BLOCKS = 7
    FOR_DRAWS = 8

cdef int64_t PORTION = 1_000_000  # rows that are shuffled between two looks for Ctrl-C


def shuffle_blocks(int64_t[::1] blocks, uint64_t seed, uint64_t epoch):
    """Put the numbers of blocks into the order of an epoch."""
    shuffle_from(blocks, blocks.shape[0], 1, stream(seed, FOR_BLOCKS, epoch))


def draw_rows(int64_t[::1] rows, int64_t count, int64_t n_drawn, uint64_t seed, uint64_t epoch, uint64_t draw):
    """Draw some of the first `count` rows: they change places with those that end there. `draw`: its number."""
    shuffle_from(rows, count, max(1, count - n_drawn), stream(stream(seed, FOR_DRAWS, epoch), draw, 0))


def shuffle_rows(int64_t[::1] rows, uint64_t seed, uint64_t epoch):
    """Put all rows into the order that an epoch in memory has."""
    shuffle_from(rows, rows.shape[0], 1, stream(seed, FOR_SHUFFLE, epoch))


def put_rows(unsigned char[:, ::1] rows, const unsigned char[:, ::1] given, const int64_t[::1] places):
    """rows[places[i]] = given[i], of rows as bytes: numpy's way takes four times as long."""
    cdef int64_t i, n_bytes = rows.shape[1]
    if given.shape[1] != n_bytes or given.shape[0] != places.shape[0]:
        found = f"{given.shape[0]} rows of {given.shape[1]} bytes"
        raise ValueError(f"given has {found}: expected {places.shape[0]} of {n_bytes}")
    for i in range(places.shape[0]):
        if not 0 <= places[i] < rows.shape[0]:
            raise IndexError(f"places[{i}]={places[i]}: expected 0 to {rows.shape[0] - 1}")
    with nogil:
        for i in range(places.shape[0]):
            memcpy(&rows[places[i], 0], &given[i, 0], n_bytes)


cdef shuffle_from(int64_t[::1] rows, int64_t count, int64_t first, uint64_t state):
    """Make the places [first, count) of `count` rows final."""
    cdef int64_t last = count, start
    if not 0 <= count <= rows.shape[0]:
        raise ValueError(f"count={count}: expected at most the {rows.shape[0]} rows that there are")
    while last > first:
        start = max(first, last - PORTION)
        with nogil:
            shuffle(state, &rows[0], count, start, last)
        PyErr_CheckSignals()
        last = start
