"""A dense layer as a value, and a trained layer as views of the network's parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from backprop.catalogue import records
from backprop.catalogue.activations import ACTIVATIONS, ALIASES, Activation
from backprop.catalogue.initializers import INITIALIZERS
from backprop.catalogue.norms import ALIASES as NORM_ALIASES
from backprop.catalogue.norms import NORMS, Norm
from backprop.validation import MAX_SIZE, check_array, check_flag, check_integer, check_real

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Dense(records.Hinted):
    """A dense layer: a = f(x W + b), W of shape (n_in, units), b of shape (units,).

    With all its options, in their order: z = x W + b; y = norm(z); a = f(y); noise is added;
    outputs are dropped; x is added.

    Parameters
    ----------
    units : int
        Number of outputs, at least 1.
    activation : str or Activation, default "identity"
        f: the name of one of ``backprop.catalogue.activations.ACTIVATIONS``, or that entry.
    dropout : float, default 0.0
        The share of the outputs that a training step sets to 0, in [0, 1); the others are divided
        by 1 - dropout, and predictions are made with all of them (Srivastava et al. 2014). Which
        ones follows from the network's seed, the number of the step and the place in the batch.
    noise : float, default 0.0
        The standard deviation of the gaussian noise that a training step adds to the outputs, drawn
        as dropout is; predictions have none.
    norm : {"batch", "layer"} or Norm, optional
        What the pre-activations are normalised by, with a scale and a shift that each unit learns:
        y = scale (z - mean) / √(variance + epsilon) + shift. "batch" takes mean and variance of
        each unit over the samples of a training step, and predictions those that training has
        gathered (Ioffe and Szegedy 2015); "layer" of each sample over the units (Ba, Kiros and
        Hinton 2016).
    residual : bool, default False
        Whether the layer's inputs, as many as it has units, are added to its outputs (He et al.
        2016).

    Raises
    ------
    ValueError, TypeError
        When units is not a positive integer, or the activation has no such name.
    """

    units: int
    activation: str | Activation = "identity"
    dropout: float = 0.0
    noise: float = 0.0
    norm: str | Norm | None = None
    residual: bool = False

    keyword_aliases: ClassVar[dict[str, str]] = {
        "n_units": "units",
        "size": "units",
        "n_outputs": "units",
        "out_features": "units",
        "function": "activation",
        "nonlinearity": "activation",
        "normalization": "norm",
        "batch_norm": "norm",
        "layer_norm": "norm",
        "noise_std": "noise",
        "stddev": "noise",
        "skip": "residual",
        "skip_connection": "residual",
    }

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", check_integer("units", self.units, 1))
        found = records.find("activation", self.activation, ACTIVATIONS, ALIASES)
        object.__setattr__(self, "activation", found.label)
        object.__setattr__(self, "dropout", check_real("dropout", self.dropout, 0, below=1))
        object.__setattr__(self, "noise", check_real("noise", self.noise, 0))
        object.__setattr__(self, "residual", check_flag("residual", self.residual))
        if self.norm is not None:
            object.__setattr__(self, "norm", self._find_norm().label)

    def _find_norm(self):
        return records.find("norm", self.norm, NORMS, NORM_ALIASES)

    @property
    def function(self) -> Activation:
        """The activation's entry in the catalogue."""
        return records.find("activation", self.activation, ACTIVATIONS)

    @property
    def norm_function(self) -> Norm | None:
        """The norm's entry in the catalogue."""
        return None if self.norm is None else self._find_norm()

    @property
    def learned(self) -> dict[str, float]:
        """{name: what it starts at} of what each unit learns beside its weights and bias."""
        found = {} if self.norm is None else dict(self.norm_function.learned)
        if self.function.learned is not None:
            found[self.function.learned] = self.function.settings[self.function.learned]
        return found

    @property
    def gathered(self) -> dict[str, float]:
        """{name: what it starts at} of what training gathers for predictions."""
        return {} if self.norm is None else self.norm_function.gathered

    @property
    def description(self) -> dict[str, Any]:
        """What JSON can hold, of which `described_layer` makes an equal one: no defaults."""
        changed = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }
        if self.norm is not None:
            changed["norm"] = self.norm_function.description
        return {**changed, "units": self.units, "activation": self.function.description}


def described_layer(description):
    """The `Dense` that `Dense.description` describes."""
    activation = records.described("activation", description["activation"], ACTIVATIONS)
    found = {**description, "activation": activation}
    if "norm" in description:
        found["norm"] = records.described("norm", description["norm"], NORMS)
    return Dense(**found)


