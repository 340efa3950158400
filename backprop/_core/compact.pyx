"""The product of a layer whose rows of parameters lie one behind another, without padding.

(a) With a million inputs and one output, rows that are padded to whole vectors are sixteen times as large as they
    need be. So where a large last layer has few outputs, parameters, moments, gradient and average are [rows][n_out].
(b) Products read such a block as it is: whole vectors reach into the rows behind, of which nobody keeps what comes
    out; behind the last row there is room. Writing is another matter, because a row behind may be another thread's.
(c) So the gradient is worked out PANEL_ROWS rows at a time in a padded panel, and moves together there. It is then one
    row of numbers, as the parameters are, whose step is made by the kernel that all others have. What is left of the
    last vector passes through room of its own.

The bits are those of padded rows: a sum has the same terms in the same order, a step knows no neighbours.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from backprop._core cimport blas
from backprop._core.dense cimport (
    Layer, Operation, Run, begin_backward, dense_forward, is_stopped, operation, share, spend, step_of,
)
from backprop._core.kernels cimport BP_ALIGNMENT, BP_MOMENTS, BP_STORE, BP_UPDATE, bp_epilogue, bp_multiply, round_up

cdef enum:
    PANEL_ROWS = 128    # BLAS_ROWS of dense.pyx; and whole vectors of numbers, however few a row has
    VECTOR_BYTES = 64   # of the widest vector


cdef Operation compact(int layer) noexcept:
    """The operation: a product with its activation."""
    return operation(dense_forward, compact_backward, compact_step, layer)


cdef void compact_backward(const Layer *layer, Run *run) noexcept nogil:
    """As dense_backward; but dW = a_in dzᵀ panel by panel."""
    cdef bp_multiply job
    cdef char *panel = run.scratch
    cdef int64_t first, last, row
    if not begin_backward(layer, run, &job):
        return
    cdef bp_epilogue epilogue = job.epilogue
    cdef const char *a_in = <const char *>job.a
    job.epilogue, job.c, job.ldc = BP_STORE, panel, layer.ldz
    job.panel = panel + panel_bytes(layer, run.itemsize)
    share(layer.trained_rows, PANEL_ROWS, run, &first, &last)
    for row from first <= row < last by PANEL_ROWS:
        if is_stopped(run):
            return
        job.m = min(PANEL_ROWS, last - row)
        job.a = a_in + row * job.lda * run.itemsize
        if job.resume:
            move_apart(layer, run, layer.gradient + row * layer.n_out * run.itemsize, panel, job.m)
        if run.with_blas:
            blas.gemm(run.itemsize, False, True, job.m, job.n, job.k, job.a, job.lda, job.b, job.ldb, job.resume, panel,
                      job.ldc)
        else:
            run.kernels.multiply(&job, 0, run.kernels.multiply_units(&job))
        move_together(layer, run, panel, job.m)
        if epilogue == BP_UPDATE:
            step_rows(layer, run, panel, row, row + job.m)
        else:
            memcpy(layer.gradient + row * layer.n_out * run.itemsize, panel, job.m * layer.n_out * run.itemsize)
        spend(run, job.m * job.n * job.k)


cdef void move_together(const Layer *layer, const Run *run, char *panel, int64_t rows) noexcept nogil:
    """From [rows][ldz] to [rows][n_out], in place."""
    if run.itemsize == sizeof(float):
        copy_rows(<const float *>panel, layer.ldz, <float *>panel, layer.n_out, rows, layer.n_out)
    else:
        copy_rows(<const double *>panel, layer.ldz, <double *>panel, layer.n_out, rows, layer.n_out)


cdef void move_apart(const Layer *layer, const Run *run, const char *values, char *panel, int64_t rows) noexcept nogil:
    """From [rows][n_out] to [rows][ldz]."""
    if run.itemsize == sizeof(float):
        copy_rows(<const float *>values, layer.n_out, <float *>panel, layer.ldz, rows, layer.n_out)
    else:
        copy_rows(<const double *>values, layer.n_out, <double *>panel, layer.ldz, rows, layer.n_out)


ctypedef fused real:
    float
    double


cdef void copy_rows(const real *values, int64_t ldv, real *out, int64_t ldo, int64_t rows,
                    int64_t columns) noexcept nogil:
    """In ascending order: `out` may be `values`, with shorter rows."""
    cdef int64_t row, column
    for row in range(rows):
        for column in range(columns):
            out[row * ldo + column] = values[row * ldv + column]


cdef void compact_step(const Layer *layer, Run *run) noexcept nogil:
    """The optimizer's step with the gradient that backward kept; each thread some rows."""
    cdef int64_t first, last
    if layer.frozen:
        return
    share(max(0, min(layer.trained_rows, layer.own_last) - layer.own_first), 1, run, &first, &last)
    first, last = first + layer.own_first, last + layer.own_first
    step_rows(layer, run, layer.gradient + first * layer.n_out * run.itemsize, first, last)


cdef void step_rows(const Layer *layer, Run *run, const char *gradient, int64_t first, int64_t last) noexcept nogil:
    """Of rows [first, last), whose gradient is [last - first][n_out]; the bias, which is the last, does not decay."""
    cdef int64_t weights = max(0, min(last, layer.n_in) - first) * layer.n_out
    cdef int64_t biases = (last - first) * layer.n_out - weights
    step_numbers(layer, run, gradient, first * layer.n_out, weights, True)
    step_numbers(layer, run, gradient + weights * run.itemsize, first * layer.n_out + weights, biases, False)


cdef void step_numbers(const Layer *layer, Run *run, const char *gradient, int64_t start, int64_t count,
                       bint decays) noexcept nogil:
    """Of the numbers [start, start + count) of the layer's, and of no other."""
    cdef char[(2 + BP_MOMENTS) * VECTOR_BYTES] room
    cdef void *moments[BP_MOMENTS]
    cdef void *ends[BP_MOMENTS]
    cdef int64_t whole = count // run.kernels.lanes * run.kernels.lanes, done = whole * run.itemsize
    cdef int64_t rest = (count - whole) * run.itemsize
    cdef char *weights = layer.parameters + start * run.itemsize
    cdef int i
    for i in range(BP_MOMENTS):
        moments[i] = ends[i] = NULL
        if layer.moments[i] != NULL:
            moments[i], ends[i] = layer.moments[i] + start * run.itemsize, room + (2 + i) * VECTOR_BYTES
    run.kernels.update(step_of(layer, run), gradient, 0, weights, moments, 0, 1, decays, whole)
    if rest == 0:
        return
    memset(room, 0, sizeof(room))
    memcpy(room, gradient + done, rest)
    memcpy(room + VECTOR_BYTES, weights + done, rest)
    for i in range(BP_MOMENTS):
        if moments[i] != NULL:
            memcpy(ends[i], <char *>moments[i] + done, rest)
    run.kernels.update(step_of(layer, run), room, 0, room + VECTOR_BYTES, ends, 0, 1, decays, run.kernels.lanes)
    memcpy(weights + done, room + VECTOR_BYTES, rest)
    for i in range(BP_MOMENTS):
        if moments[i] != NULL:
            memcpy(<char *>moments[i] + done, ends[i], rest)


cdef int64_t panel_bytes(const Layer *layer, int64_t itemsize) noexcept nogil:
    """That a thread needs for such a layer, before what any product needs; none for others."""
    return round_up(PANEL_ROWS * layer.ldz * itemsize, BP_ALIGNMENT) if layer.is_compact else 0
