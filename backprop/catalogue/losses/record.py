"""What a loss declares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from backprop.catalogue.formula import Formula
from backprop.catalogue.records import Entry, Parameter
from backprop.catalogue.targets import Target

ELEMENTWISE, MATRIX = "elementwise", "matrix"  # values of Loss.long_way
SMOOTHING = Parameter(
    "label_smoothing",
    0.0,
    "the share of y that is spread evenly over all answers (Szegedy et al. 2016)",
    below=1.0,
    is_quiet=True,
)


def smoothed(y, share, k):
    """Targets of which a share is spread evenly over k answers."""
    return (1 - share) * y + share / k


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
    score : type or None
        Which score goes with it; see ``backprop.catalogue.scores``.
    ask : callable or None
        (output, target) -> (losses, d_output), where it is a function of the user's own.
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
    units : callable or None
        (columns of y, *values) -> units of the last layer; None: as many as columns.
    link_of : callable or None
        (*values) -> link, where it depends on them.
    scikit_learn : str or None
        What scikit-learn calls the activation behind its logits.
    members : tuple of str
        The outputs that a term of the loss reads, by the symbols of its formulas. Where a term
        reads several, the first of each term stand side by side, then the second of each.
    term : Formula or None
        What is summed, in its members, y and the parameters; None: the loss is no such sum.
    slopes : tuple of Formula
        The term's derivative by each of its members.
    wherein : tuple of (symbol, Formula)
        What term and slopes call by a letter.
    corner : Formula or None
        Of a term, in a and y: it changes its sign where the term has a corner.
    names : callable or None
        (units of the last layer, *values) -> what the outputs are called; None: y1, y2, ….
    text, latex : str
        The right side of ℓ = … where it is not simply written Σ term.
    latex_derivative : tuple of str
        Rows of ∂ℓ/∂a_j &= … where they are not simply the slope.
    note : str
        A sentence about the derivative.
    least : callable or None
        Smoothed y [n][k] -> the least that a loss of it can be [n]; None: 0, or not known.
    points : callable or None
        (predictions [n][outputs], *values) -> [n][k], one number for each of y's, for metrics;
        None: the predictions are that.
    long_way : str or None
        How ``explain`` shows that the derivatives of loss and link cancel: ELEMENTWISE for a
        sigmoid in the loss, MATRIX for a softmax; None where nothing cancels.
    parameters : tuple of Parameter
    values : tuple of float
        Of the parameters; () for their defaults.
    """

    ask: ClassVar[Callable | None] = None

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
    score: type | None
    takes_logits: bool = False
    is_least_at_target: bool = True
    finite_within: float | None = None
    least_outputs: int = 1
    too_few: str = ""
    score_has_values: bool = False
    misfit: Callable[..., str] | None = None
    units: Callable[..., int] | None = None
    link_of: Callable[..., Callable] | None = None
    scikit_learn: str | None = None
    members: tuple[str, ...] = ("a",)
    term: Formula | None = None
    slopes: tuple[Formula, ...] = ()
    wherein: tuple[tuple[str, Formula], ...] = ()
    corner: Formula | None = None
    names: Callable[..., list[str]] | None = None
    text: str = ""
    latex: str = ""
    latex_derivative: tuple[str, ...] = ()
    note: str = ""
    least: Callable[[np.ndarray], np.ndarray] | None = None
    points: Callable[..., np.ndarray] | None = None
    long_way: str | None = None
    parameters: tuple[Parameter, ...] = ()
    values: tuple[float | bool | tuple[float, ...], ...] = ()

    def __post_init__(self):
        """Choose the link that the values ask for."""
        if self.link_of is not None:
            object.__setattr__(self, "link", self.link_of(*self.settings.values()))

    def new_score(self):
        """A score to which nothing was added yet, or None."""
        if self.score is None:
            return None
        return self.score(*self.settings.values()) if self.score_has_values else self.score()

    @property
    def of_each(self):
        """{symbol: its numbers, one for each output}, for the formulas."""
        pairs = zip(self.parameters, self.settings.values(), strict=True)
        return {parameter.symbol: value for parameter, value in pairs if parameter.symbol}

    @property
    def smoothing(self):
        """The share of y that is spread evenly over all answers."""
        return self.settings.get(SMOOTHING.name, 0.0)

    def n_units(self, n_columns):
        """Of the last layer, where y has so many columns."""
        return n_columns if self.units is None else self.units(n_columns, *self.settings.values())

    def n_answers(self, n_outputs):
        """Of how many answers an output is one: yes and no, or all classes."""
        return n_outputs if self.target.is_class else 2

    def smoothed(self, y):
        """Rows of targets as the formulas have them: with labels smoothed."""
        share = self.smoothing
        return smoothed(y, share, self.n_answers(y.shape[1])) if share else y

    def points_of(self, predictions):
        """One number for each of y's."""
        if self.points is None:
            return predictions
        return self.points(predictions, *self.settings.values())

    def output_names(self, n_outputs):
        """What the outputs are called, or None where nothing is better than y1, y2, …."""
        return None if self.names is None else self.names(n_outputs, *self.settings.values())
