"""This library: `fit` and `predict` on numpy arrays."""

import backprop
from peers import ADAM

NAME = "backprop"
VARIANTS = ("fit",)


def version():
    return backprop.__version__


def network(shape, dtype, parameters, n_threads=1, matmul="auto", input_scale=None):
    """A `backprop.Network` that starts from `parameters`."""
    net = backprop.Network(
        shape.sizes[0],
        shape.layers(),
        loss=shape.loss,
        optimizer=backprop.Adam(**ADAM),
        dtype=dtype,
        seed=0,
        n_threads=n_threads,
        matmul=matmul,
        input_scale=input_scale,
    )
    for layer, (weights, bias) in zip(net.layers, parameters, strict=True):
        layer.weights[...], layer.bias[...] = weights, bias
    return net


def predictors(shape, parameters):
    """{variant: a function from rows to outputs, numpy arrays both}."""
    return {"predict": network(shape, "float32", parameters).predict}


class Trainer:
    """Options are those of `network`."""

    def __init__(self, shape, dtype, parameters, X, y, variant="fit", **options):
        self.net = network(shape, dtype, parameters, **options)
        # Pixels stay the bytes they are: the gather converts them.
        self.X, self.y = X if X.dtype == "uint8" else X.astype(dtype), y
        self.batch = shape.batch

    def train(self, epochs):
        self.net.fit(self.X, self.y, epochs=epochs, batch_size=self.batch)

    def parameters(self):
        return [(layer.weights, layer.bias) for layer in self.net.layers]

    def first_moments(self):
        return self.net.optimizer_state()["moment1"]
