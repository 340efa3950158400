/* Vectors of 256 bits: AVX2 with FMA. The names are explained in generic.h. */
#include <immintrin.h>

/* 16 registers: 12 sums, 2 columns of B, 2 for the values of A. */
#define TILE_ROWS 6
#define TILE_VECTORS 2

#ifdef BP_FLOAT64
#define LANES 4
typedef __m256d vec;
typedef long long ivec __attribute__((vector_size(32)));
#define V(name) _mm256_##name##_pd
#else
#define LANES 8
typedef __m256 vec;
typedef int ivec __attribute__((vector_size(32)));
#define V(name) _mm256_##name##_ps
#endif

INLINE vec v_load(const real *p) { return V(loadu)(p); }
INLINE void v_store(real *p, vec v) { V(storeu)(p, v); }
INLINE vec v_set(real x) { return V(set1)(x); }
INLINE vec v_fma(vec a, vec b, vec c) { return V(fmadd)(a, b, c); }
INLINE vec v_sqrt(vec v) { return V(sqrt)(v); }
INLINE vec v_lesser(vec a, vec b) { return V(min)(a, b); }
INLINE vec v_greater(vec a, vec b) { return V(max)(a, b); }
INLINE vec v_where_less(vec a, vec b, vec x, vec y) { return V(blendv)(y, x, V(cmp)(a, b, _CMP_LT_OQ)); }
INLINE vec v_where_equal(vec a, vec b, vec x, vec y) { return V(blendv)(y, x, V(cmp)(a, b, _CMP_EQ_OQ)); }
#undef V
