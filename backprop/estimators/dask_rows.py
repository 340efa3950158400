"""The rows of dask collections, a block of them at a time: how workers check and encode them.

Every block (X, y, sample_weight) is computed once, on the worker that trains on it, and checked
there. What is known of all rows, such as the classes, is put together from what each block has.
"""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import dask
import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import check_classification_targets

from backprop.dask import blocks_of, cuts_of
from backprop.estimators import frames
from backprop.estimators.inputs import checked_weights, plain


class Found(NamedTuple):
    """What one block has."""

    n_rows: int
    dtype: np.dtype | None = None  # of X
    n_columns: int = 1  # of y
    labels: np.ndarray | None = None  # of a classifier with one label a row, and their counts
    counts: np.ndarray | None = None
    has_weight: bool = False  # above 0


def parted(X, y, sample_weight):
    """X, y and sample_weight; those that are names are columns of X, and no part of it."""
    X = X if hasattr(X, "shape") else np.asarray(X)
    names = [y] if isinstance(y, str) else []
    if isinstance(y, list | tuple) and is_lazy(X):  # of a table in memory they may be labels
        names = [*y]
    several = [*names, *([sample_weight] if isinstance(sample_weight, str) else [])]
    for name in several:
        if name not in getattr(X, "columns", ()):
            raise ValueError(f"X has no column {name!r}")
    if names:
        y = X[y if isinstance(y, str) else names]
    weights = X[sample_weight] if isinstance(sample_weight, str) else sample_weight
    return X.drop(columns=several) if several else X, y, weights


def learn_columns(model, X):
    """Keep number and names of the columns; ValueError where they are no numbers."""
    if issparse(X) or issparse(getattr(X, "_meta", None)):
        raise ValueError("X is sparse: expected a dask array of numpy arrays, or a dask DataFrame")
    if getattr(X, "ndim", 2) != 2:
        raise ValueError(f"X has {X.ndim} dimensions: expected (n_samples, n_features)")
    if not hasattr(X, "columns"):
        frames.check_names(model, np.empty((0, X.shape[1])), None, True)
        return
    is_number = pd.api.types.is_numeric_dtype  # of booleans too
    others = [f"{name!r} ({dtype})" for name, dtype in X.dtypes.items() if not is_number(dtype)]
    if others:
        raise ValueError(f"X has columns {', '.join(others[:5])}: expected numbers")
    first = getattr(X, "_meta", X)[:0]
    frames.check_names(model, first, frames.frame_of(first), True)


def is_lazy(*given):
    """Whether any of them is a dask collection."""
    return any(dask.is_dask_collection(one) for one in given)


def placed(client, workers, X, y, sample_weight):
    """[(blocks of X, y, sample_weight)], and of each the worker that is to train on it."""
    if is_lazy(X, y, sample_weight):
        names = "X", "y", "sample_weight"
        several = _in_the_same_pieces(X, y, sample_weight)
        several = [blocks_of(*one) for one in zip(names, several, strict=True)]
        _check_partitions(several)
    else:
        several = [_cut(client, one, len(workers)) for one in _in_memory(X, y, sample_weight)]
    blocks = [*zip(*(one or [None] * len(several[0]) for one in several), strict=True)]
    cuts = cuts_of(len(blocks), len(workers))
    return [
        (block, worker)
        for worker, cut in zip(workers, pairwise(cuts), strict=True)
        for block in blocks[slice(*cut)]
    ]


def _in_the_same_pieces(X, *others):
    """Arrays whose rows are counted: in X's."""
    if not hasattr(X, "chunks") or np.isnan(X.shape[0]):
        return X, *others
    for name, one in zip(("y", "sample_weight"), others, strict=True):
        n_rows = one.shape[0] if hasattr(one, "chunks") else X.shape[0]
        if n_rows != X.shape[0] and not np.isnan(n_rows):
            raise ValueError(f"{name} has {n_rows} rows: expected {X.shape[0]}, as X has")
    rows = X.chunks[0]
    return X, *(
        one.rechunk({0: rows}) if hasattr(one, "chunks") and not np.isnan(one.shape[0]) else one
        for one in others
    )


