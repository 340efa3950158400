"""What is a source, and of which kind: what is not installed is not imported to find out."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from backprop.sources.source import Source
from backprop.validation import check_path

_NPZ, _NPY = ".npz", ".npy"


def open_source(thing, target=None, *, columns=None, weight=None, reads=None):
    """A `Source` of whatever `Network.fit` takes as one.

    Parameters
    ----------
    thing : Source, str, os.PathLike, pyarrow's or dask's object, callable or iterable
        What its rows are.
    target : str or sequence of str, optional
        The column to predict, of what has columns; a dask array, of one.
    columns, weight
        Names: see `backprop.sources.parquet`.
    reads : class, optional
        What makes pieces of record batches, in place of `Columns`.

    Raises
    ------
    TypeError
        For what is none, or lacks the name of its target.
    """
    if isinstance(thing, Source):
        _refuse_names(thing, target, columns, weight)
        return thing
    names = {"target": target, "columns": columns, "weight": weight}
    for is_kind, open_kind in (
        (lambda: isinstance(thing, str | os.PathLike), _of_path),
        (lambda: is_from(thing, "pyarrow"), _of_arrow),
        (lambda: is_from(thing, "dask", "dask_expr"), _of_dask),
    ):
        if is_kind():
            return open_kind(thing, **names, **({} if reads is None else {"reads": reads}))
    from backprop.sources.made_blocks import BlocksSource

    _refuse_names(type(thing).__name__, target, columns, weight)
    return BlocksSource(thing)


def is_source(X, y):
    """Whether `fit` is to read X as a source: by what it is, or since it comes without y."""
    if isinstance(X, Source | str | os.PathLike):
        return True
    if is_from(X, "dask", "dask_expr"):
        return True
    is_named = isinstance(y, str) or (
        isinstance(y, list | tuple) and len(y) > 0 and all(isinstance(name, str) for name in y)
    )
    if is_from(X, "pyarrow") and (y is None or is_named):
        return True
    has_rows = hasattr(X, "__array__") or hasattr(X, "__dataframe__") or hasattr(X, "nnz")
    return y is None and not has_rows and (callable(X) or hasattr(X, "__iter__"))


def validation_source(data):
    """The `Source` that validation_data is, alone or with names of its columns; None of arrays."""
    if isinstance(data, Source) or callable(data):
        return open_source(data)
    if isinstance(data, tuple | list) and len(data) in (2, 3) and is_source(data[0], data[1]):
        return open_source(data[0], data[1], weight=data[2] if len(data) == 3 else None)
    return None


def is_from(thing, *packages):
    """Whether its class, or one that this is made of, is a package's that has been imported."""
    if not any(package in sys.modules for package in packages):
        return False
    return any(kind.__module__.partition(".")[0] in packages for kind in type(thing).__mro__)


def _refuse_names(what, target, columns, weight):
    given = {"y": target, "columns": columns, "sample_weight": weight}
    for name, value in given.items():
        if value is not None:
            raise TypeError(f"{name}: expected None, since {what} comes with all that it has")


def _need_target(what, target):
    if target is None:
        raise TypeError(f"y is missing: expected the name of the column of {what} to predict")


def _of_path(path, target, columns, weight, **reads):
    path = check_path(path)
    if path.suffix in (_NPZ, _NPY):
        if path.suffix == _NPZ and target is None and columns is None:
            from backprop.sources.mapped import npz_source

            return npz_source(path, weight=weight)
        raise TypeError(
            f"{path}: expected backprop.sources.npz(path, X=…, y=…), or .npy(path of X, path of y)"
        )
    _need_target(path, target)
    if _is_csv(path):
        from backprop.sources.arrow_data import csv_files

        return csv_files(path, target, columns, weight, **reads)
    if path.exists() and not path.is_dir() and not _is_parquet(path):
        raise ValueError(
            f"{path}: cannot tell what kind of file this is: expected .parquet, .csv, .npz, or a "
            "folder of Parquet or CSV files"
        )
    from backprop.sources.parquet_files import ParquetSource

    return ParquetSource(path, target, columns, weight, **reads)


def _is_parquet(path):
    from backprop.sources.parquet_files import ENDINGS

    return path.suffix.lower() in ENDINGS


def _is_csv(path):
    """A CSV file, or a folder that has some and no Parquet."""
    if not path.is_dir():
        return path.suffix.lower() in (".csv", ".tsv")
    endings = {file.suffix.lower() for file in Path(path).rglob("*")}
    return ".csv" in endings and not endings & {".parquet", ".pq"}


def _of_arrow(thing, target, columns, weight, **reads):
    import pyarrow

    from backprop.sources import arrow_data

    _need_target(f"the {type(thing).__name__}", target)
    if isinstance(thing, pyarrow.Table | pyarrow.RecordBatch):
        return arrow_data.TableSource(thing, target, columns, weight, **reads)
    if isinstance(thing, pyarrow.RecordBatchReader):
        return arrow_data.ReaderSource(thing, target, columns, weight)
    if hasattr(thing, "get_fragments"):
        return arrow_data.DatasetSource(thing, target, columns, weight, **reads)
    raise TypeError(
        f"X is pyarrow's {type(thing).__name__}: expected a Table, a RecordBatch, a "
        "RecordBatchReader or a Dataset"
    )


def _of_dask(thing, target, columns, weight):
    from backprop.sources.dask_parts import DaskArraySource, DaskFrameSource

    if hasattr(thing, "npartitions") and hasattr(thing, "columns"):
        _need_target("the dask frame", target)
        return DaskFrameSource(thing, target, columns, weight)
    if hasattr(thing, "chunks"):
        if columns is not None:
            raise TypeError("columns: expected None, since a dask array has no names")
        _need_target("the dask array", target)
        return DaskArraySource(thing, target, weight)
    raise TypeError(f"X is dask's {type(thing).__name__}: expected an array or a frame")
