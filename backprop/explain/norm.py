"""A layer's norm in a trace: from z to what the activation takes, and the three roads back.

Each n depends on every z that the mean and the deviation were taken over, so the derivative of n by
z is a matrix: with k numbers in a mean,

    ∂nᵢ/∂zⱼ = (δᵢⱼ − 1/k − nᵢ nⱼ/k) / σ.

Times ∂ℓ/∂n, its three terms are the roads on which ∂ℓ/∂z gets back: by the unit's own n, by the
mean, and by the deviation. The last two gather what comes back to all k of them, and so need two
means instead of k products each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from backprop.explain.factors import BY_DEVIATION, BY_MEAN, DEVIATION, SCALE, LayerFactor

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from backprop.catalogue.norms import Norm


@dataclass(frozen=True, eq=False)
class NormTrace:
    """y = scale · n + shift, with n = (z − mean) / deviation; arrays are (n, units).

    Attributes
    ----------
    entry : Norm
        Of the catalogue.
    n, y : arrays
        As the core has them; f is applied to y.
    dy : array of float64
        The derivative by y, as the core has it.
    scale : array (units,)
    mean, deviation : arrays of float64
        Of z, over the samples or over the units, in the place of every z that they were taken over.
    of : str
        What is derived: "ℓ" or "C".
    """

    entry: Norm
    n: NDArray[Any]
    y: NDArray[Any]
    dy: NDArray[np.float64]
    scale: NDArray[Any]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    of: str

    @cached_property
    def dn(self) -> NDArray[np.float64]:
        """The derivative by n: dy · scale."""
        return self.dy * self.scale

    @cached_property
    def passed_on(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """−mean of dn, and −n · mean of (dn · n): what comes to dn before it is divided."""
        return self.entry.passed_on(self.dn, self.n.astype(np.float64))

    @cached_property
    def factors(self) -> list[LayerFactor]:
        """What dy is multiplied with on its way to dz, but for what mean and deviation pass on."""
        scale = np.broadcast_to(self.scale, self.n.shape)
        over = f"one over the deviation, over {self.entry.over}"
        return [
            LayerFactor("scale", SCALE, "γ", "the scale of the norm", scale),
            LayerFactor(
                "deviation", DEVIATION, "1/σ", over, 1 / self.deviation, n_indices=self._own
            ),
        ]

    @cached_property
    def gathered(self) -> list[LayerFactor]:
        """What mean and deviation pass on, which is then divided by the deviation as dn is."""
        by_mean, by_deviation = self.passed_on
        dn, over = f"∂{self.of}/∂n", f"over {self.entry.over}"
        return [
            LayerFactor(
                "mean of dn",
                BY_MEAN,
                f"−mean {dn}",
                f"minus the mean of {dn}, {over}",
                by_mean,
                n_indices=self._own,
            ),
            LayerFactor(
                "n mean of dn n",
                BY_DEVIATION,
                f"−n · mean(n · {dn})",
                f"minus n times the mean of n · {dn}, {over}",
                by_deviation,
                n_indices=1 + self._own,
            ),
        ]

    def column(self, sample: int, unit: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(∂n/∂z, dn) of all n that one z acts on: the sum of their products is its dz."""
        place, at = (slice(None), unit), sample
        if not self.entry.is_over_samples:
            place, at = (sample, slice(None)), unit
        n = self.n[place].astype(np.float64)
        own = np.arange(len(n)) == at
        return (own - (1 + n * n[at]) / len(n)) / self.deviation[sample, unit], self.dn[place]

    @property
    def _own(self):
        """Whether mean and deviation are a unit's own, and so have it as their index."""
        return int(self.entry.is_over_samples)


def norm_trace(entry, passed, parameters, of):
    """Of a norm of the catalogue, from what the core kept of its layer, and its parameters.

    `of`: what is derived, "ℓ" or "C".
    """
    z = passed["z"].astype(np.float64)
    mean, variance = entry.statistics(z)
    deviation = np.sqrt(variance + entry.settings["epsilon"])
    return NormTrace(
        entry=entry,
        n=passed["n"],
        y=passed["y"],
        dy=passed["dy"].astype(np.float64),
        scale=parameters["scale"],
        mean=np.broadcast_to(mean, z.shape),
        deviation=np.broadcast_to(deviation, z.shape),
        of=of,
    )
