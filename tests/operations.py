"""Networks whose layers have more than a product and an activation, for the tests of `explain`."""

import numpy as np

import backprop as bp

SIZES = (3, 3, 3, 2)
PLAIN = {"activation": "tanh"}
# Of each layer its options; those of "together" are of all kinds.
CASES = {
    "no bias": [PLAIN | {"use_bias": False}] * 3,
    "frozen": [PLAIN | {"trainable": False}, PLAIN, PLAIN],
    "own rate": [PLAIN, PLAIN | {"learning_rate_factor": 0.25}, PLAIN],
    "noise": [PLAIN | {"noise": 0.3}, PLAIN | {"noise": 0.2, "dropout": 0.3}, {"noise": 0.1}],
    "residual": [PLAIN | {"residual": True}, PLAIN | {"residual": True}, {}],
    "residual and dropout": [PLAIN | {"residual": True, "dropout": 0.3}] * 2 + [{}],
    "prelu": [{"activation": "prelu"}, {"activation": "prelu", "dropout": 0.3}, {}],
    "layer norm": [PLAIN | {"norm": "layer"}, PLAIN | {"norm": "layer"}, {}],
    "batch norm": [PLAIN | {"norm": "batch"}, PLAIN | {"norm": "batch"}, {}],
    "norms of both kinds": [PLAIN | {"norm": "layer"}, PLAIN | {"norm": "batch"}, {}],
    "norm of the outputs": [PLAIN, PLAIN, {"norm": "batch", "noise": 0.1}],
    "norm without bias": [{"norm": "layer", "activation": "gelu", "use_bias": False}] * 2 + [{}],
    "prelu behind a norm": [{"activation": "prelu", "norm": "batch", "residual": True}] * 2 + [{}],
    "together": [
        {"activation": "prelu", "norm": "batch", "residual": True, "dropout": 0.2, "noise": 0.1},
        {"activation": "gelu", "norm": "layer", "learning_rate_factor": 0.5, "use_bias": False},
        {"noise": 0.1, "use_bias": False},
    ],
    "together, frozen": [
        {"activation": "prelu", "norm": "layer", "max_norm": 0.8, "learning_rate_factor": 2.0},
        {"activation": "tanh", "residual": True, "use_bias": False, "trainable": False},
        {"norm": "batch", "activation": "softplus"},
    ],
}


def specs(case, sizes=SIZES):
    """The layers of a case."""
    return [bp.Dense(n, **options) for n, options in zip(sizes[1:], CASES[case], strict=True)]


def network(case, kind=bp.Network, **options):
    """A few steps on, with parameters of which none is special."""
    options = {"dtype": "float64", "seed": 4, "optimizer": bp.SGD(0.1, 0.9), **options}
    if case.startswith("together"):
        options["input_dropout"] = 0.2
    net = kind(SIZES[0], specs(case), **options)
    rng = np.random.default_rng(6)
    for layer in net.layers:
        for name, array in layer.parameters.items():
            if name != "weights":
                array += rng.normal(size=array.shape) * 0.3
    net.steps = 3
    return net


def batch(n=5):
    """Inputs, targets, and weights of which one is 0 where there are several."""
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(n, SIZES[0])), rng.normal(size=(n, SIZES[-1]))
    weights = np.linspace(0.5, 2, n)
    weights[1:2] = 0
    return X, y, weights


def places(trace):
    """Of all that is learned: layer, source, unit."""
    for i, layer in enumerate(trace.layers):
        for unit in range(layer.n_out):
            for source in layer.sources:
                yield i, source, unit
