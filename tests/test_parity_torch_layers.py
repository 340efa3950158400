"""Layers without a bias, frozen, or at a rate of their own step as PyTorch's: float64, to 1e-9."""

import numpy as np
import pytest

import backprop as bp

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

# which needs PyTorch too, and so comes after the line that skips
from test_parity_torch import DECAYED, PAIRS, batches  # noqa: E402

CASES = {
    "rates": [{"learning_rate_factor": f} for f in (0.1, 1.0, 2.5)],
    "frozen": [{"trainable": False}, {}, {}],
    "frozen between": [{}, {"trainable": False}, {}],
    "no bias": [{"use_bias": False}, {}, {"use_bias": False}],
    "all": [
        {"use_bias": False, "learning_rate_factor": 0.5},
        {"trainable": False},
        {"learning_rate_factor": 3.0},
    ],
}


@pytest.fixture(autouse=True)
def _whole_state_in_float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def twin_of(net):
    """The same network in PyTorch."""
    modules = []
    for layer in net.layers:
        linear = torch.nn.Linear(*layer.weights.shape, bias=layer.spec.use_bias)
        with torch.no_grad():
            linear.weight[...] = torch.tensor(layer.weights.T.copy())
            if layer.spec.use_bias:
                linear.bias[...] = torch.tensor(layer.bias.copy())
        linear.requires_grad_(layer.trainable)
        modules += [linear, torch.nn.Tanh()]
    return torch.nn.Sequential(*modules[:-1])


def groups_of(net, twin, optimizer):
    """A group of parameters for each layer, at its own rate; decay for the weights."""
    groups = []
    for layer, linear in zip(net.layers, twin[::2], strict=True):
        rate = {"lr": optimizer.learning_rate * layer.learning_rate_factor}
        decay = {"weight_decay": optimizer.weight_decay} if optimizer.weight_decay else {}
        groups.append({"params": [linear.weight], **rate, **decay})
        if linear.bias is not None:
            groups.append({"params": [linear.bias], **rate, **dict.fromkeys(decay, 0.0)})
    return groups


WITHOUT_PENALTY = [pair for pair in DECAYED if not (pair[0].l1 or pair[0].l2)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("ours", "theirs", "settings"), [*PAIRS, *WITHOUT_PENALTY], ids=str)
def test_steps(ours, theirs, settings, case):
    net, twin = networks(ours, case)
    optimizer = theirs(groups_of(net, twin, ours), lr=ours.learning_rate, **settings)
    for X, y in batches():
        step(net, twin, optimizer, X, y)
    assert_equal(net, twin)


def test_a_layer_thaws():
    """With an optimizer that counts no steps: PyTorch's count for each parameter apart."""
    ours = bp.SGD(0.1, 0.9)
    net, twin = networks(ours, "frozen")
    optimizer = torch.optim.SGD(groups_of(net, twin, ours), momentum=0.9)
    for i, (X, y) in enumerate(batches()):
        if i == 25:
            twin.requires_grad_(True)
            net.layers[0].trainable = True
        step(net, twin, optimizer, X, y)
    assert_equal(net, twin)


def networks(optimizer, case):
    sizes = ((7, "tanh"), (6, "tanh"), (2, "identity"))
    layers = [bp.Dense(*size, **given) for size, given in zip(sizes, CASES[case], strict=True)]
    net = bp.Network(5, layers, "squared_error", optimizer, dtype="float64", seed=4)
    return net, twin_of(net)


def step(net, twin, optimizer, X, y):
    net.train_step(X, y)
    optimizer.zero_grad()
    cost = ((twin(torch.tensor(X)) - torch.tensor(y)) ** 2).sum() / 2 / len(X)
    cost.backward()
    optimizer.step()


def assert_equal(net, twin):
    for layer, linear in zip(net.layers, twin[::2], strict=True):
        expected = linear.weight.detach().numpy().T
        np.testing.assert_allclose(layer.weights, expected, rtol=1e-9, atol=1e-12)
        if linear.bias is not None:
            expected = linear.bias.detach().numpy()
            np.testing.assert_allclose(layer.bias, expected, rtol=1e-9, atol=1e-12)
