"""100,000 rounds of fit, predict and an exception leave the process as large as it was."""

import sys

import numpy as np
import pytest

import backprop as bp

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc"),
]

ROUNDS, WARM_UP, MOST = 100_000, 5_000, 2**20  # bytes


def resident():
    with open("/proc/self/smaps_rollup") as file:
        return 1024 * sum(int(line.split()[1]) for line in file if line.startswith("Private_Dirty"))


def test_no_round_keeps_memory():
    X, y = np.random.default_rng(0).normal(size=(8, 3)), np.arange(8) % 2
    bad = X.copy()
    bad[5, 1] = np.nan
    layers = [bp.Dense(4, "tanh", dropout=0.1, norm="layer"), bp.Dense(2)]
    net = bp.Network(3, layers, "softmax_cross_entropy", bp.Adam(1e-5), seed=0)

    def rounds(count):
        for i in range(count):
            net.fit(X, y, epochs=1, batch_size=4 + i % 3)
            net.predict(X[: 1 + i % 8])
            for call in (net.fit, net.train_step):
                with pytest.raises(ValueError, match="is nan"):
                    call(bad, y)
            if i % 100 == 0:  # another network, and one that cannot be made
                bp.Network(3, layers, "softmax_cross_entropy", seed=i).fit(X, y, epochs=1)
                with pytest.raises(ValueError, match="units"):
                    bp.Network(3, [bp.Dense(1)], "softmax_cross_entropy")

    rounds(WARM_UP)
    before = resident()
    rounds(ROUNDS)
    grown = resident() - before
    print(f"{ROUNDS:,} rounds: {grown:,} bytes more")
    assert grown < MOST
