/* Noise that a training step draws: by (state, row, place of the column) alone, so that its bits depend on no thread and no vector. */

/* Two rounds of a 32-bit mixer with low bias (Wellons 2018), between them a second half of the key. */
INLINE uint32_t draw(uint32_t key, uint32_t other, uint32_t column)
{
    uint32_t x = column ^ key;
    x = (x ^ x >> 16) * UINT32_C(0x7feb352d);
    x = (x ^ x >> 15) * UINT32_C(0x846ca68b);
    x = (x ^ x >> 16) + other;
    x = (x ^ x >> 16) * UINT32_C(0x7feb352d);
    x = (x ^ x >> 15) * UINT32_C(0x846ca68b);
    return x ^ x >> 16;
}

/* Inverted dropout: 0 with probability `rate`, else 1 / (1 - rate). */
static void drop(uint64_t state, double rate, void *values, void *slope, int64_t ld, int64_t rows, int64_t first,
                 int64_t last, int64_t place)
{
    const uint32_t threshold = (uint32_t)(rate * 0x1p32);
    const real kept = (real)(1 / (1 - rate));
    for (int64_t row = 0; row < rows; ++row) {
        const uint64_t key = bp_mix(state + BP_GAMMA * (uint64_t)(row + 1));
        const uint32_t low = (uint32_t)key, high = (uint32_t)(key >> 32);
        real *a = (real *)values + row * ld, *d = slope ? (real *)slope + row * ld : NULL;
        for (int64_t column = first; column < last; column += LANES) {
            real factors[LANES];
            for (int lane = 0; lane < LANES; ++lane)
                factors[lane] = draw(low, high, (uint32_t)(place + column + lane)) < threshold ? 0 : kept;
            const vec factor = v_load(factors);
            v_store(a + column, v_load(a + column) * factor);
            if (d)
                v_store(d + column, v_load(d + column) * factor);
        }
    }
}

/* Two numbers of a place, uniform on (0, 1), as a number of the normal distribution (Box and Muller 1958). */
INLINE vec v_normal(vec one, vec other)
{
    vec slope;
    return v_sqrt(v_set(-2) * v_log(one)) * v_k_sin(v_set((real)6.283185307179586) * other, NULL, &slope);
}

/* To each value, `deviation` times a number of the standard normal distribution. */
static void add_noise(uint64_t state, double deviation, void *values, int64_t ld, int64_t rows, int64_t first,
                      int64_t last, int64_t place)
{
    for (int64_t row = 0; row < rows; ++row) {
        const uint64_t key = bp_mix(state + BP_GAMMA * (uint64_t)(row + 1));
        const uint32_t low = (uint32_t)key, high = (uint32_t)(key >> 32);
        real *a = (real *)values + row * ld;
        for (int64_t column = first; column < last; column += LANES) {
            real one[LANES], other[LANES];
            for (int lane = 0; lane < LANES; ++lane) { /* 23 bits: exact in float32, and never 0 or 1 */
                one[lane] = ((real)(draw(low, high, (uint32_t)(place + column + lane)) >> 9) + (real)0.5) * (real)0x1p-23;
                other[lane] = ((real)(draw(high, low, (uint32_t)(place + column + lane)) >> 9) + (real)0.5) * (real)0x1p-23;
            }
            v_store(a + column, v_fma(v_set((real)deviation), v_normal(v_load(one), v_load(other)),
                                      v_load(a + column)));
        }
    }
}
