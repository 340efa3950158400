"""Losses of numbers."""

import numpy as np

from backprop.catalogue.formula import Formula
from backprop.catalogue.losses.links import (
    column,
    d_exp,
    d_identity,
    exp,
    identity,
    sigmoid,
    softplus,
)
from backprop.catalogue.losses.record import Loss
from backprop.catalogue.records import Flag, Levels, Parameter
from backprop.catalogue.scores import R2, GammaD2, Pinball, PoissonD2, R2OfMeans
from backprop.catalogue.targets import COUNTS, MEANS, NUMBERS, ONE_NUMBER, POSITIVE

LEVELS = (0.05, 0.5, 0.95)
LEAST_VARIANCE = 1e-6


def _squared_error(a, y):
    return 0.5 * np.sum((a - y) ** 2, axis=1, dtype=np.float64)


def _d_squared_error(a, y):
    return a - y


def _absolute_error(a, y):
    return np.sum(np.abs(a - y), axis=1, dtype=np.float64)


def _d_absolute_error(a, y):
    return np.sign(a - y)


def _huber(a, y, delta=1.0):
    cut = np.clip(a - y, -delta, delta)
    return np.sum(cut * (a - y - 0.5 * cut), axis=1, dtype=np.float64)


def _d_huber(a, y, delta=1.0):
    return np.clip(a - y, -delta, delta)


def _poisson(a, y):
    with np.errstate(over="ignore"):
        return np.sum(exp(a) - y * a, axis=1, dtype=np.float64)


def _d_poisson(a, y):
    return exp(a) - y


def _gamma(a, y):
    with np.errstate(over="ignore"):
        return np.sum(y * exp(-a) + a, axis=1, dtype=np.float64)


def _d_gamma(a, y):
    with np.errstate(over="ignore"):
        return 1 - y * exp(-a)


def _quantile(a, y, noncrossing=False, levels=LEVELS):
    error, levels = y - a, np.array(levels, a.dtype)
    losses = np.maximum(levels * error, (levels - 1) * error)
    return np.sum(losses, axis=1, dtype=np.float64)


def _d_quantile(a, y, noncrossing=False, levels=LEVELS):
    levels = np.array(levels, a.dtype)
    return (1 - levels) * (a > y) - levels * (a < y) + 0 * a  # which is nan for nan


def _sorted(a):
    return np.sort(a, axis=1)


def _link_of_quantiles(noncrossing, levels):
    return _sorted if noncrossing else identity


def _names_of_quantiles(n_outputs, noncrossing, levels):
    return [f"quantile {level:g}" for level in levels]


def _middle_quantile(p, noncrossing, levels):
    """The level nearest to the median."""
    nearest = np.abs(np.array(levels) - 0.5).argmin()
    return p[:, nearest : nearest + 1]


def _misfit_of_quantiles(n_outputs, noncrossing, levels):
    count = len(levels)
    if n_outputs == count:
        return ""
    return f"a last layer of {count} unit{'s' * (count > 1)}, one for each of the levels {levels}"


def _mean_and_variance(a):
    half = a.shape[1] // 2
    return np.concatenate([a[:, :half], softplus(a[:, half:]) + LEAST_VARIANCE], axis=1)


def _d_mean_and_variance(p, k):
    if k < p.shape[1] // 2:
        return column(np.ones_like(p), k)
    return column(-np.expm1(LEAST_VARIANCE - p), k)  # sigmoid(s), from log(1 + exp(s))


def _gaussian_nll(a, y):
    half = a.shape[1] // 2
    mean, variance = np.split(_mean_and_variance(a), [half], axis=1)
    losses = 0.5 * (np.log(variance) + (mean - y[:, :half]) ** 2 / variance)
    return np.sum(losses, axis=1, dtype=np.float64)


