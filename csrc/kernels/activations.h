/* Activations and their derivatives, side by side: one row each, of which the enum and every switch are made.
 *
 * (a) FROM_A rows work f'(z) out from a = f(z), so that nothing is kept: v_name(z), and v_d_name(a, da), which is
 *     f'(z) da. The derivative finishes a product's tile in registers; each costs every tile that much code.
 * (b) KEPT rows need z, which is gone by then: v_name(z, p, slope) gives a, and f'(z), which is kept for the way
 *     back. There one finish serves all of them: it multiplies by what was kept.
 * (c) p are the activation's parameters, in the order of backprop/catalogue/activations.py. nan in gives nan out.
 */
#define FROM_A_ACTIVATIONS(ROW) ROW(SIGMOID, sigmoid) ROW(TANH, tanh) ROW(RELU, relu)
#define KEPT_ACTIVATIONS(ROW)
/* those whose value finds room in registers too; the tile of the others is activated in the first-level cache */
#define IN_REGISTERS(ROW) ROW(RELU, relu)

enum {
    IDENTITY,
#define CODE(NAME, name) NAME,
    FROM_A_ACTIVATIONS(CODE) KEPT_SLOPE, /* of all that follow */
    FIRST_KEPT = KEPT_SLOPE,
    BEFORE_KEPT = KEPT_SLOPE - 1,
    KEPT_ACTIVATIONS(CODE)
#undef CODE
};

static const bp_row activation_rows[] = {
    {"identity", 0},
#define FROM_A_ROW(NAME, name) {#name, 0},
#define KEPT_ROW(NAME, name) {#name, 1},
    FROM_A_ACTIVATIONS(FROM_A_ROW) KEPT_ACTIVATIONS(KEPT_ROW){NULL, 0},
};

/* ---- from a ---- */

INLINE vec v_d_sigmoid(vec a, vec da) { return da * (a * (v_set(1) - a)); }
INLINE vec v_d_tanh(vec a, vec da) { return da * v_fma(-a, a, v_set(1)); }
INLINE vec v_d_relu(vec a, vec da) { return v_where_less(v_set(0), a, da, v_set(0)); }

/* f'(z) da, from what was kept: a, or f'(z) */
INLINE vec v_derivative(int code, vec kept, vec da)
{
    switch (code) {
    case IDENTITY: return da;
#define DERIVATIVE(NAME, name) \
    case NAME: return v_d_##name(kept, da);
        FROM_A_ACTIVATIONS(DERIVATIVE)
    }
    return kept * da;
}

/* a; and f'(z) into *slope, which is asked for of all that keep it, and of others by dropout. */
INLINE vec v_activation(int code, vec z, const real *p, vec *slope)
{
    (void)p;
    vec a = z;
    switch (code) {
#define VALUE(NAME, name) \
    case NAME: a = v_##name(z); break;
        FROM_A_ACTIVATIONS(VALUE)
#define VALUE_AND_SLOPE(NAME, name) \
    case NAME: return v_##name(z, p, slope);
        KEPT_ACTIVATIONS(VALUE_AND_SLOPE)
    }
    *slope = v_derivative(code, a, v_set(1));
    return a;
}

INLINE void activate_as(int code, const real *p, real *z, real *slope, int64_t ld, int64_t rows,
                        int64_t columns)
{
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t column = 0; column < columns; column += LANES) {
            const int64_t at = row * ld + column;
            vec derivative;
            v_store(z + at, v_activation(code, v_load(z + at), p, &derivative));
            if (slope)
                v_store(slope + at, derivative);
        }
}

INLINE void derivative_as(int code, real *da, const real *kept, int64_t ld, int64_t rows, int64_t columns)
{
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t column = 0; column < columns; column += LANES) {
            const int64_t at = row * ld + column;
            v_store(da + at, v_derivative(code, v_load(kept + at), v_load(da + at)));
        }
}

/* The switch stands outside the loops: each case is a loop of its own. */
static void activate(const bp_activation *activation, void *z, void *slope, int64_t ld, int64_t rows,
                     int64_t columns)
{
    real p[BP_VALUES];
    for (int i = 0; i < BP_VALUES; ++i)
        p[i] = (real)activation->values[i];
    switch (activation->code) {
#define ACTIVATE(NAME, name)                                         \
    case NAME:                                                       \
        if (slope)                                                   \
            activate_as(NAME, p, z, slope, ld, rows, columns);       \
        else                                                         \
            activate_as(NAME, p, z, NULL, ld, rows, columns);        \
        return;
        FROM_A_ACTIVATIONS(ACTIVATE)
        KEPT_ACTIVATIONS(ACTIVATE)
    }
    if (slope) /* of the identity */
        activate_as(IDENTITY, p, z, slope, ld, rows, columns);
}

static void derivative(int code, void *da, const void *kept, int64_t ld, int64_t rows, int64_t columns)
{
    switch (code) {
    case IDENTITY: return;
#define DERIVE(NAME, name) \
    case NAME: derivative_as(NAME, da, kept, ld, rows, columns); return;
        FROM_A_ACTIVATIONS(DERIVE)
    }
    derivative_as(KEPT_SLOPE, da, kept, ld, rows, columns);
}

static void apply(const bp_activation *activation, const void *in, void *out, void *slope, int64_t count)
{
    const real *x = in;
    real *y = out, *d = slope;
    for (int64_t i = 0; i < count; i += LANES) {
        real lanes[LANES] = {0}, slopes[LANES];
        const size_t bytes = (size_t)(count - i < LANES ? count - i : LANES) * sizeof(real);
        memcpy(lanes, x + i, bytes);
        activate(activation, lanes, slopes, LANES, 1, LANES);
        memcpy(y + i, lanes, bytes);
        if (d)
            memcpy(d + i, slopes, bytes);
    }
}
