"""What the kernels are tested with: every row of the catalogue, so that a new one is tested too.

Expected values are the catalogue's, which are plain numpy.
"""

import itertools
import re
from dataclasses import fields
from pathlib import Path

import numpy as np

from backprop.catalogue import activations, losses, optimizers

ACTIVATIONS = activations.ACTIVATIONS
LOSSES = {name: entry for name, entry in losses.LOSSES.items() if entry.misfit is None}
CSRC = Path(__file__).resolve().parent.parent.parent / "csrc"


def random(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def wider(dtype):
    return np.float64 if dtype == "float32" else np.longdouble


# ---- activations ------------------------------------------------------------------------------


def names_in(table):
    """The names in one of the tables of csrc/kernels/activations.h."""
    source = (CSRC / "kernels" / "activations.h").read_text(encoding="utf-8")
    rows = re.search(rf"#define {table}\(ROW\)((?:.*\\\n)*.*)", source).group(1)
    return re.findall(r"ROW\(\w+, (\w+)\)", rows)


# Those that need z for f'(z), and so have it kept on the way forward.
KEPT = frozenset([*names_in("KEPT_ACTIVATIONS"), *names_in("LEARNED_ACTIVATIONS")])


def activation_of(entry):
    """The arguments by which probe.Product knows an activation."""
    name, values = entry.row
    return {"activation": name, **({"parameters": values} if values else {})}


def value(entry, z):
    with np.errstate(all="ignore"):
        return entry.value(z, *entry.settings.values())


def derivative(entry, z, a):
    with np.errstate(all="ignore"):
        return entry.derivative(z, a, *entry.settings.values())


# ---- losses -----------------------------------------------------------------------------------


def targets_for(loss, n_out, columns, dtype):
    """[n_out][columns] of what a loss may be asked about."""
    if loss.target.is_class:
        y = np.abs(random((n_out, columns), dtype, seed=3))
        sums = np.linspace(0.5, 1.5, columns, dtype=dtype)  # probabilities that are rounded miss 1
        return y / y.sum(axis=0) * sums
    if loss.target.is_categorical:
        y = np.random.default_rng(3).choice([0, 1, 0.25], (n_out, columns)).astype(dtype)
    else:
        y = random((n_out, columns), dtype, seed=3)
    for accepted in (y, np.abs(y), np.round(y)):
        try:
            loss.target.check("y", accepted.T, n_out, loss.name)
        except ValueError:
            continue
        return accepted
    raise ValueError(f"no targets are known that {loss.name} accepts")


# ---- optimizers -------------------------------------------------------------------------------

LEARNING_RATE, L2 = 0.1, 0.3
ALL_DECAYS = 0.2  # as l2, which stands for the other two as well


def choices(field):
    """The values that a hyper-parameter is tested with."""
    default = field.default
    if field.name == "learning_rate":
        return (LEARNING_RATE,)
    if field.name in optimizers.ADDED:  # together with l2: see all_of
        return (optimizers.ADDED[field.name],)
    if field.name == "l2":
        return (0.0, L2, ALL_DECAYS)
    if isinstance(default, bool):
        return (default, not default)
    if default == 0:
        return (0.0, 0.9)
    if default < 1e-3:  # such as epsilon: hardly to be seen, unless it is larger
        return (default, 0.05)
    return (default,)


def all_of(kind):
    """{what is unusual about it: an optimizer} of one class, in every way that it can be made."""
    given = fields(kind)
    found = {}
    for values in itertools.product(*map(choices, given)):
        settings = {field.name: chosen for field, chosen in zip(given, values, strict=True)}
        if settings["l2"] == ALL_DECAYS:
            settings |= {"l1": 0.4, "weight_decay": 0.5}
        try:
            made = kind(**settings)
        except ValueError:  # what cannot be combined
            continue
        unusual = [
            f"{field.name}={settings[field.name]}"
            for field in given
            if settings[field.name] not in (field.default, LEARNING_RATE)
        ]
        found[" ".join([made.kind, *unusual])] = made
    return found


OPTIMIZERS = {}
for _kind in optimizers.OPTIMIZERS.values():
    OPTIMIZERS.update(all_of(_kind))

# One of each row, with and without l2: what a loop does does not depend on other settings.
ONE_OF_EACH = {}
for _made in OPTIMIZERS.values():
    _decays = "".join([" with l2" * (_made.l2 > 0), " and more" * (_made.l1 > 0)])
    ONE_OF_EACH.setdefault(_made.kind + _decays, _made)

T = 3  # the step that is tested, counted from 1


def parameters(optimizer, rows, columns, dtype):
    """(gradient, weights, moments) before step T, the moments as T - 1 steps make them."""
    gradient, weights = (random((rows, columns), dtype, seed=seed) for seed in range(2))
    moments = [np.zeros((rows, columns)) for _ in optimizer.moments]
    for t in range(1, T):
        w, g = weights.astype(float), random((rows, columns), float, seed=10 + t)
        optimizer.update(w, g, moments, t)
    return gradient, weights, [moment.astype(dtype) for moment in moments]


def updated(optimizer, gradient, weights, moments, t=T):
    """(weights, moments) after step t, by the catalogue in float64; the last row is a bias."""
    w, g, m = (
        weights.astype(float),
        gradient.astype(float),
        [each.astype(float) for each in moments],
    )
    optimizer.update(w[:-1], g[:-1], [each[:-1] for each in m], t, sums=1.0)
    optimizer.update(w[-1:], g[-1:], [each[-1:] for each in m], t)
    return w, m
