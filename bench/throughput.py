"""10,000 rows through the mnist network, numpy to numpy: the share of the peak in `predict`."""

import numpy as np
from findings import Finding, alone, say
from peers import ours
from shapes import SHAPES
from stopwatch import calls_in, seconds_a_call
from worker import Worker

TURNS = 15
PEAK_SECONDS = 0.05
SLICE_SECONDS = 0.1
N_ROWS, CHECKED_ROWS = 10_000, 200
TOLERANCE = 1e-5  # of probabilities


class Predictor:
    """The network and its rows; lives in a worker."""

    def __init__(self, shape_name):
        shape = SHAPES[shape_name]
        parameters = shape.initial_parameters("float32")
        rng = np.random.default_rng(0)
        self.X = rng.standard_normal((N_ROWS, shape.sizes[0]), dtype=np.float32)
        self.net = ours.network(shape, "float32", parameters)
        expected = shape.reference(parameters).predict(self.X[-CHECKED_ROWS:])
        if np.abs(self.net.predict(self.X)[-CHECKED_ROWS:] - expected).max() > TOLERANCE:
            raise AssertionError(f"{shape}: other probabilities than the reference")
        self.count = calls_in(SLICE_SECONDS, self.net.predict, self.X)

    def time(self):
        return seconds_a_call(self.count, self.net.predict, self.X)

    def peak(self):
        from backprop._core.probe import multiply_add_peak

        return multiply_add_peak("float32", PEAK_SECONDS)


def measure(turns=TURNS):
    say("10,000 rows: ")
    shape = SHAPES["mnist"]
    flops = 2 * N_ROWS * sum(n_in * n_out for n_in, n_out in shape.layer_sizes)
    worker = Worker(Predictor, shape.name)
    shares, times = [], []
    for _ in range(turns):
        peak = worker.call("peak")
        times.append(worker.call("time"))
        shares.append(100 * flops / (1e9 * peak * times[-1]))
        say(".")
    worker.close()
    say("\n")
    sizes = "-".join(map(str, shape.sizes))
    what = f"{N_ROWS:,} rows through {sizes}, share of the peak"
    return [Finding(what, "≥ 85 %", shares, "%", f"{N_ROWS / min(times):,.0f} rows/s at best")]


if __name__ == "__main__":
    alone(measure, __doc__)
