"""Back-propagation, told once: a step is gather, forward, loss, backward, update; an epoch is a shuffle and its steps.

(a) Every function below is run by all threads of a team at once, each on its share; a barrier stands wherever one
    thread reads what another wrote. Threads share out elements, never terms of a sum, so the bits do not depend on
    their number.
(b) A step allocates nothing and checks nothing; it takes a lock only to sleep at a barrier or to look for Ctrl-C.
    What it needs stands in a Steps, made from a Plan before the first.
"""
from libc.math cimport NAN, isfinite
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from backprop._core.dense cimport (
    POLL_WORK, Layer, Run, Shards, dense_forward_samples, is_stopped, kept_of, meet, portion_of, share, spend,
)
from backprop._core.kernels cimport (
    BP_ROW_MULTIPLE, bp_is_raised, bp_kernels, bp_optimizer, bp_progress, bp_raise, bp_targets, bp_team, round_up,
    seconds, shuffle, stream, team_size,
)
from backprop._core.shards cimport begin_batch, deal_rows, own_before, row_of_shard, rows_of, sum_shards
from backprop._core.updates cimport average_parameters, check_parameters, follow_update, update_kept

from backprop._core.own_loss cimport ask_own_loss
from backprop._core.ranks cimport gather_parameters, reduce_gradients, whole_sum

# The streams of random numbers that shuffle all rows, and each shard's: the same numbers stand in
# backprop/reference_random.py.
cdef enum:
    FOR_SHUFFLE = 2
    FOR_SHARDS = 6

# Rows that are shuffled between two looks for Ctrl-C, and what a swap costs in multiply-adds: a wait for memory.
cdef int64_t SHUFFLE_PORTION = 100_000
cdef int64_t SHUFFLE_WORK = 1000

# One step, by all threads --------------------------------------------------------------------------------------------

cdef void gather(Steps *s, Run *run, int64_t start) noexcept nogil:
    """The batch's rows, targets and sample weights, transposed into the plan's buffers; each thread some samples."""
    cdef const Rows *rows = &s.rows
    cdef const Buffers *into = &s.buffers
    cdef int64_t first, last, stop, n_in = s.layers[0].n_in, n_out = s.layers[s.n_layers - 1].n_out
    cdef int64_t portion
    cdef bint has_targets = rows.has_targets and s.own_loss == NULL
    share(run.count, BP_ROW_MULTIPLE, run, &first, &last)
    portion = portion_of(last - first, n_in + n_out)
    while first < last and not is_stopped(run):
        stop = min(last, first + portion)
        run.kernels.gather(&rows.x, rows.order, start, first, stop, n_in, rows.offset, rows.scale, s.layers[0].a_in,
                           run.ld)
        if has_targets and rows.y_is_labels:
            run.kernels.gather(&rows.y, rows.order, start, first, stop, 1, NULL, NULL, into.labels, run.ld)
        elif has_targets:
            run.kernels.gather(&rows.y, rows.order, start, first, stop, n_out, NULL, NULL, into.targets, run.ld)
        if rows.weighted:
            run.kernels.gather(&rows.weights, rows.order, start, first, stop, 1, NULL, NULL, into.weights, run.ld)
        spend(run, (n_in + n_out) * (stop - first))
        first = stop


cdef void check_inputs(Steps *s, Run *run) noexcept nogil:
    """Of the batch that was gathered; each thread its samples.

    An infinity would pass tanh and sigmoid unseen: their derivative is 0 there, and 0 times infinity makes weights nan.
    """
    cdef int64_t first, last
    share(run.count, BP_ROW_MULTIPLE, run, &first, &last)
    if not run.kernels.is_finite(s.layers[0].a_in, run.ld, s.layers[0].n_in, first, last):
        bp_raise(&s.outcome.not_finite)


cdef void check_labels(Steps *s, Run *run) noexcept nogil:
    """That they are classes: the user's array may be written to meanwhile, and a class that there is not costs 0."""
    cdef int64_t first, last, n_classes = s.layers[s.n_layers - 1].n_out
    if not s.rows.y_is_labels:
        return
    share(run.count, BP_ROW_MULTIPLE, run, &first, &last)
    if not run.kernels.are_classes(s.buffers.labels, first, last, n_classes):
        bp_raise(&s.outcome.not_finite)


