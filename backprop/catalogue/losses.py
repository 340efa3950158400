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
from backprop.catalogue.records import Entry, Flag, Levels, Parameter, find, table_of
from backprop.catalogue.scores import (
    R2,
    ClassAccuracy,
    GammaD2,
    LabelAccuracy,
    Pinball,
    PoissonD2,
    R2OfMeans,
)
from backprop.catalogue.targets import (
    CLASSES,
    COUNTS,
    MEANS,
    NUMBERS,
    ONE_NUMBER,
    POSITIVE,
    YES_OR_NO,
    Target,
)

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
    advice : str
        When to take it.
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
        Whether a are logits, or what else is between -∞ and ∞ and not yet the prediction: the last
        layer's activation is then "identity".
    is_least_at_target : bool
        Whether a loss is least where the prediction is the target, also where that is a probability
        between 0 and 1.
    finite_within : float or None
        Where |a| is larger, the loss may be infinite in float32; None: there is no such bound.
    least_outputs : int
        Units that the last layer has at least.
    too_few : str
        What to use instead where it has fewer.
    score_has_values : bool
        Whether the score is made of the values of the parameters.
    misfit : callable or None
        (units of the last layer, *values) -> what is expected instead, or ""; None: any will do.
    link_of : callable or None
        (*values) -> link, where it depends on them.
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
    advice: str
    value: Callable[..., np.ndarray]
    derivative: Callable[..., np.ndarray]
    link: Callable[[np.ndarray], np.ndarray]
    link_derivative: Callable[[np.ndarray, int], np.ndarray]
    target: Target
    score: type
    takes_logits: bool = False
    is_least_at_target: bool = True
    finite_within: float | None = None
    least_outputs: int = 1
    too_few: str = ""
    score_has_values: bool = False
    misfit: Callable[..., str] | None = None
    link_of: Callable[..., Callable] | None = None
    scikit_learn: str | None = None
    term: Formula | None = None
    slope: Formula | None = None
    text: str = ""
    latex: str = ""
    latex_derivative: tuple[str, ...] = ()
    note: str = ""
    long_way: str | None = None
    parameters: tuple[Parameter, ...] = ()
    values: tuple[float | bool | tuple[float, ...], ...] = ()

    def __post_init__(self):
        """Choose the link that the values ask for."""
        if self.link_of is not None:
            object.__setattr__(self, "link", self.link_of(*self.settings.values()))

    def new_score(self):
        """A score to which nothing was added yet."""
        return self.score(*self.settings.values()) if self.score_has_values else self.score()


_identity = ACTIVATIONS["identity"].value
_sigmoid = ACTIVATIONS["sigmoid"].value
_exp = ACTIVATIONS["exp"].value


def column(values, k):
    """Zeros shaped like `values`, but for its column k."""
    alone = np.zeros_like(values)
    alone[:, k] = values[:, k]
    return alone


def _d_identity_link(p, k):
    return column(np.ones_like(p), k)


def _d_sigmoid_link(p, k):
    return column(p * (1 - p), k)


def _d_exp_link(p, k):
    return column(p, k)


def _d_softmax(p, k):
    return column(p, k) - p * p[:, [k]]


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
        return np.sum(_exp(a) - y * a, axis=1, dtype=np.float64)


def _d_poisson(a, y):
    return _exp(a) - y


def _gamma(a, y):
    with np.errstate(over="ignore"):
        return np.sum(y * _exp(-a) + a, axis=1, dtype=np.float64)


def _d_gamma(a, y):
    with np.errstate(over="ignore"):
        return 1 - y * _exp(-a)


def _softplus(a):
    return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))


def _focused(t, gamma):
    """Of a wrong answer's logit: q^gamma log(1 + exp(t)), q = sigmoid(t); and the derivative."""
    with np.errstate(over="ignore"):
        share = np.exp(-gamma * _softplus(-t))
    return share * _softplus(t), share * (gamma * _sigmoid(-t) * _softplus(t) + _sigmoid(t))


def _focal(a, y, gamma=2.0):
    losses = y * _focused(-a, gamma)[0] + (1 - y) * _focused(a, gamma)[0]
    return np.sum(losses, axis=1, dtype=np.float64)


def _d_focal(a, y, gamma=2.0):
    return (1 - y) * _focused(a, gamma)[1] - y * _focused(-a, gamma)[1]


LEVELS = (0.05, 0.5, 0.95)


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
    return _sorted if noncrossing else _identity


def _misfit_of_quantiles(n_outputs, noncrossing, levels):
    count = len(levels)
    if n_outputs == count:
        return ""
    return f"a last layer of {count} unit{'s' * (count > 1)}, one for each of the levels {levels}"


LEAST_VARIANCE = 1e-6


def _mean_and_variance(a):
    half = a.shape[1] // 2
    return np.concatenate([a[:, :half], _softplus(a[:, half:]) + LEAST_VARIANCE], axis=1)


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
    by_spread = 0.5 * (1 / variance - ratio**2) * _sigmoid(a[:, half:])
    return np.concatenate([ratio, by_spread], axis=1)


