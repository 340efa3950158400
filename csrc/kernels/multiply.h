/* Matrix products by tiles of sums that stay in registers, with an epilogue on each of them.
 *
 * (a) B is read where it lies, TILE_COLUMNS wide; A gives one value at a time, broadcast. With feature-major
 *     activations the weights serve as A forward (k-major) and backward (row-major) as they stand: nothing is
 *     transposed or repacked for its own sake.
 * (b) Every element of C is one chain of multiply-adds in ascending k that starts at 0: its bits depend on
 *     neither the tile, nor the vector width, nor the number of threads, nor the columns beside it.
 * (c) A unit of work is one strip of rows by a block of columns, whose part of B stays in the
 *     second-level cache while all strips pass over it. Only where k is very long are the sums made in
 *     stretches, between which they rest in C. The gradient that an update spends at once has nowhere to
 *     rest: there one stretch is all of k, the batch.
 * (d) Strips differ by at most one row (65 rows are 11+11+11+11+11+10, not 5·12+5): a low tile costs as many
 *     loads of B as a high one. So do blocks, by one tile.
 * (e) A strip of k-major A lies in as many places as k is long. No processor foresees that, so each strip's
 *     tiles fetch the next strip, a line for each k.
 * (f) Where an update's parameters come from memory, and a small batch leaves it little else to do, strips are half
 *     as high: of weights and moments six rows each are as many as the processor foresees.
 * (g) Where k falls into shards, each has a chain of its own, and the chains are added along a tree that depends on
 *     their number alone: so several processes, each with some of the shards, come to the bits of one that has all.
 */

#include "kernels/tile.h"

/* How much of B a block holds, in a second-level cache of 512 KiB or more: the wider a block, the fewer passes over A.
 * Low tiles read B so often that it must leave room for what else passes through. */
#define BLOCK_BYTES ((TILE_ROWS < 12 ? 256 : 512) * 1024)
/* How long k may be before the sums rest in C. For high tiles that rest costs more than B's longer way. */
#define LONG_STRETCH_BYTES (TILE_ROWS < 12 ? 1088 : 4352)
/* For every k a tile reads one line of k-major A, of float64 two, and its part of a row of B. Where it has little to do
 * with them, they must stay in the first-level cache from one tile, and one strip, to the next. */
#define SHORT_STRETCH_BYTES (TILE_ROWS < 12 ? 544 : sizeof(real) == 8 ? 1088 : LONG_STRETCH_BYTES)
/* B's part is copied where it would not stay in the first-level cache as it lies, and so many strips repay it. */
#define PACK_BYTES (TILE_ROWS < 12 ? BLOCK_BYTES : 0)
#define LEAST_PACKED_BYTES (16 * 1024)
#define PACK_STRIPS 32
/* What would make the ways that small products go longer. */
#define NOT_INLINE __attribute__((noinline))
/* (f): a k up to SHORT_CHAIN is a small batch, and strips then have LOW_ROWS rows. */
#define SHORT_CHAIN 32
#define LOW_ROWS (TILE_ROWS < 12 ? TILE_ROWS : TILE_ROWS / 2)

static int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Room for two tiles of the gradient: one is made while the other is spent; for the sums of shards that wait for
 * others, one of each height of the tree but the lowest; and for a copy of B's part. */
#define TILE_SIZE (TILE_ROWS * TILE_COLUMNS)
#define GRADIENT_TILES (2 * TILE_SIZE)
#define WAITING_TILES (BP_SHARD_LEVELS * TILE_SIZE)
static size_t panel_bytes(void) { return (GRADIENT_TILES + WAITING_TILES) * sizeof(real) + PACK_BYTES; }

static int64_t strip_rows(const bp_multiply *job)
{
    return job->epilogue == BP_UPDATE && job->parameters_are_far && job->k <= SHORT_CHAIN ? LOW_ROWS
                                                                                          : TILE_ROWS;
}

static int64_t strip_count(const bp_multiply *job) { return divide_up(job->m, strip_rows(job)); }

static int64_t stretch_count(const bp_multiply *job)
{
    const int64_t bytes = job->a_is_k_major ? SHORT_STRETCH_BYTES : LONG_STRETCH_BYTES;
    const int64_t longest = bytes / (int64_t)sizeof(real);
    return job->epilogue == BP_UPDATE || job->n_shards > 1 || job->k <= longest ? 1 : divide_up(job->k, longest);
}

