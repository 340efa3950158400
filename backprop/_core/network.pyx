"""Back-propagation, told once: a step is gather, forward, loss, backward, update; an epoch is a shuffle and its steps.

(a) Every function below marked nogil is run by all threads of a team at once, each on its share; a barrier
    stands wherever one thread reads what another wrote. Threads share out elements, never terms of a sum, so
    the bits do not depend on their number.
(b) A step allocates nothing, checks nothing and takes no lock. What it needs stands in a Steps, made from a
    Plan before the first.
(c) Python objects are met in the class Core only, which is called with arrays that backprop/validation.py has
    checked.
"""
import numpy as np

cimport numpy as cnp
from cpython.ref cimport Py_DECREF, PyObject
from libc.math cimport isfinite, sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from backprop._core.dense cimport Interrupt, Layer, Run, dense_backward, dense_forward, share
from backprop._core.kernels cimport (
    BP_ADAM, BP_IDENTITY, BP_MOMENTUM, BP_NESTEROV, BP_RELU, BP_ROW_MULTIPLE, BP_SGD, BP_SIGMOID,
    BP_SIGMOID_CROSS_ENTROPY, BP_SOFTMAX_CROSS_ENTROPY, BP_SQUARED_ERROR, BP_TANH, barrier, bp_kernels, bp_loss,
    bp_optimizer, bp_source, bp_step, bp_targets, bp_team, find_kernels, round_up, run_team, seconds, shuffle, stream,
)
from backprop._core.plan cimport Plan, address, make_plan, row_stride, zeros

from backprop._core.blas import load as load_blas

cnp.import_array()

ACTIVATIONS = {"identity": BP_IDENTITY, "sigmoid": BP_SIGMOID, "tanh": BP_TANH, "relu": BP_RELU}
LOSSES = {
    "squared_error": BP_SQUARED_ERROR,
    "sigmoid_cross_entropy": BP_SIGMOID_CROSS_ENTROPY,
    "softmax_cross_entropy": BP_SOFTMAX_CROSS_ENTROPY,
}
OPTIMIZERS = {"sgd": BP_SGD, "momentum": BP_MOMENTUM, "nesterov": BP_NESTEROV, "adam": BP_ADAM}

# Streams of random numbers: the same numbers stand in backprop/reference.py.
cdef enum:
    FOR_WEIGHTS = 1
    FOR_SHUFFLE = 2

# A second thread pays from this many floating-point operations of a step on, for each thread.
cdef double WORK_PER_THREAD = 2e6
# Activations that inference keeps at a time: what a second-level cache holds.
cdef int64_t INFERENCE_BYTES = 512 * 1024


cdef struct Optimizer:          # hyper-parameters, and how far it is
    bp_optimizer kind
    double learning_rate
    double momentum
    double beta_1
    double beta_2
    double epsilon
    int64_t steps               # done


cdef struct Steps:              # what a team is given: the user's arrays, the plan's buffers, and what comes back
    bp_source x
    bp_source y
    bp_source sample_weights
    bint has_targets
    bint targets_are_labels
    bint weighted
    int64_t n_rows
    int64_t batch_size
    int64_t *order              # [n_rows], or NULL: as they lie
    const double *offset        # [n_in], or NULL
    const double *scale         # [n_in], or NULL
    Layer *layers
    int n_layers
    bp_loss loss
    Run run
    char *scratch
    int64_t scratch_bytes
    char *targets
    char *labels
    char *weights
    char *losses
    Optimizer optimizer
    Interrupt *interrupt
    # training
    uint64_t seed
    int64_t first_epoch
    int64_t n_epochs
    double *epoch_losses        # [n_epochs]
    double *epoch_seconds       # [n_epochs]
    int64_t epochs_done
    # both
    double total_loss
    double total_weight
    # inference
    char *out                   # [n_rows][n_out], or NULL
    bint probabilities
    bint activate_last


# One step, by all threads
# -------------------------------------------------------------------------------------------------------

