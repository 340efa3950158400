"""What the core raises of its runs."""
from backprop._core.dense cimport Interrupt
from backprop._core.steps cimport Steps


cdef int process_generation  # how often this process, or an ancestor of it, has been forked

cdef in_use()
cdef forked()
cdef refuse(Steps *s)
cdef raise_seen(Interrupt *interrupt)
