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
plain numpy too: `backprop/catalogue`. Random numbers are drawn in `reference_random.py`; arrays
become batches in `reference_data.py`. This module is what the fast network is tested against;
nothing else in the library imports it.
"""

import copy
import secrets
import time
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from backprop.catalogue.activations import Activation
from backprop.catalogue.losses import find_loss
from backprop.catalogue.norms import Norm
from backprop.catalogue.optimizers import find_optimizer
from backprop.catalogue.targets import MEANS, NUMBERS, ONE_NUMBER
from backprop.history import History
from backprop.layers import Arrays, Gradient, all_arrays
from backprop.reference_data import accuracy, d2, finite, gather, r2, targets
from backprop.reference_random import (
    DROPOUT,
    INPUT_DROPOUT,
    NOISE,
    SHUFFLE,
    dealt,
    dropout_factors,
    initial_weights,
    normal_noise,
    shard_orders,
    shuffle,
    stream,
)
from backprop.validation import check_batch_size

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


def mean_gradient(parts):
    """(the mean gradient of all samples, the sum of their weights), of parts of a batch.

    Each part: (its gradients, one for each layer, and the sum of its sample weights). Where all
    weigh nothing, so do their gradients, and the sum is infinite: nothing else enters them.
    """
    total = sum(weight for _, weight in parts)
    if len(parts) == 1:
        return parts[0][0], total if total > 0 else np.inf
    mean = [own.copy() for own in parts[0][0]]
    for part, (gradients, weight) in enumerate(parts):
        share = weight / total if total > 0 else 0.0
        for own, found in zip(mean, gradients, strict=True):
            for name, array in own.parameters.items():
                array[...] = (array if part else 0) + share * found.parameters[name]
    return mean, total if total > 0 else np.inf


# ---- Beside the optimizer's step -----------------------------------------------------------------


def limited_columns(weights, most):
    """Each unit's incoming weights, a column of W [n_in][n_out], scaled down to a norm of `most`.

    Srivastava et al. 2014, section 5.1. The bias of a unit is not among them.
    """
    norms = np.sqrt(np.square(weights, dtype=np.float64).sum(axis=0))
    factors = np.where(norms > most, most / np.maximum(norms, most), 1)
    return weights * factors.astype(weights.dtype)


def followed(average, weights, share):
    """An average of weights after one more of them: a share of the way towards it."""
    return average + average.dtype.type(share) * (weights - average)


# ---- One layer, forward and backward ------------------------------------------------------------


def dense_forward(x, weights, bias):
    """z = x [n][n_in] weights [n_in][n_out] + bias [n_out]: [n][n_out]."""
    return x @ weights + bias


def dense_backward(dz, x, weights):
    """From dz = dC/dz to (dx, d_weights, d_bias)."""
    return dz @ weights.T, x.T @ dz, dz.sum(axis=0)


def layer_forward(layer, x, factors, noise, training):
    """The layer's outputs [n][units], and what the way back needs.

    z = x W + b, perhaps normalised; a = f(z). Then noise is added, outputs are multiplied by
    dropout's factors, and the inputs are added: each in layers that have it.
    """
    z = dense_forward(x, layer.weights, layer.bias)
    norm = None
    if layer.norm is not None:
        z, norm = norm_forward(layer, z, training)
    a = layer.activation.value(z, *layer.activation_values())
    out = (a + noise) * factors
    if layer.residual:
        out = out + x
    return out, Passed(x, z, a, factors, norm)


def layer_backward(layer, da, passed):
    """From da, dC/d(output), to dC/dx and the layer's gradient."""
    past_the_weights = da if layer.residual else 0
    da = da * passed.factors
    beside = {}
    f = layer.activation
    if f.learned is not None:
        beside[f.learned] = (da * f.by_parameter(passed.z)).sum(axis=0)
    # here the two derivatives meet
    dz = da * f.derivative(passed.z, passed.a, *layer.activation_values())
    if layer.norm is not None:
        n, deviation, _ = passed.norm
        dz, d_scale, d_shift = layer.norm.backward(dz, n, deviation, layer.beside["scale"])
        beside = {"scale": d_scale, "shift": d_shift, **beside}
    dx, d_weights, d_bias = dense_backward(dz, passed.x, layer.weights)
    if not layer.use_bias:
        d_bias[...] = 0  # it is no parameter
    return dx + past_the_weights, Gradient(d_weights, d_bias, beside, layer.use_bias)


