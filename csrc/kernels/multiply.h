/* Matrix products by tiles of sums that stay in registers, with an epilogue on each tile while it is in the first-level cache.
 *
 * (a) B is read where it lies, TILE_COLUMNS wide; A gives one value at a time, broadcast. With feature-major activations the
 *     weights serve as A forward (k-major) and backward (row-major) as they stand: nothing is transposed or repacked for its own sake.
 * (b) Every element of C is one chain of multiply-adds in ascending k that starts at 0: its bits depend on neither the tile, nor
 *     the vector width, nor the number of threads, nor the columns beside it.
 * (c) A unit of work is one strip of tile_rows rows by a block of columns. The block is as wide as the second-level cache
 *     holds of B, so that B comes from there for every strip. Threads share out units.
 * (d) Strips differ by at most one row (65 rows are 11+11+11+11+11+10, not 5·12+5): a low tile costs as many loads of B as a high one.
 */

#define TILE_COLUMNS (TILE_VECTORS * LANES)
#define BLOCK_BYTES (384 * 1024) /* of B; second-level caches have 512 KiB and more */
#define PACK_FROM_TILES 3        /* tiles side by side from which copying A into a panel pays */

static size_t panel_bytes(int64_t k)
{
    const size_t gradient_tile = TILE_ROWS * TILE_COLUMNS * sizeof(real);
    return gradient_tile + ((size_t)k + 1) * TILE_ROWS * sizeof(real) + LANES * sizeof(real);
}

static int64_t strip_count(int64_t rows) { return (rows + TILE_ROWS - 1) / TILE_ROWS; }

static int64_t block_columns(const bp_multiply *job)
{
    const int64_t columns = BLOCK_BYTES / (int64_t)sizeof(real) / (job->k > 0 ? job->k : 1);
    return columns < TILE_COLUMNS ? TILE_COLUMNS : columns / TILE_COLUMNS * TILE_COLUMNS;
}

static int64_t multiply_units(const bp_multiply *job)
{
    const int64_t width = block_columns(job);
    return strip_count(job->m) * ((job->n + width - 1) / width);
}

/* One tile: c[rows][vectors] = sum over k of a(row, k) b[k][vectors]. rows and vectors are constants where this is inlined. */
INLINE void tile(const int rows, const int vectors, int64_t k, const real *a, int64_t row_stride, int64_t k_stride,
                 const real *b, int64_t ldb, real *c, int64_t ldc)
{
    vec sums[TILE_ROWS][TILE_VECTORS];
    for (int i = 0; i < rows; ++i)
        for (int v = 0; v < vectors; ++v)
            sums[i][v] = v_set(0);
    for (int64_t kk = 0; kk < k; ++kk, a += k_stride, b += ldb) {
        vec columns[TILE_VECTORS];
        for (int v = 0; v < vectors; ++v)
            columns[v] = v_load(b + v * LANES);
        for (int i = 0; i < rows; ++i) {
            const vec value = v_set(a[i * row_stride]);
            for (int v = 0; v < vectors; ++v)
                sums[i][v] = v_fma(value, columns[v], sums[i][v]);
        }
    }
    for (int i = 0; i < rows; ++i)
        for (int v = 0; v < vectors; ++v)
            v_store(c + i * ldc + v * LANES, sums[i][v]);
}

/* k-major A (row_stride 1) and row-major A (k_stride 1) are separate code: the constants stand in its addresses. */
#define TILE_OF(rows, vectors)                                              \
    if (a_is_k_major)                                                       \
        tile(rows, vectors, k, a, 1, lda, b, ldb, c, ldc);                  \
    else                                                                    \
        tile(rows, vectors, k, a, lda, 1, b, ldb, c, ldc);

#define TILE_CASE(rows)                                                     \
    case rows:                                                              \
        if (vectors == TILE_VECTORS) {                                      \
            TILE_OF(rows, TILE_VECTORS)                                     \
        } else {                                                            \
            TILE_OF(rows, 1)                                                \
        }                                                                   \
        break;

static void multiply_tile(int64_t rows, int64_t vectors, int64_t k, const real *a, int64_t lda, int a_is_k_major,
                          const real *b, int64_t ldb, real *c, int64_t ldc)
{
    switch (rows) {
        TILE_CASE(1)
        TILE_CASE(2)
        TILE_CASE(3)
        TILE_CASE(4)
#if TILE_ROWS > 4
        TILE_CASE(5)
        TILE_CASE(6)
#endif
#if TILE_ROWS > 6
        TILE_CASE(7)
        TILE_CASE(8)
        TILE_CASE(9)
        TILE_CASE(10)
        TILE_CASE(11)
        TILE_CASE(12)
#endif
    }
}

