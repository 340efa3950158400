"""A residual connection (He et al. 2016): a layer's inputs added to its outputs, once all else is done to those.

On the way back d cost / d output goes two ways: by the weights, and past them. What passes is laid into da_in, from
which the product W dz goes on. The next layer's product cannot multiply by f' for this one, as it does elsewhere: the
share that passes does not go through f. So f' is an operation of its own here.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from backprop._core.dense cimport Layer, Operation, Run, kept_of, meet, nothing, operation, share, spend
from backprop._core.kernels cimport BP_ROW_MULTIPLE


cdef Operation add_inputs(int layer) noexcept:
    """a_out += a_in."""
    return operation(add_forward, add_backward, nothing, layer)


cdef Operation apart(int layer) noexcept:
    """dz = da f'(z) of a layer for which no product does it; forward, the product or the norm has applied f."""
    return operation(nothing, derivative_backward, nothing, layer)


cdef void add_forward(const Layer *layer, Run *run) noexcept nogil:
    cdef int64_t first, last
    share(run.columns, BP_ROW_MULTIPLE, run, &first, &last)
    run.kernels.add(layer.a_out, layer.a_in, run.ld, layer.n_out, first, last)
    spend(run, layer.n_out * (last - first))


cdef void add_backward(const Layer *layer, Run *run) noexcept nogil:
    """What passes by the weights; nobody asks for it where the inputs are the network's."""
    cdef int64_t first, last, row, at
    if layer.da_in != NULL:
        share(run.columns, BP_ROW_MULTIPLE, run, &first, &last)
        for row in range(layer.n_out):
            at = (row * run.ld + first) * run.itemsize
            memcpy(layer.da_in + at, layer.dz + at, (last - first) * run.itemsize)
        spend(run, layer.n_out * (last - first))
    meet(run)


cdef void derivative_backward(const Layer *layer, Run *run) noexcept nogil:
    cdef int64_t first, last, start
    share(run.columns, BP_ROW_MULTIPLE, run, &first, &last)
    start = first * run.itemsize
    run.kernels.derivative(layer.own_derivative, layer.dz + start, kept_of(layer) + start, run.ld, layer.n_out,
                           last - first)
    spend(run, layer.n_out * (last - first))
    meet(run)