cdef void check_targets(Steps *s, Run *run) noexcept nogil:
    """The same of the targets, which are finite as they were given: float32 cannot hold every float64."""
    cdef int64_t first, last
    check_labels(s, run)
    if not s.rows.has_targets or s.rows.y_is_labels or s.own_loss != NULL:
        return
    share(run.count, BP_ROW_MULTIPLE, run, &first, &last)
    if not run.kernels.is_finite(s.buffers.targets, run.ld, s.layers[s.n_layers - 1].n_out, first, last):
        bp_raise(&s.outcome.not_finite)


cdef void forward(Steps *s, Run *run) noexcept nogil:
    """Along the chain; a barrier after each operation."""
    cdef int i
    run.drawn_at = run.progress.t
    for i in range(s.n_operations):
        s.chain[i].forward(&s.layers[s.chain[i].layer], run)
        meet(run)


cdef void forward_samples(Steps *s, Run *run) noexcept nogil:
    """The same with a row a sample, for one thread and fewer samples than a vector has lanes."""
    cdef int64_t row_bytes = s.buffers.sample_ld * run.itemsize
    cdef char *a = s.buffers.samples
    cdef char *next_a = s.buffers.samples + BP_ROW_MULTIPLE * row_bytes
    cdef const Layer *layer = &s.layers[0]
    cdef int64_t sample
    cdef int i
    # with its row of ones, which becomes each sample's last number and meets the bias
    run.kernels.transpose(layer.a_in, run.ld, layer.n_in + 1, 0, run.count, a, s.buffers.sample_ld)
    for i in range(s.n_layers):
        layer = &s.layers[i]
        dense_forward_samples(layer, run, a, next_a, s.buffers.sample_ld)
        for sample in range(run.count):
            memcpy(next_a + sample * row_bytes + layer.n_out * run.itemsize,
                   layer.a_out + layer.n_out * run.ld * run.itemsize, run.itemsize)
        a, next_a = next_a, a
    run.kernels.transpose(a, s.buffers.sample_ld, run.count, 0, layer.n_out, layer.a_out, run.ld)


cdef void loss(Steps *s, Run *run, int64_t start, double scale) noexcept nogil:
    """Each sample's loss, of the batch from row `start` on; and in the last layer's dz the chain rule's first product.

    The derivative of the cost, da = d cost / da, times that of the activation: dz = da · f'(z).
    """
    cdef const Layer *layer = &s.layers[s.n_layers - 1]
    cdef bp_targets targets
    cdef int64_t first, last, stop, portion
    targets.values = NULL if s.rows.y_is_labels else s.buffers.targets
    targets.labels = s.buffers.labels
    targets.weights = s.buffers.weights
    targets.scale = scale
    if s.own_loss != NULL:
        ask_own_loss(s, run, start)
    share(run.columns, BP_ROW_MULTIPLE, run, &first, &last)
    portion = portion_of(last - first, 8 * layer.n_out)
    while first < last and not is_stopped(run):
        stop = min(last, first + portion)
        run.kernels.loss(&s.loss, layer.a_out, &targets, layer.n_out, run.ld, first, stop, layer.dz,
                         s.buffers.losses)
        output_derivative(layer, run, first, stop)
        spend(run, 8 * layer.n_out * (stop - first))
        first = stop


cdef void output_derivative(const Layer *layer, const Run *run, int64_t first, int64_t last) noexcept nogil:
    """dz = da · f'(z) of the last layer, in place, for the samples [first, last)."""
    run.kernels.derivative(layer.derivative, layer.dz + first * run.itemsize,
                           kept_of(layer) + first * run.itemsize, run.ld, layer.n_out, last - first)


cdef void backward(Steps *s, Run *run) noexcept nogil:
    """Back along the chain: each layer turns its dz into the dz of the layer before and its gradient."""
    cdef int i
    for i in range(s.n_operations - 1, s.first_operation - 1, -1):
        s.chain[i].backward(&s.layers[s.chain[i].layer], run)


