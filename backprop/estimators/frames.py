"""``preprocess="auto"``: any columns to numbers, by the preprocessing of `backprop train`.

What a column is, numbers or text, is decided once, when it is learned from: by its type, and of
`object`, which says nothing, by its values. Afterwards it is what was learned, whatever rows come.
"""

from numbers import Real

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array

from backprop.estimators.callers import warn
from backprop.tabular.preprocessing import Preprocessing
from backprop.tabular.tables import Table, as_numbers, label

# What `object` mostly holds where it holds numbers, which then need not be read from text.
NUMBERS = {float, int, np.float64, np.float32, np.int64, type(None)}
MISSING = ("NAType", "NaTType")  # pandas' types of what is missing, with which nothing compares


def learned(table, rows, weights, y):
    """A `Preprocessing` fitted to some rows of the columns; those of weight 0 are not looked at.

    `y`: (n, k) numbers, or 0/1 for each class, by whose means many categories are encoded.
    """
    if table.n_rows == 1:
        raise ValueError("preprocess='auto' learns nothing from n_samples=1")
    rows = np.arange(table.n_rows) if rows is None else rows
    if weights is not None:
        rows = rows[weights[rows] > 0]
        weights = weights[rows]
    found = Preprocessing().fit_columns(table, None, rows, weights, None if y is None else y[rows])
    unused = [f"{c.name!r} ({c.reason})" for c in found.columns if c.kind == "dropped"]
    if unused:
        warn(f"preprocess='auto' does not use {', '.join(unused)}")
    return found


def transformed(preprocessing, table, dtype):
    """The inputs of the network, with a warning for what training did not have."""
    notes = []
    X = preprocessing.transform(table, dtype=dtype, notes=notes)
    if notes:
        warn(f"preprocess='auto': {'; '.join(notes)}")
    return X


def precision(X):
    """float32 where all that is fractional in X is, else float64."""
    types = list(X.dtypes) if is_frame(X) else [getattr(X, "dtype", np.dtype(float))]
    # the types of pandas' sparse columns have no itemsize
    sizes = [getattr(dtype, "itemsize", 8) for dtype in types if dtype.kind == "f"]
    return np.float32 if sizes and max(sizes) <= 4 else np.float64


def checked(X):
    """A DataFrame as it is, anything else as an array; neither is empty."""
    if issparse(X):  # standardised, nothing of it would be sparse
        raise ValueError("X is sparse: preprocess='auto' expects a DataFrame or a dense array")
    if is_frame(X):
        for n, what in zip(X.shape, ("sample", "feature"), strict=True):
            if n == 0:  # in the words that `check_array` has for an array
                raise ValueError(
                    f"Found array with 0 {what}(s) (shape={X.shape}) while a minimum of 1 is "
                    "required by preprocess='auto'."
                )
        return X
    if isinstance(X, list | tuple) and np.asarray(X).dtype.kind in "SU":
        X = np.array(X, object)  # in which the numbers beside a column of text are numbers
    return check_array(X, dtype=None, ensure_all_finite="allow-nan", estimator="preprocess='auto'")


def is_frame(X):
    return hasattr(X, "columns") and hasattr(X, "iloc")


def as_table(X, preprocessing=None):
    """The columns of a DataFrame or an array: numbers, or text with None where it is missing.

    `preprocessing`: what was learned from others like them, which are the same by position.
    """
    learned = [None] * X.shape[1] if preprocessing is None else preprocessing.columns
    names, columns = [], []
    for i, column in enumerate(learned):
        named = str(X.columns[i]) if is_frame(X) else f"x{i}"
        kind = None if column is None else column.kind
        names.append(named if column is None else column.name)
        columns.append((_of_series if is_frame(X) else _of_array)(X, i, named, kind))
    return Table(tuple(names), tuple(columns), "X")


def _of_series(frame, i, name, kind):
    from pandas import CategoricalDtype
    from pandas.api import types

    series = frame.iloc[:, i]
    dtype, missing = series.dtype, series.isna().to_numpy()
    if (types.is_numeric_dtype(dtype) or dtype.kind == "b") and dtype.kind != "c":
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
        if np.isinf(numbers).any():  # as `checked` has it of an array
            raise ValueError(f"X contains infinity in column {name!r}")
        return np.where(missing, np.nan, numbers)
    if dtype.kind == "M":
        instants = series.dt.tz_convert("UTC").dt.tz_localize(None) if has_zone(dtype) else series
        return instants.to_numpy("datetime64[us]")
    if dtype.kind == "m":
        return np.where(missing, np.nan, series.dt.total_seconds().to_numpy(np.float64))
    if dtype.kind == "c" or dtype.name.startswith("period"):
        raise ValueError(
            f"column {name!r} is {dtype}: preprocess='auto' expects numbers, dates, categories or "
            "strings"
        )
    if isinstance(dtype, CategoricalDtype):
        words = _text([*series.cat.categories, None], kind)
        return words[series.cat.codes.to_numpy()]  # -1 where missing: the last
    values = np.where(missing, None, series.astype(object).to_numpy())
    return _of_objects(values, kind) if dtype.name == "object" else _text(values, kind)


def has_zone(dtype):
    """Of instants: whether they are of a time zone."""
    return getattr(dtype, "tz", None) is not None


def _of_array(array, i, name, kind):
    values = array[:, i]
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]")
    if values.dtype.kind in "SU":
        return _text(values.astype(object), kind)
    if values.dtype.kind == "O":
        return _of_objects(values, kind)
    raise ValueError(
        f"column {name!r} is {values.dtype}: preprocess='auto' expects numbers or strings"
    )


def _of_objects(values, kind):
    """Numbers where all of them are, unless it has been learned what they are."""
    if kind != "text" and NUMBERS.issuperset(map(type, values)):
        return values.astype(np.float64)  # None as NaN
    text = _text(values, kind)
    numbers = as_numbers(text) if kind is None else None
    return text if numbers is None else numbers


def _text(values, kind):
    """As strings, numbers among them as `label` writes them; None where missing."""
    return np.array([v if type(v) is str else _word(v, kind) for v in values], object)


def _word(value, kind):
    if value is None or type(value).__name__ in MISSING or value != value:
        return None
    if isinstance(value, np.bool_):
        value = bool(value)
    is_number = isinstance(value, Real) and (kind == "numeric" or not isinstance(value, bool))
    return label(value) if is_number else str(value)
