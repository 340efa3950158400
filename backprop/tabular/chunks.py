"""Statistics of large arrays, in pieces that fit into a cache."""

import numpy as np

from backprop.tabular.tables import TableError
from backprop.tabular.values import LARGEST

_ELEMENTS_PER_CHUNK = 1 << 20


def chunks(X, rows):
    """Pairs (first row, float64 copy) of consecutive pieces of X, or of its `rows`."""
    step = max(1, _ELEMENTS_PER_CHUNK // X.shape[1])
    for start in range(0, len(X) if rows is None else len(rows), step):
        piece = X[start : start + step] if rows is None else X[rows[start : start + step]]
        yield start, piece.astype(np.float64)


def statistics(X, rows):
    """Mean and standard deviation of every column, and the range of all, in small pieces."""
    n = len(X) if rows is None else len(rows)
    total, lowest, highest = np.zeros(X.shape[1]), np.inf, -np.inf
    for start, chunk in chunks(X, rows):
        require_finite(chunk, start)
        total += chunk.sum(axis=0)
        lowest, highest = min(lowest, chunk.min()), max(highest, chunk.max())
    mean, squares = total / n, np.zeros(X.shape[1])
    for _, chunk in chunks(X, rows):
        chunk -= mean
        squares += np.einsum("ij,ij->j", chunk, chunk)
    return mean, np.sqrt(squares / n), highest - lowest


def require_finite(chunk, start):
    good = np.abs(chunk) <= LARGEST
    if not good.all():
        row, column = np.argwhere(~good)[0]
        raise TableError(
            f"the inputs have a value that is not finite: {chunk[row, column]} in row "
            f"{start + row + 1}, column "
            f"{column + 1}"
        )
