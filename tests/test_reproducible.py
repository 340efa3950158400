"""The same seed gives the same bits: on any number of threads, on AVX2 and AVX-512.

The promise is that of matmul="fused", the default. "baseline" x86-64 gives other bits than the
other instruction sets, because SSE2 has no fused multiply-add.
"""

import contextlib
import hashlib
import os
import pickle
import platform
import re
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from in_threads import run_together
from networks import ACTIVATIONS, LOSSES, every_optimizer, targets

import backprop as bp
from backprop import storage
from backprop._core.kernels import instruction_sets
from backprop.progress import NoBar

OPTIMIZERS = every_optimizer(
    sgd=bp.SGD(0.05),
    nesterov=bp.SGD(0.02, momentum=0.9, nesterov=True),
    adam=bp.Adam(0.003),
)
TIMEOUT = 60  # seconds, for what would hang where it fails


def data(loss, n=150, n_inputs=20, n_outputs=5):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(n, n_inputs)).astype("float32")
    y = X[:, :n_outputs] + rng.normal(size=(n, n_outputs))
    return X, targets(loss, y)


def trained(
    loss="softmax_cross_entropy", optimizer="adam", activation="tanh", units=(70, 33), **options
):
    """A network after two epochs, the last batch of which is smaller."""
    X, y = data(loss)
    layers = [*(bp.Dense(n, activation) for n in units), bp.Dense(5)]
    net = bp.Network(20, layers, loss=loss, optimizer=OPTIMIZERS[optimizer], seed=1, **options)
    net.fit(X, y, epochs=2, batch_size=64, sample_weight=np.arange(150) % 7)
    return net


def digest(network):
    """Of the bits of parameters, moments, predictions, gradients and losses."""
    X, y = data(network.loss)
    found = hashlib.sha256()
    arrays = [array for layer in network.layers for array in (layer.weights, layer.bias)]
    for views in network.optimizer_state().values():
        arrays += [array for pair in views for array in pair]
    arrays.append(network.predict(X))
    loss, gradients = network.loss_and_gradients(X, y)
    arrays += [array for gradient in gradients for array in gradient]
    arrays.append(network.forward(X))
    arrays.append(network.backward(np.ones((150, 5))))
    network.update()
    arrays += [network.layers[0].weights, np.array([loss, *network.evaluate(X, y).values()])]
    for array in arrays:
        found.update(array.tobytes())
    return found.hexdigest()


# ---- threads -----------------------------------------------------------------------------------


# Every loss and every optimizer; among the long tests, each loss with each optimizer.
PAIRS = [
    (loss, optimizer)
    if loss == "softmax_cross_entropy" or optimizer == "adam"
    else pytest.param(loss, optimizer, marks=pytest.mark.long)
    for loss in LOSSES
    for optimizer in OPTIMIZERS
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("loss", "optimizer"), PAIRS)
def test_the_same_bits_on_any_number_of_threads(loss, optimizer, dtype):
    expected = digest(trained(loss, optimizer, dtype=dtype, n_threads=1))
    for n_threads in (2, 3, 4, 8, None):
        found = digest(trained(loss, optimizer, dtype=dtype, n_threads=n_threads))
        assert found == expected, n_threads


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("units", [(), (1,), (200,)])
def test_threads_and_shapes(activation, units):
    """Fewer rows than threads, and more."""
    expected = digest(trained(activation=activation, units=units, n_threads=1))
    for n_threads in (2, 5, 16):
        assert digest(trained(activation=activation, units=units, n_threads=n_threads)) == expected


def test_threads_and_more_parameters_than_the_caches_hold():
    """A small batch's update then goes through them in lower strips."""
    layers = [bp.Dense(900, "tanh"), bp.Dense(5)]
    X = np.random.default_rng(0).normal(size=(24, 1000))
    found = set()
    for n_threads in (1, 2, 3):
        net = bp.Network(1000, layers, seed=1, n_threads=n_threads)
        net.fit(X, X[:, :5], epochs=2, batch_size=9)
        found.add(b"".join(layer.weights.tobytes() for layer in net.layers))
    assert len(found) == 1


def test_the_same_seed_gives_the_same_bits_and_another_gives_others():
    assert digest(trained()) == digest(trained())
    X, y = data("softmax_cross_entropy")
    found = set()
    for seed in (1, 2):
        net = bp.Network(20, [bp.Dense(5)], loss="softmax_cross_entropy", seed=seed)
        net.fit(X, y, epochs=1, batch_size=10)
        found.add(net.layers[0].weights.tobytes())
    assert len(found) == 2


