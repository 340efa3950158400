/* exp, log, tanh, sigmoid, erf, log(1 + exp(-|x|)), Φ, exp - 1, sine and cosine, for whole vectors, without a branch.
 *
 * (a) Every function is the same sequence of operations at every vector width: a value does not depend on the lane
 *     that it is in, nor on the processor, if v_fma rounds once there. nan goes in and comes out.
 * (b) float32 is worked out in float32. Where one rounding too many would cost accuracy, what it lost is kept in a
 *     second number (*_low, rest) and added at the end: fma(-q, b, a) is what a quotient q = a / b leaves over, and
 *     b - ((a + b) - a) what a sum loses if |a| >= |b|.
 * (c) The polynomials are in polynomials.h, which bench/minimax.py prints.
 * (d) The errors over all 2^32 inputs of float32 are in bench/README.md; bench/ulp.py measures them.
 */

#ifdef BP_FLOAT64
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
#define LN2_HIGH 0x1.62e42fefa0000p-1 /* 33 bits: its product with any exponent is exact */
#define LN2_LOW 0x1.cf79abc9e3b39p-40
#define EXP_LOWEST -746.0 /* exp is 0 from here down */
#define EXP_HIGHEST 710.0 /* exp is infinity from here up */
#define TANH_HIGHEST 19.0625 /* tanh is 1 from here up */
#define ERF_HIGHEST 6.0 /* erf is 1 from here up */
#define EXPM1_LOWEST -700.0 /* exp - 1 is -1 from here down */
#define HALF_PI_HIGH 0x1.921fb4p0 /* 24 bits; 3 parts of 24 bits and the rest */
#define HALF_PI_MIDDLE 0x1.4442dp-24
#define HALF_PI_LOW 0x1.8469898cc5170p-48
#define REAL_TINY DBL_MIN
#else
#define MANTISSA_BITS 23
#define EXPONENT_BIAS 127
#define LN2_HIGH 0x1.62e400p-1f
#define LN2_LOW 0x1.7f7d1cp-20f
#define EXP_LOWEST -104.0f
#define EXP_HIGHEST 89.0f
#define TANH_HIGHEST 9.0109f
#define ERF_HIGHEST 4.0f
#define EXPM1_LOWEST -80.0f
#define HALF_PI_HIGH 1.5703125f /* 8 bits, 11 bits, and the rest */
#define HALF_PI_MIDDLE 4.837512969970703125e-4f
#define HALF_PI_LOW 7.54978995489188216e-8f
#define REAL_TINY FLT_MIN
#endif
#define ERF_FAR ((real)1) /* from here up, erf is 1 - erfc */
#define LN2 ((real)0.69314718055994530942)
#define INVERSE_LN2 ((real)1.4426950408889634074)
#define INFINITE ((real)__builtin_inf())

/* 1.5 * 2^mantissa: adding it rounds to a whole number, which then stands in the low bits */
#define ROUNDER ((real)1.5 * (real)((uint64_t)1 << MANTISSA_BITS))

/* x itself for nan */
INLINE vec v_clamp(vec x, real low, real high) { return v_lesser(v_set(high), v_greater(v_set(low), x)); }

INLINE vec v_absolute(vec x)
{
    const ivec sign = (ivec)v_set((real)-0.0);
    return (vec)((ivec)x & ~sign);
}

INLINE vec v_minus_absolute(vec x)
{
    const ivec sign = (ivec)v_set((real)-0.0);
    return (vec)((ivec)x | sign);
}

/* |x| with the sign of `from`, for x that is not negative */
INLINE vec v_with_sign(vec x, vec from)
{
    const ivec sign = (ivec)v_set((real)-0.0);
    return (vec)((ivec)x | ((ivec)from & sign));
}

/* max(x, 0), and nan for nan */
INLINE vec v_relu(vec x) { return v_greater(v_set(0), x); }

