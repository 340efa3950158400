"""Gradients of every kind of layer × activation × loss are central differences of the cost."""

import itertools

import numpy as np
import pytest

import backprop as bp
from backprop.catalogue.activations import ACTIVATIONS
from backprop.catalogue.losses import LOSSES

pytestmark = pytest.mark.long

KINDS = {
    "plain": {},
    "no bias": {"use_bias": False},
    "dropout": {"dropout": 0.4},
    "noise": {"noise": 0.3},
    "layer norm": {"norm": "layer"},
    "batch norm": {"norm": "batch"},
    "residual": {"residual": True},
    "all": {"norm": "layer", "residual": True, "dropout": 0.3, "noise": 0.1, "use_bias": False},
}
N, STEP = 5, 1e-6


def targets(loss, rng):
    """(y, outputs) of a loss."""
    if loss.target.is_class:
        return rng.integers(0, 3, N), 3
    if loss.target.is_categorical:
        return rng.integers(0, 2, (N, 3)), 3
    if loss.name == "quantile":
        return rng.normal(size=(N, 1)), 3
    if loss.name == "gaussian_nll":
        return rng.normal(size=(N, 2)), 4
    return rng.uniform(0.5, 3, (N, 3)), 3


def cost(net, X, y, weight):
    """Of the next training step: with what it drops and adds, and a batch's own mean."""
    return float(np.average(net.inspect(X, y, weight).losses, weights=weight))


def slopes(net, view, place, *batch):
    """The central difference, and that of a quarter of the step: alike where there is no kink."""
    found, before = [], view[place]
    for step in (STEP, STEP / 4):
        view[place] = before + step
        above = cost(net, *batch)
        view[place] = before - step
        found.append((above - cost(net, *batch)) / (2 * step))
        view[place] = before
    return found


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_central_differences(kind, name):
    rng, compared, moved = np.random.default_rng(3), 0, 0
    X, weight, loss = rng.normal(size=(N, 4)), rng.uniform(0.5, 2, N), LOSSES[name]
    y, outputs = targets(loss, rng)
    for activation in ACTIVATIONS:
        hidden = [bp.Dense(4, activation, **KINDS[kind]) for _ in range(2)]
        layers = [*hidden, bp.Dense(outputs)]
        net = bp.Network(4, layers, loss, bp.SGD(0.1), "float64", seed=1, n_threads=1)
        for layer in net.layers:  # small, lest exp of exp outgrow all digits
            layer.weights *= 0.5
        for layer, array in itertools.product(net.layers, ("bias", "scale", "shift")):
            if array in layer.parameters:
                layer.parameters[array][...] += rng.normal(size=layer.units) * 0.2
        gradients = net.inspect(X, y, weight).gradients
        for layer, gradient in zip(net.layers, gradients, strict=True):
            for key, view in layer.parameters.items():
                place = tuple(rng.integers(0, n) for n in view.shape)
                near, nearer = slopes(net, view, place, X, y, weight)
                if abs(near - nearer) > 1e-5 * max(1, abs(near)):
                    continue  # a kink lies between
                its = gradient.parameters[key][place]
                rounding = 4e-9 * max(1, abs(cost(net, X, y, weight)))
                assert its == pytest.approx(near, rel=1e-6, abs=rounding), (
                    f"{activation}, {key}{place}"
                )
                compared, moved = compared + 1, moved + (abs(its) > 1e-9)
    assert compared > 3 * len(ACTIVATIONS)
    assert moved > compared / 3