def _misfit_of_pairs(n_outputs):
    return "an even number of units, a mean and a variance for each target" if n_outputs % 2 else ""


def _hinge(a, y):
    losses = y * np.maximum(0, 1 - a) + (1 - y) * np.maximum(0, 1 + a)
    return np.sum(losses, axis=1, dtype=np.float64)


def _d_hinge(a, y):
    return (1 - y) * (a > -1) - y * (a < 1) + 0 * a  # which is nan for nan


SMOOTHING = Parameter(
    "label_smoothing",
    0.0,
    "the share of y that is spread evenly over all answers (Szegedy et al. 2016)",
    below=1.0,
    is_quiet=True,
)


def _smoothed(y, share, k):
    return (1 - share) * y + share / k


def _sigmoid_cross_entropy(a, y, label_smoothing=0.0):
    """-y log p - (1 - y) log(1 - p) with p = sigmoid(a), rearranged so that no log sees a 0."""
    y = _smoothed(y, label_smoothing, 2)
    losses = np.maximum(a, 0) - a * y + np.log1p(np.exp(-np.abs(a)))
    return np.sum(losses, axis=1, dtype=np.float64)


def _d_sigmoid_cross_entropy(a, y, label_smoothing=0.0):
    return _sigmoid(a) - _smoothed(y, label_smoothing, 2)


def _below_highest(a):
    """Logits minus the highest of their row: softmax stays the same, and exp cannot overflow."""
    with np.errstate(over="ignore"):  # the difference of two finite numbers may be out of range
        return np.maximum(a - a.max(axis=1, keepdims=True), np.finfo(a.dtype).min)


def softmax(a):
    """exp(a) / Σ exp(a), row by row."""
    e = np.exp(_below_highest(a))
    return e / e.sum(axis=1, keepdims=True)


def _softmax_cross_entropy(a, y, label_smoothing=0.0):
    """-sum over j of y_j log p_j with p = softmax(a), and log p_j = a_j - log sum exp(a)."""
    y = _smoothed(y, label_smoothing, a.shape[1])
    a = _below_highest(a)
    log_sum = np.log(np.exp(a).sum(axis=1, keepdims=True))
    return np.sum(y * (log_sum - a), axis=1, dtype=np.float64)


def _d_softmax_cross_entropy(a, y, label_smoothing=0.0):
    y = _smoothed(y, label_smoothing, a.shape[1])
    return softmax(a) * y.sum(axis=1, keepdims=True) - y  # softmax(a) - y where y sums to 1


