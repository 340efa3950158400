"""The leaf kernels, callable from Python.

For tests and benchmarks only. Arrays are contiguous unless said otherwise.
"""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from backprop._core cimport blas
from backprop._core.kernels cimport (
    BP_ACTIVATE, BP_DERIVATIVE, BP_FROM_A, BP_MOMENTS, BP_STORE, BP_UPDATE, barrier, bp_activation, bp_kernels, bp_loss,
    bp_multiply, bp_optimizer, bp_progress, bp_source, bp_step, bp_targets, bp_team, find_activation, find_kernels,
    find_loss, find_optimizer, find_row, run_team, seconds, shuffle, stream,
)
from backprop._core.plan cimport address

from backprop._core.blas import load as load_blas
from backprop._core import kernels as _kernels

cnp.import_array()


cdef const bp_kernels *kernels_for(dtype, instruction_set) except NULL:
    return find_kernels(instruction_set or _kernels.best_instruction_set(), np.dtype(dtype).itemsize)


def instruction_sets():
    """{name: whether this processor runs it}, best first."""
    return _kernels.instruction_sets()


def tile_shape(dtype, instruction_set=None):
    """(lanes, tile rows, tile columns)"""
    cdef const bp_kernels *k = kernels_for(dtype, instruction_set)
    return k.lanes, k.tile_rows, k.tile_columns


def multiply_add_peak(dtype="float32", double seconds_to_run=0.2, instruction_set=None):
    """GFLOP/s of one core on multiply-adds alone: the best of several short runs."""
    cdef const bp_kernels *k = kernels_for(dtype, instruction_set)
    cdef double best = 0, began = seconds(), start, taken
    cdef int64_t repeats = 200_000
    while seconds() - began < seconds_to_run:
        start = seconds()
        k.peak_probe(repeats)
        taken = seconds() - start
        best = max(best, 2.0 * repeats * k.tile_rows * k.tile_columns / taken / 1e9)
    return best


cdef void meet_again_and_again(void *argument, bp_team *team, int thread) noexcept nogil:
    cdef int64_t _
    for _ in range((<int64_t *>argument)[0]):
        barrier(team)


def barrier_seconds(int n_threads, int64_t count=10_000):
    """Of one barrier of so many threads that have nothing else to do: how far apart their processors are."""
    cdef double start = seconds()
    with nogil:
        run_team(meet_again_and_again, &count, n_threads)
    return (seconds() - start) / count


def function(name, values, instruction_set=None):
    """Of what is no activation: "exp", "log", "erf", or "log1p_exp": log(1 + exp(-|x|))."""
    cdef const bp_kernels *k = kernels_for(values.dtype, instruction_set)
    out = np.empty_like(values)
    k.evaluate(find_row(k.functions, name), address(values), address(out), values.size)
    return out


def activate(activation, values, parameters=(), instruction_set=None):
    """(a, f'(z)) of an activation, one after another."""
    cdef const bp_kernels *k = kernels_for(values.dtype, instruction_set)
    cdef bp_activation found = find_activation(k, activation, parameters)
    out, slope = np.empty_like(values), np.empty_like(values)
    k.apply(&found, address(values), address(out), address(slope), values.size)
    return out, slope


