"""Back-propagation, told once: a step is gather, forward, loss, backward, update; an epoch is a shuffle and its steps.

(a) Every function below is run by all threads of a team at once, each on its share; a barrier stands wherever one
    thread reads what another wrote. Threads share out elements, never terms of a sum, so the bits do not depend on
    their number.
(b) A step allocates nothing and checks nothing; it takes a lock only to sleep at a barrier or to look for Ctrl-C.
    What it needs stands in a Steps, made from a Plan before the first.
"""
from libc.math cimport NAN, isfinite, sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from backprop._core.dense cimport (
    POLL_WORK, Layer, Run, dense_backward, dense_forward, dense_forward_samples, is_stopped, meet,
    portion_of, share, spend,
)
from backprop._core.kernels cimport (
    BP_ADAM, BP_ROW_MULTIPLE, bp_is_raised, bp_kernels, bp_raise, bp_step, bp_targets, bp_team, round_up, seconds,
    shuffle, stream,
)

# The stream of random numbers that shuffles: the same number stands in backprop/reference.py.
cdef enum:
    FOR_SHUFFLE = 2

# Rows that are shuffled between two looks for Ctrl-C, and what a swap costs in multiply-adds: a wait for memory.
cdef int64_t SHUFFLE_PORTION = 100_000
cdef int64_t SHUFFLE_WORK = 1000

# Powers are worked out anew every so many steps, and from one to the next in between.
cdef enum:
    POWER_SQUARINGS = 5
    POWER_STRIDE = 1 << POWER_SQUARINGS


# One step, by all threads --------------------------------------------------------------------------------------------

cdef void gather(Steps *s, Run *run, int64_t start) noexcept nogil:
    """The batch's rows, targets and sample weights, transposed into the plan's buffers; each thread some samples."""
    cdef int64_t first, last, stop, n_in = s.layers[0].n_in, n_out = s.layers[s.n_layers - 1].n_out
    cdef int64_t portion = portion_of(n_in + n_out)
    share(run.count, BP_ROW_MULTIPLE, run, &first, &last)
    while first < last and not is_stopped(run):
        stop = min(last, first + portion)
        run.kernels.gather(&s.x, s.order, start, first, stop, n_in, s.offset, s.scale, s.layers[0].a_in, run.ld)
        if s.has_targets and s.targets_are_labels:
            run.kernels.gather(&s.y, s.order, start, first, stop, 1, NULL, NULL, s.labels, run.ld)
        elif s.has_targets:
            run.kernels.gather(&s.y, s.order, start, first, stop, n_out, NULL, NULL, s.targets, run.ld)
        if s.weighted:
            run.kernels.gather(&s.sample_weights, s.order, start, first, stop, 1, NULL, NULL, s.weights, run.ld)
        spend(run, (n_in + n_out) * (stop - first))
        first = stop


cdef void check_inputs(Steps *s, Run *run) noexcept nogil:
    """Of the batch that was gathered; each thread its samples.

    An infinity would pass tanh and sigmoid unseen: their derivative is 0 there, and 0 times infinity makes weights nan.
    """
    cdef int64_t first, last
    share(run.count, BP_ROW_MULTIPLE, run, &first, &last)
    if not run.kernels.is_finite(s.layers[0].a_in, run.ld, s.layers[0].n_in, first, last):
        bp_raise(&s.not_finite)


cdef void forward(Steps *s, Run *run) noexcept nogil:
    """Layer by layer; a barrier after each."""
    cdef int i
    for i in range(s.n_layers):
        dense_forward(&s.layers[i], run, s.activate_last or i + 1 < s.n_layers)
        meet(run)


