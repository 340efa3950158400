"""A dense layer as a value, and a trained layer as views of the network's parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from backprop.attributes import OF_A_LAYER, Guarded
from backprop.catalogue import records
from backprop.catalogue.activations import ACTIVATIONS, ALIASES, Activation
from backprop.catalogue.initializers import INITIALIZERS
from backprop.validation import MAX_SIZE, check_array, check_finite_in, check_integer, check_real

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike, NDArray


@records.says_how_to_change
@dataclass(frozen=True)
class Dense(records.Hinted):
    """A dense layer: a = f(x W + b), W of shape (n_in, units), b of shape (units,).

    Parameters
    ----------
    units : int
        Number of outputs, at least 1.
    activation : str or Activation, default "identity"
        f: the name of one of ``backprop.catalogue.activations.ACTIVATIONS``, or that entry.
    dropout : float, default 0.0
        The share of the outputs that a training step sets to 0, in [0, 1); the others are divided
        by 1 - dropout, and predictions are made with all of them (Srivastava et al. 2014). Which
        ones follows from the network's seed, the number of the step and the place in the batch.

    Raises
    ------
    ValueError, TypeError
        When units is not a positive integer, or the activation has no such name.
    """

    units: int
    activation: str | Activation = "identity"
    dropout: float = 0.0

    how_to_change: ClassVar[str] = (
        "make another, dataclasses.replace(dense, {name}=…), before the network is made"
    )
    keyword_aliases: ClassVar[dict[str, str]] = {
        "n_units": "units",
        "size": "units",
        "n_outputs": "units",
        "out_features": "units",
        "function": "activation",
        "nonlinearity": "activation",
    }

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", check_integer("units", self.units, 1))
        found = records.find("activation", self.activation, ACTIVATIONS, ALIASES)
        object.__setattr__(self, "activation", found.label)
        object.__setattr__(self, "dropout", check_real("dropout", self.dropout, 0, below=1))

    @property
    def function(self) -> Activation:
        """The activation's entry in the catalogue."""
        return records.find("activation", self.activation, ACTIVATIONS)

    @property
    def description(self) -> dict[str, Any]:
        """What JSON can hold, of which `described_layer` makes an equal one: no defaults."""
        changed = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }
        return {**changed, "units": self.units, "activation": self.function.description}


def described_layer(description):
    """The `Dense` that `Dense.description` describes."""
    activation = records.described("activation", description["activation"], ACTIVATIONS)
    return Dense(**{**description, "activation": activation})


class Layer(Guarded):
    """One layer of a network.

    ``weights`` (n_in, units) and ``bias`` (units,) are views: writing to them changes the network.
    """

    __slots__ = ("_bias", "_spec", "_weights")
    instead: ClassVar[dict[str, str]] = OF_A_LAYER

    def __init__(self, spec: Dense, weights: NDArray[Any], bias: NDArray[Any]) -> None:
        self._spec, self._weights, self._bias = spec, weights, bias

    @property
    def spec(self) -> Dense:
        """What it was made from."""
        return self._spec

    @property
    def units(self) -> int:
        """Number of outputs."""
        return self._spec.units

    @property
    def activation(self) -> str:
        """Name of the activation."""
        return self._spec.activation

    @property
    def function(self) -> Activation:
        """The activation's entry in the catalogue: formula, numpy value, derivative."""
        return self._spec.function

    @property
    def weights(self) -> NDArray[Any]:
        """(n_in, units) view of the weights; assigning copies the values into it."""
        return self._weights

    @weights.setter
    def weights(self, values: ArrayLike) -> None:
        self._weights[...] = check_parameter("weights", values, self._weights)

    @property
    def bias(self) -> NDArray[Any]:
        """(units,) view of the bias; assigning copies the values into it."""
        return self._bias

    @bias.setter
    def bias(self, values: ArrayLike) -> None:
        self._bias[...] = check_parameter("bias", values, self._bias)

    def __repr__(self) -> str:
        n_in, units = self._weights.shape
        return f"Layer({n_in} -> {units}, {self.activation!r})"


class Gradient(NamedTuple):
    """Of one layer: ``weights`` (n_in, units) and ``bias`` (units,)."""

    weights: NDArray[Any]
    bias: NDArray[Any]


def check_layers(layers):
    """A tuple of at least one Dense."""
    if isinstance(layers, Dense):
        layers = [layers]
    if not isinstance(layers, Iterable):
        raise TypeError(f"layers={layers!r}: expected a list of bp.Dense(units, activation)")
    specs = tuple(layers)
    if not specs:
        raise ValueError("layers is empty: expected at least one bp.Dense")
    for i, spec in enumerate(specs):
        if not isinstance(spec, Dense):
            raise TypeError(f"layers[{i}]={spec!r}: expected bp.Dense(units, activation)")
        check_integer(f"layers[{i}].units", spec.units, 1, MAX_SIZE)
    return specs


def core_layers(n_inputs, specs):
    """What the core is told of each layer: units, activation, limit of the initial weights."""
    n_in, found = n_inputs, []
    for spec in specs:
        scheme = INITIALIZERS[spec.function.initial_weights]
        limit = scheme.limit(n_in, spec.units)
        found.append((spec.units, spec.function.row, limit, spec.dropout))
        n_in = spec.units
    return found


def check_parameter(name, values, own):
    """Finite values that fit the array `own`."""
    values = check_array(name, values)
    if values.shape != own.shape:
        raise ValueError(f"{name} has shape {values.shape}, expected {own.shape}")
    return check_finite_in(name, values, own.dtype)