/* All columns where they fit one block: small products, to which the divisions below would be much. */
static int64_t block_columns(const bp_multiply *job)
{
    const int64_t tiles = divide_up(job->n, TILE_COLUMNS), room = BLOCK_BYTES / (int64_t)sizeof(real);
    if (tiles * TILE_COLUMNS * job->k <= room)
        return tiles * TILE_COLUMNS;
    const int64_t stretch = divide_up(job->k, stretch_count(job));
    const int64_t widest = room / stretch / TILE_COLUMNS;
    return divide_up(tiles, divide_up(tiles, widest < 1 ? 1 : widest)) * TILE_COLUMNS;
}

static int64_t block_count(const bp_multiply *job)
{
    const int64_t width = block_columns(job);
    return job->n <= width ? 1 : divide_up(job->n, width);
}

static int64_t multiply_units(const bp_multiply *job)
{
    return job->n ? strip_count(job) * block_count(job) : 0;
}

/* Where strip i of the rows begins: they differ by at most one row. */
static int64_t first_row(const bp_multiply *job, int64_t i, int64_t strips)
{
    return i == 0 ? 0 : i == strips ? job->m : i * job->m / strips;
}

/* One strip by one block of columns, over the stretch [k, k + length). */
typedef struct {
    int64_t row, rows, column, columns, k, length;
    const real *packed; /* B's part, tile by tile: [tiles][length][TILE_COLUMNS]; or NULL: where it lies */
} strip;

/* Whether B's part is copied, tile by tile, before `strips` strips pass over it. It then comes from the second-level
 * cache in one stream, which the processor foresees, rather than a line from every row. A high tile does so much with
 * a line that it need not wait for it either way. */
static int is_packed(int64_t strips, int64_t length, int64_t columns)
{
    const int64_t bytes = length * divide_up(columns, TILE_COLUMNS) * TILE_COLUMNS * (int64_t)sizeof(real);
    return strips >= PACK_STRIPS && bytes > LEAST_PACKED_BYTES && bytes <= PACK_BYTES;
}

static const real *pack(const bp_multiply *job, int64_t k, int64_t length, int64_t column, int64_t columns)
{
    real *packed = (real *)job->panel + GRADIENT_TILES + WAITING_TILES, *out = packed;
    for (int64_t done = 0; done < columns; done += TILE_COLUMNS) {
        const real *b = (const real *)job->b + k * job->ldb + column + done;
        const int64_t width = columns - done < TILE_COLUMNS ? columns - done : TILE_COLUMNS;
        for (int64_t i = 0; i < length; ++i, b += job->ldb, out += TILE_COLUMNS)
            for (int64_t at = 0; at < width; at += LANES)
                v_store(out + at, v_load(b + at));
    }
    return packed;
}

static factors strip_factors(const bp_multiply *job, const strip *s, int64_t done)
{
    factors f = {
        .a = (const real *)job->a + (job->a_is_k_major ? s->row + s->k * job->lda : s->row * job->lda + s->k),
        .row_stride = job->a_is_k_major ? 1 : job->lda,
        .k_stride = job->a_is_k_major ? job->lda : 1,
        .b = s->packed ? s->packed + done * s->length
                       : (const real *)job->b + s->k * job->ldb + s->column + done,
        .ldb = s->packed ? TILE_COLUMNS : job->ldb,
    };
    if (job->a_is_k_major && s->row + s->rows < job->m) { /* the next strip's first lines, then its last */
        f.ahead = (const char *)(f.a + s->rows + (done ? s->rows - 1 : 0));
        f.ahead_stride = job->lda * (int64_t)sizeof(real);
    } else { /* the next tile's */
        f.ahead = (const char *)(s->packed ? f.b + s->length * TILE_COLUMNS : f.b + TILE_COLUMNS);
        f.ahead_stride = f.ldb * (int64_t)sizeof(real);
    }
    return f;
}

