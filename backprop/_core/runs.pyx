"""What a team runs beside training: inference, gradients alone, their inspection, an update alone.

As in steps.pyx, every function is run by all threads of a team at once, each on its share.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from backprop._core.dense cimport NORM, OTHER, PRODUCT, Layer, Operation, Run, kept_of, meet, share
from backprop._core.dropout cimport input_factors, output_factors
from backprop._core.kernels cimport BP_ROW_MULTIPLE, bp_team, round_up
from backprop._core.steps cimport (
    Kept, Steps, backward, batch_weight, end_step, forward, forward_samples, gather, loss, next_step,
    output_derivative, own_run, set_count,
)
from backprop._core.updates cimport follow_update, update_kept


cdef void infer(void *argument, bp_team *team, int thread) noexcept nogil:
    """Outputs and, with targets, the total loss of all rows; batch_size rows at a time."""
    cdef Steps *s = <Steps *>argument
    cdef Run run
    cdef int64_t start, first, last
    cdef const Layer *layer = &s.layers[s.n_layers - 1]
    own_run(s, team, thread, &run)
    for start from 0 <= start < s.rows.count by s.rows.batch_size:
        set_count(s, &run, start)
        gather(s, &run, start)
        meet(&run)
        if run.count < BP_ROW_MULTIPLE and run.n_threads == 1 and s.buffers.samples != NULL:
            forward_samples(s, &run)
        else:
            forward(s, &run)
        if s.rows.has_targets:
            loss(s, &run, start, 0)
            meet(&run)
            if thread == 0:
                s.outcome.total_loss += run.kernels.sum(s.buffers.losses, run.count)
                s.outcome.total_weight += batch_weight(s, &run)
        if s.out != NULL:
            share(run.columns, BP_ROW_MULTIPLE, &run, &first, &last)
            if s.linked:
                run.kernels.link(&s.loss, layer.a_out, layer.n_out, run.ld, first, last)
            run.kernels.transpose(layer.a_out, run.ld, layer.n_out, first, min(last, run.count),
                                  s.out + start * layer.n_out * run.itemsize, layer.n_out)
        end_step(s, &run)
        if s.outcome.stopped:
            return


cdef void differentiate(void *argument, bp_team *team, int thread) noexcept nogil:
    """One batch without an update: gather, forward, loss, backward; the gradients are kept.

    s.outcome.total_weight is given: it may be that of a larger batch.
    """
    cdef Steps *s = <Steps *>argument
    cdef Run run
    own_run(s, team, thread, &run)
    set_count(s, &run, 0)
    gather(s, &run, 0)
    meet(&run)
    forward(s, &run)
    loss(s, &run, 0, 1 / s.outcome.total_weight if s.outcome.total_weight > 0 else 0)
    meet(&run)
    if thread == 0:
        s.outcome.total_loss += run.kernels.sum(s.buffers.losses, run.count)
    backward(s, &run)
    meet(&run)


cdef void differentiate_from_output(void *argument, bp_team *team, int thread) noexcept nogil:
    """Backward alone, after a forward run of the same batch.

    s.rows.x holds d loss / d output; the gradients are kept, and d loss / d input is left in s.out.
    """
    cdef Steps *s = <Steps *>argument
    cdef Run run
    cdef int64_t first, last
    cdef const Layer *last_layer = &s.layers[s.n_layers - 1]
    own_run(s, team, thread, &run)
    set_count(s, &run, 0)
    share(run.count, BP_ROW_MULTIPLE, &run, &first, &last)
    run.kernels.gather(&s.rows.x, NULL, 0, first, last, last_layer.n_out, NULL, NULL, last_layer.dz, run.ld)
    output_derivative(last_layer, &run, first, round_up(last, BP_ROW_MULTIPLE))
    meet(&run)
    backward(s, &run)
    meet(&run)
    run.kernels.transpose(s.layers[0].da_in, run.ld, s.layers[0].n_in, first, last, s.out, s.layers[0].n_in)


cdef void inspect(void *argument, bp_team *team, int thread) noexcept nogil:
    """`differentiate` by one thread, which keeps what a step does not: z and da, as they are before f and f'.

    The layers in s are given as identities; here each activation, and each derivative, is a pass of its own by the
    kernel that the product's epilogue would have called. So the bits are those of training.
    """
    cdef Steps *s = <Steps *>argument
    cdef Run run
    cdef int i
    own_run(s, team, thread, &run)
    set_count(s, &run, 0)
    if s.inspection.mask != NULL:
        fill_with_ones(&run, s.layers[0].a_in, s.layers[0].n_in, s.layers[0].a_in)
        input_factors(&s.layers[0], &run, s.layers[0].a_in)
        keep(&run, s.layers[0].a_in, s.layers[0].n_in, s.inspection.mask)
    gather(s, &run, 0)
    for i in range(s.n_operations):
        inspect_forward(s, &run, i)
    loss(s, &run, 0, 1 / s.outcome.total_weight if s.outcome.total_weight > 0 else 0)
    keep(&run, s.buffers.losses, 1, s.inspection.losses)
    for i in range(s.n_operations - 1, -1, -1):
        inspect_backward(s, &run, i)


cdef void inspect_forward(Steps *s, Run *run, int which) noexcept nogil:
    """One operation; and f after it, where it would have applied f."""
    cdef const Operation *operation = &s.chain[which]
    cdef const Layer *layer = &s.layers[operation.layer]
    cdef const Kept *kept = &s.inspection.layers[operation.layer]
    if which == 0:
        keep(run, layer.a_in, layer.n_in, s.inspection.x)
    operation.forward(layer, run)
    if operation.part == PRODUCT:
        keep(run, layer.a_out, layer.n_out, kept.z)
    elif operation.part == NORM:
        keep(run, layer.normalised, layer.n_out, kept.n)
        keep(run, layer.a_out, layer.n_out, kept.y)
    if operation.applies_f:
        inspect_activation(operation, layer, kept, run)
    if operation.ends_layer and kept.mask != NULL:
        fill_with_ones(run, layer.dz, layer.n_out, layer.a_out)
        output_factors(layer, run, layer.dz)
        keep(run, layer.dz, layer.n_out, kept.mask)


cdef void inspect_activation(const Operation *operation, const Layer *layer, const Kept *kept,
                             Run *run) noexcept nogil:
    """a, and f', which is what the way back makes of ones."""
    if operation.part != OTHER:
        run.kernels.activate(&kept.activation, layer.a_out, layer.slope, run.ld, layer.n_out, run.columns)
    keep(run, layer.a_out, layer.n_out, kept.a)
    fill_with_ones(run, layer.dz, layer.n_out, layer.a_out)
    if operation.part == OTHER:  # f learns
        operation.backward(layer, run)
    else:
        run.kernels.derivative(layer.own_derivative, layer.dz, kept_of(layer), run.ld, layer.n_out, run.columns)
    keep(run, layer.dz, layer.n_out, kept.slope)