cdef void gather(Steps *s, Run *run, int64_t start) noexcept nogil:
    """The batch's rows, targets and sample weights, transposed into the plan's buffers; each thread some samples."""
    cdef int64_t first, last
    share(run.count, BP_ROW_MULTIPLE, run, &first, &last)
    run.kernels.gather(&s.x, s.order, start, first, last, s.layers[0].n_in, s.offset, s.scale, s.layers[0].a_in, run.ld)
    if s.has_targets and s.targets_are_labels:
        run.kernels.gather(&s.y, s.order, start, first, last, 1, NULL, NULL, s.labels, run.ld)
    elif s.has_targets:
        run.kernels.gather(&s.y, s.order, start, first, last, s.layers[s.n_layers - 1].n_out, NULL, NULL, s.targets,
                           run.ld)
    if s.weighted:
        run.kernels.gather(&s.sample_weights, s.order, start, first, last, 1, NULL, NULL, s.weights, run.ld)


cdef void forward(Steps *s, Run *run) noexcept nogil:
    """Layer by layer; a barrier after each."""
    cdef int i
    for i in range(s.n_layers):
        dense_forward(&s.layers[i], run, s.activate_last or i + 1 < s.n_layers)
        barrier(run.team)


cdef void loss(Steps *s, Run *run, double scale) noexcept nogil:
    """Each sample's loss, and the derivative of the cost: da = d cost / da of the last layer, in its dz."""
    cdef const Layer *last_layer = &s.layers[s.n_layers - 1]
    cdef bp_targets targets
    cdef int64_t first, last
    targets.values = NULL if s.targets_are_labels else s.targets
    targets.labels = s.labels if s.targets_are_labels else NULL
    targets.weights = s.weights
    targets.scale = scale
    share(run.columns, BP_ROW_MULTIPLE, run, &first, &last)
    run.kernels.loss(s.loss, last_layer.a_out, &targets, last_layer.n_out, run.ld, first, last, last_layer.dz, s.losses)


cdef void output_derivative(Steps *s, Run *run) noexcept nogil:
    """The chain rule's first product: dz = da · f'(z) of the last layer."""
    cdef const Layer *layer = &s.layers[s.n_layers - 1]
    cdef int64_t first, last
    share(run.columns, BP_ROW_MULTIPLE, run, &first, &last)
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


cdef void train_step(Steps *s, Run *run, int64_t start) noexcept nogil:
    cdef double weight
    set_count(s, run, start)
    gather(s, run, start)
    barrier(run.team)
    forward(s, run)
    weight = batch_weight(s, run)
    loss(s, run, 1 / weight if weight > 0 else 0)
    output_derivative(s, run)
    barrier(run.team)
    if run.thread == 0:
        s.total_loss += run.kernels.sum(s.losses, run.count)
        s.total_weight += weight
    if run.fuse_update:
        next_step(s, run)
    backward(s, run)
    barrier(run.team)


# Optimizer's constants
# ----------------------------------------------------------------------------------------------------------

cdef double power(double base, int64_t exponent) noexcept nogil:
    """By squaring: the same bits on every machine, which libm's pow does not promise."""
    cdef double result = 1
    while exponent > 0 and base > 0:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result if exponent == 0 else 0


cdef void step_constants(const Optimizer *optimizer, int64_t t, bp_step *step) noexcept nogil:
    """Of step t, counted from 1: Adam's bias corrections go into the rate and epsilon."""
    cdef double correction_2
    step.optimizer = optimizer.kind
    step.learning_rate = optimizer.learning_rate
    step.momentum = optimizer.momentum
    step.beta_1, step.beta_2, step.epsilon = optimizer.beta_1, optimizer.beta_2, optimizer.epsilon
    if optimizer.kind == BP_ADAM:
        correction_2 = sqrt(1 - power(optimizer.beta_2, t))
        step.learning_rate *= correction_2 / (1 - power(optimizer.beta_1, t))
        step.epsilon *= correction_2