cdef void forward_samples(Steps *s, Run *run) noexcept nogil:
    """The same with a row a sample, for one thread and fewer samples than a vector has lanes."""
    cdef int64_t row_bytes = s.sample_ld * run.itemsize
    cdef char *a = s.samples
    cdef char *next_a = s.samples + BP_ROW_MULTIPLE * row_bytes
    cdef const Layer *layer = &s.layers[0]
    cdef int64_t sample
    cdef int i
    # with its row of ones, which becomes each sample's last number and meets the bias
    run.kernels.transpose(layer.a_in, run.ld, layer.n_in + 1, 0, run.count, a, s.sample_ld)
    for i in range(s.n_layers):
        layer = &s.layers[i]
        dense_forward_samples(layer, run, a, next_a, s.sample_ld, s.activate_last or i + 1 < s.n_layers)
        for sample in range(run.count):
            memcpy(next_a + sample * row_bytes + layer.n_out * run.itemsize,
                   layer.a_out + layer.n_out * run.ld * run.itemsize, run.itemsize)
        a, next_a = next_a, a
    run.kernels.transpose(a, s.sample_ld, run.count, 0, layer.n_out, layer.a_out, run.ld)


cdef void loss(Steps *s, Run *run, double scale) noexcept nogil:
    """Each sample's loss; and in the last layer's dz the chain rule's first product.

    The derivative of the cost, da = d cost / da, times that of the activation: dz = da · f'(z).
    """
    cdef const Layer *layer = &s.layers[s.n_layers - 1]
    cdef bp_targets targets
    cdef int64_t first, last, stop, portion = portion_of(8 * layer.n_out)
    targets.values = NULL if s.targets_are_labels else s.targets
    targets.labels = s.labels if s.targets_are_labels else NULL
    targets.weights = s.weights
    targets.scale = scale
    share(run.columns, BP_ROW_MULTIPLE, run, &first, &last)
    while first < last and not is_stopped(run):
        stop = min(last, first + portion)
        run.kernels.loss(s.loss, layer.a_out, &targets, layer.n_out, run.ld, first, stop, layer.dz, s.losses)
        output_derivative(layer, run, first, stop)
        spend(run, 8 * layer.n_out * (stop - first))
        first = stop


cdef void output_derivative(const Layer *layer, const Run *run, int64_t first, int64_t last) noexcept nogil:
    """dz = da · f'(z) of the last layer, in place, for the samples [first, last)."""
    run.kernels.derivative(layer.activation, layer.dz + first * run.itemsize, layer.a_out + first * run.itemsize,
                           run.ld, layer.n_out, last - first)


cdef void backward(Steps *s, Run *run) noexcept nogil:
    """From the last layer to the first: each turns its dz into the dz of the layer before and its gradient."""
    cdef int i
    for i in range(s.n_layers - 1, -1, -1):
        dense_backward(&s.layers[i], run)


cdef void set_count(Steps *s, Run *run, int64_t start) noexcept nogil:
    run.count = min(s.batch_size, s.n_rows - start)
    run.columns = round_up(run.count, BP_ROW_MULTIPLE)


cdef double batch_weight(Steps *s, Run *run) noexcept nogil:
    """Σ of the sample weights; every thread works it out for itself."""
    return run.kernels.sum(s.weights, run.count) if s.weighted else <double>run.count


cdef double sum_of_squares(const bp_kernels *kernels, const Layer *layers, int n_layers) noexcept nogil:
    """Σ W² of all weights, without biases."""
    cdef double total = 0
    cdef int i
    for i in range(n_layers):
        total += kernels.sum_of_squares(layers[i].parameters, layers[i].ldw, layers[i].n_in, layers[i].n_out)
    return total


cdef void add_cost(Steps *s, Run *run, double weight) noexcept nogil:
    """To the epoch's loss. Where a penalty is given, each sample counts its batch's cost, (Σ w loss + ½ λ Σ W²) / Σ w.
    """
    cdef double cost = run.kernels.sum(s.losses, run.count)
    s.diverged = not isfinite(cost) or bp_is_raised(&s.not_finite)
    if s.diverged:
        s.total_loss = cost if not isfinite(cost) else NAN
        return
    if s.penalty == NULL:
        s.total_loss += cost
        s.total_weight += weight
    else:
        if s.penalty[0] > 0:
            cost += 0.5 * s.penalty[0] * sum_of_squares(run.kernels, s.layers, s.n_layers)
        if weight > 0:
            s.total_loss += run.count * cost / weight
        s.total_weight += run.count