cdef class Product:
    """A product C = A B with its epilogue, set up once and run as often as wanted.

    a: (m, k), or (k, m) with a_is_k_major; b: (k, n), n a multiple of 16; c: (m, n), or the weights with
    "update". `shards`: None, or where each shard of k ends.
    """

    cdef bp_multiply job
    cdef bp_step step
    cdef bp_activation activation
    cdef const bp_kernels *kernels
    cdef object arrays

    def __init__(self, a, b, c, *, bint a_is_k_major=False, epilogue="store", activation="identity", parameters=(),
                 kept=None, step=None, moments=(), bint parameters_are_far=False, bint resumes=False,
                 shards=None, instruction_set=None):
        self.kernels = kernels_for(a.dtype, instruction_set)
        itemsize = a.dtype.itemsize
        if any(x is not None and x.strides != c.strides for x in (kept, *moments)):
            raise ValueError("what is kept, and moments, need the strides of c")
        panel = np.zeros(self.kernels.panel_bytes() + 64, np.uint8)
        shards = np.array([] if shards is None else shards, np.int64)
        self.arrays = (a, b, c, kept, moments, panel, shards)
        self.job.n_shards, self.job.shards = len(shards), <const int64_t *>address(shards)
        self.job.m, self.job.n, self.job.k = len(c), c.shape[1], len(b)
        self.job.a, self.job.lda, self.job.a_is_k_major = address(a), a.strides[0] // itemsize, a_is_k_major
        self.job.b, self.job.ldb = address(b), b.strides[0] // itemsize
        self.job.c, self.job.ldc = address(c), c.strides[0] // itemsize
        self.job.epilogue = {"store": BP_STORE, "activate": BP_ACTIVATE, "derivative": BP_DERIVATIVE,
                             "update": BP_UPDATE}[epilogue]
        self.activation = find_activation(self.kernels, activation, parameters)
        self.job.activation = &self.activation
        self.job.derivative = self.activation.code
        if self.kernels.activations[self.activation.code].trait != BP_FROM_A:
            self.job.derivative = self.kernels.kept_slope
        self.job.kept = address(kept) if kept is not None else NULL
        self.job.panel = address(panel)
        if step is not None:
            self.step = step_of(self.kernels, step)
        self.job.step = &self.step
        self.job.decayed = len(c) - 1  # the last row is a layer's bias
        self.job.weights = address(c)
        point(self.job.moments, moments)
        self.job.parameters_are_far = parameters_are_far
        self.job.resume = resumes

    def units(self):
        return self.kernels.multiply_units(&self.job)

    def run(self, int64_t first=0, last=None):
        """Units [first, last) of the work; all of it by default."""
        cdef int64_t stop = self.units() if last is None else last
        with nogil:
            self.kernels.multiply(&self.job, first, stop)


cdef void point(void **places, moments) except *:
    cdef int i
    for i in range(BP_MOMENTS):
        places[i] = address(moments[i]) if i < len(moments) else NULL


cdef bp_step step_of(const bp_kernels *kernels, step) except *:
    """`step`: (an optimizer of the catalogue, the number t of its step)."""
    optimizer, t = step
    cdef bp_optimizer found = find_optimizer(kernels, optimizer.kind, optimizer.learning_rate, optimizer.decays,
                                             optimizer.settings)
    cdef bp_progress progress
    cdef bp_step made
    memset(&progress, 0, sizeof(progress))
    progress.t = t
    kernels.begin_step(&found, 1, &progress, &made)
    return made


