"""The user's arrays, as a run is given them."""
cimport numpy as cnp

from backprop._core.dense cimport Layer
from backprop._core.plan cimport Plan
from backprop._core.steps cimport Steps


cdef take_arrays(Steps *s, Plan plan, cnp.ndarray x, cnp.ndarray y, cnp.ndarray sample_weights)
cdef set_lookahead(Steps *s, cnp.ndarray x, cnp.ndarray y)
cdef layer_views(block, const Layer *layers, int n_layers)
