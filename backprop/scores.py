"""How good predictions are: the scores of ``Network.evaluate``."""

import numpy as np


def is_right(loss, logits, y):
    """Whether all labels of a row are right: its most probable class, or each yes or no."""
    if loss == "softmax_cross_entropy":
        return logits.argmax(axis=1) == (y if y.ndim == 1 else y.argmax(axis=1))
    return ((logits > 0) == (y > 0.5)).all(axis=1)


def r2(out, y, weight):
    """Coefficient of determination, the mean over outputs; nan where a target does not vary."""
    y = y.astype(np.float64)
    w = weight[:, None]
    mean = (w * y).sum(axis=0) / w.sum()
    spread = (w * (y - mean) ** 2).sum(axis=0)
    residual = (w * (y - out) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(spread > 0, 1 - residual / spread, np.nan).mean())
