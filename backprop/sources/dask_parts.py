"""dask's arrays and frames: a block is a chunk or a partition, worked out when it is read."""

from __future__ import annotations

import numpy as np

from backprop.sources.arrow_data import TableSource
from backprop.sources.columns import need_pyarrow
from backprop.sources.source import Source, as_piece, rows_of_piece


class DaskArraySource(Source):
    """Arrays whose rows are chunked alike, each chunk with all columns.

    Parameters
    ----------
    X, y, weight : dask.array.Array
        weight may be None; y and weight may be chunked otherwise, and are chunked anew.
    """

    name = "the dask array"

    def __init__(self, X, y, weight=None):
        if not all(hasattr(a, "rechunk") for a in (X, y, weight) if a is not None):
            raise TypeError("X, y and sample_weight: expected dask arrays, as one of them is")
        X = X.rechunk({axis: -1 for axis in range(1, X.ndim)})
        if np.isnan(X.chunks[0]).any():
            raise ValueError("X has chunks of unknown size: expected X.compute_chunk_sizes()")
        given = {"y": y, "sample_weight": weight}
        self._arrays = (X, *(_as_chunked(name, array, X) for name, array in given.items()))
        self.block_rows = tuple(int(n) for n in X.chunks[0])
        self.n_rows = sum(self.block_rows)

    def pieces(self, blocks=None):
        """See `Source`."""
        import dask

        starts = np.cumsum([0, *self.block_rows])
        for block in range(len(self.block_rows)) if blocks is None else blocks:
            there = [a for a in self._arrays if a is not None]
            there = [a.blocks[(block, *(0,) * (a.ndim - 1))] for a in there]
            found = dask.compute(*there, scheduler="synchronous")
            size = rows_of_piece(found[0][:1].nbytes)
            for start in range(0, len(found[0]), size):
                part = tuple(a[start : start + size] for a in found)
                yield as_piece(part, self.name, int(starts[block]) + start)


def _as_chunked(name, array, X):
    if array is None:
        return None
    if len(array) != len(X):
        raise ValueError(f"{name} has {len(array):,} rows: expected {len(X):,}, as X")
    return array.rechunk({0: X.chunks[0], **{axis: -1 for axis in range(1, array.ndim)}})


class DaskFrameSource(Source):
    """A dask frame; a block is a partition, whose rows nobody knows before it is worked out.

    Partitions come in their order: what is shuffled are the rows in the buffer.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame
    target, columns, weight
        Names: see `backprop.sources.arrow`.
    """

    name = "the dask frame"

    def __init__(self, frame, target, columns=None, weight=None):
        need_pyarrow(self.name)
        self._frame, self._options = frame, (target, columns, weight)

    def pieces(self, blocks=None):
        """See `Source`."""
        import pyarrow

        for number in range(self._frame.npartitions):
            part = self._frame.partitions[number].compute(scheduler="synchronous")
            if not len(part):
                continue
            table = TableSource(
                pyarrow.Table.from_pandas(part, preserve_index=False), *self._options
            )
            for piece in table.pieces():
                yield piece._replace(place=f"{self.name}, partition {number + 1}")
