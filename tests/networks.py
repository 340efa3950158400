"""What the tests train: a choice of every optimizer, targets of every loss, small networks.

Activations, losses and optimizers are read from the catalogue, so that a new entry is tested too. A
new kind of target needs a line in `TARGETS` and `SOFT_TARGETS`.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import backprop as bp
from backprop._core import kernels
from backprop.catalogue import activations, losses, optimizers, records
from backprop.catalogue.targets import (
    CLASSES,
    COUNTS,
    MEANS,
    NUMBERS,
    ONE_NUMBER,
    POSITIVE,
    YES_OR_NO,
)

ACTIVATIONS = tuple(activations.ACTIVATIONS)
# those that take any number of outputs: what tests of all losses train
CATALOGUED = {name: entry for name, entry in losses.LOSSES.items() if entry.misfit is None}
LOSSES = tuple(CATALOGUED)
LOSSES_OF_NUMBERS = tuple(n for n in LOSSES if losses.LOSSES[n].target is NUMBERS)
CATEGORICAL = tuple(n for n in LOSSES if losses.LOSSES[n].target.is_categorical)

# every loss as one of four outputs
OF_FOUR = {
    name: entry(levels=(0.1, 0.4, 0.6, 0.9)) if entry.of_each else entry
    for name, entry in losses.LOSSES.items()
}

# numbers [n][k] -> y, as people give it, and as rows of k numbers between
TARGETS = {
    NUMBERS: lambda z: z,
    COUNTS: lambda z: np.floor(np.exp(np.minimum(z, 2))),
    POSITIVE: lambda z: np.exp(np.minimum(z, 2)),
    ONE_NUMBER: lambda z: z[:, 0],
    MEANS: lambda z: z[:, : z.shape[1] // 2],
    YES_OR_NO: lambda z: z > 0,
    CLASSES: lambda z: z.argmax(axis=1),
}
SOFT_TARGETS = {
    NUMBERS: lambda z: z,
    COUNTS: lambda z: np.exp(np.minimum(z, 2)),
    POSITIVE: lambda z: np.exp(np.minimum(z, 2)),
    ONE_NUMBER: lambda z: z,
    MEANS: lambda z: np.hstack([z[:, : z.shape[1] // 2]] * 2),
    YES_OR_NO: lambda z: 1 / (1 + np.exp(-z)),
    CLASSES: losses.softmax,
}


def targets(loss, z):
    """y for a loss, which follows the numbers z [n][k]."""
    return TARGETS[losses.LOSSES[loss].target](z)


def soft_targets(loss, z):
    """The same as rows of k numbers: probabilities where the target is a class or yes or no."""
    return SOFT_TARGETS[losses.LOSSES[loss].target](z)


def written_out(entry, a, y):
    """Each sample's loss [n] and its derivative by a [n][k], as the formulas that are shown say."""
    y = entry.smoothed(y)
    if entry.long_way == losses.MATRIX:
        p = losses.softmax(a)
        return -(y * np.log(p)).sum(axis=1), p * y.sum(axis=1, keepdims=True) - y
    parts = np.split(a, len(entry.members), axis=1)
    terms = parts[0].shape[1]
    symbols = {**entry.settings, **dict(zip(entry.members, parts, strict=True)), "y": y[:, :terms]}
    symbols |= {symbol: np.array(numbers) for symbol, numbers in entry.of_each.items()}
    for symbol, formula in entry.wherein:
        symbols[symbol] = formula.evaluate(symbols)
    slopes = [slope.evaluate(symbols) for slope in entry.slopes]
    return entry.term.evaluate(symbols).sum(axis=1), np.hstack(slopes)


def least_loss(loss, y):
    """The mean loss where the prediction is y: 0, unless the target is a number on a log scale."""
    entry = losses.LOSSES[loss]
    if entry.target not in (COUNTS, POSITIVE):
        return 0.0
    logs = np.log(np.maximum(y, 1e-30))
    return entry.value(logs, y, *entry.settings.values()).mean()


def last_activation(loss, activation):
    """Of the last layer: this one where the loss allows it."""
    return "identity" if losses.LOSSES[loss].takes_logits else activation


def fits(loss, n_outputs):
    """Whether an entry goes with so many outputs."""
    misfit = loss.misfit and loss.misfit(n_outputs, *loss.settings.values())
    return n_outputs >= loss.least_outputs and not misfit


def outputs_of(loss):
    """The least number of outputs above one that an entry goes with."""
    return next(n for n in range(2, 9) if fits(loss, n))


# of classes for which 0.01 is no rate
RATES = {bp.RMSprop: 0.003, bp.Adagrad: 0.1, bp.Adadelta: 20.0}


def tamed(network):
    """The same one, with weights so small that activations which grow as exp does stay finite.

    exp(exp(exp(z))) overflows for a z of 2; what is tested would be infinite, and show nothing.
    """
    for layer in network.layers:
        entry = records.find("activation", layer.activation, activations.ACTIVATIONS)
        if entry.overflows_above is not None:
            layer.weights[...] *= 0.1
    return network


def every_optimizer(**chosen):
    """{name: optimizer}: those chosen; and of classes of which none is, all variants."""
    kinds = {type(optimizer) for optimizer in chosen.values()}
    others = [kind for kind in optimizers.OPTIMIZERS.values() if kind not in kinds]
    made = [
        kind(RATES.get(kind, 0.01), **given) for kind in others for given in ({}, *kind.variants)
    ]
    return {**chosen, **{str(optimizer): optimizer for optimizer in made}}


OPTIMIZERS = every_optimizer(
    sgd=bp.SGD(0.05),
    momentum=bp.SGD(0.02, momentum=0.9),
    nesterov=bp.SGD(0.02, momentum=0.9, nesterov=True),
    adam=bp.Adam(0.01),
)


def make(loss="softmax_cross_entropy", optimizer="adam", seed=3, **options):
    layers = [bp.Dense(11, "tanh"), bp.Dense(4)]
    return bp.Network(6, layers, loss=loss, optimizer=OPTIMIZERS[optimizer], seed=seed, **options)


def data(loss="softmax_cross_entropy", n=50):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 6))
    return X, targets(loss, X @ rng.normal(size=(6, 4)))


def snapshot(network):
    """All that training changes, as bytes."""
    arrays = [array for layer in network.layers for array in (layer.weights, layer.bias)]
    for views in network.optimizer_state().values():
        arrays += [array for pair in views for array in pair]
    return [array.tobytes() for array in arrays]


def printed(program):
    """What a program, which may import tests, prints on each instruction set that fuses: a set.

    Baseline x86-64 rounds products and sums separately, and so has other bits.
    """
    found = set()
    program = f"import sys; sys.path.append({str(Path(__file__).parent)!r})\n{program}"
    for name, runs in kernels.instruction_sets().items():
        if runs and name != "baseline":
            environment = {**os.environ, "BACKPROP_ISA": name}
            command = [sys.executable, "-c", program]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            found.add(done.stdout)
    return found
