/* The optimizers' steps, in place: one row each, of which the enum and every switch are made.
 *
 * (a) A row has its name and how many moments it keeps for each parameter. name_constants works out what is the same
 *     for all parameters, once a step, in float64, and leaves it in the kernels' type; v_name makes the step of one
 *     vector of them. The rules are those of backprop/catalogue/optimizers, whose fields beside those that all have are
 *     `settings`, in their order.
 * (b) The step of the rows in BESIDE is made while the next tile of the gradient is worked out, where registers leave
 *     room: square roots and divisions have a unit of their own. Each costs every tile its code.
 */
#define OPTIMIZERS(ROW)      \
    ROW(SGD, sgd, 0)\
    ROW(MOMENTUM, momentum, 1) \
    ROW(NESTEROV, nesterov, 1) \
    ROW(ADAM, adam, 2) \
    ROW(AMSGRAD, amsgrad, 3) \
    ROW(NADAM, nadam, 2) \
    ROW(RADAM, radam, 2) \
    ROW(ADAMAX, adamax, 2) \
    ROW(RMSPROP, rmsprop, 1) \
    ROW(RMSPROP_MOMENTUM, rmsprop_momentum, 2) \
    ROW(RMSPROP_CENTERED, rmsprop_centered, 2) \
    ROW(RMSPROP_CENTERED_MOMENTUM, rmsprop_centered_momentum, 3) \
    ROW(ADAGRAD, adagrad, 1) \
    ROW(ADADELTA, adadelta, 2) \
    ROW(LION, lion, 1) \
    ROW(RPROP, rprop, 2)
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

