/* What moves numbers: from the user's rows to feature-major columns, and from one such layout to its transpose. */

#include "kernels/transpose.h"

/* From the user's array, converted and scaled: a block of whole width, block[sample][feature], and a narrow one
 * straight to where it goes, out[feature][sample]; at most BLOCK samples. Narrow types are exact in `real` and
 * scaled there; wide ones are scaled in double, so that a large offset loses nothing. Neighbouring elements have
 * a loop of constant length over an array of its own, which the compiler turns into vectors. */
#define CONVERT(name, type, wide)                                                                           \
    static void block_of_##name(const char *const *row, int64_t stride, int64_t rows, const double *offset, \
                                const double *scale, real *block)                                           \
    {                                                                                                       \
        type x[BLOCK];                                                                                      \
        for (int64_t r = 0; r < rows; ++r, block += BLOCK) {                                                \
            if (stride == sizeof(type))                                                                     \
                memcpy(x, row[r], sizeof x);                                                                \
            else                                                                                            \
                for (int j = 0; j < BLOCK; ++j)                                                             \
                    memcpy(x + j, row[r] + j * stride, sizeof(type));                                       \
            if (offset)                                                                                     \
                for (int j = 0; j < BLOCK; ++j)                                                             \
                    block[j] = (real)(((wide)x[j] - (wide)offset[j]) * (wide)scale[j]);                     \
            else                                                                                            \
                for (int j = 0; j < BLOCK; ++j)                                                             \
                    block[j] = (real)(wide)x[j];                                                            \
        }                                                                                                   \
    }                                                                                                       \
    static void columns_of_##name(const char *const *row, int64_t stride, int64_t rows, int64_t features,   \
                                  const double *offset, const double *scale, real *out, int64_t ld)         \
    {                                                                                                       \
        for (int64_t j = 0; j < features; ++j)                                                              \
            for (int64_t r = 0; r < rows; ++r) {                                                            \
                type x;                                                                                     \
                memcpy(&x, row[r] + j * stride, sizeof x);                                                  \
                out[j * ld + r] = (real)(offset ? ((wide)x - (wide)offset[j]) * (wide)scale[j] : (wide)x);  \
            }                                                                                               \
    }

typedef unsigned char boolean;
CONVERT(bool, boolean, real)
CONVERT(byte, signed char, real)
CONVERT(ubyte, unsigned char, real)
CONVERT(short, short, real)
CONVERT(ushort, unsigned short, real)
CONVERT(int, int, double)
CONVERT(uint, unsigned int, double)
CONVERT(long, long, double)
CONVERT(ulong, unsigned long, double)
CONVERT(longlong, long long, double)
CONVERT(ulonglong, unsigned long long, double)
CONVERT(float, float, real)
CONVERT(double, double, double)

typedef struct {
    void (*block)(const char *const *, int64_t, int64_t, const double *, const double *, real *);
    void (*columns)(const char *const *, int64_t, int64_t, int64_t, const double *, const double *, real *,
                    int64_t);
} conversion;

