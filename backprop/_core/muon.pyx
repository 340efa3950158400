"""Muon: a step of a weight matrix along its momentum, made orthogonal by Newton and Schulz's iteration.

(a) Every assignment is one of the optimizers' kernels: momentum is Nesterov's, into zeros; sums of two matrices, and
    the step itself, are plain descent along one of them. The products are the layers' own. So the bits depend on no
    thread.
(b) The iteration works on X with no fewer rows than columns, the transpose where the matrix is wide: then XᵀX is the
    smaller of the two and X serves as both operands as it lies.
(c) The columns of the padding are 0, and stay it.
"""
from libc.math cimport sqrt
from libc.stdint cimport int64_t
from libc.string cimport memset

from backprop._core.dense cimport Layer, Operation, Run, meet, multiply, nothing, operation, share, step_of
from backprop._core.kernels cimport (
    BP_ALIGNMENT, BP_MOMENTS, BP_ROW_MULTIPLE, BP_STORE, bp_multiply, bp_optimizer, bp_progress, bp_step, round_up,
)

# X ← a X + X (b A + c A²), A = XᵀX, five times (Jordan et al. 2024).
cdef enum:
    ITERATIONS = 5
cdef double A = 3.4445
cdef double B = -4.7750
cdef double C = 2.0315
cdef double LEAST_NORM = 1e-7  # that x is divided by


cdef struct Room:           # for one layer, in turns
    int64_t rows            # of x
    int64_t columns
    int64_t width           # columns, in whole vectors
    int64_t ld
    bint is_wide            # x is the transpose
    char *u                 # [n_in][ldw]: the direction
    char *x                 # [rows][ld]
    char *y                 # [rows][ld]
    char *gram              # [columns][ld]
    char *square            # [columns][ld]


cdef Operation orthogonalize(int layer) noexcept:
    """The operation: nothing on the way forward; on the way back, behind the gradient, the step."""
    return operation(nothing, backward, step_alone, layer)


cdef void backward(const Layer *layer, Run *run) noexcept nogil:
    if run.fuse_update and not layer.frozen:
        meet(run)  # for all rows of the gradient
        orthogonal_step(layer, run)


cdef void step_alone(const Layer *layer, Run *run) noexcept nogil:
    if not layer.frozen:
        orthogonal_step(layer, run)
        meet(run)  # before the next layer takes its room


cdef int64_t room_bytes(const Layer *layer, int64_t itemsize) noexcept nogil:
    cdef Room room
    return lay_out(layer, itemsize, NULL, &room)


cdef int64_t lay_out(const Layer *layer, int64_t itemsize, char *base, Room *room) noexcept nogil:
    """Places from `base` on; returns the bytes needed."""
    cdef int64_t used = 0
    room.is_wide = layer.n_in < layer.n_out
    room.rows, room.columns = max(layer.n_in, layer.n_out), min(layer.n_in, layer.n_out)
    room.width = round_up(room.columns, BP_ROW_MULTIPLE)
    room.ld = room.width if room.is_wide else layer.ldw
    room.u = take(base, layer.n_in * layer.ldw * itemsize, &used)
    room.x = take(base, room.rows * room.ld * itemsize, &used)
    room.y = take(base, room.rows * room.ld * itemsize, &used)
    room.gram = take(base, room.columns * room.ld * itemsize, &used)
    room.square = take(base, room.columns * room.ld * itemsize, &used)
    return used


cdef char *take(char *base, int64_t n_bytes, int64_t *used) noexcept nogil:
    cdef int64_t start = used[0]
    used[0] = round_up(start + n_bytes, BP_ALIGNMENT)
    return base + start


cdef void orthogonal_step(const Layer *layer, Run *run) noexcept nogil:
    """Of the weights, and the usual one of the bias, from the gradient that is kept."""
    cdef Room room
    cdef double rate = run.muon_rate * layer.rate_factor
    cdef double stretched = rate * sqrt(max(1.0, <double>layer.n_out / <double>layer.n_in))
    lay_out(layer, run.itemsize, run.muon.room, &room)
    if layer.trained_rows > layer.n_in and run.thread == run.n_threads - 1:
        step_bias(layer, run)
    follow_momentum(layer, run, room.u)
    meet(run)
    normalize(layer, run, &room)
    iterate(run, &room)
    if room.is_wide:
        transpose(run, room.x, room.ld, room.rows, room.columns, room.u, layer.ldw)
        meet(run)
    # w ← w − rate δ w, then w ← w − stretched u
    descend(run, layer.parameters, room.u if room.is_wide else room.x, layer.ldw, layer.n_in, layer.columns, stretched,
            rate * run.muon.weight_decay)


cdef void step_bias(const Layer *layer, Run *run) noexcept nogil:
    cdef void *moments[BP_MOMENTS]
    cdef int64_t at = layer.n_in * layer.ldw * run.itemsize
    cdef int i
    for i in range(BP_MOMENTS):
        moments[i] = layer.moments[i] + at if layer.moments[i] != NULL else NULL
    run.kernels.update(step_of(layer, run), layer.gradient + at, layer.ldw, layer.parameters + at, moments, layer.ldw,
                       1, 0, layer.columns)