def _d_gaussian_nll(a, y):
    half = a.shape[1] // 2
    mean, variance = np.split(_mean_and_variance(a), [half], axis=1)
    ratio = (mean - y[:, :half]) / variance
    by_spread = 0.5 * (1 / variance - ratio**2) * sigmoid(a[:, half:])
    return np.concatenate([ratio, by_spread], axis=1)


def _names_of_pairs(n_outputs):
    numbers = range(1, n_outputs // 2 + 1)
    return [f"mean of y{i}" for i in numbers] + [f"variance of y{i}" for i in numbers]


def _misfit_of_pairs(n_outputs):
    return "an even number of units, a mean and a variance for each target" if n_outputs % 2 else ""


OF_NUMBERS = (
    Loss(
        name="squared_error",
        formula="½ Σ (a - y)²",
        derivative_formula="a - y",
        prediction_formula="a",
        source="Legendre 1805",
        advice="The usual first choice for numbers: what is learnt is the mean.",
        value=_squared_error,
        derivative=_d_squared_error,
        link=identity,
        link_derivative=d_identity,
        term=Formula("(a - y)**2 / 2"),
        slopes=(Formula("a - y"),),
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
        name="absolute_error",
        formula="Σ |a - y|",
        derivative_formula="sign(a - y)",
        prediction_formula="a",
        source="Boscovich 1757",
        advice="For numbers with outliers, which it does not follow: what is learnt is the median.",
        value=_absolute_error,
        derivative=_d_absolute_error,
        link=identity,
        link_derivative=d_identity,
        term=Formula("abs(a - y)"),
        slopes=(Formula("sign(a - y)"),),
        corner=Formula("a - y"),
        note="Where a = y there is a corner, and the derivative is taken as 0.",
        target=NUMBERS,
        score=R2,
    ),
    Loss(
        name="huber",
        formula="Σ c (e - c/2), e = a - y, c = max(-δ, min(δ, e))",
        derivative_formula="max(-δ, min(δ, a - y))",
        prediction_formula="a",
        source="Huber 1964",
        advice="For numbers with some outliers: squared error up to delta, and a line beyond.",
        value=_huber,
        derivative=_d_huber,
        link=identity,
        link_derivative=d_identity,
        term=Formula("where(abs(a - y) < delta, (a - y)**2 / 2, delta * (abs(a - y) - delta / 2))"),
        slopes=(Formula("max(-delta, min(delta, a - y))"),),
        target=NUMBERS,
        score=R2,
        parameters=(
            Parameter("delta", 1.0, "the error from which on it counts as a line", above=True),
        ),
    ),
    Loss(
        name="poisson",
        formula="Σ exp(a) - y a",
        derivative_formula="exp(a) - y",
        prediction_formula="exp(a)",
        source="Nelder and Wedderburn 1972",
        advice="For counts, and rates of events: what is learnt is the logarithm of the mean.",
        value=_poisson,
        derivative=_d_poisson,
        link=exp,
        link_derivative=d_exp,
        term=Formula("exp(a) - y * a"),
        slopes=(Formula("exp(a) - y"),),
        target=COUNTS,
        score=PoissonD2,
        scikit_learn="exp",
        takes_logits=True,
        finite_within=80.0,
    ),
    Loss(
        name="gamma",
        formula="Σ y exp(-a) + a",
        derivative_formula="1 - y exp(-a)",
        prediction_formula="exp(a)",
        source="Nelder and Wedderburn 1972",
        advice="For positive amounts whose spread grows with their mean, such as costs or waits.",
        value=_gamma,
        derivative=_d_gamma,
        link=exp,
        link_derivative=d_exp,
        term=Formula("y * exp(-a) + a"),
        slopes=(Formula("1 - y * exp(-a)"),),
        target=POSITIVE,
        score=GammaD2,
        takes_logits=True,
        finite_within=80.0,
    ),
    Loss(
        name="quantile",
        formula="Σ_j max(q_j (y - a_j), (q_j - 1) (y - a_j))",
        derivative_formula="(1 - q_j) [a_j > y] - q_j [a_j < y]",
        prediction_formula="a, sorted if noncrossing",
        source="Koenker and Bassett 1978; sorted: Chernozhukov, Fernández-Val and Galichon 2010",
        advice="For a range instead of one number: an output for each quantile of one target.",
        value=_quantile,
        derivative=_d_quantile,
        link=identity,
        link_of=_link_of_quantiles,
        link_derivative=d_identity,
        names=_names_of_quantiles,
        term=Formula("max(q * (y - a), (q - 1) * (y - a))"),
        slopes=(Formula("where(a > y, 1 - q, where(a < y, -q, 0))"),),
        corner=Formula("a - y"),
        text="Σ_j max(q_j (y − a_j), (q_j − 1) (y − a_j))",
        latex=r"\sum_j \max\bigl(q_j (y - a_j), (q_j - 1) (y - a_j)\bigr)",
        latex_derivative=(
            r"\frac{\partial \ell}{\partial a_j} &= 1 - q_j \text{ where } a_j > y,"
            r"\quad -q_j \text{ where } a_j < y",
        ),
        note="Where a_j = y there is a corner, and the derivative is taken as 0.",
        points=_middle_quantile,
        target=ONE_NUMBER,
        score=Pinball,
        score_has_values=True,
        misfit=_misfit_of_quantiles,
        units=lambda n_columns, noncrossing, levels: len(levels),
        parameters=(
            Flag("noncrossing", False, "whether `predict` sorts the quantiles of a row"),
            Levels("levels", LEVELS, "the quantiles, in ascending order, one for each output"),
        ),
    ),
    Loss(
        name="gaussian_nll",
        formula="½ Σ log v + (m - y)²/v, a = (m, s), v = log(1 + exp(s)) + 1e-6",
        derivative_formula="(m - y)/v, ½ (1/v - (m - y)²/v²) sigmoid(s)",
        prediction_formula="(m, v)",
        source="Nix and Weigend 1994; v: Lakshminarayanan, Pritzel and Blundell 2017",
        advice="For numbers whose noise differs: half the outputs are means, the others variances.",
        value=_gaussian_nll,
        derivative=_d_gaussian_nll,
        link=_mean_and_variance,
        link_derivative=_d_mean_and_variance,
        names=_names_of_pairs,
        members=("m", "s"),
        term=Formula("(log(v) + (m - y)**2 / v) / 2"),
        slopes=(
            Formula("(m - y) / v"),
            Formula("(1 / v - ((m - y) / v)**2) / 2 / (1 + exp(-s))"),
        ),
        wherein=(("v", Formula("max(s, 0) + log1p(exp(-abs(s))) + 0.000001")),),
        text="½ Σ (log v + (m − y)²/v), v = log(1 + exp(s)) + 1e-6",
        latex=r"\tfrac12 \sum_j \Bigl(\log v_j + \frac{(m_j - y_j)^2}{v_j}\Bigr),"
        r"\quad v_j = \log(1 + e^{s_j}) + 10^{-6}",
        latex_derivative=(
            r"\frac{\partial \ell}{\partial m_j} &= \frac{m_j - y_j}{v_j}",
            r"\frac{\partial \ell}{\partial s_j} &= \tfrac12 \Bigl(\frac1{v_j}"
            r" - \frac{(m_j - y_j)^2}{v_j^2}\Bigr) \sigma(s_j)",
        ),
        note="The first half of the outputs are m, the others s. The constant ½ log 2π of each"
        " target is left out.",
        points=lambda p: p[:, : p.shape[1] // 2],
        target=MEANS,
        score=R2OfMeans,
        takes_logits=True,
        is_least_at_target=False,
        least_outputs=2,
        too_few="a mean and a variance for each target",
        misfit=_misfit_of_pairs,
        units=lambda n_columns: 2 * n_columns,
    ),
)
