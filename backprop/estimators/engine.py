"""The networks behind an estimator: one for dense inputs, or a sparse first layer and the rest.

Losses are named by the activation that scikit-learn puts behind the last layer: "softmax",
"logistic", "identity", "exp". A loss that the core has is trained there, an epoch a call; "exp"
(Poisson) and sparse inputs take the core's forward, backward and update, a batch a call.
"""

from dataclasses import replace

import numpy as np
from scipy.special import expit, log_softmax, softmax, xlogy

from backprop.layers import Dense
from backprop.network import Gradient, Network

LOSSES = {
    "softmax": "softmax_cross_entropy",
    "logistic": "sigmoid_cross_entropy",
    "identity": "squared_error",
    "exp": "squared_error",  # of which only forward and backward are used
}
ACTIVATIONS = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}


class DenseEngine:
    """A network whose inputs are rows of an array.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden units, outputs.
    activations : sequence of str
        Of the hidden layers, by scikit-learn's names.
    out_activation : str
        "softmax", "logistic", "identity" or "exp".
    dtype : dtype
    n_threads : int or None
    """

    is_sparse = False

    def __init__(self, sizes, activations, out_activation, dtype, n_threads):
        self.key = (tuple(sizes), tuple(activations), out_activation, np.dtype(dtype), n_threads)
        layers = dense_layers(sizes, activations)
        self.network = Network(
            sizes[0],
            layers,
            loss=LOSSES[out_activation],
            dtype=dtype,
            seed=0,
            n_threads=n_threads,
        )
        self.out_activation = out_activation

    @property
    def networks(self):
        """In the order of the layers."""
        return [self.network]

    @property
    def layers(self):
        """Of all networks: what coefs and intercepts are views of."""
        return [layer for network in self.networks for layer in network.layers]

    def load(self, coefs, intercepts):
        """Copy parameters in."""
        for layer, weights, bias in zip(self.layers, coefs, intercepts, strict=True):
            layer.weights, layer.bias = weights, bias

    def forget(self):
        """Start the optimizer anew: moments of 0, no step taken."""
        for network in self.networks:
            network.steps = 0
            for moments in network.optimizer_state().values():
                for weights, bias in moments:
                    weights[...] = 0
                    bias[...] = 0

    def epoch(self, X, y, sample_weight, batch_size, order, optimizer):
        """Train on every batch once; the mean of the samples' losses, as their batch was met."""
        if self.out_activation == "exp":
            return self.epoch_by_batches(X, y, sample_weight, batch_size, order, optimizer)
        self.network.optimizer = optimizer
        core = self.network._core
        core.fit(X, y, sample_weight, 1, batch_size, False, True, None, order)
        return core.finished[0][-1]

    def epoch_by_batches(self, X, y, sample_weight, batch_size, order, optimizer):
        """The same for what the core's epochs do not take: one forward and backward a batch."""
        total = weight = 0.0
        n = X.shape[0]
        for start in range(0, n, batch_size):
            rows = slice(start, start + batch_size)
            rows = rows if order is None else order[rows]
            weights = None if sample_weight is None else sample_weight[rows]
            loss, own = self.step(X[rows], y[rows], weights, optimizer)
            total, weight = total + loss, weight + own
        return total / weight if weight > 0 else 0.0

    def step(self, X, y, sample_weight, optimizer):
        """One batch: (Σ weight·loss, Σ weight)."""
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        total = float(weights.sum())
        z = self.forward(X)
        losses, slope = loss_and_slope(self.out_activation, z, y)
        scale = 1 / total if total > 0 else 0.0
        self.backward(slope * (weights * scale).astype(slope.dtype)[:, None])
        self.update(replace(optimizer, l2=optimizer.l2 * scale))
        return float(losses @ weights), total

    def forward(self, X):
        """The last layer's z, kept for `backward`."""
        return self.network.forward(X)

    def backward(self, d_out):
        """Keep the gradients."""
        self.network.backward(d_out)

    def update(self, optimizer):
        """One step with them."""
        self.network.optimizer = optimizer
        self.network.update()

    def loss_and_gradients(self, X, y, sample_weight):
        """The mean loss, and its gradient by each layer's weights and bias."""
        if self.out_activation != "exp":
            return self.network.loss_and_gradients(X, y, sample_weight)
        return self.gradients_by_hand(X, y, sample_weight)

    def gradients_by_hand(self, X, y, sample_weight):
        """The same by forward and backward."""
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        share = weights / weights.sum()
        losses, slope = loss_and_slope(self.out_activation, self.forward(X), y)
        self.backward(slope * share.astype(slope.dtype)[:, None])
        return float(losses @ share), self.gradients()

    def gradients(self):
        """What the last `backward` kept."""
        return self.network.gradients()

    def mean_loss(self, X, y, sample_weight):
        """Without a gradient."""
        losses, _ = loss_and_slope(self.out_activation, self.logits(X), y)
        return float(np.average(losses, weights=sample_weight))

    def logits(self, X):
        """The last layer's z."""
        return self.network.predict(X, logits=True)

    def outputs(self, X):
        """What scikit-learn calls the output activations."""
        if self.out_activation == "exp":
            return np.exp(self.network.predict(X))
        return self.network.predict(X)


