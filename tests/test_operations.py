"""Norms, residual connections, noise and activations that learn: all that a layer may have.

Against the reference, central differences; their bits, their files; what predictions take.
"""

import itertools
import pickle

import numpy as np
import pytest
from networks import ACTIVATIONS, last_activation, printed

import backprop as bp
from backprop import reference, reference_random
from backprop.catalogue.norms import NORMS

RANDOM = np.random.default_rng(4)
X = RANDOM.normal(size=(101, 13))
Y = RANDOM.integers(0, 3, 101)
OPERATIONS = {
    **{name: {"norm": name} for name in NORMS},
    "residual": {"residual": True},
    "noise": {"noise": 0.2},
    "noise, dropout": {"noise": 0.2, "dropout": 0.3},
    "all": {"norm": "layer", "residual": True, "noise": 0.1, "dropout": 0.3},
    "all over samples": {"norm": "batch", "residual": True, "noise": 0.1, "dropout": 0.3},
}
EVERY = pytest.mark.parametrize("operation", OPERATIONS)


def layers(activation="gelu", **operation):
    """Three: the second has as many inputs as units, the last has no activation."""
    return [
        bp.Dense(13, activation, **operation),
        bp.Dense(13, activation, **operation),
        bp.Dense(3),
    ]


def network(kind=bp.Network, specs=None, **settings):
    usual = {
        "loss": "softmax_cross_entropy",
        "dtype": "float64",
        "seed": 3,
        "optimizer": bp.Adam(0.01),
    }
    return kind(13, layers() if specs is None else specs, **{**usual, **settings})


def arrays(net):
    return [
        array
        for layer in net.layers
        for array in (*layer.parameters.values(), *layer.statistics.values())
    ]


def assert_same_bits(one, other):
    for a, b in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(a, b)


CHOICES = sorted(
    {
        *itertools.product(["all", "all over samples"], ACTIVATIONS),
        *itertools.product(OPERATIONS, ["relu", "gelu", "prelu"]),
    }
)


