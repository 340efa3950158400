"""What looks unwell in a trace: numbers that are none, units that do not learn, gradients that
vanish or explode.

Each finding is a dict: kind, layer (from 0; -1: the inputs), units, message, and advice, which is
what to try. The bounds are rules of thumb.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from backprop.catalogue.losses import LOSSES
from backprop.explain import writing

FEW_SAMPLES = 10  # on fewer, silence says little about a unit
SATURATED = 0.05  # a derivative below this share of its largest value
MOSTLY = 0.9  # of the samples
RATIO = 1000.0  # between the first and the last layer's ∂ℓ/∂z
NEIGHBOURS_RATIO = 100.0  # between those of a layer and the next
LARGE_STEP = 0.1  # of the weights' own size
LARGE_INPUT = 10.0
PARAMETERS = {"weights": "weights", "bias": "biases"}
QUANTITIES = {
    "z": "z",
    "a": "a",
    "da": "∂ℓ/∂a",
    "dz": "∂ℓ/∂z",
}


class SlopeSize(NamedTuple):
    """Root mean square of a layer's ∂ℓ/∂z, and its ratio to the next layer's (None: there is none,
    or it is 0)."""

    size: float
    ratio: float | None


def diagnose(trace):
    """All findings: numbers that are not finite, then the first layer's first."""
    findings = _not_finite(trace) + _inputs(trace)
    for i, layer in enumerate(trace.layers):
        findings += _silent_units(trace, i, layer)
        findings += _saturated_units(trace, i, layer)
    findings += _between_layers(trace)
    for i, layer in enumerate(trace.layers):
        findings += _steps(i, layer)
    return findings


def slope_sizes(trace):
    """A SlopeSize for each layer."""
    sizes = [_root_mean_square(layer.dz) for layer in trace.layers]
    ratios = [size / above if above else None for size, above in pairwise(sizes)]
    return [SlopeSize(*both) for both in zip(sizes, [*ratios, None], strict=True)]


def _finding(kind, layer, units, message, advice):
    return {
        "kind": kind,
        "layer": layer,
        "units": [int(unit) for unit in units],
        "message": message,
        "advice": advice,
    }


def _root_mean_square(values):
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _count(units, of):
    units = list(units)
    return f"{len(units)} of {of} unit{'s' if of > 1 else ''}"


def _names(trace, inputs, most=5):
    shown = [writing.one_line(trace.input_names[i]) for i in inputs[:most]]
    return ", ".join([*shown, "…"] if len(inputs) > most else shown)


def _not_finite(trace):
    found = []
    for i, layer in enumerate(trace.layers):
        found += _not_finite_layer(i, layer)
    return found


def _not_finite_layer(i, layer):
    arrays = {PARAMETERS.get(name, name): array for name, array in layer.parameters.items()}
    arrays |= {shown: getattr(layer, name) for name, shown in QUANTITIES.items()}
    bad = {
        name: ~np.isfinite(np.atleast_2d(values)).all(axis=0)
        for name, values in arrays.items()
        if not np.isfinite(values).all()
    }
    bad |= _not_finite_gradient(layer)
    if not bad:
        return []
    first, places = next(iter(bad.items()))  # whose units spoil those of the others
    units = np.flatnonzero(places)
    return [
        _finding(
            "not finite",
            i,
            units,
            f"{layer.name}: {', '.join(bad)} infinite or not a number, {first} in "
            f"{_count(units, layer.n_out)}: no gradient that they enter means anything",
            "a lower learning rate if training did this, and check the data",
        )
    ]


def _not_finite_gradient(layer):
    finite = [
        np.isfinite(np.atleast_2d(array)).all(axis=0)
        for array in layer.gradient.parameters.values()
    ]
    bad = ~np.all(finite, axis=0)
    return {"gradients": bad} if bad.any() else {}


def _inputs(trace):
    size = np.sqrt(np.mean(np.square(trace.x, dtype=np.float64), axis=0))
    large = np.flatnonzero(size > LARGE_INPUT)
    if not len(large):
        return []
    return [
        _finding(
            "large inputs",
            -1,
            large,
            f"{len(large)} of {len(size)} inputs are about {size.max():.3g} in size: "
            f"{_names(trace, large)}",
            "scale the inputs to about 1 with input_offset and input_scale",
        )
    ]


def _is_silent(layer):
    return layer.function.is_silent_below is not None and bool((layer.a == 0).all())


