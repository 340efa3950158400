"""What looks unwell in a trace: units that do not learn, gradients that vanish or explode.

Each finding is a dict: kind, layer (from 0; -1: the inputs), units, message, and advice, which is
what to try. The bounds are rules of thumb.
"""

import numpy as np

FEW_SAMPLES = 10  # on fewer, silence says little about a unit
SATURATED = 0.05  # a derivative below this share of its largest value (0.25 and 1)
LARGEST_DERIVATIVE = {"sigmoid": 0.25, "tanh": 1.0}
MOSTLY = 0.9  # of the samples
RATIO = 1000.0  # between the first and the last layer's ∂ℓ/∂z
LARGE_STEP = 0.1  # of the weights' own size
LARGE_INPUT = 10.0


def diagnose(trace):
    """All findings, the first layer's first."""
    findings = _inputs(trace)
    for i, layer in enumerate(trace.layers):
        findings += _silent_units(trace, i, layer)
        findings += _saturated_units(trace, i, layer)
    findings += _between_layers(trace)
    for i, layer in enumerate(trace.layers):
        findings += _steps(i, layer)
    return findings


def _finding(kind, layer, units, message, advice):
    return {
        "kind": kind,
        "layer": layer,
        "units": [int(unit) for unit in units],
        "message": message,
        "advice": advice,
    }


def _root_mean_square(values):
    with np.errstate(over="ignore"):
        return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _count(units, of):
    units = list(units)
    return f"{len(units)} of {of} unit{'s' if of > 1 else ''}"


def _inputs(trace):
    size = np.sqrt(np.mean(np.square(trace.x, dtype=np.float64), axis=0))
    large = np.flatnonzero(size > LARGE_INPUT)
    if not len(large):
        return []
    names = ", ".join(trace.input_names[i] for i in large[:5])
    return [
        _finding(
            "large inputs",
            -1,
            large,
            f"{len(large)} of {len(size)} inputs are about {size.max():.3g} in size: {names}"
            f"{', …' if len(large) > 5 else ''}",
            "scale the inputs to about 1 with input_offset and input_scale",
        )
    ]


def _silent_units(trace, i, layer):
    if layer.activation != "relu":
        return []
    units = np.flatnonzero((layer.a == 0).all(axis=0))
    if not len(units):
        return []
    n = len(trace.x)
    if n < FEW_SAMPLES:
        few = f"sample{'s' if n > 1 else ''}"
        return [
            _finding(
                "silent",
                i,
                units,
                f"{layer.name}: {_count(units, layer.n_out)} give 0 on the {n} {few} shown, and "
                "get no gradient from them",
                "look at more samples: a relu unit is dead only if it is silent on all of them",
            )
        ]
    return [
        _finding(
            "dead",
            i,
            units,
            f"{layer.name}: {_count(units, layer.n_out)} give 0 on all {n} samples: f′(z) = 0, so "
            "none of their weights gets a gradient",
            "a lower learning rate, scaled inputs, or another seed",
        )
    ]


def _saturated_units(trace, i, layer):
    largest = LARGEST_DERIVATIVE.get(layer.activation)
    if largest is None:
        return []
    flat = layer.derivative < SATURATED * largest
    units = np.flatnonzero(flat.mean(axis=0) >= MOSTLY)
    if not len(units):
        return []
    last = i + 1 == len(trace.layers)
    advice = "smaller initial weights, scaled inputs, or relu"
    if last and layer.activation == "sigmoid":
        advice = "sigmoid_cross_entropy with an identity layer, where f′(z) does not damp the loss"
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


def _between_layers(trace):
    sizes = [_root_mean_square(layer.dz) for layer in trace.layers]
    if len(sizes) < 2 or sizes[-1] == 0 or not np.isfinite(sizes).all():
        return []
    ratio = sizes[0] / sizes[-1]
    listed = ", ".join(f"{size:.2g}" for size in sizes)
    if ratio < 1 / RATIO:
        return [
            _finding(
                "vanishing",
                0,
                [],
                f"∂ℓ/∂z in the first layer is {ratio:.1g} of that in the last (layer by layer "
                f"{listed}): the first layers hardly learn",
                "relu instead of sigmoid, fewer layers, or larger initial weights",
            )
        ]
    if ratio > RATIO:
        return [
            _finding(
                "exploding",
                0,
                [],
                f"∂ℓ/∂z in the first layer is {ratio:.1g} times that in the last (layer by layer "
                f"{listed})",
                "smaller weights, or a lower learning rate",
            )
        ]
    return []


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
