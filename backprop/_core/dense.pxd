"""A dense layer on one batch: what it is (Layer), what it is run with (Run), forward and backward."""
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from backprop._core.kernels cimport (
    BP_MOMENTS, BP_ROW_MULTIPLE, barrier, bp_activation, bp_is_raised, bp_kernels, bp_lookahead, bp_multiply,
    bp_progress, bp_step, bp_team,
)


cdef struct Norm:           # of pre-activations
    bint is_there
    bint is_over_samples    # batch normalisation, else layer normalisation
    double epsilon
    double running_rate     # how much of a batch's statistics goes into those that predictions use
    bp_activation activation  # f, or nothing where an operation that learns follows


cdef struct Layer:
    int index               # from 0
    int64_t n_in
    int64_t n_out
    int64_t columns         # n_out, rounded up to whole vectors
    int64_t ldw             # elements from one row of parameters to the next
    int64_t trained_rows    # of the product's parameters: n_in + 1, or n_in where there is no bias
    int64_t rows            # of parameters in all: n_in + 1, and those of the operations beside the product
    int64_t own_first       # rows [own_first, own_last) make their steps in this process, all but where ranks share
    int64_t own_last
    bp_activation activation
    double dropout          # share of its outputs that a training step drops
    double input_dropout    # of the network's inputs, in the first layer
    double noise            # deviation of what a training step adds to its outputs
    double max_norm         # of a unit's weights after a step; INFINITY: any
    bint residual           # its inputs are added to its outputs
    Norm norm
    bint learns             # its activation has a parameter that each unit trains
    bint keeps              # f'(z), or the z of an activation that learns
    bint is_apart           # operations of its own take da to dz, not the product of the layer after it
    int own_derivative      # f': the code of the activation, or that of a slope that is kept
    bp_activation after_product  # what the product's epilogue applies: f, or nothing where an operation follows
    char *parameters        # [rows][ldw]: the weights, the bias, then what the operations learn, what they gather
    char *moments[BP_MOMENTS]  # each [rows][ldw], or NULL
    char *gradient          # [rows][ldw], or NULL where the update is fused
    char *average           # [rows][ldw], of the parameters, or NULL where none is kept
    char *beside_gradient   # [rows - n_in - 1][ldw]: of what the operations learn, of this batch
    char *a_in              # [n_in + 1][ld], the last row 1
    char *a_out             # [n_out + 1][ld]: the a_in of the next layer
    char *slope             # [n_out][ld], what it `keeps`, or NULL
    char *product_slope     # the same where the product writes it, else NULL
    char *normalised        # [n_out][ld]: n of a norm in training, or NULL
    char *batch_mean        # [ldw], of such a norm over the samples
    char *batch_variance    # [ldw]
    char *inverse_deviations  # [ld], of one over the features
    char *dz                # [n_out rounded up to BP_ROW_MULTIPLE][ld], the rows beyond n_out 0
    char *dz_transposed     # [batch][ldz], the columns beyond n_out 0; not with BLAS
    bint dz_is_shared       # with layers that may leave something else than 0 in the rows beyond n_out
    char *da_in             # [n_in][ld]: the dz of the layer before, or NULL where nobody asks for it
    int derivative          # what takes the next layer's da_in to this one's dz: f', or the identity where it is apart
    int derivative_before   # of the layer before; that of the identity where there is none
    const char *kept_before  # what it is worked out from
    bint is_orthogonal      # its weights make Muon's steps, of a gradient that is kept
    bint frozen             # training leaves its parameters as they are
    double rate_factor      # of the learning rate
    int64_t ldz             # elements from one row of dz_transposed to the next
    bint is_compact         # ldw is n_out: see compact.pyx; else it is ldz, whole vectors


# Shared by the team, written by thread 0.
cdef struct Interrupt:
    int seen                # Ctrl-C, or another exception; raised and looked at by bp_raise and bp_is_raised
    PyObject *raised        # by its handler or a loss of the user's: a reference that the core's caller takes over
    double next_poll        # when to look again
    int64_t rows_done       # of all that this call was asked for
    PyObject *progress      # NULL, or called with rows_done at every look


# What Muon's steps need beside a gradient: see muon.pyx. Shared by the team, and not written while it runs.
cdef struct Muon:
    int sgd                 # codes of the rows that make its assignments
    int nesterov
    double momentum
    double rest_factor      # of the rate, for what makes another step
    double weight_decay
    char *room              # shared by the threads; or NULL: no layer makes such steps


