/* The leaf kernels: what they are given and where they write. No kernel allocates, decides or fails.
 *
 * (a) Activations, and everything shaped like them, are feature-major: [features][ld], ld >= batch, the
 *     columns rounded up to whole vectors. A column is a sample. What stands in the columns beyond the batch
 *     is computed on and never read.
 * (b) A layer's parameters are one matrix [n_in + 1][ldw]: its weights, then its bias as the row of an input
 *     that is always 1, so that the bias and its gradient are one more term and one more row of the same
 *     multiplies. ldw >= n_out, the columns rounded up to BP_ROW_MULTIPLE; the columns beyond n_out stay 0.
 *     Of a large last layer with few outputs ldw is n_out, and the kernels that write are given a single row.
 * (c) One table of functions for each instruction set and dtype. Pointers are `void *` here and `real *`
 *     inside.
 */
#ifndef BACKPROP_H
#define BACKPROP_H

#include <stddef.h>
#include <stdint.h>

#define BP_ROW_MULTIPLE 16  /* elements; whole vectors on every instruction set */
#define BP_ALIGNMENT 64     /* bytes */
#define BP_SHARD_LEVELS 8 /* of the tree that adds shards up */
#define BP_SHARDS (1 << BP_SHARD_LEVELS) /* that a batch has, at most */
#define BP_NEAR_BYTES \
    (256 * 1024) /* data of so few bytes are in a near cache already: no need to fetch them */

/* The catalogue. Activations, losses and optimizers are rows of the tables in kernels/activations.h, losses.h and
 * optimizers.h; a code is a row's place there, found by its name. Each may have parameters of its own. */
#define BP_VALUES 4    /* parameters of an activation, at most */
#define BP_LEVELS 16   /* quantiles that a loss has, at most */
#define BP_LOSS_VALUES (1 + BP_LEVELS) /* parameters of a loss, at most */
#define BP_SETTINGS 8  /* hyper-parameters of an optimizer beside those that all have, at most */
#define BP_CONSTANTS 8 /* of one of its steps */
#define BP_MOMENTS 3   /* arrays that it keeps for each parameter, at most */

typedef struct {
    int code;
    double values[BP_VALUES]; /* in the order of backprop/catalogue */
} bp_activation;

typedef struct {
    int code, n_values;
    double values[BP_LOSS_VALUES];
} bp_loss;

typedef struct {
    int code;
    double learning_rate;
    double l2, l1;                /* times the weights, or their signs, is added to the gradient of the sum of the losses */
    double weight_decay;          /* times the learning rate and the weights is subtracted from these before the step */
    double settings[BP_SETTINGS]; /* in the order of backprop/catalogue */
} bp_optimizer;

/* A row of a table, as it is found. */
typedef struct {
    const char *name;
    int trait; /* of an activation: a bp_derivative; of an optimizer: how many moments it has */
} bp_row;

/* What an activation's derivative is worked out from on the way back. */
typedef enum {
    BP_FROM_A, /* a */
    BP_KEPT,   /* f'(z), which is kept */
    BP_LEARNED /* z, which is kept, and a parameter of each unit */
} bp_derivative;

/* How far an optimizer is: the number of its step, from 1, and powers of what its moments decay by. */
typedef struct {
    int64_t t;
    int64_t powers_of; /* the t that `powers` belong to; 0: none yet */
    double powers[2];
} bp_progress;

/* One step's constants, worked out once a step, in the kernels' own type; what each is stands with the optimizer's
 * row. */
typedef struct {
    int code;
    double rates[BP_CONSTANTS + 4]; /* room for the `rates` of kernels/optimizers.h */
} bp_step;

/* What is done to a tile of a product while it is in cache: the one switch of what is fused. */
typedef enum {
    BP_STORE,      /* nothing */
    BP_ACTIVATE,   /* a = f(z), and f'(z) where it is kept */
    BP_DERIVATIVE, /* dz = da * f'(z), from a or as it was kept */
    BP_UPDATE      /* the optimizer's step with this tile of the gradient, which is not kept */
} bp_epilogue;

/* Rows of the user's arrays that the next batch will gather from anywhere in memory: products, which leave memory
 * idle, ask for them on their way. */
typedef struct {
    const char *samples, *targets; /* targets: or NULL */
    int64_t sample_stride, target_stride, sample_bytes;
    const int64_t *order; /* or NULL: row i is i */
    int64_t next, last;   /* positions in the order that are still to be asked for */
    int64_t asked;        /* bytes of row `next` that have been */
} bp_lookahead;

