"""The chain rule as products: the factors on each path from a weight to the loss."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from backprop.catalogue.notation import spelling
from backprop.explain import trial, update, writing
from backprop.explain.factors import BEYOND, INPUT, LOSS, STRAIGHT, WEIGHT
from backprop.explain.layer import BIAS, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from backprop.explain.factors import LearnedTrace
    from backprop.explain.layer import LayerTrace
    from backprop.explain.trace import Source, Trace
    from backprop.layers import Arrays

MOST_PATHS = 12  # more are grouped by the unit of the next layer that they go through


class Factor(NamedTuple):
    """One factor of a product.

    ``kind`` is one of those in ``backprop.explain.factors``, such as "loss derivative" or "input";
    ``quantity`` one of those that ``backprop.explain.writing`` has a symbol for, such as da, mask,
    derivative, weight, a and x; ``layer`` and ``units`` say which, counted from 0; ``of``: what a
    derivative is of, ℓ or C.
    """

    kind: str
    quantity: str
    layer: int
    units: tuple[int, ...]
    value: float
    of: str = "ℓ"

    @property
    def symbol(self) -> str:
        """As a formula has it, layers and units counted from 1: ``f′(z⁽²⁾₁)``."""
        return writing.symbol(self.quantity, self.layer, self.units, self.of)


class Path(NamedTuple):
    """One path, or the group of those that go through one unit of the next layer.

    ``units``: from the weight's unit on, one of each layer on the way, which ends early where a
    norm's mean or deviation gathers what comes back. ``factors``: as the derivative comes back,
    loss first, input last. ``product``: theirs.
    """

    units: tuple[int, ...]
    factors: list[Factor]
    product: float


def _path(units, factors):
    return Path(units, factors, prod(factor.value for factor in factors))


class WeightGradient:
    """Where the gradient of one number that trains comes from: `Trace.gradient` makes it.

    That is a weight, a bias, or what a norm or an activation learns.

    Attributes
    ----------
    layer, source, unit, sample
        As they were asked for.
    """

    def __init__(self, trace: Trace, layer: int, source: Source, unit: int, sample: int) -> None:
        self.trace = trace
        self.layer, self.source, self.unit, self.sample = layer, source, unit, sample

    @property
    def name(self) -> str:
        """As in ``Layer.parameters``: "weights", "bias", or what else the layer learns."""
        return self.source if isinstance(self.source, str) else WEIGHTS

    def of(self, parameters: Arrays | LayerTrace) -> float:
        """This weight's number in arrays for each parameter, such as of ``Trace.differences``."""
        place = (self.unit,) if isinstance(self.source, str) else (self.source, self.unit)
        return float(parameters.parameters[self.name][place])

    @property
    def learned(self) -> LearnedTrace | None:
        """What it is, where it is neither a weight nor a bias."""
        if self.name in (WEIGHTS, BIAS):
            return None
        return self.trace.layers[self.layer].learned_as(self.name)

    @property
    def value(self) -> float:
        """The weight, or the bias, itself."""
        return self.of(self.trace.layers[self.layer])

    @property
    def gradient(self) -> float:
        """∂C/∂w of the batch's cost, as training uses it."""
        return self.of(self.trace.layers[self.layer].gradient)

    @property
    def decay(self) -> float:
        """What the optimizer's l2 adds to the gradient: λ/Σw · w, and 0 of all but weights."""
        if self.name != WEIGHTS:
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
        if self.name == BIAS:
            return np.ones(len(self.trace.x))
        if self.learned is not None:
            return self.learned.inputs[:, self.unit].astype(np.float64)
        return self.trace.read_by(self.layer)[:, self.source].astype(np.float64)

    @property
    def per_sample(self) -> NDArray[Any]:
        """(n,): what each sample adds to the gradient, share · ∂ℓ/∂z · input."""
        own = self.trace.layers[self.layer]
        back = own.dz if self.learned is None else own.back_through(self.learned.depth)
        return self.trace.parts * back[:, self.unit] * self.inputs

    @property
    def factors(self) -> list[Factor]:
        """The three factors in this layer: ∂ℓ/∂a, f'(z), input; and those of its operations.

        In the last layer ∂ℓ/∂a is the derivative of the loss; in a hidden one it is the sum of
        what comes back on all paths. Where there is a norm, whose roads meet in ∂ℓ/∂z, they are
        that and the input.
        """
        if self._gathered():
            return [self._beyond(self.layer, self.unit), *self._input()]
        kind = LOSS if self.layer + 1 == len(self.trace.layers) else BEYOND
        return [self._back(kind, self.layer, self.unit), *self._own_factors()]

    @property
    def n_paths(self) -> int:
        """From this weight to the outputs: through each unit above, by each of its roads."""
        layers, count = self.trace.layers, 1
        for layer in reversed(layers[self.layer + 1 :]):
            count = layer.n_out * (count + len(layer.gathered)) + count * layer.is_passed_by
        return count + len(self._gathered())

    @property
    def is_grouped(self) -> bool:
        """Whether a Path of ``paths`` stands for several."""
        return self.n_paths > MOST_PATHS and self.layer + 2 < len(self.trace.layers)

    @cached_property
    def paths(self) -> list[Path]:
        """Every path from this weight to the loss, for the sample: a list of Path.

        Where there are more than twelve they are grouped by the unit of the next layer.
        """
        return list(self._paths(self._groups()) if self.is_grouped else self.every_path())

    @property
    def sum(self) -> float:
        """Σ of the paths' products: ∂ℓ/∂w of the sample's loss.

        In a network that mixes samples, the sample's part of ∂C/∂w.
        """
        return float(np.sum([path.product for path in self.paths]))

    def every_path(self) -> Iterator[Path]:
        """One Path after another, however many."""
        return self._paths(self._to_output(self.layer, self.unit))

    def _paths(self, beginnings):
        """`beginnings`: (units, factors) from the loss back to the output of the weight's unit."""
        for units, begun in beginnings:
            yield _path(units, [*begun, *self._own_factors()])
        for begun in self._gathered():
            yield _path((self.unit,), [*begun, *self._input()])

    def _to_output(self, layer, unit):
        """Every way from the loss back to a unit's output: (units, factors), loss first."""
        if layer + 1 == len(self.trace.layers):
            yield (unit,), [self._back(LOSS, layer, unit)]
            return
        above = self.trace.layers[layer + 1]
        if above.is_passed_by:
            for units, factors in self._to_output(layer + 1, unit):
                yield (unit, *units), [*factors, self._straight(layer + 1, unit)]
        for other in range(above.n_out):
            for units, factors in self._to_z(layer + 1, other):
                yield (unit, *units), [*factors, self._weight(layer + 1, unit, other)]

    def _to_z(self, layer, unit):
        """The same to a unit's z; a norm's mean and deviation come beside its own way."""
        own = self._through(layer, unit)
        for units, factors in self._to_output(layer, unit):
            yield units, [*factors, *own]
        for factor in self.trace.layers[layer].gathered:
            yield (unit,), [*self._values([factor], layer, unit), own[-1]]

    def _groups(self):
        """For each unit of the next layer, its ∂ℓ/∂z, which holds all paths beyond it."""
        above = self.layer + 1
        if self.trace.layers[above].is_passed_by:
            beyond = self._back(BEYOND, above, self.unit)
            yield (self.unit, self.unit), [beyond, self._straight(above, self.unit)]
        for other in range(self.trace.layers[above].n_out):
            beyond = self._beyond(above, other)
            yield (self.unit, other), [beyond, self._weight(above, self.unit, other)]

    def _gathered(self):
        """What the mean and the deviation of the weight's own layer pass on: lists of factors."""
        if self.learned is not None:
            return []
        last = self._through(self.layer, self.unit)[-1]
        return [
            [*self._values([factor], self.layer, self.unit), last]
            for factor in self.trace.layers[self.layer].gathered
        ]

    def _own_factors(self):
        """Those of the weight's unit, and the weight's input, of which a mask is a factor too."""
        through = self._through(self.layer, self.unit)
        if self.learned is not None:
            through = through[: self.learned.depth]
        return [*through, *self._input()]

    def _input(self):
        trace, below = self.trace, self.layer - 1
        if self.name == BIAS:
            return [Factor(INPUT, "one", below, (), 1.0)]
        if self.learned is not None:
            value = float(self.learned.inputs[self.sample, self.unit])
            return [Factor(INPUT, self.learned.quantity, self.layer, (self.unit,), value)]
        if self.layer > 0 and trace.layers[below].terms:
            value = float(trace.layers[below].out[self.sample, self.source])
            return [Factor(INPUT, "out", below, (self.source,), value)]
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
        return Factor(kind, f"d{own.out_quantity}", layer, (unit,), value, self.trace.of)

    def _beyond(self, layer, unit):
        """The derivative by a unit's z."""
        value = float(self.trace.layers[layer].dz[self.sample, unit])
        return Factor(BEYOND, "dz", layer, (unit,), value, self.trace.of)

    def _weight(self, layer, source, unit):
        """From a unit's z back to the output of a unit before it."""
        value = float(self.trace.layers[layer].weights[source, unit])
        return Factor(WEIGHT, "weight", layer, (source, unit), value)

    def _straight(self, layer, unit):
        """From a unit's output back to that of the unit before it, past the layer's weights."""
        return Factor(STRAIGHT, "straight", layer, (unit,), 1.0)

    def _through(self, layer, unit):
        """From the derivative by a unit's output to that by its z."""
        return self._values(self.trace.layers[layer].factors, layer, unit)

    def _values(self, factors, layer, unit):
        return [
            Factor(
                own.kind,
                own.name,
                layer,
                (unit,) * own.n_indices,
                float(own.values[self.sample, unit]),
                self.trace.of,
            )
            for own in factors
        ]

    @property
    def symbol(self) -> str:
        """As a formula has it, counted from 1: ``w⁽¹⁾₂,₁``, ``b⁽¹⁾₁`` or ``γ⁽¹⁾₁``."""
        if self.name == BIAS:
            return writing.symbol("bias", self.layer, (self.unit,))
        if self.learned is not None:
            letter = spelling(self.learned.symbol).letter
            return writing.indexed(letter, self.layer, (self.unit,))
        return writing.symbol("weight", self.layer, (self.source, self.unit))

    def __str__(self) -> str:
        from backprop.explain.forms import text

        return text.weight_text(self)

    def __repr__(self) -> str:
        return f"WeightGradient({self.symbol}, gradient {self.gradient:.6g})"
