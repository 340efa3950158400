"""Rows that come with their target: files, folders, Arrow, dask and sources, read into memory.

An estimator encodes labels, holds rows out and draws them as scikit-learn does, for which it has to
have them all; `Network` and `backprop train` read what does not fit.
"""

from __future__ import annotations

import os

import numpy as np

from backprop.sources.opening import is_from, is_source
from backprop.sources.prepared_rows import WholeColumns
from backprop.sources.source import Piece, Source, joined


def in_memory(X, y, sample_weight):
    """X, y and sample_weight; those that are names are columns of X, and no part of it."""
    if isinstance(X, np.ndarray) or not _is_read(X, y):
        return X, y, sample_weight
    if isinstance(X, Source) or not (
        isinstance(X, str | os.PathLike) or is_from(X, "pyarrow", "dask", "dask_expr")
    ):
        return _of_pieces(X, y, sample_weight)
    if is_from(X, "dask", "dask_expr"):
        X, y, sample_weight = map(_computed, (X, y, sample_weight))
        if not isinstance(y, str | list | tuple):
            return X, y, sample_weight
        import pyarrow

        X = pyarrow.Table.from_pandas(X, preserve_index=False)
    elif not hasattr(X, "column_names"):
        X = _table(X)
    return _parted(X, y, sample_weight)


def _is_read(X, y):
    if isinstance(X, list | tuple) or (y is None and callable(X)):
        return False
    return is_source(X, y)


def _of_pieces(X, y, sample_weight):
    from backprop.sources import open_source

    source = open_source(X, y, weight=sample_weight)
    return joined([piece[:3] for piece in source.pieces()])


def _computed(value):
    return value.compute() if is_from(value, "dask", "dask_expr") else value


def _table(data):
    """A pyarrow.Table of a path, a dataset, a batch or a reader."""
    from backprop.sources.columns import need_pyarrow

    pyarrow = need_pyarrow(f"reading {data}")
    if isinstance(data, str | os.PathLike):
        from backprop.sources.opening import open_source

        tables = open_source(data, "", reads=Batches)
        batches = [piece.X for piece in tables.pieces()]
        return pyarrow.Table.from_batches(batches)
    if hasattr(data, "to_table"):
        return data.to_table()
    if isinstance(data, pyarrow.RecordBatch):
        return pyarrow.Table.from_batches([data])
    return data.read_all()


class Batches(WholeColumns):
    """What hands record batches on as they are."""

    def piece(self, batch, place, first_row):
        """A `Piece` whose X is the batch."""
        return Piece(batch, None, None, place, first_row)


def _parted(table, y, sample_weight):
    """The columns that are named, as arrays, and the table without them."""
    from backprop.tabular.tables import nearest

    if y is None:
        raise TypeError("y is missing: expected the name of the column to predict")
    several = [y] if isinstance(y, str) else list(y)
    names = [*several, *([sample_weight] if isinstance(sample_weight, str) else [])]
    for name in names:
        if name not in table.column_names:
            raise ValueError(f"X has no column {name!r}{nearest(name, table.column_names)}")
    found = {name: _values(table, name) for name in names}
    target = found[y] if isinstance(y, str) else np.stack([found[n] for n in several], axis=1)
    weight = found[sample_weight] if isinstance(sample_weight, str) else sample_weight
    return table.drop_columns(names), target, weight


def _values(table, name):
    column = table.column(name)
    if column.null_count:
        raise ValueError(f"column {name!r} has {column.null_count:,} rows without a value")
    return column.to_numpy()
