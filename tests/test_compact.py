"""Large last layers with few outputs have rows without padding: the same bits, in less memory.

Most tests here leave the padding out of small networks too, and compare them with padded ones.
"""

import hashlib
import pickle
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from copy import deepcopy

import numpy as np
import pytest
from networks import every_optimizer
from test_memory import GuardedNumpy

import backprop as bp
from backprop._core import describe, plan
from backprop._core.kernels import RUNNING
from backprop.ranks import InProcess

OPTIMIZERS = [
    *every_optimizer().values(),
    bp.Muon(1e-2),
    bp.AdamW(1e-2, weight_decay=0.3),
    bp.SGD(0.01, momentum=0.9, l1=0.1, l2=0.2),
    bp.Adam(1e-2, clip_norm=0.01),
    bp.Adam(1e-2, clip_value=0.001, l2=0.1),
    bp.Adam(1e-2, accumulate=3),
    bp.Adam(1e-2, average=bp.EMA(0.9)),
    bp.SGD(1e-2, accumulate=2, average=bp.SWA(2)),
    bp.RMSprop(1e-3, schedule=bp.Cosine(3)),
]
ALWAYS, NEVER = 0, 2**60
N_INPUTS = 283  # three panels of gradients, the last of which is not whole
RNG = np.random.default_rng(4)
X = RNG.normal(size=(61, N_INPUTS)).astype("float32")
Y = RNG.normal(size=(61, 19)).astype("float32")


@contextmanager
def padded_up_to(n_bytes):
    before = describe.pad_up_to(n_bytes)
    try:
        yield
    finally:
        describe.pad_up_to(before)


def network(units, *, wide=False, n_inputs=N_INPUTS, last=None, **options):
    layers = [] if wide else [bp.Dense(n_inputs, "tanh")]
    layers = [*layers, bp.Dense(units, **(last or {}))]
    options = {"n_threads": 1, "seed": 3, "loss": "squared_error", **options}
    return bp.Network(n_inputs, layers, **options)


def trained(units, fit=None, **options):
    net = network(units, **options)
    net.fit(X, Y[:, :units], **{"epochs": 3, "batch_size": 16, **(fit or {})})
    return net


def digest(net, units):
    """Of all that a network holds, and of what it works out."""
    found = [p for layer in net.layers for p in layer.parameters.values()]
    found += [p for views in net.optimizer_state().values() for pair in views for p in pair]
    found += [net.predict(X), net.predict(X[:3]), net.predict(X[:1])]
    loss, gradients = net.loss_and_gradients(X, Y[:, :units])
    found += [np.array(loss), *(p for pair in gradients for p in pair)]
    return hashlib.sha256(b"".join(p.tobytes() for p in found)).hexdigest()


def rows_are_apart(net):
    weights = net.layers[-1].weights
    return weights.strides[0] > weights.shape[1] * weights.itemsize


def both(work, units, **options):
    """What the network with padding comes to, and the one without."""
    found = []
    for n_bytes in (NEVER, ALWAYS):
        with padded_up_to(n_bytes):
            net = work(units, **options)
        assert rows_are_apart(net) == (n_bytes == NEVER)
        found.append(digest(net, units))
    return found


@pytest.mark.long
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_the_bits_of_padded_rows_with_every_optimizer(optimizer, dtype):
    padded, compact = both(trained, 3, optimizer=optimizer, dtype=dtype)
    assert compact == padded


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("units", range(1, 9))
def test_the_bits_of_padded_rows_with_any_number_of_outputs_and_threads(units, wide):
    optimizer = bp.AdamW(1e-2, weight_decay=0.1)
    padded, compact = both(trained, units, wide=wide, optimizer=optimizer)
    assert compact == padded
    for n_threads in (2, 3, 8):
        options = {"wide": wide, "n_threads": n_threads, "optimizer": optimizer}
        assert both(trained, units, **options) == [padded, padded]


@pytest.mark.parametrize("isa", RUNNING)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_bits_of_padded_rows_with_every_instruction_set(monkeypatch, isa, dtype):
    monkeypatch.setenv("BACKPROP_ISA", isa)
    for units in (1, 5, 8):
        for options in ({}, {"optimizer": bp.Adam(1e-2, clip_norm=0.1)}):
            padded, compact = both(trained, units, dtype=dtype, **options)
            assert compact == padded, units


