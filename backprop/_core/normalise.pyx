"""Batch and layer normalisation: an operation between a layer's product and its activation.

y = scale n + shift, and n is z less its mean, divided by its deviation: over the samples of a batch (Ioffe and Szegedy
2015), or over the features of a sample (Ba, Kiros and Hinton 2016).

(a) In training n is kept, [n_out][ld]: the gradients of scale and shift are sums over it, and so is dz.
(b) Over samples, a thread has some features; over features, some samples. The gradients of scale and shift are sums
    over samples in either case.
(c) Predictions take the means and variances that training has gathered, where those are over samples: so a row's
    prediction does not depend on the rows beside it. They follow each batch as the step is made, not as it is
    differentiated: a gradient alone changes nothing.
(d) Where f'(y) is kept too, a layer has three buffers: a for the product after it, f'(y) for dy, n for dz. All three
    are functions of y, so two would do if f were worked out again on the way back; nothing cheaper gives n back from
    a, or f'(y) from n. With gelu that step takes 1.22 times as long at 64 units, 1.11 at 256 and 1.05 at 1024 (batches
    of 64, 128 and 256, one core, AVX-512); with silu 1.12, 1.08 and 1.02. Hence three.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from backprop._core.beside cimport gradient_row, spend_rows, step_rows
from backprop._core.dense cimport Layer, Operation, Run, meet, operation, row_of, share, spend
from backprop._core.kernels cimport BP_ROW_MULTIPLE, BP_SHARDS
from backprop._core.shards cimport add_along_tree


cdef Operation normalise(const Layer *layer, bint training) noexcept:
    """Of a layer that has a norm."""
    if not layer.norm.is_over_samples:
        return operation(layer_forward, layer_backward, step_norm, layer.index)
    return operation(batch_forward if training else running_forward, batch_backward, step_norm, layer.index)


cdef inline char *scale(const Layer *layer, const Run *run) noexcept nogil:
    return row_of(layer.parameters, layer, layer.n_in + 1, run.itemsize)


cdef inline char *shift(const Layer *layer, const Run *run) noexcept nogil:
    return row_of(layer.parameters, layer, layer.n_in + 2, run.itemsize)


cdef inline char *running_mean(const Layer *layer, const Run *run) noexcept nogil:
    return row_of(layer.parameters, layer, layer.rows - 2, run.itemsize)


cdef inline char *running_variance(const Layer *layer, const Run *run) noexcept nogil:
    return row_of(layer.parameters, layer, layer.rows - 1, run.itemsize)


# Over samples --------------------------------------------------------------------------------------------------------

cdef void batch_forward(const Layer *layer, Run *run) noexcept nogil:
    """a = f(y), with the mean and variance of this batch; n is kept."""
    cdef int64_t first, last
    share(layer.n_out, 1, run, &first, &last)
    run.kernels.batch_statistics(layer.a_out + first * run.ld * run.itemsize, run.ld, last - first, run.count,
                                 layer.batch_mean + first * run.itemsize, layer.batch_variance + first * run.itemsize)
    rows_forward(layer, run, layer.batch_mean, layer.batch_variance, first, last)


cdef void running_forward(const Layer *layer, Run *run) noexcept nogil:
    """The same with what training has gathered."""
    cdef int64_t first, last
    share(layer.n_out, 1, run, &first, &last)
    rows_forward(layer, run, running_mean(layer, run), running_variance(layer, run), first, last)


cdef void rows_forward(const Layer *layer, Run *run, const char *mean, const char *variance, int64_t first,
                       int64_t last) noexcept nogil:
    cdef int64_t at = first * run.ld * run.itemsize, start = first * run.itemsize
    cdef char *normalised = layer.normalised + at if layer.normalised != NULL else NULL
    run.kernels.normalise_rows(layer.a_out + at, normalised, run.ld, last - first, run.columns, mean + start,
                               variance + start, layer.norm.epsilon, scale(layer, run) + start,
                               shift(layer, run) + start)
    run.kernels.activate(&layer.norm.activation, layer.a_out + at, layer.slope + at if layer.slope != NULL else NULL,
                         run.ld, last - first, run.columns)
    spend(run, 4 * (last - first) * run.columns)


cdef void batch_backward(const Layer *layer, Run *run) noexcept nogil:
    """From dy to dz, in place, and the gradients of scale and shift."""
    cdef int64_t first, last, at, start
    share(layer.n_out, 1, run, &first, &last)
    at, start = first * run.ld * run.itemsize, first * run.itemsize
    scale_gradients(layer, run, first, last)
    run.kernels.rows_backward(layer.dz + at, layer.normalised + at, run.ld, last - first, run.count, run.columns,
                              layer.batch_variance + start, layer.norm.epsilon, scale(layer, run) + start,
                              gradient_row(layer, run, layer.n_in + 1) + start,
                              gradient_row(layer, run, layer.n_in + 2) + start)
    spend(run, 4 * (last - first) * run.columns)
    end_backward(layer, run)


# Over features -------------------------------------------------------------------------------------------------------

cdef void layer_forward(const Layer *layer, Run *run) noexcept nogil:
    """a = f(y); n is kept, and one over each sample's deviation."""
    cdef int64_t first, last, start
    share(run.columns, BP_ROW_MULTIPLE, run, &first, &last)
    start = first * run.itemsize
    run.kernels.normalise_samples(layer.a_out, layer.normalised, run.ld, layer.n_out, first, last, layer.norm.epsilon,
                                  scale(layer, run), shift(layer, run), layer.inverse_deviations)
    run.kernels.activate(&layer.norm.activation, layer.a_out + start,
                         layer.slope + start if layer.slope != NULL else NULL, run.ld, layer.n_out, last - first)
    spend(run, 4 * layer.n_out * (last - first))


