"""The user's arrays, as a run is given them. They have been checked by backprop/validation.py."""
cimport numpy as cnp
from libc.string cimport strchr

from backprop._core.dense cimport Layer
from backprop._core.kernels cimport BP_NEAR_BYTES, BP_TYPES, bp_lookahead, bp_source
from backprop._core.plan cimport Plan
from backprop._core.steps cimport Rows, Steps

cnp.import_array()


cdef take_arrays(Steps *s, Plan plan, cnp.ndarray x, cnp.ndarray y, cnp.ndarray sample_weights):
    """x (n, n_in); y None, labels (n,) of integers, or targets (n, n_out); sample_weights None or (n,)."""
    cdef Rows *rows = &s.rows
    rows.x = source_of(x)
    rows.count = rows.x.n_rows
    if y is not None:
        rows.has_targets = True
        rows.y_is_labels = cnp.PyArray_NDIM(y) == 1
        rows.y = source_of(y)
    if sample_weights is not None:
        rows.weighted = plan.weighted = True
        rows.weights = source_of(sample_weights)


cdef set_lookahead(Steps *s, cnp.ndarray x, cnp.ndarray y):
    """Let products fetch the next batch, where its rows lie far apart, each of them in one piece."""
    cdef bp_lookahead *lookahead = &s.run.lookahead
    cdef Rows *rows = &s.rows
    if rows.order == NULL or rows.x.column_stride != x.itemsize or x.nbytes <= BP_NEAR_BYTES:
        return
    lookahead.samples, lookahead.targets, lookahead.order = rows.x.data, rows.y.data, rows.order
    lookahead.sample_stride, lookahead.target_stride = rows.x.row_stride, rows.y.row_stride
    lookahead.sample_bytes = s.layers[0].n_in * rows.x.column_stride
    rows.x.n_rows = rows.y.n_rows = 0  # so that gather does not do so too


cdef bp_source source_of(cnp.ndarray array) except *:
    """TypeError for a type that gather does not convert: it would take the bytes for numbers."""
    cdef bp_source source
    cdef char kind = array.descr.type
    if strchr(BP_TYPES, kind) == NULL:
        raise TypeError(f"an array has dtype {array.dtype}: expected numbers")
    source.data = <const char *>cnp.PyArray_DATA(array)
    source.n_rows = cnp.PyArray_DIM(array, 0)
    source.row_stride = cnp.PyArray_STRIDES(array)[0]
    source.column_stride = cnp.PyArray_STRIDES(array)[1] if cnp.PyArray_NDIM(array) == 2 else 0
    source.type = kind
    return source


cdef layer_views(block, const Layer *layers, int n_layers):
    """(weights [n_in][n_out], bias [n_out], what is beside them [rows][n_out]) of each layer, in a block of them."""
    cdef const Layer *layer
    cdef int i
    found, start = [], 0
    for i in range(n_layers):
        layer = &layers[i]
        matrix = block[start:start + layer.rows * layer.ldw].reshape(layer.rows, layer.ldw)
        n_in, n_out = layer.n_in, layer.n_out
        found.append((matrix[:n_in, :n_out], matrix[n_in, :n_out], matrix[n_in + 1:, :n_out]))
        start += layer.rows * layer.ldw
    return found
