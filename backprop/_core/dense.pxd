"""A dense layer on one batch: what it is (Layer), what it is run with (Run), forward and backward."""
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from backprop._core.kernels cimport (
    BP_MOMENTS, barrier, bp_activation, bp_is_raised, bp_kernels, bp_lookahead, bp_progress, bp_step, bp_team,
)


cdef struct Layer:
    int index               # from 0
    double dropout          # share of its outputs that a training step drops
    double input_dropout    # of the network's inputs, in the first layer
    double max_norm         # of a unit's weights after a step; INFINITY: any
    int64_t n_in
    int64_t n_out
    int64_t columns         # n_out, rounded up to whole vectors
    int64_t ldw             # elements from one row of parameters to the next
    bp_activation activation
    char *parameters        # [n_in + 1][ldw]: the weights, then the bias
    char *moments[BP_MOMENTS]  # each [n_in + 1][ldw], or NULL
    char *gradient          # [n_in + 1][ldw], or NULL where the update is fused
    char *average           # [n_in + 1][ldw], of the parameters, or NULL where none is kept
    char *a_in              # [n_in + 1][ld], the last row 1
    char *a_out             # [n_out + 1][ld]: the a_in of the next layer
    char *slope             # [n_out][ld], f'(z), where it is kept; or NULL
    char *dz                # [n_out rounded up to BP_ROW_MULTIPLE][ld], the rows beyond n_out 0
    char *dz_transposed     # [batch][ldw], the columns beyond n_out 0; not with BLAS
    bint dz_is_shared       # with layers that may leave something else than 0 in the rows beyond n_out
    char *da_in             # [n_in][ld]: the dz of the layer before, or NULL where nobody asks for it
    int derivative          # f': the code of the activation, or that of a slope that is kept
    int derivative_before   # of the layer before; that of the identity where there is none
    const char *kept_before  # what it is worked out from


# Shared by the team, written by thread 0.
cdef struct Interrupt:
    int seen                # Ctrl-C; raised and looked at by bp_raise and bp_is_raised
    PyObject *raised        # what its handler raised: a reference that the caller of the core takes over
    double next_poll        # when to look again
    int64_t rows_done       # of all that this call was asked for
    PyObject *progress      # NULL, or called with rows_done at every look


# Every thread has a copy.
cdef struct Run:
    const bp_kernels *kernels
    int64_t itemsize
    int64_t ld              # elements from one feature of a batch to the next
    int64_t count           # samples of this batch
    int64_t columns         # count, rounded up to whole vectors
    bp_team *team
    int thread
    int n_threads
    bint with_blas
    bint fuse_update
    bint parameters_are_far  # with the moments more than the caches hold
    bint must_finish        # what is begun: Ctrl-C is kept for the end of the step
    int64_t part            # of a step that takes several batches, counted from 0
    double part_weight      # Σ of the sample weights of its parts so far
    int64_t n_averaged      # weights that the averages hold
    uint64_t seed           # of the network
    bp_progress progress    # of the optimizer, counted by every thread alike
    bp_step step            # the constants of this step
    bp_lookahead lookahead  # this thread's part of the next batch
    char *scratch           # of this thread
    int64_t until_poll      # multiply-adds until thread 0 looks at the clock
    Interrupt *interrupt


# One operation of the chain that a network is, done by all threads, each its share.
ctypedef void (*Work)(const Layer *layer, Run *run) noexcept nogil

cdef struct Operation:
    Work forward
    Work backward
    int layer               # of which it is a part


# Multiply-adds between two looks at the clock.
cdef int64_t POLL_WORK

cdef int64_t scratch_bytes(const bp_kernels *kernels, const Layer *layer, bint with_blas) noexcept nogil
cdef Operation dense(int layer) noexcept
cdef void dense_forward(const Layer *layer, Run *run) noexcept nogil
cdef void dense_forward_samples(const Layer *layer, Run *run, const char *a_in, char *a_out,
                                int64_t ld) noexcept nogil
cdef void dense_backward(const Layer *layer, Run *run) noexcept nogil
cdef void spend(Run *run, int64_t work) noexcept nogil
cdef int64_t portion_of(int64_t work) noexcept nogil


# What follows is in line, because a step of a small network is shorter than all these calls would be.

cdef inline const char *kept_of(const Layer *layer) noexcept nogil:
    """What f' is worked out from: f'(z) itself where it is kept, else a."""
    return layer.slope if layer.slope != NULL else layer.a_out


cdef inline void meet(const Run *run) noexcept nogil:
    """A barrier for the threads of a run."""
    if run.n_threads > 1:
        barrier(run.team)


cdef inline bint is_stopped(const Run *run) noexcept nogil:
    """Whether to leave the rest of what is being done."""
    return not run.must_finish and bp_is_raised(&run.interrupt.seen)


cdef inline void share(int64_t total, int64_t multiple, const Run *run, int64_t *first, int64_t *last) noexcept nogil:
    """This thread's part [first, last) of `total`, cut at multiples of `multiple`."""
    cdef int64_t pieces
    if run.n_threads == 1:
        first[0], last[0] = 0, total
        return
    pieces = (total + multiple - 1) // multiple
    first[0] = min(total, pieces * run.thread // run.n_threads * multiple)
    last[0] = min(total, pieces * (run.thread + 1) // run.n_threads * multiple)