class Layer:
    """One layer of a network.

    ``weights`` (n_in, units), ``bias`` (units,) and what else it has are views: writing to them
    changes the network.
    """

    __slots__ = ("_arrays", "_spec", "_statistics")

    def __init__(self, spec: Dense, views: tuple[NDArray[Any], ...]) -> None:
        self._spec = spec
        self._arrays = layer_arrays(spec, views)
        rows = views[2][len(spec.learned) :]
        self._statistics = dict(zip(spec.gathered, rows, strict=True))

    @property
    def spec(self) -> Dense:
        """What it was made from."""
        return self._spec

    @property
    def units(self) -> int:
        """Number of outputs."""
        return self._spec.units

    @property
    def activation(self) -> str:
        """Name of the activation."""
        return self._spec.activation

    @property
    def function(self) -> Activation:
        """The activation's entry in the catalogue: formula, numpy value, derivative."""
        return self._spec.function

    @property
    def weights(self) -> NDArray[Any]:
        """(n_in, units) view of the weights; assigning copies the values into it."""
        return self._arrays.weights

    @weights.setter
    def weights(self, values: ArrayLike) -> None:
        self.weights[...] = _same_shape("weights", values, self.weights.shape)

    @property
    def bias(self) -> NDArray[Any]:
        """(units,) view of the bias; assigning copies the values into it."""
        return self._arrays.bias

    @bias.setter
    def bias(self, values: ArrayLike) -> None:
        self.bias[...] = _same_shape("bias", values, self.bias.shape)

    @property
    def parameters(self) -> dict[str, NDArray[Any]]:
        """{name: view} of all that trains: "weights" and "bias"; "scale" and "shift" of a norm; the
        parameter of an activation that learns, all three (units,)."""
        return self._arrays.parameters

    @property
    def statistics(self) -> dict[str, NDArray[Any]]:
        """{name: view (units,)} of what training gathers for predictions: "mean" and "variance" of
        a norm over samples; else {}."""
        return dict(self._statistics)

    def __repr__(self) -> str:
        n_in, units = self.weights.shape
        return f"Layer({n_in} -> {units}, {self.activation!r})"


class _Pair(NamedTuple):
    weights: NDArray[Any]
    bias: NDArray[Any]


class Arrays(_Pair):
    """An array for each parameter of a layer: a pair, ``weights`` (n_in, units) and ``bias``
    (units,); and what the layer learns beside these, in ``beside``, {name: (units,)}."""

    beside: dict[str, NDArray[Any]]

    def __new__(cls, weights, bias, beside=None):
        made = super().__new__(cls, weights, bias)
        made.beside = {} if beside is None else beside
        return made

    @property
    def parameters(self) -> dict[str, NDArray[Any]]:
        """{name: array} of all of them."""
        return {"weights": self.weights, "bias": self.bias, **self.beside}

    def copy(self):
        """The same with arrays of their own."""
        return type(self)(
            **{name: array.copy() for name, array in self._asdict().items()},
            beside={name: array.copy() for name, array in self.beside.items()},
        )


class Gradient(Arrays):
    """Of one layer: ``weights`` (n_in, units) and ``bias`` (units,); ``parameters`` has those and
    what the layer learns beside them."""


def layer_arrays(spec, views, kind=Arrays):
    """The core's views of a layer, by name."""
    weights, bias, beside = views
    return kind(weights, bias, dict(zip(spec.learned, beside, strict=False)))


def check_layers(layers):
    """A tuple of at least one Dense."""
    if isinstance(layers, Dense):
        layers = [layers]
    if not isinstance(layers, Iterable):
        raise TypeError(f"layers={layers!r}: expected a list of bp.Dense(units, activation)")
    specs = tuple(layers)
    if not specs:
        raise ValueError("layers is empty: expected at least one bp.Dense")
    for i, spec in enumerate(specs):
        if not isinstance(spec, Dense):
            raise TypeError(f"layers[{i}]={spec!r}: expected bp.Dense(units, activation)")
        check_integer(f"layers[{i}].units", spec.units, 1, MAX_SIZE)
    return specs


def check_residual(n_inputs, specs):
    """That a layer whose inputs are added to its outputs has as many."""
    n_in = n_inputs
    for i, spec in enumerate(specs):
        if spec.residual and spec.units != n_in:
            raise ValueError(
                f"layers[{i}] is residual, has {spec.units} units and {n_in} inputs: expected as "
                f"many units as inputs, units={n_in}"
            )
        n_in = spec.units


def core_layers(n_inputs, specs):
    """What the core is told of each layer."""
    n_in, found = n_inputs, []
    for spec in specs:
        scheme = INITIALIZERS[spec.function.initial_weights]
        limit = scheme.limit(n_in, spec.units)
        norm = spec.norm_function
        found.append(
            {
                "units": spec.units,
                "activation": spec.function.row,
                "limit": limit,
                "dropout": spec.dropout,
                "noise": spec.noise,
                "residual": spec.residual,
                "norm": norm
                and (norm.is_over_samples, norm.settings["epsilon"], norm.running_rate),
                "beside": [*spec.learned.values(), *spec.gathered.values()],
            }
        )
        n_in = spec.units
    return found


def _same_shape(name, values, shape):
    values = check_array(name, values)
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape}, expected {shape}")
    return values
