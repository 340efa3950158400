"""JSON lines: an object a line, whose keys are the columns."""

import json

from backprop.tabular.reading.objects import table_of
from backprop.tabular.tables import TableError


def read_lines(source, text):
    """The `Table` of a source; what a line does not have is missing in it."""
    columns, n_rows = {}, 0
    with source.open() as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            for name, value in _row(source, number, line).items():
                column = columns.setdefault(name.strip(), [])
                column += [None] * (n_rows - len(column))
                column.append(value)
            n_rows += 1
    for column in columns.values():
        column += [None] * (n_rows - len(column))
    if not columns:
        raise TableError(f"{source} has no rows")
    return table_of(source, columns, text)


def _row(source, number, line):
    try:
        row = json.loads(line.decode("utf-8-sig"), object_pairs_hook=_different)
    except (ValueError, RecursionError) as error:
        reason = str(error).split("\n")[0]
        raise TableError(f"{source}, line {number} is not JSON: {reason}") from error
    if not isinstance(row, dict):
        raise TableError(f'{source}, line {number}: expected an object, such as {{"a": 1}}')
    return row


def _different(pairs):
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key occurs twice")
    return row
