"""Back-propagation in plain numpy, written to be read from top to bottom.

*The derivative of the loss, or the derivative of the activation: which is it?* Both, multiplied.
A weight reaches the cost through z, z through a, and a through the loss, so the chain rule has
one factor for each of these steps. For a batch of n samples, one sample a row, a layer computes

    z = x W + b     [n][n_out]   pre-activation
    a = f(z)        [n][n_out]   activation: the x of the next layer, or the network's output
    C = mean of the samples' losses L(a, y), where a is the output of the last layer

and the derivatives come back through the same steps in the opposite order. The gradient of a
number with respect to an array has the shape of that array; `dz` is short for the gradient dC/dz.

    da = L'(a, y) / n      [n][n_out]     derivative of the loss: in the last layer, only there
    dz = da * f'(z)        [n][n_out]     derivative of the activation: in every layer, elementwise
    dW = x^T dz            [n_in][n_out]  because the derivative of z[s][j] by W[i][j] is x[s][i]
    db = sum of dz's rows  [n_out]        because the derivative of z[s][j] by b[j] is 1
    dx = dz W^T            [n][n_in]      the da of the layer before, whose own f' comes next

For one weight of the last layer this reads, the three factors side by side,

    dC/dW[i][j] = sum over samples s of  da[s][j] * f'(z[s][j]) * x[s][i]

A hidden layer has no target to be compared with: its da is not a derivative of the loss but the
dx of the layer after it, the share of the blame which that layer's weights pass back.

*Why do some books write dz = a - y, with no f'?* Because there the product has been worked out.
Cross-entropy after a sigmoid has L'(a) = (a - y) / (a (1 - a)) and f'(z) = a (1 - a), and these
multiply to a - y; softmax does the same. Both factors are there; one cancels the other. Here the
two cross-entropies contain their sigmoid or softmax: they take logits, the last layer is the
identity with f' = 1, and the difference is taken in the loss, where nothing is divided by zero.
With the squared error and a sigmoid nothing cancels: dz = (a - y) a (1 - a) / n.

f and f', each L and its derivative, and the rules of an optimizer's step stand in the catalogue, in
plain numpy too: `backprop/catalogue`. This module is what the fast network is tested against;
nothing else in the library imports it.
"""

import secrets
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from backprop.catalogue.activations import Activation
from backprop.catalogue.initializers import INITIALIZERS
from backprop.catalogue.losses import find_loss
from backprop.catalogue.optimizers import find_optimizer
from backprop.history import History
from backprop.validation import check_batch_size

# ---- Random numbers: SplitMix64 (Steele, Lea and Flood, 2014) -----------------------------------

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio, made odd
WEIGHTS = 1  # purpose of a stream: initial weights, one stream for each layer
SHUFFLE = 2  # purpose of a stream: order of the samples, one stream for each epoch
DROPOUT = 3  # purpose of a stream: what is dropped, one stream for each layer and step
INPUT_DROPOUT = 4


def mix64(z):
    """Scramble the 64 bits of a Python int, or of each element of a uint64 array."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def stream(seed, purpose, index):
    """State of one of the independent streams of random numbers that belong to a seed."""
    state = mix64(seed & MASK)
    state = mix64((state + purpose) & MASK)
    return mix64((state + index) & MASK)


def random_words(state, count):
    """First `count` outputs of a stream, uint64."""
    return mix64(np.uint64(state) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN))


def uniform(state, count):
    """First `count` outputs of a stream as float64 in [0, 1), multiples of 2^-53."""
    return (random_words(state, count) >> np.uint64(11)) * 2.0**-53


def shuffle(state, count):
    """A permutation of 0 .. count - 1, int64 (Fisher and Yates)."""
    order = list(range(count))
    words = random_words(state, max(count - 1, 0)).tolist()
    for i, word in zip(range(count - 1, 0, -1), words, strict=True):
        j = (word * (i + 1)) >> 64  # uniform on 0 .. i: the high half of a 128-bit product
        order[i], order[j] = order[j], order[i]
    return np.array(order, dtype=np.int64)


def mix32(x):
    """Scramble each uint32 of an array (Wellons 2018)."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def dropout_factors(state, rate, n, units, dtype):
    """[n][units]: 0 with probability `rate`, else 1 / (1 - rate); each drawn by its own place."""
    if rate == 0:
        return np.ones((n, units), dtype)
    keys = random_words(state, units)
    low, high = keys.astype(np.uint32), (keys >> np.uint64(32)).astype(np.uint32)
    words = mix32(mix32(np.arange(n, dtype=np.uint32)[:, None] ^ low) + high)
    return np.where(words < np.uint32(int(rate * 2**32)), 0, 1 / (1 - rate)).astype(dtype)


