"""The parameters of both classes: their defaults, what each may be, and what contradicts what."""

from dataclasses import dataclass, field, fields
from math import inf
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import sklearn
from sklearn.metrics import get_scorer_names

from backprop.catalogue.optimizers import LBFGS, SGD, Adam
from backprop.estimators.numerics import ACTIVATIONS

SOLVERS = tuple(kind.__name__.lower() for kind in (LBFGS, SGD, Adam))


class InvalidParameterError(ValueError, TypeError):
    """A parameter has a value, or a type, that it may not have."""


class Must(NamedTuple):
    """One of the things that a parameter may be."""

    words: str
    holds: object  # value -> whether it is that


def number(kind, low, high=None, closed="left"):
    """A number in an interval, in scikit-learn's words."""
    most, least = inf if high is None else high, -inf if low is None else low
    with_low, with_high = closed in ("left", "both"), closed in ("right", "both")
    name = "an int" if kind is Integral else "a float"
    ends = [end if kind is Integral or end is None else float(end) for end in (low, high)]
    ends = ["inf" if end is None else end for end in ends]
    words = f"{name} in the range {'[' if with_low else '('}{ends[0]}, {ends[1]}"

    def holds(value):
        if not isinstance(value, kind):
            return False
        above = value >= least if with_low else value > least
        return above and (value <= most if with_high else value < most)

    return Must(words + ("]" if with_high else ")"), holds)


def among(*names):
    """One of these strings."""
    words = f"a str among {{{', '.join(map(repr, names))}}}"
    return Must(words, lambda value: isinstance(value, str) and value in names)


def instance(words, *kinds):
    """Of one of these types."""
    return Must(words, lambda value: isinstance(value, kinds))


NONE = Must("None", lambda value: value is None)
SEVERAL = instance("an array-like", list, tuple, np.ndarray)
BOOLEAN = instance("an instance of 'bool' or an instance of 'numpy.bool'", bool, np.bool_)
SHARE = number(Real, 0, 1)
POSITIVE = number(Real, 0, closed="neither")
NOT_NEGATIVE = number(Real, 0)
COUNT = number(Integral, 1)
SEED = number(Integral, 0, 2**32 - 1, "both")
GENERATOR = instance("an instance of 'numpy.random.RandomState'", np.random.RandomState)
CALLABLE = Must("a callable", callable)


def parameter(default, *musts, positional=False):
    """A field of the classes below, which are what `__init__` is made of."""
    return field(default=default, kw_only=not positional, metadata={"musts": musts})


@dataclass(eq=False, repr=False)
class Parameters:
    """What both classes take, scikit-learn's first."""

    hidden_layer_sizes: object = parameter((100,), SEVERAL, COUNT, positional=True)
    activation: object = parameter("relu", among(*ACTIVATIONS), SEVERAL, positional=True)
    solver: object = parameter("adam", among(*SOLVERS))
    alpha: object = parameter(0.0001, NOT_NEGATIVE)
    batch_size: object = parameter("auto", among("auto"), COUNT)
    learning_rate: object = parameter("constant", among("constant", "invscaling", "adaptive"))
    learning_rate_init: object = parameter(0.001, POSITIVE)
    power_t: object = parameter(0.5, NOT_NEGATIVE)
    max_iter: object = parameter(200, COUNT)
    shuffle: object = parameter(True, BOOLEAN)
    random_state: object = parameter(None, SEED, GENERATOR, NONE)
    tol: object = parameter(1e-4, NOT_NEGATIVE)
    verbose: object = parameter(False, number(Integral, 0), BOOLEAN, among("bar"))
    warm_start: object = parameter(False, BOOLEAN, among("moments"))
    momentum: object = parameter(0.9, number(Real, 0, 1, "both"))
    nesterovs_momentum: object = parameter(True, BOOLEAN)
    early_stopping: object = parameter(False, BOOLEAN)
    validation_fraction: object = parameter(0.1, SHARE)
    beta_1: object = parameter(0.9, SHARE)
    beta_2: object = parameter(0.999, SHARE)
    epsilon: object = parameter(1e-8, POSITIVE)
    n_iter_no_change: object = parameter(10, COUNT, Must("inf", lambda value: value == inf))
    max_fun: object = parameter(15000, COUNT)
    scoring: object = parameter(None, among("loss", *get_scorer_names()), CALLABLE, NONE)
    n_threads: object = parameter(1, number(Integral, 1, 1024, "both"), NONE)
    max_seconds: object = parameter(None, number(Real, 0, closed="neither"), NONE)
    preprocess: object = parameter(None, among("auto"), NONE)


