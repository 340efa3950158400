"""`.npy` files and members of `.npz` archives, mapped into memory: nothing is unpacked or copied.

A map's pages count as the process's memory once they are read, so they are given back after each
piece. Objects are refused: to read them would be to run what is in the file.
"""

from __future__ import annotations

import mmap
import zipfile
from pathlib import Path

import numpy as np

from backprop.sources.source import ArraySource
from backprop.tabular.tables import nearest, one_line

LOCAL_HEADER = 30  # bytes of an archive's entry, before its name


def npz_source(path, X="X", y="y", weight=None):
    """Members of an archive: see `backprop.sources.npz`."""
    view = _map(path)
    members = _members(path)
    names = [name for name in (X, y, weight) if name is not None]
    arrays = [_array(view, *_place(path, view, members, name)) for name in names]
    named = (X, y, "weight" if weight is None else weight)
    return ArraySource(*arrays, name=str(path), forget=_forgetting(view), names=named)


def npy_source(X, y, weight=None):
    """A `.npy` file each: see `backprop.sources.npy`."""
    views, arrays = [], []
    paths = [path for path in (X, y, weight) if path is not None]
    for path in paths:
        views.append(_map(path))
        arrays.append(_array(views[-1], str(path), 0, len(views[-1])))
    forgets = [_forgetting(view) for view in views]

    def forget():
        for one in forgets:
            one()

    named = (str(X), str(y), "weight" if weight is None else str(weight))
    return ArraySource(*arrays, name=str(X), forget=forget, names=named)


def _map(path):
    """The bytes of a file; an empty one cannot be mapped."""
    with open(path, "rb") as file:
        if not Path(path).stat().st_size:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _members(path):
    """{name without its ending: what the archive says of it}."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is not an .npz file, or a damaged one: {error}") from error


def _place(path, view, members, name):
    """(what it is, where its bytes begin, where they end)."""
    if name not in members:
        raise ValueError(f"{path} has no member {name!r}{nearest(name, list(members))}")
    info, what = members[name], f"{path}, member {name!r}"
    if info.flag_bits & 1:
        raise ValueError(f"{what} is encrypted: expected np.savez's")
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(
            f"{what} is compressed, and can not be mapped: expected what np.savez writes, not "
            "np.savez_compressed; np.load unpacks it into memory"
        )
    head = bytes(view[info.header_offset : info.header_offset + LOCAL_HEADER])
    if len(head) < LOCAL_HEADER or head[:4] != b"PK\x03\x04":
        raise ValueError(f"{what} is damaged: it has no header where the archive says")
    lengths = np.frombuffer(head, "<u2", 2, 26)  # of the name, and of what is beside it
    start = info.header_offset + LOCAL_HEADER + int(lengths.sum())
    return what, start, start + info.file_size


def _array(view, what, start, end):
    """The array whose `.npy` form stands in these bytes."""
    try:
        file = _Bytes(view, start, end)
        version = np.lib.format.read_magic(file)
        readers = {(1, 0): "read_array_header_1_0", (2, 0): "read_array_header_2_0"}
        if version not in readers:
            raise ValueError(f"it has version {version} of the format, expected 1.0 or 2.0")
        shape, is_fortran, dtype = getattr(np.lib.format, readers[version])(file)
        if dtype.hasobject:
            raise ValueError("it holds Python objects, expected numbers")
        n_bytes = dtype.itemsize * int(np.prod(shape, dtype=object))
        if file.place + n_bytes > end:
            raise ValueError(f"it is cut off: it says {n_bytes:,} bytes of shape {shape}")
    except (ValueError, EOFError, SyntaxError) as error:
        raise ValueError(f"{what} cannot be mapped: {one_line(error)}") from error
    order = "F" if is_fortran else "C"
    array = np.ndarray(shape, dtype, view, file.place, order=order)
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


class _Bytes:
    """A part of a map, as a file."""

    def __init__(self, view, start, end):
        self._view, self.place, self._end = view, start, min(end, len(view))

    def read(self, count):
        """Bytes from where the last ended."""
        found = bytes(self._view[self.place : min(self._end, self.place + count)])
        self.place += len(found)
        return found


def _forgetting(view):
    """What gives the memory of the pages back that were read, where the system can."""
    if not hasattr(mmap, "MADV_DONTNEED") or not isinstance(view, mmap.mmap):
        return lambda: None
    return lambda: view.madvise(mmap.MADV_DONTNEED)
