"""Files that are written whole or not at all: a reader sees the old one or the new one.

Decisions, and why:

A. The new file is written beside its place, flushed to the disk and renamed; then the folder is
   flushed, so that a power cut takes neither.
B. Where the system can (Linux), it has no name until it is complete, and a kill leaves nothing
   behind. Elsewhere it has one that says whose it is, and the next write removes what processes
   that are gone have left.
C. It takes over mode and group of the file that it replaces: a private model stays private.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from backprop.validation import check_path

PREFIX, SUFFIX = ".backprop-", ".tmp"  # of names that are not complete; the process stands between
LEFT_BEHIND_AFTER = 3600  # seconds


def check_writable(path):
    """Raise the OSError with which a file at `path` could not be written, before hours have gone
    into what is to be written."""
    path = check_path(path)
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a directory")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no directory {str(path.parent)!r}")
    if not os.access(path if path.exists() and not path.is_file() else path.parent, os.W_OK):
        raise PermissionError(
            f"cannot write {path}: no permission to write in {str(path.parent)!r}"
        )


def write_atomically(path, data):
    """Write bytes to `path`, or leave what it has; OSError says why."""
    check_writable(path)
    path = Path(os.path.realpath(path))  # a symbolic link stays one; what it points to is replaced
    if path.exists() and not path.is_file():  # a device or a pipe cannot be replaced
        path.write_bytes(data)
        return
    _remove_left_behind(path.parent)
    temporary = path.parent / f"{PREFIX}{os.getpid()}-{secrets.token_hex(6)}{SUFFIX}"
    try:
        if not _write_nameless(path, temporary, data):
            with open(temporary, "xb") as file:
                _fill(file, path, data)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _flush_directory(path.parent)


def _write_nameless(path, temporary, data):
    """Write a file without a name, and give it this one; False where the system cannot."""
    if not hasattr(os, "O_TMPFILE"):
        return False
    try:
        descriptor = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except OSError:  # a file system that has none, or a full one, of which the other way tells
        return False
    with open(descriptor, "wb") as file:
        _fill(file, path, data)
        try:
            os.link(f"/proc/self/fd/{descriptor}", temporary, follow_symlinks=True)
        except OSError:
            return False
    return True


def _fill(file, path, data):
    with suppress(FileNotFoundError):
        _take_over(file.fileno(), os.stat(path))
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _take_over(descriptor, old):
    """Mode and owner of the file that is replaced, as far as this process may."""
    if not hasattr(os, "fchown"):
        return
    own = os.fstat(descriptor)
    mode = old.st_mode & 0o7777
    if own.st_gid != old.st_gid or own.st_uid != old.st_uid:
        try:
            os.fchown(descriptor, old.st_uid, old.st_gid)
        except OSError:
            try:
                os.fchown(descriptor, -1, old.st_gid)
            except OSError:
                mode &= ~0o070  # what was the old group's is not for another
    os.fchmod(descriptor, mode)


def _remove_left_behind(directory):
    """What a process that is gone has not completed."""
    with suppress(OSError):
        for name in os.listdir(directory):
            if name.startswith(PREFIX) and name.endswith(SUFFIX):
                _remove_if_left_behind(directory / name)


def _remove_if_left_behind(path):
    process = path.name.removeprefix(PREFIX).partition("-")[0]
    with suppress(OSError):
        is_old = time.time() - path.stat().st_mtime > LEFT_BEHIND_AFTER
        if is_old and process.isdecimal() and not _is_running(int(process)):
            path.unlink()


def _is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _flush_directory(directory):
    """Make a rename last through a power cut; where directories cannot be opened (Windows), it is
    left to the system."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
