/* Runs kernels of another processor for the tests: requests on standard input, answers on standard output.
 *
 * A request: which kernel, itemsize; numbers of integers, reals and arrays; these; the arrays' bytes, each
 * behind its length (-1: NULL). An answer: one integer or real of 8 bytes, then the arrays as the kernel left
 * them. An array stands between guard bytes, and to write one of these ends the process. Names of rows are arrays
 * too, with a 0 at their end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop.h"

enum {
    INFO,
    MULTIPLY,
    UNITS,
    APPLY,
    EVALUATE,
    UPDATE,
    GATHER,
    TRANSPOSE,
    LOSS,
    LINK,
    SUM,
    UNIFORM,
    SUM_OF_SQUARES,
    IS_FINITE,
    LIMIT,
    FOLLOW,
    LIMIT_COLUMNS,
    BATCH_NORM,
    BATCH_NORM_BACKWARD,
    LAYER_NORM,
    LAYER_NORM_BACKWARD,
    FOLLOW_STATISTICS,
    ACTIVATE_LEARNED,
    LEARNED_BACKWARD,
    ADD_NOISE,
    ARE_CLASSES
};
enum { MOST = 24, GUARD = 0xA5, GUARD_BYTES = 256 };

typedef struct {
    int32_t kernel, itemsize, n_integers, n_reals, n_arrays, unused;
    int64_t i[MOST];
    double r[MOST];
    int64_t bytes[MOST];
    unsigned char *block[MOST]; /* with its guards */
    void *array[MOST];          /* or NULL */
} request;

static void stop(const char *reason)
{
    fprintf(stderr, "driver: %s\n", reason);
    exit(1);
}

static void take(void *out, size_t bytes)
{
    if (bytes && fread(out, 1, bytes, stdin) != bytes)
        stop("a request ended early");
}

static void take_array(request *q, int n)
{
    take(&q->bytes[n], sizeof *q->bytes);
    q->block[n] = NULL;
    q->array[n] = NULL;
    if (q->bytes[n] < 0)
        return;
    const size_t bytes = (size_t)q->bytes[n] + 2 * GUARD_BYTES;
    q->block[n] = aligned_alloc(BP_ALIGNMENT, (bytes + BP_ALIGNMENT - 1) / BP_ALIGNMENT * BP_ALIGNMENT);
    if (!q->block[n])
        stop("out of memory");
    memset(q->block[n], GUARD, bytes);
    q->array[n] = q->block[n] + GUARD_BYTES;
    take(q->array[n], (size_t)q->bytes[n]);
}

/* whether there is one more */
static int take_request(request *q)
{
    if (fread(q, 1, 6 * sizeof(int32_t), stdin) != 6 * sizeof(int32_t))
        return 0;
    if (q->n_integers > MOST || q->n_reals > MOST || q->n_arrays > MOST)
        stop("a request is too long");
    take(q->i, (size_t)q->n_integers * sizeof *q->i);
    take(q->r, (size_t)q->n_reals * sizeof *q->r);
    for (int n = 0; n < q->n_arrays; ++n)
        take_array(q, n);
    return 1;
}

static void give_array(const request *q, int n)
{
    if (!q->block[n])
        return;
    for (int g = 0; g < GUARD_BYTES; ++g)
        if (q->block[n][g] != GUARD || q->block[n][GUARD_BYTES + q->bytes[n] + g] != GUARD)
            stop("written outside of an array");
    fwrite(q->array[n], 1, (size_t)q->bytes[n], stdout);
    free(q->block[n]);
}

/* the code of the row that array n names */
static int code_of(const bp_row *rows, const request *q, int n)
{
    for (int code = 0; rows[code].name; ++code)
        if (!strcmp(rows[code].name, q->array[n]))
            return code;
    stop("no such row");
    return -1;
}

static bp_activation activation_of(const bp_kernels *k, const request *q)
{
    bp_activation found = {.code = code_of(k->activations, q, 0)};
    memcpy(found.values, q->r, sizeof found.values);
    return found;
}

/* its name: array n; reals from `r` on: learning rate, l2, l1, weight_decay, settings */
static bp_step step_of(const bp_kernels *k, const request *q, int n, const double *r, int64_t t)
{
    bp_optimizer optimizer = {.code = code_of(k->optimizers, q, n), .learning_rate = r[0],
                              .l2 = r[1], .l1 = r[2], .weight_decay = r[3]};
    bp_progress progress = {.t = t};
    bp_step step = {0};
    memcpy(optimizer.settings, r + 4, sizeof optimizer.settings);
    k->begin_step(&optimizer, 1, &progress, &step);
    return step;
}

