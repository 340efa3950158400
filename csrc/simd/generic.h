/* Vectors of 128 bits through the compiler's vector extension: NEON on aarch64, SSE2 on baseline x86-64.
 *
 * Every simd header gives the same names (see avx512.h for the widest): `vec`, LANES, TILE_ROWS, TILE_VECTORS
 * and the v_* operations. Arithmetic (+ - * /) on `vec` and on the same-sized integer vector `ivec` is the
 * compiler's own.
 */
#include <string.h>
#ifdef __aarch64__
#include <arm_neon.h>
#endif

#ifdef BP_FLOAT64
#define LANES 2
#else
#define LANES 4
#endif
typedef real vec __attribute__((vector_size(16)));
typedef integer ivec __attribute__((vector_size(16)));

#ifdef __aarch64__
/* 32 registers: 24 sums, 2 columns of B, the rest for the values of A. */
#define TILE_ROWS 12
#define TILE_VECTORS 2
#else
/* 16 registers, and a product needs one of its own before it is added. */
#define TILE_ROWS 4
#define TILE_VECTORS 2
#endif

INLINE vec v_load(const real *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void v_store(real *p, vec v) { memcpy(p, &v, sizeof v); }
INLINE vec v_set(real x) { return x - (vec){0}; }

/* a·b + c: one rounding on NEON; SSE2 has no such instruction and rounds twice. */
INLINE vec v_fma(vec a, vec b, vec c)
{
#if defined(__aarch64__) && defined(BP_FLOAT64)
    return (vec)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#elif defined(__aarch64__)
    return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

/* where a < b (false for nan): x, elsewhere y */
INLINE vec v_where_less(vec a, vec b, vec x, vec y)
{
    const ivec less = a < b;
    return (vec)((less & (ivec)x) | (~less & (ivec)y));
}
INLINE vec v_where_equal(vec a, vec b, vec x, vec y)
{
    const ivec equal = a == b;
    return (vec)((equal & (ivec)x) | (~equal & (ivec)y));
}

/* a < b ? a : b and a > b ? a : b; both are b where one of the two is nan */
INLINE vec v_lesser(vec a, vec b)
{
#if defined(__SSE2__) && defined(BP_FLOAT64)
    return (vec)__builtin_ia32_minpd(a, b);
#elif defined(__SSE2__)
    return (vec)__builtin_ia32_minps(a, b);
#else
    return v_where_less(a, b, a, b);
#endif
}
INLINE vec v_greater(vec a, vec b)
{
#if defined(__SSE2__) && defined(BP_FLOAT64)
    return (vec)__builtin_ia32_maxpd(a, b);
#elif defined(__SSE2__)
    return (vec)__builtin_ia32_maxps(a, b);
#else
    return v_where_less(b, a, a, b);
#endif
}

INLINE vec v_sqrt(vec v)
{
#if defined(__aarch64__) && defined(BP_FLOAT64)
    return (vec)vsqrtq_f64((float64x2_t)v);
#elif defined(__aarch64__)
    return (vec)vsqrtq_f32((float32x4_t)v);
#elif defined(__SSE2__) && defined(BP_FLOAT64)
    return (vec)__builtin_ia32_sqrtpd(v);
#elif defined(__SSE2__)
    return (vec)__builtin_ia32_sqrtps(v);
#else
    for (int i = 0; i < LANES; ++i)
        v[i] = sizeof(real) == 8 ? __builtin_sqrt(v[i]) : __builtin_sqrtf(v[i]);
    return v;
#endif
}
