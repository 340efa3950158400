"""One layer of a trace, and the factors that a derivative meets on its way back through it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from backprop.explain import writing
from backprop.explain.factors import ACTIVATION, MASK, LayerFactor, LayerTerm, LearnedTrace
from backprop.explain.norm import NormTrace, norm_trace
from backprop.layers import Gradient

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from backprop.catalogue.activations import Activation
    from backprop.catalogue.records import Learned
    from backprop.layers import Arrays

    Source = int | str

BIAS, WEIGHTS = "bias", "weights"


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
        As they were; bias is None where the layer has none.
    beside : dict
        {name: array (n_out,)} of what the layer learns beside these, as it was.
    written : dict
        {name: how people write it} of the same, as the catalogue has it.
    z, a : arrays (n, n_out)
        Pre-activation z = x W + b, and activation a = f(z), or a = f(y) where there is a norm.
    derivative : array (n, n_out)
        f'(z), or f'(y).
    da, dz : arrays (n, n_out) of float64
        ∂ℓ/∂a and ∂ℓ/∂z of each sample's own loss ℓ, whatever the sample weighs; in a network that
        mixes samples, ∂C/∂a and ∂C/∂z of the batch's cost. da is by what the layer hands on.
    norm : NormTrace or None
        What lies between z and f, where there is a norm.
    gradient : Gradient
        Of the cost by all that the layer learns: the arrays that training uses.
    step : Gradient
        What the optimizer's next step would add to it.
    moments, moments_after : dict
        As ``optimizer_state`` has them, before and after that step: {name: (weights, bias)}.
    dropout, noise : float
        The share of its outputs that a step drops, and the deviation of the noise that it adds.
    mask : array (n, n_out) or None
        What the next step multiplies a with, 0 or 1 / (1 - dropout); None where nothing is dropped.
    added_noise : array (n, n_out) or None
        What the next step adds to a, before the mask.
    passed_by : array (n, n_in) or None
        What a residual connection adds last: the layer's inputs.
    out : array (n, n_out)
        What the layer hands on.
    trainable : bool
        Whether the step changes the layer.
    learning_rate_factor : float
        What the learning rate is multiplied by for this layer.
    max_norm : float or None
        The largest norm that the weights of a unit may have after a step.
    norms : array (n_out,) or None
        Where there is such: the norms that the step makes, before they are limited.
    """

    name: str
    function: Activation
    weights: NDArray[Any]
    bias: NDArray[Any] | None
    z: NDArray[Any]
    a: NDArray[Any]
    derivative: NDArray[Any]
    da: NDArray[Any]
    dz: NDArray[Any]
    out: NDArray[Any]
    gradient: Gradient
    step: Gradient
    moments: dict[str, Arrays]
    moments_after: dict[str, Arrays]
    beside: dict[str, NDArray[Any]] = field(default_factory=dict)
    written: dict[str, Learned] = field(default_factory=dict)
    norm: NormTrace | None = None
    dropout: float = 0.0
    noise: float = 0.0
    mask: NDArray[Any] | None = None
    added_noise: NDArray[Any] | None = None
    passed_by: NDArray[Any] | None = None
    trainable: bool = True
    learning_rate_factor: float = 1.0
    max_norm: float | None = None
    norms: NDArray[np.float64] | None = None

    @property
    def activation(self) -> str:
        """Name of the activation, and the values of its parameters if it has any.

        Not of one that its units learn.
        """
        return repr(self.function) if self.function.learned is None else self.function.name

    @property
    def remarks(self) -> list[str]:
        """What is unusual about it, in a few words each."""
        found = [] if self.norm is None else [f"{self.norm.entry.name} norm"]
        if self.noise:
            found.append(f"noise {writing.number(self.noise)}")
        found += ["residual"] if self.is_passed_by else []
        found += [] if self.bias is not None else ["no bias"]
        found += [] if self.trainable else ["frozen"]
        if self.learning_rate_factor != 1:
            found.append(f"learning rate × {writing.number(self.learning_rate_factor)}")
        return found

    @property
    def read_by_f(self) -> str:
        """What the activation is applied to: "z", or "y" of a norm."""
        return "z" if self.norm is None else "y"

    @property
    def n_in(self) -> int:
        """Inputs of the layer."""
        return self.weights.shape[0]

    @property
    def n_out(self) -> int:
        """Units of the layer."""
        return self.weights.shape[1]

    @property
    def parameters(self) -> dict[str, NDArray[Any]]:
        """{name: array} of all that the layer learns, as it was."""
        bias = {} if self.bias is None else {BIAS: self.bias}
        return {WEIGHTS: self.weights, **bias, **self.beside}

    @property
    def sources(self) -> list[Source]:
        """What a `Trace.gradient` of a unit may be by: its inputs, "bias", what else it learns."""
        return [*range(self.n_in), *list(self.parameters)[1:]]

    @cached_property
    def factors(self) -> list[LayerFactor]:
        """From the derivative by what the layer hands on to ∂ℓ/∂z: a list of LayerFactor.

        In this order. Where there is a norm, what its mean and deviation pass on comes to the
        product: see `NormTrace`.
        """
        of = self.read_by_f
        name = "derivative" if self.norm is None else "derivative by y"
        note = f"the slope of {self.activation} at {of}"
        found = [] if self.mask is None else [dropout_factor(self.mask, self.dropout)]
        found.append(LayerFactor(name, ACTIVATION, f"f′({of})", note, self.derivative))
        return found if self.norm is None else [*found, *self.norm.factors]

    @property
    def gathered(self) -> list[LayerFactor]:
        """What a norm's mean and deviation pass on; of all factors the last is theirs too."""
        return [] if self.norm is None else self.norm.gathered

    @cached_property
    def terms(self) -> list[LayerTerm]:
        """What is added to a: a list of LayerTerm."""
        found = []
        if self.added_noise is not None:
            note = f"gaussian noise of deviation {writing.number(self.noise)}, in training alone"
            noise = LayerTerm("noise", writing.LETTERS["noise"], note, self.added_noise)
            found.append(noise._replace(is_drawn=True))
        if self.passed_by is not None:
            note = "the layer’s inputs, which pass it by and are added last"
            residual = LayerTerm("residual", "x", note, self.passed_by)
            found.append(residual._replace(comes_last=True))
        return found

    @property
    def is_passed_by(self) -> bool:
        """Whether a derivative by its output gets back to its inputs on a straight road too."""
        return self.passed_by is not None

    @property
    def out_quantity(self) -> str:
        """As `Factor.quantity` has it: "a", or "out" where ã is another."""
        return "a" if self.mask is None and not self.terms else "out"

    @cached_property
    def learned(self) -> list[LearnedTrace]:
        """What the units learn beside weights and bias: a list of LearnedTrace."""
        n_scaling = 0 if self.mask is None else 1
        symbols = {"z": self.z} if self.norm is None else {"z": self.norm.y, "n": self.norm.n}
        found = []
        for name, form in self.written.items():
            quantity, depth = f"a by {form.symbol}", n_scaling
            if self.norm is not None and name in self.norm.entry.written:
                quantity, depth = "n" if "n" in form.slope.symbols else "one", n_scaling + 1
            inputs = np.broadcast_to(form.slope.evaluate(symbols), self.z.shape)
            found.append(
                LearnedTrace(name, form.symbol, form.meaning, form.slope, quantity, inputs, depth)
            )
        return found

    def learned_as(self, name: str) -> LearnedTrace:
        """The one of that name."""
        return next(own for own in self.learned if own.name == name)

    def back_through(self, depth: int) -> NDArray[np.float64]:
        """(n, n_out): the derivative once it has come through so many of the layer's factors."""
        product = self.da
        for factor in self.factors[:depth]:
            product = product * factor.values
        return product


