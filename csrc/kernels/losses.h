/* Losses and their derivatives with respect to the last layer's output, side by side: one row each, of which the enum
 * and every switch are made.
 *
 * (a) ELEMENTWISE rows are sums over a sample's outputs: v_name(a, y, p, sum, d) gives the sum with this output's term
 *     added to it, and the term's derivative by a in *d.
 * (b) WHOLE rows see all outputs of a sample at once: v_name(outputs, p) gives the loss, and leaves its derivative
 *     times the sample's weight in outputs->da.
 * (c) Each names its link, which turns outputs into what `predict` returns: link_LINK(a, p). p are the parameters, in
 *     the order of backprop/catalogue/losses.
 * (d) GIVEN is no row: its losses and derivatives were worked out elsewhere, and are but weighed here.
 * (e) A vector holds one output of LANES samples; the outputs of a sample are walked in ascending order. All are
 *     stable for any finite outputs, as exp is only taken of numbers that are not positive; but for the losses that
 *     are infinite themselves, poisson and gamma, where the catalogue says so (finite_within).
 */
#define ELEMENTWISE_LOSSES(ROW)                                \
    ROW(SQUARED_ERROR, squared_error, identity)                \
    ROW(ABSOLUTE_ERROR, absolute_error, identity)              \
    ROW(HUBER, huber, identity)                                \
    ROW(POISSON, poisson, exp)                                 \
    ROW(GAMMA, gamma, exp)                                     \
    ROW(SIGMOID_CROSS_ENTROPY, sigmoid_cross_entropy, sigmoid) \
    ROW(FOCAL, focal, sigmoid)                                 \
    ROW(HINGE, hinge, identity)
#define WHOLE_LOSSES(ROW)                                      \
    ROW(SOFTMAX_CROSS_ENTROPY, softmax_cross_entropy, softmax) \
    ROW(QUANTILE, quantile, sorted)                            \
    ROW(GAUSSIAN_NLL, gaussian_nll, mean_and_variance)

enum {
#define CODE(NAME, name, link) NAME,
    ELEMENTWISE_LOSSES(CODE) WHOLE_LOSSES(CODE) GIVEN
#undef CODE
};

static const bp_row loss_rows[] = {
#define ROW_OF(NAME, name, link) {#name, 0},
    ELEMENTWISE_LOSSES(ROW_OF) WHOLE_LOSSES(ROW_OF){NULL, 0},
#undef ROW_OF
};

/* The outputs of LANES samples, from `column` on, and their targets. */
typedef struct {
    const real *a; /* IN [n_out][ld] */
    const real *y, *labels; /* IN [n_out][ld] or NULL; else [ld] */
    int64_t n_out, ld, column;
    vec weight; /* of each sample, over the sum of all weights */
    real *da;   /* OUT [n_out][ld] */
} outputs;

INLINE vec v_output(const outputs *o, int64_t j) { return v_load(o->a + j * o->ld + o->column); }

/* y of output j: from the matrix, or 1 where the sample's label is j */
INLINE vec v_target(const outputs *o, int64_t j)
{
    if (o->y)
        return v_load(o->y + j * o->ld + o->column);
    return v_where_equal(v_load(o->labels + o->column), v_set((real)j), v_set(1), v_set(0));
}

INLINE real *da_of(const outputs *o, int64_t j) { return o->da + j * o->ld + o->column; }

/* y, of which a share is spread over k answers; y itself for a share of 0 */
INLINE vec v_smoothed(vec y, real share, real k) { return v_fma(y, v_set(1 - share), v_set(share / k)); }

/* The same of output j; of a label it is one of two numbers, which are the same for all outputs. */
INLINE vec v_smoothed_target(const outputs *o, int64_t j, real share, real k)
{
    if (o->y)
        return v_smoothed(v_target(o, j), share, k);
    return v_where_equal(v_load(o->labels + o->column), v_set((real)j), v_smoothed(v_set(1), share, k),
                         v_smoothed(v_set(0), share, k));
}

/* ---- elementwise ---- */