def test_one_call_of_fit_gives_the_bits_of_one_call_for_each_epoch():
    """So many steps that powers of beta are worked out anew between, and go on from one before."""
    X, y = data("squared_error", 40)
    at_once, one_by_one = (
        bp.Network(20, [bp.Dense(16, "tanh"), bp.Dense(5)], dtype="float64", seed=1)
        for _ in range(2)
    )
    at_once.fit(X, y, epochs=150, batch_size=40)
    for _ in range(150):
        one_by_one.fit(X, y, epochs=1, batch_size=40)
    assert at_once.steps == one_by_one.steps == 150
    assert digest(at_once) == digest(one_by_one)


def test_the_order_of_a_seed_is_its_own():
    """Equal weights at the start: what differs is the shuffle."""
    X, y = data("softmax_cross_entropy")
    found = set()
    for seed in (1, 2):
        net = bp.Network(20, [bp.Dense(5)], loss="softmax_cross_entropy", seed=seed)
        net.layers[0].weights = np.zeros((20, 5))
        net.fit(X, y, epochs=1, batch_size=10)
        found.add(net.layers[0].weights.tobytes())
    assert len(found) == 2


# ---- rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_prediction_does_not_depend_on_its_neighbours(loss, dtype, n_threads):
    net = trained(loss, dtype=dtype, n_threads=n_threads)
    X, _ = data(loss)
    for logits in (False, True):
        whole = net.predict(X, logits=logits)
        for i in (0, 1, 15, 16, 17, 100, 149):
            np.testing.assert_array_equal(net.predict(X[i : i + 1], logits=logits)[0], whole[i])
        np.testing.assert_array_equal(net.predict(X[7:40], logits=logits), whole[7:40])
        np.testing.assert_array_equal(net.predict(X[::-1], logits=logits), whole[::-1])
    np.testing.assert_array_equal(net.forward(X), net.predict(X, logits=True))


def test_predictions_of_many_rows_are_those_of_few():
    """More rows than inference takes at a time."""
    net = trained()
    X = np.random.default_rng(0).normal(size=(20_000, 20))
    whole = net.predict(X)
    for rows in (slice(0, 1), slice(2047, 2050), slice(19_999, 20_000), slice(5_000, 9_000)):
        np.testing.assert_array_equal(net.predict(X[rows]), whole[rows])


# ---- instruction sets --------------------------------------------------------------------------


def digest_with(instruction_set, code):
    folders = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "BACKPROP_ISA": instruction_set, "PYTHONPATH": folders}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    return done.stdout.split()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="x86-64 only")
def test_the_same_bits_on_avx2_and_avx512():
    runs = instruction_sets()
    if not (runs.get("avx2") and runs.get("avx512")):
        pytest.skip(f"this processor does not run both: {runs}")
    code = """
        import numpy as np
        import backprop as bp
        from networks import ACTIVATIONS, LOSSES, tamed, targets
        rng = np.random.default_rng(0)
        X, z = rng.normal(size=(150, 20)), rng.normal(size=(150, 5))
        for dtype in ("float32", "float64"):
            for activation in ACTIVATIONS:
                for loss in LOSSES:
                    layers = [bp.Dense(70, activation), bp.Dense(33, activation), bp.Dense(5)]
                    net = bp.Network(20, layers, loss=loss, dtype=dtype, seed=1, input_scale=0.7)
                    tamed(net)
                    losses = net.fit(X, targets(loss, z), epochs=2, batch_size=64).loss
                    bits = [net.predict(X).tobytes(), repr(losses).encode()]
                    bits += [layer.weights.tobytes() for layer in net.layers]
                    bits = b"".join(bits)
                    print(__import__("hashlib").sha256(bits).hexdigest())
        """
    expected = digest_with("avx512", code)
    assert len(set(expected)) == 2 * len(ACTIVATIONS) * len(LOSSES)
    assert digest_with("avx2", code) == expected
    baseline = digest_with("baseline", code)
    assert all(one != other for one, other in zip(baseline, expected, strict=True))


def test_backprop_isa_chooses_the_instruction_set():
    code = "from backprop._core.kernels import best_instruction_set; print(best_instruction_set())"
    for name, runs in instruction_sets().items():
        if runs:
            assert digest_with(name, code) == [name]