def norm_forward(layer, z, training):
    """The normalised z; and for the way back, and what is gathered: n, deviation, statistics."""
    statistics = layer.norm.statistics(z)
    if layer.statistics and not training:
        statistics = [row[None] for row in layer.statistics.values()]
    scale, shift = layer.beside["scale"], layer.beside["shift"]
    z, n, deviation = layer.norm.forward(z, scale, shift, statistics)
    return z, (n, deviation, statistics)


# ---- The network --------------------------------------------------------------------------------


@dataclass
class Layer:
    """Parameters of one layer and its activation."""

    weights: np.ndarray  # [n_in][n_out]
    bias: np.ndarray  # [n_out]
    activation: Activation
    dropout: float = 0.0
    noise: float = 0.0
    norm: Norm | None = None
    residual: bool = False
    beside: dict = field(default_factory=dict)  # {name: [n_out]} of what else it learns
    statistics: dict = field(default_factory=dict)  # {name: [n_out]} that training gathers
    use_bias: bool = True
    trainable: bool = True
    learning_rate_factor: float = 1.0
    max_norm: float | None = None

    @property
    def units(self):
        return len(self.bias)

    @property
    def parameters(self):
        bias = {"bias": self.bias} if self.use_bias else {}
        return {"weights": self.weights, **bias, **self.beside}

    def activation_values(self):
        """Of the activation's parameters: numbers, or an array [n_out] of one that is learned."""
        return {**self.activation.settings, **self._learned()}.values()

    def _learned(self):
        name = self.activation.learned
        return {} if name is None else {name: self.beside[name]}


class Passed(NamedTuple):
    """What a layer keeps of a batch for the way back: each [n][units], x [n][n_in]."""

    x: np.ndarray
    z: np.ndarray  # as f takes it: where there is a norm, normalised
    a: np.ndarray
    factors: np.ndarray  # of dropout
    norm: tuple | None  # n, deviation, statistics


def new_layer(spec, weights, dtype):
    """The layer that a bp.Dense describes."""
    beside = {name: np.full(spec.units, start, dtype) for name, start in spec.learned.items()}
    gathered = {name: np.full(spec.units, start, dtype) for name, start in spec.gathered.items()}
    bias = np.zeros(spec.units, dtype)
    options = "dropout", "noise", "residual", "use_bias", "trainable", "learning_rate_factor"
    options += ("max_norm",)
    how = {name: getattr(spec, name) for name in options}
    norm = spec.norm_function
    return Layer(weights, bias, spec.function, norm=norm, beside=beside, statistics=gathered, **how)