def initial_weights(seed, layer, n_in, n_out, activation, dtype):
    """Uniform on ±limit, as the scheme that suits the activation has it."""
    limit = INITIALIZERS[activation.initial_weights].limit(n_in, n_out)
    u = uniform(stream(seed, WEIGHTS, layer), n_in * n_out)
    return ((2 * u - 1) * limit).reshape(n_in, n_out).astype(dtype)


# ---- The cost of a batch -----------------------------------------------------------------------


def cost_and_derivative(loss, a, y, sample_weight):
    """C = sum of w L / sum of w over the batch, and da = dC/da; both 0 where every w is 0."""
    total = sample_weight.sum(dtype=np.float64)
    share = sample_weight.astype(np.float64) / (total if total > 0 else np.inf)
    cost = float(loss.value(a, y, *loss.settings.values()) @ share)
    return cost, loss.derivative(a, y, *loss.settings.values()) * share[:, None].astype(a.dtype)


def sum_of_squares(weights):
    """Of a matrix, in float64: eight sums, column j of every row in sum j mod 8, then a tree."""
    s = [0.0] * 8
    for row in weights.astype(np.float64).tolist():
        for j, w in enumerate(row):
            s[j % 8] += w * w
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))


# ---- One layer, forward and backward ------------------------------------------------------------


def dense_forward(x, weights, bias, activation):
    """z = x [n][n_in] weights [n_in][n_out] + bias [n_out], and a = f(z), both [n][n_out]."""
    z = x @ weights + bias
    return z, activation.value(z, *activation.settings.values())


def dense_backward(da, x, z, a, weights, activation):
    """From da = dC/da to (dx, d_weights, d_bias), given what `dense_forward` took and returned."""
    # here the two derivatives meet
    dz = da * activation.derivative(z, a, *activation.settings.values())
    d_weights = x.T @ dz
    d_bias = dz.sum(axis=0)
    dx = dz @ weights.T
    return dx, d_weights, d_bias


# ---- From the user's arrays to a batch ----------------------------------------------------------


def gather(X, rows=slice(None), offset=None, scale=None, dtype="float32"):
    """(x - offset) * scale for some rows of X, as a new array; worked out in float64."""
    x = np.asarray(X)[rows]
    if offset is not None:
        x = x - np.asarray(offset, dtype=np.float64)
    if scale is not None:
        x = x * np.asarray(scale, dtype=np.float64)
    return x.astype(dtype)


def one_hot(labels, n_classes, dtype="float32"):
    """[n] class numbers to [n][n_classes] rows with a single 1."""
    labels = np.asarray(labels)
    classes = np.arange(n_classes)
    if not np.isin(labels, classes).all():
        raise ValueError(f"y: class labels must be integers from 0 to {n_classes - 1}")
    return (labels[:, None] == classes).astype(dtype)


def targets(y, loss, n_outputs, dtype):
    """y as a new [n][n_outputs] array of the network's dtype."""
    y = np.asarray(y)
    if y.ndim == 1 and loss.target.is_class:
        return one_hot(y, n_outputs, dtype)
    if y.ndim == 1:
        y = y[:, None]
    if y.ndim != 2 or y.shape[1] != n_outputs:
        raise ValueError(f"y: the shape is {y.shape}, expected (n, {n_outputs})")
    return y.astype(dtype)


# ---- The network --------------------------------------------------------------------------------


@dataclass
class Layer:
    """Parameters of one layer and its activation."""

    weights: np.ndarray  # [n_in][n_out]
    bias: np.ndarray  # [n_out]
    activation: Activation
    dropout: float = 0.0

    @property
    def units(self):
        return len(self.bias)


class Gradient(NamedTuple):
    """Gradient of the cost with respect to one layer's parameters, each in their shape."""

    weights: np.ndarray
    bias: np.ndarray


