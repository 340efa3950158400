/* The micro-kernel: a tile of sums that stays in registers while k runs, and beside it the update of the tile before.
 *
 * The loop over k is written so that compilers keep all sums in registers and spend nothing on addresses: A's
 * rows are reached from a base for every third row and an offset of 0, 1 or 2 strides, which addressing modes
 * do for nothing.
 */

#define TILE_COLUMNS (TILE_VECTORS * LANES)
#define ROWS_OF_BASE 3
#define BASES ((TILE_ROWS + ROWS_OF_BASE - 1) / ROWS_OF_BASE)

/* The compiler may not work this pointer out from another: it would keep one for every row, more than there
 * are registers, or load what it points to long before it is needed. */
#define OPAQUE(pointer) __asm__("" : "+r"(pointer))

/* For a loop whose length is constant once it is inlined: unrolled before the compiler decides which arrays can
 * live in registers. */
#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 12")
#endif

/* Where a tile's factors lie, and what to fetch on the way: one line for each k. */
typedef struct {
    const real *a;
    int64_t row_stride, k_stride;
    const real *b;
    int64_t ldb;
    const char *ahead;
    int64_t ahead_stride; /* bytes */
} factors;

/* Whether an update finds registers beside the sums; without, it would push them out and back at every row. */
#define ROOM_FOR_UPDATE (TILE_ROWS >= 12)

/* What is done to the sums while they are still in registers. Most activations have no room there: for them the tile
 * is stored, and activated in the first-level cache. The derivatives have room: those worked out from a one each, and
 * one for all that were kept. */
typedef enum {
    FINISH_STORE,
#define FINISH_VALUE(NAME, name) FINISH_##NAME,
#define FINISH_DERIVATIVE(NAME, name) FINISH_D_##NAME,
    IN_REGISTERS(FINISH_VALUE)
    FINISH_KEPT_SLOPE,
    FROM_A_ACTIVATIONS(FINISH_DERIVATIVE)
} finish;

/* Where the sums go, and what becomes of them on the way. */
typedef struct {
    real *c; /* [rows][ldc] */
    int64_t ldc;
    finish end;
    real *kept; /* [rows][ldc] or NULL: IN where the finish is a derivative, else for what comes after the tile */
    int resume; /* from the sums in c, else from 0 */
} results;

/* What goes on beside a product: the tile before makes its step, the next one's parameters are fetched. */
typedef struct {
    const rates *rates;
    const pending_update *before, *next;
    bp_lookahead *lookahead;
    int64_t first, last; /* rows of the update that are made meanwhile, and fetched */
    int64_t portion;     /* of k, for each of them */
} company;

#define MOMENTS_BESIDE 2 /* that the optimizer in BESIDE has */

/* One row of a step. */
INLINE void update_row(const rates *r, const pending_update *p, int64_t row)
{
    const real *gradient = p->gradient + row * TILE_COLUMNS;
    real *weights = p->weights, *const moments[] = {p->moments[0], p->moments[1]};
    const int is_decayed = row < p->decayed && r->decays;
    const int64_t at = row * p->ld;
    UNROLLED for (int column = 0; column < TILE_COLUMNS; column += LANES) if (column < p->columns)
        update_vector(BESIDE, MOMENTS_BESIDE, r, is_decayed, gradient + column, weights, moments, at + column);
}

INLINE void update_rows_alone(const rates *r, const pending_update *p, int64_t first, int64_t last)
{
    for (int64_t row = first; row < last && row < p->rows; ++row)
        update_row(r, p, row);
}

/* Into the first-level cache, to be written soon: whole rows, for a fetch past the end does no harm. */
INLINE void prefetch_row(const pending_update *p, int64_t row)
{
    const int64_t at = row * p->ld;
    UNROLLED for (int j = 0; j < TILE_COLUMNS; j += BP_ALIGNMENT / (int)sizeof(real))
    {
        __builtin_prefetch(p->weights + at + j, 1, 3);
        __builtin_prefetch(p->moments[0] + at + j, 1, 3);
        __builtin_prefetch(p->moments[1] + at + j, 1, 3);
    }
}

