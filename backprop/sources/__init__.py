"""Rows that need not fit into memory: what `Network.fit` reads a piece at a time.

``net.fit("rows.parquet", "price")`` opens one by itself; the functions here say more, and each of
them returns a `Source` for ``net.fit(source)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backprop.sources.opening import open_source
from backprop.sources.source import Piece, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from os import PathLike
    from typing import Any

    from backprop.sources.prepared_rows import PreparedSource

    Path = str | PathLike[str]

__all__ = [
    "Piece",
    "Source",
    "arrow",
    "blocks",
    "csv_folder",
    "dask",
    "npy",
    "npz",
    "open_source",
    "parquet",
    "prepared",
]


def parquet(
    path: Path | Sequence[Path],
    target: str | Sequence[str],
    columns: Sequence[str] | None = None,
    weight: str | None = None,
) -> Source:
    """A Parquet file, a folder of them, or a list; pyarrow reads them a row group at a time.

    Parameters
    ----------
    path : str, os.PathLike or a list of them
        The files of a folder come in the order of their names.
    target : str or sequence of str
        The column to predict; several are y of as many columns.
    columns : sequence of str, optional
        The inputs, in this order; by default all other columns.
    weight : str, optional
        The column of sample weights.

    Raises
    ------
    ValueError, TypeError
        Naming the file and the column: one that is not there, or not of numbers; a file with other
        columns than the first.
    ImportError
        Without pyarrow, which the extra ``parquet`` brings.
    """
    from backprop.sources.parquet_files import ParquetSource

    return ParquetSource(path, target, columns, weight)


def arrow(
    data: Any,
    target: str | Sequence[str],
    columns: Sequence[str] | None = None,
    weight: str | None = None,
) -> Source:
    """A pyarrow Table, RecordBatch, RecordBatchReader or Dataset.

    Parameters
    ----------
    data : pyarrow object
        A reader can be read once, for one epoch.
    target, columns, weight
        As for `parquet`.
    """
    return open_source(data, target, columns=columns, weight=weight)


def csv_folder(
    path: Path | Sequence[Path],
    target: str | Sequence[str],
    columns: Sequence[str] | None = None,
    weight: str | None = None,
    delimiter: str = ",",
) -> Source:
    """A CSV file of numbers, a folder of them, or a list, read by pyarrow.dataset.

    The rows are counted when it is opened, which reads all files once.

    Parameters
    ----------
    path, target, columns, weight
        As for `parquet`.
    delimiter : str
        Between two columns.
    """
    from backprop.sources.arrow_data import csv_files

    return csv_files(path, target, columns, weight, delimiter)


def npz(path: Path, X: str = "X", y: str = "y", weight: str | None = None) -> Source:
    """Members of an `.npz` archive, mapped into memory where they stand.

    Parameters
    ----------
    path : str or os.PathLike
        What ``np.savez`` wrote; what ``np.savez_compressed`` wrote is refused.
    X, y, weight : str
        Names of the members. X of more than two dimensions becomes rows of numbers.
    """
    from backprop.sources.mapped import npz_source

    return npz_source(path, X, y, weight)


def npy(X: Path, y: Path, weight: Path | None = None) -> Source:
    """`.npy` files, mapped into memory."""
    from backprop.sources.mapped import npy_source

    return npy_source(X, y, weight)


def blocks(
    make: Callable[[], Iterable[tuple[Any, ...]]] | Iterable[tuple[Any, ...]],
    n_rows: int | None = None,
) -> Source:
    """Blocks (X, y) or (X, y, weight) that a function or an iterable yields.

    Parameters
    ----------
    make : callable or iterable
        A callable is called anew each epoch, in a thread of its own. An iterator, such as a
        generator, serves one epoch.
    n_rows : int, optional
        Of all blocks together, where it is known.
    """
    from backprop.sources.made_blocks import BlocksSource

    return BlocksSource(make, n_rows)


def dask(
    X: Any,
    y: Any,
    columns: Sequence[str] | None = None,
    weight: Any = None,
) -> Source:
    """dask arrays X, y and weight; or a dask frame X and names of its columns, as for `parquet`."""
    return open_source(X, y, columns=columns, weight=weight)


def prepared(
    data: Any,
    target: str | Sequence[str],
    *,
    task: str = "auto",
    drop: Sequence[str] = (),
    key: Sequence[str] = (),
    n_pieces: int = 0,
    validation: float = 0.0,
    seed: int = 0,
) -> tuple[PreparedSource, PreparedSource | None]:
    """A table of numbers, text and dates as what `backprop train` makes of one.

    All rows are read once to learn means, spreads and categories of the rows that are trained on;
    quantiles, where there are `n_pieces`, are those of a sample of 100,000.

    Parameters
    ----------
    data : str, os.PathLike, pyarrow.Table, RecordBatch or Dataset
        Parquet or CSV, a file or a folder.
    target : str or sequence of str
        The column to predict.
    task, drop, key, n_pieces
        As of `backprop train`.
    validation : float
        Share of the rows that are held out, drawn by the seed.
    seed : int
        Of the rows held out, and of the sample.

    Returns
    -------
    training : PreparedSource
        With ``n_inputs`` and ``preprocessing``.
    held_out : PreparedSource or None
    """
    from backprop.sources.prepared_rows import open_tables, prepare

    targets = (target,) if isinstance(target, str) else tuple(target)
    settings = {"task": task, "drop": drop, "key": key, "n_pieces": n_pieces}
    return prepare(open_tables(data), targets, share=validation, seed=seed, **settings)