def check_parameters(model):
    """`InvalidParameterError` for the first that is none of what it may be."""
    if sklearn.get_config()["skip_parameter_validation"]:
        return
    for one in fields(model):
        value, musts = getattr(model, one.name), one.metadata["musts"]
        if not any(must.holds(value) for must in musts):
            *words, last = [must.words for must in musts]
            expected = f"{', '.join(words)} or {last}" if words else last
            raise InvalidParameterError(
                f"The {one.name!r} parameter of {type(model).__name__} must be {expected}. "
                f"Got {value!r} instead."
            )


DOCUMENTATION = """scikit-learn's {name}, trained by the core: the same answer sooner.

    All parameters, attributes and methods are those of
    ``sklearn.neural_network.{name}``, whose documentation holds. From the same
    ``random_state`` come the same weights, but for rounding. Listed here is what is more.

    Parameters
    ----------
    activation : str, or tuple, list or array of str
        Several: one for each hidden layer.
    verbose : bool or "bar", default False
        "bar": a progress bar instead of a line an iteration, and one for each call of
        ``partial_fit``; that of lbfgs counts its evaluations of the cost.
    warm_start : bool or "moments", default False
        "moments": the optimizer's moments go on too.
{more}    scoring : "loss", str, callable or None, default None
        What ``early_stopping`` looks at: the validation loss, or any of scikit-learn's scorers.
        None is scikit-learn's own {score}. The best weights are put back. A callable
        ``(model, X, y)`` is given X as the network takes it; sample weights only where it has a
        parameter ``sample_weight``.
    n_threads : int or None, default 1
        Threads of a fit, at most 1024; never changes the result. None: as many as the work is
        worth. 1 behaves under joblib, which runs several fits at once.
    max_seconds : float, optional
        No further iteration is begun after so long, and a ConvergenceWarning says so, as at
        ``max_iter``. Not for lbfgs, which has ``max_fun``, nor for ``partial_fit``, which is one
        iteration.
    preprocess : "auto" or None, default None
        "auto": numbers, and numbers to predict, are standardised, categories and strings become
        0/1 columns, dates numbers, missing values are filled in, each with an indicator; as
        `backprop train` does it. Learned from what is trained on, kept in ``preprocessing_`` and
        ``target_scale_``. Not for sparse X.

    Notes
    -----
    ``fit`` takes an ``eval_set``. Adam's epsilon stands where scikit-learn has it.
    """

CLASS_WEIGHT = """\
    class_weight : dict, "balanced", list of dict or None, default None
        Weights of the classes, by label; "balanced": inversely proportional to how often they are.
        Multi-label: a list with a dict ``{0: …, 1: …}`` for each label. They multiply the sample
        weights of what is trained on; validation scores are without them.
"""


def check_options(model, incremental, has_eval_set):
    """ValueError for parameters that contradict one another: nothing that was asked is ignored."""
    _check_activation(model)
    beyond = {
        "eval_set": has_eval_set or None,
        "scoring": model.scoring,
        "max_seconds": model.max_seconds,
    }
    for name, value in beyond.items():
        if value is not None and model.solver == "lbfgs":
            raise ValueError(f"{name} is for solver='adam' or 'sgd', and solver is 'lbfgs'")
        if value is not None and name != "max_seconds" and not model.early_stopping:
            raise ValueError(f"{name} is for early_stopping=True, and early_stopping is False")
    if incremental and model.max_seconds is not None:
        raise ValueError("max_seconds is for fit: partial_fit is one iteration, however long")
    if incremental and getattr(model, "class_weight", None) == "balanced":
        raise ValueError(
            "class_weight='balanced' would weigh each call of partial_fit by its own rows: give a "
            "dict, as sklearn.utils.compute_class_weight makes it from all of y"
        )


def _check_activation(model):
    if isinstance(model.activation, str):
        return
    widths = np.size(model.hidden_layer_sizes)
    # what is no list is an array of 0 dimensions
    names = model.activation if np.iterable(model.activation) else [None]
    known = [isinstance(name, str) and name in ACTIVATIONS for name in names]
    if not all(known) or len(known) != widths:
        raise ValueError(
            f"activation={model.activation!r}: expected one of {', '.join(ACTIVATIONS)} for each "
            f"of the {widths} hidden layers"
        )
