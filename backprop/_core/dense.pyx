"""A dense layer, forward and backward, for all samples of a batch at once.

Shapes are feature-major: activations [features][ld], a column a sample. The bias is the last row of the
parameters, met by a last row of ones in the activations, so it needs no line of its own below. Where a layer has no
bias, that row stays 0: its gradient is not worked out.
"""
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_INCREF, PyObject
from libc.stdint cimport int64_t
from libc.string cimport memset

from backprop._core cimport blas
from backprop._core.kernels cimport (
    BP_ACTIVATE, BP_ALIGNMENT, BP_DERIVATIVE, BP_MOMENTS, BP_ROW_MULTIPLE, BP_STORE, BP_UPDATE,
    bp_kernels, bp_multiply, bp_raise, round_up, seconds,
)

# Seconds between two looks for Ctrl-C.
cdef double POLL_SECONDS = 0.03
# And of a long product that are done without one, some milliseconds: each portion of it packs its own copy of B.
cdef int64_t PORTION_WORK = 200_000_000
# What a product costs however small it is, or this thread's share of it empty; and the barrier after it.
cdef int64_t WORK_OF_A_CALL = 20_000
cdef int64_t WORK_OF_A_BARRIER = 500_000

# Rows of a product that BLAS works out before the epilogue runs on them, still in cache.
cdef int64_t BLAS_ROWS = 128


cdef Operation dense(int layer) noexcept:
    """The operation: a product with its activation."""
    return operation(dense_forward, dense_backward, dense_step, layer)


cdef void dense_forward(const Layer *layer, Run *run) noexcept nogil:
    """a_out = f(z), z = Wᵀ a_in; and f'(z) where it is kept."""
    cdef bp_multiply job
    job.n_shards = 0
    job.m, job.n, job.k = layer.n_out, run.columns, layer.n_in + 1
    job.a, job.lda, job.a_is_k_major = layer.parameters, layer.ldw, True
    job.b, job.ldb = layer.a_in, run.ld
    job.c, job.ldc, job.resume = layer.a_out, run.ld, False
    job.epilogue = BP_ACTIVATE
    job.activation, job.kept = &layer.after_product, layer.product_slope
    multiply(&job, run, b_is_n_major=False)


cdef void dense_forward_samples(const Layer *layer, Run *run, const char *a_in, char *a_out,
                                int64_t ld) noexcept nogil:
    """The same for few samples, a row a sample [count][ld]: the vectors then hold outputs, and none stands empty.

    The bits are those of `dense_forward`: each sum has the same terms in the same order.
    """
    cdef bp_multiply job
    job.n_shards = 0
    job.m, job.n, job.k = run.count, layer.columns, layer.n_in + 1
    job.a, job.lda, job.a_is_k_major = a_in, ld, False
    job.b, job.ldb = layer.parameters, layer.ldw
    job.c, job.ldc, job.resume = a_out, ld, False
    job.epilogue = BP_ACTIVATE
    job.activation, job.kept = &layer.after_product, NULL
    multiply(&job, run, b_is_n_major=False)


cdef void dense_backward(const Layer *layer, Run *run) noexcept nogil:
    """From dz: the dz of the layer before, dz_in = (W dz) · f'(z_in); then the gradient, dW = a_in dzᵀ.

    In this order, because the gradient may be spent on W at once; and with a barrier between, because all
    threads read W. A frozen layer's gradient is worked out only where it is kept.
    """
    cdef bint with_gradient = not (layer.frozen and run.fuse_update)
    if with_gradient and not run.with_blas:
        transpose_dz(layer, run)
    if layer.da_in != NULL:
        backward_data(layer, run)
    meet(run)
    if with_gradient:
        backward_weights(layer, run)


cdef bint begin_backward(const Layer *layer, Run *run, bp_multiply *job) noexcept nogil:
    """The same for compact.pyx, up to the gradient's product, which is left in `job`; False where there is none."""
    cdef bint with_gradient = not (layer.frozen and run.fuse_update)
    if with_gradient and not run.with_blas:
        transpose_dz(layer, run)
    if layer.da_in != NULL:
        backward_data(layer, run)
    meet(run)
    set_weights_product(layer, run, job)
    return with_gradient


