"""Reads a safetensors file: the name is opened once, and every claim of the header is compared with
what there is.

The package of that name maps the file instead: who truncates it meanwhile ends the program, and
its header has to be read apart to see a name that occurs twice.
"""

import json
import os
import stat
from math import prod

import numpy as np

LARGEST_HEADER = 100_000_000  # bytes, which is the format's limit
DTYPES = {
    **{"BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4"},
    **{"I32": "<i4", "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8"},
}


class TensorFileError(ValueError):
    """A file is not safetensors, or a truncated one; the message says why."""


class Repetition(ValueError):
    """A name occurs twice, of which each reader might take another."""


def read(path):
    """({name: text} of the metadata, {name: array}); the arrays are views of one read-only piece.

    Raises
    ------
    OSError
        When the file cannot be opened.
    TensorFileError, Repetition
        When it is not such a file.
    """
    with open(path, "rb") as file:
        size = _size_of(file)
        whole = file.read(size)
    if len(whole) < size:
        raise TensorFileError("it became shorter while it was read")
    header, start = _header(whole)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise TensorFileError("its metadata are not text")
    _check_places(header, len(whole) - start)
    return metadata, {name: _array(whole, start, name, entry) for name, entry in header.items()}


def without_repetition(pairs):
    """What JSON's objects become; Repetition where a name occurs twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Repetition(f"the name {twice!r} occurs twice")
    return found


def _size_of(file):
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise TensorFileError("it is a device or a pipe")
    return status.st_size


def _header(whole):
    """The header, and where the numbers begin."""
    size = int.from_bytes(whole[:8], "little")
    if size > LARGEST_HEADER or 8 + size > len(whole) or whole[8:9] != b"{":
        raise TensorFileError("it does not begin with a header")
    try:
        text = whole[8 : 8 + size].decode()
        header = json.loads(text, object_pairs_hook=without_repetition)
        "".join(header).encode()  # half of a surrogate pair, which JSON can write, is no name
    except Repetition:
        raise
    except (ValueError, RecursionError) as error:
        raise TensorFileError("its header is damaged") from error
    return header, 8 + size


def _check_places(header, n_bytes):
    """That every tensor is as long as its shape says, and that one follows the other to the end."""
    reached = 0
    for name, entry in sorted(header.items(), key=_begin):
        if not _is_well_formed(entry):
            raise TensorFileError(f"its header is damaged at {name!r}")
        begin, end = entry["data_offsets"]
        expected = prod(entry["shape"]) * np.dtype(DTYPES[entry["dtype"]]).itemsize
        if begin != reached or end - begin != expected:
            raise TensorFileError(f"the bytes of {name!r} are not where they are to be")
        reached = end
    if reached != n_bytes:
        raise TensorFileError(f"{n_bytes} bytes follow the header, which says {reached}")


def _begin(item):
    """Where a tensor begins; those that are damaged come first."""
    return tuple(item[1]["data_offsets"]) if _is_well_formed(item[1]) else (-1, -1)


def _is_well_formed(entry):
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        return False
    shape, places = entry["shape"], entry["data_offsets"]
    if not (isinstance(shape, list) and isinstance(places, list) and len(places) == 2):
        return False
    counts = all(type(count) is int and count >= 0 for count in (*shape, *places))
    return counts and isinstance(entry["dtype"], str) and entry["dtype"] in DTYPES


def _array(whole, start, name, entry):
    shape, begin = entry["shape"], start + entry["data_offsets"][0]
    try:
        return np.frombuffer(whole, DTYPES[entry["dtype"]], prod(shape), begin).reshape(shape)
    except ValueError as error:  # such as (2**62, 2**62, 0), which numpy does not have
        raise TensorFileError(f"the shape of {name!r} is impossible") from error
