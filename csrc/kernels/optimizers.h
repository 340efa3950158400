/* The optimizers' steps, in place: one row each, of which the enum and every switch are made.
 *
 * (a) A row has its name and how many moments it keeps for each parameter. name_constants works out what is the same
 *     for all parameters, once a step; v_name makes the step of one vector of them. The rules are those of
 *     backprop/catalogue/optimizers.py, whose fields beside learning_rate and l2 are `settings`, in their order.
 * (b) The step of the rows in BESIDE is made while the next tile of the gradient is worked out, where registers leave
 *     room: square roots and divisions have a unit of their own. Each costs every tile its code.
 */
#define OPTIMIZERS(ROW)      \
    ROW(SGD, sgd, 0)         \
    ROW(MOMENTUM, momentum, 1) \
    ROW(NESTEROV, nesterov, 1) \
    ROW(ADAM, adam, 2)
#define BESIDE ADAM

enum {
#define CODE(NAME, name, moments) NAME,
    OPTIMIZERS(CODE)
#undef CODE
};

static const bp_row optimizer_rows[] = {
#define ROW_OF(NAME, name, moments) {#name, moments},
    OPTIMIZERS(ROW_OF){NULL, 0},
#undef ROW_OF
};

/* ---- powers of what moments decay by ---- */

#define POWER_SQUARINGS 5
#define POWER_STRIDE (1 << POWER_SQUARINGS)

/* The same bits on every machine, which libm's pow does not promise, and as `decay` goes on from one to the next: by
 * squaring to a multiple of POWER_STRIDE, and one by one from there. */
static double power(double base, int64_t exponent)
{
    double result = 1, square = base;
    for (int i = 0; i < POWER_SQUARINGS; ++i)
        square *= square;
    for (int64_t squares = exponent / POWER_STRIDE; squares > 0; squares >>= 1) {
        if (squares & 1)
            result *= square;
        square *= square;
    }
    for (int64_t i = 0; i < exponent % POWER_STRIDE; ++i)
        result *= base;
    return result;
}

/* base^t, from base^(t - 1) where that is at hand: a step of a small network would feel all the squarings. */
static double decay(bp_progress *progress, int which, double base)
{
    const int goes_on = progress->powers_of == progress->t - 1 && progress->powers_of > 0;
    if (goes_on && progress->t % POWER_STRIDE)
        progress->powers[which] *= base;
    else
        progress->powers[which] = power(base, progress->t);
    return progress->powers[which];
}

/* ---- momentum: settings momentum, nesterov ---- */

enum { MINUS_RATE, MU }; /* their constants */

static void sgd_constants(const bp_optimizer *o, bp_progress *progress, double *c)
{
    (void)progress;
    c[MINUS_RATE] = -o->learning_rate;
    c[MU] = o->settings[0];
}
#define momentum_constants sgd_constants
#define nesterov_constants sgd_constants

INLINE vec v_sgd(const real *c, vec w, vec g, vec *m)
{
    (void)m;
    return v_fma(v_set(c[MINUS_RATE]), g, w);
}

INLINE vec v_momentum(const real *c, vec w, vec g, vec *m)
{
    m[0] = v_fma(v_set(c[MU]), m[0], v_set(c[MINUS_RATE]) * g);
    return w + m[0];
}

INLINE vec v_nesterov(const real *c, vec w, vec g, vec *m)
{
    const vec step = v_set(c[MINUS_RATE]) * g;
    m[0] = v_fma(v_set(c[MU]), m[0], step);
    return w + v_fma(v_set(c[MU]), m[0], step);
}

/* ---- Adam: settings beta_1, beta_2, epsilon, epsilon_hat ---- */

enum { REST_1 = MINUS_RATE + 1, REST_2, EPSILON }; /* its constants: 1 - beta_1, 1 - beta_2 */

/* The corrections of the moments go into the rate and epsilon. */
static void adam_constants(const bp_optimizer *o, bp_progress *progress, double *c)
{
    const double beta_1 = o->settings[0], beta_2 = o->settings[1], epsilon = o->settings[2];
    const int epsilon_is_corrected = o->settings[3] != 0;
    const double rest = 1 - decay(progress, 0, beta_1), root = sqrt(1 - decay(progress, 1, beta_2));
    c[MINUS_RATE] = -(o->learning_rate * (root / rest));
    c[REST_1] = 1 - beta_1;
    c[REST_2] = 1 - beta_2;
    c[EPSILON] = epsilon_is_corrected ? epsilon : epsilon * root;
}

