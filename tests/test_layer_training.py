"""How the parameters of one layer are trained: without a bias, not at all, at a rate of its own."""

import json
import pickle

import numpy as np
import pytest
from networks import OPTIMIZERS, targets

import backprop as bp
from backprop import reference
from backprop._core import kernels

RANDOM = np.random.default_rng(4)
X = RANDOM.normal(size=(101, 13))
Y = RANDOM.integers(0, 3, 101)

CASES = {
    "no bias": [{"use_bias": False}] * 3,
    "no bias in one": [{}, {"use_bias": False}, {}],
    "first frozen": [{"trainable": False}, {}, {}],
    "two frozen": [{"trainable": False}] * 2 + [{}],
    "middle frozen": [{}, {"trainable": False}, {}],
    "last frozen": [{}, {}, {"trainable": False}],
    "rates": [{"learning_rate_factor": f} for f in (0.25, 1.0, 3.0)],
    "rates by fan-in": [{"learning_rate_factor": "fan_in"}] * 3,
    "rate of 0": [{"learning_rate_factor": 0.0}, {}, {}],
    "all of it": [
        {"use_bias": False, "learning_rate_factor": 0.5},
        {"trainable": False, "use_bias": False},
        {"learning_rate_factor": 2},
    ],
}
ALL_FROZEN = [{"trainable": False}] * 3


def layers(options, dropout=0.0):
    sizes = ((33, "relu"), (17, "gelu"), (3, "identity"))
    drops = (dropout, dropout, 0.0)
    return [
        bp.Dense(*size, dropout=drop, **given)
        for size, drop, given in zip(sizes, drops, options, strict=True)
    ]


def network(kind=bp.Network, options=CASES["all of it"], dropout=0.0, **settings):
    usual = {"loss": "softmax_cross_entropy", "dtype": "float64", "seed": 3}
    return kind(13, layers(options, dropout), **{**usual, **settings})


def parameters(net):
    return [array for layer in net.layers for array in (layer.weights, layer.bias)]


def everything(net):
    """Parameters and moments."""
    moments = [
        array for views in net.optimizer_state().values() for pair in views for array in pair
    ]
    return [*parameters(net), *moments]


def assert_same_bits(one, other):
    for a, b in zip(everything(one), everything(other), strict=True):
        np.testing.assert_array_equal(a, b)


# ---- against the reference ----