def _check_partitions(several):
    for name, one in zip(("y", "sample_weight"), several[1:], strict=True):
        if one is not None and len(one) != len(several[0]):
            raise ValueError(
                f"{name} has {len(one)} partitions: expected {len(several[0])}, as X has"
            )


def _in_memory(*given):
    """Arrays, or pandas' frames and series, of one length."""
    given = [one if one is None or hasattr(one, "iloc") else np.asarray(one) for one in given]
    check_consistent_length(*given)
    return given


def _cut(client, rows, count):
    """In so many pieces, which the workers keep."""
    if rows is None:
        return None
    cuts = cuts_of(len(rows), min(count, len(rows)))
    rows = getattr(rows, "iloc", rows)
    return client.scatter([rows[a:b] for a, b in pairwise(cuts)], hash=False)


def on_workers(client, function, tasks):
    """Futures of ``function(*arguments)``, for each of [(arguments, worker)]."""
    function = dask.delayed(function, pure=False)
    return [
        client.compute(function(*arguments), workers=[worker], allow_other_workers=True)
        for arguments, worker in tasks
    ]


# ---- on a worker --------------------------------------------------------------------------------


def checked(model, X, y, weights):
    """(X, y, weights) as arrays, and what is `Found` of them; raises in scikit-learn's words."""
    n_rows = len(X)
    if not n_rows and not len(y):
        return (None, None, None), Found(0)
    X, y = model._checked_both(X, y, None)
    found = Found(n_rows, plain(X).dtype, 1 if y.ndim == 1 else y.shape[1])
    if not is_classifier(model):
        y = plain(model._known(y)).reshape(n_rows, -1)
    else:
        check_classification_targets(y)
    if is_classifier(model) and y.ndim == 1:
        labels, counts = np.unique(y, return_counts=True)
        found = found._replace(labels=labels, counts=counts)
    if weights is not None:
        weights = plain(checked_weights("sample_weight", weights, n_rows, are_all=False))
        found = found._replace(has_weight=bool(weights.any()))
    return (plain(X), y, weights), found


class Encoding(NamedTuple):
    """What all blocks together say of how each is trained on."""

    dtype: np.dtype  # of X
    binarizer: object = None  # of a classifier
    are_places: bool = False  # whether targets are the classes' places, or yes or no of each
    class_weights: np.ndarray | None = None  # one a class


def encoded(block, encoding):
    """(X, y, weights) as `Network.fit` takes them."""
    X, y, weights = block
    places = None
    if encoding.are_places or encoding.class_weights is not None:
        places = np.searchsorted(encoding.binarizer.classes_, y)
    if encoding.class_weights is not None:
        of_rows = encoding.class_weights[places]
        weights = of_rows if weights is None else of_rows * weights
    if encoding.are_places:
        y = places
    elif encoding.binarizer is not None:
        y = encoding.binarizer.transform(y).astype(bool).reshape(len(y), -1)
    return X.astype(encoding.dtype, copy=False), y, weights


def part(block, i):
    """X, y or the weights."""
    return block[i]


# ---- predictions --------------------------------------------------------------------------------


def blockwise(model, method, X):
    """A dask array of what a method gives of each block of rows; X is checked at once."""
    is_array = hasattr(X, "chunks")
    if is_array and X.ndim != 2:
        raise ValueError(f"X has {X.ndim} dimensions: expected (n_samples, n_features)")
    row = np.zeros((1, X.shape[1]), X.dtype if is_array else float)
    if not is_array:
        row = pd.DataFrame(row, columns=X.columns).astype(dict(X.dtypes))
    nothing = getattr(model, method)(row)[:0]
    function = partial(of_block, model, method, nothing)
    if not is_array:
        return X.map_partitions(function, meta=nothing)
    columns = tuple((n,) for n in nothing.shape[1:])
    return X.rechunk({1: -1}).map_blocks(
        function,
        meta=nothing,
        chunks=(X.chunks[0], *columns),
        drop_axis=None if columns else 1,
    )


def of_block(model, method, nothing, rows):
    """What a method gives of these rows; of none, `nothing`."""
    return getattr(model, method)(rows) if len(rows) else nothing
