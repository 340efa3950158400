"""Muon: its steps by the recipe, PyTorch and the reference; what it keeps, its bits."""

import pickle

import numpy as np
import pytest

import backprop as bp
from backprop import reference
from backprop._core import kernels
from backprop.catalogue.optimizers.muon import orthogonalized

RANDOM = np.random.default_rng(8)
X = RANDOM.normal(size=(90, 13))
Y = RANDOM.integers(0, 3, 90)
WEIGHT = RANDOM.uniform(0.5, 2, 90)
PLAIN = bp.Muon()
DECAYED = bp.Muon(0.01, 0.9, 0.002, l2=0.2, weight_decay=0.3, schedule=bp.Cosine(20, 0.1))
SIZES = [(33, 17), (5, 40), (16, 16), (1, 3), (13, 1), (64, 15)]  # tall, wide, square


def network(kind=bp.Network, optimizer=DECAYED, sizes=SIZES[0], options=({}, {}, {}), **settings):
    units = zip((*sizes, 3), ("tanh", "relu", "identity"), options, strict=True)
    layers = [bp.Dense(n, activation, **given) for n, activation, given in units]
    usual = {"loss": "softmax_cross_entropy", "dtype": "float64", "seed": 3}
    return kind(13, layers, optimizer=optimizer, **{**usual, **settings})


def everything(net):
    moments = [pair for views in net.optimizer_state().values() for pair in views]
    pairs = [*((layer.weights, layer.bias) for layer in net.layers), *moments]
    return [array for pair in pairs for array in pair]


def assert_same_bits(one, other):
    for a, b in zip(everything(one), everything(other), strict=True):
        np.testing.assert_array_equal(a, b)


