"""Activations beside PyTorch's, in float64, through a network of one layer with weights 1."""

import numpy as np
import pytest

import backprop as bp
from backprop.catalogue.activations import ACTIVATIONS

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
functions = torch.nn.functional

THEIRS = {
    "identity": lambda z: 1 * z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": functions.leaky_relu,
    "prelu": lambda z: functions.prelu(z, torch.full((1,), 0.25, dtype=z.dtype)),
    "elu": functions.elu,
    "selu": functions.selu,
    # theirs is z above a threshold, 20 by default, where exp(-z) is 2e-9: a float64 shows it
    "softplus": lambda z: functions.softplus(z, threshold=40),
    "softsign": functions.softsign,
    "silu": functions.silu,
    "gelu": functions.gelu,
    "gelu_tanh": lambda z: functions.gelu(z, approximate="tanh"),
    "mish": functions.mish,
    "hard_sigmoid": functions.hardsigmoid,
    "hard_swish": functions.hardswish,
    "exp": torch.exp,
    "sin": torch.sin,
}
OTHER_PARAMETERS = {
    "leaky_relu": (
        {"negative_slope": 0.2},
        lambda z: functions.leaky_relu(z, negative_slope=0.2),
    ),
    "prelu": (
        {"negative_slope": 0.1},
        lambda z: functions.prelu(z, torch.full((1,), 0.1, dtype=z.dtype)),
    ),
    "elu": ({"alpha": 0.7}, lambda z: functions.elu(z, alpha=0.7)),
}
TOLERANCE = {"rtol": 1e-9, "atol": 1e-12}
# the slope of theirs is the float32 of 1/6, in float64 too: 3e-8 beside it
SLOPE_TOLERANCES = {"hard_sigmoid": {"rtol": 5e-8, "atol": 0}}


def numbers(entry):
    """z [n], where f has a slope: dense where it bends, of every magnitude, and far out."""
    rng = np.random.default_rng(0)
    sizes = rng.choice([-1, 1], 4000) * 10.0 ** rng.uniform(-12, 4, 4000)
    far = [0, 19.9, 20.1, 39.9, 40.1, 700, 1e4]
    parts = [rng.uniform(-8, 8, 8000), rng.uniform(-50, 50, 2000), sizes, far, -np.array(far)]
    z = np.concatenate(parts)
    return z[~np.isin(z, entry.kinks)]  # of two slopes, either is right


def ours(entry, z, da):
    """(a, dz) as a network has them."""
    net = bp.Network(1, [bp.Dense(1, entry)], dtype="float64")
    net.layers[0].weights = [[1.0]]
    net.layers[0].bias = [0.0]
    a = net.forward(z[:, None])
    return a[:, 0], net.backward(da[:, None])[:, 0]


def assert_same(entry, theirs):
    z = numbers(entry)
    da = np.random.default_rng(1).uniform(0.5, 2, len(z))
    given = torch.from_numpy(z).requires_grad_()
    a = theirs(given)
    a.backward(torch.from_numpy(da))
    found, gradient = ours(entry, z, da)
    np.testing.assert_allclose(found, a.detach().numpy(), **TOLERANCE)
    tolerance = SLOPE_TOLERANCES.get(entry.name, TOLERANCE)
    np.testing.assert_allclose(gradient, given.grad.numpy(), **tolerance)
    assert np.isfinite(found).sum() > 0.9 * len(z)
    assert (gradient != 0).sum() > 0.3 * len(z)


def test_every_activation_has_its_counterpart():
    assert set(THEIRS) == set(ACTIVATIONS)
    assert set(OTHER_PARAMETERS) == {name for name, e in ACTIVATIONS.items() if e.parameters}


@pytest.mark.parametrize("name", THEIRS)
def test_as_pytorch(name):
    assert_same(ACTIVATIONS[name], THEIRS[name])


@pytest.mark.parametrize("name", OTHER_PARAMETERS)
def test_as_pytorch_with_parameters(name):
    settings, theirs = OTHER_PARAMETERS[name]
    assert_same(ACTIVATIONS[name](**settings), theirs)
