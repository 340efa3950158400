"""The networks behind an estimator: one for dense inputs, or a sparse first layer and the rest.

Losses are named by the activation that scikit-learn puts behind the last layer: "softmax",
"logistic", "identity", "exp". A loss that the core has is trained there, an epoch a call; for the
others (Poisson) and sparse inputs a batch a call goes through its forward, backward and update.
"""

import threading
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from backprop.catalogue.losses import usual_loss
from backprop.catalogue.optimizers import SGD
from backprop.catalogue.targets import NUMBERS
from backprop.estimators.numerics import ACTIVATIONS, OUTPUTS, first_layer, loss_slope, losses_of
from backprop.layers import Dense
from backprop.network import Network

LOADING = threading.Lock()


class Key(NamedTuple):
    """What an engine is made for; an estimator whose key is another one needs another engine."""

    is_sparse: bool
    sizes: tuple  # inputs, hidden units, outputs
    activations: tuple  # of the hidden layers, by scikit-learn's names
    out_activation: str
    dtype: np.dtype

    @property
    def output(self):
        """The loss and what stands before it."""
        return OUTPUTS[self.out_activation]


def make_engine(key, n_threads):
    """An engine without moments, whose parameters are to be loaded."""
    return (SparseEngine if key.is_sparse else DenseEngine)(key, n_threads)


class DenseEngine:
    """A network whose inputs are rows of an array."""

    def __init__(self, key, n_threads):
        self.key, self.n_threads = key, n_threads
        self.network = self._network(key.sizes[0], core_layers(key))
        self.networks = [self.network]  # in the order of the layers

    def _network(self, n_inputs, layers):
        return Network(
            n_inputs,
            layers,
            # where the core has no such loss, of another only forward and backward are used
            loss=self.key.output.core_loss or usual_loss(NUMBERS),
            optimizer=SGD(),  # has no moments: for predictions they would be memory only
            dtype=self.key.dtype,
            seed=0,
            n_threads=self.n_threads,
        )

    @property
    def layers(self):
        """Of all networks: what coefs_ and intercepts_ are views of."""
        return [layer for network in self.networks for layer in network.layers]

    def load(self, coefs, intercepts):
        """Copy parameters in, where they are others: of several threads that predict, the first."""
        with LOADING:
            for layer, weights, bias in zip(self.layers, coefs, intercepts, strict=True):
                if not np.array_equal(layer.weights, weights):
                    layer.weights = weights
                if not np.array_equal(layer.bias, bias):
                    layer.bias = bias

    # ---- the optimizer ----

    @property
    def optimizer(self):
        return self.networks[0].optimizer

    @optimizer.setter
    def optimizer(self, optimizer):
        for network in self.networks:
            network.optimizer = optimizer

    @property
    def steps(self):
        """Taken by the optimizer."""
        return self.networks[0].steps

    @steps.setter
    def steps(self, count):
        for network in self.networks:
            network.steps = count

    def moments(self):
        """{name: [(weights, bias) of each layer]}, views."""
        states = [network.optimizer_state() for network in self.networks]
        return {name: [pair for state in states for pair in state[name]] for name in states[0]}

    def set_moments(self, moments):
        """Copy them in."""
        for name, views in self.moments().items():
            for (weights, bias), given in zip(views, moments[name], strict=True):
                weights[...], bias[...] = given

    def forget(self):
        """Start the optimizer anew: moments of 0, no step taken."""
        self.steps = 0
        for views in self.moments().values():
            for weights, bias in views:
                weights[...], bias[...] = 0, 0

    def go_on_from(self, other):
        """With the optimizer, moments and steps of another engine for layers of the same sizes."""
        self.optimizer, self.steps = other.optimizer, other.steps
        self.set_moments(other.moments())

    # ---- training ----

    def epoch(self, X, y, sample_weight, batch_size, order, optimizer, penalty):
        """Train on every batch once; the mean over the samples of what their batches cost.

        That is Σ w·loss / Σ w + ½ `penalty` Σ W² / Σ w, with W as the batch met it.
        """
        if self.key.output.core_loss is None:
            return self.epoch_by_batches(X, y, sample_weight, batch_size, order, optimizer, penalty)
        self.optimizer = optimizer
        costs = []
        core = self.network._core
        core.fit(
            X,
            y,
            sample_weight,
            n_epochs=1,
            batch_size=batch_size,
            counted=True,
            losses=costs,
            durations=[],
            order=order,
            penalty=penalty,
        )
        return costs[-1]

    def epoch_by_batches(self, X, y, sample_weight, batch_size, order, optimizer, penalty):
        """The same for what the core's epochs do not take: one forward and backward a batch."""
        cost, n = 0.0, X.shape[0]
        for start in range(0, n, batch_size):
            rows = slice(start, start + batch_size)
            rows = rows if order is None else order[rows]
            weights = None if sample_weight is None else sample_weight[rows]
            squares = self.sum_of_squares() if penalty else 0.0
            loss, total = self.differentiate(X[rows], y[rows], weights)
            if not np.isfinite(loss):
                return loss  # before anything is updated
            scale = 1 / total if total > 0 else 0.0
            cost += len(y[rows]) * scale * (loss + 0.5 * penalty * squares)
            self.optimizer = replace(optimizer, l2=optimizer.l2 * scale)
            for network in self.networks:
                network.update()
        return cost / n

    def differentiate(self, X, y, sample_weight):
        """(Σ w·loss, Σ w); keeps the gradients of their quotient, 0 where no sample weighs."""
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        total = float(weights.sum())
        z = self.forward(X)
        share = weights / total if total > 0 else np.zeros_like(weights)
        slope = loss_slope(self.key.out_activation, z, y)
        self.backward(slope * share.astype(slope.dtype)[:, None])
        return float((losses_of(self.key.out_activation, z, y) * weights).sum()), total

    def forward(self, X):
        """The last layer's z, kept for `backward`."""
        return self.network.forward(X)

    def backward(self, d_out):
        """Keep the gradients."""
        self.network.backward(d_out)

    def gradients(self):
        """What the last `backward` kept."""
        return self.network.gradients()

    def loss_and_gradients(self, X, y, sample_weight):
        """The mean loss, and its gradient by each layer's weights and bias."""
        if self.key.output.core_loss is not None:
            return self.network.loss_and_gradients(X, y, sample_weight)
        loss, total = self.differentiate(X, y, sample_weight)
        return loss / total, self.gradients()

    def sum_of_squares(self):
        """Σ W² of all weights, without biases."""
        return sum(network._core.sum_of_squares() for network in self.networks)

    # ---- using ----

    def mean_loss(self, X, y, sample_weight):
        """Without a gradient."""
        losses = losses_of(self.key.out_activation, self.logits(X), y)
        return float(np.average(losses, weights=sample_weight))

    def logits(self, X):
        """The last layer's z."""
        return self.network.predict(X, logits=True)

    def outputs(self, X):
        """What scikit-learn calls the output activations."""
        return self._linked(self.network.predict(X))

    def _linked(self, predicted):
        """Of what a network predicts, behind which the core has put its own loss's link."""
        output = self.key.output
        return predicted if output.core_loss is not None else output.f(predicted)


