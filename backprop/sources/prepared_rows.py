"""Tables with text, dates and missing values: a `Preprocessing` learned in one pass, then applied.

One pass reads all rows and learns; afterwards each piece is prepared as it is read. Which rows are
held out is drawn by the seed, row by row: no list of them is kept.
"""

from __future__ import annotations

import numpy as np

from backprop.sources.ahead import ReadAhead
from backprop.sources.opening import open_source
from backprop.sources.source import Piece, Source, rows_of_piece
from backprop.tabular.reading.arrow import table_of
from backprop.tabular.streamed import Learning
from backprop.tabular.tables import TableError
from backprop.tabular.values import present

GAMMA = np.uint64(0x9E3779B97F4A7C15)


class WholeColumns:
    """What stands in the place of `Columns`, and makes a `Table` of each batch."""

    def __init__(self, schema, owner, target, columns=None, weight=None):
        self._owner = owner
        self.names = tuple(schema.names)
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"{owner} has several columns of one name")
        self.inputs = self.targets = None
        self._types = {field.name: field.type for field in schema}
        self.rows_of_piece = rows_of_piece(len(self.names) * 8)

    def check(self, schema, owner):
        """That a file has the same columns, of the same types."""
        types = {field.name: field.type for field in schema}
        if set(types) != set(self._types):
            odd = sorted(set(types) ^ set(self._types))
            raise ValueError(
                f"{owner} has {len(types)} columns: expected the {len(self._types)} of "
                f"{self._owner}; {', '.join(odd)} stands in one of them"
            )
        for name, kind in types.items():
            if _kind(kind) != _kind(self._types[name]):
                raise TypeError(
                    f"{owner}: column {name!r} is {kind}, expected {self._types[name]} as in "
                    f"{self._owner}"
                )

    def piece(self, batch, place, first_row):
        """A `Piece` whose X is a `Table`."""
        import pyarrow

        table = pyarrow.Table.from_batches([batch])
        text = [name for name, kind in self._types.items() if _kind(kind) == "text"]
        made = table_of(pyarrow, table, list(self.names), place, frozenset(text))
        return Piece(made, None, None, place, first_row)


def _kind(kind):
    """What the values of a type are, as `table_of` has them."""
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_null(kind) or types.is_integer(kind) or types.is_floating(kind):
        return "numbers"
    return "numbers" if types.is_decimal(kind) else _of_text(types, kind)


def _of_text(types, kind):
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    return str(kind)


def open_tables(data):
    """A `Source` whose pieces are tables with all columns."""
    if isinstance(data, Source) or callable(data):
        raise TypeError(f"{data!r}: expected a path, or pyarrow's Table, RecordBatch or Dataset")
    tables = open_source(data, "", reads=WholeColumns)
    if tables.block_rows is None:
        raise TypeError(f"{tables}: expected what can be read twice, to learn from it first")
    tables.column_names = tables._columns.names
    return tables


def prepare(tables, targets, *, share=0.0, seed=0, settle=None, **settings):
    """(Prepared rows to train on, those held out): see `backprop.sources.prepared`.

    `settle`: called with the task, once it is known; returns n_pieces.
    """
    learning = Learning(targets, seed, **settings)
    n_training, n_held, n_missing = [], [], 0
    with ReadAhead(lambda: _with_rows(tables), tables.name) as pieces:
        for block, row, table in pieces:
            there = _there(table, targets)
            held = held_out(row, table.n_rows, share, seed)
            learning.add(table, row, there & ~held)
            for counts, rows in ((n_training, there & ~held), (n_held, there & held)):
                counts += [0] * (block + 1 - len(counts))
                counts[block] += int(rows.sum())
            n_missing += int((~there).sum())
    preprocessing = learning.preprocessing(settle)
    parts = [
        PreparedSource(tables, preprocessing, counts, is_held, share, seed)
        for counts, is_held in ((n_training, False), (n_held, True))
    ]
    parts[0].n_left_out, parts[0].class_counts = n_missing, learning.class_counts()
    return parts[0], parts[1] if sum(n_held) else None


def _there(table, targets):
    """Of which rows every target is there."""
    return np.logical_and.reduce([present(table.column(name)) for name in targets])


def _with_rows(tables):
    """(number of the block, of the first row among all, table) of each piece."""
    row = 0
    for block in range(len(tables.block_rows)):
        for piece in tables.pieces([block]):
            yield block, row, piece.X
            row += piece.X.n_rows


def held_out(first_row, n_rows, share, seed):
    """Which of n rows are held out, bool: each by its own draw of SplitMix64."""
    z = np.uint64(seed & 0xFFFFFFFFFFFFFFFF)
    with np.errstate(over="ignore"):
        z = z + np.arange(first_row + 1, first_row + n_rows + 1, dtype=np.uint64) * GAMMA
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53 < share


class PreparedSource(Source):
    """Rows as a network takes them.

    Attributes
    ----------
    preprocessing : Preprocessing
        What was learned; ``net.preprocessing`` is to be it where the network is saved.
    n_left_out : int
        Rows whose target is missing.
    class_counts : list of int or None
        Rows of each class, of those that are trained on.
    """

    n_left_out, class_counts = 0, None

    def __init__(self, tables, preprocessing, counts, is_held, share, seed):
        self.name, self._tables, self.preprocessing = tables.name, tables, preprocessing
        self._is_held, self._share, self._seed = is_held, share, seed
        self._blocks = [block for block, n in enumerate(counts) if n]
        self.block_rows = tuple(n for n in counts if n)
        self.n_rows = sum(self.block_rows)
        self._starts = np.cumsum([0, *tables.block_rows])
        self.input_names = tuple(preprocessing.input_names())
        self.target_names = preprocessing.target.names
        self.dtype = np.float32

    @property
    def n_inputs(self):
        """Columns of X."""
        return self.preprocessing.n_inputs

    def tables(self, blocks=None):
        """(the rows of a `Table` that are of this part, their places in it, the piece)."""
        for number in range(len(self._blocks)) if blocks is None else blocks:
            block = self._blocks[number]
            row = int(self._starts[block])
            for piece in self._tables.pieces([block]):
                n_rows = piece.X.n_rows
                chosen = held_out(row, n_rows, self._share, self._seed) == self._is_held
                chosen &= _there(piece.X, self.preprocessing.target.names)
                row += n_rows
                yield piece.X, np.flatnonzero(chosen), piece

    def pieces(self, blocks=None):
        """See `Source`."""
        made = self.preprocessing
        for table, rows, piece in self.tables(blocks):
            if not len(rows):
                continue
            try:
                X = made.transform(table, rows, self.dtype)
                y = made.target.targets(made.target_values(table, rows), self.dtype)
            except TableError as error:
                raise ValueError(f"{piece.place}: {error}") from error
            yield Piece(X, y, None, piece.place, piece.first_row)

    def values(self):
        """The target of all rows, as a column of a `Table`."""
        made = self.preprocessing
        return np.concatenate([made.target_values(t, rows) for t, rows, _ in self.tables()])

    def identity(self):
        """See `Source`."""
        own = [self._is_held, self._share, self._seed, self.preprocessing.to_dict()]
        return {**super().identity(), "tables": self._tables.identity(), "own": own}
