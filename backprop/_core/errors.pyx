"""What the core raises of its runs."""
import os

from cpython.ref cimport Py_DECREF

from backprop._core.dense cimport Interrupt
from backprop._core.kernels cimport bp_is_raised
from backprop._core.steps cimport Steps


class NotFinite(ValueError):
    """What a run was given, or the gradients of an update, are not finite; the parameters are as they were."""


class InUse(RuntimeError):
    """Another thread is in the way."""


cdef in_use():
    return InUse("this network is in use by another thread: give each thread a network of its own")


cdef forked():
    return RuntimeError("this network was in use by another thread when the process was forked, so its weights may be "
                        "of two steps: load or make another")


def _count_fork():
    global process_generation
    process_generation += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


cdef refuse(Steps *s):
    """NotFinite where a thread of the run has met such a number."""
    if bp_is_raised(&s.outcome.not_finite):
        raise NotFinite("a number is not finite as the network sees it")


cdef raise_seen(Interrupt *interrupt):
    """Raise what Ctrl-C's handler or a loss of the user's own has raised."""
    if interrupt.raised != NULL:
        raised = <object>interrupt.raised
        Py_DECREF(raised)
        interrupt.raised = NULL
        raise raised