/* integers: m n k lda a_is_k_major ldb ldc epilogue t parameters_are_far first last resumes n_shards; reals: the activation's
 * values, the optimizer's; arrays: names of activation and optimizer, a b c kept panel moments shards */
static int64_t multiply(const bp_kernels *k, const request *q)
{
    const bp_activation activation = activation_of(k, q);
    const bp_step step = step_of(k, q, 1, q->r + BP_VALUES, q->i[8]);
    bp_multiply job = {
        .m = q->i[0],
        .n = q->i[1],
        .k = q->i[2],
        .a = q->array[2],
        .lda = q->i[3],
        .a_is_k_major = (int)q->i[4],
        .b = q->array[3],
        .ldb = q->i[5],
        .c = q->array[4],
        .ldc = q->i[6],
        .resume = (int)q->i[12],
        .n_shards = q->i[13],
        .shards = q->array[7 + BP_MOMENTS],
        .epilogue = (bp_epilogue)q->i[7],
        .activation = &activation,
        .derivative = k->activations[activation.code].trait ? k->kept_slope : activation.code,
        .kept = q->array[5],
        .step = &step,
        .decayed = q->i[0] - 1,
        .weights = q->array[4],
        .parameters_are_far = (int)q->i[9],
        .panel = q->array[6],
    };
    memcpy(job.moments, q->array + 7, sizeof job.moments);
    if (q->kernel == MULTIPLY)
        k->multiply(&job, q->i[10], q->i[11]);
    return k->multiply_units(&job);
}

/* integers: t rows columns; arrays: the optimizer's name, gradient weights moments */
static void update(const bp_kernels *k, const request *q)
{
    const int64_t rows = q->i[1], columns = q->i[2];
    const bp_step step = step_of(k, q, 0, q->r, q->i[0]);
    k->update(&step, q->array[1], columns, q->array[2], q->array + 3, columns, rows, rows - 1, columns);
}

/* integers: address of the first row within the array, row stride, column stride, type, rows in all, start,
 * count, features, columns; arrays: source rows offset scale out */
static void gather(const bp_kernels *k, const request *q)
{
    const bp_source source = {
        .data = (const char *)q->array[0] + q->i[0],
        .row_stride = q->i[1],
        .column_stride = q->i[2],
        .type = (int)q->i[3],
        .n_rows = q->i[4],
    };
    k->gather(&source, q->array[1], q->i[5], 0, q->i[6], q->i[7], q->array[2], q->array[3], q->array[4],
              q->i[8]);
}

/* integers: n_out columns; reals: the loss's values, scale; arrays: its name, a, targets, labels, weights, da,
 * losses */
static void loss(const bp_kernels *k, const request *q)
{
    bp_loss loss = {.code = code_of(k->losses, q, 0), .n_values = BP_LOSS_VALUES};
    const bp_targets targets = {
        .values = q->array[2], .labels = q->array[3], .weights = q->array[4], .scale = q->r[BP_LOSS_VALUES]};
    const int64_t n_out = q->i[0], ld = q->i[1];
    memcpy(loss.values, q->r, sizeof loss.values);
    k->loss(&loss, q->array[1], &targets, n_out, ld, 0, ld, q->array[5], q->array[6]);
}

/* integers: n_out columns; reals: the loss's values; arrays: its name, outputs */
static void link_outputs(const bp_kernels *k, const request *q)
{
    bp_loss loss = {.code = code_of(k->losses, q, 0), .n_values = BP_LOSS_VALUES};
    memcpy(loss.values, q->r, sizeof loss.values);
    k->link(&loss, q->array[1], q->i[0], q->i[1], 0, q->i[1]);
}

/* integers: count; arrays: the activation's name, z a f'(z) */
static void apply(const bp_kernels *k, const request *q)
{
    const bp_activation activation = activation_of(k, q);
    k->apply(&activation, q->array[1], q->array[2], q->array[3], q->i[0]);
}

