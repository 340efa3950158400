"""The plans of one network: which it has, which suits a run, and on how many threads.

Who calls these has the network to itself meanwhile: the training plan as long as a run takes, all else in a critical
section.
"""
from libc.stdint cimport int64_t

from backprop._core.kernels cimport BP_ROW_MULTIPLE, round_up
from backprop._core.plan cimport make_plan

# Floating-point operations of a step for each thread, from which on another one pays: a fifth of a millisecond. Less
# would do on an idle machine; on a busy one every barrier may wait for a thread that is not running.
cdef double WORK_PER_THREAD = 2e7
# Activations that inference keeps at a time: what a second-level cache holds.
cdef int64_t INFERENCE_BYTES = 512 * 1024


cdef class Plans:
    """Those of two batch sizes to train with, and some to predict with."""

    cdef int threads(self, int64_t batch) noexcept:
        """Of a training step of so many samples."""
        if self.threads_asked:
            return self.threads_asked
        cdef double work = 0
        cdef int i
        for i in range(self.n_layers):
            work += 6.0 * batch * self.layers[i].n_in * self.layers[i].n_out
        return max(1, min(self.threads_available, <int>min(1e6, work / WORK_PER_THREAD)))

    cdef int inference_threads(self, int64_t rows) noexcept:
        """Forward is a third of a training step's work; a few rows go to one thread, however many are asked for."""
        return max(1, min(self.threads(rows // 3), rows // (2 * BP_ROW_MULTIPLE)))

    cdef Plan to_train(self, int64_t batch):
        """The plan for batches of about this size; two are kept, for who goes back and forth between two sizes."""
        if not suits(self.training, batch):
            self.training, self.spare = self.spare, self.training
        if not suits(self.training, batch):
            self.training = None  # give its memory back first
            self.training = make_plan(self.kernels, self.layers, self.n_layers, batch, self.threads(batch),
                                      self.with_blas, True)
        return self.training

    cdef Plan to_infer(self, int64_t n_rows):
        """A plan that nobody else has, to be given back to `idle`."""
        cdef int64_t widest = self.layers[0].n_in, rows
        cdef int i
        for i in range(self.n_layers):
            widest = max(widest, self.layers[i].n_out)
        rows = max(2 * BP_ROW_MULTIPLE, INFERENCE_BYTES // (widest * <int64_t>self.kernels.itemsize))
        rows = min(round_up(max(1, n_rows), BP_ROW_MULTIPLE), rows // BP_ROW_MULTIPLE * BP_ROW_MULTIPLE, 2048)
        cdef Plan plan = self.idle.pop() if self.idle else None
        if plan is None or plan.capacity < rows:
            plan = None  # give its memory back first
            plan = make_plan(self.kernels, self.layers, self.n_layers, rows, self.threads(rows), self.with_blas, False)
        return plan

    cdef void follow(self) noexcept:
        """Let training take over what has changed of the layers since its plans were made."""
        if self.training is not None:
            self.training.follow(self.layers)
        if self.spare is not None:
            self.spare.follow(self.layers)

    cdef forget_training(self):
        """The operations of a layer are others than those that these plans have."""
        self.training = self.spare = None


cdef Plans make_plans(const bp_kernels *kernels, const Layer *layers, int n_layers, threads, bint with_blas):
    """None yet. `threads`: how many are asked for, or 0; and how many there are."""
    cdef Plans plans = Plans.__new__(Plans)
    plans.kernels, plans.layers, plans.n_layers, plans.with_blas = kernels, layers, n_layers, with_blas
    plans.threads_asked, plans.threads_available = threads
    plans.idle = []
    return plans


cdef bint suits(Plan plan, int64_t batch) noexcept:
    """Whether it has room for such a batch, and is not laid out for so much more that rows lie far apart."""
    return plan is not None and batch <= plan.capacity <= 4 * batch