/* Σ terms[i] x^i */
INLINE vec v_polynomial(vec x, const real *terms, int count)
{
    vec p = v_set(terms[count - 1]);
    for (int i = count - 2; i >= 0; --i)
        p = v_fma(p, x, v_set(terms[i]));
    return p;
}
#define V_POLYNOMIAL(x, terms) v_polynomial(x, terms, (int)(sizeof(terms) / sizeof(real)))

/* ---- exp ---- */

/* x = n ln 2 + r with |r| <= ln 2 / 2: the slope in exp(r) = 1 + slope r, and n + shift in the low bits of an
 * integer */
INLINE vec v_exp_slope(vec x, int shift, vec *r, ivec *exponent)
{
    const vec rounder = v_set(ROUNDER + (real)shift), rounded = v_fma(x, v_set(INVERSE_LN2), rounder);
    const vec n = rounded - rounder;
    *exponent = (ivec)rounded;
    *r = v_fma(n, v_set(-LN2_LOW), v_fma(n, v_set(-LN2_HIGH), x));
    return v_fma(V_POLYNOMIAL(*r, exp_terms), *r, v_set(1));
}

/* In two steps, of which only the second rounds, as 2^n may be subnormal or infinite */
INLINE vec v_exp(vec x)
{
    vec r;
    ivec exponent;
    const vec slope = v_exp_slope(v_clamp(x, EXP_LOWEST, EXP_HIGHEST), 2 * EXPONENT_BIAS, &r, &exponent);
    const ivec half = exponent >> 1;
    const vec power = (vec)(half << MANTISSA_BITS), other = (vec)((exponent - half) << MANTISSA_BITS);
    return v_fma(slope, r * power, power) * other;
}

/* exp(-|x|), and what it lost */
INLINE vec v_exp_down(vec x, vec *low)
{
    const vec down = v_set((real)0x1p-64);
    vec r;
    ivec exponent;
    const vec slope =
        v_exp_slope(v_greater(v_set(EXP_LOWEST), v_minus_absolute(x)), EXPONENT_BIAS + 64, &r, &exponent);
    const vec power = (vec)(exponent << MANTISSA_BITS), scaled_r = r * power;
    const vec e = v_fma(slope, scaled_r, power);
    *low = v_fma(slope, scaled_r, power - e) * down;
    return e * down;
}

/* ---- tanh and sigmoid ---- */

/* u = tanh(z) for small z. With y = n ln 2 / 2 + z, exp(2 y) = 2^n (1 + u) / (1 - u), of which tanh(y) is a quotient;
 * and u is odd in z, so that it takes half as many terms as exp. */
INLINE vec v_tanh_near_0(vec z)
{
    const vec square = z * z;
    return v_fma(z * square, V_POLYNOMIAL(square, tanh_terms), z);
}

/* z lies between TANH_SHIFT - ln 2 / 4 and TANH_SHIFT + ln 2 / 4: up to |x| = 0.263, n is 0 and tanh(x) is u itself;
 * from there on u is so much less than tanh(x) that its roundings hardly count. */
#define TANH_SHIFT ((real)0.09)

/* (2^n - 1 + u (2^n + 1)) / (2^n + 1 + u (2^n - 1)), with y = |x|; then the sign of x */
INLINE vec v_tanh(vec x)
{
    const vec one = v_set(1), y = v_absolute(x);
    /* n ends where 2^n + 1 is no longer exact; up to TANH_HIGHEST, z and u then grow instead */
    const vec highest = v_set((MANTISSA_BITS + (real)0.4) * LN2 / 2),
              rounder = v_set(ROUNDER + EXPONENT_BIAS);
    const vec rounded = v_fma(v_lesser(highest, y - v_set(TANH_SHIFT)), v_set(2 * INVERSE_LN2), rounder);
    const vec power = (vec)((ivec)rounded << MANTISSA_BITS), below = power - one, above = power + one;
    const vec u = v_tanh_near_0(v_fma(rounded - rounder, v_set(-LN2 / 2), y));
    const vec inverse = one / v_fma(u, below, above), t = v_fma(u, above, below) * inverse;
    /* what the quotient t leaves over; as u is small, so is what the inner roundings do to it */
    const vec rest = v_fma(u, v_fma(-t, below, above), v_fma(-t, above, below));
    const vec result = v_fma(rest, inverse, t);
    return v_with_sign(v_where_less(v_set(TANH_HIGHEST), y, one, result), x);
}

