/* Matrix products by tiles of sums that stay in registers, with an epilogue on each of them.
 *
 * (a) B is read where it lies, TILE_COLUMNS wide; A gives one value at a time, broadcast. With feature-major
 *     activations the weights serve as A forward (k-major) and backward (row-major) as they stand: nothing is
 *     transposed or repacked for its own sake.
 * (b) Every element of C is one chain of multiply-adds in ascending k that starts at 0: its bits depend on
 *     neither the tile, nor the vector width, nor the number of threads, nor the columns beside it.
 * (c) A unit of work is one strip of tile_rows rows by a block of columns. The sums over k are made in
 *     stretches, between which they rest in C, so that a stretch of B stays in the second-level cache while
 *     all strips pass over it, and a stretch of A in the first. The gradient that an update spends at once
 *     has nowhere to rest: there one stretch is all of k, the batch.
 * (d) Strips differ by at most one row (65 rows are 11+11+11+11+11+10, not 5·12+5): a low tile costs as many
 *     loads of B as a high one.
 */

#define TILE_COLUMNS (TILE_VECTORS * LANES)
#define BLOCK_BYTES (384 * 1024) /* of B; second-level caches have 512 KiB and more */
#define STRETCH_BYTES 1536 /* of k: a strip of A is then 18 KiB, half of a first-level cache */
#define PACK_FROM_TILES 3 /* tiles side by side from which copying A into a panel pays */

static size_t panel_bytes(int64_t k)
{
    const size_t gradient_tile = TILE_ROWS * TILE_COLUMNS * sizeof(real);
    return gradient_tile + ((size_t)k + 1) * TILE_ROWS * sizeof(real) + LANES * sizeof(real);
}

static int64_t strip_count(int64_t rows) { return (rows + TILE_ROWS - 1) / TILE_ROWS; }

static int64_t stretch_count(const bp_multiply *job)
{
    const int64_t longest = STRETCH_BYTES / (int64_t)sizeof(real);
    return job->epilogue == BP_UPDATE || job->k <= longest ? 1 : (job->k + longest - 1) / longest;
}

static int64_t block_columns(const bp_multiply *job)
{
    const int64_t stretch = job->k / stretch_count(job) + 1;
    const int64_t columns = BLOCK_BYTES / (int64_t)sizeof(real) / stretch;
    return columns < TILE_COLUMNS ? TILE_COLUMNS : columns / TILE_COLUMNS * TILE_COLUMNS;
}

static int64_t multiply_units(const bp_multiply *job)
{
    const int64_t width = block_columns(job);
    return strip_count(job->m) * ((job->n + width - 1) / width);
}

/* One tile: c[rows][vectors] (+)= sum over k >= 1 of a(row, k) b[k][vectors]. rows and vectors are constants
 * where this is inlined. */
INLINE void tile(const int rows, const int vectors, int resume, int64_t k, const real *a, int64_t row_stride,
                 int64_t k_stride, const real *b, int64_t ldb, real *c, int64_t ldc)
{
    vec sums[TILE_ROWS][TILE_VECTORS];
    for (int i = 0; i < rows; ++i)
        for (int v = 0; v < vectors; ++v)
            sums[i][v] = resume ? v_load(c + i * ldc + v * LANES) : v_set(0);
    do { /* a loop that may run no time makes the compiler move all the sums about */
        vec columns[TILE_VECTORS];
        for (int v = 0; v < vectors; ++v)
            columns[v] = v_load(b + v * LANES);
        for (int i = 0; i < rows; ++i) {
            const vec value = v_set(a[i * row_stride]);
            for (int v = 0; v < vectors; ++v)
                sums[i][v] = v_fma(value, columns[v], sums[i][v]);
        }
        a += k_stride;
        b += ldb;
    } while (--k);
    for (int i = 0; i < rows; ++i)
        for (int v = 0; v < vectors; ++v)
            v_store(c + i * ldc + v * LANES, sums[i][v]);
}

/* k-major A (row_stride 1) and row-major A (k_stride 1) are separate code, with the constants in its addresses. */
#define TILE_OF(rows, vectors)                                     \
    if (a_is_k_major)                                              \
        tile(rows, vectors, resume, k, a, 1, lda, b, ldb, c, ldc); \
    else                                                           \
        tile(rows, vectors, resume, k, a, lda, 1, b, ldb, c, ldc);

#define TILE_CASE(rows)                 \
    case rows:                          \
        if (vectors == TILE_VECTORS) {  \
            TILE_OF(rows, TILE_VECTORS) \
        } else {                        \
            TILE_OF(rows, 1)            \
        }                               \
        break;

