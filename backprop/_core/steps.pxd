"""What a team of threads is given to run (Steps), and the runs."""
from libc.stdint cimport int64_t, uint64_t

from backprop._core.dense cimport Interrupt, Layer, Run
from backprop._core.kernels cimport bp_activation, bp_kernels, bp_loss, bp_optimizer, bp_source, bp_team


cdef struct Optimizer:          # hyper-parameters, and how far it is
    bp_optimizer kind
    double learning_rate
    double momentum
    double beta_1
    double beta_2
    double epsilon
    double l2
    bint epsilon_hat            # Adam: epsilon is added to the second moment's root before it is corrected
    int64_t steps               # done


cdef struct Kept:               # by `inspect`, of one layer; arrays are [n_rows][n_out]
    bp_activation activation
    char *z
    char *a
    char *derivative
    char *da
    char *dz


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
    char *samples               # [2][BP_ROW_MULTIPLE][sample_ld], or NULL
    int64_t sample_ld
    Optimizer optimizer
    Interrupt *interrupt
    # training
    bint shuffled               # a new order each epoch; else `order` as it was given
    uint64_t seed
    int64_t first_epoch
    int64_t n_epochs
    double *epoch_losses        # [n_epochs]
    double *epoch_seconds       # [n_epochs]
    const double *penalty       # NULL, or λ: the epoch's loss is then the batches' mean cost, see add_cost
    int64_t epochs_done
    # of all runs
    bint stopped                # by Ctrl-C: see end_step
    int not_finite              # raised by the thread that meets such an x
    bint diverged               # a batch's cost is not finite: see add_cost
    bint ended                  # see end_epoch
    double total_loss
    double total_weight
    # inference
    char *out                   # [n_rows][n_out], or NULL
    bint probabilities
    bint activate_last
    # inspection
    Kept *kept                  # [n_layers]
    char *kept_x                # [n_rows][n_in]
    char *kept_losses           # [n_rows], each times its sample's weight


cdef void train_epochs(void *argument, bp_team *team, int thread) noexcept nogil
cdef void infer(void *argument, bp_team *team, int thread) noexcept nogil
cdef void differentiate(void *argument, bp_team *team, int thread) noexcept nogil
cdef void differentiate_from_output(void *argument, bp_team *team, int thread) noexcept nogil
cdef void inspect(void *argument, bp_team *team, int thread) noexcept nogil
cdef void update(void *argument, bp_team *team, int thread) noexcept nogil
cdef double sum_of_squares(const bp_kernels *kernels, const Layer *layers, int n_layers) noexcept nogil