@pytest.mark.parametrize(("operation", "activation"), CHOICES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_and_epochs_are_those_of_the_reference(dtype, operation, activation):
    """The batches of an epoch are 32, 32, 32 and 5."""
    specs = layers(activation, **OPERATIONS[operation])
    fast = network(specs=specs, dtype=dtype, optimizer=bp.SGD(0.02, momentum=0.5))
    slow = network(reference.Network, specs, optimizer=bp.SGD(0.02, momentum=0.5))
    for mine, its in zip(fast.layers, slow.layers, strict=True):
        its.weights[...] = mine.weights * 0.3  # exp would overflow
        mine.weights[...] = its.weights
    relative = 1e-10 if dtype == "float64" else 2e-4
    found, expected = (net.loss_and_gradients(X, Y) for net in (fast, slow))
    assert found[0] == pytest.approx(expected[0], rel=relative)
    for mine, its in zip(found[1], expected[1], strict=True):
        assert mine.parameters.keys() == its.parameters.keys()
        for name, gradient in mine.parameters.items():
            exact = its.parameters[name]
            atol = relative * max(np.abs(exact).max(), 1e-3)
            np.testing.assert_allclose(gradient, exact, rtol=relative, atol=atol)
    found, expected = (net.fit(X, Y, epochs=3, batch_size=32).loss for net in (fast, slow))
    np.testing.assert_allclose(found, expected, rtol=relative)
    for a, b in zip(arrays(fast), arrays(slow), strict=True):
        np.testing.assert_allclose(a, b, rtol=10 * relative, atol=10 * relative)
    np.testing.assert_allclose(fast.predict(X), slow.predict(X), rtol=100 * relative, atol=relative)


@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 15, 16, 17, 101])
@pytest.mark.parametrize("operation", ["batch", "layer", "all", "all over samples"])
def test_batch_sizes(operation, batch_size, n_threads, matmul):
    specs = layers("prelu", **OPERATIONS[operation])
    fast = network(specs=specs, n_threads=n_threads, matmul=matmul, optimizer=bp.SGD(0.02))
    slow = network(reference.Network, specs, optimizer=bp.SGD(0.02))
    found, expected = (
        net.fit(X[:40], Y[:40], epochs=2, batch_size=batch_size).loss for net in (fast, slow)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    for a, b in zip(arrays(fast), arrays(slow), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


@EVERY
@pytest.mark.parametrize("activation", ["tanh", "prelu"])
def test_gradients_are_central_differences(operation, activation):
    """Of every parameter; noise and what is dropped are the same for all costs of one step."""
    net = network(specs=layers(activation, **OPERATIONS[operation]))
    net.steps = 5
    _, gradients = net.loss_and_gradients(X[:20], Y[:20])
    h = 1e-6
    for layer, gradient in zip(net.layers, gradients, strict=True):
        for name, values in layer.parameters.items():
            slopes = gradient.parameters[name]
            redundant = name == "bias" and layer.spec.norm == "batch"
            assert redundant or np.abs(slopes).max() > 1e-4
            for place in [(0,) * values.ndim, (2,) * values.ndim]:
                held = values[place]
                values[place] = held + h
                above, _ = net.loss_and_gradients(X[:20], Y[:20])
                values[place] = held - h
                below, _ = net.loss_and_gradients(X[:20], Y[:20])
                values[place] = held
                slope = (above - below) / (2 * h)
                assert slopes[place] == pytest.approx(slope, abs=2e-8), (name, place)


@EVERY
@pytest.mark.parametrize("loss", ["squared_error", "sigmoid_cross_entropy"])
def test_an_output_layer_may_have_them_too(operation, loss):
    """Its da comes from the loss, not from another layer's product."""
    last = last_activation(loss, "tanh")
    options = {**OPERATIONS[operation], "residual": operation == "residual"}
    specs = [bp.Dense(3, "tanh"), bp.Dense(3, last, **options)]
    y = X[:, :3] if loss == "squared_error" else X[:, :3] > 0
    found, expected = (
        network(kind, specs, loss=loss).loss_and_gradients(X, y)[1]
        for kind in (bp.Network, reference.Network)
    )
    for mine, its in zip(found, expected, strict=True):
        for name, gradient in mine.parameters.items():
            np.testing.assert_allclose(gradient, its.parameters[name], rtol=1e-9, atol=1e-12)


@EVERY
def test_loops_of_ones_own(operation):
    """forward, backward, update: of the reference, d X included.

    By SGD: a bias before a batch norm has no slope, and Adam makes steps of what rounding leaves.
    """
    specs = [bp.Dense(13, "prelu", **OPERATIONS[operation]), *layers("tanh")]
    sgd = bp.SGD(0.01, momentum=0.9)
    fast, slow = (network(kind, specs, optimizer=sgd) for kind in (bp.Network, reference.Network))
    for _ in range(2):
        passed = []
        for net in (fast, slow):
            passed.append((net.forward(X), net.backward(np.cos(X[:, :3]))))
            net.update()
        for mine, its in zip(*passed, strict=True):
            np.testing.assert_allclose(mine, its, rtol=1e-8, atol=1e-10)
    for a, b in zip(arrays(fast), arrays(slow), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


@EVERY
@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_the_same_bits_on_any_number_of_threads(operation, n_threads):
    specs = layers("prelu", **OPERATIONS[operation])
    nets = [network(specs=specs, n_threads=n, dtype="float32") for n in (1, n_threads)]
    for net in nets:
        net.fit(X, Y, epochs=3, batch_size=50)
    assert_same_bits(*nets)
    np.testing.assert_array_equal(*(net.predict(X) for net in nets))


def test_the_same_bits_on_every_instruction_set_that_fuses():
    program = (
        "import hashlib; import test_operations as t; found = hashlib.sha256()\n"
        "for operation in t.OPERATIONS.values():\n"
        "    net = t.network(specs=t.layers('prelu', **operation), dtype='float32')\n"
        "    net.fit(t.X, t.Y, epochs=2, batch_size=32)\n"
        "    [found.update(array.tobytes()) for array in (*t.arrays(net), net.predict(t.X))]\n"
        "print(found.hexdigest())"
    )
    assert len(printed(program)) <= 1


@EVERY
def test_a_row_has_the_same_prediction_alone_and_among_others(operation):
    net = network(specs=layers("prelu", **OPERATIONS[operation]))
    net.fit(X, Y, epochs=2, batch_size=32)
    every = net.predict(X)
    for start, stop in [(0, 1), (5, 12), (3, 40)]:
        np.testing.assert_array_equal(net.predict(X[start:stop]), every[start:stop])
    assert net.evaluate(X, Y)["loss"] == pytest.approx(net.cost(X, Y), rel=1e-12)


@EVERY
@pytest.mark.parametrize("way", ["file", "pickle", "copy"])
def test_training_goes_on_to_the_same_bits_after_a_load(operation, way, tmp_path):
    specs = layers("prelu", **OPERATIONS[operation])
    whole, parted = network(specs=specs), network(specs=specs)
    whole.fit(X, Y, epochs=4, batch_size=32)
    parted.fit(X, Y, epochs=2, batch_size=32)
    if way == "file":
        parted.save(tmp_path / "model.safetensors")
        loaded = bp.Network.load(tmp_path / "model.safetensors")
    else:
        loaded = parted.copy() if way == "copy" else pickle.loads(pickle.dumps(parted))
    assert [layer.spec for layer in loaded.layers] == specs
    loaded.fit(X, Y, epochs=2, batch_size=32)
    assert_same_bits(whole, loaded)


def test_a_pickle_of_before_has_pairs_of_arrays():
    net = network()
    state = net.__getstate__()
    state["parameters"] = [(at["weights"], at["bias"]) for at in state["parameters"]]
    state["moments"] = {
        name: [(at["weights"], at["bias"]) for at in layers]
        for name, layers in state["moments"].items()
    }
    other = bp.Network.__new__(bp.Network)
    other.__setstate__(state)
    assert_same_bits(net, other)


def test_gradients_alone_leave_the_statistics_as_they_are():
    net = network(specs=layers(norm="batch"))
    before = [array.copy() for array in arrays(net)]
    net.loss_and_gradients(X, Y)
    net.inspect(X, Y)
    net.forward(X)
    net.backward(np.ones((101, 3)))
    for array, old in zip(arrays(net), before, strict=True):
        np.testing.assert_array_equal(array, old)
    net.update()
    assert (net.layers[0].statistics["mean"] != 0).all()


def test_statistics_are_means_of_what_passes():
    net = network(specs=[bp.Dense(5, norm=NORMS["batch"](running_rate=0.5)), bp.Dense(3)])
    z = X @ net.layers[0].weights
    net.train_step(X, Y)
    found = net.layers[0].statistics
    np.testing.assert_allclose(found["mean"], 0.5 * z.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(found["variance"], 0.5 + 0.5 * z.var(axis=0, ddof=1), rtol=1e-10)


def test_normalised_outputs_have_mean_0_and_variance_1():
    for name, axis in (("batch", 0), ("layer", 1)):
        net = network(specs=[bp.Dense(50, norm=name)], loss="squared_error")
        out = net.forward(X)
        np.testing.assert_allclose(out.mean(axis=axis), 0, atol=1e-12)
        np.testing.assert_allclose(out.var(axis=axis), 1, rtol=1e-3)


def test_a_gradient_of_many_rows_is_that_of_all_at_once():
    """A norm over samples takes them all, however many there are."""
    rows = np.random.default_rng(1).normal(size=(5000, 13))
    labels = np.arange(5000) % 3
    specs = layers(norm="batch")
    found, expected = (
        network(kind, specs).loss_and_gradients(rows, labels)
        for kind in (bp.Network, reference.Network)
    )
    assert found[0] == pytest.approx(expected[0], rel=1e-10)
    np.testing.assert_allclose(found[1][0].weights, expected[1][0].weights, atol=1e-12)


def test_a_deep_residual_network_trains_where_one_without_does_not():
    """30 layers of sigmoid: without a way past them no gradient arrives at the first."""
    moved = {}
    for residual in (True, False):
        deep = [bp.Dense(13, "sigmoid", residual=residual) for _ in range(30)]
        _, gradients = network(specs=[*deep, bp.Dense(3)]).loss_and_gradients(X, Y)
        moved[residual] = np.abs(gradients[0].weights).max()
    assert moved[True] > 1e-3
    assert moved[False] < 1e-9


def test_what_a_layer_learns_is_counted_and_named():
    net = network(specs=[bp.Dense(5, "prelu", norm="batch"), bp.Dense(3)])
    assert list(net.layers[0].parameters) == [
        "weights",
        "bias",
        "scale",
        "shift",
        "negative_slope",
    ]
    assert list(net.layers[0].statistics) == ["mean", "variance"]
    assert net.n_parameters == 13 * 5 + 4 * 5 + 5 * 3 + 3
    assert f"{13 * 5 + 4 * 5:>12}" in net.summary()
    state = net.optimizer_state()["moment1"][0]
    assert state.parameters.keys() == net.layers[0].parameters.keys()
    weights, bias = state
    assert (weights.shape, bias.shape) == ((13, 5), (5,))


def test_weights_alone_decay():
    """What a norm learns is drawn to nothing by no decay."""
    net = network(specs=[bp.Dense(5, "prelu", norm="layer"), bp.Dense(3)], loss="squared_error")
    net.optimizer = bp.SGD(0.1, weight_decay=1.0)
    net.forward(X)
    net.backward(np.zeros((101, 3)))
    before = {name: array.copy() for name, array in net.layers[0].parameters.items()}
    net.update()
    for name, array in net.layers[0].parameters.items():
        expected = before[name] * (0.9 if name == "weights" else 1)
        np.testing.assert_allclose(array, expected, rtol=1e-12)


def test_residual_needs_equal_widths():
    with pytest.raises(ValueError, match=r"layers\[0\] is residual, has 5 units and 13 inputs"):
        network(specs=[bp.Dense(5, residual=True), bp.Dense(3)])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"norm": "bach"}, "did you mean 'batch'"),
        ({"norm": "layernorm"}, "did you mean 'layer'"),
        ({"noise": -1}, "noise=-1"),
        ({"residual": "yes"}, "residual='yes'"),
        ({"batch_norm": True}, "did you mean 'norm'"),
    ],
)
def test_what_is_wrong_is_named(given, message):
    with pytest.raises((ValueError, TypeError), match=message):
        bp.Dense(3, **given)


