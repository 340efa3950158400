"""Activations, losses, their links and sums: accuracy, and what is not finite."""

import functools

import catalogued
import numpy as np
import pytest
from catalogued import ACTIVATIONS, LOSSES, random, targets_for, wider

from backprop import reference, reference_data
from backprop._core import kernels, probe
from backprop.catalogue import losses


def activate(name, z, isa):
    """(a, f'(z)), of an activation as the catalogue has it."""
    return probe.activate(name, z, ACTIVATIONS[name].row[1], isa)


def loss_of(name, a, targets, weights, scale, isa):
    """(losses, da), likewise."""
    return probe.loss(name, a, targets, weights, scale, LOSSES[name].row[1], isa)


def ulps(found, exact):
    """|found - exact| in units of the last place of `exact`, which is wider than `found`."""
    spacing = np.spacing(np.abs(exact).astype(found.dtype)).astype(exact.dtype)
    return np.abs(found.astype(exact.dtype) - exact) / spacing


# ---- the catalogue ----------------------------------------------------------------------------


def test_what_the_catalogue_has_is_a_row_of_the_kernels_and_the_other_way_round():
    found = {what: sorted(names) for what, names in kernels.rows().items()}
    assert found == {
        "activations": sorted(ACTIVATIONS),
        "losses": sorted(losses.LOSSES),
        "optimizers": sorted({made.kind for made in catalogued.OPTIMIZERS.values()}),
    }


# ---- activations ------------------------------------------------------------------------------

SPECIAL = [
    0.0,
    -0.0,
    1e-45,
    -1e-45,
    1e-40,
    5e-324,
    1e-310,
    1e-30,
    -1e-30,
    1e-8,
    0.5,
    -0.5,
    0.6931,
    1,
    -1,
    8,
    -8,
]
SPECIAL += [
    9.9,
    10.1,
    19.9,
    20.1,
    87,
    -87,
    88.72,
    89,
    -88.72,
    -89,
    103,
    -104,
    709.7,
    -709.7,
    746,
    -746,
    1e30,
    -1e30,
]
BOUNDS = {"sigmoid": 1.5, "tanh": 1.5}  # units of the last place, of float64


def samples(dtype):
    """Of every magnitude, dense where the functions bend."""
    rng = np.random.default_rng(0)
    some = [np.array(SPECIAL), rng.uniform(-1, 1, 30_000), rng.uniform(-30, 30, 30_000)]
    some += [rng.choice([-1, 1], 30_000) * 10.0 ** rng.uniform(-320, 2, 30_000)]
    with np.errstate(over="ignore"):
        return np.concatenate(some).astype(dtype)


@pytest.mark.parametrize("name", BOUNDS)
def test_activation_accuracy(dtype, isa, name, record_property):
    x = samples(dtype)
    wide = x.astype(wider(dtype))
    exact = catalogued.value(ACTIVATIONS[name], wide)
    found, _ = activate(name, x, isa)
    normal = np.abs(exact) >= np.finfo(dtype).tiny
    error = ulps(found[normal], exact[normal])
    record_property("ulps", float(error.max()))
    assert error.max() <= BOUNDS[name], x[normal][error.argmax()]
    # below the normal numbers: sigmoid may flush to 0, tanh(x) is x
    if name == "sigmoid":
        assert (np.abs(found[~normal] - exact[~normal]) <= np.finfo(dtype).tiny).all()
    else:
        np.testing.assert_array_equal(found[~normal], x[~normal])
        np.testing.assert_array_equal(np.signbit(found), np.signbit(x))
    assert np.abs(found).max() <= 1


