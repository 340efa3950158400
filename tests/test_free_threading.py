"""Many threads at once, with one network and with many: a right result, or a RuntimeError.

They run with the GIL too; without it (python3.13t, 3.14t) threads meet where they could not before.
"""

import os
import pickle
import random
import subprocess
import sys
import sysconfig
import textwrap
import threading
import time
from copy import deepcopy
from itertools import cycle

import numpy as np
import pytest
from in_threads import TIMEOUT, run_together

import backprop as bp

STEPS = 400
REFUSED = object()
WITHOUT_GIL = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def ask(call):
    """What it returns, or REFUSED where another thread was in the way."""
    try:
        return call()
    except RuntimeError as error:
        if "in use by another thread" not in str(error):
            raise
        return REFUSED


def insist(call):
    while (found := ask(call)) is REFUSED:
        time.sleep(0)
    return found


def make(**options):
    layers = [bp.Dense(24, "tanh"), bp.Dense(3)]
    return bp.Network(6, layers, seed=1, **{"loss": "softmax_cross_entropy", **options})


def data(n=50):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 6)).astype("float32"), rng.integers(0, 3, n)


def bits(net):
    return b"".join(array.tobytes() for array in net.get_weights())


def states(net, steps, X, y):
    """[what the network is before the first step, after it, after the next, …]: bits, outputs."""
    found = [(bits(net), net.predict(X).tobytes())]
    for _ in range(steps):
        net.train_step(X, y)
        found.append((bits(net), net.predict(X).tobytes()))
    return found


@pytest.mark.skipif(not WITHOUT_GIL, reason="this Python has the GIL")
def test_importing_leaves_the_gil_off():
    """A module that does not declare itself free-threaded would turn it on, with a warning."""
    program = """
    import pkgutil, sys
    import backprop as bp
    from backprop import _core
    for module in pkgutil.iter_modules(_core.__path__):
        __import__(f"backprop._core.{module.name}")
    bp.Network(2, bp.Dense(1), seed=0, matmul="blas").fit([[1.0, 2.0]], [[3.0]], epochs=1)
    print(sys._is_gil_enabled())
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_GIL"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["False"], done.stderr


def test_who_changes_a_network_is_alone():
    """The claims themselves, in threads that do nothing else and so meet most often."""
    net = make()
    readers, changers = [], []

    def change():
        for _ in range(100 * STEPS):
            insist(net._core.begin_changing)
            changers.append(True)
            assert (len(changers), len(readers)) == (1, 0)
            changers.pop()
            net._core.end_changing()

    def read():
        for _ in range(100 * STEPS):
            insist(net._core.begin_reading)
            readers.append(True)
            assert len(changers) == 0
            readers.pop()
            net._core.end_reading()

    run_together(change, change, read, read)
    net.train_step(*data())  # which is refused where a reader was counted wrongly


@pytest.mark.parametrize("n_threads", [1, 2])
def test_many_threads_predict_with_one_network(n_threads):
    """Each call takes buffers, of another size than the last one's."""
    net, sizes = make(n_threads=n_threads), (1, 40, 3, 700, 1, 2)
    X, y = data(max(sizes))
    expected = {n: (net.predict(X[:n]), net.evaluate(X[:n], y[:n])) for n in sizes}

    def predict():
        for _, n in zip(range(600), cycle(sizes), strict=False):
            np.testing.assert_array_equal(net.predict(X[:n]), expected[n][0])
            assert net.evaluate(X[:n], y[:n]) == expected[n][1]

    run_together(*[predict] * 6)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_one_thread_trains_and_others_read(n_threads, tmp_path):
    """What these see is the network before some step or after it, never in between."""
    X, y = data()
    known = states(make(n_threads=n_threads), STEPS, X, y)
    of_bits, of_outputs = ({state[i] for state in known} for i in range(2))
    net, is_over = make(n_threads=n_threads), threading.Event()

    def train():
        try:
            for _ in range(STEPS):
                insist(lambda: net.train_step(X, y))
        finally:
            is_over.set()

    def saved():
        path = tmp_path / str(threading.get_ident())
        net.save(path)
        return bits(bp.Network.load(path))

    def reader(read, expected):
        def use():
            while not is_over.is_set():
                found = ask(read)
                assert found is REFUSED or found in expected
                time.sleep(random.uniform(0, 0.001))  # or training has no chance

        return use

    run_together(
        train,
        reader(lambda: net.predict(X).tobytes(), of_outputs),
        reader(lambda: deepcopy(net).predict(X).tobytes(), of_outputs),
        reader(lambda: bits(net), of_bits),
        reader(lambda: bits(pickle.loads(pickle.dumps(net))), of_bits),
        reader(saved, of_bits),
    )
    assert bits(net) == known[-1][0]


