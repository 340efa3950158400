"""PyTorch: eager, one thread, batches indexed from a resident tensor, no DataLoader.

The forward pass is written out with `linear`, which spares the calls of a tree of modules. Adam
is the fused one or the foreach one; gradients are set to None, not to zero.
"""

import warnings

import numpy as np
import torch
from torch.nn import functional

from peers import ADAM

torch.set_num_threads(1)

NAME = "PyTorch"
VARIANTS = ("fused", "foreach")

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh}
LOSSES = {
    "softmax_cross_entropy": functional.cross_entropy,
    "sigmoid_cross_entropy": functional.binary_cross_entropy_with_logits,
}


def version():
    return torch.__version__


def predictors(shape, parameters):
    """{variant: a function from rows to outputs, numpy arrays both}; no gradient is kept.

    Eager, or traced, which spares the calls from Python of one operation after another.
    """
    torch.set_grad_enabled(False)
    activation = ACTIVATIONS[shape.activation]
    *hidden, last = (
        (torch.tensor(np.ascontiguousarray(weights.T)), torch.tensor(bias))
        for weights, bias in parameters
    )

    def forward(x):
        for weights, bias in hidden:
            x = activation(functional.linear(x, weights, bias))
        return functional.linear(x, *last)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript, which still runs
        traced = torch.jit.trace(forward, torch.zeros(shape.batch, shape.sizes[0]))
    return {
        "eager": lambda x: forward(torch.from_numpy(x)).numpy(),
        "traced": lambda x: traced(torch.from_numpy(x)).numpy(),
    }


class Trainer:
    def __init__(self, shape, dtype, parameters, X, y, variant="fused"):
        self.batch = shape.batch
        self.activation, self.loss = ACTIVATIONS[shape.activation], LOSSES[shape.loss]
        self.X = torch.from_numpy(X.astype(dtype))
        self.y = torch.from_numpy(y)
        if shape.loss == "sigmoid_cross_entropy":
            self.y = self.y.to(self.X.dtype)[:, None]
        self.layers = [  # as torch.nn.Linear keeps them: weights [out][in]
            tuple(
                torch.tensor(np.ascontiguousarray(array.T), requires_grad=True)
                for array in (weights, bias)
            )
            for weights, bias in parameters
        ]
        self.optimizer = torch.optim.Adam(
            [parameter for layer in self.layers for parameter in layer],
            lr=ADAM["learning_rate"],
            betas=(ADAM["beta_1"], ADAM["beta_2"]),
            eps=ADAM["epsilon"],
            **{"foreach" if variant == "foreach" else "fused": True},
        )

    def cost(self, x, y):
        for weights, bias in self.layers[:-1]:
            x = self.activation(functional.linear(x, weights, bias))
        return self.loss(functional.linear(x, *self.layers[-1]), y)

    def train(self, epochs):
        for _ in range(epochs):
            for rows in torch.randperm(len(self.X)).split(self.batch):
                self.optimizer.zero_grad(set_to_none=True)
                self.cost(self.X[rows], self.y[rows]).backward()
                self.optimizer.step()

    def parameters(self):
        return [(w.detach().numpy().T, b.detach().numpy()) for w, b in self.layers]

    def first_moments(self):
        state = self.optimizer.state
        return [
            (state[weights]["exp_avg"].numpy().T, state[bias]["exp_avg"].numpy())
            for weights, bias in self.layers
        ]
