"""The matrix multiply, its epilogues and the optimizers' updates.

The rule that makes networks reproducible: each element of a product is one chain of multiply-adds
in ascending k, each with one rounding where the instruction set can, whatever the tile, the cache
block or the share of a thread.
"""

import functools
import itertools
from fractions import Fraction

import catalogued
import numpy as np
import pytest
from catalogued import ACTIVATIONS, KEPT, ONE_OF_EACH, OPTIMIZERS, T, random

from backprop import Adam
from backprop._core import kernels, probe

# ---- the multiply -----------------------------------------------------------------------------


def fma(a, b, c):
    """a·b + c with one rounding, elementwise.

    float32: the product is exact in float64; the sum is rounded to odd there, so that rounding it
    once more, to float32, gives what one rounding would. float64: fractions.
    """
    if a.dtype == np.float64:
        exact = np.frompyfunc(lambda x, y, z: float(Fraction(x) * Fraction(y) + Fraction(z)), 3, 1)
        return exact(a, b, c).astype(np.float64)
    product, c = a.astype(np.float64) * b.astype(np.float64), c.astype(np.float64)
    total = np.asarray(product + c)
    part = total - product
    error = (product - (total - part)) + (c - part)
    bits = total.view(np.int64)
    to_odd = (error != 0) & (bits & 1 == 0)
    return (
        (bits + np.where(to_odd, np.where((error > 0) == (total > 0), 1, -1), 0))
        .view(np.float64)
        .astype(np.float32)
    )


def two_roundings(a, b, c):
    return a * b + c


@functools.cache
def operands(m, n, k, dtype):
    a, b = random((m, k), dtype, seed=m + k), random((k, n), dtype, seed=n + k)
    return a, b


@functools.cache
def chain(m, n, k, dtype, fused):
    """The rule: every element one chain of multiply-adds in ascending k, from 0."""
    a, b = operands(m, n, k, dtype)
    c = np.zeros((m, n), dtype)
    for kk in range(k):
        c = (fma if fused else two_roundings)(
            np.broadcast_to(a[:, kk : kk + 1], c.shape), np.broadcast_to(b[kk], c.shape), c
        )
    return c


class Block:
    """An (m, n) output inside a larger array: longer rows, and rows before and after."""

    def __init__(self, m, n, dtype, fill=-77):
        self.whole = np.full((m + 4, n + 16), fill, dtype)
        self.view = self.whole[2 : m + 2, :n]
        self.fill = fill

    def assert_untouched_outside(self):
        outside = self.whole.copy()
        outside[2:-2, :-16] = self.fill
        assert (outside == self.fill).all()


def padded(a, extra=3):
    """A copy whose rows stand further apart than they are long."""
    whole = np.full((a.shape[0], a.shape[1] + extra), np.nan, a.dtype)
    whole[:, : a.shape[1]] = a
    return whole[:, : a.shape[1]]


def left_operand(a, k_major):
    return padded(np.ascontiguousarray(a.T)) if k_major else padded(a)


def multiply(m, n, k, dtype, isa, k_major=True, **epilogue):
    a, b = operands(m, n, k, dtype)
    c = Block(m, n, dtype)
    job = probe.Product(
        left_operand(a, k_major),
        padded(b),
        c.view,
        a_is_k_major=k_major,
        instruction_set=isa,
        **epilogue,
    )
    return job, c


@functools.cache
def product(m, n, k, dtype, isa, k_major=True):
    """What the multiply alone makes of them, once for all the epilogues that follow it."""
    job, c = multiply(m, n, k, dtype, isa, k_major)
    job.run()
    found = np.ascontiguousarray(c.view)
    found.flags.writeable = False
    return found


def tile_shapes(dtype, isa):
    """Shapes around the tile: 0, 1, a row fewer, whole, a row more; half, whole and more columns.

    k is at least 1: every sum in the core has a term.
    """
    _, rows, columns = probe.tile_shape(dtype, isa)
    heights = sorted({0, 1, rows - 1, rows, rows + 1, 2 * rows + 1})
    widths = sorted({16, 32, 48, max(16, columns) + 16})
    yield from itertools.product(heights, widths, (1, 2, 5))
    yield from ((5 * rows + 5, 16, 33), (1, 16 * 9, 17), (rows, 0, 3), (3, 48, 400))


@pytest.mark.parametrize("k_major", [True, False])
def test_multiply_is_one_chain_in_ascending_k(dtype, isa, fused, k_major):
    for m, n, k in tile_shapes(dtype, isa):
        job, c = multiply(m, n, k, dtype, isa, k_major)
        job.run()
        np.testing.assert_array_equal(c.view, chain(m, n, k, dtype, fused), err_msg=f"{m, n, k}")
        c.assert_untouched_outside()


