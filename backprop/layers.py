"""A dense layer as a value, and a trained layer as views of the network's parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from math import inf, sqrt
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from backprop.attributes import OF_A_LAYER, Guarded
from backprop.catalogue import records
from backprop.catalogue.activations import ACTIVATIONS, ALIASES, Activation
from backprop.catalogue.initializers import (
    INITIALIZERS,
    Initializer,
    OwnWeights,
    find_initializer,
)
from backprop.sharing import changing
from backprop.validation import (
    MAX_SIZE,
    check_array,
    check_finite_in,
    check_flag,
    check_integer,
    check_real,
    name_hint,
)

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike, NDArray

    from backprop._core.network import Core
    from backprop.catalogue.norms import Norm


FAN_IN = "fan_in"  # a learning rate by the number of inputs


@records.says_how_to_change
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
    weights : str, Initializer or array of shape (n_in, units), optional
        What the weights are at first: the name of one of
        ``backprop.catalogue.initializers.INITIALIZERS``, or that entry; or numbers of one's own, of
        which a read-only copy is kept. By default the scheme that suits the activation.
    use_bias : bool, default True
        Without, a = f(x W): b is 0, and no parameter.
    trainable : bool, default True
        Otherwise training leaves all that the layer has as it is: weights and bias, what a norm
        or an activation learns, and the statistics that a norm has gathered.
    learning_rate_factor : float or "fan_in", default 1.0
        What the optimizer's learning rate is multiplied by for this layer, at least 0. "fan_in" is
        1/√n_in: steps of optimizers such as Adam are then those of weights that are written as
        W = w / √n_in (Jacot, Gabriel and Hongler, "Neural tangent kernel", NeurIPS 2018), and one
        learning rate suits layers of all widths. A layer of a network has the number.
    max_norm : float, optional
        The largest L2 norm that the incoming weights of a unit, a column of W, may have, above 0:
        after each step columns that exceed it are scaled down to it (Srivastava et al. 2014). The
        bias is not among them.

    Raises
    ------
    ValueError, TypeError
        When units is not a positive integer, or the activation or the weights have no such name.
    """

    units: int
    activation: str | Activation = "identity"
    dropout: float = 0.0
    noise: float = 0.0
    norm: str | Norm | None = None
    residual: bool = False
    weights: str | Initializer | OwnWeights | ArrayLike | None = None
    use_bias: bool = True
    trainable: bool = True
    learning_rate_factor: float | str = 1.0
    max_norm: float | None = None

    how_to_change: ClassVar[str] = (
        "make another, dataclasses.replace(dense, {name}=…), before the network is made"
    )
    keyword_aliases: ClassVar[dict[str, str]] = {
        "n_units": "units",
        "size": "units",
        "n_outputs": "units",
        "out_features": "units",
        "function": "activation",
        "maxnorm": "max_norm",
        "kernel_constraint": "max_norm",
        "max_value": "max_norm",
        "nonlinearity": "activation",
        "normalization": "norm",
        "batch_norm": "norm",
        "layer_norm": "norm",
        "noise_std": "noise",
        "stddev": "noise",
        "skip": "residual",
        "skip_connection": "residual",
        "kernel_initializer": "weights",
        "weight_init": "weights",
        "w_init": "weights",
        "initializer": "weights",
        "init": "weights",
        "kernel": "weights",
        "bias": "use_bias",
        "fit_intercept": "use_bias",
        "requires_grad": "trainable",
        "frozen": "trainable",
        "learning_rate": "learning_rate_factor",
        "learning_rate_multiplier": "learning_rate_factor",
        "lr": "learning_rate_factor",
        "lr_factor": "learning_rate_factor",
        "lr_mult": "learning_rate_factor",
    }

    def __post_init__(self) -> None:
        units, most = check_integer("units", self.units, 1), self.max_norm
        function = records.find("activation", self.activation, ACTIVATIONS, ALIASES)
        vars(self).update(  # past what refuses to change a field
            units=units,
            activation=function.label,
            dropout=check_real("dropout", self.dropout, 0, below=1),
            noise=check_real("noise", self.noise, 0),
            norm=None if self.norm is None else self._find_norm().label,
            residual=check_flag("residual", self.residual),
            weights=None if self.weights is None else find_initializer(self.weights).label,
            use_bias=check_flag("use_bias", self.use_bias),
            trainable=check_flag("trainable", self.trainable),
            learning_rate_factor=_rate_factor(self.learning_rate_factor),
            max_norm=None if most is None else check_real("max_norm", most, 0, above=True),
        )

    def _find_norm(self):
        from backprop.catalogue.norms import find_norm  # here: most layers have none

        return find_norm(self.norm)

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
        function = self.function
        if function.learned is not None:
            found[function.learned] = function.settings[function.learned]
        return found

    @property
    def written(self) -> dict[str, records.Learned]:
        """{name: how people write it} of the same."""
        found = {} if self.norm is None else dict(self.norm_function.written)
        return {**found, **self.function.written}

    @property
    def predicts_otherwise(self) -> bool:
        """Whether predictions are made in another way than a training step's outputs."""
        return self.dropout > 0 or self.noise > 0 or bool(self.gathered)

    @property
    def gathered(self) -> dict[str, float]:
        """{name: what it starts at} of what training gathers for predictions."""
        return {} if self.norm is None else self.norm_function.gathered

    @property
    def initial_weights(self) -> Initializer | OwnWeights:
        """What draws the weights."""
        return find_initializer(self.weights or self.function.initial_weights)

    def rated(self, n_in: int) -> Dense:
        """The same, with the number that `learning_rate_factor` is for so many inputs."""
        if isinstance(self.learning_rate_factor, str):
            return replace(self, learning_rate_factor=1 / sqrt(n_in))
        return self

    @property
    def training(self) -> dict[str, Any]:
        """How its parameters are trained, as the core takes it."""
        return {"frozen": not self.trainable, "rate_factor": self.learning_rate_factor}

    @property
    def remarks(self) -> list[str]:
        """What is unusual about its parameters, in a few words each."""
        found = [] if self.use_bias else ["no bias"]
        if not self.trainable:
            found.append("frozen")
        if self.learning_rate_factor != 1:
            found.append(f"rate × {self.learning_rate_factor:g}")
        return found

    @property
    def description(self) -> dict[str, Any]:
        """What JSON can hold, of which `described_layer` makes an equal one: no defaults.

        But for weights of one's own: these are left out, since a file has the trained ones.
        """
        found = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }
        found |= {"units": self.units, "activation": self.function.description}
        if self.norm is not None:
            found["norm"] = self.norm_function.description
        if isinstance(self.initial_weights, OwnWeights):
            del found["weights"]
        elif self.weights is not None:
            found["weights"] = self.initial_weights.description
        return found


