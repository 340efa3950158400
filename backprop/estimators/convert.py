"""From a fitted scikit-learn MLP to one of ours, and back: parameters, weights and moments.

scikit-learn's optimizer is looked at and not made: where a later version keeps no such attribute,
moments start at 0.
"""

import copy

import numpy as np
from sklearn import neural_network
from sklearn.base import is_classifier

from backprop.catalogue.activations import Activation
from backprop.catalogue.optimizers import LBFGS, SGD, Adam, find_optimizer
from backprop.estimators.numerics import ACTIVATIONS, BEHIND
from backprop.estimators.parameters import BEYOND
from backprop.estimators.stopping import measured
from backprop.estimators.training import Rates

# What only ours have, and `loss`, a parameter that scikit-learn's classifier keeps for itself.
OWN = {"_engine", "_fitting", "_measured", "_best", "_rates", "_seed", "_takes_prepared"}
OWN |= {"loss", "preprocessing_"}
SOLVERS = (LBFGS, SGD, Adam)
# scikit-learn's names of the moments, and the core's
MOMENTS = {"ms": "moment1", "vs": "moment2", "velocities": "velocity"}
RENAMED = {"lr_schedule": "learning_rate", "nesterov": "nesterovs_momentum"}


def kinds():
    """{scikit-learn's class: ours}."""
    from backprop.estimators.classifier import MLPClassifier
    from backprop.estimators.regressor import MLPRegressor

    return {
        neural_network.MLPClassifier: MLPClassifier,
        neural_network.MLPRegressor: MLPRegressor,
    }


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
    known = kinds()
    if type(estimator) not in known:
        is_more = isinstance(estimator, (*known, *known.values()))
        raise TypeError(
            f"estimator is a {type(estimator).__name__}: expected scikit-learn's MLPClassifier or "
            f"MLPRegressor{', and no subclass, whose own methods would be lost' if is_more else ''}"
        )
    new = known[type(estimator)](**estimator.get_params(deep=False))
    hand_over(estimator, new)
    adopt(new)
    return new


def adopt(model):
    """Make an engine of the attributes that one of scikit-learn's had, if it was trained."""
    optimizer = vars(model).pop("_optimizer", None)
    best = [vars(model).pop(name, None) for name in ("_best_coefs", "_best_intercepts")]
    if optimizer is None:
        return
    if all(best):
        model._best = [array for pair in zip(*best, strict=True) for array in pair]
        model._measured = measured(model, None)
    values = dict(vars(optimizer))
    rate = values.pop("learning_rate")
    values = {RENAMED.get(name, name): value for name, value in values.items()}
    is_adam = "ms" in values
    made = type(model)(**model.get_params(deep=False))
    made.solver = "adam" if is_adam else "sgd"
    for name in values.keys() & made.get_params(deep=False).keys():
        setattr(made, name, values[name])
    engine = model._engine_of(False)
    model._rates = Rates.of(made, engine.key.dtype)
    if not is_adam:  # whose is that of one step
        model._rates.set(rate)
    engine.optimizer = model._rates.optimizer
    engine.steps = getattr(optimizer, "t", 0)
    engine.set_moments({ours: pairs(values[its]) for its, ours in MOMENTS.items() if its in values})


def to_sklearn(model):
    """The other way; see `CoreEstimator.to_sklearn`."""
    if model._prepares() or model.preprocess is not None:
        raise ValueError("the model preprocesses its inputs: scikit-learn's MLP has no such")
    kind = next(its for its, ours in kinds().items() if isinstance(model, ours))
    check_is_theirs(model)
    parameters = model.get_params(deep=False)
    parameters["activation"] = one_activation(model.activation)
    parameters["warm_start"] = bool(model.warm_start)
    parameters["verbose"] = model.verbose != "bar" and model.verbose
    new = kind(**{name: parameters[name] for name in kind().get_params()})
    hand_over(model, new)
    if hasattr(model, "_best"):
        arrays = [array.copy() for array in model._best]
        new._best_coefs, new._best_intercepts = arrays[::2], arrays[1::2]
    if hasattr(model, "_engine") and hasattr(model, "_rates"):
        new._optimizer = with_moments(model, kind)
    return new


def hand_over(old, new):
    """Copies of all attributes that are no parameters."""
    spared = old.get_params(deep=False).keys() | OWN
    for name, value in vars(old).items():
        if name not in spared:
            setattr(new, name, copy.deepcopy(value))


def check_is_theirs(model):
    """ValueError for what scikit-learn's MLP has not."""
    default = type(model)()
    for name in (*BEYOND, "label_smoothing", "calibrate", "n_pieces", "preset"):
        if (given := getattr(model, name, 0.0)) != getattr(default, name, 0.0):
            raise ValueError(f"{name}={given!r}: scikit-learn's MLP has no such")
    if not isinstance(model.solver, str) or type(find_optimizer(model.solver)) not in SOLVERS:
        raise ValueError(f"solver={model.solver!r}: scikit-learn's MLP has no such")
    losses = [default.loss, *(loss.name for loss in BEHIND.values())]
    if model.loss not in losses:
        raise ValueError(f"loss={model.loss!r}: scikit-learn's MLP has no such")


def one_activation(activation):
    """The name that scikit-learn takes for all layers."""
    several = [activation] if isinstance(activation, str | Activation) else activation
    found = [ACTIVATIONS[str(one)] if isinstance(one, str) else one for one in several]
    for one in found:
        if one.scikit_learn is None:
            raise ValueError(f"activation={one!r}: scikit-learn's MLP has no such")
    names = {one.scikit_learn for one in found}
    if len(names) > 1:
        raise ValueError(
            f"activation={activation!r}: scikit-learn's MLP has one for all hidden layers"
        )
    return names.pop() if names else "identity"  # of no hidden layer


# ---- moments: scikit-learn's stand in its optimizer, all weights before all biases ---------------


def with_moments(model, kind):
    """An optimizer of scikit-learn's, out of a fit of its own, with the engine's moments."""
    rates, engine = model._rates, model._engine
    spared = {"activation", "early_stopping", "verbose", "warm_start"}
    known = kind().get_params().keys() & rates.given.keys() - spared
    small = kind(**{name: rates.given[name] for name in known})
    classes = {"classes": [0, 1]} if is_classifier(model) else {}
    small.partial_fit(np.zeros((2, 1)), [0, 1], **classes)
    new, moments = small._optimizer, engine.moments()
    new.learning_rate = rates.optimizer.learning_rate
    for its in MOMENTS.keys() & vars(new).keys():
        # a momentum of 0 keeps none, where scikit-learn has an array for them
        found = moments.get(MOMENTS[its]) or [map(np.zeros_like, pair) for pair in engine.arrays]
        weights, biases = zip(*found, strict=True)
        setattr(new, its, [np.array(array) for array in (*weights, *biases)])
    if hasattr(new, "t"):
        new.t = engine.steps
    return new


def pairs(arrays):
    n_layers = len(arrays) // 2
    return list(zip(arrays[:n_layers], arrays[n_layers:], strict=True))


# ---- ONNX ----------------------------------------------------------------------------------------


def as_sklearns(operator):
    """A shape calculator of skl2onnx that makes a node for scikit-learn's MLP of one for ours.

    skl2onnx asks for the shape first: all that follows is its own.
    """
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    operator.raw_operator = model = to_sklearn(operator.raw_operator)
    operator.type = f"Sklearn{type(model).__name__}"
    if is_classifier(model):
        calculate_linear_classifier_output_shapes(operator)
    else:
        calculate_linear_regressor_output_shapes(operator)