def test_activations_of_what_is_not_finite(dtype, isa):
    x = np.array([np.nan, np.inf, -np.inf], dtype)
    expected = {
        "identity": x,
        "sigmoid": [np.nan, 1, 0],
        "tanh": [np.nan, 1, -1],
        "relu": [np.nan, np.inf, 0],
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(activate(name, x, isa)[0], np.array(values, dtype), name)
    for name, entry in ACTIVATIONS.items():
        found, _ = activate(name, x, isa)
        np.testing.assert_allclose(found, catalogued.value(entry, x), 1e-6, err_msg=name)


@pytest.mark.parametrize("name", ["identity", "relu"])
def test_exact_activations(dtype, isa, name):
    x = samples(dtype)
    a, slope = activate(name, x, isa)
    np.testing.assert_array_equal(a, catalogued.value(ACTIVATIONS[name], x))
    np.testing.assert_array_equal(slope, catalogued.derivative(ACTIVATIONS[name], x, a))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_and_its_derivative(dtype, isa, name):
    """Where terms of size z cancel each other, what is left is as exact as they are.

    f' may hold z times a difference from 1, which is exact to half an ε, and 0 where |z| > 40.
    """
    entry, z = ACTIVATIONS[name], samples(dtype)
    z = z[np.abs(z) <= 1e4]
    wide = z.astype(wider(dtype))
    exact = catalogued.value(entry, wide)
    slope = catalogued.derivative(entry, wide, exact)
    unit = 8 * np.finfo(dtype).eps
    sizes = np.maximum(np.abs(exact), np.minimum(np.abs(wide), 1))
    smallest = np.finfo(dtype).tiny  # below it a result may be flushed to 0
    slope_sizes = np.maximum(np.abs(slope), 1 + np.minimum(np.abs(wide), 40) / 8)
    for found, expected, scale in zip(
        activate(name, z, isa), (exact, slope), (sizes, slope_sizes), strict=True
    ):
        with np.errstate(over="ignore"):
            nearest = expected.astype(dtype)
        infinite = ~np.isfinite(nearest)
        np.testing.assert_array_equal(found[infinite], nearest[infinite])
        with np.errstate(invalid="ignore"):
            error = np.abs(found - expected)
        wrong = ~infinite & ~(error <= unit * scale + smallest)
        assert not wrong.any(), (z[wrong][:5], found[wrong][:5], expected[wrong][:5])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_of_large_numbers_and_of_nan(dtype, isa, name):
    """As numpy has it: exp(1e4) is infinite. A sine of 1e30 is one of some number."""
    z = np.array([1e4, -1e4, 1e30, -1e30], dtype)
    expected = catalogued.value(ACTIVATIONS[name], z)
    expected = expected, catalogued.derivative(ACTIVATIONS[name], z, expected)
    unit = 8 * np.finfo(dtype).eps
    exact = 2 if name == "sin" else 4
    for found, as_numpy_has_it in zip(activate(name, z, isa), expected, strict=True):
        np.testing.assert_allclose(found[:exact], as_numpy_has_it[:exact], rtol=unit, atol=unit)
        assert (np.abs(found[exact:]) <= 1).all()
    lanes, _, _ = probe.tile_shape(dtype, isa)
    for place in (0, lanes - 1):
        z = random(2 * lanes, dtype)
        z[place] = np.nan
        a, slope = activate(name, z, isa)
        assert np.isnan(a).nonzero()[0].tolist() == [place]
        assert np.isfinite(np.delete(slope, place)).all()


def test_sine_accuracy(dtype, isa, fused, record_property):
    """An ε of 1 up to |z| = 1e4, the multiples of π/2 included, near which sin or cos is small."""
    rng = np.random.default_rng(0)
    near_0 = np.arange(-6366, 6367) * (np.pi / 2)
    z = np.concatenate([rng.uniform(-1e4, 1e4, 100_000), near_0, near_0 / 2]).astype(dtype)
    wide = z.astype(wider(dtype))
    for found, exact in zip(activate("sin", z, isa), (np.sin(wide), np.cos(wide)), strict=True):
        error = np.abs(found - exact).max() / np.finfo(dtype).eps
        record_property("epsilons", float(error))
        assert error <= (0.8 if fused else 1.0)


@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_expm1_accuracy(dtype, isa, alpha):
    """Seen through elu: digits are kept near 0."""
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.uniform(-30, 0, 30_000), -(10.0 ** rng.uniform(-30, 1, 30_000))])
    z = z.astype(dtype)
    found, _ = probe.activate("elu", z, (alpha,), isa)
    exact = np.dtype(dtype).type(alpha).astype(wider(dtype)) * np.expm1(z.astype(wider(dtype)))
    assert ulps(found, exact).max() <= 2


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_any_count_and_the_same_in_any_lane(dtype, isa, name):
    lanes, _, _ = probe.tile_shape(dtype, isa)
    whole = random(3 * lanes + 5, dtype, seed=8) * 3
    expected = activate(name, whole, isa)
    for count in {0, 1, lanes - 1, lanes, lanes + 1, len(whole)}:
        for start in (0, 1, lanes - 1):
            part = whole[start : start + count].copy()
            part.flags.writeable = False
            for found, of_all in zip(activate(name, part, isa), expected, strict=True):
                np.testing.assert_array_equal(found, of_all[start : start + count])


