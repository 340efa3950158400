"""Frames, of whatever library narwhals knows, and ``preprocess="auto"``: columns to numbers.

A frame's columns are met by name: other names, or the same in another order, are refused in
scikit-learn's words, whichever library the frame is of. The preprocessing is `backprop train`'s.

What a column is, numbers or text, is decided once, when it is learned from: by its type, and of
`object`, which says nothing, by its values. Afterwards it is what was learned, whatever rows come.
"""

from numbers import Real

import narwhals as nw
import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from backprop.estimators.callers import warn
from backprop.tabular.pieces import intervals, pieces_of
from backprop.tabular.preprocessing import Preprocessing
from backprop.tabular.tables import Table, as_numbers, label

# What `object` mostly holds where it holds numbers, which then need not be read from text.
NUMBERS = {float, int, np.float64, np.float32, np.int64, type(None)}
MISSING = ("NAType", "NaTType")  # pandas' types of what is missing, with which nothing compares


def learned(table, rows, weights, y, n_pieces=0):
    """A `Preprocessing` fitted to some rows of the columns; those of weight 0 are not looked at.

    `y`: (n, k) numbers, or 0/1 for each class, by whose means many categories are encoded.
    """
    if table.n_rows == 1:
        raise ValueError("preprocess='auto' learns nothing from n_samples=1")
    rows = np.arange(table.n_rows) if rows is None else rows
    if weights is not None:
        rows = rows[weights[rows] > 0]
        weights = weights[rows]
    preprocessing = Preprocessing(n_pieces=n_pieces)
    found = preprocessing.fit_columns(table, None, rows, weights, y[rows])
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


def frame_of(X):
    """X as narwhals has it, where it is a frame; None of arrays and lists."""
    if isinstance(X, np.ndarray | list | tuple) or issparse(X):
        return None
    try:
        found = nw.from_native(X, eager_only=True, pass_through=True)
    except nw.exceptions.DuplicateError:  # of pandas, which scikit-learn takes by position
        return None
    if isinstance(found, nw.DataFrame):
        return found
    if hasattr(X, "__arrow_c_stream__"):
        import pyarrow

        try:
            return nw.from_native(pyarrow.table(X))
        except pyarrow.ArrowInvalid:  # of one column without a name, as a Series is
            return None
    return None


def check_names(model, X, frame, reset):
    """That these columns are those of the fit; `reset`: this is the fit, and they are kept."""
    names = None if frame is None else list(frame.columns)
    if names is None or not all(isinstance(name, str) for name in names):
        validate_data(model, X, reset=reset, skip_check_array=True)
        return
    if reset:
        model.feature_names_in_, model.n_features_in_ = np.array(names, object), len(names)
        return
    seen = getattr(model, "feature_names_in_", None)
    n_seen = getattr(model, "n_features_in_", len(names))
    kind = type(model).__name__
    if seen is None:
        warn(f"X has feature names, but {kind} was fitted without feature names")
    elif names != [*seen]:
        raise ValueError(_named_otherwise(names, [*seen]))
    if len(names) != n_seen:
        raise ValueError(
            f"X has {len(names)} features, but {kind} is expecting {n_seen} features as input."
        )


def _named_otherwise(names, seen):
    """In scikit-learn's words."""
    lines = ["The feature names should match those that were passed during fit."]
    parts = {
        "Feature names unseen at fit time:": sorted({*names} - {*seen}),
        "Feature names seen at fit time, yet now missing:": sorted({*seen} - {*names}),
    }
    for title, found in parts.items():
        if found:
            lines += [title, *(f"- {name}" for name in found[:5]), *["- ..."][: len(found) > 5]]
    if len(lines) == 1:
        lines.append("Feature names must be in the same order as they were in fit.")
    return "\n".join(lines) + "\n"