/* C[m][n] = sum over k of A(m, k) B[k][n], each one chain of multiply-adds in ascending k; then the epilogue. */
typedef struct {
    int64_t m, n, k;   /* n: whole vectors */
    const void *a;     /* IN  [k][lda] when a_is_k_major, else [m][lda] */
    int64_t lda;
    int a_is_k_major;
    const void *b;     /* IN  [k][ldb] */
    int64_t ldb;
    void *c;           /* OUT [m][ldc]; with BP_UPDATE unused */
    int64_t ldc;
    int resume;        /* the chains start from what stands in c, not from 0; not with BP_UPDATE, nor with shards */
    int64_t n_shards;        /* that k falls into, each a chain of its own, added along a tree; 0 or 1: one chain */
    const int64_t *shards;   /* [n_shards] where each ends; the last at k. Of row-major A, with BP_STORE and BP_UPDATE */
    bp_epilogue epilogue;
    const bp_activation *activation; /* for BP_ACTIVATE */
    int derivative;          /* for BP_DERIVATIVE: the code of the activation, or bp_kernels.kept_slope */
    void *kept;              /* [m][ldc]. BP_ACTIVATE: OUT f'(z), or NULL. BP_DERIVATIVE: IN a, or f'(z) */
    const bp_step *step;     /* for BP_UPDATE, with what stands below, each [m][ldc] */
    int64_t decayed;         /* rows, from the first on, that l2, l1 and decay are for: not the bias */
    void *weights;           /* IN OUT */
    void *moments[BP_MOMENTS]; /* IN OUT as many as the optimizer has */
    int parameters_are_far;  /* weights and moments are more than the caches hold, and come from memory */
    bp_lookahead *lookahead; /* of the calling thread, or NULL; what an Adam update takes with it */
    void *panel;             /* scratch of the calling thread: bp_kernels.panel_bytes() */
} bp_multiply;

/* The user's array, as it lies in memory. */
typedef struct {
    const char *data;
    int64_t n_rows; /* that will be asked for in all, in the order that `gather` is given, and that it fetches
                       ahead of itself; 0 where a bp_lookahead does */
    int64_t row_stride, column_stride; /* bytes */
    int type; /* numpy's one-letter type code: one of BP_TYPES */
} bp_source;
#define BP_TYPES "?bBhHiIlLqQfd"

/* Targets of one batch, gathered. */
typedef struct {
    const void *values; /* [n_out][ld], or NULL with labels; of a given loss the derivatives */
    const void *labels; /* [ld] class numbers; of a given loss the losses */
    const void *weights; /* [ld] sample weights */
    double scale; /* 1 / sum of the batch's sample weights; 0 where that sum is 0 */
} bp_targets;

/* Raised by one thread, looked at by others whenever they like. */
static inline void bp_raise(int *flag) { __atomic_store_n(flag, 1, __ATOMIC_RELAXED); }
static inline int bp_is_raised(const int *flag) { return __atomic_load_n(flag, __ATOMIC_RELAXED); }

