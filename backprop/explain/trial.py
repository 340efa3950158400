"""Central differences: what the cost does when one weight is moved a little each way."""

import numpy as np

from backprop.explain.layer import WEIGHTS, as_gradient

STEP = 6e-6  # the cube root of float64's epsilon: rounding and curvature then err about alike
LAST_DIGITS = 4  # by which rounding may move a cost, in units of the last
NOTABLE = 1e-5  # a relative error that asks for a reason, whatever the dtype
MOST_WORK = 1e10  # multiply-adds that trying every weight may take: two seconds, as measured


def are_labels(network, y):
    """Whether y names classes, where a row of targets is what the loss takes."""
    return y.ndim == 1 and network.loss_function.target.is_class


def target_rows(network, y):
    """[n][n_outputs] in the network's dtype: labels become rows with a single 1."""
    if are_labels(network, y):
        return np.eye(network.n_outputs, dtype=network.dtype)[y.astype(np.int64)]
    if y.size != len(y) * network.n_outputs:
        raise ValueError(
            f"y has shape {y.shape}: explain shows a target for each output, expected "
            f"({len(y)}, {network.n_outputs})"
        )
    return y.reshape(len(y), network.n_outputs).astype(network.dtype)


def predicts_otherwise(network):
    """Whether predictions are made in another way than a step's outputs."""
    return network.drops or any(layer.spec.predicts_otherwise for layer in network.layers)


def output(network, X):
    """What `predict` returns, but of outputs as the network's next step has them.

    This, and `cost`, write to the buffers of `network`.
    """
    if not predicts_otherwise(network):
        return network.predict(X)
    return network.loss_function.link(network.forward(X))


def cost(network, X, y, sample_weight):
    """Of a batch, of outputs as the network's next step has them."""
    if not predicts_otherwise(network):
        return network.cost(X, y, sample_weight)
    loss, a = network.loss_function, network.forward(X).astype(np.float64)
    losses = loss.value(a, target_rows(network, y), *loss.settings.values())
    return float(np.average(losses, weights=sample_weight))


class Trial:
    """A network in float64, with the parameters of another, on whose batch weights are tried.

    What the next step drops is dropped in every trial, its noise is added, and means and deviations
    are those of the batch.

    The difference (C(w + h) - C(w - h)) / 2h errs by the order of h²; where an activation's
    kink lies between the two, or a corner of the loss, it is a mean of the slopes on either side.
    `targets`: y as rows of the loss's formulas.
    """

    def __init__(self, network, X, y, sample_weight, targets):
        self._network = network.copy(dtype="float64", n_threads=1)
        self._batch = X, y, sample_weight
        self._targets = targets

    def _cost(self):
        return cost(self._network, *self._batch)

    def _sides(self):
        """On which side of its activation's kinks each z lies, on the samples that weigh.

        One array for each layer and kink; and one for the corners of the loss, where it has some.
        """
        X, y, sample_weight = self._batch
        counts = slice(None) if sample_weight is None else np.asarray(sample_weight) > 0
        passed = self._network.inspect(X, y)
        sides = [
            own.get("y", own["z"])[counts] > kink
            for layer, own in zip(self._network.layers, passed.layers, strict=True)
            for kink in layer.function.kinks
        ]
        if (corner := self._network.loss_function.corner) is not None:
            last = passed.layers[-1]
            symbols = {"a": last.get("out", last["a"])[counts], "y": self._targets[counts]}
            sides.append(corner.evaluate(symbols) > 0)
        return sides

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
        """The array that holds what is tried, as `Trace.gradient` has it, and its place there."""
        own = self._network.layers[layer].parameters
        if isinstance(source, str):
            return own[source], (unit,)
        return own[WEIGHTS], (source, unit)

    def difference(self, layer, source, unit):
        """By one weight, one bias, or what else a unit learns."""
        return self._difference(*self._values(layer, source, unit))

    def kink(self, layer, source, unit):
        """Whether a z passes a kink, or an output a corner of the loss, between w - h and w + h.

        On a sample that weighs.
        """
        kinks = any(own.function.kinks for own in self._network.layers[layer:])
        if not kinks and self._network.loss_function.corner is None:
            return False
        place = self._values(layer, source, unit)
        above, below, _ = self._on_both_sides(*place, self._sides)
        return any((one != other).any() for one, other in zip(above, below, strict=True))

    def differences(self):
        """By all of them: a list of Gradient; None where it would take too long."""
        count = self._network.n_parameters
        if 2.0 * count * count * len(self._batch[0]) > MOST_WORK:
            return None
        return [
            as_gradient(
                {name: self._each(values) for name, values in layer.parameters.items()},
                layer.units,
            )
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
    """What rounding alone makes of a difference: some of the cost's last digits over h."""
    return LAST_DIGITS * np.finfo(np.float64).eps * abs(cost) / step_at(value)


def relative_error(gradient, difference):
    """What they differ by over the larger of the two: 0 where both are, NaN unless both are finite.

    Of numbers, or element by element of arrays.
    """
    scale = np.maximum(np.abs(gradient), np.abs(difference))
    with np.errstate(invalid="ignore"):  # an infinite difference over an infinite scale is NaN
        error = np.abs(np.subtract(gradient, difference, dtype=np.float64))
        return np.divide(error, scale, out=np.zeros(np.shape(scale)), where=scale != 0)[()]