static void sgd_constants(const bp_optimizer *o, bp_progress *progress, real *c)
{
    (void)progress;
    c[MINUS_RATE] = (real)-o->learning_rate;
    c[MU] = (real)o->settings[0];
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
static void adam_constants(const bp_optimizer *o, bp_progress *progress, real *c)
{
    const double beta_1 = o->settings[0], beta_2 = o->settings[1], epsilon = o->settings[2];
    const int epsilon_is_corrected = o->settings[3] != 0;
    const double rest = 1 - decay(progress, 0, beta_1), root = sqrt(1 - decay(progress, 1, beta_2));
    c[MINUS_RATE] = (real)-(o->learning_rate * (root / rest));
    c[REST_1] = (real)(1 - beta_1);
    c[REST_2] = (real)(1 - beta_2);
    c[EPSILON] = (real)(epsilon_is_corrected ? epsilon : epsilon * root);
}

INLINE vec v_adam(const real *c, vec w, vec g, vec *m)
{
    m[0] = v_fma(v_set(c[REST_1]), g - m[0], m[0]); /* beta m + (1 - beta) g, with one multiplication less */
    m[1] = v_fma(v_set(c[REST_2]), v_fma(g, g, -m[1]), m[1]);
    return v_fma(v_set(c[MINUS_RATE]), m[0] / (v_sqrt(m[1]) + v_set(c[EPSILON])), w);
}

/* ---- AMSGrad: settings beta_1, beta_2, epsilon ---- */

#define amsgrad_constants adam_constants

INLINE vec v_amsgrad(const real *c, vec w, vec g, vec *m)
{
    m[0] = v_fma(v_set(c[REST_1]), g - m[0], m[0]);
    m[1] = v_fma(v_set(c[REST_2]), v_fma(g, g, -m[1]), m[1]);
    m[2] = v_greater(m[1], m[2]);
    return v_fma(v_set(c[MINUS_RATE]), m[0] / (v_sqrt(m[2]) + v_set(c[EPSILON])), w);
}

/* ---- NAdam: settings beta_1, beta_2, epsilon, momentum_decay ---- */

enum { MINUS_RATE_OF_G = EPSILON + 1 }; /* MINUS_RATE is that of m */

#define LOG_OF_096 -0.040821994520255166 /* of the natural logarithm */
#define NO_PRODUCT 0x1p-60 /* 1 less so little is 1 */

/* exp(x), of a constant, for x <= 0: the same bits on every machine. */
static double decayed_by(double x)
{
    int halvings = 0;
    double sum = 1, term = 1;
    if (x < -800)
        return 0;
    for (; x < -0.5; ++halvings)
        x *= 0.5;
    for (int i = 1; i < 20 && term * term > 1e-40; ++i) {
        term *= x / i;
        sum += term;
    }
    for (; halvings > 0; --halvings)
        sum *= sum;
    return sum;
}

/* 0.96^(t psi), from that of t - 1; by the logarithm wherever t is a multiple of POWER_STRIDE, lest errors add up. */
static double next_fade(double fade, double psi, int64_t t)
{
    return t % POWER_STRIDE ? fade * decayed_by(LOG_OF_096 * psi) : decayed_by(LOG_OF_096 * psi * (double)t);
}

static double fade_of(double psi, int64_t t)
{
    int64_t at = t / POWER_STRIDE * POWER_STRIDE;
    double fade = decayed_by(LOG_OF_096 * psi * (double)at);
    while (at < t)
        fade = next_fade(fade, psi, ++at);
    return fade;
}

/* The product of mu over the steps up to t, from that of t - 1 where it is at hand. */
static double nadam_product(double beta_1, double psi, bp_progress *progress)
{
    const int goes_on = progress->powers_of == progress->t - 1 && progress->powers_of > 0;
    int64_t i = goes_on ? progress->powers_of : 0;
    double product = goes_on ? progress->powers[0] : 1, fade = fade_of(psi, i);
    while (i < progress->t && product >= NO_PRODUCT) {
        fade = next_fade(fade, psi, ++i);
        product *= beta_1 * (1 - 0.5 * fade);
    }
    return progress->powers[0] = product;
}

static void nadam_constants(const bp_optimizer *o, bp_progress *progress, real *c)
{
    const double beta_1 = o->settings[0], beta_2 = o->settings[1], psi = o->settings[3];
    const double fade = fade_of(psi, progress->t), mu = beta_1 * (1 - 0.5 * fade);
    const double next = beta_1 * (1 - 0.5 * next_fade(fade, psi, progress->t + 1));
    const double product = nadam_product(beta_1, psi, progress), root = sqrt(1 - decay(progress, 1, beta_2));
    c[MINUS_RATE] = (real)-(o->learning_rate * root * (next / (1 - product * next)));
    c[MINUS_RATE_OF_G] = (real)-(o->learning_rate * root * ((1 - mu) / (1 - product)));
    c[REST_1] = (real)(1 - beta_1);
    c[REST_2] = (real)(1 - beta_2);
    c[EPSILON] = (real)(o->settings[2] * root);
}

INLINE vec v_nadam(const real *c, vec w, vec g, vec *m)
{
    m[0] = v_fma(v_set(c[REST_1]), g - m[0], m[0]);
    m[1] = v_fma(v_set(c[REST_2]), v_fma(g, g, -m[1]), m[1]);
    return w + v_fma(v_set(c[MINUS_RATE_OF_G]), g, v_set(c[MINUS_RATE]) * m[0]) / (v_sqrt(m[1]) + v_set(c[EPSILON]));
}

/* ---- RAdam: settings beta_1, beta_2, epsilon ---- */

enum { DIVIDES = EPSILON + 1 }; /* 1; or 0 while v is known too little: then EPSILON is 1 */

static void radam_constants(const bp_optimizer *o, bp_progress *progress, real *c)
{
    const double beta_1 = o->settings[0], beta_2 = o->settings[1], end = 2 / (1 - beta_2) - 1;
    const double fades = decay(progress, 1, beta_2), rho = end - 2 * (double)progress->t * fades / (1 - fades);
    double rate = o->learning_rate / (1 - decay(progress, 0, beta_1));
    if (rho > 5)
        rate *= sqrt((rho - 4) * (rho - 2) * end / ((end - 4) * (end - 2) * rho)) * sqrt(1 - fades);
    c[DIVIDES] = rho > 5;
    c[MINUS_RATE] = (real)-rate;
    c[REST_1] = (real)(1 - beta_1);
    c[REST_2] = (real)(1 - beta_2);
    c[EPSILON] = (real)(rho > 5 ? o->settings[2] : 1);
}

INLINE vec v_radam(const real *c, vec w, vec g, vec *m)
{
    m[0] = v_fma(v_set(c[REST_1]), g - m[0], m[0]);
    m[1] = v_fma(v_set(c[REST_2]), v_fma(g, g, -m[1]), m[1]);
    return v_fma(v_set(c[MINUS_RATE]), m[0] / v_fma(v_set(c[DIVIDES]), v_sqrt(m[1]), v_set(c[EPSILON])), w);
}

/* ---- Adamax: settings beta_1, beta_2, epsilon ---- */

static void adamax_constants(const bp_optimizer *o, bp_progress *progress, real *c)
{
    c[MINUS_RATE] = (real)-(o->learning_rate / (1 - decay(progress, 0, o->settings[0])));
    c[REST_1] = (real)(1 - o->settings[0]);
    c[REST_2] = (real)o->settings[1];
    c[EPSILON] = (real)o->settings[2];
}

INLINE vec v_adamax(const real *c, vec w, vec g, vec *m)
{
    m[0] = v_fma(v_set(c[REST_1]), g - m[0], m[0]);
    m[1] = v_greater(v_set(c[REST_2]) * m[1], v_absolute(g) + v_set(c[EPSILON]));
    return v_fma(v_set(c[MINUS_RATE]), m[0] / m[1], w);
}

/* ---- RMSprop: settings alpha, epsilon, momentum, centered ---- */

enum { REST = MU + 1, MARGIN };

static void rmsprop_constants(const bp_optimizer *o, bp_progress *progress, real *c)
{
    (void)progress;
    c[MINUS_RATE] = (real)-o->learning_rate;
    c[REST] = (real)(1 - o->settings[0]);
    c[MARGIN] = (real)o->settings[1];
    c[MU] = (real)o->settings[2];
}
#define rmsprop_momentum_constants rmsprop_constants
#define rmsprop_centered_constants rmsprop_constants
#define rmsprop_centered_momentum_constants rmsprop_constants

/* The gradient over the root of its mean square, about 0 or about its mean. */
INLINE vec v_rms_scaled(const real *c, vec g, vec *square, vec *mean)
{
    *square = v_fma(v_set(c[REST]), v_fma(g, g, -*square), *square);
    if (!mean)
        return g / (v_sqrt(*square) + v_set(c[MARGIN]));
    *mean = v_fma(v_set(c[REST]), g - *mean, *mean);
    return g / (v_sqrt(v_relu(v_fma(-*mean, *mean, *square))) + v_set(c[MARGIN]));
}

INLINE vec v_with_velocity(const real *c, vec w, vec scaled, vec *velocity)
{
    *velocity = v_fma(v_set(c[MU]), *velocity, scaled);
    return v_fma(v_set(c[MINUS_RATE]), *velocity, w);
}

INLINE vec v_rmsprop(const real *c, vec w, vec g, vec *m)
{
    return v_fma(v_set(c[MINUS_RATE]), v_rms_scaled(c, g, m, NULL), w);
}

INLINE vec v_rmsprop_momentum(const real *c, vec w, vec g, vec *m)
{
    return v_with_velocity(c, w, v_rms_scaled(c, g, m, NULL), m + 1);
}

INLINE vec v_rmsprop_centered(const real *c, vec w, vec g, vec *m)
{
    return v_fma(v_set(c[MINUS_RATE]), v_rms_scaled(c, g, m, m + 1), w);
}

INLINE vec v_rmsprop_centered_momentum(const real *c, vec w, vec g, vec *m)
{
    return v_with_velocity(c, w, v_rms_scaled(c, g, m, m + 1), m + 2);
}

/* ---- Adagrad: settings lr_decay, epsilon ---- */

static void adagrad_constants(const bp_optimizer *o, bp_progress *progress, real *c)
{
    c[MINUS_RATE] = (real)-(o->learning_rate / (1 + (double)(progress->t - 1) * o->settings[0]));
    c[MARGIN] = (real)o->settings[1];
}

INLINE vec v_adagrad(const real *c, vec w, vec g, vec *m)
{
    m[0] = v_fma(g, g, m[0]);
    return v_fma(v_set(c[MINUS_RATE]), g / (v_sqrt(m[0]) + v_set(c[MARGIN])), w);
}

/* ---- Adadelta: settings rho, epsilon ---- */

static void adadelta_constants(const bp_optimizer *o, bp_progress *progress, real *c)
{
    (void)progress;
    c[MINUS_RATE] = (real)-o->learning_rate;
    c[REST] = (real)(1 - o->settings[0]);
    c[MARGIN] = (real)o->settings[1];
}

INLINE vec v_adadelta(const real *c, vec w, vec g, vec *m)
{
    m[0] = v_fma(v_set(c[REST]), v_fma(g, g, -m[0]), m[0]);
    const vec d = v_sqrt(m[1] + v_set(c[MARGIN])) / v_sqrt(m[0] + v_set(c[MARGIN])) * g;
    m[1] = v_fma(v_set(c[REST]), v_fma(d, d, -m[1]), m[1]);
    return v_fma(v_set(c[MINUS_RATE]), d, w);
}

/* ---- Lion: settings beta_1, beta_2 ---- */

/* -1, 0 or 1; nan for nan */
INLINE vec v_sign(vec x)
{
    const vec zero = v_set(0);
    return v_where_less(zero, x, v_set(1), v_where_less(x, zero, v_set(-1), x));
}

static void lion_constants(const bp_optimizer *o, bp_progress *progress, real *c)
{
    (void)progress;
    c[MINUS_RATE] = (real)-o->learning_rate;
    c[REST_1] = (real)(1 - o->settings[0]);
    c[REST_2] = (real)(1 - o->settings[1]);
}

INLINE vec v_lion(const real *c, vec w, vec g, vec *m)
{
    const vec direction = v_fma(v_set(c[REST_1]), g - m[0], m[0]);
    m[0] = v_fma(v_set(c[REST_2]), g - m[0], m[0]);
    return v_fma(v_set(c[MINUS_RATE]), v_sign(direction), w);
}

/* ---- Rprop: settings eta_minus, eta_plus, least_step, most_step ---- */

enum { FIRST_STEP, ETA_MINUS, ETA_PLUS, LEAST_STEP, MOST_STEP };

static void rprop_constants(const bp_optimizer *o, bp_progress *progress, real *c)
{
    (void)progress;
    c[FIRST_STEP] = (real)o->learning_rate;
    for (int i = 0; i < 4; ++i)
        c[ETA_MINUS + i] = (real)o->settings[i];
}

INLINE vec v_rprop(const real *c, vec w, vec g, vec *m)
{
    const vec zero = v_set(0), turns = v_sign(g) * v_sign(m[0]);
    const vec step = v_where_equal(m[1], zero, v_set(c[FIRST_STEP]), m[1]);
    const vec slower = v_where_less(turns, zero, v_set(c[ETA_MINUS]), v_set(1));
    const vec factor = v_where_less(zero, turns, v_set(c[ETA_PLUS]), slower);
    m[1] = v_clamp(step * factor, c[LEAST_STEP], c[MOST_STEP]);
    m[0] = v_where_less(turns, zero, zero, g);
    return v_fma(-v_sign(m[0]), m[1], w);
}

/* ---- the switches ---- */

/* One step's constants, in the kernels' own type. */
typedef struct {
    real constants[BP_CONSTANTS], l2, l1, shrinkage;
    int decays; /* whether one of the three is not 0 */
} rates;
_Static_assert(sizeof(rates) <= sizeof(((bp_step *)NULL)->rates), "bp_step has room for the rates");

static const rates *rates_of(const bp_step *step) { return (const void *)step->rates; }

/* Number by number where they will be read: a step of a small network would wait for a copy made in vectors, which the
 * processor cannot take from stores that it has not finished yet. */
static void begin_step(const bp_optimizer *optimizer, double scale, bp_progress *progress, bp_step *step)
{
    rates *r = (void *)step->rates;
    step->code = optimizer->code;
    switch (optimizer->code) {
#define CONSTANTS(NAME, name, moments) \
    case NAME: name##_constants(optimizer, progress, r->constants); break;
        OPTIMIZERS(CONSTANTS)
    }
    r->l2 = (real)(optimizer->l2 * scale);
    r->l1 = (real)(optimizer->l1 * scale);
    r->shrinkage = (real)(optimizer->learning_rate * optimizer->weight_decay);
    r->decays = r->l2 != 0 || r->l1 != 0 || r->shrinkage != 0;
    progress->powers_of = progress->t;
}

/* What of the weights themselves goes into their gradient, and how much they shrink before the step. */
INLINE void decay_vector(const rates *r, vec *w, vec *g)
{
    if (r->l2 != 0)
        *g = v_fma(v_set(r->l2), *w, *g);
    if (r->l1 != 0)
        *g = v_fma(v_set(r->l1), v_sign(*w), *g);
    if (r->shrinkage != 0)
        *w = v_fma(v_set(-r->shrinkage), *w, *w);
}

/* The parameters [at, at + LANES) with their gradient; is_decayed: r->decays, or 0 for a bias. code and count are
 * constants where this is inlined. */
INLINE void update_vector(int code, int count, const rates *r, int is_decayed, const real *gradient, real *weights,
                          real *const *moments, int64_t at)
{
    vec w = v_load(weights + at), g = v_load(gradient), m[BP_MOMENTS];
    if (is_decayed) /* seldom */
        decay_vector(r, &w, &g);
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
            update_vector(code, count, &own, row < decayed && own.decays, gradient + row * ldg + column, weights,
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
    pending_update p = {gradient, ldg, weights, {NULL}, ldw, rows, columns, decayed};
    for (int i = 0; i < BP_MOMENTS; ++i)
        p.moments[i] = moments[i];
    update_block(step->code, rates_of(step), &p);
}