cdef void look_ahead(Steps *s, Run *run, int64_t start) noexcept nogil:
    """This thread's rows of the batch that begins at `start`, for its products to fetch."""
    cdef int64_t first, last
    if run.lookahead.samples == NULL:
        return
    share(max(0, min(s.batch_size, s.n_rows - start)), BP_ROW_MULTIPLE, run, &first, &last)
    run.lookahead.next, run.lookahead.last = start + first, start + last
    run.lookahead.asked = 0


cdef void train_step(Steps *s, Run *run, int64_t start) noexcept nogil:
    cdef double weight
    look_ahead(s, run, start + s.batch_size)
    set_count(s, run, start)
    gather(s, run, start)
    check_inputs(s, run)
    meet(run)
    forward(s, run)
    weight = batch_weight(s, run)
    loss(s, run, 1 / weight if weight > 0 else 0)
    meet(run)
    if run.thread == 0:
        add_cost(s, run, weight)
    end_step(s, run)
    if s.stopped or s.diverged:  # before anything was updated
        return
    run.must_finish = True  # lest some weights take their step and others not
    next_step(s, run, 1 / weight if weight > 0 else 0)
    backward(s, run)
    run.must_finish = False
    end_step(s, run)


cdef void end_step(Steps *s, Run *run) noexcept nogil:
    """All threads learn here, and only here, whether to stop: between a barrier and their looking it cannot change."""
    if run.thread == 0:
        s.stopped = bp_is_raised(&run.interrupt.seen)
    meet(run)


# Optimizer's constants -----------------------------------------------------------------------------------------------

cdef double power(double base, int64_t exponent) noexcept nogil:
    """The same bits on every machine, which libm's pow does not promise, and as `next_power` goes on from one to the
    next: by squaring to a multiple of POWER_STRIDE, and one by one from there.
    """
    cdef double result = 1
    cdef int64_t _, squares = exponent // POWER_STRIDE
    cdef double square = base
    for _ in range(POWER_SQUARINGS):
        square *= square
    while squares > 0:
        if squares & 1:
            result *= square
        square *= square
        squares >>= 1
    for _ in range(exponent % POWER_STRIDE):
        result *= base
    return result


cdef double next_power(double before, double base, int64_t exponent) noexcept nogil:
    """power(base, exponent), given that of one less: a step of a small network would feel all the squarings."""
    return before * base if exponent % POWER_STRIDE else power(base, exponent)


cdef void step_constants(const Optimizer *optimizer, Run *run, double scale) noexcept nogil:
    """Of step t = run.steps, counted from 1: Adam's bias corrections go into the rate and epsilon."""
    cdef bp_step *step = &run.step
    cdef double correction_2
    step.optimizer = optimizer.kind
    step.learning_rate = optimizer.learning_rate
    step.momentum = optimizer.momentum
    step.beta_1, step.beta_2, step.epsilon = optimizer.beta_1, optimizer.beta_2, optimizer.epsilon
    step.l2 = optimizer.l2 * scale
    if optimizer.kind == BP_ADAM:
        run.power_1 = next_power(run.power_1, optimizer.beta_1, run.steps)
        run.power_2 = next_power(run.power_2, optimizer.beta_2, run.steps)
        correction_2 = sqrt(1 - run.power_2)
        step.learning_rate *= correction_2 / (1 - run.power_1)
        if not optimizer.epsilon_hat:
            step.epsilon *= correction_2


cdef void begin_steps(Steps *s, Run *run) noexcept nogil:
    """Before the first step of a run: how far the optimizer is."""
    run.steps = s.optimizer.steps
    run.power_1 = power(s.optimizer.beta_1, run.steps)
    run.power_2 = power(s.optimizer.beta_2, run.steps)


cdef void next_step(Steps *s, Run *run, double scale) noexcept nogil:
    """Every thread counts steps in its own Run, so that none waits for another's count; `scale`: of the cost."""
    run.steps += 1
    step_constants(&s.optimizer, run, scale)