typedef struct {
    const char *instruction_set;
    size_t itemsize;
    int64_t lanes, tile_rows, tile_columns;

    /* the tables, by code; a row without a name ends each */
    const bp_row *activations, *losses, *optimizers, *functions;
    int identity;   /* the code of the activation that is none */
    int kept_slope; /* the code of a derivative that is what was kept, f'(z) */
    int given_loss; /* the code of a loss that was worked out elsewhere: see bp_targets */
    int beside;     /* the code of the optimizer whose step goes on beside products, and takes a bp_lookahead with it */

    size_t (*panel_bytes)(void);
    /* how many units of work a product divides into, and units [first, last) of it */
    int64_t (*multiply_units)(const bp_multiply *job);
    void (*multiply)(const bp_multiply *job, int64_t first, int64_t last);

    /* the same epilogues on blocks that another multiply (BLAS) has written; columns: whole vectors */
    void (*activate)(const bp_activation *activation, void *z /* IN z, OUT a: [rows][ld] */,
                     void *slope /* OUT f'(z): [rows][ld], or NULL */, int64_t ld, int64_t rows,
                     int64_t columns);
    void (*derivative)(int code /* as bp_multiply.derivative */, void *da /* IN da, OUT dz: [rows][ld] */,
                       const void *kept /* [rows][ld] */, int64_t ld, int64_t rows, int64_t columns);
    void (*update)(const bp_step *step, const void *gradient /* [rows][ldg] */, int64_t ldg,
                   void *weights /* [rows][ldw] */, void *const *moments /* each [rows][ldw] */, int64_t ldw,
                   int64_t rows, int64_t decayed /* rows, as in bp_multiply */, int64_t columns);
    /* of step progress->t; scale: 1 / the sum of the batch's sample weights */
    void (*begin_step)(const bp_optimizer *optimizer, double scale, bp_progress *progress /* IN OUT */,
                       bp_step *step /* OUT */);

    /* columns [first, last) of a batch: (x - offset) scale, transposed to feature-major */
    void (*gather)(const bp_source *source, const int64_t *rows /* or NULL: start, start + 1, … */,
                   int64_t start, int64_t first, int64_t last, int64_t features,
                   const double *offset /* or NULL */, const double *scale /* or NULL */,
                   void *out /* [features][ld] */, int64_t ld);
    /* whether all numbers in columns [first, last) are */
    int (*is_finite)(const void *values /* [rows][ld] */, int64_t ld, int64_t rows, int64_t first,
                     int64_t last);
    /* whether the labels [first, last) are from 0 to below n_classes */
    int (*are_classes)(const void *labels, int64_t first, int64_t last, int64_t n_classes);
    /* out[column][row] = in[row][column] for columns [first, last) */
    void (*transpose)(const void *in /* [rows][ldi] */, int64_t ldi, int64_t rows, int64_t first,
                      int64_t last, void *out /* [columns][ldo] */, int64_t ldo);

    /* sample weight times loss of each sample, and da = d cost / da; first: a multiple of the lanes */
    void (*loss)(const bp_loss *loss, const void *a /* [n_out][ld] */, const bp_targets *targets, int64_t n_out,
                 int64_t ld, int64_t first, int64_t last, void *da /* OUT [n_out][ld] */,
                 void *losses /* OUT [ld] */);
    /* in place: the last layer's outputs to what `predict` returns */
    void (*link)(const bp_loss *loss, void *a /* IN OUT [n_out][ld] */, int64_t n_out, int64_t ld,
                          int64_t first, int64_t last);
    /* fixed tree in float64 */
    double (*sum)(const void *values, int64_t count);
    double (*sum_of_squares)(const void *values /* [rows][ld] */, int64_t ld, int64_t rows, int64_t columns);
    void (*uniform)(uint64_t state, double limit, void *weights /* OUT [rows][ldw] */, int64_t rows,
                    int64_t columns, int64_t ldw);
    /* dropout, in place, of columns [first, last): whole vectors; slope may be NULL; place: of column 0 among the
     * samples that are drawn for, as of the next */
    void (*drop)(uint64_t state, double rate, void *values /* IN OUT [rows][ld] */,
                 void *slope /* IN OUT [rows][ld] */, int64_t ld, int64_t rows, int64_t first, int64_t last,
                 int64_t place);
    /* gaussian noise, in place, of columns [first, last): whole vectors */
    void (*add_noise)(uint64_t state, double deviation, void *values /* IN OUT [rows][ld] */, int64_t ld,
                      int64_t rows, int64_t first, int64_t last, int64_t place);

    /* batch normalisation of features; `count` samples, columns: whole vectors. Arrays of one number a feature are
     * [rows]: mean, variance, scale, shift, and the gradients of the last two. */
    void (*batch_statistics)(const void *z /* [rows][ld] */, int64_t ld, int64_t rows, int64_t count,
                             void *mean /* OUT */, void *variance /* OUT */);
    void (*normalise_rows)(void *z /* IN z, OUT y: [rows][ld] */, void *normalised /* OUT [rows][ld], or NULL */,
                           int64_t ld, int64_t rows, int64_t columns, const void *mean, const void *variance,
                           double epsilon, const void *scale, const void *shift);
    void (*rows_backward)(void *dy /* IN dy, OUT dz: [rows][ld] */, const void *normalised /* [rows][ld] */,
                          int64_t ld, int64_t rows, int64_t count, int64_t columns, const void *variance,
                          double epsilon, const void *scale, const void *d_scale, const void *d_shift);
    void (*follow_statistics)(const void *mean, const void *variance, int64_t columns, int64_t count, double rate,
                              void *running_mean /* IN OUT */, void *running_variance /* IN OUT */);
    /* layer normalisation of samples [first, last): whole vectors */
    void (*normalise_samples)(void *z /* IN z, OUT y: [rows][ld] */, void *normalised /* OUT [rows][ld], or NULL */,
                              int64_t ld, int64_t rows, int64_t first, int64_t last, double epsilon,
                              const void *scale, const void *shift, void *inverse_deviations /* OUT [ld], or NULL */);
    void (*samples_backward)(void *dy /* IN dy, OUT dz: [rows][ld] */, const void *normalised /* [rows][ld] */,
                             int64_t ld, int64_t rows, int64_t first, int64_t last, const void *scale,
                             const void *inverse_deviations);
    /* of either: what the scale and the shift of each feature get */
    void (*scale_gradients)(const void *dy /* [rows][ld] */, const void *normalised /* [rows][ld] */, int64_t ld,
                            int64_t rows, int64_t count, void *d_scale /* OUT */, void *d_shift /* OUT */);

    /* activations with a parameter for each unit, parameters: [rows] */
    void (*activate_learned)(int code, void *z /* IN z, OUT a: [rows][ld] */, void *kept /* OUT z, or NULL */,
                             int64_t ld, int64_t rows, int64_t columns, const void *parameters);
    void (*learned_backward)(int code, void *da /* IN da, OUT dz: [rows][ld] */, const void *kept /* z [rows][ld] */,
                             int64_t ld, int64_t rows, int64_t count, int64_t columns, const void *parameters,
                             void *d_parameters /* OUT, or NULL */);
    /* values += others, columns [first, last): whole vectors */
    void (*add)(void *values /* IN OUT [rows][ld] */, const void *others /* [rows][ld] */, int64_t ld, int64_t rows,
                int64_t first, int64_t last);
    /* gradients that are kept, in place: times the factor, then clipped to [-bound, bound]; columns: whole vectors */
    void (*limit)(void *values /* IN OUT [rows][ld] */, int64_t ld, int64_t rows, int64_t columns, double factor,
                  double bound);
    /* averages of weights: towards the values by a share of the way; columns: whole vectors */
    void (*follow)(const void *values /* [rows][ld] */, void *averages /* IN OUT [rows][ld] */, int64_t ld,
                   int64_t rows, int64_t columns, double share);
    /* in place: columns [first, last), whole vectors, whose L2 norm is above `most` are scaled down to it */
    void (*limit_columns)(void *values /* IN OUT [rows][ld] */, int64_t ld, int64_t rows, int64_t first, int64_t last,
                          double most);
    /* elementwise functions on their own, for the tests; count: any */
    void (*apply)(const bp_activation *activation, const void *in, void *out, void *slope, int64_t count);
    void (*evaluate)(int function, const void *in, void *out, int64_t count);
    /* multiply-adds without memory, for the benchmarks: returns a number that depends on all of them */
    double (*peak_probe)(int64_t repeats);
} bp_kernels;