/* What of the epilogue is done in registers. */
static finish finish_of(const bp_multiply *job)
{
    if (job->epilogue == BP_ACTIVATE && !job->kept)
        switch (job->activation->code) {
#define VALUE_FINISH(NAME, name) \
    case NAME: return FINISH_##NAME;
            IN_REGISTERS(VALUE_FINISH)
        }
    if (job->epilogue != BP_DERIVATIVE || job->derivative == IDENTITY)
        return FINISH_STORE;
    switch (job->derivative) {
#define DERIVATIVE_FINISH(NAME, name) \
    case NAME: return FINISH_D_##NAME;
        FROM_A_ACTIVATIONS(DERIVATIVE_FINISH)
    }
    return FINISH_KEPT_SLOPE;
}

static real *gradient_tile(const bp_multiply *job, int which) { return (real *)job->panel + which * TILE_SIZE; }

/* sums += others, of the rows of a tile. */
static void add_tile(real *sums, const real *others, int64_t rows)
{
    for (int64_t i = 0; i < rows * TILE_COLUMNS; i += LANES)
        v_store(sums + i, v_load(sums + i) + v_load(others + i));
}

/* (g): the sum of all shards into `sum` [rows][TILE_COLUMNS], in company of the update of the tile before, each beside
 * some of its rows. Shard i waits at the top of a stack; as often as i + 1 can be halved, the two at the top become
 * one. */
NOT_INLINE static void multiply_shards(const bp_multiply *job, const strip *s, int64_t vectors, const factors *all, real *sum,
                            company *beside)
{
    real *waiting[BP_SHARD_LEVELS + 1] = {sum};
    int64_t height = 0, first = 0;
    if (beside)
        beside->first = 0;
    for (int i = 1; i <= BP_SHARD_LEVELS; ++i)
        waiting[i] = (real *)job->panel + GRADIENT_TILES + (i - 1) * TILE_SIZE;
    for (int64_t shard = 0; shard < job->n_shards; ++shard) {
        const int64_t last = job->shards[shard];
        factors f = *all;
        f.a += first * f.k_stride;
        f.b += first * f.ldb;
        f.ahead += first * f.ahead_stride;
        const results out = {.c = waiting[height], .ldc = TILE_COLUMNS, .end = FINISH_STORE};
        if (beside)
            beside->last = TILE_ROWS * (shard + 1) / job->n_shards;
        if (beside && last > first && beside->last > beside->first) {
            beside->portion = divide_up(last - first, beside->last - beside->first);
            multiply_tile_beside(s->rows, vectors, last - first, &f, &out, beside);
            beside->first = beside->last;
        } else {
            multiply_tile(s->rows, vectors, last - first, &f, &out);
        }
        for (int64_t i = shard; i & 1; i >>= 1, --height)
            add_tile(waiting[height - 1], waiting[height], s->rows);
        ++height;
        first = last;
    }
    for (; height > 1; --height)
        add_tile(waiting[height - 2], waiting[height - 1], s->rows);
    if (beside) /* the last shards were empty */
        update_rows_alone(beside->rates, beside->before, beside->first, TILE_ROWS);
}

/* The same of one tile to where it is kept. */
NOT_INLINE static void store_shards(const bp_multiply *job, const strip *s, int64_t width, const factors *f, real *c)
{
    real *sums = gradient_tile(job, 0);
    multiply_shards(job, s, width / LANES, f, sums, NULL);
    for (int64_t row = 0; row < s->rows; ++row, c += job->ldc, sums += TILE_COLUMNS)
        for (int64_t i = 0; i < width; i += LANES)
            v_store(c + i, v_load(sums + i));
}

static void multiply_strip(const bp_multiply *job, const strip *s)
{
    const int ends = s->k + s->length == job->k;
    const finish end = ends ? finish_of(job) : FINISH_STORE;
    const int64_t at = s->row * job->ldc + s->column;
    results out = {(real *)job->c + at, job->ldc, end, job->kept ? (real *)job->kept + at : NULL,
                   s->k > 0 || job->resume};
    for (int64_t done = 0; done < s->columns; done += TILE_COLUMNS) {
        const int64_t width = s->columns - done < TILE_COLUMNS ? s->columns - done : TILE_COLUMNS;
        const factors f = strip_factors(job, s, done);
        if (job->n_shards > 1)
            store_shards(job, s, width, &f, out.c);
        else
            multiply_tile(s->rows, width / LANES, s->length, &f, &out);
        if (ends && job->epilogue == BP_ACTIVATE && end == FINISH_STORE)
            activate(job->activation, out.c, out.kept, job->ldc, s->rows, width);
        out.c += TILE_COLUMNS;
        if (out.kept)
            out.kept += TILE_COLUMNS;
    }
}

