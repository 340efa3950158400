"""A trace: one batch's way through the network and back, as the core worked it out."""

import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backprop.explain import diagnostics, html, latex, paths, text, trial
from backprop.network import Gradient
from backprop.tables import count
from backprop.validation import check_integer, check_names

FORMAT = "backprop trace 1"
BIAS = "bias"


@dataclass(frozen=True)
class LayerTrace:
    """One layer of a trace; n samples, a row each.

    Attributes
    ----------
    name : str
        "layer 1" is the first.
    activation : str
    weights, bias : arrays (n_in, n_out) and (n_out,)
        As they were.
    z, a : arrays (n, n_out)
        Pre-activation z = x W + b, and activation a = f(z).
    derivative : array (n, n_out)
        f'(z).
    da, dz : arrays (n, n_out) of float64
        ∂ℓ/∂a and ∂ℓ/∂z = ∂ℓ/∂a · f'(z) of each sample's own loss ℓ: 0 for a sample without weight.
    gradient : Gradient
        Of the cost by the weights and the bias: the arrays that training uses.
    step : Gradient
        What the optimizer's next step would add to the weights and the bias.
    moments : dict
        As ``optimizer_state`` has them, before that step: {name: (weights, bias)}.
    """

    name: str
    activation: str
    weights: np.ndarray
    bias: np.ndarray
    z: np.ndarray
    a: np.ndarray
    derivative: np.ndarray
    da: np.ndarray
    dz: np.ndarray
    gradient: Gradient
    step: Gradient
    moments: dict

    @property
    def n_in(self):
        """Inputs of the layer."""
        return self.weights.shape[0]

    @property
    def n_out(self):
        """Units of the layer."""
        return self.weights.shape[1]


