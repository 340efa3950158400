"""The kernels as an aarch64 processor runs them, by emulation: "neon" for the tests beside.

`Kernels` has the functions of backprop._core.probe that take an instruction set. They are sent to
aarch64/driver.c, which is built with a cross compiler and runs under QEMU.
"""

import ctypes
import functools
import shutil
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from backprop import SGD
from backprop._core import probe

NAME = "neon"
COMPILER = "aarch64-linux-gnu-gcc"
EMULATOR = "qemu-aarch64" if shutil.which("qemu-aarch64") else "qemu-aarch64-static"
SYSTEM = "/usr/aarch64-linux-gnu"
HERE = Path(__file__).resolve().parent
CSRC = HERE.parent.parent / "csrc"
# As in setup.py.
FLAGS = ["-std=c11", "-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-fno-math-errno"]
(INFO, MULTIPLY, UNITS, APPLY, EVALUATE, UPDATE, GATHER, TRANSPOSE, LOSS) = range(9)
(LINK, SUM, UNIFORM, SUM_OF_SQUARES, IS_FINITE, LIMIT, FOLLOW, LIMIT_COLUMNS) = range(9, 17)
(BATCH_NORM, BATCH_NORM_BACKWARD, LAYER_NORM, LAYER_NORM_BACKWARD) = range(17, 21)
(FOLLOW_STATISTICS, ACTIVATE_LEARNED, LEARNED_BACKWARD, ADD_NOISE, ARE_CLASSES) = range(21, 26)
EPILOGUES = ("store", "activate", "derivative", "update")
VALUES, SETTINGS, MOMENTS = 4, 8, 3  # BP_VALUES, BP_SETTINGS and BP_MOMENTS of backprop.h
LOSS_VALUES = 17  # BP_LOSS_VALUES


def missing():
    """What has to be installed for this, or ""."""
    absent = [tool for tool in (COMPILER, EMULATOR) if shutil.which(tool) is None]
    if not Path(SYSTEM, "include").exists():
        absent.append("the C library of aarch64")
    return ", ".join(absent)


def memory(array):
    """The bytes from an array's first to its last, whatever its strides: a view to read and write.

    Returned with the place of element (0, 0) among them.
    """
    if array.size == 0:
        return np.empty(0, np.uint8), 0
    reach = [
        (n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True) if n > 0
    ]
    before = -sum(r for r in reach if r < 0)
    after = sum(r for r in reach if r > 0) + array.itemsize
    buffer = (ctypes.c_uint8 * (before + after)).from_address(array.ctypes.data - before)
    return np.frombuffer(buffer, np.uint8), before


