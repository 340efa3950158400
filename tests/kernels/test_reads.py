"""No kernel reads behind the end of what it is given: there may be no memory there.

A memory map may end with its file's last page. Arrays are put so that they end where a page without
access begins, in a process of its own, because reading that page kills it.
"""

import os
import subprocess
import sys
import textwrap

import pytest

SCRIPT = """
    import ctypes
    import mmap
    import os
    import sys

    import numpy as np

    import backprop as bp
    from backprop._core import network, probe
    from backprop.catalogue.activations import ACTIVATIONS
    from backprop.catalogue.losses import LOSSES

    dtype, isa = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    kept = []

    def at_the_end_of_memory(values):
        size = -(-values.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
        pages = mmap.mmap(-1, size + mmap.PAGESIZE)
        kept.append(pages)
        start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        if libc.mprotect(ctypes.c_void_p(start + size), mmap.PAGESIZE, 0):
            raise OSError(ctypes.get_errno(), "mprotect")
        moved = np.ndarray(values.shape, values.dtype, pages, size - values.nbytes)
        moved[...] = values
        return moved

    def random(*shape):
        return np.random.default_rng(0).normal(size=shape).astype(dtype)

    if isa == "trap":  # shows that the trap works
        values = at_the_end_of_memory(np.zeros(16))
        print(ctypes.c_double.from_address(values.ctypes.data + values.nbytes).value)

    lanes, rows, columns = probe.tile_shape(dtype, isa)
    for m in range(1, 2 * rows + 2):
        for k in (1, 2, 5, 40):
            b = at_the_end_of_memory(random(k, 112))
            for k_major in (True, False):
                a = at_the_end_of_memory(random(k, m) if k_major else random(m, k))
                c = at_the_end_of_memory(np.zeros((m, 112), dtype))
                probe.Product(a, b, c, a_is_k_major=k_major, instruction_set=isa).run()
                assert c.any()

    for code in "?bBhHiIlLqQfd":
        for shape in ((1, 1), (15, 16), (16, 16), (16, 17), (17, 15), (90, 33)):
            source = at_the_end_of_memory(np.ones(shape, code))
            out = probe.gather(source, dtype, 96, instruction_set=isa)
            assert (out[:, : shape[0]] == 1).all()

    for count in (1, lanes - 1, lanes, lanes + 1, 100):
        values = at_the_end_of_memory(random(count))
        for entry in ACTIVATIONS.values():
            probe.activate(entry.name, values, entry.row[1], isa)
        probe.function("exp", values, isa)
        probe.total(values, isa)
        probe.sum_of_squares(values.reshape(1, -1), isa)
        probe.is_finite(values.reshape(1, -1), 0, count, isa)
        probe.are_classes(values, 0, count, 3, isa)
    for shape in ((1, 1), (15, 17), (16, 16), (17, 33)):
        probe.transpose(at_the_end_of_memory(random(*shape)), isa)
    a, w = at_the_end_of_memory(random(5, 48)), at_the_end_of_memory(np.ones(48, dtype))
    for entry in LOSSES.values():
        if entry.misfit is not None and entry.parameters:
            entry = entry(levels=np.linspace(0.1, 0.9, 5))
        for targets in (np.ones((5, 48), dtype), np.ones(48, dtype)):
            y = at_the_end_of_memory(targets)
            probe.loss(entry.name, a, y, w, 1.0, entry.row[1], isa)

    # Rows in an order, and enough of them to be fetched ahead: by gather, and by products.
    class NumpyAtTheEnd:
        def __getattr__(self, name):
            return getattr(np, name)

        def empty(self, *arguments, **options):
            return at_the_end_of_memory(np.empty(*arguments, **options))

    network.np = NumpyAtTheEnd()  # from which the order of an epoch comes
    os.environ["BACKPROP_ISA"] = isa
    for n_rows in (300, 320, 331):
        X = at_the_end_of_memory(random(n_rows, 300))
        rows = at_the_end_of_memory(np.arange(n_rows)[::-1])
        probe.gather(X, dtype, 336, rows=rows, instruction_set=isa)
        for n_threads in (1, 2):
            net = bp.Network(300, [bp.Dense(16)], dtype=dtype, n_threads=n_threads)
            y = at_the_end_of_memory(random(n_rows, 16))
            net.fit(X, y, epochs=2, batch_size=50)
    print("done")
"""


def run(*arguments):
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


pytestmark = pytest.mark.skipif(os.name != "posix", reason="mprotect is POSIX")


def test_nothing_is_read_behind_the_end(dtype, isa):
    if isa == "neon":
        pytest.skip("what is emulated runs in a process of its own, behind other pages")
    done = run(dtype, isa)
    assert done.stdout == "done\n", (done.returncode, done.stderr[-2000:])


def test_the_trap_works():
    done = run("float64", "trap")
    assert done.returncode < 0
    assert "done" not in done.stdout