def described_layer(description):
    """The `Dense` that `Dense.description` describes."""
    found = {**description}
    found["activation"] = records.described("activation", found["activation"], ACTIVATIONS)
    if "norm" in found:
        from backprop.catalogue.norms import NORMS

        found["norm"] = records.described("norm", found["norm"], NORMS)
    if "weights" in found:
        found["weights"] = records.described("weights", found["weights"], INITIALIZERS)
    return Dense(**found)


class Layer(Guarded):
    """One layer of a network.

    ``weights`` (n_in, units), ``bias`` (units,) and what else it has are views: writing to them
    changes the network.
    """

    __slots__ = ("_arrays", "_core", "_index", "_spec", "_statistics")
    instead: ClassVar[dict[str, str]] = OF_A_LAYER

    def __init__(
        self,
        spec: Dense,
        views: tuple[NDArray[Any], ...],
        core: Core,
        index: int,
    ) -> None:
        put = object.__setattr__  # a network of many layers is made sooner past the guard
        put(self, "_spec", spec)
        put(self, "_core", core)
        put(self, "_index", index)
        put(self, "_arrays", layer_arrays(spec, views))
        put(self, "_statistics", gathered_rows(spec, views))
        if not spec.use_bias:
            self.bias.flags.writeable = False

    @property
    def spec(self) -> Dense:
        """What it was made from, and how it is trained now."""
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
        self._assign(self.weights, check_parameter("weights", values, self.weights))

    @property
    def bias(self) -> NDArray[Any]:
        """(units,) view of the bias; assigning copies the values into it.

        Without a bias these are zeros that cannot be written.
        """
        return self._arrays.bias

    @bias.setter
    def bias(self, values: ArrayLike) -> None:
        if not self._spec.use_bias:
            raise ValueError("this layer has no bias: use_bias=False")
        self._assign(self.bias, check_parameter("bias", values, self.bias))

    def _assign(self, own, values):
        with changing(self._core):
            own[...] = values

    @property
    def parameters(self) -> dict[str, NDArray[Any]]:
        """{name: view} of all that trains: "weights", and "bias" where there is one; "scale" and
        "shift" of a norm; the parameter of an activation that learns, all but the first (units,).
        """
        return self._arrays.parameters

    @property
    def statistics(self) -> dict[str, NDArray[Any]]:
        """{name: view (units,)} of what training gathers for predictions: "mean" and "variance" of
        a norm over samples; else {}."""
        return dict(self._statistics)

    @property
    def n_parameters(self) -> int:
        """Numbers that train."""
        return sum(array.size for array in self.parameters.values())

    @property
    def trainable(self) -> bool:
        """Whether training changes what the layer has; can be assigned to."""
        return self._spec.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._train(replace(self._spec, trainable=value))

    @property
    def learning_rate_factor(self) -> float:
        """What the learning rate is multiplied by for this layer; can be assigned to."""
        return self._spec.learning_rate_factor

    @learning_rate_factor.setter
    def learning_rate_factor(self, value: float | str) -> None:
        spec = replace(self._spec, learning_rate_factor=value)
        self._train(spec.rated(self.weights.shape[0]))

    def _train(self, spec):
        self._core.configure_layer(self._index, **spec.training)  # refused while it is in use
        self._spec = spec

    def __repr__(self) -> str:
        n_in, units = self.weights.shape
        return f"Layer({n_in} -> {units}, {self.activation!r})"


