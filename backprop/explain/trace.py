"""A trace: one batch's way through the network and back, as the core worked it out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from backprop.catalogue.formula import Formula
from backprop.explain import diagnostics, paths, trial, update
from backprop.layers import Gradient
from backprop.tabular.tables import count
from backprop.validation import check_integer, check_names

if TYPE_CHECKING:
    from os import PathLike
    from typing import Any, Literal

    from numpy.typing import NDArray

    from backprop.catalogue.activations import Activation
    from backprop.catalogue.losses import Loss
    from backprop.catalogue.optimizers import Optimizer

    Source = int | Literal["bias"]

FORMAT = "backprop trace 2"
BIAS = "bias"
MOST_IN_A_NOTEBOOK = 3e7  # bytes; a notebook keeps all that it shows in its own file


@dataclass(frozen=True, eq=False)  # of arrays == has no one answer
class LayerTrace:
    """One layer of a trace; n samples, a row each.

    Attributes
    ----------
    name : str
        "layer 1" is the first.
    activation : str
        Its name, and the values of its parameters if it has any.
    function : Activation
        Its entry in the catalogue.
    weights, bias : arrays (n_in, n_out) and (n_out,)
        As they were.
    z, a : arrays (n, n_out)
        Pre-activation z = x W + b, and activation a = f(z).
    derivative : array (n, n_out)
        f'(z).
    da, dz : arrays (n, n_out) of float64
        ∂ℓ/∂a and ∂ℓ/∂z = ∂ℓ/∂a · f'(z) of each sample's own loss ℓ, whatever the sample weighs.
    gradient : Gradient
        Of the cost by the weights and the bias: the arrays that training uses.
    step : Gradient
        What the optimizer's next step would add to the weights and the bias.
    moments, moments_after : dict
        As ``optimizer_state`` has them, before and after that step: {name: (weights, bias)}.
    max_norm : float or None
        The largest norm that the weights of a unit may have after a step.
    norms : array (n_out,) or None
        Where there is such: the norms that the step makes, before they are limited.
    """

    name: str
    function: Activation
    weights: NDArray[Any]
    bias: NDArray[Any]
    z: NDArray[Any]
    a: NDArray[Any]
    derivative: NDArray[Any]
    da: NDArray[Any]
    dz: NDArray[Any]
    gradient: Gradient
    step: Gradient
    moments: dict[str, tuple[NDArray[Any], NDArray[Any]]]
    moments_after: dict[str, tuple[NDArray[Any], NDArray[Any]]]
    max_norm: float | None = None
    norms: NDArray[np.float64] | None = None

    @property
    def activation(self) -> str:
        """Name of the activation, and the values of its parameters if it has any."""
        return repr(self.function)

    @property
    def n_in(self) -> int:
        """Inputs of the layer."""
        return self.weights.shape[0]

    @property
    def n_out(self) -> int:
        """Units of the layer."""
        return self.weights.shape[1]


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
        Σ share · loss over the batch, and the same after the optimizer's next step.
    x : array (n, n_inputs)
        As the first layer sees it: after ``input_offset`` and ``input_scale``.
    y : array (n, n_outputs)
        The targets; a label is a row with a single 1.
    output : array (n, n_outputs)
        What ``predict`` returns: probabilities with a cross-entropy.
    weight_sum : float
        Σ of the sample weights: n where all weigh 1.
    losses, shares : arrays (n,) of float64
        Each sample's loss ℓ, whatever it weighs; and its weight over the sum of the weights: 1/n
        where all weigh the same.
    layers : list of LayerTrace
    input_names, output_names : list of str
    indices : list of int
        What the samples are called: 0, 1, … as the rows of X, unless they are rows of a file, which
        are counted from 1.
    label_smoothing : float
        By how much the labels in y were smoothed, 0 unless a model of ``backprop train`` says so.
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
    layers: list[LayerTrace]
    input_names: list[str]
    output_names: list[str]
    indices: list[int]
    label_smoothing: float
    target_scale: tuple[float, float] | None
    _trial: trial.Trial

    @property
    def loss(self) -> str:
        """Name of the loss, and the values of its parameters if it has any."""
        return repr(self.loss_function)

    def gradient(
        self, layer: int, source: Source, unit: int, sample: int = 0
    ) -> paths.WeightGradient:
        """Where the gradient of one weight or bias comes from.

        Parameters
        ----------
        layer : int
            From 0, as in ``net.layers``.
        source : int or "bias"
            The input of that layer whose weight is meant, from 0.
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
        if source != BIAS:
            source = check_integer("source", source, 0, self.layers[layer].n_in - 1)
        return layer, source, check_integer("unit", unit, 0, self.layers[layer].n_out - 1)

    @cached_property
    def differences(self) -> list[Gradient] | None:
        """`difference` by every weight and bias: a list of Gradient.

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
        untried = [None] * len(self.layers)
        trials = (self.differences or untried, self.unsettled or untried)
        slopes = diagnostics.slope_sizes(self)
        return plain(
            {
                "format": FORMAT,
                "dtype": self.dtype,
                "loss_function": self.loss,
                "loss_entry": _loss_dict(self.loss_function),
                "epoch": self.epoch,
                "inputs": {"names": self.input_names},
                "outputs": {
                    "names": self.output_names,
                    "label_smoothing": self.label_smoothing,
                    "scale": self.target_scale,
                },
                "layers": [
                    _layer_dict(*parts) for parts in zip(self.layers, *trials, slopes, strict=True)
                ],
                "samples": [
                    {
                        "index": self.indices[i],
                        "x": self.x[i],
                        "y": self.y[i],
                        "share": self.shares[i],
                        "loss": self.losses[i],
                        "output": self.output[i],
                    }
                    for i in range(len(self.x))
                ],
                "cost": self.cost,
                "cost_after_step": self.cost_after_step,
                "optimizer": self._optimizer_dict(),
                "diagnostics": self.diagnostics,
            }
        )

    def _optimizer_dict(self):
        optimizer = self.optimizer
        formulas = update.formulas(optimizer)
        return {
            "name": optimizer.title,
            "kind": optimizer.kind,
            "formula": ", ".join(formulas),
            "formulas": formulas,
            "rules": [rule.to_dict() for rule in optimizer.rules],
            "clip_rules": [rule.to_dict() for rule in optimizer.clip_rules],
            "decay_rules": [rule.to_dict() for rule in optimizer.decay_rules],
            "hyper_parameters": optimizer.description,
            "settings": [_setting_dict(setting) for setting in update.settings(self)],
            "t": self.steps + 1,
            "decay": optimizer.l2 / self.weight_sum,
            "weight_sum": self.weight_sum,
            "moments": {
                name: {
                    "symbol": symbol,
                    "before": [_parameters_dict(own.moments[name]) for own in self.layers],
                    "after": [_parameters_dict(own.moments_after[name]) for own in self.layers],
                }
                for name, symbol in optimizer.moments.items()
            },
        }

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
    X, y, sample_weight = network._check_samples(X, y, sample_weight)
    input_names = check_names("input_names", input_names, network.n_inputs, "x")
    if output_names is None and _are_labels(y, network):
        output_names = [f"label {k}" for k in range(network.n_outputs)]
    output_names = check_names("output_names", output_names, network.n_outputs, "y")
    indices = list(range(len(X))) if indices is None else indices
    given = {
        "input_names": input_names,
        "output_names": output_names,
        "indices": indices,
        "label_smoothing": label_smoothing,
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


def _are_labels(y, network):
    return y.ndim == 1 and network.loss_function.target.is_class


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
    passage = network.copy().inspect(X, y, sample_weight)  # a copy, whose buffers are written
    after, norms = network.copy(), update.norms_of_step(network, X, y, sample_weight)
    with suppress(FloatingPointError):  # numbers that are none are for the diagnostics to tell
        after.train_step(X, y, sample_weight)
    layers = [
        _layer_trace(i, network, after, own, gradient, norms[i])
        for i, (own, gradient) in enumerate(zip(passage.layers, passage.gradients, strict=True))
    ]
    weights = np.ones(len(X)) if sample_weight is None else sample_weight.astype(np.float64)
    total = weights.sum()
    return Trace(
        dtype=str(network.dtype),
        loss_function=network.loss_function,
        optimizer=network.optimizer,
        rate=network.optimizer.rate_at(network.steps, network.epochs_trained),
        epoch=network.epochs_trained,
        steps=network.steps,
        cost=network.cost(X, y, sample_weight),
        cost_after_step=after.cost(X, y, sample_weight),
        x=passage.x,
        y=_target_rows(y, network),
        output=network.predict(X),
        weight_sum=float(total),
        losses=passage.losses.astype(np.float64),
        shares=weights / total,
        layers=layers,
        _trial=trial.Trial(network, X, y, sample_weight),
        **given,
    )


def _layer_trace(i, network, after, passed, gradient, norms):
    """Of layer i: `passed` is what the core kept of each sample."""
    layer, stepped = network.layers[i], after.layers[i]
    with np.errstate(invalid="ignore"):  # of an infinite weight
        step = Gradient(
            stepped.weights.astype(np.float64) - layer.weights,
            stepped.bias.astype(np.float64) - layer.bias,
        )
    return LayerTrace(
        name=f"layer {i + 1}",
        function=layer.function,
        weights=layer.weights.copy(),
        bias=layer.bias.copy(),
        z=passed["z"],
        a=passed["a"],
        derivative=passed["derivative"],
        da=passed["da"].astype(np.float64),
        dz=passed["dz"].astype(np.float64),
        gradient=gradient,
        step=step,
        moments=_moments(network, i),
        moments_after=_moments(after, i),
        max_norm=layer.spec.max_norm,
        norms=norms,
    )


def _moments(network, i):
    return {
        name: tuple(part.copy() for part in kept[i])
        for name, kept in network.optimizer_state().items()
    }


def _target_rows(y, network):
    """[n][n_outputs] in the network's dtype: labels become rows with a single 1."""
    if _are_labels(y, network):
        return np.eye(network.n_outputs, dtype=network.dtype)[y.astype(np.int64)]
    return y.reshape(len(y), network.n_outputs).astype(network.dtype)


