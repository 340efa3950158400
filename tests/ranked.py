"""Networks that ranks train, for the tests beside; and a program that mpiexec runs with them."""

import hashlib
import os
import signal
import sys
import threading
import time

import numpy as np

import backprop as bp

RNG = np.random.default_rng(5)
X = RNG.normal(size=(137, 9))
Y = RNG.integers(0, 3, 137)
WEIGHT = RNG.random(137)


def layers():
    return [
        bp.Dense(33, "tanh", dropout=0.2, noise=0.1),
        bp.Dense(17, "prelu", norm="layer"),
        bp.Dense(17, "gelu", residual=True, use_bias=False),
        bp.Dense(3),
    ]


def network(kind=bp.Network, dtype="float64", **options):
    options = {"loss": "softmax_cross_entropy", "seed": 3, "dtype": dtype, **options}
    return kind(9, layers(), input_dropout=0.1, **options)


def digest(net):
    values = b"".join(p.tobytes() for layer in net.layers for p in layer.parameters.values())
    return hashlib.sha256(values).hexdigest()


def own_rows(rank, size):
    """Of the 137 rows a rank's own: unequal pieces, one of them a single row."""
    cuts = {1: (0, 137), 2: (0, 100, 137), 4: (0, 20, 50, 51, 137)}[size]
    return slice(*cuts[rank : rank + 2])


def trained(ranks, rows=slice(None), **options):
    """(the digest of the weights, the losses) of a network that ranks train."""
    net = network(n_threads=1, **options)
    how = {"epochs": 3, "batch_size": 30, "sample_weight": WEIGHT[rows], "shards": 4}
    history = net.fit(X[rows], Y[rows], ranks=ranks, **how)
    return digest(net), tuple(history.loss)


def interrupted(ranks):
    """Ctrl-C on rank 1, in mid-fit, three times; then a fit that ends."""
    net = network()
    for i in range(3):
        if ranks.rank == 1:
            press = threading.Timer(0.2 + 0.07 * i, os.kill, (os.getpid(), signal.SIGINT))
            press.start()
        try:
            net.fit(X, Y, epochs=10**6, batch_size=30, shards=2, ranks=ranks)
        except (KeyboardInterrupt, bp.ranks.RankStopped) as error:
            said = type(error).__name__
        sys.stdout.write(f"{said} {net.steps} {digest(net)}\n")
    net.fit(X, Y, epochs=1, shards=2, ranks=ranks)
    sys.stdout.write(f"ended {net.steps} {digest(net)}\n")


def main(how):
    """What each rank does; all but "train" and "own" go wrong on rank 1."""
    from backprop.ranks import MPI

    ranks = MPI(rows="own" if how == "own" else "shared", timeout=5)
    rows = own_rows(ranks.rank, ranks.size) if how == "own" else slice(None)
    if how in ("train", "own"):
        sys.stdout.write(f"{ranks.rank} {trained(ranks, rows)}\n")  # at once: others write too
        return
    if how == "interrupt":
        interrupted(ranks)
        return
    goes_wrong = ranks.rank == 1

    def after_epoch(net, history):
        if goes_wrong and how == "raise":
            raise OSError("the disk is full")
        if goes_wrong and how == "kill":
            os.kill(os.getpid(), 9)
        if goes_wrong and how == "sleep":
            time.sleep(600)

    net = network()
    net.fit(X, Y, epochs=2, shards=2, ranks=ranks, callbacks=[after_epoch])
    if goes_wrong and how == "exit":
        sys.exit(4)
    net.fit(X, Y, epochs=2, shards=2, ranks=ranks)


if __name__ == "__main__":
    main(sys.argv[1])
