"""What a team runs beside training: inference, gradients alone, their inspection, an update alone.

As in steps.pyx, every function is run by all threads of a team at once, each on its share.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from backprop._core.dense cimport Layer, Run, dense_backward, dense_forward, is_stopped, kept_of, meet, share
from backprop._core.dropout cimport inputs_forward, outputs_forward
from backprop._core.kernels cimport BP_MOMENTS, BP_ROW_MULTIPLE, bp_is_raised, bp_raise, bp_team, round_up
from backprop._core.steps cimport (
    Kept, Steps, backward, batch_weight, check_inputs, check_targets, end_step, forward, forward_samples, gather, loss,
    next_step, output_derivative, own_run, set_count,
)


cdef void admit(void *argument, bp_team *team, int thread) noexcept nogil:
    """Look at all rows, batch_size at a time, as a training step would see them. No thread waits for another."""
    cdef Steps *s = <Steps *>argument
    cdef Run run
    cdef int64_t start
    own_run(s, team, thread, &run)
    for start from 0 <= start < s.rows.count by s.rows.batch_size:
        if is_stopped(&run):
            return
        set_count(s, &run, start)
        gather(s, &run, start)
        check_inputs(s, &run)
        check_targets(s, &run)


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
        check_inputs(s, &run)
        check_targets(s, &run)
        meet(&run)
        if run.count < BP_ROW_MULTIPLE and run.n_threads == 1 and s.buffers.samples != NULL:
            forward_samples(s, &run)
        else:
            forward(s, &run)
        if s.rows.has_targets:
            loss(s, &run, 0)
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
    check_inputs(s, &run)
    check_targets(s, &run)
    meet(&run)
    forward(s, &run)
    loss(s, &run, 1 / s.outcome.total_weight if s.outcome.total_weight > 0 else 0)
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
    cdef const Layer *layer
    cdef Kept *kept
    cdef int64_t unit, row_bytes = s.run.ld * s.run.itemsize
    cdef int i
    own_run(s, team, thread, &run)
    set_count(s, &run, 0)
    gather(s, &run, 0)
    check_inputs(s, &run)
    check_targets(s, &run)
    if s.layers[0].input_dropout > 0:
        inputs_forward(&s.layers[0], &run)
    keep(&run, s.layers[0].a_in, s.layers[0].n_in, s.inspection.x)
    for i in range(s.n_layers):
        layer, kept = &s.layers[i], &s.inspection.layers[i]
        dense_forward(layer, &run)
        keep(&run, layer.a_out, layer.n_out, kept.z)
        run.kernels.activate(&kept.activation, layer.a_out, layer.slope, run.ld, layer.n_out, run.columns)
        if layer.dropout > 0:
            outputs_forward(layer, &run)
        keep(&run, layer.a_out, layer.n_out, kept.a)
        for unit in range(layer.n_out):  # f' is what the derivative's kernel makes of ones, such as meet the bias
            memcpy(layer.dz + unit * row_bytes, layer.a_out + layer.n_out * row_bytes, row_bytes)
        run.kernels.derivative(kept.derivative, layer.dz, kept_of(layer), run.ld, layer.n_out, run.columns)
        keep(&run, layer.dz, layer.n_out, kept.slope)
    loss(s, &run, 1 / s.outcome.total_weight if s.outcome.total_weight > 0 else 0)
    keep(&run, s.buffers.losses, 1, s.inspection.losses)
    for i in range(s.n_layers - 1, -1, -1):
        layer, kept = &s.layers[i], &s.inspection.layers[i]
        keep(&run, layer.dz, layer.n_out, kept.da)
        run.kernels.derivative(kept.derivative, layer.dz, kept_of(layer), run.ld, layer.n_out, run.columns)
        keep(&run, layer.dz, layer.n_out, kept.dz)
        dense_backward(layer, &run)


cdef void keep(const Run *run, const char *values, int64_t rows, char *out) noexcept nogil:
    """A copy of values [rows][ld] as out [count][rows]: a sample a row."""
    run.kernels.transpose(values, run.ld, rows, 0, run.count, out, rows)


cdef void update(void *argument, bp_team *team, int thread) noexcept nogil:
    """The optimizer's step with the gradients that were kept; none where one of them is not finite."""
    cdef Steps *s = <Steps *>argument
    cdef Run run
    cdef int i, moment
    cdef const Layer *layer
    cdef int64_t first, last, at
    cdef void *moments[BP_MOMENTS]
    own_run(s, team, thread, &run)
    for i in range(s.n_layers):
        layer = &s.layers[i]
        share(layer.n_in + 1, 1, &run, &first, &last)
        if not run.kernels.is_finite(layer.gradient + first * layer.ldw * run.itemsize, layer.ldw, last - first, 0,
                                     layer.n_out):
            bp_raise(&s.outcome.not_finite)
    meet(&run)
    if bp_is_raised(&s.outcome.not_finite):
        return
    next_step(s, &run, 1)
    for i in range(s.n_layers):
        layer = &s.layers[i]
        share(layer.n_in + 1, 1, &run, &first, &last)
        at = first * layer.ldw * run.itemsize
        for moment in range(BP_MOMENTS):
            moments[moment] = layer.moments[moment] + at if layer.moments[moment] != NULL else NULL
        run.kernels.update(&run.step, layer.gradient + at, layer.ldw, layer.parameters + at, moments, layer.ldw,
                           last - first, layer.n_in - first, layer.columns)