/* ½ (a - y)², and a - y */
INLINE vec v_squared_error(vec a, vec y, const real *p, vec sum, vec *d)
{
    (void)p;
    *d = a - y;
    return v_fma(v_set((real)0.5) * *d, *d, sum);
}

/* |a - y|, and the sign of a - y: 0 where they are equal */
INLINE vec v_absolute_error(vec a, vec y, const real *p, vec sum, vec *d)
{
    (void)p;
    *d = v_sign(a - y);
    return sum + v_absolute(a - y);
}

/* c (e - c/2) and c, the error e = a - y cut off at ±delta: ½ e² up to there, and a line beyond; p: delta */
INLINE vec v_huber(vec a, vec y, const real *p, vec sum, vec *d)
{
    const vec e = a - y, c = v_clamp(e, -p[0], p[0]);
    *d = c;
    return v_fma(c, v_fma(v_set((real)-0.5), c, e), sum);
}

/* exp(a) - y a, and exp(a) - y */
INLINE vec v_poisson(vec a, vec y, const real *p, vec sum, vec *d)
{
    (void)p;
    const vec rate = v_exp(a);
    *d = rate - y;
    return sum + (rate - y * a);
}

/* y exp(-a) + a, and 1 - y exp(-a) */
INLINE vec v_gamma(vec a, vec y, const real *p, vec sum, vec *d)
{
    (void)p;
    const vec ratio = y * v_exp(-a);
    *d = v_set(1) - ratio;
    return sum + (ratio + a);
}

/* max(a, 0) - a y + log(1 + exp(-|a|)), and sigmoid(a) - y, with y smoothed towards ½; p: label_smoothing */
INLINE vec v_sigmoid_cross_entropy(vec a, vec y, const real *p, vec sum, vec *d)
{
    y = v_smoothed(y, p[0], 2);
    *d = v_sigmoid(a) - y;
    return sum + (v_relu(a) - a * y + v_log1p_exp(a));
}

/* q^gamma L, where q = sigmoid(t) is the chance that is given to the wrong answer and L = log(1 + exp(t)) what it
 * costs; and its derivative by t, q^gamma (gamma (1 - q) L + q). q^gamma is exp(-gamma log(1 + exp(-t))). */
INLINE vec v_focused(vec t, vec log1p_exp, real gamma, vec *d)
{
    const vec cost = v_relu(t) + log1p_exp, other = v_relu(-t) + log1p_exp;
    const vec share = v_exp(v_clamp(v_set(-gamma) * other, -REAL_MAX, 0));
    *d = share * v_fma(v_set(gamma) * v_sigmoid(-t), cost, v_sigmoid(t));
    return share * cost;
}

/* y times that of t = -a, and 1 - y times that of t = a; p: gamma */
INLINE vec v_focal(vec a, vec y, const real *p, vec sum, vec *d)
{
    const vec no = v_set(1) - y, log1p_exp = v_log1p_exp(a);
    vec d_of_yes, d_of_no;
    const vec of_yes = v_focused(-a, log1p_exp, p[0], &d_of_yes), of_no = v_focused(a, log1p_exp, p[0], &d_of_no);
    *d = no * d_of_no - y * d_of_yes;
    return sum + (y * of_yes + no * of_no);
}

/* y max(0, 1 - a) + (1 - y) max(0, 1 + a), and 1 - y where a > -1, less y where a < 1 */
INLINE vec v_hinge(vec a, vec y, const real *p, vec sum, vec *d)
{
    (void)p;
    const vec zero = v_set(0), one = v_set(1), no = one - y;
    /* a - a: 0, or nan for nan */
    *d = (v_where_less(v_set(-1), a, no, zero) - v_where_less(a, one, y, zero)) + (a - a);
    return sum + (y * v_relu(one - a) + no * v_relu(one + a));
}

/* ---- of all outputs ---- */

/* a - max, kept finite: the difference of finite logits may overflow, and 0 times infinity is nan */
INLINE vec v_below_top(vec a, vec top) { return v_clamp(a - top, -REAL_MAX, REAL_MAX); }

