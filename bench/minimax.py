"""Prints csrc/kernels/polynomials.h, the coefficients of math.h.

python bench/minimax.py > csrc/kernels/polynomials.h (needs mpmath, takes half a minute)

Each is the polynomial of its degree whose largest weighted error on the interval is least (Remez's
exchange, on a fine grid, in 50 digits). On an interval that begins at 0 the coefficients are
rounded to the dtype one after another, from the constant term up, and the rest fitted again each
time: the later ones make up for the rounding of the earlier ones. On an interval around 0 nothing
but the value at 0 could make up for it, and all are rounded at once.
"""

import mpmath
import numpy as np
from mpmath import cos, erf, erfc, exp, expm1, log, log1p, mpf, sin, sqrt, tanh

mpmath.mp.dps = 50
HALF_LN2 = log(2) / 2
TANH_TOP = mpf("0.2638")  # TANH_SHIFT of math.h and ln 2 / 4
ERF_FAR = mpf(1)
ERF_HIGHEST = {"float32": mpf(4), "float64": mpf(6)}

# name: (function, weight, low, high, degree for float32, degree for float64). The weight turns an
# error of the polynomial into one of the result: relative; in erfc's case absolute.
TABLES = {
    "exp_terms": (
        lambda r: (expm1(r) - r) / r**2,
        lambda r: r**2 / exp(r),
        *(-HALF_LN2 * mpf("1.001"), HALF_LN2 * mpf("1.001"), 4, 9),
    ),
    "tanh_terms": (
        lambda s: (tanh(sqrt(s)) / sqrt(s) - 1) / s,
        lambda s: s * sqrt(s) / tanh(sqrt(s)),
        *(mpf(0), TANH_TOP**2, 2, 6),
    ),
    "log_terms": (
        lambda f: (log1p(f) - f) / f**2,
        lambda f: f**2 / abs(log1p(f)),
        *(-mpf(1) / 4, mpf(1) / 2, 8, 19),
    ),
    "erf_terms": (
        lambda s: erf(sqrt(s)) / sqrt(s) - 1,
        lambda s: sqrt(s) / erf(sqrt(s)),
        *(mpf(0), ERF_FAR**2, 6, 11),
    ),
    "sin_terms": (
        lambda s: (sin(sqrt(s)) / sqrt(s) - 1) / s,
        lambda s: s * sqrt(s) / sin(sqrt(s)),
        *(mpf(0), (mpmath.pi / 4 * mpf("1.001")) ** 2, 2, 5),
    ),
    "cos_terms": (
        lambda s: (cos(sqrt(s)) - 1 + s / 2) / s**2,
        lambda s: s**2 / cos(sqrt(s)),
        *(mpf(0), (mpmath.pi / 4 * mpf("1.001")) ** 2, 2, 5),
    ),
    "log_erfc_terms": (
        lambda t: log(erfc(ERF_FAR + t)),
        lambda t: erfc(ERF_FAR + t),
        *(mpf(0), None, 6, 17),
    ),
}

HEADER = """\
/* The polynomials of math.h, lowest term first. Printed by bench/minimax.py: each has the least
 * largest error of its degree on its interval (Remez's exchange), its coefficients rounded to the
 * dtype. The error is that of the function's result, before rounding: relative, but of log_erfc
 * absolute in erf.
 */
/* clang-format off */

"""


def remez(x, values, weights, degree):
    """Coefficients, lowest first, of the polynomial with the least max |weights (values - p)|."""
    at = [round(i * (len(x) - 1) / (degree + 1)) for i in range(degree + 2)]
    for _ in range(20):
        rows = [
            [weights[i] * x[i] ** k for k in range(degree + 1)] + [(-1) ** place]
            for place, i in enumerate(at)
        ]
        right = [weights[i] * values[i] for i in at]
        found = mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix(right))
        terms = list(found)[:-1]
        errors = [
            w * (v - mpmath.polyval(terms[::-1], t))
            for t, v, w in zip(x, values, weights, strict=True)
        ]
        extremes = [0]  # the largest error of each run of errors of one sign
        for i in range(1, len(x)):
            if mpmath.sign(errors[i]) != mpmath.sign(errors[extremes[-1]]):
                extremes.append(i)
            elif abs(errors[i]) > abs(errors[extremes[-1]]):
                extremes[-1] = i
        while len(extremes) > degree + 2:
            extremes.pop(0 if abs(errors[extremes[0]]) < abs(errors[extremes[-1]]) else -1)
        if len(extremes) < degree + 2 or extremes == at:
            break
        at = extremes
    return terms


def rounded_terms(function, weight, low, high, degree, dtype):
    """The coefficients as numbers of dtype, and the largest weighted error that they leave."""
    count = 26 * (degree + 2)  # even: no point is at 0
    x = [
        (low + high) / 2 - (high - low) / 2 * mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * count))
        for i in range(count)
    ]
    exact, scale = [function(t) for t in x], [weight(t) for t in x]
    values, weights, terms = exact, scale, remez(x, exact, scale, degree)
    if low < 0:
        terms = [rounded(term, dtype) for term in terms]
    for place in range(0 if low < 0 else degree + 1):
        first = rounded(remez(x, values, weights, degree - place)[0], dtype)
        terms[place] = first
        values = [(v - first) / t for t, v in zip(x, values, strict=True)]
        weights = [w * abs(t) for t, w in zip(x, weights, strict=True)]
    error = max(
        abs(w * (v - mpmath.polyval(terms[::-1], t)))
        for t, v, w in zip(x, exact, scale, strict=True)
    )
    return [float(t) for t in terms], float(error)


def rounded(value, dtype):
    return mpf(float(np.dtype(dtype).type(value)))


def literal(value, dtype):
    digits, exponent = value.hex().split("p")
    digits = digits.rstrip("0") if "." in digits else digits
    return f"{digits}p{exponent}" + ("f" if dtype == "float32" else "")


def main():
    print(HEADER, end="")
    for dtype in ("float64", "float32"):
        print("#ifdef BP_FLOAT64" if dtype == "float64" else "#else")
        for name, (function, weight, low, high, *degrees) in TABLES.items():
            degree = degrees[dtype == "float64"]
            top = ERF_HIGHEST[dtype] - ERF_FAR if high is None else high
            terms, error = rounded_terms(function, weight, low, top, degree, dtype)
            print(f"static const real {name}[] = {{ /* error 2^{np.log2(error):.1f} */")
            print(
                "    " + ",\n    ".join(literal(term, dtype) for term in terms) + ",\n};",
                flush=True,
            )
    print("#endif")


if __name__ == "__main__":
    main()