def precision(X, frame):
    """float32 where all that is fractional in X is, else float64."""
    if frame is None:
        sizes = {X.dtype.itemsize} if X.dtype.kind == "f" else ()
    else:  # a pandas type that narwhals does not know may be of any width
        wide = [d for d in frame.schema.dtypes() if d.is_float() or d == nw.Unknown]
        sizes = {4 if dtype == nw.Float32 else 8 for dtype in wide}
    return np.float32 if sizes and max(sizes) <= 4 else np.float64


def checked(X, frame):
    """A frame as it is, anything else as an array; neither is empty."""
    if issparse(X):  # standardised, nothing of it would be sparse
        raise ValueError("X is sparse: preprocess='auto' expects a DataFrame or a dense array")
    if frame is not None:
        for n, what in zip(frame.shape, ("sample", "feature"), strict=True):
            if n == 0:  # in the words that `check_array` has for an array
                raise ValueError(
                    f"Found array with 0 {what}(s) (shape={frame.shape}) while a minimum of 1 is "
                    "required by preprocess='auto'."
                )
        return X
    if hasattr(X, "collect"):
        raise ValueError(
            f"X is a {type(X).__name__}: preprocess='auto' expects a frame of rows, X.collect()"
        )
    if hasattr(X, "columns"):
        raise ValueError("X has several columns of one name: preprocess='auto' expects a name each")
    if isinstance(X, list | tuple) and np.asarray(X).dtype.kind in "SU":
        X = np.array(X, object)  # in which the numbers beside a column of text are numbers
    return check_array(X, dtype=None, ensure_all_finite="allow-nan", estimator="preprocess='auto'")


def as_table(X, frame, preprocessing=None):
    """The columns of a frame or an array: numbers, or text with None where it is missing.

    `preprocessing`: what was learned from others like them, which are the same by position.
    """
    names = [f"x{i}" for i in range(X.shape[1])] if frame is None else [*map(str, frame.columns)]
    learned = [None] * len(names) if preprocessing is None else preprocessing.columns
    columns = []
    for i, (name, column) in enumerate(zip(names, learned, strict=True)):
        kind = None if column is None else column.kind
        if frame is None:
            columns.append(_of_array(X[:, i], name, kind))
        else:
            columns.append(_of_series(frame[:, i], name, kind))
    # after the fit, whose names an array does not have
    names = names if preprocessing is None else [column.name for column in learned]
    return Table(tuple(names), tuple(columns), "X")


def _of_series(series, name, kind):
    dtype, native = series.dtype, series.to_native()
    if getattr(native, "dtype", None) == np.dtype(object):  # of pandas, which says nothing
        return _of_objects(series.to_numpy(), kind)
    if dtype == nw.Unknown and series.null_count() == len(series):  # Arrow's type of no value
        return _of_objects(np.full(len(series), None), kind)
    if dtype.is_numeric() or dtype == nw.Boolean:
        numbers = series.cast(nw.Float64).to_numpy().astype(np.float64)
        if np.isinf(numbers).any():  # as `checked` has it of an array
            raise ValueError(f"X contains infinity in column {name!r}")
        return numbers
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        return _text(series.to_numpy(), kind)
    if dtype in (nw.Datetime, nw.Date):
        return _instants(series, dtype)
    if dtype == nw.Duration:
        return series.dt.total_microseconds().cast(nw.Float64).to_numpy() / 1e6
    if dtype.is_temporal() or dtype.is_nested():
        _refuse(name, native)
    values = np.asarray(native)  # of a type that narwhals does not know
    return _of_array(values, name, kind, native)


def _instants(series, dtype):
    """In UTC where they have a time zone."""
    if dtype == nw.Date:
        series = series.cast(nw.Datetime("us"))
    elif dtype.time_zone is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return series.to_numpy().astype("datetime64[us]")


def _refuse(name, column):
    dtype = getattr(column, "dtype", None) or column.type
    raise ValueError(
        f"column {name!r} is {dtype}: preprocess='auto' expects numbers, dates, categories or "
        "strings"
    )


