"""`Network.fit` of a source: epochs through a buffer of rows, of which a thread reads more.

Between two epochs all is as it is in memory, where `Training` tells what is done.
"""

from __future__ import annotations

import time
from math import isfinite

import numpy as np

from backprop._core.order import shuffle_blocks
from backprop.history import History
from backprop.sharding import MOST_SHARDS, refuse_what_mixes
from backprop.sources.ahead import ReadAhead
from backprop.sources.buffer import Buffer
from backprop.sources.checking import Checker
from backprop.sources.source import MOST_ROWS
from backprop.training import Training, check_callbacks_of, check_validation
from backprop.validation import (
    BATCH_SIZE,
    MAX_SIZE,
    check_batch_size,
    check_flag,
    check_integer,
    check_real,
    check_trained,
    check_verbose,
)

BUFFER_BYTES = 1 << 28  # where nobody says how many rows
PLACE_BYTES = 8  # of a row, by which its place in the order is known


def prepare(network, source, *, ranks, shards, **asked):
    """The `Streaming` that `fit` asks for, checked before anything is changed."""
    if ranks is not None:
        from backprop.ranks import training as ranked

        return ranked.prepare_source(network, source, ranks=ranks, shards=shards, **asked)
    kind = Streaming
    if check_integer("shards", shards, 1, MOST_SHARDS) > 1:
        from backprop.sources.sharded import ShardedStreaming as kind

        refuse_what_mixes(network, f"shards={shards}")
    training = prepare_alone(network, source, kind, **asked)
    if shards > 1:
        training.share_out(shards)
    return training


def prepare_alone(
    network, source, kind, *, validation_data, validation_split, class_weight, **asked
):
    """As far as this process alone can tell; `kind`: a class of `Streaming`."""
    _refuse(network, validation_split, class_weight)
    check_trained(network.layers)
    epochs = check_integer("epochs", asked["epochs"], 1, MAX_SIZE)
    source.check_epochs(epochs)
    if source.input_names is not None and len(source.input_names) != network.n_inputs:
        raise ValueError(
            f"{source} has {len(source.input_names)} inputs: expected {network.n_inputs} columns "
            "beside the target"
        )
    validation = None
    if validation_data is not None:
        validation = check_validation(network, validation_data)
    n_rows, batch_size = source.n_rows, asked["batch_size"]
    if n_rows is not None:
        batch_size = check_batch_size(batch_size, n_rows, level=6)
    elif batch_size is None:
        batch_size = BATCH_SIZE
    else:
        batch_size = check_integer("batch_size", batch_size, 1, MAX_SIZE)
    max_seconds = asked["max_seconds"]
    buffer_rows = asked["buffer_rows"]
    if buffer_rows is not None:
        buffer_rows = check_integer("buffer_rows", buffer_rows, 1, MAX_SIZE)
    training = kind(
        network,
        source,
        Checker(network, source, class_weight),
        buffer_rows,
        History(n_samples=n_rows or 0),
        validation=validation,
        epochs=epochs,
        batch_size=batch_size,
        shuffle=check_flag("shuffle", asked["shuffle"]),
        metrics=network._check_metrics(asked["metrics"], np.empty((0, network.n_outputs))),
        verbose=check_verbose(asked["verbose"]),
        callbacks=check_callbacks_of(asked["callbacks"]),
        max_seconds=None if max_seconds is None else check_real("max_seconds", max_seconds, 0),
    )
    if training._steps_at_a_time() is not None:
        raise ValueError(
            "Checkpoint's every_steps: expected None with a source, whose epochs are not gone on "
            "with from within; every=1 saves each epoch"
        )
    return training


def _refuse(network, validation_split, class_weight):
    if validation_split:
        raise ValueError(
            f"validation_split={validation_split!r}: expected validation_data with a source, which "
            "may be a source too"
        )
    if class_weight is not None and not isinstance(class_weight, dict):
        raise ValueError(
            f"class_weight={class_weight!r}: expected a dict with a source, whose classes nobody "
            "has counted"
        )
    if network.optimizer.minimizes:
        raise ValueError(
            f"{network.optimizer.title} and a source: expected an optimizer that takes steps, for "
            "this one takes all rows at once"
        )


