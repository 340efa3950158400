"""Initial weights: how each scheme draws them. Biases start at 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from backprop.catalogue.records import table_of


@dataclass(frozen=True)
class Initializer:
    """A scheme: weights uniform in ±``limit(n_in, n_out)``."""

    name: str
    formula: str
    source: str
    limit: Callable[[int, int], float]


INITIALIZERS = table_of(
    Initializer(
        name="glorot_uniform",
        formula="uniform in ±√(6 / (n_in + n_out))",
        source="Glorot and Bengio 2010",
        limit=lambda n_in, n_out: math.sqrt(6 / (n_in + n_out)),
    ),
    Initializer(
        name="he_uniform",
        formula="uniform in ±√(6 / n_in)",
        source="He, Zhang, Ren and Sun 2015",
        limit=lambda n_in, n_out: math.sqrt(6 / n_in),
    ),
)
