"""Losses of answers: yes or no, or one of several classes."""

import numpy as np

from backprop.catalogue.formula import Formula
from backprop.catalogue.losses.links import (
    below_highest,
    d_identity,
    d_sigmoid,
    d_softmax,
    identity,
    sigmoid,
    softmax,
    softplus,
)
from backprop.catalogue.losses.record import ELEMENTWISE, MATRIX, SMOOTHING, Loss, smoothed
from backprop.catalogue.records import Parameter
from backprop.catalogue.scores import ClassAccuracy, LabelAccuracy
from backprop.catalogue.targets import CLASSES, YES_OR_NO


def _entropy(y):
    """-Σ y log y, 0 where y is."""
    return -np.sum(y * np.log(np.where(y > 0, y, 1)), axis=1)


def _sigmoid_cross_entropy(a, y, label_smoothing=0.0):
    """-y log p - (1 - y) log(1 - p) with p = sigmoid(a), rearranged so that no log sees a 0."""
    y = smoothed(y, label_smoothing, 2)
    losses = np.maximum(a, 0) - a * y + np.log1p(np.exp(-np.abs(a)))
    return np.sum(losses, axis=1, dtype=np.float64)


def _d_sigmoid_cross_entropy(a, y, label_smoothing=0.0):
    return sigmoid(a) - smoothed(y, label_smoothing, 2)


def _softmax_cross_entropy(a, y, label_smoothing=0.0):
    """-sum over j of y_j log p_j with p = softmax(a), and log p_j = a_j - log sum exp(a)."""
    y = smoothed(y, label_smoothing, a.shape[1])
    a = below_highest(a)
    log_sum = np.log(np.exp(a).sum(axis=1, keepdims=True))
    return np.sum(y * (log_sum - a), axis=1, dtype=np.float64)


def _d_softmax_cross_entropy(a, y, label_smoothing=0.0):
    y = smoothed(y, label_smoothing, a.shape[1])
    return softmax(a) * y.sum(axis=1, keepdims=True) - y  # softmax(a) - y where y sums to 1


def _focused(t, gamma):
    """Of a wrong answer's logit: q^gamma log(1 + exp(t)), q = sigmoid(t); and the derivative."""
    with np.errstate(over="ignore"):
        share = np.exp(-gamma * softplus(-t))
    return share * softplus(t), share * (gamma * sigmoid(-t) * softplus(t) + sigmoid(t))


def _focal(a, y, gamma=2.0):
    losses = y * _focused(-a, gamma)[0] + (1 - y) * _focused(a, gamma)[0]
    return np.sum(losses, axis=1, dtype=np.float64)


def _d_focal(a, y, gamma=2.0):
    return (1 - y) * _focused(a, gamma)[1] - y * _focused(-a, gamma)[1]


def _hinge(a, y):
    losses = y * np.maximum(0, 1 - a) + (1 - y) * np.maximum(0, 1 + a)
    return np.sum(losses, axis=1, dtype=np.float64)


def _d_hinge(a, y):
    return (1 - y) * (a > -1) - y * (a < 1) + 0 * a  # which is nan for nan


OF_ANSWERS = (
    Loss(
        name="sigmoid_cross_entropy",
        formula="Σ max(a, 0) - a y + log(1 + exp(-|a|))",
        derivative_formula="sigmoid(a) - y",
        prediction_formula="sigmoid(a)",
        source="Bridle 1990; the stable form is the same function",
        advice="For yes or no, of each output on its own: what is learnt is the probability.",
        value=_sigmoid_cross_entropy,
        derivative=_d_sigmoid_cross_entropy,
        link=sigmoid,
        link_derivative=d_sigmoid,
        term=Formula("max(a, 0) - a * y + log1p(exp(-abs(a)))"),
        slopes=(Formula("1 / (1 + exp(-a)) - y"),),
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
        parameters=(SMOOTHING,),
    ),
    Loss(
        name="softmax_cross_entropy",
        formula="Σ y (log Σ exp(a) - a)",
        derivative_formula="softmax(a) Σ y - y",
        prediction_formula="softmax(a)",
        source="Bridle 1990",
        advice="For one of several classes: what is learnt is the probability of each.",
        value=_softmax_cross_entropy,
        derivative=_d_softmax_cross_entropy,
        link=softmax,
        link_derivative=d_softmax,
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
        parameters=(SMOOTHING,),
    ),
    Loss(
        name="focal",
        formula="Σ -y (1 - p)^γ log p - (1 - y) p^γ log(1 - p), p = sigmoid(a)",
        derivative_formula="(1 - y) p^γ (p - γ (1 - p) log(1 - p))"
        " - y (1 - p)^γ (1 - p - γ p log p)",
        prediction_formula="sigmoid(a)",
        source="Lin, Goyal, Girshick, He and Dollár 2017, without its α",
        advice="For yes or no where one of them is rare: what is sure already counts for little.",
        value=_focal,
        derivative=_d_focal,
        link=sigmoid,
        link_derivative=d_sigmoid,
        term=Formula(
            "y * (1 + exp(a))**-gamma * (max(-a, 0) + log1p(exp(-abs(a))))"
            " + (1 - y) * (1 + exp(-a))**-gamma * (max(a, 0) + log1p(exp(-abs(a))))"
        ),
        slopes=(
            Formula(
                "(1 - y) * (1 + exp(-a))**-gamma * (1 / (1 + exp(-a))"
                " + gamma / (1 + exp(a)) * (max(a, 0) + log1p(exp(-abs(a)))))"
                " - y * (1 + exp(a))**-gamma * (1 / (1 + exp(a))"
                " + gamma / (1 + exp(-a)) * (max(-a, 0) + log1p(exp(-abs(a)))))"
            ),
        ),
        text="−Σ (y (1 − p)^γ log p + (1 − y) p^γ log(1 − p)), p = σ(a)",
        latex=r"-\sum_j \bigl(y_j (1 - p_j)^\gamma \log p_j"
        r" + (1 - y_j) p_j^\gamma \log(1 - p_j)\bigr),\quad p_j = \sigma(a_j)",
        target=YES_OR_NO,
        score=LabelAccuracy,
        takes_logits=True,
        is_least_at_target=False,
        parameters=(
            Parameter("gamma", 2.0, "how much less counts what is sure; 0: the cross-entropy"),
        ),
    ),
    Loss(
        name="hinge",
        formula="Σ y max(0, 1 - a) + (1 - y) max(0, 1 + a)",
        derivative_formula="(1 - y) [a > -1] - y [a < 1]",
        prediction_formula="a",
        source="Cortes and Vapnik 1995",
        advice="For yes or no (y is 0 or 1, a > 0 says yes), where no probabilities are needed.",
        value=_hinge,
        derivative=_d_hinge,
        link=identity,
        link_derivative=d_identity,
        term=Formula("y * max(0, 1 - a) + (1 - y) * max(0, 1 + a)"),
        slopes=(Formula("(1 - y) * where(a > -1, 1, 0) - y * where(a < 1, 1, 0)"),),
        corner=Formula("abs(a) - 1"),
        note="At the corners, −1 and 1, the derivative is that of the flat side.",
        target=YES_OR_NO,
        score=LabelAccuracy,
        takes_logits=True,
        is_least_at_target=False,
    ),
)
