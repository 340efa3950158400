/* Initial weights that are not uniform, in float64: only +, -, *, / and square roots, which round alike everywhere, so
 * that the bits are the same on every machine. */
#include <math.h>

#include "backprop.h"

#define LN2 0.69314718055994530942
#define HALF_PI 1.57079632679489661923
#define SQRT_HALF 0.70710678118654752440
#define LOG_TERMS 12  /* the next is below 1e-19 of the sum */
#define TURN_TERMS 12 /* likewise */

/* 2^-53 (k + 1/2), k an integer of 52 bits, times 2: inside (0, 1), exactly. */
static double between_0_and_1(uint64_t word) { return ((double)(word >> 12) + 0.5) * 0x1p-52; }

/* log(x) = e log(2) + 2 (s + s^3/3 + s^5/5 + …), s = (m - 1) / (m + 1), for x = m 2^e and m in [√½, √2). */
static double log_of(double x)
{
    int e;
    double m = frexp(x, &e);
    if (m < SQRT_HALF) {
        m *= 2;
        --e;
    }
    const double s = (m - 1) / (m + 1), s2 = s * s;
    double sum = 1.0 / (2 * LOG_TERMS - 1);
    for (int i = LOG_TERMS - 1; i > 0; --i)
        sum = sum * s2 + 1.0 / (2 * i - 1);
    return (double)e * LN2 + 2 * s * sum;
}

/* The sine and the cosine of x in [0, π/2], by their series. */
static void sine_and_cosine(double x, double *sine, double *cosine)
{
    const double minus_x2 = -(x * x);
    double s = 1, c = 1;
    for (int i = TURN_TERMS; i > 0; --i) {
        s = s * minus_x2 / (double)(2 * i * (2 * i + 1)) + 1;
        c = c * minus_x2 / (double)((2 * i - 1) * (2 * i)) + 1;
    }
    *sine = s * x;
    *cosine = c;
}

/* Two at a time (Box and Muller 1958): a radius, √(-2 log u), and a direction, the quarter of a turn exactly. */
void bp_normal(uint64_t state, double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i += 2) {
        const double radius = sqrt(-2 * log_of(between_0_and_1(bp_mix(state += BP_GAMMA))));
        const double turn = 4 * between_0_and_1(bp_mix(state += BP_GAMMA));
        const int quarter = (int)turn;
        double sine, cosine;
        sine_and_cosine((turn - quarter) * HALF_PI, &sine, &cosine);
        const double x = quarter & 1 ? -sine : cosine, y = quarter & 1 ? cosine : sine;
        values[i] = quarter & 2 ? -(radius * x) : radius * x;
        if (i + 1 < count)
            values[i + 1] = quarter & 2 ? -(radius * y) : radius * y;
    }
}

/* Eight sums, element i in sum i mod 8, then a tree. */
static double dot(const double *a, const double *b, int64_t count)
{
    double s[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int j = 0; j < 8; ++j)
            s[j] += a[i + j] * b[i + j];
    for (int j = 0; i + j < count; ++j)
        s[j] += a[i + j] * b[i + j];
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/* Modified Gram-Schmidt, twice: once leaves a rest along rows that were nearly dependent (Giraud et al. 2005). */
void bp_orthonormalize(double *rows, int64_t row, int64_t columns)
{
    double *own = rows + row * columns;
    for (int pass = 0; pass < 2; ++pass)
        for (int64_t other = 0; other < row; ++other) {
            const double *q = rows + other * columns, part = dot(own, q, columns);
            for (int64_t i = 0; i < columns; ++i)
                own[i] -= part * q[i];
        }
    const double length = sqrt(dot(own, own, columns));
    for (int64_t i = 0; i < columns; ++i)
        own[i] /= length;
}
