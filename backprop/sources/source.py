"""What all sources of rows have in common: blocks, and the pieces in which they are read.

A block is what can be read on its own, such as a row group; a piece is a part of one that is in
memory at a time, a few megabytes. Where blocks are shuffled, their rows come side by side.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from backprop.validation import GATHERED_TYPES, MAX_SIZE, check_integer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

MOST_ROWS = (
    16384  # of a piece, which has fewer where rows are wide: what is larger than a cache costs
)
PIECE_BYTES = 1 << 20  # twice the time, most of it for fresh memory


class Piece(NamedTuple):
    """Rows as they were read.

    Attributes
    ----------
    X, y, weight
        Arrays of as many rows; weight may be None.
    place : str
        What they are rows of, for messages.
    first_row : int
        Of that place, from 0.
    """

    X: NDArray[Any]
    y: NDArray[Any]
    weight: NDArray[Any] | None
    place: str
    first_row: int = 0


class Source:
    """Rows that `Network.fit` reads a piece at a time.

    Attributes
    ----------
    name : str
        For messages.
    block_rows : tuple of int or None
        Of each block; None where rows come in one order only.
    n_rows : int or None
        Of all blocks; None where nobody knows.
    input_names : tuple of str or None
        Of the columns of X.
    target_names : tuple of str or None
        Of the columns of y.
    rereads : bool
        Whether it gives the same rows each time.
    """

    name: str = "the source"
    block_rows: tuple[int, ...] | None = None
    n_rows: int | None = None
    input_names: tuple[str, ...] | None = None
    target_names: tuple[str, ...] | None = None
    rereads: bool = True

    def pieces(self, blocks: Sequence[int] | None = None) -> Iterator[Piece]:
        """The rows, from the first on, or those of these blocks, in that order."""
        raise NotImplementedError(f"{type(self).__name__} has no pieces: every source has its own")

    def check_epochs(self, epochs: int) -> None:
        """ValueError where they cannot be read so many times."""

    def identity(self) -> dict[str, Any]:
        """What has to be the same where a run is resumed: of JSON's types."""
        names = [self.input_names, self.target_names]
        return {"kind": type(self).__name__, "blocks": self.block_rows, "names": names}

    def fingerprint(self) -> str:
        """SHA-256 of the identity."""
        text = json.dumps(self.identity(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        rows = "unknown" if self.n_rows is None else f"{self.n_rows:,}"
        return f"{type(self).__name__}({self.name}, rows: {rows})"


class ArraySource(Source):
    """Arrays of equally many rows, which may be maps of files.

    Parameters
    ----------
    X, y, weight : array
        weight may be None.
    name : str
        For messages.
    forget : callable, optional
        Called when some rows have been read: of a map, to give its memory back.
    """

    def __init__(self, X, y, weight=None, name="arrays", forget=None, names=("X", "y", "weight")):
        arrays = {n: a for n, a in zip(names, (X, y, weight), strict=True) if a is not None}
        for what, array in arrays.items():
            if array.dtype.char not in GATHERED_TYPES or array.ndim == 0:
                raise TypeError(
                    f"{name}: {what} has dtype {array.dtype} and shape {array.shape}: expected "
                    "rows of numbers"
                )
            if len(array) != len(X):
                raise ValueError(
                    f"{name}: {what} has {len(array):,} rows, expected {len(X):,}, as {names[0]}"
                )
        self.name, self.n_rows = name, check_integer(f"rows of {name}", len(X), 1)
        self._arrays, self._forget = (X, y, weight), forget
        self._rows = rows_of_piece(X[:1].nbytes)
        self.block_rows = _cut(self.n_rows, self._rows)

    def pieces(self, blocks=None):
        """See `Source`."""
        for block in range(len(self.block_rows)) if blocks is None else blocks:
            first = block * self._rows
            rows = slice(first, first + self.block_rows[block])
            X, y, weight = (None if a is None else a[rows] for a in self._arrays)
            X = X if X.ndim == 2 else X.reshape(len(X), -1)
            yield Piece(X, y, weight, self.name, first)
            del X, y, weight
            if self._forget is not None:
                self._forget()

    def identity(self):
        """See `Source`."""
        kinds = [None if a is None else [a.dtype.str, *a.shape] for a in self._arrays]
        return {**super().identity(), "arrays": kinds, "content": content_of(self)}


def joined(parts):
    """[X, y, weight], or whatever arrays each of the parts has; one that is missing is None."""
    if len(parts) == 1:
        return parts[0]
    return [
        None if arrays[0] is None else np.concatenate(arrays) for arrays in zip(*parts, strict=True)
    ]


def content_of(source: Source) -> str:
    """SHA-256 of all its rows."""
    digest = hashlib.sha256()
    for piece in source.pieces():
        for array in (piece.X, piece.y, piece.weight):
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def rows_of_piece(row_bytes: int) -> int:
    """How many rows of that size a piece has."""
    return min(MOST_ROWS, max(1, PIECE_BYTES // max(1, row_bytes)), MAX_SIZE)


def _cut(n_rows, at_a_time):
    whole, rest = divmod(n_rows, at_a_time)
    return (at_a_time,) * whole + ((rest,) if rest else ())


def as_piece(item: Any, place: str, first_row: int) -> Piece:
    """What a callable or an iterable yields, as a Piece."""
    if not isinstance(item, tuple | list) or len(item) not in (2, 3):
        given = f"{len(item)} items" if isinstance(item, tuple | list) else type(item).__name__
        raise TypeError(f"{place} is {given}: expected (X, y) or (X, y, weight)")
    X, y, weight = (*item, None)[:3]
    return Piece(np.asarray(X), np.asarray(y), weight, place, first_row)
