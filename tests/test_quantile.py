"""The loss of quantiles: an output for each level, of one target."""

import pickle

import numpy as np
import pytest

import backprop as bp
from backprop import reference
from backprop.catalogue.losses import LOSSES

QUANTILE = LOSSES["quantile"]
LEVELS = (0.1, 0.5, 0.75, 0.9)


def data(n=400):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (n, 3))
    return X, X[:, 0] + (1 + X[:, 1]) * rng.normal(size=n)


def make(loss="quantile", units=3, kind=bp.Network, **options):
    layers = [bp.Dense(8, "tanh"), bp.Dense(units)]
    options = {"optimizer": bp.Adam(0.02), "seed": 2, "dtype": "float64"} | options
    return kind(3, layers, loss=loss, **options)


@pytest.mark.parametrize("noncrossing", [False, True])
def test_training_is_the_references(noncrossing):
    X, y = data(61)
    loss = QUANTILE(levels=LEVELS, noncrossing=noncrossing)
    fast, exact = make(loss, 4), make(loss, 4, reference.Network)
    weight = np.arange(61.0)
    for network in (fast, exact):
        network.fit(X, y, epochs=3, batch_size=16, sample_weight=weight)
    np.testing.assert_allclose(fast.predict(X), exact.predict(X), rtol=1e-10, atol=1e-13)
    assert fast.evaluate(X, y, weight) == pytest.approx(exact.evaluate(X, y, weight), rel=1e-10)
    assert list(fast.evaluate(X, y)) == ["loss", "pinball"]


def test_the_share_of_rows_below_is_the_level():
    X, y = data(2000)
    net = make(QUANTILE(levels=LEVELS), 4)
    net.fit(X, y, epochs=100)
    net.optimizer = bp.Adam(1e-3)
    net.fit(X, y, epochs=20)
    np.testing.assert_allclose((y[:, None] < net.predict(X)).mean(axis=0), LEVELS, atol=0.02)


def test_a_target_is_a_vector_or_a_column_or_one_for_each_output():
    X, y = data()
    made = []
    for given in (y, y[:, None], np.stack([y, y, y], axis=1)):
        net = make()
        net.fit(X, given, epochs=2)
        made.append(net.predict(X))
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(made[0], made[2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noncrossing_sorts_what_is_predicted_and_nothing_else(dtype):
    X, y = data()
    plain, ordered = make(dtype=dtype), make(QUANTILE(noncrossing=True), dtype=dtype)
    p = plain.predict(X)
    assert (np.diff(p, axis=1) < 0).any()
    for n in (1, 5, 400):  # few rows take another way
        np.testing.assert_array_equal(ordered.predict(X[:n]), np.sort(p[:n], axis=1))
    np.testing.assert_array_equal(ordered.predict(X, logits=True), p)
    assert plain.fit(X, y, epochs=1).loss == ordered.fit(X, y, epochs=1).loss


def test_the_same_bits_for_any_number_of_threads():
    X, y = data()
    made = [make(dtype="float32", n_threads=n) for n in (1, 2, 3)]
    for net in made:
        net.fit(X, y, epochs=2)
    assert len({net.predict(X).tobytes() for net in made}) == 1


def test_levels_are_saved_pickled_and_shown(tmp_path):
    loss = QUANTILE(levels=[0.25], noncrossing=True)
    assert repr(loss) == "quantile(noncrossing=True, levels=(0.25,))"
    net = make(loss, 1)
    net.save(tmp_path / "model")
    again = bp.Network.load(tmp_path / "model")
    for other in (again, pickle.loads(pickle.dumps(net)), net.copy()):
        assert other.loss_function == loss
        assert other.loss_function.link is loss.link is not QUANTILE.link
    assert make().loss == "quantile"


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ((0.5, 0.1), "each above the last"),
        ((0.5, 0.5), "each above the last"),
        ((), "1 to 16 numbers"),
        (np.linspace(0.1, 0.9, 17), "1 to 16 numbers"),
        ((0, 0.5), "above 0.0 and below 1.0"),
        (1.0, "above 0.0 and below 1.0"),
    ],
)
def test_levels_are_checked(levels, message):
    with pytest.raises(ValueError, match=rf"levels=.*{message}"):
        QUANTILE(levels=levels)


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"'quantile' needs a last layer of 3 units, .*; it has 2"):
        make(units=2)
    with pytest.raises(ValueError, match="did you mean 'quantile'"):
        make("pinball")
    with pytest.raises(ValueError, match=r"y has shape \(400, 2\): expected \(400, 3\)"):
        make().fit(data()[0], np.zeros((400, 2)))
    with pytest.raises(TypeError, match="noncrossing=1: expected True or False"):
        QUANTILE(noncrossing=1)
