/* Runs kernels of another processor for the tests: requests on standard input, answers on standard output.
 *
 * A request: which kernel, itemsize; numbers of integers, reals and arrays; these; the arrays' bytes, each
 * behind its length (-1: NULL). An answer: one integer or real of 8 bytes, then the arrays as the kernel left
 * them. An array stands between guard bytes, and to write one of these ends the process. */
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
    PROBABILITIES,
    SUM,
    UNIFORM,
    SUM_OF_SQUARES,
    IS_FINITE
};
enum { MOST = 16, GUARD = 0xA5, GUARD_BYTES = 256 };

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

static bp_step step_of(const int64_t *i, const double *r)
{
    return (bp_step){.optimizer = (bp_optimizer)i[0],
                     .learning_rate = r[0],
                     .momentum = r[1],
                     .beta_1 = r[2],
                     .beta_2 = r[3],
                     .epsilon = r[4],
                     .l2 = r[5]};
}

/* integers: m n k lda a_is_k_major ldb ldc epilogue activation first last optimizer parameters_are_far; arrays: a b
 * c activations moment1 moment2 panel */
static int64_t multiply(const bp_kernels *k, const request *q)
{
    const bp_step step = step_of(q->i + 11, q->r);
    const bp_multiply job = {
        .m = q->i[0],
        .n = q->i[1],
        .k = q->i[2],
        .a = q->array[0],
        .lda = q->i[3],
        .a_is_k_major = (int)q->i[4],
        .b = q->array[1],
        .ldb = q->i[5],
        .c = q->array[2],
        .ldc = q->i[6],
        .epilogue = (bp_epilogue)q->i[7],
        .activation = (bp_activation)q->i[8],
        .activations = q->array[3],
        .step = &step,
        .decayed = q->i[0] - 1,
        .weights = q->array[2],
        .moment1 = q->array[4],
        .moment2 = q->array[5],
        .parameters_are_far = (int)q->i[12],
        .panel = q->array[6],
    };
    if (q->kernel == MULTIPLY)
        k->multiply(&job, q->i[9], q->i[10]);
    return k->multiply_units(&job);
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

static void loss(const bp_kernels *k, const request *q)
{
    const bp_targets targets = {
        .values = q->array[1], .labels = q->array[2], .weights = q->array[3], .scale = q->r[0]};
    k->loss((bp_loss)q->i[0], q->array[0], &targets, q->i[1], q->i[2], 0, q->i[2], q->array[4], q->array[5]);
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
    case APPLY: k->apply((bp_activation)i[0], x[0], x[1], i[1]); break;
    case EVALUATE: k->evaluate((bp_function)i[0], x[0], x[1], i[1]); break;
    case UPDATE: {
        const bp_step step = step_of(i, q->r);
        k->update(&step, x[0], i[2], x[1], x[2], x[3], i[2], i[1], i[1] - 1, i[2]);
        break;
    }
    case GATHER: gather(k, q); break;
    case TRANSPOSE: k->transpose(x[0], i[1], i[0], 0, i[1], x[1], i[0]); break;
    case LOSS: loss(k, q); break;
    case PROBABILITIES: k->probabilities((bp_loss)i[0], x[0], i[1], i[2], 0, i[2]); break;
    case SUM: *real = k->sum(x[0], i[0]); break;
    case SUM_OF_SQUARES: *real = k->sum_of_squares(x[0], i[0], i[1], i[2]); break;
    case IS_FINITE: *real = k->is_finite(x[0], i[0], i[1], i[2], i[3]); break;
    case UNIFORM: k->uniform((uint64_t)i[0], q->r[0], x[0], i[1], i[2], i[2]); break;
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
