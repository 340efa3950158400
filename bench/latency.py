"""One row through 8-64-64-4, from numpy to numpy, beside ONNX Runtime, PyTorch and numpy.

Same weights for all, tanh in the hidden layers, four plain outputs; outputs are compared with the
reference's before anything is timed. Each has a process of its own, and they take turns.
"""

import statistics
from importlib import import_module

import numpy as np
from findings import Finding, alone, say
from peers import PREDICTORS
from results import number
from shapes import Shape
from stopwatch import calls_in, seconds_a_call
from worker import NotInstalled, Worker

OURS = "backprop"
SHAPE = Shape("one row", (8, 64, 64, 4), 1, 1, activation="tanh", loss="squared_error")
TURNS = 15
SLICE_SECONDS = 0.05
TOLERANCE = 1e-5  # of outputs of about 1, in float32


class Predictor:
    """One library with the network's weights; lives in a worker."""

    def __init__(self, peer):
        self.peer = import_module(PREDICTORS[peer])
        parameters = SHAPE.initial_parameters("float32")
        self.row = np.random.default_rng(0).standard_normal((1, 8), dtype=np.float32)
        expected = SHAPE.reference(parameters).predict(self.row)
        trials = {}
        for variant, predict in self.peer.predictors(SHAPE, parameters).items():
            if np.abs(predict(self.row) - expected).max() > TOLERANCE:
                raise AssertionError(f"{peer}, {variant}: other outputs than the reference")
            count = calls_in(SLICE_SECONDS, predict, self.row)
            trials[variant] = seconds_a_call(count, predict, self.row), count, predict
        self.variant = min(trials, key=lambda variant: trials[variant][0])
        _, self.count, self.predict = trials[self.variant]

    def about(self):
        return f"{self.peer.NAME} {self.peer.version()} ({self.variant})"

    def time(self):
        return seconds_a_call(self.count, self.predict, self.row)


def measure(turns=TURNS):
    say("one row: ")
    workers, absent = {}, {}
    for peer in PREDICTORS:
        try:
            workers[peer] = Worker(Predictor, peer)
        except NotInstalled as error:
            absent[peer] = str(error)
    about = {peer: worker.call("about") for peer, worker in workers.items()}
    times = {peer: [] for peer in workers}
    for _ in range(turns):
        for peer, worker in workers.items():
            times[peer].append(1e6 * worker.call("time"))
        say(".")
    for worker in workers.values():
        worker.close()
    say("\n")
    found = []
    for peer in PREDICTORS:
        what = f"one row through 8-64-64-4: {peer}"
        asked = "≤ 1.5 µs" if peer == OURS else "–"
        if peer in absent:
            note = f"not installed: {absent[peer]}"
        elif peer == OURS:
            note = about[peer]
        else:
            turns_ = zip(times[peer], times[OURS], strict=True)
            ratio = statistics.median(theirs / ours for theirs, ours in turns_)
            note = f"{number(ratio, 2)}× ours; {about[peer]}"
        found.append(Finding(what, asked, times.get(peer, []), "µs", note))
    return found


if __name__ == "__main__":
    alone(measure, __doc__)