/* exp(a - max) into e, and the sum of it */
INLINE vec v_softmax_terms(const real *a, int64_t n_out, int64_t ld, vec *highest, real *e)
{
    vec top = v_load(a);
    for (int64_t j = 1; j < n_out; ++j) {
        const vec logit = v_load(a + j * ld);
        top = v_where_less(top, logit, logit, top);
    }
    vec sum = v_set(0);
    for (int64_t j = 0; j < n_out; ++j) {
        const vec term = v_exp(v_below_top(v_load(a + j * ld), top));
        sum = sum + term;
        v_store(e + j * ld, term);
    }
    *highest = top;
    return sum;
}

/* Σ y (log Σ exp a - a), and softmax(a) Σ y - y, with y smoothed towards 1/k; p: label_smoothing */
INLINE vec v_softmax_cross_entropy(const outputs *o, const real *p)
{
    const real k = (real)o->n_out;
    vec top;
    const vec sum = v_softmax_terms(o->a + o->column, o->n_out, o->ld, &top, o->da + o->column),
              log_sum = v_log(sum);
    vec loss = v_set(0), mass = v_set(1);
    if (o->y) {
        mass = v_set(0);
        for (int64_t j = 0; j < o->n_out; ++j)
            mass = mass + v_smoothed_target(o, j, p[0], k);
    }
    const vec share = mass / sum;
    for (int64_t j = 0; j < o->n_out; ++j) {
        const vec y = v_smoothed_target(o, j, p[0], k);
        loss = v_fma(y, log_sum - v_below_top(v_output(o, j), top), loss);
        v_store(da_of(o, j), v_fma(v_load(da_of(o, j)), share, -y) * o->weight);
    }
    return loss;
}

/* Σ max(q e, (q - 1) e) of e = y - a, and 1 - q where a is above y, -q below; p: whether predictions are sorted, and
 * a level q for each output */
INLINE vec v_quantile(const outputs *o, const real *p)
{
    const vec zero = v_set(0);
    vec loss = zero;
    for (int64_t j = 0; j < o->n_out; ++j) {
        const vec e = v_target(o, j) - v_output(o, j), q = v_set(p[1 + j]), rest = v_set(1 - p[1 + j]);
        const vec slope = v_where_less(e, zero, rest, v_where_less(zero, e, -q, e)); /* e: 0, or nan */
        loss = v_fma(-slope, e, loss);
        v_store(da_of(o, j), slope * o->weight);
    }
    return loss;
}

/* log(1 + exp(s)), and what keeps it from 0 */
INLINE vec v_variance(vec s) { return v_relu(s) + v_log1p_exp(s) + v_set((real)1e-6); }

/* ½ Σ (log v + e²/v), e = m - y; by the mean m: e/v; by s, of which v is the variance: ½ (1/v - e²/v²) sigmoid(s). The
 * first half of the outputs are the means, the other half the s. */
INLINE vec v_gaussian_nll(const outputs *o, const real *p)
{
    (void)p;
    const int64_t half = o->n_out / 2;
    const vec a_half = v_set((real)0.5);
    vec loss = v_set(0);
    for (int64_t j = 0; j < half; ++j) {
        const vec e = v_output(o, j) - v_target(o, j), s = v_output(o, half + j), v = v_variance(s);
        const vec inverse = v_set(1) / v, ratio = e / v;
        loss = v_fma(a_half, v_fma(e, ratio, v_log(v)), loss);
        v_store(da_of(o, j), ratio * o->weight);
        v_store(da_of(o, half + j), a_half * (inverse - ratio * ratio) * v_sigmoid(s) * o->weight);
    }
    return loss;
}

/* the losses stand where labels do, the derivatives where targets do */
INLINE vec v_given(const outputs *o)
{
    for (int64_t j = 0; j < o->n_out; ++j)
        v_store(da_of(o, j), v_target(o, j) * o->weight);
    return v_load(o->labels + o->column);
}

/* ---- the switches ---- */

