"""What pyarrow holds in memory or reads: tables, record batches, readers of them, datasets."""

from __future__ import annotations

import os

from backprop.sources.columns import Columns, need_pyarrow
from backprop.sources.parquet_files import files_of
from backprop.sources.source import Source, content_of
from backprop.tabular.tables import one_line

CSV_ENDINGS = (".csv", ".csv.gz", ".tsv", ".gz")


class TableSource(Source):
    """A table in memory; a block is a piece of it.

    Parameters
    ----------
    table : pyarrow.Table or pyarrow.RecordBatch
    target, columns, weight
        Names: see `backprop.sources.arrow`.
    """

    name = "the Arrow table"

    def __init__(self, table, target, columns=None, weight=None, reads=Columns):
        pyarrow = need_pyarrow(self.name)
        if isinstance(table, pyarrow.RecordBatch):
            table = pyarrow.Table.from_batches([table])
        self._columns = reads(table.schema, self.name, target, columns, weight)
        self._table = table.select(list(self._columns.names))
        self.n_rows, size = table.num_rows, self._columns.rows_of_piece
        if not self.n_rows:
            raise ValueError(f"{self.name} has no rows")
        self._starts = range(0, self.n_rows, size)
        self.block_rows = tuple(min(size, self.n_rows - start) for start in self._starts)
        self.input_names, self.target_names = self._columns.inputs, self._columns.targets

    def pieces(self, blocks=None):
        """See `Source`."""
        for block in range(len(self.block_rows)) if blocks is None else blocks:
            start, n_rows = self._starts[block], self.block_rows[block]
            part = self._table.slice(start, n_rows)
            for batch in part.combine_chunks().to_batches():
                yield self._columns.piece(batch, self.name, start)
                start += batch.num_rows

    def identity(self):
        """See `Source`."""
        content = None if self.input_names is None else content_of(self)
        return {**super().identity(), "content": content}


class ReaderSource(Source):
    """A stream of record batches, which is over when it is read.

    Parameters
    ----------
    reader : pyarrow.RecordBatchReader
    target, columns, weight
        Names: see `backprop.sources.arrow`.
    """

    name = "the RecordBatchReader"
    rereads = False

    def __init__(self, reader, target, columns=None, weight=None):
        need_pyarrow(self.name)
        self._reader = reader
        self._columns = Columns(reader.schema, self.name, target, columns, weight)
        self.input_names, self.target_names = self._columns.inputs, self._columns.targets

    def check_epochs(self, epochs):
        """See `Source`."""
        check_one_epoch(self.name, epochs)

    def pieces(self, blocks=None):
        """See `Source`."""
        first_row = 0
        for batch in take(self, "_reader"):
            for start in range(0, batch.num_rows, self._columns.rows_of_piece):
                part = batch.slice(start, self._columns.rows_of_piece)
                yield self._columns.piece(part, self.name, first_row + start)
            first_row += batch.num_rows


class DatasetSource(Source):
    """A dataset of pyarrow's; a block is a file, of Parquet a row group.

    Parameters
    ----------
    dataset : pyarrow.dataset.Dataset
    target, columns, weight
        Names: see `backprop.sources.arrow`.
    name : str
        For messages.
    """

    def __init__(
        self, dataset, target, columns=None, weight=None, name="the dataset", reads=Columns
    ):
        need_pyarrow(name)
        self.name, self._schema = name, dataset.schema
        self._columns = reads(dataset.schema, name, target, columns, weight)
        self._blocks, sizes = [], []
        for fragment in dataset.get_fragments():
            self._check(fragment, dataset.schema)
            is_parquet = hasattr(fragment, "split_by_row_group")
            for block in fragment.split_by_row_group() if is_parquet else [fragment]:
                n_rows = self._told(block, lambda block=block: _count(block))
                if n_rows:
                    self._blocks.append(block)
                    sizes.append(n_rows)
        self.block_rows, self.n_rows = tuple(sizes), sum(sizes)
        if not self.n_rows:
            raise ValueError(f"{name} has no rows")
        self.input_names, self.target_names = self._columns.inputs, self._columns.targets

    def _check(self, fragment, schema):
        """That a file has the columns of the first; those in names of folders it has not."""
        import pyarrow.dataset

        own = self._told(fragment, lambda: fragment.physical_schema)
        keys = pyarrow.dataset.get_partition_keys(fragment.partition_expression)
        for name in keys:
            if name not in own.names:
                own = own.append(schema.field(name))
        self._columns.check(own, _path(fragment))

    def _told(self, fragment, ask):
        import pyarrow

        try:
            return ask()
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(f"{_path(fragment)} cannot be read: {one_line(error)}") from error

    def pieces(self, blocks=None):
        """See `Source`."""
        blocks = range(len(self._blocks)) if blocks is None else blocks
        for block in blocks:
            fragment, first_row = self._blocks[block], 0
            options = {"columns": list(self._columns.names), "use_threads": False}
            options |= {"batch_size": self._columns.rows_of_piece, "schema": self._schema}
            options |= {"batch_readahead": 1, "fragment_readahead": 0}
            batches = self._told(fragment, lambda f=fragment, o=options: f.to_batches(**o))
            while True:
                batch = self._told(fragment, lambda b=batches: next(b, None))
                if batch is None:
                    break
                if batch.num_rows:
                    yield self._columns.piece(batch, _path(fragment), first_row)
                first_row += batch.num_rows

    def identity(self):
        """See `Source`; of each file its path and size."""
        paths = [_path(block) for block in self._blocks]
        files = [[path, os.path.getsize(path) if os.path.isfile(path) else 0] for path in paths]
        return {**super().identity(), "files": files}


def csv_files(path, target, columns=None, weight=None, delimiter=",", reads=Columns):
    """A `DatasetSource` of CSV files: see `backprop.sources.csv_folder`."""
    need_pyarrow("a folder of CSV files")
    import pyarrow.csv
    import pyarrow.dataset

    files = [str(file) for file in files_of(path, CSV_ENDINGS, "CSV")]
    form = pyarrow.dataset.CsvFileFormat(pyarrow.csv.ParseOptions(delimiter=delimiter))
    try:
        dataset = pyarrow.dataset.dataset(files, format=form)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path} cannot be read as CSV: {one_line(error)}") from error
    name = files[0] if len(files) == 1 else f"{path} ({len(files)} files)"
    return DatasetSource(dataset, target, columns, weight, name, reads)


def check_one_epoch(name, epochs):
    """ValueError where more than one is asked for of what can be read once."""
    if epochs > 1:
        raise ValueError(
            f"epochs={epochs}: {name} can be read once, so expected epochs=1; a function that "
            "makes a new one is called anew each epoch: fit(lambda: …)"
        )


def take(owner, attribute):
    """What a source reads once; ValueError the second time."""
    found = getattr(owner, attribute)
    if found is None:
        raise ValueError(f"{owner} has been read already, and can be read once: expected a new one")
    setattr(owner, attribute, None)
    return found


def _count(block):
    """Of its rows: count_rows counts all of a file, whichever row groups are asked for."""
    groups = getattr(block, "row_groups", None)
    return block.count_rows() if groups is None else sum(group.num_rows for group in groups)


def _path(fragment):
    return getattr(fragment, "path", None) or "the dataset"