static conversion conversion_of(int type)
{
#define CONVERSION(name) \
    (conversion) { block_of_##name, columns_of_##name }
    switch (type) {
    case '?': return CONVERSION(bool);
    case 'b': return CONVERSION(byte);
    case 'B': return CONVERSION(ubyte);
    case 'h': return CONVERSION(short);
    case 'H': return CONVERSION(ushort);
    case 'i': return CONVERSION(int);
    case 'I': return CONVERSION(uint);
    case 'l': return CONVERSION(long);
    case 'L': return CONVERSION(ulong);
    case 'q': return CONVERSION(longlong);
    case 'Q': return CONVERSION(ulonglong);
    case 'f': return CONVERSION(float);
    default: return CONVERSION(double);
    }
}

static void row_addresses(const bp_source *source, const int64_t *rows, int64_t start, int64_t count,
                          const char **row)
{
    for (int64_t r = 0; r < count; ++r)
        row[r] = source->data + (rows ? rows[start + r] : start + r) * source->row_stride;
}

#define LOOK_AHEAD (4 * BLOCK)

/* Into the second-level cache; nothing where the elements of a row lie far apart, for nothing is gained there. */
INLINE void prefetch_bytes(const char *start, int64_t count)
{
    if (count > BLOCK * (int64_t)sizeof(double))
        return;
    for (int64_t at = 0; at < count; at += BP_ALIGNMENT)
        __builtin_prefetch(start + at, 0, 2);
    __builtin_prefetch(start + count - 1, 0, 2);
}

/* Whether samples are numbers of the kernels' own type side by side: nothing to convert. */
static int is_ready(const bp_source *source, const double *offset)
{
    const int own = sizeof(real) == sizeof(float) ? 'f' : 'd';
    return source->type == own && !offset && source->column_stride == sizeof(real) &&
           source->row_stride % (int64_t)sizeof(real) == 0 && (uintptr_t)source->data % sizeof(real) == 0;
}

static void gather(const bp_source *source, const int64_t *rows, int64_t start, int64_t first, int64_t last,
                   int64_t features, const double *offset, const double *scale, void *out, int64_t ld)
{
    const conversion convert = conversion_of(source->type);
    const int ready = is_ready(source, offset);
    const int far = source->n_rows * source->row_stride > BP_NEAR_BYTES;
    real block[BLOCK * BLOCK];
    for (int64_t column = first; column < last; column += BLOCK) {
        const int64_t count = last - column < BLOCK ? last - column : BLOCK;
        const int64_t ahead = start + column + LOOK_AHEAD, left = source->n_rows - ahead;
        const int64_t next_count = left < 0 || !far ? 0 : left < BLOCK ? left : BLOCK;
        const char *row[BLOCK], *next_row[BLOCK];
        row_addresses(source, rows, start + column, count, row);
        row_addresses(source, rows, ahead, next_count, next_row);
        for (int64_t feature = 0; feature < features; feature += BLOCK) {
            const int64_t wide = features - feature < BLOCK ? features - feature : BLOCK;
            const double *offsets = offset ? offset + feature : NULL,
                         *scales = scale ? scale + feature : NULL;
            real *to = (real *)out + feature * ld + column;
            if (wide < BLOCK) {
                convert.columns(row, source->column_stride, count, wide, offsets, scales, to, ld);
            } else if (ready && count == BLOCK) {
                transpose_rows(row, to, ld);
            } else {
                convert.block(row, source->column_stride, count, offsets, scales, block);
                transpose_block(block, BLOCK, count, wide, to, ld);
            }
            for (int64_t r = 0; r < count; ++r)
                row[r] += BLOCK * source->column_stride;
            /* shuffled rows come from anywhere: those of soon, or of the next batch, are fetched now */
            for (int64_t r = 0; r < next_count; ++r) {
                prefetch_bytes(next_row[r], wide * source->column_stride);
                next_row[r] += BLOCK * source->column_stride;
            }
        }
    }
}

/* Compared one by one, and not added up: each sum would wait for the one before it. */
INLINE int are_zeros(vec x)
{
    real lanes[LANES];
    int all = 1;
    v_store(lanes, x);
    for (int lane = 0; lane < LANES; ++lane)
        all &= lanes[lane] == 0;
    return all;
}

/* x - x is 0 for finite x, and nan for all others. Columns beyond `last` may hold anything, and are not looked at. */
static int is_finite(const void *values, int64_t ld, int64_t rows, int64_t first, int64_t last)
{
    const real *x = values;
    vec sums = v_set(0);
    int rest = 1;
    for (int64_t row = 0; row < rows; ++row, x += ld) {
        int64_t column = first;
        for (; column + LANES <= last; column += LANES)
            sums = sums + (v_load(x + column) - v_load(x + column));
        for (; column < last; ++column)
            rest &= x[column] - x[column] == 0;
    }
    return rest & are_zeros(sums);
}

static int are_classes(const void *labels, int64_t first, int64_t last, int64_t n_classes)
{
    const real *x = labels, highest = (real)(n_classes - 1);
    vec sums = v_set(0);
    int rest = 1;
    int64_t i = first;
    for (; i + LANES <= last; i += LANES)
        sums = sums + v_absolute(v_clamp(v_load(x + i), 0, highest) - v_load(x + i));
    for (; i < last; ++i)
        rest &= x[i] >= 0 && x[i] <= highest;
    return rest & are_zeros(sums);
}

static void transpose(const void *in, int64_t ldi, int64_t rows, int64_t first, int64_t last, void *out,
                      int64_t ldo)
{
    for (int64_t column = first; column < last; column += BLOCK) {
        const int64_t columns = last - column < BLOCK ? last - column : BLOCK;
        for (int64_t row = 0; row < rows; row += BLOCK)
            transpose_block((const real *)in + row * ldi + column, ldi,
                            rows - row < BLOCK ? rows - row : BLOCK, columns,
                            (real *)out + column * ldo + row, ldo);
    }
}

static void uniform(uint64_t state, double limit, void *weights, int64_t rows, int64_t columns, int64_t ldw)
{
    real *w = weights;
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t column = 0; column < columns; ++column) {
            state += BP_GAMMA;
            const double u = (double)(bp_mix(state) >> 11) * 0x1p-53;
            w[row * ldw + column] = (real)((2 * u - 1) * limit);
        }
}

/* A second array of the same shape, added: what a residual connection brings. */
static void add(void *values, const void *others, int64_t ld, int64_t rows, int64_t first, int64_t last)
{
    for (int64_t row = 0; row < rows; ++row) {
        real *a = (real *)values + row * ld;
        const real *b = (const real *)others + row * ld;
        for (int64_t column = first; column < last; column += LANES)
            v_store(a + column, v_load(a + column) + v_load(b + column));
    }
}
