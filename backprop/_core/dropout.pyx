"""Dropout: an operation on a layer's outputs, or on the network's inputs, in training only.

Inverted (Srivastava et al. 2014): what is kept is divided by the share that is, so that inference does nothing. The
factor of an element is drawn by (seed, step, part of the step, layer, row, column): it is not stored, and its bits
depend on no thread. Since f'(z) is multiplied by it too, where it is kept for the way back, backward has nothing to do
for outputs; but where z is kept, for an activation that learns, it multiplies da.
"""
from libc.stdint cimport int64_t, uint64_t

from backprop._core.dense cimport Layer, Operation, Run, meet, nothing, operation, place_of, share
from backprop._core.kernels cimport BP_ROW_MULTIPLE, stream

# The streams of random numbers: the same numbers stand in backprop/reference.py.
cdef enum:
    FOR_DROPOUT = 3
    FOR_INPUT_DROPOUT = 4


cdef Operation drop_outputs(int layer, bint slope_is_kept) noexcept:
    """Of a layer."""
    if slope_is_kept:
        return operation(outputs_forward, nothing, nothing, layer)
    return operation(outputs_forward_alone, outputs_backward, nothing, layer)


cdef Operation drop_inputs() noexcept:
    """Of the network."""
    return operation(inputs_forward, inputs_backward, nothing, 0)


cdef void outputs_forward(const Layer *layer, Run *run) noexcept nogil:
    """a_out and the slope that is kept, times the factors."""
    drop(run, FOR_DROPOUT, layer.index, layer.dropout, layer.a_out, layer.slope, layer.n_out)


cdef void outputs_forward_alone(const Layer *layer, Run *run) noexcept nogil:
    """a_out times the factors."""
    drop(run, FOR_DROPOUT, layer.index, layer.dropout, layer.a_out, NULL, layer.n_out)


cdef void outputs_backward(const Layer *layer, Run *run) noexcept nogil:
    """da times the same factors."""
    drop(run, FOR_DROPOUT, layer.index, layer.dropout, layer.dz, NULL, layer.n_out)
    meet(run)


cdef void inputs_forward(const Layer *layer, Run *run) noexcept nogil:
    """a_in times the factors."""
    drop(run, FOR_INPUT_DROPOUT, 0, layer.input_dropout, layer.a_in, NULL, layer.n_in)


cdef void inputs_backward(const Layer *layer, Run *run) noexcept nogil:
    """d cost / d input, where it is asked for, times the same factors."""
    if layer.da_in != NULL:
        drop(run, FOR_INPUT_DROPOUT, 0, layer.input_dropout, layer.da_in, NULL, layer.n_in)


cdef void output_factors(const Layer *layer, Run *run, char *ones) noexcept nogil:
    """The factors themselves, in the place of `ones` [n_out][ld]."""
    drop(run, FOR_DROPOUT, layer.index, layer.dropout, ones, NULL, layer.n_out)


cdef void input_factors(const Layer *layer, Run *run, char *ones) noexcept nogil:
    """The same of the inputs [n_in][ld]."""
    drop(run, FOR_INPUT_DROPOUT, 0, layer.input_dropout, ones, NULL, layer.n_in)


cdef void drop(Run *run, int purpose, int layer, double rate, char *values, char *slope, int64_t rows) noexcept nogil:
    cdef uint64_t state = stream(stream(run.seed, purpose, layer), <uint64_t>run.drawn_at, <uint64_t>run.part)
    cdef int64_t first, last
    share(run.columns, BP_ROW_MULTIPLE, run, &first, &last)
    run.kernels.drop(state, rate, values, slope, run.ld, rows, first, last, place_of(run))