static void multiply_tile(int64_t rows, int64_t vectors, int resume, int64_t k, const real *a, int64_t lda,
                          int a_is_k_major, const real *b, int64_t ldb, real *c, int64_t ldc)
{
    if (k == 0) { /* an empty sum */
        for (int64_t i = 0; i < rows; ++i)
            memset(c + i * ldc, 0, (size_t)(vectors * LANES) * sizeof(real));
        return;
    }
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

static void finish_tile(const bp_multiply *job, const real *gradient, int64_t row, int64_t column,
                        int64_t rows, int64_t columns)
{
    const int64_t at = row * job->ldc + column;
    switch (job->epilogue) {
    case BP_STORE: return;
    case BP_ACTIVATE: activate(job->activation, (real *)job->c + at, job->ldc, rows, columns); return;
    case BP_DERIVATIVE:
        derivative(job->activation, (real *)job->c + at, (const real *)job->activations + at, job->ldc, rows,
                   columns);
        return;
    case BP_UPDATE:
        update(job->step, gradient, TILE_COLUMNS, (real *)job->weights + at,
               job->moment1 ? (real *)job->moment1 + at : NULL,
               job->moment2 ? (real *)job->moment2 + at : NULL, job->ldc, rows, columns);
        return;
    }
}

/* panel[k][rows] from k-major A. Whole vectors, as long as that reads nothing behind A's end: what is copied
 * too much of one row is overwritten by the next. */
static void pack_panel(real *panel, const real *a, int64_t lda, int64_t rows, int64_t k)
{
    const int64_t width = (TILE_ROWS + LANES - 1) / LANES * LANES;
    const int64_t last = (k - 1) * lda + rows - width; /* the last place from where that many may be read */
    int64_t kk = 0;
    for (; kk * lda <= last; ++kk, a += lda, panel += rows)
        for (int64_t i = 0; i < width; i += LANES)
            v_store(panel + i, v_load(a + i));
    for (; kk < k; ++kk, a += lda, panel += rows)
        for (int64_t i = 0; i < rows; ++i)
            panel[i] = a[i];
}

/* The parameters that a tile will update are fetched while its gradient is worked out. */
static void prefetch_parameters(const bp_multiply *job, int64_t row, int64_t column, int64_t rows,
                                int64_t columns)
{
    const char *blocks[] = {job->weights, job->moment1, job->moment2};
    for (size_t b = 0; b < sizeof blocks / sizeof *blocks; ++b)
        for (int64_t i = 0; blocks[b] && i < rows; ++i)
            for (int64_t j = 0; j < columns * (int64_t)sizeof(real); j += BP_ALIGNMENT)
                __builtin_prefetch(blocks[b] + ((row + i) * job->ldc + column) * (int64_t)sizeof(real) + j, 1,
                                   3);
}

/* One strip by one block of columns, over the stretch [k, k + length). */
static void multiply_strip(const bp_multiply *job, int64_t row, int64_t rows, int64_t column, int64_t columns,
                           int64_t k, int64_t length)
{
    real *gradient = job->panel, *panel = gradient + TILE_ROWS * TILE_COLUMNS;
    const real *a = (const real *)job->a + (job->a_is_k_major ? row + k * job->lda : row * job->lda + k);
    const real *b = (const real *)job->b + k * job->ldb + column;
    const int updates = job->epilogue == BP_UPDATE, resume = k > 0, is_last = k + length == job->k;
    int64_t lda = job->lda;

    if (job->a_is_k_major && columns >= PACK_FROM_TILES * TILE_COLUMNS) {
        pack_panel(panel, a, lda, rows, length);
        a = panel;
        lda = rows;
    }
    for (int64_t done = 0; done < columns; done += TILE_COLUMNS) {
        const int64_t width = columns - done < TILE_COLUMNS ? columns - done : TILE_COLUMNS;
        real *c = updates ? gradient : (real *)job->c + row * job->ldc + column + done;
        if (updates)
            prefetch_parameters(job, row, column + done, rows, width);
        multiply_tile(rows, width / LANES, resume, length, a, lda, job->a_is_k_major, b + done, job->ldb, c,
                      updates ? TILE_COLUMNS : job->ldc);
        if (is_last)
            finish_tile(job, gradient, row, column + done, rows, width);
    }
}

/* Strips [first, last) of one block of columns: stretch by stretch, each over all the strips. */
static void multiply_block(const bp_multiply *job, int64_t first, int64_t last, int64_t column,
                           int64_t columns)
{
    const int64_t strips = strip_count(job->m), stretches = stretch_count(job);
    for (int64_t stretch = 0; stretch < stretches; ++stretch) {
        const int64_t k = stretch * job->k / stretches, next_k = (stretch + 1) * job->k / stretches;
        for (int64_t strip = first; strip < last; ++strip) {
            const int64_t row = strip * job->m / strips, next_row = (strip + 1) * job->m / strips;
            multiply_strip(job, row, next_row - row, column, columns, k, next_k - k);
        }
    }
}

static void multiply(const bp_multiply *job, int64_t first, int64_t last)
{
    const int64_t strips = strip_count(job->m), width = block_columns(job);
    while (first < last) {
        const int64_t block = first / strips, column = block * width;
        const int64_t end = last < (block + 1) * strips ? last : (block + 1) * strips;
        multiply_block(job, first - block * strips, end - block * strips, column,
                       job->n - column < width ? job->n - column : width);
        first = end;
    }
}
