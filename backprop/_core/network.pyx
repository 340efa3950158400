"""The object that backprop/network.py holds: parameters, moments, plans, and the runs over them.

Python objects are met here and nowhere below; arrays have been checked by backprop/validation.py.
"""
import numpy as np

cimport numpy as cnp
from cpython.ref cimport Py_DECREF, PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from backprop._core.dense cimport Interrupt, Layer
from backprop._core.kernels cimport (
    BP_MOMENTS, BP_NEAR_BYTES, BP_ROW_MULTIPLE, BP_TYPES, bp_is_raised, bp_kernels, bp_lookahead, bp_loss,
    bp_optimizer, bp_source, bp_task, find_activation, find_kernels, find_loss, find_optimizer, round_up, run_team,
    seconds, stream,
)
from backprop._core.plan cimport Plan, address, make_plan, row_stride, zeros
from backprop._core.runs cimport admit, differentiate, differentiate_from_output, infer, inspect, update
from backprop._core.steps cimport Kept, Rows, Steps, Training, sum_of_squares, train_epochs

from backprop._core.blas import load as load_blas

cnp.import_array()

cdef enum:
    READY = 1
    SPENT = 2

# The stream of random numbers that initial weights come from: the same number stands in backprop/reference.py.
cdef enum:
    FOR_WEIGHTS = 1

# Floating-point operations of a step for each thread, from which on another one pays: a fifth of a millisecond. Less
# would do on an idle machine; on a busy one every barrier may wait for a thread that is not running.
cdef double WORK_PER_THREAD = 2e7
TYPES = BP_TYPES.decode()  # numpy's letters of what gather converts
# Activations that inference keeps at a time: what a second-level cache holds.
cdef int64_t INFERENCE_BYTES = 512 * 1024


class NotFinite(ValueError):
    """What a run was given, or the gradients of an update, are not finite; the parameters are as they were."""


