/* The optimizers' steps, in place; formulas as in backprop/reference.py. */

/* One step's constants, in the kernels' own type. */
typedef struct {
    real minus_rate, momentum, rest_1, rest_2, epsilon, l2;
} rates;

static void set_rates(rates *r, const bp_step *step)
{
    r->minus_rate = -(real)step->learning_rate;
    r->momentum = (real)step->momentum;
    r->rest_1 = (real)(1 - step->beta_1);
    r->rest_2 = (real)(1 - step->beta_2);
    r->epsilon = (real)step->epsilon;
    r->l2 = (real)step->l2;
}

/* The parameters [at, at + LANES) with their gradient; l2: r->l2, or 0 for a bias. */
INLINE void update_vector(bp_optimizer optimizer, const rates *r, real l2, const real *gradient,
                          real *weights, real *moment1, real *moment2, int64_t at)
{
    const vec minus_rate = v_set(r->minus_rate);
    vec w = v_load(weights + at);
    vec g = v_load(gradient);
    if (l2 != 0) /* seldom: a multiply-add less */
        g = v_fma(v_set(l2), w, g);
    if (optimizer == BP_SGD) {
        w = v_fma(minus_rate, g, w);
    } else if (optimizer == BP_ADAM) {
        vec m = v_load(moment1 + at), v = v_load(moment2 + at);
        m = v_fma(v_set(r->rest_1), g - m, m); /* beta m + (1 - beta) g, with one multiplication less */
        v = v_fma(v_set(r->rest_2), v_fma(g, g, -v), v);
        v_store(moment1 + at, m);
        v_store(moment2 + at, v);
        w = v_fma(minus_rate, m / (v_sqrt(v) + v_set(r->epsilon)), w);
    } else {
        const vec momentum = v_set(r->momentum);
        const vec velocity = v_fma(momentum, v_load(moment1 + at), minus_rate * g);
        v_store(moment1 + at, velocity);
        w = w + (optimizer == BP_NESTEROV ? v_fma(momentum, velocity, minus_rate * g) : velocity);
    }
    v_store(weights + at, w);
}

INLINE void update_as(bp_optimizer optimizer, const rates *r, const real *gradient, int64_t ldg,
                      real *weights, real *moment1, real *moment2, int64_t ldw, int64_t rows, int64_t decayed,
                      int64_t columns)
{
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t column = 0; column < columns; column += LANES)
            update_vector(optimizer, r, row < decayed ? r->l2 : 0, gradient + row * ldg + column, weights,
                          moment1, moment2, row * ldw + column);
}

/* The switch stands outside the loops: each case is a loop of its own. */
static void update_rows(bp_optimizer optimizer, const rates *r, const real *gradient, int64_t ldg,
                        real *weights, real *moment1, real *moment2, int64_t ldw, int64_t rows,
                        int64_t decayed, int64_t columns)
{
    switch (optimizer) {
    case BP_SGD:
        update_as(BP_SGD, r, gradient, ldg, weights, moment1, moment2, ldw, rows, decayed, columns);
        return;
    case BP_MOMENTUM:
        update_as(BP_MOMENTUM, r, gradient, ldg, weights, moment1, moment2, ldw, rows, decayed, columns);
        return;
    case BP_NESTEROV:
        update_as(BP_NESTEROV, r, gradient, ldg, weights, moment1, moment2, ldw, rows, decayed, columns);
        return;
    case BP_ADAM:
        update_as(BP_ADAM, r, gradient, ldg, weights, moment1, moment2, ldw, rows, decayed, columns);
        return;
    }
}

static void update(const bp_step *step, const void *gradient, int64_t ldg, void *weights, void *moment1,
                   void *moment2, int64_t ldw, int64_t rows, int64_t decayed, int64_t columns)
{
    rates r;
    set_rates(&r, step);
    update_rows(step->optimizer, &r, gradient, ldg, weights, moment1, moment2, ldw, rows, decayed, columns);
}
