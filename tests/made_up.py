"""An optimizer of which only the record is there: `explain` shows its step all the same."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from formulas import explained

import backprop as bp
from backprop.catalogue.formula import Formula
from backprop.catalogue.optimizers import Optimizer, Rule
from backprop.stepwise import Gradient


@dataclass(frozen=True)
class MadeUp(Optimizer):
    """An optimizer that the core lacks, with a number of its own and three moments."""

    learning_rate: float = 0.1
    rho: float = 0.9
    l2: float = 0.0
    l1: float = 0.0
    weight_decay: float = 0.0
    schedule: None = None

    symbols: ClassVar[dict[str, str]] = {"learning_rate": "lr", "rho": "rho"}
    meanings: ClassVar[dict[str, str]] = {"rho": "how much is kept"}
    kind: ClassVar[str] = "made_up"
    title: ClassVar[str] = "an optimizer of the tests"
    moments: ClassVar[dict[str, str]] = {"mean": "m", "square": "v", "largest": "v_top"}
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("m", Formula("rho * m + (1 - rho) * g"), "A mean"),
        Rule("v", Formula("rho * v + (1 - rho) * g**2"), "A mean of squares"),
        Rule("v_top", Formula("v_top + v / t"), "Their sum"),
        Rule("u", Formula("m / sqrt(1 + v_top)"), "The direction"),
        Rule("w", Formula("w - lr * 0.001 * w"), "Decayed"),
        Rule("w", Formula("w - lr * u"), "The new number"),
    )


def explained_with(optimizer):
    """A trace; of an optimizer that the core lacks, one of gradient descent that holds its step."""
    if optimizer.kind != MadeUp.kind:
        return explained(optimizer=optimizer)
    trace = explained(optimizer=bp.SGD(0.1, l2=optimizer.l2))
    layers = [_stepped_layer(optimizer, trace, layer) for layer in trace.layers]
    return replace(trace, optimizer=optimizer, layers=layers)


def _stepped_layer(optimizer, trace, layer):
    rng = np.random.default_rng(5)
    before, after, steps = {}, {}, []
    for part, (w, g) in enumerate(zip((layer.weights, layer.bias), layer.gradient, strict=True)):
        moments = [rng.uniform(0.1, 1, w.shape) for _ in optimizer.moments]
        decay = 0 if part else optimizer.l2 / trace.weight_sum
        before[part], new = [own.copy() for own in moments], w.copy()
        optimizer.update(new, g + decay * w, moments, trace.steps + 1)
        after[part] = moments
        steps.append(new - w)
    pairs = [
        {
            name: Gradient(*both)
            for name, both in zip(optimizer.moments, zip(at[0], at[1], strict=True), strict=True)
        }
        for at in (before, after)
    ]
    return replace(layer, step=Gradient(*steps), moments=pairs[0], moments_after=pairs[1])