INLINE vec v_elementwise(int code, const outputs *o, const real *p)
{
    vec sum = v_set(0);
    for (int64_t j = 0; j < o->n_out; ++j) {
        const vec a = v_output(o, j), y = v_target(o, j);
        vec d = v_set(0);
        switch (code) {
#define TERM(NAME, name, link) \
    case NAME: sum = v_##name(a, y, p, sum, &d); break;
            ELEMENTWISE_LOSSES(TERM)
        }
        v_store(da_of(o, j), d * o->weight);
    }
    return sum;
}

static void loss(const bp_loss *loss, const void *a, const bp_targets *targets, int64_t n_out, int64_t ld,
                 int64_t first, int64_t last, void *da, void *losses)
{
    real p[BP_LOSS_VALUES];
    for (int i = 0; i < loss->n_values; ++i)
        p[i] = (real)loss->values[i];
    for (int64_t column = first; column < last; column += LANES) {
        const vec weight = v_load((const real *)targets->weights + column);
        const outputs o = {a, targets->values, targets->labels, n_out, ld, column,
                           weight * v_set((real)targets->scale), da};
        vec value = v_set(0);
        switch (loss->code) {
#define ELEMENTWISE(NAME, name, link) \
    case NAME: value = v_elementwise(NAME, &o, p); break;
#define WHOLE(NAME, name, link) \
    case NAME: value = v_##name(&o, p); break;
            ELEMENTWISE_LOSSES(ELEMENTWISE)
            WHOLE_LOSSES(WHOLE)
        case GIVEN: value = v_given(&o); break;
        }
        v_store((real *)losses + column, weight * value);
    }
}

/* ---- links: LANES samples, a: [n_out][ld] ---- */

INLINE void link_identity(real *a, const double *p, int64_t n_out, int64_t ld)
{
    (void)a, (void)p, (void)n_out, (void)ld;
}

INLINE void link_sigmoid(real *a, const double *p, int64_t n_out, int64_t ld)
{
    (void)p;
    for (int64_t j = 0; j < n_out; ++j)
        v_store(a + j * ld, v_sigmoid(v_load(a + j * ld)));
}

INLINE void link_exp(real *a, const double *p, int64_t n_out, int64_t ld)
{
    (void)p;
    for (int64_t j = 0; j < n_out; ++j)
        v_store(a + j * ld, v_exp(v_load(a + j * ld)));
}

INLINE void link_softmax(real *a, const double *p, int64_t n_out, int64_t ld)
{
    (void)p;
    vec top;
    const vec share = v_set(1) / v_softmax_terms(a, n_out, ld, &top, a);
    for (int64_t j = 0; j < n_out; ++j)
        v_store(a + j * ld, v_load(a + j * ld) * share);
}

/* in ascending order where p[0] asks for it, each of the samples for itself */
INLINE void link_sorted(real *a, const double *p, int64_t n_out, int64_t ld)
{
    for (int64_t last = p[0] != 0 ? n_out - 1 : 0; last > 0; --last)
        for (int64_t j = 0; j < last; ++j) {
            const vec one = v_load(a + j * ld), other = v_load(a + (j + 1) * ld);
            v_store(a + j * ld, v_where_less(other, one, other, one));
            v_store(a + (j + 1) * ld, v_where_less(other, one, one, other));
        }
}

INLINE void link_mean_and_variance(real *a, const double *p, int64_t n_out, int64_t ld)
{
    (void)p;
    for (int64_t j = n_out / 2; j < n_out; ++j)
        v_store(a + j * ld, v_variance(v_load(a + j * ld)));
}

static void link(const bp_loss *loss, void *a, int64_t n_out, int64_t ld, int64_t first, int64_t last)
{
    for (int64_t column = first; column < last; column += LANES)
        switch (loss->code) {
#define LINK(NAME, name, link) \
    case NAME: link_##link((real *)a + column, loss->values, n_out, ld); break;
            ELEMENTWISE_LOSSES(LINK)
            WHOLE_LOSSES(LINK)
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
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int k = 0; k < 8; ++k)
            s[k] += (double)x[i + k];
    for (; i < count; ++i)
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