@dataclass(frozen=True)
class Trace:
    """What `Network.explain` found on one batch of n samples.

    Attributes
    ----------
    dtype, loss : str
        Of the network.
    optimizer : SGD or Adam
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
        Each sample's loss ℓ, and its weight over the sum of the weights: 1/n where all weigh the
        same.
    layers : list of LayerTrace
    input_names, output_names : list of str
    indices : list of int
        What the samples are called: 0, 1, … unless they are rows of a file.
    """

    dtype: str
    loss: str
    optimizer: object
    epoch: int
    steps: int
    cost: float
    cost_after_step: float
    x: np.ndarray
    y: np.ndarray
    output: np.ndarray
    weight_sum: float
    losses: np.ndarray
    shares: np.ndarray
    layers: list
    input_names: list
    output_names: list
    indices: list
    _trial: trial.Trial

    def gradient(self, layer, source, unit, sample=0):
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
        layer = check_integer("layer", layer, 0, len(self.layers) - 1)
        if source != BIAS:
            source = check_integer("source", source, 0, self.layers[layer].n_in - 1)
        unit = check_integer("unit", unit, 0, self.layers[layer].n_out - 1)
        sample = check_integer("sample", sample, 0, len(self.x) - 1)
        return paths.WeightGradient(self, layer, source, unit, sample)

    def difference(self, layer, source, unit):
        """The central difference of the cost by one weight or bias, worked out in float64."""
        return self._trial.difference(layer, source, unit)

    @cached_property
    def differences(self):
        """`difference` by every weight and bias: a list of Gradient.

        None where that would take many seconds.
        """
        return self._trial.differences()

    @cached_property
    def diagnostics(self):
        """What looks unwell: a list of dict of kind, layer, units, message, advice."""
        return diagnostics.diagnose(self)

    def to_dict(self):
        """The whole trace as lists, numbers and text, ready for JSON.

        Numbers that JSON lacks are the strings "nan", "inf" and "-inf". Layers are counted from 0
        in "diagnostics".
        """
        differences = self.differences or [None] * len(self.layers)
        return plain(
            {
                "format": FORMAT,
                "dtype": self.dtype,
                "loss_function": self.loss,
                "epoch": self.epoch,
                "inputs": {"names": self.input_names},
                "outputs": {"names": self.output_names},
                "layers": [
                    _layer_dict(*both) for both in zip(self.layers, differences, strict=True)
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
        moments = [list(layer.moments.values()) for layer in self.layers]
        kept = [
            [{"weights": own[i][0], "bias": own[i][1]} for own in moments]
            if len(moments[0]) > i
            else None
            for i in range(2)
        ]
        return {
            "name": text.optimizer_name(optimizer),
            "formula": text.optimizer_formula(optimizer),
            "hyper_parameters": dict(vars(optimizer)),
            "t": self.steps + 1,
            "decay": self.optimizer.l2 / self.weight_sum,
            "moment1": kept[0],
            "moment2": kept[1],
        }

    def to_text(self, weight=None, sample=0):
        """The trace for a terminal.

        Parameters
        ----------
        weight : tuple (layer, source, unit), optional
            As for ``gradient``: the product that makes this one's gradient, alone.
        sample : int
            The row of the batch whose numbers are shown.
        """
        return text.trace_text(self, self._weight(weight, sample), self._sample(sample))

    def to_latex(self, weight=None, sample=0):
        """The same formulas with their numbers, as LaTeX to put into a document (needs amsmath)."""
        return latex.trace_latex(self, self._weight(weight, sample), self._sample(sample))

    def to_html(self, path=None, title=None):
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
        if path is None:
            return html.page([self.to_dict()], html.title_of(self) if title is None else title)
        return html.write_page(path, [self], title)

    def _weight(self, weight, sample):
        return None if weight is None else self.gradient(*weight, sample=sample)

    def _sample(self, sample):
        return check_integer("sample", sample, 0, len(self.x) - 1)

    def _repr_html_(self):
        return html.frame(self.to_html())

    def __str__(self):
        return self.to_text()

    def __repr__(self):
        sizes = "-".join(str(n) for n in (self.x.shape[1], *(at.n_out for at in self.layers)))
        n = count(len(self.x), "sample")
        return f"Trace({sizes}, loss={self.loss!r}, {n}, epoch {self.epoch})"


def explain(network, X, y, sample_weight, input_names, output_names, indices=None):
    """The Trace of one sample or one batch: what `Network.explain` does."""
    if np.ndim(X) == 1:
        X, y = np.asarray(X)[None], np.asarray(y)[None]
        if sample_weight is not None:
            sample_weight = np.reshape(sample_weight, 1)
    X, y, sample_weight = network._check_samples(X, y, sample_weight)
    input_names = check_names("input_names", input_names, network.n_inputs, "x")
    output_names = check_names("output_names", output_names, network.n_outputs, "y")
    indices = list(range(len(X))) if indices is None else indices
    return _trace(network, X, y, sample_weight, input_names, output_names, indices)


def _trace(network, X, y, sample_weight, input_names, output_names, indices):
    """Of a batch, from arrays that were checked; the network stays as it is."""
    twin = copy.deepcopy(network)  # whose buffers are written: steps, gradients, moments
    weights = np.ones(len(X)) if sample_weight is None else sample_weight.astype(np.float64)
    total = weights.sum()
    shares = weights / total
    x, weighted_losses, passed = twin._core.inspect(X, y, sample_weight, total)
    gradients = [Gradient(w.copy(), b.copy()) for w, b in twin._core.views("gradient")]
    after = copy.deepcopy(network)
    after._core.fit(X, y, sample_weight, 1, len(X), False, False, None)
    layers = [
        _layer_trace(i, network, after, own, gradient, shares)
        for i, (own, gradient) in enumerate(zip(passed, gradients, strict=True))
    ]
    return Trace(
        dtype=str(network.dtype),
        loss=network.loss,
        optimizer=network.optimizer,
        epoch=network.epochs_trained,
        steps=network.steps,
        cost=_cost(network, X, y, sample_weight),
        cost_after_step=_cost(after, X, y, sample_weight),
        x=x,
        y=_target_rows(y, network),
        output=network.predict(X),
        weight_sum=float(total),
        losses=_own(weighted_losses, weights),
        shares=shares,
        layers=layers,
        input_names=input_names,
        output_names=output_names,
        indices=indices,
        _trial=trial.Trial(network, X, y, sample_weight),
    )


def _layer_trace(i, network, after, passed, gradient, shares):
    """Of layer i: `passed` is what the core kept, da and dz of the cost."""
    layer, stepped = network.layers[i], after.layers[i]
    return LayerTrace(
        name=f"layer {i + 1}",
        activation=layer.activation,
        weights=layer.weights.copy(),
        bias=layer.bias.copy(),
        z=passed["z"],
        a=passed["a"],
        derivative=passed["derivative"],
        da=_own(passed["da"], shares[:, None]),
        dz=_own(passed["dz"], shares[:, None]),
        gradient=gradient,
        step=Gradient(
            stepped.weights.astype(np.float64) - layer.weights,
            stepped.bias.astype(np.float64) - layer.bias,
        ),
        moments={
            name: tuple(part.copy() for part in kept[i])
            for name, kept in network.optimizer_state().items()
        },
    )


def _own(of_cost, shares):
    """Each sample's own, from what it adds to the cost; a sample without weight adds nothing."""
    out = np.zeros(of_cost.shape)
    return np.divide(of_cost, shares, out=out, where=shares > 0)


def _cost(network, X, y, sample_weight):
    nothing = np.empty((len(X), network.n_outputs), network.dtype)
    total_loss, total_weight = network._core.infer(X, y, sample_weight, nothing, False, True)
    return total_loss / total_weight


def _target_rows(y, network):
    """[n][n_outputs] in the network's dtype: labels become rows with a single 1."""
    if y.ndim == 1 and network.loss == "softmax_cross_entropy":
        return np.eye(network.n_outputs, dtype=network.dtype)[y.astype(np.int64)]
    return y.reshape(len(y), network.n_outputs).astype(network.dtype)


def _layer_dict(layer, difference):
    parts = {
        "gradient": layer.gradient,
        "finite_difference": difference,
        "step": layer.step,
    }
    return {
        "name": layer.name,
        "n_in": layer.n_in,
        "n_out": layer.n_out,
        "activation": layer.activation,
        "weights": layer.weights,
        "bias": layer.bias,
        "z": layer.z,
        "a": layer.a,
        "da": layer.da,
        "derivative": layer.derivative,
        "dz": layer.dz,
        **{name: None if part is None else part._asdict() for name, part in parts.items()},
    }


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