#define LOOKAHEAD_BYTES (8 * BP_ALIGNMENT) /* at a time: more would wait for one another */

/* A few lines of what will be gathered next, into the second-level cache. */
INLINE void fetch_ahead(bp_lookahead *l)
{
    if (l->next >= l->last)
        return;
    const int64_t row = l->order ? l->order[l->next] : l->next, left = l->sample_bytes - l->asked;
    const int64_t bytes = left < LOOKAHEAD_BYTES ? left : LOOKAHEAD_BYTES;
    const char *start = l->samples + row * l->sample_stride + l->asked;
    for (int64_t at = 0; at < bytes; at += BP_ALIGNMENT)
        __builtin_prefetch(start + at, 0, 2);
    __builtin_prefetch(start + bytes - 1, 0, 2);
    if (l->targets && !l->asked)
        __builtin_prefetch(l->targets + row * l->target_stride, 0, 2);
    l->asked += bytes;
    if (bytes == left) {
        l->asked = 0;
        ++l->next;
    }
}

/* Row by row, each address from the one before: the compiler would work all of them out beforehand, find no
 * registers for them, and spend as much on moving them about as the tile on its first terms. */
#define NEXT_ROW(pointer) \
    pointer += ldc;       \
    OPAQUE(pointer)
#define STORE_EACH(value)                                                         \
    UNROLLED for (int i = 0; i < rows; ++i)                                       \
    {                                                                             \
        UNROLLED for (int v = 0; v < vectors; ++v) v_store(c + v * LANES, value); \
        NEXT_ROW(c);                                                              \
    }
#define STORE_EACH_DERIVATIVE(code)                                                           \
    UNROLLED for (int i = 0; i < rows; ++i)                                                   \
    {                                                                                         \
        UNROLLED for (int v = 0; v < vectors; ++v)                                            \
            v_store(c + v * LANES, v_derivative(code, v_load(kept + v * LANES), sums[i][v])); \
        NEXT_ROW(kept);                                                                       \
        NEXT_ROW(c);                                                                          \
    }

/* The sums over k >= 1 of a(row, k) b[k][vectors], for `rows` rows.
 *
 * In company of another tile's update, that makes its step meanwhile, row after row. rows, vectors and whether there
 * is company are constants where this is inlined, and one of the strides is. */
