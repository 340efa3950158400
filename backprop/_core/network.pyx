"""The object that backprop/network.py holds: parameters, moments, plans, and the runs over them.

Python objects are met here and nowhere below; arrays have been checked by backprop/validation.py.

Several threads may hold one network: see shared.pyx.
"""
import numpy as np

cimport cython
cimport numpy as cnp
from cpython.ref cimport PyObject
from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from backprop._core.arrays cimport layer_views, set_lookahead, take_arrays
from backprop._core.dense cimport Interrupt, Layer, Muon, Shards
from backprop._core.describe cimport describe, leave_out_padding
from backprop._core.errors cimport raise_seen, refuse
from backprop._core.initial cimport set_weights
from backprop._core.inspection cimport bare_layers, inspect, keep_layer
from backprop._core.kernels cimport (
    BP_MOMENTS, BP_ROW_MULTIPLE, bp_is_raised, bp_kernels, bp_loss, bp_optimizer, bp_step, bp_task, find_kernels,
    find_loss, find_optimizer, run_team, seconds, stream,
)
from backprop._core.own_loss cimport make_own_loss
from backprop._core.plan cimport Plan, address, room_for_matrices, room_for_steps, zeros
from backprop._core.plans cimport Plans, make_plans
from backprop._core.ranks cimport gather_moments, own_all_rows, take_ranks
from backprop._core.runs cimport admit, differentiate, differentiate_from_output, infer, update
from backprop._core.shards cimport largest_batch, make_shards
from backprop._core.shared cimport Shared
from backprop._core.steps cimport Kept, Steps, Training, go_on_below, stop_at_frozen, sum_of_squares, train_epochs
from backprop._core.updates cimport configure, n_parts

from backprop._core.blas import load as load_blas

cnp.import_array()

cdef enum:
    READY = 1
    SPENT = 2

# The stream of random numbers that initial weights come from: the same number stands in backprop/reference.py.
cdef enum:
    FOR_WEIGHTS = 1