class SparseEngine(DenseEngine):
    """The same for CSR inputs: the first layer touches stored values only.

    Its z is X W + b and its gradient Xᵀ dz by scipy; the optimizer's step on all its weights, and
    all layers above, are the core's. Dense rows can be predicted too.
    """

    def __init__(self, key, n_threads):
        self.key, self.n_threads = key, n_threads
        below, *above = core_layers(key)
        self.first = Network(
            key.sizes[0],
            [below],
            optimizer=SGD(),
            dtype=key.dtype,
            seed=0,
            n_threads=n_threads,
        )
        self.rest = self._network(key.sizes[1], above) if above else None
        self.activation = below.function
        self.networks = [self.first, self.rest] if above else [self.first]
        self._batch = None  # (X, the first layer's a) between forward and backward

    def epoch(self, *arguments):
        return self.epoch_by_batches(*arguments)

    def below(self, X):
        """The first layer's activations."""
        if not issparse(X):
            return self.first.predict(X)
        layer = self.first.layers[0]
        a = first_layer(X, layer.weights, layer.bias, self.activation)
        if not np.isfinite(a).all():  # of which the layers above would say that X is not
            raise ValueError(
                "the first layer's outputs are non-finite: the input data may contain large values "
                "and need to be preprocessed"
            )
        return a

    def forward(self, X):
        self._batch = X, self.below(X)
        return self._batch[1] if self.rest is None else self.rest.forward(self._batch[1])

    def backward(self, d_out):
        (X, a), self._batch = self._batch, None
        da = d_out if self.rest is None else self.rest.backward(d_out)
        dz = da * self.activation.derivative(None, a)
        (own,) = self.first._core.accept_gradients()
        own[0][...], own[1][...] = X.T @ dz, dz.sum(axis=0)

    def gradients(self):
        (own,) = self.first.gradients()
        return [own] if self.rest is None else [own, *self.rest.gradients()]

    def loss_and_gradients(self, X, y, sample_weight):
        loss, total = self.differentiate(X, y, sample_weight)
        return loss / total, self.gradients()

    def logits(self, X):
        a = self.below(X)
        return a if self.rest is None else self.rest.predict(a, logits=True)

    def outputs(self, X):
        if self.rest is None:
            return self.key.output.f(self.below(X))
        return self._linked(self.rest.predict(self.below(X)))


def core_layers(key):
    """As `Network` takes them; the last is the identity, behind which stands the loss."""
    hidden = zip(key.sizes[1:-1], key.activations, strict=True)
    return [*(Dense(n, ACTIVATIONS[name]) for n, name in hidden), Dense(key.sizes[-1])]