INLINE void tile(const int rows, const int vectors, int64_t k, const factors *f, const int64_t row_stride,
                 const int64_t k_stride, const results *out, const company *beside)
{
    const rates *r = beside ? beside->rates : NULL;
    const pending_update *before = beside ? beside->before : NULL, *next = beside ? beside->next : NULL;
    bp_lookahead *lookahead = beside ? beside->lookahead : NULL;
    real *c = out->c;
    const int64_t ldc = out->ldc;
    const int64_t portion = r ? beside->portion : k;
    int64_t row = r ? beside->first : 0; /* of the update */
    const int64_t ldb = f->ldb, ahead_stride = f->ahead_stride;
    const real *bases[BASES], *b = f->b;
    const char *ahead = f->ahead;
    vec sums[TILE_ROWS][TILE_VECTORS];
    if (r && !ROOM_FOR_UPDATE)
        update_rows_alone(r, before, row, beside->last);
    UNROLLED for (int i = 0; i < rows; i += ROWS_OF_BASE) bases[i / ROWS_OF_BASE] = f->a + i * row_stride;
    UNROLLED for (int i = 0; i < rows; ++i) UNROLLED for (int v = 0; v < vectors; ++v) sums[i][v] = v_set(0);
    if (!beside && out->resume) {
        const real *from = c;
        UNROLLED for (int i = 0; i < rows; ++i)
        {
            UNROLLED for (int v = 0; v < vectors; ++v) sums[i][v] = v_load(from + v * LANES);
            NEXT_ROW(from);
        }
    }

    do {
        int64_t left = k < portion ? k : portion;
        k -= left;
        OPAQUE(next); /* what they hold comes from memory, not from registers that the sums need */
        OPAQUE(lookahead);
        if (r && row < next->rows)
            prefetch_row(next, row);
        if (r && lookahead)
            fetch_ahead(lookahead);
        do { /* a loop that may run no time makes the compiler move all the sums about */
            vec columns[TILE_VECTORS];
            UNROLLED for (int v = 0; v < vectors; ++v) columns[v] = v_load(b + v * LANES);
            UNROLLED for (int i = 0; i < rows; ++i)
            {
                const vec value = v_set(bases[i / ROWS_OF_BASE][i % ROWS_OF_BASE * row_stride]);
                UNROLLED for (int v = 0; v < vectors; ++v) sums[i][v] = v_fma(value, columns[v], sums[i][v]);
            }
            UNROLLED for (int i = 0; i < rows; i += ROWS_OF_BASE)
            {
                bases[i / ROWS_OF_BASE] += k_stride;
                OPAQUE(bases[i / ROWS_OF_BASE]);
            }
            b += ldb;
            __builtin_prefetch(ahead, 0, 2);
            ahead += ahead_stride;
        } while (--left);
        if (ROOM_FOR_UPDATE && r && row < before->rows) {
            OPAQUE(before); /* as above */
            OPAQUE(r);
            update_row(r, before, row);
        }
        ++row;
    } while (k);
    if (ROOM_FOR_UPDATE && r) /* k was shorter than the tile before is high */
        update_rows_alone(r, before, row, beside->last);
    if (beside) {
        STORE_EACH(sums[i][v]);
        return;
    }
    const real *kept = out->kept;
    switch (out->end) {
    case FINISH_STORE: STORE_EACH(sums[i][v]); return;
#define STORE_VALUE(NAME, name) \
    case FINISH_##NAME: STORE_EACH(v_##name(sums[i][v])); return;
        IN_REGISTERS(STORE_VALUE)
    case FINISH_KEPT_SLOPE: STORE_EACH_DERIVATIVE(KEPT_SLOPE); return;
#define STORE_DERIVATIVE(NAME, name) \
    case FINISH_D_##NAME: STORE_EACH_DERIVATIVE(NAME); return;
        FROM_A_ACTIVATIONS(STORE_DERIVATIVE)
    }
}

/* The calls with constants: k-major A (row_stride 1) and row-major A (k_stride 1), every height, one or all
 * vectors. */
#define TILE_OF(rows, vectors)                                       \
    if (f->row_stride == 1)                                          \
        tile(rows, vectors, k, f, 1, f->k_stride, out, NULL);        \
    else                                                             \
        tile(rows, vectors, k, f, f->row_stride, 1, out, NULL);
#define TILE_CASE(rows)                 \
    case rows:                          \
        if (vectors == TILE_VECTORS) {  \
            TILE_OF(rows, TILE_VECTORS) \
        } else {                        \
            TILE_OF(rows, 1)            \
        }                               \
        break;
#define BESIDE_CASE(rows)                                                              \
    case rows:                                                                         \
        if (vectors == TILE_VECTORS) {                                                 \
            tile(rows, TILE_VECTORS, k, f, f->row_stride, 1, out, beside);             \
        } else {                                                                       \
            tile(rows, 1, k, f, f->row_stride, 1, out, beside);                        \
        }                                                                              \
        break;

#define CASES_TO_4(CASE) CASE(1) CASE(2) CASE(3) CASE(4)
#if TILE_ROWS == 12
#define EVERY_CASE(CASE) CASES_TO_4(CASE) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#elif TILE_ROWS == 6
#define EVERY_CASE(CASE) CASES_TO_4(CASE) CASE(5) CASE(6)
#else
#define EVERY_CASE(CASE) CASES_TO_4(CASE)
#endif

static void multiply_tile(int64_t rows, int64_t vectors, int64_t k, const factors *f, const results *out)
{
    if (k == 0) { /* an empty sum, which every finish leaves 0 */
        for (int64_t i = 0; i < rows; ++i)
            memset(out->c + i * out->ldc, 0, (size_t)(vectors * LANES) * sizeof(real));
        return;
    }
    switch (rows) {
        EVERY_CASE(TILE_CASE)
    }
}

static void multiply_tile_beside(int64_t rows, int64_t vectors, int64_t k, const factors *f,
                                 const results *out, const company *beside)
{
    switch (rows) {
        EVERY_CASE(BESIDE_CASE)
    }
}