# ---- processes and Python's threads ------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("matmul", ["fused", "blas"])
def test_training_goes_on_in_a_forked_child(matmul):
    """OpenMP's pool would hang there: hence a process of its own, and a timeout."""
    code = f"""
        import os, sys, warnings
        import numpy as np
        import backprop as bp
        warnings.simplefilter("ignore")
        X, y = np.random.default_rng(0).normal(size=(300, 20)), np.arange(300) % 5
        def make():
            layers = [bp.Dense(64, "tanh"), bp.Dense(5)]
            options = dict(loss="softmax_cross_entropy", n_threads=2, matmul={matmul!r})
            return bp.Network(20, layers, seed=1, **options)
        net, alone = make(), make()
        net.fit(X, y, epochs=3)
        alone.fit(X, y, epochs=5)
        child = os.fork()
        net.fit(X, y, epochs=2)
        make().fit(X, y, epochs=1)
        same = net.layers[0].weights.tobytes() == alone.layers[0].weights.tobytes()
        if child == 0:
            os._exit(0 if same else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), same)
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.stdout.split() == ["0", "True"], done.stderr


@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_two_threads_train_two_networks_at_once(n_threads, matmul):
    options = {"n_threads": n_threads, "matmul": matmul}
    expected = {loss: digest(trained(loss, **options)) for loss in LOSSES}
    found = {}

    def train(loss, number):
        found[loss, number] = digest(trained(loss, **options))

    jobs = [(loss, number) for loss in LOSSES for number in range(3)]
    run_together(*(lambda job=job: train(*job) for job in jobs))
    assert found == {(loss, number): expected[loss] for loss, number in jobs}


def until_it_is_its_turn(call):
    """A call that another thread got in the way of is tried again."""
    while True:
        try:
            return call()
        except RuntimeError as error:
            if "in use by another thread" not in str(error):
                raise


@contextlib.contextmanager
def fit_under_way(net, *data, epochs):
    """Another thread is in the core with the network for as long as this lasts.

    Held where the core reports its progress, hence not by how long anything takes.
    """
    under_way, over, histories = threading.Event(), threading.Event(), []

    class Holding(NoBar):
        def rows_done(self, count):
            under_way.set()
            assert over.wait(TIMEOUT), "nobody ends it"

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr("backprop.training.progress_bar", lambda *_: Holding())
        fit = pool.submit(net.fit, *data, epochs=epochs)
        fit.add_done_callback(lambda _: under_way.set())
        assert under_way.wait(TIMEOUT), "hangs"
        try:
            yield histories
        finally:
            over.set()
        histories.append(fit.result(TIMEOUT))


def test_one_network_used_by_two_threads_raises():
    X, y = np.zeros((500, 20), "float32"), np.zeros(500, int)
    net = bp.Network(20, [bp.Dense(64, "tanh"), bp.Dense(5)], loss="softmax_cross_entropy", seed=1)
    net.forward(X)
    calls = [
        lambda: net.predict(X),
        lambda: net.fit(X, y, epochs=1),
        lambda: net.train_step(X, y),
        lambda: net.forward(X),
        lambda: net.loss_and_gradients(X, y),
        lambda: net.evaluate(X, y),
        lambda: setattr(net, "optimizer", bp.SGD(0.1)),
        lambda: net.save(os.devnull),
        lambda: net.copy(),
        lambda: deepcopy(net),
        lambda: pickle.dumps(net),
        lambda: setattr(net, "steps", 3),
        lambda: setattr(net, "epochs_trained", 3),
        lambda: setattr(net.layers[0], "weights", np.zeros((20, 64))),
        lambda: setattr(net.layers[0], "bias", np.zeros(64)),
        lambda: setattr(net.layers[0], "trainable", False),
        lambda: net.set_weights([np.zeros((20, 64)), np.zeros(64), np.zeros((64, 5)), np.zeros(5)]),
    ]
    with fit_under_way(net, X, y, epochs=30):
        for call in calls:
            with pytest.raises(RuntimeError, match="in use by another thread"):
                call()
    assert net.epochs_trained == 30
    assert net.optimizer == bp.Adam()
    net.fit(X, y, epochs=1)  # still usable


def test_nobody_trains_a_network_that_is_being_saved(tmp_path, monkeypatch):
    """So that a file has the numbers of one instant."""
    X, y = np.zeros((50, 20)), np.zeros((50, 1))
    net = bp.Network(20, bp.Dense(1), seed=0)
    check, refused = storage._check_finite, []

    def meanwhile(network, error):
        with pytest.raises(RuntimeError, match="in use by another thread"):
            net.fit(X, y, epochs=1)
        net.predict(X)  # changes nothing
        refused.append(True)
        check(network, error)

    monkeypatch.setattr(storage, "_check_finite", meanwhile)
    net.save(tmp_path / "model")
    assert refused == [True]
    net.fit(X, y, epochs=1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_in_mid_fit_is_told(tmp_path):
    """It has none of the parent's threads: what they trained is lost, what they read is free."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(4000, 20)), rng.normal(size=(4000, 5))
    net = bp.Network(20, [bp.Dense(64, "tanh"), bp.Dense(5)], seed=1, n_threads=1)
    other = bp.Network(20, bp.Dense(5), seed=1)
    with fit_under_way(net, X, y, epochs=6):
        child = os.fork()
        if child == 0:
            code = 1
            with contextlib.suppress(BaseException):
                other.fit(X, y, epochs=1)
                try:
                    net.predict(X)
                except RuntimeError as error:
                    code = 0 if "when the process was forked" in str(error) else 2
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    net._core.begin_reading()  # as a thread that saves
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            net.fit(X, y, epochs=1)
            code = 0
        os._exit(code)
    net._core.end_reading()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="leaves no room for the stacks of threads")
