/* exp, tanh, sigmoid and the two logarithms of the losses, for whole vectors and without a branch.
 *
 * Every function is the same sequence of operations at every vector width, so a value does not depend on the
 * lane it is in. nan goes in and comes out. The polynomials are Taylor series, long enough for their reduced
 * interval.
 */

#ifdef BP_FLOAT64
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
#define LN2_HIGH 0x1.62e42fefa0000p-1 /* 33 bits: its product with any exponent is exact */
#define LN2_LOW 0x1.cf79abc9e3b39p-40
#define EXP_TERMS 13
#define EXP_LOWEST -746.0 /* below: 0 */
#define EXP_HIGHEST 710.0 /* above: infinity */
#define TANH_HIGHEST 20.0 /* tanh is 1 from here on */
#define LOG_TERMS 11
#define LOG1P_TERMS 18
#else
#define MANTISSA_BITS 23
#define EXPONENT_BIAS 127
#define LN2_HIGH 0x1.62e400p-1f
#define LN2_LOW 0x1.7f7d1cp-20f
#define EXP_TERMS 7
#define EXP_LOWEST -104.0f
#define EXP_HIGHEST 89.0f
#define TANH_HIGHEST 10.0f
#define LOG_TERMS 5
#define LOG1P_TERMS 8
#endif

/* 1.5 * 2^mantissa: adding it rounds to a whole number, which then stands in the low bits */
#define ROUNDER ((real)1.5 * (real)((uint64_t)1 << MANTISSA_BITS))

static const real inverse_factorials[] = {
    1.0,        1.0,         1.0 / 2,      1.0 / 6,       1.0 / 24,       1.0 / 120,       1.0 / 720,
    1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800,
};

/* x itself for nan: a comparison with nan is false */
INLINE vec v_clamp(vec x, real low, real high)
{
    x = v_where_less(x, v_set(low), v_set(low), x);
    return v_where_less(v_set(high), x, v_set(high), x);
}

INLINE vec v_absolute(vec x)
{
    const ivec sign = (ivec)v_set((real)-0.0);
    return (vec)((ivec)x & ~sign);
}

/* 2^n for the whole number in the low bits of `rounded`, normal range only */
INLINE vec v_power_of_two(ivec n) { return (vec)((n + EXPONENT_BIAS) << MANTISSA_BITS); }

/* x = n ln 2 + r; returns r, and n as integers */
INLINE vec v_reduce(vec x, ivec *n)
{
    const vec rounded = v_fma(x, v_set((real)1.4426950408889634074), v_set(ROUNDER));
    const vec whole = rounded - v_set(ROUNDER);
    *n = (ivec)rounded - (ivec)v_set(ROUNDER);
    return v_fma(whole, v_set(-LN2_LOW), v_fma(whole, v_set(-LN2_HIGH), x));
}

/* exp(r) - 1 for |r| <= ln 2 / 2 */
INLINE vec v_expm1_reduced(vec r)
{
    vec p = v_set(inverse_factorials[EXP_TERMS]);
    for (int i = EXP_TERMS - 1; i >= 2; --i)
        p = v_fma(p, r, v_set(inverse_factorials[i]));
    return v_fma(p, r * r, r);
}

INLINE vec v_exp(vec x)
{
    ivec n;
    const vec r = v_reduce(v_clamp(x, EXP_LOWEST, EXP_HIGHEST), &n);
    const vec p = v_expm1_reduced(r) + v_set(1);
    const ivec half = n >> 1; /* in two steps, for results that are subnormal or infinite */
    return p * v_power_of_two(half) * v_power_of_two(n - half);
}

/* 1 / (1 + exp(-x)) */
INLINE vec v_sigmoid(vec x) { return v_set(1) / (v_set(1) + v_exp(-x)); }

/* e / (e + 2) with e = exp(2|x|) - 1, which keeps every digit of a small x; then the sign of x */
INLINE vec v_tanh(vec x)
{
    const ivec sign = (ivec)v_set((real)-0.0);
    ivec n;
    const vec magnitude = v_clamp(v_absolute(x), 0, TANH_HIGHEST);
    const vec r = v_reduce(magnitude + magnitude, &n);
    const vec power = v_power_of_two(n);
    const vec e = v_fma(v_expm1_reduced(r), power, power - v_set(1));
    const vec t = e / (e + v_set(2));
    return (vec)((ivec)t | ((ivec)x & sign));
}

/* max(x, 0), and nan for nan */
INLINE vec v_relu(vec x) { return v_where_less(x, v_set(0), v_set(0), x); }

/* 2 atanh(s) = 2 s (1 + s²/3 + s⁴/5 + …) */
INLINE vec v_twice_atanh(vec s, int terms)
{
    const vec square = s * s;
    vec p = v_set((real)(1.0 / (2 * terms + 1)));
    for (int i = terms - 1; i >= 0; --i)
        p = v_fma(p, square, v_set((real)(1.0 / (2 * i + 1))));
    return (s + s) * p;
}

/* log(x) for normal positive x: x = m 2^e with m in [√½, √2) */
INLINE vec v_log(vec x)
{
    const ivec bits = (ivec)x - (ivec)v_set((real)0.70710678118654752440);
    const ivec exponent = bits >> MANTISSA_BITS;
    const vec m = (vec)((ivec)x - (exponent << MANTISSA_BITS));
    const vec e = (vec)(exponent + (ivec)v_set(ROUNDER)) - v_set(ROUNDER);
    const vec f = m - v_set(1);
    const vec log_m = v_twice_atanh(f / (f + v_set(2)), LOG_TERMS);
    return v_fma(e, v_set(LN2_HIGH), v_fma(e, v_set(LN2_LOW), log_m));
}

/* log(1 + y) for 0 <= y <= 1 */
INLINE vec v_log1p(vec y) { return v_twice_atanh(y / (y + v_set(2)), LOG1P_TERMS); }
