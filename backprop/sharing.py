"""One network in several threads: who reads it, and who changes it.

Both raise RuntimeError where another thread is in the way, and keep such threads away until they
are done. They are classes because a generator with `contextmanager` takes twice as long.
"""


class reading:
    """What is read in several pieces is of one instant."""

    __slots__ = ("_core",)

    def __init__(self, core):
        self._core = core

    def __enter__(self):
        self._core.begin_reading()

    def __exit__(self, *_):
        self._core.end_reading()


class changing:
    """Nobody sees half of what is assigned."""

    __slots__ = ("_core",)

    def __init__(self, core):
        self._core = core

    def __enter__(self):
        self._core.begin_changing()

    def __exit__(self, *_):
        self._core.end_changing()
