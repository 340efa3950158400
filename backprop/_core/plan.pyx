"""Everything that is decided before the first batch: sizes, threads, the backend, and one arena laid out.

(a) The arena of a plan holds one batch: activations, their derivatives and scratch. Parameters and moments
    have an arena of their own in the network, because they outlive any batch size and users hold views of
    them.
(b) The same code measures the arena and hands out its pieces (`lay_out`), so the two cannot differ.
(c) In training each layer has activations of its own, which its gradient needs; of dz and its transpose there are two
    (TURNS), used in turns: once a layer's gradient is worked out, nobody reads its dz. BLAS reads dz itself for the
    gradient, and a faster thread may by then be writing that of two layers before: there each layer has its own.
"""
import sys

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from backprop._core.dense cimport (
    NORM, OTHER, PRODUCT, Layer, Muon, Operation, Part, Run, dense, kept_of, scratch_bytes,
)
from backprop._core.compact cimport compact, panel_bytes
from backprop._core.dropout cimport drop_inputs, drop_outputs
from backprop._core.learned cimport activate_learned
from backprop._core.muon cimport orthogonalize, room_bytes
from backprop._core.noise cimport add_noise
from backprop._core.normalise cimport normalise
from backprop._core.residual cimport add_inputs, apart
from backprop._core.kernels cimport BP_ALIGNMENT, BP_ROW_MULTIPLE, bp_kernels, bp_step, find_row, round_up

cnp.import_array()

# Rows this far apart (or a multiple of it) fall into one set of the first-level cache and push each other
# out.
cdef int64_t CACHE_SET_BYTES = 4096

# Of parameters with their two moments, that the caches keep from one step to the next.
cdef int64_t NEAR_PARAMETER_BYTES = 10 << 20

cdef enum:
    TURNS = 2
    MOST_OPERATIONS = 8  # of a layer


cdef class Plan:
    """Buffers and choices for batches of up to `capacity` samples."""

    def __dealloc__(self):
        free(self.layers)
        free(self.chain)

    cdef int64_t lay_out(self, char *base):
        """Give each buffer its place from `base` on; returns the bytes needed."""
        cdef int64_t used = 0, ld_bytes = self.run.ld * self.run.itemsize
        cdef Layer *layer
        cdef int i
        self.layers[0].a_in = take(base, (self.layers[0].n_in + 1) * ld_bytes, &used)
        for i in range(self.n_layers):
            layer = &self.layers[i]
            layer.a_out = take(base, (layer.n_out + 1) * ld_bytes, &used)
            if self.training:
                self.lay_out_kept(layer, base, &used)
            if i + 1 < self.n_layers:
                self.layers[i + 1].a_in = layer.a_out
        self.lay_out_derivatives(base, &used)
        for i in range(self.n_layers):
            layer = &self.layers[i]
            if i > 0:
                layer.da_in = self.layers[i - 1].dz
                layer.derivative_before = self.layers[i - 1].derivative
                layer.kept_before = kept_of(&self.layers[i - 1])
        self.lay_out_buffers(base, &used)
        return used

    cdef void lay_out_kept(self, Layer *layer, char *base, int64_t *used) noexcept:
        """What a layer's operations keep for the way back."""
        cdef int64_t ld_bytes = self.run.ld * self.run.itemsize, row_bytes = layer.ldw * self.run.itemsize
        if layer.keeps:
            layer.slope = take(base, layer.n_out * ld_bytes, used)
        if layer.keeps and not layer.norm.is_there and not layer.learns:
            layer.product_slope = layer.slope
        layer.beside_gradient = take(base, (layer.rows - layer.n_in - 1) * row_bytes, used)
        if layer.norm.is_there:
            layer.normalised = take(base, layer.n_out * ld_bytes, used)
            layer.inverse_deviations = take(base, ld_bytes, used)
            layer.batch_mean = take(base, row_bytes, used)
            layer.batch_variance = take(base, row_bytes, used)

    cdef void lay_out_buffers(self, char *base, int64_t *used) noexcept:
        """What belongs to no layer."""
        cdef int64_t ld_bytes = self.run.ld * self.run.itemsize
        cdef Buffers *own = &self.buffers
        own.targets = take(base, self.layers[self.n_layers - 1].n_out * ld_bytes, used)
        own.labels = take(base, ld_bytes, used)
        own.weights = take(base, ld_bytes, used)
        own.losses = take(base, ld_bytes, used)
        if not self.training and not self.run.with_blas and self.n_operations == self.n_layers:  # products alone
            own.samples = take(base, 2 * BP_ROW_MULTIPLE * own.sample_ld * self.run.itemsize, used)
        own.scratch = take(base, self.n_threads * own.scratch_bytes, used)

    cdef void lay_out_derivatives(self, char *base, int64_t *used) noexcept:
        """dz of every layer, or of the last where nothing is trained: the loss leaves its own there."""
        cdef int64_t ld_bytes = self.run.ld * self.run.itemsize, samples = round_up(self.capacity, BP_ROW_MULTIPLE)
        cdef int64_t rows, ldz
        cdef int i, first, step = self.n_layers if self.run.with_blas else TURNS
        for first in range(min(step, self.n_layers)):
            rows = ldz = 0
            for i in range(first, self.n_layers, step):
                if self.training or i + 1 == self.n_layers:
                    rows = max(rows, round_up(self.layers[i].n_out, BP_ROW_MULTIPLE))
                    ldz = max(ldz, self.layers[i].ldz)
            self.layers[first].dz = take(base, rows * ld_bytes, used)
            if self.training and not self.run.with_blas:
                self.layers[first].dz_transposed = take(base, samples * ldz * self.run.itemsize, used)
        for i in range(self.n_layers):
            self.layers[i].dz = self.layers[i % step].dz
            self.layers[i].dz_transposed = self.layers[i % step].dz_transposed
            self.layers[i].dz_is_shared = self.n_layers > step

    cdef void fill_constants(self) noexcept:
        """The rows of ones that meet the bias, and sample weights of 1; all else starts at 0."""
        cdef int i
        cdef int64_t ld_bytes = self.run.ld * self.run.itemsize
        fill(self.layers[0].a_in + self.layers[0].n_in * ld_bytes, self.run.ld, self.run.itemsize)
        for i in range(self.n_layers):
            fill(self.layers[i].a_out + self.layers[i].n_out * ld_bytes, self.run.ld, self.run.itemsize)
        self.fill_sample_weights()

    cdef void fill_sample_weights(self) noexcept:
        """Ones: a sample without a weight counts once."""
        fill(self.buffers.weights, self.run.ld, self.run.itemsize)
        self.weighted = False

    cdef void follow(self, const Layer *layers) noexcept:
        """Take over what may change after the plan is made: where moments, gradients and averages lie, what is trained
        and how."""
        cdef int i
        for i in range(self.n_layers):
            memcpy(self.layers[i].moments, layers[i].moments, sizeof(self.layers[i].moments))
            self.layers[i].gradient = layers[i].gradient
            self.layers[i].frozen, self.layers[i].rate_factor = layers[i].frozen, layers[i].rate_factor
            self.layers[i].average = layers[i].average


