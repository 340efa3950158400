"""Central differences: what the cost does when one weight is moved a little each way."""

import numpy as np

from backprop.network import Network
from backprop.stepwise import Gradient

STEP = 6e-6  # the cube root of float64's epsilon: rounding and curvature then err about alike
NOTABLE = 1e-5  # a relative error that asks for a reason, whatever the dtype
MOST_WORK = 1e10  # multiply-adds that trying every weight may take: two seconds, as measured


class Trial:
    """A network in float64, with the parameters of another, on whose batch weights are tried.

    The difference (C(w + h) - C(w - h)) / 2h errs by the order of h²; where relu's kink lies
    between the two, it is a mean of the slopes on either side.
    """

    def __init__(self, network, X, y, sample_weight):
        self._network = Network(
            network.n_inputs,
            network._specs,
            loss=network.loss,
            dtype="float64",
            seed=0,
            n_threads=1,
            input_offset=network.input_offset,
            input_scale=network.input_scale,
        )
        for own, layer in zip(self._network.layers, network.layers, strict=True):
            own.weights, own.bias = layer.weights, layer.bias
        self._batch = X, y, sample_weight
        self._output = np.empty((len(X), network.n_outputs))

    def _cost(self):
        core = self._network._core
        total_loss, total_weight = core.infer(*self._batch, self._output)
        return total_loss / total_weight

    def _active(self):
        """Where the z of each relu layer is above 0, on the samples that weigh: arrays of bool."""
        X, y, sample_weight = self._batch
        _, _, passed = self._network._core.inspect(X, y, None, 1.0)
        counts = slice(None) if sample_weight is None else np.asarray(sample_weight) > 0
        return [
            own["z"][counts] > 0
            for layer, own in zip(self._network.layers, passed, strict=True)
            if layer.activation == "relu"
        ]

    @staticmethod
    def _on_both_sides(values, place, find):
        """What `find` finds at w + h and at w - h, and the distance between the two."""
        held = float(values[place])
        step = step_at(held)
        values[place] = above = held + step
        found_above = find()
        values[place] = below = held - step
        found_below = find()
        values[place] = held
        return found_above, found_below, above - below

    def _difference(self, values, place):
        cost_above, cost_below, distance = self._on_both_sides(values, place, self._cost)
        return (cost_above - cost_below) / distance

    def _values(self, layer, source, unit):
        """The array that holds a weight, or with source "bias" a bias, and its place there."""
        own = self._network.layers[layer]
        return (own.bias, (unit,)) if source == "bias" else (own.weights, (source, unit))

    def difference(self, layer, source, unit):
        """By one weight, or with source "bias" by one bias."""
        return self._difference(*self._values(layer, source, unit))

    def kink(self, layer, source, unit):
        """Whether a relu's z passes 0 between w - h and w + h, on a sample that weighs."""
        if all(own.activation != "relu" for own in self._network.layers[layer:]):
            return False
        place = self._values(layer, source, unit)
        above, below, _ = self._on_both_sides(*place, self._active)
        return any((one != other).any() for one, other in zip(above, below, strict=True))

    def differences(self):
        """By all of them: a list of Gradient; None where it would take too long."""
        count = self._network.n_parameters
        if 2.0 * count * count * len(self._output) > MOST_WORK:
            return None
        return [
            Gradient(self._each(layer.weights), self._each(layer.bias))
            for layer in self._network.layers
        ]

    def _each(self, values):
        found = np.empty(values.shape)
        for place in np.ndindex(values.shape):
            found[place] = self._difference(values, place)
        return found


def step_at(value):
    """h, by which a weight of this value is moved."""
    return STEP * max(1.0, abs(value))


def resolution(cost, value):
    """What rounding alone makes of a difference: the cost's last digit over h."""
    return np.finfo(np.float64).eps * abs(cost) / step_at(value)


def relative_error(gradient, difference):
    """What they differ by over the larger of the two: 0 where both are, NaN unless both are finite.

    Of numbers, or element by element of arrays.
    """
    scale = np.maximum(np.abs(gradient), np.abs(difference))
    with np.errstate(invalid="ignore"):  # an infinite difference over an infinite scale is NaN
        error = np.abs(np.subtract(gradient, difference, dtype=np.float64))
        return np.divide(error, scale, out=np.zeros(np.shape(scale)), where=scale != 0)[()]
