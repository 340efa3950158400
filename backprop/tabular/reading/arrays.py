"""numpy's files: `.npz` with X and y, and `.npy`, which is a table or X alone."""

import math
import zipfile

import numpy as np

from backprop.tabular.reading.text import text_column
from backprop.tabular.tables import Arrays, Table, TableError, one_line


def read_arrays(source, text):
    """The `Arrays` of a source, or the `Table`."""
    with source.open() as file:
        if source.suffix == ".npy":
            return _read_npy(source, file, text)
        if file.read(6) == b"\x93NUMPY":
            raise TableError(
                f"{source} is not an .npz file but a single array; save it with np.savez(path, "
                "X=…, y=…)"
            )
        file.seek(0)
        try:
            archive = zipfile.ZipFile(file)
        except Exception as error:  # a directory is wrong in as many ways as there are fields
            raise TableError(f"{source} is not an .npz file, or a damaged one") from error
        return _read_npz(source, archive)


def _read_npz(source, archive):
    source.check_unpacked(sum(member.file_size for member in archive.infolist()))
    members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
    keys = {key.lower(): key for key in members}
    train = ("x_train", "y_train") if "x_train" in keys else ("x", "y")
    if train[0] not in keys:
        raise TableError(
            f"{source} holds {', '.join(members) or 'no arrays'}; expected x_train and y_train "
            "(and x_test, y_test), or X and y"
        )
    X, y, X_test, y_test = (
        _member(source, archive, keys[key], members[keys[key]]) if key in keys else None
        for key in (*train, "x_test", "y_test")
    )
    sample_shape = X.shape[1:]
    X, X_test = _samples(source, keys[train[0]], X), _samples(source, keys.get("x_test"), X_test)
    y = _targets(source, keys.get(train[1]), y, X)
    y_test = _targets(source, keys.get("y_test"), y_test, X_test)
    if X_test is not None and X_test.shape[1] != X.shape[1]:
        raise TableError(
            f"{source}: x_test has {X_test.shape[1]} columns a sample where x_train has "
            f"{X.shape[1]}"
        )
    return Arrays(X, y, X_test, y_test, sample_shape, str(source))


def _read_npy(source, file, text):
    source.check_unpacked(source.n_bytes)
    values = _array(source, file, source.n_bytes, "it")
    if values.dtype.names:
        if values.ndim != 1:
            raise TableError(f"{source} has shape {values.shape}, expected one row of records")
        columns = {name: values[name] for name in values.dtype.names}
    elif values.ndim not in (1, 2):
        X = _samples(source, "X", values)
        return Arrays(X, None, sample_shape=values.shape[1:], source=str(source))
    else:
        rows = values[:, None] if values.ndim == 1 else values
        columns = {f"column{i + 1}": rows[:, i] for i in range(rows.shape[1])}
    if not len(values) or not columns:
        raise TableError(f"{source} has no rows")
    found = [_targets(source, name, column, values) for name, column in columns.items()]
    return Table(tuple(columns), tuple(found), str(source))


def _member(source, archive, key, member):
    try:
        with archive.open(member) as file:
            return _array(source, file, member.file_size, f"array {key!r}")
    except TableError:
        raise
    except Exception as error:  # encrypted, cut off, bad sums, unknown or damaged compressions
        raise TableError(f"{source}: array {key!r} cannot be read: {one_line(error)}") from error


def _array(source, file, n_bytes, what):
    """An array of a file of so many bytes, if they are as many as its header says."""
    try:
        version = np.lib.format.read_magic(file)
        reader = "read_array_header_1_0" if version == (1, 0) else "read_array_header_2_0"
        shape, in_columns, dtype = getattr(np.lib.format, reader)(file)
        if not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"its header says shape {shape}")
    except Exception as error:  # a header is a Python literal, wrong in as many ways
        raise TableError(f"{source}: {what} is damaged: {one_line(error)}") from error
    if dtype.hasobject:
        raise TableError(
            f"{source}: {what} holds Python objects, which are not read; save numbers or text"
        )
    expected, there = math.prod(shape) * dtype.itemsize, n_bytes - file.tell()
    data = np.empty(expected if expected == there else 0, np.uint8)  # read into it, piece by piece
    n_read = 0
    while piece := file.read(1 << 20)[: len(data) - n_read]:
        data[n_read : n_read + len(piece)] = np.frombuffer(piece, np.uint8)
        n_read += len(piece)
    if expected != n_read:
        raise TableError(
            f"{source}: {what} is damaged: {there:,} bytes where its header says {expected:,}"
        )
    if dtype.itemsize == 0:
        raise TableError(f"{source}: {what} has dtype {dtype}, expected numbers or text")
    return data.view(dtype).reshape(shape, order="F" if in_columns else "C")


def _samples(source, key, X):
    """X as (samples, columns) of a dtype that Network.fit takes; not copied where it has one."""
    if X is None:
        return None
    if X.ndim == 0 or X.size == 0:
        raise TableError(
            f"{source}: array {key!r} has shape {X.shape}, expected at least one sample of one "
            "value"
        )
    if X.dtype.kind not in "biuf":
        raise TableError(f"{source}: array {key!r} has dtype {X.dtype}, expected numbers")
    if X.dtype.kind == "b":
        X = X.view(np.uint8)
    elif X.dtype.kind == "f" and X.dtype.itemsize not in (4, 8):
        X = X.astype(np.float32 if X.dtype.itemsize == 2 else np.float64)
    if not X.dtype.isnative:
        X = X.astype(X.dtype.newbyteorder("="))
    return X.reshape(len(X), -1)


def _targets(source, key, y, X):
    """y as the column of a Table: float64, or an object array of str for text and booleans."""
    if y is None or X is None:
        return None
    if y.ndim == 2 and y.shape[1] > 1:
        y = _from_one_hot(source, key, y)
    if y.ndim == 0 or y.size != len(y) or y.dtype.kind not in "biufUS":
        raise TableError(
            f"{source}: array {key!r} is {y.dtype} of shape {y.shape}, expected one value for each "
            "sample"
        )
    if len(y) != len(X):
        raise TableError(f"{source}: array {key!r} has {len(y)} values for {len(X)} samples")
    y = y.ravel()
    if y.dtype.kind in "biuf":
        return _booleans(y) if y.dtype.kind == "b" else y.astype(np.float64)
    try:
        values = np.char.decode(y, "utf-8") if y.dtype.kind == "S" else y
    except UnicodeDecodeError as error:
        raise TableError(f"{source}: array {key!r} holds bytes that are not UTF-8 text") from error
    return text_column(values.tolist())


def _from_one_hot(source, key, y):
    if y.dtype.kind not in "biuf" or not (
        ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()
    ):
        raise TableError(
            f"{source}: array {key!r} has shape {y.shape}; expected one value for each sample, or "
            "one-hot rows"
        )
    return y.argmax(axis=1)


def _booleans(values):
    return np.where(values, "True", "False").astype(object)