# What a batch falls into, whose gradients are summed by themselves: see shards.pyx. Written by thread 0.
cdef struct Shards:
    int count               # S, in all
    int first               # shards [first, last) are this process's
    int last
    int64_t n_rows          # of all shards
    int64_t rows_before     # of them, those before the first that this process has
    int64_t *drawn          # the rows of each own shard, in the order of this epoch; one shard behind another
    int64_t *ends           # [last - first]: of this batch, where each own shard's samples end
    int64_t place           # in the whole batch, of the first own sample


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
    bint fuse_update        # each gradient is spent as soon as it is worked out
    bint trains             # epochs: each batch makes a step, or a part of one
    bint parameters_are_far  # with the moments more than the caches hold
    Shards *shards          # or NULL: a batch is one sum
    bint must_finish        # what is begun: Ctrl-C is kept for the end of the step
    int64_t part            # of a step that takes several batches, counted from 0
    double part_weight      # Σ of the sample weights of its parts so far
    int64_t n_averaged      # weights that the averages hold
    uint64_t seed           # of the network
    bp_progress progress    # of the optimizer, counted by every thread alike
    int64_t drawn_at        # the count of steps by which forward draws, and backward draws again
    bp_step step            # the constants of this step
    bp_step *own_steps      # [n_layers] of each layer, where some have a rate of their own; or NULL
    bp_lookahead lookahead  # this thread's part of the next batch
    char *scratch           # of this thread
    int64_t until_poll      # multiply-adds until thread 0 looks at the clock
    Interrupt *interrupt
    const Muon *muon
    double muon_rate        # of this step
    double muon_l2          # of this step: λ over the sum of the sample weights


# One operation of the chain that a network is, done by all threads, each its share.
ctypedef void (*Work)(const Layer *layer, Run *run) noexcept nogil

cdef enum Part:
    PRODUCT
    NORM
    OTHER

cdef struct Operation:
    Work forward
    Work backward
    Work step               # of the optimizer, with gradients that backward has kept
    int layer               # of which it is a part
    Part part
    bint applies_f          # the layer's activation, in the same pass
    bint ends_layer

cdef inline Operation operation(Work forward, Work backward, Work step, int layer) noexcept:
    """Of a layer; what else it is, it is told where it is linked into the chain."""
    cdef Operation made
    made.forward, made.backward, made.step, made.layer = forward, backward, step, layer
    made.part, made.applies_f, made.ends_layer = OTHER, False, False
    return made


cdef enum:
    POLL_WORK = 20_000_000  # multiply-adds between two looks at the clock: well under a millisecond

cdef int64_t scratch_bytes(const bp_kernels *kernels, const Layer *layer, bint with_blas) noexcept nogil
cdef Operation dense(int layer) noexcept
cdef void dense_forward(const Layer *layer, Run *run) noexcept nogil
cdef void dense_forward_samples(const Layer *layer, Run *run, const char *a_in, char *a_out,
                                int64_t ld) noexcept nogil
cdef void nothing(const Layer *layer, Run *run) noexcept nogil
cdef void dense_backward(const Layer *layer, Run *run) noexcept nogil
cdef bint begin_backward(const Layer *layer, Run *run, bp_multiply *job) noexcept nogil
cdef void multiply(bp_multiply *job, Run *run, bint b_is_n_major) noexcept nogil
cdef void spend(Run *run, int64_t work) noexcept nogil
cdef void keep_raised(Interrupt *interrupt, raised) noexcept


# What follows is in line, because a step of a small network is shorter than all these calls would be.

cdef inline const char *kept_of(const Layer *layer) noexcept nogil:
    """What f' is worked out from: f'(z) itself where it is kept, else a."""
    return layer.slope if layer.slope != NULL else layer.a_out


cdef inline int64_t portion_of(int64_t columns, int64_t work) noexcept nogil:
    """How many columns of so much work each go between two looks for Ctrl-C; whole vectors, or all of them."""
    if columns * work <= POLL_WORK:  # without the division below
        return columns
    return max(1, POLL_WORK // BP_ROW_MULTIPLE // work) * BP_ROW_MULTIPLE


cdef inline char *row_of(char *block, const Layer *layer, int64_t row, int64_t itemsize) noexcept nogil:
    """A row of a block shaped like the layer's parameters."""
    return block + row * layer.ldw * itemsize


cdef inline int64_t place_of(const Run *run) noexcept nogil:
    """In the whole batch, of this process's first sample: what is drawn belongs to a place in it."""
    return 0 if run.shards == NULL else run.shards.place


cdef inline const bp_step *step_of(const Layer *layer, const Run *run) noexcept nogil:
    """The constants of this step for a layer."""
    return &run.step if run.own_steps == NULL else run.own_steps + layer.index


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