LOSSES = table_of(
    Loss(
        name="squared_error",
        formula="½ Σ (a - y)²",
        derivative_formula="a - y",
        prediction_formula="a",
        source="Legendre 1805",
        advice="The usual first choice for numbers: what is learnt is the mean.",
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
        name="absolute_error",
        formula="Σ |a - y|",
        derivative_formula="sign(a - y)",
        prediction_formula="a",
        source="Boscovich 1757",
        advice="For numbers with outliers, which it does not follow: what is learnt is the median.",
        value=_absolute_error,
        derivative=_d_absolute_error,
        link=_identity,
        link_derivative=_d_identity_link,
        term=Formula("abs(a - y)"),
        slope=Formula("sign(a - y)"),
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
        link=_identity,
        link_derivative=_d_identity_link,
        term=Formula("where(abs(a - y) < delta, (a - y)**2 / 2, delta * (abs(a - y) - delta / 2))"),
        slope=Formula("max(-delta, min(delta, a - y))"),
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
        link=_exp,
        link_derivative=_d_exp_link,
        term=Formula("exp(a) - y * a"),
        slope=Formula("exp(a) - y"),
        target=COUNTS,
        score=PoissonD2,
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
        link=_exp,
        link_derivative=_d_exp_link,
        term=Formula("y * exp(-a) + a"),
        slope=Formula("1 - y * exp(-a)"),
        target=POSITIVE,
        score=GammaD2,
        takes_logits=True,
        finite_within=80.0,
    ),
    Loss(
        name="sigmoid_cross_entropy",
        formula="Σ max(a, 0) - a y + log(1 + exp(-|a|))",
        derivative_formula="sigmoid(a) - y",
        prediction_formula="sigmoid(a)",
        source="Bridle 1990; the stable form is the same function",
        advice="For yes or no, of each output on its own: what is learnt is the probability.",
        value=_sigmoid_cross_entropy,
        derivative=_d_sigmoid_cross_entropy,
        link=_sigmoid,
        link_derivative=_d_sigmoid_link,
        term=Formula(
            "max(a, 0) - a * ((1 - label_smoothing) * y + label_smoothing / 2)"
            " + log1p(exp(-abs(a)))"
        ),
        slope=Formula("1 / (1 + exp(-a)) - (1 - label_smoothing) * y - label_smoothing / 2"),
        text="−Σ (y log p + (1 − y) log(1 − p)), p = σ(a)",
        latex=r"-\sum_j \bigl(y_j \log p_j + (1 - y_j) \log(1 - p_j)\bigr),"
        r"\quad p_j = \sigma(a_j)",
        latex_derivative=(
            r"\frac{\partial \ell}{\partial a_j} &= \frac{\partial \ell}{\partial p_j}"
            r" \frac{\partial p_j}{\partial a_j}"
            r" = \frac{p_j - y_j}{p_j (1 - p_j)} \cdot p_j (1 - p_j) = p_j - y_j",
        ),
        long_way=ELEMENTWISE,
        target=YES_OR_NO,
        score=LabelAccuracy,
        takes_logits=True,
        scikit_learn="logistic",
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
        link=_sigmoid,
        link_derivative=_d_sigmoid_link,
        term=Formula(
            "y * (1 + exp(a))**-gamma * (max(-a, 0) + log1p(exp(-abs(a))))"
            " + (1 - y) * (1 + exp(-a))**-gamma * (max(a, 0) + log1p(exp(-abs(a))))"
        ),
        slope=Formula(
            "(1 - y) * (1 + exp(-a))**-gamma * (1 / (1 + exp(-a))"
            " + gamma / (1 + exp(a)) * (max(a, 0) + log1p(exp(-abs(a)))))"
            " - y * (1 + exp(a))**-gamma * (1 / (1 + exp(a))"
            " + gamma / (1 + exp(-a)) * (max(-a, 0) + log1p(exp(-abs(a)))))"
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
        link=_identity,
        link_derivative=_d_identity_link,
        term=Formula("y * max(0, 1 - a) + (1 - y) * max(0, 1 + a)"),
        slope=Formula("(1 - y) * where(a > -1, 1, 0) - y * where(a < 1, 1, 0)"),
        note="At the corners, −1 and 1, the derivative is that of the flat side.",
        target=YES_OR_NO,
        score=LabelAccuracy,
        takes_logits=True,
        is_least_at_target=False,
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
        link_derivative=_d_softmax,
        text="−Σ y log p, p = softmax(a)",
        latex=r"-\sum_j y_j \log p_j,\quad p_j = \frac{e^{a_j}}{\sum_k e^{a_k}}",
        latex_derivative=(
            r"\frac{\partial \ell}{\partial a_j} &= \sum_k"
            r" \frac{\partial \ell}{\partial p_k} \frac{\partial p_k}{\partial a_j}"
            r" = \sum_k -\frac{y_k}{p_k} \cdot p_k (\delta_{kj} - p_j)",
            r" &= p_j \sum_k y_k - y_j",
        ),
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
        name="quantile",
        formula="Σ_j max(q_j (y - a_j), (q_j - 1) (y - a_j))",
        derivative_formula="(1 - q_j) [a_j > y] - q_j [a_j < y]",
        prediction_formula="a, sorted if noncrossing",
        source="Koenker and Bassett 1978; sorted: Chernozhukov, Fernández-Val and Galichon 2010",
        advice="For a range instead of one number: an output for each quantile of one target.",
        value=_quantile,
        derivative=_d_quantile,
        link=_identity,
        link_of=_link_of_quantiles,
        link_derivative=_d_identity_link,
        text="Σ_j max(q_j (y − a_j), (q_j − 1) (y − a_j))",
        latex=r"\sum_j \max\bigl(q_j (y - a_j), (q_j - 1) (y - a_j)\bigr)",
        latex_derivative=(
            r"\frac{\partial \ell}{\partial a_j} &= 1 - q_j \text{ where } a_j > y,"
            r"\quad -q_j \text{ where } a_j < y",
        ),
        note="Where a_j = y there is a corner, and the derivative is taken as 0.",
        target=ONE_NUMBER,
        score=Pinball,
        score_has_values=True,
        misfit=_misfit_of_quantiles,
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
        text="½ Σ (log v + (m − y)²/v), v = log(1 + exp(s)) + 1e-6",
        latex=r"\tfrac12 \sum_j \Bigl(\log v_j + \frac{(m_j - y_j)^2}{v_j}\Bigr),"
        r"\quad v_j = \log(1 + e^{s_j}) + 10^{-6}",
        latex_derivative=(
            r"\frac{\partial \ell}{\partial m_j} &= \frac{m_j - y_j}{v_j}",
            r"\frac{\partial \ell}{\partial s_j} &= \tfrac12 \Bigl(\frac1{v_j}"
            r" - \frac{(m_j - y_j)^2}{v_j^2}\Bigr) \sigma(s_j)",
        ),
        note="Without the constant ½ log 2π for each target.",
        target=MEANS,
        score=R2OfMeans,
        takes_logits=True,
        is_least_at_target=False,
        least_outputs=2,
        too_few="a mean and a variance for each target",
        misfit=_misfit_of_pairs,
    ),
)

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
    """The entry of that name, if it fits the last layer; ValueError otherwise."""
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
