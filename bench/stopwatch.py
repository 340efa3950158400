"""What runs in a worker: a peer is checked against the reference on one shape, then timed."""

import math
import time
from importlib import import_module

import numpy as np
from peers import PEERS
from shapes import SHAPES

SLICE_SECONDS = 0.1  # of training between two looks at the clock
TRIAL_SECONDS = 0.05  # of training to choose between variants
# Of ‖gradient − reference‖ / ‖reference‖. In float32 a pre-activation within rounding of 0 may
# fall on the other side of relu's kink, which adds or takes away a whole sample's contribution: a
# few in a million do. A missing factor or term is off by more than a tenth.
GRADIENT_TOLERANCE = {"float32": 1e-2, "float64": 1e-8}
# The same of the first update. Some add Adam's epsilon before the correction for the moments'
# bias and some after, which shows where a gradient is hardly larger than epsilon.
UPDATE_TOLERANCE = 0.05
LOSS_ROWS = 4096  # on which the loss before and after training is compared


class Stopwatch:
    """Times one peer, shape after shape."""

    def __init__(self, peer, dtype):
        self.dtype = dtype
        self.peer = import_module(PEERS[peer])

    def about(self):
        return {"name": self.peer.NAME, "version": self.peer.version()}

    def prepare(self, shape_name):
        """Check every variant and keep the fastest, warmed up; what was found."""
        shape = SHAPES[shape_name]
        X, y = shape.random_data()
        parameters = shape.initial_parameters(self.dtype)
        differences = [
            check(self.peer, shape, self.dtype, parameters, X[: shape.batch], y[: shape.batch], v)
            for v in self.peer.VARIANTS
        ]
        trainers = [
            self.peer.Trainer(shape, self.dtype, parameters, X, y, v) for v in self.peer.VARIANTS
        ]
        seconds = [fastest_epoch(trainer) for trainer in trainers]
        best = int(np.argmin(seconds))
        self.shape, self.trainer = shape, trainers[best]
        self.epochs = max(1, math.ceil(SLICE_SECONDS / seconds[best]))
        self.before = parameters
        self.rows = X[:LOSS_ROWS], y[:LOSS_ROWS]
        return {"variant": self.peer.VARIANTS[best], "difference": max(differences)}

    def time(self):
        """Seconds a step, over a slice of whole epochs."""
        started = time.perf_counter()
        self.trainer.train(self.epochs)
        return (time.perf_counter() - started) / (self.epochs * self.shape.steps)

    def losses(self):
        """The reference's loss with the parameters before and after all this training."""
        before, after = (
            self.shape.reference(parameters).evaluate(*self.rows)["loss"]
            for parameters in (self.before, self.trainer.parameters())
        )
        if not after < before:
            raise AssertionError(f"the loss went from {before} to {after} in training")
        return before, after

    def peak(self, seconds):
        """GFLOP/s of multiply-adds and nothing else, of one core."""
        from backprop._core.probe import multiply_add_peak

        return multiply_add_peak(self.dtype, seconds)


def calls_in(seconds, function, *arguments):
    """How many calls take about so long; warms up."""
    count, taken = 1, 0.0
    while taken < seconds / 4:
        count *= 2
        taken = count * seconds_a_call(count, function, *arguments)
    return max(1, round(count * seconds / taken))


def seconds_a_call(count, function, *arguments):
    """The mean over `count` calls in a row."""
    started = time.perf_counter()
    for _ in range(count):
        function(*arguments)
    return (time.perf_counter() - started) / count


def fastest_epoch(trainer):
    """Seconds of the fastest of a few epochs, after one that compiles and warms up."""
    trainer.train(1)
    seconds = []
    while sum(seconds) < TRIAL_SECONDS:
        started = time.perf_counter()
        trainer.train(1)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def check(peer, shape, dtype, parameters, X, y, variant):
    """Compare one step with the reference's: the relative difference of gradients.

    It is the very code that is timed which is checked: an epoch of a single batch is trained, and
    the gradient read off Adam's first moment, which is then (1 - beta_1) times the gradient.
    """
    reference = shape.reference(parameters)
    reference.train_step(X, y)
    trainer = peer.Trainer(shape, dtype, parameters, X, y, variant)
    trainer.train(1)
    gradient = difference(trainer.first_moments(), reference.optimizer_state()["moment1"])
    update = difference(
        steps_taken(parameters, trainer.parameters()),
        steps_taken(parameters, [(at.weights, at.bias) for at in reference.layers]),
    )
    for name, found, tolerance in (
        ("gradient", gradient, GRADIENT_TOLERANCE[dtype]),
        ("update", update, UPDATE_TOLERANCE),
    ):
        if not found <= tolerance:
            raise AssertionError(
                f"{peer.NAME}, {variant}, on {shape}: the {name} differs from the reference by "
                f"{found:.2g} of its size; at most {tolerance} can be rounding"
            )
    return gradient


def steps_taken(before, after):
    return [
        tuple(np.subtract(new, old, dtype=np.float64) for old, new in zip(*layers, strict=True))
        for layers in zip(before, after, strict=True)
    ]


def difference(values, expected):
    """The largest relative difference in the Euclidean norm among the arrays of all layers."""
    worst = 0.0
    for pair, expected_pair in zip(values, expected, strict=True):
        for value, wanted in zip(pair, expected_pair, strict=True):
            size = np.linalg.norm(wanted)
            if size == 0:
                raise AssertionError("the reference's gradient is 0: this would check nothing")
            worst = max(worst, float(np.linalg.norm(value - wanted) / size))
    return worst
