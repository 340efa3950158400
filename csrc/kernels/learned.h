/* Activations with a parameter that each unit learns: applied feature by feature, from z, which is kept for the way
 * back. */

/* a = f(z) of each row with a parameter of its own, and z as it was in `kept`, unless that is NULL. */
static void activate_learned(int code, void *z, void *kept, int64_t ld, int64_t rows, int64_t columns,
                             const void *parameters)
{
    for (int64_t row = 0; row < rows; ++row) {
        real *a = (real *)z + row * ld;
        const bp_activation activation = {code, {((const real *)parameters)[row]}};
        if (kept)
            memcpy((real *)kept + row * ld, a, (size_t)columns * sizeof(real));
        activate(&activation, a, NULL, ld, 1, columns);
    }
}

INLINE void learned_backward_as(int code, real *da, const real *z, int64_t ld, int64_t rows, int64_t count,
                                int64_t columns, const real *parameters, real *d_parameters)
{
    for (int64_t row = 0; row < rows; ++row, da += ld, z += ld) {
        const real p[BP_VALUES] = {parameters[row]};
        sample_sums total = no_sums();
        for (int64_t i = 0; i < count; i += SAMPLE_SUMS) {
            const sample_sums d = row_chunk(da, i, count, 0), at = row_chunk(z, i, count, 0);
            for (int v = 0; v < SAMPLE_SUMS / LANES; ++v)
                total.sums[v] = v_fma(d.sums[v], v_by_parameter(code, at.sums[v]), total.sums[v]);
        }
        if (d_parameters)
            d_parameters[row] = along_tree(&total);
        for (int64_t i = 0; i < columns; i += LANES) {
            vec slope;
            v_activation(code, v_load(z + i), p, &slope);
            v_store(da + i, v_load(da + i) * slope);
        }
    }
}

/* dz = da f'(z), in place; and d_parameters = sum over the samples of da times the slope by the parameter. */
static void learned_backward(int code, void *da, const void *kept, int64_t ld, int64_t rows, int64_t count,
                             int64_t columns, const void *parameters, void *d_parameters)
{
    switch (code) {
#define LEARNED_BACKWARD(NAME, name) \
    case NAME: learned_backward_as(NAME, da, kept, ld, rows, count, columns, parameters, d_parameters); return;
        LEARNED_ACTIVATIONS(LEARNED_BACKWARD)
    }
}
