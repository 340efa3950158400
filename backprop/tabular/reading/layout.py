"""How a delimited file is laid out, read off its first lines: delimiter, header, comments."""

import csv
import io
from dataclasses import dataclass

import numpy as np

from backprop.tabular.tables import TableError, one_line
from backprop.tabular.written import is_missing, plain

DELIMITERS = ",;\t|"
_SAMPLE_CHARACTERS = 1 << 16


@dataclass(frozen=True)
class Layout:
    names: tuple
    notes: tuple
    delimiter: str
    n_lines: int  # before the rows
    n_comments: int

    @property
    def decimal(self):
        """The mark that is likelier before decimals."""
        return "," if self.delimiter == ";" else "."


class Rows:
    """The rows of an open text file, lists of strings, without empty lines and first comments."""

    def __init__(self, name, file, delimiter):
        self.name, self.n_before = name, 0
        self.comments = []
        line = file.readline()
        while line.startswith("#") or (line and not line.strip(" \t\r\n")):
            self.n_before += 1
            if line.startswith("#"):
                self.comments.append(line)
            line = file.readline()
        lines = _chained(line, file) if line else iter(())
        self.reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)

    @property
    def n_lines(self):
        """How many lines were read."""
        return self.n_before + self.reader.line_num

    def __iter__(self):
        try:
            yield from filter(None, self.reader)
        except csv.Error as error:
            reason = one_line(error)
            if "unexpected end" in reason:
                reason = "a quotation mark is opened and never closed"
            raise TableError(f"{self.name}, line {self.n_lines}: {reason}") from error


def _chained(line, file):
    yield line
    yield from file


def is_blank(row):
    return not row or (len(row) == 1 and not row[0].strip())


def layout_of(name, file):
    """The `Layout` of an open text file, which is read from its beginning."""
    delimiter = _delimiter(file.read(_SAMPLE_CHARACTERS))
    file.seek(0)
    rows = Rows(name, file, delimiter)
    first = next((row for row in rows if not is_blank(row)), None)
    if first is None:
        if rows.comments:
            raise TableError(f"{name} has comment lines and no rows")
        raise TableError(f"{name} is empty")
    decimal = "," if delimiter == ";" else "."
    header, n_lines, notes = first, rows.n_lines, ()
    marked = _marked_header(rows.comments, first, delimiter, decimal)
    if marked is not None or _is_data(first, decimal):
        n_lines = rows.n_before
        header = marked or [f"column{i}" for i in range(1, len(first) + 1)]
    if marked is None and n_lines == rows.n_before:
        notes = (
            "no header line (the first line is numbers): the columns are called column1 … "
            f"column{len(first)}",
        )
    elif any(_is_number(value) for value in header):
        notes = ("some column names are numbers: is the first line of the file a header?",)
    n_comments = len(rows.comments) - (marked is not None)
    return Layout(complete_names(name, header), notes, delimiter, n_lines, n_comments)


def _marked_header(comments, first, delimiter, decimal):
    """The names in a last comment line, such as "# a,b" or "#,name", right before numbers."""
    if not comments or len(first) == 1 or not any(_is_number(value, decimal) for value in first):
        return None
    names = next(csv.reader(comments[-1:], delimiter=delimiter, skipinitialspace=True))
    if len(names) != len(first):
        return None
    return [names[0].lstrip("#").strip() or "#", *names[1:]]


def _is_number(value, decimal="."):
    return not is_missing(value) and plain([value], decimal) is not None


def _is_data(names, decimal):
    found = plain(names, decimal)
    return found is not None and not np.isnan(found[0]).any()


def complete_names(source, names):
    """Names for unnamed columns, as pandas calls them; a complaint about those that occur twice."""
    names = tuple(name.strip() or f"Unnamed: {i}" for i, name in enumerate(names))
    first = {}
    for i, name in enumerate(names):
        if first.setdefault(name, i) != i:
            both = f"columns {first[name] + 1} and {i + 1} are both called {name!r}"
            raise TableError(
                f"{source}: {both}; the first line has to name each column differently"
            )
    return names


def _delimiter(sample):
    """Which of , ; tab | divides most lines into as many fields as the header, at least 2."""

    def agreement(delimiter):
        lines = sample.splitlines(keepends=True)
        if len(sample) == _SAMPLE_CHARACTERS:
            lines = lines[:-1] or lines
        lines = [line for line in lines if not line.startswith("#")] or lines
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

    return max(DELIMITERS, key=agreement)