class SparseEngine(DenseEngine):
    """The same for CSR inputs: the first layer touches stored values only.

    Its z is X W + b and its gradient Xᵀ dz by scipy; the optimizer's step on all its weights, and
    all layers above, are the core's.
    """

    is_sparse = True

    def __init__(self, sizes, activations, out_activation, dtype, n_threads):
        self.key = (tuple(sizes), tuple(activations), out_activation, np.dtype(dtype), n_threads)
        first, *above = dense_layers(sizes, activations)
        options = {"dtype": dtype, "seed": 0, "n_threads": n_threads}
        self.first = Network(sizes[0], [first], **options)
        self.rest = None
        if above:
            self.rest = Network(sizes[1], above, loss=LOSSES[out_activation], **options)
        self.activation = activations[0] if above else "identity"
        self.out_activation = out_activation

    @property
    def networks(self):
        return [self.first] if self.rest is None else [self.first, self.rest]

    def epoch(self, X, y, sample_weight, batch_size, order, optimizer):
        return self.epoch_by_batches(X, y, sample_weight, batch_size, order, optimizer)

    def forward(self, X):
        self._x = X
        self._a = first_activation(X, self.first.layers[0], self.activation)
        return self._a if self.rest is None else self.rest.forward(self._a)

    def backward(self, d_out):
        da = d_out if self.rest is None else self.rest.backward(d_out)
        dz = da * slope_of(self.activation, self._a)
        (own,) = self.first._core.accept_gradients()
        own[0][...] = self._x.T @ dz
        own[1][...] = dz.sum(axis=0)

    def update(self, optimizer):
        for network in self.networks:
            network.optimizer = optimizer
            network.update()

    def loss_and_gradients(self, X, y, sample_weight):
        return self.gradients_by_hand(X, y, sample_weight)

    def gradients(self):
        own = Gradient(*self.first._core.views("gradient")[0])
        return [own] if self.rest is None else [own, *self.rest.gradients()]

    def logits(self, X):
        return sparse_outputs(X, self.layers, self.activations, "identity")

    def outputs(self, X):
        return sparse_outputs(X, self.layers, self.activations, self.out_activation)

    @property
    def activations(self):
        return self.key[1]


def dense_layers(sizes, activations):
    """As `Network` takes them; the last is the identity, behind which stands the loss."""
    hidden = zip(sizes[1:-1], activations, strict=True)
    return [*(Dense(n, ACTIVATIONS[name]) for n, name in hidden), Dense(sizes[-1])]


def first_activation(X, layer, activation):
    """a = f(X W + b) of sparse X."""
    z = X @ layer.weights
    z += layer.bias
    return activated(activation, z)


def activated(activation, z):
    """f(z), in place where it can be."""
    if activation == "relu":
        return np.maximum(z, 0, out=z)
    if activation == "tanh":
        return np.tanh(z, out=z)
    return expit(z, out=z) if activation == "logistic" else z


def slope_of(activation, a):
    """f'(z) from a."""
    if activation == "relu":
        return (a > 0).astype(a.dtype)
    if activation == "tanh":
        return 1 - a * a
    return a * (1 - a) if activation == "logistic" else np.ones_like(a)


def output_of(out_activation, z):
    """What the loss is of, from the last z."""
    functions = {"softmax": lambda z: softmax(z, axis=1), "logistic": expit, "exp": np.exp}
    return functions.get(out_activation, lambda z: z)(z)


def sparse_outputs(X, layers, activations, out_activation):
    """Output activations for CSR or CSC rows, layer by layer."""
    *hidden, last = layers
    a = X
    for layer, activation in zip(hidden, activations, strict=True):
        a = first_activation(a, layer, activation)
    return output_of(out_activation, first_activation(a, last, "identity"))


def loss_and_slope(out_activation, z, y):
    """Each sample's loss (n,) in float64, and its derivative by z (n, k)."""
    a = output_of(out_activation, z)
    exact, y64 = z.astype(np.float64), y.astype(np.float64)
    if out_activation == "softmax":
        losses = -(y64 * log_softmax(exact, axis=1))
    elif out_activation == "logistic":
        losses = np.maximum(exact, 0) - exact * y64 + np.log1p(np.exp(-np.abs(exact)))
    elif out_activation == "exp":  # half the Poisson deviance
        losses = xlogy(y64, y64) - y64 * exact - y64 + np.exp(exact)
    else:
        losses = 0.5 * (exact - y64) ** 2
    return losses.sum(axis=1), a - y.astype(a.dtype)
