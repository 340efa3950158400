"""200 children, forked while threads of the parent train: each trains too, to the same bits."""

import contextlib
import os
import random
import signal
import threading
import time

import numpy as np
import pytest

import backprop as bp

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # that it has threads
]

FORKS = 200
BETWEEN, IN_MID_FIT = 10, 11  # what a child's exit code says of the parent
SECONDS = 20  # after which a child counts as hung
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(300, 20)), np.arange(300) % 5


def network(matmul="fused"):
    layers = [bp.Dense(48, "tanh"), bp.Dense(5)]
    return bp.Network(20, layers, "softmax_cross_entropy", seed=1, n_threads=2, matmul=matmul)


def trained(matmul):
    net = network(matmul)
    net.fit(X, Y, epochs=2, batch_size=50)
    return net.layers[0].weights.tobytes()


def in_a_child(expected, busy, matmul):
    """It trains a network of its own, uses the parent's, and trains once more.

    IN_MID_FIT where the parent's was in a call of the core, and an exception says so; else BETWEEN.
    """
    signal.alarm(SECONDS)
    if trained(matmul) != expected:
        return 2
    code = BETWEEN
    try:
        busy.predict(X)
    except RuntimeError as error:
        code = IN_MID_FIT if "when the process was forked" in str(error) else 3
    return code if trained(matmul) == expected else 4


@pytest.mark.parametrize("matmul", ["fused", "blas"])
def test_every_forked_child_trains(matmul):
    expected, busy, over = trained(matmul), network(), threading.Event()

    def keep_busy():
        while not over.is_set():
            busy.fit(X, Y, epochs=5, batch_size=50)

    worker, draw, codes = threading.Thread(target=keep_busy), random.Random(3), []
    worker.start()
    try:
        for _ in range(FORKS):
            time.sleep(draw.uniform(0, 0.01))
            child = os.fork()
            if child == 0:
                code = 1
                with contextlib.suppress(BaseException):
                    code = in_a_child(expected, busy, matmul)
                os._exit(code)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    finally:
        over.set()
        worker.join()
    met = {code: codes.count(code) for code in codes}
    assert met.keys() <= {BETWEEN, IN_MID_FIT}, met
    assert met[IN_MID_FIT] > FORKS / 4
    assert trained(matmul) == expected
    print(f"{FORKS} children of {FORKS}, {met[IN_MID_FIT]} of them forked in mid-fit")
