"""Activations with a parameter that each unit learns: an operation after the product, or after the norm.

z is kept, not f'(z): the slope of a by the parameter is needed too. So no other operation may fold its factors into
what is kept, and the layer's way back is a chain of its own.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from backprop._core.beside cimport gradient_row, spend_rows, step_rows
from backprop._core.dense cimport Layer, Operation, Run, meet, operation, row_of, share, spend
from backprop._core.kernels cimport BP_SHARDS
from backprop._core.shards cimport add_along_tree


cdef Operation activate_learned(int layer) noexcept:
    """Of a layer whose activation learns."""
    return operation(learned_forward, learned_backward, step_learned, layer)


cdef inline int64_t parameter_row(const Layer *layer) noexcept nogil:
    """After what the norm learns, where there is one."""
    return layer.n_in + 1 + (2 if layer.norm.is_there else 0)


cdef void learned_forward(const Layer *layer, Run *run) noexcept nogil:
    """a = f(z)."""
    cdef int64_t first, last, at
    share(layer.n_out, 1, run, &first, &last)
    at = first * run.ld * run.itemsize
    run.kernels.activate_learned(
        layer.activation.code, layer.a_out + at, layer.slope + at if layer.slope != NULL else NULL, run.ld,
        last - first, run.columns,
        row_of(layer.parameters, layer, parameter_row(layer), run.itemsize) + first * run.itemsize)
    spend(run, 4 * (last - first) * run.columns)


cdef void learned_backward(const Layer *layer, Run *run) noexcept nogil:
    """From da to dz, in place, and the gradient of the parameters."""
    cdef int64_t first, last, at, row = parameter_row(layer)
    cdef int64_t count = run.count
    cdef char *gradient
    share(layer.n_out, 1, run, &first, &last)
    at = first * run.ld * run.itemsize
    gradient = gradient_row(layer, run, row) + first * run.itemsize
    if run.shards != NULL:
        gradient_by_shards(layer, run, row, first, last)
        count, gradient = 0, NULL
    run.kernels.learned_backward(
        layer.activation.code, layer.dz + at, layer.slope + at, run.ld, last - first, count, run.columns,
        row_of(layer.parameters, layer, row, run.itemsize) + first * run.itemsize, gradient)
    spend(run, 4 * (last - first) * run.columns)
    meet(run)
    spend_rows(layer, run, row, 1)


cdef void gradient_by_shards(const Layer *layer, Run *run, int64_t row, int64_t first, int64_t last) noexcept nogil:
    """Of the parameters of units [first, last): the sum of each shard, and then along the tree."""
    cdef double[BP_SHARDS] room
    cdef char *sums = <char *>room
    cdef int64_t unit, at, start
    cdef int i, count = run.shards.last - run.shards.first
    for unit in range(first, last):
        start = 0
        for i in range(count):
            at = (unit * run.ld + start) * run.itemsize
            run.kernels.learned_backward(
                layer.activation.code, layer.dz + at, layer.slope + at, run.ld, 1, run.shards.ends[i] - start, 0,
                row_of(layer.parameters, layer, row, run.itemsize) + unit * run.itemsize, sums + i * run.itemsize)
            start = run.shards.ends[i]
        add_along_tree(sums, count, run.itemsize)
        memcpy(gradient_row(layer, run, row) + unit * run.itemsize, sums, run.itemsize)


cdef void step_learned(const Layer *layer, Run *run) noexcept nogil:
    """The optimizer's step of the parameters."""
    step_rows(layer, run, parameter_row(layer), 1)
