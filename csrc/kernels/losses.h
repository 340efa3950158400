/* Losses and their derivatives with respect to the last layer's output, side by side.
 *
 * A vector holds one output of LANES samples; the outputs of a sample are walked in ascending order. All are
 * stable for any finite logits: exp is only taken of numbers that are not positive.
 */

/* y of output j: from the matrix, or 1 where the sample's label is j */
INLINE vec v_target(const real *values, const real *labels, int64_t ld, int64_t j, int64_t column)
{
    if (values)
        return v_load(values + j * ld + column);
    return v_where_equal(v_load(labels + column), v_set((real)j), v_set(1), v_set(0));
}

/* ½ Σ (a - y)², and a - y */
INLINE vec v_squared_error(const real *a, const bp_targets *t, int64_t n_out, int64_t ld, int64_t column,
                           vec weight, real *da)
{
    vec sum = v_set(0);
    for (int64_t j = 0; j < n_out; ++j) {
        const vec error = v_load(a + j * ld + column) - v_target(t->values, t->labels, ld, j, column);
        sum = v_fma(error, error, sum);
        v_store(da + j * ld + column, error * weight);
    }
    return v_set((real)0.5) * sum;
}

/* Σ max(a, 0) - a y + log(1 + exp(-|a|)), and sigmoid(a) - y */
INLINE vec v_sigmoid_cross_entropy(const real *a, const bp_targets *t, int64_t n_out, int64_t ld,
                                   int64_t column, vec weight, real *da)
{
    vec sum = v_set(0);
    for (int64_t j = 0; j < n_out; ++j) {
        const vec logit = v_load(a + j * ld + column), y = v_target(t->values, t->labels, ld, j, column);
        sum = sum + (v_relu(logit) - logit * y + v_log1p_exp(logit));
        v_store(da + j * ld + column, (v_sigmoid(logit) - y) * weight);
    }
    return sum;
}

/* a - max, kept finite: the difference of finite logits may overflow, and 0 times infinity is nan */
INLINE vec v_below_top(vec a, vec top) { return v_clamp(a - top, -REAL_MAX, REAL_MAX); }

/* exp(a - max) into e, and the sum of it */
INLINE vec v_softmax_terms(const real *a, int64_t n_out, int64_t ld, int64_t column, vec *highest, real *e)
{
    vec top = v_load(a + column);
    for (int64_t j = 1; j < n_out; ++j) {
        const vec logit = v_load(a + j * ld + column);
        top = v_where_less(top, logit, logit, top);
    }
    vec sum = v_set(0);
    for (int64_t j = 0; j < n_out; ++j) {
        const vec term = v_exp(v_below_top(v_load(a + j * ld + column), top));
        sum = sum + term;
        v_store(e + j * ld + column, term);
    }
    *highest = top;
    return sum;
}

/* Σ y (log Σ exp a - a), and softmax(a) Σ y - y */
INLINE vec v_softmax_cross_entropy(const real *a, const bp_targets *t, int64_t n_out, int64_t ld,
                                   int64_t column, vec weight, real *da)
{
    vec top;
    const vec sum = v_softmax_terms(a, n_out, ld, column, &top, da), log_sum = v_log(sum);
    vec loss = v_set(0), mass = v_set(1);
    if (t->values) {
        mass = v_set(0);
        for (int64_t j = 0; j < n_out; ++j)
            mass = mass + v_load((const real *)t->values + j * ld + column);
    }
    const vec share = mass / sum;
    for (int64_t j = 0; j < n_out; ++j) {
        const vec y = v_target(t->values, t->labels, ld, j, column);
        loss = v_fma(y, log_sum - v_below_top(v_load(a + j * ld + column), top), loss);
        v_store(da + j * ld + column, v_fma(v_load(da + j * ld + column), share, -y) * weight);
    }
    return loss;
}

static void loss(bp_loss which, const void *a, const bp_targets *targets, int64_t n_out, int64_t ld,
                 int64_t first, int64_t last, void *da, void *losses)
{
    for (int64_t column = first; column < last; column += LANES) {
        const vec raw = v_load((const real *)targets->weights + column),
                  weight = raw * v_set((real)targets->scale);
        vec value = v_set(0);
        switch (which) {
        case BP_SQUARED_ERROR: value = v_squared_error(a, targets, n_out, ld, column, weight, da); break;
        case BP_SIGMOID_CROSS_ENTROPY:
            value = v_sigmoid_cross_entropy(a, targets, n_out, ld, column, weight, da);
            break;
        case BP_SOFTMAX_CROSS_ENTROPY:
            value = v_softmax_cross_entropy(a, targets, n_out, ld, column, weight, da);
            break;
        }
        v_store((real *)losses + column, raw * value);
    }
}

static void probabilities(bp_loss which, void *logits, int64_t n_out, int64_t ld, int64_t first, int64_t last)
{
    real *a = logits;
    for (int64_t column = first; column < last; column += LANES) {
        if (which == BP_SIGMOID_CROSS_ENTROPY) {
            activate(BP_SIGMOID, a + column, ld, n_out, LANES);
        } else if (which == BP_SOFTMAX_CROSS_ENTROPY) {
            vec top;
            const vec share = v_set(1) / v_softmax_terms(a, n_out, ld, column, &top, a);
            for (int64_t j = 0; j < n_out; ++j)
                v_store(a + j * ld + column, v_load(a + j * ld + column) * share);
        }
    }
}

/* The fixed tree over eight sums, element i in sum i mod 8: the same for every vector width. */
INLINE double tree(const double *s)
{
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

static double sum(const void *values, int64_t count)
{
    const real *x = values;
    double s[8] = {0};
    for (int64_t i = 0; i < count; ++i)
        s[i % 8] += (double)x[i];
    return tree(s);
}

/* Column j of every row to sum j mod 8. */
static double sum_of_squares(const void *values, int64_t ld, int64_t rows, int64_t columns)
{
    double s[8] = {0};
    for (int64_t r = 0; r < rows; ++r) {
        const real *x = (const real *)values + r * ld;
        int64_t j = 0;
        for (; j + 8 <= columns; j += 8)
            for (int k = 0; k < 8; ++k)
                s[k] += (double)x[j + k] * (double)x[j + k];
        for (; j < columns; ++j)
            s[j % 8] += (double)x[j] * (double)x[j];
    }
    return tree(s);
}
