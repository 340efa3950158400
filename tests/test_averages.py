"""Averages that are kept beside the weights."""

import copy
import pickle

import numpy as np
import pytest
from networks import printed

import backprop as bp
from backprop import reference
from backprop.catalogue.averages import AVERAGES, described_average

RANDOM = np.random.default_rng(4)
X = RANDOM.normal(size=(101, 13))
Y = RANDOM.integers(0, 3, 101)
LAYERS = [bp.Dense(70, "tanh"), bp.Dense(33, "relu"), bp.Dense(3)]
OPTIMIZERS = {
    "ema": bp.Adam(0.01, average=bp.EMA(0.9)),
    "ema, clipped, accumulated": bp.SGD(0.1, clip_norm=0.5, accumulate=3, average=bp.EMA(0.5)),
    "swa": bp.SGD(0.2, 0.9, average=bp.SWA(1)),
    "swa, accumulated": bp.Adam(0.01, accumulate=2, average=bp.SWA()),
}
each_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=list(OPTIMIZERS))


def network(optimizer, kind=bp.Network, **settings):
    usual = {"loss": "softmax_cross_entropy", "dtype": "float64", "seed": 3}
    return kind(13, LAYERS, optimizer=optimizer, **{**usual, **settings})


def parameters(net):
    return [array for layer in net.layers for array in (layer.weights, layer.bias)]


def assert_same_bits(one, other):
    for a, b in zip(parameters(one), parameters(other), strict=True):
        np.testing.assert_array_equal(a, b)


def both(net):
    """Parameters and their averages, one behind another."""
    return [*parameters(net), *parameters(net.averaged())]


@each_optimizer
@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_averages_are_those_of_the_reference(optimizer, dtype, matmul):
    fast = network(optimizer, dtype=dtype, matmul=matmul)
    exact = network(optimizer, reference.Network)
    for mine, its in zip(parameters(fast), parameters(exact), strict=True):
        its[...] = mine
    for net in (fast, exact):
        net.fit(X, Y, epochs=3, batch_size=16)
    tolerance = {"rtol": 1e-10, "atol": 1e-13} if dtype == "float64" else {"atol": 5e-5, "rtol": 0}
    for mine, its in zip(both(fast), both(exact), strict=True):
        np.testing.assert_allclose(mine, its, **tolerance)
    for own, average in zip(parameters(fast), parameters(fast.averaged()), strict=True):
        assert np.abs(own - average).max() > 1e-4


@each_optimizer
@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_the_same_bits_on_any_number_of_threads(optimizer, n_threads):
    one, other = (network(optimizer, dtype="float32", n_threads=n) for n in (1, n_threads))
    for net in (one, other):
        net.fit(X, Y, epochs=3, batch_size=16)
    assert_same_bits(one, other)
    assert_same_bits(one.averaged(), other.averaged())


def test_the_same_bits_on_every_instruction_set_that_fuses():
    program = (
        "import hashlib; import test_averages as t;"
        "nets = [t.network(o, dtype='float32') for o in t.OPTIMIZERS.values()];"
        "[net.fit(t.X, t.Y, epochs=2, batch_size=16) for net in nets];"
        "print([hashlib.sha256(b''.join(p.tobytes() for p in t.both(net))).hexdigest()"
        " for net in nets])"
    )
    assert len(printed(program)) <= 1


@each_optimizer
def test_the_steps_are_those_without_an_average(optimizer):
    plain = copy.copy(optimizer)
    object.__setattr__(plain, "average", None)
    with_it, without = network(optimizer), network(plain)
    for net in (with_it, without):
        net.fit(X, Y, epochs=3, batch_size=16)
    assert_same_bits(with_it, without)


def test_an_ema_begins_at_the_first_weights_and_follows_each_step():
    net = network(bp.SGD(0.1, average=bp.EMA(0.75)))
    expected = None
    for i in range(5):
        if i == 2:
            net.backward(net.forward(X) / len(X))
            net.update()
        else:
            net.train_step(X, Y)
        now = [array.copy() for array in parameters(net)]
        if expected is None:
            expected = now
        expected = [0.75 * a + 0.25 * w for a, w in zip(expected, now, strict=True)]
        if i == 0:
            expected = now
        for found, its in zip(parameters(net.averaged()), expected, strict=True):
            np.testing.assert_allclose(found, its, rtol=1e-12, atol=1e-15)


def test_swa_is_the_mean_of_the_epochs_from_the_one_that_is_named():
    net, seen = network(bp.SGD(0.2, average=bp.SWA(2))), []
    with pytest.raises(RuntimeError, match="no average yet"):
        net.averaged()

    def keep(net, history):
        seen.append([array.copy() for array in parameters(net)])

    net.fit(X, Y, epochs=2, batch_size=16, callbacks=[keep])
    with pytest.raises(RuntimeError, match="no average yet"):
        net.averaged()
    net.fit(X, Y, epochs=3, batch_size=16, callbacks=[keep])
    net.train_step(X, Y)  # no epoch
    for found, *epochs in zip(parameters(net.averaged()), *seen[2:], strict=True):
        np.testing.assert_allclose(found, np.mean(epochs, axis=0), rtol=1e-12, atol=1e-15)