/* integers: rows columns count; reals: epsilon; arrays: z scale shift mean variance n y */
static void batch_norm(const bp_kernels *k, const request *q)
{
    const int64_t rows = q->i[0], ld = q->i[1];
    void *const *x = q->array;
    k->batch_statistics(x[0], ld, rows, q->i[2], x[3], x[4]);
    k->normalise_rows(x[6], x[5], ld, rows, ld, x[3], x[4], q->r[0], x[1], x[2]);
}

/* integers: rows columns count; reals: epsilon; arrays: dy n variance scale dz d_scale d_shift */
static void batch_norm_backward(const bp_kernels *k, const request *q)
{
    const int64_t rows = q->i[0], ld = q->i[1], count = q->i[2];
    void *const *x = q->array;
    k->scale_gradients(x[0], x[1], ld, rows, count, x[5], x[6]);
    k->rows_backward(x[4], x[1], ld, rows, count, ld, x[2], q->r[0], x[3], x[5], x[6]);
}

/* the answer's integer; a real is put into *real */
static int64_t run(const bp_kernels *k, const request *q, double *real)
{
    const int64_t *i = q->i;
    void *const *x = q->array;
    switch (q->kernel) {
    case INFO: return (int64_t)k->panel_bytes() << 24 | k->lanes << 16 | k->tile_rows << 8 | k->tile_columns;
    case MULTIPLY:
    case UNITS: return multiply(k, q);
    case APPLY: apply(k, q); break;
    case EVALUATE: k->evaluate(code_of(k->functions, q, 0), x[1], x[2], i[0]); break;
    case UPDATE: update(k, q); break;
    case GATHER: gather(k, q); break;
    case TRANSPOSE: k->transpose(x[0], i[1], i[0], 0, i[1], x[1], i[0]); break;
    case LOSS: loss(k, q); break;
    case LINK: link_outputs(k, q); break;
    case SUM: *real = k->sum(x[0], i[0]); break;
    case SUM_OF_SQUARES: *real = k->sum_of_squares(x[0], i[0], i[1], i[2]); break;
    case IS_FINITE: *real = k->is_finite(x[0], i[0], i[1], i[2], i[3]); break;
    case UNIFORM: k->uniform((uint64_t)i[0], q->r[0], x[0], i[1], i[2], i[2]); break;
    case LIMIT: k->limit(x[0], i[0], i[1], i[2], q->r[0], q->r[1]); break;
    case FOLLOW: k->follow(x[0], x[1], i[1], i[0], i[1], q->r[0]); break;
    case LIMIT_COLUMNS: k->limit_columns(x[0], i[0], i[1], i[2], i[3], q->r[0]); break;
    case BATCH_NORM: batch_norm(k, q); break;
    case BATCH_NORM_BACKWARD: batch_norm_backward(k, q); break;
    case LAYER_NORM: k->normalise_samples(x[4], x[3], i[1], i[0], 0, i[1], q->r[0], x[0], x[1], x[2]); break;
    case LAYER_NORM_BACKWARD: k->samples_backward(x[3], x[0], i[1], i[0], 0, i[1], x[2], x[1]); break;
    case FOLLOW_STATISTICS: k->follow_statistics(x[0], x[1], i[0], i[1], q->r[0], x[2], x[3]); break;
    case ACTIVATE_LEARNED:
        k->activate_learned(code_of(k->activations, q, 0), x[1], x[2], i[1], i[0], i[1], x[3]);
        break;
    case LEARNED_BACKWARD:
        k->learned_backward(code_of(k->activations, q, 0), x[1], x[2], i[1], i[0], i[2], i[1], x[3], x[4]);
        break;
    case ADD_NOISE: k->add_noise((uint64_t)i[0], q->r[0], x[0], i[2], i[1], 0, i[2], i[3]); break;
    case ARE_CLASSES: *real = k->are_classes(x[0], i[0], i[1], i[2]); break;
    default: stop("no such kernel");
    }
    return 0;
}

int main(void)
{
    static request q;
    while (take_request(&q)) {
        const bp_kernels *kernels = bp_find_kernels("baseline", (size_t)q.itemsize);
        double real = 0;
        const int64_t integer = run(kernels, &q, &real);
        fwrite(&integer, sizeof integer, 1, stdout);
        fwrite(&real, sizeof real, 1, stdout);
        for (int n = 0; n < q.n_arrays; ++n)
            give_array(&q, n);
        fflush(stdout);
    }
    return 0;
}
