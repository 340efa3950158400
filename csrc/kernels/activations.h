/* Activations and their derivatives, side by side: one row each, of which the enum and every switch are made.
 *
 * (a) FROM_A rows work f'(z) out from a = f(z), so that nothing is kept: v_name(z), and v_d_name(a, da), which is
 *     f'(z) da. The derivative finishes a product's tile in registers; each costs every tile that much code.
 * (b) KEPT rows need z, which is gone by then: v_k_name(z, p, slope) gives a, and f'(z), which is kept for the way
 *     back. There one finish serves all of them: it multiplies by what was kept.
 * (c) LEARNED rows are KEPT rows with a parameter for each unit, which trains: v_p_name(z) is the slope of a by it. They
 *     are applied beside the product, by learned.h, which keeps z.
 * (d) p are the activation's parameters, in the order of backprop/catalogue/activations.py. nan in gives nan out.
 */
#define FROM_A_ACTIVATIONS(ROW) ROW(SIGMOID, sigmoid) ROW(TANH, tanh) ROW(RELU, relu)
#define KEPT_ACTIVATIONS(ROW)       \
    ROW(LEAKY_RELU, leaky_relu)     \
    ROW(ELU, elu)                   \
    ROW(SELU, selu)                 \
    ROW(SOFTPLUS, softplus)         \
    ROW(SOFTSIGN, softsign)         \
    ROW(SILU, silu)                 \
    ROW(GELU, gelu)                 \
    ROW(GELU_TANH, gelu_tanh)       \
    ROW(MISH, mish)                 \
    ROW(HARD_SIGMOID, hard_sigmoid) \
    ROW(HARD_SWISH, hard_swish)     \
    ROW(EXP, exp)                   \
    ROW(SIN, sin)
#define LEARNED_ACTIVATIONS(ROW) ROW(PRELU, prelu)
/* those whose value finds room in registers too; the tile of the others is activated in the first-level cache */
#define IN_REGISTERS(ROW) ROW(RELU, relu)

enum {
    IDENTITY,
#define CODE(NAME, name) NAME,
    FROM_A_ACTIVATIONS(CODE) KEPT_ACTIVATIONS(CODE) LEARNED_ACTIVATIONS(CODE) ACTIVATIONS_END,
#undef CODE
    KEPT_SLOPE = ACTIVATIONS_END, /* a derivative that is what was kept */
};

static const bp_row activation_rows[] = {
    {"identity", BP_FROM_A},
#define FROM_A_ROW(NAME, name) {#name, BP_FROM_A},
#define KEPT_ROW(NAME, name) {#name, BP_KEPT},
#define LEARNED_ROW(NAME, name) {#name, BP_LEARNED},
    FROM_A_ACTIVATIONS(FROM_A_ROW) KEPT_ACTIVATIONS(KEPT_ROW) LEARNED_ACTIVATIONS(LEARNED_ROW){NULL, 0},
};

/* ---- from a ---- */

INLINE vec v_d_sigmoid(vec a, vec da) { return da * (a * (v_set(1) - a)); }
INLINE vec v_d_tanh(vec a, vec da) { return da * v_fma(-a, a, v_set(1)); }
INLINE vec v_d_relu(vec a, vec da) { return v_where_less(v_set(0), a, da, v_set(0)); }

/* ---- kept: a, and f'(z) in *slope ---- */

INLINE vec v_k_leaky_relu(vec z, const real *p, vec *slope)
{
    const vec zero = v_set(0), leak = v_set(p[0]);
    *slope = v_where_less(zero, z, v_set(1), leak);
    return v_where_less(zero, z, z, leak * z);
}

INLINE vec v_k_prelu(vec z, const real *p, vec *slope) { return v_k_leaky_relu(z, p, slope); }
INLINE vec v_p_prelu(vec z) { return v_where_less(v_set(0), z, v_set(0), z); }

/* z, or scale (exp(z) - 1) from 0 down, whose slopes are `above` and scale exp(z) */
INLINE vec v_exponential_unit(vec z, real above, real scale, vec *slope)
{
    const vec zero = v_set(0), below = v_expm1_down(z), factor = v_set(scale);
    *slope = v_where_less(zero, z, v_set(above), v_fma(factor, below, factor));
    return v_where_less(zero, z, v_set(above) * z, factor * below);
}

INLINE vec v_k_elu(vec z, const real *p, vec *slope) { return v_exponential_unit(z, 1, p[0], slope); }

#define SELU_SCALE 1.0507009873554804934
#define SELU_ALPHA 1.6732632423543772848
INLINE vec v_k_selu(vec z, const real *p, vec *slope)
{
    (void)p;
    return v_exponential_unit(z, (real)SELU_SCALE, (real)(SELU_SCALE * SELU_ALPHA), slope);
}

INLINE vec v_k_softplus(vec z, const real *p, vec *slope)
{
    (void)p;
    *slope = v_sigmoid(z);
    return v_relu(z) + v_log1p_exp(z);
}

