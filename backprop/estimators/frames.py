"""``preprocess="auto"``: any columns to numbers, by the preprocessing of `backprop train`."""

import numpy as np
from sklearn.utils import check_array

from backprop.preprocessing import Preprocessing
from backprop.tables import Table, as_numbers


def learned(table, weights):
    """A `Preprocessing` fitted to the columns; rows of weight 0 are not looked at."""
    if table.n_rows == 1:
        raise ValueError("preprocess='auto' learns nothing from n_samples=1")
    if weights is None:
        return Preprocessing().fit_columns(table)
    rows = np.flatnonzero(weights)
    return Preprocessing().fit_columns(table, None, rows, weights[rows])


def transformed(preprocessing, table, dtype):
    """The inputs of the network, float32 where X was, else float64."""
    return preprocessing.transform(table, dtype=np.float32 if dtype == np.float32 else np.float64)


def as_table(X):
    """The columns of a DataFrame or an array: numbers, or text with None where it is missing."""
    if hasattr(X, "columns") and hasattr(X, "iloc"):
        names = tuple(str(name) for name in X.columns)
        columns = tuple(_column(X.iloc[:, i]) for i in range(len(names)))
    else:
        X = check_array(X, dtype=None, ensure_all_finite="allow-nan", estimator="preprocess='auto'")
        names = tuple(f"x{i}" for i in range(X.shape[1]))
        columns = tuple(_values(X[:, i]) for i in range(X.shape[1]))
    return Table(names, columns, "X")


def _column(series):
    """A pandas column: categories and strings are text, all else is tried as numbers."""
    missing = series.isna().to_numpy()
    if str(series.dtype) in ("category", "object", "string", "str"):
        return _values(np.where(missing, None, series.astype(object).to_numpy()))
    return np.where(missing, np.nan, series.to_numpy(dtype=np.float64, na_value=np.nan))


def _values(values):
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    values = np.array(
        [None if value is None or value != value else str(value) for value in values], object
    )
    numbers = as_numbers(values)
    return values if numbers is None else numbers
