"""CSV and its like: text with a delimiter.

Decisions, and why:

A. A file is read in pieces, each column converted piece by piece, so that the strings of the whole
   file are never held. A column that looks like numbers at first and like text later costs a second
   pass: its first values cannot be had back from the floats ("01" was read as 1.0).
B. Numbers with signs ("$5") are looked for in the different words of a column of text. `written`
   has the rules.
C. A file that is no UTF-8 is read as Latin-1, in which every byte is a character, with a note. One
   with zero bytes is no text in either.
D. Large files are read by pyarrow, where it is installed (`fast`). What is read here is right.
E. A line that starts with # and has not as many values as the header is a comment.
"""

import io

import numpy as np

from backprop.tabular.reading.fast import read_fast
from backprop.tabular.reading.layout import Rows, is_blank, layout_of
from backprop.tabular.reading.text import Codes, as_written, note_of_written
from backprop.tabular.tables import Table, TableError, Words, count
from backprop.tabular.written import plain

_CELLS_PER_PIECE = 1 << 20


def read_delimited(source, text):
    """The `Table` of a source; the columns `text` stay text."""
    found = read_fast(source, text)
    if found is not None:
        layout, columns, n_comments = found
        return finished(source, layout, columns, text, n_comments)
    try:
        return _read(source, text, "utf-8-sig")
    except UnicodeDecodeError:
        note = f"not UTF-8 ({_undecodable(source)}): read as Latin-1"
    table = _read(source, text, "latin-1")
    return Table(table.names, table.columns, table.source, (note, *table.notes), table.written)


def _read(source, text, encoding):
    layout = _open(source, encoding, layout_of)
    columns, n_comments = _columns(source, encoding, layout, text)
    mixed = {name for name, column in zip(layout.names, columns, strict=True) if column.mixed}
    if mixed:
        columns, n_comments = _columns(source, encoding, layout, text | mixed)
    found = [column.finish() for column in columns]
    return finished(source, layout, found, text, n_comments)


def finished(source, layout, columns, text, n_comments):
    """The `Table`, once numbers with signs are read in the columns of `Words`."""
    columns, notes, written = list(columns), list(layout.notes), {}
    if n_comments:
        notes.append(f"{count(n_comments, 'comment line')} (#) skipped")
    for i, (name, column) in enumerate(zip(layout.names, columns, strict=True)):
        if isinstance(column, Words) and name not in text:
            columns[i], how = as_written(column, layout.decimal)
            if how:
                written[name] = how
                notes.append(note_of_written(name, column.words, how))
    return Table(layout.names, tuple(columns), str(source), tuple(notes), written)


def _open(source, encoding, do):
    with io.TextIOWrapper(source.open(), encoding=encoding, newline="") as file:
        return do(str(source), file)


def _columns(source, encoding, layout, text):
    return _open(source, encoding, lambda name, file: _parse(name, file, layout, text))


def _parse(source, file, layout, text):
    names = layout.names
    n_comments, piece = layout.n_comments, []
    columns = [_Column(name in text, layout.decimal) for name in names]
    rows_per_piece = max(1, _CELLS_PER_PIECE // len(names))
    rows = Rows(source, file, layout.delimiter)
    for row in rows:
        if rows.n_lines <= layout.n_lines:
            continue
        if len(row) != len(names):
            if is_blank(row):
                continue
            if row[0].startswith("#"):
                n_comments += 1
                continue
            raise TableError(
                f"{source}, line {rows.n_lines}: {count(len(row), 'value')} where the header has "
                f"{len(names)}"
            )
        piece.append(row)
        if len(piece) == rows_per_piece:
            _add_piece(columns, piece)
            piece = []
    if piece:
        _add_piece(columns, piece)
    if not columns[0].pieces:
        raise TableError(f"{source} has a header line and no rows")
    return columns, n_comments


def _add_piece(columns, piece):
    for column, values in zip(columns, zip(*piece, strict=True), strict=True):
        column.add(values)


class _Column:
    """One column while it is read, in pieces: all plain numbers so far, or text."""

    def __init__(self, text, decimal):
        self.text = text
        self.decimal = decimal
        self.marks = {""}  # a decimal mark: a comma in one piece and a point in another are text
        self.mixed = False
        self.pieces = []
        self.codes = Codes()  # a category costs a number a row

    def add(self, values):
        if not self.text:
            found = plain(values, self.decimal)
            if found is not None and (self.decimal == "." or len(self.marks | {found[1]}) < 3):
                self.pieces.append(found[0])
                self.marks.add(found[1])
                return
            self.text = True
            self.mixed = bool(self.pieces)
        self.pieces.append(self.codes.of(values))

    def finish(self):
        if self.mixed:
            return None  # it is read again
        values = np.concatenate(self.pieces)
        return Words(values, list(self.codes.words)) if self.text else values


def _undecodable(source):
    """Where the first byte is that is no UTF-8; a `TableError` when the file is no text at all."""
    found = "its end is cut off"
    with source.open() as file:
        for number, line in enumerate(file, 1):
            if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise TableError(
                    f"{source} is not UTF-8 text: it looks like UTF-16; save it as UTF-8"
                )
            if b"\0" in line:
                raise TableError(f"{source} is not text: line {number} has a zero byte")
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                if found == "its end is cut off":
                    found = f"byte 0x{line[error.start]:02x} in line {number}"
    return found
