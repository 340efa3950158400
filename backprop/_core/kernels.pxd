"""The door to csrc/.

Its types, and the few functions that the other modules call. Only kernels.pyx is linked with the C code.
"""
from libc.stdint cimport int64_t, uint64_t


cdef extern from "backprop.h" nogil:
    int BP_ROW_MULTIPLE
    int BP_ALIGNMENT
    int BP_NEAR_BYTES
    const char *BP_TYPES

    enum:
        BP_VALUES
        BP_LOSS_VALUES
        BP_SETTINGS
        BP_MOMENTS
        BP_SHARDS

    ctypedef struct bp_activation:
        int code
        double[BP_VALUES] values

    ctypedef struct bp_loss:
        int code
        int n_values
        double[BP_LOSS_VALUES] values

    ctypedef struct bp_optimizer:
        int code
        double learning_rate
        double l2
        double l1
        double weight_decay
        double[BP_SETTINGS] settings

    ctypedef struct bp_row:
        const char *name
        int trait

    ctypedef enum bp_derivative:
        BP_FROM_A
        BP_KEPT
        BP_LEARNED

    ctypedef struct bp_progress:
        int64_t t
        int64_t powers_of

    ctypedef enum bp_epilogue:
        BP_STORE
        BP_ACTIVATE
        BP_DERIVATIVE
        BP_UPDATE

    ctypedef struct bp_step:
        int code

    ctypedef struct bp_lookahead:
        const char *samples
        const char *targets
        int64_t sample_stride
        int64_t target_stride
        int64_t sample_bytes
        const int64_t *order
        int64_t next
        int64_t last
        int64_t asked

    ctypedef struct bp_multiply:
        int64_t m
        int64_t n
        int64_t k
        const void *a
        int64_t lda
        int a_is_k_major
        const void *b
        int64_t ldb
        void *c
        int64_t ldc
        bint resume
        int64_t n_shards
        const int64_t *shards
        bp_epilogue epilogue
        const bp_activation *activation
        int derivative
        void *kept
        const bp_step *step
        int64_t decayed
        void *weights
        void *moments[BP_MOMENTS]
        int parameters_are_far
        bp_lookahead *lookahead
        void *panel

    ctypedef struct bp_source:
        const char *data
        int64_t n_rows
        int64_t row_stride
        int64_t column_stride
        int type

    ctypedef struct bp_targets:
        const void *values
        const void *labels
        const void *weights
        double scale

    void bp_raise(int *flag) noexcept nogil
    bint bp_is_raised(const int *flag) noexcept nogil

    ctypedef struct bp_kernels:
        const char *instruction_set
        size_t itemsize
        int64_t lanes
        int64_t tile_rows
        int64_t tile_columns
        const bp_row *activations
        const bp_row *losses
        const bp_row *optimizers
        const bp_row *functions
        int identity
        int kept_slope
        int given_loss
        int beside
        size_t (*panel_bytes)() noexcept nogil
        int64_t (*multiply_units)(const bp_multiply *job) noexcept nogil
        void (*multiply)(const bp_multiply *job, int64_t first, int64_t last) noexcept nogil
        void (*activate)(const bp_activation *activation, void *z, void *slope, int64_t ld, int64_t rows,
                         int64_t columns) noexcept nogil
        void (*derivative)(int code, void *da, const void *kept, int64_t ld, int64_t rows,
                           int64_t columns) noexcept nogil
        void (*update)(const bp_step *step, const void *gradient, int64_t ldg, void *weights, void **moments,
                       int64_t ldw, int64_t rows, int64_t decayed, int64_t columns) noexcept nogil
        void (*begin_step)(const bp_optimizer *optimizer, double scale, bp_progress *progress,
                           bp_step *step) noexcept nogil
        void (*gather)(const bp_source *source, const int64_t *rows, int64_t start, int64_t first, int64_t last,
                       int64_t features, const double *offset, const double *scale, void *out,
                       int64_t ld) noexcept nogil
        bint (*are_classes)(const void *labels, int64_t first, int64_t last, int64_t n_classes) noexcept nogil
        bint (*is_finite)(const void *values, int64_t ld, int64_t rows, int64_t first, int64_t last) noexcept nogil
        void (*transpose)(const void *values, int64_t ldi, int64_t rows, int64_t first, int64_t last, void *out,
                          int64_t ldo) noexcept nogil
        void (*loss)(const bp_loss *loss, const void *a, const bp_targets *targets, int64_t n_out, int64_t ld,
                     int64_t first, int64_t last, void *da, void *losses) noexcept nogil
        void (*link)(const bp_loss *loss, void *a, int64_t n_out, int64_t ld, int64_t first,
                     int64_t last) noexcept nogil
        double (*sum)(const void *values, int64_t count) noexcept nogil
        double (*sum_of_squares)(const void *values, int64_t ld, int64_t rows, int64_t columns) noexcept nogil
        void (*uniform)(uint64_t state, double limit, void *weights, int64_t rows, int64_t columns,
                        int64_t ldw) noexcept nogil
        void (*drop)(uint64_t state, double rate, void *values, void *slope, int64_t ld, int64_t rows, int64_t first,
                     int64_t last, int64_t place) noexcept nogil
        void (*add_noise)(uint64_t state, double deviation, void *values, int64_t ld, int64_t rows, int64_t first,
                          int64_t last, int64_t place) noexcept nogil
        void (*batch_statistics)(const void *z, int64_t ld, int64_t rows, int64_t count, void *mean,
                                 void *variance) noexcept nogil
        void (*normalise_rows)(void *z, void *normalised, int64_t ld, int64_t rows, int64_t columns, const void *mean,
                               const void *variance, double epsilon, const void *scale,
                               const void *shift) noexcept nogil
        void (*rows_backward)(void *dy, const void *normalised, int64_t ld, int64_t rows, int64_t count,
                              int64_t columns, const void *variance, double epsilon, const void *scale,
                              const void *d_scale, const void *d_shift) noexcept nogil
        void (*follow_statistics)(const void *mean, const void *variance, int64_t columns, int64_t count, double rate,
                                  void *running_mean, void *running_variance) noexcept nogil
        void (*normalise_samples)(void *z, void *normalised, int64_t ld, int64_t rows, int64_t first, int64_t last,
                                  double epsilon, const void *scale, const void *shift,
                                  void *inverse_deviations) noexcept nogil
        void (*samples_backward)(void *dy, const void *normalised, int64_t ld, int64_t rows, int64_t first,
                                 int64_t last, const void *scale, const void *inverse_deviations) noexcept nogil
        void (*scale_gradients)(const void *dy, const void *normalised, int64_t ld, int64_t rows, int64_t count,
                                void *d_scale, void *d_shift) noexcept nogil
        void (*activate_learned)(int code, void *z, void *kept, int64_t ld, int64_t rows, int64_t columns,
                                 const void *parameters) noexcept nogil
        void (*learned_backward)(int code, void *da, const void *kept, int64_t ld, int64_t rows, int64_t count,
                                 int64_t columns, const void *parameters, void *d_parameters) noexcept nogil
        void (*add)(void *values, const void *others, int64_t ld, int64_t rows, int64_t first,
                    int64_t last) noexcept nogil
        void (*limit)(void *values, int64_t ld, int64_t rows, int64_t columns, double factor,
                      double bound) noexcept nogil
        void (*follow)(const void *values, void *averages, int64_t ld, int64_t rows, int64_t columns,
                       double share) noexcept nogil
        void (*limit_columns)(void *values, int64_t ld, int64_t rows, int64_t first, int64_t last,
                              double most) noexcept nogil
        void (*apply)(const bp_activation *activation, const void *values, void *out, void *slope,
                      int64_t count) noexcept nogil
        void (*evaluate)(int function, const void *values, void *out, int64_t count) noexcept nogil
        double (*peak_probe)(int64_t repeats) noexcept nogil

    ctypedef struct bp_team:
        pass
    ctypedef void (*bp_task)(void *argument, bp_team *team, int thread) noexcept nogil


cdef const bp_kernels *find_kernels(str instruction_set, size_t itemsize) except NULL
cdef int find_row(const bp_row *rows, str name) except -1
cdef bp_activation find_activation(const bp_kernels *kernels, str name, values=*) except *
cdef bp_loss find_loss(const bp_kernels *kernels, str name, values=*) except *
cdef bp_optimizer find_optimizer(const bp_kernels *kernels, str name, double learning_rate, decays,
                                 settings) except *
cdef int run_team(bp_task task, void *argument, int n_threads) except -1 nogil
cdef int team_size(const bp_team *team) noexcept nogil
cdef void barrier(bp_team *team) noexcept nogil
cdef double seconds() noexcept nogil
cdef uint64_t stream(uint64_t seed, uint64_t purpose, uint64_t index) noexcept nogil
cdef void shuffle(uint64_t state, int64_t *indices, int64_t count, int64_t first, int64_t last) noexcept nogil
cdef void normal(uint64_t state, double *values, int64_t count) noexcept nogil
cdef void orthonormalize(double *rows, int64_t row, int64_t columns) noexcept nogil


cdef inline int64_t round_up(int64_t count, int64_t multiple) noexcept nogil:
    return (count + multiple - 1) // multiple * multiple
