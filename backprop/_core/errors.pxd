"""What the core raises of its runs."""
from backprop._core.dense cimport Interrupt
from backprop._core.steps cimport Steps


cdef in_use()
cdef refuse(Steps *s)
cdef raise_seen(Interrupt *interrupt)
