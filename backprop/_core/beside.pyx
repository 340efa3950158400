"""Parameters that a layer has beside its product: rows of their own in its block, a number for each unit.

They follow the bias: first what the norm learns, then what the activation does; last, what a norm gathers and no
optimizer touches. Operations keep the gradients of theirs, and have them spent as soon as every thread has read the
parameters.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from backprop._core.dense cimport Layer, Run, row_of, share, step_of
from backprop._core.kernels cimport BP_MOMENTS, BP_ROW_MULTIPLE


cdef char *gradient_row(const Layer *layer, const Run *run, int64_t row) noexcept nogil:
    """Where an operation leaves the gradient of a row of parameters, of this batch."""
    return row_of(layer.beside_gradient, layer, row - layer.n_in - 1, run.itemsize)


cdef void spend_rows(const Layer *layer, Run *run, int64_t row, int64_t count) noexcept nogil:
    """Make the optimizer's step with the gradients of such rows, or keep them; this thread's share of the columns.

    Where a step takes several batches, those after the first add to what the first has left.
    """
    cdef char *gradient = gradient_row(layer, run, row)
    cdef char *kept
    cdef int64_t first, last, i
    if run.fuse_update:
        step_with(layer, run, gradient, row, count)
        return
    share(layer.columns, BP_ROW_MULTIPLE, run, &first, &last)
    kept = row_of(layer.gradient, layer, row, run.itemsize)
    if run.part > 0:
        run.kernels.add(kept, gradient, layer.ldw, count, first, last)
        return
    for i in range(count):
        memcpy(row_of(kept, layer, i, run.itemsize) + first * run.itemsize,
               row_of(gradient, layer, i, run.itemsize) + first * run.itemsize, (last - first) * run.itemsize)


cdef void step_rows(const Layer *layer, Run *run, int64_t row, int64_t count) noexcept nogil:
    """The optimizer's step of such rows, with the gradients that are kept."""
    step_with(layer, run, row_of(layer.gradient, layer, row, run.itemsize), row, count)


cdef void step_with(const Layer *layer, Run *run, const char *gradient, int64_t row, int64_t count) noexcept nogil:
    """Of rows that make their steps here; this thread's share of the columns."""
    cdef void *moments[BP_MOMENTS]
    cdef int64_t first, last, others = max(0, layer.own_first - row)
    cdef char *parameters
    cdef int i
    row, count = row + others, min(count, layer.own_last - row) - others
    gradient = gradient + others * layer.ldw * run.itemsize
    share(layer.columns, BP_ROW_MULTIPLE, run, &first, &last)
    if first >= last or count <= 0 or layer.frozen:
        return
    parameters = row_of(layer.parameters, layer, row, run.itemsize) + first * run.itemsize
    for i in range(BP_MOMENTS):
        moments[i] = NULL
        if layer.moments[i] != NULL:
            moments[i] = row_of(layer.moments[i], layer, row, run.itemsize) + first * run.itemsize
    run.kernels.update(step_of(layer, run), gradient + first * run.itemsize, layer.ldw, parameters, moments, layer.ldw,
                       count, 0, last - first)
