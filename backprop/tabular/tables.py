"""Reads the user's files: CSV, ``.npz`` and Parquet. Whatever is wrong with one becomes a
`TableError`.

Decisions, and why:

A. Every column is either numbers (float64, NaN where missing) or text (Python strings, None where
   missing). A column is numbers when every value that is not missing is one; nothing is guessed
   from a sample of it.
B. A CSV is read once, in pieces, each column converted piece by piece, so that the strings of the
   whole file are never held. A column that looks like numbers at first and like text later costs a
   second pass: its first values cannot be had back from the floats ("01" was read as 1.0).
C. ``np.load`` runs with ``allow_pickle=False``: a data file must not be able to run code.
"""

import csv
import difflib
import io
import os
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

# Words for "no value", compared in lower case. The second set would be words to keep in a column of
# text.
MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "?"})
MISSING_NUMBER = MISSING | {"none", "nil", "-", "--", "."}

_CSV_SUFFIXES = (".csv", ".tsv", ".txt", ".data")
_PARQUET_SUFFIXES = (".parquet", ".pq")
_DELIMITERS = ",;\t|"
_CELLS_PER_PIECE = 1 << 20
_SAMPLE_CHARACTERS = 1 << 16


class TableError(ValueError):
    """A data file cannot be used; the message is one line that says which, where and why."""


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of equal length: float64 (missing: NaN) or objects, str (missing: None)."""

    names: tuple
    columns: tuple
    source: str = "table"
    notes: tuple = ()

    @property
    def n_rows(self):
        return len(self.columns[0])

    @cached_property
    def _places(self):
        return {name: i for i, name in enumerate(self.names)}

    def __contains__(self, name):
        return name in self._places

    def column(self, name):
        """The values of the column called `name`; `TableError`, with the nearest name, when there
        is none."""
        if name not in self._places:
            raise TableError(f"{self.source} has no column {name!r}{nearest(name, self.names)}")
        return self.columns[self._places[name]]


@dataclass(frozen=True, eq=False)
class Arrays:
    """What an ``.npz`` file holds: X as (samples, columns), y as in a `Table`; perhaps a test."""

    X: np.ndarray
    y: np.ndarray | None
    X_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    sample_shape: tuple = ()
    source: str = "arrays"
    notes: tuple = ()

    @property
    def n_rows(self):
        return len(self.X)


def read(path, text=()):
    """Read a data file.

    Parameters
    ----------
    path : str or os.PathLike
        ``.csv``, ``.tsv``, ``.txt``, ``.data`` (delimited text, UTF-8, a header line), ``.npz`` or
        ``.parquet``.
    text : iterable of str
        Columns to read as text even if they hold nothing but numbers, because a model learned them
        as text.

    Returns
    -------
    Table or Arrays

    Raises
    ------
    TableError
        For whatever is wrong with the file.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    try:
        _check_file(path)
        if suffix == ".npz":
            return _read_npz(path)
        if suffix in _PARQUET_SUFFIXES:
            return _read_parquet(path, frozenset(text))
        if suffix in _CSV_SUFFIXES:
            return _read_csv(path, frozenset(text))
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror or _one_line(error)}") from error
    raise TableError(
        f"{path}: cannot tell what kind of file this is from "
        f"{path.suffix or 'a name without extension'}; "
        "expected .csv, .tsv, .txt, .data, .npz or .parquet"
    )


def nearest(name, names):
    """``"; did you mean …?"`` with the most similar of `names`, or the list of them when none is
    similar."""
    close = difflib.get_close_matches(str(name), names, n=1)
    same = [other for other in names if other.strip().lower() == str(name).strip().lower()]
    if close or same:
        return f"; did you mean {(same or close)[0]!r}?"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"; its columns are: {shown}"


def label(value):
    """The text by which a value of a target or of a category is known: ``3.0`` is ``"3"``."""
    if isinstance(value, str):
        return value
    value = float(value)
    return str(int(value)) if value.is_integer() else repr(value)


def is_missing(text):
    """Whether a string stands for "no value" in a column of text."""
    return text.strip().lower() in MISSING


