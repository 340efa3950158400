"""What several commands need: a file read, notes, names of outputs checked, numbers for people."""

import os
import sys
from pathlib import Path

import numpy as np

from backprop import atomic
from backprop.datasets import load_digits
from backprop.tabular.tables import Arrays, read

_BAR_FROM = 1 << 24  # bytes of a file


def read_data(name, text=(), quiet=False):
    """A `Table` or `Arrays`; `text`: columns to read as text.

    How far a large file is read is shown on standard error.
    """
    if name == "digits":
        X, y = load_digits()
        return Arrays(X, y.astype(np.float64), sample_shape=(8, 8), source="digits")
    with _Reading(name) as bar:
        return read(name, text, None if quiet else bar)


class _Reading:
    """A bar, from the moment on at which the file turns out to be large."""

    def __init__(self, name):
        self._name, self._bar = name, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done, total):
        if self._bar is None and (total or done) >= _BAR_FROM:
            from tqdm.auto import tqdm

            name = harmless(str(self._name))
            self._bar = tqdm(total=total, unit="B", unit_scale=True, desc=f"read {name}")
        if self._bar is not None:
            self._bar.update(done - self._bar.n)


def shortened(notes, most=5):
    """The first notes, and how many more there are: a table may have hundreds of columns."""
    n_more = len(notes) - most
    return notes if n_more < 2 else [*notes[:most], f"and {n_more} more columns like these"]


def check_output(option, output, *inputs):
    """That a file can be written, and is none of those that are read."""
    atomic.check_writable(output)
    for path in inputs:
        if os.path.exists(path) and os.path.exists(output) and os.path.samefile(path, output):
            raise ValueError(f"{option} {output} would overwrite what is read")


def show(text, stream=None):
    """Print lines; what in names out of files would command a terminal is escaped."""
    print(harmless(text), file=sys.stdout if stream is None else stream, flush=True)


def harmless(text):
    """The text with all that does not print, but for the ends of lines, as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else _escaped(c) for c in text)


def _escaped(character):
    return character.encode("unicode_escape").decode("ascii")


def warn(message):
    """One line on standard error."""
    show(f"backprop: {message}", sys.stderr)


def shown_number(value):
    """With as many digits as say something."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


def size_of(path):
    """Of a file."""
    n_bytes = Path(path).stat().st_size
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.1f} kB"
