"""The rows that are in memory, and the order in which they are trained on.

(a) Rows are put into the buffer until it is full. Then as many are drawn from it as the next piece
    has, rounded up to whole steps; they are trained on, and the piece takes their places.
(b) When nothing is left to read, the rest is shuffled as an epoch in memory is, and trained on.
    So a buffer that holds all rows gives the order and the bits of `fit` in memory.
(c) Only the last batch of an epoch may be smaller than the others.
(d) Without a shuffle rows are trained on as they come, in any buffer the bits of `fit` in memory.
"""

from __future__ import annotations

import numpy as np

from backprop._core.order import draw_rows, put_rows, shuffle_rows


class Buffer:
    """Room for rows, of which some are there.

    Parameters
    ----------
    n_rows : int
        The most that it holds: at least a step's.
    step_rows : int
        Of a step.
    """

    def __init__(self, n_rows, step_rows):
        self.n_rows, self._step_rows = n_rows, step_rows
        self.X = self.y = self.weight = None
        self.count = 0  # of rows that are there
        # The places in which they are, and behind them those that are free. There is one more than
        # is filled, since to the core the last row is the end of an epoch.
        self._places = np.arange(n_rows + 1, dtype=np.int64)
        self._are_moved = False  # rows are not where they were put

    @property
    def n_free(self):
        """How many rows can still be put into it."""
        return self.n_rows - self.count

    def clear(self):
        """Begin an epoch."""
        self.count, self._are_moved = 0, False
        self._number()

    def put(self, piece, start):
        """Rows of a checked piece from `start` on, as many as there is room for; how many."""
        if self.X is None:
            self._make_room(piece)
        n = min(len(piece.X) - start, self.n_free)
        first, last = self.count, self.count + n
        for own, given in ((self.X, piece.X), (self.y, piece.y), (self.weight, piece.weight)):
            if own is None:
                continue
            if not self._are_moved:  # the free places lie in a row
                own[first:last] = given[start : start + n]
            else:
                put_rows(_bytes(own), _bytes(given[start : start + n]), self._places[first:last])
        self.count = last
        return n

    def _make_room(self, piece):
        def room(array):
            return np.empty((self.n_rows + 1, *array.shape[1:]), array.dtype)

        self.X, self.y = room(piece.X), room(piece.y)
        self.weight = None if piece.weight is None else room(piece.weight)

    def draw(self, n_wanted, seed, epoch, draw):
        """(places of rows, first, last): whole steps of at least so many rows, where there are.

        The rows are those of places[first:last], and no longer in the buffer.
        """
        last = self.count
        n = min(-(-n_wanted // self._step_rows), last // self._step_rows) * self._step_rows
        draw_rows(self._places, last, n, seed, epoch, draw)
        self.count, self._are_moved = last - n, True
        return self._places, self.count, last

    def first_steps(self):
        """How many of the first rows are whole steps."""
        return self.count // self._step_rows * self._step_rows

    def drop_first(self, n):
        """Move what is behind the first n rows to where they were."""
        rest = self.count - n
        for array in self._arrays():
            array[:rest] = array[n : self.count].copy()
        self.count = rest

    def rest(self, seed=None, epoch=None):
        """All that is left, in the first places: (X, y, weight, order); no order without a seed."""
        if self._are_moved:
            self._close_up()
        arrays = [None if a is None else a[: self.count] for a in (self.X, self.y, self.weight)]
        if seed is None:
            return (*arrays, None)
        self._number()
        order = self._places[: self.count]
        shuffle_rows(order, seed, epoch)
        return (*arrays, order)

    def _close_up(self):
        """Move rows that stand behind the first `count` places into those that are free there."""
        there = self._places[: self.count]
        behind = np.sort(there[there >= self.count])
        free = np.ones(self.count, bool)
        free[there[there < self.count]] = False
        into = np.flatnonzero(free)
        for array in self._arrays():
            array[into] = array[behind]
        self._are_moved = False

    def _number(self):
        self._places[:] = np.arange(len(self._places))

    @property
    def arrays(self):
        """(X, y, weight), with the rows that are free; weight may be None."""
        return self.X, self.y, self.weight

    def _arrays(self):
        return [array for array in self.arrays if array is not None]


def _bytes(array):
    """(n, bytes of a row), without a copy where the rows lie side by side."""
    array = np.ascontiguousarray(array)
    return array.reshape(len(array), -1).view(np.uint8)
