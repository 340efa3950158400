/* The body of every instruction-set stub: it defines BP_STUB and perhaps BP_FLOAT64, includes its simd
 * header's name as BP_SIMD, and includes this. All the kernels are compiled once for each, with that stub's
 * flags. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "backprop.h"

#define INLINE static inline __attribute__((always_inline))
#ifdef BP_FLOAT64
typedef double real;
typedef int64_t integer;
#define REAL_MAX DBL_MAX
#else
typedef float real;
typedef int32_t integer;
#define REAL_MAX FLT_MAX
#endif

#include BP_SIMD
#include "kernels/polynomials.h"
#include "kernels/math.h"
#include "kernels/activations.h"
#include "kernels/optimizers.h"
#include "kernels/multiply.h"
#include "kernels/losses.h"
#include "kernels/gather.h"
#include "kernels/noise.h"
#include "kernels/normalise.h"
#include "kernels/learned.h"
#include "kernels/limits.h"

/* Functions that are no activations, for the tests; log1p_exp: log(1 + exp(-|x|)). */
#define FUNCTIONS(ROW) ROW(EXP, exp) ROW(LOG, log) ROW(LOG1P_EXP, log1p_exp) ROW(ERF, erf)

enum {
#define FUNCTION_CODE(NAME, name) FUNCTION_##NAME,
    FUNCTIONS(FUNCTION_CODE)
};

static const bp_row function_rows[] = {
#define FUNCTION_ROW(NAME, name) {#name, 0},
    FUNCTIONS(FUNCTION_ROW){NULL, 0},
};

INLINE vec v_function(int function, vec x)
{
    switch (function) {
#define FUNCTION_VALUE(NAME, name) \
    case FUNCTION_##NAME: return v_##name(x);
        FUNCTIONS(FUNCTION_VALUE)
    }
    return x;
}

static void evaluate(int function, const void *in, void *out, int64_t count)
{
    const real *x = in;
    real *y = out;
    for (int64_t i = 0; i < count; i += LANES) {
        real lanes[LANES] = {0};
        const size_t bytes = (size_t)(count - i < LANES ? count - i : LANES) * sizeof(real);
        memcpy(lanes, x + i, bytes);
        v_store(lanes, v_function(function, v_load(lanes)));
        memcpy(y + i, lanes, bytes);
    }
}

static double peak_probe(int64_t repeats)
{
    vec sums[TILE_ROWS][TILE_VECTORS];
    const vec one = v_set(1), tiny = v_set((real)1e-7);
    for (int i = 0; i < TILE_ROWS; ++i)
        for (int v = 0; v < TILE_VECTORS; ++v)
            sums[i][v] = v_set((real)(i * TILE_VECTORS + v)); /* all different, or compilers merge them */
    for (int64_t r = 0; r < repeats; ++r)
        for (int i = 0; i < TILE_ROWS; ++i)
            for (int v = 0; v < TILE_VECTORS; ++v)
                sums[i][v] = v_fma(sums[i][v], one, tiny);
    vec total = v_set(0); /* of every lane: a compiler leaves out what nobody asks for */
    for (int i = 0; i < TILE_ROWS; ++i)
        for (int v = 0; v < TILE_VECTORS; ++v)
            total = total + sums[i][v];
    real lanes[LANES];
    v_store(lanes, total);
    return sum(lanes, LANES);
}

const bp_kernels BP_STUB = {
    .instruction_set = BP_NAME,
    .itemsize = sizeof(real),
    .lanes = LANES,
    .tile_rows = TILE_ROWS,
    .tile_columns = TILE_COLUMNS,
    .activations = activation_rows,
    .losses = loss_rows,
    .optimizers = optimizer_rows,
    .functions = function_rows,
    .identity = IDENTITY,
    .kept_slope = KEPT_SLOPE,
    .given_loss = GIVEN,
    .beside = BESIDE,
    .panel_bytes = panel_bytes,
    .multiply_units = multiply_units,
    .multiply = multiply,
    .activate = activate,
    .derivative = derivative,
    .update = update,
    .begin_step = begin_step,
    .gather = gather,
    .is_finite = is_finite,
    .are_classes = are_classes,
    .transpose = transpose,
    .loss = loss,
    .link = link,
    .sum = sum,
    .sum_of_squares = sum_of_squares,
    .uniform = uniform,
    .drop = drop,
    .add_noise = add_noise,
    .batch_statistics = batch_statistics,
    .normalise_rows = normalise_rows,
    .rows_backward = rows_backward,
    .follow_statistics = follow_statistics,
    .normalise_samples = normalise_samples,
    .samples_backward = samples_backward,
    .scale_gradients = scale_gradients,
    .activate_learned = activate_learned,
    .learned_backward = learned_backward,
    .add = add,
    .limit = limit,
    .follow = follow,
    .limit_columns = limit_columns,
    .apply = apply,
    .evaluate = evaluate,
    .peak_probe = peak_probe,
};