def zeros_like(layer):
    """A 0 for each parameter of a layer."""
    zeros = {name: np.zeros_like(array) for name, array in layer.beside.items()}
    weights, bias = np.zeros_like(layer.weights), np.zeros_like(layer.bias)
    return Arrays(weights, bias, zeros, layer.use_bias)


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
        if self.optimizer.minimizes:
            raise ValueError(f"optimizer={self.optimizer!r}: the reference has steps only")
        self.dtype = np.dtype(dtype)
        self.seed = secrets.randbits(63) if seed is None else seed
        self.n_threads, self.matmul = n_threads, matmul
        self.input_offset = self._for_each_input(input_offset)
        self.input_scale = self._for_each_input(input_scale)
        self.input_dropout = input_dropout
        self.epochs_trained = 0
        self.steps = 0
        schedule = self.optimizer.schedule
        self.schedule_state = None if schedule is None else schedule.begin()

        self.layers = []
        n_in = n_inputs
        for i, dense in enumerate(layers):
            weights = initial_weights(
                self.seed, i, n_in, dense.units, dense.initial_weights, self.dtype
            )
            self.layers.append(new_layer(dense.rated(n_in), weights, self.dtype))
            n_in = dense.units
        self._moments = {
            name: [zeros_like(layer) for layer in self.layers] for name in self.optimizer.moments
        }
        self._passed = None  # what the last `forward` has kept
        self._gradients = None  # of the last `backward`
        self._part = 0  # of a step that takes several batches
        self._averages = [
            {name: np.zeros_like(array) for name, array in all_arrays(layer).items()}
            for layer in self.layers
        ]
        self._n_averaged = 0

    # -- the chain rule, there and back --

    def _forward(self, x, training=False):
        """The network's outputs, and of every layer what it has `Passed`.

        Only in training are outputs dropped and noise added, and only then do norms take a batch's
        own statistics.
        """
        passed = []
        x = x * self._dropped(INPUT_DROPOUT, 0, self.input_dropout if training else 0, x.shape)
        for i, layer in enumerate(self.layers):
            shape = len(x), layer.units
            factors = self._dropped(DROPOUT, i, layer.dropout if training else 0, shape)
            noise = self._noise(i, layer.noise if training else 0, shape)
            x, kept = layer_forward(layer, x, factors, noise, training)
            passed.append(kept)
        return x, passed

    def _dropped(self, purpose, layer, rate, shape):
        """The factors of dropout in the next step; 1 where nothing is dropped."""
        state = stream(stream(self.seed, purpose, layer), self.steps, self._part)
        return dropout_factors(state, rate, *shape, self.dtype)

    def _noise(self, layer, deviation, shape):
        """What the next step adds to a layer's outputs."""
        if deviation == 0:
            return 0
        state = stream(stream(self.seed, NOISE, layer), self.steps, self._part)
        return (deviation * normal_noise(state, *shape)).astype(self.dtype)

    def _backward(self, passed, da):
        """From dC/d(output) to dC/dx of the network, and every layer's gradient."""
        gradients = []
        for layer, kept in zip(reversed(self.layers), reversed(passed), strict=True):
            da, gradient = layer_backward(layer, da, kept)
            gradients.insert(0, gradient)
        return da * self._dropped(INPUT_DROPOUT, 0, self.input_dropout, da.shape), gradients

    def _update(self, gradients, total=1.0):
        """The optimizer's step; `total`: the sum of the batch's sample weights."""
        rate = self.optimizer.rate_at(self.steps, self.epochs_trained, self.schedule_state)
        self.steps += 1
        for i, (layer, gradient) in enumerate(
            zip(self.layers, self._clipped(gradients), strict=True)
        ):
            if not layer.trainable:
                continue
            own_rate = rate * layer.learning_rate_factor
            moments = [per_layer[i].parameters for per_layer in self._moments.values()]
            is_hidden = i + 1 < len(self.layers)
            for name, w in layer.parameters.items():
                own, g = [of_layer[name] for of_layer in moments], gradient[name]
                sums = total if name == "weights" else None  # which alone decay
                if name == "weights" and is_hidden and self.optimizer.matrices is not None:
                    self.optimizer.update_matrix(w, g, own[0], sums, own_rate)
                else:
                    self.optimizer.update(w, g, own, self.steps, sums, own_rate)
            if layer.max_norm is not None:
                layer.weights[...] = limited_columns(layer.weights, layer.max_norm)
        if self.optimizer.average is not None and self.optimizer.average.first_epoch is None:
            self._average()

    def _clipped(self, gradients):
        """{name: array} of each layer, clipped; a frozen layer's are no part of the norm."""
        given = [
            list(gradient.parameters.values()) if layer.trainable else []
            for layer, gradient in zip(self.layers, gradients, strict=True)
        ]
        names = [list(gradient.parameters) for gradient in gradients]
        clipped = self.optimizer.clipped(given)
        return [dict(zip(*both, strict=False)) for both in zip(names, clipped, strict=True)]

    def _follow(self, passed):
        """What norms gather takes a step towards the batch's statistics."""
        for layer, own in zip(self.layers, passed, strict=True):
            if layer.statistics and layer.trainable:
                layer.norm.follow(layer.statistics, own.norm[-1], len(own.z))

    def _average(self):
        """Move the averages towards the parameters as they are, and towards what is gathered."""
        share = self.optimizer.average.share(self._n_averaged)
        for average, layer in zip(self._averages, self.layers, strict=True):
            for name, array in all_arrays(layer).items():
                average[name][...] = followed(average[name], array, share)
        self._n_averaged += 1

    def loss_and_gradients(self, X, y, sample_weight=None):
        """Cost of a batch, and its gradient with respect to every layer's parameters."""
        y, sample_weight = self._targets(X, y, sample_weight)
        a, self._passed = self._forward(self._gather(X), training=True)
        cost, da = cost_and_derivative(self._loss, a, y, sample_weight)
        _, gradients = self._backward(self._passed, da)
        return cost, gradients

    def train_step(self, X, y, sample_weight=None):
        """One optimizer step on one batch; the cost before the step."""
        cost, gradients = self.loss_and_gradients(X, y, sample_weight)
        total = len(X) if sample_weight is None else np.sum(sample_weight, dtype=np.float64)
        self._update(*mean_gradient([(gradients, total)]))
        self._follow(self._passed)
        return finite(cost, X)

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
        shards=1,
    ):
        """Train on every sample once an epoch, in batches of which the last may be smaller."""
        X = np.asarray(X)
        y, sample_weight = self._targets(X, y, sample_weight)
        batch_size = check_batch_size(batch_size, len(X))
        history = History(n_samples=len(X))
        for _ in range(epochs):
            started = time.perf_counter()
            batches = self._batches(len(X), batch_size, shuffle, shards)
            loss = self._epoch(X, y, sample_weight, batches)
            history.loss.append(finite(loss, X))
            history.seconds.append(time.perf_counter() - started)
            if self.optimizer.average is not None:
                first = self.optimizer.average.first_epoch
                if first is not None and self.epochs_trained >= first:
                    self._average()
            self.epochs_trained += 1
            if validation_data is not None:
                result = self.evaluate(*validation_data)
                history.validation_loss.append(result["loss"])
                if "accuracy" in result:
                    history.validation_accuracy.append(result["accuracy"])
            if self.optimizer.schedule is not None:
                result = (history.validation_loss or history.loss)[-1]
                self.schedule_state = self.optimizer.schedule.told(self.schedule_state, result)
            if verbose:
                print(f"epoch {self.epochs_trained}: loss {history.loss[-1]:.6g}")
            stops = [callback(self, history) is True for callback in callbacks]
            if any(stops):
                break
        return history

    def _batches(self, n, batch_size, shuffled, shards):
        """[the rows of each batch of an epoch].

        With shards, the fast network sums the gradients of each by themselves, and then these sums:
        the same number but for rounding, which is why here they are one sum.
        """
        if shards > 1:
            orders = shard_orders(self.seed, self.epochs_trained, n, shards, shuffled)
            return [np.concatenate(batch) for batch in dealt(orders, batch_size)]
        order = np.arange(n)
        if shuffled:
            order = shuffle(stream(self.seed, SHUFFLE, self.epochs_trained), n)
        return [order[first : first + batch_size] for first in range(0, n, batch_size)]

    def _epoch(self, X, y, sample_weight, batches):
        """One pass over the samples; the mean of their losses, each as its batch was met."""
        total, parts = 0.0, []
        for i, rows in enumerate(batches):
            self._part = len(parts)
            cost, gradients = self.loss_and_gradients(X[rows], y[rows], sample_weight[rows])
            parts.append((gradients, sample_weight[rows].sum(dtype=np.float64)))
            self._follow(self._passed)
            total += cost * parts[-1][1]
            if len(parts) == self.optimizer.accumulate or i + 1 == len(batches):
                self._update(*mean_gradient(parts))
                parts = []
        self._part = 0
        weight = sample_weight.sum(dtype=np.float64)
        return float(total / weight) if weight > 0 else 0.0

    # -- using what was learnt --

    def predict(self, X, logits=False):
        """Output [n][n_outputs], with the cross-entropies probabilities; `logits`: the last z."""
        a, passed = self._forward(self._gather(X))
        return passed[-1].z if logits else self._loss.link(a)

    def evaluate(self, X, y, sample_weight=None):
        """{"loss", …}: "accuracy" of classes or yes or no, "pinball", "d2" or "r2" of numbers."""
        y, sample_weight = self._targets(X, y, sample_weight)
        a, _ = self._forward(self._gather(X))
        cost, _ = cost_and_derivative(self._loss, a, y, sample_weight)
        if self._loss.score is None:
            return {"loss": cost}
        if self._loss.target.is_categorical:
            return {"loss": cost, "accuracy": accuracy(self._loss, a, y, sample_weight)}
        if self._loss.target is NUMBERS:
            return {"loss": cost, "r2": r2(a, y, sample_weight)}
        if self._loss.target is MEANS:
            half = self.n_outputs // 2
            return {"loss": cost, "r2": r2(a[:, :half], y[:, :half], sample_weight)}
        if self._loss.target is ONE_NUMBER:
            cost_of_p, _ = cost_and_derivative(self._loss, self._loss.link(a), y, sample_weight)
            return {"loss": cost, "pinball": cost_of_p / self.n_outputs}
        return {"loss": cost, "d2": d2(self._loss, a, y, sample_weight)}

    def averaged(self):
        """A copy whose parameters are the averages that the optimizer keeps."""
        if self._n_averaged == 0:
            raise RuntimeError("averaged: there is no average yet")
        twin = copy.deepcopy(self)
        for average, layer in zip(self._averages, twin.layers, strict=True):
            for name, array in all_arrays(layer).items():
                array[...] = average[name]
        return twin

    # -- a loss of one's own --

    def forward(self, X):
        """Output [n][n_outputs] of the last layer; what was computed is kept for `backward`."""
        a, self._passed = self._forward(self._gather(X), training=True)
        return a

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
        self._follow(self._passed)

    def optimizer_state(self):
        """{name of a moment: [(for the weights, for the bias, …) of each layer]}."""
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
