"""What a layer is, from what `core_layers` of backprop/layers.py says of it."""
from libc.math cimport INFINITY
from libc.stdint cimport int64_t

from backprop._core.dense cimport Layer
from backprop._core.kernels cimport (
    BP_FROM_A, BP_LEARNED, BP_ROW_MULTIPLE, bp_activation, bp_kernels, find_activation, round_up,
)
from backprop._core.plan cimport row_stride

# Of a layer's parameters with padding: up to here they have it.
cdef int64_t padded_bytes = 1 << 20


cdef describe(const bp_kernels *kernels, Layer *layer, int64_t n_in, given):
    """Sizes and options; who applies f, and who multiplies by f'. Its memory has no place yet."""
    layer.n_in, layer.n_out = n_in, given["units"]
    layer.columns = round_up(layer.n_out, kernels.lanes)
    layer.ldw = layer.ldz = row_stride(layer.n_out, kernels.itemsize)
    layer.trained_rows, layer.rows = n_in + given["has_bias"], n_in + 1 + len(given["beside"])
    layer.own_first, layer.own_last = 0, layer.rows
    layer.frozen, layer.rate_factor = given["frozen"], given["rate_factor"]
    layer.dropout, layer.noise, layer.residual = given["dropout"], given["noise"], given["residual"]
    layer.max_norm = given["max_norm"]
    layer.activation = find_activation(kernels, given["activation"][0], given["activation"][1])
    layer.learns = kernels.activations[layer.activation.code].trait == BP_LEARNED
    describe_norm(kernels, layer, given["norm"])
    describe_derivative(kernels, layer)


cdef void leave_out_padding(const bp_kernels *kernels, Layer *layer) noexcept:
    """Of a large last layer's parameters where it is most of them, and no operation has rows of its own."""
    cdef int64_t n_bytes = layer.rows * layer.ldw * <int64_t>kernels.itemsize
    layer.is_compact = (n_bytes > padded_bytes and 2 * layer.n_out <= BP_ROW_MULTIPLE
                        and layer.rows == layer.n_in + 1 and layer.max_norm == INFINITY)
    if layer.is_compact:
        layer.ldw = layer.n_out


def pad_up_to(int64_t n_bytes):
    """Of networks that are made from now on, for tests; returns what it was."""
    global padded_bytes
    before, padded_bytes = padded_bytes, n_bytes
    return before


cdef describe_norm(const bp_kernels *kernels, Layer *layer, norm):
    """Who applies f: the product, the norm where there is one, or an operation of its own where f learns."""
    cdef bp_activation nothing = layer.activation
    nothing.code = kernels.identity
    layer.norm.activation = nothing if layer.learns else layer.activation
    layer.after_product = nothing if norm is not None or layer.learns else layer.activation
    if norm is not None:
        layer.norm.is_there = True
        layer.norm.is_over_samples, layer.norm.epsilon, layer.norm.running_rate = norm


cdef void describe_derivative(const bp_kernels *kernels, Layer *layer) noexcept:
    """What f' is worked out from, and who multiplies by it: the next layer's product, unless this one is apart."""
    cdef bint tells_slope = kernels.activations[layer.activation.code].trait == BP_FROM_A
    layer.keeps = not tells_slope or layer.dropout > 0 or layer.noise > 0 or layer.residual
    layer.own_derivative = kernels.kept_slope if layer.keeps else layer.activation.code
    layer.is_apart = layer.residual or layer.learns
    layer.derivative = kernels.identity if layer.is_apart else layer.own_derivative
    layer.derivative_before = kernels.identity
