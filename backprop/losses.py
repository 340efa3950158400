"""What each loss is.

Formula, derivative, link. The code is in csrc/kernels/losses.h and in reference.py.

a is the output of the last layer, y the target, both with k outputs. The cost of a batch is the
mean of its samples' losses, weighted by the sample weights: Σ w loss / Σ w.
"""

from typing import NamedTuple


class Loss(NamedTuple):
    """A sample's loss, its derivative with respect to a, and what ``predict`` makes of a."""

    formula: str
    derivative: str
    prediction: str
    source: str


LOSSES = {
    "squared_error": Loss("½ Σ (a - y)²", "a - y", "a", "Legendre 1805"),
    "sigmoid_cross_entropy": Loss(
        "Σ max(a, 0) - a y + log(1 + exp(-|a|))",
        "sigmoid(a) - y",
        "sigmoid(a)",
        "Bridle 1990; the stable form is the same function",
    ),
    "softmax_cross_entropy": Loss(
        "Σ y (log Σ exp(a) - a)", "softmax(a) Σ y - y", "softmax(a)", "Bridle 1990"
    ),
}

CROSS_ENTROPIES = ("sigmoid_cross_entropy", "softmax_cross_entropy")
