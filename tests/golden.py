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
from backprop.catalogue import losses, norms, optimizers
from backprop.catalogue.targets import (
    CLASSES,
    COUNTS,
    MEANS,
    NUMBERS,
    ONE_NUMBER,
    POSITIVE,
    YES_OR_NO,
)

FILE = Path(__file__).with_name("golden_weights.json")

DTYPES = ("float32", "float64")
ACTIVATIONS = (
    "identity",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "prelu",
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
LOSSES = (
    "squared_error",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "absolute_error",
    "huber",
    "poisson",
    "gamma",
    "focal",
    "hinge",
    "quantile",
    "gaussian_nll",
)
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
# what a layer may have beside its product: of the second layer, which has as many inputs as units
OPERATIONS = {
    "batch": {"norm": "batch"},
    "layer": {"norm": "layer"},
    "residual": {"residual": True},
    "noise": {"noise": 0.1},
    "dropout": {"dropout": 0.3},
    "all": {"norm": "layer", "residual": True, "noise": 0.1, "dropout": 0.3},
}
FIRST_ACTIVATIONS = ACTIVATIONS[:4]
FIRST_LOSSES = LOSSES[:3]
FIRST_OPTIMIZERS = tuple(OPTIMIZERS)[:7]
THREADS = (1, 2, 3)


def data(loss):
    """137 rows, no multiple of a vector or of the batch, of 23 numbers; and the loss's targets."""
    random = np.random.default_rng(5)
    X = random.normal(size=(137, 23)).round(3)
    targets = {
        NUMBERS: lambda: X[:, :3] * X[:, 3:6],
        COUNTS: lambda: np.floor(np.abs(4 * X[:, :3] * X[:, 3:6])),
        POSITIVE: lambda: np.abs(X[:, :3]) + 0.25,
        ONE_NUMBER: lambda: X[:, 0] * X[:, 3],
        MEANS: lambda: X[:, :2] * X[:, 3:5],
        YES_OR_NO: lambda: (X[:, :3] > X[:, 3:6]).astype(float),
        CLASSES: lambda: X[:, :3].argmax(axis=1),
    }
    return X, targets[losses.LOSSES[loss].target]()


def train(dtype, activation, loss, optimizer, operation="none", *, n_threads):
    """A network after three epochs, the weights of the samples included."""
    X, y = data(loss)
    units = 4 if losses.LOSSES[loss].target is MEANS else 3
    layers = [bp.Dense(31, activation), bp.Dense(17, activation), bp.Dense(units)]
    if operation in OPERATIONS:
        layers.insert(1, bp.Dense(31, activation, **OPERATIONS[operation]))
    net = bp.Network(
        23, layers, loss, OPTIMIZERS[optimizer](), dtype=dtype, seed=7, n_threads=n_threads
    )
    weight = np.linspace(0.5, 2, len(X))
    tamed(net).fit(X, y, epochs=3, batch_size=32, sample_weight=weight)
    return net


def fingerprint(net):
    """SHA-256 of all that training changes in the layers, the first layer's first."""
    found = hashlib.sha256()
    for layer in net.layers:
        for array in (*layer.parameters.values(), *layer.statistics.values()):
            found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def choices():
    """Every combination of the first; each other entry with some of the rest."""
    first = itertools.product(DTYPES, FIRST_ACTIVATIONS, FIRST_LOSSES, FIRST_OPTIMIZERS)
    activations = itertools.product(DTYPES, ACTIVATIONS, ["squared_error"], ["adam"])
    others = itertools.product(DTYPES, ["tanh"], ["softmax_cross_entropy"], OPTIMIZERS)
    each_loss = itertools.product(DTYPES, ["tanh"], LOSSES, ["sgd", "adam"])
    beside = itertools.product(DTYPES, ["gelu"], ["softmax_cross_entropy"], ["adam"], OPERATIONS)
    return list(dict.fromkeys([*first, *activations, *others, *each_loss, *beside]))


def missing():
    """Entries of the catalogue that none of the choices has."""
    kinds = {type(make()).__name__ for make in OPTIMIZERS.values()}
    entries = [*catalogue.ACTIVATIONS, *losses.LOSSES, *optimizers.OPTIMIZERS, *norms.NORMS]
    return [name for name in entries if name not in {*ACTIVATIONS, *LOSSES, *kinds, *OPERATIONS}]


def key(*choice):
    return " / ".join(choice)


if __name__ == "__main__":
    hashes = json.loads(FILE.read_text()) if "--missing" in sys.argv else {}
    for choice in choices():
        if key(*choice) not in hashes:
            hashes[key(*choice)] = fingerprint(train(*choice, n_threads=1))
    FILE.write_text(json.dumps(hashes, indent=1) + "\n")
    print(f"{len(hashes)} hashes in {FILE}")
