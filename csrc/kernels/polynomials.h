/* The polynomials of math.h, lowest term first. Printed by bench/minimax.py: each has the least
 * largest error of its degree on its interval (Remez's exchange), its coefficients rounded to the
 * dtype. The error is that of the function's result, before rounding: relative, but of log_erfc
 * absolute in erf.
 */
/* clang-format off */

#ifdef BP_FLOAT64
static const real exp_terms[] = { /* error 2^-56.5 */
    0x1.000000000000ap-1,
    0x1.55555555554f9p-3,
    0x1.55555555507efp-5,
    0x1.1111111127e44p-7,
    0x1.6c16c1844b232p-10,
    0x1.a01a0129c4741p-13,
    0x1.a01999adb7277p-16,
    0x1.71df2612fbf3cp-19,
    0x1.28adce5b52ffp-22,
    0x1.ad7f1c1de6a93p-26,
};
static const real tanh_terms[] = { /* error 2^-56.5 */
    -0x1.555555555548cp-2,
    0x1.11111110ecf65p-3,
    -0x1.ba1ba173f7d23p-5,
    0x1.664f282aa8375p-6,
    -0x1.226636a419a8dp-7,
    0x1.d4a53b8f7980ap-9,
    -0x1.55b12282b10fep-10,
};
static const real log_terms[] = { /* error 2^-56.1 */
    -0x1.ffffffffffffbp-2,
    0x1.55555555555c4p-2,
    -0x1.0000000000dc5p-2,
    0x1.9999999989691p-3,
    -0x1.55555553fdc0ap-3,
    0x1.24924929f7823p-3,
    -0x1.0000007806835p-3,
    0x1.c71c70edaa0a4p-4,
    -0x1.99996e0b8202dp-4,
    0x1.745ce373d7371p-4,
    -0x1.55598323f581fp-4,
    0x1.3b1ff68b1cb5bp-4,
    -0x1.2463c2ed5d3efp-4,
    0x1.1011995542b1bp-4,
    -0x1.ffef20fd2822cp-5,
    0x1.f2aa9afc54f9ap-5,
    -0x1.e9a72c4c11fb8p-5,
    0x1.9fafc4a0efcccp-5,
    -0x1.e0eaa45f70fa5p-6,
    0x1.07fd347f03829p-7,
};
static const real erf_terms[] = { /* error 2^-56.0 */
    0x1.06eba8214db68p-3,
    -0x1.812746b03799dp-2,
    0x1.ce2f21a03f8b1p-4,
    -0x1.b82ce311a934bp-6,
    0x1.565bcceecb1cbp-8,
    -0x1.c02daeb3d598bp-11,
    0x1.f9a29651b8a2cp-14,
    -0x1.f4c827b42383p-17,
    0x1.b96b01bcc50bcp-20,
    -0x1.5b8a0d7b121b5p-23,
    0x1.d3cb149ea76bfp-27,
    -0x1.a20044a0c2b38p-31,
};
static const real sin_terms[] = { /* error 2^-57.9 */
    -0x1.5555555555548p-3,
    0x1.111111110f73p-7,
    -0x1.a01a019be923fp-13,
    0x1.71de35552f65ep-19,
    -0x1.ae5e4b8898e15p-26,
    0x1.5d8b576d64fe4p-33,
};
static const real cos_terms[] = { /* error 2^-63.9 */
    0x1.555555555554bp-5,
    -0x1.6c16c16c15005p-10,
    0x1.a01a019c8c7efp-16,
    -0x1.27e4f7ef0fb25p-22,
    0x1.1ee9d9c8c9c82p-29,
    -0x1.8fa554f0a18efp-37,
};
static const real log_erfc_terms[] = { /* error 2^-56.0 */
    -0x1.d97fbf27aa2a1p+0,
    -0x1.51c9b0006c22ap+1,
    -0x1.afabc11a2a71ap-1,
    -0x1.5477f09a40401p-5,
    0x1.48c9d3925523p-7,
    -0x1.033f5b9f5734dp-9,
    0x1.f1b0a1fd0577cp-13,
    0x1.b9272c3be261ep-16,
    -0x1.c847053fb8167p-16,
    0x1.4466d810a6ff2p-17,
    -0x1.1db62a4799142p-19,
    0x1.b310a2b3a3b15p-23,
    0x1.fbf233120674fp-25,
    -0x1.2258450ade1cdp-25,
    0x1.284df3ec79527p-27,
    -0x1.6f7d9366a9ce2p-30,
    0x1.0a5d26375a07cp-33,
    -0x1.5c1ce44df49e5p-38,
};
#else
static const real exp_terms[] = { /* error 2^-27.8 */
    0x1.fffffcp-2f,
    0x1.55549p-3f,
    0x1.5558f4p-5f,
    0x1.123a66p-7f,
    0x1.6a234cp-10f,
};
static const real tanh_terms[] = { /* error 2^-27.7 */
    -0x1.5555p-2f,
    0x1.10d66ap-3f,
    -0x1.a311f2p-5f,
};
static const real log_terms[] = { /* error 2^-26.8 */
    -0x1.p-1f,
    0x1.5555a6p-2f,
    -0x1.000024p-2f,
    0x1.99685cp-3f,
    -0x1.54f24cp-3f,
    0x1.2897bcp-3f,
    -0x1.0d8f7cp-3f,
    0x1.abf438p-4f,
    -0x1.6fe2eap-5f,
};
static const real erf_terms[] = { /* error 2^-29.4 */
    0x1.06eba8p-3f,
    -0x1.81273ep-2f,
    0x1.ce2ce6p-4f,
    -0x1.b7f71ap-6f,
    0x1.53f224p-8f,
    -0x1.a3515ep-11f,
    0x1.4771fcp-14f,
};
static const real sin_terms[] = { /* error 2^-27.9 */
    -0x1.555546p-3f,
    0x1.110774p-7f,
    -0x1.9951eap-13f,
};
static const real cos_terms[] = { /* error 2^-33.0 */
    0x1.55554ap-5f,
    -0x1.6c0c28p-10f,
    0x1.99e80cp-16f,
};
static const real log_erfc_terms[] = { /* error 2^-26.9 */
    -0x1.d97fcp+0f,
    -0x1.51c988p+1f,
    -0x1.afb44ap-1f,
    -0x1.520534p-5f,
    0x1.35c018p-7f,
    -0x1.844cap-10f,
    0x1.7a35cp-14f,
};
#endif
