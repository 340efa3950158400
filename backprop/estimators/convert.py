"""From a fitted scikit-learn MLP to one of ours, and back: parameters, weights and moments."""

import copy

import numpy as np
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from backprop.estimators.stopping import measured

# What only ours have. `loss` is a parameter that scikit-learn's classifier keeps for itself.
OWN = (
    "_engine",
    "_eval_set",
    "_fitted_sparse",
    "_fitting",
    "_measured",
    "_optimizer",
    "loss",
    "preprocessing_",
)
# scikit-learn's names of the moments, and the core's
MOMENTS = {
    AdamOptimizer: {"ms": "moment1", "vs": "moment2"},
    SGDOptimizer: {"velocities": "velocity"},
}
KINDS = {}  # {scikit-learn's class: ours}; each of ours enters itself by `counterpart`


def counterpart(ours):
    """A decorator of our classes: `from_sklearn` makes them of scikit-learn's."""
    KINDS[sklearn_kind(ours)] = ours
    return ours


def from_sklearn(estimator):
    """One of ours with the parameters, weights and moments of scikit-learn's.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        Fitted or not; it is not changed.

    Returns
    -------
    MLPClassifier or MLPRegressor
        Its predictions equal the estimator's but for rounding, and ``partial_fit`` goes on from it.

    Raises
    ------
    TypeError
        For anything else; for a subclass of theirs, too, whose own methods would be lost.
    """
    if type(estimator) not in KINDS:
        is_more = isinstance(estimator, tuple(KINDS))
        raise TypeError(
            f"estimator is a {type(estimator).__name__}: expected scikit-learn's MLPClassifier or "
            f"MLPRegressor{', and no subclass, whose own methods would be lost' if is_more else ''}"
        )
    new = KINDS[type(estimator)](**estimator.get_params(deep=False))
    hand_over(estimator, new)
    if hasattr(new, "coefs_"):
        new._fitted_sparse, new.preprocessing_ = False, None
        if hasattr(new, "loss_curve_"):  # lbfgs has compared nothing
            new._measured = measured(new, None)
        engine = new._engine_of(False)
        if hasattr(estimator, "_optimizer"):
            take_moments(new, engine, estimator._optimizer)
    return new


def to_sklearn(model):
    """The other way; see `CoreEstimator.to_sklearn`."""
    if getattr(model, "preprocessing_", None) is not None or model.preprocess is not None:
        raise ValueError("the model preprocesses its inputs: scikit-learn's MLP has no such")
    given = {name: getattr(model, name) for name in sklearn_kind(type(model))._get_param_names()}
    given["activation"] = one_activation(model.activation)
    given["warm_start"] = bool(model.warm_start)
    given["verbose"] = model.verbose != "bar" and model.verbose
    new = sklearn_kind(type(model))(**given)
    hand_over(model, new)
    if hasattr(model, "_engine") and hasattr(model, "_optimizer"):
        new._optimizer = with_moments(model._optimizer, model._engine)
    return new


def sklearn_kind(ours):
    """scikit-learn's class that one of ours is made of."""
    return next(base for base in ours.__mro__ if base.__module__.startswith("sklearn."))


def hand_over(old, new):
    """Copies of all attributes that are no parameters."""
    parameters = old.get_params(deep=False)
    for name, value in vars(old).items():
        if name not in parameters and name not in OWN:
            setattr(new, name, copy.deepcopy(value))


def one_activation(activation):
    """The name that scikit-learn takes for all layers."""
    names = {activation} if isinstance(activation, str) else set(map(str, activation))
    if len(names) > 1:
        raise ValueError(
            f"activation={activation!r}: scikit-learn's MLP has one for all hidden layers"
        )
    return names.pop() if names else "identity"  # of no hidden layer


# ---- moments: scikit-learn's stand in its optimizer, all weights before all biases ---------------


def take_moments(new, engine, optimizer):
    """Into the engine of one of ours."""
    new._optimizer = copy.copy(optimizer)
    engine.optimizer = new._core_optimizer()
    names = MOMENTS[type(optimizer)]
    engine.set_moments({ours: pairs(getattr(optimizer, its)) for its, ours in names.items()})
    if isinstance(optimizer, AdamOptimizer):
        engine.steps = optimizer.t
    for name in names:
        setattr(new._optimizer, name, [])


def with_moments(optimizer, engine):
    """An optimizer of scikit-learn's with those of the engine."""
    new, moments = copy.copy(optimizer), engine.moments()
    for its, ours in MOMENTS[type(optimizer)].items():
        # a momentum of 0 keeps none, where scikit-learn has an array for them
        setattr(new, its, flat(moments.get(ours) or zeros_like(engine.layers)))
    if isinstance(optimizer, AdamOptimizer):
        new.t = engine.steps
    return new


def pairs(arrays):
    n_layers = len(arrays) // 2
    return list(zip(arrays[:n_layers], arrays[n_layers:], strict=True))


def flat(found):
    weights, biases = zip(*found, strict=True)
    return [np.array(array) for array in (*weights, *biases)]


def zeros_like(layers):
    return [(np.zeros_like(layer.weights), np.zeros_like(layer.bias)) for layer in layers]
