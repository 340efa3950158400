"""Reads the user's files, one module a format. Whatever is wrong with one becomes a `TableError`.

Decisions, and why:

A. A file without types, such as a CSV, has columns of numbers and of text. A column is numbers when
   every value that is not missing is one; nothing is guessed from a sample of it.
B. Files with types are taken at their word: their strings are text even where they are digits.
C. No file can run code: ``np.load`` runs with ``allow_pickle=False``.
D. What a file claims to become is compared with the memory that there is before it is unpacked.
"""

from pathlib import Path

from backprop.tabular.reading.sources import Source, standard_input
from backprop.tabular.tables import TableError, one_line

CSV = (".csv", ".tsv", ".txt", ".data")
JSON_LINES = (".jsonl", ".ndjson")
EXPECTED = (
    "expected .csv, .tsv, .txt, .data, .jsonl (each perhaps with .gz, .bz2, .xz or .zip), .npz, "
    ".npy, .parquet, .feather, .arrow, .xlsx or .ods"
)


def read(path, text, progress=None):
    """See `tables.read`."""
    try:
        source = standard_input(progress) if str(path) == "-" else Source(Path(path), progress)
        source.check()
        return _reader(source)(source, text)
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise TableError(f"{path} cannot be read: {reason}") from error


def _reader(source):
    """The function (source, text) → Table or Arrays for its ending; imported when it is needed."""
    suffix = source.suffix
    if source.packing and suffix not in (*CSV, *JSON_LINES):
        suffix += source.packing
    if suffix in CSV:
        from backprop.tabular.reading.delimited import read_delimited as reader
    elif suffix in (".npz", ".npy"):
        from backprop.tabular.reading.arrays import read_arrays as reader
    elif suffix in (".parquet", ".pq", ".feather", ".arrow", ".ipc"):
        from backprop.tabular.reading.arrow import read_arrow as reader
    elif suffix in JSON_LINES:
        from backprop.tabular.reading.lines import read_lines as reader
    elif suffix in (".xlsx", ".ods"):
        from backprop.tabular.reading.sheets import read_sheet as reader
    else:

        def reader(source, text):
            raise TableError(
                f"{source}: cannot tell what kind of file this is from "
                f"{suffix or 'a name without extension'}; {EXPECTED}"
            )

    return reader
