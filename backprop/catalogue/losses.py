"""Losses: what each is, for people and for every part of the library that asks.

An entry here and a row in csrc/kernels/losses.h make a loss. a is the output of the last layer, y
the target, both with k outputs. The cost of a batch is the mean of its samples' losses, weighted by
the sample weights: Σ w loss / Σ w.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backprop.catalogue.activations import ACTIVATIONS
from backprop.catalogue.formula import Formula
from backprop.catalogue.records import Entry, Parameter, find, table_of
from backprop.catalogue.scores import R2, ClassAccuracy, LabelAccuracy
from backprop.catalogue.targets import CLASSES, NUMBERS, YES_OR_NO, Target

ELEMENTWISE, MATRIX = "elementwise", "matrix"  # values of Loss.long_way


@dataclass(frozen=True, repr=False)
class Loss(Entry):
    """A sample's loss ℓ(a, y), its derivative with respect to a, and what ``predict`` makes of a.

    Attributes
    ----------
    name : str
    formula, derivative_formula, prediction_formula : str
        As people read them.
    source : str
    value : callable
        (a [n][k], y [n][k], *values) -> losses [n] of float64.
    derivative : callable
        (a, y, *values) -> ∂ℓ/∂a [n][k].
    link : callable
        a -> p, what ``predict`` returns.
    link_derivative : callable
        (p, k) -> ∂p[:, k] / ∂a [n][outputs].
    target : Target
        What y may be.
    score : type
        Which score goes with it; see ``backprop.catalogue.scores``.
    takes_logits : bool
        Whether a are logits: the last layer's activation is then "identity".
    least_outputs : int
        Units that the last layer has at least.
    too_few : str
        What to use instead where it has fewer.
    scikit_learn : str or None
        What scikit-learn calls the activation behind its logits.
    term, slope : Formula or None
        Of one output, in a and y and the parameters: what is summed, and its derivative by a. A
        loss has both unless it is not such a sum.
    text, latex : str
        The right side of ℓ = … where it is not simply written Σ term.
    latex_derivative : tuple of str
        Rows of ∂ℓ/∂a_j &= … where they are not simply the slope.
    note : str
        A sentence about the derivative.
    least : callable or None
        y [n][k] -> the least that a loss of it can be [n], where that is not 0 for all targets.
    long_way : str or None
        How ``explain`` shows that the derivatives of loss and link cancel: ELEMENTWISE for a
        sigmoid in the loss, MATRIX for a softmax; None where nothing cancels.
    parameters : tuple of Parameter
    values : tuple of float
        Of the parameters; () for their defaults.
    """

    name: str
    formula: str
    derivative_formula: str
    prediction_formula: str
    source: str
    value: Callable[..., np.ndarray]
    derivative: Callable[..., np.ndarray]
    link: Callable[[np.ndarray], np.ndarray]
    link_derivative: Callable[[np.ndarray, int], np.ndarray]
    target: Target
    score: type
    takes_logits: bool = False
    least_outputs: int = 1
    too_few: str = ""
    scikit_learn: str | None = None
    term: Formula | None = None
    slope: Formula | None = None
    text: str = ""
    latex: str = ""
    latex_derivative: tuple[str, ...] = ()
    note: str = ""
    least: Callable[[np.ndarray], np.ndarray] | None = None
    long_way: str | None = None
    parameters: tuple[Parameter, ...] = ()
    values: tuple[float, ...] = ()


_identity = ACTIVATIONS["identity"].value
_sigmoid = ACTIVATIONS["sigmoid"].value


def column(values, k):
    """Zeros shaped like `values`, but for its column k."""
    alone = np.zeros_like(values)
    alone[:, k] = values[:, k]
    return alone


def _d_identity_link(p, k):
    return column(np.ones_like(p), k)


def _d_sigmoid_link(p, k):
    return column(p * (1 - p), k)


def _d_softmax(p, k):
    return column(p, k) - p * p[:, [k]]


def _squared_error(a, y):
    return 0.5 * np.sum((a - y) ** 2, axis=1, dtype=np.float64)


def _d_squared_error(a, y):
    return a - y


def _sigmoid_cross_entropy(a, y):
    """-y log p - (1 - y) log(1 - p) with p = sigmoid(a), rearranged so that no log sees a 0."""
    losses = np.maximum(a, 0) - a * y + np.log1p(np.exp(-np.abs(a)))
    return np.sum(losses, axis=1, dtype=np.float64)


def _d_sigmoid_cross_entropy(a, y):
    return _sigmoid(a) - y


def _below_highest(a):
    """Logits minus the highest of their row: softmax stays the same, and exp cannot overflow."""
    with np.errstate(over="ignore"):  # the difference of two finite numbers may be out of range
        return np.maximum(a - a.max(axis=1, keepdims=True), np.finfo(a.dtype).min)


def softmax(a):
    """exp(a) / Σ exp(a), row by row."""
    e = np.exp(_below_highest(a))
    return e / e.sum(axis=1, keepdims=True)


def _softmax_cross_entropy(a, y):
    """-sum over j of y_j log p_j with p = softmax(a), and log p_j = a_j - log sum exp(a)."""
    a = _below_highest(a)
    log_sum = np.log(np.exp(a).sum(axis=1, keepdims=True))
    return np.sum(y * (log_sum - a), axis=1, dtype=np.float64)


def _entropy(y):
    """-Σ y log y, 0 where y is."""
    return -np.sum(y * np.log(np.where(y > 0, y, 1)), axis=1)


def _d_softmax_cross_entropy(a, y):
    return softmax(a) * y.sum(axis=1, keepdims=True) - y  # softmax(a) - y where y sums to 1


LOSSES = table_of(
    Loss(
        name="squared_error",
        formula="½ Σ (a - y)²",
        derivative_formula="a - y",
        prediction_formula="a",
        source="Legendre 1805",
        value=_squared_error,
        derivative=_d_squared_error,
        link=_identity,
        link_derivative=_d_identity_link,
        term=Formula("(a - y)**2 / 2"),
        slope=Formula("a - y"),
        text="½ Σ (a − y)²",
        latex=r"\tfrac12 \sum_j (a_j - y_j)^2",
        latex_derivative=(
            r"\frac{\partial \ell}{\partial a_j} &= a_j - y_j",
            r" &= -(y_j - a_j) \quad\text{of } \tfrac12 \sum_j (y_j - a_j)^2"
            r"\text{, whose inner derivative is } -1",
        ),
        note="Mind the sign: written ½ (y − a)², the inner derivative is −1, and −(y − a) = a − y.",
        target=NUMBERS,
        score=R2,
        scikit_learn="identity",
    ),
    Loss(
        name="sigmoid_cross_entropy",
        formula="Σ max(a, 0) - a y + log(1 + exp(-|a|))",
        derivative_formula="sigmoid(a) - y",
        prediction_formula="sigmoid(a)",
        source="Bridle 1990; the stable form is the same function",
        value=_sigmoid_cross_entropy,
        derivative=_d_sigmoid_cross_entropy,
        link=_sigmoid,
        link_derivative=_d_sigmoid_link,
        term=Formula("max(a, 0) - a * y + log1p(exp(-abs(a)))"),
        slope=Formula("1 / (1 + exp(-a)) - y"),
        text="−Σ (y log p + (1 − y) log(1 − p)), p = σ(a)",
        latex=r"-\sum_j \bigl(y_j \log p_j + (1 - y_j) \log(1 - p_j)\bigr),"
        r"\quad p_j = \sigma(a_j)",
        latex_derivative=(
            r"\frac{\partial \ell}{\partial a_j} &= \frac{\partial \ell}{\partial p_j}"
            r" \frac{\partial p_j}{\partial a_j}"
            r" = \frac{p_j - y_j}{p_j (1 - p_j)} \cdot p_j (1 - p_j) = p_j - y_j",
        ),
        least=lambda y: _entropy(y) + _entropy(1 - y),
        long_way=ELEMENTWISE,
        target=YES_OR_NO,
        score=LabelAccuracy,
        takes_logits=True,
        scikit_learn="logistic",
    ),
    Loss(
        name="softmax_cross_entropy",
        formula="Σ y (log Σ exp(a) - a)",
        derivative_formula="softmax(a) Σ y - y",
        prediction_formula="softmax(a)",
        source="Bridle 1990",
        value=_softmax_cross_entropy,
        derivative=_d_softmax_cross_entropy,
        link=softmax,
        link_derivative=_d_softmax,
        text="−Σ y log p, p = softmax(a)",
        latex=r"-\sum_j y_j \log p_j,\quad p_j = \frac{e^{a_j}}{\sum_k e^{a_k}}",
        latex_derivative=(
            r"\frac{\partial \ell}{\partial a_j} &= \sum_k"
            r" \frac{\partial \ell}{\partial p_k} \frac{\partial p_k}{\partial a_j}"
            r" = \sum_k -\frac{y_k}{p_k} \cdot p_k (\delta_{kj} - p_j)",
            r" &= p_j \sum_k y_k - y_j",
        ),
        least=_entropy,
        long_way=MATRIX,
        target=CLASSES,
        score=ClassAccuracy,
        takes_logits=True,
        least_outputs=2,
        too_few="with one yes-or-no output use 'sigmoid_cross_entropy'",
        scikit_learn="softmax",
    ),
)

ALIASES = {
    "mse": "squared_error",
    "mean_squared_error": "squared_error",
    "l2": "squared_error",
    "mse_loss": "squared_error",
    "least_squares": "squared_error",
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
    """The entry of that name, if it fits the last layer; ValueError otherwise."""
    found = find("loss", loss, LOSSES, ALIASES)
    if found.takes_logits and last_activation is not ACTIVATIONS["identity"]:
        raise ValueError(
            f"loss={found.name!r} takes logits: expected 'identity' as the last layer's "
            f"activation, got {last_activation.label!r} (predict gives probabilities all the same)"
        )
    if n_outputs < found.least_outputs:
        raise ValueError(
            f"loss={found.name!r} needs a last layer of {found.least_outputs} units or more; "
            f"{found.too_few}"
        )
    return found
