"""What a team of threads is given to run (Steps), and one step of it."""
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from backprop._core.dense cimport Interrupt, Layer, Operation, Run
from backprop._core.kernels cimport bp_activation, bp_kernels, bp_loss, bp_optimizer, bp_source, bp_step, bp_team
from backprop._core.plan cimport Buffers


cdef struct Rows:               # the user's arrays, and how they are read
    bp_source x
    bp_source y
    bp_source weights           # of the samples
    bint has_targets
    bint y_is_labels
    bint weighted
    int64_t count
    int64_t batch_size
    int64_t *order              # [count], or NULL: as they lie
    const double *offset        # [n_in], or NULL
    const double *scale         # [n_in], or NULL


cdef struct Training:           # how whole epochs are gone through
    bp_optimizer optimizer
    int64_t steps               # that the optimizer has done
    const double *rates         # NULL, or the learning rate of each step of this run
    int64_t first_step          # how many the optimizer had done before it
    bint shuffled               # a new order each epoch; else `order` as it was given
    uint64_t seed
    int64_t first_epoch
    int64_t n_epochs
    double *epoch_losses        # [n_epochs]
    double *epoch_seconds       # [n_epochs]
    double clip_norm            # of all gradients; INFINITY: none, as of the next
    double clip_value           # of each gradient
    double *sums                # room for the parts of the norm: see updates.pyx
    int64_t parts               # batches whose gradients make a step
    bint keeps_gradients        # for any of these; else each is spent as soon as it is worked out
    bint limits_norms           # some layer's weights have a max_norm
    bint averages_steps         # the weights after each step are averaged
    bint averages_epochs        # those at the end of each epoch are, from this one on:
    int64_t first_averaged
    double average_rest         # the share of each after the first; 0: that of a mean
    int64_t n_averaged
    const double *penalty       # NULL, or λ: the epoch's loss is then the batches' mean cost, see add_cost
    int64_t epochs_done
    int64_t first_row           # of an epoch: where each begins, a whole number of steps; 0 but for a piece of one
    int64_t last_row            # and ends; all rows but for a piece
    double *begun               # of a piece: Σ loss, Σ weight and seconds of the epoch before and with it; else NULL


cdef struct Outcome:            # of a run so far, for all its threads
    bint stopped                # by Ctrl-C: see end_step
    int not_finite              # raised by the thread that meets such an x, or y
    int weights_not_finite      # raised by the thread that meets such a parameter when all epochs are done
    bint diverged               # a batch's cost is not finite: see add_cost
    bint ended                  # see end_epoch
    double total_loss
    double total_weight
    double batch_weight         # of all ranks' samples


cdef struct Kept:               # by `inspect`, of one layer; arrays are [n_rows][n_out]
    bp_activation activation
    char *z
    char *n                     # these two of a norm, or NULL
    char *y                     # what f is applied to
    char *a
    char *slope
    char *noise                 # or NULL where none is added
    char *mask                  # or NULL where nothing is dropped
    char *out                   # what the layer hands on, or NULL where that is a
    char *da                    # of what the layer hands on
    char *dy                    # of a norm, or NULL
    char *dz


cdef struct Inspection:         # what `inspect` keeps
    Kept *layers                # [n_layers]
    char *x                     # [n_rows][n_in], before any of it is dropped
    char *mask                  # of the same shape, or NULL
    char *losses                # [n_rows], each times its sample's weight


cdef struct Ranked:             # among the processes that train this network: see ranks.pyx
    PyObject *exchange          # what reaches the others; NULL: there are none
    int rank
    int size
    int own_shards              # of each rank
    int64_t first               # this rank's slice [first, last) of all gradients
    int64_t last
    char *gradient              # of all layers, one behind another
    char *received              # [size][last - first]: the slice, as each rank has summed it
    bint splits                 # each rank steps its slice of the parameters, which then go to all
    bint stops                  # all ranks stop before this step: one of them has said so
    bint failed                 # what was to be exchanged has not come


cdef struct Steps:              # what a team is given
    Rows rows
    Buffers buffers             # the plan's, with the three that follow
    Layer *layers               # [n_layers]
    int n_layers
    Operation *chain            # [n_operations]
    int n_operations
    int first_operation         # at which training's way back ends: see stop_at_frozen
    bp_step *own_steps          # [n_threads][n_layers], or NULL: see Run
    bp_loss loss
    PyObject *own_loss          # NULL, or an OwnLoss
    Run run                     # of which each thread takes a copy
    Interrupt *interrupt
    Training training
    Ranked ranked
    Outcome outcome
    char *out                   # of inference: [n_rows][n_out], or NULL
    bint linked                 # whether what goes there is what `predict` returns, else the last layer's outputs
    Inspection inspection


cdef void own_run(Steps *s, bp_team *team, int thread, Run *run) noexcept nogil
cdef void set_count(Steps *s, Run *run, int64_t start) noexcept nogil
cdef double batch_weight(Steps *s, Run *run) noexcept nogil
cdef void gather(Steps *s, Run *run, int64_t start) noexcept nogil
cdef void check_inputs(Steps *s, Run *run) noexcept nogil
cdef void check_targets(Steps *s, Run *run) noexcept nogil
cdef void forward(Steps *s, Run *run) noexcept nogil
cdef void forward_samples(Steps *s, Run *run) noexcept nogil
cdef void loss(Steps *s, Run *run, int64_t start, double scale) noexcept nogil
cdef void output_derivative(const Layer *layer, const Run *run, int64_t first, int64_t last) noexcept nogil
cdef void backward(Steps *s, Run *run) noexcept nogil
cdef void next_step(Steps *s, Run *run, double scale) noexcept nogil
cdef void end_step(Steps *s, Run *run) noexcept nogil
cdef int stop_at_frozen(Steps *s) noexcept
cdef void go_on_below(Steps *s, int first) noexcept
cdef void train_epochs(void *argument, bp_team *team, int thread) noexcept nogil
cdef double sum_of_squares(const bp_kernels *kernels, const Layer *layers, int n_layers) noexcept nogil