/* 1 / (1 + exp(-x)): with e = exp(-|x|), it is w = e / (1 + e) for x < 0, and 1 - w for the others */
INLINE vec v_sigmoid(vec x)
{
    const vec one = v_set(1);
    vec e_low;
    const vec e = v_exp_down(x, &e_low);
    const vec inverse = one / (one + e), quotient = e * inverse;
    /* e - quotient (1 + e); the difference is exact, as e / 2 <= quotient <= e */
    const vec rest = v_fma(-quotient, e, e - quotient);
    const vec w = v_fma(v_fma(e_low, inverse, rest), inverse, quotient);
    return v_where_less(x, v_set(0), w, one - w);
}

/* ---- logarithms ---- */

/* k ln 2 + log(1 + f) + low, for f in [-1/4, 1/2] and a low that is next to nothing */
INLINE vec v_log_sum(vec k, vec f, vec low)
{
    const vec whole = k * v_set(LN2_HIGH), sum = whole + f, sum_low = f - (sum - whole);
    return sum + v_fma(f * f, V_POLYNOMIAL(f, log_terms), v_fma(k, v_set(LN2_LOW), sum_low + low));
}

/* log(x): -inf for 0, nan for negative x. x = m 2^k with m in [3/4, 3/2) */
INLINE vec v_log(vec x)
{
    const vec tiny = v_set(REAL_TINY), zero = v_set(0);
    const real up = (real)((uint64_t)1 << MANTISSA_BITS); /* makes a subnormal x normal */
    const ivec bits = (ivec)v_where_less(x, tiny, x * v_set(up), x);
    const ivec exponent = (bits - (ivec)v_set((real)0.75)) >> MANTISSA_BITS;
    const vec k = (vec)(exponent + (ivec)v_set(ROUNDER)) -
                  v_where_less(x, tiny, v_set(ROUNDER + MANTISSA_BITS), v_set(ROUNDER));
    const vec result = v_log_sum(k, (vec)(bits - (exponent << MANTISSA_BITS)) - v_set(1), zero);
    const vec positive =
        v_where_equal(x, zero, v_set(-INFINITE), v_where_less(x, v_set(INFINITE), result, x));
    return v_where_less(x, zero, v_set((real)__builtin_nan("")), positive);
}

/* log(1 + exp(-|x|)), the part of the logistic loss that bends. With e = exp(-|x|), 1 + e = (1 + f) 2^k. */
INLINE vec v_log1p_exp(vec x)
{
    const vec one = v_set(1), half = v_set((real)0.5);
    vec e_low;
    const vec e = v_exp_down(x, &e_low);
    const vec k = v_where_less(e, half, v_set(0), one);
    const vec f = v_where_less(e, half, e, v_fma(e, half, -half));
    /* d log(1 + e) / de = 1 / (1 + e), near 1 - e + e² / 2 for e up to 1 */
    const vec slope = v_fma(e, v_fma(e, half, -one), one);
    return v_log_sum(k, f, e_low * slope);
}

/* ---- erf ---- */

/* erf(y) for y from 0 to ERF_FAR: y (1 + q(y²)) */
INLINE vec v_erf_near_0(vec y) { return v_fma(V_POLYNOMIAL(y * y, erf_terms), y, y); }

/* erfc(y) for y from ERF_FAR to ERF_HIGHEST: exp(log erfc(y)), and what it lost */
INLINE vec v_erfc_far(vec y, vec *low)
{
    return v_exp_down(V_POLYNOMIAL(y - v_set(ERF_FAR), log_erfc_terms), low);
}

