"""Where the bytes of a file come from: the disk or standard input, packed or not.

A packed file of some kilobytes may unpack to more than any memory holds. What it declares is looked
at before it is unpacked; what it does not declare is counted meanwhile.
"""

import bz2
import difflib
import gzip
import io
import lzma
import os
import sys
import zipfile
import zlib
from pathlib import Path

from backprop.tabular.tables import TableError, count, one_line

PACKED = (".gz", ".bz2", ".xz", ".zip")
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile)
# Beyond both, nobody's table: rows that are all alike, in the size of a film.
BOMB_BYTES, BOMB_RATIO = 1 << 30, 200
_BUFFER = 1 << 20
# What standard input begins with, where it has no name to tell.
_BEGINNINGS = (
    (b"PAR1", ".parquet"),
    (b"ARROW1", ".feather"),
    (b"\x93NUMPY", ".npy"),
    (b"\x1f\x8b", ".csv.gz"),
    (b"BZh", ".csv.bz2"),
    (b"\xfd7zXZ", ".csv.xz"),
    (b"{", ".jsonl"),
)


class Source:
    """A file that is opened, perhaps several times, and says how much of it is read."""

    def __init__(self, path, progress=None, data=None):
        self.path, self.progress, self.data = path, progress, data
        suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
        self.packing = suffixes.pop() if suffixes and suffixes[-1] in PACKED else None
        self.suffix = suffixes[-1] if suffixes else ""
        if self.packing and (data is not None or path.is_file()):
            self._look_at_packing()

    def __str__(self):
        return str(self.path) if self.data is None else "standard input"

    def check(self):
        """Whether there is such a file, with something in it."""
        if self.data is None:
            _check_file(self.path)
        elif not self.data:
            raise TableError("standard input is empty")

    @property
    def n_bytes(self):
        return len(self.data) if self.data is not None else self.path.stat().st_size

    def open(self):
        """The bytes unpacked, to be read from the beginning."""
        raw = _Counting(self._raw(), self)
        if self.packing == ".zip":
            try:
                archive = zipfile.ZipFile(raw)
                opened = archive.open(_members(archive)[0])
            except Exception as error:  # encrypted, unknown, and as many ways of being damaged
                raise TableError(f"{self} cannot be unpacked: {one_line(error)}") from error
        elif self.packing:
            opened = {".gz": gzip, ".bz2": bz2, ".xz": lzma}[self.packing].open(raw)
        if self.packing:
            raw = _Counting(opened, self, beneath=raw)
        return io.BufferedReader(raw, _BUFFER)

    def _raw(self):
        return open(self.path, "rb") if self.data is None else io.BytesIO(self.data)

    def _look_at_packing(self):
        """The kind of what is packed, and the size that it declares."""
        if self.packing == ".zip":
            try:
                with self._raw() as file, zipfile.ZipFile(file) as archive:
                    members = _members(archive)
            except Exception as error:  # of which there is no list
                raise TableError(f"{self} is not a .zip file, or a damaged one") from error
            if len(members) != 1:
                raise TableError(
                    f"{self} holds {count(len(members), 'file')}, expected one: unpack it and "
                    "choose one"
                )
            self.suffix = Path(members[0].filename).suffix.lower()
            self.check_unpacked(members[0].file_size)
        elif self.packing == ".gz" and self.n_bytes >= 18:
            with self._raw() as file:
                file.seek(-4, os.SEEK_END)
                self.check_unpacked(int.from_bytes(file.read(), "little"))

    def check_unpacked(self, n_bytes):
        """A `TableError` when so many bytes are more than what is free, or than any table's."""
        free = free_memory()
        if free is not None and n_bytes > free:
            raise TableError(
                f"{self} unpacks to {size(n_bytes)}, expected at most the {size(free)} of memory "
                "that are free"
            )
        if n_bytes > max(BOMB_BYTES, BOMB_RATIO * self.n_bytes):
            raise TableError(
                f"{self} unpacks to {size(n_bytes)}, over {BOMB_RATIO} times its size: expected a "
                "table, and this looks like a zip bomb"
            )


def standard_input(progress=None):
    """All that standard input has, of the kind that it begins like: a CSV where nothing tells."""
    data, free = sys.stdin.buffer.read(), free_memory()
    if free is not None and len(data) > free:
        raise TableError(f"standard input has {size(len(data))}, and {size(free)} are free")
    name = next((name for start, name in _BEGINNINGS if data.startswith(start)), ".csv")
    if data.startswith(b"PK"):
        name = _kind_of_zip(data)
    return Source(Path(f"stdin{name}"), progress, data)


def _kind_of_zip(data):
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except Exception as error:  # as above
        raise TableError("standard input is a damaged .zip file") from error
    for member, kind in (("xl/workbook.xml", ".xlsx"), ("content.xml", ".ods")):
        if member in names:
            return kind
    return ".npz" if all(name.endswith(".npy") for name in names) else ".csv.zip"


def _members(archive):
    """The files in it, without those that macOS adds."""
    return [
        member
        for member in archive.infolist()
        if not member.is_dir() and not member.filename.startswith("__MACOSX/")
    ]


class _Counting(io.RawIOBase):
    """Tells the source how much was read: for progress, or against more than memory holds."""

    def __init__(self, file, source, beneath=None):
        super().__init__()
        self.file, self.source, self.beneath = file, source, beneath
        self.done = self.checked = 0

    def readable(self):
        return True

    def seekable(self):
        return self.file.seekable()

    def seek(self, place, whence=os.SEEK_SET):
        return self.file.seek(place, whence)

    def tell(self):
        return self.file.tell()

    def readinto(self, buffer):
        try:
            n = self.file.readinto(buffer)
        except (*DAMAGED, OSError) as error:
            if self.beneath is None:
                raise
            raise TableError(
                f"{self.source} cannot be unpacked: {one_line(error) or 'it ends too early'}"
            ) from error
        self.done += n
        if self.beneath is not None:
            self._check()
        elif self.source.progress is not None:
            self.source.progress(min(self.file.tell(), self.source.n_bytes), self.source.n_bytes)
        return n

    def _check(self):
        if self.done - self.checked >= BOMB_BYTES // 16:
            self.checked = self.done
            self.source.check_unpacked(self.done)

    def close(self):
        self.file.close()
        if self.beneath is not None:
            self.beneath.close()
        super().close()


def free_memory():
    """Bytes that may be had without swapping, None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def size(n_bytes):
    """``"3.2 GB"``."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if n_bytes < 1000 or unit == "TB":
            return f"{n_bytes:.3g} {unit}" if n_bytes < 1000 else f"{n_bytes:,.0f} {unit}"
        n_bytes /= 1000


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