cdef void dense_step(const Layer *layer, Run *run) noexcept nogil:
    """The optimizer's step with the gradient that backward kept; each thread some rows."""
    cdef void *moments[BP_MOMENTS]
    cdef int64_t first, last, at
    cdef int i
    if layer.frozen or layer.is_orthogonal:  # whose step is an operation of its own
        return
    share(max(0, min(layer.trained_rows, layer.own_last) - layer.own_first), 1, run, &first, &last)
    first, last = first + layer.own_first, last + layer.own_first
    at = first * layer.ldw * run.itemsize
    for i in range(BP_MOMENTS):
        moments[i] = offset(layer.moments[i], at)
    run.kernels.update(step_of(layer, run), layer.gradient + at, layer.ldw, layer.parameters + at, moments,
                       layer.ldw, last - first, layer.n_in - first, layer.columns)


cdef void nothing(const Layer *layer, Run *run) noexcept nogil:
    """What an operation does that has no part in a run."""
    pass


cdef inline void transpose_dz(const Layer *layer, Run *run) noexcept nogil:
    """dz as the gradient's product wants it: a sample's outputs side by side."""
    cdef int64_t row, first, last, stop, portion, rows = round_up(layer.n_out, BP_ROW_MULTIPLE)
    share(run.columns, BP_ROW_MULTIPLE, run, &first, &last)
    portion = portion_of(last - first, rows)
    if layer.dz_is_shared:
        for row in range(layer.n_out, rows):
            memset(layer.dz + (row * run.ld + first) * run.itemsize, 0, (last - first) * run.itemsize)
    while first < last and not is_stopped(run):
        stop = min(last, first + portion)
        run.kernels.transpose(layer.dz, run.ld, rows, first, stop, layer.dz_transposed, layer.ldz)
        spend(run, rows * (stop - first))
        first = stop


cdef inline void backward_data(const Layer *layer, Run *run) noexcept nogil:
    """da_in = W dz, then times f'(z_in) of the layer before."""
    cdef bp_multiply job
    job.n_shards = 0
    job.m, job.n, job.k = layer.n_in, run.columns, layer.n_out
    job.a, job.lda, job.a_is_k_major = layer.parameters, layer.ldw, False
    job.b, job.ldb = layer.dz, run.ld
    job.c, job.ldc = layer.da_in, run.ld
    job.resume = layer.residual  # its share of da_in, which passed by the weights, stands there
    job.epilogue = BP_DERIVATIVE
    job.derivative, job.kept = layer.derivative_before, <void *>layer.kept_before
    multiply(&job, run, b_is_n_major=False)


cdef void backward_weights(const Layer *layer, Run *run) noexcept nogil:
    """dW = a_in dzᵀ, the sum over the samples; kept, or spent at once on the optimizer's step."""
    cdef bp_multiply job
    set_weights_product(layer, run, &job)
    multiply(&job, run, b_is_n_major=run.with_blas)


cdef inline void set_weights_product(const Layer *layer, Run *run, bp_multiply *job) noexcept nogil:
    """What backward_weights multiplies.

    Where a step takes several batches, those after the first add to what the first has left.
    """
    cdef int i
    job.m, job.n, job.k = layer.trained_rows, layer.columns, run.count
    job.a, job.lda, job.a_is_k_major = layer.a_in, run.ld, False
    job.n_shards, job.shards = 0, NULL
    if run.shards != NULL:
        job.n_shards, job.shards = run.shards.last - run.shards.first, run.shards.ends
    if run.with_blas:  # which transposes as it packs
        job.b, job.ldb = layer.dz, run.ld
    else:
        job.b, job.ldb = layer.dz_transposed, layer.ldz
    job.c, job.ldc, job.resume = layer.gradient, layer.ldw, run.part > 0
    job.epilogue = BP_UPDATE if run.fuse_update and not layer.is_orthogonal else BP_STORE
    job.step = step_of(layer, run)
    job.decayed = layer.n_in
    job.weights = layer.parameters
    for i in range(BP_MOMENTS):
        job.moments[i] = layer.moments[i]
    job.parameters_are_far = run.parameters_are_far
    job.lookahead = &run.lookahead


