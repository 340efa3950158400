"""What layers, optimizers and losses may have, all at once: against the reference, and saved."""

import pickle

import numpy as np
import pytest

import backprop as bp
from backprop import reference
from backprop.catalogue.losses import LOSSES

RANDOM = np.random.default_rng(4)
X = RANDOM.normal(size=(101, 13))
Y = RANDOM.integers(0, 3, 101)
LAYERS = [
    bp.Dense(13, "prelu", norm="batch", residual=True, dropout=0.2, noise=0.1, max_norm=0.8),
    bp.Dense(11, "gelu", norm="layer", weights="orthogonal", learning_rate_factor=0.5),
    bp.Dense(11, "tanh", residual=True, use_bias=False, trainable=False),
    bp.Dense(3, norm="layer", use_bias=False),
]
OPTIMIZERS = {
    "plain": bp.SGD(0.05, 0.9),
    "clipped": bp.SGD(0.05, 0.9, clip_value=0.01, clip_norm=0.05),
    "accumulated": bp.SGD(0.05, 0.9, accumulate=3),
    "averaged": bp.SGD(0.05, 0.9, average=bp.EMA(0.9)),
    "averaged over epochs": bp.SGD(0.05, average=bp.SWA(1)),
    "all": bp.SGD(
        0.05,
        0.9,
        l2=0.1,
        l1=0.1,
        clip_norm=0.05,
        accumulate=2,
        average=bp.EMA(0.9),
        schedule=bp.Warmup(4),
    ),
    "muon": bp.Muon(0.01, clip_norm=0.5, accumulate=2, average=bp.EMA(0.9)),
}
EVERY = pytest.mark.parametrize("optimizer", OPTIMIZERS)


def network(optimizer, kind=bp.Network, **settings):
    loss = LOSSES["softmax_cross_entropy"](label_smoothing=0.1)
    usual = {"dtype": "float64", "seed": 3, "input_dropout": 0.1}
    return kind(13, LAYERS, loss, OPTIMIZERS[optimizer], **{**usual, **settings})


def arrays(net):
    return [
        array
        for layer in net.layers
        for array in (*layer.parameters.values(), *layer.statistics.values())
    ]


def assert_same_bits(one, other):
    for a, b in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(a, b)


@EVERY
@pytest.mark.parametrize("matmul", ["fused", "blas"])
def test_epochs_are_those_of_the_reference(optimizer, matmul):
    """The batches of an epoch are 16, …, 16 and 5."""
    fast = network(optimizer, matmul=matmul)
    slow = network(optimizer, reference.Network)
    before = [array.copy() for array in arrays(fast)]
    found, expected = (net.fit(X, Y, epochs=3, batch_size=16).loss for net in (fast, slow))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    for a, b in zip(arrays(fast), arrays(slow), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(fast.predict(X), slow.predict(X), rtol=1e-8)
    moved = [(array != old).any() for array, old in zip(arrays(fast), before, strict=True)]
    assert moved.count(False) == 1  # the frozen layer's weights
    if OPTIMIZERS[optimizer].average is not None:
        for a, b in zip(arrays(fast.averaged()), arrays(slow.averaged()), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


@EVERY
def test_loops_of_ones_own_are_those_of_the_reference(optimizer):
    fast, slow = network(optimizer), network(optimizer, reference.Network)
    for _ in range(3):
        for net in (fast, slow):
            net.forward(X)
            net.backward(np.cos(X[:, :3]))
            net.update()
    for a, b in zip(arrays(fast), arrays(slow), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


@EVERY
@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_the_same_bits_on_any_number_of_threads(optimizer, n_threads):
    nets = [network(optimizer, n_threads=n, dtype="float32") for n in (1, n_threads)]
    for net in nets:
        net.fit(X, Y, epochs=3, batch_size=32)
    assert_same_bits(*nets)


@EVERY
@pytest.mark.parametrize("way", ["file", "pickle", "copy"])
def test_training_goes_on_to_the_same_bits_after_a_load(optimizer, way, tmp_path):
    whole, parted = network(optimizer), network(optimizer)
    whole.fit(X, Y, epochs=4, batch_size=32)
    parted.fit(X, Y, epochs=2, batch_size=32)
    if way == "file":
        parted.save(tmp_path / "model.safetensors")
        loaded = bp.Network.load(tmp_path / "model.safetensors")
    else:
        loaded = parted.copy() if way == "copy" else pickle.loads(pickle.dumps(parted))
    loaded.fit(X, Y, epochs=2, batch_size=32)
    assert_same_bits(whole, loaded)
    if OPTIMIZERS[optimizer].average is not None:
        assert_same_bits(whole.averaged(), loaded.averaged())


def test_a_frozen_norm_keeps_what_it_has_gathered():
    specs = [bp.Dense(5, norm="batch", trainable=False), bp.Dense(3)]
    net = bp.Network(13, specs, "softmax_cross_entropy", bp.SGD(0.1, clip_norm=1.0), seed=0)
    before = [array.copy() for array in arrays(net)[:6]]
    net.fit(X, Y, epochs=2)
    for array, old in zip(arrays(net), before, strict=False):
        np.testing.assert_array_equal(array, old)


def test_a_frozen_layer_is_no_part_of_the_norm():
    """Its gradient is large, and would clip the others' to nothing."""
    moved = {}
    for clip_norm in (None, 1e3):
        specs = [bp.Dense(13), bp.Dense(3, trainable=False), bp.Dense(3)]
        sgd = bp.SGD(0.01, clip_norm=clip_norm)
        net = bp.Network(13, specs, "squared_error", sgd, dtype="float64", seed=0)
        net.layers[1].weights[...] *= 1e-8
        net.layers[2].weights[...] = 1e4
        before = net.layers[2].weights.copy()
        net.train_step(X, X[:, :3])
        moved[clip_norm] = net.layers[2].weights - before
    np.testing.assert_allclose(moved[1e3], moved[None], rtol=1e-9)