# Whole runs, by all threads ------------------------------------------------------------------------------------------

cdef void own_run(Steps *s, bp_team *team, int thread, Run *run) noexcept nogil:
    run[0] = s.run
    run.team, run.thread = team, thread
    run.scratch = s.scratch + thread * s.scratch_bytes
    run.interrupt = s.interrupt
    run.until_poll = POLL_WORK  # what is shorter need not look for Ctrl-C at all


cdef void train_epochs(void *argument, bp_team *team, int thread) noexcept nogil:
    """Epochs until all are done, Ctrl-C, or a batch whose cost is not a finite number: it changes nothing."""
    cdef Steps *s = <Steps *>argument
    cdef Run run
    cdef int64_t epoch, start
    cdef double began = seconds()
    own_run(s, team, thread, &run)
    begin_steps(s, &run)
    for epoch in range(s.n_epochs):
        if thread == 0:
            s.total_loss = s.total_weight = 0
            if s.shuffled:
                shuffle_rows(s, &run, stream(s.seed, FOR_SHUFFLE, s.first_epoch + epoch))
        end_step(s, &run)
        for start from 0 <= start < s.n_rows by s.batch_size:
            if s.stopped:
                return
            if s.diverged:
                break
            train_step(s, &run, start)
            if thread == 0:
                s.optimizer.steps = run.steps
                s.interrupt.rows_done += run.count
        if thread == 0:
            end_epoch(s, epoch, &began)
        meet(&run)
        if s.ended:
            return


cdef void end_epoch(Steps *s, int64_t epoch, double *began) noexcept nogil:
    """Keep the score, and decide for all threads whether there is a next epoch."""
    cdef double now = seconds()
    s.epoch_seconds[epoch] = now - began[0]
    s.epoch_losses[epoch] = s.total_loss / s.total_weight if s.total_weight > 0 else s.total_loss
    began[0] = now
    s.ended = s.stopped or s.diverged
    if not s.ended:
        s.epochs_done += 1


cdef void shuffle_rows(Steps *s, Run *run, uint64_t state) noexcept nogil:
    """A new order of the rows; by thread 0."""
    cdef int64_t first, i, last = s.n_rows
    for first from 0 <= first < s.n_rows by SHUFFLE_PORTION:
        if is_stopped(run):
            return
        for i in range(first, min(s.n_rows, first + SHUFFLE_PORTION)):
            s.order[i] = i
        spend(run, SHUFFLE_PORTION)
    while last > 1 and not is_stopped(run):
        first = max(1, last - SHUFFLE_PORTION)
        shuffle(state, s.order, s.n_rows, first, last)
        spend(run, SHUFFLE_WORK * (last - first))
        last = first


cdef void infer(void *argument, bp_team *team, int thread) noexcept nogil:
    """Outputs and, with targets, the total loss of all rows; batch_size rows at a time."""
    cdef Steps *s = <Steps *>argument
    cdef Run run
    cdef int64_t start, first, last
    cdef const Layer *layer = &s.layers[s.n_layers - 1]
    own_run(s, team, thread, &run)
    for start from 0 <= start < s.n_rows by s.batch_size:
        set_count(s, &run, start)
        gather(s, &run, start)
        meet(&run)
        if run.count < BP_ROW_MULTIPLE and run.n_threads == 1 and s.samples != NULL:
            forward_samples(s, &run)
        else:
            forward(s, &run)
        if s.has_targets:
            loss(s, &run, 0)
            meet(&run)
            if thread == 0:
                s.total_loss += run.kernels.sum(s.losses, run.count)
                s.total_weight += batch_weight(s, &run)
        if s.out != NULL:
            share(run.columns, BP_ROW_MULTIPLE, &run, &first, &last)
            if s.probabilities:
                run.kernels.probabilities(s.loss, layer.a_out, layer.n_out, run.ld, first, last)
            run.kernels.transpose(layer.a_out, run.ld, layer.n_out, first, min(last, run.count),
                                  s.out + start * layer.n_out * run.itemsize, layer.n_out)
        end_step(s, &run)
        if s.stopped:
            return