def test_threads_that_cannot_be_had_are_fewer():
    """The same bits, and a warning."""
    program = """
    import resource, warnings
    import numpy as np
    import backprop as bp

    X = np.random.default_rng(0).normal(size=(512, 64))

    def trained(n_threads):
        net = bp.Network(64, [bp.Dense(64, "tanh"), bp.Dense(4)], seed=0, n_threads=n_threads)
        net.fit(X, X[:, :4], epochs=2)
        return net.predict(X).tobytes()

    expected = trained(1)
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**24, used + 2**24))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = trained(6)
    assert found == expected
    print({str(one.message) for one in told})
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(r"the system started \d of 6 threads", printed), printed


def test_a_fit_that_is_refused_leaves_the_history():
    """One network, a fit of which another thread is in the middle."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(4000, 20)), rng.normal(size=(4000, 5))
    net = bp.Network(20, [bp.Dense(64, "tanh"), bp.Dense(5)], seed=1, n_threads=1)
    with fit_under_way(net, X, y, epochs=6) as histories:
        before = net.history
        with pytest.raises(RuntimeError, match="in use by another thread"):
            net.fit(X, y, epochs=3)
        assert net.history is before
    assert net.history is before is histories[0]
    assert len(net.history.loss) == len(net.history.seconds) == 6


def test_batch_sizes_in_turns_give_the_bits_of_each_alone():
    """The network keeps the buffers of two sizes, and changes of the optimizer reach both."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 20)), rng.normal(size=(300, 3))
    sizes = [300, 3, 64, 300, 3, 1, 64, 64, 2, 300]

    def trained(renewed):
        net = bp.Network(20, [bp.Dense(30, "tanh"), bp.Dense(3)], seed=1, optimizer=bp.SGD(0.01))
        for i, size in enumerate(sizes):
            net.train_step(X[:size], y[:size])
            net.forward(X[: size // 2 + 1])
            net.backward(y[: size // 2 + 1])
            net.update()
            if i == 4:
                net.optimizer = bp.Adam(0.01)
            if renewed:
                net = pickle.loads(pickle.dumps(net))
        return net

    mine, expected = trained(False), trained(True)
    for one, other in zip(mine.layers, expected.layers, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
    assert mine.steps == expected.steps == 10  # since Adam took over


@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_threads_predict_with_one_network_at_once(n_threads, matmul):
    """Each with rows of its own, and one of them takes gradients meanwhile: all get their bits."""
    rng = np.random.default_rng(0)
    layers = [bp.Dense(64, "tanh"), bp.Dense(5)]
    net = bp.Network(
        20, layers, loss="softmax_cross_entropy", seed=1, n_threads=n_threads, matmul=matmul
    )
    data = [
        (rng.normal(size=(n, 20)).astype("float32"), rng.integers(0, 5, n))
        for n in (20_000, 15_000, 3, 9_000)
    ]
    expected = [(net.predict(X), net.evaluate(X, y)) for X, y in data]
    gradients = net.loss_and_gradients(*data[3])[1]
    together = threading.Barrier(len(data) + 1)

    def use(number):
        X, y = data[number]
        together.wait(TIMEOUT)
        for _ in range(20):
            np.testing.assert_array_equal(net.predict(X), expected[number][0])
            assert net.evaluate(X, y) == expected[number][1]

    def differentiate():
        together.wait(TIMEOUT)
        for _ in range(20):
            found = net.loss_and_gradients(*data[3])[1]
            np.testing.assert_array_equal(found[0].weights, gradients[0].weights)

    run_together(*(lambda number=number: use(number) for number in range(len(data))), differentiate)


def test_a_complaint_about_use_does_not_count_epochs():
    """The other thread predicts: the network was trained before, and is not now."""
    X, y = np.zeros((20_000, 20), "float32"), np.zeros(20_000, int)
    net = bp.Network(20, [bp.Dense(64, "tanh"), bp.Dense(5)], loss="softmax_cross_entropy", seed=1)
    net.fit(X, y, epochs=3)
    done, refused = threading.Event(), []

    def predict():
        while not done.is_set():
            until_it_is_its_turn(lambda: net.predict(X))

    def fit():
        try:
            while len(refused) < 10:
                before = net.epochs_trained
                try:
                    net.fit(X[:10], y[:10], epochs=1)
                except RuntimeError as error:
                    refused.append(error)
                    counted = net.epochs_trained
                    assert counted == before
        finally:
            done.set()

    run_together(predict, fit)
    assert len(refused) == 10