def test_threads_train_one_network_in_turns():
    """Every step that was not refused counts, and counts once."""
    X, y = data()
    expected, net = states(make(), 4 * STEPS, X, y), make()

    def train():
        for _ in range(STEPS):
            insist(lambda: net.train_step(X, y))

    run_together(*[train] * 4)
    assert (net.steps, bits(net)) == (4 * STEPS, expected[-1][0])


def test_gradients_of_one_network_in_many_threads():
    """Those of the thread's own rows, though the network keeps one set of them."""
    X, y = data(60)
    net = make()
    parts = [slice(start, start + 20) for start in (0, 20, 40)]
    expected = [net.loss_and_gradients(X[rows], y[rows]) for rows in parts]

    def differentiate(which):
        (loss, gradients), rows = expected[which], parts[which]
        for _ in range(STEPS):
            found = insist(lambda: net.loss_and_gradients(X[rows], y[rows]))
            assert found[0] == loss
            for own, other in zip(found[1], gradients, strict=True):
                np.testing.assert_array_equal(own.weights, other.weights)
                np.testing.assert_array_equal(own.bias, other.bias)

    run_together(*(lambda which=which: differentiate(which) for which in range(3)))


def test_weights_are_assigned_while_others_predict():
    """They predict with the weights of before or after, not with some of each."""
    X, _ = data()
    net = make()
    both = [net.get_weights(), [array + 1 for array in net.get_weights()]]
    expected = set()
    for weights in both:
        net.set_weights(weights)
        expected.add(net.predict(X).tobytes())
    is_over = threading.Event()

    def assign():
        try:
            for _, weights in zip(range(STEPS), cycle(both), strict=False):
                insist(lambda weights=weights: net.set_weights(weights))
                insist(lambda: setattr(net, "optimizer", bp.SGD(0.1)))
                insist(lambda: setattr(net, "optimizer", bp.Adam(average=bp.EMA())))
        finally:
            is_over.set()

    def predict():
        while not is_over.is_set():
            found = ask(lambda: net.predict(X).tobytes())
            assert found is REFUSED or found in expected
            time.sleep(random.uniform(0, 0.0005))

    run_together(assign, predict, predict)


def test_threads_that_are_the_first_to_use_the_package():
    """Names are imported, and OpenBLAS is loaded, at their first use: here by eight at once."""
    program = """
    import os, threading
    import numpy as np

    before, found, together = dict(os.environ), [], threading.Barrier(8)

    def use(number):
        together.wait(60)
        import backprop as bp

        layers = [bp.Dense(16, "gelu", norm="layer", dropout=0.1), bp.Dense(2)]
        for matmul in ("fused", "blas"):
            schedule = bp.Warmup(3, bp.Cosine(9))
            optimizer = bp.AdamW(schedule=schedule, average=bp.EMA())
            net = bp.Network(5, layers, "huber", optimizer, seed=3, matmul=matmul, n_threads=1)
            X = np.random.default_rng(0).normal(size=(60, 5))
            net.fit(X, X[:, :2], epochs=3, callbacks=[bp.EarlyStopping("loss")], metrics=["mae"])
            found.append((matmul, net.predict(X).tobytes()))

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(len(found), len(set(found)), dict(os.environ) == before)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.stdout.split() == ["16", "2", "True"], done.stderr


def test_many_threads_train_networks_of_their_own():
    X, y = data(200)
    names = ["adam", "sgd", "muon", "rprop", "amsgrad"]

    def trained(name):
        net = make(optimizer=name, n_threads=1)
        net.fit(X, y, epochs=5, batch_size=16)
        return bits(net)

    expected, found = {name: trained(name) for name in names}, []

    def train(first):
        for name in [*names[first:], *names[:first]]:
            found.append((name, trained(name)))

    run_together(*(lambda first=first: train(first) for first in range(len(names))))
    assert sorted(found) == sorted(list(expected.items()) * len(names))
