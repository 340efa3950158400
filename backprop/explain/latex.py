"""A trace as LaTeX: the formulas of the text, with the numbers in them."""

import numpy as np

from backprop.explain import text

LETTERS = {"weight": "w", "bias": "b", "z": "z", "a": "a"}
LOSSES = {
    "squared_error": r"\tfrac12 \sum_j (a_j - y_j)^2",
    "sigmoid_cross_entropy": r"-\sum_j \bigl(y_j \log p_j + (1 - y_j) \log(1 - p_j)\bigr),"
    r"\quad p_j = \sigma(a_j)",
    "softmax_cross_entropy": r"-\sum_j y_j \log p_j,"
    r"\quad p_j = \frac{e^{a_j}}{\sum_k e^{a_k}}",
}
DERIVATIVES = {
    "squared_error": [r"\frac{\partial \ell}{\partial a_j} &= a_j - y_j"],
    "sigmoid_cross_entropy": [
        r"\frac{\partial \ell}{\partial a_j} &= \frac{\partial \ell}{\partial p_j}"
        r" \frac{\partial p_j}{\partial a_j}"
        r" = \frac{p_j - y_j}{p_j (1 - p_j)} \cdot p_j (1 - p_j) = p_j - y_j"
    ],
    "softmax_cross_entropy": [
        r"\frac{\partial \ell}{\partial a_j} &= \sum_k \frac{\partial \ell}{\partial p_k}"
        r" \frac{\partial p_k}{\partial a_j}"
        r" = \sum_k -\frac{y_k}{p_k} \cdot p_k (\delta_{kj} - p_j) = p_j \sum_k y_k - y_j"
    ],
}
ACTIVATIONS = {
    "identity": (r"z", r"1"),
    "sigmoid": (r"\frac{1}{1 + e^{-z}}", r"a (1 - a)"),
    "tanh": (r"\tanh z", r"1 - a^2"),
    "relu": (r"\max(0, z)", r"[z > 0]"),
}
MOST_ROWS = 12


def symbol(quantity, layer, units):
    """As `text.symbol`, counted from 1."""
    if quantity == "one":
        return "1"
    below = ",".join(str(unit + 1) for unit in units)
    if quantity == "x":
        return f"x_{{{below}}}"
    indices = f"^{{({layer + 1})}}_{{{below}}}"
    if quantity in ("da", "dz"):
        return rf"\frac{{\partial \ell}}{{\partial {quantity[1]}{indices}}}"
    return f"f'(z{indices})" if quantity == "derivative" else LETTERS[quantity] + indices


def number(value):
    """Six digits; powers of ten as such."""
    if not np.isfinite(value):
        return {"inf": r"\infty", "-inf": r"-\infty"}.get(str(float(value)), r"\mathrm{NaN}")
    digits, _, power = f"{value:.6g}".partition("e")
    return rf"{digits} \cdot 10^{{{int(power)}}}" if power else digits


def trace_latex(trace, weight, sample):
    """The steps of one sample and the product of one weight."""
    if weight is None:
        weight = text.largest(trace, sample)
        lines = [*_loss(trace, sample), *_layers(trace, sample)]
        return "\n".join(["% Needs amsmath.", *lines, *_weight(weight)]) + "\n"
    return "\n".join(_weight(weight)) + "\n"


def _align(rows):
    return [r"\begin{align*}", " \\\\\n".join(rows), r"\end{align*}"]


def _loss(trace, sample):
    share = rf"\tfrac{{1}}{{{len(trace.x)}}} \sum_s \ell_s"
    if np.ptp(trace.shares) > 0:
        share = r"\sum_s \frac{w_s}{\sum_r w_r} \ell_s"
    return [
        f"% The cost of the batch, and the loss of sample {trace.indices[sample]}.",
        *_align(
            [
                f"C &= {share} = {number(trace.cost)}",
                rf"\ell &= {LOSSES[trace.loss]} = {number(trace.losses[sample])}",
                *DERIVATIVES[trace.loss],
            ]
        ),
    ]


def _layers(trace, sample):
    rows = []
    for i, layer in enumerate(trace.layers):
        value, slope = ACTIVATIONS[layer.activation]
        rows.append(f"a^{{({i + 1})}} &= {value} = {_vector(layer.a[sample])}")
        rows.append(f"f'(z^{{({i + 1})}}) &= {slope} = {_vector(layer.derivative[sample])}")
        rows.append(
            rf"\frac{{\partial \ell}}{{\partial z^{{({i + 1})}}}} &= "
            rf"\frac{{\partial \ell}}{{\partial a^{{({i + 1})}}}} \odot f'(z^{{({i + 1})}}) = "
            f"{_vector(layer.dz[sample])}"
        )
    return [f"% Sample {trace.indices[sample]}, layer by layer.", *_align(rows)]


def _vector(values):
    shown = [number(value) for value in values[: text.MOST_NUMBERS]]
    if len(values) > text.MOST_NUMBERS:
        shown.append(r"\dots")
    return rf"({', '.join(shown)})"


def _weight(weight):
    own = symbol("bias", weight.layer, (weight.unit,))
    if weight.source != "bias":
        own = symbol("weight", weight.layer, (weight.source, weight.unit))
    left = rf"\frac{{\partial \ell}}{{\partial {own}}}"
    listed = sorted(weight.paths, key=lambda path: -abs(path.product))[:MOST_ROWS]
    rows = []
    for path in listed:
        sign = "=" if path is listed[0] else "+"
        symbols = r" \cdot ".join(symbol(f.quantity, f.layer, f.units) for f in path.factors)
        rows.append(rf"{left if sign == '=' else ''} &{sign} {symbols}")
    if len(listed) < len(weight.paths):
        rows.append(r" &+ \dots")
    for path in listed:
        sign = "=" if path is listed[0] else "+"
        values = r" \cdot ".join(_signed(factor.value) for factor in path.factors)
        rows.append(f" &{sign} {values}")
    if len(listed) < len(weight.paths):
        rows.append(r" &+ \dots")
    rows.append(f" &= {number(weight.sum)}")
    rows.append(
        rf"\frac{{\partial C}}{{\partial {own}}} &= \sum_s \mathrm{{share}}_s "
        rf"\frac{{\partial \ell_s}}{{\partial {own}}} = {number(weight.gradient)}"
        rf" \qquad \text{{central difference }} {number(weight.finite_difference)}"
    )
    return [
        f"% {weight.symbol}, {_place(weight)}, sample {weight.trace.indices[weight.sample]}.",
        *_align(rows),
    ]


def _place(weight):
    """In a comment, which a line break in a name must not end."""
    if weight.layer == 0 and weight.source != "bias":
        return f"whose input is {' '.join(weight.trace.input_names[weight.source].split())}"
    return f"unit {weight.unit + 1} of layer {weight.layer + 1}"


def _signed(value):
    return f"({number(value)})" if value < 0 else number(value)
