"""Ctrl-C on one of several ranks: kept until a place at which the others can be told."""

import signal
import threading


class Interrupts:
    """A block in which SIGINT is noted, and nothing is raised until `look`.

    Raised wherever it comes, KeyboardInterrupt would leave a message half sent. Only the main
    thread has a handler to replace; in others the block does nothing.
    """

    def __init__(self):
        self._usual, self._noted = None, False

    def __enter__(self):
        usual = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(usual):
            self._usual = usual
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind, *_):
        if self._usual is not None:
            signal.signal(signal.SIGINT, self._usual)
        if kind is None:
            self.look()

    def look(self):
        """Let the usual handler raise what it raises, where SIGINT has come."""
        if self._noted:
            self._noted = False
            self._usual(signal.SIGINT, None)

    def _note(self, *_):
        self._noted = True