def test_exp_accuracy(dtype, isa, record_property):
    """Seen through softmax: beside a logit of 0, an x with 1 + exp(x) = 1 gets exp(x)."""
    lowest = {"float32": -87.0, "float64": -708.0}[dtype]
    highest = {"float32": -17.5, "float64": -38.0}[dtype]
    x = np.random.default_rng(0).uniform(lowest, highest, 16 * 4000).astype(dtype)
    logits = np.stack([np.zeros_like(x), x])
    found = probe.link("softmax_cross_entropy", logits, (), isa)
    assert (found[0] == 1).all()
    error = ulps(found[1], np.exp(x.astype(wider(dtype))))
    record_property("ulps", float(error.max()))
    assert error.max() <= 2
    below = np.array([[0.0] * 16, [-104 if dtype == "float32" else -746] * 16], dtype)
    assert (probe.link("softmax_cross_entropy", below, (), isa)[1] == 0).all()


def test_exp_of_subnormal_results(dtype, isa):
    lowest = {"float32": (-103.2, -87.4), "float64": (-744.4, -708.5)}[dtype]
    x = np.random.default_rng(0).uniform(*lowest, 16 * 200).astype(dtype)
    logits = np.stack([np.zeros_like(x), x])
    found = probe.link("softmax_cross_entropy", logits, (), isa)[1]
    assert (ulps(found, np.exp(x.astype(wider(dtype)))) <= 1.5).all()
    assert (found > 0).all()


def test_log_accuracy(dtype, isa):
    """Seen through the loss: with n equal logits it is log n."""
    for n in (2, 3, 4, 5, 6, 7, 10, 31, 100, 999):
        a = np.zeros((n, 16), dtype)
        labels, ones = np.zeros(16, dtype), np.ones(16, dtype)
        losses, _ = loss_of("softmax_cross_entropy", a, labels, ones, 1.0, isa)
        assert ulps(losses, np.full(16, np.log(wider(dtype)(n)))).max() <= 2, n


def test_log1p_accuracy(dtype, isa):
    """Seen through the loss: for a positive logit x with target 1 it is log(1 + exp(-x))."""
    x = np.abs(np.random.default_rng(0).uniform(0, {"float32": 80, "float64": 700}[dtype], 16_000))
    x = np.concatenate([x, np.linspace(0, 4, 1600)]).astype(dtype)[None]
    one = np.ones_like(x)
    losses, _ = loss_of("sigmoid_cross_entropy", x, one, one[0], 1.0, isa)
    exact = np.log1p(np.exp(-x[0].astype(wider(dtype))))
    assert ulps(losses, exact).max() <= 4


# ---- losses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [name for name, entry in LOSSES.items() if entry.parameters])
@pytest.mark.parametrize("n_out", [2, 10])
def test_losses_of_other_values(monkeypatch, dtype, isa, loss, n_out):
    entry = LOSSES[loss]
    others = {p.name: p.default + 0.5 if p.below is None else 0.2 for p in entry.parameters}
    monkeypatch.setitem(LOSSES, loss, entry(**others))
    test_loss_and_its_derivative(dtype, isa, loss, n_out)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n_out", [1, 2, 3, 10, 17])
def test_loss_and_its_derivative(dtype, isa, loss, n_out):
    for columns in (16, 48):
        a = random((n_out, columns), dtype, seed=1) * 4
        y = targets_for(LOSSES[loss], n_out, columns, dtype)
        weights = np.arange(columns).astype(dtype)  # the first one 0
        losses, da = loss_of(loss, a, y, weights, 0.25, isa)
        at, yt, wt = (value.T.astype(float) for value in (a, y, weights))
        tolerance = 8 * np.finfo(dtype).eps
        entry = LOSSES[loss]
        exact = wt * entry.value(at, yt, *entry.settings.values())
        np.testing.assert_allclose(losses, exact, rtol=4 * tolerance, atol=tolerance)
        exact = entry.derivative(at, yt, *entry.settings.values()) * (0.25 * wt)[:, None]
        np.testing.assert_allclose(da.T, exact, rtol=tolerance, atol=columns * tolerance)
        assert losses[0] == 0
        assert not da[:, 0].any()
        assert n_out == 1 or (da[:, 1:] != 0).any()


