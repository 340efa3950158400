"""JAX: a whole epoch in one `jit`, a `scan` over its batches, on the CPU with one thread.

Adam is written out in the jitted function; parameters and moments are donated, so that they are
updated in place. numpy makes the shuffle: a permutation within XLA is a sort, and slower.
Variants: rows are gathered batch by batch in the step or all at once at the start of the epoch,
and the loop is unrolled or not.
"""

from functools import partial

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from peers import ADAM

NAME = "JAX, an epoch a jit"
VARIANTS = ("gather a batch", "gather a batch, unroll 4", "gather an epoch")

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}


def version():
    return jax.__version__


def softmax_cross_entropy(a, y):
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(a), y[:, None], axis=1))


def sigmoid_cross_entropy(a, y):
    a = a[:, 0]
    return jnp.mean(jax.nn.softplus(a) - a * y)


LOSSES = {
    "softmax_cross_entropy": softmax_cross_entropy,
    "sigmoid_cross_entropy": sigmoid_cross_entropy,
}


def cost(activation, loss, parameters, x, y):
    for weights, bias in parameters[:-1]:
        x = ACTIVATIONS[activation](x @ weights + bias)
    weights, bias = parameters[-1]
    return LOSSES[loss](x @ weights + bias, y)


def adam(state, gradient):
    """One step; `state` is (parameters, first moments, second moments, steps taken)."""
    parameters, moment1, moment2, step = state
    step = step + 1
    beta_1, beta_2 = ADAM["beta_1"], ADAM["beta_2"]
    correction = jnp.sqrt(1 - beta_2**step)
    rate = ADAM["learning_rate"] * correction / (1 - beta_1**step)
    epsilon = ADAM["epsilon"] * correction
    each = jax.tree_util.tree_map
    moment1 = each(lambda m, g: beta_1 * m + (1 - beta_1) * g, moment1, gradient)
    moment2 = each(lambda v, g: beta_2 * v + (1 - beta_2) * g * g, moment2, gradient)
    parameters = each(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v) + epsilon), parameters, moment1, moment2
    )
    return parameters, moment1, moment2, step


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=3)
def epoch(activation, loss, variant, state, order, X, y):
    """One pass over the rows; order [steps][batch]."""

    def rows(source, index):
        return source.at[index].get(mode="promise_in_bounds")

    def train_step(state, batch):
        x, target = batch if whole_epoch else (rows(X, batch), rows(y, batch))
        gradient = jax.grad(partial(cost, activation, loss))(state[0], x, target)
        return adam(state, gradient), None

    whole_epoch = variant == "gather an epoch"
    batches = (rows(X, order), rows(y, order)) if whole_epoch else order
    unroll = 4 if variant.endswith("unroll 4") else 1
    return lax.scan(train_step, state, batches, unroll=unroll)[0]


class Trainer:
    """Rows must be a multiple of the batch: the shapes in one jitted loop are all the same."""

    def __init__(self, shape, dtype, parameters, X, y, variant=VARIANTS[0]):
        jax.config.update("jax_enable_x64", np.dtype(dtype) == np.float64)
        self.epoch = partial(epoch, shape.activation, shape.loss, variant)
        self.batch = shape.batch
        self.X = jnp.asarray(X.astype(dtype))
        self.y = jnp.asarray(y, dtype if shape.loss == "sigmoid_cross_entropy" else np.int32)
        parameters = [(jnp.array(weights), jnp.array(bias)) for weights, bias in parameters]
        zeros, more_zeros = (jax.tree_util.tree_map(jnp.zeros_like, parameters) for _ in range(2))
        self.state = (parameters, zeros, more_zeros, jnp.zeros((), dtype))
        self.rng = np.random.default_rng(0)

    def train(self, epochs):
        for _ in range(epochs):
            order = self.rng.permutation(len(self.X)).astype(np.int32).reshape(-1, self.batch)
            self.state = self.epoch(self.state, order, self.X, self.y)
        jax.block_until_ready(self.state)

    def parameters(self):
        return [(np.asarray(w), np.asarray(b)) for w, b in self.state[0]]

    def first_moments(self):
        return [(np.asarray(w), np.asarray(b)) for w, b in self.state[1]]