@pytest.mark.parametrize("n_inputs", [1, 2, 15, 16, 17, 127, 128, 129, 255, 256])
def test_the_bits_of_padded_rows_with_any_number_of_inputs(n_inputs):
    def work(units, **options):
        net = network(units, wide=True, n_inputs=n_inputs, **options)
        for kept in (False, True):
            net.optimizer = bp.AdamW(1e-2, weight_decay=0.1, clip_norm=0.1 if kept else None)
            net.fit(X[:, :n_inputs], Y[:, :units], epochs=2, batch_size=16)
        values = [p for layer in net.layers for p in layer.parameters.values()]
        return [*values, net.predict(X[:3, :n_inputs])]

    for units in (1, 3, 8):
        found = []
        for n_bytes in (NEVER, ALWAYS):
            with padded_up_to(n_bytes):
                found.append(b"".join(values.tobytes() for values in work(units)))
        assert found[0] == found[1]


@pytest.mark.parametrize(
    "options",
    [
        {"last": {"use_bias": False}},
        {"last": {"trainable": False}},
        {"last": {"trainable": False}, "optimizer": bp.Adam(clip_norm=0.1)},
        {"last": {"learning_rate_factor": 0.1}},
        {"last": {"activation": "gelu", "dropout": 0.2, "noise": 0.1}},
        {"input_dropout": 0.3},
        {"fit": {"batch_size": 7}},
        {"fit": {"sample_weight": np.arange(61) % 5}},
        {"fit": {"shards": 3}},
        {"fit": {"shards": 5}, "n_threads": 3},
        {"fit": {"shards": 5}, "n_threads": 3, "optimizer": bp.Adam(clip_norm=0.1)},
        {"matmul": "blas"},
        {"matmul": "blas", "optimizer": bp.Adam(1e-2, accumulate=2, clip_norm=0.1)},
        {"optimizer": bp.LBFGS(l2=0.1), "fit": {"batch_size": 61}},
    ],
    ids=str,
)
def test_the_bits_of_padded_rows_with_other_settings(options):
    padded, compact = both(trained, 3, **options)
    assert compact == padded


def test_the_bits_of_padded_rows_with_a_residual():
    def work(units, **options):
        layers = [bp.Dense(units, "tanh"), bp.Dense(units, residual=True)]
        net = bp.Network(N_INPUTS, layers, loss="squared_error", seed=1, **options)
        net.fit(X, Y[:, :units], epochs=2, batch_size=16)
        return net

    padded, compact = both(work, 5)
    assert compact == padded


@pytest.mark.long
@pytest.mark.parametrize("units", [1, 3, 8])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("size", [1, 2, 4, 8])
@pytest.mark.parametrize(
    "optimizer",
    [
        bp.SGD(0.1, momentum=0.9),
        bp.AdamW(1e-2, clip_norm=0.5, l2=1e-3),
        bp.Adam(1e-2, average=bp.EMA(0.9)),
        bp.Adadelta(),
    ],
    ids=lambda o: type(o).__name__,
)
def test_ranks_have_the_bits_of_one_process_with_padded_rows(optimizer, size, wide, units):
    """Their slices of the gradients begin within the layer, wherever it is large enough."""

    def work(ranks=None):
        fit = {"epochs": 2, "shards": 8, "ranks": ranks}
        return digest(trained(units, fit, optimizer=optimizer, wide=wide), units)

    with padded_up_to(NEVER):
        expected = work()
    with padded_up_to(ALWAYS):
        assert set(InProcess.run(size, work, timeout=60)) == {expected}


def test_ranks_of_a_layer_that_is_smaller_than_their_slices():
    def work(ranks=None):
        net = bp.Network(2, [bp.Dense(1)], loss="squared_error", seed=1)
        net.fit(X[:, :2], Y[:, :1], epochs=2, shards=8, ranks=ranks, batch_size=16)
        return net.layers[0].weights.tobytes() + net.layers[0].bias.tobytes()

    with padded_up_to(NEVER):
        expected = work()
    with padded_up_to(ALWAYS):
        assert set(InProcess.run(8, work, timeout=60)) == {expected}