class _Pair(NamedTuple):
    weights: NDArray[Any]
    bias: NDArray[Any]


class Arrays(_Pair):
    """An array for each parameter of a layer: a pair, ``weights`` (n_in, units) and ``bias``
    (units,); and what the layer learns beside these, in ``beside``, {name: (units,)}.

    A layer without a bias, which is not ``with_bias``, has zeros for it that are no parameter.
    """

    beside: dict[str, NDArray[Any]]
    with_bias: bool

    def __new__(cls, weights, bias, beside=None, with_bias=True):
        made = super().__new__(cls, weights, bias)
        made.beside = {} if beside is None else beside
        made.with_bias = with_bias
        return made

    @property
    def parameters(self) -> dict[str, NDArray[Any]]:
        """{name: array} of all of them."""
        bias = {"bias": self.bias} if self.with_bias else {}
        return {"weights": self.weights, **bias, **self.beside}

    def copy(self):
        """The same with arrays of their own."""
        beside = {name: array.copy() for name, array in self.beside.items()}
        return type(self)(self.weights.copy(), self.bias.copy(), beside, self.with_bias)


class Gradient(Arrays):
    """Of one layer: ``weights`` (n_in, units) and ``bias`` (units,); ``parameters`` has those and
    what the layer learns beside them."""


def gathered_rows(spec, views):
    """{name: view} of what training gathers, which lies behind what the layer learns."""
    if spec.norm is None:
        return {}
    return dict(zip(spec.gathered, views[2][len(spec.learned) :], strict=True))


def all_arrays(layer):
    """{name: array} of all that training changes in a layer."""
    return {**layer.parameters, **layer.statistics}


def layer_arrays(spec, views, kind=Arrays):
    """The core's views of a layer, by name."""
    weights, bias, beside = views
    return kind(weights, bias, dict(zip(spec.learned, beside, strict=False)), spec.use_bias)


def _rate_factor(value):
    """A number of at least 0, or what will be one as soon as the number of inputs is known."""
    if not isinstance(value, str):
        return check_real("learning_rate_factor", value, 0)
    if value != FAN_IN:
        hint = name_hint(value, (FAN_IN,))
        raise ValueError(
            f"learning_rate_factor={value!r}: expected a number of at least 0 or {FAN_IN!r}{hint}"
        )
    return value


def check_layers(n_inputs, layers):
    """A tuple of at least one Dense, that each know their number of inputs."""
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
        if spec.units > MAX_SIZE:
            check_integer(f"layers[{i}].units", spec.units, 1, MAX_SIZE)
    _check_residual(n_inputs, specs)
    widths = n_inputs, *(spec.units for spec in specs)
    return tuple(spec.rated(n_in) for spec, n_in in zip(specs, widths, strict=False))


def _check_residual(n_inputs, specs):
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
    for i, spec in enumerate(specs):
        try:
            initial = spec.initial_weights.drawn(n_in, spec.units)
        except ValueError as error:
            raise ValueError(f"layers[{i}].{error}") from None
        norm = spec.norm_function
        found.append(
            {
                "units": spec.units,
                "activation": spec.function.row,
                "weights": initial,
                "dropout": spec.dropout,
                "noise": spec.noise,
                "residual": spec.residual,
                "max_norm": inf if spec.max_norm is None else spec.max_norm,
                "norm": norm
                and (norm.is_over_samples, norm.settings["epsilon"], norm.running_rate),
                "beside": [*spec.learned.values(), *spec.gathered.values()],
                "has_bias": spec.use_bias,
                **spec.training,
            }
        )
        n_in = spec.units
    return found


def check_parameter(name, values, own):
    """Finite values that fit the array `own`."""
    values = check_array(name, values)
    if values.shape != own.shape:
        raise ValueError(f"{name} has shape {values.shape}, expected {own.shape}")
    return check_finite_in(name, values, own.dtype)
