"""Tables that are read as they are trained on: folders, what is asked for, and large files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backprop.cli.settings import settled
from backprop.tabular.reading.sources import free_memory

_ENDINGS = (".parquet", ".pq", ".csv", ".tsv")
# Of the memory that is free, from which size on a file is streamed: unpacked and prepared, its rows
# take some times as much.
_LARGE_SHARE = 0.2
_MOST_HELD_OUT = 100_000  # rows, which are in memory: they are scored after each epoch


@dataclass
class StreamedPart:
    """Rows to train on that are not in memory."""

    source: object
    buffer_rows: int | None

    def __len__(self):
        return self.source.n_rows

    @property
    def balanced(self):
        """{label: weight} that let all classes weigh alike; "balanced" where there are none."""
        counts = self.source.class_counts
        if counts is None:
            return "balanced"
        return {label: len(self) / (len(counts) * n) for label, n in enumerate(counts)}

    def rows(self, target, dtype):
        """What `Network.fit` takes of them, by name."""
        return {"X": self.source, "buffer_rows": self.buffer_rows}


def is_wanted(options):
    """Whether rows are read piece by piece."""
    path = Path(options.data)
    if options.stream or path.is_dir():
        return True
    if path.suffix.lower() in _ENDINGS and path.is_file():
        free = free_memory()
        if free is not None and path.stat().st_size > _LARGE_SHARE * free:
            return True
    if options.buffer_rows is not None:
        raise ValueError("--buffer-rows is of rows that are read piece by piece: expected --stream")
    return False


def prepare(options):
    """The `Problem` of a table that is read once to learn, and then as it is trained on."""
    from backprop.cli.preparing import Part, Problem, targets_in
    from backprop.sources import prepared_rows

    tables = prepared_rows.open_tables(options.data)
    targets = targets_in(tables.column_names, tables.name, options.target)
    found = []

    def settle(task):
        found.append(settled(options, True, task))
        return found[0].pieces

    training, held_out = prepared_rows.prepare(
        tables,
        tuple(targets),
        share=min(options.validation, _MOST_HELD_OUT / tables.n_rows),
        seed=options.seed,
        settle=settle,
        task="regression" if len(targets) > 1 else options.task,
        drop=options.drop,
        key=options.key,
    )
    held, n_held = None, 0
    training.dtype = np.dtype(options.dtype)
    if held_out is not None:
        held_out.dtype, n_held = training.dtype, held_out.n_rows
        X = np.concatenate([piece.X for piece in held_out.pieces()])
        held = Part(X, held_out.values())
    rows = f"{training.n_rows:,} to train on, {n_held:,} held out"
    if training.n_left_out:
        rows += f", {training.n_left_out:,} left out, whose target is missing"
    size = f"{tables.n_rows:,} rows, {len(tables.column_names)} columns"
    lines = [
        ("read", f"{tables.name}: {size}, once to learn from, and as they are trained on"),
        *training.preprocessing.describe(),
        ("rows", rows),
    ]
    part = StreamedPart(training, options.buffer_rows)
    return Problem(training.preprocessing, part, held, None, lines, found[0])
