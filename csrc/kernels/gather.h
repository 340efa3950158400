/* What moves numbers: from the user's rows to feature-major columns, and from one such layout to its transpose. */

#include "kernels/transpose.h"

/* At most BLOCK samples by BLOCK features of the user's array, converted and scaled: block[sample][feature].
 * Narrow types are exact in `real` and scaled there; wide ones are scaled in double, so that a large offset
 * loses nothing. Whole blocks of neighbouring elements have a loop of constant length over an array of its
 * own, which the compiler turns into vectors. */
#define CONVERT_BLOCK(name, type, wide)                                                                \
    static void convert_##name(const char *const *row, int64_t stride, int64_t rows, int64_t features, \
                               const double *offset, const double *scale, real *block)                 \
    {                                                                                                  \
        type x[BLOCK];                                                                                 \
        for (int64_t r = 0; r < rows; ++r, block += BLOCK) {                                           \
            if (stride == sizeof(type) && features == BLOCK)                                           \
                memcpy(x, row[r], sizeof x);                                                           \
            else                                                                                       \
                for (int64_t j = 0; j < features; ++j)                                                 \
                    memcpy(x + j, row[r] + j * stride, sizeof(type));                                  \
            if (features == BLOCK && !offset)                                                          \
                for (int j = 0; j < BLOCK; ++j)                                                        \
                    block[j] = (real)x[j];                                                             \
            else if (features == BLOCK)                                                                \
                for (int j = 0; j < BLOCK; ++j)                                                        \
                    block[j] = (real)(((wide)x[j] - (wide)offset[j]) * (wide)scale[j]);                \
            else                                                                                       \
                for (int64_t j = 0; j < features; ++j)                                                 \
                    block[j] =                                                                         \
                        (real)(offset ? ((wide)x[j] - (wide)offset[j]) * (wide)scale[j] : (wide)x[j]); \
        }                                                                                              \
    }

typedef unsigned char boolean;
CONVERT_BLOCK(bool, boolean, real)
CONVERT_BLOCK(byte, signed char, real)
CONVERT_BLOCK(ubyte, unsigned char, real)
CONVERT_BLOCK(short, short, real)
CONVERT_BLOCK(ushort, unsigned short, real)
CONVERT_BLOCK(int, int, double)
CONVERT_BLOCK(uint, unsigned int, double)
CONVERT_BLOCK(long, long, double)
CONVERT_BLOCK(ulong, unsigned long, double)
CONVERT_BLOCK(longlong, long long, double)
CONVERT_BLOCK(ulonglong, unsigned long long, double)
CONVERT_BLOCK(float, float, real)
CONVERT_BLOCK(double, double, double)

typedef void (*convert_block)(const char *const *, int64_t, int64_t, int64_t, const double *, const double *,
                              real *);

static convert_block converter(int type)
{
    switch (type) {
    case '?': return convert_bool;
    case 'b': return convert_byte;
    case 'B': return convert_ubyte;
    case 'h': return convert_short;
    case 'H': return convert_ushort;
    case 'i': return convert_int;
    case 'I': return convert_uint;
    case 'l': return convert_long;
    case 'L': return convert_ulong;
    case 'q': return convert_longlong;
    case 'Q': return convert_ulonglong;
    case 'f': return convert_float;
    default: return convert_double;
    }
}

static void row_addresses(const bp_source *source, const int64_t *rows, int64_t start, int64_t count,
                          const char **row)
{
    for (int64_t r = 0; r < count; ++r)
        row[r] = source->data + (rows ? rows[start + r] : start + r) * source->row_stride;
}

#define LOOK_AHEAD (4 * BLOCK)
#define NEAR_BYTES (256 * 1024) /* what lies in so little is in a near cache already */

/* Into the second-level cache; nothing where the elements of a row lie far apart, for nothing is gained there. */
INLINE void prefetch_bytes(const char *start, int64_t count)
{
    if (count > BLOCK * (int64_t)sizeof(double))
        return;
    for (int64_t at = 0; at < count; at += BP_ALIGNMENT)
        __builtin_prefetch(start + at, 0, 2);
    __builtin_prefetch(start + count - 1, 0, 2);
}

static void gather(const bp_source *source, const int64_t *rows, int64_t start, int64_t first, int64_t last,
                   int64_t features, const double *offset, const double *scale, void *out, int64_t ld)
{
    const convert_block convert = converter(source->type);
    const int far = source->n_rows * source->row_stride > NEAR_BYTES;
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
            convert(row, source->column_stride, count, wide, offset ? offset + feature : NULL,
                    scale ? scale + feature : NULL, block);
            transpose_block(block, BLOCK, count, wide, (real *)out + feature * ld + column, ld);
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