@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_epochs_are_those_of_the_reference(case, dtype, matmul):
    options = CASES[case]
    fast = network(options=options, dropout=0.2, dtype=dtype, matmul=matmul)
    slow = network(reference.Network, options, 0.2, dtype=dtype)
    tolerance = 1e-10 if dtype == "float64" else 1e-4
    found, expected = (net.fit(X, Y, epochs=3, batch_size=32).loss for net in (fast, slow))
    np.testing.assert_allclose(found, expected, rtol=tolerance)
    for a, b in zip(parameters(fast), parameters(slow), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_keeps_to_them(optimizer):
    fast, slow = (
        network(kind, optimizer=OPTIMIZERS[optimizer]) for kind in (bp.Network, reference.Network)
    )
    for net in (fast, slow):
        net.fit(X, Y, epochs=3, batch_size=32)
    for a, b in zip(parameters(fast), parameters(slow), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("case", CASES)
def test_update_does_what_a_step_of_training_does(case):
    """From kept gradients, with the derivative of the cost handed in; to the same bits."""
    stepped, updated = (network(options=CASES[case], optimizer=bp.Adam(0.01)) for _ in range(2))
    for _ in range(3):
        stepped.train_step(X[:32], Y[:32])
        out = updated.forward(X[:32])
        share = np.exp(out - out.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        updated.backward((share - np.eye(3)[Y[:32]]) / 32)
        updated.update()
    for a, b in zip(parameters(stepped), parameters(updated), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("batch", [1, 15, 16, 17])
@pytest.mark.parametrize("units", [1, 15, 16, 17, 33])
def test_sizes(units, batch):
    spec = [
        bp.Dense(units, "tanh", use_bias=False),
        bp.Dense(units, "tanh", trainable=False),
        bp.Dense(3, learning_rate_factor=0.5, use_bias=False),
    ]
    settings = {"loss": "softmax_cross_entropy", "dtype": "float64", "seed": 3}
    fast, slow = (kind(13, spec, **settings) for kind in (bp.Network, reference.Network))
    for net in (fast, slow):
        net.fit(X[:40], Y[:40], epochs=2, batch_size=batch)
    for a, b in zip(parameters(fast), parameters(slow), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


# ---- bits ----


@pytest.mark.parametrize("n_threads", [2, 3, 8])
@pytest.mark.parametrize("case", CASES)
def test_the_same_bits_on_any_number_of_threads(case, n_threads):
    one, other = (
        network(options=CASES[case], n_threads=n, dtype="float32") for n in (1, n_threads)
    )
    for net in (one, other):
        net.fit(X, Y, epochs=3, batch_size=50)
    assert_same_bits(one, other)


def test_the_same_bits_on_every_instruction_set_that_fuses(monkeypatch):
    nets = []
    for name, runs in kernels.instruction_sets().items():
        if runs and name != "baseline":
            monkeypatch.setenv("BACKPROP_ISA", name)
            nets.append(network(dtype="float32"))
            nets[-1].fit(X, Y, epochs=2, batch_size=32)
    for other in nets[1:]:
        assert_same_bits(nets[0], other)


def test_factors_of_1_change_no_bit():
    """The constants are then worked out once for all layers, else for each: they are the same."""
    for optimizer in (bp.Adam(0.01), bp.NAdam(0.01), bp.SGD(0.1, momentum=0.9)):
        shared = network(options=[{}] * 3, optimizer=optimizer)
        apart = network(options=[{}, {}, {"learning_rate_factor": 0.5}], optimizer=optimizer)
        apart.layers[2].trainable = False
        shared.layers[2].trainable = False
        for net in (shared, apart):
            net.fit(X, Y, epochs=12, batch_size=32)
        for a, b in zip(parameters(shared)[:4], parameters(apart)[:4], strict=True):
            np.testing.assert_array_equal(a, b)


# ---- no bias ----


def test_without_a_bias():
    net = network(options=CASES["no bias"], optimizer=bp.Adam(0.01, l2=0.1))
    net.fit(X, Y, epochs=3)
    assert net.n_parameters == 13 * 33 + 33 * 17 + 17 * 3
    for layer in net.layers:
        assert not layer.bias.any()
        assert layer.n_parameters == layer.weights.size
    for views in net.optimizer_state().values():
        assert all(weights.any() and not bias.any() for weights, bias in views)
    _, gradients = net.loss_and_gradients(X, Y)
    assert all(own.weights.any() and not own.bias.any() for own in gradients)
    assert net.summary().count("no bias") == 3
    assert "1,041 parameters" in net.summary()
    zero = np.zeros((1, 13))
    assert net.predict(zero, logits=True).tolist() == [[0, 0, 0]]


def test_a_bias_that_is_not_there_cannot_be_set():
    net = network(options=CASES["no bias"])
    with pytest.raises(ValueError, match="no bias"):
        net.layers[0].bias = np.ones(33)
    with pytest.raises(ValueError, match="read-only"):
        net.layers[0].bias[0] = 1


def test_a_gradient_of_the_bias_that_one_writes_moves_nothing():
    net = network(options=CASES["no bias"], optimizer=bp.SGD(0.1))
    net.forward(X)
    net.backward(np.ones((101, 3)))
    for own in net.gradients():
        own.bias[...] = 1
    net.update()
    assert not any(layer.bias.any() for layer in net.layers)


# ---- frozen ----


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_frozen_layers_do_not_move(optimizer):
    settings = {"l2": 0.1, "l1": 0.1, "weight_decay": 0.1}
    kind = type(OPTIMIZERS[optimizer])
    net = network(options=CASES["middle frozen"], optimizer=kind(0.01, **settings))
    before = [array.copy() for array in parameters(net)]
    net.fit(X, Y, epochs=2)
    net.forward(X)
    net.backward(np.ones((101, 3)))
    net.update()
    moved = [(a != b).any() for a, b in zip(parameters(net), before, strict=True)]
    assert moved == [True, True, False, False, True, True]
    for views in net.optimizer_state().values():
        assert not any(array.any() for array in views[1])


def test_gradients_are_right_where_nothing_is_trained():
    """`loss_and_gradients` says what they are, `backward` gives the derivative of the inputs."""
    free, frozen = (network(options=options) for options in (CASES["rates"], ALL_FROZEN))
    for a, b in zip(
        free.loss_and_gradients(X, Y)[1], frozen.loss_and_gradients(X, Y)[1], strict=True
    ):
        np.testing.assert_array_equal(a.weights, b.weights)
        np.testing.assert_array_equal(a.bias, b.bias)
        assert a.weights.any()
    found = []
    for net in (free, frozen):
        net.forward(X)
        found.append(net.backward(np.ones((101, 3))))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_layers_thaw_and_freeze_between_fits(n_threads):
    """In one network, whose plan goes on: as if each fit had its own network."""
    net = network(options=CASES["two frozen"], n_threads=n_threads)
    slow = network(reference.Network, CASES["two frozen"])
    for frozen in [(0, 1), (0,), (), (1,), (2,), (0, 1)]:
        for one in (net, slow):
            for i, layer in enumerate(one.layers):
                layer.trainable = i not in frozen
            one.fit(X, Y, epochs=1, batch_size=32)
    for a, b in zip(parameters(net), parameters(slow), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
    assert [layer.trainable for layer in net.layers] == [False, False, True]


@pytest.mark.parametrize("optimizer", [bp.Adam(), bp.Adam(accumulate=2), bp.Muon(), bp.LBFGS()])
def test_nothing_is_trained_in_silence(optimizer):
    """A network whose layers are all frozen is refused before anything is changed."""
    net = network(options=ALL_FROZEN, optimizer=optimizer)
    words = "every layer is frozen, trainable=False: expected one that is trained"
    with pytest.raises(ValueError, match=words):
        net.fit(X, Y)
    if not optimizer.minimizes:
        with pytest.raises(ValueError, match=words):
            net.train_step(X, Y)
        net.forward(X)
        assert net.backward(np.ones((101, 3))).any()
        with pytest.raises(ValueError, match=words):
            net.update()
    assert (net.steps, net.epochs_trained, net.history) == (0, 0, None)
    net.layers[-1].trainable = True
    net.fit(X, Y, epochs=1)
    assert net.steps > 0


def test_a_frozen_network_is_explained():
    net = network(options=ALL_FROZEN)
    trace = net.explain(X[:3], Y[:3])
    assert all(layer.gradient.weights.any() for layer in trace.layers)
    assert "layer 3 is frozen" in trace.to_text()


def test_inputs_have_their_derivative_after_the_way_back_was_cut():
    net, other = network(options=CASES["two frozen"]), network(options=[{}] * 3)
    net.fit(X, Y, epochs=1, batch_size=101)
    for mine, its in zip(other.layers, net.layers, strict=True):
        mine.weights, mine.bias = its.weights, its.bias
    found = []
    for one in (net, other):
        one.forward(X)
        found.append(one.backward(np.ones((101, 3))))
    assert found[0].any()
    np.testing.assert_array_equal(*found)


# ---- kept ----


def test_training_goes_on_to_the_same_bits_after_a_load(tmp_path):
    whole, parted = network(), network()
    whole.fit(X, Y, epochs=2, batch_size=32)
    whole.layers[1].trainable, whole.layers[0].learning_rate_factor = True, 0.1
    whole.fit(X, Y, epochs=2, batch_size=32)
    parted.fit(X, Y, epochs=2, batch_size=32)
    parted.layers[1].trainable, parted.layers[0].learning_rate_factor = True, 0.1
    parted.save(tmp_path / "model.safetensors")
    for twin in (
        bp.Network.load(tmp_path / "model.safetensors"),
        pickle.loads(pickle.dumps(parted)),
        parted.copy(),
    ):
        assert [one.spec for one in twin.layers] == [one.spec for one in whole.layers]
        assert twin.layers[1].trainable
        twin.fit(X, Y, epochs=2, batch_size=32)
        assert_same_bits(whole, twin)
    json.dumps([layer.spec.description for layer in whole.layers])


def test_a_file_has_no_bias_where_there_is_none(tmp_path):
    from safetensors import safe_open

    network().save(tmp_path / "model")
    with safe_open(tmp_path / "model", framework="numpy") as file:
        names = [name for name in file.keys() if name.endswith("bias")]  # noqa: SIM118
    assert sorted(names) == [
        "layers.2.bias",
        "optimizer.moment1.2.bias",
        "optimizer.moment2.2.bias",
    ]


# ---- what people read, and what is refused ----


def test_a_summary_says_what_is_unusual():
    lines = network().summary().splitlines()
    assert lines[1].endswith("no bias, rate × 0.5")
    assert lines[2].endswith("no bias, frozen")
    assert lines[3].endswith("rate × 2")
    plain = network(options=[{}] * 3).summary()
    assert not any(word in plain for word in ("bias", "frozen", "rate ×"))


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"use_bias": 1}, TypeError, "use_bias=1: expected True or False"),
        ({"trainable": None}, TypeError, "trainable=None: expected True or False"),
        ({"learning_rate_factor": -1}, ValueError, "learning_rate_factor=-1"),
        ({"learning_rate_factor": np.inf}, ValueError, "learning_rate_factor=inf"),
        ({"learning_rate_factor": "fanin"}, ValueError, "at least 0 or 'fan_in'; did you mean"),
        ({"bias": False}, TypeError, "did you mean 'use_bias'"),
        ({"requires_grad": False}, TypeError, "did you mean 'trainable'"),
        ({"lr_mult": 2}, TypeError, "did you mean 'learning_rate_factor'"),
    ],
)
def test_what_they_cannot_be(given, error, words):
    with pytest.raises(error, match=words):
        bp.Dense(3, **given)


def test_a_rate_by_fan_in_is_that_of_weights_written_smaller():
    """Adam moves w of W = w / √n_in by the learning rate, and so W by the rate over √n_in."""
    net = network(options=[{"learning_rate_factor": "fan_in"}] * 3)
    widths = [layer.weights.shape[0] for layer in net.layers]
    expected = [1 / np.sqrt(n) for n in widths]
    assert [layer.learning_rate_factor for layer in net.layers] == expected
    net.layers[0].learning_rate_factor = 1.0
    net.layers[0].learning_rate_factor = "fan_in"
    assert net.layers[0].learning_rate_factor == expected[0]
    assert net.layers[0].spec.learning_rate_factor == expected[0]
    apart = network(options=[{"learning_rate_factor": float(f)} for f in expected])
    for one in (net, apart):
        one.fit(X, Y, epochs=2, batch_size=32)
    assert_same_bits(net, apart)


def test_a_layer_refuses_what_a_description_would():
    layer = network().layers[0]
    with pytest.raises(TypeError, match="trainable=1: expected True or False"):
        layer.trainable = 1
    assert layer.trainable
    with pytest.raises(ValueError, match="learning_rate_factor"):
        layer.learning_rate_factor = -2
    assert layer.learning_rate_factor == 0.5


@pytest.mark.parametrize("loss", ["squared_error", "sigmoid_cross_entropy"])
def test_central_differences_of_what_is_trained(loss):
    net = bp.Network(13, layers(CASES["no bias"]), loss, dtype="float64", seed=1)
    y = targets(loss, RANDOM.normal(size=(20, 3)))
    _, gradients = net.loss_and_gradients(X[:20], y)
    h = 1e-6
    for layer, gradient in zip(net.layers, gradients, strict=True):
        assert np.abs(gradient.weights).max() > 1e-4
        for place in [(0, 0), (3, 1), (8, 2)]:
            held = layer.weights[place]
            layer.weights[place] = held + h
            above = net.cost(X[:20], y)
            layer.weights[place] = held - h
            below = net.cost(X[:20], y)
            layer.weights[place] = held
            assert gradient.weights[place] == pytest.approx((above - below) / (2 * h), abs=1e-8)
