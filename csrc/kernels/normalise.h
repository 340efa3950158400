/* Normalisation of pre-activations, forward and backward: y = scale n + shift, n = (z - mean) / sqrt(variance + epsilon).
 *
 * (a) Batch normalisation takes mean and variance over the samples of a batch, for each feature; layer normalisation
 *     over the features, for each sample.
 * (b) A sum over samples is SAMPLE_SUMS sums, sample s in sum s mod SAMPLE_SUMS, then a tree. A sum over features is
 *     FEATURE_SUMS sums for each sample, feature j in sum j mod FEATURE_SUMS, then a tree. So the bits depend on
 *     neither the vector's width nor the number of threads.
 * (c) The variance is taken of z - mean, in a second pass: a mean of squares would cancel.
 */

#define SAMPLE_SUMS BP_ROW_MULTIPLE
#define FEATURE_SUMS 4

typedef struct {
    vec sums[SAMPLE_SUMS / LANES];
} sample_sums;

/* ---- sums over samples ---- */

/* Values [i, i + SAMPLE_SUMS) of a row that ends at `count`: beyond stands `rest`. */
INLINE sample_sums row_chunk(const real *x, int64_t i, int64_t count, real rest)
{
    real padded[SAMPLE_SUMS];
    const real *from = x + i;
    sample_sums found;
    if (count - i < SAMPLE_SUMS) {
        for (int64_t j = 0; j < SAMPLE_SUMS; ++j)
            padded[j] = i + j < count ? from[j] : rest;
        from = padded;
    }
    for (int v = 0; v < SAMPLE_SUMS / LANES; ++v)
        found.sums[v] = v_load(from + v * LANES);
    return found;
}

INLINE sample_sums no_sums(void)
{
    sample_sums none;
    for (int v = 0; v < SAMPLE_SUMS / LANES; ++v)
        none.sums[v] = v_set(0);
    return none;
}

INLINE real along_tree(const sample_sums *s)
{
    real x[SAMPLE_SUMS];
    for (int v = 0; v < SAMPLE_SUMS / LANES; ++v)
        v_store(x + v * LANES, s->sums[v]);
    for (int width = SAMPLE_SUMS / 2; width; width /= 2)
        for (int j = 0; j < width; ++j)
            x[j] += x[j + width];
    return x[0];
}

/* sum of a b over a row; b = NULL: of a */
INLINE real row_product(const real *a, const real *b, int64_t count)
{
    sample_sums total = no_sums();
    for (int64_t i = 0; i < count; i += SAMPLE_SUMS) {
        const sample_sums x = row_chunk(a, i, count, 0);
        if (b) {
            const sample_sums y = row_chunk(b, i, count, 0);
            for (int v = 0; v < SAMPLE_SUMS / LANES; ++v)
                total.sums[v] = v_fma(x.sums[v], y.sums[v], total.sums[v]);
        } else
            for (int v = 0; v < SAMPLE_SUMS / LANES; ++v)
                total.sums[v] = total.sums[v] + x.sums[v];
    }
    return along_tree(&total);
}

static void batch_statistics(const void *z, int64_t ld, int64_t rows, int64_t count, void *mean, void *variance)
{
    for (int64_t row = 0; row < rows; ++row) {
        const real *x = (const real *)z + row * ld;
        const real middle = row_product(x, NULL, count) / (real)count;
        sample_sums total = no_sums();
        for (int64_t i = 0; i < count; i += SAMPLE_SUMS) {
            const sample_sums chunk = row_chunk(x, i, count, middle);
            for (int v = 0; v < SAMPLE_SUMS / LANES; ++v) {
                const vec from_mean = chunk.sums[v] - v_set(middle);
                total.sums[v] = v_fma(from_mean, from_mean, total.sums[v]);
            }
        }
        ((real *)mean)[row] = middle;
        ((real *)variance)[row] = along_tree(&total) / (real)count;
    }
}

INLINE vec v_inverse_deviation(vec variance, double epsilon)
{
    return v_set(1) / v_sqrt(variance + v_set((real)epsilon));
}

/* ---- batch normalisation ---- */

static void normalise_rows(void *z, void *normalised, int64_t ld, int64_t rows, int64_t columns, const void *mean,
                           const void *variance, double epsilon, const void *scale, const void *shift)
{
    for (int64_t row = 0; row < rows; ++row) {
        real *y = (real *)z + row * ld, *n = normalised ? (real *)normalised + row * ld : NULL;
        const vec middle = v_set(((const real *)mean)[row]), times = v_set(((const real *)scale)[row]);
        const vec plus = v_set(((const real *)shift)[row]);
        const vec inverse = v_inverse_deviation(v_set(((const real *)variance)[row]), epsilon);
        for (int64_t i = 0; i < columns; i += LANES) {
            const vec found = (v_load(y + i) - middle) * inverse;
            if (n)
                v_store(n + i, found);
            v_store(y + i, v_fma(found, times, plus));
        }
    }
}

