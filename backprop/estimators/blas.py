"""numpy's and scipy's BLAS on as many threads as a fit was given."""

import threading
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_inside = []  # those who limit it now: the limit is the process's, not a thread's


@cache
def _controller():
    return ThreadpoolController()


@contextmanager
def blas_threads(n_threads):
    """At most so many; None: as many as it likes.

    The first who enters limits and the last who leaves lifts the limit, so that of several fits in
    threads none puts back what another had set.
    """
    if n_threads is None:
        yield
        return
    with _lock:
        if not _inside:
            _inside.append(_controller().limit(limits=n_threads, user_api="blas"))
        else:
            _inside.append(None)
    try:
        yield
    finally:
        with _lock:
            _inside.pop() if len(_inside) > 1 else _inside.pop().restore_original_limits()
