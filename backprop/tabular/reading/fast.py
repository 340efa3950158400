"""CSV by pyarrow's reader, several times as fast as `delimited`, which says what a table is.

Decisions, and why:

A. The types of the columns are given: what is numbers in the first rows is tried as numbers, and
   read again as text where it turns out not to be. That is a guess of what is faster; what a column
   is follows from all of it, as in `delimited`.
B. Where the two readers would differ, this one gives up: quotation marks that are not around whole
   values, carriage returns alone, zero bytes, and all errors, whose messages are `delimited`'s.
C. The file is read in pieces of whole rows, so that progress is shown and Ctrl-C is heard.
"""

import io
import itertools

import numpy as np

from backprop.tabular.reading.arrow import words_of_dictionary
from backprop.tabular.reading.layout import Rows, layout_of
from backprop.tabular.tables import TableError
from backprop.tabular.written import MISSING_NUMBER, plain

FEWEST_BYTES = 1 << 20  # importing pyarrow takes longer than reading so little
_BYTES_PER_PIECE = 1 << 25
_SAMPLE_ROWS = 200
_NULLS = sorted(
    {form(word) for word in MISSING_NUMBER for form in (str, str.upper, str.title)} | {"NaN", "NaT"}
)
_QUOTE = ord('"')


def read_fast(source, text):
    """(layout, columns, number of comment lines) as `delimited` would have them, or None."""
    if source.n_bytes < FEWEST_BYTES:
        return None
    try:
        import pyarrow
        import pyarrow.csv
    except ImportError:
        return None
    try:
        layout, sample = _beginning(source)
    except (UnicodeDecodeError, TableError):
        return None
    if len(layout.names) == 1:  # an empty line is a missing value there
        return None
    numeric = [
        name not in text and plain(values, layout.decimal) is not None
        for name, values in zip(layout.names, sample, strict=True)
    ]
    reader = _Reader(pyarrow, layout)
    while True:
        try:
            columns = reader.columns(source, numeric)
        except _NotNumbers as error:
            numeric = [is_one and i not in error.columns for i, is_one in enumerate(numeric)]
        except (_Irregular, pyarrow.ArrowInvalid):
            return None
        else:
            return layout, columns, layout.n_comments + reader.n_comments


class _Irregular(Exception):
    """A file for the other reader."""


class _NotNumbers(Exception):
    """Columns that were tried as numbers, by their places, and are none to pyarrow."""

    def __init__(self, columns):
        super().__init__()
        self.columns = columns


def _beginning(source):
    """The layout, and the first values of each column."""
    with io.TextIOWrapper(source.open(), encoding="utf-8-sig", newline="") as file:
        layout = layout_of(str(source), file)
        file.seek(0)
        rows = Rows(str(source), file, layout.delimiter)
        fitting = (row for row in rows if len(row) == len(layout.names))
        after = (row for row in fitting if rows.n_lines > layout.n_lines)
        return layout, list(zip(*itertools.islice(after, _SAMPLE_ROWS), strict=True)) or [
            () for _ in layout.names
        ]