/* d_scale = sum of dy n, d_shift = sum of dy, over the samples of each feature */
static void scale_gradients(const void *dy, const void *normalised, int64_t ld, int64_t rows, int64_t count,
                            void *d_scale, void *d_shift)
{
    for (int64_t row = 0; row < rows; ++row) {
        const real *d = (const real *)dy + row * ld, *n = (const real *)normalised + row * ld;
        ((real *)d_scale)[row] = row_product(d, n, count);
        ((real *)d_shift)[row] = row_product(d, NULL, count);
    }
}

/* dz = scale / deviation (dy - (d_shift + n d_scale) / count) */
static void rows_backward(void *dy, const void *normalised, int64_t ld, int64_t rows, int64_t count, int64_t columns,
                          const void *variance, double epsilon, const void *scale, const void *d_scale,
                          const void *d_shift)
{
    for (int64_t row = 0; row < rows; ++row) {
        real *d = (real *)dy + row * ld;
        const real *n = (const real *)normalised + row * ld;
        const vec inverse = v_inverse_deviation(v_set(((const real *)variance)[row]), epsilon);
        const vec times = v_set(((const real *)scale)[row]) * inverse;
        const vec mean_product = v_set(((const real *)d_scale)[row] / (real)count);
        const vec mean = v_set(((const real *)d_shift)[row] / (real)count);
        for (int64_t i = 0; i < columns; i += LANES)
            v_store(d + i, times * (v_load(d + i) - v_fma(v_load(n + i), mean_product, mean)));
    }
}

/* running += rate (that of this batch - running); the variance of a population, from that of its sample */
static void follow_statistics(const void *mean, const void *variance, int64_t columns, int64_t count, double rate,
                              void *running_mean, void *running_variance)
{
    const vec part = v_set((real)rate), whole = v_set((real)count / (real)(count > 1 ? count - 1 : 1));
    for (int64_t i = 0; i < columns; i += LANES) {
        real *m = (real *)running_mean + i, *s = (real *)running_variance + i;
        v_store(m, v_fma(part, v_load((const real *)mean + i) - v_load(m), v_load(m)));
        v_store(s, v_fma(part, v_load((const real *)variance + i) * whole - v_load(s), v_load(s)));
    }
}

/* ---- layer normalisation: a vector of samples at a time ---- */

INLINE vec of_features(const vec *sums) { return (sums[0] + sums[2]) + (sums[1] + sums[3]); }

static void normalise_samples(void *z, void *normalised, int64_t ld, int64_t rows, int64_t first, int64_t last,
                              double epsilon, const void *scale, const void *shift, void *inverse_deviations)
{
    const vec count = v_set((real)rows);
    const real *times = scale, *plus = shift;
    for (int64_t i = first; i < last; i += LANES) {
        real *y = (real *)z + i, *n = normalised ? (real *)normalised + i : NULL;
        vec sums[FEATURE_SUMS] = {v_set(0), v_set(0), v_set(0), v_set(0)};
        for (int64_t row = 0; row < rows; ++row)
            sums[row % FEATURE_SUMS] = sums[row % FEATURE_SUMS] + v_load(y + row * ld);
        const vec mean = of_features(sums) / count;
        for (int s = 0; s < FEATURE_SUMS; ++s)
            sums[s] = v_set(0);
        for (int64_t row = 0; row < rows; ++row) {
            const vec from_mean = v_load(y + row * ld) - mean;
            sums[row % FEATURE_SUMS] = v_fma(from_mean, from_mean, sums[row % FEATURE_SUMS]);
        }
        const vec inverse = v_inverse_deviation(of_features(sums) / count, epsilon);
        for (int64_t row = 0; row < rows; ++row) {
            const vec found = (v_load(y + row * ld) - mean) * inverse;
            if (n)
                v_store(n + row * ld, found);
            v_store(y + row * ld, v_fma(found, v_set(times[row]), v_set(plus[row])));
        }
        if (inverse_deviations)
            v_store((real *)inverse_deviations + i, inverse);
    }
}

/* With g = dy scale: dz = (g - mean of g - n mean of g n) / deviation, the means over the features of a sample */
static void samples_backward(void *dy, const void *normalised, int64_t ld, int64_t rows, int64_t first, int64_t last,
                             const void *scale, const void *inverse_deviations)
{
    const vec count = v_set((real)rows);
    const real *times = scale;
    for (int64_t i = first; i < last; i += LANES) {
        real *d = (real *)dy + i;
        const real *n = (const real *)normalised + i;
        vec sums[FEATURE_SUMS] = {v_set(0), v_set(0), v_set(0), v_set(0)};
        vec products[FEATURE_SUMS] = {v_set(0), v_set(0), v_set(0), v_set(0)};
        for (int64_t row = 0; row < rows; ++row) {
            const vec g = v_load(d + row * ld) * v_set(times[row]);
            const int which = row % FEATURE_SUMS;
            sums[which] = sums[which] + g;
            products[which] = v_fma(g, v_load(n + row * ld), products[which]);
        }
        const vec mean = of_features(sums) / count, mean_product = of_features(products) / count;
        const vec inverse = v_load((const real *)inverse_deviations + i);
        for (int64_t row = 0; row < rows; ++row) {
            const vec g = v_load(d + row * ld) * v_set(times[row]);
            v_store(d + row * ld, inverse * (g - v_fma(v_load(n + row * ld), mean_product, mean)));
        }
    }
}
