"""What the estimators take beyond scikit-learn's parameters: constraints, checks, documentation."""

from numbers import Integral, Real

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, StrOptions

from backprop.estimators.numerics import ACTIVATIONS

CONSTRAINTS = {
    "activation": [StrOptions(set(ACTIVATIONS)), list, tuple, np.ndarray],
    "verbose": ["verbose", StrOptions({"bar"})],
    "warm_start": ["boolean", StrOptions({"moments"})],
    "scoring": [StrOptions({"loss", *get_scorer_names()}), callable, None],
    "n_threads": [Interval(Integral, 1, 1024, closed="both"), None],
    "preprocess": [StrOptions({"auto"}), None],
    "max_seconds": [Interval(Real, 0, None, closed="right"), None],
}

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
        "auto": numbers are standardised, categories and strings become 0/1 columns, missing values
        are filled in, each with an indicator; as `backprop train` does it. Learned from what is
        trained on, kept in ``preprocessing_``. Not for sparse X.

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
