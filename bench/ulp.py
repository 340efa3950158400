"""How exact the functions of csrc/kernels/math.h are: python bench/ulp.py.

The largest error in units in the last place (of the exact value, on the first instruction set that
runs here): in float32 over all 2^32 inputs, against float64; in float64 over random inputs, against
mpmath. And whether the other instruction sets with fused multiply-adds give the same bits: on one
block of 16,384 inputs in eight, and on all of float64's. Takes ten minutes; `--functions tanh,exp`
asks for some, `--every 64` for one block in 64.
The units of gelu, sin and cos are those of |x| / 2 and ½ where the value is smaller; sin and cos
are measured up to |x| = 1e4.
Needs mpmath, and scipy, which scikit-learn brings.
"""

import argparse
import platform
from collections.abc import Callable
from dataclasses import dataclass

import mpmath
import numpy as np
from scipy import special

from backprop._core import probe
from backprop.catalogue.activations import ACTIVATIONS

BLOCK = 1 << 14
OTHERS_EVERY = 8  # blocks
SAMPLES = 40_000  # of float64, a range


@dataclass(frozen=True)
class Function:
    """In float64 and in mpmath, the ranges of float64 that matter, and how it is worked out here.

    `beyond`: |x| above which it is not measured. `size`: what of x an error is at least in
    proportion to; where terms of that size cancel each other, what is left is as exact as they are.
    """

    wide: Callable
    exact: Callable
    ranges: tuple
    evaluate: Callable
    beyond: float = np.inf
    size: Callable = np.zeros_like


def activation(name, part=0):
    """(x, isa) -> a, or f'(z) as part 1."""
    return lambda x, isa: probe.activate(name, x, ACTIVATIONS[name].row[1], isa)[part]


def function(name):
    return lambda x, isa: probe.function(name, x, isa)


def half(x):
    return np.full_like(x, 0.5)


FUNCTIONS = {
    "exp": Function(np.exp, mpmath.exp, ((-746, 709.78), (-1, 1)), function("exp")),
    "log": Function(np.log, mpmath.log, ((0, 4), (0, 1e300)), function("log")),
    "tanh": Function(np.tanh, mpmath.tanh, ((-20, 20), (-1, 1)), activation("tanh")),
    "sigmoid": Function(
        special.expit,
        lambda x: 1 / (1 + mpmath.exp(-x)),
        ((-746, 40), (-2, 2)),
        activation("sigmoid"),
    ),
    "erf": Function(special.erf, mpmath.erf, ((-6, 6), (-1, 1)), function("erf")),
    "log1p_exp": Function(
        lambda x: np.log1p(np.exp(-np.abs(x))),
        lambda x: mpmath.log1p(mpmath.exp(-abs(x))),
        ((-746, 746), (-2, 2)),
        function("log1p_exp"),
    ),
    "elu": Function(
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        lambda x: mpmath.expm1(x) if x < 0 else x,
        ((-40, 1), (-1, 0)),
        activation("elu"),
    ),
    "gelu": Function(
        lambda x: x * special.ndtr(x),
        lambda x: x * mpmath.ncdf(x),
        ((-10, 10), (-1, 1)),
        activation("gelu"),
        beyond=1e30,  # as -inf * 0 is nan
        size=lambda x: np.abs(x) / 2,
    ),
    "sin": Function(
        np.sin, mpmath.sin, ((-1e4, 1e4), (-2, 2)), activation("sin"), beyond=1e4, size=half
    ),
    "cos": Function(
        np.cos, mpmath.cos, ((-1e4, 1e4), (-2, 2)), activation("sin", 1), beyond=1e4, size=half
    ),
}


def float32_ulps(found, exact, sizes):
    """|found - exact| in units of the last place of a float32 of exact's size, or of `sizes`."""
    bits = np.maximum(np.abs(exact), sizes).view(np.int64) & (0x7FF << 52)
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
        found = FUNCTIONS[name].evaluate(x, isa)
        same = (found.view(unsigned) == expected.view(unsigned))[numbers]
        if not (same.all() and np.isnan(found[~numbers]).all()):
            return False
    return True


def every_float32(name, first, others, every=1):
    """(largest error, where, whether the others give the same bits), of one block in `every`."""
    measured = FUNCTIONS[name]
    worst, where, same = 0.0, 0.0, True
    low_bits = np.arange(BLOCK, dtype=np.uint32)
    for block in range(0, (1 << 32) // BLOCK, every):
        x = (low_bits + np.uint32(block * BLOCK)).view(np.float32)
        x = x[~(np.abs(x) > measured.beyond)]
        if not x.size:
            continue
        found, wide = measured.evaluate(x, first), x.astype(np.float64)
        errors = float32_ulps(found, measured.wide(wide), measured.size(wide))
        place = errors.argmax()  # of a nan, if there is one
        if not errors[place] <= worst:
            worst, where = errors[place], x[place]
        if block // every % OTHERS_EVERY == 0:
            same = same and same_bits(name, x, found, others)
    return worst, where, same


def float64_samples(ranges):
    rng = np.random.default_rng(0)
    parts = [rng.uniform(low, high, SAMPLES) for low, high in ranges]
    return np.concatenate([*parts, parts[-1] * 10.0 ** rng.uniform(-300, 0, SAMPLES)])


def some_float64(name, first, others):
    """The same for samples of float64; errors of subnormal results are in units of the smallest."""
    measured = FUNCTIONS[name]
    x = float64_samples(measured.ranges)
    found, sizes = measured.evaluate(x, first), measured.size(x)
    worst, where = 0.0, 0.0
    for at, value, size in zip(x.tolist(), found.tolist(), sizes.tolist(), strict=True):
        exact = measured.exact(mpmath.mpf(at))
        exponent = max(mpmath.frexp(max(abs(exact), size))[1], -1021)
        error = float(mpmath.ldexp(abs(value - exact), 53 - exponent))
        if not error <= worst:
            worst, where = error, at
    return worst, where, same_bits(name, x, found, others)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--functions", default=",".join(FUNCTIONS))
    parser.add_argument("--every", type=int, default=1, help="of the blocks of float32")
    asked = parser.parse_args()
    names = asked.functions.split(",")
    first, *others = [isa for isa, runs in probe.instruction_sets().items() if runs]
    if others and platform.machine().lower() in ("x86_64", "amd64"):
        others.remove("baseline")  # SSE2 has no fused multiply-add
    np.seterr(all="ignore")
    mpmath.mp.prec = 120
    print(f"largest error in units in the last place on {first}; the same bits on {others}?")
    inputs = "all inputs" if asked.every == 1 else f"one block in {asked.every}"
    print(f"| function | float32, {inputs} | at | same bits | float64, samples | at | same bits |")
    print("| --- | ---: | ---: | --- | ---: | ---: | --- |")
    for name in names:
        cells = [name]
        for worst, where, same in (
            every_float32(name, first, others, asked.every),
            some_float64(name, first, others),
        ):
            cells += [f"{worst:.3f}", f"{where:.6g}", "yes" if same else "NO"]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