cdef void follow_momentum(const Layer *layer, Run *run, char *u) noexcept nogil:
    """m ← μ m + (1 − μ) g, u = μ m + (1 − μ) g, in this thread's rows; g with the penalty."""
    cdef bp_step step
    cdef void *moments[BP_MOMENTS]
    cdef int64_t first, last, at
    cdef int i
    share(layer.n_in, 1, run, &first, &last)
    at = first * layer.ldw * run.itemsize
    if run.muon_l2 != 0:
        descend(run, layer.gradient, layer.parameters, layer.ldw, layer.n_in, layer.columns, -run.muon_l2, 0)
    for i in range(BP_MOMENTS):
        moments[i] = NULL
    moments[0] = layer.moments[0] + at
    memset(u + at, 0, (last - first) * layer.ldw * run.itemsize)
    begin(run, run.muon.nesterov, run.muon.momentum - 1, 0, run.muon.momentum, &step)
    run.kernels.update(&step, layer.gradient + at, layer.ldw, u + at, moments, layer.ldw, last - first, 0,
                       layer.columns)


cdef void normalize(const Layer *layer, Run *run, Room *room) noexcept nogil:
    """x = u / |u|, or its transpose; every thread works out the norm for itself."""
    cdef double norm = sqrt(run.kernels.sum_of_squares(room.u, layer.ldw, layer.n_in, layer.n_out))
    cdef const char *u = room.u
    cdef int64_t first, last
    if room.is_wide:
        transpose(run, room.u, layer.ldw, layer.n_in, layer.n_out, room.y, room.ld)
        meet(run)
        u = room.y
    share(room.rows, 1, run, &first, &last)
    memset(room.x + first * room.ld * run.itemsize, 0, (last - first) * room.ld * run.itemsize)
    descend(run, room.x, u, room.ld, room.rows, room.width, -1 / max(norm, LEAST_NORM), 0)
    meet(run)


cdef void iterate(Run *run, Room *room) noexcept nogil:
    cdef int _i
    for _i in range(ITERATIONS):
        product(run, room, room.gram, room.columns, room.x, True, room.x, room.rows)
        meet(run)
        product(run, room, room.square, room.columns, room.gram, False, room.gram, room.columns)
        meet(run)
        descend(run, room.gram, room.square, room.ld, room.columns, room.width, -C, 1 - B)
        meet(run)
        product(run, room, room.y, room.rows, room.x, False, room.gram, room.columns)
        meet(run)
        descend(run, room.x, room.y, room.ld, room.rows, room.width, -1, 1 - A)
        meet(run)


cdef void product(Run *run, const Room *room, char *out, int64_t m, const char *a, bint a_is_k_major, const char *b,
                  int64_t k) noexcept nogil:
    """out [m][ld] = a b, or aᵀ b where a is k-major; this thread's share."""
    cdef bp_multiply job
    job.n_shards = 0
    job.m, job.n, job.k = m, room.width, k
    job.a, job.lda, job.a_is_k_major = a, room.ld, a_is_k_major
    job.b, job.ldb = b, room.ld
    job.c, job.ldc, job.resume = out, room.ld, False
    job.epilogue, job.step, job.lookahead = BP_STORE, NULL, NULL
    job.parameters_are_far = False
    multiply(&job, run, False)


cdef void descend(Run *run, char *w, const char *g, int64_t ld, int64_t rows, int64_t columns, double rate,
                  double shrinkage) noexcept nogil:
    """w ← w − shrinkage w − rate g, in this thread's rows; nothing where the rate is 0."""
    cdef bp_step step
    cdef void *moments[BP_MOMENTS]
    cdef int64_t first, last, at
    cdef int i
    for i in range(BP_MOMENTS):
        moments[i] = NULL
    share(rows, 1, run, &first, &last)
    at = first * ld * run.itemsize
    begin(run, run.muon.sgd, rate, shrinkage / rate if rate != 0 else 0, 0, &step)
    run.kernels.update(&step, g + at, ld, w + at, moments, ld, last - first, last - first, columns)


cdef void begin(Run *run, int code, double rate, double weight_decay, double momentum, bp_step *step) noexcept nogil:
    """The constants of one of the assignments."""
    cdef bp_optimizer optimizer
    cdef bp_progress progress = run.progress
    memset(&optimizer, 0, sizeof(optimizer))
    optimizer.code, optimizer.learning_rate, optimizer.weight_decay = code, rate, weight_decay
    optimizer.settings[0] = momentum
    run.kernels.begin_step(&optimizer, 1, &progress, step)


cdef void transpose(Run *run, const char *values, int64_t ld, int64_t rows, int64_t columns, char *out,
                    int64_t ld_out) noexcept nogil:
    """out [columns][ld_out] = values [rows][ld]ᵀ; this thread's columns."""
    cdef int64_t first, last
    share(columns, BP_ROW_MULTIPLE, run, &first, &last)
    memset(out + first * ld_out * run.itemsize, 0, (last - first) * ld_out * run.itemsize)
    run.kernels.transpose(values, ld, rows, first, last, out, ld_out)
