"""Losses: what each is, for people and for every part of the library that asks.

An entry here and a row in csrc/kernels/losses.h make a loss. a is the output of the last layer, y
the target, both with k outputs. The cost of a batch is the mean of its samples' losses, weighted by
the sample weights: Σ w loss / Σ w.
"""

from backprop.catalogue.activations import ACTIVATIONS
from backprop.catalogue.losses.answers import OF_ANSWERS
from backprop.catalogue.losses.links import column, softmax
from backprop.catalogue.losses.numbers import OF_NUMBERS
from backprop.catalogue.losses.record import ELEMENTWISE, MATRIX, Loss
from backprop.catalogue.records import Entry, find, table_of

__all__ = [
    "ALIASES",
    "ELEMENTWISE",
    "LOSSES",
    "MATRIX",
    "Loss",
    "column",
    "find_loss",
    "softmax",
    "usual_loss",
]

LOSSES = table_of(*OF_NUMBERS, *OF_ANSWERS)

ALIASES = {
    "mse": "squared_error",
    "mean_squared_error": "squared_error",
    "l2": "squared_error",
    "mse_loss": "squared_error",
    "least_squares": "squared_error",
    "mae": "absolute_error",
    "l1": "absolute_error",
    "l1_loss": "absolute_error",
    "mean_absolute_error": "absolute_error",
    "least_absolute_deviations": "absolute_error",
    "smooth_l1": "huber",
    "smooth_l1_loss": "huber",
    "huber_loss": "huber",
    "poisson_nll": "poisson",
    "poisson_nll_loss": "poisson",
    "poisson_loss": "poisson",
    "gamma_nll": "gamma",
    "gamma_deviance": "gamma",
    "binary_focal": "focal",
    "focal_loss": "focal",
    "binary_focal_crossentropy": "focal",
    "sigmoid_focal_loss": "focal",
    "gaussian": "gaussian_nll",
    "normal": "gaussian_nll",
    "gaussian_nll_loss": "gaussian_nll",
    "heteroscedastic": "gaussian_nll",
    "pinball": "quantile",
    "pinball_loss": "quantile",
    "quantile_loss": "quantile",
    "hinge_loss": "hinge",
    "svm": "hinge",
    "binary_crossentropy": "sigmoid_cross_entropy",
    "binary_cross_entropy": "sigmoid_cross_entropy",
    "binary_cross_entropy_with_logits": "sigmoid_cross_entropy",
    "bce": "sigmoid_cross_entropy",
    "bce_with_logits": "sigmoid_cross_entropy",
    "logistic": "sigmoid_cross_entropy",
    "log_loss": "softmax_cross_entropy",
    "crossentropy": "softmax_cross_entropy",
    "cross_entropy": "softmax_cross_entropy",
    "nll": "softmax_cross_entropy",
    "nll_loss": "softmax_cross_entropy",
    "softmax": "softmax_cross_entropy",
    "categorical_cross_entropy": "softmax_cross_entropy",
    "categorical_crossentropy": "softmax_cross_entropy",
    "sparse_categorical_crossentropy": "softmax_cross_entropy",
}


def usual_loss(target):
    """The first entry for this kind of target."""
    return next(loss for loss in LOSSES.values() if loss.target is target)


def find_loss(loss, n_outputs, last_activation):
    """The entry of that name or function, if it fits the last layer; ValueError otherwise."""
    if isinstance(loss, Loss) and loss.ask is not None:
        return loss
    if callable(loss) and not isinstance(loss, Entry):
        from backprop.catalogue.losses.own import own_loss  # here: most networks have none

        return own_loss(loss)
    found = find("loss", loss, LOSSES, ALIASES)
    if found.takes_logits and last_activation is not ACTIVATIONS["identity"]:
        raise ValueError(
            f"loss={found.name!r} takes logits: expected 'identity' as the last layer's "
            f"activation, got {last_activation.label!r} (predict gives "
            f"{found.prediction_formula} all the same)"
        )
    if n_outputs < found.least_outputs:
        raise ValueError(
            f"loss={found.name!r} needs a last layer of {found.least_outputs} units or more; "
            f"{found.too_few}"
        )
    if found.misfit is not None and (expected := found.misfit(n_outputs, *found.settings.values())):
        raise ValueError(f"loss={found.name!r} needs {expected}; it has {n_outputs}")
    return found
