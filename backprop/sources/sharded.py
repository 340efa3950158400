"""`Network.fit` of a source with shards: each has a range of the rows, and a buffer of its own.

(a) Where a shard's rows begin and end follows from how many there are; a process reads those of its
    shards, and no others but in the blocks in which they begin and end.
(b) Windows of whole steps are trained on: every buffer is filled, and gives the window as many rows
    as the shard has positions in it. How large windows are follows from the sizes alone, so that
    all ranks go through the same ones.
(c) What the buffers hold when nothing is left to read is shuffled as in memory: buffers that hold
    all rows give the bits of `fit` in memory.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from math import gcd, isfinite

import numpy as np

from backprop._core.order import shuffle_blocks
from backprop.sharding import Sharding
from backprop.sources.ahead import ReadAhead
from backprop.sources.buffer import Buffer
from backprop.sources.fitting import Streaming
from backprop.sources.source import joined

WINDOWS = 8  # that the buffers make, about: a window's rows are in memory once more


class ShardedStreaming(Streaming):
    """A `Streaming` of a source whose blocks and rows are counted."""

    def share_out(self, shards, ranks=None):
        """Take the shards of this process, and say how large buffers and windows are."""
        source, size, rank = self.source, *((1, 0) if ranks is None else (ranks.size, ranks.rank))
        if source.block_rows is None or source.n_rows is None or not source.rereads:
            raise ValueError(
                f"shards={shards} and {source}: expected a source whose rows are counted and can "
                "be read from any block on, such as Parquet files"
            )
        if source.n_rows < shards:
            raise ValueError(
                f"shards={shards}: expected at most the {source.n_rows} rows of {source}"
            )
        own = shards // size
        self.sharding = Sharding(shards, own * rank, own * (rank + 1), source.n_rows, 0, ranks)
        step = self.batch_size * shards // gcd(self.batch_size, shards)
        self._room = max(-(-self._n_buffered() // shards), 2 * step // shards)
        self._window = max(1, self._room * shards // WINDOWS // step) * step
        self._kept = None

    def _train_streamed(self):
        """One epoch."""
        self._began, self._trained = time.perf_counter(), 0
        rest = self._kept
        if rest is None:
            rest = self._read_shards()
        self._train_shards(rest, self.sharding.n_rows - self._trained, is_rest=True)
        self.position, self.begun = 0, np.zeros(3)

    def _read_shards(self):
        """Train on windows until the buffers hold all that is left; (X, y, weight) of that."""
        n_rows, count = self.sharding.n_rows, self.sharding.count
        with ExitStack() as reading:
            shards = self._shards(reading)
            n_draws = 0
            while n_rows - self._trained > self._room * count:
                n_draws += 1
                with self.together():
                    self._fill(shards)
                    drawn = self._drawn(shards, n_draws)
                self._train_shards(drawn, self._window, is_rest=False)
            with self.together():
                self._fill(shards)
                rest = joined([one.buffer.rest()[:3] for one in shards])
            self._check_weights([one.weighs for one in shards])
        if n_draws == 0:
            self._kept = rest
        return rest

    def _check_weights(self, weigh):
        """`weigh`: of each shard whether some weight is above 0, or None without weights."""
        if not self.some_of(any(one is not False for one in weigh)):
            raise ValueError(f"{self.source}: every weight is 0: expected some above 0")

    def some_of(self, is_so):
        """Whether it is so for one of the processes; there are no others here."""
        return is_so

    def _shards(self, reading):
        """Those of this process, each with a reader."""
        made = []
        for number in range(self.sharding.first, self.sharding.last):
            first, last = (self.sharding.first_row(i) for i in (number, number + 1))
            blocks = _blocks_with(self.source.block_rows, first, last)
            if self.shuffle and last - first > self._room:
                shuffle_blocks(blocks, self.network.seed, self.network.epochs_trained)
            rows = _Rows(self.source, blocks.tolist(), first, last, self._check)
            pieces = reading.enter_context(ReadAhead(rows.pieces, f"{self.source}, shard {number}"))
            made.append(_Shard(number, last - first, pieces, Buffer(self._room, 1)))
        return made

    def _fill(self, shards):
        for one in shards:
            one.fill(self.source)

    def _drawn(self, shards, n_draws):
        """(X, y, weight) of a window, a shard behind another, each with one row that is not used.

        To the core the last rows are the end of an epoch.
        """
        each = self._window // self.sharding.count
        network = self.network
        found = []
        for one in shards:
            if self.shuffle:
                draw = n_draws * self.sharding.count + one.number
                places, first, last = one.buffer.draw(
                    each, network.seed, network.epochs_trained, draw
                )
                rows = np.append(places[first:last], places[first])
                found.append([None if a is None else a[rows] for a in one.buffer.arrays])
            else:
                rows = np.append(np.arange(each), 0)
                found.append([None if a is None else a[rows] for a in one.buffer.arrays])
                one.buffer.drop_first(each)
        return joined(found)

    def _train_shards(self, arrays, n_rows, is_rest):
        """So many positions of the epoch; the core ends it at the last of the rows."""
        history, done = self.history, len(self.history.loss)
        whole = self.sharding._replace(n_rows=n_rows if is_rest else n_rows + self.sharding.count)
        sharding = whole._replace(rows_before=whole.first_row(whole.first))
        self.begun[2] = time.perf_counter() - self._began  # what was waited for is time too
        self.position = self._trained
        finite = self.network._core.fit(
            *arrays,
            n_epochs=1,
            batch_size=self.batch_size,
            shuffled=self.shuffle and is_rest,
            counted=True,
            progress=self.progress,
            losses=history.loss,
            durations=history.seconds,
            piece=(0, n_rows, self.begun),
            sharding=sharding,
        )
        self._trained += n_rows
        loss = history.loss[-1] if len(history.loss) > done else 0.0  # of a window: none
        if not (finite and isfinite(loss)):
            raise self.network._training_error(*arrays[:2], loss, done + 1)


class _Shard:
    """Rows that are read, and a buffer that they go through."""

    def __init__(self, number, n_rows, pieces, buffer):
        self.number, self.buffer = number, buffer
        self._left, self._pieces = n_rows, iter(pieces)
        self._piece, self._start = None, 0
        self.weighs = None  # whether some row so far has a weight above 0; None: no weights

    def fill(self, source):
        """The buffer, as far as there are rows."""
        while self._left and self.buffer.n_free:
            if self._piece is None:
                self._piece, self._start = next(self._pieces, None), 0
            if self._piece is None:
                raise ValueError(f"{source} has {self._left:,} rows fewer than when it was opened")
            if self._piece.weight is not None and not self._start:
                self.weighs = bool(self.weighs or self._piece.weight.any())
            n = self.buffer.put(self._piece, self._start)
            self._start, self._left = self._start + n, self._left - n
            if self._start == len(self._piece.X):
                self._piece = None


class _Rows:
    """The rows [first, last) of a source, out of the blocks that hold them."""

    def __init__(self, source, blocks, first, last, check):
        self._source, self._blocks, self._check = source, blocks, check
        self._first, self._last = first, last
        self._starts = np.concatenate([[0], np.cumsum(source.block_rows)])

    def pieces(self):
        """Called in the reader's thread."""
        blocks = iter(self._blocks)
        row = stop = 0
        for piece in self._source.pieces(self._blocks):
            n = len(piece.X)
            if n and row == stop:
                row, stop = self._starts[(block := next(blocks)) : block + 2]
            first, last = max(self._first - row, 0), min(self._last - row, n)
            row += n
            if first < last:
                yield self._check(_cut(piece, int(first), int(last)))


def _cut(piece, first, last):
    """Some rows of a piece."""
    if (first, last) == (0, len(piece.X)):
        return piece
    arrays = [None if a is None else a[first:last] for a in piece[:3]]
    return piece._replace(
        **dict(zip(("X", "y", "weight"), arrays, strict=True)), first_row=piece.first_row + first
    )


def _blocks_with(block_rows, first, last):
    """The numbers of the blocks that hold some of the rows [first, last)."""
    ends = np.cumsum(block_rows)
    starts = ends - block_rows
    return np.flatnonzero((ends > first) & (starts < last)).astype(np.int64)
