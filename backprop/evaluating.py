"""`Network.evaluate`: the cost and the scores of rows that are gone through in pieces."""

import numpy as np

from backprop._core.errors import NotFinite
from backprop.sharing import reading

EVALUATED_ROWS = 32768  # that are predicted at a time


def score(network, X, y, sample_weight, metrics=()):
    """{"loss", the loss's score, each metric} of checked arrays; ValueError names a bad number."""
    arrays = (X, y, sample_weight)
    pieces = (
        [None if a is None else a[start : start + EVALUATED_ROWS] for a in arrays]
        for start in range(0, len(X), EVALUATED_ROWS)
    )
    try:
        with reading(network._core):
            return score_pieces(network, pieces, metrics)
    except NotFinite:
        raise network._not_finite(X, y) from None


def score_pieces(network, pieces, metrics=()):
    """The same of [X, y, sample_weight] that come one after another."""
    loss_function = network.loss_function
    score, kept = loss_function.new_score(), []  # of a loss of one's own None
    total_loss = total_weight = 0.0
    for X, y, weight in pieces:
        out = np.empty((len(X), network.n_outputs), network.dtype)
        loss, weights = network._core.infer(X, y, weight, out)
        total_loss, total_weight = total_loss + loss, total_weight + weights
        if score is not None:
            score.add(out, y, weight)
        if metrics:
            kept.append((out, y, weight))
    found = {"loss": total_loss / total_weight}
    if score is not None:
        found[score.name] = score.value()
    if metrics:
        from backprop.catalogue.metrics import measure
        from backprop.sources.source import joined

        found |= measure(metrics, loss_function, *joined(kept))
    return found