def as_gradient(parameters, n_out):
    """A Gradient of {name: array}; of a bias that there is none of, zeros."""
    beside = {name: array for name, array in parameters.items() if name not in (WEIGHTS, BIAS)}
    bias = parameters.get(BIAS)
    zeros = np.zeros(n_out) if bias is None else bias
    return Gradient(parameters[WEIGHTS], zeros, beside, bias is not None)


def layer_trace(i, network, after, passed, gradient, norms, x, of):
    """Of layer i: `passed` is what the core kept of each sample, `after` the network a step on.

    `x`: what the layer reads; `of`: what is derived, "ℓ" or "C".
    """
    layer, stepped = network.layers[i], after.layers[i]
    spec = layer.spec
    with np.errstate(invalid="ignore"):  # of an infinite weight
        step = {
            name: stepped.parameters[name].astype(np.float64) - array
            for name, array in layer.parameters.items()
        }
    own = {name: array.copy() for name, array in layer.parameters.items()}
    return LayerTrace(
        name=f"layer {i + 1}",
        function=layer.function,
        weights=own.pop(WEIGHTS),
        bias=own.pop(BIAS, None),
        beside=own,
        written=spec.written,
        z=passed["z"],
        a=passed["a"],
        derivative=passed["derivative"],
        da=passed["da"].astype(np.float64),
        dz=passed["dz"].astype(np.float64),
        out=passed.get("out", passed["a"]),
        norm=None if spec.norm is None else norm_trace(spec.norm_function, passed, own, of),
        gradient=gradient,
        step=as_gradient(step, layer.units),
        moments=_moments(network, i),
        moments_after=_moments(after, i),
        dropout=spec.dropout,
        noise=spec.noise,
        mask=passed.get("mask"),
        added_noise=passed.get("noise"),
        passed_by=x if spec.residual else None,
        trainable=spec.trainable,
        learning_rate_factor=spec.learning_rate_factor,
        max_norm=spec.max_norm,
        norms=norms,
    )


def _moments(network, i):
    return {name: kept[i].copy() for name, kept in network.optimizer_state().items()}