/* cpu.c: the best first, ending in the plain one; NULL ends the list. */
const char *const *bp_instruction_sets(void); /* that this build holds */
int bp_instruction_set_runs(const char *name); /* on this processor */
const bp_kernels *bp_find_kernels(const char *name,
                                  size_t itemsize); /* NULL where not built or not runnable */

/* random.c */
uint64_t bp_stream(uint64_t seed, uint64_t purpose, uint64_t index);
/* Swaps [first, last) of the shuffle of `count` indices, from the last to the first; 1 <= first. All of them,
 * from `count` down to 1, make the permutation of indices that start as 0, 1, 2, … */
void bp_shuffle(uint64_t state, int64_t *indices /* IN OUT [count] */, int64_t count, int64_t first,
                int64_t last);
static inline uint64_t bp_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}
#define BP_GAMMA UINT64_C(0x9E3779B97F4A7C15)

/* initial.c */
void bp_normal(uint64_t state, double *values /* OUT [count] */, int64_t count);
/* Makes row `row` orthogonal to those before it, which are orthonormal, and its length 1; row < columns */
void bp_orthonormalize(double *rows /* IN OUT [row + 1][columns] */, int64_t row, int64_t columns);

/* threads.c: a team is the calling thread and workers lent by the process's pool. */
typedef struct bp_team bp_team;
typedef void (*bp_task)(void *argument, bp_team *team, int thread);
/* Returns how many threads there were: fewer than asked for where the system starts no more. A task goes by its
 * team's size, and the bits of a result do not depend on it. */
int bp_team_run(bp_task task, void *argument, int n_threads);
int bp_team_size(const bp_team *team);
void bp_barrier(bp_team *team);

double bp_seconds(void); /* a clock that only goes forward */

#endif