cdef int stop_at_frozen(Steps *s) noexcept:
    """Let the way back end at the first layer that is trained, whose number is returned."""
    cdef int first = 0
    while first < s.n_layers and s.layers[first].frozen:
        first += 1
    while s.first_operation < s.n_operations and s.chain[s.first_operation].layer < first:
        s.first_operation += 1
    if 0 < first < s.n_layers:
        s.layers[first].da_in = NULL
    return first


cdef void go_on_below(Steps *s, int first) noexcept:
    """Let the layers, which are the plan's, have their way back again."""
    if 0 < first < s.n_layers:
        s.layers[first].da_in = s.layers[first - 1].dz


cdef void set_count(Steps *s, Run *run, int64_t start) noexcept nogil:
    """Of the batch that begins at position `start` of the epoch."""
    run.count = min(s.rows.batch_size, s.rows.count - start)
    if run.shards != NULL:
        run.count = begin_batch(run.shards, start, start + run.count, run.thread == 0)
    run.columns = round_up(run.count, BP_ROW_MULTIPLE)


cdef inline int64_t row_at(const Run *run, int64_t position) noexcept nogil:
    """How many rows this process has gone through before a position of the epoch."""
    return position if run.shards == NULL else own_before(run.shards, position)


cdef double batch_weight(Steps *s, Run *run) noexcept nogil:
    """Σ of the sample weights; every thread works it out for itself."""
    return sum_samples(run, s.buffers.weights) if s.rows.weighted else <double>run.count


cdef double whole_weight(Steps *s, Run *run, int64_t start) noexcept nogil:
    """The same of the batch that begins at position `start`, whose samples other ranks may have."""
    if s.ranked.exchange == NULL:
        return batch_weight(s, run)
    if not s.rows.weighted:
        return min(s.rows.batch_size, s.rows.count - start)
    if run.thread == 0:
        s.outcome.batch_weight = whole_sum(s, run, s.buffers.weights)
    meet(run)
    return s.outcome.batch_weight


cdef double sum_samples(Run *run, const char *values) noexcept nogil:
    """Of a number for each sample of the batch."""
    return run.kernels.sum(values, run.count) if run.shards == NULL else sum_shards(run, values)


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
    cdef double cost
    if s.ranked.exchange == NULL:
        cost = sum_samples(run, s.buffers.losses)
    else:
        cost = whole_sum(s, run, s.buffers.losses)
    s.outcome.diverged = not isfinite(cost) or bp_is_raised(&s.outcome.not_finite)
    if s.outcome.diverged:
        s.outcome.total_loss = cost if not isfinite(cost) else NAN
        return
    if s.training.penalty == NULL:
        s.outcome.total_loss += cost
        s.outcome.total_weight += weight
    else:
        if s.training.penalty[0] > 0:
            cost += 0.5 * s.training.penalty[0] * sum_of_squares(run.kernels, s.layers, s.n_layers)
        if weight > 0:
            s.outcome.total_loss += run.count * cost / weight
        s.outcome.total_weight += run.count


cdef void look_ahead(Steps *s, Run *run, int64_t start) noexcept nogil:
    """This thread's rows of the batch that begins at `start`, for its products to fetch."""
    cdef int64_t first, last, stop
    if run.lookahead.samples == NULL:
        return
    stop = min(s.rows.count, start + s.rows.batch_size)
    start = row_at(run, start)
    share(max(0, row_at(run, stop) - start), BP_ROW_MULTIPLE, run, &first, &last)
    run.lookahead.next, run.lookahead.last = start + first, start + last
    run.lookahead.asked = 0


cdef void train_step(Steps *s, Run *run, int64_t start) noexcept nogil:
    cdef double weight
    cdef int64_t row = row_at(run, start)  # of this process's order
    look_ahead(s, run, start + s.rows.batch_size)
    set_count(s, run, start)
    gather(s, run, row)
    check_inputs(s, run)
    check_labels(s, run)
    meet(run)
    forward(s, run)
    weight = whole_weight(s, run, start)
    loss(s, run, row, 1 if s.training.keeps_gradients else inverse(weight))
    meet(run)
    if run.thread == 0:
        add_cost(s, run, weight)
    end_step(s, run)
    if s.outcome.stopped or s.outcome.diverged:  # before anything was updated
        return
    run.must_finish = True  # lest some weights take their step and others not
    if run.fuse_update:
        next_step(s, run, inverse(weight))
        backward(s, run)
        follow_update(s, run)
    else:
        train_part(s, run, start, weight)
    run.must_finish = False
    end_step(s, run)


