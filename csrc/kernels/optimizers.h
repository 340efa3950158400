/* The optimizers' steps on a block of parameters and its gradient, in place; formulas as in backprop/reference.py. */

INLINE void update_as(bp_optimizer optimizer, const bp_step *step, const real *gradient, int64_t ldg,
                      real *weights, real *moment1, real *moment2, int64_t ldw, int64_t rows, int64_t columns)
{
    const vec rate = v_set((real)step->learning_rate), momentum = v_set((real)step->momentum);
    const vec beta_1 = v_set((real)step->beta_1), rest_1 = v_set((real)(1 - step->beta_1));
    const vec beta_2 = v_set((real)step->beta_2), rest_2 = v_set((real)(1 - step->beta_2));
    const vec epsilon = v_set((real)step->epsilon);

    for (int64_t row = 0; row < rows; ++row)
        for (int64_t column = 0; column < columns; column += LANES) {
            const vec g = v_load(gradient + row * ldg + column);
            const int64_t at = row * ldw + column;
            vec w = v_load(weights + at);
            if (optimizer == BP_SGD) {
                w = v_fma(-rate, g, w);
            } else if (optimizer == BP_ADAM) {
                const vec m = v_fma(beta_1, v_load(moment1 + at), rest_1 * g);
                const vec v = v_fma(beta_2, v_load(moment2 + at), rest_2 * (g * g));
                v_store(moment1 + at, m);
                v_store(moment2 + at, v);
                w = w - rate * m / (v_sqrt(v) + epsilon);
            } else {
                const vec velocity = v_fma(momentum, v_load(moment1 + at), -(rate * g));
                v_store(moment1 + at, velocity);
                if (optimizer == BP_NESTEROV)
                    w = w + v_fma(momentum, velocity, -(rate * g));
                else
                    w = w + velocity;
            }
            v_store(weights + at, w);
        }
}

static void update(const bp_step *step, const void *gradient, int64_t ldg, void *weights, void *moment1,
                   void *moment2, int64_t ldw, int64_t rows, int64_t columns)
{
    switch (step->optimizer) {
    case BP_SGD:
        update_as(BP_SGD, step, gradient, ldg, weights, moment1, moment2, ldw, rows, columns);
        return;
    case BP_MOMENTUM:
        update_as(BP_MOMENTUM, step, gradient, ldg, weights, moment1, moment2, ldw, rows, columns);
        return;
    case BP_NESTEROV:
        update_as(BP_NESTEROV, step, gradient, ldg, weights, moment1, moment2, ldw, rows, columns);
        return;
    case BP_ADAM:
        update_as(BP_ADAM, step, gradient, ldg, weights, moment1, moment2, ldw, rows, columns);
        return;
    }
}
