"""The kinds of factors that a product may have, and what an operation of a layer adds to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from backprop.catalogue.formula import Formula

# Kinds: of the ends of a product, of what joins two layers, of a layer's operations.
LOSS, INPUT, BEYOND = "loss derivative", "input", "sum of the paths beyond"
WEIGHT, STRAIGHT = "upstream weight", "straight road"
ACTIVATION, MASK = "activation derivative", "dropout mask"
SCALE, DEVIATION = "norm scale", "norm deviation"
BY_MEAN, BY_DEVIATION = "through the mean", "through the deviation"


class LayerFactor(NamedTuple):
    """What a derivative is multiplied with on its way back from a layer's output to its z.

    ``name``: the quantity of a `Factor`; ``kind``: as there; ``symbol``: without layer and unit;
    ``note``: what it is; ``values`` (n, units): of each sample and unit; ``scales_output``: whether
    the output itself has the factor too, and so what the next layer's weights are multiplied with;
    ``n_indices``: how often the unit is an index in its symbol.
    """

    name: str
    kind: str
    symbol: str
    note: str
    values: NDArray[Any]
    scales_output: bool = False
    n_indices: int = 1


class LayerTerm(NamedTuple):
    """What is added to a layer's outputs: the derivative passes it unchanged.

    ``name``: "noise" or "residual"; ``symbol``: without layer and unit; ``note``: what it is;
    ``values`` (n, units); ``comes_last``: whether after the mask of dropout instead of before;
    ``is_drawn``: whether by chance, anew in each step.
    """

    name: str
    symbol: str
    note: str
    values: NDArray[Any]
    comes_last: bool = False
    is_drawn: bool = False


class LearnedTrace(NamedTuple):
    """What each unit learns beside its weights and bias, such as the scale of a norm.

    ``name``: as in ``Layer.parameters``; ``symbol``: the name of its letter in formulas; ``note``:
    what it is; ``slope``: the formula of what it is multiplied with, ``quantity`` as `Factor` has
    it and ``inputs`` (n, units) its values; ``depth``: how many of the layer's factors come before
    it on the way back.
    """

    name: str
    symbol: str
    note: str
    slope: Formula
    quantity: str
    inputs: NDArray[Any]
    depth: int
