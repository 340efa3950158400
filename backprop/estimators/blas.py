"""numpy's and scipy's BLAS on as many threads as a fit was given."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_limits = []  # of those inside; the first's holds: BLAS has one limit for the process


@contextmanager
def blas_threads(n_threads):
    """At most so many; None: as many as it likes.

    The first who enters limits and the last who leaves lifts the limit, so that of several fits in
    threads none runs on the others' threads.
    """
    if n_threads is None:
        yield
        return
    with _lock:
        _limits.append(None if _limits else _elsewhere(_limited, n_threads))
    try:
        yield
    finally:
        with _lock:
            first = _limits.pop() if len(_limits) == 1 else _limits.pop(1)
            if first is not None:
                _elsewhere(first.restore_original_limits)


def _limited(n_threads):
    return _controller().limit(limits=n_threads, user_api="blas")


@cache
def _controller():
    return ThreadpoolController()


def _elsewhere(function, *arguments):
    """Called by a thread that then ends: threadpoolctl lets only one living thread set limits."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()