class Network:
    """Dense layers trained by back-propagation: `backprop.Network`, slowly and in plain sight.

    Parameters, methods and results are those of `backprop.Network`. `n_threads` and `matmul` are
    accepted and have no effect here.
    """

    def __init__(
        self,
        n_inputs,
        layers,
        loss="squared_error",
        optimizer="adam",
        dtype="float32",
        seed=None,
        n_threads=None,
        matmul="auto",
        input_offset=None,
        input_scale=None,
        input_dropout=0.0,
    ):
        self._loss = find_loss(loss, layers[-1].units, layers[-1].function)
        self.loss = self._loss.label
        self.n_inputs, self.n_outputs = n_inputs, layers[-1].units
        self.optimizer = find_optimizer("adam" if optimizer is None else optimizer)
        self.dtype = np.dtype(dtype)
        self.seed = secrets.randbits(63) if seed is None else seed
        self.n_threads, self.matmul = n_threads, matmul
        self.input_offset = self._for_each_input(input_offset)
        self.input_scale = self._for_each_input(input_scale)
        self.input_dropout = input_dropout
        self.epochs_trained = 0
        self.steps = 0

        self.layers = []
        n_in = n_inputs
        for i, dense in enumerate(layers):
            weights = initial_weights(self.seed, i, n_in, dense.units, dense.function, self.dtype)
            bias = np.zeros(dense.units, self.dtype)
            self.layers.append(Layer(weights, bias, dense.function, dense.dropout))
            n_in = dense.units
        self._moments = {
            name: [(np.zeros_like(at.weights), np.zeros_like(at.bias)) for at in self.layers]
            for name in self.optimizer.moments
        }
        self._passed = None  # what the last `forward` has kept
        self._gradients = None  # of the last `backward`

    # -- the chain rule, there and back --

    def _forward(self, x, training=False):
        """(x, z, a, factors) of every layer, in order; a · factors is the x of the next.

        The factors are those of dropout: 1 where nothing is dropped, as when it is not training.
        """
        passed = []
        x = x * self._dropped(INPUT_DROPOUT, 0, self.input_dropout if training else 0, x)
        for i, layer in enumerate(self.layers):
            z, a = dense_forward(x, layer.weights, layer.bias, layer.activation)
            factors = self._dropped(DROPOUT, i, layer.dropout if training else 0, a)
            passed.append((x, z, a, factors))
            x = a * factors
        return passed

    def _dropped(self, purpose, layer, rate, values):
        """The factors of dropout in the next step, shaped like `values`."""
        state = stream(stream(self.seed, purpose, layer), self.steps, 0)
        return dropout_factors(state, rate, *values.shape, self.dtype)

    def _backward(self, passed, da):
        """From dC/d(output) to dC/dx of the network, and every layer's gradient."""
        gradients = []
        for layer, (x, z, a, factors) in zip(reversed(self.layers), reversed(passed), strict=True):
            da = da * factors
            da, d_weights, d_bias = dense_backward(da, x, z, a, layer.weights, layer.activation)
            gradients.insert(0, Gradient(d_weights, d_bias))
        return da * self._dropped(INPUT_DROPOUT, 0, self.input_dropout, da), gradients

    def _update(self, gradients, total=1.0):
        """The optimizer's step; `total`: the sum of the batch's sample weights."""
        rate = self.optimizer.rate_at(self.steps, self.epochs_trained)
        self.steps += 1
        for i, (layer, gradient) in enumerate(zip(self.layers, gradients, strict=True)):
            moments = [per_layer[i] for per_layer in self._moments.values()]
            for part, w in enumerate((layer.weights, layer.bias)):
                own, g = [both[part] for both in moments], gradient[part]
                sums = total if part == 0 else None  # weights decay, not biases
                self.optimizer.update(w, g, own, self.steps, sums, rate)

    def loss_and_gradients(self, X, y, sample_weight=None):
        """Cost of a batch, and its gradient with respect to every layer's parameters."""
        y, sample_weight = self._targets(X, y, sample_weight)
        passed = self._forward(self._gather(X), training=True)
        cost, da = cost_and_derivative(self._loss, output_of(passed), y, sample_weight)
        _, gradients = self._backward(passed, da)
        return cost, gradients

    def train_step(self, X, y, sample_weight=None):
        """One optimizer step on one batch; the cost before the step."""
        return finite(self._step(X, y, sample_weight), X)

    def _step(self, X, y, sample_weight):
        cost, gradients = self.loss_and_gradients(X, y, sample_weight)
        total = len(X) if sample_weight is None else np.sum(sample_weight, dtype=np.float64)
        self._update(gradients, total if total > 0 else np.inf)
        return cost

    # -- training --

    def fit(
        self,
        X,
        y,
        *,
        epochs=10,
        batch_size=None,
        validation_data=None,
        sample_weight=None,
        shuffle=True,
        verbose=False,
        callbacks=(),
    ):
        """Train on every sample once an epoch, in batches of which the last may be smaller."""
        X = np.asarray(X)
        y, sample_weight = self._targets(X, y, sample_weight)
        batch_size = check_batch_size(batch_size, len(X))
        history = History(n_samples=len(X))
        for _ in range(epochs):
            started = time.perf_counter()
            loss = self._epoch(X, y, sample_weight, batch_size, shuffle)
            history.loss.append(finite(loss, X))
            history.seconds.append(time.perf_counter() - started)
            self.epochs_trained += 1
            if validation_data is not None:
                result = self.evaluate(*validation_data)
                history.validation_loss.append(result["loss"])
                if "accuracy" in result:
                    history.validation_accuracy.append(result["accuracy"])
            if verbose:
                print(f"epoch {self.epochs_trained}: loss {history.loss[-1]:.6g}")
            stops = [callback(self, history) is True for callback in callbacks]
            if any(stops):
                break
        return history

    def _epoch(self, X, y, sample_weight, batch_size, shuffled):
        """One pass over the samples; the mean of their losses, each as its batch was met."""
        n = len(X)
        order = np.arange(n)
        if shuffled:
            order = shuffle(stream(self.seed, SHUFFLE, self.epochs_trained), n)
        total = 0.0
        for first in range(0, n, batch_size):
            rows = order[first : first + batch_size]
            cost = self._step(X[rows], y[rows], sample_weight[rows])
            total += cost * sample_weight[rows].sum(dtype=np.float64)
        weight = sample_weight.sum(dtype=np.float64)
        return float(total / weight) if weight > 0 else 0.0

    # -- using what was learnt --

    def predict(self, X, logits=False):
        """Output [n][n_outputs], with the cross-entropies probabilities; `logits`: the last z."""
        _, z, a, _ = self._forward(self._gather(X))[-1]
        return z if logits else self._loss.link(a)

    def evaluate(self, X, y, sample_weight=None):
        """{"loss", "accuracy"} where the target is a class or yes or no, else {"loss", "r2"}."""
        y, sample_weight = self._targets(X, y, sample_weight)
        a = output_of(self._forward(self._gather(X)))
        cost, _ = cost_and_derivative(self._loss, a, y, sample_weight)
        if self._loss.target.is_categorical:
            return {"loss": cost, "accuracy": accuracy(self._loss, a, y, sample_weight)}
        return {"loss": cost, "r2": r2(a, y, sample_weight)}

    # -- a loss of one's own --

    def forward(self, X):
        """Output [n][n_outputs] of the last layer; what was computed is kept for `backward`."""
        self._passed = self._forward(self._gather(X), training=True)
        return output_of(self._passed)

    def backward(self, d_out):
        """From dL/d(output of `forward`) to dL/dX, for X as given; keeps the gradients."""
        if self._passed is None:
            raise RuntimeError("backward: call forward first")
        dx, self._gradients = self._backward(self._passed, np.asarray(d_out, self.dtype))
        return gather(dx, scale=self.input_scale, dtype=self.dtype)

    def gradients(self):
        """What the last `backward` kept: a `Gradient` for each layer."""
        return self._gradients

    def update(self):
        """One optimizer step with the gradients of the last `backward`."""
        if self._gradients is None:
            raise RuntimeError("update: call backward first")
        self._update(self._gradients)

    def optimizer_state(self):
        """{name of a moment: [(for the weights, for the bias) of each layer]}."""
        return self._moments

    # -- the user's arrays --

    def _for_each_input(self, value):
        if value is None:
            return None
        return np.broadcast_to(np.asarray(value, np.float64), (self.n_inputs,)).copy()

    def _gather(self, X):
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != self.n_inputs:
            raise ValueError(f"X: the shape is {X.shape}, expected (n, {self.n_inputs})")
        return gather(X, offset=self.input_offset, scale=self.input_scale, dtype=self.dtype)

    def _targets(self, X, y, sample_weight):
        y = targets(y, self._loss, self.n_outputs, self.dtype)
        weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
        if not len(X) == len(y) == len(weight):
            raise ValueError(f"X, y, sample_weight: {len(X)}, {len(y)}, {len(weight)} rows")
        return y, weight.astype(self.dtype)


