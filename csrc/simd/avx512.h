/* Vectors of 512 bits: AVX-512 F, VL, DQ. The names are explained in generic.h. */
#include <immintrin.h>

/* 32 registers: 24 sums, 2 columns of B; the values of A are broadcast by the multiply-add itself. */
#define TILE_ROWS 12
#define TILE_VECTORS 2

#ifdef BP_FLOAT64
#define LANES 8
typedef __m512d vec;
typedef long long ivec __attribute__((vector_size(64)));
#define V(name) _mm512_##name##_pd
#define V_MASK(name) _mm512_##name##_pd_mask
#else
#define LANES 16
typedef __m512 vec;
typedef int ivec __attribute__((vector_size(64)));
#define V(name) _mm512_##name##_ps
#define V_MASK(name) _mm512_##name##_ps_mask
#endif

INLINE vec v_load(const real *p) { return V(loadu)(p); }
INLINE void v_store(real *p, vec v) { V(storeu)(p, v); }
INLINE vec v_set(real x) { return V(set1)(x); }
INLINE vec v_fma(vec a, vec b, vec c) { return V(fmadd)(a, b, c); }
INLINE vec v_sqrt(vec v) { return V(sqrt)(v); }
INLINE vec v_lesser(vec a, vec b) { return V(min)(a, b); }
INLINE vec v_greater(vec a, vec b) { return V(max)(a, b); }
INLINE vec v_where_less(vec a, vec b, vec x, vec y)
{
    return V(mask_blend)(V_MASK(cmp)(a, b, _CMP_LT_OQ), y, x);
}
INLINE vec v_where_equal(vec a, vec b, vec x, vec y)
{
    return V(mask_blend)(V_MASK(cmp)(a, b, _CMP_EQ_OQ), y, x);
}
#undef V
#undef V_MASK