INLINE vec v_adam(const real *c, vec w, vec g, vec *m)
{
    m[0] = v_fma(v_set(c[REST_1]), g - m[0], m[0]); /* beta m + (1 - beta) g, with one multiplication less */
    m[1] = v_fma(v_set(c[REST_2]), v_fma(g, g, -m[1]), m[1]);
    return v_fma(v_set(c[MINUS_RATE]), m[0] / (v_sqrt(m[1]) + v_set(c[EPSILON])), w);
}

/* ---- the switches ---- */

static void begin_step(const bp_optimizer *optimizer, double scale, bp_progress *progress, bp_step *step)
{
    step->code = optimizer->code;
    step->l2 = optimizer->l2 * scale;
    switch (optimizer->code) {
#define CONSTANTS(NAME, name, moments) \
    case NAME: name##_constants(optimizer, progress, step->constants); break;
        OPTIMIZERS(CONSTANTS)
    }
    progress->powers_of = progress->t;
}

/* One step's constants, in the kernels' own type. */
typedef struct {
    real constants[BP_CONSTANTS], l2;
} rates;

static void set_rates(rates *r, const bp_step *step)
{
    for (int i = 0; i < BP_CONSTANTS; ++i)
        r->constants[i] = (real)step->constants[i];
    r->l2 = (real)step->l2;
}

/* The parameters [at, at + LANES) with their gradient; l2: r->l2, or 0 for a bias. code and count are constants where
 * this is inlined. */
INLINE void update_vector(int code, int count, const rates *r, real l2, const real *gradient, real *weights,
                          real *const *moments, int64_t at)
{
    vec w = v_load(weights + at), g = v_load(gradient), m[BP_MOMENTS];
    if (l2 != 0) /* seldom: a multiply-add less */
        g = v_fma(v_set(l2), w, g);
    for (int i = 0; i < count; ++i)
        m[i] = v_load(moments[i] + at);
    switch (code) {
#define STEP(NAME, name, moments) \
    case NAME: w = v_##name(r->constants, w, g, m); break;
        OPTIMIZERS(STEP)
    }
    for (int i = 0; i < count; ++i)
        v_store(moments[i] + at, m[i]);
    v_store(weights + at, w);
}

/* A block of parameters whose gradient waits for its step. */
typedef struct {
    const real *gradient; /* [rows][ldg] */
    int64_t ldg;
    real *weights, *moments[BP_MOMENTS]; /* [rows][ld] */
    int64_t ld, rows, columns;
    int64_t decayed; /* rows that are weights, not the bias */
} pending_update;

/* On copies of what stands in r and p: the compiler would read these again after every store. */
INLINE void update_as(int code, int count, const rates *r, const pending_update *p)
{
    const rates own = *r;
    real *const weights = p->weights, *const moments[] = {p->moments[0], p->moments[1], p->moments[2]};
    const real *gradient = p->gradient;
    const int64_t ld = p->ld, ldg = p->ldg, rows = p->rows, columns = p->columns, decayed = p->decayed;
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t column = 0; column < columns; column += LANES)
            update_vector(code, count, &own, row < decayed ? own.l2 : 0, gradient + row * ldg + column, weights,
                          moments, row * ld + column);
}

/* The switch stands outside the loops: each case is a loop of its own. */
static void update_block(int code, const rates *r, const pending_update *p)
{
    switch (code) {
#define UPDATE(NAME, name, moments) \
    case NAME: update_as(NAME, moments, r, p); return;
        OPTIMIZERS(UPDATE)
    }
}

static void update(const bp_step *step, const void *gradient, int64_t ldg, void *weights,
                   void *const *moments, int64_t ldw, int64_t rows, int64_t decayed, int64_t columns)
{
    rates r;
    pending_update p = {gradient, ldg, weights, {NULL}, ldw, rows, columns, decayed};
    for (int i = 0; i < BP_MOMENTS; ++i)
        p.moments[i] = moments[i];
    set_rates(&r, step);
    update_block(step->code, &r, &p);
}
