"""The parameters of both classes: their defaults, what each may be, and what contradicts what."""

from dataclasses import dataclass, field, fields, make_dataclass
from math import inf
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import sklearn
from sklearn.metrics import get_scorer_names

from backprop.catalogue.activations import Activation
from backprop.catalogue.optimizers import ADDED, Optimizer, optimizer_names
from backprop.catalogue.presets import PRESETS, Preset, find_preset
from backprop.estimators.asked import ends_with_fit, with_preset
from backprop.estimators.numerics import ACTIVATIONS
from backprop.layers import Dense
from backprop.validation import name_hint


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
SEVERAL = Must("an array-like", lambda value: hasattr(value, "__len__") and not np.isscalar(value))
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


# A hidden layer's fields and every optimizer's, which say themselves what they may be.
OF_LAYERS = {
    one.name: one.default for one in fields(Dense) if one.name not in ("units", "activation")
}
BEYOND = {**OF_LAYERS, **ADDED, "input_dropout": 0.0}
ANY = Must("anything", lambda value: True)
Beyond = make_dataclass(
    "Beyond",
    [(name, object, parameter(default, ANY)) for name, default in BEYOND.items()],
    eq=False,
    repr=False,
)


@dataclass(eq=False, repr=False)
class Parameters(Beyond):
    """What both classes take: scikit-learn's and ours, beside the catalogue's."""

    hidden_layer_sizes: object = parameter((100,), SEVERAL, COUNT, positional=True)
    activation: object = parameter(
        "relu", among(*ACTIVATIONS), instance("an activation", Activation), SEVERAL, positional=True
    )
    solver: object = parameter(
        "adam", among(*optimizer_names()), instance("an optimizer", Optimizer)
    )
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
    n_pieces: object = parameter(0, number(Integral, 0))
    preset: object = parameter(None, among(*PRESETS), instance("a preset", Preset), NONE)

    @property
    def asked(self):
        """The parameters as they hold, those of the preset included."""
        return self if self.preset is None else with_preset(self)


def check_parameters(model):
    """`InvalidParameterError` for the first that is none of what it may be."""
    if sklearn.get_config()["skip_parameter_validation"]:
        return
    _check_values(model, model, "")
    if model.preset is not None:
        _check_values(model, model.asked, " from its preset")


def _check_values(model, parameters, whence):
    for one in fields(model):
        value, musts = getattr(parameters, one.name), one.metadata["musts"]
        if not any(must.holds(value) for must in musts):
            *words, last = [must.words for must in musts]
            expected = f"{', '.join(words)} or {last}" if words else last
            raise InvalidParameterError(
                f"The {one.name!r} parameter of {type(model).__name__} must be {expected}. "
                f"Got {value!r}{whence} instead."
            )


DOCUMENTATION = """scikit-learn's {name}, trained by the core: the same answer sooner.

    All parameters, attributes and methods are those of
    ``sklearn.neural_network.{name}``, whose documentation holds. From the same
    ``random_state`` come the same weights, but for rounding. Listed here is what is more.

    Parameters
    ----------
    activation : str or Activation, or a tuple, list or array of them
        Of the catalogue, by scikit-learn's names too. Several: one for each hidden layer.
    solver : str or Optimizer
        Beyond scikit-learn's three, any name of the catalogue: with ``learning_rate_init`` and
        ``alpha``, and its defaults for the rest. An optimizer brings all its own settings, also for
        what these two say.
{loss}    dropout, noise, norm, residual, weights, use_bias, trainable, learning_rate_factor, \
max_norm
        Of the hidden layers, as `Dense` has them; a tuple or list: one for each.
    input_dropout : float, default 0.0
        As `Network` has it.
    schedule : Schedule, str or None, default None
        Of the learning rate. A name, such as "cosine": with its defaults, and planned for the whole
        of a ``fit``.
    l1, weight_decay, clip_norm, clip_value, accumulate, average
        Of the solver, as every `Optimizer` has them. With an average, a fit ends with it.
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
    n_pieces : int, default 0
        With ``preprocess="auto"``: in how many pieces, by quantiles, each number is given to the
        network beside itself (Gorishniy et al., NeurIPS 2022). Of many columns fewer: all together
        have at most 4,096, so that of more than 2,048 columns none has any.
    preset : "tabular", Preset or None, default None
        Settings that go well together, for all that is left at its default:
        ``backprop.catalogue.presets``. ``asked`` has all parameters as they hold then. What is to
        stay at its default is said to the preset: ``PRESETS["tabular"].changed(dropout=0.0)``. A
        fit is in float32 and, but for another ``max_iter``, of fewer epochs where rows are many.

    Notes
    -----
    ``fit`` takes an ``eval_set``. Adam's epsilon stands where scikit-learn has it.
    """