cdef void train_part(Steps *s, Run *run, int64_t start, double weight) noexcept nogil:
    """Add the gradients of the batch to those that are kept; where they are a step's, take it.

    They are of summed losses, except where only the way to other ranks has them kept.
    """
    run.part_weight += weight
    backward(s, run)
    run.part += 1
    if run.part < s.training.parts and start + s.rows.batch_size < s.rows.count:
        return
    meet(run)
    if s.ranked.exchange != NULL and not reduce_gradients(s, run):
        return
    next_step(s, run, inverse(run.part_weight))
    update_kept(s, run, inverse(run.part_weight) if s.training.keeps_gradients else 1)
    if s.ranked.splits and not gather_parameters(s, run):
        return
    follow_update(s, run)
    run.part, run.part_weight = 0, 0


cdef inline double inverse(double weight) noexcept nogil:
    """0 where no sample weighs: its gradients are 0 too."""
    return 1 / weight if weight > 0 else 0


cdef void end_step(Steps *s, Run *run) noexcept nogil:
    """All threads learn here, and only here, whether to stop: between a barrier and their looking it cannot change."""
    if run.thread == 0:
        if s.ranked.exchange == NULL:
            s.outcome.stopped = bp_is_raised(&run.interrupt.seen)
        else:  # who stops has told the others, and not only itself
            s.outcome.stopped = s.ranked.stops or s.ranked.failed
    meet(run)


# The optimizer's steps ------------------------------------------------------------------------------------------------

cdef void next_step(Steps *s, Run *run, double scale) noexcept nogil:
    """Every thread counts steps in its own Run, so that none waits for another's count; `scale`: of the cost."""
    cdef bp_optimizer optimizer
    run.progress.t += 1
    if s.training.rates == NULL:
        begin_step(s, run, &s.training.optimizer, scale)
        return
    optimizer = s.training.optimizer
    optimizer.learning_rate = s.training.rates[run.progress.t - 1 - s.training.first_step]
    begin_step(s, run, &optimizer, scale)


cdef void begin_step(Steps *s, Run *run, const bp_optimizer *optimizer, double scale) noexcept nogil:
    if run.own_steps == NULL:
        run.kernels.begin_step(optimizer, scale, &run.progress, &run.step)
    else:
        begin_own_steps(s, run, optimizer, scale)


cdef void begin_own_steps(Steps *s, Run *run, const bp_optimizer *usual, double scale) noexcept nogil:
    """The constants of each layer, which follow from its own rate; all from the same progress."""
    cdef bp_optimizer optimizer = usual[0]
    cdef bp_progress before = run.progress
    cdef double factor = run.muon.rest_factor
    cdef int i
    run.muon_rate, run.muon_l2 = usual.learning_rate, usual.l2 * scale
    for i in range(s.n_layers):
        run.progress = before
        optimizer.learning_rate = usual.learning_rate * factor * s.layers[i].rate_factor
        run.kernels.begin_step(&optimizer, scale, &run.progress, run.own_steps + i)


# Whole epochs, by all threads ----------------------------------------------------------------------------------------

cdef void own_run(Steps *s, bp_team *team, int thread, Run *run) noexcept nogil:
    run[0] = s.run
    run.team, run.thread, run.n_threads = team, thread, team_size(team)
    run.scratch = s.buffers.scratch + thread * s.buffers.scratch_bytes
    if s.own_steps != NULL:
        run.own_steps = s.own_steps + thread * s.n_layers
    run.interrupt = s.interrupt
    run.seed, run.progress.t, run.progress.powers_of = s.training.seed, s.training.steps, 0
    run.drawn_at = s.training.steps
    run.part, run.part_weight = 0, 0
    run.n_averaged = s.training.n_averaged
    run.until_poll = POLL_WORK  # what is shorter need not look for Ctrl-C at all


