"""What takes no model, and what a model has to beat: the mean, and each class's share."""

import numpy as np


def is_mean_as_good(values, found, weights=None):
    """Whether the mean of each column has no larger squared error than what is found.

    Of several columns, on average of their shares. Both are arrays (n, k), `weights` (n,).
    """
    mean = np.average(values, axis=0, weights=weights)
    errors, spread = (np.average((p - values) ** 2, axis=0, weights=weights) for p in (found, mean))
    return bool(np.mean(errors / np.maximum(spread, 1e-300)) >= 1)


def log_loss_of_shares(answers, is_one, weights=None):
    """The mean log loss of saying no more than each class's share.

    Parameters
    ----------
    answers : array (n, k)
        0 and 1.
    is_one : bool
        Whether each row is of one class; else each column is a yes or no.
    weights : array (n,), optional
        Of the rows.
    """
    shares = np.average(answers, axis=0, weights=weights)
    return _entropy(shares) if is_one else _entropy(shares) + _entropy(1 - shares)


def _entropy(shares):
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
