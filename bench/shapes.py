"""The nine networks that are timed, what a training step of each costs, and data for them."""

from dataclasses import dataclass, field

import numpy as np

from backprop import Dense, reference


@dataclass(frozen=True)
class Shape:
    """One network and its batch: what a row of the table is about.

    `steps` is the number of batches in an epoch: enough for an epoch to last some milliseconds and
    for the data to be larger than the first caches, few enough for the slowest peer.
    """

    name: str
    sizes: tuple  # inputs, units of each hidden layer, outputs
    batch: int
    steps: int = field(repr=False)
    activation: str = "relu"  # of the hidden layers
    loss: str = "softmax_cross_entropy"  # on logits

    @property
    def layer_sizes(self):
        """(inputs, outputs) of each layer."""
        return list(zip(self.sizes, self.sizes[1:], strict=False))

    @property
    def flops(self):
        """Floating-point operations of the products of one training step.

        Forward, backward to the inputs of a layer, and the gradient of its weights: three products
        of 2·batch·in·out each, but for the first layer, whose inputs need no gradient.
        """
        products = 6 * self.batch * sum(n_in * n_out for n_in, n_out in self.layer_sizes)
        return products - 2 * self.batch * self.sizes[0] * self.sizes[1]

    def __str__(self):
        kind = " tanh" if self.activation == "tanh" else ""
        return f"{self.name} {'-'.join(map(str, self.sizes))}, {self.batch}{kind}"

    def layers(self):
        """The layers as `backprop.Dense` values; the last gives logits."""
        hidden = [Dense(units, self.activation) for units in self.sizes[1:-1]]
        return [*hidden, Dense(self.sizes[-1])]

    def random_data(self, seed=0):
        """Fresh X [steps * batch][inputs] and y [steps * batch], in float64 and int64.

        The label is what a random linear map finds highest, but for one row in five, which gets
        any: there is something to learn, and the gradient does not fade away however long one
        trains.
        """
        rng = np.random.default_rng(seed)
        n, n_outputs = self.steps * self.batch, self.sizes[-1]
        X = rng.standard_normal((n, self.sizes[0]), dtype=np.float32).astype(np.float64)
        scores = X @ rng.standard_normal((self.sizes[0], n_outputs))
        y = scores.argmax(axis=1) if n_outputs > 1 else (scores[:, 0] > 0).astype(np.int64)
        anything = rng.integers(0, max(n_outputs, 2), n)
        return X, np.where(rng.random(n) < 0.2, anything, y)

    def initial_parameters(self, dtype, seed=0):
        """[(weights [in][out], bias [out])] of each layer, the same for everyone who is timed."""
        network = reference.Network(self.sizes[0], self.layers(), self.loss, dtype=dtype, seed=seed)
        return [(layer.weights, layer.bias) for layer in network.layers]

    def reference(self, parameters, dtype="float64"):
        """A `backprop.reference.Network` that stands where `parameters` stand."""
        network = reference.Network(self.sizes[0], self.layers(), self.loss, dtype=dtype, seed=0)
        for layer, (weights, bias) in zip(network.layers, parameters, strict=True):
            layer.weights[...], layer.bias[...] = weights, bias
        return network


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("xor", (2, 2, 1), 4, 4000, loss="sigmoid_cross_entropy"),
        Shape("iris", (4, 16, 3), 32, 2000),
        Shape("rl", (8, 64, 64, 4), 64, 500, activation="tanh"),
        Shape("digits", (64, 100, 10), 200, 200),
        Shape("tabular", (54, 256, 256, 7), 256, 60),
        Shape("mnist", (784, 256, 128, 10), 128, 60),
        Shape("smallbatch", (784, 512, 512, 10), 32, 100),
        Shape("wide", (784, 1024, 1024, 10), 256, 12),
        Shape("deep", (1024, 1024, 1024, 1024, 10), 1024, 4),
    )
}
