"""Normalisation of a layer's pre-activations: what each norm takes mean and variance over.

An entry here makes a norm of the two kinds that csrc/kernels/normalise.h has: over the samples of a
batch, or over the features of a sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from backprop.catalogue.formula import Formula
from backprop.catalogue.records import Entry, Learned, Parameter, find, table_of


@dataclass(frozen=True, repr=False)
class Norm(Entry):
    """y = scale n + shift, where n is z less its mean, divided by its deviation.

    Attributes
    ----------
    name : str
    source : str
        Where it was proposed.
    advice : str
        When to take it, in one sentence.
    is_over_samples : bool
        Whether mean and variance are those of a feature over the samples of a batch; else those of
        a sample over its features.
    parameters : tuple of Parameter
        The first is ``epsilon``.
    values : tuple of float
        Of the parameters; () for their defaults.
    """

    name: str
    source: str
    advice: str
    is_over_samples: bool
    parameters: tuple[Parameter, ...]
    values: tuple[float, ...] = ()

    # what each unit learns, with what it starts at
    learned: ClassVar[dict[str, float]] = {"scale": 1.0, "shift": 0.0}
    normalised: ClassVar[Formula] = Formula("(z - mean) / sqrt(variance + epsilon)")  # n
    formula: ClassVar[Formula] = Formula("scale * n + shift")  # y
    written: ClassVar[dict[str, Learned]] = {
        "scale": Learned("gamma", Formula("n"), "the scale of the norm"),
        "shift": Learned("beta", Formula("1"), "the shift of the norm"),
    }
    # dz; g is the derivative by n, and both means are taken over what those of z are
    slope: ClassVar[Formula] = Formula("(g - mean - n * mean_product) / deviation")

    @property
    def gathered(self) -> dict[str, float]:
        """{name: what it starts at} of what predictions take in the place of a batch's own."""
        return {"mean": 0.0, "variance": 1.0} if self.is_over_samples else {}

    @property
    def running_rate(self) -> float:
        """How much of each batch's statistics goes into those that are gathered."""
        return self.settings.get("running_rate", 0.0)

    @property
    def axis(self) -> int:
        """Of z [n][units], the one that mean and variance are taken over."""
        return 0 if self.is_over_samples else 1

    @property
    def over(self) -> str:
        """What mean and variance are taken over, in words."""
        return "the samples of the batch" if self.is_over_samples else "the units of the layer"

    def statistics(self, z):
        """(mean, variance), with a length of 1 along ``axis``."""
        return z.mean(axis=self.axis, keepdims=True), z.var(axis=self.axis, keepdims=True)

    def forward(self, z, scale, shift, statistics):
        """(y, n, deviation), y and n shaped like z [n][units]; scale and shift are [units]."""
        mean, variance = statistics
        deviation = np.sqrt(variance + self.settings["epsilon"])
        n = (z - mean) / deviation
        return n * scale + shift, n, deviation

    def backward(self, dy, n, deviation, scale):
        """(dz, d_scale, d_shift) from dy [n][units], for statistics that are z's own.

        With g = dy · scale, of which mean and deviation pass on their parts:
        dz = (g - mean of g - n · mean of (g · n)) / deviation.
        """
        g = dy * scale
        by_mean, by_deviation = self.passed_on(g, n)
        return (g + by_mean + by_deviation) / deviation, (dy * n).sum(axis=0), dy.sum(axis=0)

    def passed_on(self, g, n):
        """(-mean of g, -n · mean of (g · n)): what mean and deviation pass on of g, by n."""
        mean = g.mean(axis=self.axis, keepdims=True)
        return np.broadcast_to(-mean, g.shape), -n * (g * n).mean(axis=self.axis, keepdims=True)

    def follow(self, gathered, statistics, count):
        """One step of what is gathered, in place, towards a batch's statistics.

        The variance is taken as that of a population, from that of its sample of `count`.
        """
        mean, variance = statistics
        variance = variance * (count / max(count - 1, 1))
        for name, found in (("mean", mean), ("variance", variance)):
            gathered[name] += self.running_rate * (found[0] - gathered[name])


EPSILON = Parameter("epsilon", 1e-5, "added to the variance before its root", above=True)

NORMS = table_of(
    Norm(
        name="batch",
        source="Ioffe and Szegedy 2015",
        advice="Between wide layers, with batches of 32 or more.",
        is_over_samples=True,
        parameters=(
            EPSILON,
            Parameter(
                "running_rate",
                0.1,
                "how much of each batch's mean and variance goes into those that predictions use",
                above=True,
                below=1 + 2**-52,
            ),
        ),
    ),
    Norm(
        name="layer",
        source="Ba, Kiros and Hinton 2016",
        advice="Where batches are small, or a row must not depend on those beside it.",
        is_over_samples=False,
        parameters=(EPSILON,),
    ),
)

# what others call them
ALIASES = {
    "batchnorm": "batch",
    "batch_norm": "batch",
    "batch_normalization": "batch",
    "layernorm": "layer",
    "layer_norm": "layer",
    "layer_normalization": "layer",
}


def find_norm(value):
    """The norm of that name, or that is given."""
    return find("norm", value, NORMS, ALIASES)
