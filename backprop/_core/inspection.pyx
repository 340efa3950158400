"""All that passes through a network on one batch, kept: what `explain` is made of."""
import numpy as np

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from backprop._core.dense cimport NORM, OTHER, PRODUCT, Layer, Operation, Run, kept_of
from backprop._core.dropout cimport input_factors, output_factors
from backprop._core.kernels cimport bp_kernels, bp_team
from backprop._core.noise cimport output_noise
from backprop._core.plan cimport address, zeros
from backprop._core.steps cimport Kept, Steps, check_inputs, check_targets, gather, loss, own_run, set_count


cdef keep_layer(Kept *kept, const Layer *layer, n_rows, dtype):
    """Arrays for what `inspect` keeps of a layer."""
    names = ["z", "a", "derivative", "da", "dz"]
    changed = layer.dropout > 0 or layer.noise > 0 or layer.residual
    names += ["noise"] * (layer.noise > 0) + ["mask"] * (layer.dropout > 0) + ["out"] * changed
    names += ["n", "y", "dy"] * layer.norm.is_there
    arrays = {name: np.empty((n_rows, layer.n_out), dtype) for name in names}
    kept.activation = layer.norm.activation if layer.norm.is_there else layer.after_product
    kept.z, kept.a, kept.slope = address(arrays["z"]), address(arrays["a"]), address(arrays["derivative"])
    kept.da, kept.dz = address(arrays["da"]), address(arrays["dz"])
    kept.noise = address(arrays["noise"]) if layer.noise > 0 else NULL
    kept.mask = address(arrays["mask"]) if layer.dropout > 0 else NULL
    kept.out = address(arrays["out"]) if changed else NULL
    if layer.norm.is_there:
        kept.n, kept.y, kept.dy = address(arrays["n"]), address(arrays["y"]), address(arrays["dy"])
    return arrays


cdef void inspect(void *argument, bp_team *team, int thread) noexcept nogil:
    """`differentiate` by one thread, which keeps what a step does not: z and da, as they are before f and f'.

    The layers in s are given as identities; here each activation, and each derivative, is a pass of its own by the
    kernel that the product's epilogue would have called. So the bits are those of training.
    """
    cdef Steps *s = <Steps *>argument
    cdef Run run
    cdef int i
    own_run(s, team, thread, &run)
    set_count(s, &run, 0)
    if s.inspection.mask != NULL:
        fill_with_ones(&run, s.layers[0].a_in, s.layers[0].n_in, s.layers[0].a_in)
        input_factors(&s.layers[0], &run, s.layers[0].a_in)
        keep(&run, s.layers[0].a_in, s.layers[0].n_in, s.inspection.mask)
    gather(s, &run, 0)
    check_inputs(s, &run)
    check_targets(s, &run)
    for i in range(s.n_operations):
        inspect_forward(s, &run, i)
    loss(s, &run, 0, 1 / s.outcome.total_weight if s.outcome.total_weight > 0 else 0)
    keep(&run, s.buffers.losses, 1, s.inspection.losses)
    for i in range(s.n_operations - 1, -1, -1):
        inspect_backward(s, &run, i)


cdef void inspect_forward(Steps *s, Run *run, int which) noexcept nogil:
    """One operation; and f after it, where it would have applied f."""
    cdef const Operation *operation = &s.chain[which]
    cdef const Layer *layer = &s.layers[operation.layer]
    cdef const Kept *kept = &s.inspection.layers[operation.layer]
    if which == 0:
        keep(run, layer.a_in, layer.n_in, s.inspection.x)
    operation.forward(layer, run)
    if operation.part == PRODUCT:
        keep(run, layer.a_out, layer.n_out, kept.z)
    elif operation.part == NORM:
        keep(run, layer.normalised, layer.n_out, kept.n)
        keep(run, layer.a_out, layer.n_out, kept.y)
    if operation.applies_f:
        inspect_activation(operation, layer, kept, run)
    if operation.ends_layer:
        inspect_outputs(layer, kept, run)


