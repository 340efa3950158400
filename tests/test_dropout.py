"""Dropout: against the reference and central differences; its statistics, its bits."""

import numpy as np
import pytest
from networks import printed

import backprop as bp
from backprop import reference

LAYERS = [bp.Dense(33, "relu", dropout=0.5), bp.Dense(17, "tanh", dropout=0.3), bp.Dense(3)]
RANDOM = np.random.default_rng(4)
X = RANDOM.normal(size=(101, 13))
Y = RANDOM.integers(0, 3, 101)


def network(kind=bp.Network, layers=LAYERS, **settings):
    usual = {"loss": "softmax_cross_entropy", "dtype": "float64", "seed": 3, "input_dropout": 0.2}
    return kind(13, layers, **{**usual, **settings})


def parameters(net):
    return [array for layer in net.layers for array in (layer.weights, layer.bias)]


def assert_same_bits(one, other):
    for a, b in zip(parameters(one), parameters(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_epochs_are_those_of_the_reference(dtype, matmul):
    fast = network(dtype=dtype, matmul=matmul)
    slow = network(reference.Network, dtype=dtype)
    tolerance = 1e-10 if dtype == "float64" else 1e-4
    found, expected = (net.fit(X, Y, epochs=3, batch_size=32).loss for net in (fast, slow))
    np.testing.assert_allclose(found, expected, rtol=tolerance)
    for a, b in zip(parameters(fast), parameters(slow), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_the_same_bits_on_any_number_of_threads(n_threads):
    one, other = (
        network(n_threads=1, dtype="float32"),
        network(n_threads=n_threads, dtype="float32"),
    )
    for net in (one, other):
        net.fit(X, Y, epochs=3, batch_size=50)
    assert_same_bits(one, other)


def test_the_same_bits_on_every_instruction_set_that_fuses():
    program = (
        "import hashlib; import test_dropout as t;"
        "net = t.network(dtype='float32'); net.fit(t.X, t.Y, epochs=2, batch_size=32);"
        "print(hashlib.sha256(b''.join(p.tobytes() for p in t.parameters(net))).hexdigest())"
    )
    assert len(printed(program)) <= 1


def test_gradients_are_central_differences_of_the_cost_with_the_same_outputs_dropped():
    net = network(layers=[bp.Dense(9, "tanh", dropout=0.4), bp.Dense(3)])
    net.steps = 5
    _, gradients = net.loss_and_gradients(X[:20], Y[:20])
    h = 1e-6
    for layer, gradient in zip(net.layers, gradients, strict=True):
        assert np.abs(gradient.weights).max() > 1e-4
        for place in [(0, 0), (3, 1), (8, 2)]:
            held = layer.weights[place]
            layer.weights[place] = held + h
            above, _ = net.loss_and_gradients(X[:20], Y[:20])
            layer.weights[place] = held - h
            below, _ = net.loss_and_gradients(X[:20], Y[:20])
            layer.weights[place] = held
            assert gradient.weights[place] == pytest.approx((above - below) / (2 * h), abs=1e-8)


def test_the_share_that_is_dropped_and_what_the_others_become():
    """Of an identity layer of ones: 0, or 1 / (1 - rate)."""
    net = bp.Network(200, [bp.Dense(200, dropout=0.25)], dtype="float64", seed=1)
    net.layers[0].weights = np.eye(200)
    seen = net.forward(np.ones((500, 200)))
    assert set(np.unique(seen)) == {0.0, 1 / 0.75}
    assert (seen == 0).mean() == pytest.approx(0.25, abs=0.005)
    for axis in (0, 1):  # no row and no column is favoured
        assert np.ptp((seen == 0).mean(axis=axis)) < 0.25
    net.steps = 1
    assert (net.forward(np.ones((500, 200))) != seen).mean() == pytest.approx(0.375, abs=0.01)


def test_predictions_drop_nothing():
    net = network()
    plain = network(
        layers=[bp.Dense(33, "relu"), bp.Dense(17, "tanh"), bp.Dense(3)], input_dropout=0
    )
    np.testing.assert_array_equal(net.predict(X), plain.predict(X))
    assert net.evaluate(X, Y) == plain.evaluate(X, Y)


def test_training_goes_on_to_the_same_bits_after_a_load(tmp_path):
    whole, parted = network(), network()
    whole.fit(X, Y, epochs=4, batch_size=32)
    parted.fit(X, Y, epochs=2, batch_size=32)
    parted.save(tmp_path / "model.safetensors")
    loaded = bp.Network.load(tmp_path / "model.safetensors")
    assert [layer.spec for layer in loaded.layers] == LAYERS
    assert loaded.input_dropout == 0.2
    loaded.fit(X, Y, epochs=2, batch_size=32)
    assert_same_bits(whole, loaded)


@pytest.mark.parametrize("value", [1, -0.1, float("nan")])
def test_a_share_outside_its_domain_is_named(value):
    with pytest.raises(ValueError, match="dropout"):
        bp.Dense(3, dropout=value)
    with pytest.raises(ValueError, match="input_dropout"):
        network(input_dropout=value)