def blas_multiply(a, b, c, bint a_is_k_major=False, bint b_is_n_major=False):
    """The same product by BLAS, one thread."""
    load_blas()
    cdef int64_t itemsize = a.dtype.itemsize
    blas.gemm(itemsize, a_is_k_major, b_is_n_major, c.shape[0], c.shape[1], a.shape[0] if a_is_k_major else a.shape[1],
              address(a), a.strides[0] // itemsize, address(b), b.strides[0] // itemsize, False, address(c),
              c.strides[0] // itemsize)


def update(step, gradient, weights, moments=(), instruction_set=None):
    """One optimizer step in place; all (rows, columns), columns a multiple of 16; the last row is a bias.

    `step`: (an optimizer of the catalogue, the number t of its step).
    """
    cdef const bp_kernels *k = kernels_for(weights.dtype, instruction_set)
    cdef bp_step constants = step_of(k, step)
    cdef void *places[BP_MOMENTS]
    point(places, moments)
    columns = weights.shape[1]
    k.update(&constants, address(gradient), columns, address(weights), places, columns, len(weights),
             len(weights) - 1, columns)


def gather(cnp.ndarray source, dtype, int64_t columns, rows=None, offset=None, scale=None, int64_t start=0, count=None,
           instruction_set=None):
    """(features, columns) of dtype.

    Rows [start, start + count) of `source`, or those that `rows` names; any strides.
    """
    cdef const bp_kernels *k = kernels_for(dtype, instruction_set)
    cdef bp_source s
    s.data = <const char *>cnp.PyArray_DATA(source)
    s.row_stride, s.column_stride = source.strides[0], source.strides[1]
    s.type = ord(source.dtype.char)
    out = np.full((source.shape[1], columns), -77, dtype)
    n_rows = len(source) if rows is None else len(rows)
    s.n_rows = n_rows
    k.gather(&s, <const int64_t *>address(rows) if rows is not None else NULL, start, 0,
             n_rows - start if count is None else count, source.shape[1],
             <const double *>address(offset) if offset is not None else NULL,
             <const double *>address(scale) if scale is not None else NULL, address(out), columns)
    return out


def transpose(values, instruction_set=None):
    cdef const bp_kernels *k = kernels_for(values.dtype, instruction_set)
    out = np.empty(values.shape[::-1], values.dtype)
    k.transpose(address(values), values.shape[1], values.shape[0], 0, values.shape[1], address(out), values.shape[0])
    return out


def loss(name, a, targets, weights, double scale, parameters=(), instruction_set=None):
    """(weight·loss of each column, da).

    A (n_out, columns), columns a multiple of 16; targets like a, or labels (columns,).
    """
    cdef const bp_kernels *k = kernels_for(a.dtype, instruction_set)
    cdef bp_targets t
    cdef bp_loss found = find_loss(k, name, parameters)
    t.values = address(targets) if targets.ndim == 2 else NULL
    t.labels = address(targets) if targets.ndim == 1 else NULL
    t.weights, t.scale = address(weights), scale
    da, losses = np.empty_like(a), np.empty(a.shape[1], a.dtype)
    k.loss(&found, address(a), &t, len(a), a.shape[1], 0, a.shape[1], address(da), address(losses))
    return losses, da


def link(name, outputs, parameters=(), instruction_set=None):
    """What `predict` makes of the last layer's outputs (n_out, columns)."""
    cdef const bp_kernels *k = kernels_for(outputs.dtype, instruction_set)
    cdef bp_loss found = find_loss(k, name, parameters)
    out = outputs.copy()
    k.link(&found, address(out), len(out), out.shape[1], 0, out.shape[1])
    return out


def batch_norm(z, scale, shift, double epsilon, int64_t count, instruction_set=None):
    """(mean, variance, n, y) of z (units, columns), columns a multiple of 16, of which `count` are samples."""
    cdef const bp_kernels *k = kernels_for(z.dtype, instruction_set)
    cdef int64_t rows = len(z), columns = z.shape[1]
    mean, variance, n, y = np.empty(rows, z.dtype), np.empty(rows, z.dtype), np.empty_like(z), z.copy()
    k.batch_statistics(address(z), columns, rows, count, address(mean), address(variance))
    k.normalise_rows(address(y), address(n), columns, rows, columns, address(mean), address(variance), epsilon,
                     address(scale), address(shift))
    return mean, variance, n, y


def batch_norm_backward(dy, n, variance, scale, double epsilon, int64_t count, instruction_set=None):
    """(dz, d_scale, d_shift)"""
    cdef const bp_kernels *k = kernels_for(dy.dtype, instruction_set)
    cdef int64_t rows = len(dy), columns = dy.shape[1]
    dz, d_scale, d_shift = dy.copy(), np.empty(rows, dy.dtype), np.empty(rows, dy.dtype)
    k.scale_gradients(address(dy), address(n), columns, rows, count, address(d_scale), address(d_shift))
    k.rows_backward(address(dz), address(n), columns, rows, count, columns, address(variance), epsilon, address(scale),
                    address(d_scale), address(d_shift))
    return dz, d_scale, d_shift


def layer_norm(z, scale, shift, double epsilon, instruction_set=None):
    """(one over the deviation of each column, n, y) of z (units, columns), columns a multiple of 16."""
    cdef const bp_kernels *k = kernels_for(z.dtype, instruction_set)
    cdef int64_t rows = len(z), columns = z.shape[1]
    inverse, n, y = np.empty(columns, z.dtype), np.empty_like(z), z.copy()
    k.normalise_samples(address(y), address(n), columns, rows, 0, columns, epsilon, address(scale), address(shift),
                        address(inverse))
    return inverse, n, y


def layer_norm_backward(dy, n, inverse, scale, instruction_set=None):
    """dz"""
    cdef const bp_kernels *k = kernels_for(dy.dtype, instruction_set)
    dz = dy.copy()
    k.samples_backward(address(dz), address(n), dy.shape[1], len(dy), 0, dy.shape[1], address(scale), address(inverse))
    return dz


def follow_statistics(statistics, running, int64_t count, double rate, instruction_set=None):
    """(mean, variance), each of a multiple of 16 numbers, followed in place by the running ones."""
    cdef const bp_kernels *k = kernels_for(running[0].dtype, instruction_set)
    k.follow_statistics(address(statistics[0]), address(statistics[1]), len(running[0]), count, rate,
                        address(running[0]), address(running[1]))


def activate_learned(name, z, parameters, instruction_set=None):
    """a of z (units, columns), columns a multiple of 16, with a parameter for each unit."""
    cdef const bp_kernels *k = kernels_for(z.dtype, instruction_set)
    a, kept = z.copy(), np.empty_like(z)
    k.activate_learned(find_row(k.activations, name), address(a), address(kept), z.shape[1], len(z), z.shape[1],
                       address(parameters))
    return a, kept


def learned_backward(name, da, z, parameters, int64_t count, instruction_set=None):
    """(dz, the gradient of the parameters) of `count` samples."""
    cdef const bp_kernels *k = kernels_for(z.dtype, instruction_set)
    dz, gradient = da.copy(), np.empty_like(parameters)
    k.learned_backward(find_row(k.activations, name), address(dz), address(z), z.shape[1], len(z), count, z.shape[1],
                       address(parameters), address(gradient))
    return dz, gradient


def add_noise(uint64_t state, double deviation, values, instruction_set=None, int64_t place=0):
    """To a copy of values (units, columns), columns a multiple of 16, the first of them sample `place` of a batch."""
    cdef const bp_kernels *k = kernels_for(values.dtype, instruction_set)
    out = values.copy()
    k.add_noise(state, deviation, address(out), out.shape[1], len(out), 0, out.shape[1], place)
    return out


def total(values, instruction_set=None):
    """The fixed-tree sum in float64."""
    return kernels_for(values.dtype, instruction_set).sum(address(values), values.size)


def is_finite(values, int64_t first, int64_t last, instruction_set=None):
    """Whether columns [first, last) of a matrix are, whose rows may lie apart."""
    ld = values.strides[0] // values.itemsize
    return bool(kernels_for(values.dtype, instruction_set).is_finite(address(values), ld, len(values), first, last))


def are_classes(labels, int64_t first, int64_t last, int64_t n_classes, instruction_set=None):
    """Whether labels[first:last] are from 0 to below n_classes."""
    return bool(kernels_for(labels.dtype, instruction_set).are_classes(address(labels), first, last, n_classes))


def sum_of_squares(values, instruction_set=None):
    """Of a matrix whose rows may lie apart; the fixed tree in float64."""
    ld, (rows, columns) = values.strides[0] // values.itemsize, values.shape
    return kernels_for(values.dtype, instruction_set).sum_of_squares(address(values), ld, rows, columns)


def limit(values, double factor, double bound=np.inf, instruction_set=None):
    """Of a matrix in place, whose rows may lie apart: times the factor, then clipped; columns a multiple of 16."""
    ld, (rows, columns) = values.strides[0] // values.itemsize, values.shape
    kernels_for(values.dtype, instruction_set).limit(address(values), ld, rows, columns, factor, bound)


def follow(values, averages, double share, instruction_set=None):
    """The averages, in place, towards the values by a share of the way; columns a multiple of 16."""
    rows, columns = values.shape
    kernels_for(values.dtype, instruction_set).follow(address(values), address(averages), columns, rows, columns, share)


def limit_columns(values, int64_t first, int64_t last, double most, instruction_set=None):
    """Of a matrix in place, whose rows may lie apart: no norm of columns [first, last) above `most`."""
    ld = values.strides[0] // values.itemsize
    kernels_for(values.dtype, instruction_set).limit_columns(address(values), ld, len(values), first, last, most)


def uniform(dtype, uint64_t state, double limit, int64_t rows, int64_t columns, instruction_set=None):
    out = np.zeros((rows, columns), dtype)
    kernels_for(dtype, instruction_set).uniform(state, limit, address(out), rows, columns, columns)
    return out


def random_stream(uint64_t seed, uint64_t purpose, uint64_t index):
    return stream(seed, purpose, index)


def permutation(uint64_t state, int64_t count):
    out = np.arange(count)
    shuffle(state, <int64_t *>address(out), count, 1, count)
    return out
