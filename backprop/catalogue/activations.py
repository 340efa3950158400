"""Activations: what each is, for people and for every part of the library that asks.

An entry here and a row in csrc/kernels/activations.h make an activation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backprop.catalogue.formula import Formula
from backprop.catalogue.records import Entry, Parameter, table_of


@dataclass(frozen=True, repr=False)
class Activation(Entry):
    """An activation a = f(z), elementwise.

    Attributes
    ----------
    name : str
    formula, slope : Formula
        f(z), and f'(z) in terms of z and a, as people read them.
    source : str
        Where it was proposed or is explained.
    value : callable
        f as numpy has it: (z, *values) -> a; nan stays nan.
    derivative : callable
        f': (z, a, *values) -> array.
    initial_weights : str
        The scheme that weights before it start with; see ``backprop.catalogue.initializers``.
    kinks : tuple of float
        The z at which f' jumps: there a finite difference is a mean of two slopes.
    largest_slope : float or None
        The most that |f'| can be, where |f'| vanishes for large |z|: such a unit can saturate.
    is_silent_below : float or None
        The z below which a and f' are both 0: such a unit can fall silent for good.
    scikit_learn : str or None
        What scikit-learn calls it, all of whose slopes a alone gives: ``derivative(None, a)``.
    parameters : tuple of Parameter
    values : tuple of float
        Of the parameters; () for their defaults.
    """

    name: str
    formula: Formula
    slope: Formula
    source: str
    value: Callable[..., np.ndarray]
    derivative: Callable[..., np.ndarray]
    initial_weights: str = "glorot_uniform"
    kinks: tuple[float, ...] = ()
    largest_slope: float | None = None
    is_silent_below: float | None = None
    scikit_learn: str | None = None
    parameters: tuple[Parameter, ...] = ()
    values: tuple[float, ...] = ()

    @property
    def is_identity(self) -> bool:
        """Whether a is z itself."""
        return self.formula.expression == "z"


def _identity(z):
    return z


def _d_identity(z, a):
    return np.ones_like(a)


def _sigmoid(z):
    e = np.exp(-np.abs(z))  # of a number that is never positive: cannot overflow
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


def _d_sigmoid(z, a):
    return a * (1 - a)


def _tanh(z):
    return np.tanh(z)


def _d_tanh(z, a):
    return 1 - a * a


def _relu(z):
    return np.maximum(z, 0)  # nan stays nan


def _d_relu(z, a):
    return (a > 0).astype(a.dtype)  # at z = 0, where there is no derivative, 0 is used


ACTIVATIONS = table_of(
    Activation(
        name="identity",
        formula=Formula("z"),
        slope=Formula("1"),
        source="–",
        value=_identity,
        derivative=_d_identity,
        scikit_learn="identity",
    ),
    Activation(
        name="sigmoid",
        formula=Formula("1 / (1 + exp(-z))"),
        slope=Formula("a * (1 - a)"),
        source="Rumelhart, Hinton and Williams 1986",
        value=_sigmoid,
        derivative=_d_sigmoid,
        largest_slope=0.25,
        scikit_learn="logistic",
    ),
    Activation(
        name="tanh",
        formula=Formula("tanh(z)"),
        slope=Formula("1 - a**2"),
        source="LeCun, Bottou, Orr and Müller 1998",
        value=_tanh,
        derivative=_d_tanh,
        largest_slope=1.0,
        scikit_learn="tanh",
    ),
    Activation(
        name="relu",
        formula=Formula("max(0, z)"),
        slope=Formula("where(z > 0, 1, 0)"),
        source="Nair and Hinton 2010",
        value=_relu,
        derivative=_d_relu,
        initial_weights="he_uniform",
        kinks=(0.0,),
        is_silent_below=0.0,
        scikit_learn="relu",
    ),
)

ALIASES = {
    "linear": "identity",
    "none": "identity",
    "logistic": "sigmoid",
    "expit": "sigmoid",
    "hyperbolic_tangent": "tanh",
    "rectifier": "relu",
    "rectified_linear": "relu",
}
