"""Gaussian noise on a layer's outputs, in training only.

A number of the standard normal distribution, times the layer's `noise`, drawn as dropout's factors are. Its slope is 1:
backward has nothing to do.
"""
from libc.stdint cimport int64_t, uint64_t

from backprop._core.dense cimport Layer, Operation, Run, nothing, operation, place_of, share, spend
from backprop._core.kernels cimport BP_ROW_MULTIPLE, stream

# The stream of random numbers: the same number stands in backprop/reference.py.
cdef enum:
    FOR_NOISE = 5


cdef Operation add_noise(int layer) noexcept:
    """Of a layer."""
    return operation(noise_forward, nothing, nothing, layer)


cdef void noise_forward(const Layer *layer, Run *run) noexcept nogil:
    output_noise(layer, run, layer.a_out)


cdef void output_noise(const Layer *layer, Run *run, char *values) noexcept nogil:
    """values [n_out][ld], and the noise of the layer's outputs added to them."""
    cdef uint64_t state = stream(stream(run.seed, FOR_NOISE, layer.index), <uint64_t>run.drawn_at,
                                 <uint64_t>run.part)
    cdef int64_t first, last
    share(run.columns, BP_ROW_MULTIPLE, run, &first, &last)
    run.kernels.add_noise(state, layer.noise, values, run.ld, layer.n_out, first, last, place_of(run))
    spend(run, 20 * layer.n_out * (last - first))
