"""How good predictions are: the scores of ``Network.evaluate``, block of rows by block of rows."""

import numpy as np


class _Share:
    """The share of the rows, by weight, whose prediction is right."""

    name = "accuracy"
    higher_is_better = True

    def __init__(self):
        self._right = self._all = 0.0

    def add(self, out, y, weight):
        """A block of rows; weight (n,), or None for 1 each."""
        weight = _weights(weight, len(y))
        self._right += weight[self._is_right(out, y)].sum()
        self._all += weight.sum()

    def value(self):
        """Of all blocks."""
        return float(self._right / self._all)


class ClassAccuracy(_Share):
    """The share of rows whose most probable class is right; y: labels, or rows of probabilities."""

    @staticmethod
    def _is_right(logits, y):
        return logits.argmax(axis=1) == (y if y.ndim == 1 else y.argmax(axis=1))


class LabelAccuracy(_Share):
    """The share of rows whose every yes or no is right."""

    @staticmethod
    def _is_right(logits, y):
        return ((logits > 0) == (y > 0.5)).all(axis=1)


class R2:
    """Coefficient of determination, the mean over outputs.

    Outputs whose target never varies are left out, since there is nothing to explain; nan where
    none is left.

    Mean and spread of the blocks' targets are combined as by Chan, Golub and LeVeque, "Updating
    formulae and a pairwise algorithm for computing sample variances", 1979: the difference of large
    sums of squares would lose a small spread about a large mean.
    """

    name = "r2"
    higher_is_better = True

    def __init__(self):
        self._weight = self._mean = self._spread = self._residual = 0.0
        self._low, self._high = np.inf, -np.inf

    def add(self, out, y, weight):
        """A block of rows; weight (n,), or None for 1 each."""
        y = y.astype(np.float64)
        weight = _weights(weight, len(y))[:, None]
        here = weight.sum()
        if here == 0:
            return
        counted = y[weight[:, 0] > 0]
        self._low = np.minimum(self._low, counted.min(axis=0))
        self._high = np.maximum(self._high, counted.max(axis=0))
        mean = (weight * y).sum(axis=0) / here
        step, both = mean - self._mean, self._weight + here
        self._spread += (weight * (y - mean) ** 2).sum(
            axis=0
        ) + step**2 * self._weight * here / both
        self._mean += step * here / both
        self._weight = both
        self._residual += (weight * (y - out) ** 2).sum(axis=0)

    def value(self):
        """Of all blocks."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.divide(self._residual, self._spread)
        # not by the spread, which rounding leaves a little of: the mean of equal numbers is another
        return _mean_of_varying(1 - ratio, self._low, self._high)


class _D2:
    """The share of the deviance that is explained: 1 - D(y, p) / D(y, mean y).

    The mean over outputs. Outputs whose target never varies are left out; nan where none is left.
    The deviance D is what a loss is above that of the best prediction, y itself, so that this is to
    the loss what R² is to the squared error (Cameron and Windmeijer, "An R-squared measure of
    goodness of fit for some common nonlinear regression models", 1997). a are logarithms of
    predictions.
    """

    name = "d2"
    higher_is_better = True

    def __init__(self):
        self._weight = self._sum = self._found = self._own = 0.0
        self._low, self._high = np.inf, -np.inf

    def add(self, out, y, weight):
        """A block of rows; weight (n,), or None for 1 each."""
        out, y = out.astype(np.float64), y.astype(np.float64)
        weight = _weights(weight, len(y))[:, None]
        counted = y[weight[:, 0] > 0]
        if len(counted) == 0:
            return
        self._low = np.minimum(self._low, counted.min(axis=0))
        self._high = np.maximum(self._high, counted.max(axis=0))
        self._weight += weight.sum()
        self._sum += (weight * y).sum(axis=0)
        with np.errstate(over="ignore"):
            self._found += (weight * self._loss(out, y)).sum(axis=0)
        self._own += (weight * self._least_loss(y)).sum(axis=0)

    def value(self):
        """Of all blocks."""
        mean = self._sum / self._weight
        with np.errstate(divide="ignore", invalid="ignore"):
            of_mean = self._weight * self._least_loss(mean)  # Σ w loss(log mean, y)
            ratio = (self._found - self._own) / (of_mean - self._own)
        return _mean_of_varying(1 - ratio, self._low, self._high)


class PoissonD2(_D2):
    """Of counts about a rate."""

    @staticmethod
    def _loss(a, y):
        return np.exp(a) - y * a

    @staticmethod
    def _least_loss(y):
        return y - y * np.log(np.where(y > 0, y, 1))


class GammaD2(_D2):
    """Of positive numbers about their mean."""

    @staticmethod
    def _loss(a, y):
        return y * np.exp(-a) + a

    @staticmethod
    def _least_loss(y):
        return 1 + np.log(y)


class Pinball:
    """The mean pinball loss of the quantiles: 0 is perfect, and less is better."""

    name = "pinball"
    higher_is_better = False

    def __init__(self, noncrossing, levels):
        self._levels, self._sorted = np.array(levels), noncrossing
        self._loss = self._weight = 0.0

    def add(self, out, y, weight):
        """A block of rows; weight (n,), or None for 1 each."""
        weight = _weights(weight, len(y))
        out = np.sort(out, axis=1) if self._sorted else out
        error = y.astype(np.float64) - out
        losses = np.maximum(self._levels * error, (self._levels - 1) * error)
        self._loss += weight @ losses.mean(axis=1)
        self._weight += weight.sum()

    def value(self):
        """Of all blocks."""
        return float(self._loss / self._weight)


def _mean_of_varying(scores, low, high):
    """The mean over the outputs whose target varies: nan where none does."""
    varies = np.broadcast_to(low < high, scores.shape)
    return float(scores[varies].mean()) if varies.any() else float("nan")


class R2OfMeans(R2):
    """R2 of the first half of the outputs, the means; y stands there twice."""

    def add(self, out, y, weight):
        """A block of rows; weight (n,), or None for 1 each."""
        half = y.shape[1] // 2
        super().add(out[:, :half], y[:, :half], weight)


def _weights(weight, count):
    return np.ones(count) if weight is None else weight.astype(np.float64)