cdef void differentiate(void *argument, bp_team *team, int thread) noexcept nogil:
    """One batch without an update: gather, forward, loss, backward; the gradients are kept.

    s.total_weight is given: it may be that of a larger batch.
    """
    cdef Steps *s = <Steps *>argument
    cdef Run run
    own_run(s, team, thread, &run)
    set_count(s, &run, 0)
    gather(s, &run, 0)
    meet(&run)
    forward(s, &run)
    loss(s, &run, 1 / s.total_weight if s.total_weight > 0 else 0)
    meet(&run)
    if thread == 0:
        s.total_loss += run.kernels.sum(s.losses, run.count)
    backward(s, &run)
    meet(&run)


cdef void differentiate_from_output(void *argument, bp_team *team, int thread) noexcept nogil:
    """Backward alone, after a forward run of the same batch.

    s.x holds d loss / d output; the gradients are kept, and d loss / d input is left in s.out.
    """
    cdef Steps *s = <Steps *>argument
    cdef Run run
    cdef int64_t first, last
    cdef const Layer *last_layer = &s.layers[s.n_layers - 1]
    own_run(s, team, thread, &run)
    set_count(s, &run, 0)
    share(run.count, BP_ROW_MULTIPLE, &run, &first, &last)
    run.kernels.gather(&s.x, NULL, 0, first, last, last_layer.n_out, NULL, NULL, last_layer.dz, run.ld)
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
    keep(&run, s.layers[0].a_in, s.layers[0].n_in, s.kept_x)
    for i in range(s.n_layers):
        layer, kept = &s.layers[i], &s.kept[i]
        dense_forward(layer, &run, True)
        keep(&run, layer.a_out, layer.n_out, kept.z)
        run.kernels.activate(kept.activation, layer.a_out, run.ld, layer.n_out, run.columns)
        keep(&run, layer.a_out, layer.n_out, kept.a)
        for unit in range(layer.n_out):  # f' is what the derivative's kernel makes of ones, such as meet the bias
            memcpy(layer.dz + unit * row_bytes, layer.a_out + layer.n_out * row_bytes, row_bytes)
        run.kernels.derivative(kept.activation, layer.dz, layer.a_out, run.ld, layer.n_out, run.columns)
        keep(&run, layer.dz, layer.n_out, kept.derivative)
    loss(s, &run, 1 / s.total_weight if s.total_weight > 0 else 0)
    keep(&run, s.losses, 1, s.kept_losses)
    for i in range(s.n_layers - 1, -1, -1):
        layer, kept = &s.layers[i], &s.kept[i]
        keep(&run, layer.dz, layer.n_out, kept.da)
        run.kernels.derivative(kept.activation, layer.dz, layer.a_out, run.ld, layer.n_out, run.columns)
        keep(&run, layer.dz, layer.n_out, kept.dz)
        dense_backward(layer, &run)


cdef void keep(const Run *run, const char *values, int64_t rows, char *out) noexcept nogil:
    """A copy of values [rows][ld] as out [count][rows]: a sample a row."""
    run.kernels.transpose(values, run.ld, rows, 0, run.count, out, rows)


cdef void update(void *argument, bp_team *team, int thread) noexcept nogil:
    """The optimizer's step with the gradients that were kept."""
    cdef Steps *s = <Steps *>argument
    cdef Run run
    cdef int i
    cdef const Layer *layer
    cdef int64_t first, last, at
    own_run(s, team, thread, &run)
    begin_steps(s, &run)
    next_step(s, &run, 1)
    for i in range(s.n_layers):
        layer = &s.layers[i]
        share(layer.n_in + 1, 1, &run, &first, &last)
        at = first * layer.ldw * run.itemsize
        run.kernels.update(&run.step, layer.gradient + at, layer.ldw, layer.parameters + at,
                           layer.moment1 + at if layer.moment1 != NULL else NULL,
                           layer.moment2 + at if layer.moment2 != NULL else NULL, layer.ldw, last - first,
                           layer.n_in - first, layer.columns)