cdef class Core:
    """Parameters, moments, plans, and the runs over them."""

    cdef const bp_kernels *kernels
    cdef Layer *layers
    cdef int n_layers
    cdef bp_loss loss
    cdef bp_optimizer optimizer
    cdef object optimizer_name              # None: none yet
    cdef object schedule                    # of its learning rate, or None
    cdef public int64_t steps               # that it has done
    cdef Plan training_plan, spare_plan     # of the batch size of late, and of one before
    cdef list idle_plans        # for inference: each run of it takes one, as several threads may predict at once
    cdef int threads_asked      # 0: the plan decides
    cdef int threads_available
    cdef bint with_blas
    cdef bint busy              # a run has the training plan, of which there is one
    cdef bint changing          # and changes the parameters
    cdef int readers            # runs of inference
    cdef readonly uint64_t seed
    cdef public int64_t epochs_trained
    cdef readonly object dtype
    cdef object parameters, gradient, input_gradient, offset, scale
    cdef list moments
    cdef int64_t forward_rows   # of the batch that backward may follow; 0: none
    cdef int gradients_are      # 0: not those of a `backward`; READY; SPENT by `update`

    def __cinit__(self, *, int64_t n_inputs, layers, loss, dtype, uint64_t seed, int threads_asked,
                  int threads_available, bint with_blas, instruction_set, offset, scale,
                  double input_dropout=0):
        """`layers`: (units, (activation's name, its values), limit of the initial weights, dropout) of each; loss: a
        name and values."""
        self.dtype = np.dtype(dtype)
        self.kernels = find_kernels(instruction_set, self.dtype.itemsize)
        self.loss = find_loss(self.kernels, loss[0], loss[1])
        self.seed = seed
        self.threads_asked, self.threads_available = threads_asked, threads_available
        self.with_blas = with_blas
        if with_blas:
            load_blas()
        self.offset, self.scale = offset, scale
        self.idle_plans, self.moments = [], []
        self.n_layers = len(layers)
        self.layers = <Layer *>calloc(self.n_layers, sizeof(Layer))
        if self.layers == NULL:
            raise MemoryError
        cdef int i
        cdef int64_t n_in = n_inputs
        for i, (units, activation, _, dropout) in enumerate(layers):
            self.layers[i].index, self.layers[i].dropout = i, dropout
            self._describe(&self.layers[i], n_in, units, activation)
            n_in = units
        self.layers[0].input_dropout = input_dropout
        self.parameters = self._block()
        for i, (_, _, limit, _) in enumerate(layers):
            self.layers[i].parameters = self._place(self.parameters, i)
            self._draw_weights(&self.layers[i], stream(seed, FOR_WEIGHTS, i), limit)

    cdef _describe(self, Layer *layer, int64_t n_in, int64_t units, activation):
        layer.n_in, layer.n_out = n_in, units
        layer.columns = round_up(units, self.kernels.lanes)
        layer.ldw = row_stride(units, self.kernels.itemsize)
        layer.activation = find_activation(self.kernels, activation[0], activation[1])
        layer.derivative = layer.activation.code
        if self.kernels.activations[layer.activation.code].trait or layer.dropout > 0:
            layer.derivative = self.kernels.kept_slope
        layer.derivative_before = self.kernels.identity

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

    cdef void _draw_weights(self, const Layer *layer, uint64_t state, double limit) noexcept:
        """Uniform in ±limit; the bias stays 0."""
        self.kernels.uniform(state, limit, layer.parameters, layer.n_in, layer.n_out, layer.ldw)

    def configure_optimizer(self, name, *, double learning_rate, decays, settings, schedule=None):
        """Set the hyper-parameters; another kind of optimizer starts with moments of its own, at 0.

        `decays`: l2, l1 and weight_decay. `schedule`: None, or what has `rates`, see catalogue/schedules.py.
        """
        cdef bp_optimizer found = find_optimizer(self.kernels, name, learning_rate, decays, settings)
        cdef int i, moment
        self._check_idle()
        if name != self.optimizer_name:
            count = self.kernels.optimizers[found.code].trait
            self.moments = [self._block() for _ in range(count)]  # without memory for it nothing has changed yet
            self.steps = 0
            for i in range(self.n_layers):
                for moment in range(BP_MOMENTS):
                    self.layers[i].moments[moment] = self._place(self.moments[moment], i) if moment < count else NULL
            self._plans_follow()
        self.optimizer, self.optimizer_name, self.schedule = found, name, schedule

    cdef _rates(self, n_epochs, n_batches):
        """The learning rates of a run, an array to be kept for as long as it takes; or None."""
        if self.schedule is None:
            return None
        return self.schedule.rates(self.optimizer.learning_rate, self.steps, self.epochs_trained, n_epochs, n_batches)

    cdef _plans_follow(self):
        for plan in (self.training_plan, self.spare_plan):
            if plan is not None:
                (<Plan>plan).follow(self.layers)

    def views(self, which):
        """(weights [n_in][n_out], bias [n_out]) of every layer: views of "parameters", or of the "gradient" that the
        last run kept."""
        return self._views({"parameters": self.parameters, "gradient": self.gradient}[which])

    def moment_views(self, int which):
        """The same of one of the optimizer's moments, counted from 0."""
        return self._views(self.moments[which])

    def _views(self, block):
        found, start = [], 0
        for i in range(self.n_layers):
            n_in, n_out, ldw = self.layers[i].n_in, self.layers[i].n_out, self.layers[i].ldw
            matrix = block[start:start + (n_in + 1) * ldw].reshape(n_in + 1, ldw)
            found.append((matrix[:n_in, :n_out], matrix[n_in, :n_out]))
            start += (n_in + 1) * ldw
        return found

    def plan_threads(self, int64_t batch):
        """How many threads a training step of so many samples is shared out to."""
        return self._threads(batch)

    cdef int _threads(self, int64_t batch) noexcept:
        if self.threads_asked:
            return self.threads_asked
        cdef double work = 0
        cdef int i
        for i in range(self.n_layers):
            work += 6.0 * batch * self.layers[i].n_in * self.layers[i].n_out
        return max(1, min(self.threads_available, <int>min(1e6, work / WORK_PER_THREAD)))

    cdef int _inference_threads(self, int64_t rows) noexcept:
        """Forward is a third of a training step's work; a few rows go to one thread, however many are asked for."""
        return max(1, min(self._threads(rows // 3), rows // (2 * BP_ROW_MULTIPLE)))

    cdef Plan _training(self, int64_t batch):
        """The plan for batches of about this size; two are kept, for who goes back and forth between two sizes."""
        if not suits(self.training_plan, batch):
            self.training_plan, self.spare_plan = self.spare_plan, self.training_plan
            self.input_gradient = None
            self.forward_rows = 0
        if not suits(self.training_plan, batch):
            self.training_plan = None  # give its memory back first
            self.training_plan = make_plan(self.kernels, self.layers, self.n_layers, batch, self._threads(batch),
                                           self.with_blas, True)
        return self.training_plan

    cdef Plan _inference(self, int64_t n_rows):
        """A plan that nobody else has, to be given back to idle_plans."""
        cdef int64_t widest = self.layers[0].n_in, rows
        cdef int i
        for i in range(self.n_layers):
            widest = max(widest, self.layers[i].n_out)
        rows = max(2 * BP_ROW_MULTIPLE, INFERENCE_BYTES // (widest * <int64_t>self.kernels.itemsize))
        rows = min(round_up(max(1, n_rows), BP_ROW_MULTIPLE), rows // BP_ROW_MULTIPLE * BP_ROW_MULTIPLE, 2048)
        cdef Plan plan = self.idle_plans.pop() if self.idle_plans else None
        if plan is None or plan.capacity < rows:
            plan = None  # give its memory back first
            plan = make_plan(self.kernels, self.layers, self.n_layers, rows, self._threads(rows), self.with_blas, False)
        return plan

    cdef void _prepare(self, Steps *s, Interrupt *interrupt, Plan plan, int64_t batch_size) noexcept:
        memset(s, 0, sizeof(Steps))
        interrupt.next_poll = seconds()
        s.interrupt = interrupt
        s.rows.batch_size = batch_size
        s.layers, s.n_layers, s.loss = plan.layers, plan.n_layers, self.loss
        s.chain, s.n_operations = plan.chain, plan.n_operations
        s.run, s.buffers = plan.run, plan.buffers
        if plan.weighted:
            plan.fill_sample_weights()
        s.training.optimizer, s.training.steps, s.training.seed = self.optimizer, self.steps, self.seed
        s.training.first_step = self.steps
        if self.offset is not None:
            s.rows.offset = <const double *>address(self.offset)
            s.rows.scale = <const double *>address(self.scale)

    def check_idle(self):
        """RuntimeError where another thread trains this network or predicts with it."""
        self._check_idle(True)

    cdef _check_idle(self, bint changes=False):
        """That nobody trains it; nor predicts, where the parameters are to change."""
        if self.busy or changes and self.readers:
            raise in_use()

    cdef _start(self, Interrupt *interrupt, bint changes=False):
        """From here to _finish the training plan is taken, and the parameters too where the run `changes` them."""
        self._check_idle(changes)
        memset(interrupt, 0, sizeof(Interrupt))
        self.busy, self.changing = True, changes

    cdef _finish(self, Interrupt *interrupt):
        self.busy = self.changing = False
        raise_seen(interrupt)

    def fit(self, x, y, sample_weights, *, int64_t n_epochs, int64_t batch_size, losses, durations, bint shuffled=False,
            bint counted=False, progress=None, order=None, penalty=None):
        """Train; y: labels (n,) or targets (n, n_out). Appends to `losses` and `durations` those of completed epochs,
        Ctrl-C or not; and of one that a cost which is not finite has ended. Returns whether the parameters are finite,
        where the costs are.

        `counted`: the epochs count as trained. `order`: of the rows in every epoch, int64, where not `shuffled`.
        `penalty`: λ, for the losses to be means of what the batches cost, ½ λ Σ W² / Σ w included.
        """
        cdef Steps s
        cdef Training *training
        cdef double penalised = 0 if penalty is None else penalty
        cdef Interrupt interrupt
        self._start(&interrupt, True)
        try:
            self.forward_rows = self.gradients_are = 0
            plan = self._training(min(batch_size, len(x)))
            self._prepare(&s, &interrupt, plan, batch_size)
            take_arrays(&s, plan, x, y, sample_weights)
            if shuffled:
                order = np.empty(s.rows.count, dtype=np.int64)
            costs, times = np.zeros(n_epochs), np.zeros(n_epochs)
            s.rows.order = <int64_t *>address(order) if order is not None else NULL
            training = &s.training
            training.shuffled = shuffled
            rates = self._rates(n_epochs, -(-int(s.rows.count) // batch_size))
            training.rates = <const double *>address(rates) if rates is not None else NULL
            training.first_epoch, training.n_epochs = self.epochs_trained, n_epochs
            training.epoch_losses, training.epoch_seconds = <double *>address(costs), <double *>address(times)
            training.penalty = &penalised if penalty is not None else NULL
            s.run.n_threads = min(s.run.n_threads, self._threads(batch_size))  # the plan may be a larger batch's
            s.run.fuse_update = True
            if self.optimizer.code == self.kernels.beside and not self.with_blas:
                set_lookahead(&s, x, y)
            interrupt.progress = <PyObject *>progress if progress is not None else NULL
            with nogil:
                run_team(train_epochs, &s, s.run.n_threads)
            self.steps = training.steps
            n_done = training.epochs_done + (s.outcome.diverged and not s.outcome.stopped)
            losses += costs[:n_done].tolist()
            durations += times[:n_done].tolist()
            if counted:
                self.epochs_trained += training.epochs_done
        finally:
            self._finish(&interrupt)
        return not bp_is_raised(&s.outcome.weights_not_finite)

    def admits(self, x, y):
        """Whether x, and y as `fit` takes it, are finite as the network sees them."""
        cdef Steps s
        if self.offset is None and x.dtype.kind != "f" and (y.ndim == 1 or y.dtype.kind != "f"):
            return True
        self._infer(&s, admit, x, y, None, None, False, True, self.n_layers)
        return not bp_is_raised(&s.outcome.not_finite)

    def takes(self, x):
        """Whether x can go to `predict` as it is: the shape and one of the types that nothing need be asked of."""
        cdef int n = x.ndim if type(x) is np.ndarray else 0
        return (n == 2 and cnp.PyArray_DIM(x, 1) == self.layers[0].n_in and cnp.PyArray_ISNOTSWAPPED(x)
                and cnp.PyArray_TYPE(x) in (cnp.NPY_FLOAT, cnp.NPY_DOUBLE))

    def predict(self, x, *, bint linked=True, bint activated=True, int n_layers=0):
        """The outputs of all rows, in a new array: what `predict` returns where they are `linked`, the last layer's a
        otherwise, its z where they are not `activated` either. `n_layers`: the network ends after so many; 0: all."""
        cdef Steps s
        cdef cnp.npy_intp[2] shape
        n_layers = n_layers or self.n_layers
        shape[0], shape[1] = len(x), self.layers[n_layers - 1].n_out
        out = cnp.PyArray_EMPTY(2, shape, cnp.NPY_FLOAT if self.kernels.itemsize == 4 else cnp.NPY_DOUBLE, 0)
        self._infer(&s, infer, x, None, None, out, linked, activated, n_layers)
        refuse(&s)
        return out

    def infer(self, x, y, sample_weights, out):
        """The last layer's outputs of all rows into `out`, and (Σ weight·loss, Σ weight)."""
        cdef Steps s
        self._infer(&s, infer, x, y, sample_weights, out, False, True, self.n_layers)
        refuse(&s)
        return s.outcome.total_loss, s.outcome.total_weight

    cdef _infer(self, Steps *s, bp_task task, x, y, sample_weights, out, bint linked, bint activated, int n_layers):
        cdef Interrupt interrupt
        cdef Plan plan
        if self.changing:
            raise in_use()
        memset(&interrupt, 0, sizeof(Interrupt))
        self.readers += 1
        try:
            plan = self._inference(len(x))
            self._prepare(s, &interrupt, plan, plan.capacity)
            take_arrays(s, plan, x, y, sample_weights)
            s.out, s.linked = address(out) if out is not None else NULL, linked
            s.n_layers = n_layers
            while s.chain[s.n_operations - 1].layer >= n_layers:
                s.n_operations -= 1
            _bare = None if activated else self._bare(s, n_layers - 1)
            # the plan may be that of a larger call
            s.run.n_threads = min(s.run.n_threads, self._inference_threads(min(s.rows.count, s.rows.batch_size)))
            with nogil:
                run_team(task, s, s.run.n_threads)
            self.idle_plans.append(plan)
        finally:
            self.readers -= 1
            raise_seen(&interrupt)

    cdef _bare(self, Steps *s, int first):
        """Give the run copies of the layers, of which those from `first` on leave z as it is; returns their memory."""
        cdef int i
        copies = zeros(self.n_layers * sizeof(Layer))
        memcpy(address(copies), s.layers, self.n_layers * sizeof(Layer))
        s.layers = <Layer *>address(copies)
        for i in range(first, self.n_layers):
            s.layers[i].activation.code = self.kernels.identity
        return copies

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
        self._start(&interrupt)
        try:
            self.forward_rows = self.gradients_are = 0
            self._keep_gradients()
            plan = self._training(len(x))
            self._prepare(&s, &interrupt, plan, len(x))
            take_arrays(&s, plan, x, y, sample_weights)
            s.outcome.total_weight = total_weight
            s.run.n_threads = min(s.run.n_threads, self._threads(len(x)))
            with nogil:
                run_team(differentiate, &s, s.run.n_threads)
        finally:
            self._finish(&interrupt)
        refuse(&s)
        return s.outcome.total_loss

    def inspect(self, x, y, sample_weights, double total_weight):
        """`differentiate`, and copies of all that passes through: (x, losses, layers).

        x (n, n_in) as the first layer sees it; losses (n,), each times its weight; for each layer a dict of
        "z", "a", "derivative", "da", "dz" (n, n_out), the last two of the cost.
        """
        cdef Steps s
        cdef Interrupt interrupt
        cdef int i
        cdef int64_t n_rows = len(x)
        kept_x, kept_losses = np.empty((n_rows, self.layers[0].n_in), self.dtype), np.empty(n_rows, self.dtype)
        places, found = zeros(self.n_layers * sizeof(Kept)), []
        self._start(&interrupt)
        try:
            self.forward_rows = self.gradients_are = 0
            self._keep_gradients()
            plan = self._training(n_rows)
            self._prepare(&s, &interrupt, plan, n_rows)
            take_arrays(&s, plan, x, y, sample_weights)
            s.inspection.layers = <Kept *>address(places)
            s.inspection.x, s.inspection.losses = address(kept_x), address(kept_losses)
            for i in range(self.n_layers):
                found.append(self._keep_layer(&s.inspection.layers[i], &s.layers[i], n_rows))
            _bare = self._bare(&s, 0)  # which holds their memory
            for i in range(self.n_layers):
                s.layers[i].derivative = s.layers[i].derivative_before = self.kernels.identity
            s.outcome.total_weight = total_weight
            s.run.n_threads = 1
            with nogil:
                run_team(inspect, &s, 1)
        finally:
            self._finish(&interrupt)
        refuse(&s)
        return kept_x, kept_losses, found

    cdef _keep_layer(self, Kept *kept, const Layer *layer, n_rows):
        """Arrays for what `inspect` keeps of a layer."""
        names = ("z", "a", "derivative", "da", "dz")
        arrays = {name: np.empty((n_rows, layer.n_out), self.dtype) for name in names}
        kept.activation, kept.derivative = layer.activation, layer.derivative
        kept.z, kept.a, kept.slope = address(arrays["z"]), address(arrays["a"]), address(arrays["derivative"])
        kept.da, kept.dz = address(arrays["da"]), address(arrays["dz"])
        return arrays

    def forward(self, x, out):
        """One batch through the training plan, whose activations then wait for `backward`."""
        cdef Steps s
        cdef Interrupt interrupt
        self._start(&interrupt)
        try:
            self.forward_rows = self.gradients_are = 0
            self._keep_gradients()
            plan = self._training(len(x))
            self._prepare(&s, &interrupt, plan, len(x))
            take_arrays(&s, plan, x, None, None)
            s.out = address(out)
            s.run.n_threads = min(s.run.n_threads, self._threads(len(x)))
            with nogil:
                run_team(infer, &s, s.run.n_threads)
        finally:
            self._finish(&interrupt)
        refuse(&s)
        self.forward_rows = len(x)

    def backward(self, d_out, dx):
        """d loss / d output of the batch that `forward` saw: keeps the gradients, writes d loss / d input."""
        cdef Steps s
        cdef Interrupt interrupt
        cdef Plan plan = self.training_plan
        if self.forward_rows == 0:
            raise RuntimeError("backward follows forward: call forward(X) with the same rows first")
        if self.forward_rows != len(d_out):
            raise RuntimeError(f"d_out has {len(d_out)} rows, but forward was called with {self.forward_rows}")
        self._start(&interrupt)
        try:
            self.gradients_are = 0
            if self.input_gradient is None:
                self.input_gradient = zeros(int(self.layers[0].n_in) * int(plan.run.ld) * self.dtype.itemsize)
            self._prepare(&s, &interrupt, plan, self.forward_rows)
            take_arrays(&s, plan, d_out, None, None)
            s.out = address(dx)
            plan.layers[0].da_in = address(self.input_gradient)
            with nogil:
                run_team(differentiate_from_output, &s, s.run.n_threads)
            if interrupt.raised == NULL:  # else some of the gradients are not worked out
                self.gradients_are = READY
        finally:
            plan.layers[0].da_in = NULL
            self._finish(&interrupt)

    def update(self):
        """The optimizer's step with the gradients that `backward` kept: once."""
        cdef Steps s
        cdef Interrupt interrupt
        if self.gradients_are != READY:
            raise RuntimeError("update follows backward: there are no gradients that it has not used yet")
        self._start(&interrupt, True)
        try:
            self._prepare(&s, &interrupt, self.training_plan, 1)
            rates = self._rates(1, 1)
            s.training.rates = <const double *>address(rates) if rates is not None else NULL
            with nogil:
                run_team(update, &s, s.run.n_threads)
            if not bp_is_raised(&s.outcome.not_finite):
                self.steps += 1
                self.gradients_are, self.forward_rows = SPENT, 0  # the activations are those of other weights
        finally:
            self._finish(&interrupt)
        refuse(&s)

    def sum_of_squares(self):
        """Σ W² of all weights, without biases."""
        return sum_of_squares(self.kernels, self.layers, self.n_layers)

    def accept_gradients(self):
        """Room for gradients that are worked out elsewhere, for `update` to take: views, to be written."""
        self._check_idle()
        self.forward_rows = self.gradients_are = 0
        self._keep_gradients()
        self._training(1)
        self.gradients_are = READY
        return self.views("gradient")

    def gradient_views(self):
        """views("gradient") of the last `backward`; RuntimeError where another run has overwritten them."""
        if self.gradients_are == 0:
            raise RuntimeError("gradients follow backward: there are none yet")
        return self.views("gradient")


cdef bint suits(Plan plan, int64_t batch) noexcept:
    """Whether it has room for such a batch, and is not laid out for so much more that rows lie far apart."""
    return plan is not None and batch <= plan.capacity <= 4 * batch


cdef in_use():
    return RuntimeError("this network is in use by another thread: give each thread a network of its own")


cdef refuse(Steps *s):
    """NotFinite where a thread of the run has met such a number."""
    if bp_is_raised(&s.outcome.not_finite):
        raise NotFinite("a number is not finite as the network sees it")


cdef raise_seen(Interrupt *interrupt):
    """Raise what Ctrl-C's handler raised, if it was seen."""
    if interrupt.raised != NULL:
        raised = <object>interrupt.raised
        Py_DECREF(raised)
        interrupt.raised = NULL
        raise raised


cdef take_arrays(Steps *s, Plan plan, x, y, sample_weights):
    """x (n, n_in); y None, labels (n,) of integers, or targets (n, n_out); sample_weights None or (n,)."""
    cdef Rows *rows = &s.rows
    rows.x = source_of(x)
    rows.count = len(x)
    if y is not None:
        rows.has_targets = True
        rows.y_is_labels = y.ndim == 1
        rows.y = source_of(y)
    if sample_weights is not None:
        rows.weighted = plan.weighted = True
        rows.weights = source_of(sample_weights)


cdef set_lookahead(Steps *s, cnp.ndarray x, cnp.ndarray y):
    """Let products fetch the next batch, where its rows lie far apart, each of them in one piece."""
    cdef bp_lookahead *lookahead = &s.run.lookahead
    cdef Rows *rows = &s.rows
    if rows.order == NULL or rows.x.column_stride != x.itemsize or x.nbytes <= BP_NEAR_BYTES:
        return
    lookahead.samples, lookahead.targets, lookahead.order = rows.x.data, rows.y.data, rows.order
    lookahead.sample_stride, lookahead.target_stride = rows.x.row_stride, rows.y.row_stride
    lookahead.sample_bytes = s.layers[0].n_in * rows.x.column_stride
    rows.x.n_rows = rows.y.n_rows = 0  # so that gather does not do so too


cdef bp_source source_of(cnp.ndarray array) except *:
    """TypeError for a type that gather does not convert: it would take the bytes for numbers."""
    cdef bp_source source
    if array.dtype.char not in TYPES:
        raise TypeError(f"an array has dtype {array.dtype}: expected numbers")
    source.data = <const char *>cnp.PyArray_DATA(array)
    source.n_rows = len(array)
    source.row_stride = cnp.PyArray_STRIDES(array)[0]
    source.column_stride = cnp.PyArray_STRIDES(array)[1] if cnp.PyArray_NDIM(array) == 2 else 0
    source.type = ord(array.dtype.char)
    return source