class Streaming(Training):
    """What `fit` was asked of a source; `run` does it."""

    def __init__(self, network, source, check, buffer_rows, history, **asked):
        super().__init__(network, source, history, sharding=None, **asked)
        self.source, self.buffer_rows, self._check = source, buffer_rows, check
        self._buffer = None
        self._is_kept = False  # all rows are in the buffer, and will be the same
        self._weighs = None  # whether some row so far has a weight above 0; None: no weights

    def _train_epochs(self):
        while self.history.stopped is None and (done := len(self.history.loss)) < self.epochs:
            self.begin_epoch(done)
            self._train_streamed()
            if self.end_epoch():
                return

    def _train_streamed(self):
        """One epoch."""
        self._began, self._n_draws, self._trained = time.perf_counter(), 0, 0
        if not self._is_kept:
            self._read()
        self._train_rest()
        self.position, self.begun = 0, np.zeros(3)

    def _read(self):
        """All pieces into the buffer, which is trained on where it is full."""
        if self._buffer is not None:
            self._buffer.clear()
        n_read = 0
        with ReadAhead(self._checked_pieces, self.source.name) as pieces:
            for piece in pieces:
                n_read += len(piece.X)
                self._note(piece, n_read)
                start = 0
                while start < len(piece.X):
                    if self._buffer.n_free == 0:
                        self._make_room(len(piece.X) - start)
                    start += self._buffer.put(piece, start)
                del piece
        self._check_count(n_read)
        self._is_kept = self.source.rereads and not self._n_draws

    def _checked_pieces(self):
        """Called in the reader's thread."""
        for piece in self.source.pieces(self._order_of_blocks()):
            if len(piece.X) or np.ndim(piece.X) != 2:
                yield self._check(piece)

    def _order_of_blocks(self):
        """None: as they come, which is so where all rows meet in the buffer."""
        sizes = self.source.block_rows
        if not self.shuffle or sizes is None or sum(sizes) <= self._n_buffered():
            return None
        blocks = np.arange(len(sizes))
        shuffle_blocks(blocks, self.network.seed, self.network.epochs_trained)
        return blocks.tolist()

    def _n_buffered(self):
        """The most rows in the buffer."""
        network, n_rows = self.network, self.source.n_rows
        step_rows = self.batch_size * network.optimizer.accumulate
        asked = self.buffer_rows
        if asked is None:
            row_bytes = (network.n_inputs + network.n_outputs) * network.dtype.itemsize
            asked = max(1, BUFFER_BYTES // (row_bytes + PLACE_BYTES))
        if n_rows is not None and n_rows <= asked:
            return n_rows
        if not self.shuffle:  # what waits in it has no use
            asked = min(asked, MOST_ROWS)
        return max(asked, step_rows)

    def _note(self, piece, n_read):
        """What follows from a piece."""
        if self._buffer is None:
            step_rows = self.batch_size * self.network.optimizer.accumulate
            self._buffer = Buffer(self._n_buffered(), step_rows)
        if piece.weight is not None:
            self._weighs = bool(self._weighs or piece.weight.any())
        if self.history.n_samples and n_read > self.history.n_samples:
            self._check_count(n_read)

    def _check_count(self, n_read):
        expected, done = self.history.n_samples, len(self.history.loss)
        if not n_read:
            raise ValueError(f"{self.source} has no rows: expected some in epoch {done + 1}")
        if self._weighs is False:
            raise ValueError(f"{self.source}: every weight is 0: expected some above 0")
        if expected and n_read != expected:
            more = "or more " if n_read > expected else ""
            whose = "of each epoch before" if done else "of its n_rows"
            raise ValueError(
                f"{self.source} has {n_read:,} rows {more}in epoch {done + 1}: expected the "
                f"{expected:,} {whose}"
            )
        self.history.n_samples = n_read
        self.bar.set_rows(n_read)

    def _make_room(self, n_wanted):
        """Train on rows that are in the buffer, so that there is room for so many, or some."""
        buffer, network = self._buffer, self.network
        self._n_draws += 1
        if self.shuffle:
            order, first, last = buffer.draw(
                n_wanted, network.seed, network.epochs_trained, self._n_draws
            )
            self._train_rows(buffer.X, buffer.y, buffer.weight, order, first, last)
        else:
            last = buffer.first_steps()
            self._train_rows(buffer.X, buffer.y, buffer.weight, None, 0, last)
            buffer.drop_first(last)

    def _train_rest(self):
        network, buffer = self.network, self._buffer
        drawn = (network.seed, network.epochs_trained) if self.shuffle else ()
        X, y, weight, order = buffer.rest(*drawn)
        self._train_rows(X, y, weight, order, 0, len(X))

    def _train_rows(self, X, y, weight, order, first, last):
        """Of a piece of the epoch; the core ends it at the last row of X."""
        history, done = self.history, len(self.history.loss)
        self.begun[2] = time.perf_counter() - self._began  # what was waited for is time too
        self.position = self._trained
        finite = self.network._core.fit(
            X,
            y,
            weight,
            n_epochs=1,
            batch_size=self.batch_size,
            shuffled=False,
            counted=True,
            progress=self.progress,
            losses=history.loss,
            durations=history.seconds,
            order=order,
            piece=(first, last, self.begun),
        )
        self._trained += last - first
        loss = history.loss[-1] if len(history.loss) > done else 0.0  # of a piece: none
        if not (finite and isfinite(loss)):
            rows = slice(first, last) if order is None else order[first:last]
            raise self.network._training_error(X[rows], y[rows], loss, done + 1)

    def _floor(self):
        """Nobody knows, before all targets are read."""
        return
