"""What is done beside products: norms, activations that learn, noise; against plain numpy."""

import numpy as np
import pytest

from backprop import reference_random
from backprop._core import probe
from backprop.catalogue.activations import ACTIVATIONS
from backprop.catalogue.norms import NORMS

EPSILON = 1e-5
# (units, samples): none, one, a vector and one more or less, odd
SHAPES = [(1, 1), (3, 2), (5, 15), (16, 16), (17, 17), (33, 31), (7, 101)]
LEARNED = [name for name, entry in ACTIVATIONS.items() if entry.learned]


def numbers(units, samples, dtype, seed=0, spread=1.0):
    """(units, columns): the samples, and behind them what nobody may read."""
    columns = -(-samples // 16) * 16
    values = np.full((units, columns), 1e3, dtype)
    random = np.random.default_rng(seed)
    values[:, :samples] = random.normal(0.3, spread, (units, samples))
    return values


def row(units, dtype, seed):
    return np.random.default_rng(seed).uniform(0.5, 1.5, units).astype(dtype)


def tolerance(dtype):
    """Deviations are divided by: digits that a mean has lost."""
    return {"rtol": 400 * np.finfo(dtype).eps, "atol": 400 * np.finfo(dtype).eps}


@pytest.mark.parametrize(("units", "samples"), SHAPES)
def test_batch_norm(dtype, isa, units, samples):
    z, dy = (numbers(units, samples, dtype, seed) for seed in (1, 2))
    scale, shift = row(units, dtype, 3), row(units, dtype, 4)
    mean, variance, n, y = probe.batch_norm(z, scale, shift, EPSILON, samples, isa)
    norm = NORMS["batch"](epsilon=EPSILON)
    exact = z[:, :samples].T.astype(float)
    statistics = norm.statistics(exact)
    expected_y, expected_n, deviation = norm.forward(exact, scale, shift, statistics)
    np.testing.assert_allclose(mean, statistics[0][0], **tolerance(dtype))
    np.testing.assert_allclose(variance, statistics[1][0], **tolerance(dtype))
    np.testing.assert_allclose(n[:, :samples].T, expected_n, **tolerance(dtype))
    np.testing.assert_allclose(y[:, :samples].T, expected_y, **tolerance(dtype))
    found = probe.batch_norm_backward(dy, n, variance, scale, EPSILON, samples, isa)
    given = dy[:, :samples].T.astype(float)
    dz, d_scale, d_shift = norm.backward(given, expected_n, deviation, scale)
    largest = max(1, np.abs(1 / deviation).max())
    close = {name: value * largest for name, value in tolerance(dtype).items()}
    np.testing.assert_allclose(found[0][:, :samples].T, dz, **close)
    np.testing.assert_allclose(found[1], d_scale, **close)
    np.testing.assert_allclose(found[2], d_shift, **close)


@pytest.mark.parametrize(("units", "samples"), SHAPES)
def test_layer_norm(dtype, isa, units, samples):
    z, dy = (numbers(units, samples, dtype, seed) for seed in (1, 2))
    scale, shift = row(units, dtype, 3), row(units, dtype, 4)
    inverse, n, y = probe.layer_norm(z, scale, shift, EPSILON, isa)
    norm = NORMS["layer"](epsilon=EPSILON)
    exact = z[:, :samples].T.astype(float)
    expected_y, expected_n, deviation = norm.forward(exact, scale, shift, norm.statistics(exact))
    np.testing.assert_allclose(inverse[:samples], 1 / deviation[:, 0], **tolerance(dtype))
    largest = max(1, np.abs(1 / deviation).max())
    close = {name: value * largest for name, value in tolerance(dtype).items()}
    np.testing.assert_allclose(n[:, :samples].T, expected_n, **close)
    np.testing.assert_allclose(y[:, :samples].T, expected_y, **close)
    found = probe.layer_norm_backward(dy, n, inverse, scale, isa)
    dz, _, _ = norm.backward(dy[:, :samples].T.astype(float), expected_n, deviation, scale)
    np.testing.assert_allclose(found[:, :samples].T, dz, **close)


def test_a_mean_that_is_far_from_0_costs_no_more_digits_than_it_has(isa):
    """A variance as a mean of squares less the square of the mean would be lost: 1e6 ± 1."""
    z = numbers(4, 64, "float32")
    z[:, :64] = np.where(np.arange(64) % 2, 1e6 + 1, 1e6 - 1)
    one, none = np.ones(4, "float32"), np.zeros(4, "float32")
    _, variance, _, y = probe.batch_norm(z, one, none, EPSILON, 64, isa)
    np.testing.assert_allclose(variance, 1, rtol=1e-3)
    np.testing.assert_allclose(np.abs(y), 1, rtol=1e-3)
    same = np.repeat(z[:1].T, 16, axis=1)
    one, none = np.ones(64, "float32"), np.zeros(64, "float32")
    _, _, y = probe.layer_norm(same, one, none, EPSILON, isa)
    np.testing.assert_allclose(np.abs(y), 1, rtol=1e-3)


@pytest.mark.parametrize("count", [1, 2, 50])
def test_running_statistics_follow(dtype, isa, count):
    random = np.random.default_rng(0)
    mean, variance, running_mean, running_variance = random.uniform(1, 2, (4, 32)).astype(dtype)
    expected = {"mean": running_mean.astype(float), "variance": running_variance.astype(float)}
    NORMS["batch"](running_rate=0.25).follow(expected, (mean[None], variance[None]), count)
    probe.follow_statistics((mean, variance), (running_mean, running_variance), count, 0.25, isa)
    np.testing.assert_allclose(running_mean, expected["mean"], rtol=8 * np.finfo(dtype).eps)
    np.testing.assert_allclose(running_variance, expected["variance"], rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize(("units", "samples"), SHAPES)
def test_activations_that_learn(dtype, isa, name, units, samples):
    entry = ACTIVATIONS[name]
    z, da = (numbers(units, samples, dtype, seed) for seed in (1, 2))
    parameters = row(units, dtype, 3)
    a, kept = probe.activate_learned(name, z, parameters, isa)
    np.testing.assert_array_equal(kept, z)
    exact, given = (values[:, :samples].T.astype(float) for values in (z, da))
    expected = entry.value(exact, parameters.astype(float))
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(a[:, :samples].T, expected, rtol=4 * eps)
    dz, gradient = probe.learned_backward(name, da, z, parameters, samples, isa)
    slope = entry.derivative(exact, expected, parameters.astype(float))
    np.testing.assert_allclose(dz[:, :samples].T, given * slope, rtol=4 * eps)
    by_parameter = (given * entry.by_parameter(exact)).sum(axis=0)
    np.testing.assert_allclose(gradient, by_parameter, rtol=100 * eps, atol=100 * eps)


def test_noise_is_that_of_the_reference(dtype, isa):
    values = numbers(5, 33, dtype)
    state = reference_random.stream(3, reference_random.NOISE, 1)
    found = probe.add_noise(state, 0.5, values, isa)[:, :33].T
    expected = values[:, :33].T + 0.5 * reference_random.normal_noise(state, 33, 5)
    np.testing.assert_allclose(found, expected, rtol=0, atol=40 * np.finfo(dtype).eps)


def test_noise_is_normal(isa):
    noise = probe.add_noise(7, 1.0, np.zeros((100, 1600), "float64"), isa)
    assert abs(noise.mean()) < 0.01
    assert noise.std() == pytest.approx(1, abs=0.01)
    assert (np.abs(noise) > 1.959964).mean() == pytest.approx(0.05, abs=0.003)
    assert abs(np.corrcoef(noise[0], noise[1])[0, 1]) < 0.1
    assert abs(np.corrcoef(noise[:, 0], noise[:, 1])[0, 1]) < 0.3


def test_every_instruction_set_that_fuses_has_the_same_bits(dtype, assert_same_bits):
    z, dy = (numbers(37, 45, dtype, seed) for seed in (1, 2))
    scale, shift = row(37, dtype, 3), row(37, dtype, 4)

    def results(isa):
        mean, variance, n, y = probe.batch_norm(z, scale, shift, EPSILON, 45, isa)
        batch = probe.batch_norm_backward(dy, n, variance, scale, EPSILON, 45, isa)
        inverse, m, x = probe.layer_norm(z, scale, shift, EPSILON, isa)
        found = [mean, variance, n, y, *batch, inverse, m, x]
        found.append(probe.layer_norm_backward(dy, m, inverse, scale, isa))
        found += probe.learned_backward(LEARNED[0], dy, z, scale, 45, isa)
        found.append(probe.add_noise(11, 0.1, z, isa))
        running = row(48, dtype, 5), row(48, dtype, 6)
        probe.follow_statistics((row(48, dtype, 7), row(48, dtype, 8)), running, 45, 0.1, isa)
        return dict(enumerate([*found, *running]))

    assert_same_bits(results)