static void finish_tile(const bp_multiply *job, const real *gradient, int64_t row, int64_t column, int64_t rows, int64_t columns)
{
    const int64_t at = row * job->ldc + column;
    switch (job->epilogue) {
    case BP_STORE: return;
    case BP_ACTIVATE: activate(job->activation, (real *)job->c + at, job->ldc, rows, columns); return;
    case BP_DERIVATIVE:
        derivative(job->activation, (real *)job->c + at, (const real *)job->activations + at, job->ldc, rows, columns);
        return;
    case BP_UPDATE:
        update(job->step, gradient, TILE_COLUMNS, (real *)job->weights + at, job->moment1 ? (real *)job->moment1 + at : NULL,
               job->moment2 ? (real *)job->moment2 + at : NULL, job->ldc, rows, columns);
        return;
    }
}

/* panel[k][rows] from k-major A. Whole vectors, as long as that reads nothing behind A's end: what is copied too much of one row is
 * overwritten by the next. */
static void pack_panel(real *panel, const real *a, int64_t lda, int64_t rows, int64_t k)
{
    const int64_t width = (TILE_ROWS + LANES - 1) / LANES * LANES;
    int64_t kk = 0;
    for (const real *end = a + (k - 1) * lda + rows - width; a <= end; ++kk, a += lda, panel += rows)
        for (int64_t i = 0; i < width; i += LANES)
            v_store(panel + i, v_load(a + i));
    for (; kk < k; ++kk, a += lda, panel += rows)
        for (int64_t i = 0; i < rows; ++i)
            panel[i] = a[i];
}

/* The parameters that a tile will update are fetched while its gradient is worked out. */
static void prefetch_parameters(const bp_multiply *job, int64_t row, int64_t column, int64_t rows, int64_t columns)
{
    const char *blocks[] = {job->weights, job->moment1, job->moment2};
    for (size_t b = 0; b < sizeof blocks / sizeof *blocks; ++b)
        for (int64_t i = 0; blocks[b] && i < rows; ++i)
            for (int64_t j = 0; j < columns * (int64_t)sizeof(real); j += BP_ALIGNMENT)
                __builtin_prefetch(blocks[b] + ((row + i) * job->ldc + column) * (int64_t)sizeof(real) + j, 1, 3);
}

static void multiply_strip(const bp_multiply *job, int64_t row, int64_t rows, int64_t column, int64_t columns)
{
    real *gradient = job->panel, *panel = gradient + TILE_ROWS * TILE_COLUMNS;
    const real *a = (const real *)job->a + (job->a_is_k_major ? row : row * job->lda);
    int64_t lda = job->lda;
    int a_is_k_major = job->a_is_k_major;

    if (a_is_k_major && columns >= PACK_FROM_TILES * TILE_COLUMNS) {
        pack_panel(panel, a, lda, rows, job->k);
        a = panel;
        lda = rows;
        a_is_k_major = 1;
    }
    for (int64_t done = 0; done < columns; done += TILE_COLUMNS) {
        const int64_t width = columns - done < TILE_COLUMNS ? columns - done : TILE_COLUMNS;
        const int64_t at = column + done;
        real *c = job->epilogue == BP_UPDATE ? gradient : (real *)job->c + row * job->ldc + at;
        const int64_t ldc = job->epilogue == BP_UPDATE ? TILE_COLUMNS : job->ldc;
        if (job->epilogue == BP_UPDATE)
            prefetch_parameters(job, row, at, rows, width);
        multiply_tile(rows, width / LANES, job->k, a, lda, a_is_k_major, (const real *)job->b + at, job->ldb, c, ldc);
        finish_tile(job, gradient, row, at, rows, width);
    }
}

static void multiply(const bp_multiply *job, int64_t first, int64_t last)
{
    const int64_t strips = strip_count(job->m), width = block_columns(job);
    for (int64_t unit = first; unit < last; ++unit) {
        const int64_t strip = unit % strips, column = unit / strips * width;
        const int64_t row = strip * job->m / strips, next = (strip + 1) * job->m / strips;
        multiply_strip(job, row, next - row, column, job->n - column < width ? job->n - column : width);
    }
}
