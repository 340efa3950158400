"""`Network.evaluate` of a source, to the bits of the same rows in memory."""

from __future__ import annotations

import numpy as np

from backprop import evaluating
from backprop._core.errors import NotFinite
from backprop.evaluating import score_pieces
from backprop.sources.ahead import ReadAhead
from backprop.sources.checking import Checker
from backprop.sources.source import joined


def score(network, source, metrics=()):
    """{"loss", the loss's score, each metric}."""
    check, n_rows, weighs = Checker(network, source, is_trained_on=False), 0, None

    def checked():
        for piece in source.pieces():
            if len(piece.X) or np.ndim(piece.X) != 2:
                yield check(piece)

    def arrays(pieces):
        nonlocal n_rows, weighs
        for piece in pieces:
            n_rows += len(piece.X)
            if piece.weight is not None:
                weighs = bool(weighs or piece.weight.any())
            yield piece.X, piece.y, piece.weight

    try:
        with ReadAhead(checked, source.name) as pieces:
            regrouped = _regrouped(arrays(pieces), evaluating.EVALUATED_ROWS)
            return score_pieces(network, regrouped, metrics)
    except ZeroDivisionError:
        what = "every weight is 0" if n_rows else "it has no rows"
        raise ValueError(f"{source}: {what}, expected some to score") from None
    except NotFinite:
        raise ValueError(
            f"{source} has a number that is not finite as the network sees it: expected finite "
            "numbers after input_offset and input_scale"
        ) from None


def _regrouped(pieces, n_rows):
    """The same rows, so many at a time, as arrays in memory are gone through."""
    held, count = [], 0
    for arrays in pieces:
        start = 0
        while start < len(arrays[0]):
            n = min(n_rows - count, len(arrays[0]) - start)
            rows = slice(start, start + n)
            held.append([None if array is None else array[rows] for array in arrays])
            count, start = count + n, start + n
            if count == n_rows:
                yield joined(held)
                held, count = [], 0
    if held:
        yield joined(held)
