"""One layer of a trace, and the factors that a derivative meets on its way back through it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from backprop.explain import writing
from backprop.layers import Gradient

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from backprop.catalogue.activations import Activation

ACTIVATION, MASK = "activation derivative", "dropout mask"  # kinds of factors


class LayerFactor(NamedTuple):
    """What a derivative is multiplied with on its way back from a layer's output to its z.

    ``name``: the quantity of a `Factor`; ``kind``: as there; ``symbol``: without layer and unit;
    ``note``: what it is; ``values`` (n, units): of each sample and unit; ``scales_output``: whether
    the output itself has the factor too, and so what the next layer's weights are multiplied with.
    """

    name: str
    kind: str
    symbol: str
    note: str
    values: NDArray[Any]
    scales_output: bool


def dropout_factor(mask, rate):
    """Of a layer that drops, or of the inputs."""
    kept = writing.number(1 / (1 - rate))
    note = f"0 where the step drops the unit, else 1 / (1 − {writing.number(rate)}) = {kept}"
    return LayerFactor("mask", MASK, writing.LETTERS["mask"], note, mask, True)


@dataclass(frozen=True, eq=False)  # of arrays == has no one answer
class LayerTrace:
    """One layer of a trace; n samples, a row each.

    Attributes
    ----------
    name : str
        "layer 1" is the first.
    activation : str
        Its name, and the values of its parameters if it has any.
    function : Activation
        Its entry in the catalogue.
    weights, bias : arrays (n_in, n_out) and (n_out,)
        As they were.
    z, a : arrays (n, n_out)
        Pre-activation z = x W + b, and activation a = f(z).
    derivative : array (n, n_out)
        f'(z).
    da, dz : arrays (n, n_out) of float64
        ∂ℓ/∂a and ∂ℓ/∂z = ∂ℓ/∂a · f'(z) of each sample's own loss ℓ, whatever the sample weighs.
        Where the layer drops, da is by the output ã = mask · a, and ∂ℓ/∂z = ∂ℓ/∂ã · mask · f'(z).
    gradient : Gradient
        Of the cost by the weights and the bias: the arrays that training uses.
    step : Gradient
        What the optimizer's next step would add to the weights and the bias.
    moments, moments_after : dict
        As ``optimizer_state`` has them, before and after that step: {name: (weights, bias)}.
    dropout : float
        The share of its outputs that a step drops.
    mask : array (n, n_out) or None
        What the next step multiplies a with, 0 or 1 / (1 - dropout); None where nothing is dropped.
    max_norm : float or None
        The largest norm that the weights of a unit may have after a step.
    norms : array (n_out,) or None
        Where there is such: the norms that the step makes, before they are limited.
    """

    name: str
    function: Activation
    weights: NDArray[Any]
    bias: NDArray[Any]
    z: NDArray[Any]
    a: NDArray[Any]
    derivative: NDArray[Any]
    da: NDArray[Any]
    dz: NDArray[Any]
    gradient: Gradient
    step: Gradient
    moments: dict[str, tuple[NDArray[Any], NDArray[Any]]]
    moments_after: dict[str, tuple[NDArray[Any], NDArray[Any]]]
    dropout: float = 0.0
    mask: NDArray[Any] | None = None
    max_norm: float | None = None
    norms: NDArray[np.float64] | None = None

    @property
    def activation(self) -> str:
        """Name of the activation, and the values of its parameters if it has any."""
        return repr(self.function)

    @property
    def n_in(self) -> int:
        """Inputs of the layer."""
        return self.weights.shape[0]

    @property
    def n_out(self) -> int:
        """Units of the layer."""
        return self.weights.shape[1]

    @cached_property
    def factors(self) -> list[LayerFactor]:
        """From ∂ℓ/∂a, or ∂ℓ/∂ã where it drops, to ∂ℓ/∂z: a list of LayerFactor, in this order."""
        note = f"the slope of {self.activation} at z"
        own = LayerFactor("derivative", ACTIVATION, "f′(z)", note, self.derivative, False)
        return [own] if self.mask is None else [dropout_factor(self.mask, self.dropout), own]

    @property
    def out(self) -> NDArray[Any]:
        """(n, n_out): what the layer hands on, a or ã."""
        return self.a if self.mask is None else self.a * self.mask

    @property
    def out_quantity(self) -> str:
        """As `Factor.quantity` has it: "a", or "out" where ã is another."""
        return "a" if self.mask is None else "out"


def layer_trace(i, network, after, passed, gradient, norms):
    """Of layer i: `passed` is what the core kept of each sample, `after` the network a step on."""
    layer, stepped = network.layers[i], after.layers[i]
    with np.errstate(invalid="ignore"):  # of an infinite weight
        step = Gradient(
            stepped.weights.astype(np.float64) - layer.weights,
            stepped.bias.astype(np.float64) - layer.bias,
        )
    return LayerTrace(
        name=f"layer {i + 1}",
        function=layer.function,
        weights=layer.weights.copy(),
        bias=layer.bias.copy(),
        z=passed["z"],
        a=passed["a"],
        derivative=passed["derivative"],
        da=passed["da"].astype(np.float64),
        dz=passed["dz"].astype(np.float64),
        gradient=gradient,
        step=step,
        moments=_moments(network, i),
        moments_after=_moments(after, i),
        dropout=layer.spec.dropout,
        mask=passed.get("mask"),
        max_norm=layer.spec.max_norm,
        norms=norms,
    )


def _moments(network, i):
    return {
        name: tuple(part.copy() for part in kept[i])
        for name, kept in network.optimizer_state().items()
    }
