/* What is done to whole matrices before a step or after it, in place: gradients are clipped, weights are kept small,
 * their averages follow them. */

/* x factor, clipped to [-bound, bound]; nan stays nan. bound: may be infinite. */
static void limit(void *values, int64_t ld, int64_t rows, int64_t columns, double factor, double bound)
{
    const vec f = v_set((real)factor);
    const real most = (real)bound;
    for (int64_t row = 0; row < rows; ++row) {
        real *x = (real *)values + row * ld;
        for (int64_t column = 0; column < columns; column += LANES)
            v_store(x + column, v_clamp(v_load(x + column) * f, -most, most));
    }
}

/* average + share (x - average) */
static void follow(const void *values, void *averages, int64_t ld, int64_t rows, int64_t columns, double share)
{
    const vec s = v_set((real)share);
    for (int64_t row = 0; row < rows; ++row) {
        const real *x = (const real *)values + row * ld;
        real *average = (real *)averages + row * ld;
        for (int64_t column = 0; column < columns; column += LANES) {
            const vec before = v_load(average + column);
            v_store(average + column, v_fma(s, v_load(x + column) - before, before));
        }
    }
}

/* How many columns' sums are made beside each other. */
#define NORM_COLUMNS 128

/* Each column's sum of squares is one chain in ascending rows, in float64. A norm that is nan changes nothing. */
static void limit_columns(void *values, int64_t ld, int64_t rows, int64_t first, int64_t last, double most)
{
    for (int64_t start = first; start < last; start += NORM_COLUMNS) {
        const int64_t width = last - start < NORM_COLUMNS ? last - start : NORM_COLUMNS;
        real *x = (real *)values + start, factors[NORM_COLUMNS];
        double sums[NORM_COLUMNS] = {0};
        int changes = 0;
        for (int64_t row = 0; row < rows; ++row)
            for (int64_t column = 0; column < width; ++column)
                sums[column] += (double)x[row * ld + column] * (double)x[row * ld + column];
        for (int64_t column = 0; column < width; ++column) {
            const double norm = sqrt(sums[column]);
            factors[column] = (real)(norm > most ? most / norm : 1);
            changes |= norm > most;
        }
        for (int64_t row = 0; row < rows && changes; ++row)
            for (int64_t column = 0; column < width; column += LANES)
                v_store(x + row * ld + column, v_load(x + row * ld + column) * v_load(factors + column));
    }
}
