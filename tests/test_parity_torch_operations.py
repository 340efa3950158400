"""Layers with all that they may have take PyTorch's steps: equal weights and batches, to 1e-9."""

import numpy as np
import pytest

import backprop as bp
from backprop.catalogue.norms import NORMS

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn = torch.nn

STEPS = 50
UNITS = 12
OPERATIONS = {
    "batch": {"norm": "batch"},
    "batch, other numbers": {"norm": NORMS["batch"](epsilon=0.01, running_rate=0.3)},
    "layer": {"norm": "layer"},
    "layer, other numbers": {"norm": NORMS["layer"](epsilon=0.01)},
    "residual": {"residual": True},
    "batch, residual": {"norm": "batch", "residual": True},
    "layer, residual": {"norm": "layer", "residual": True},
}
ACTIVATIONS = {"tanh": nn.Tanh, "gelu": nn.GELU, "prelu": lambda: nn.PReLU(UNITS)}


class Theirs(nn.Module):
    """A dense layer with a norm, an activation and a residual connection."""

    def __init__(self, n_in, spec):
        super().__init__()
        self.dense = nn.Linear(n_in, spec.units)
        self.norm = nn.Identity()
        norm = spec.norm_function
        if norm is not None and norm.is_over_samples:
            how = {"eps": norm.settings["epsilon"], "momentum": norm.running_rate}
            self.norm = nn.BatchNorm1d(spec.units, **how)
        elif norm is not None:
            self.norm = nn.LayerNorm(spec.units, eps=norm.settings["epsilon"])
        self.activation = ACTIVATIONS.get(spec.activation, nn.Identity)()
        self.residual = spec.residual

    def forward(self, x):
        a = self.activation(self.norm(self.dense(x)))
        return a + x if self.residual else a

    def named(self):
        """{name that we have for it: parameter}"""
        found = {"weights": self.dense.weight, "bias": self.dense.bias}
        if not isinstance(self.norm, nn.Identity):
            found.update(scale=self.norm.weight, shift=self.norm.bias)
        if isinstance(self.activation, nn.PReLU):
            found.update(negative_slope=self.activation.weight)
        return found


def theirs_of(net):
    """The same network with the same parameters."""
    layers, n_in = [], net.n_inputs
    for layer in net.layers:
        layers.append(Theirs(n_in, layer.spec).double())
        for name, parameter in layers[-1].named().items():
            parameter.data = torch.from_numpy(layer.parameters[name].T.copy())
        n_in = layer.units
    return nn.Sequential(*layers)


def networks(operation, activation):
    layer = bp.Dense(UNITS, activation, **OPERATIONS[operation])
    net = bp.Network(
        UNITS, [layer, layer, bp.Dense(3)], optimizer=bp.SGD(0.05, 0.9), dtype="float64", seed=2
    )
    return net, theirs_of(net)


def batches():
    random = np.random.default_rng(0)
    for _ in range(STEPS):
        X = random.normal(size=(32, UNITS))
        yield X, np.sin(X[:, :3])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_steps(operation, activation):
    net, module = networks(operation, activation)
    optimizer = torch.optim.SGD(module.parameters(), 0.05, 0.9)
    for X, y in batches():
        optimizer.zero_grad()
        found = module(torch.from_numpy(X))
        cost = ((found - torch.from_numpy(y)) ** 2).sum(dim=1).mean() / 2
        cost.backward()
        optimizer.step()
        assert net.train_step(X, y) == pytest.approx(cost.item(), rel=1e-9)
    for layer, theirs in zip(net.layers, module, strict=True):
        for name, parameter in theirs.named().items():
            expected = parameter.detach().numpy().T
            np.testing.assert_allclose(layer.parameters[name], expected, rtol=1e-9, atol=1e-12)
        if layer.statistics:
            for name in ("mean", "variance"):
                expected = getattr(theirs.norm, {"mean": "running_mean"}.get(name, "running_var"))
                np.testing.assert_allclose(layer.statistics[name], expected.numpy(), rtol=1e-9)
    module.eval()
    X, _ = next(batches())
    with torch.no_grad():
        expected = module(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(net.predict(X), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_gradients(operation, activation):
    """Of a loss of one's own: of every parameter, and of the inputs."""
    net, module = networks(operation, activation)
    X, d_out = next(batches())
    given = torch.from_numpy(X).requires_grad_()
    out = module(given)
    out.backward(torch.from_numpy(d_out))
    np.testing.assert_allclose(net.forward(X), out.detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(net.backward(d_out), given.grad.numpy(), rtol=1e-9, atol=1e-12)
    for gradient, theirs in zip(net.gradients(), module, strict=True):
        for name, parameter in theirs.named().items():
            expected = parameter.grad.numpy().T
            np.testing.assert_allclose(gradient.parameters[name], expected, rtol=1e-9, atol=1e-11)
