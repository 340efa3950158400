"""How exact the functions of csrc/kernels/math.h are: python bench/ulp.py.

The largest error in units in the last place (of the exact value, on the first instruction set that
runs here): in float32 over all 2^32 inputs, against float64; in float64 over random inputs, against
mpmath. And whether the other instruction sets with fused multiply-adds give the same bits: on one
block of 16,384 inputs in eight, and on all of float64's. Takes ten minutes; `--functions tanh,exp`
asks for some.
Needs mpmath, and scipy, which scikit-learn brings.
"""

import argparse
import platform

import mpmath
import numpy as np
from scipy import special

from backprop._core import probe

BLOCK = 1 << 14
OTHERS_EVERY = 8  # blocks
SAMPLES = 40_000  # of float64, a range

# name: (in float64, in mpmath, ranges of float64 that matter)
FUNCTIONS = {
    "exp": (np.exp, mpmath.exp, [(-746, 709.78), (-1, 1)]),
    "log": (np.log, mpmath.log, [(0, 4), (0, 1e300)]),
    "tanh": (np.tanh, mpmath.tanh, [(-20, 20), (-1, 1)]),
    "sigmoid": (special.expit, lambda x: 1 / (1 + mpmath.exp(-x)), [(-746, 40), (-2, 2)]),
    "erf": (special.erf, mpmath.erf, [(-6, 6), (-1, 1)]),
    "log1p_exp": (
        lambda x: np.log1p(np.exp(-np.abs(x))),
        lambda x: mpmath.log1p(mpmath.exp(-abs(x))),
        [(-746, 746), (-2, 2)],
    ),
}


def evaluate(name, x, isa):
    """tanh and sigmoid are activations."""
    if name in ("tanh", "sigmoid"):
        return probe.activate(name, x, instruction_set=isa)[0]
    return probe.function(name, x, isa)


def float32_ulps(found, exact):
    """|found - exact| in units of the last place that a float32 of exact's size has."""
    bits = np.abs(exact).view(np.int64) & (0x7FF << 52)
    unit = np.maximum(bits - (23 << 52), (1023 - 149) << 52).view(np.float64)
    error = np.abs(found - exact) / unit
    apart = ~np.isfinite(found) | (exact == found)  # right, or infinitely wrong
    if apart.any():
        nearest = exact.astype(np.float32)
        right = (found == nearest) | (np.isnan(found) & np.isnan(exact))
        error[apart] = np.where(right, 0, np.inf)[apart]
    return error


def same_bits(name, x, expected, instruction_sets):
    """Whether all give the same bits; nan is nan."""
    numbers = ~np.isnan(expected)
    unsigned = np.uint32 if x.dtype == np.float32 else np.uint64
    for isa in instruction_sets:
        found = evaluate(name, x, isa)
        same = (found.view(unsigned) == expected.view(unsigned))[numbers]
        if not (same.all() and np.isnan(found[~numbers]).all()):
            return False
    return True


def every_float32(name, first, others):
    """(largest error, where, whether the others give the same bits)."""
    worst, where, same = 0.0, 0.0, True
    low_bits = np.arange(BLOCK, dtype=np.uint32)
    for block in range((1 << 32) // BLOCK):
        x = (low_bits + np.uint32(block * BLOCK)).view(np.float32)
        found = evaluate(name, x, first)
        errors = float32_ulps(found, FUNCTIONS[name][0](x.astype(np.float64)))
        place = errors.argmax()  # of a nan, if there is one
        if not errors[place] <= worst:
            worst, where = errors[place], x[place]
        if block % OTHERS_EVERY == 0:
            same = same and same_bits(name, x, found, others)
    return worst, where, same


def float64_samples(ranges):
    rng = np.random.default_rng(0)
    parts = [rng.uniform(low, high, SAMPLES) for low, high in ranges]
    return np.concatenate([*parts, parts[-1] * 10.0 ** rng.uniform(-300, 0, SAMPLES)])


def some_float64(name, first, others):
    """The same for samples of float64; errors of subnormal results are in units of the smallest."""
    _, function, ranges = FUNCTIONS[name]
    x = float64_samples(ranges)
    found = evaluate(name, x, first)
    worst, where = 0.0, 0.0
    for at, value in zip(x.tolist(), found.tolist(), strict=True):
        exact = function(mpmath.mpf(at))
        exponent = max(mpmath.frexp(exact)[1], -1021)
        error = float(mpmath.ldexp(abs(value - exact), 53 - exponent))
        if not error <= worst:
            worst, where = error, at
    return worst, where, same_bits(name, x, found, others)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--functions", default=",".join(FUNCTIONS))
    names = parser.parse_args().functions.split(",")
    first, *others = [isa for isa, runs in probe.instruction_sets().items() if runs]
    if others and platform.machine().lower() in ("x86_64", "amd64"):
        others.remove("baseline")  # SSE2 has no fused multiply-add
    np.seterr(all="ignore")
    mpmath.mp.prec = 120
    print(f"largest error in units in the last place on {first}; the same bits on {others}?")
    print("| function | float32, all inputs | at | same bits | float64, samples | at | same bits |")
    print("| --- | ---: | ---: | --- | ---: | ---: | --- |")
    for name in names:
        cells = [name]
        for worst, where, same in (
            every_float32(name, first, others),
            some_float64(name, first, others),
        ):
            cells += [f"{worst:.3f}", f"{where:.6g}", "yes" if same else "NO"]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