cdef void next_step(Steps *s, Run *run) noexcept nogil:
    """Every thread counts steps in its own Run, so that none waits for another's count."""
    run.steps += 1
    step_constants(&s.optimizer, run.steps, &run.step)


# Whole runs, by all threads
# -----------------------------------------------------------------------------------------------------

cdef void own_run(Steps *s, bp_team *team, int thread, Run *run) noexcept nogil:
    run[0] = s.run
    run.team, run.thread = team, thread
    run.scratch = s.scratch + thread * s.scratch_bytes
    run.interrupt = s.interrupt
    run.steps = s.optimizer.steps


cdef void train_epochs(void *argument, bp_team *team, int thread) noexcept nogil:
    """Epochs until all are done, Ctrl-C, or a cost that is not a finite number."""
    cdef Steps *s = <Steps *>argument
    cdef Run run
    cdef int64_t epoch, start
    cdef double began = seconds(), now
    own_run(s, team, thread, &run)
    for epoch in range(s.n_epochs):
        if thread == 0:
            s.total_loss = s.total_weight = 0
            if s.order != NULL:
                shuffle(stream(s.seed, FOR_SHUFFLE, s.first_epoch + epoch), s.order, s.n_rows)
        barrier(team)
        for start from 0 <= start < s.n_rows by s.batch_size:
            train_step(s, &run, start)
            if s.interrupt.seen:
                break
            if thread == 0:
                s.interrupt.rows_done += run.count
        if thread == 0:
            now = seconds()
            s.epoch_seconds[epoch] = now - began
            began = now
            s.optimizer.steps = run.steps
            s.epoch_losses[epoch] = s.total_loss / s.total_weight if s.total_weight > 0 else 0
            if not s.interrupt.seen:
                s.epochs_done += 1
        barrier(team)
        if s.interrupt.seen or not isfinite(s.epoch_losses[epoch]):
            return


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
        barrier(team)
        forward(s, &run)
        if s.has_targets:
            loss(s, &run, 0)
            barrier(team)
            if thread == 0:
                s.total_loss += run.kernels.sum(s.losses, run.count)
                s.total_weight += batch_weight(s, &run)
        if s.out != NULL:
            share(run.columns, BP_ROW_MULTIPLE, &run, &first, &last)
            if s.probabilities:
                run.kernels.probabilities(s.loss, layer.a_out, layer.n_out, run.ld, first, last)
            run.kernels.transpose(layer.a_out, run.ld, layer.n_out, first, min(last, run.count),
                                  s.out + start * layer.n_out * run.itemsize, layer.n_out)
        barrier(team)
        if s.interrupt.seen:
            return


cdef void differentiate(void *argument, bp_team *team, int thread) noexcept nogil:
    """One batch.

    Gather, forward, loss, backward; the gradients are kept. s.total_weight is given: it may be a larger batch's.
    """
    cdef Steps *s = <Steps *>argument
    cdef Run run
    own_run(s, team, thread, &run)
    set_count(s, &run, 0)
    gather(s, &run, 0)
    barrier(team)
    forward(s, &run)
    loss(s, &run, 1 / s.total_weight if s.total_weight > 0 else 0)
    output_derivative(s, &run)
    barrier(team)
    if thread == 0:
        s.total_loss += run.kernels.sum(s.losses, run.count)
    backward(s, &run)
    barrier(team)


cdef void differentiate_from_output(void *argument, bp_team *team, int thread) noexcept nogil:
    """After a forward run of the same batch.

    S.x holds d loss / d output; leaves the gradients, and d loss / d input in s.out.
    """
    cdef Steps *s = <Steps *>argument
    cdef Run run
    cdef int64_t first, last
    cdef const Layer *last_layer = &s.layers[s.n_layers - 1]
    own_run(s, team, thread, &run)
    set_count(s, &run, 0)
    share(run.count, BP_ROW_MULTIPLE, &run, &first, &last)
    run.kernels.gather(&s.x, NULL, 0, first, last, last_layer.n_out, NULL, NULL, last_layer.dz, run.ld)
    output_derivative(s, &run)
    barrier(team)
    backward(s, &run)
    barrier(team)
    run.kernels.transpose(s.layers[0].da_in, run.ld, s.layers[0].n_in, first, last, s.out, s.layers[0].n_in)


