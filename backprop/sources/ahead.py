"""A thread that reads pieces ahead of the one that trains on them.

(a) At most `AHEAD` pieces are in memory: the reader waits before it makes another.
(b) What the reader raises is raised again where the pieces are taken, with its traceback.
(c) Whoever takes them may leave at any time: the reader ends with the piece that it is making, and
    closes its files itself. After Ctrl-C nobody waits for that.
"""

from __future__ import annotations

import threading
import warnings
from collections import deque
from contextlib import closing

AHEAD = 2
PATIENCE = 10.0  # seconds for the reader to end, where whoever takes the pieces has left


class ReadAhead:
    """The pieces that a generator makes, in a ``with`` block.

    Parameters
    ----------
    make : callable
        Makes the generator; it is called in the reader's thread.
    name : str
        For messages.
    """

    def __init__(self, make, name):
        self._make, self._name = make, name
        self._changed = threading.Condition()
        self._ready = deque()
        self._n_out = 0  # pieces that there are, or that are being made
        self._is_over = self._is_left = False
        self._error = None
        self._thread = threading.Thread(target=self._run, name=f"read {name}", daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        with self._changed:
            self._is_left = True
            self._ready.clear()
            self._changed.notify_all()
        is_interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        self._thread.join(0 if is_interrupted else PATIENCE)
        if self._thread.is_alive() and not is_interrupted:
            warnings.warn(
                f"{self._name} is still being read {PATIENCE:g} s after training has ended",
                RuntimeWarning,
                stacklevel=2,
            )

    def __iter__(self):
        """Each piece has to be done with before the next is taken."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ready or self._is_over)
                if not self._ready:
                    break
                piece = self._ready.popleft()
            yield piece
            del piece
            with self._changed:
                self._n_out -= 1
                self._changed.notify_all()
        if self._error is not None:
            raise self._error

    def _run(self):
        try:
            with closing(self._make()) as pieces:
                while self._may_read():
                    piece = next(pieces, None)
                    if piece is None:
                        break
                    self._hand_over(piece)
                    del piece
        except BaseException as error:  # whatever it is, it belongs to the thread that trains
            self._error = error
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _may_read(self):
        """Wait for room; whether anybody still wants a piece."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_left or self._n_out < AHEAD)
            self._n_out += 1
            return not self._is_left

    def _hand_over(self, piece):
        with self._changed:
            self._ready.append(piece)
            self._changed.notify_all()
