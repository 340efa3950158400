"""The loss of means and variances: two outputs for each target."""

import numpy as np
import pytest

import backprop as bp
from backprop import reference


def data(n=61):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (n, 3))
    return X, X[:, :2] + (1.1 + X[:, 1:]) * rng.normal(size=(n, 2))


def make(units=4, kind=bp.Network, **options):
    layers = [bp.Dense(8, "tanh"), bp.Dense(units)]
    options = {"optimizer": bp.Adam(0.01), "seed": 2, "dtype": "float64"} | options
    return kind(3, layers, loss="gaussian_nll", **options)


def test_training_is_the_references():
    X, y = data()
    fast, exact = make(), make(kind=reference.Network)
    weight = np.arange(61.0)
    for network in (fast, exact):
        network.fit(X, y, epochs=3, batch_size=16, sample_weight=weight)
    np.testing.assert_allclose(fast.predict(X), exact.predict(X), rtol=1e-10, atol=1e-13)
    assert fast.evaluate(X, y, weight) == pytest.approx(exact.evaluate(X, y, weight), rel=1e-10)
    assert list(fast.evaluate(X, y)) == ["loss", "r2"]


def test_the_loss_is_that_of_a_normal_distribution_and_its_spread_is_learnt():
    X, y = data(3000)
    net = make()
    net.fit(X, y, epochs=60)
    mean, variance = np.split(net.predict(X), 2, axis=1)
    losses = 0.5 * (np.log(variance) + (y - mean) ** 2 / variance).sum(axis=1)
    assert net.evaluate(X, y)["loss"] == pytest.approx(losses.mean())
    assert np.corrcoef(np.sqrt(variance).ravel(), (1.1 + X[:, 1:]).ravel())[0, 1] > 0.9


def test_the_same_bits_for_any_number_of_threads():
    X, y = data()
    made = [make(dtype="float32", n_threads=n) for n in (1, 2, 3)]
    for net in made:
        net.fit(X, y, epochs=2)
    assert len({net.predict(X).tobytes() for net in made}) == 1


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"'gaussian_nll' needs an even number .*; it has 3"):
        make(3)
    X, y = data()
    with pytest.raises(ValueError, match=r"y has shape \(61, 3\): expected \(61, 2\)"):
        make().fit(X, np.zeros((61, 3)))
    with pytest.raises(ValueError, match=r"y has shape \(61, 4\): expected \(61, 2\)"):
        make().fit(X, np.hstack([y, -y]))
    net = make(2)
    np.testing.assert_array_equal(net.evaluate(X, y[:, 0]), net.evaluate(X, y[:, :1]))
