"""What a team runs beside training: inference, gradients alone, an update alone.

As in steps.pyx, every function is run by all threads of a team at once, each on its share.
"""
from libc.stdint cimport int64_t

from backprop._core.dense cimport Layer, Run, is_stopped, meet, share
from backprop._core.kernels cimport BP_ROW_MULTIPLE, bp_team, round_up
from backprop._core.steps cimport (
    Steps, backward, batch_weight, check_inputs, check_targets, end_step, forward, forward_samples, gather, loss,
    next_step, output_derivative, own_run, set_count,
)
from backprop._core.updates cimport follow_update, has_finite_gradients, update_kept


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
    check_inputs(s, &run)
    check_targets(s, &run)
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


cdef void update(void *argument, bp_team *team, int thread) noexcept nogil:
    """The optimizer's step with the gradients that were kept; none where one of them is not finite."""
    cdef Steps *s = <Steps *>argument
    cdef Run run
    own_run(s, team, thread, &run)
    if not has_finite_gradients(s, &run):
        return
    run.must_finish = True
    next_step(s, &run, 1)
    update_kept(s, &run, 1)
    follow_update(s, &run)
