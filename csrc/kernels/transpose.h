/* Transposes of small blocks in registers. */

#define BLOCK 16 /* whole vectors of every instruction set */

/* lanes[i] < LANES: that lane of a; else of b */
#if defined(__clang__)
INLINE vec v_mix(vec a, vec b, const integer *lanes)
{
    vec mixed;
    for (int lane = 0; lane < LANES; ++lane)
        mixed[lane] = lanes[lane] < LANES ? a[lanes[lane]] : b[lanes[lane] - LANES];
    return mixed;
}
#else
INLINE vec v_mix(vec a, vec b, const integer *lanes)
{
    ivec mask;
    memcpy(&mask, lanes, sizeof mask);
    return __builtin_shuffle(a, b, mask);
}
#endif

/* Square of LANES vectors: at each level the two off-diagonal quarters of every square of 2·half lanes change
 * places. */
INLINE void v_transpose(vec x[LANES])
{
#pragma GCC unroll 4
    for (int half = LANES / 2; half > 0; half /= 2) {
        integer low[LANES], high[LANES];
        for (int lane = 0; lane < LANES; ++lane) {
            low[lane] = lane & half ? LANES + lane - half : lane;
            high[lane] = lane & half ? LANES + lane : lane + half;
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; ++i)
            if (!(i & half)) {
                const vec a = x[i], b = x[i + half];
                x[i] = v_mix(a, b, low);
                x[i + half] = v_mix(a, b, high);
            }
    }
}

INLINE void store_transposed(vec x[LANES], real *out, int64_t ldo)
{
    v_transpose(x);
#pragma GCC unroll 16
    for (int i = 0; i < LANES; ++i)
        v_store(out + i * ldo, x[i]);
}

/* BLOCK by BLOCK: out[column][row] = in[row][column], whose rows lie anywhere */
INLINE void transpose_rows(const char *const *in, real *out, int64_t ldo)
{
    for (int row = 0; row < BLOCK; row += LANES)
        for (int column = 0; column < BLOCK; column += LANES) {
            vec x[LANES];
#pragma GCC unroll 16
            for (int i = 0; i < LANES; ++i)
                x[i] = v_load((const real *)(const void *)in[row + i] + column);
            store_transposed(x, out + column * ldo + row, ldo);
        }
}

/* out[column][row] = in[row][column]; rows and columns at most BLOCK */
static void transpose_block(const real *in, int64_t ldi, int64_t rows, int64_t columns, real *out,
                            int64_t ldo)
{
    if (rows < BLOCK || columns < BLOCK) {
        for (int64_t column = 0; column < columns; ++column)
            for (int64_t row = 0; row < rows; ++row)
                out[column * ldo + row] = in[row * ldi + column];
        return;
    }
    for (int row = 0; row < BLOCK; row += LANES)
        for (int column = 0; column < BLOCK; column += LANES) {
            vec x[LANES];
#pragma GCC unroll 16
            for (int i = 0; i < LANES; ++i)
                x[i] = v_load(in + (row + i) * ldi + column);
            store_transposed(x, out + column * ldo + row, ldo);
        }
}