class Driver:
    """The process that runs the kernels; started once and asked many times."""

    def __init__(self, folder):
        program = Path(folder) / "driver"
        sources = [*CSRC.glob("isa/baseline_*.c"), CSRC / "cpu.c", HERE / "aarch64" / "driver.c"]

        def compiled(source):
            made = program.with_name(f"{source.stem}.o")
            subprocess.run([COMPILER, *FLAGS, f"-I{CSRC}", "-c", source, "-o", made], check=True)
            return made

        with ThreadPoolExecutor() as pool:  # the kernels of each dtype take seconds
            objects = list(pool.map(compiled, sources))
        subprocess.run([COMPILER, *objects, "-o", program, "-lm"], check=True)
        self.process = subprocess.Popen(
            [EMULATOR, "-L", SYSTEM, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()

    def ask(self, kernel, dtype, integers=(), reals=(), arrays=()):
        """(integer, real) that the kernel answers; arrays are written in place, None is NULL."""
        blocks = [None if array is None else memory(array)[0] for array in arrays]
        counts = (kernel, np.dtype(dtype).itemsize, len(integers), len(reals), len(arrays), 0)
        request = [struct.pack(f"=6i{len(integers)}q{len(reals)}d", *counts, *integers, *reals)]
        for block in blocks:
            request.append(struct.pack("=q", -1 if block is None else block.size))
            request.append(b"" if block is None else block.tobytes())
        self.process.stdin.write(b"".join(request))
        self.process.stdin.flush()
        answer = struct.unpack("=qd", self.read(16))
        for block in blocks:
            if block is not None:
                block[:] = np.frombuffer(self.read(block.size), np.uint8)
        return answer

    def read(self, count):
        found = self.process.stdout.read(count)
        assert len(found) == count, f"the driver ended with code {self.process.wait(timeout=30)}"
        return found


def text(name):
    """A row's name as the driver takes it: it looks for the row in its own tables."""
    return np.array([*name.encode(), 0], np.uint8)


def filled(given, count, rest):
    """As many as the driver expects."""
    assert len(given) <= count
    return [*given, *[rest] * (count - len(given))]


def signed(state):
    """The state of a stream, of 64 bits, as the driver takes integers."""
    return state - (1 << 64) if state >> 63 else state


def reals_of(optimizer):
    return [optimizer.learning_rate, *optimizer.decays, *filled(optimizer.settings, SETTINGS, 0.0)]


class Kernels:
    """What probe offers, by a driver. Arguments are those of probe."""

    def __init__(self, driver):
        self.driver = driver
        self.Product = functools.partial(Product, driver)

    def tile_shape(self, dtype):
        info, _ = self.driver.ask(INFO, dtype)
        return info >> 16 & 255, info >> 8 & 255, info & 255

    def function(self, name, values):
        values = np.ascontiguousarray(values)
        out = probe.np.empty_like(values)
        self.driver.ask(EVALUATE, values.dtype, (values.size,), (), (text(name), values, out))
        return out

    def activate(self, activation, values, parameters=()):
        values = np.ascontiguousarray(values)
        out, slope = probe.np.empty_like(values), probe.np.empty_like(values)
        arrays = (text(activation), values, out, slope)
        reals = filled(parameters, VALUES, 0.0)
        self.driver.ask(APPLY, values.dtype, (values.size,), reals, arrays)
        return out, slope

    def update(self, step, gradient, weights, moments=()):
        optimizer, t = step
        arrays = (text(optimizer.kind), gradient, weights, *filled(moments, MOMENTS, None))
        integers = (t, *weights.shape)
        self.driver.ask(UPDATE, weights.dtype, integers, reals_of(optimizer), arrays)

    def gather(
        self, source, dtype, columns, rows=None, offset=None, scale=None, start=0, count=None
    ):
        out = probe.np.full((source.shape[1], columns), -77, dtype)
        n_rows = len(source) if rows is None else len(rows)
        count = n_rows - start if count is None else count
        block, first = memory(source)
        shape = (first, *source.strides, ord(source.dtype.char), n_rows, start, count)
        arrays = (block, rows, offset, scale, out)
        self.driver.ask(GATHER, dtype, (*shape, source.shape[1], columns), (), arrays)
        return out

    def transpose(self, values):
        out = probe.np.empty(values.shape[::-1], values.dtype)
        self.driver.ask(TRANSPOSE, values.dtype, values.shape, (), (values, out))
        return out

    def loss(self, name, a, targets, weights, scale, parameters=()):
        da, losses = probe.np.empty_like(a), probe.np.empty(a.shape[1], a.dtype)
        given = (targets, None) if targets.ndim == 2 else (None, targets)
        arrays = (text(name), a, *given, weights, da, losses)
        reals = (*filled(parameters, LOSS_VALUES, 0.0), scale)
        self.driver.ask(LOSS, a.dtype, a.shape, reals, arrays)
        return losses, da

    def link(self, name, outputs, parameters=()):
        out = outputs.copy()
        reals = filled(parameters, LOSS_VALUES, 0.0)
        self.driver.ask(LINK, out.dtype, out.shape, reals, (text(name), out))
        return out

    def total(self, values):
        return self.driver.ask(SUM, values.dtype, (values.size,), (), (values,))[1]

    def sum_of_squares(self, values):
        shape = (values.strides[0] // values.itemsize, *values.shape)
        return self.driver.ask(SUM_OF_SQUARES, values.dtype, shape, (), (values,))[1]

    def is_finite(self, values, first, last):
        shape = (values.strides[0] // values.itemsize, len(values), first, last)
        return bool(self.driver.ask(IS_FINITE, values.dtype, shape, (), (values,))[1])

    def are_classes(self, labels, first, last, n_classes):
        shape = (first, last, n_classes)
        return bool(self.driver.ask(ARE_CLASSES, labels.dtype, shape, (), (labels,))[1])

    def uniform(self, dtype, state, limit, rows, columns):
        out = probe.np.zeros((rows, columns), dtype)
        self.driver.ask(UNIFORM, dtype, (signed(state), rows, columns), (limit,), (out,))
        return out

    def limit(self, values, factor, bound=np.inf):
        shape = (values.strides[0] // values.itemsize, *values.shape)
        self.driver.ask(LIMIT, values.dtype, shape, (factor, bound), (values,))

    def follow(self, values, averages, share):
        self.driver.ask(FOLLOW, values.dtype, values.shape, (share,), (values, averages))

    def limit_columns(self, values, first, last, most):
        shape = (values.strides[0] // values.itemsize, len(values), first, last)
        self.driver.ask(LIMIT_COLUMNS, values.dtype, shape, (most,), (values,))

    def batch_norm(self, z, scale, shift, epsilon, count):
        mean, variance = probe.np.empty((2, len(z)), z.dtype)
        n, y = probe.np.empty_like(z), z.copy()
        arrays = (z, scale, shift, mean, variance, n, y)
        self.driver.ask(BATCH_NORM, z.dtype, (*z.shape, count), (epsilon,), arrays)
        return mean, variance, n, y

    def batch_norm_backward(self, dy, n, variance, scale, epsilon, count):
        dz, (d_scale, d_shift) = dy.copy(), probe.np.empty((2, len(dy)), dy.dtype)
        arrays = (dy, n, variance, scale, dz, d_scale, d_shift)
        self.driver.ask(BATCH_NORM_BACKWARD, dy.dtype, (*dy.shape, count), (epsilon,), arrays)
        return dz, d_scale, d_shift

    def layer_norm(self, z, scale, shift, epsilon):
        inverse, n, y = probe.np.empty(z.shape[1], z.dtype), probe.np.empty_like(z), z.copy()
        self.driver.ask(LAYER_NORM, z.dtype, z.shape, (epsilon,), (scale, shift, inverse, n, y))
        return inverse, n, y

    def layer_norm_backward(self, dy, n, inverse, scale):
        dz = dy.copy()
        self.driver.ask(LAYER_NORM_BACKWARD, dy.dtype, dy.shape, (), (n, inverse, scale, dz))
        return dz

    def follow_statistics(self, statistics, running, count, rate):
        shape, dtype = (len(running[0]), count), running[0].dtype
        self.driver.ask(FOLLOW_STATISTICS, dtype, shape, (rate,), (*statistics, *running))

    def activate_learned(self, name, z, parameters):
        a, kept = z.copy(), probe.np.empty_like(z)
        self.driver.ask(ACTIVATE_LEARNED, z.dtype, z.shape, (), (text(name), a, kept, parameters))
        return a, kept

    def learned_backward(self, name, da, z, parameters, count):
        dz, gradient = da.copy(), probe.np.empty_like(parameters)
        arrays = (text(name), dz, z, parameters, gradient)
        self.driver.ask(LEARNED_BACKWARD, z.dtype, (*z.shape, count), (), arrays)
        return dz, gradient

    def add_noise(self, state, deviation, values, place=0):
        out = values.copy()
        shape = (signed(state), *values.shape, place)
        self.driver.ask(ADD_NOISE, values.dtype, shape, (deviation,), (out,))
        return out


class Product:
    """probe.Product by a driver."""

    def __init__(
        self,
        driver,
        a,
        b,
        c,
        *,
        a_is_k_major=False,
        epilogue="store",
        activation="identity",
        parameters=(),
        kept=None,
        step=None,
        moments=(),
        parameters_are_far=False,
        resumes=False,
        shards=None,
    ):
        self.driver, self.dtype = driver, a.dtype
        panel_bytes = driver.ask(INFO, a.dtype)[0] >> 24
        panel = probe.np.zeros(panel_bytes + 64, np.uint8)
        optimizer, t = step or (SGD(), 1)
        self.arrays = (text(activation), text(optimizer.kind), a, b, c, kept, panel)
        shards = np.array([] if shards is None else shards, np.int64)
        self.arrays += (*filled(moments, MOMENTS, None), shards)
        lda, ldb, ldc = (x.strides[0] // x.itemsize for x in (a, b, c))
        self.integers = (*c.shape, len(b), lda, a_is_k_major, ldb, ldc)
        self.integers += (EPILOGUES.index(epilogue), t, parameters_are_far)
        self.resumes, self.n_shards = resumes, len(shards)
        self.reals = (*filled(parameters, VALUES, 0.0), *reals_of(optimizer))

    def ask(self, kernel, first, last):
        integers = (*self.integers, first, last, self.resumes, self.n_shards)
        return self.driver.ask(kernel, self.dtype, integers, self.reals, self.arrays)[0]

    def units(self):
        return self.ask(UNITS, 0, 0)

    def run(self, first=0, last=None):
        self.ask(MULTIPLY, first, self.units() if last is None else last)


NAMES = ("Product", "tile_shape", "function", "activate", "update", "gather", "transpose", "loss")
NAMES += (
    "link",
    "total",
    "sum_of_squares",
    "is_finite",
    "are_classes",
    "uniform",
    "limit",
    "follow",
    "limit_columns",
    "batch_norm",
    "batch_norm_backward",
    "layer_norm",
    "layer_norm_backward",
    "follow_statistics",
    "activate_learned",
    "learned_backward",
    "add_noise",
)


def dispatching(name, kernels_of_neon):
    """probe's function of a name, which sends what is asked of NAME to the driver."""
    native = getattr(probe, name)

    def called(*arguments, instruction_set=None, **named):
        if arguments and isinstance(arguments[-1], str) and arguments[-1] == NAME:  # by position
            arguments, instruction_set = arguments[:-1], NAME
        if instruction_set == NAME:
            return getattr(kernels_of_neon(), name)(*arguments, **named)
        if instruction_set is not None:
            named["instruction_set"] = instruction_set
        return native(*arguments, **named)

    return called