cdef void update(void *argument, bp_team *team, int thread) noexcept nogil:
    """The optimizer's step with the gradients that were kept."""
    cdef Steps *s = <Steps *>argument
    cdef Run run
    cdef int i
    cdef const Layer *layer
    cdef int64_t first, last, at
    own_run(s, team, thread, &run)
    next_step(s, &run)
    for i in range(s.n_layers):
        layer = &s.layers[i]
        share(layer.n_in + 1, 1, &run, &first, &last)
        at = first * layer.ldw * run.itemsize
        run.kernels.update(&run.step, layer.gradient + at, layer.ldw, layer.parameters + at,
                           layer.moment1 + at if layer.moment1 != NULL else NULL,
                           layer.moment2 + at if layer.moment2 != NULL else NULL, layer.ldw, last - first,
                           round_up(layer.n_out, BP_ROW_MULTIPLE))
    if thread == 0:
        s.optimizer.steps = run.steps


# The object that backprop/network.py holds
# --------------------------------------------------------------------------------------

cdef class Core:
    """Parameters, moments, plans, and the runs over them."""

    cdef const bp_kernels *kernels
    cdef Layer *layers
    cdef int n_layers
    cdef bp_loss loss_kind
    cdef Optimizer optimizer
    cdef Plan training_plan, inference_plan
    cdef int threads_asked      # 0: the plan decides
    cdef int threads_available
    cdef bint with_blas, busy
    cdef readonly uint64_t seed
    cdef public int64_t epochs_trained
    cdef readonly object dtype
    cdef object parameters, moment1, moment2, gradient, input_gradient, offset, scale
    cdef int64_t forward_rows   # of the batch that backward may follow; 0: none

    def __cinit__(self, int64_t n_inputs, units, activations, loss, dtype, uint64_t seed, int threads_asked,
                  int threads_available, bint with_blas, instruction_set, offset, scale):
        self.dtype = np.dtype(dtype)
        self.kernels = find_kernels(instruction_set, self.dtype.itemsize)
        self.loss_kind = LOSSES[loss]
        self.seed = seed
        self.threads_asked, self.threads_available = threads_asked, threads_available
        self.with_blas = with_blas
        if with_blas:
            load_blas()
        self.offset, self.scale = offset, scale
        self.n_layers = len(units)
        self.layers = <Layer *>calloc(self.n_layers, sizeof(Layer))
        if self.layers == NULL:
            raise MemoryError
        cdef int i
        cdef int64_t n_in = n_inputs
        for i in range(self.n_layers):
            self.layers[i].n_in, self.layers[i].n_out = n_in, units[i]
            self.layers[i].ldw = row_stride(units[i], self.kernels.itemsize)
            self.layers[i].activation = ACTIVATIONS[activations[i]]
            n_in = units[i]
        self.parameters = self._block()
        for i in range(self.n_layers):
            self.layers[i].parameters = self._place(self.parameters, i)
            self._draw_weights(&self.layers[i], stream(seed, FOR_WEIGHTS, i))

    def __dealloc__(self):
        free(self.layers)

    cdef _block(self):
        """Zeros shaped like all the parameters, one layer behind another."""
        cdef int i
        total = 0
        for i in range(self.n_layers):
            total += (int(self.layers[i].n_in) + 1) * int(self.layers[i].ldw)
        return zeros(total * self.dtype.itemsize).view(self.dtype)

    cdef char *_place(self, block, int layer) except NULL:
        cdef int64_t start = 0
        cdef int i
        for i in range(layer):
            start += (self.layers[i].n_in + 1) * self.layers[i].ldw
        return address(block) + start * <int64_t>self.kernels.itemsize

    cdef void _draw_weights(self, const Layer *layer, uint64_t state) noexcept:
        """He et al. 2015 for relu, Glorot and Bengio 2010 otherwise, both uniform; the bias stays 0."""
        cdef double fan = layer.n_in if layer.activation == BP_RELU else layer.n_in + layer.n_out
        self.kernels.uniform(state, sqrt(6 / fan), layer.parameters, layer.n_in, layer.n_out, layer.ldw)

    def configure_optimizer(self, kind, double learning_rate, double momentum, double beta_1, double beta_2,
                            double epsilon):
        """Set the hyper-parameters; another kind of optimizer starts with moments of its own, at 0."""
        cdef bp_optimizer code = OPTIMIZERS[kind]
        cdef int i
        self._check_idle()
        if self.moment1 is None or code != self.optimizer.kind:
            self.moment1 = self._block() if code != BP_SGD else None
            self.moment2 = self._block() if code == BP_ADAM else None
            self.optimizer.steps = 0
            for i in range(self.n_layers):
                self.layers[i].moment1 = self._place(self.moment1, i) if self.moment1 is not None else NULL
                self.layers[i].moment2 = self._place(self.moment2, i) if self.moment2 is not None else NULL
            self._plans_follow()
        self.optimizer.kind, self.optimizer.learning_rate, self.optimizer.momentum = code, learning_rate, momentum
        self.optimizer.beta_1, self.optimizer.beta_2, self.optimizer.epsilon = beta_1, beta_2, epsilon

    cdef _plans_follow(self):
        if self.training_plan is not None:
            self.training_plan.follow(self.layers)

    @property
    def steps(self):
        return self.optimizer.steps

    @steps.setter
    def steps(self, int64_t count):
        self.optimizer.steps = count

    def views(self, which):
        """(weights [n_in][n_out], bias [n_out]) of every layer: views of "parameters", "moment1", …"""
        block = getattr_block(self, which)
        found, start = [], 0
        for i in range(self.n_layers):
            n_in, n_out, ldw = self.layers[i].n_in, self.layers[i].n_out, self.layers[i].ldw
            matrix = block[start:start + (n_in + 1) * ldw].reshape(n_in + 1, ldw)
            found.append((matrix[:n_in, :n_out], matrix[n_in, :n_out]))
            start += (n_in + 1) * ldw
        return found

    def plan_threads(self, int64_t batch):
        """How many threads a training step of so many samples is shared out to."""
        if self.threads_asked:
            return self.threads_asked
        cdef double work = 0
        cdef int i
        for i in range(self.n_layers):
            work += 6.0 * batch * self.layers[i].n_in * self.layers[i].n_out
        return max(1, min(self.threads_available, <int>min(1e6, work / WORK_PER_THREAD)))

    cdef Plan _training(self, int64_t batch):
        if self.training_plan is None or self.training_plan.capacity < batch or self.training_plan.capacity > 4 * batch:
            self.training_plan = None  # give its memory back first
            self.training_plan = make_plan(self.kernels, self.layers, self.n_layers, batch, self.plan_threads(batch),
                                           self.with_blas, True)
            self.input_gradient = None
            self.forward_rows = 0
        return self.training_plan

    cdef Plan _inference(self, int64_t n_rows):
        cdef int64_t widest = self.layers[0].n_in, rows
        cdef int i
        for i in range(self.n_layers):
            widest = max(widest, self.layers[i].n_out)
        rows = max(2 * BP_ROW_MULTIPLE, INFERENCE_BYTES // (widest * <int64_t>self.kernels.itemsize))
        rows = min(round_up(max(1, n_rows), BP_ROW_MULTIPLE), rows // BP_ROW_MULTIPLE * BP_ROW_MULTIPLE, 2048)
        if self.inference_plan is None or self.inference_plan.capacity < rows:
            self.inference_plan = None
            self.inference_plan = make_plan(self.kernels, self.layers, self.n_layers, rows, self.plan_threads(rows),
                                            self.with_blas, False)
        return self.inference_plan

    cdef void _prepare(self, Steps *s, Interrupt *interrupt, Plan plan, int64_t batch_size) noexcept:
        memset(s, 0, sizeof(Steps))
        memset(interrupt, 0, sizeof(Interrupt))
        interrupt.next_poll = seconds()
        s.interrupt = interrupt
        s.batch_size = batch_size
        s.layers, s.n_layers, s.loss = plan.layers, plan.n_layers, self.loss_kind
        s.run, s.scratch, s.scratch_bytes = plan.run, plan.scratch, plan.scratch_bytes
        s.targets, s.labels, s.weights, s.losses = plan.targets, plan.labels, plan.sample_weights, plan.losses
        if plan.weighted:
            plan.fill_sample_weights()
        s.optimizer, s.seed = self.optimizer, self.seed
        s.activate_last = True
        if self.offset is not None:
            s.offset = <const double *>address(self.offset)
            s.scale = <const double *>address(self.scale)

    cdef _check_idle(self):
        if self.busy:
            raise RuntimeError("this network is in use by another thread: give each thread a network of its own")

    cdef _start(self):
        self._check_idle()
        self.busy = True

    cdef _finish(self, Interrupt *interrupt):
        """Raise what Ctrl-C's handler raised, if it was seen."""
        self.busy = False
        if interrupt.raised != NULL:
            raised = <object>interrupt.raised
            Py_DECREF(raised)
            interrupt.raised = NULL
            raise raised

    def fit(self, x, y, sample_weights, int64_t n_epochs, int64_t batch_size, bint shuffled, bint counted, progress):
        """Train; returns (losses, seconds) of the epochs that were completed. y: labels (n,) or targets (n, n_out).

        `counted`: the epochs count as trained, also when Ctrl-C ends this call.
        """
        cdef Steps s
        cdef Interrupt interrupt
        self._start()
        try:
            plan = self._training(min(batch_size, len(x)))
        except BaseException:
            self.busy = False
            raise
        self.forward_rows = 0
        self._prepare(&s, &interrupt, plan, batch_size)
        take_arrays(&s, plan, x, y, sample_weights)
        order = np.empty(s.n_rows, dtype=np.int64) if shuffled else None
        losses, times = np.zeros(n_epochs), np.zeros(n_epochs)
        s.order = <int64_t *>address(order) if shuffled else NULL
        s.first_epoch, s.n_epochs = self.epochs_trained, n_epochs
        s.epoch_losses, s.epoch_seconds = <double *>address(losses), <double *>address(times)
        s.run.fuse_update = True
        interrupt.progress = <PyObject *>progress if progress is not None else NULL
        try:
            with nogil:
                run_team(train_epochs, &s, s.run.n_threads)
        finally:
            self.optimizer.steps = s.optimizer.steps
            if counted:
                self.epochs_trained += s.epochs_done
            self._finish(&interrupt)
        return losses[:s.epochs_done], times[:s.epochs_done]

    def infer(self, x, y, sample_weights, out, bint probabilities, bint activate_last):
        """Outputs of all rows into `out` (or None), and (Σ weight·loss, Σ weight) where targets are given."""
        cdef Steps s
        cdef Interrupt interrupt
        self._start()
        try:
            plan = self._inference(len(x))
        except BaseException:
            self.busy = False
            raise
        self._prepare(&s, &interrupt, plan, self.inference_plan.capacity)
        take_arrays(&s, plan, x, y, sample_weights)
        s.out = address(out) if out is not None else NULL
        s.probabilities, s.activate_last = probabilities, activate_last
        try:
            with nogil:
                run_team(infer, &s, s.run.n_threads)
        finally:
            self._finish(&interrupt)
        return s.total_loss, s.total_weight

    cdef _keep_gradients(self):
        cdef int i
        if self.gradient is None:
            self.gradient = self._block()
            for i in range(self.n_layers):
                self.layers[i].gradient = self._place(self.gradient, i)
            self._plans_follow()

    def differentiate(self, x, y, sample_weights, double total_weight):
        """The gradients of Σ weight·loss / total_weight over these rows, kept in views("gradient").

        Returns Σ weight·loss.
        """
        cdef Steps s
        cdef Interrupt interrupt
        self._start()
        try:
            self._keep_gradients()
            plan = self._training(len(x))
        except BaseException:
            self.busy = False
            raise
        self.forward_rows = 0
        self._prepare(&s, &interrupt, plan, len(x))
        take_arrays(&s, plan, x, y, sample_weights)
        s.total_weight = total_weight
        try:
            with nogil:
                run_team(differentiate, &s, s.run.n_threads)
        finally:
            self._finish(&interrupt)
        return s.total_loss

    def forward(self, x, out):
        """One batch through the training plan, whose activations then wait for `backward`."""
        cdef Steps s
        cdef Interrupt interrupt
        self._start()
        try:
            self._keep_gradients()
            plan = self._training(len(x))
        except BaseException:
            self.busy = False
            raise
        self._prepare(&s, &interrupt, plan, len(x))
        take_arrays(&s, plan, x, None, None)
        s.out = address(out)
        self.forward_rows = 0
        try:
            with nogil:
                run_team(infer, &s, s.run.n_threads)
        finally:
            self._finish(&interrupt)
        self.forward_rows = len(x)

    def backward(self, d_out, dx):
        """d loss / d output of the batch that `forward` saw: keeps the gradients, writes d loss / d input."""
        cdef Steps s
        cdef Interrupt interrupt
        if self.forward_rows == 0:
            raise RuntimeError("backward follows forward: call forward(X) with the same rows first")
        if self.forward_rows != len(d_out):
            raise RuntimeError(f"d_out has {len(d_out)} rows, but forward was called with {self.forward_rows}")
        self._start()
        cdef Plan plan = self.training_plan
        try:
            if self.input_gradient is None:
                self.input_gradient = zeros(int(self.layers[0].n_in) * int(plan.run.ld) * self.dtype.itemsize)
        except BaseException:
            self.busy = False
            raise
        self._prepare(&s, &interrupt, plan, self.forward_rows)
        take_arrays(&s, plan, d_out, None, None)
        s.out = address(dx)
        plan.layers[0].da_in = address(self.input_gradient)
        try:
            with nogil:
                run_team(differentiate_from_output, &s, s.run.n_threads)
        finally:
            plan.layers[0].da_in = NULL
            self._finish(&interrupt)

    def update(self):
        """The optimizer's step with the gradients that `backward` kept."""
        cdef Steps s
        cdef Interrupt interrupt
        if self.gradient is None or self.training_plan is None:
            raise RuntimeError("update follows backward: there are no gradients yet")
        self._start()
        self._prepare(&s, &interrupt, self.training_plan, 1)
        try:
            with nogil:
                run_team(update, &s, s.run.n_threads)
        finally:
            self.optimizer.steps = s.optimizer.steps
            self._finish(&interrupt)


cdef getattr_block(Core core, which):
    block = {"parameters": core.parameters, "moment1": core.moment1, "moment2": core.moment2,
             "gradient": core.gradient}[which]
    if block is None:
        raise KeyError(which)
    return block


cdef take_arrays(Steps *s, Plan plan, x, y, sample_weights):
    """x (n, n_in); y None, labels (n,) of integers, or targets (n, n_out); sample_weights None or (n,)."""
    s.x = source_of(x)
    s.n_rows = len(x)
    if y is not None:
        s.has_targets = True
        s.targets_are_labels = y.ndim == 1
        s.y = source_of(y)
    if sample_weights is not None:
        s.weighted = plan.weighted = True
        s.sample_weights = source_of(sample_weights)


cdef bp_source source_of(cnp.ndarray array):
    cdef bp_source source
    source.data = <const char *>cnp.PyArray_DATA(array)
    source.n_rows = len(array)
    source.row_stride = cnp.PyArray_STRIDES(array)[0]
    source.column_stride = cnp.PyArray_STRIDES(array)[1] if cnp.PyArray_NDIM(array) == 2 else 0
    source.type = ord(array.dtype.char)
    return source
