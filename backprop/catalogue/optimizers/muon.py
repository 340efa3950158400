"""Muon: steps along an orthogonal matrix, for the weights of hidden layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from backprop.catalogue.optimizers.adam import Adam
from backprop.catalogue.optimizers.base import Optimizer
from backprop.catalogue.records import says_how_to_change
from backprop.validation import check_real

if TYPE_CHECKING:
    from backprop.catalogue.schedules import Schedule

ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
LEAST_NORM = 1e-7


def orthogonalized(u):
    """U V^T of u = U S V^T, nearly: its singular values go to between 0.7 and 1.2.

    Newton and Schulz's iteration with the coefficients of Jordan et al.
    """
    a, b, c = COEFFICIENTS
    norm = np.sqrt((u.astype(np.float64) ** 2).sum())
    x = (u / max(norm, LEAST_NORM)).astype(u.dtype)
    x = x.T if len(x) < len(x.T) else x
    for _ in range(ITERATIONS):
        gram = x.T @ x
        x = a * x + x @ (b * gram + c * gram @ gram)
    return x if x.shape == u.shape else x.T


@says_how_to_change
@dataclass(frozen=True, repr=False)
class Muon(Optimizer):
    """Momentum, made orthogonal: steps that are equally long in all directions.

    Of the weights of every layer but the last: m ← μ m + (1−μ) g, u = μ m + (1−μ) g, O the
    orthogonal matrix next to u by five of Newton and Schulz's iterations, and
    w ← w − lr δ w − lr √max(1, n_out / n_in) O. Biases and the last layer make AdamW's steps, at
    ``adam_learning_rate``.

    Parameters
    ----------
    learning_rate : float, default 0.02
        lr, above 0.
    momentum : float, default 0.95
        μ, in [0, 1).
    adam_learning_rate : float, default 0.0003
        Of biases and the last layer, at least 0; a schedule multiplies both.
    beta_1, beta_2, epsilon : float, default 0.9, 0.95 and 1e-10
        Of these, as Adam's.
    l2, weight_decay : float, default 0.0
        λ and δ, at least 0, of all weights: see `Optimizer`; of those that make Adam's steps δ is
        times their own rate.
    schedule : Schedule, optional
        What the learning rate is multiplied by: ``backprop.catalogue.schedules``.

    References
    ----------
    Jordan, Jin, Boza, You, Cesista, Newhouse and Bernstein, "Muon: an optimizer for hidden layers
    in neural networks", 2024; a norm below 1e-7 counts as that, as PyTorch has it, and the
    iteration is in the network's dtype.
    """

    learning_rate: float = 0.02
    momentum: float = 0.95
    adam_learning_rate: float = 0.0003
    beta_1: float = 0.9
    beta_2: float = 0.95
    epsilon: float = 1e-10
    l2: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule | None = None

    l1: ClassVar[float] = 0.0
    is_elementwise: ClassVar[bool] = False
    symbols: ClassVar[dict[str, str]] = Adam.symbols
    divisors: ClassVar[tuple[str, ...]] = ("epsilon",)
    kind: ClassVar[str] = "adam"  # of what makes Adam's steps
    title: ClassVar[str] = "Muon"
    moments: ClassVar[dict[str, str]] = {"momentum": "m", "moment2": "v"}
    rules: ClassVar[tuple] = Adam().rules

    def __post_init__(self) -> None:
        self.set_checked(
            learning_rate=check_real("learning_rate", self.learning_rate, 0, above=True),
            momentum=check_real("momentum", self.momentum, 0, below=1),
            adam_learning_rate=check_real("adam_learning_rate", self.adam_learning_rate, 0),
            beta_1=check_real("beta_1", self.beta_1, 0, below=1),
            beta_2=check_real("beta_2", self.beta_2, 0, below=1),
            epsilon=check_real("epsilon", self.epsilon, 0, above=True),
        )

    @property
    def settings(self):
        """Of the core's row."""
        return self.beta_1, self.beta_2, self.epsilon, 0.0

    @property
    def matrices(self):
        """Momentum of whole matrices, the rate of all else as a share of theirs, weight decay."""
        return self.momentum, self.adam_learning_rate / self.learning_rate, self.weight_decay

    def update(self, w, g, moments, t, sums=None, rate=None) -> None:
        """Adam's step, at its own share of the rate."""
        rate = self.learning_rate if rate is None else rate
        super().update(w, g, moments, t, sums, rate * self.matrices[1])

    def update_matrix(self, w, g, m, sums, rate) -> None:
        """A step of the weights of a hidden layer, in place."""
        g = g + self.l2 / sums * w
        m[...] = self.momentum * m + (1 - self.momentum) * g
        u = self.momentum * m + (1 - self.momentum) * g
        n_in, n_out = w.shape
        stretched = rate * np.sqrt(max(1, n_out / n_in))
        w[...] = w - rate * self.weight_decay * w - stretched * orthogonalized(u)


KINDS = (Muon,)
