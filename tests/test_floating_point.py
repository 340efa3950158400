"""The caller's floating-point settings are as they were, and the core does not depend on them."""

import ctypes
import ctypes.util
import platform
import threading

import numpy as np
import pytest

import backprop as bp

X = np.random.default_rng(0).normal(size=(200, 12))
Y = np.arange(200) % 3
MXCSR_AT, FLAGS = 28, 0x3F  # in glibc's fenv_t; the lowest bits say what has happened so far


def control_word():
    """Rounding, masks, and whether subnormal numbers are taken as 0."""
    environment = (ctypes.c_uint8 * 64)()
    ctypes.CDLL(ctypes.util.find_library("m")).fegetenv(environment)
    found = bytes(environment)
    return found[:2], int.from_bytes(found[MXCSR_AT : MXCSR_AT + 4], "little") & ~FLAGS


def network(matmul):
    layers = [bp.Dense(40, "gelu", dropout=0.1, norm="batch"), bp.Dense(3)]
    return bp.Network(12, layers, "softmax_cross_entropy", seed=0, n_threads=2, matmul=matmul)


def use(net):
    net.fit(X, Y, epochs=2, batch_size=32)
    net.predict(X)
    net.evaluate(X, Y)
    net.loss_and_gradients(X, Y)
    net.forward(X)
    net.backward(np.ones((200, 3)))
    net.update()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="knows glibc's fenv_t")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="knows the registers of x86-64")
@pytest.mark.parametrize("matmul", ["fused", "blas"])
def test_the_control_word_is_left(matmul):
    before, within = control_word(), []
    net = network(matmul)
    net.fit(X, Y, epochs=2, callbacks=[lambda *_: within.append(control_word())])
    use(net)
    assert control_word() == before
    assert within == [before] * 2
    of_a_thread = []
    worker = threading.Thread(target=lambda: (use(net), of_a_thread.append(control_word())))
    worker.start()
    worker.join()
    assert of_a_thread == [before]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_subnormal_numbers_are_numbers(dtype, n_threads):
    """Neither taken as 0 nor made 0, by any thread."""
    least = np.finfo(dtype).smallest_subnormal
    net = bp.Network(1, [bp.Dense(1)], dtype=dtype, seed=0, n_threads=n_threads)
    net.layers[0].weights = [[1]]
    rows = least * np.arange(1, 5001, dtype=dtype)[:, None]
    np.testing.assert_array_equal(net.predict(rows), rows)
    assert (rows[:, 0] / least == np.arange(1, 5001)).all()


def test_warnings_of_numpy_are_as_they_were():
    """What overflows inside the core is no warning outside it, and numpy's own are not silenced."""
    before = np.geterr()
    net = bp.Network(1, [bp.Dense(1, "exp")], seed=0, n_threads=1)
    net.layers[0].weights = [[1]]
    with np.errstate(all="raise"):
        assert np.isinf(net.predict([[1e3]])).all()
        with pytest.raises(FloatingPointError):
            np.float64(1) / np.float64(0)
    assert np.geterr() == before
