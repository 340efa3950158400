"""Two Python threads that fit two networks at once, against one after the other; and training on
subnormal numbers, against the same on usual ones.

Each network trains on one thread. The core lets go of Python's lock, so two take half the time of
two in turns. Subnormal numbers are those below 1.2e-38, of which some processors are slow.
"""

import threading
import time

import numpy as np
from findings import Finding, alone, say
from peers import ours
from shapes import SHAPES
from threads import two_cores
from worker import GIVEN, Worker, bound_to

TURNS = 7
SECONDS = 0.3  # of fitting one network, about
MEASURED = ("tabular", "mnist")


class Two:
    """Two networks of a shape; lives in a worker on two cores."""

    def prepare(self, shape_name):
        shape = SHAPES[shape_name]
        self.X, self.y = shape.random_data()
        parameters = shape.initial_parameters("float32")
        made = (ours.network(shape, "float32", parameters) for _ in range(2))
        self.nets, self.batch, self.epochs = tuple(made), shape.batch, 1
        seconds = self.alone()
        self.epochs = max(1, round(SECONDS / (seconds / 2)))

    def fit(self, net):
        net.fit(self.X, self.y, epochs=self.epochs, batch_size=self.batch)

    def alone(self):
        """Seconds of one after the other."""
        started = time.perf_counter()
        for net in self.nets:
            self.fit(net)
        return time.perf_counter() - started

    def together(self):
        """Seconds of both at once, each in a thread of Python's."""
        threads = [threading.Thread(target=self.fit, args=(net,)) for net in self.nets]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - started


class Subnormal:
    """A network on rows of usual numbers and on rows of subnormal ones; lives in a worker."""

    def __init__(self):
        shape = SHAPES["mnist"]
        X, self.y = shape.random_data()
        self.rows = {"usual": X.astype("float32"), "subnormal": (X * 1e-40).astype("float32")}
        tiny = np.finfo("float32").tiny
        assert (np.abs(self.rows["subnormal"]) < tiny).all()
        self.net = ours.network(shape, "float32", shape.initial_parameters("float32"))
        self.batch = shape.batch
        self.time("usual")

    def time(self, which):
        started = time.perf_counter()
        self.net.fit(self.rows[which], self.y, epochs=1, batch_size=self.batch)
        return time.perf_counter() - started


def measure(turns=TURNS):
    say("together: ")
    found = [measure_subnormal(turns)]
    cores = two_cores(GIVEN)
    for name in MEASURED:
        what = f"two networks at once against one after the other: {SHAPES[name]}"
        if cores is None:
            found.append(Finding(what, "≥ 1.8×", [], note="this process was given only one core"))
            continue
        with bound_to(cores):
            worker = Worker(Two)
        worker.call("prepare", name)
        ratios = [worker.call("alone") / worker.call("together") for _ in range(turns)]
        worker.close()
        found.append(Finding(what, "≥ 1.8×", ratios, "×"))
        say(".")
    say("\n")
    return found


def measure_subnormal(turns):
    worker = Worker(Subnormal)
    ratios = [worker.call("time", "subnormal") / worker.call("time", "usual") for _ in range(turns)]
    worker.close()
    return Finding("an epoch on subnormal numbers against usual ones", "≤ 2×", ratios, "×")


if __name__ == "__main__":
    alone(measure, __doc__)
