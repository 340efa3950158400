"""One network, several threads: who uses it, and how."""


cdef class Shared:
    cdef bint busy              # someone has the training plan, of which there is one
    cdef bint changing          # and changes what readers read
    cdef int readers            # runs of inference, and who copies the parameters
    cdef int generation         # of processes, in which these three are so

    cpdef begin_changing(self)
    cpdef end_changing(self)
    cdef check_trainable(self, bint changes=*)
    cdef check_readable(self)
    cdef follow_fork(self)