def test_an_epoch_that_is_not_completed_is_not_averaged():
    net = bp.Network(13, bp.Dense(1), "squared_error", bp.SGD(0.01, average=bp.SWA()), "float64")
    spoilt = X[:, :1].copy()
    net.fit(X, spoilt, epochs=2, batch_size=16)
    before = parameters(net.averaged())
    spoilt[60] = 1e200  # whose square there is not
    with pytest.raises(FloatingPointError, match="from finite inputs"):
        net.fit(X, spoilt, epochs=1, batch_size=16, shuffle=False)
    for found, expected in zip(parameters(net.averaged()), before, strict=True):
        np.testing.assert_array_equal(found, expected)


# ---- the network that has them -----------------------------------------------------------------


def test_the_averaged_network_predicts_with_them_and_leaves_the_other_alone():
    net = network(OPTIMIZERS["ema"])
    net.fit(X, Y, epochs=3, batch_size=16)
    before = net.predict(X)
    averaged = net.averaged()
    assert averaged.evaluate(X, Y) != net.evaluate(X, Y)
    averaged.layers[0].weights[...] = 0
    np.testing.assert_array_equal(net.predict(X), before)
    assert net.averaged().layers[0].weights.any()
    assert (averaged.steps, averaged.epochs_trained) == (net.steps, net.epochs_trained)


def test_without_an_average_it_says_what_is_needed():
    with pytest.raises(RuntimeError, match=r"average=bp\.EMA"):
        network(bp.Adam()).averaged()


def test_another_optimizer_keeps_an_average_of_its_kind_and_drops_another():
    net = network(OPTIMIZERS["ema"])
    net.fit(X, Y, epochs=1)
    kept = parameters(net.averaged())
    net.optimizer = bp.SGD(0.1, average=bp.EMA(0.5))
    for found, expected in zip(parameters(net.averaged()), kept, strict=True):
        np.testing.assert_array_equal(found, expected)
    net.optimizer = bp.SGD(0.1, average=bp.SWA())
    with pytest.raises(RuntimeError, match="no average yet"):
        net.averaged()
    net.fit(X, Y, epochs=1)
    assert_same_bits(net.averaged(), net)
    net.optimizer = bp.SGD(0.1)
    net.optimizer = bp.SGD(0.1, average=bp.SWA())
    with pytest.raises(RuntimeError, match="no average yet"):
        net.averaged()


@each_optimizer
@pytest.mark.parametrize("way", ["file", "pickle", "copy"])
def test_training_goes_on_to_the_same_bits(tmp_path, optimizer, way):
    whole, parted = network(optimizer), network(optimizer)
    whole.fit(X, Y, epochs=4, batch_size=16)
    parted.fit(X, Y, epochs=2, batch_size=16)
    if way == "file":
        parted.save(tmp_path / "model.safetensors")
        parted = bp.Network.load(tmp_path / "model.safetensors")
    else:
        parted = pickle.loads(pickle.dumps(parted)) if way == "pickle" else parted.copy()
    assert parted.optimizer == optimizer
    parted.fit(X, Y, epochs=2, batch_size=16)
    assert_same_bits(whole, parted)
    assert_same_bits(whole.averaged(), parted.averaged())


def test_a_copy_of_another_dtype_starts_anew():
    net = network(OPTIMIZERS["ema"])
    net.fit(X, Y, epochs=1)
    with pytest.raises(RuntimeError, match="no average yet"):
        net.copy(dtype="float32").averaged()


# ---- the records -------------------------------------------------------------------------------


@pytest.mark.parametrize("average", [bp.EMA(), bp.EMA(0.5), bp.SWA(), bp.SWA(7)], ids=str)
def test_descriptions(average):
    assert described_average(average.description) == average
    assert getattr(bp, type(average).__name__) is AVERAGES[type(average).__name__]
    assert average.share(0) == 1


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: bp.EMA(1), ValueError, "decay=1"),
        (lambda: bp.EMA(-0.1), ValueError, "decay=-0.1"),
        (lambda: bp.SWA(-1), ValueError, "start_epoch=-1"),
        (lambda: bp.SWA(0.5), TypeError, "start_epoch=0.5"),
        (lambda: bp.SWA(swa_start=3), TypeError, "did you mean 'start_epoch'"),
        (lambda: bp.Adam(average="ema"), TypeError, "average='ema': expected None or an average"),
        (lambda: described_average({"name": "EMO"}), ValueError, "'EMO' is unknown"),
        (lambda: described_average({"name": "EMA"}), ValueError, "lacks 'decay'"),
    ],
)
def test_what_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