def first_not_number(values):
    """Position and string of the first value of a text column that is no number, or None."""
    for position, value in enumerate(values):
        if value is not None and _numbers([value]) is None:
            return position, value
    return None


def as_numbers(values):
    """A text column as float64 with NaN where missing, or None when some value is not a number."""
    return _numbers(["" if value is None else value for value in values])


def count(n, noun):
    """``"1 row"``, ``"2,000 rows"``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _one_line(error):
    return " ".join(str(error).split())


def _check_file(path):
    if path.is_dir():
        raise TableError(f"{path} is a directory, expected a data file")
    if not path.exists():
        folder = path.parent
        names = sorted(os.listdir(folder)) if folder.is_dir() else []
        close = difflib.get_close_matches(path.name, names, n=1)
        hint = f"; did you mean {str(folder / close[0])!r}?" if close else ""
        raise TableError(f"no such file: {str(path)!r}{hint}")
    if path.stat().st_size == 0:
        raise TableError(f"{path} is empty")


# --- CSV ------------------------------------------------------------------------------------------


class _Column:
    """One column of a CSV file while it is read, in pieces: all float64 so far, or text."""

    def __init__(self, text, decimal):
        self.text = text
        self.decimal = decimal
        self.mixed = False
        self.pieces = []
        self.strings = {}  # one object for each distinct string: a category costs a pointer a row

    def add(self, values):
        if not self.text:
            numbers = _numbers(values, self.decimal)
            if numbers is not None:
                self.pieces.append(numbers)
                return
            self.text = True
            self.mixed = bool(self.pieces)
        self.pieces.append(_text(values, self.strings))

    def finish(self):
        return np.concatenate(self.pieces)


def _numbers(values, decimal="."):
    """The strings as float64, missing ones as NaN; None when one of them is not a number."""
    if "_" in "".join(values):  # float() reads "1_000" as 1000; people write it for names
        return None
    if decimal == ",":
        if "." in "".join(values):
            return _numbers(values)
        values = [value.replace(",", ".") for value in values]
    try:
        return np.fromiter(map(float, values), np.float64, len(values))
    except ValueError:
        pass
    try:
        return np.fromiter(
            (np.nan if v.strip().lower() in MISSING_NUMBER else float(v) for v in values),
            np.float64,
            len(values),
        )
    except ValueError:
        return None


def _text(values, strings):
    column = np.empty(len(values), object)
    for i, value in enumerate(values):
        if not is_missing(value):
            value = value.strip()
            column[i] = strings.setdefault(value, value)
    return column


def _read_csv(path, text):
    try:
        names, notes, columns = _parse_csv(path, text)
        mixed = {name for name, column in zip(names, columns, strict=True) if column.mixed}
        if mixed:
            names, notes, columns = _parse_csv(path, text | mixed)
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path} is not UTF-8 text: {_undecodable(path)}; save it as UTF-8"
        ) from error
    return Table(names, tuple(column.finish() for column in columns), str(path), notes)


def _parse_csv(path, text):
    with open(path, encoding="utf-8-sig", newline="") as file:
        delimiter = _delimiter(file.read(_SAMPLE_CHARACTERS))
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
        try:
            return _parse_rows(path, reader, text, "," if delimiter == ";" else ".")
        except csv.Error as error:
            if "unexpected end" in str(error):
                reason = "a quotation mark is opened and never closed"
                raise TableError(f"{path}, line {reader.line_num}: {reason}") from error
            raise TableError(f"{path}, line {reader.line_num}: {_one_line(error)}") from error


def _parse_rows(path, reader, text, decimal):
    header = next((row for row in reader if not _is_blank(row)), None)
    if header is None:
        raise TableError(f"{path} is empty")
    names, notes, piece = tuple(name.strip() for name in header), (), []
    if _is_data(names, decimal):
        piece, names = [header], tuple(f"column{i}" for i in range(1, len(header) + 1))
        notes = (
            "no header line (the first line is numbers): the columns are called column1 … "
            f"column{len(header)}",
        )
    elif any(as_numbers([name]) is not None for name in names if not is_missing(name)):
        notes = ("some column names are numbers: is the first line of the file a header?",)
    names = _complete_names(path, names)
    columns = [_Column(name in text, decimal) for name in names]
    rows_per_piece = max(1, _CELLS_PER_PIECE // len(names))
    for row in reader:
        if len(row) != len(names):
            if _is_blank(row):
                continue
            raise TableError(
                f"{path}, line {reader.line_num}: {count(len(row), 'value')} where the header has "
                f"{len(names)}"
            )
        piece.append(row)
        if len(piece) == rows_per_piece:
            _add_piece(columns, piece)
            piece = []
    if piece:
        _add_piece(columns, piece)
    if not columns[0].pieces:
        raise TableError(f"{path} has a header line and no rows")
    return names, notes, columns


def _add_piece(columns, piece):
    for column, values in zip(columns, zip(*piece, strict=True), strict=True):
        column.add(values)


def _is_blank(row):
    return not row or (len(row) == 1 and not row[0].strip())


def _is_data(names, decimal):
    numbers = _numbers(names, decimal)
    return numbers is not None and not np.isnan(numbers).any()


def _complete_names(path, names):
    """Names for unnamed columns, as pandas calls them; a complaint about those that occur twice."""
    names = tuple(name or f"Unnamed: {i}" for i, name in enumerate(names))
    first = {}
    for i, name in enumerate(names):
        if first.setdefault(name, i) != i:
            both = f"columns {first[name] + 1} and {i + 1} are both called {name!r}"
            raise TableError(f"{path}: {both}; the first line has to name each column differently")
    return names


def _delimiter(sample):
    """Which of , ; tab | divides most lines into as many fields as the header, at least 2."""

    def agreement(delimiter):
        lines = sample.splitlines(keepends=True)
        if len(sample) == _SAMPLE_CHARACTERS:
            lines = lines[:-1] or lines
        reader = csv.reader(io.StringIO("".join(lines)), delimiter=delimiter, skipinitialspace=True)
        counts = []
        try:
            for row in reader:
                if row:
                    counts.append(len(row))
                if len(counts) == 50:
                    break
        except csv.Error:
            pass
        if not counts or counts[0] == 1:
            return (0.0, 0)
        return (sum(count == counts[0] for count in counts) / len(counts), counts[0])

    return max(_DELIMITERS, key=agreement)


def _undecodable(path):
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
                return "it looks like UTF-16"
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return f"byte 0x{line[error.start]:02x} in line {number}"
    return "its end is cut off"


# --- npz ------------------------------------------------------------------------------------------


def _read_npz(path):
    try:
        archive = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise TableError(f"{path} is not an .npz file, or a damaged one") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise TableError(
            f"{path} is not an .npz file but a single array; save it with np.savez(path, X=…, y=…)"
        )
    with archive:
        keys = {key.lower(): key for key in archive.files}
        train = ("x_train", "y_train") if "x_train" in keys else ("x", "y")
        if train[0] not in keys:
            raise TableError(
                f"{path} holds {', '.join(archive.files) or 'no arrays'}; expected x_train and "
                "y_train (and x_test, "
                "y_test), or X and y"
            )
        X, y, X_test, y_test = (
            _load_array(path, archive, keys[key]) if key in keys else None
            for key in (*train, "x_test", "y_test")
        )
    sample_shape = X.shape[1:]
    X, X_test = _samples(path, keys[train[0]], X), _samples(path, keys.get("x_test"), X_test)
    y, y_test = (
        _targets(path, keys.get(train[1]), y, X),
        _targets(path, keys.get("y_test"), y_test, X_test),
    )
    if X_test is not None and X_test.shape[1] != X.shape[1]:
        raise TableError(
            f"{path}: x_test has {X_test.shape[1]} columns a sample where x_train has {X.shape[1]}"
        )
    return Arrays(X, y, X_test, y_test, sample_shape, str(path))


def _load_array(path, archive, key):
    try:
        return archive[key]
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise TableError(
                f"{path}: array {key!r} holds Python objects, which are not read; save numbers or "
                "text"
            ) from error
        raise TableError(f"{path}: array {key!r} is damaged: {_one_line(error)}") from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        # RuntimeError: encrypted; its subclass NotImplementedError: an unknown compression
        raise TableError(f"{path}: array {key!r} cannot be read: {_one_line(error)}") from error


def _samples(path, key, X):
    """X as (samples, columns) of a dtype that Network.fit takes; not copied where it has one."""
    if X is None:
        return None
    if X.ndim == 0 or X.size == 0:
        raise TableError(
            f"{path}: array {key!r} has shape {X.shape}, expected at least one sample of one value"
        )
    if X.dtype.kind not in "biuf":
        raise TableError(f"{path}: array {key!r} has dtype {X.dtype}, expected numbers")
    if X.dtype.kind == "b":
        X = X.view(np.uint8)
    elif X.dtype.kind == "f" and X.dtype.itemsize not in (4, 8):
        X = X.astype(np.float32 if X.dtype.itemsize == 2 else np.float64)
    if not X.dtype.isnative:
        X = X.astype(X.dtype.newbyteorder("="))
    return X.reshape(len(X), -1)


def _targets(path, key, y, X):
    """y as the column of a Table: float64, or an object array of str for text and booleans."""
    if y is None or X is None:
        return None
    if y.ndim == 2 and y.shape[1] > 1:
        y = _from_one_hot(path, key, y)
    if y.ndim == 0 or y.size != len(y) or y.dtype.kind not in "biufUS":
        raise TableError(
            f"{path}: array {key!r} is {y.dtype} of shape {y.shape}, expected one value for each "
            "sample"
        )
    if len(y) != len(X):
        raise TableError(f"{path}: array {key!r} has {len(y)} values for {len(X)} samples")
    y = y.ravel()
    if y.dtype.kind in "biuf":
        return _booleans(y) if y.dtype.kind == "b" else y.astype(np.float64)
    try:
        values = np.char.decode(y, "utf-8") if y.dtype.kind == "S" else y
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: array {key!r} holds bytes that are not UTF-8 text") from error
    return _text(values.tolist(), {})


def _from_one_hot(path, key, y):
    if y.dtype.kind not in "biuf" or not (
        ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()
    ):
        raise TableError(
            f"{path}: array {key!r} has shape {y.shape}; expected one value for each sample, or "
            "one-hot rows"
        )
    return y.argmax(axis=1)


def _booleans(values):
    return np.where(values, "True", "False").astype(object)


# --- Parquet --------------------------------------------------------------------------------------


def _read_parquet(path, text):
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise TableError(
            f"reading {path} needs pyarrow; install it with: pip install pyarrow"
        ) from error
    try:
        table = pyarrow.parquet.ParquetFile(path).read()
    except (pyarrow.ArrowException, OSError) as error:
        raise TableError(
            f"{path} is not a Parquet file, or a damaged one: {_one_line(error)}"
        ) from error
    if table.num_rows == 0 or table.num_columns == 0:
        raise TableError(f"{path} has no rows")
    names = _complete_names(path, tuple(str(name).strip() for name in table.column_names))
    kept, columns, notes = [], [], []
    for name, values in zip(names, table.columns, strict=True):
        column = _from_arrow(pyarrow, values, name in text)
        if column is None:
            notes.append(f"column {name!r} left out: {values.type} is neither numbers nor text")
        else:
            kept.append(name)
            columns.append(column)
    if not columns:
        raise TableError(f"{path} has no column of numbers or text")
    return Table(tuple(kept), tuple(columns), str(path), tuple(notes))


def _from_arrow(pyarrow, values, as_text):
    """A column of a Parquet file as one of a Table, or None for nested and binary types."""
    types = pyarrow.types
    if types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    kind = values.type
    if (
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    ):
        # not "safe", which refuses whole numbers above 2**53: a CSV rounds them too
        numbers = np.asarray(values.cast(pyarrow.float64(), safe=False).to_numpy(), np.float64)
        return labels(numbers) if as_text else numbers
    if types.is_boolean(kind) or types.is_temporal(kind):
        strings = [None if value is None else str(value) for value in values.to_pylist()]
    elif types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        strings = values.to_pylist()
    else:
        return None
    return _text(["" if value is None else value for value in strings], {})


def labels(numbers):
    """A column of numbers as one of text: `label` of each value, None where missing."""
    column = np.empty(len(numbers), object)
    for i, value in enumerate(numbers):
        if not np.isnan(value):
            column[i] = label(value)
    return column