def assert_close(one, other, tolerance):
    for a, b in zip(everything(one), everything(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# ---- the recipe ----


def newton_schulz(g):
    """As Jordan et al. write it: on the matrix with no more rows than columns."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / (max(np.linalg.norm(g), 1e-7))
    if len(g) > len(g.T):
        x = x.T
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if len(g) > len(g.T) else x


def test_orthogonal_is_nearly_so():
    u = RANDOM.normal(size=(20, 12))
    found = orthogonalized(u)
    np.testing.assert_allclose(found, newton_schulz(u), rtol=1e-9)
    values = np.linalg.svd(found, compute_uv=False)
    assert 0.6 < values.min() < values.max() < 1.3
    left, _, right = np.linalg.svd(u, full_matrices=False)
    assert np.abs(found - left @ right).max() < 0.15
    np.testing.assert_allclose(orthogonalized(u.T), found.T, rtol=1e-9)


@pytest.mark.parametrize("sizes", [(8, 20), (20, 8), (13, 13)])
def test_fifty_steps_of_the_recipe(sizes):
    """Momentum as a mean, Nesterov's; the longer step of a matrix with more outputs than inputs."""
    net = network(optimizer=bp.Muon(0.02, 0.95, 0.001, weight_decay=0.1), sizes=sizes)
    theirs = [(layer.weights.copy(), layer.bias.copy()) for layer in net.layers]
    momenta = [np.zeros_like(w) for w, _ in theirs]
    adam = [[(np.zeros_like(p), np.zeros_like(p)) for p in pair] for pair in theirs]
    twin = network(optimizer="sgd", sizes=sizes)
    for t in range(1, 51):
        rows = np.arange(16) * t % 90
        for layer, (w, b) in zip(twin.layers, theirs, strict=True):
            layer.weights, layer.bias = w, b
        _, gradients = twin.loss_and_gradients(X[rows], Y[rows])
        net.train_step(X[rows], Y[rows])
        for i, own in enumerate(gradients):
            for part in (0, 1):
                p, g = theirs[i][part], own[part]
                if part == 0 and i < 2:
                    momenta[i] += 0.05 * (g - momenta[i])
                    u = newton_schulz(0.05 * g + 0.95 * momenta[i])
                    longer = np.sqrt(max(1, p.shape[1] / p.shape[0]))
                    p *= 1 - 0.02 * 0.1
                    p -= 0.02 * longer * u
                    continue
                m, v = adam[i][part]
                m += 0.1 * (g - m)
                v += 0.05 * (g * g - v)
                if part == 0:
                    p *= 1 - 0.001 * 0.1
                p -= 0.001 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-10)
    for layer, (w, b) in zip(net.layers, theirs, strict=True):
        np.testing.assert_allclose(layer.weights, w, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(layer.bias, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_fifty_steps_of_pytorch(shape, monkeypatch):
    """Whose iteration would be in bfloat16, and is left in float64 here."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    layers = [bp.Dense(shape[1], use_bias=False), bp.Dense(2, trainable=False)]
    ours = bp.Muon(0.02, weight_decay=0.1)
    net = bp.Network(shape[0], layers, optimizer=ours, dtype="float64", seed=1)
    w = torch.tensor(net.layers[0].weights.T.copy(), requires_grad=True)
    v = torch.tensor(net.layers[1].weights.T.copy())
    theirs = torch.optim.Muon([w], lr=0.02, weight_decay=0.1, momentum=0.95)
    before = net.layers[0].weights.copy()
    for _ in range(50):
        x, y = RANDOM.normal(size=(30, shape[0])), RANDOM.normal(size=(30, 2))
        net.train_step(x, y)
        theirs.zero_grad()
        (((torch.tensor(x) @ w.T @ v.T - torch.tensor(y)) ** 2).sum() / 60).backward()
        theirs.step()
    assert np.abs(net.layers[0].weights - before).max() > 0.1
    np.testing.assert_allclose(net.layers[0].weights, w.detach().numpy().T, rtol=1e-9, atol=1e-11)


# ---- the reference ----


@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES)
def test_epochs_are_those_of_the_reference(sizes, dtype, matmul):
    fast = network(sizes=sizes, dtype=dtype, matmul=matmul)
    slow = network(reference.Network, sizes=sizes, dtype=dtype)
    for net in (fast, slow):
        net.fit(X, Y, epochs=2, batch_size=32, sample_weight=WEIGHT)
    assert_close(fast, slow, 1e-9 if dtype == "float64" else 2e-3)


@pytest.mark.parametrize(
    "options",
    [
        ({"use_bias": False}, {}, {"use_bias": False}),
        ({"trainable": False}, {}, {}),
        ({}, {"trainable": False}, {}),
        ({"learning_rate_factor": 0.5}, {"learning_rate_factor": 2.0}, {}),
        ({"dropout": 0.2}, {}, {}),
    ],
)
def test_layers_of_every_kind(options):
    fast, slow = (network(kind, options=options) for kind in (bp.Network, reference.Network))
    for net in (fast, slow):
        net.fit(X, Y, epochs=2, batch_size=32)
    assert_close(fast, slow, 1e-9)


def test_a_network_of_one_layer_makes_adams_steps():
    nets = [
        kind(13, [bp.Dense(3)], "softmax_cross_entropy", DECAYED, "float64", 3)
        for kind in (bp.Network, reference.Network)
    ]
    for net in nets:
        net.fit(X, Y, epochs=2, batch_size=32)
    assert_close(*nets, 1e-9)


def test_its_settings_can_be_changed():
    nets = [network(kind) for kind in (bp.Network, reference.Network)]
    for net in nets:
        net.fit(X, Y, epochs=1, batch_size=32)
        net.optimizer = bp.Muon(0.03, 0.8, 0.01)
        net.fit(X, Y, epochs=1, batch_size=32)
    assert_close(*nets, 1e-9)
    assert nets[0].steps == 6


def test_update_does_what_a_step_of_training_does():
    stepped, updated = network(optimizer=PLAIN), network(optimizer=PLAIN)
    for _ in range(3):
        stepped.train_step(X[:32], Y[:32])
        out = updated.forward(X[:32])
        share = np.exp(out - out.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        updated.backward((share - np.eye(3)[Y[:32]]) / 32)
        updated.update()
    assert_close(stepped, updated, 1e-11)


# ---- bits ----


@pytest.mark.parametrize("n_threads", [2, 3, 8])
@pytest.mark.parametrize("sizes", SIZES)
def test_the_same_bits_on_any_number_of_threads(sizes, n_threads):
    nets = [network(sizes=sizes, n_threads=n, dtype="float32") for n in (1, n_threads)]
    for net in nets:
        net.fit(X, Y, epochs=2, batch_size=50)
    assert_same_bits(*nets)


@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_update_has_the_same_bits_too(n_threads):
    nets = [network(sizes=(150, 90), n_threads=n, dtype="float32") for n in (1, n_threads)]
    for net in nets:
        for _ in range(5):
            net.backward(net.forward(X) / 90)
            net.update()
    assert_same_bits(*nets)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_on_every_instruction_set_that_fuses(dtype, monkeypatch):
    nets = []
    for name, runs in kernels.instruction_sets().items():
        if runs and name != "baseline":
            monkeypatch.setenv("BACKPROP_ISA", name)
            nets.append(network(dtype=dtype, sizes=(33, 40)))
            nets[-1].fit(X, Y, epochs=2, batch_size=32)
    for other in nets[1:]:
        assert_same_bits(nets[0], other)


# ---- kept, changed, refused ----


def test_training_goes_on_to_the_same_bits_after_a_load(tmp_path):
    whole, parted = network(), network()
    whole.fit(X, Y, epochs=4, batch_size=32)
    parted.fit(X, Y, epochs=2, batch_size=32)
    parted.save(tmp_path / "model")
    for twin in (
        bp.Network.load(tmp_path / "model"),
        pickle.loads(pickle.dumps(parted)),
        parted.copy(),
    ):
        assert twin.optimizer == DECAYED
        twin.fit(X, Y, epochs=2, batch_size=32)
        assert_same_bits(whole, twin)


def test_other_optimizers_before_and_after():
    """Each begins with moments of its own, and the plans that were made follow."""
    nets = [network(kind, optimizer="adam") for kind in (bp.Network, reference.Network)]
    fast = nets[0]
    fast.fit(X, Y, epochs=1, batch_size=32)
    fast.optimizer = PLAIN
    assert fast.steps == 0
    assert not any(array.any() for array in everything(fast)[6:])
    fresh = network(optimizer=PLAIN)
    fresh.epochs_trained = 1
    for mine, its in zip(fresh.layers, fast.layers, strict=True):
        mine.weights, mine.bias = its.weights, its.bias
    for net in (fast, fresh):
        net.fit(X, Y, epochs=2, batch_size=32)
    assert_same_bits(fast, fresh)
    fast.optimizer = fresh.optimizer = bp.Adam(0.01)
    assert fast.steps == 0
    for net in (fast, fresh):
        net.fit(X, Y, epochs=2, batch_size=32)
    assert_same_bits(fast, fresh)


def test_a_change_of_the_kind_ends_what_was_begun():
    net = network(optimizer="adam")
    net.forward(X)
    net.optimizer = PLAIN
    with pytest.raises(RuntimeError, match="backward follows forward"):
        net.backward(np.ones((90, 3)))
    net.forward(X)
    net.backward(np.ones((90, 3)))
    net.optimizer = "adam"
    with pytest.raises(RuntimeError, match="update follows backward"):
        net.update()


def test_it_learns():
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
    net = network(optimizer="muon")
    losses = net.fit(X, y, epochs=100, batch_size=30).loss
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: bp.Muon(0), ValueError, "learning_rate=0"),
        (lambda: bp.Muon(momentum=1), ValueError, "momentum=1"),
        (lambda: bp.Muon(l1=0.1), TypeError, "no such argument"),
        (lambda: network().explain(X, Y), ValueError, "explain with Muon"),
    ],
)
def test_what_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