cdef void train_epochs(void *argument, bp_team *team, int thread) noexcept nogil:
    """Epochs until all are done, Ctrl-C, or a batch whose cost is not a finite number: it changes nothing."""
    cdef Steps *s = <Steps *>argument
    cdef Run run
    cdef int64_t epoch, start
    cdef double began = seconds()
    own_run(s, team, thread, &run)
    run.trains = True
    for epoch in range(s.training.n_epochs):
        if thread == 0:
            begin_epoch(s, &run, epoch, &began)
        end_step(s, &run)
        for start from s.training.first_row <= start < s.training.last_row by s.rows.batch_size:
            if s.outcome.stopped:
                return
            if s.outcome.diverged:
                break
            train_step(s, &run, start)
            if thread == 0:
                s.training.steps = run.progress.t
                s.interrupt.rows_done += min(s.rows.batch_size, s.rows.count - start)
        if thread == 0:
            end_epoch(s, epoch, &began)
        meet(&run)
        if s.outcome.ended:
            break
        if s.training.averages_epochs and s.training.first_epoch + epoch >= s.training.first_averaged:
            average_parameters(s, &run)
    if not s.outcome.diverged:
        check_parameters(s, &run)  # of the last step: no batch has met what it made of them


cdef void begin_epoch(Steps *s, Run *run, int64_t epoch, double *began) noexcept nogil:
    """The order of the rows, and the score; of a piece, as the pieces before it have left them."""
    s.outcome.total_loss = s.outcome.total_weight = 0
    if s.training.begun != NULL:
        s.outcome.total_loss, s.outcome.total_weight = s.training.begun[0], s.training.begun[1]
        began[0] -= s.training.begun[2]
    if run.shards != NULL:
        shuffle_shards(s, run, s.training.first_epoch + epoch)
    elif s.training.shuffled:
        shuffle_rows(run, stream(s.training.seed, FOR_SHUFFLE, s.training.first_epoch + epoch), s.rows.order,
                     s.rows.count)


cdef void end_epoch(Steps *s, int64_t epoch, double *began) noexcept nogil:
    """Keep the score, and decide for all threads whether there is a next epoch."""
    cdef double now = seconds(), loss = s.outcome.total_loss
    if s.training.last_row < s.rows.count and not s.outcome.diverged:
        s.training.begun[0], s.training.begun[1], s.training.begun[2] = loss, s.outcome.total_weight, now - began[0]
        s.outcome.ended = True
        return
    if s.outcome.total_weight > 0:
        loss /= s.outcome.total_weight
    s.training.epoch_seconds[epoch] = now - began[0]
    s.training.epoch_losses[epoch] = loss
    began[0] = now
    s.outcome.ended = s.outcome.stopped or s.outcome.diverged
    if not s.outcome.ended:
        s.training.epochs_done += 1


cdef void shuffle_rows(Run *run, uint64_t state, int64_t *order, int64_t count, int64_t first_row=0) noexcept nogil:
    """A new order of so many rows; by thread 0."""
    cdef int64_t first, last = count
    number_rows(run, order, count, first_row)
    while last > 1 and not is_stopped(run):
        first = max(1, last - SHUFFLE_PORTION)
        shuffle(state, order, count, first, last)
        spend(run, SHUFFLE_WORK * (last - first))
        last = first


cdef void number_rows(Run *run, int64_t *order, int64_t count, int64_t first_row) noexcept nogil:
    """As they lie."""
    cdef int64_t first, i
    for first from 0 <= first < count by SHUFFLE_PORTION:
        if is_stopped(run):
            return
        for i in range(first, min(count, first + SHUFFLE_PORTION)):
            order[i] = first_row + i
        spend(run, SHUFFLE_PORTION)


cdef void shuffle_shards(Steps *s, Run *run, int64_t epoch) noexcept nogil:
    """A new order of each shard's rows, dealt to the batches; by thread 0."""
    cdef const Shards *shards = run.shards
    cdef uint64_t state = stream(s.training.seed, FOR_SHARDS, epoch)
    cdef int64_t count, placed = 0
    cdef int shard
    for shard in range(shards.first, shards.last):
        count = rows_of(shards, shard)
        if s.training.shuffled:
            shuffle_rows(run, stream(state, shard, 0), shards.drawn + placed, count, row_of_shard(shards, shard))
        else:
            number_rows(run, shards.drawn + placed, count, row_of_shard(shards, shard))
        placed += count
    if not is_stopped(run):
        deal_rows(shards, s.rows.batch_size, s.rows.order)
