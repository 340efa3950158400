"""How far resident memory grows at its peak while a network is made and trained.

Over what the process holds with the user's arrays in memory; beside it, 3 × the parameters (Adam
keeps two moments of each) and the activations of one batch (inputs and each layer's outputs).
"""

from pathlib import Path

import numpy as np
from findings import Finding, alone, say
from peers import ours
from results import number
from shapes import SHAPES, Shape
from worker import Worker

TURNS = 3
STATUS = Path("/proc/self/status")
MEASURED = ("mnist", "wide", "deep")
ITEMSIZE = 4  # of float32
TINY = Shape("tiny", (2, 2, 2), 4, 1)


class Fresh:
    """A process that has trained nothing of size yet; lives in a worker."""

    def growth(self, shape_name):
        """Bytes from before the network is made to the peak of its first epochs."""
        shape = SHAPES[shape_name]
        self.train(TINY)  # so that the code is in memory, and what Python keeps of it
        return self.train(shape)

    def train(self, shape):
        rng = np.random.default_rng(0)
        n_rows = shape.steps * shape.batch
        X = rng.standard_normal((n_rows, shape.sizes[0]), dtype=np.float32)
        y = rng.integers(0, shape.sizes[-1], n_rows)
        Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
        before = kilobytes("VmRSS")
        net = ours.backprop.Network(shape.sizes[0], shape.layers(), loss=shape.loss, n_threads=1)
        net.fit(X, y, epochs=2, batch_size=shape.batch)
        return 1024 * (kilobytes("VmHWM") - before)


def kilobytes(name):
    """A line of what the kernel says of this process."""
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def measure(shapes=MEASURED, turns=TURNS):
    say("memory: ")
    found = []
    for shape in (SHAPES[name] for name in shapes):
        parameters = sum((n_in + 1) * n_out for n_in, n_out in shape.layer_sizes)
        activations = shape.batch * sum(shape.sizes)
        asked = ITEMSIZE * (3 * parameters + activations) / 1e6
        grown, note = [], "needs Linux's /proc"
        if STATUS.exists():
            for _ in range(turns):
                worker = Worker(Fresh)
                grown.append(worker.call("growth", shape.name) / 1e6)
                worker.close()
            parts = [ITEMSIZE * 3 * parameters / 1e6, ITEMSIZE * activations / 1e6]
            note = "asked: " + " + ".join(number(part) for part in parts)
        what = f"memory while training: {shape}"
        found.append(Finding(what, f"≤ {number(asked)} MB", grown, "MB", note))
        say(".")
    say("\n")
    return found


if __name__ == "__main__":
    alone(measure, __doc__)
