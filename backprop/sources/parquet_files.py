"""Parquet: a file, a folder of them, or a list; a block is a row group."""

from __future__ import annotations

import hashlib
from pathlib import Path

from backprop.sources.columns import Columns, need_pyarrow
from backprop.sources.source import Source
from backprop.tabular.tables import one_line

ENDINGS = (".parquet", ".pq")
READ_BYTES = 1 << 16  # of a column at a time; by default all of it in a row group, in no less time


class ParquetSource(Source):
    """Row groups of Parquet files with the same columns.

    Parameters
    ----------
    path : str, os.PathLike or list of them
        A file, or a folder, whose files are taken in the order of their names.
    target, columns, weight
        Names: see `backprop.sources.parquet`.
    """

    def __init__(self, path, target, columns=None, weight=None, reads=Columns):
        need_pyarrow("a Parquet file")
        self._files = files_of(path, ENDINGS, "Parquet")
        self.name = self._files[0].name if len(self._files) == 1 else _folder(path, self._files)
        self._metadata, self._columns, blocks = [], None, []
        self._written = [_written(file) for file in self._files]
        for number, file in enumerate(self._files):
            metadata = _metadata(file)
            schema = _schema(file, metadata)
            if self._columns is None:
                self._columns = reads(schema, str(file), target, columns, weight)
            else:
                self._columns.check(schema, str(file))
            self._metadata.append(metadata)
            for group in range(metadata.num_row_groups):
                if metadata.row_group(group).num_rows:
                    blocks.append((number, group, metadata.row_group(group).num_rows))
        self._blocks = blocks
        self.block_rows = tuple(rows for _, _, rows in blocks)
        self.n_rows = sum(self.block_rows)
        if not self.n_rows:
            raise ValueError(f"{self.name} has no rows")
        self.input_names, self.target_names = self._columns.inputs, self._columns.targets

    def pieces(self, blocks=None):
        """See `Source`."""
        blocks = range(len(self._blocks)) if blocks is None else blocks
        opened, number = None, None
        try:
            for block in blocks:
                if self._blocks[block][0] != number:
                    if opened is not None:
                        opened.close()
                    number = self._blocks[block][0]
                    opened = self._open(number)
                yield from self._pieces_of(opened, *self._blocks[block])
        finally:
            if opened is not None:
                opened.close()

    def _open(self, number):
        from pyarrow.parquet import ParquetFile

        if _written(self._files[number]) != self._written[number]:
            raise ValueError(f"{self._files[number]} was written anew since it was opened")
        return ParquetFile(
            self._files[number],
            metadata=self._metadata[number],
            pre_buffer=False,
            buffer_size=READ_BYTES,
        )

    def _pieces_of(self, opened, number, group, n_rows):
        import pyarrow

        place = f"{self._files[number]}, row group {group + 1}"
        batches = opened.iter_batches(
            self._columns.rows_of_piece,
            row_groups=[group],
            columns=list(self._columns.names),
            use_threads=False,
        )
        first_row = sum(rows for n, g, rows in self._blocks if n == number and g < group)
        end = first_row + n_rows
        while True:
            try:
                batch = next(batches, None)
            except (pyarrow.ArrowException, OSError) as error:
                raise ValueError(f"{place} is damaged: {one_line(error)}") from error
            if batch is None:
                break
            yield self._columns.piece(batch, place, first_row)
            first_row += batch.num_rows
        if first_row != end:
            raise ValueError(f"{place} has {n_rows + first_row - end:,} rows: expected {n_rows:,}")

    def identity(self):
        """See `Source`; of each file what its footer says, with the statistics of all columns."""
        digest = hashlib.sha256()
        for file, metadata in zip(self._files, self._metadata, strict=True):
            found = [metadata.row_group(i).to_dict() for i in range(metadata.num_row_groups)]
            digest.update(repr((file.name, file.stat().st_size, found)).encode())
        return {**super().identity(), "footers": digest.hexdigest()}


def _written(file):
    """(size, time) of the last change; a file that is not there is told of elsewhere."""
    try:
        status = Path(file).stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def files_of(path, endings, kind):
    """The files that a path stands for; ValueError where there is none."""
    if isinstance(path, list | tuple):
        files = [Path(one) for one in path]
    elif Path(path).is_dir():
        files = sorted(
            file
            for file in Path(path).rglob("*")
            if file.suffix.lower() in endings
            and not any(part[0] in "._" for part in file.relative_to(path).parts)
        )
        for file in files:
            _refuse_partitions(path, file, kind)
    else:
        files = [Path(path)]
    if not files:
        expected = " or ".join(f"*{ending}" for ending in endings)
        raise ValueError(f"{path} has no {kind} file: expected some {expected}")
    return files


def _refuse_partitions(path, file, kind):
    """A column that stands in names of folders would be missed."""
    parts = [part for part in file.relative_to(path).parts[:-1] if "=" in part]
    if parts:
        raise ValueError(
            f"{path} has its column {parts[0].split('=')[0]!r} in the names of folders, such as "
            f'{parts[0]}: expected arrow(pyarrow.dataset.dataset(path, partitioning="hive")), '
            f"or {kind} files that have it"
        )


def _folder(path, files):
    count = f"{len(files)} files"
    return f"{count} from {files[0]} on" if isinstance(path, list | tuple) else f"{path} ({count})"


def _schema(file, metadata):
    """Arrow's; pyarrow decodes the names of columns when it is asked for them."""
    try:
        schema = metadata.schema.to_arrow_schema()
        _ = schema.names  # which raises here, where the file can be named
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not a Parquet file, or a damaged one: {error}") from error
    return schema


def _metadata(file):
    import pyarrow
    from pyarrow.parquet import read_metadata

    try:
        return read_metadata(file)
    except FileNotFoundError:
        raise FileNotFoundError(2, "No such file or directory", str(file)) from None
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{file} is not a Parquet file, or a damaged one: {one_line(error)}"
        ) from error
