"""The functions of csrc/kernels/math.h: accuracy, special values, the same bits everywhere.

bench/ulp.py measures them over all 2^32 inputs of float32; here is a sample.
"""

import functools
import math

import numpy as np
import pytest

from backprop._core import probe

INF, NAN = np.inf, np.nan
FUNCTIONS = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": lambda x: np.where(x < 0, np.exp(-abs(x)), 1) / (1 + np.exp(-abs(x))),
    "erf": lambda x: np.array([math.erf(value) for value in x.tolist()]),
    "log1p_exp": lambda x: np.log1p(np.exp(-abs(x))),
}


def evaluate(name, x, isa):
    """tanh and sigmoid are activations."""
    if name in ("tanh", "sigmoid"):
        return probe.activate(name, x, instruction_set=isa)[0]
    return probe.function(name, x, isa)


def float32_sample():
    """Every 65,537th of all there are: of every sign and exponent, and of what is not finite."""
    return np.arange(0, 1 << 32, 65_537, dtype=np.uint64).astype(np.uint32).view(np.float32)


def float64_sample():
    rng = np.random.default_rng(0)
    sizes = (1, 6, 20, 750)
    around_0 = [rng.uniform(-size, size, 10_000) for size in sizes]
    return np.concatenate([*around_0, around_0[0] * 10.0 ** rng.uniform(-280, 300, 10_000)])


@functools.cache
def sample_and_exact(name, dtype):
    x = float32_sample() if dtype == "float32" else float64_sample()
    wider = np.float64 if dtype == "float32" or name == "erf" else np.longdouble
    with np.errstate(all="ignore"):
        return x, FUNCTIONS[name](x.astype(wider))


def largest_ulps(found, exact):
    """|found - exact| over the last place of a number of found's dtype and exact's size."""
    limits = np.finfo(found.dtype)
    nearest = exact.astype(found.dtype)
    finite = np.isfinite(nearest)
    np.testing.assert_array_equal(found[~finite], nearest[~finite])
    found, exact = found[finite].astype(exact.dtype), exact[finite]
    exponent = np.maximum(np.frexp(exact)[1], limits.minexp + 1)
    return (
        np.abs(found - exact) / np.ldexp(exact.dtype.type(1), exponent - limits.nmant - 1)
    ).max()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_accuracy(dtype, isa, fused, name):
    x, exact = sample_and_exact(name, dtype)
    with np.errstate(over="ignore"):
        ulps = largest_ulps(evaluate(name, x, isa), exact)
    allowed = 1.0 if dtype == "float32" else 1.5
    if name == "erf" and dtype == "float64":
        allowed += 1.0  # math.erf's own
    if not fused:  # SSE2: a little less exact
        allowed += 0.5
    assert 0 < ulps <= allowed


SPECIAL = {  # name: [(x, exactly f(x))]
    "exp": [(0, 1), (-0.0, 1), (INF, INF), (-INF, 0), (1e4, INF), (-1e4, 0), (1e-30, 1)],
    "log": [(0, -INF), (-0.0, -INF), (1, 0), (INF, INF), (-INF, NAN), (-1, NAN), (-1e-30, NAN)],
    "tanh": [(0, 0), (-0.0, -0.0), (INF, 1), (-INF, -1), (25, 1), (-25, -1), (1e-30, 1e-30)],
    "sigmoid": [(0, 0.5), (-0.0, 0.5), (INF, 1), (-INF, 0), (40, 1), (-1e4, 0), (1e-30, 0.5)],
    "erf": [(0, 0), (-0.0, -0.0), (INF, 1), (-INF, -1), (7, 1), (-7, -1)],
    "log1p_exp": [(INF, 0), (-INF, 0), (1e4, 0), (-1e4, 0)],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(dtype, isa, name):
    x, expected = np.array([*SPECIAL[name], (NAN, NAN)], dtype).T.copy()
    found = evaluate(name, x, isa)
    np.testing.assert_array_equal(found, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[numbers]), np.signbit(expected[numbers]))


def test_subnormal_numbers(dtype, isa):
    limits = np.finfo(dtype)
    tiny = np.array([1, 2, 3, 1000], dtype) * limits.smallest_subnormal
    np.testing.assert_array_equal(evaluate("tanh", tiny, isa), tiny)
    np.testing.assert_array_equal(evaluate("exp", tiny, isa), 1)
    exact = np.log(tiny.astype(np.longdouble)).astype(dtype)
    np.testing.assert_allclose(evaluate("log", tiny, isa), exact, rtol=2 * limits.eps)
    x = np.log(limits.smallest_normal / 16)  # f(x) has four digits less than others
    for name in ("exp", "sigmoid"):
        found = evaluate(name, np.full(1, x, dtype), isa)
        assert abs(found[0] / (limits.smallest_normal / 16) - 1) < 200 * limits.eps
    found = evaluate("log1p_exp", np.full(1, -x, dtype), isa)
    assert abs(found[0] / (limits.smallest_normal / 16) - 1) < 200 * limits.eps


@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_odd_functions(dtype, isa, name):
    x, _ = sample_and_exact(name, dtype)
    np.testing.assert_array_equal(evaluate(name, -x, isa), -evaluate(name, x, isa))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_monotone_and_within_bounds(dtype, isa, name):
    x = np.linspace(1e-3 if name == "log" else -30, 30, 20_001).astype(dtype)
    found = evaluate(name, x, isa)
    low, high = {"tanh": (-1, 1), "erf": (-1, 1), "sigmoid": (0, 1)}.get(name, (-INF, INF))
    assert low <= found.min() < found.max() <= high
    change = np.diff(found) * (np.sign(x[:-1]) * -1 if name == "log1p_exp" else 1)
    assert (change >= -4 * np.finfo(dtype).eps * np.abs(found[1:]))[x[:-1] != 0].all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_bits_on_every_instruction_set(dtype, fusing, name):
    x, _ = sample_and_exact(name, dtype)
    first, *others = [evaluate(name, x, isa) for isa in fusing]
    unsigned = f"u{first.itemsize}"
    numbers = ~np.isnan(first)
    for other in others:
        np.testing.assert_array_equal(np.isnan(other), ~numbers)
        np.testing.assert_array_equal(other.view(unsigned)[numbers], first.view(unsigned)[numbers])