cdef void multiply(bp_multiply *job, Run *run, bint b_is_n_major) noexcept nogil:
    """This thread's share of a product; a long one in portions, after which thread 0 sees to Ctrl-C."""
    cdef int64_t units, first, last, stop, portion, work = job.m * job.n * job.k
    job.panel = run.scratch
    units = (job.m + BLAS_ROWS - 1) // BLAS_ROWS if run.with_blas else run.kernels.multiply_units(job)
    share(units, 1, run, &first, &last)
    if work <= POLL_WORK:  # a short product would feel the divisions below
        multiply_part(job, run, b_is_n_major, first, last)
        spend(run, work)
    else:
        work = max(1, work // max(1, units))
        portion = max(1, PORTION_WORK // work)
        while first < last and not is_stopped(run):
            stop = min(last, first + portion)
            multiply_part(job, run, b_is_n_major, first, stop)
            spend(run, work * (stop - first))
            first = stop
    spend(run, WORK_OF_A_CALL if run.n_threads == 1 else WORK_OF_A_BARRIER)


cdef void multiply_part(bp_multiply *job, Run *run, bint b_is_n_major, int64_t first, int64_t last) noexcept nogil:
    """Units [first, last)."""
    if run.with_blas:
        multiply_with_blas(job, run, b_is_n_major, first, last)
    elif first < last:
        run.kernels.multiply(job, first, last)


cdef void multiply_with_blas(const bp_multiply *job, const Run *run, bint b_is_n_major, int64_t first,
                             int64_t last) noexcept nogil:
    """The same product, BLAS_ROWS rows at a time, each block followed by its epilogue while it is in cache."""
    cdef int64_t unit, row, rows, itemsize = run.itemsize
    cdef int64_t a_step = itemsize if job.a_is_k_major else job.lda * itemsize
    cdef char *c
    for unit in range(first, last):
        row = unit * BLAS_ROWS
        rows = min(BLAS_ROWS, job.m - row)
        c = <char *>job.panel if job.epilogue == BP_UPDATE else <char *>job.c + row * job.ldc * itemsize
        blas.gemm(itemsize, job.a_is_k_major, b_is_n_major, rows, job.n, job.k, <const char *>job.a + row * a_step,
                  job.lda, job.b, job.ldb, job.resume, c, job.ldc)
        finish_rows(job, run, c, row, rows)


cdef void finish_rows(const bp_multiply *job, const Run *run, char *c, int64_t row, int64_t rows) noexcept nogil:
    """The epilogue on rows [row, row + rows), whose products stand in c."""
    cdef int64_t row_bytes = job.ldc * run.itemsize
    cdef void *moments[BP_MOMENTS]
    cdef int i
    if job.epilogue == BP_ACTIVATE:
        run.kernels.activate(job.activation, c, offset(job.kept, row * row_bytes), job.ldc, rows, job.n)
    elif job.epilogue == BP_DERIVATIVE:
        run.kernels.derivative(job.derivative, c, offset(job.kept, row * row_bytes), job.ldc, rows, job.n)
    elif job.epilogue == BP_UPDATE:
        for i in range(BP_MOMENTS):
            moments[i] = offset(job.moments[i], row * row_bytes)
        run.kernels.update(job.step, c, job.ldc, offset(job.weights, row * row_bytes), moments, job.ldc, rows,
                           job.decayed - row, job.n)


cdef inline void *offset(void *start, int64_t n_bytes) noexcept nogil:
    """NULL stays NULL: not every optimizer has all moments, nor every layer a slope that is kept."""
    return <char *>start + n_bytes if start != NULL else NULL


cdef void spend(Run *run, int64_t work) noexcept nogil:
    """Count work; thread 0 looks at the clock when enough of it is done."""
    run.until_poll -= work
    if run.until_poll <= 0 and run.thread == 0:
        poll(run)


cdef void poll(Run *run) noexcept nogil:
    """Look for Ctrl-C, seldom; what its handler raises is kept for the thread that called the core."""
    cdef Interrupt *interrupt = run.interrupt
    cdef double now = seconds()
    run.until_poll = POLL_WORK
    if now < interrupt.next_poll:
        return
    interrupt.next_poll = now + POLL_SECONDS
    with gil:
        try:
            PyErr_CheckSignals()
            if interrupt.progress != NULL:
                (<object>interrupt.progress)(interrupt.rows_done)
        except BaseException as raised:
            keep_raised(interrupt, raised)


cdef void keep_raised(Interrupt *interrupt, raised) noexcept:
    """For the thread that called the core; the first alone, which what follows may be due to."""
    if interrupt.raised == NULL:
        Py_INCREF(raised)
        interrupt.raised = <PyObject *>raised
        bp_raise(&interrupt.seen)


cdef int64_t scratch_bytes(const bp_kernels *kernels, const Layer *layer, bint with_blas) noexcept nogil:
    """What one thread needs beside it for any of the layer's products."""
    cdef int64_t n_bytes = BLAS_ROWS * layer.ldz * <int64_t>kernels.itemsize if with_blas else kernels.panel_bytes()
    return round_up(n_bytes, BP_ALIGNMENT)