INLINE vec v_k_softsign(vec z, const real *p, vec *slope)
{
    (void)p;
    /* beyond, 1 / |z| would be subnormal and lose digits, and a is 1 or -1 */
    const vec near = v_clamp(z, (real)-0x1p100, (real)0x1p100);
    const vec inverse = v_set(1) / (v_set(1) + v_absolute(near));
    *slope = inverse * inverse;
    return near * inverse;
}

INLINE vec v_k_silu(vec z, const real *p, vec *slope)
{
    (void)p;
    const vec s = v_sigmoid(z), a = z * s;
    *slope = v_fma(a, v_set(1) - s, s);
    return a;
}

/* beyond this |z| the normal density is 0, and its exponent would overflow */
#define DENSITY_HIGHEST 40

INLINE vec v_k_gelu(vec z, const real *p, vec *slope)
{
    (void)p;
    const vec share = v_normal_cdf(z), near = v_clamp(z, -DENSITY_HIGHEST, DENSITY_HIGHEST);
    const vec density = v_set((real)0.39894228040143267794) * v_exp(v_set((real)-0.5) * near * near);
    *slope = v_fma(near, density, share);
    return z * share;
}

/* ½ z (1 + tanh(u)) with u = c (z + 0.044715 z³): by Hendrycks and Gimpel for where erf is slow. ½ (1 + tanh(u)) is
 * sigmoid(2u), whose small values keep their digits. */
INLINE vec v_k_gelu_tanh(vec z, const real *p, vec *slope)
{
    (void)p;
    const vec one = v_set(1), twice_c = v_set((real)1.59576912160573071176);
    const vec near = v_clamp(z, -DENSITY_HIGHEST, DENSITY_HIGHEST), square = near * near;
    const vec u = twice_c * near * v_fma(v_set((real)0.044715), square, one);
    const vec less = v_sigmoid(v_minus_absolute(u)), more = one - less;
    const vec share = v_where_less(u, v_set(0), less, more);
    const vec u_slope = twice_c * v_fma(v_set((real)(3 * 0.044715)), square, one);
    *slope = v_fma(near * (less * more), u_slope, share);
    return z * share;
}

/* z tanh(softplus(z)): with e = exp(z), tanh(log(1 + e)) = n / (n + 2), n = e (e + 2); it is 1 from 40 up */
INLINE vec v_k_mish(vec z, const real *p, vec *slope)
{
    (void)p;
    const vec one = v_set(1), two = v_set(2), near = v_lesser(v_set(40), z), e = v_exp(near);
    const vec n = e * (e + two), inverse = one / (n + two), t = n * inverse;
    const vec t_slope = v_set(4) * (n + one) * inverse * inverse; /* 1 - t² */
    *slope = v_fma(near * v_sigmoid(near), t_slope, t);
    return z * t;
}

/* z / 6 + ½, between 0 and 1 */
INLINE vec v_ramp(vec z, vec *slope)
{
    const vec sixth = v_set((real)(1.0 / 6)), zero = v_set(0);
    *slope = v_where_less(v_absolute(z), v_set(3), sixth, zero);
    return v_clamp(v_fma(z, sixth, v_set((real)0.5)), 0, 1);
}

INLINE vec v_k_hard_sigmoid(vec z, const real *p, vec *slope)
{
    (void)p;
    return v_ramp(z, slope);
}

INLINE vec v_k_hard_swish(vec z, const real *p, vec *slope)
{
    (void)p;
    vec inner;
    const vec share = v_ramp(z, &inner);
    *slope = v_fma(v_clamp(z, -3, 3), inner, share);
    return z * share;
}

INLINE vec v_k_exp(vec z, const real *p, vec *slope)
{
    (void)p;
    *slope = v_exp(z);
    return *slope;
}

INLINE vec v_k_sin(vec z, const real *p, vec *slope)
{
    (void)p;
    return v_sine(z, slope);
}

/* ---- the switches ---- */

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
    vec a = z;
    switch (code) {
#define VALUE(NAME, name) \
    case NAME: a = v_##name(z); break;
        FROM_A_ACTIVATIONS(VALUE)
#define VALUE_AND_SLOPE(NAME, name) \
    case NAME: return v_k_##name(z, p, slope);
        KEPT_ACTIVATIONS(VALUE_AND_SLOPE)
        LEARNED_ACTIVATIONS(VALUE_AND_SLOPE)
    }
    *slope = v_derivative(code, a, v_set(1));
    return a;
}

/* The slope of a by the parameter that is learned. */
INLINE vec v_by_parameter(int code, vec z)
{
    switch (code) {
#define BY_PARAMETER(NAME, name) \
    case NAME: return v_p_##name(z);
        LEARNED_ACTIVATIONS(BY_PARAMETER)
    }
    return v_set(0);
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
#define ACTIVATE(NAME, name)                                   \
    case NAME:                                                 \
        if (slope)                                             \
            activate_as(NAME, p, z, slope, ld, rows, columns); \
        else                                                   \
            activate_as(NAME, p, z, NULL, ld, rows, columns);  \
        return;
        FROM_A_ACTIVATIONS(ACTIVATE)
        KEPT_ACTIVATIONS(ACTIVATE)
        LEARNED_ACTIVATIONS(ACTIVATE)
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