def output_of(passed):
    """The network's output, of what `_forward` returned."""
    _, _, a, factors = passed[-1]
    return a * factors


def finite(loss, X):
    """The loss; or an error that names the first value of X to blame, where there is one."""
    if np.isfinite(loss):
        return loss
    bad = np.argwhere(~np.isfinite(X))
    place = f": X[{bad[0][0]}, {bad[0][1]}] is {X[tuple(bad[0])]}" if len(bad) else ""
    raise FloatingPointError(f"the loss became {loss}{place}")


def accuracy(loss, a, y, sample_weight):
    """Share of the samples whose class, or whose every yes or no, is right."""
    if loss.target.is_class:
        right = a.argmax(axis=1) == y.argmax(axis=1)
    else:
        right = ((a > 0) == (y > 0.5)).all(axis=1)
    return float(np.average(right, weights=sample_weight.astype(np.float64)))


def r2(a, y, sample_weight):
    """1 - residual / total sum of squares, the mean over the outputs; nan where a y is constant."""
    weight, y = sample_weight.astype(np.float64), y.astype(np.float64)
    residual = weight @ (y - a) ** 2
    spread = weight @ (y - np.average(y, axis=0, weights=weight)) ** 2
    if not np.ptp(y[weight > 0], axis=0).all():
        return float("nan")
    return float(np.mean(1 - residual / spread))
