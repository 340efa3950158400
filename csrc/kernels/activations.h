/* Activations and their derivatives, side by side; the derivative from a = f(z), so that z need not be kept. */

INLINE vec v_activation(bp_activation activation, vec z)
{
    switch (activation) {
    case BP_SIGMOID: return v_sigmoid(z);
    case BP_TANH: return v_tanh(z);
    case BP_RELU: return v_relu(z);
    case BP_IDENTITY: break;
    }
    return z;
}

/* f'(z) times da */
INLINE vec v_derivative(bp_activation activation, vec a, vec da)
{
    switch (activation) {
    case BP_SIGMOID: return da * (a * (v_set(1) - a));
    case BP_TANH: return da * v_fma(-a, a, v_set(1));
    case BP_RELU: return v_where_less(v_set(0), a, da, v_set(0));
    case BP_IDENTITY: break;
    }
    return da;
}

INLINE void activate_as(bp_activation activation, real *z, int64_t ld, int64_t rows, int64_t columns)
{
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t column = 0; column < columns; column += LANES) {
            real *p = z + row * ld + column;
            v_store(p, v_activation(activation, v_load(p)));
        }
}

INLINE void derivative_as(bp_activation activation, real *da, const real *a, int64_t ld, int64_t rows,
                          int64_t columns)
{
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t column = 0; column < columns; column += LANES) {
            const int64_t at = row * ld + column;
            v_store(da + at, v_derivative(activation, v_load(a + at), v_load(da + at)));
        }
}

/* The switch stands outside the loops: each case is a loop of its own. */
static void activate(bp_activation activation, void *z, int64_t ld, int64_t rows, int64_t columns)
{
    switch (activation) {
    case BP_IDENTITY: return;
    case BP_SIGMOID: activate_as(BP_SIGMOID, z, ld, rows, columns); return;
    case BP_TANH: activate_as(BP_TANH, z, ld, rows, columns); return;
    case BP_RELU: activate_as(BP_RELU, z, ld, rows, columns); return;
    }
}

static void derivative(bp_activation activation, void *da, const void *a, int64_t ld, int64_t rows,
                       int64_t columns)
{
    switch (activation) {
    case BP_IDENTITY: return;
    case BP_SIGMOID: derivative_as(BP_SIGMOID, da, a, ld, rows, columns); return;
    case BP_TANH: derivative_as(BP_TANH, da, a, ld, rows, columns); return;
    case BP_RELU: derivative_as(BP_RELU, da, a, ld, rows, columns); return;
    }
}

static void apply(bp_activation activation, const void *in, void *out, int64_t count)
{
    const real *x = in;
    real *y = out;
    for (int64_t i = 0; i < count; i += LANES) {
        real lanes[LANES] = {0};
        const size_t bytes = (size_t)(count - i < LANES ? count - i : LANES) * sizeof(real);
        memcpy(lanes, x + i, bytes);
        activate(activation, lanes, LANES, 1, LANES);
        memcpy(y + i, lanes, bytes);
    }
}
