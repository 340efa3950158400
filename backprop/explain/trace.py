"""A trace: one batch's way through the network and back, as the core worked it out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from backprop.explain import as_dict, diagnostics, paths, trial, update
from backprop.explain.layer import (
    BIAS,
    WEIGHTS,
    LayerTrace,
    as_gradient,
    dropout_factor,
    layer_trace,
)
from backprop.layers import Gradient
from backprop.tabular.tables import count
from backprop.validation import check_integer, check_names, check_samples

if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from numpy.typing import NDArray

    from backprop.catalogue.losses import Loss
    from backprop.catalogue.optimizers import Optimizer
    from backprop.explain.factors import LayerFactor
    from backprop.explain.layer import Source

MOST_IN_A_NOTEBOOK = 3e7  # bytes; a notebook keeps all that it shows in its own file


@dataclass(frozen=True, eq=False)  # of arrays == has no one answer
class Trace:
    """What `Network.explain` found on one batch of n samples.

    Attributes
    ----------
    dtype, loss : str
        Of the network.
    loss_function : Loss
        The loss's entry in the catalogue.
    optimizer : Optimizer
    rate : float
        The learning rate of the next step.
    epoch, steps : int
        How much the network had been trained.
    cost, cost_after_step : float
        Σ share · loss over the batch, and the same after the optimizer's next step. Both are
        of outputs as that step has them: with what it drops, with its noise, and normalised over
        the batch.
    x : array (n, n_inputs)
        As the first layer sees it: after ``input_offset`` and ``input_scale``.
    input_dropout : float
        The share of the inputs that a step drops.
    input_mask : array (n, n_inputs) or None
        What the next step multiplies x with, 0 or 1 / (1 - input_dropout).
    y : array (n, n_outputs)
        The targets as the formulas have them: a label is a row with a single 1, and smoothed; a
        number that several outputs are compared with stands there for each.
    output : array (n, n_outputs)
        What ``predict`` returns, but of outputs as the next step has them: probabilities with a
        cross-entropy.
    weight_sum : float
        Σ of the sample weights: n where all weigh 1.
    losses, shares : arrays (n,) of float64
        Each sample's loss ℓ, whatever it weighs; and its weight over the sum of the weights: 1/n
        where all weigh the same.
    loss_slopes : array (n, n_outputs) of float64
        The derivative of each sample's own loss by what the last layer hands on.
    layers : list of LayerTrace
    input_names, output_names : list of str
    indices : list of int
        What the samples are called: 0, 1, … as the rows of X, unless they are rows of a file, which
        are counted from 1.
    label_smoothing : float
        By how much the labels in y were smoothed: by the loss, or by a model of ``backprop train``.
    target_scale : tuple (mean, deviation) or None
        y is (value − mean) / deviation, where a model of ``backprop train`` says so: a regression.
    """

    dtype: str
    loss_function: Loss
    optimizer: Optimizer
    rate: float
    epoch: int
    steps: int
    cost: float
    cost_after_step: float
    x: NDArray[Any]
    y: NDArray[Any]
    output: NDArray[Any]
    weight_sum: float
    losses: NDArray[Any]
    shares: NDArray[Any]
    loss_slopes: NDArray[Any]
    layers: list[LayerTrace]
    input_names: list[str]
    output_names: list[str]
    indices: list[int]
    label_smoothing: float
    target_scale: tuple[float, float] | None
    _trial: trial.Trial
    input_dropout: float = 0.0
    input_mask: NDArray[Any] | None = None

    @property
    def loss(self) -> str:
        """Name of the loss, and the values of its parameters if it has any."""
        return repr(self.loss_function)

    @cached_property
    def input_factors(self) -> list[LayerFactor]:
        """What x is multiplied with on its way into the first layer: as `LayerTrace.factors`."""
        if self.input_mask is None:
            return []
        return [dropout_factor(self.input_mask, self.input_dropout)]

    @property
    def mixes_samples(self) -> bool:
        """Whether a norm over the samples lets each z act on every sample's loss.

        Derivatives are then those of the batch's cost C instead of each sample's ℓ.
        """
        return any(one.norm is not None and one.norm.entry.is_over_samples for one in self.layers)

    @property
    def of(self) -> str:
        """What derivatives are of: "ℓ", or "C" where samples are mixed."""
        return "C" if self.mixes_samples else "ℓ"

    @property
    def parts(self) -> NDArray[Any]:
        """(n,): what each sample's derivatives are multiplied with in the gradient.

        Its share; 1 where they are already those of C.
        """
        return np.ones(len(self.shares)) if self.mixes_samples else self.shares

    @property
    def predicts_otherwise(self) -> bool:
        """Whether predictions are made in another way than the outputs here."""
        return self.drops or any(
            any(term.is_drawn for term in one.terms) or (one.norm and one.norm.entry.gathered)
            for one in self.layers
        )

    @property
    def drops(self) -> bool:
        """Whether the next step drops inputs or outputs of a layer."""
        return any(one.mask is not None for one in self.layers) or self.input_mask is not None

    def read_by(self, layer: int) -> NDArray[Any]:
        """(n, n_in): what the weights of a layer are multiplied with, dropout included."""
        if layer > 0:
            return self.layers[layer - 1].out
        return self.x if self.input_mask is None else self.x * self.input_mask

    def gradient(
        self, layer: int, source: Source, unit: int, sample: int = 0
    ) -> paths.WeightGradient:
        """Where the gradient of one weight or bias comes from, or of what else a unit learns.

        Parameters
        ----------
        layer : int
            From 0, as in ``net.layers``.
        source : int or str
            The input of that layer whose weight is meant, from 0; or "bias", or another name in
            the layer's ``parameters``, such as "scale".
        unit : int
            The unit of that layer, from 0.
        sample : int
            The row of the batch whose factors are multiplied.

        Returns
        -------
        WeightGradient

        Raises
        ------
        ValueError
            Naming what is out of range.
        """
        layer, source, unit = self._place(layer, source, unit)
        return paths.WeightGradient(self, layer, source, unit, self._sample(sample))

    def difference(self, layer: int, source: Source, unit: int) -> float:
        """The central difference of the cost by one weight or bias, worked out in float64.

        Which one, and what is raised, are as for ``gradient``.
        """
        return self._trial.difference(*self._place(layer, source, unit))

    def _place(self, layer, source, unit):
        layer = check_integer("layer", layer, 0, len(self.layers) - 1)
        names = [own for own in self.layers[layer].sources if isinstance(own, str)]
        if source == BIAS and BIAS not in names:
            raise ValueError(f"source='bias': layers[{layer}] has no bias")
        if source not in names:
            source = check_integer("source", source, 0, self.layers[layer].n_in - 1)
        return layer, source, check_integer("unit", unit, 0, self.layers[layer].n_out - 1)

    @cached_property
    def differences(self) -> list[Gradient] | None:
        """`difference` by all that is learned: a list of Gradient.

        None where that would take more than some seconds.
        """
        return self._trial.differences()

    @cached_property
    def unsettled(self) -> list[dict[str, Gradient]] | None:
        """Where the trial contradicts the chain rule though both are right, layer by layer.

        In arrays of bool "kink" and "unresolved", as `WeightGradient` has them; only where the
        relative error is above 1e-5, so that it asks for a reason. None where `differences` is.
        """
        if self.differences is None:
            return None
        return [_unsettled(self, i, own) for i, own in enumerate(self.differences)]

    @cached_property
    def diagnostics(self) -> list[dict[str, Any]]:
        """What looks unwell: a list of dict of kind, layer, units, message, advice."""
        return diagnostics.diagnose(self)

    def to_dict(self) -> dict[str, Any]:
        """The whole trace as lists, numbers and text, ready for JSON.

        Numbers that JSON lacks are the strings "nan", "inf" and "-inf". Layers are counted from 0
        in "diagnostics".
        """
        return as_dict.trace_dict(self)

    def to_text(self, weight: tuple[int, Source, int] | None = None, sample: int = 0) -> str:
        """The trace for a terminal.

        Parameters
        ----------
        weight : tuple (layer, source, unit), optional
            As for ``gradient``: the product that makes this one's gradient, alone.
        sample : int
            The row of the batch whose numbers are shown.
        """
        from backprop.explain.forms import text

        return text.trace_text(self, self._weight(weight, sample), self._sample(sample))

    def to_latex(self, weight: tuple[int, Source, int] | None = None, sample: int = 0) -> str:
        """The same formulas with their numbers, as LaTeX to put into a document (needs amsmath)."""
        from backprop.explain.forms import latex

        return latex.trace_latex(self, self._weight(weight, sample), self._sample(sample))

    def to_html(
        self, path: str | PathLike[str] | None = None, title: str | None = None
    ) -> str | None:
        """The page: one file, with everything inside, that needs no network.

        Parameters
        ----------
        path : str or path, optional
            Where to write it.
        title : str, optional
            The page's heading.

        Returns
        -------
        str
            The HTML; None where it was written.
        """
        from backprop.explain.forms import html

        if path is None:
            return html.page([self.to_dict()], html.title_of(self) if title is None else title)
        return html.write_page(path, [self], title)

    def _weight(self, weight, sample):
        if weight is None:
            return None
        if not isinstance(weight, tuple | list) or len(weight) != 3:
            raise ValueError(f"weight={weight!r}: expected a tuple (layer, source, unit)")
        return self.gradient(*weight, sample=sample)

    def _sample(self, sample):
        return check_integer("sample", sample, 0, len(self.x) - 1)

    def _repr_html_(self) -> str:
        from backprop.explain.forms import html

        size = html.estimated_size(self)
        return html.frame(self.to_html()) if size <= MOST_IN_A_NOTEBOOK else html.excuse(self, size)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        sizes = "-".join(str(n) for n in (self.x.shape[1], *(at.n_out for at in self.layers)))
        n = count(len(self.x), "sample")
        return f"Trace({sizes}, loss={self.loss!r}, {n}, epoch {self.epoch})"


def explain(
    network,
    X,
    y,
    sample_weight,
    input_names,
    output_names,
    indices=None,
    label_smoothing=0.0,
    target_scale=None,
):
    """The Trace of one sample or one batch: what `Network.explain` does."""
    if input_names is None:
        input_names = _column_names(X)
    if np.ndim(X) == 1:
        X, y = np.asarray(X)[None], np.asarray(y)[None]
        if sample_weight is not None:
            sample_weight = _one_weight(sample_weight)
    X, y, sample_weight = check_samples(network, X, y, sample_weight)
    input_names = check_names("input_names", input_names, network.n_inputs, "x")
    if output_names is None and trial.are_labels(network, y):
        output_names = [f"label {k}" for k in range(network.n_outputs)]
    if output_names is None:
        output_names = network.loss_function.output_names(network.n_outputs)
    output_names = check_names("output_names", output_names, network.n_outputs, "y")
    indices = list(range(len(X))) if indices is None else indices
    given = {
        "input_names": input_names,
        "output_names": output_names,
        "indices": indices,
        "label_smoothing": 1 - (1 - label_smoothing) * (1 - network.loss_function.smoothing),
        "target_scale": target_scale,
    }
    return _trace(network, X, y, sample_weight, given)


def _column_names(X):
    """Of a data frame, or of a row of one, whose columns are called by text; else None."""
    names = getattr(X, "columns" if np.ndim(X) == 2 else "index", None)
    if names is None or callable(names):  # such as a list's index()
        return None
    names = list(names)
    return names if all(isinstance(name, str) for name in names) else None


def _one_weight(sample_weight):
    if np.size(sample_weight) != 1:
        raise ValueError(
            f"sample_weight has {np.size(sample_weight)} values, expected 1, since X is one sample"
        )
    return np.reshape(sample_weight, 1)


def _trace(network, X, y, sample_weight, given):
    """Of a batch, from arrays that were checked; the network stays as it is.

    `given`: the parts of a Trace that are not worked out.
    """
    before, after = network.copy(), network.copy()  # whose buffers are written
    passage = before.inspect(X, y, sample_weight)
    norms = update.norms_of_step(network, X, y, sample_weight)
    with suppress(FloatingPointError):  # numbers that are none are for the diagnostics to tell
        after._train_step(X, y, sample_weight)
    after.steps = before.steps  # so that it drops what that step has
    mixing = [layer.spec.norm_function for layer in network.layers]
    of = "C" if any(norm and norm.is_over_samples for norm in mixing) else "ℓ"
    layers, x = [], passage.x
    if passage.input_mask is not None:
        x = x * passage.input_mask
    for i, (own, gradient) in enumerate(zip(passage.layers, passage.gradients, strict=True)):
        layers.append(layer_trace(i, network, after, own, gradient, norms[i], x, of))
        x = layers[-1].out
    weights = np.ones(len(X)) if sample_weight is None else sample_weight.astype(np.float64)
    total, targets = weights.sum(), network.loss_function.smoothed(trial.target_rows(network, y))
    return Trace(
        dtype=str(network.dtype),
        loss_function=network.loss_function,
        optimizer=network.optimizer,
        rate=network.optimizer.rate_at(
            network.steps, network.epochs_trained, network.schedule_state
        ),
        epoch=network.epochs_trained,
        steps=network.steps,
        cost=trial.cost(before, X, y, sample_weight),
        cost_after_step=trial.cost(after, X, y, sample_weight),
        x=passage.x,
        y=targets,
        output=trial.output(before, X),
        weight_sum=float(total),
        losses=passage.losses.astype(np.float64),
        shares=weights / total,
        loss_slopes=passage.loss_slopes.astype(np.float64),
        layers=layers,
        _trial=trial.Trial(network, X, y, sample_weight, targets),
        input_dropout=network.input_dropout,
        input_mask=passage.input_mask,
        **given,
    )


def _unsettled(trace, layer, difference):
    """Of one layer: which notable errors of the trial a kink or rounding explains."""
    own = trace.layers[layer]
    kink, unresolved = {}, {}
    for name, gradient in own.gradient.parameters.items():
        error = trial.relative_error(gradient, difference.parameters[name])
        kink[name], unresolved[name] = (np.zeros(error.shape, bool) for _ in range(2))
        for place in map(tuple, np.argwhere(error > trial.NOTABLE)):
            weight = trace.gradient(layer, *(place if name == WEIGHTS else (name, *place)))
            kink[name][place], unresolved[name][place] = weight.kink, weight.unresolved
    return {
        "kink": as_gradient(kink, own.n_out),
        "unresolved": as_gradient(unresolved, own.n_out),
    }