cdef void derive(const Operation *operation, const Layer *layer, Run *run) noexcept nogil:
    """dz = da · f'(z), in place, where the operation that applies f stands, and none before it has done so."""
    if operation.part == OTHER:  # f learns
        operation.backward(layer, run)
    elif not layer.is_apart:
        run.kernels.derivative(layer.own_derivative, layer.dz, kept_of(layer), run.ld, layer.n_out, run.columns)


cdef void inspect_backward(Steps *s, Run *run, int which) noexcept nogil:
    """One operation; and f' before it, where the product of the layer after it would have multiplied by f'."""
    cdef const Operation *operation = &s.chain[which]
    cdef const Layer *layer = &s.layers[operation.layer]
    cdef const Kept *kept = &s.inspection.layers[operation.layer]
    if operation.ends_layer:
        keep(run, layer.dz, layer.n_out, kept.da)
    if operation.applies_f:
        derive(operation, layer, run)
    if operation.part == NORM:
        keep(run, layer.dz, layer.n_out, kept.dy)
    elif operation.part == PRODUCT:
        keep(run, layer.dz, layer.n_out, kept.dz)
    if operation.part != OTHER or not operation.applies_f:
        operation.backward(layer, run)


cdef void fill_with_ones(const Run *run, char *values, int64_t rows, const char *activations) noexcept nogil:
    """values [rows][ld], from the row of ones that follows so many rows of activations and meets the bias."""
    cdef int64_t row, row_bytes = run.ld * run.itemsize
    for row in range(rows):
        memcpy(values + row * row_bytes, activations + rows * row_bytes, row_bytes)


cdef void keep(const Run *run, const char *values, int64_t rows, char *out) noexcept nogil:
    """A copy of values [rows][ld] as out [count][rows]: a sample a row."""
    run.kernels.transpose(values, run.ld, rows, 0, run.count, out, rows)


cdef void update(void *argument, bp_team *team, int thread) noexcept nogil:
    """The optimizer's step with the gradients that were kept."""
    cdef Steps *s = <Steps *>argument
    cdef Run run
    own_run(s, team, thread, &run)
    run.must_finish = True
    next_step(s, &run, 1)
    update_kept(s, &run, 1)
    follow_update(s, &run)
