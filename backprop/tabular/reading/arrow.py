"""Parquet, Feather and Arrow files, by pyarrow."""

import numpy as np

from backprop.tabular.reading.layout import complete_names
from backprop.tabular.reading.text import Codes, quantities, words_of
from backprop.tabular.tables import Table, TableError, Words, one_line

_PARQUET = (".parquet", ".pq")


def read_arrow(source, text):
    """The `Table` of a source; the columns `text` stay text where they are strings or times."""
    try:
        import pyarrow
    except ImportError as error:
        raise TableError(
            f"reading {source} needs pyarrow; install it with: pip install pyarrow"
        ) from error
    is_parquet = source.suffix in _PARQUET
    with source.open() as file:
        try:
            table = (_parquet if is_parquet else _feather)(source, file)
            table.validate(full=True)  # pyarrow takes places and text on trust
            names = table.column_names  # which it decodes when it is asked
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise TableError(
                f"{source} is not {'a Parquet' if is_parquet else 'an Arrow or Feather'} file, or "
                f"a damaged one: {one_line(error)}"
            ) from error
    return table_of(pyarrow, table, names, source, text)


def _parquet(source, file):
    import pyarrow.parquet

    parquet = pyarrow.parquet.ParquetFile(file)
    groups = range(parquet.metadata.num_row_groups)
    source.check_unpacked(sum(parquet.metadata.row_group(i).total_byte_size for i in groups))
    return parquet.read()


def _feather(source, file):
    """Batch by batch: what one of them unpacks to is known once it is read."""
    import pyarrow
    import pyarrow.feather

    beginning = file.read(4)
    file.seek(0)
    if beginning == b"FEA1":  # the first version of the format, which is not packed
        return pyarrow.feather.read_table(file)
    reader = pyarrow.ipc.open_file(file)
    batches, n_bytes = [], 0
    for i in range(reader.num_record_batches):
        batches.append(reader.get_batch(i))
        batches[-1].validate(full=True)  # before anything is asked of it
        n_bytes += batches[-1].nbytes
        source.check_unpacked(n_bytes)
    return pyarrow.Table.from_batches(batches, reader.schema)


def table_of(pyarrow, table, names, source, text):
    """A `Table` of an Arrow one, whose columns have these names."""
    if table.num_rows == 0 or table.num_columns == 0:
        raise TableError(f"{source} has no rows")
    names = complete_names(source, names)
    kept, columns, notes, written = [], [], [], {}
    for name, values in zip(names, table.columns, strict=True):
        column = _column(pyarrow, values, name in text)
        if column is None:
            notes.append(f"column {name!r} left out: {values.type} is neither numbers nor text")
            continue
        if isinstance(column, Words) and name not in text:
            column, how, note = quantities(name, column)
            if how:
                written[name] = how
                notes.append(note)
        kept.append(name)
        columns.append(column)
    if not columns:
        raise TableError(f"{source} has no column of numbers or text")
    return Table(tuple(kept), tuple(columns), str(source), tuple(notes), written)


def _column(pyarrow, values, as_text):
    """A column as one of a `Table`, or None for nested and binary types."""
    types = pyarrow.types
    kind = values.type
    if types.is_dictionary(kind):
        if _is_string(types, kind.value_type):
            return words_of_dictionary(values)
        values = values.cast(kind.value_type)
        kind = values.type
    if (
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    ):
        # not "safe", which refuses whole numbers above 2**53: a CSV rounds them too
        return np.asarray(values.cast(pyarrow.float64(), safe=False).to_numpy(), np.float64)
    if types.is_temporal(kind) and not as_text:
        return _times(pyarrow, values)
    if types.is_boolean(kind) or types.is_temporal(kind):
        return words_of([None if value is None else str(value) for value in values.to_pylist()])
    if _is_string(types, kind):
        return words_of_dictionary(values.dictionary_encode())
    return None


def _is_string(types, kind):
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def words_of_dictionary(values):
    """`Words` of a chunked array of codes into strings, trimmed, the missing ones as -1."""
    values = values.unify_dictionaries()
    if values.num_chunks == 0:
        return Words(np.empty(0, np.intp), [])
    codes = np.concatenate(
        [np.asarray(chunk.indices.fill_null(-1)) for chunk in values.chunks]
    ).astype(np.intp)
    strings = values.chunk(0).dictionary.to_pylist()
    trimmed = Codes()
    merged = [-1 if string is None else trimmed[string] for string in strings]
    if merged != list(range(len(strings))):
        codes = np.array([*merged, -1], np.intp)[codes]
    return Words(codes, list(trimmed.words))


def _times(pyarrow, values):
    """Dates and times as datetime64, times of a day as those of the first day of 1970; seconds of
    a duration."""
    types, kind = pyarrow.types, values.type
    if types.is_duration(kind):
        numbers = values.cast(pyarrow.duration("ns")).cast(pyarrow.int64())
        return np.asarray(numbers.cast(pyarrow.float64(), safe=False).to_numpy()) / 1e9
    if types.is_time(kind):
        numbers = values.cast(pyarrow.time64("ns")).cast(pyarrow.int64())
        values = numbers.cast(pyarrow.timestamp("ns"))
    elif types.is_interval(kind):
        return None
    return values.cast(pyarrow.timestamp("us"), safe=False).to_numpy().astype("M8[us]")
