"""What a call of `fit` costs beyond the steps that it trains: 150 rows, the iris network.

An epoch here is one step. A call of one epoch takes call + step; the slope from there to a call of
many epochs is the step alone, the shuffle of its rows included.
"""

from findings import Finding, alone, say
from peers import ours
from shapes import SHAPES
from stopwatch import calls_in, seconds_a_call
from worker import Worker

TURNS = 15
N_ROWS = 150
MANY = 101  # epochs
SLICE_SECONDS = 0.05


class Fit:
    """The network and its rows; lives in a worker."""

    def __init__(self):
        shape = SHAPES["iris"]
        X, y = shape.random_data()
        self.X, self.y = X[:N_ROWS].astype("float32"), y[:N_ROWS]
        self.net = ours.network(shape, "float32", shape.initial_parameters("float32"), None)
        self.counts = {epochs: calls_in(SLICE_SECONDS, self.fit, epochs) for epochs in (1, MANY)}

    def fit(self, epochs):
        self.net.fit(self.X, self.y, epochs=epochs, batch_size=N_ROWS)

    def time(self, epochs):
        return seconds_a_call(self.counts[epochs], self.fit, epochs)


def measure(turns=TURNS):
    say("fit: ")
    worker = Worker(Fit)
    calls, steps = [], []
    for _ in range(turns):
        one, many = worker.call("time", 1), worker.call("time", MANY)
        step = (many - one) / (MANY - 1)
        steps.append(1e6 * step)
        calls.append(1e6 * (one - step))
        say(".")
    worker.close()
    say("\n")
    note = f"a step of {N_ROWS} rows: {min(steps):.1f} µs at best"
    what = "a call of fit, 150 rows, 4-16-3, beyond its step"
    return [Finding(what, "≤ 100 µs", calls, "µs", note)]


if __name__ == "__main__":
    alone(measure, __doc__)