def _silent_units(trace, i, layer):
    if layer.function.is_silent_below is None:
        return []
    units = np.flatnonzero((layer.a == 0).all(axis=0))
    n = len(trace.x)
    if n >= FEW_SAMPLES and len(units):
        return [
            _finding(
                "dead",
                i,
                units,
                f"{layer.name}: {_count(units, layer.n_out)} give 0 on all {n} samples: f′(z) = 0, "
                "so none of their weights gets a gradient",
                "a lower learning rate, scaled inputs, or another seed",
            )
        ]
    if len(units) < layer.n_out:  # on few samples any unit may be silent; a whole layer stops all
        return []
    return [
        _finding(
            "silent",
            i,
            units,
            f"{layer.name}: all units give 0 on {_shown(n)}, so {_stopped(layer)}",
            f"look at more samples: a {layer.activation} unit is dead only if it is silent on all "
            "of them",
        )
    ]


def _stopped(layer):
    if layer.is_passed_by:
        return "this layer gets no gradient; those below get theirs by the straight road"
    return "neither this layer nor those below get a gradient"


def _shown(n):
    return f"the {n} samples shown" if n > 1 else "the sample shown"


def _saturated_units(trace, i, layer):
    largest = layer.function.largest_slope
    if largest is None:
        return []
    flat = np.abs(layer.derivative) < SATURATED * largest
    units = np.flatnonzero(flat.mean(axis=0) >= MOSTLY)
    if not len(units):
        return []
    last = i + 1 == len(trace.layers)
    advice = "smaller initial weights, scaled inputs, or relu"
    if last and (loss := _loss_that_contains(layer.function)):
        advice = f"{loss} with an identity layer, where f′(z) does not damp the loss"
    return [
        _finding(
            "saturated",
            i,
            units,
            f"{layer.name}: {_count(units, layer.n_out)} lie where {layer.activation} is flat, on "
            f"{100 * MOSTLY:.0f} % of the samples or more: f′(z) is below {SATURATED * largest:g}",
            advice,
        )
    ]


def _loss_that_contains(function):
    """The name of the loss that has this activation as its link, or None."""
    found = (loss.name for loss in LOSSES.values() if loss.link is function.value)
    return next(found, None) if not function.is_identity else None


def _between_layers(trace):
    slopes = slope_sizes(trace)
    sizes = [slope.size for slope in slopes]
    if not np.isfinite(sizes).all():
        return []
    # A silent layer stops all from it on down, and has a finding of its own.
    stops = [_is_silent(layer) and not layer.is_passed_by for layer in trace.layers]
    first = max((i + 1 for i, does in enumerate(stops) if does), default=0)
    found, last = [], len(sizes) - 1
    for i in range(first, last):
        if slopes[i].ratio is not None:
            found += _ratio(trace, i, i + 1, NEIGHBOURS_RATIO, sizes)
    if not found and last - first > 1 and sizes[last] > 0:
        found = _ratio(trace, first, last, RATIO, sizes)
    return found


def _ratio(trace, i, above, bound, sizes):
    """A finding if layer i's ∂ℓ/∂z is `bound` times smaller or larger than that of `above`."""
    ratio = sizes[i] / sizes[above]
    other = f"layer {above + 1}" if above == i + 1 else "the last layer"
    listed = ", ".join(f"{size:.2g}" for size in sizes)
    listed = f" (root mean squares layer by layer: {listed})"
    name = trace.layers[i].name
    if ratio < 1 / bound:
        return [
            _finding(
                "vanishing",
                i,
                [],
                f"∂ℓ/∂z in {name} is {ratio:.1g} of that in {other}{listed}: what comes before "
                "hardly learns",
                _against_vanishing(trace.layers[i:above]),
            )
        ]
    if ratio > bound:
        return [
            _finding(
                "exploding",
                i,
                [],
                f"∂ℓ/∂z in {name} is {ratio:.1g} times that in {other}{listed}",
                "smaller weights, or a lower learning rate",
            )
        ]
    return []


def _against_vanishing(layers):
    """What to try, given the layers whose f′(z) lie between the two that were compared."""
    functions = dict.fromkeys(at.function for at in layers if at.function.largest_slope is not None)
    damping = [f.name for f in sorted(functions, key=lambda function: function.largest_slope)]
    others = "fewer layers, or larger initial weights"
    return f"relu instead of {' and '.join(damping)}, {others}" if damping else others


def _steps(i, layer):
    weights, step = _root_mean_square(layer.weights), _root_mean_square(layer.step.weights)
    if not weights or not step > LARGE_STEP * weights:
        return []
    return [
        _finding(
            "large step",
            i,
            [],
            f"{layer.name}: the next step is {100 * step / weights:.0f} % of the weights' size",
            "a lower learning rate, unless training has only begun",
        )
    ]
