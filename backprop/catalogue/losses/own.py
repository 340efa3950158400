"""A loss of one's own: a function in place of an entry of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backprop.catalogue.losses.links import d_identity, identity
from backprop.catalogue.losses.record import Loss
from backprop.catalogue.targets import ANY
from backprop.validation import check_own_loss


@dataclass(frozen=True, repr=False)
class OwnLoss(Loss):
    """What a function declares of itself, which is its name.

    Attributes
    ----------
    function : callable
        (output [n][k], target) -> (losses [n], d_output [n][k]); see ``Network``.
    """

    function: Callable = None

    def ask(self, output, target):
        """What the function returns for a batch, checked, as arrays of the output's dtype."""
        return check_own_loss(self.name, self.function(output, target), output)

    @property
    def row(self):
        """The core has none: it calls `ask`."""
        return None, ()

    @property
    def label(self):
        """The entry itself, as there is no name by which it is found again."""
        return self

    @property
    def description(self):
        """For a model file, which cannot hold the function."""
        return {"own": self.name}

    def __call__(self, **given):
        """Refuse parameters, which a function has not."""
        raise TypeError(f"{self.name}: a loss of one's own has no parameters to set")

    def __reduce__(self):
        return own_loss, (self.function,)


def own_loss(function):
    """The entry of a function."""
    name = getattr(function, "__name__", type(function).__name__)
    written = name.replace("_", r"\_")

    def ask(a, y):
        return check_own_loss(name, function(a, y), a)

    return OwnLoss(
        name=name,
        function=function,
        formula=f"{name}(a, y)",
        derivative_formula="as the function returns it",
        prediction_formula="a",
        source="",
        advice="",
        value=lambda a, y: ask(a, y)[0].astype(np.float64),
        derivative=lambda a, y: ask(a, y)[1],
        link=identity,
        link_derivative=d_identity,
        latex=rf"\mathrm{{{written}}}(a, y)",
        target=ANY,
        score=None,
    )
