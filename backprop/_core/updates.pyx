"""The optimizer's step with gradients that are kept, what is done to these before it, and to weights after any step.

(a) Clipping by the norm needs every gradient before the first weight changes, and a step of several batches needs
    their sum. Only then are gradients kept; else each tile's is spent at once, in the epilogue of its product.
(b) Threads share out parts of PART_ROWS rows. The norm adds the parts' sums in their order, so its bits depend on no
    thread; and one that goes on to the next pass meets its own rows there, so it need not wait for another.

As in steps.pyx, every function is run by all threads of a team at once, each on its share.
"""
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport int64_t

from backprop._core.compact cimport whole_vectors
from backprop._core.dense cimport Layer, Run, meet, share
from backprop._core.kernels cimport BP_ROW_MULTIPLE, bp_is_raised, bp_raise
from backprop._core.steps cimport Steps, Training

cdef enum:
    PART_ROWS = 32

# What PyTorch adds to the norm that it divides by: the same number stands in backprop/catalogue/optimizers/base.py.
cdef double MARGIN = 1e-6


cdef configure(Training *training, clips, int64_t parts, average):
    """Note what is asked for, as Core.configure_optimizer has it."""
    training.clip_norm, training.clip_value = clips
    training.parts = parts
    training.keeps_gradients = parts > 1 or training.clip_norm < INFINITY or training.clip_value < INFINITY
    training.averages_steps = training.averages_epochs = False
    if average is not None:
        _, training.average_rest, first_epoch = average
        training.averages_steps, training.averages_epochs = first_epoch is None, first_epoch is not None
        training.first_averaged = first_epoch or 0


cdef bint has_finite_gradients(Steps *s, Run *run) noexcept nogil:
    """Of the layers that are trained; raises the outcome's flag where not. Every thread returns the same."""
    cdef const Layer *layer
    cdef int i
    for i in range(s.n_layers):
        layer = &s.layers[i]
        if not layer.frozen and not are_own_rows_finite(layer, layer.gradient, run):
            bp_raise(&s.outcome.not_finite)
    meet(run)
    return not bp_is_raised(&s.outcome.not_finite)


cdef void check_parameters(Steps *s, Run *run) noexcept nogil:
    """Of all layers; raises the outcome's flag where one is not finite."""
    cdef const Layer *layer
    cdef int i
    for i in range(s.n_layers):
        layer = &s.layers[i]
        if not are_own_rows_finite(layer, layer.parameters, run):
            bp_raise(&s.outcome.weights_not_finite)


cdef inline bint are_own_rows_finite(const Layer *layer, const char *block, const Run *run) noexcept nogil:
    """Those of the layer's parameters, or of another array of their shape."""
    cdef int64_t first, last
    own_rows(layer, run, &first, &last)
    return run.kernels.is_finite(block + first * layer.ldw * run.itemsize, layer.ldw, last - first, 0, layer.n_out)


cdef void update_kept(Steps *s, Run *run, double scale) noexcept nogil:
    """The step that next_step has begun; `scale`: of the gradients, before all else."""
    cdef double factor
    if s.training.clip_value < INFINITY:
        limit_gradients(s, run, scale, s.training.clip_value)
        scale = 1
    if s.training.clip_norm < INFINITY:
        factor = s.training.clip_norm / (scale * norm(s, run) + MARGIN)
        if not factor >= 1:  # nan counts as well: the weights are to become it
            scale *= factor
    if scale != 1:
        limit_gradients(s, run, scale, INFINITY)
    meet(run)  # an operation may share its rows out otherwise
    update_parameters(s, run)


cdef void limit_gradients(Steps *s, Run *run, double scale, double bound) noexcept nogil:
    """Each times `scale`, then clipped to ±bound."""
    cdef const Layer *layer
    cdef int64_t first, last, rows, columns
    cdef int i
    for i in range(s.n_layers):
        layer = &s.layers[i]
        own_rows(layer, run, &first, &last)
        rows = last - first
        columns = whole_vectors(layer, run.kernels, &rows)
        run.kernels.limit(layer.gradient + first * layer.ldw * run.itemsize, layer.ldw, rows, columns, scale, bound)


cdef double norm(Steps *s, Run *run) noexcept nogil:
    """The square root of the sum of the squares of all gradients, those of biases included."""
    cdef const Layer *layer
    cdef double *sums = s.training.sums
    cdef double total = 0
    cdef int64_t first, last, row
    cdef int i, n = n_parts(s.layers, s.n_layers)
    for i in range(s.n_layers):
        layer = &s.layers[i]
        own_rows(layer, run, &first, &last)
        for row from first <= row < last by PART_ROWS:
            sums[row // PART_ROWS] = 0
            if not layer.frozen:  # whose gradients are no part of the step
                sums[row // PART_ROWS] = run.kernels.sum_of_squares(
                    layer.gradient + row * layer.ldw * run.itemsize, layer.ldw, min(PART_ROWS, last - row),
                    layer.n_out)
        sums += parts_of(layer)
    meet(run)
    for i in range(n):
        total += s.training.sums[i]
    return sqrt(total)


cdef void update_parameters(Steps *s, Run *run) noexcept nogil:
    """The optimizer's step of every parameter, with its gradient as it is now."""
    cdef int i
    for i in range(s.n_operations):
        s.chain[i].step(&s.layers[s.chain[i].layer], run)


cdef void limit_norms(Steps *s, Run *run) noexcept nogil:
    """Scale down the weights of units whose norm is above their layer's; each thread some units."""
    cdef const Layer *layer
    cdef int64_t first, last
    cdef int i
    for i in range(s.n_layers):
        layer = &s.layers[i]
        if layer.max_norm < INFINITY and not layer.frozen:
            share(layer.columns, BP_ROW_MULTIPLE, run, &first, &last)
            run.kernels.limit_columns(layer.parameters, layer.ldw, layer.n_in, first, last, layer.max_norm)


cdef void average_parameters(Steps *s, Run *run) noexcept nogil:
    """Move the averages towards the parameters that this step, or epoch, has left."""
    cdef const Layer *layer
    cdef int64_t first, last, rows, columns, at
    cdef double part = s.training.average_rest
    cdef int i
    if run.n_averaged == 0 or part == 0:
        part = 1.0 / (run.n_averaged + 1)
    for i in range(s.n_layers):
        layer = &s.layers[i]
        own_rows(layer, run, &first, &last)
        at, rows = first * layer.ldw * run.itemsize, last - first
        columns = whole_vectors(layer, run.kernels, &rows)
        run.kernels.follow(layer.parameters + at, layer.average + at, layer.ldw, rows, columns, part)
    run.n_averaged += 1
    if run.thread == 0:
        s.training.n_averaged = run.n_averaged


cdef inline void own_rows(const Layer *layer, const Run *run, int64_t *first, int64_t *last) noexcept nogil:
    """This thread's rows [first, last) of a layer's parameters: whole parts, the same in every pass."""
    share(layer.rows, PART_ROWS, run, first, last)


cdef inline int64_t parts_of(const Layer *layer) noexcept nogil:
    return (layer.rows + PART_ROWS - 1) // PART_ROWS


cdef int n_parts(const Layer *layers, int n_layers) noexcept nogil:
    """Of all layers: how many sums the norm is made of."""
    cdef int i
    cdef int64_t count = 0
    for i in range(n_layers):
        count += parts_of(&layers[i])
    return <int>count
