"""The networks behind an estimator: one for dense inputs, or a sparse first layer and the rest.

The core trains on dense inputs an epoch a call. On sparse ones it takes a batch a call, through its
forward, backward and update.
"""

import threading
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from backprop._core.errors import NotFinite
from backprop.catalogue.losses import Loss
from backprop.catalogue.optimizers import SGD
from backprop.estimators.numerics import first_layer
from backprop.layers import Dense, all_arrays
from backprop.network import Network

LOADING = threading.Lock()
MADE_DENSE = 2**20  # numbers of sparse rows that a dense network predicts from at a time


class Key(NamedTuple):
    """What an engine is made for; an estimator whose key is another one needs another engine."""

    is_sparse: bool
    n_inputs: int
    layers: tuple  # of Dense
    loss: Loss
    dtype: np.dtype
    input_dropout: float = 0.0


def make_engine(key, n_threads, seed=0):
    """An engine without moments, whose parameters are to be loaded."""
    return (SparseEngine if key.is_sparse else DenseEngine)(key, n_threads, seed)


class DenseEngine:
    """A network whose inputs are rows of an array."""

    def __init__(self, key, n_threads, seed):
        self.key, self.n_threads, self.seed = key, n_threads, seed
        self.network = self._network(key.n_inputs, key.layers, input_dropout=key.input_dropout)
        self.networks = [self.network]  # in the order of the layers
        self.arrays = self._arrays()
        self.seen = self.names = self.rows = None  # what `Direct` keeps

    def _arrays(self):
        """What coefs_ and intercepts_ are: (weights, bias) of each layer, views."""
        return [(layer.weights, layer.bias) for layer in self.layers]

    def __getstate__(self):
        return {**vars(self), "arrays": None, "seen": None, "rows": None}

    def __setstate__(self, state):
        vars(self).update(state)
        self.arrays = self._arrays()  # in copies of which nothing would count

    def _network(self, n_inputs, layers, **options):
        # SGD has no moments: for predictions they would be memory only
        given = {"loss": self.key.loss, "dtype": self.key.dtype, "seed": self.seed}
        given |= {"optimizer": SGD(), "n_threads": self.n_threads}
        return Network(n_inputs, list(layers), **(given | options))

    @property
    def layers(self):
        """Of all networks."""
        return [layer for network in self.networks for layer in network.layers]

    def load(self, coefs, intercepts):
        """Copy parameters in, where they are others: of several threads that predict, the first."""
        with LOADING:
            for layer, weights, bias in zip(self.layers, coefs, intercepts, strict=True):
                if not np.array_equal(layer.weights, weights):
                    layer.weights = weights
                if layer.spec.use_bias and not np.array_equal(layer.bias, bias):
                    layer.bias = bias

    def parameters(self):
        """Copies of all that training changes, to be given back by `restore`."""
        return [array for network in self.networks for array in network.get_weights()]

    def restore(self, parameters):
        """Take what `parameters` returned."""
        given = iter(parameters)
        for network in self.networks:
            network.set_weights([*islice(given, len(network.get_weights()))])

    def average(self):
        """Put the parameters' averages, where the optimizer keeps some, in their place."""
        if self.optimizer.average is not None:
            averaged = [network.averaged().get_weights() for network in self.networks]
            self.restore([array for arrays in averaged for array in arrays])

    # ---- the optimizer ----

    @property
    def optimizer(self):
        return self.networks[0].optimizer

    @optimizer.setter
    def optimizer(self, optimizer):
        for network in self.networks:
            if network.optimizer is not optimizer:
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
        """{name: [Arrays of each layer]}, views."""
        states = [network.optimizer_state() for network in self.networks]
        return {name: [pair for state in states for pair in state[name]] for name in states[0]}

    def set_moments(self, moments):
        """Copy them in."""
        for name, views in self.moments().items():
            for own, given in zip(views, moments[name], strict=True):
                for array, values in zip(own, given, strict=True):
                    array[...] = values
                for beside, array in own.beside.items():
                    array[...] = given.beside[beside]

    def forget(self):
        """Start the optimizer anew: moments of 0, no step taken."""
        self.steps = 0
        for network in self.networks:
            network.epochs_trained = 0
        for views in self.moments().values():
            for arrays in views:
                for array in arrays.parameters.values():
                    array[...] = 0

    def go_on_from(self, other):
        """With what layers of the same sizes have learned, and the optimizer, of another engine."""
        self.optimizer, self.steps = other.optimizer, other.steps
        if [layer.spec.learned for layer in self.layers] == [
            layer.spec.learned for layer in other.layers
        ]:
            self.set_moments(other.moments())
        for own, its in zip(self.layers, other.layers, strict=True):
            learned = all_arrays(its)
            for name, array in all_arrays(own).items():
                if name in learned and array.flags.writeable:
                    array[...] = learned[name]

    def tell(self, loss):
        """The schedule, where it follows what epochs come to."""
        schedule = self.optimizer.schedule
        if schedule is not None and schedule.follows_results:
            for network in self.networks:
                network.schedule_state = schedule.told(network.schedule_state, float(loss))

    # ---- training ----

    def epoch(self, X, y, sample_weight, batch_size, order, optimizer, penalty):
        """Train on every batch once; the mean over the samples of what their batches cost.

        That is Σ w·loss / Σ w + ½ `penalty` Σ W² / Σ w, with W as the batch met it. NaN where the
        last step has made parameters that are not finite.
        """
        self.optimizer = optimizer
        costs = []
        is_finite = self.network._core.fit(
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
        return costs[-1] if is_finite else np.nan

    def loss_and_gradients(self, X, y, sample_weight):
        """The mean loss, and its gradient by each layer's parameters."""
        return self.network._loss_and_gradients(X, y, sample_weight)

    def sum_of_squares(self):
        """Σ W² of all weights, without biases."""
        return sum(network._core.sum_of_squares() for network in self.networks)

    # ---- using ----

    def mean_loss(self, X, y, sample_weight):
        """Without a gradient."""
        outputs = np.empty((len(X), self.network.n_outputs), self.key.dtype)
        total, weight = self.network._core.infer(X, y, sample_weight, outputs)
        return total / weight

    def predict(self, X, **options):
        """What the network predicts from dense or sparse rows: see `Network.predict`."""
        if not issparse(X):
            return self.network.predict(X, **options)
        rows = max(1, MADE_DENSE // X.shape[1])
        X = X.tocsr()
        blocks = [X[start : start + rows].toarray() for start in range(0, X.shape[0], rows)]
        return np.concatenate([self.network.predict(block, **options) for block in blocks])


class SparseEngine(DenseEngine):
    """The same for CSR inputs: the first layer touches stored values only.

    Its z is X W + b and its gradient Xᵀ dz by scipy; the optimizer's step on all its weights, and
    all layers above, are the core's. Dense rows can be predicted too.
    """

    def __init__(self, key, n_threads, seed):
        self.key, self.n_threads, self.seed = key, n_threads, seed
        below, *above = key.layers
        if below != Dense(below.units, below.function) or below.learned or key.input_dropout:
            raise ValueError(
                "X is sparse: expected a first layer with no more than weights, bias and an "
                f"activation that learns nothing, got {below!r}, input_dropout={key.input_dropout}"
            )
        self.first = self._network(key.n_inputs, [below], loss="squared_error")
        self.rest = self._network(below.units, above) if above else None
        self.activation = below.function
        self.networks = [self.first, self.rest] if above else [self.first]
        self.arrays = self._arrays()
        self.seen = self.names = self.rows = None
        self._batch = None  # (X, the first layer's z and a) between forward and backward

    def epoch(self, X, y, sample_weight, batch_size, order, optimizer, penalty):
        """One forward and backward a batch."""
        whole = {"clip_norm": None, "accumulate": 1, "average": None, "is_elementwise": True}
        for name, expected in whole.items():
            if (found := getattr(optimizer, name)) != expected:
                raise ValueError(f"X is sparse and {name}={found!r}: expected {expected!r}")
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
        for network in self.networks:
            network.epochs_trained += 1
        return cost / n

    def differentiate(self, X, y, sample_weight):
        """(Σ w·loss, Σ w); keeps the gradients of their quotient, 0 where no sample weighs."""
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        total = float(weights.sum())
        self._batch = X, *self.below(X)
        a = self._batch[-1]
        z = a if self.rest is None else self.rest.forward(a)
        share = weights / total if total > 0 else np.zeros_like(weights)
        loss = self.key.loss
        slope = loss.derivative(z, y.astype(z.dtype), *loss.settings.values())
        self.backward(slope * share.astype(slope.dtype)[:, None])
        return float((self.losses(z, y) * weights).sum()), total

    def losses(self, z, y):
        """Each sample's loss (n,), in float64."""
        loss = self.key.loss
        return loss.value(z.astype(np.float64), y.astype(np.float64), *loss.settings.values())

    def below(self, X):
        """The first layer's z and a; of dense rows a alone."""
        if not issparse(X):
            return None, self.first.predict(X)
        layer = self.first.layers[0]
        z, a = first_layer(X, layer.weights, layer.bias, self.activation)
        if not np.isfinite(a).all():
            raise NotFinite
        return z, a

    def backward(self, d_out):
        """Keep the gradients."""
        (X, z, a), self._batch = self._batch, None
        da = d_out if self.rest is None else self.rest.backward(d_out)
        dz = da * self.activation.derivative(z, a, *self.activation.settings.values())
        (own,) = self.first._core.accept_gradients()
        own[0][...], own[1][...] = X.T @ dz, dz.sum(axis=0)

    def loss_and_gradients(self, X, y, sample_weight):
        loss, total = self.differentiate(X, y, sample_weight)
        found = [gradient for network in self.networks for gradient in network.gradients()]
        return loss / total, found

    def mean_loss(self, X, y, sample_weight):
        losses = self.losses(self.predict(X, logits=True), y)
        return float(np.average(losses, weights=sample_weight))

    def predict(self, X, **options):
        _, a = self.below(X)
        if self.rest is not None:
            return self.rest.predict(a, **options)
        return a if options.get("logits") else self.key.loss.link(a)
