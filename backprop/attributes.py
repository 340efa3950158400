"""Attributes that there are not: what to write instead, for who comes from another library."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from backprop.validation import name_hint

OPTIMIZER = (
    "net.optimizer.{0}; to change it, net.optimizer = dataclasses.replace(net.optimizer, {0}=…)"
)
FIT = "an argument, net.fit(X, y, {0}=…)"
PROBABILITIES = "net.predict(X), which gives probabilities with a cross-entropy"
NO_MODES = "nothing: fit, train_step and forward train, and drop; predict and evaluate do not"
STOP = "return True from a callback to end training"

OF_A_NETWORK = {  # {what others call it: what to write here}
    **{name: OPTIMIZER.format("learning_rate") for name in ("learning_rate", "lr", "eta")},
    **{name: OPTIMIZER.format(name) for name in ("momentum", "l2", "l1", "weight_decay")},
    **{name: FIT.format(name) for name in ("batch_size", "epochs", "callbacks", "verbose")},
    **{name: FIT.format(name) for name in ("shuffle", "validation_data", "sample_weight")},
    "max_iter": FIT.format("epochs"),
    "training": NO_MODES,
    "train": "net.fit(X, y); " + NO_MODES,
    "eval": NO_MODES,
    "zero_grad": "nothing: backward writes gradients anew",
    "step": "net.update() after net.backward(d_out), or net.train_step(X, y)",
    "stop_training": STOP,
    "compile": "bp.Network(n_inputs, layers, loss=…, optimizer=…)",
    "score": "net.evaluate(X, y)",
    "predict_proba": PROBABILITIES,
    "transform": "net.predict(X)",
    "state_dict": "net.get_weights(), or net.save(path)",
    "parameters": "net.layers[i].weights and .bias",
    "params": "net.layers[i].weights and .bias",
    "weights": "net.layers[i].weights",
    "coefs_": "net.layers[i].weights",
    "bias": "net.layers[i].bias",
    "biases": "net.layers[i].bias",
    "intercepts_": "net.layers[i].bias",
    "activation": "net.layers[i].activation",
    "dropout": "net.layers[i].spec.dropout",
    "random_state": "net.seed",
    "n_layers": "len(net.layers)",
    "loss_curve_": "net.history.loss",
}
OF_THE_PACKAGE = {  # lower case: the name here
    "modelcheckpoint": "Checkpoint",
    "csvlogger": "CSVLog",
    "summarywriter": "TensorBoard",
    "sequential": "Network",
    "model": "Network",
    "module": "Network",
    "mlp": "Network",
    "linear": "Dense",
    "layer": "Dense",
    "reducelronplateau": "OnPlateau",
    "steplr": "StepDecay",
    "exponentiallr": "ExponentialDecay",
    "polynomiallr": "PolynomialDecay",
    "inversetimedecay": "InverseScaling",
    "cosinedecay": "Cosine",
    "cosineannealinglr": "Cosine",
    "linearlr": "Warmup",
    "onecyclelr": "OneCycle",
    "lrfinder": "find_learning_rate",
    "exponentialmovingaverage": "EMA",
    "averagedmodel": "SWA",
}
OF_A_LAYER = {
    **{name: "layer.weights" for name in ("W", "w", "weight", "kernel", "coef_")},
    **{name: "layer.bias" for name in ("b", "biases", "intercept_")},
    **{name: "layer.units" for name in ("n_units", "out_features", "size")},
    "in_features": "layer.weights.shape[0]",
    "dropout": "layer.spec.dropout",
    "grad": "net.gradients() or net.loss_and_gradients(X, y)",
}


UNDECLARED = object()  # an attribute may be declared as None


def package_hint(name, names):
    """The words that follow a complaint about a name that the package, which has `names`, lacks."""
    if name.startswith("_"):  # which tools ask for, not people
        return ""
    return name_hint(name, (), {one.lower(): one for one in names} | OF_THE_PACKAGE)


class Guarded:
    """A base whose objects have the attributes that their class declares, and no others."""

    instead: ClassVar[dict[str, str]] = {}

    if not TYPE_CHECKING:  # to a type checker these would mean that there is any attribute

        def __getattr__(self, name):
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            raise self._no_attribute(name)

        def __setattr__(self, name, value):
            if name[0] != "_":
                self._check_assignable(name)
            object.__setattr__(self, name, value)

    def _check_assignable(self, name):
        declared = getattr(type(self), name, UNDECLARED)
        if declared is UNDECLARED:
            raise self._no_attribute(name)
        if isinstance(declared, property) and declared.fset is None:
            raise AttributeError(
                f"{name} of a {type(self).__name__} cannot be assigned to: it was decided when "
                "the network was made, so make another one"
            )

    def _no_attribute(self, name):
        kind = type(self)
        what = f"a {kind.__name__} has no attribute {name!r}"
        if name in self.instead:
            return AttributeError(f"{what}: instead of it there is {self.instead[name]}")
        known = [known for known in dir(kind) if not known.startswith("_")]
        return AttributeError(what + name_hint(name, known))