cdef Plan make_plan(const bp_kernels *kernels, const Layer *layers, int n_layers, int64_t capacity, int n_threads,
                    bint with_blas, bint training):
    """Raises MemoryError where the arena cannot be had."""
    cdef Plan plan = Plan.__new__(Plan)
    cdef int64_t parameter_bytes = 0
    cdef int i
    plan.layers = <Layer *>calloc(n_layers, sizeof(Layer))
    plan.chain = <Operation *>calloc(MOST_OPERATIONS * n_layers, sizeof(Operation))
    if plan.layers == NULL or plan.chain == NULL:
        raise MemoryError
    memcpy(plan.layers, layers, n_layers * sizeof(Layer))
    plan.n_layers, plan.capacity, plan.n_threads, plan.training = n_layers, capacity, n_threads, training
    memset(&plan.run, 0, sizeof(Run))
    plan.run.kernels = kernels
    plan.run.itemsize = kernels.itemsize
    plan.run.n_threads = n_threads
    plan.run.with_blas = with_blas
    plan.run.ld = row_stride(capacity, kernels.itemsize)
    plan.buffers.sample_ld = row_stride(layers[0].n_in + 1, kernels.itemsize)
    for i in range(n_layers):
        plan.buffers.sample_ld = max(plan.buffers.sample_ld, row_stride(layers[i].n_out + 1, kernels.itemsize))
        plan.buffers.scratch_bytes = max(plan.buffers.scratch_bytes, panel_bytes(&layers[i], kernels.itemsize)
                                         + scratch_bytes(kernels, &layers[i], with_blas))
        parameter_bytes += 3 * layers[i].rows * layers[i].ldw * <int64_t>kernels.itemsize
    link_operations(plan)
    plan.run.parameters_are_far = parameter_bytes > NEAR_PARAMETER_BYTES
    check_room(plan)
    plan.arena = zeros(plan.lay_out(NULL))
    plan.lay_out(address(plan.arena))
    plan.fill_constants()
    return plan


cdef void link_operations(Plan plan) noexcept:
    """The chain that the network is, from its inputs to its outputs."""
    cdef int i
    if plan.training and plan.layers[0].input_dropout > 0:
        append(plan, drop_inputs())
    for i in range(plan.n_layers):
        link_layer(plan, i)