@EVERY
@pytest.mark.parametrize("activation", ["tanh", "gelu", "prelu"])
def test_what_inspect_keeps_makes_the_gradients(operation, activation):
    """Of the mean of the samples' losses; where samples are mixed, da and dz are that mean's."""
    net = network(specs=layers(activation, **OPERATIONS[operation]))
    passage = net.inspect(X, Y)
    x, n = passage.x, len(X)
    if any(layer.spec.gathered for layer in net.layers):
        np.testing.assert_allclose(passage.layers[-1]["da"] * n, passage.loss_slopes, atol=1e-14)
        n = 1
    for layer, kept, gradient in zip(net.layers, passage.layers, passage.gradients, strict=True):
        np.testing.assert_allclose(x.T @ kept["dz"] / n, gradient.weights, atol=1e-14)
        before_norm = kept["dy" if layer.spec.norm else "dz"]
        product = kept["da"] * kept.get("mask", 1) * kept["derivative"]
        np.testing.assert_allclose(product, before_norm, atol=1e-14)
        if layer.spec.norm:
            learned = gradient.parameters
            np.testing.assert_allclose(
                (kept["dy"] * kept["n"]).sum(axis=0) / n, learned["scale"], atol=1e-14
            )
            y = kept["n"] * layer.parameters["scale"] + layer.parameters["shift"]
            np.testing.assert_allclose(kept["y"], y, atol=1e-14)
        noise = reference_random.stream(reference_random.stream(3, reference_random.NOISE, 0), 0, 0)
        if layer is net.layers[0]:
            added = layer.spec.noise * reference_random.normal_noise(noise, *kept["a"].shape)
            np.testing.assert_allclose(kept.get("noise", 0 * added), added, atol=1e-14)
            out = (kept["a"] + added) * kept.get("mask", 1)
            x = out + x if layer.spec.residual else out
            np.testing.assert_allclose(kept.get("out", kept["a"]), x, atol=1e-14)
        else:
            break
