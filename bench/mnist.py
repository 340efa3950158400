"""MNIST end to end, this library and PyTorch in one run: `python bench/mnist.py`.

784-256-128-10 relu, softmax cross-entropy, Adam, batches of 128, ten epochs, from the same initial
weights. Each library has a process of its own; both are bound to one core and take turns epoch by
epoch. Test accuracy is worked out by the reference for both, from the parameters that they learnt.
"""

import argparse
import os
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
from peers import PEERS
from results import benchmark, number, save, spread
from shapes import SHAPES
from stopwatch import fastest_epoch
from worker import NotInstalled, Worker, load, pin, processor

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TRIAL_ROWS = 1280  # to warm up with, and to choose between a library's variants


class Learner:
    """One library with MNIST in memory; lives in a worker."""

    def __init__(self, peer, path, seed):
        self.peer, self.shape, self.seed = import_module(PEERS[peer]), SHAPES["mnist"], seed
        with np.load(path) as data:
            X, self.y = data["x_train"].reshape(-1, 784), data["y_train"].astype(np.int64)
            self.X_test = (data["x_test"].reshape(-1, 784) / 255).astype(np.float32)
            self.y_test = data["y_test"].astype(np.int64)
        # What each likes best: pixels as they are, or ready as float32.
        ours = peer == "backprop"
        self.X = X if ours else (X / 255).astype(np.float32)
        self.options = {"input_scale": 1 / 255} if ours else {}
        trials = {
            variant: fastest_epoch(self.trainer_for(variant, TRIAL_ROWS))
            for variant in self.peer.VARIANTS
        }
        self.variant = min(trials, key=trials.get)
        self.trainer = self.trainer_for(self.variant, len(X))

    def trainer_for(self, variant, n_rows):
        parameters = self.shape.initial_parameters("float32", self.seed)
        X, y = self.X[:n_rows], self.y[:n_rows]
        return self.peer.Trainer(self.shape, "float32", parameters, X, y, variant, **self.options)

    def about(self):
        return {
            "library": self.peer.NAME,
            "version": self.peer.version(),
            "variant": self.variant,
            "samples": len(self.X),
        }

    def epoch(self):
        """Seconds of one epoch."""
        started = time.perf_counter()
        self.trainer.train(1)
        return time.perf_counter() - started

    def accuracy(self):
        network = self.shape.reference(self.trainer.parameters(), "float32")
        return network.evaluate(self.X_test, self.y_test)["accuracy"]


def main(arguments=None):
    options = parse(arguments)
    if not options.data.exists():
        sys.exit(
            f"{options.data} is not there: name the directory that holds mnist.npz (x_train, "
            "y_train, x_test, y_test; uint8 images) in BACKPROP_DATA, or the file with --data"
        )
    core = pin(options.core)
    busy = load()
    learners, seconds = {}, {}
    for peer in ("backprop", "pytorch"):
        try:
            learners[peer] = Worker(Learner, peer, options.data, options.seed)
        except NotInstalled as error:
            print(f"{peer} is not installed: {error}")
    if "backprop" not in learners:
        sys.exit("install the library first, for instance `pip install .[bench]`")
    for epoch in range(options.epochs):
        for peer, learner in learners.items():
            seconds.setdefault(peer, []).append(learner.call("epoch"))
        last = ", ".join(f"{peer} {each[-1]:.3f} s" for peer, each in seconds.items())
        print(f"epoch {epoch + 1}: {last}", file=sys.stderr)
    bound = "not bound to a core" if core is None else f"bound to core {core}"
    print(f"MNIST, {options.epochs} epochs; {processor()}, {bound}, one thread{busy}")
    benchmarks = [report(peer, learners[peer], each) for peer, each in seconds.items()]
    if "pytorch" in seconds:
        print(f"backprop's samples per second over PyTorch's: {compare(**seconds)}")
    if options.json:
        save(options.json, benchmarks, command="mnist.py", seed=options.seed)


def report(peer, learner, seconds):
    """Print what one library did; its entry in the JSON file."""
    about, accuracy = learner.call("about"), learner.call("accuracy")
    learner.close()
    rate = len(seconds) * about["samples"] / sum(seconds)
    print(
        f"{about['library']} {about['version']} ({about['variant']}): test accuracy "
        f"{100 * accuracy:.2f} %, {rate:,.0f} samples/s, {spread(seconds)} s an epoch"
    )
    extra = {**about, "test_accuracy": accuracy, "samples_per_second": rate}
    return benchmark("mnist epoch", peer, seconds, **extra)


def compare(backprop, pytorch):
    """Over the whole run, and epoch by epoch."""
    turns = [theirs / ours for ours, theirs in zip(backprop, pytorch, strict=True)]
    return f"{number(sum(pytorch) / sum(backprop))}; epoch by epoch {spread(turns)}"


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(os.environ.get("BACKPROP_DATA", DATA)) / "mnist.npz"
    parser.add_argument("--data", type=Path, default=default, metavar="FILE", help="mnist.npz")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the initial weights (default: 0)")
    parser.add_argument("--core", type=int, help="the core to bind to (default: the last)")
    parser.add_argument("--json", metavar="FILE", help="write every number measured to FILE")
    options = parser.parse_args(arguments)
    if options.epochs < 1:
        parser.error(f"--epochs: {options.epochs}, expected at least 1")
    return options


if __name__ == "__main__":
    main()