cdef void inspect_outputs(const Layer *layer, const Kept *kept, Run *run) noexcept nogil:
    """What was done to a, in the room that the way back has not written yet; and what the layer hands on."""
    if kept.noise != NULL:
        memset(layer.dz, 0, layer.n_out * run.ld * run.itemsize)
        output_noise(layer, run, layer.dz)
        keep(run, layer.dz, layer.n_out, kept.noise)
    if kept.mask != NULL:
        fill_with_ones(run, layer.dz, layer.n_out, layer.a_out)
        output_factors(layer, run, layer.dz)
        keep(run, layer.dz, layer.n_out, kept.mask)
    if kept.out != NULL:
        keep(run, layer.a_out, layer.n_out, kept.out)


cdef void inspect_activation(const Operation *operation, const Layer *layer, const Kept *kept,
                             Run *run) noexcept nogil:
    """a, and f', which is what the way back makes of ones."""
    if operation.part != OTHER:
        run.kernels.activate(&kept.activation, layer.a_out, layer.slope, run.ld, layer.n_out, run.columns)
    keep(run, layer.a_out, layer.n_out, kept.a)
    fill_with_ones(run, layer.dz, layer.n_out, layer.a_out)
    if operation.part == OTHER:  # f learns
        operation.backward(layer, run)
    else:
        run.kernels.derivative(layer.own_derivative, layer.dz, kept_of(layer), run.ld, layer.n_out, run.columns)
    keep(run, layer.dz, layer.n_out, kept.slope)


cdef void derive(const Operation *operation, const Layer *layer, Run *run) noexcept nogil:
    """dz = da · f'(z), in place, where the operation that applies f stands, and none before it has done so."""
    if operation.part == OTHER:  # f learns
        operation.backward(layer, run)
    elif not layer.is_apart:
        run.kernels.derivative(layer.own_derivative, layer.dz, kept_of(layer), run.ld, layer.n_out, run.columns)


cdef void inspect_backward(Steps *s, Run *run, int which) noexcept nogil:
    """One operation; and f' before it, where the product of the layer after it would have multiplied by f'."""
    cdef const Operation *operation = &s.chain[which]
    cdef const Layer *layer = &s.layers[operation.layer]
    cdef const Kept *kept = &s.inspection.layers[operation.layer]
    if operation.ends_layer:
        keep(run, layer.dz, layer.n_out, kept.da)
    if operation.applies_f:
        derive(operation, layer, run)
    if operation.part == NORM:
        keep(run, layer.dz, layer.n_out, kept.dy)
    elif operation.part == PRODUCT:
        keep(run, layer.dz, layer.n_out, kept.dz)
    if operation.part != OTHER or not operation.applies_f:
        operation.backward(layer, run)


cdef void fill_with_ones(const Run *run, char *values, int64_t rows, const char *activations) noexcept nogil:
    """values [rows][ld], from the row of ones that follows so many rows of activations and meets the bias."""
    cdef int64_t row, row_bytes = run.ld * run.itemsize
    for row in range(rows):
        memcpy(values + row * row_bytes, activations + rows * row_bytes, row_bytes)


cdef void keep(const Run *run, const char *values, int64_t rows, char *out) noexcept nogil:
    """A copy of values [rows][ld] as out [count][rows]: a sample a row."""
    run.kernels.transpose(values, run.ld, rows, 0, run.count, out, rows)


cdef bare_layers(Steps *s, const bp_kernels *kernels, int first, bint learned):
    """Give the run copies of the layers, of which those from `first` on leave z as it is; returns their memory.

    What an activation learns is applied by an operation of its own, and still is where `learned`.
    """
    cdef int i, n = s.n_layers
    copies = zeros(n * sizeof(Layer))
    memcpy(address(copies), s.layers, n * sizeof(Layer))
    s.layers = <Layer *>address(copies)
    for i in range(first, n):
        s.layers[i].after_product.code = s.layers[i].norm.activation.code = kernels.identity
        if not learned:
            s.layers[i].activation.code = kernels.identity
    return copies
