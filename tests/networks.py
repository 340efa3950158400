"""A small network of each kind, data for it, and what training changes of it."""

import numpy as np

import backprop as bp

LOSSES = ("squared_error", "sigmoid_cross_entropy", "softmax_cross_entropy")
OPTIMIZERS = {
    "sgd": bp.SGD(0.05),
    "momentum": bp.SGD(0.02, momentum=0.9),
    "nesterov": bp.SGD(0.02, momentum=0.9, nesterov=True),
    "adam": bp.Adam(0.01),
}


def make(loss="softmax_cross_entropy", optimizer="adam", seed=3, **options):
    layers = [bp.Dense(11, "tanh"), bp.Dense(4)]
    return bp.Network(6, layers, loss=loss, optimizer=OPTIMIZERS[optimizer], seed=seed, **options)


def data(loss="softmax_cross_entropy", n=50):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 6))
    y = X @ rng.normal(size=(6, 4))
    if loss == "squared_error":
        return X, y
    return X, (y > 0) if loss == "sigmoid_cross_entropy" else y.argmax(axis=1)


def snapshot(network):
    """All that training changes, as bytes."""
    arrays = [array for layer in network.layers for array in (layer.weights, layer.bias)]
    for views in network.optimizer_state().values():
        arrays += [array for pair in views for array in pair]
    return [array.tobytes() for array in arrays]