def test_the_chain_differs_from_two_roundings():
    """Else the test above could not tell a fused multiply-add from a rounded product."""
    for dtype in ("float32", "float64"):
        assert (chain(13, 16, 33, dtype, True) != chain(13, 16, 33, dtype, False)).any()


LONG = (14, 112, 3100)  # B is larger than BLOCK_BYTES
HIGH = (203, 112, 300)  # and where tiles are low, enough strips pass over B for it to be packed


@pytest.mark.parametrize(("m", "n", "k"), [LONG, HIGH])
@pytest.mark.parametrize("k_major", [True, False])
def test_multiply_keeps_the_chain_across_cache_blocks(isa, fused, k_major, m, n, k):
    job, c = multiply(m, n, k, "float32", isa, k_major)
    job.run()
    np.testing.assert_array_equal(c.view, chain(m, n, k, "float32", fused))
    c.assert_untouched_outside()


@pytest.mark.parametrize(("m", "n", "k"), [(1, 16, 2), (13, 48, 33), LONG])
@pytest.mark.parametrize("k_major", [True, False])
def test_multiply_resumes_the_chain_that_it_finds(dtype, isa, k_major, m, n, k):
    """Two products, each of half of k, make the bits of the whole."""
    whole, expected = multiply(m, n, k, dtype, isa, k_major)
    whole.run()
    a, b = operands(m, n, k, dtype)
    c = Block(m, n, dtype)
    for part, resumes in ((slice(0, k // 2), False), (slice(k // 2, k), True)):
        left = left_operand(a[:, part], k_major)
        how = {"a_is_k_major": k_major, "resumes": resumes, "instruction_set": isa}
        probe.Product(left, padded(b[part]), c.view, **how).run()
    np.testing.assert_array_equal(c.view, expected.view)
    c.assert_untouched_outside()


@pytest.mark.parametrize(("m", "n", "k"), [(67, 112, 2100), HIGH])
@pytest.mark.parametrize("k_major", [True, False])
def test_multiply_gives_the_same_bits_for_any_split_into_units(dtype, isa, k_major, m, n, k):
    whole, expected = multiply(m, n, k, dtype, isa, k_major)
    whole.run()
    units = whole.units()
    assert units > 4
    for cuts in (range(units + 1), (0, 1, units), (0, units // 3, units // 2, units)):
        job, c = multiply(m, n, k, dtype, isa, k_major)
        for first, last in reversed(list(itertools.pairwise(cuts))):
            job.run(first, last)
        np.testing.assert_array_equal(c.view, expected.view)
        c.assert_untouched_outside()


def test_multiply_columns_do_not_depend_on_their_neighbours(dtype, isa):
    """What stands in the columns beyond the batch is computed on and never leaks: not even nan."""
    a, b = operands(13, 64, 29, dtype)
    alone, beside = np.zeros((13, 16), dtype), np.zeros((13, 64), dtype)
    poisoned = b.copy()
    poisoned[:, 16:] = np.nan
    probe.Product(a, b[:, :16], alone, instruction_set=isa).run()
    probe.Product(a, poisoned, beside, instruction_set=isa).run()
    np.testing.assert_array_equal(beside[:, :16], alone)
    assert np.isnan(beside[:, 16:]).all()


def test_multiply_stays_inside_its_scratch(dtype, isa, guards):
    """The probe's panel has 64 bytes more than the kernel asked for: they stay 0."""
    for m, n, k in ((25, 112, 1), (25, 112, 40), (25, 112, 2100), HIGH, (203, 512, 272)):
        for k_major in (True, False):
            job, _ = multiply(m, n, k, dtype, isa, k_major)
            job.run()
            assert not guards.inside(-1)[-64:].any()


# ---- activations and their derivatives --------------------------------------------------------


def test_every_activation_is_in_one_of_the_tables():
    """Or the tests below would not know which of them keep f'(z)."""
    from_a = {"identity", *catalogued.names_in("FROM_A_ACTIVATIONS")}
    assert from_a | KEPT == set(kernels.rows()["activations"])
    assert not from_a & KEPT


def product_shapes(dtype, isa):
    """The last two are summed in stretches, between which nothing is activated."""
    _, rows, _ = probe.tile_shape(dtype, isa)
    return ((1, 16, 9), (rows + 1, 48, 9), (2 * rows, 112, 1100), (rows + 2, 48, 1200))


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("k_major", [True, False])
def test_activate_epilogue_is_the_activation_of_the_product(dtype, isa, name, k_major):
    activation = catalogued.activation_of(ACTIVATIONS[name])
    for m, n, k in product_shapes(dtype, isa):
        z = product(m, n, k, dtype, isa, k_major)
        expected, slope = probe.activate(name, z, ACTIVATIONS[name].row[1], isa)
        job, a = multiply(m, n, k, dtype, isa, k_major, epilogue="activate", **activation)
        job.run()
        np.testing.assert_array_equal(a.view, expected)
        a.assert_untouched_outside()
        kept = Block(m, n, dtype)
        job, a = multiply(
            m, n, k, dtype, isa, k_major, epilogue="activate", kept=kept.view, **activation
        )
        job.run()
        np.testing.assert_array_equal(a.view, expected)
        np.testing.assert_array_equal(kept.view, slope)
        a.assert_untouched_outside()
        kept.assert_untouched_outside()


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("k_major", [True, False])
def test_derivative_epilogue_multiplies_by_the_derivative(dtype, isa, name, k_major):
    """By f'(z) as the catalogue has it from a; or, bit for bit, by what was kept."""
    entry = ACTIVATIONS[name]
    for m, n, k in product_shapes(dtype, isa):
        da = product(m, n, k, dtype, isa, k_major)
        kept = Block(m, n, dtype, fill=0.5)  # the same leading dimension as the product
        z = random((m, n), dtype, seed=5)
        kept.view[...] = z if name in KEPT else catalogued.value(entry, z)
        kept.view[0, :3] = 0, -0.0, 1
        before = kept.whole.copy()
        job, dz = multiply(
            m,
            n,
            k,
            dtype,
            isa,
            k_major,
            epilogue="derivative",
            kept=kept.view,
            **catalogued.activation_of(entry),
        )
        job.run()
        if name in KEPT:
            np.testing.assert_array_equal(dz.view, kept.view * da)
        else:
            slope = catalogued.derivative(entry, z.astype(float), kept.view.astype(float))
            tolerance = 4 * np.finfo(dtype).eps  # of da: 1 - a² has lost digits where a is near 1
            atol = tolerance * np.abs(da).max()
            np.testing.assert_allclose(dz.view, da * slope, rtol=tolerance, atol=atol)
        assert name == "identity" or (dz.view != da).any()
        np.testing.assert_array_equal(kept.whole, before)
        dz.assert_untouched_outside()


# ---- the optimizers ---------------------------------------------------------------------------


# By how much the rounding of a step may be more than that of a few operations, where numbers that
# are nearly equal are subtracted: in rho, in 1 - product, in a variance whose products are rounded.
MORE_ROUNDING = {
    ("nadam", "float64"): 10,
    ("radam", "float64"): 1000,
    ("rmsprop_centered", "float32"): 100,
    ("rmsprop_centered_momentum", "float32"): 100,
}


def tolerance_of(optimizer, dtype):
    return 8 * np.finfo(dtype).eps * MORE_ROUNDING.get((optimizer.kind, dtype), 1)


def updated_in_place(optimizer, values, isa, t=T, rows=None):
    """Copies of (gradient, weights, moments) after step t of the first `rows`."""
    g, w, moments = values[0].copy(), values[1].copy(), [m.copy() for m in values[2]]
    probe.update(
        (optimizer, t), g[:rows], w[:rows], [m[:rows] for m in moments], instruction_set=isa
    )
    return g, w, moments


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_update_is_the_update_of_the_catalogue(dtype, isa, name):
    for rows, columns in ((0, 16), (1, 16), (7, 48)):
        # two rows more, which are to stay
        values = catalogued.parameters(OPTIMIZERS[name], rows + 2, columns, dtype)
        gradient, weights, moments = values
        of_update = gradient[:rows], weights[:rows], [m[:rows] for m in moments]
        exact_w, exact_moments = catalogued.updated(OPTIMIZERS[name], *of_update)
        g, w, m = updated_in_place(OPTIMIZERS[name], values, isa, rows=rows)
        tolerance = tolerance_of(OPTIMIZERS[name], dtype)
        for found, exact in zip((w, *m), (exact_w, *exact_moments), strict=True):
            np.testing.assert_allclose(found[:rows], exact, rtol=tolerance, atol=tolerance)
        for found, before in zip((w, *m), (weights, *moments), strict=True):
            np.testing.assert_array_equal(found[rows:], before[rows:])
        np.testing.assert_array_equal(g, gradient)
        assert rows == 0 or (w[:rows] != weights[:rows]).any()


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("t", [1, 2, 31, 32, 33, 64, 1000, 10**6 + 1])
def test_update_of_any_step(dtype, isa, name, t):
    """Powers of what moments decay by: by squaring to a multiple of 32, and on from there."""
    values = catalogued.parameters(ONE_OF_EACH[name], 3, 16, dtype)
    exact_w, exact_moments = catalogued.updated(ONE_OF_EACH[name], *values, t=t)
    _, w, m = updated_in_place(ONE_OF_EACH[name], values, isa, t)
    tolerance = tolerance_of(ONE_OF_EACH[name], dtype)
    for found, exact in zip((w, *m), (exact_w, *exact_moments), strict=True):
        np.testing.assert_allclose(found, exact, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("is_far", [False, True])
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_update_epilogue_is_the_update_with_the_product(dtype, isa, name, is_far):
    _, rows, _ = probe.tile_shape(dtype, isa)
    for m, n, k in ((1, 16, 9), (rows + 1, 48, 9), (2 * rows, 112, 1100), HIGH):
        gradient = product(m, n, k, dtype, isa)
        _, *values = catalogued.parameters(ONE_OF_EACH[name], m, n, dtype)
        _, w, moments = updated_in_place(ONE_OF_EACH[name], (gradient, *values), isa)
        blocks = [Block(m, n, dtype) for _ in (w, *moments)]
        for block, value in zip(blocks, (values[0], *values[1]), strict=True):
            block.view[...] = value
        a, b = operands(m, n, k, dtype)
        job = probe.Product(
            a,
            b,
            blocks[0].view,
            epilogue="update",
            step=(ONE_OF_EACH[name], T),
            moments=[block.view for block in blocks[1:]],
            parameters_are_far=is_far,
            instruction_set=isa,
        )
        job.run()
        for block, exact in zip(blocks, (w, *moments), strict=True):
            np.testing.assert_array_equal(block.view, exact)
            block.assert_untouched_outside()


def test_strips_are_lower_where_parameters_are_far_and_the_batch_is_small(dtype, isa):
    """Where a tile is high enough for two of them."""
    _, rows, _ = probe.tile_shape(dtype, isa)

    def units(k, is_far):
        a, b = operands(120, 32, k, dtype)
        weights, *moments = (np.zeros((120, 32), dtype) for _ in range(3))
        return probe.Product(
            a,
            b,
            weights,
            epilogue="update",
            step=(Adam(), T),
            moments=moments,
            parameters_are_far=is_far,
            instruction_set=isa,
        ).units()

    assert units(33, True) == units(33, False) == units(32, False) == 120 // rows
    assert units(32, True) == (20 if rows == 12 else 120 // rows)


# ---- one rule, the same bits ------------------------------------------------------------------


def test_the_same_bits_on_every_instruction_set(dtype, assert_same_bits):
    def results_of(isa):
        job, c = multiply(13, 48, 29, dtype, isa)
        job.run()
        found = {"multiply": c.view}
        for name, entry in ACTIVATIONS.items():
            activation, kept = catalogued.activation_of(entry), Block(13, 48, dtype)
            job, a = multiply(
                13, 48, 29, dtype, isa, epilogue="activate", kept=kept.view, **activation
            )
            job.run()
            found[name], found[f"kept of {name}"] = a.view, kept.view
            job, dz = multiply(
                13,
                48,
                29,
                dtype,
                isa,
                epilogue="derivative",
                kept=(kept if name in KEPT else a).view,
                **activation,
            )
            job.run()
            found[f"derivative of {name}"] = dz.view
        for name, optimizer in OPTIMIZERS.items():
            values = catalogued.parameters(optimizer, 5, 48, dtype)
            for t in (T, 1000):
                _, w, moments = updated_in_place(optimizer, values, isa, t)
                found[f"{name} update, step {t}"] = np.stack([w, *moments])
        return found

    assert_same_bits(results_of)


# ---- BLAS -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a_is_k_major", "b_is_n_major"), [*itertools.product([True, False], repeat=2)]
)
@pytest.mark.parametrize("shape", [(1, 16, 1), (7, 16, 5), (129, 48, 33)])
def test_blas_multiply(dtype, shape, a_is_k_major, b_is_n_major):
    m, n, k = shape
    a, b = operands(m, n, k, dtype)
    c = Block(m, n, dtype)
    b_given = padded(np.ascontiguousarray(b.T)) if b_is_n_major else padded(b)
    probe.blas_multiply(left_operand(a, a_is_k_major), b_given, c.view, a_is_k_major, b_is_n_major)
    exact = a.astype(float) @ b.astype(float)
    scale = np.abs(a.astype(float)) @ np.abs(b.astype(float))
    assert (np.abs(c.view - exact) <= k * np.finfo(dtype).eps * scale).all()
    c.assert_untouched_outside()
