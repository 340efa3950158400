/* From the user's rows to feature-major columns and back-to-front copies: what moves numbers without changing the layout's meaning. */

#define BLOCK 16

/* One block of at most BLOCK samples by BLOCK features: read row by row, written column by column.
 * Narrow types are exact in `real` and scaled there; wide ones are scaled in double, so that a large offset loses nothing. */
#define GATHER_BLOCK(name, type, wide)                                                                              \
    static void gather_##name(const bp_source *source, const char *const *row, int64_t rows, int64_t feature,        \
                              int64_t features, const double *offset, const double *scale, real *out, int64_t ld)    \
    {                                                                                                               \
        for (int64_t r = 0; r < rows; ++r) {                                                                        \
            const char *p = row[r] + feature * source->column_stride;                                               \
            for (int64_t j = 0; j < features; ++j, p += source->column_stride) {                                    \
                type x;                                                                                             \
                memcpy(&x, p, sizeof x);                                                                            \
                wide value = (wide)x;                                                                               \
                if (offset)                                                                                         \
                    value = (value - (wide)offset[feature + j]) * (wide)scale[feature + j];                         \
                out[(feature + j) * ld + r] = (real)value;                                                          \
            }                                                                                                       \
        }                                                                                                           \
    }

typedef unsigned char boolean;
GATHER_BLOCK(bool, boolean, real)
GATHER_BLOCK(byte, signed char, real)
GATHER_BLOCK(ubyte, unsigned char, real)
GATHER_BLOCK(short, short, real)
GATHER_BLOCK(ushort, unsigned short, real)
GATHER_BLOCK(int, int, double)
GATHER_BLOCK(uint, unsigned int, double)
GATHER_BLOCK(long, long, double)
GATHER_BLOCK(ulong, unsigned long, double)
GATHER_BLOCK(longlong, long long, double)
GATHER_BLOCK(ulonglong, unsigned long long, double)
GATHER_BLOCK(float, float, real)
GATHER_BLOCK(double, double, double)

typedef void (*gather_block)(const bp_source *, const char *const *, int64_t, int64_t, int64_t, const double *, const double *,
                             real *, int64_t);

static gather_block gather_for(int type)
{
    switch (type) {
    case '?': return gather_bool;
    case 'b': return gather_byte;
    case 'B': return gather_ubyte;
    case 'h': return gather_short;
    case 'H': return gather_ushort;
    case 'i': return gather_int;
    case 'I': return gather_uint;
    case 'l': return gather_long;
    case 'L': return gather_ulong;
    case 'q': return gather_longlong;
    case 'Q': return gather_ulonglong;
    case 'f': return gather_float;
    default: return gather_double;
    }
}

static void gather(const bp_source *source, const int64_t *rows, int64_t start, int64_t first, int64_t last, int64_t features,
                   const double *offset, const double *scale, void *out, int64_t ld)
{
    const gather_block block = gather_for(source->type);
    for (int64_t column = first; column < last; column += BLOCK) {
        const int64_t count = last - column < BLOCK ? last - column : BLOCK;
        const char *row[BLOCK];
        for (int64_t r = 0; r < count; ++r)
            row[r] = source->data + (rows ? rows[start + column + r] : start + column + r) * source->row_stride;
        for (int64_t feature = 0; feature < features; feature += BLOCK) {
            const int64_t wide = features - feature < BLOCK ? features - feature : BLOCK;
            block(source, row, count, feature, wide, offset, scale, (real *)out + column, ld);
        }
    }
}

static void transpose(const void *in, int64_t ldi, int64_t rows, int64_t first, int64_t last, void *out, int64_t ldo)
{
    const real *x = in;
    real *y = out;
    for (int64_t column = first; column < last; column += BLOCK) {
        const int64_t end = last - column < BLOCK ? last : column + BLOCK;
        for (int64_t row = 0; row < rows; row += BLOCK) {
            const int64_t row_end = rows - row < BLOCK ? rows : row + BLOCK;
            for (int64_t c = column; c < end; ++c)
                for (int64_t r = row; r < row_end; ++r)
                    y[c * ldo + r] = x[r * ldi + c];
        }
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