def _of_array(values, name, kind, column=None):
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]")
    if values.dtype.kind in "SU":
        return _text(values.astype(object), kind)
    if values.dtype.kind == "O" and column is None:
        return _of_objects(values, kind)
    return _refuse(name, values if column is None else column)


def _of_objects(values, kind):
    """Numbers where all of them are, unless it has been learned what they are."""
    if kind != "text" and NUMBERS.issuperset(map(type, values)):
        return values.astype(np.float64)  # None as NaN
    text = _text(values, kind)
    numbers = as_numbers(text) if kind is None else None
    return text if numbers is None else numbers


def _text(values, kind):
    """As strings, numbers among them as `label` writes them; None where missing."""
    words = {}  # of what is no string: a category is one object for all of its rows

    def word(value):
        if isinstance(value, float) and value != value:  # of which each may be its own object
            return None
        key = type(value), value
        if key not in words:
            words[key] = _word(value, kind)
        return words[key]

    return np.array([v if type(v) is str else word(v) for v in values], object)


def _word(value, kind):
    if value is None or type(value).__name__ in MISSING or value != value:
        return None
    if isinstance(value, np.bool_):
        value = bool(value)
    is_number = isinstance(value, Real) and (kind == "numeric" or not isinstance(value, bool))
    return label(value) if is_number else str(value)


class Rows:
    """What `transformed` makes of a few rows, where nothing in them has to be said or looked up.

    That is numbers within what was learned from, and known words. Each has the bits that the long
    way gives it.
    """

    MOST = 16  # rows of objects, which are looked at one by one
    BLOCK = 128  # rows whose pieces are worked out at once
    PLAIN = NUMBERS - {type(None)} | {bool, np.bool_}

    def __init__(self, preprocessing):
        self.preprocessing, self.n_inputs = preprocessing, preprocessing.n_inputs
        self.columns, self.places, self.pieces, self.words = [], [], [], []
        numeric, start = [], 0
        for i, column in enumerate(preprocessing.columns):
            if column.kind == "numeric":
                self.columns.append(i)
                self.places.append(start)
                for k, ends in enumerate(zip(*intervals(column.edges), strict=True)):
                    self.pieces.append((len(numeric), start + 1 + k, *ends))
                numeric.append(column)
            elif column.kind == "text":
                words = {word: start + k for k, word in enumerate(column.categories)}
                self.words.append((i, words))
            start += column.width
        self.mean, self.std = (
            np.array([getattr(column, name) for column in numeric]) for name in ("mean", "std")
        )
        self.low = np.array([column.lowest for column in numeric]) - self.std
        self.high = np.array([column.highest for column in numeric]) + self.std
        self.pieces = [np.array(part) for part in zip(*self.pieces, strict=True)]

    def __call__(self, values):
        """float64 of (n, n_inputs), or None."""
        is_mixed = values.dtype == object
        if (is_mixed and len(values) > self.MOST) or (not is_mixed and self.words):
            return None
        numbers = values[:, self.columns]
        if is_mixed and not self.PLAIN.issuperset(map(type, numbers.flat)):
            return None
        numbers = numbers.astype(np.float64)
        if not ((numbers >= self.low) & (numbers <= self.high)).all():
            return None
        X = np.zeros((len(values), self.n_inputs))
        X[:, self.places] = (numbers - self.mean) / self.std
        self._write_pieces(numbers, X)
        for i, words in self.words:
            for row, word in zip(X, values[:, i], strict=True):
                place = words.get(word) if type(word) is str else None
                if place is None:
                    return None
                row[place] = 1
        return X

    def _write_pieces(self, numbers, X):
        """Of all columns at once, which takes a hundredth of the time for one row."""
        if not self.pieces:
            return
        columns, places, low, width = self.pieces
        for start in range(0, len(X), self.BLOCK):
            rows = slice(start, start + self.BLOCK)
            X[rows, places] = pieces_of(numbers[rows, columns], low, width)