CLASSIFIER = """\
    loss : str or Loss, default "log_loss"
        "log_loss" is scikit-learn's, the cross-entropy; or one of the catalogue's for answers.
    label_smoothing : float, default 0.0
        The share of each answer that is spread evenly over all.
    calibrate : bool, default False
        With ``early_stopping``: the logits are divided by the temperature at which the answers that
        were held out are most probable (Guo et al., ICML 2017).
"""

REGRESSOR = """\
    loss : str, Loss or callable, default "squared_error"
        Of the catalogue's for numbers, or one of your own. ``predict`` gives of several outputs
        those that stand for y, such as means; ``predict_all`` gives all.
"""

CLASS_WEIGHT = """\
    class_weight : dict, "balanced", list of dict or None, default None
        Weights of the classes, by label; "balanced": inversely proportional to how often they are.
        Multi-label: a list with a dict ``{0: …, 1: …}`` for each label. They multiply the sample
        weights of what is trained on; validation scores are without them.
"""


def check_options(model, incremental, has_eval_set):
    """ValueError for parameters that contradict one another: nothing that was asked is ignored."""
    _check_preset(model, incremental)
    _check_options(model.asked, model._minimizes(), incremental, has_eval_set)


def _check_preset(model, incremental):
    if model.preset is None:
        return
    preset = find_preset(model.preset)
    if model._minimizes():
        raise ValueError(f"preset={preset.name!r} is for solvers of steps, not {model.solver!r}")
    if incremental:
        raise ValueError(f"preset={preset.name!r} is for fit: partial_fit has no end to plan for")
    _check_settings(model, preset)


def _check_settings(model, preset):
    """That all that a preset says is a parameter, of numbers' estimator or of classes'."""
    from backprop.estimators.convert import kinds  # here: it needs this module

    known = {one.name for kind in (type(model), *kinds().values()) for one in fields(kind)}
    for name in (*preset.settings, *preset.of_numbers, *preset.of_classes):
        if name not in known:
            raise ValueError(
                f"preset={preset.name!r} has the setting {name!r}, which is no parameter of "
                f"{type(model).__name__}{name_hint(name, known)}"
            )


def _check_options(model, minimizes, incremental, has_eval_set):
    _check_activation(model)
    if model.n_pieces and model.preprocess is None:
        raise ValueError(f"n_pieces={model.n_pieces} is for preprocess='auto'")
    if ends_with_fit(model.schedule) and incremental:
        raise ValueError(
            f"schedule={model.schedule!r} is as long as a fit: partial_fit needs a Schedule"
        )
    of_scores = {"eval_set": has_eval_set or None, "scoring": model.scoring}
    if getattr(model, "calibrate", False):
        of_scores["calibrate"] = True
    of_steps = {**of_scores, "max_seconds": model.max_seconds}
    of_steps |= {name: getattr(model, name) for name in ADDED}
    for name, value in of_steps.items():
        if value == ADDED.get(name):
            continue
        if minimizes:
            raise ValueError(
                f"{name} is for solver='adam' or 'sgd', and solver is {model.solver!r}"
            )
        if name in of_scores and not model.early_stopping:
            raise ValueError(f"{name} is for early_stopping=True, and early_stopping is False")
    if model.average is not None or getattr(model.solver, "average", None) is not None:
        if model.early_stopping:
            raise ValueError(
                "average is for early_stopping=False, which puts the best weights back"
            )
        if incremental:
            raise ValueError("average is for fit, which ends with it: partial_fit has no end")
    if incremental and model.max_seconds is not None:
        raise ValueError("max_seconds is for fit: partial_fit is one iteration, however long")
    if incremental and getattr(model, "class_weight", None) == "balanced":
        raise ValueError(
            "class_weight='balanced' would weigh each call of partial_fit by its own rows: give a "
            "dict, as sklearn.utils.compute_class_weight makes it from all of y"
        )


def _check_activation(model):
    given = model.activation
    if isinstance(given, str | Activation):
        return
    widths = np.size(model.hidden_layer_sizes)
    # what is no list is an array of 0 dimensions
    found = given if np.iterable(given) else [None]
    known = [isinstance(f, Activation) or (isinstance(f, str) and f in ACTIVATIONS) for f in found]
    if not all(known) or len(known) != widths:
        raise ValueError(
            f"activation={given!r}: expected one of {', '.join(ACTIVATIONS)} for each "
            f"of the {widths} hidden layers"
        )
