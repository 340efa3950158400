"""Parameters that a layer has beside its product: rows of their own in its block, a number for each unit."""
from libc.stdint cimport int64_t

from backprop._core.dense cimport Layer, Run


cdef char *gradient_row(const Layer *layer, const Run *run, int64_t row) noexcept nogil
cdef void step_rows(const Layer *layer, Run *run, int64_t row, int64_t count) noexcept nogil
cdef void spend_rows(const Layer *layer, Run *run, int64_t row, int64_t count) noexcept nogil
