"""A loss of the user's own: a Python function that thread 0 calls, once a batch, between forward and backward.

Thread 0 is the thread that called the core, so that Ctrl-C reaches the function; the others wait at a barrier, for
which they need no GIL. What it returns goes where a batch's targets would be, for the loss kernel to weigh.
"""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport int64_t

from backprop._core.dense cimport Layer, Run, is_stopped, keep_raised, meet
from backprop._core.kernels cimport bp_source
from backprop._core.plan cimport address
from backprop._core.steps cimport Steps

cnp.import_array()


cdef class OwnLoss:
    """The function, and what it is called with."""


cdef OwnLoss make_own_loss(function, targets, order, dtype):
    cdef OwnLoss own = OwnLoss.__new__(OwnLoss)
    own.function, own.targets, own.order, own.dtype = function, targets, order, dtype
    return own


cdef void ask_own_loss(Steps *s, Run *run, int64_t start) noexcept nogil:
    """The losses of the batch that begins at `start`, and their derivatives, into the plan's buffers."""
    if run.thread == 0 and run.count > 0 and not is_stopped(run):
        with gil:
            try:
                ask(s, run, start)
            except BaseException as raised:
                keep_raised(run.interrupt, raised)
    meet(run)


cdef ask(Steps *s, Run *run, int64_t start):
    cdef OwnLoss own = <OwnLoss>s.own_loss
    cdef const Layer *layer = &s.layers[s.n_layers - 1]
    rows = slice(start, start + run.count)
    target = own.targets[rows if own.order is None else own.order[rows]]
    output = np.empty((run.count, layer.n_out), own.dtype)  # a new one, which the function may keep
    run.kernels.transpose(layer.a_out, run.ld, layer.n_out, 0, run.count, address(output), layer.n_out)
    losses, d_output = own.function(output, target)
    put(run, losses, 1, s.buffers.labels)
    put(run, d_output, layer.n_out, s.buffers.targets)


cdef put(const Run *run, cnp.ndarray values, int64_t features, char *into):
    """A contiguous array of the network's dtype, transposed into a buffer [features][ld]."""
    cdef bp_source source
    source.data = <const char *>cnp.PyArray_DATA(values)
    source.n_rows = run.count
    source.row_stride, source.column_stride = features * run.itemsize, run.itemsize
    source.type = ord(values.dtype.char)
    run.kernels.gather(&source, NULL, 0, 0, run.count, features, NULL, NULL, into, run.ld)