cdef void layer_backward(const Layer *layer, Run *run) noexcept nogil:
    """From dy to dz, in place, and the gradients of scale and shift."""
    cdef int64_t first, last
    share(layer.n_out, 1, run, &first, &last)
    scale_gradients(layer, run, first, last)
    meet(run)  # all have read dy
    share(run.columns, BP_ROW_MULTIPLE, run, &first, &last)
    run.kernels.samples_backward(layer.dz, layer.normalised, run.ld, layer.n_out, first, last, scale(layer, run),
                                 layer.inverse_deviations)
    spend(run, 4 * layer.n_out * (last - first))
    end_backward(layer, run)


# Of either -----------------------------------------------------------------------------------------------------------

cdef void scale_gradients(const Layer *layer, Run *run, int64_t first, int64_t last) noexcept nogil:
    """Of scale and shift of the features [first, last): sums over the samples."""
    cdef int64_t at = first * run.ld * run.itemsize, start = first * run.itemsize
    if run.shards != NULL:
        scale_gradients_by_shards(layer, run, first, last)
        return
    run.kernels.scale_gradients(layer.dz + at, layer.normalised + at, run.ld, last - first, run.count,
                                gradient_row(layer, run, layer.n_in + 1) + start,
                                gradient_row(layer, run, layer.n_in + 2) + start)


cdef void scale_gradients_by_shards(const Layer *layer, Run *run, int64_t first, int64_t last) noexcept nogil:
    """The same: the sums of each shard, and then along the tree."""
    cdef double[BP_SHARDS] room, other_room
    cdef char *scales = <char *>room
    cdef char *shifts = <char *>other_room
    cdef int64_t unit, at, start
    cdef int i, count = run.shards.last - run.shards.first
    for unit in range(first, last):
        start = 0
        for i in range(count):
            at = (unit * run.ld + start) * run.itemsize
            run.kernels.scale_gradients(layer.dz + at, layer.normalised + at, run.ld, 1, run.shards.ends[i] - start,
                                        scales + i * run.itemsize, shifts + i * run.itemsize)
            start = run.shards.ends[i]
        add_along_tree(scales, count, run.itemsize)
        add_along_tree(shifts, count, run.itemsize)
        memcpy(gradient_row(layer, run, layer.n_in + 1) + unit * run.itemsize, scales, run.itemsize)
        memcpy(gradient_row(layer, run, layer.n_in + 2) + unit * run.itemsize, shifts, run.itemsize)


cdef void end_backward(const Layer *layer, Run *run) noexcept nogil:
    """Scale and shift may change once every thread has read scale and written dz."""
    meet(run)
    spend_rows(layer, run, layer.n_in + 1, 2)
    if run.trains:
        follow_batch(layer, run)


cdef void step_norm(const Layer *layer, Run *run) noexcept nogil:
    """With gradients that are kept."""
    step_rows(layer, run, layer.n_in + 1, 2)
    if not run.trains:  # else its backward has done so
        follow_batch(layer, run)


cdef void follow_batch(const Layer *layer, Run *run) noexcept nogil:
    """A step of the means and variances that predictions take towards those of this batch."""
    cdef int64_t first, last, start
    if not layer.norm.is_over_samples or layer.frozen or run.count == 0:  # 0: gradients came from elsewhere
        return
    share(layer.columns, BP_ROW_MULTIPLE, run, &first, &last)
    start = first * run.itemsize
    run.kernels.follow_statistics(layer.batch_mean + start, layer.batch_variance + start, last - first, run.count,
                                  layer.norm.running_rate, running_mean(layer, run) + start,
                                  running_variance(layer, run) + start)
