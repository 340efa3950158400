"""Initial weights: how each scheme draws them. Biases start at 0.

A scheme is a distribution and its scale. What is drawn follows from the network's seed and the
layer's place; the distributions themselves are in `backprop.reference` and the core, with the same
bits on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backprop.catalogue.records import Entry, Parameter, find, table_of
from backprop.validation import check_array


@dataclass(frozen=True, repr=False)
class Initializer(Entry):
    """A scheme of initial weights.

    Attributes
    ----------
    name, formula, source, advice : str
    scale : callable
        (n_in, n_out, *values) -> float.
    distribution : {"uniform", "normal", "orthogonal", "constant"}
        Uniform in ±scale; normal of that deviation, not truncated; a matrix with orthonormal rows
        or columns, whichever are fewer, times the scale; all of them the scale.
    parameters : tuple of Parameter
    values : tuple of float
        Of the parameters; () for their defaults.
    """

    name: str
    formula: str
    source: str
    advice: str
    scale: Callable[..., float]
    distribution: str
    parameters: tuple[Parameter, ...] = ()
    values: tuple[float, ...] = ()

    def drawn(self, n_in: int, n_out: int) -> tuple[str, float]:
        """The distribution and its scale, as the core takes them."""
        return self.distribution, self.scale(n_in, n_out, *self.in_order)


class OwnWeights:
    """Weights of one's own, a read-only copy in float64: equal to another of the same numbers."""

    def __init__(self, values):
        values = check_array("weights", values)
        if values.ndim != 2:
            raise ValueError(f"weights has shape {values.shape}, expected (n_in, units)")
        if not np.isfinite(values).all():
            raise ValueError("weights holds nan or infinity: expected finite numbers")
        self.values = np.array(values, np.float64)
        self.values.flags.writeable = False

    @property
    def label(self):
        """Itself: it has no name by which it could be found again."""
        return self

    def drawn(self, n_in: int, n_out: int) -> np.ndarray:
        """The array; ValueError where it does not fit."""
        if self.values.shape != (n_in, n_out):
            raise ValueError(f"weights has shape {self.values.shape}, expected {(n_in, n_out)}")
        return self.values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)

    def __eq__(self, other):
        return isinstance(other, OwnWeights) and np.array_equal(self.values, other.values)

    def __hash__(self):
        return hash((self.values.shape, self.values.tobytes()))

    def __repr__(self):
        return f"array of shape {self.values.shape}"


INITIALIZERS = table_of(
    Initializer(
        name="glorot_uniform",
        formula="uniform in ±√(6 / (n_in + n_out))",
        source="Glorot and Bengio 2010",
        advice="Before tanh, sigmoid and the identity, whose slope at 0 is about 1.",
        scale=lambda n_in, n_out: math.sqrt(6 / (n_in + n_out)),
        distribution="uniform",
    ),
    Initializer(
        name="he_uniform",
        formula="uniform in ±√(6 / n_in)",
        source="He, Zhang, Ren and Sun 2015",
        advice="Before relu and its kin, which halve the variance.",
        scale=lambda n_in, n_out: math.sqrt(6 / n_in),
        distribution="uniform",
    ),
    Initializer(
        name="lecun_uniform",
        formula="uniform in ±√(3 / n_in)",
        source="LeCun, Bottou, Orr and Müller 1998",
        advice="Before selu, or where forward activations alone are to keep their variance.",
        scale=lambda n_in, n_out: math.sqrt(3 / n_in),
        distribution="uniform",
    ),
    Initializer(
        name="glorot_normal",
        formula="normal, σ = √(2 / (n_in + n_out))",
        source="Glorot and Bengio 2010",
        advice="As glorot_uniform, of the same variance.",
        scale=lambda n_in, n_out: math.sqrt(2 / (n_in + n_out)),
        distribution="normal",
    ),
    Initializer(
        name="he_normal",
        formula="normal, σ = √(2 / n_in)",
        source="He, Zhang, Ren and Sun 2015",
        advice="As he_uniform, of the same variance.",
        scale=lambda n_in, n_out: math.sqrt(2 / n_in),
        distribution="normal",
    ),
    Initializer(
        name="lecun_normal",
        formula="normal, σ = √(1 / n_in)",
        source="LeCun, Bottou, Orr and Müller 1998",
        advice="Before selu, as its authors have it.",
        scale=lambda n_in, n_out: math.sqrt(1 / n_in),
        distribution="normal",
    ),
    Initializer(
        name="orthogonal",
        formula="gain · Q, of Q's rows and columns the fewer are orthonormal",
        source="Saxe, McClelland and Ganguli 2014",
        advice="Deep networks: a product of such matrices neither grows nor shrinks.",
        scale=lambda n_in, n_out, gain: gain,
        distribution="orthogonal",
        parameters=(Parameter("gain", 1.0, "what Q is multiplied by", above=True),),
    ),
    Initializer(
        name="zeros",
        formula="0",
        source="–",
        advice="A last layer alone: before it, all units of a layer would stay alike.",
        scale=lambda n_in, n_out: 0.0,
        distribution="constant",
    ),
    Initializer(
        name="constant",
        formula="value",
        source="–",
        advice="To compare with a calculation by hand.",
        scale=lambda n_in, n_out, value: value,
        distribution="constant",
        parameters=(Parameter("value", 0.1, "all of them", minimum=-math.inf),),
    ),
)

ALIASES = {
    "xavier": "glorot_uniform",
    "xavier_uniform": "glorot_uniform",
    "xavier_uniform_": "glorot_uniform",
    "xavier_normal": "glorot_normal",
    "xavier_normal_": "glorot_normal",
    "glorot": "glorot_uniform",
    "kaiming": "he_uniform",
    "kaiming_uniform": "he_uniform",
    "kaiming_uniform_": "he_uniform",
    "kaiming_normal": "he_normal",
    "kaiming_normal_": "he_normal",
    "he": "he_uniform",
    "lecun": "lecun_normal",
    "variance_scaling": "lecun_normal",
    "uniform": "glorot_uniform",
    "normal": "glorot_normal",
    "random_normal": "glorot_normal",
    "truncated_normal": "glorot_normal",
    "zero": "zeros",
    "zeros_": "zeros",
    "ones": "constant",
    "constant_": "constant",
    "orthogonal_": "orthogonal",
    "identity": "orthogonal",
}


def find_initializer(value):
    """The scheme of that name, or that is given, or an array of one's own as `OwnWeights`."""
    if isinstance(value, (str, Initializer)):  # as a union it would take longer to ask
        return find("weights", value, INITIALIZERS, ALIASES)
    return value if isinstance(value, OwnWeights) else OwnWeights(value)