/* An update on its way: one tile of the gradient is made while the step of the other is. */
typedef struct {
    const rates *rates;
    pending_update tiles[2];
    int latest; /* which of the two has its gradient and waits for its step */
} update_state;

static void begin_update(const bp_multiply *job, update_state *state)
{
    state->rates = rates_of(job->step);
    for (int which = 0; which < 2; ++which) {
        state->tiles[which].gradient = gradient_tile(job, which);
        state->tiles[which].ldg = TILE_COLUMNS;
        state->tiles[which].rows = 0;
    }
    state->latest = 0;
}

/* The same for a gradient that is spent at once: the step of each tile is made beside the product of the next. */
static void update_strip(const bp_multiply *job, const strip *s, update_state *state)
{
    const int is_beside = job->step->code == BESIDE && !job->a_is_k_major && s->length;
    results out = {.ldc = TILE_COLUMNS, .end = FINISH_STORE};
    company beside = {.rates = state->rates, .lookahead = job->lookahead, .last = TILE_ROWS,
                      .portion = divide_up(s->length, TILE_ROWS)};
    for (int64_t done = 0; done < s->columns; done += TILE_COLUMNS) {
        const int64_t width = s->columns - done < TILE_COLUMNS ? s->columns - done : TILE_COLUMNS;
        const int64_t at = s->row * job->ldc + s->column + done;
        const pending_update *before = &state->tiles[state->latest];
        pending_update *next = &state->tiles[!state->latest];
        next->weights = (real *)job->weights + at;
        for (int i = 0; i < BP_MOMENTS; ++i)
            next->moments[i] = job->moments[i] ? (real *)job->moments[i] + at : NULL;
        next->ld = job->ldc;
        next->rows = s->rows;
        next->decayed = job->decayed - s->row;
        next->columns = width;
        out.c = gradient_tile(job, !state->latest);
        const factors f = strip_factors(job, s, done);
        beside.before = before;
        beside.next = next;
        if (job->n_shards > 1)
            multiply_shards(job, s, width / LANES, &f, out.c, is_beside ? &beside : NULL);
        else if (is_beside)
            multiply_tile_beside(s->rows, width / LANES, s->length, &f, &out, &beside);
        else
            multiply_tile(s->rows, width / LANES, s->length, &f, &out);
        if (!is_beside)
            update_block(job->step->code, state->rates, before);
        state->latest = !state->latest;
    }
}

/* Strips [first, last) of one block of columns: stretch by stretch, each over all the strips. */
static void multiply_block(const bp_multiply *job, int64_t first, int64_t last, int64_t column,
                           int64_t columns, update_state *state)
{
    const int64_t strips = strip_count(job), stretches = stretch_count(job);
    for (int64_t stretch = 0; stretch < stretches; ++stretch) {
        strip s = {.column = column, .columns = columns};
        s.k = stretches == 1 ? 0 : stretch * job->k / stretches;
        s.length = stretches == 1 ? job->k : (stretch + 1) * job->k / stretches - s.k;
        if (is_packed(last - first, s.length, columns))
            s.packed = pack(job, s.k, s.length, column, columns);
        for (int64_t i = first; i < last; ++i) {
            s.row = first_row(job, i, strips);
            s.rows = first_row(job, i + 1, strips) - s.row;
            if (job->epilogue == BP_UPDATE)
                update_strip(job, &s, state);
            else
                multiply_strip(job, &s);
        }
    }
}

static void multiply(const bp_multiply *job, int64_t first, int64_t last)
{
    const int64_t strips = strip_count(job), width = block_columns(job);
    update_state state;
    if (job->epilogue == BP_UPDATE)
        begin_update(job, &state);
    while (first < last) {
        const int64_t block = first < strips ? 0 : first / strips, column = block * width;
        const int64_t end = last < (block + 1) * strips ? last : (block + 1) * strips;
        multiply_block(job, first - block * strips, end - block * strips, column,
                       job->n - column < width ? job->n - column : width, &state);
        first = end;
    }
    if (job->epilogue == BP_UPDATE)
        update_block(job->step->code, state.rates, &state.tiles[state.latest]);
}