cdef void link_layer(Plan plan, int i) noexcept:
    """The product; what stands between it and f, and f where it learns; what is done to the outputs."""
    cdef const Layer *layer = &plan.layers[i]
    if plan.training and layer.is_orthogonal:
        append(plan, orthogonalize(i))  # on the way back it comes behind the gradient
    append(plan, compact(i) if layer.is_compact else dense(i), PRODUCT)
    if layer.norm.is_there:
        append(plan, normalise(layer, plan.training), NORM)
    if layer.learns:
        append(plan, activate_learned(i))
    plan.chain[plan.n_operations - 1].applies_f = True
    if plan.training and layer.is_apart and not layer.learns:
        append(plan, apart(i))
    if plan.training and layer.noise > 0:
        append(plan, add_noise(i))
    if plan.training and layer.dropout > 0:
        append(plan, drop_outputs(i, not layer.learns))
    if layer.residual:
        append(plan, add_inputs(i))
    plan.chain[plan.n_operations - 1].ends_layer = True


cdef void append(Plan plan, Operation operation, Part part=OTHER) noexcept:
    cdef Operation *end = &plan.chain[plan.n_operations]
    end[0] = operation
    end.part, end.applies_f, end.ends_layer = part, False, False
    plan.n_operations += 1


cdef check_room(Plan plan):
    """MemoryError before `lay_out`, which reckons in 64 bits, could pass their end."""
    cdef int i
    widest = 0
    for i in range(plan.n_layers):
        widest = max(widest, int(plan.layers[i].n_in), int(plan.layers[i].ldz))
    largest = (widest + 2 * BP_ROW_MULTIPLE) * max(int(plan.run.ld), 2 * BP_ROW_MULTIPLE) * int(plan.run.itemsize)
    pieces = 7 * plan.n_layers + 8
    if pieces * largest + int(plan.n_threads) * int(plan.buffers.scratch_bytes) > sys.maxsize:
        raise MemoryError(f"a batch of {plan.capacity} rows: its activations are more than a process can hold")


cdef object room_for_steps(const Layer *layers, int n_layers, int n_threads, bint rates_differ):
    """For the constants of each thread's step, layer by layer, where these are not all the same; else None."""
    cdef int i
    for i in range(n_layers):
        if rates_differ or layers[i].rate_factor != 1 or layers[i].is_orthogonal:
            return zeros(n_threads * n_layers * <int64_t>sizeof(bp_step))


cdef object room_for_matrices(Muon *muon, const bp_kernels *kernels, Layer *layers, int n_layers, matrices):
    """Let all layers but the last make Muon's steps, whose room is returned; or none of them where `matrices` is None.
    """
    cdef int64_t n_bytes = 0
    cdef int i
    memset(muon, 0, sizeof(Muon))
    muon.rest_factor = 1
    muon.sgd, muon.nesterov = find_row(kernels.optimizers, "sgd"), find_row(kernels.optimizers, "nesterov")
    for i in range(n_layers):
        layers[i].is_orthogonal = matrices is not None and i + 1 < n_layers
        if layers[i].is_orthogonal:
            n_bytes = max(n_bytes, room_bytes(&layers[i], kernels.itemsize))
    if matrices is None:
        return None
    room = zeros(n_bytes)
    muon.room = address(room)
    return room


cdef int64_t row_stride(int64_t columns, int64_t itemsize) noexcept:
    """Elements from one row to the next: whole vectors, and rows that do not share a set of the cache."""
    cdef int64_t stride = round_up(max(1, columns), BP_ROW_MULTIPLE)
    return stride + BP_ROW_MULTIPLE if stride * itemsize % CACHE_SET_BYTES == 0 else stride


cdef object zeros(n_bytes):
    """Aligned zeros, as an array of bytes; MemoryError where there cannot be so many."""
    if n_bytes > sys.maxsize - BP_ALIGNMENT:
        raise MemoryError(f"{n_bytes} bytes: more than a process can hold")
    whole = np.zeros(n_bytes + BP_ALIGNMENT, dtype=np.uint8)
    start = round_up(<int64_t>cnp.PyArray_DATA(whole), BP_ALIGNMENT) - <int64_t>cnp.PyArray_DATA(whole)
    return whole[start:start + n_bytes]


cdef char *address(object array) except NULL:
    return <char *>cnp.PyArray_DATA(array)


cdef char *take(char *base, int64_t n_bytes, int64_t *used) noexcept:
    cdef int64_t start = used[0]
    used[0] = round_up(start + n_bytes, BP_ALIGNMENT)
    return base + start


cdef void fill(char *values, int64_t count, int64_t itemsize) noexcept:
    """Ones."""
    cdef int64_t i
    for i in range(count):
        if itemsize == sizeof(float):
            (<float *>values)[i] = 1
        else:
            (<double *>values)[i] = 1
