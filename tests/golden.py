"""Hashes of weights after training, over every choice; `python tests/golden.py` writes them anew,
and with `--missing` only those that the file lacks.

A change of a hash is a change of the bits that a seed gives: it needs a line in CHANGELOG.md.
"""

import hashlib
import itertools
import json
import sys
from pathlib import Path

import numpy as np
from networks import tamed

import backprop as bp
from backprop.catalogue import activations as catalogue
from backprop.catalogue import losses, optimizers

FILE = Path(__file__).with_name("golden_weights.json")

DTYPES = ("float32", "float64")
ACTIVATIONS = (
    "identity",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "softplus",
    "softsign",
    "silu",
    "gelu",
    "gelu_tanh",
    "mish",
    "hard_sigmoid",
    "hard_swish",
    "exp",
    "sin",
)
LOSSES = ("squared_error", "sigmoid_cross_entropy", "softmax_cross_entropy")
OPTIMIZERS = {
    "sgd": lambda: bp.SGD(0.05),
    "sgd, l2": lambda: bp.SGD(0.05, l2=0.1),
    "momentum": lambda: bp.SGD(0.05, momentum=0.9),
    "nesterov, l2": lambda: bp.SGD(0.05, momentum=0.8, nesterov=True, l2=0.01),
    "adam": lambda: bp.Adam(0.01),
    "adam, l2": lambda: bp.Adam(0.01, 0.8, 0.99, 1e-6, l2=0.1),
    "adam, epsilon_hat": lambda: bp.Adam(0.01, epsilon_hat=True),
    "amsgrad": lambda: bp.AMSGrad(0.01),
    "nadam": lambda: bp.NAdam(0.01, l2=0.1),
    "radam": lambda: bp.RAdam(0.01),
    "adamax": lambda: bp.Adamax(0.01),
    "rmsprop": lambda: bp.RMSprop(0.01, l2=0.1),
    "rmsprop, momentum": lambda: bp.RMSprop(0.01, momentum=0.9),
    "rmsprop, centered": lambda: bp.RMSprop(0.01, centered=True),
    "rmsprop, centered, momentum": lambda: bp.RMSprop(0.01, momentum=0.9, centered=True),
    "adagrad": lambda: bp.Adagrad(0.05, lr_decay=0.1),
    "adadelta": bp.Adadelta,
    "lion": lambda: bp.Lion(0.001),
    "rprop": bp.Rprop,
    "adamw": lambda: bp.AdamW(0.01),
    "sgd, every decay": lambda: bp.SGD(0.05, l2=0.1, l1=0.2, weight_decay=0.1),
    "adam, clipped": lambda: bp.Adam(0.01, clip_norm=0.5),
    "momentum, clipped, accumulated": lambda: bp.SGD(0.05, 0.9, clip_value=0.1, accumulate=2),
}
FIRST_ACTIVATIONS = ACTIVATIONS[:4]
FIRST_OPTIMIZERS = tuple(OPTIMIZERS)[:7]
THREADS = (1, 2, 3)


def data(loss):
    """137 rows, no multiple of a vector or of the batch, of 23 numbers; and the loss's targets."""
    random = np.random.default_rng(5)
    X = random.normal(size=(137, 23)).round(3)
    targets = {
        "squared_error": lambda: X[:, :3] * X[:, 3:6],
        "sigmoid_cross_entropy": lambda: (X[:, :3] > X[:, 3:6]).astype(float),
        "softmax_cross_entropy": lambda: X[:, :3].argmax(axis=1),
    }
    return X, targets[loss]()


def train(dtype, activation, loss, optimizer, n_threads):
    """A network after three epochs, the weights of the samples included."""
    X, y = data(loss)
    layers = [bp.Dense(31, activation), bp.Dense(17, activation), bp.Dense(3)]
    net = bp.Network(
        23, layers, loss, OPTIMIZERS[optimizer](), dtype=dtype, seed=7, n_threads=n_threads
    )
    weight = np.linspace(0.5, 2, len(X))
    tamed(net).fit(X, y, epochs=3, batch_size=32, sample_weight=weight)
    return net


def fingerprint(net):
    """SHA-256 of all weights and biases, first layer first."""
    found = hashlib.sha256()
    for layer in net.layers:
        found.update(np.ascontiguousarray(layer.weights).tobytes())
        found.update(layer.bias.tobytes())
    return found.hexdigest()


def choices():
    """Every combination of the first; each other activation and optimizer with one of the rest."""
    first = itertools.product(DTYPES, FIRST_ACTIVATIONS, LOSSES, FIRST_OPTIMIZERS)
    activations = itertools.product(DTYPES, ACTIVATIONS, ["squared_error"], ["adam"])
    others = itertools.product(DTYPES, ["tanh"], ["softmax_cross_entropy"], OPTIMIZERS)
    return list(dict.fromkeys([*first, *activations, *others]))


def missing():
    """Entries of the catalogue that none of the choices has."""
    kinds = {type(make()).__name__ for make in OPTIMIZERS.values()}
    entries = [*catalogue.ACTIVATIONS, *losses.LOSSES, *optimizers.OPTIMIZERS]
    return [name for name in entries if name not in {*ACTIVATIONS, *LOSSES, *kinds}]


def key(*choice):
    return " / ".join(choice)


if __name__ == "__main__":
    hashes = json.loads(FILE.read_text()) if "--missing" in sys.argv else {}
    for choice in choices():
        if key(*choice) not in hashes:
            hashes[key(*choice)] = fingerprint(train(*choice, 1))
    FILE.write_text(json.dumps(hashes, indent=1) + "\n")
    print(f"{len(hashes)} hashes in {FILE}")
