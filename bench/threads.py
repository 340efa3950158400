"""Two threads against one: a training step with the default n_threads and with n_threads=1.

Both networks live in one process that is bound to two cores, start from the same weights and take
turns. The same bits must come out of both.
"""

import math
from pathlib import Path

import numpy as np
from findings import Finding, alone, say
from peers import ours
from results import number, spread
from shapes import SHAPES
from stopwatch import SLICE_SECONDS, fastest_epoch, seconds_a_call
from worker import GIVEN, Worker, bound_to

TURNS = 7
PEAK_SECONDS = 0.1
LARGE = ("tabular", "mnist", "wide", "deep")  # where a second thread should nearly halve the time


class Pair:
    """The two networks on one shape; lives in a worker on two cores."""

    def prepare(self, shape_name):
        """Check and warm up both; how many threads the default is."""
        shape = SHAPES[shape_name]
        X, y = shape.random_data()
        parameters = shape.initial_parameters("float32")
        self.trainers = {
            n_threads: ours.Trainer(shape, "float32", parameters, X, y, n_threads=n_threads)
            for n_threads in (None, 1)
        }
        for trainer in self.trainers.values():
            trainer.train(1)
        found = [trainer.parameters() for trainer in self.trainers.values()]
        for one, other in zip(*found, strict=True):
            if not all(map(np.array_equal, one, other)):
                raise AssertionError(f"{shape}: other parameters on several threads than on one")
        fastest = fastest_epoch(self.trainers[None])
        fastest_epoch(self.trainers[1])
        self.epochs = max(1, math.ceil(SLICE_SECONDS / fastest))
        return self.trainers[None].net._core.plan_threads(shape.batch)

    def time(self, n_threads):
        """Seconds of a slice of training."""
        return seconds_a_call(1, self.trainers[n_threads].train, self.epochs)

    def peak(self):
        from backprop._core.probe import multiply_add_peak

        return multiply_add_peak("float32", PEAK_SECONDS)

    def barrier(self):
        """Nanoseconds that the two threads take to meet."""
        from backprop._core.probe import barrier_seconds

        return 1e9 * barrier_seconds(2)


def measure(shapes=tuple(SHAPES), turns=TURNS):
    asked = {name: "≥ 1.85×" if name in LARGE else "≥ 1×, never slower" for name in shapes}
    cores = two_cores(GIVEN)
    if cores is None:
        why = "this process was given only one core"
        return [Finding(title(SHAPES[name]), asked[name], [], note=why) for name in shapes]
    with bound_to(cores):
        first, second = Worker(Pair), Worker(Pair)
    say("two threads: ")
    found = [peak_of_two(first, second, cores, turns)]
    second.close()
    for name in shapes:
        n_threads = first.call("prepare", name)
        ratios, apart = [], []
        for _ in range(turns):
            default, single = first.call("time", None), first.call("time", 1)
            ratios.append(single / default)
            apart.append(first.call("barrier"))
        note = f"default: {n_threads} thread{'s' if n_threads > 1 else ''}"
        if n_threads > 1:
            note += f"; a barrier {spread(apart)} ns"
        found.append(Finding(title(SHAPES[name]), asked[name], ratios, "×", note))
        say(".")
    first.close()
    say("\n")
    return found


def title(shape):
    return f"two threads against one: {shape}"


def peak_of_two(first, second, cores, turns):
    """What two cores can do at most: the peaks of both at once over that of one alone."""
    ratios = []
    for _ in range(turns):
        alone_peak = first.call("peak")
        first.ask("peak")
        second.ask("peak")
        ratios.append((first.answer() + second.answer()) / alone_peak)
    note = f"cores {' and '.join(map(str, cores))}; {number(alone_peak)} GFLOP/s of one alone"
    return Finding("two cores against one: the multiply-add peak", "–", ratios, "×", note)


def two_cores(given):
    """The last two that are not two threads of one core; None where there are none."""
    found = {}
    for core in sorted(given or (), reverse=True):
        found.setdefault(siblings(core), core)
    return sorted(found.values())[-2:] if len(found) > 1 else None


def siblings(core):
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    return path.read_text() if path.exists() else str(core)


if __name__ == "__main__":
    alone(measure, __doc__)