cdef class Core(Shared):
    """Parameters, moments, plans, and the runs over them."""

    cdef const bp_kernels *kernels
    cdef Layer *layers
    cdef int n_layers
    cdef bp_loss loss
    cdef object own_loss                    # None, or a function: see own_loss.pyx
    cdef bp_optimizer optimizer
    cdef object optimizer_name              # and whether it has no matrices; None: none yet
    cdef Muon muon                          # muon_room is None with other optimizers
    cdef object schedule                    # of its learning rate, or None
    cdef object told                        # what the schedule was told of epochs, or None
    cdef Training settings                  # what else the optimizer is asked for, for every run
    cdef public int64_t steps               # that it has done
    cdef Plans plans
    cdef bint with_blas
    cdef readonly uint64_t seed
    cdef public int64_t epochs_trained
    cdef readonly object dtype
    cdef object parameters, gradient, sums, offset, scale, muon_room
    cdef list moments
    cdef object average         # of the parameters, or None
    cdef object average_name    # of what it is, or None
    cdef public int64_t n_averaged  # parameters that it holds
    cdef int64_t forward_rows   # of the batch that backward may follow; 0: none
    cdef int gradients_are      # 0: not those of a `backward`; READY; SPENT by `update`

    def __cinit__(self, *, int64_t n_inputs, layers, loss, dtype, uint64_t seed, int threads_asked,
                  int threads_available, bint with_blas, instruction_set, offset, scale,
                  double input_dropout=0, own_loss=None):
        """`layers`: of each a dict as `core_layers` of backprop/layers.py makes them; loss: a name and values.
        `own_loss`: None, or (output, target) -> (losses, d_output), which stands in place of `loss`.
        """
        self.dtype = np.dtype(dtype)
        self.kernels = find_kernels(instruction_set, self.dtype.itemsize)
        if own_loss is None:
            self.loss = find_loss(self.kernels, loss[0], loss[1])
        else:
            self.own_loss, self.loss.code = own_loss, self.kernels.given_loss
        self.seed, self.muon.rest_factor = seed, 1
        self.with_blas = with_blas
        if with_blas:
            load_blas()
        self.offset, self.scale = offset, scale
        self.moments = []
        self.n_layers = len(layers)
        self.layers = <Layer *>calloc(self.n_layers, sizeof(Layer))
        if self.layers == NULL:
            raise MemoryError
        cdef int i
        cdef int64_t n_in = n_inputs
        for i, given in enumerate(layers):
            self.layers[i].index = i
            describe(self.kernels, &self.layers[i], n_in, given)
            self.settings.limits_norms |= self.layers[i].max_norm < INFINITY
            n_in = given["units"]
        leave_out_padding(self.kernels, &self.layers[self.n_layers - 1])
        self.layers[0].input_dropout = input_dropout
        self.plans = make_plans(self.kernels, self.layers, self.n_layers, (threads_asked, threads_available), with_blas)
        self.parameters = self._block()
        for i in range(self.n_layers):
            self.layers[i].parameters = self._place(self.parameters, i)
        for i, ((weights, _, beside), given) in enumerate(zip(self.views("parameters"), layers)):
            set_weights(self.kernels, &self.layers[i], weights, stream(seed, FOR_WEIGHTS, i), given["weights"])
            for row, start in zip(beside, given["beside"]):
                row[...] = start

    def __dealloc__(self):
        free(self.layers)

    cdef _block(self):
        """Zeros shaped like all the parameters, one layer behind another, in whole vectors; behind them is room for one
        more, into which products of the last row may reach."""
        cdef int i
        total = 0
        for i in range(self.n_layers):
            total += int(self.layers[i].rows) * int(self.layers[i].ldw)
        total += -total % BP_ROW_MULTIPLE
        return zeros((total + BP_ROW_MULTIPLE) * self.dtype.itemsize).view(self.dtype)[:total]

    cdef char *_place(self, block, int layer) except NULL:
        cdef int64_t start = 0
        cdef int i
        for i in range(layer):
            start += self.layers[i].rows * self.layers[i].ldw
        return address(block) + start * <int64_t>self.kernels.itemsize

    def configure_optimizer(self, name, *, double learning_rate, decays, settings, clips,
                            int64_t parts=1, schedule=None, matrices=None, average=None):
        """Set the hyper-parameters; another kind of optimizer starts with moments of its own, at 0.

        `decays`: l2, l1 and weight_decay. `schedule`: None, or what has `rates`, see catalogue/schedules.py.
        `matrices`: None, or of Muon the momentum, the share of the rate of all else, and weight_decay.
        `clips`: the most that the norm of all gradients, and each of them, may be. `parts`: batches of a step.
        `average`: None, or the row of one, see catalogue/averages.py; another kind than before starts anew.
        """
        cdef bp_optimizer found = find_optimizer(self.kernels, name, learning_rate, decays, settings)
        self.begin_changing()
        try:
            self._take_optimizer(found, (name, matrices is None), schedule, matrices, average)
            configure(&self.settings, clips, parts, average)
        finally:
            self.end_changing()

    cdef _take_optimizer(self, bp_optimizer found, name, schedule, matrices, average):
        cdef int i, moment
        average_name = None if average is None else average[0]
        block = self.average
        if average_name != self.average_name:
            block = None if average is None else self._block()
        if name != self.optimizer_name:
            count = self.kernels.optimizers[found.code].trait
            self.moments = [self._block() for _ in range(count)]  # without memory for it nothing has changed yet
            self.steps = 0
            for i in range(self.n_layers):
                for moment in range(BP_MOMENTS):
                    self.layers[i].moments[moment] = self._place(self.moments[moment], i) if moment < count else NULL
        if block is not self.average:
            self.average, self.average_name, self.n_averaged = block, average_name, 0
            for i in range(self.n_layers):
                self.layers[i].average = self._place(block, i) if block is not None else NULL
        self.plans.follow()
        if (matrices is None) != (self.muon_room is None):
            self.plans.forget_training()  # of whose operations Muon's steps are some
            self.forward_rows = self.gradients_are = 0
            self.muon_room = room_for_matrices(&self.muon, self.kernels, self.layers, self.n_layers, matrices)
        if matrices is not None:
            self.muon.momentum, self.muon.rest_factor, self.muon.weight_decay = matrices
            self._keep_gradients()
        if schedule != self.schedule:
            self.schedule_state = None if schedule is None else schedule.begin()
        self.optimizer, self.optimizer_name, self.schedule = found, name, schedule

    def configure_layer(self, int i, *, bint frozen, double rate_factor):
        """How layer i is trained, from now on."""
        with cython.critical_section(self):
            self.check_trainable()
            self.layers[i].frozen, self.layers[i].rate_factor = frozen, rate_factor
            self.plans.follow()

    @property
    def schedule_state(self):
        with cython.critical_section(self):
            return self.told

    @schedule_state.setter
    def schedule_state(self, state):
        with cython.critical_section(self):
            self.told = state

    cdef _rates(self, n_epochs, n_batches):
        """The learning rates of a run, an array to be kept for as long as it takes; or None."""
        if self.schedule is None:
            return None
        return self.schedule.rates(self.optimizer.learning_rate, self.steps, self.epochs_trained, n_epochs, n_batches,
                                   self.told)

    cdef _own_steps(self, Steps *s):
        """Room for the constants of each layer's step, to be kept for as long as a run takes; or None."""
        room = room_for_steps(s.layers, s.n_layers, s.run.n_threads, self.muon.rest_factor != 1)
        s.own_steps = <bp_step *>address(room) if room is not None else NULL
        return room

    def views(self, which):
        """(weights [n_in][n_out], bias [n_out], what is beside them [rows][n_out]) of every layer: views of
        "parameters", or of the "gradient" that the last run kept."""
        with cython.critical_section(self):
            block = {"parameters": self.parameters, "gradient": self.gradient}[which]
        return layer_views(block, self.layers, self.n_layers)

    def moment_views(self, int which):
        """The same of one of the optimizer's moments, counted from 0."""
        with cython.critical_section(self):
            block = self.moments[which]
        return layer_views(block, self.layers, self.n_layers)

    def average_views(self):
        """The same of their average, where one is kept."""
        with cython.critical_section(self):
            block = self.average
        return layer_views(block, self.layers, self.n_layers)

    def plan_threads(self, int64_t batch):
        """How many threads a training step of so many samples is shared out to."""
        return self.plans.threads(batch)

    cdef void _prepare(self, Steps *s, Interrupt *interrupt, Plan plan, int64_t batch_size) noexcept:
        memset(s, 0, sizeof(Steps))
        interrupt.next_poll = seconds()
        s.interrupt = interrupt
        s.rows.batch_size = batch_size
        s.layers, s.n_layers, s.loss = plan.layers, plan.n_layers, self.loss
        s.chain, s.n_operations = plan.chain, plan.n_operations
        s.run, s.buffers = plan.run, plan.buffers
        s.run.muon = &self.muon
        if plan.weighted:
            plan.fill_sample_weights()
        s.training = self.settings
        s.training.optimizer, s.training.steps, s.training.seed = self.optimizer, self.steps, self.seed
        s.training.first_step, s.training.n_averaged = self.steps, self.n_averaged
        s.training.sums = <double *>address(self.sums) if self.sums is not None else NULL
        if self.offset is not None:
            s.rows.offset = <const double *>address(self.offset)
            s.rows.scale = <const double *>address(self.scale)

    cdef _start(self, Interrupt *interrupt, bint changes=False):
        """From here to _finish the training plan is taken, and the parameters too where the run `changes` them."""
        memset(interrupt, 0, sizeof(Interrupt))
        with cython.critical_section(self):
            self.check_trainable(changes)
            self.busy, self.changing = True, changes

    cdef _finish(self, Interrupt *interrupt):
        with cython.critical_section(self):
            self.busy = self.changing = False
        raise_seen(interrupt)

    def fit(self, x, y, sample_weights, *, int64_t n_epochs, int64_t batch_size, losses, durations, bint shuffled=False,
            bint counted=False, progress=None, order=None, penalty=None, piece=None, sharding=None):
        """Train; y: labels (n,) or targets (n, n_out). Appends to `losses` and `durations` those of completed epochs,
        Ctrl-C or not; and of one that a cost which is not finite has ended. Returns whether the parameters are finite,
        where the costs are.

        `counted`: the epochs count as trained. `order`: of the rows in every epoch, int64, where not `shuffled`.
        `penalty`: λ, for the losses to be means of what the batches cost, ½ λ Σ W² / Σ w included.
        `piece`: of one epoch: its rows [first, last), whole steps, and an array that the next piece is to be given.
        `sharding`: None, or how a batch falls into shards, as backprop/sharding.py has it; the order is then theirs.
        """
        cdef Steps s
        cdef Training *training
        cdef double penalised = 0 if penalty is None else penalty
        cdef Interrupt interrupt
        cdef int first_trained = 0
        cdef Shards shards
        cdef int64_t largest = batch_size
        exchange = None
        self._start(&interrupt, True)
        try:
            self.forward_rows = self.gradients_are = 0
            if self.settings.keeps_gradients:
                self._keep_gradients()
            if sharding is not None:
                _shards = make_shards(&shards, sharding)  # which holds their memory
                largest = largest_batch(&shards, batch_size)
            plan = self.plans.to_train(min(largest, len(x)))
            self._prepare(&s, &interrupt, plan, batch_size)
            if shuffled or sharding is not None:
                order = np.empty(len(x), dtype=np.int64)
            _own = self._take_arrays(&s, plan, x, y, sample_weights, order)
            if sharding is not None:
                s.run.shards, s.rows.count = &shards, shards.n_rows
                if sharding.ranks is not None:
                    self._keep_gradients()
                    splits = not self.settings.keeps_gradients and self.muon_room is None
                    exchange = take_ranks(&s, sharding, self.parameters, self.gradient, splits)
            costs, times = np.zeros(n_epochs), np.zeros(n_epochs)
            s.rows.order = <int64_t *>address(order) if order is not None else NULL
            training = &s.training
            training.shuffled = shuffled
            training.first_row, training.last_row, begun = (0, s.rows.count, None) if piece is None else piece
            training.begun = <double *>address(begun) if begun is not None else NULL
            n_batches = -(-int(s.rows.count) // batch_size)
            rates = self._rates(n_epochs, -(-n_batches // int(self.settings.parts)))
            training.rates = <const double *>address(rates) if rates is not None else NULL
            training.first_epoch, training.n_epochs = self.epochs_trained, n_epochs
            training.epoch_losses, training.epoch_seconds = <double *>address(costs), <double *>address(times)
            training.averages_epochs &= counted
            training.penalty = &penalised if penalty is not None else NULL
            s.run.n_threads = min(s.run.n_threads, self.plans.threads(largest))  # the plan may be a larger batch's
            s.run.fuse_update = not training.keeps_gradients and s.ranked.exchange == NULL
            _own_steps = self._own_steps(&s)  # which holds their memory
            first_trained = stop_at_frozen(&s)
            if self.optimizer.code == self.kernels.beside and s.run.fuse_update and not self.with_blas:
                set_lookahead(&s, x, y)
            interrupt.progress = <PyObject *>progress if progress is not None else NULL
            with nogil:
                run_team(train_epochs, &s, s.run.n_threads)
            gather_moments(&s, exchange, self.moments)
            self.steps, self.n_averaged = training.steps, training.n_averaged
            n_done = training.epochs_done + (s.outcome.diverged and not s.outcome.stopped)
            losses += costs[:n_done].tolist()
            durations += times[:n_done].tolist()
            if counted:
                self.epochs_trained += training.epochs_done
        finally:
            go_on_below(&s, first_trained)
            if exchange is not None:
                own_all_rows(&s)
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
        cdef int64_t n_rows = len(x)
        memset(&interrupt, 0, sizeof(Interrupt))
        with cython.critical_section(self):
            self.check_readable()
            plan = self.plans.to_infer(n_rows)
            self._prepare(s, &interrupt, plan, plan.capacity)
            self.readers += 1
        try:
            _own = self._take_arrays(s, plan, x, y, sample_weights)
            s.out, s.linked = address(out) if out is not None else NULL, linked
            s.n_layers = n_layers
            while s.chain[s.n_operations - 1].layer >= n_layers:
                s.n_operations -= 1
            _bare = None if activated else bare_layers(s, self.kernels, n_layers - 1, False)
            # the plan may be that of a larger call
            s.run.n_threads = min(s.run.n_threads, self.plans.inference_threads(min(s.rows.count, s.rows.batch_size)))
            with nogil:
                run_team(task, s, s.run.n_threads)
            with cython.critical_section(self):
                self.plans.idle.append(plan)
        finally:
            with cython.critical_section(self):
                self.readers -= 1
            raise_seen(&interrupt)

    cdef _take_arrays(self, Steps *s, Plan plan, x, y, sample_weights, order=None):
        """take_arrays; returns what has to stay alive for as long as the run takes."""
        take_arrays(s, plan, x, y, sample_weights)
        if y is None or self.own_loss is None:
            return None
        own = make_own_loss(self.own_loss, y, order, self.dtype)
        s.own_loss, s.rows.y_is_labels = <PyObject *>own, False
        return own

    cdef _keep_gradients(self):
        cdef int i
        if self.gradient is not None:
            return
        gradient, sums = self._block(), np.zeros(n_parts(self.layers, self.n_layers))
        with cython.critical_section(self):  # inference makes plans of the layers meanwhile
            self.gradient, self.sums = gradient, sums
            for i in range(self.n_layers):
                self.layers[i].gradient = self._place(gradient, i)
            self.plans.follow()

    def differentiate(self, x, y, sample_weights, double total_weight):
        """(Σ weight·loss, copies of the gradients of Σ weight·loss / total_weight) over these rows; the copies are
        shaped as `views` are.
        """
        cdef Steps s
        cdef Interrupt interrupt
        self._start(&interrupt)
        try:
            self.forward_rows = self.gradients_are = 0
            self._keep_gradients()
            plan = self.plans.to_train(len(x))
            self._prepare(&s, &interrupt, plan, len(x))
            _own = self._take_arrays(&s, plan, x, y, sample_weights)
            s.outcome.total_weight = total_weight
            s.run.n_threads = min(s.run.n_threads, self.plans.threads(len(x)))
            with nogil:
                run_team(differentiate, &s, s.run.n_threads)
            views = layer_views(self.gradient, self.layers, self.n_layers)
            found = [(weights.copy(), bias.copy(), beside.copy()) for weights, bias, beside in views]
        finally:
            self._finish(&interrupt)
        refuse(&s)
        return s.outcome.total_loss, found

    def inspect(self, x, y, sample_weights, double total_weight):
        """`differentiate`, and copies of all that passes through: (x, mask, losses, layers).

        x (n, n_in) after offset and scale, and what dropout multiplies it with, or None; losses (n,), each times its
        weight; for each layer a dict of "z", "a", "derivative", "da", "dz" (n, n_out), the last two of the cost. Where
        noise is added "noise", where it drops "mask"; "out" where what it hands on is not a: "da" is by that. Of a norm
        "n", "y" and "dy".
        """
        cdef Steps s
        cdef Interrupt interrupt
        cdef int i
        cdef int64_t n_rows = len(x)
        kept_x, kept_losses = np.empty((n_rows, self.layers[0].n_in), self.dtype), np.empty(n_rows, self.dtype)
        kept_mask = np.empty_like(kept_x) if self.layers[0].input_dropout > 0 else None
        places, found = zeros(self.n_layers * sizeof(Kept)), []
        self._start(&interrupt)
        try:
            self.forward_rows = self.gradients_are = 0
            self._keep_gradients()
            plan = self.plans.to_train(n_rows)
            self._prepare(&s, &interrupt, plan, n_rows)
            _own = self._take_arrays(&s, plan, x, y, sample_weights)
            s.inspection.layers = <Kept *>address(places)
            s.inspection.x, s.inspection.losses = address(kept_x), address(kept_losses)
            s.inspection.mask = address(kept_mask) if kept_mask is not None else NULL
            for i in range(self.n_layers):
                found.append(keep_layer(&s.inspection.layers[i], &s.layers[i], n_rows, self.dtype))
            _bare = bare_layers(&s, self.kernels, 0, True)  # which holds their memory
            for i in range(self.n_layers):
                s.layers[i].derivative = s.layers[i].derivative_before = self.kernels.identity
            s.outcome.total_weight = total_weight
            s.run.n_threads = 1
            with nogil:
                run_team(inspect, &s, 1)
        finally:
            self._finish(&interrupt)
        refuse(&s)
        return kept_x, kept_mask, kept_losses, found

    def forward(self, x, out):
        """One batch through the training plan, whose activations then wait for `backward`."""
        cdef Steps s
        cdef Interrupt interrupt
        self._start(&interrupt)
        try:
            self.forward_rows = self.gradients_are = 0
            self._keep_gradients()
            plan = self.plans.to_train(len(x))
            self._prepare(&s, &interrupt, plan, len(x))
            take_arrays(&s, plan, x, None, None)
            s.out = address(out)
            s.run.n_threads = min(s.run.n_threads, self.plans.threads(len(x)))
            with nogil:
                run_team(infer, &s, s.run.n_threads)
            if interrupt.raised == NULL and not bp_is_raised(&s.outcome.not_finite):
                self.forward_rows = len(x)
        finally:
            self._finish(&interrupt)
        refuse(&s)

    def backward(self, d_out, dx):
        """d loss / d output of the batch that `forward` saw: keeps the gradients, writes d loss / d input."""
        cdef Steps s
        cdef Interrupt interrupt
        cdef Plan plan = None
        self._start(&interrupt)
        try:
            if self.forward_rows == 0:
                raise RuntimeError("backward follows forward: call forward(X) with the same rows first")
            if self.forward_rows != len(d_out):
                raise RuntimeError(f"d_out has {len(d_out)} rows, but forward was called with {self.forward_rows}")
            self.gradients_are, plan = 0, self.plans.training
            if plan.input_gradient is None:
                plan.input_gradient = zeros(int(self.layers[0].n_in) * int(plan.run.ld) * self.dtype.itemsize)
            self._prepare(&s, &interrupt, plan, self.forward_rows)
            take_arrays(&s, plan, d_out, None, None)
            s.out = address(dx)
            plan.layers[0].da_in = address(plan.input_gradient)
            with nogil:
                run_team(differentiate_from_output, &s, s.run.n_threads)
            if interrupt.raised == NULL:  # else some of the gradients are not worked out
                self.gradients_are = READY
        finally:
            if plan is not None:
                plan.layers[0].da_in = NULL
            self._finish(&interrupt)

    def update(self):
        """The optimizer's step with the gradients that `backward` kept: once."""
        cdef Steps s
        cdef Interrupt interrupt
        self._start(&interrupt, True)
        try:
            if self.gradients_are != READY:
                raise RuntimeError("update follows backward: there are no gradients that it has not used yet")
            self._prepare(&s, &interrupt, self.plans.training, 1)
            s.run.count = self.forward_rows
            rates = self._rates(1, 1)
            s.training.rates = <const double *>address(rates) if rates is not None else NULL
            _own_steps = self._own_steps(&s)  # which holds their memory
            with nogil:
                run_team(update, &s, s.run.n_threads)
            if not bp_is_raised(&s.outcome.not_finite):
                self.steps += 1
                self.n_averaged = s.training.n_averaged
                self.gradients_are, self.forward_rows = SPENT, 0  # the activations are those of other weights
        finally:
            self._finish(&interrupt)
        refuse(&s)

    def sum_of_squares(self):
        """Σ W² of all weights, without biases."""
        self.begin_reading()
        try:
            return sum_of_squares(self.kernels, self.layers, self.n_layers)
        finally:
            self.end_reading()

    def accept_gradients(self):
        """Room for gradients that are worked out elsewhere, for `update` to take: views, to be written."""
        cdef Interrupt interrupt
        self._start(&interrupt)
        try:
            self.forward_rows = self.gradients_are = 0
            self._keep_gradients()
            self.plans.to_train(1)
            self.gradients_are = READY
        finally:
            self._finish(&interrupt)
        return self.views("gradient")

    def gradient_views(self):
        """views("gradient") of the last `backward`; RuntimeError where another run has overwritten them."""
        if self.gradients_are == 0:
            raise RuntimeError("gradients follow backward: there are none yet")
        return self.views("gradient")
