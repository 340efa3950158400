"""A dense layer as a value, and a trained layer as views of the network's parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backprop.activations import ACTIVATIONS
from backprop.validation import check_array, check_integer, check_name

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Dense:
    """A dense layer: a = f(x W + b), W of shape (n_in, units), b of shape (units,).

    Parameters
    ----------
    units : int
        Number of outputs, at least 1.
    activation : {"identity", "sigmoid", "tanh", "relu"}, default "identity"
        f; the formulas are in ``backprop.activations``.

    Raises
    ------
    ValueError, TypeError
        When units is not a positive integer, or the activation has no such name.
    """

    units: int
    activation: str = "identity"

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", check_integer("units", self.units, 1))
        check_name("activation", self.activation, ACTIVATIONS)


class Layer:
    """One layer of a network.

    ``weights`` (n_in, units) and ``bias`` (units,) are views: writing to them changes the network.
    """

    __slots__ = ("_bias", "_spec", "_weights")

    def __init__(self, spec: Dense, weights: NDArray[Any], bias: NDArray[Any]) -> None:
        self._spec, self._weights, self._bias = spec, weights, bias

    @property
    def units(self) -> int:
        """Number of outputs."""
        return self._spec.units

    @property
    def activation(self) -> str:
        """Name of the activation."""
        return self._spec.activation

    @property
    def weights(self) -> NDArray[Any]:
        """(n_in, units) view of the weights; assigning copies the values into it."""
        return self._weights

    @weights.setter
    def weights(self, values: ArrayLike) -> None:
        self._weights[...] = _same_shape("weights", values, self._weights.shape)

    @property
    def bias(self) -> NDArray[Any]:
        """(units,) view of the bias; assigning copies the values into it."""
        return self._bias

    @bias.setter
    def bias(self, values: ArrayLike) -> None:
        self._bias[...] = _same_shape("bias", values, self._bias.shape)

    def __repr__(self) -> str:
        n_in, units = self._weights.shape
        return f"Layer({n_in} -> {units}, {self.activation!r})"


def _same_shape(name, values, shape):
    values = check_array(name, values)
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape}, expected {shape}")
    return values