@pytest.mark.parametrize("loss", LOSSES)
def test_labels_are_one_hot_rows(dtype, isa, loss):
    labels = np.arange(48) % 7
    a = random((7, 48), dtype)
    one_hot = np.ascontiguousarray(reference_data.one_hot(labels, 7, dtype).T)
    weights = np.ones(48, dtype)
    by_label = loss_of(loss, a, labels.astype(dtype), weights, 1.0, isa)
    by_row = loss_of(loss, a, one_hot, weights, 1.0, isa)
    for one, other in zip(by_label, by_row, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("loss", ["sigmoid_cross_entropy", "softmax_cross_entropy", "focal"])
def test_cross_entropies_are_stable_for_any_finite_logits(dtype, isa, loss):
    """Wherever the target is what the logits say without a doubt, loss and derivative are 0."""
    largest = float(np.finfo(dtype).max)
    for size in (50.0, 1e4, largest / 4, largest):
        for sign in (1, -1):
            a = np.array([[sign * size] * 16, [-sign * size] * 16], dtype)
            y = (a > 0).astype(dtype)
            losses, da = loss_of(loss, a, y, np.ones(16, dtype), 1.0, isa)
            assert np.abs(losses).max() < 1e-9, (size, sign)
            assert np.abs(da).max() < 1e-9, (size, sign)
            wrong, da = loss_of(loss, a, 1 - y, np.ones(16, dtype), 1.0, isa)
            assert not np.isnan(wrong).any()
            assert (wrong >= size).all()
            np.testing.assert_allclose(np.abs(da), 1, rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("place", [0, 2])
def test_losses_of_nan_are_nan(dtype, isa, loss, place):
    a = random((3, 16), dtype)
    a[place, 5] = np.nan
    y = targets_for(LOSSES[loss], 3, 16, dtype)
    losses, da = loss_of(loss, a, y, np.ones(16, dtype), 1.0, isa)
    assert np.isnan(losses).nonzero()[0].tolist() == [5]
    assert np.isnan(da[:, 5]).any()
    assert np.isfinite(np.delete(da, 5, axis=1)).all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("size", [50.0, 1e4])
def test_losses_of_large_outputs(dtype, isa, loss, size):
    """Finite, or as numpy has it."""
    entry = LOSSES[loss]
    a = np.array([[size] * 16, [-size] * 16, [0.0] * 16], dtype)
    a[:, 8:] *= -1
    y = targets_for(entry, 3, 16, dtype)
    at, yt = (array.T.astype(wider(dtype)) for array in (a, y))
    values = entry.settings.values()
    expected = entry.value(at, yt, *values), entry.derivative(at, yt, *values).T
    found = loss_of(loss, a, y, np.ones(16, dtype), 1.0, isa)
    for each, exact in zip(found, expected, strict=True):
        with np.errstate(over="ignore"):
            nearest = exact.astype(dtype)
        tolerance = 8 * np.finfo(dtype).eps
        np.testing.assert_allclose(each, nearest, rtol=4 * tolerance, atol=tolerance)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n_out", [1, 2, 10])
def test_link(dtype, isa, loss, n_out):
    a = random((n_out, 48), dtype) * 10
    found = probe.link(loss, a, (), isa)
    exact = LOSSES[loss].link(a.T.astype(wider(dtype))).T
    np.testing.assert_allclose(found, exact.astype(float), rtol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("noncrossing", [False, True])
@pytest.mark.parametrize("n_out", [1, 3, 16])
def test_quantiles(dtype, isa, n_out, noncrossing):
    levels = tuple(np.linspace(0.05, 0.95, n_out))
    entry = losses.LOSSES["quantile"](levels=levels, noncrossing=noncrossing)
    a, y = random((n_out, 48), dtype, seed=1), random((n_out, 48), dtype, seed=2)
    y[:, 7] = a[:, 7]
    weights = np.arange(48).astype(dtype)
    found, da = probe.loss("quantile", a, y, weights, 0.25, entry.row[1], isa)
    at, yt, wt = (value.T.astype(float) for value in (a, y, weights))
    tolerance = 8 * np.finfo(dtype).eps
    exact = wt * entry.value(at, yt, *entry.settings.values())
    np.testing.assert_allclose(found, exact, rtol=4 * tolerance, atol=tolerance)
    exact = entry.derivative(at, yt, *entry.settings.values()) * (0.25 * wt)[:, None]
    np.testing.assert_allclose(da.T, exact, rtol=tolerance)
    assert not da[:, 7].any()
    predicted = probe.link("quantile", a, entry.row[1], isa)
    np.testing.assert_array_equal(predicted, np.sort(a, axis=0) if noncrossing else a)
    a[n_out // 2, 5] = np.nan
    found, da = probe.loss("quantile", a, y, np.ones(48, dtype), 1.0, entry.row[1], isa)
    assert np.isnan(found).nonzero()[0].tolist() == [5]
    assert np.isnan(da).sum() == 1


@pytest.mark.parametrize("n_out", [2, 6])
def test_means_and_variances(dtype, isa, n_out):
    entry = losses.LOSSES["gaussian_nll"]
    a, y = random((n_out, 48), dtype, seed=1) * 3, random((n_out, 48), dtype, seed=2)
    weights = np.arange(48).astype(dtype)
    found, da = probe.loss("gaussian_nll", a, y, weights, 0.25, (), isa)
    at, yt, wt = (value.T.astype(float) for value in (a, y, weights))
    tolerance = 16 * np.finfo(dtype).eps
    size = np.abs(entry.value(at, yt)) + n_out  # of the terms, which cancel each other
    assert (np.abs(found - wt * entry.value(at, yt)) <= 4 * tolerance * wt * size).all()
    exact = entry.derivative(at, yt) * (0.25 * wt)[:, None]
    np.testing.assert_allclose(da.T, exact, rtol=64 * tolerance, atol=48 * tolerance)
    predicted = probe.link("gaussian_nll", a, (), isa)
    np.testing.assert_allclose(predicted.T, entry.link(at), rtol=tolerance)
    assert (
        np.isfinite(probe.loss("gaussian_nll", a * 1e3, y, weights, 1.0, (), isa)).all()
        if n_out == 0
        else True
    )
    a[n_out - 1, 5] = np.nan
    found, da = probe.loss("gaussian_nll", a, y, np.ones(48, dtype), 1.0, (), isa)
    assert np.isnan(found).nonzero()[0].tolist() == [5]
    assert np.isnan(da[:, 5]).any()
    assert np.isfinite(np.delete(da, 5, axis=1)).all()


# ---- sums -------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
def test_sum_is_a_fixed_tree_in_float64(dtype, isa, count):
    values = random(count, dtype) * 10.0 ** np.random.default_rng(1).uniform(-6, 6, count)
    values = values.astype(dtype)
    s = [
        functools.reduce(lambda x, y: x + y, values[i::8].astype(float).tolist(), 0.0)
        for i in range(8)
    ]
    tree = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
    assert probe.total(values, isa) == tree


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (5, 8), (4, 21), (1, 1000)])
def test_sum_of_squares_is_a_fixed_tree_in_float64(dtype, isa, shape):
    rows, columns = shape
    apart = random((rows, columns + 11), dtype) * 3
    assert probe.sum_of_squares(apart[:, :columns], isa) == reference.sum_of_squares(
        apart[:, :columns]
    )


@pytest.mark.parametrize("wrong", [-1, 5, 2**30, np.inf, -np.inf])
def test_classes_are_looked_at_one_by_one(dtype, isa, wrong):
    for first, last in ((0, 1), (0, 17), (3, 35), (16, 33), (16, 16)):
        labels = (np.arange(40) % 5).astype(dtype)
        assert probe.are_classes(labels, first, last, 5, isa)
        for place in range(40):
            labels[place], before = wrong, labels[place]
            assert probe.are_classes(labels, first, last, 5, isa) == (not first <= place < last)
            labels[place] = before
    both = np.array([-1, 5] * 20, dtype)  # whose distances from the range cancel
    assert not probe.are_classes(both, 0, 40, 5, isa)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_is_finite_looks_at_every_number_of_its_columns_and_at_no_other(dtype, isa, value):
    largest = np.finfo(dtype).max
    for first, last in ((0, 1), (0, 17), (16, 33), (16, 16)):
        numbers = np.full((3, 40), largest, dtype)
        numbers[1] *= -1
        for row, column in np.ndindex(3, 35):
            numbers[row, column], before = value, numbers[row, column]
            expected = np.isfinite(numbers[:, first:last]).all()
            assert probe.is_finite(numbers, first, last, isa) == expected, (row, column)
            numbers[row, column] = before


# ---- one rule, the same bits ------------------------------------------------------------------


def test_the_same_bits_on_every_instruction_set(dtype, assert_same_bits):
    def results_of(isa):
        found = {"sum": np.float64(probe.total(random(1000, dtype), isa))}
        found["squares"] = np.float64(probe.sum_of_squares(random((40, 25), dtype), isa))
        for name in ACTIVATIONS:
            found[name], found[f"{name}, f'"] = activate(name, samples(dtype), isa)
        for name in LOSSES:
            a, y = random((10, 48), dtype) * 4, targets_for(LOSSES[name], 10, 48, dtype)
            losses, da = loss_of(name, a, y, np.ones(48, dtype), 0.3, isa)
            found[name], found[f"{name}, derivative"] = losses, da
            found[f"{name}, prediction"] = probe.link(name, a, (), isa)
        return found

    assert_same_bits(results_of)
