"""A function or an iterable that yields blocks of rows: (X, y) or (X, y, weight)."""

from __future__ import annotations

from collections.abc import Iterator

from backprop.sources.arrow_data import check_one_epoch, take
from backprop.sources.source import Source, as_piece
from backprop.validation import check_integer


class BlocksSource(Source):
    """Blocks in the order in which they come.

    Parameters
    ----------
    make : callable or iterable
        A callable returns an iterable, and is called anew each epoch. An iterable that is not an
        iterator, such as a list, is gone through anew.
    n_rows : int, optional
        Of all blocks, where it is known.
    """

    rereads = False

    def __init__(self, make, n_rows=None):
        if not (callable(make) or hasattr(make, "__iter__")):
            raise TypeError(
                f"blocks: {type(make).__name__} can be neither called nor gone through: expected a "
                "function or an iterable of (X, y)"
            )
        self.n_rows = None if n_rows is None else check_integer("n_rows", n_rows, 1)
        self.name = f"{getattr(make, '__name__', type(make).__name__)}"
        self._is_once = isinstance(make, Iterator)
        self._make = make

    def check_epochs(self, epochs):
        """See `Source`."""
        if self._is_once:
            check_one_epoch(self.name, epochs)

    def pieces(self, blocks=None):
        """See `Source`."""
        make = take(self, "_make") if self._is_once else self._make
        found = iter(make() if callable(make) else make)
        first_row = 0
        try:
            for number, item in enumerate(found):
                piece = as_piece(item, f"{self.name}, block {number}", first_row)
                yield piece._replace(first_row=0)
                first_row += len(piece.X)
                del item, piece
        finally:
            if hasattr(found, "close"):
                found.close()

    def identity(self):
        """See `Source`."""
        return {**super().identity(), "rows": self.n_rows}
