"""Which columns of an Arrow schema are inputs, target and sample weights, and their numbers."""

from __future__ import annotations

import numpy as np

from backprop.sources.source import Piece, rows_of_piece
from backprop.tabular.tables import nearest


def need_pyarrow(what):
    """pyarrow, or an ImportError that says for what."""
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError(
            f"{what} needs pyarrow: pip install 'backprop-mlp[parquet]', or pyarrow"
        ) from error
    return pyarrow


class Columns:
    """Names and types of what is read.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of the first file.
    owner : str
        For messages.
    target : str or sequence of str
        Several make y of as many columns.
    columns : sequence of str, optional
        Inputs, in this order; by default all others.
    weight : str, optional
        Of the samples.
    """

    def __init__(self, schema, owner, target, columns=None, weight=None):
        self.is_one_target = isinstance(target, str)
        self.targets = (target,) if self.is_one_target else _names("target", target)
        self.weight = weight
        others = (*self.targets, *(() if weight is None else (weight,)))
        if columns is None:
            columns = [name for name in schema.names if name not in others]
        self.inputs = _names("columns", columns)
        self.schema_names = frozenset(schema.names)
        self.names = (*self.inputs, *others)
        if not self.inputs:
            raise ValueError(f"{owner} has no column beside {', '.join(others)}: expected inputs")
        for name in self.names:
            if schema.names.count(name) != 1:
                what = "several columns" if name in self.schema_names else "no column"
                hint = "" if name in self.schema_names else nearest(name, schema.names)
                raise ValueError(f"{owner} has {what} {name!r}{hint}")
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise ValueError(f"column {twice!r} is named twice among {', '.join(self.names)}")
        self.dtype = self.target_dtype = None
        self.check(schema, owner)

    def check(self, schema, owner):
        """That a file has the same columns, of numbers; its types widen those of X and y."""
        if self.schema_names != set(schema.names) or len(schema.names) != len(self.schema_names):
            missing = sorted(self.schema_names - set(schema.names))
            more = sorted(set(schema.names) - self.schema_names)
            found = [f"lacks {', '.join(missing)}"] if missing else []
            found += [f"has {', '.join(more)} beside them"] if more else []
            expected = f"the {len(self.schema_names)} of the first file"
            raise ValueError(
                f"{owner} has {len(schema.names)} columns: expected {expected}; "
                f"it {' and '.join(found) or 'has one of them twice'}"
            )
        types = {name: _number_type(schema.field(name), owner) for name in self.names}
        self.dtype = _widened(self.dtype, [types[name] for name in self.inputs])
        self.target_dtype = _widened(self.target_dtype, [types[name] for name in self.targets])

    @property
    def rows_of_piece(self):
        """How many rows are read at a time."""
        return rows_of_piece(len(self.names) * 8)

    def piece(self, batch, place, first_row):
        """The numbers of a record batch."""
        n = batch.num_rows
        arrays = {name: _numbers(batch.column(name), name, place, first_row) for name in self.names}
        X = np.empty((n, len(self.inputs)), self.dtype)
        for i, name in enumerate(self.inputs):
            X[:, i] = arrays[name]
        if self.is_one_target:
            y = arrays[self.targets[0]].astype(self.target_dtype, copy=False)
        else:
            y = np.empty((n, len(self.targets)), self.target_dtype)
            for i, name in enumerate(self.targets):
                y[:, i] = arrays[name]
        weight = None if self.weight is None else arrays[self.weight]
        return Piece(X, y, weight, place, first_row)


def _names(argument, names):
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{argument}={names!r}: expected names of columns")
    if not names:
        raise ValueError(f"{argument} is empty: expected names of columns")
    return tuple(names)


def _number_type(field, owner):
    """numpy's type of a column of numbers."""
    import pyarrow

    types, kind = pyarrow.types, field.type
    if types.is_boolean(kind) or types.is_integer(kind):
        return np.dtype(kind.to_pandas_dtype())
    if types.is_floating(kind):
        found = np.dtype(kind.to_pandas_dtype())
        return np.dtype("float32") if found.itemsize == 2 else found
    if types.is_decimal(kind):
        return np.dtype("float64")
    advice = "; backprop.sources.prepared makes numbers of text and dates"
    raise TypeError(f"{owner}: column {field.name!r} is {kind}: expected numbers{advice}")


def _widened(dtype, others):
    found = np.result_type(*others, *(() if dtype is None else (dtype,)))
    return np.dtype("uint8") if found == np.bool_ else found


def _numbers(column, name, place, first_row):
    """Of a column without missing values; those of a decimal one as float64."""
    if column.null_count:
        import pyarrow.compute

        row = pyarrow.compute.index(column.is_null(), True).as_py()
        raise ValueError(
            f"{place}: column {name!r} has no value in row {first_row + row + 1:,}: expected "
            "numbers"
        )
    found = column.to_numpy(zero_copy_only=False)
    return found.astype(np.float64) if found.dtype == object else found