def _unsettled(trace, layer, difference):
    """Of one layer: which notable errors of the trial a kink or rounding explains."""
    gradient = trace.layers[layer].gradient
    errors = [trial.relative_error(*both) for both in zip(gradient, difference, strict=True)]
    kink, unresolved = (Gradient(*(np.zeros(e.shape, bool) for e in errors)) for _ in range(2))
    for part, error in enumerate(errors):
        for place in map(tuple, np.argwhere(error > trial.NOTABLE)):
            weight = trace.gradient(layer, *(place if len(place) == 2 else (BIAS, *place)))
            kink[part][place], unresolved[part][place] = weight.kink, weight.unresolved
    return {"kink": kink, "unresolved": unresolved}


def _layer_dict(layer, difference, unsettled, slopes):
    parts = {
        "gradient": layer.gradient,
        "finite_difference": difference,
        **(unsettled or {"kink": None, "unresolved": None}),
        "step": layer.step,
    }
    return {
        "name": layer.name,
        "n_in": layer.n_in,
        "n_out": layer.n_out,
        "activation": layer.activation,
        "function": _function_dict(layer.function),
        "weights": layer.weights,
        "bias": layer.bias,
        "z": layer.z,
        "a": layer.a,
        "da": layer.da,
        "derivative": layer.derivative,
        "dz": layer.dz,
        "dz_rms": slopes.size,
        "dz_ratio": slopes.ratio,
        "limit": None if layer.norms is None else update.limit_dict(layer),
        **{name: None if part is None else part._asdict() for name, part in parts.items()},
    }


def _parameters_dict(parameters):
    weights, bias = parameters
    return {"weights": weights, "bias": bias}


def _function_dict(function):
    return {
        "formula": function.formula.tree(),
        "slope": function.slope.tree(),
        "settings": function.settings,
        "kinks": function.kinks,
        "is_identity": function.is_identity,
    }


def _loss_dict(loss):
    return {
        "formula": loss.formula,
        "derivative_formula": loss.derivative_formula,
        "term": loss.term and loss.term.tree(),
        "slope": loss.slope and loss.slope.tree(),
        "settings": loss.settings,
        "note": loss.note,
        "long_way": loss.long_way,
    }


def _setting_dict(setting):
    symbol = Formula(setting.symbol)
    return {**setting._asdict(), "symbol": symbol.tree(), "sign": symbol.text()}


def plain(value):
    """Without numpy, and without the numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        numbers = value.tolist()
        return numbers if np.isfinite(value).all() else plain(numbers)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value
