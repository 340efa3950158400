"""What the reference does with the user's arrays: batches out of them, and scores."""

import numpy as np

from backprop.catalogue.targets import ANY, MEANS, ONE_NUMBER

# ---- From the user's arrays to a batch ----------------------------------------------------------


def gather(X, rows=slice(None), offset=None, scale=None, dtype="float32"):
    """(x - offset) * scale for some rows of X, as a new array; worked out in float64."""
    x = np.asarray(X)[rows]
    if offset is not None:
        x = x - np.asarray(offset, dtype=np.float64)
    if scale is not None:
        x = x * np.asarray(scale, dtype=np.float64)
    return x.astype(dtype)


def one_hot(labels, n_classes, dtype="float32"):
    """[n] class numbers to [n][n_classes] rows with a single 1."""
    labels = np.asarray(labels)
    classes = np.arange(n_classes)
    if not np.isin(labels, classes).all():
        raise ValueError(f"y: class labels must be integers from 0 to {n_classes - 1}")
    return (labels[:, None] == classes).astype(dtype)


def targets(y, loss, n_outputs, dtype):
    """y as a new [n][n_outputs] array of the network's dtype; or what a loss of one's own takes."""
    y = np.asarray(y)
    if loss.target is ANY:
        return y
    if y.ndim == 1 and loss.target.is_class:
        return one_hot(y, n_outputs, dtype)
    if y.ndim == 1:
        y = y[:, None]
    if loss.target is MEANS and 2 * y.shape[1] == n_outputs:
        y = np.hstack([y, y])
    if loss.target is ONE_NUMBER and y.shape[1:] == (1,):
        y = np.broadcast_to(y, (len(y), n_outputs))
    if y.ndim != 2 or y.shape[1] != n_outputs:
        raise ValueError(f"y: the shape is {y.shape}, expected (n, {n_outputs})")
    return y.astype(dtype)


# ---- How good predictions are -------------------------------------------------------------------


def finite(loss, X):
    """The loss; or an error that names the first value of X to blame, where there is one."""
    if np.isfinite(loss):
        return loss
    bad = np.argwhere(~np.isfinite(X))
    place = f": X[{bad[0][0]}, {bad[0][1]}] is {X[tuple(bad[0])]}" if len(bad) else ""
    raise FloatingPointError(f"the loss became {loss}{place}")


def accuracy(loss, a, y, sample_weight):
    """Share of the samples whose class, or whose every yes or no, is right."""
    if loss.target.is_class:
        right = a.argmax(axis=1) == y.argmax(axis=1)
    else:
        right = ((a > 0) == (y > 0.5)).all(axis=1)
    return float(np.average(right, weights=sample_weight.astype(np.float64)))


def r2(a, y, sample_weight):
    """1 - residual / total sum of squares, the mean over the outputs whose y varies, else nan."""
    weight, y = sample_weight.astype(np.float64), y.astype(np.float64)
    varies = np.ptp(y[weight > 0], axis=0) > 0
    if not varies.any():
        return float("nan")
    residual = weight @ (y - a) ** 2
    spread = weight @ (y - np.average(y, axis=0, weights=weight)) ** 2
    return float(np.mean(1 - residual[varies] / spread[varies]))


def d2(loss, a, y, sample_weight):
    """1 - deviance / that of the mean, as `r2` is put together; a and the loss are of log p."""
    weight, y = sample_weight.astype(np.float64), y.astype(np.float64)
    varies = np.ptp(y[weight > 0], axis=0) > 0
    mean = np.broadcast_to(np.average(y, axis=0, weights=weight), y.shape)
    found = []
    for k in np.flatnonzero(varies):
        column = slice(k, k + 1)
        logs = a, np.log(mean), np.log(np.maximum(y, np.finfo(np.float64).tiny))
        of_a, of_mean, least = (weight @ loss.value(at[:, column], y[:, column]) for at in logs)
        found.append(1 - (of_a - least) / (of_mean - least))
    return float(np.mean(found)) if found else float("nan")
