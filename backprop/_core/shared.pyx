"""One network, several threads: who uses it, and how.

What they share is looked at and changed in critical sections of the network: with the GIL these are nothing, because
the GIL makes them one instant; without it they are a lock.
"""
cimport cython

from backprop._core.errors cimport forked, in_use, process_generation


cdef class Shared:
    """One run trains at a time, any number of others read; and nobody reads what someone changes."""

    def __cinit__(self):
        self.generation = process_generation

    def begin_reading(self):
        """Nobody may change the network until `end_reading`; RuntimeError where someone does now."""
        with cython.critical_section(self):
            self.check_readable()
            self.readers += 1

    def end_reading(self):
        with cython.critical_section(self):
            self.readers -= 1

    cpdef begin_changing(self):
        """Nobody else may use the network until `end_changing`; RuntimeError where someone does now."""
        with cython.critical_section(self):
            self.check_trainable(True)
            self.busy = self.changing = True

    cpdef end_changing(self):
        with cython.critical_section(self):
            self.busy = self.changing = False

    def check_idle(self):
        """RuntimeError where another thread trains this network or predicts with it."""
        with cython.critical_section(self):
            self.check_trainable(True)

    # These, in a critical section alone: what they find holds until its end.

    cdef check_trainable(self, bint changes=False):
        """That nobody trains it; nor predicts, where the parameters are to change."""
        if self.generation != process_generation:
            self.follow_fork()
        if self.busy or changes and self.readers:
            raise in_use()

    cdef check_readable(self):
        """That nobody changes it."""
        if self.generation != process_generation:
            self.follow_fork()
        if self.changing:
            raise in_use()

    cdef follow_fork(self):
        """What used the network when this process was forked is a thread of the parent's, and not here."""
        if self.changing:
            raise forked()
        self.busy, self.readers, self.generation = False, 0, process_generation
