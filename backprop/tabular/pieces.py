"""A number as pieces: how far it has come through each interval of the training's values.

A network of few layers learns smooth functions sooner than those with steps and bends, of which
tables are full. With the edges e₀ < e₁ < … < e_k, quantiles of the training's values, piece i of
the value x is (x − eᵢ₋₁) / (eᵢ − eᵢ₋₁), not below 0 and not above 1: then one weight more bends the
function at an edge. They stand beside the value itself.

Gorishniy, Rubachev and Babenko, "On embeddings for numerical features in tabular deep learning",
NeurIPS 2022 (piecewise linear encoding, by quantiles).
"""

from itertools import pairwise

import numpy as np


def edges_of(values, n_pieces):
    """The edges of at most so many pieces of equally many `values`; () where that is no more than
    the value itself says."""
    if n_pieces < 2:
        return ()
    places = np.linspace(0, 1, n_pieces + 1)
    edges = np.unique(np.quantile(values, places, method="nearest"))
    return tuple(edges.tolist()) if len(edges) > 2 else ()


def write_pieces(values, edges, out):
    """Write the pieces of `values` (n,) into `out` (n, pieces), from -½ to ½."""
    for i, (low, width) in enumerate(zip(*intervals(edges), strict=True)):
        out[:, i] = pieces_of(values, low, width)


def intervals(edges):
    """(lower ends, widths) of the pieces between them."""
    return edges[:-1], tuple(high - low for low, high in pairwise(edges))


def pieces_of(values, low, width):
    """How far values have come through the intervals of these lower ends and widths."""
    with np.errstate(over="ignore"):  # far from an interval that is next to nothing
        found = (values - low) / width
    found = found.clip(0, 1, out=found)
    found -= 0.5
    return found


def names_of(name, edges):
    """Of the inputs that these are."""
    return [f"{name}: {low:.6g} to {high:.6g}" for low, high in pairwise(edges)]
