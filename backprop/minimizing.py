"""Training by an optimizer that minimises the cost of all rows at once, such as L-BFGS.

It moves through one vector of float64: the parameters that are trained, layer by layer.
Where a fit is interrupted, the network is as the last whole iteration left it.
"""

import time
import warnings

import numpy as np

from backprop._core.errors import InUse
from backprop.sharing import changing


def fit(training):
    """What a `Training` asks for. An iteration counts as a step and an epoch."""
    network, data, history = training.network, training.data, training.history
    n_iterations, place = training.epochs, Place(network)
    cost = Cost(network, place, data, history)
    reached, began, is_stopped = place.read(), time.perf_counter(), False

    def after_iteration(x, found):
        nonlocal reached, began, is_stopped
        reached = x.copy()
        move(network, place, reached)
        history.loss.append(float(found - cost.penalty(reached)))
        history.seconds.append(time.perf_counter() - began)
        network.steps, network.epochs_trained = network.steps + 1, network.epochs_trained + 1
        is_stopped = training.end_epoch()
        if not is_stopped and len(history.loss) < n_iterations:
            training.begin_epoch(len(history.loss))
        began = time.perf_counter()
        return is_stopped

    training.begin_epoch(0)
    try:
        found = network.optimizer.minimize(cost, reached, n_iterations, after_iteration)
    finally:
        move_at_last(network, place, reached)
    if not (found.success or is_stopped or len(history.loss) == n_iterations):
        done = f"{len(history.loss)} of {n_iterations} epochs"
        warnings.warn(
            f"{network.optimizer.title} ended after {done}: {found.message}",
            RuntimeWarning,
            stacklevel=4,
        )


def move(network, place, x):
    """Give the network these parameters."""
    with changing(network._core):
        place.write(x)


def move_at_last(network, place, x):
    """The same as soon as no other thread is in the way."""
    while True:
        try:
            return move(network, place, x)
        except InUse:
            time.sleep(0.001)


class Place:
    """The parameters that are trained, as one vector; `is_weight` says which of them decay.

    ``parts``: (layer, name) of each of its parts.
    """

    def __init__(self, network):
        trained = [(i, layer) for i, layer in enumerate(network.layers) if layer.trainable]
        self.parts = [(i, name) for i, layer in trained for name in layer.parameters]
        self.views = [network.layers[i].parameters[name] for i, name in self.parts]
        sizes = [view.size for view in self.views]
        self.is_weight = np.repeat([name == "weights" for _, name in self.parts], sizes)

    def read(self):
        """A copy."""
        return np.concatenate([view.ravel() for view in self.views]).astype(np.float64)

    def write(self, x):
        """Into the network."""
        start = 0
        for view in self.views:
            view[...] = x[start : start + view.size].reshape(view.shape)
            start += view.size

    def weights_of(self, x):
        """With 0 where something else is."""
        return np.where(self.is_weight, x, 0)

    def gather(self, gradients):
        """What of the layers' gradients is of these parameters."""
        found = [gradients[layer].parameters[name].ravel() for layer, name in self.parts]
        return np.concatenate(found).astype(np.float64)


class Cost:
    """The cost at a place, and its gradient, both with the penalty."""

    def __init__(self, network, place, data, history):
        self.network, self.place, self.data, self.history = network, place, data, history
        X, _, sample_weight = data
        total = len(X) if sample_weight is None else sample_weight.sum(dtype=np.float64)
        self.decay = network.optimizer.l2 / total if total > 0 else 0.0

    def __call__(self, x):
        move(self.network, self.place, x)
        loss, gradients = self.network._loss_and_gradients(*self.data)
        if not np.isfinite(loss):
            epoch = len(self.history.loss) + 1
            raise self.network._training_error(*self.data[:2], loss, epoch)
        slope = self.place.gather(gradients) + self.decay * self.place.weights_of(x)
        return loss + self.penalty(x), slope

    def penalty(self, x):
        """½ λ Σ W² / Σ w."""
        weights = self.place.weights_of(x)
        return 0.5 * self.decay * (weights @ weights)


def check(network):
    """ValueError for what would be ignored."""
    title = network.optimizer.title
    if network.drops:
        raise ValueError(f"{title} and dropout: expected a cost that stays the same, so dropout=0")
    for i, layer in enumerate(network.layers):
        spec = layer.spec
        if spec.noise > 0:
            raise ValueError(
                f"{title} and layers[{i}].noise={spec.noise:g}: expected a cost that stays the "
                "same, so noise=0"
            )
        if spec.gathered:
            raise ValueError(
                f"{title} and layers[{i}].norm={spec.norm!r}: expected a norm that gathers nothing "
                "from step to step, such as norm='layer'"
            )
        if spec.max_norm is not None:
            raise ValueError(
                f"{title} and layers[{i}].max_norm={spec.max_norm:g}: expected None, for there are "
                "no steps after which weights could be scaled down"
            )
        if layer.learning_rate_factor != 1:
            raise ValueError(
                f"layers[{i}].learning_rate_factor is {layer.learning_rate_factor:g}: expected 1 "
                f"with {title}, which has no learning rate"
            )