INLINE vec v_erf(vec x)
{
    const vec y = v_lesser(v_set(ERF_HIGHEST), v_absolute(x)), far_from = v_set(ERF_FAR);
    const vec near_0 = v_erf_near_0(y);
    vec e_low; /* erfc(y) = e + e_low, and rest what 1 - e loses */
    const vec e = v_erfc_far(y, &e_low);
    const vec one = v_set(1), above = one - e, rest = one - above - e;
    const vec far = above + (rest - e_low);
    return v_with_sign(v_where_less(y, far_from, near_0, far), x);
}

/* The normal distribution's Φ(x) = ½ erfc(-x / √2), to an ε of 1; Φ(-|x|) is 0 beyond ERF_HIGHEST √2 */
INLINE vec v_normal_cdf(vec x)
{
    const vec half = v_set((real)0.5), scaled = v_absolute(x) * v_set((real)0.70710678118654752440);
    const vec y = v_lesser(v_set(ERF_HIGHEST), scaled);
    vec e_low;
    const vec e = v_erfc_far(y, &e_low);
    const vec far = v_where_less(scaled, v_set(ERF_HIGHEST), half * (e + e_low), v_set(0));
    const vec near_0 = v_fma(-half, v_erf_near_0(y), half);
    const vec tail = v_where_less(y, v_set(ERF_FAR), near_0, far); /* Φ(-|x|) */
    return v_where_less(x, v_set(0), tail, v_set(1) - tail) + (y - y); /* y is nan where x is */
}

/* exp(x) - 1 for x <= 0, which keeps its digits near 0: 2^n - 1 + 2^n (exp(r) - 1) */
INLINE vec v_expm1_down(vec x)
{
    vec r;
    ivec exponent;
    const vec slope = v_exp_slope(v_clamp(x, EXPM1_LOWEST, 0), EXPONENT_BIAS, &r, &exponent);
    const vec power = (vec)(exponent << MANTISSA_BITS);
    return v_fma(slope * r, power, power - v_set(1));
}

/* ---- sine and cosine ---- */

/* sin(x) and *cosine. x = k π/2 + r with |r| <= π/4, in three steps, of which the first two are exact for |k| < 2^13
 * in float32, 2^29 in float64: |x| up to 1e4 and 8e8. Beyond, digits are lost; in the end r is what the clamp makes of
 * it, and all that is known of the result is that it is the sine of some number. */
INLINE vec v_sine(vec x, vec *cosine)
{
    const vec rounded = v_fma(x, v_set((real)0.63661977236758134308), v_set(ROUNDER));
    const vec k = rounded - v_set(ROUNDER);
    vec r = v_fma(k, v_set(-HALF_PI_HIGH), x);
    r = v_fma(k, v_set(-HALF_PI_MIDDLE), r);
    r = v_fma(k, v_set(-HALF_PI_LOW), r);
    r = v_clamp(r, -1, 1);
    const vec s = r * r;
    const vec sine = v_fma(s * r, V_POLYNOMIAL(s, sin_terms), r);
    const vec cos = v_fma(s * s, V_POLYNOMIAL(s, cos_terms), v_fma(v_set((real)-0.5), s, v_set(1)));
    const ivec quarter = (ivec)rounded, one = (ivec)v_set(1) * 0 + 1, sign = (ivec)v_set((real)-0.0);
    const ivec odd = -(quarter & one);
    const ivec by_sine = (ivec)sine, by_cosine = (ivec)cos;
    const ivec negative = -((quarter >> 1) & one), cos_negative = -(((quarter + 1) >> 1) & one);
    const vec found = (vec)(((by_sine & ~odd) | (by_cosine & odd)) ^ (negative & sign));
    *cosine = v_clamp((vec)(((by_cosine & ~odd) | (by_sine & odd)) ^ (cos_negative & sign)), -1, 1);
    return v_clamp(found, -1, 1);
}
