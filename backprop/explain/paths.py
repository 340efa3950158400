"""The chain rule as products: the factors on each path from a weight to the loss."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from backprop.explain import trial, update, writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from backprop.explain.trace import Source, Trace

LOSS, WEIGHT, INPUT = "loss derivative", "upstream weight", "input"
BEYOND = "sum of the paths beyond"
MOST_PATHS = 12  # more are grouped by the unit of the next layer that they go through


class Factor(NamedTuple):
    """One factor of a product.

    ``kind`` is "loss derivative", "dropout mask", "activation derivative", "upstream weight",
    "input" or "sum of the paths beyond"; ``quantity`` one of da, dout, mask, derivative, weight, a,
    x, one and dz; ``layer`` and ``units`` say which, counted from 0.
    """

    kind: str
    quantity: str
    layer: int
    units: tuple[int, ...]
    value: float

    @property
    def symbol(self) -> str:
        """As a formula has it, layers and units counted from 1: ``f′(z⁽²⁾₁)``."""
        return writing.symbol(self.quantity, self.layer, self.units)


class Path(NamedTuple):
    """One path, or the group of those that go through one unit of the next layer.

    ``units``: from the weight's unit on, one of each layer on the way. ``factors``: as the
    derivative comes back, loss first, input last. ``product``: theirs.
    """

    units: tuple[int, ...]
    factors: list[Factor]
    product: float


class WeightGradient:
    """Where the gradient of one weight or bias comes from: `Trace.gradient` makes it.

    Attributes
    ----------
    layer, source, unit, sample
        As they were asked for.
    """

    def __init__(self, trace: Trace, layer: int, source: Source, unit: int, sample: int) -> None:
        self.trace = trace
        self.layer, self.source, self.unit, self.sample = layer, source, unit, sample

    def of(self, parameters: Sequence[NDArray[Any]]) -> float:
        """This weight's number in (weights, bias), such as one of ``Trace.differences``."""
        weights, bias = parameters
        return float(bias[self.unit] if self.source == "bias" else weights[self.source, self.unit])

    @property
    def value(self) -> float:
        """The weight, or the bias, itself."""
        layer = self.trace.layers[self.layer]
        return self.of((layer.weights, layer.bias))

    @property
    def gradient(self) -> float:
        """∂C/∂w of the batch's cost, as training uses it."""
        return self.of(self.trace.layers[self.layer].gradient)

    @property
    def decay(self) -> float:
        """What the optimizer's l2 adds to the gradient: λ/Σw · w, and 0 for a bias."""
        if self.source == "bias":
            return 0.0
        return self.trace.optimizer.l2 / self.trace.weight_sum * self.value

    @property
    def step(self) -> float:
        """What the optimizer's next step would add."""
        return self.of(self.trace.layers[self.layer].step)

    @property
    def after(self) -> float:
        """The weight after that step."""
        return self.value + self.step

    @property
    def moments(self) -> dict[str, float]:
        """As ``optimizer_state`` names them: this weight's own, before that step."""
        moments = self.trace.layers[self.layer].moments
        return {name: self.of(both) for name, both in moments.items()}

    @property
    def moments_after(self) -> dict[str, float]:
        """The same after that step."""
        moments = self.trace.layers[self.layer].moments_after
        return {name: self.of(both) for name, both in moments.items()}

    @property
    def update(self) -> list[update.Assignment]:
        """The optimizer's step as the assignments that books write: a list of Assignment."""
        return update.assignments(self)

    @cached_property
    def finite_difference(self) -> float:
        """The central difference of the cost by this weight, in float64."""
        return self.trace.difference(self.layer, self.source, self.unit)

    @property
    def relative_error(self) -> float:
        """Of the gradient and the difference: what they differ by over the larger of the two.

        NaN unless both are finite: nothing is settled then.
        """
        return trial.relative_error(self.gradient, self.finite_difference)

    @cached_property
    def kink(self) -> bool:
        """Whether a unit lies on a kink of its activation, or an output on a corner of the loss.

        That is, where the trial moves this weight.

        The difference is then a mean of the slopes on both sides; training takes that of one.
        """
        return self.trace._trial.kink(self.layer, self.source, self.unit)

    @property
    def unresolved(self) -> bool:
        """Whether the relative error is but the rounding of the cost.

        Gradient and difference then differ by less than a trial can resolve, and are so small
        that this is a good part of them.
        """
        if not self.relative_error > trial.NOTABLE:  # NaN too: nothing is settled then
            return False
        apart = abs(self.gradient - self.finite_difference)
        return bool(apart <= trial.resolution(self.trace.cost, self.value))

    @property
    def inputs(self) -> NDArray[Any]:
        """(n,): what each sample multiplies the weight with."""
        if self.source == "bias":
            return np.ones(len(self.trace.x))
        return self.trace.read_by(self.layer)[:, self.source].astype(np.float64)

    @property
    def per_sample(self) -> NDArray[Any]:
        """(n,): what each sample adds to the gradient, share · ∂ℓ/∂z · input."""
        dz = self.trace.layers[self.layer].dz[:, self.unit]
        return self.trace.shares * dz * self.inputs

    @property
    def factors(self) -> list[Factor]:
        """The three factors in this layer: ∂ℓ/∂a, f'(z), input; and the masks of dropout.

        In the last layer ∂ℓ/∂a is the derivative of the loss; in a hidden one it is the sum of
        what comes back on all paths.
        """
        kind = LOSS if self.layer + 1 == len(self.trace.layers) else BEYOND
        return [self._back(kind, self.layer, self.unit), *self._own_factors()]

    @property
    def n_paths(self) -> int:
        """From this weight to the outputs: the product of the widths of the layers above."""
        return prod(layer.n_out for layer in self.trace.layers[self.layer + 1 :])

    @property
    def is_grouped(self) -> bool:
        """Whether a Path of ``paths`` stands for several."""
        return self.n_paths > MOST_PATHS and self.layer + 2 < len(self.trace.layers)

    @cached_property
    def paths(self) -> list[Path]:
        """Every path from this weight to the loss, for the sample: a list of Path.

        Where there are more than twelve they are grouped by the unit of the next layer.
        """
        return self._groups() if self.is_grouped else list(self.every_path())

    @property
    def sum(self) -> float:
        """Σ of the paths' products: ∂ℓ/∂w of the sample's loss."""
        return float(np.sum([path.product for path in self.paths]))

    def every_path(self) -> Iterator[Path]:
        """One Path after another, however many."""
        for units in self._ways((self.unit,)):
            factors = self._path_factors(units)
            yield Path(units, factors, prod(factor.value for factor in factors))

    def _ways(self, units):
        layer = self.layer + len(units)
        if layer == len(self.trace.layers):
            yield units
            return
        for unit in range(self.trace.layers[layer].n_out):
            yield from self._ways((*units, unit))

    def _path_factors(self, units):
        """From the loss down: a layer's own factors and a weight for each layer on the way."""
        layers, last = self.trace.layers, len(self.trace.layers) - 1
        factors = [self._back(LOSS, last, units[-1])]
        for place in range(len(units) - 1, 0, -1):
            at, ends = self.layer + place, (units[place - 1], units[place])
            factors += self._through(at, units[place])
            factors.append(Factor(WEIGHT, "weight", at, ends, float(layers[at].weights[ends])))
        return [*factors, *self._own_factors()]

    def _groups(self):
        """For each unit of the next layer, its ∂ℓ/∂z, which holds all paths beyond it."""
        above, found = self.trace.layers[self.layer + 1], []
        for unit in range(above.n_out):
            beyond, ends = float(above.dz[self.sample, unit]), (self.unit, unit)
            factors = [
                Factor(BEYOND, "dz", self.layer + 1, (unit,), beyond),
                Factor(WEIGHT, "weight", self.layer + 1, ends, float(above.weights[ends])),
                *self._own_factors(),
            ]
            found.append(Path(ends, factors, prod(factor.value for factor in factors)))
        return found

    def _own_factors(self):
        """Those of the weight's unit, and the weight's input, of which a mask is a factor too."""
        return [*self._through(self.layer, self.unit), *self._input()]

    def _input(self):
        trace, below = self.trace, self.layer - 1
        if self.source == "bias":
            return [Factor(INPUT, "one", below, (), 1.0)]
        quantity, values, factors = "x", trace.x, trace.input_factors
        if self.layer > 0:
            layer = trace.layers[below]
            quantity, values, factors = "a", layer.a, layer.factors
        scaling = [factor for factor in factors if factor.scales_output]
        value = float(values[self.sample, self.source])
        return [
            *self._values(scaling, below, self.source),
            Factor(INPUT, quantity, below, (self.source,), value),
        ]

    def _back(self, kind, layer, unit):
        """The derivative by a unit's output."""
        own = self.trace.layers[layer]
        value = float(own.da[self.sample, unit])
        return Factor(kind, f"d{own.out_quantity}", layer, (unit,), value)

    def _through(self, layer, unit):
        """From the derivative by a unit's output to that by its z."""
        return self._values(self.trace.layers[layer].factors, layer, unit)

    def _values(self, factors, layer, unit):
        return [
            Factor(own.kind, own.name, layer, (unit,), float(own.values[self.sample, unit]))
            for own in factors
        ]

    @property
    def symbol(self) -> str:
        """As a formula has it, counted from 1: ``w⁽¹⁾₂,₁`` or ``b⁽¹⁾₁``."""
        if self.source == "bias":
            return writing.symbol("bias", self.layer, (self.unit,))
        return writing.symbol("weight", self.layer, (self.source, self.unit))

    def __str__(self) -> str:
        from backprop.explain.forms import text

        return text.weight_text(self)

    def __repr__(self) -> str:
        return f"WeightGradient({self.symbol}, gradient {self.gradient:.6g})"
