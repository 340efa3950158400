"""Activations are PyTorch's, forward and backward, in float64: to 1e-9."""

import numpy as np
import pytest

import backprop as bp
from backprop.catalogue.activations import ACTIVATIONS

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F = torch.nn.functional

THEIRS = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "softplus": lambda z: torch.logaddexp(z, torch.zeros_like(z)),
    "softsign": F.softsign,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda z: F.gelu(z, approximate="tanh"),
    "mish": F.mish,
    "hard_sigmoid": F.hardsigmoid,
    "hard_swish": F.hardswish,
    "sin": torch.sin,
}
# no kink is among them
Z = np.concatenate([np.linspace(-8, 8, 400) + 0.0013, [-1e4, -700, -50, 50, 700, 1e4]])


def test_every_activation_is_compared():
    assert set(THEIRS) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", THEIRS)
def test_value_and_gradient(name):
    net = bp.Network(1, [bp.Dense(1, name)], dtype="float64", seed=0)
    net.layers[0].weights = [[1.0]]
    found = net.forward(Z[:, None])[:, 0]
    slope = net.backward(np.ones((len(Z), 1)))[:, 0]
    z = torch.tensor(Z, dtype=torch.float64, requires_grad=True)
    a = THEIRS[name](z)
    a.sum().backward()
    np.testing.assert_allclose(found, a.detach().numpy(), rtol=1e-9, atol=1e-12)
    tolerance = 1e-7 if name == "hard_sigmoid" else 1e-9  # whose 1/6 PyTorch rounds to float32
    np.testing.assert_allclose(slope, z.grad.numpy(), rtol=tolerance, atol=1e-12)