def test_one_is_saved_loaded_pickled_and_copied_into_the_other(tmp_path):
    optimizer = bp.Adam(1e-2, average=bp.EMA(0.9))
    found = set()
    for first, then in [(NEVER, NEVER), (NEVER, ALWAYS), (ALWAYS, NEVER), (ALWAYS, ALWAYS)]:
        with padded_up_to(first):
            net = trained(3, optimizer=optimizer)
        net.save(tmp_path / "net.safetensors")
        with padded_up_to(then):
            nets = bp.Network.load(tmp_path / "net.safetensors"), pickle.loads(pickle.dumps(net))
            nets = [*nets, deepcopy(net)]
        for other in nets:
            other.fit(X, Y[:, :3], epochs=1, batch_size=16)
            found.add(digest(other, 3))
    assert len(found) == 1


def test_weights_and_bias_are_set_and_explained():
    weights, bias = RNG.normal(size=(N_INPUTS, 3)), RNG.normal(size=3)
    found = []
    for n_bytes in (NEVER, ALWAYS):
        with padded_up_to(n_bytes):
            net = network(3, wide=True, dtype="float64")
        net.layers[0].weights = weights
        net.layers[0].bias = bias
        np.testing.assert_array_equal(net.layers[0].weights, weights)
        np.testing.assert_array_equal(net.layers[0].bias, bias)
        explained = net.explain(X[:2], Y[:2, :3])
        found.append((net.predict(X).tobytes(), explained.layers[0].dz.tobytes()))
        np.testing.assert_array_equal(explained.layers[0].weights, weights)
        np.testing.assert_allclose(net.predict(X), X.astype(float) @ weights + bias, atol=1e-12)
    assert found[0] == found[1]


@pytest.mark.long
@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("units", [1, 2, 5, 8])
@pytest.mark.parametrize("n_inputs", [1, 15, 16, 17, 128, 130])
def test_nothing_is_written_outside_a_block(monkeypatch, n_inputs, units, dtype, matmul):
    guards = GuardedNumpy()
    monkeypatch.setattr(plan, "np", guards)
    options = {"dtype": dtype, "seed": 0, "matmul": matmul, "n_threads": 2}
    inputs, targets = X[:40, :n_inputs], Y[:40, :units]
    with padded_up_to(ALWAYS):
        net = bp.Network(n_inputs, [bp.Dense(units)], loss="squared_error", **options)
    for given in ({}, {"clip_norm": 0.1}, {"clip_value": 0.1, "average": bp.EMA(0.5)}):
        net.optimizer = bp.Adam(**given)
        net.fit(inputs, targets, epochs=2, batch_size=16)
        net.backward(net.forward(inputs))
        net.update()
        net.predict(inputs[:3])
        net.loss_and_gradients(inputs, targets)
    guards.check()


@pytest.mark.parametrize(
    ("n_inputs", "layers", "is_padded"),
    [
        (40_000, [bp.Dense(1)], False),
        (20_000, [bp.Dense(8)], False),
        (40_000, [bp.Dense(9)], True),  # which are padded to less than twice as many
        (4_000, [bp.Dense(1)], True),
        (40_000, [bp.Dense(1, max_norm=1)], True),
        (40_000, [bp.Dense(1, norm="layer")], True),
        (40_000, [bp.Dense(1, "prelu")], True),
    ],
)
def test_which_layers_are_padded(n_inputs, layers, is_padded):
    assert rows_are_apart(bp.Network(n_inputs, layers)) == is_padded


def test_only_the_last_layer_may_be_without_padding():
    net = bp.Network(40_000, [bp.Dense(1), bp.Dense(1)])
    assert net.layers[0].weights.strides[0] > net.layers[0].weights.itemsize


LOAD = """
    import sys
    import numpy as np
    import backprop as bp

    def peak():
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    bp.Network.load(sys.argv[1]).predict(np.zeros((1, 2)))  # what any network takes
    before = peak()
    bp.Network.load(sys.argv[2])
    print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
@pytest.mark.parametrize("units", [1, 8])
def test_a_load_takes_twice_the_file_and_little_more(tmp_path, units):
    small, large = tmp_path / "small.safetensors", tmp_path / "large.safetensors"
    bp.Network(2, [bp.Dense(1)]).save(small)
    net = bp.Network(1_000_000, [bp.Dense(units)], optimizer="adam")
    net.fit(np.ones((1, 1_000_000), "float32"), np.ones((1, units)), epochs=1)
    net.save(large)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LOAD), str(small), str(large)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    size = large.stat().st_size
    large.unlink()
    assert int(done.stdout) < 2 * size + 2**24
