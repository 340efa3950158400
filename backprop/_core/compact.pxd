"""The product of a layer whose rows of parameters lie one behind another, without padding."""
from libc.stdint cimport int64_t

from backprop._core.dense cimport Layer, Operation, Run
from backprop._core.kernels cimport bp_kernels, round_up


cdef Operation compact(int layer) noexcept
cdef int64_t panel_bytes(const Layer *layer, int64_t itemsize) noexcept nogil


cdef inline int64_t whole_vectors(const Layer *layer, const bp_kernels *kernels, int64_t *rows) noexcept nogil:
    """Columns, as an elementwise kernel is given them, of so many rows; without padding these become a single one.

    That ends in a whole vector, or with the block, behind which there is room for the rest of one.
    """
    cdef int64_t count = rows[0] * layer.n_out
    if not layer.is_compact:
        return layer.columns
    rows[0] = min(rows[0], 1)
    return round_up(count, kernels.lanes)
