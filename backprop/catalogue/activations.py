"""Activations: what each is, for people and for every part of the library that asks.

An entry here and a row in csrc/kernels/activations.h make an activation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backprop.catalogue.formula import Formula
from backprop.catalogue.records import Entry, Learned, Parameter, table_of


@dataclass(frozen=True, repr=False)
class Activation(Entry):
    """An activation a = f(z), elementwise.

    Attributes
    ----------
    name : str
    formula, slope : Formula
        f(z), and f'(z) in terms of z and a, as people read them.
    source : str
        Where it was proposed or is explained.
    advice : str
        When to take it, in one sentence.
    value : callable
        f as numpy has it: (z, *values) -> a; nan stays nan.
    derivative : callable
        f': (z, a, *values) -> array.
    initial_weights : str
        The scheme that weights before it start with; see ``backprop.catalogue.initializers``.
    kinks : tuple of float
        The z at which f' jumps, for some parameters: there a finite difference is a mean of two
        slopes.
    largest_slope : float or None
        The most that |f'| can be, where |f'| vanishes for large |z|: such a unit can saturate.
    is_silent_below : float or None
        The z below which a and f' are both 0: such a unit can fall silent for good.
    overflows_above : float or None
        The z above which a is infinite in float32 though z is not: weights in front of it have to
        stay small.
    learned : str or None
        The parameter that each unit trains, from the value that the entry has.
    by_parameter : callable or None
        The derivative of a by that parameter: (z) -> array.
    parameter_form : Learned or None
        How people write that parameter.
    scikit_learn : str or None
        What scikit-learn calls it, all of whose slopes a alone gives: ``derivative(None, a)``.
    parameters : tuple of Parameter
    values : tuple of float
        Of the parameters; () for their defaults.
    """

    name: str
    formula: Formula
    slope: Formula
    source: str
    advice: str
    value: Callable[..., np.ndarray]
    derivative: Callable[..., np.ndarray]
    initial_weights: str = "glorot_uniform"
    kinks: tuple[float, ...] = ()
    largest_slope: float | None = None
    is_silent_below: float | None = None
    overflows_above: float | None = None
    learned: str | None = None
    by_parameter: Callable[..., np.ndarray] | None = None
    parameter_form: Learned | None = None
    scikit_learn: str | None = None
    parameters: tuple[Parameter, ...] = ()
    values: tuple[float, ...] = ()

    @property
    def written(self) -> dict[str, Learned]:
        """{name: how people write it} of the parameter that each unit trains."""
        return {} if self.learned is None else {self.learned: self.parameter_form}

    @property
    def is_identity(self) -> bool:
        """Whether a is z itself."""
        return self.formula.expression == "z"


def _identity(z):
    return z


def _d_identity(z, a):
    return np.ones_like(a)


def _sigmoid(z):
    e = np.exp(-np.abs(z))  # of a number that is never positive: cannot overflow
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


def _d_sigmoid(z, a):
    return a * (1 - a)


def _tanh(z):
    return np.tanh(z)


def _d_tanh(z, a):
    return 1 - a * a


def _relu(z):
    return np.maximum(z, 0)  # nan stays nan


def _d_relu(z, a):
    return (a > 0).astype(a.dtype)  # at z = 0, where there is no derivative, 0 is used


def _leaky_relu(z, negative_slope):
    return np.where(z > 0, z, negative_slope * z)


def _d_leaky_relu(z, a, negative_slope):
    return np.where(z > 0, 1, negative_slope).astype(z.dtype)


def _elu(z, alpha):
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def _d_elu(z, a, alpha):
    return np.where(z > 0, 1, alpha * np.exp(np.minimum(z, 0))).astype(z.dtype)


# with these, mean 0 and variance 1 are a fixed point from layer to layer
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _selu(z):
    return SELU_SCALE * _elu(z, SELU_ALPHA)


def _d_selu(z, a):
    return SELU_SCALE * _d_elu(z, a, SELU_ALPHA)


def _softplus(z):
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def _d_softplus(z, a):
    return _sigmoid(z)


def _softsign(z):
    near = np.clip(z, -1e30, 1e30)  # infinity is not divided by itself
    return near / (1 + np.abs(near))


def _d_softsign(z, a):
    return (1 / (1 + np.abs(z))) ** 2  # the square of 1 + |z| could overflow


def _silu(z):
    return z * _sigmoid(z)


def _d_silu(z, a):
    s = _sigmoid(z)
    return s + a * (1 - s)


def _normal_cdf(z):
    """Φ(z) in float64, by the standard library: numpy has no erf."""
    values = np.asarray(z, dtype=np.float64)
    tails = [0.5 * math.erfc(-value / math.sqrt(2)) for value in values.ravel().tolist()]
    return np.array(tails).reshape(values.shape)


NORMAL_DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)


def _gelu(z):
    return (z * _normal_cdf(z)).astype(z.dtype)


def _d_gelu(z, a):
    near = np.clip(z, -40, 40)  # beyond, the density is 0
    density = np.exp(-0.5 * near**2) * NORMAL_DENSITY_AT_0
    return (_normal_cdf(z) + near * density).astype(z.dtype)


GELU_RATE, GELU_CUBE = math.sqrt(2 / math.pi), 0.044715
GELU_TANH = f"tanh({GELU_RATE} * (z + {GELU_CUBE} * z**3))"


def _gelu_tanh(z):
    near = np.clip(z, -40, 40)  # beyond, tanh is 1 or -1
    return z * (0.5 * (1 + np.tanh(GELU_RATE * (near + GELU_CUBE * near**3))))


def _d_gelu_tanh(z, a):
    near = np.clip(z, -40, 40)
    t = np.tanh(GELU_RATE * (near + GELU_CUBE * near**3))
    inner = GELU_RATE * (1 + 3 * GELU_CUBE * near**2)
    return 0.5 * (1 + t) + 0.5 * near * (1 - t * t) * inner


def _mish(z):
    return z * np.tanh(_softplus(z))


def _d_mish(z, a):
    t = np.tanh(_softplus(z))
    return t + z * (1 - t * t) * _sigmoid(z)


def _hard_sigmoid(z):
    return np.clip(z / 6 + 0.5, 0, 1)


def _d_hard_sigmoid(z, a):
    return np.where(np.abs(z) < 3, 1 / 6, 0).astype(z.dtype)


def _hard_swish(z):
    return z * _hard_sigmoid(z)


def _d_hard_swish(z, a):
    return _hard_sigmoid(z) + np.clip(z, -3, 3) * _d_hard_sigmoid(z, a)


def _exp(z):
    with np.errstate(over="ignore"):
        return np.exp(z)


def _d_exp(z, a):
    return a


def _sin(z):
    return np.sin(z)


def _d_sin(z, a):
    return np.cos(z)


ACTIVATIONS = table_of(
    Activation(
        name="identity",
        formula=Formula("z"),
        slope=Formula("1"),
        source="–",
        advice="For the last layer of a regression, and before a loss that takes logits.",
        value=_identity,
        derivative=_d_identity,
        scikit_learn="identity",
    ),
    Activation(
        name="sigmoid",
        formula=Formula("1 / (1 + exp(-z))"),
        slope=Formula("a * (1 - a)"),
        source="Rumelhart, Hinton and Williams 1986",
        advice="For outputs between 0 and 1; in hidden layers tanh trains faster.",
        value=_sigmoid,
        derivative=_d_sigmoid,
        largest_slope=0.25,
        scikit_learn="logistic",
    ),
    Activation(
        name="tanh",
        formula=Formula("tanh(z)"),
        slope=Formula("1 - a**2"),
        source="LeCun, Bottou, Orr and Müller 1998",
        advice="For small networks and smooth functions.",
        value=_tanh,
        derivative=_d_tanh,
        largest_slope=1.0,
        scikit_learn="tanh",
    ),
    Activation(
        name="relu",
        formula=Formula("max(0, z)"),
        slope=Formula("where(z > 0, 1, 0)"),
        source="Nair and Hinton 2010",
        advice="The usual first choice for hidden layers: cheap, and its slope does not shrink.",
        value=_relu,
        derivative=_d_relu,
        initial_weights="he_uniform",
        kinks=(0.0,),
        is_silent_below=0.0,
        scikit_learn="relu",
    ),
    Activation(
        name="leaky_relu",
        formula=Formula("where(z > 0, z, negative_slope * z)"),
        slope=Formula("where(z > 0, 1, negative_slope)"),
        source="Maas, Hannun and Ng 2013",
        advice="Instead of relu where many of its units have fallen silent.",
        value=_leaky_relu,
        derivative=_d_leaky_relu,
        initial_weights="he_uniform",
        kinks=(0.0,),
        parameters=(Parameter("negative_slope", 0.01, "the slope where z is below 0"),),
    ),
    Activation(
        name="prelu",
        formula=Formula("where(z > 0, z, negative_slope * z)"),
        slope=Formula("where(z > 0, 1, negative_slope)"),
        source="He, Zhang, Ren and Sun 2015",
        advice="Instead of leaky_relu where there are data enough for a slope of each unit.",
        value=_leaky_relu,
        derivative=_d_leaky_relu,
        initial_weights="he_uniform",
        kinks=(0.0,),
        learned="negative_slope",
        by_parameter=lambda z: np.minimum(z, 0),
        parameter_form=Learned("alpha", Formula("min(z, 0)"), "the unit's slope below 0"),
        parameters=(Parameter("negative_slope", 0.25, "what each unit's slope below 0 starts at"),),
    ),
    Activation(
        name="elu",
        formula=Formula("where(z > 0, z, alpha * (exp(z) - 1))"),
        slope=Formula("where(z > 0, 1, alpha * exp(z))"),
        source="Clevert, Unterthiner and Hochreiter 2016",
        advice="Instead of relu where activations should be near 0 in the mean.",
        value=_elu,
        derivative=_d_elu,
        initial_weights="he_uniform",
        kinks=(0.0,),
        parameters=(Parameter("alpha", 1.0, "minus what a tends to for z far below 0"),),
    ),
    Activation(
        name="selu",
        formula=Formula(f"{SELU_SCALE} * where(z > 0, z, {SELU_ALPHA} * (exp(z) - 1))"),
        slope=Formula(f"{SELU_SCALE} * where(z > 0, 1, {SELU_ALPHA} * exp(z))"),
        source="Klambauer, Unterthiner, Mayr and Hochreiter 2017",
        advice="For deep stacks of dense layers on standardized inputs.",
        value=_selu,
        derivative=_d_selu,
        initial_weights="glorot_uniform",
        kinks=(0.0,),
    ),
    Activation(
        name="softplus",
        formula=Formula("log(1 + exp(z))"),
        slope=Formula("1 / (1 + exp(-z))"),
        source="Dugas, Bengio, Bélisle, Nadeau and Garcia 2001",
        advice="For outputs that have to be positive, such as a width.",
        value=_softplus,
        derivative=_d_softplus,
    ),
    Activation(
        name="softsign",
        formula=Formula("z / (1 + abs(z))"),
        slope=Formula("1 / (1 + abs(z))**2"),
        source="Bergstra, Desjardins, Lamblin and Bengio 2009",
        advice="Instead of tanh where units should saturate slowly.",
        value=_softsign,
        derivative=_d_softsign,
        largest_slope=1.0,
    ),
    Activation(
        name="silu",
        formula=Formula("z / (1 + exp(-z))"),
        slope=Formula("(1 + exp(-z) * (1 + z)) / (1 + exp(-z))**2"),
        source="Elfwing, Uchibe and Doya 2018; Ramachandran, Zoph and Le 2017 (swish)",
        advice="A smooth relu, often a little better than it in deep networks.",
        value=_silu,
        derivative=_d_silu,
        initial_weights="he_uniform",
    ),
    Activation(
        name="gelu",
        formula=Formula("z * (1 + erf(z / sqrt(2))) / 2"),
        slope=Formula(f"(1 + erf(z / sqrt(2))) / 2 + {NORMAL_DENSITY_AT_0} * z * exp(-z**2 / 2)"),
        source="Hendrycks and Gimpel 2016",
        advice="A smooth relu, the one that most transformers have.",
        value=_gelu,
        derivative=_d_gelu,
        initial_weights="he_uniform",
    ),
    Activation(
        name="gelu_tanh",
        formula=Formula(f"z * (1 + {GELU_TANH}) / 2"),
        slope=Formula(
            f"(1 + {GELU_TANH}) / 2"
            f" + z * (1 - {GELU_TANH}**2) * {GELU_RATE} * (1 + {3 * GELU_CUBE} * z**2) / 2"
        ),
        source="Hendrycks and Gimpel 2016, their approximation",
        advice="For weights that were trained with it, such as GPT-2's; otherwise gelu.",
        value=_gelu_tanh,
        derivative=_d_gelu_tanh,
        initial_weights="he_uniform",
    ),
    Activation(
        name="mish",
        formula=Formula("z * tanh(log(1 + exp(z)))"),
        slope=Formula("tanh(log(1 + exp(z))) + z * (1 - tanh(log(1 + exp(z)))**2) / (1 + exp(-z))"),
        source="Misra 2019",
        advice="A smooth relu like silu, and somewhat dearer.",
        value=_mish,
        derivative=_d_mish,
        initial_weights="he_uniform",
    ),
    Activation(
        name="hard_sigmoid",
        formula=Formula("max(0, min(1, z / 6 + 1 / 2))"),
        slope=Formula("where(abs(z) < 3, 1 / 6, 0)"),
        source="Howard et al. 2019",
        advice="A sigmoid without exp, where speed counts for more than smoothness.",
        value=_hard_sigmoid,
        derivative=_d_hard_sigmoid,
        kinks=(-3.0, 3.0),
        largest_slope=1 / 6,
        is_silent_below=-3.0,
    ),
    Activation(
        name="hard_swish",
        formula=Formula("z * max(0, min(1, z / 6 + 1 / 2))"),
        slope=Formula("where(z > -3, where(z < 3, z / 3 + 1 / 2, 1), 0)"),
        source="Howard et al. 2019",
        advice="A silu without exp, where speed counts for more than smoothness.",
        value=_hard_swish,
        derivative=_d_hard_swish,
        initial_weights="he_uniform",
        kinks=(-3.0, 3.0),
        is_silent_below=-3.0,
    ),
    Activation(
        name="exp",
        formula=Formula("exp(z)"),
        slope=Formula("a"),
        source="–",
        advice="For a last layer whose outputs are positive and differ by orders of magnitude.",
        value=_exp,
        derivative=_d_exp,
        overflows_above=88.72,
    ),
    Activation(
        name="sin",
        formula=Formula("sin(z)"),
        slope=Formula("cos(z)"),
        source="Sitzmann, Martel, Bergman, Lindell and Wetzstein 2020",
        advice="For signals and images as functions of their coordinates; exact for z up to 1e4.",
        value=_sin,
        derivative=_d_sin,
    ),
)

ALIASES = {
    "linear": "identity",
    "none": "identity",
    "logistic": "sigmoid",
    "expit": "sigmoid",
    "hyperbolic_tangent": "tanh",
    "rectifier": "relu",
    "rectified_linear": "relu",
    "lrelu": "leaky_relu",
    "swish": "silu",
    "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_swish",
    "sine": "sin",
}