class _Reader:
    """Reads a file of a layout, with some columns as numbers."""

    def __init__(self, pyarrow, layout):
        self.pyarrow, self.layout = pyarrow, layout
        self.names = [str(i) for i in range(len(layout.names))]
        self.n_comments = 0

    def columns(self, source, numeric):
        """float64 for the numeric ones, `Words` for the others."""
        tables, self.n_comments = [], 0
        with source.open() as file:
            if file.read(3) != b"\xef\xbb\xbf":
                file.seek(0)
            for _ in range(self.layout.n_lines):
                file.readline()
            for piece, newlines in _pieces(file, self.layout.delimiter):
                tables.append(self._read(piece, newlines, numeric))
        if not tables or not sum(table.num_rows for table in tables):
            raise _Irregular
        table = self.pyarrow.concat_tables(tables)
        return [
            np.asarray(column.to_numpy(), np.float64) if is_one else words_of_dictionary(column)
            for column, is_one in zip(table.columns, numeric, strict=True)
        ]

    def _read(self, piece, newlines, numeric):
        try:
            return self._parse(piece, newlines, numeric)
        except self.pyarrow.ArrowInvalid:
            n_comments = self.n_comments
            words = self._parse(piece, newlines, [False] * len(numeric))
            self.n_comments = n_comments
            failing = [i for i, is_one in enumerate(numeric) if is_one and self._fails(words[i])]
            if not failing:
                raise
            raise _NotNumbers(failing) from None

    def _fails(self, column):
        """Whether pyarrow reads some word of a column as no number."""
        words = column.unify_dictionaries().chunk(0).dictionary.to_pylist()
        known = [word for word in words if word not in _NULLS]
        if self.layout.decimal == ",":
            if any("." in word for word in known):
                return True
            known = [word.replace(",", ".") for word in known]
        try:
            self.pyarrow.array(known, self.pyarrow.string()).cast(self.pyarrow.float64())
        except self.pyarrow.ArrowInvalid:
            return True
        return False

    def _parse(self, piece, newlines, numeric):
        csv, pyarrow = self.pyarrow.csv, self.pyarrow
        text = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
        types = [pyarrow.float64() if is_one else text for is_one in numeric]
        return csv.read_csv(
            pyarrow.BufferReader(piece),
            csv.ReadOptions(column_names=self.names, block_size=1 << 22),
            csv.ParseOptions(
                delimiter=self.layout.delimiter,
                newlines_in_values=newlines,
                invalid_row_handler=self._misfit,
            ),
            csv.ConvertOptions(
                column_types=dict(zip(self.names, types, strict=True)),
                null_values=_NULLS,
                strings_can_be_null=False,
                decimal_point=self.layout.decimal,
            ),
        )

    def _misfit(self, row):
        """What to do with a row of more or fewer values than the header."""
        if not row.text.strip():
            return "skip"
        if row.text.startswith("#"):
            self.n_comments += 1
            return "skip"
        return "error"


def _pieces(file, delimiter):
    """Pairs (bytes of whole rows, whether a value has line breaks); `_Irregular` for the rest."""
    while piece := file.read(_BYTES_PER_PIECE):
        lines = [piece, file.readline()]
        n_quotes = sum(map(_count_quotes, lines))
        while n_quotes % 2:  # the last value goes on
            line = file.readline()
            if not line:
                raise _Irregular
            lines.append(line)
            n_quotes += line.count(b'"')
        piece = b"".join(lines)
        if b"\0" in piece:
            raise _Irregular
        if b"\r" in piece and piece.count(b"\r") != piece.count(b"\r\n"):
            raise _Irregular
        yield piece, bool(n_quotes) and _breaks(piece, delimiter)


def _count_quotes(line):
    """`bytes.count` is slow where there are many."""
    return int(np.count_nonzero(np.frombuffer(line, np.uint8) == _QUOTE))


def _breaks(piece, delimiter):
    """Whether a quoted value has a line break; `_Irregular` where a quote is not around a value."""
    data = np.frombuffer(piece, np.uint8)
    at = np.flatnonzero(data == _QUOTE)
    between = np.zeros(256, bool)
    between[[ord(delimiter), ord("\n"), ord("\r")]] = True
    ends = at[1::2] + 1
    if ends[-1] == len(data):  # which ends the value as a delimiter does
        ends = ends[:-1]
    starts = at[0 if at[0] else 2 :: 2] - 1
    if not (between[data[starts]].all() and between[data[ends]].all()):
        _check_runs(data, at, between)
    return bool((np.searchsorted(at, np.flatnonzero(data == ord("\n"))) % 2).any())


def _check_runs(data, at, between):
    """The same check where quotes stand side by side.

    Within quotes are the places before which there is an odd number of them. A run of quotes that
    is odd there ends the value, an even one stands for quotes of the value itself.
    """
    data = np.concatenate([[ord("\n")], data, [ord("\n")]])
    first = np.flatnonzero(np.diff(at, prepend=-2) != 1)  # of each run, among all quotes
    lengths = np.diff(first, append=len(at))
    before, after = between[data[at[first]]], between[data[at[first] + lengths + 1]]
    inside, odd = first % 2 == 1, lengths % 2 == 1
    fine = np.where(inside, ~odd | after, before & (odd | after))
    if not fine.all():
        raise _Irregular
