"""The way of one sample through the layers and back, as text for a terminal."""

import numpy as np

from backprop.catalogue.notation import spelling
from backprop.explain import writing
from backprop.explain.factors import ACTIVATION, SCALE
from backprop.explain.writing import number, numbers, one_line, symbol

MOST_ROWS = 12  # of a table


def forward_lines(trace, sample):
    lines = [headline(f"Forward, sample {trace.indices[sample]}: z = x W + b, a = f(z)")]
    lines += _input_lines(trace, sample)
    lines += _output_lines(trace.input_factors, [], "x̃", trace.read_by(0)[sample], sample)
    for i, layer in enumerate(trace.layers):
        formula = layer.function.formula.text(of_unit(layer))
        lines.append(f"{_layer_name(i, layer)}: a = {formula}")
        lines.append(line("z", layer.z[sample]))
        lines += _norm_lines(layer, sample)
        lines += [line(_letter(own), array) for own, array in _shown_beside(layer)]
        lines.append(line("a", layer.a[sample]))
        lines += _output_lines(layer.factors, layer.terms, "ã", layer.out[sample], sample)
    return lines


def _layer_name(i, layer):
    return ", ".join([f"layer {i + 1}", layer.activation, *layer.remarks])


def _letter(learned):
    """Of what a unit learns: its letter."""
    return spelling(learned.symbol).letter


def _shown_beside(layer):
    """What the units learn beside weights and bias, and is read in the formula of a."""
    return [
        (own, layer.beside[own.name]) for own in layer.learned if own.name == layer.function.learned
    ]


def _norm_lines(layer, sample):
    """From z to y, where there is a norm."""
    if layer.norm is None:
        return []
    norm = layer.norm
    over = norm.entry.over
    letters = {own.name: _letter(own) for own in layer.learned}
    return [
        line("mean", _statistic(norm, norm.mean[sample])) + f"   over {over}",
        line("σ", _statistic(norm, norm.deviation[sample]))
        + f"   √(variance + {number(norm.entry.settings['epsilon'])})",
        line("n", norm.n[sample]) + "   (z − mean) / σ",
        *(line(letters[name], layer.beside[name]) for name in norm.entry.written),
        line("y", norm.y[sample]) + f"   {norm.entry.formula.text(letters)}",
    ]


def _statistic(norm, values):
    """A mean or deviation of each unit; or the one that all units of the sample share."""
    return values if norm.entry.is_over_samples else values[:1]


def _output_lines(factors, terms, name, values, sample):
    """What is added to x or a, or it is multiplied with, before the next layer reads it."""
    scaling = [factor for factor in factors if factor.scales_output]
    if not scaling and not terms:
        return []
    last = [term for term in terms if term.comes_last]
    first = [term for term in terms if not term.comes_last]
    own = [
        *(line(term.symbol, term.values[sample]) + f"   {term.note}" for term in first),
        *(line(one.symbol, one.values[sample]) + f"   {one.kind}" for one in scaling),
        *(line(term.symbol, term.values[sample]) + f"   {term.note}" for term in last),
    ]
    return [*own, line(name, values) + f"   {handed_on(first, scaling, last)}".rstrip()]


def handed_on(first, scaling, last):
    """How a becomes ã, where something is added to it."""
    if not first and not last:
        return ""
    inner = " + ".join(["a", *(term.symbol for term in first)])
    inner = f"({inner})" if first and scaling else inner
    product = " · ".join([*(factor.symbol for factor in scaling), inner])
    return " + ".join([product, *(term.symbol for term in last)])


def out_name(layer):
    """What a layer hands on, without layer and unit: a, or ã where it drops."""
    return writing.LETTERS[layer.out_quantity]


def of_unit(layer):
    """What stands for the symbols of an activation's formulas: numbers, letters of what it learns,
    and y for z where there is a norm."""
    learned = {own.name: _letter(own) for own in layer.learned}
    return {**settings_of(layer.function), **learned, "z": layer.read_by_f}


def settings_of(entry):
    """What stands for the parameters of an activation or a loss in its formulas: their numbers."""
    return {name: operand(value) for name, value in entry.numbers.items()}


def _input_lines(trace, sample):
    """The inputs, with the names that they were given: of many the largest, and none that is 0."""
    x, names = trace.x[sample], [one_line(name) for name in trace.input_names]
    if names == [f"x{i + 1}" for i in range(len(x))]:
        return [line("x", x)]
    shown = range(len(x))
    if len(x) > MOST_ROWS:
        largest = np.argsort(-np.abs(x), kind="stable")[:MOST_ROWS].tolist()
        shown = sorted(i for i in largest if x[i] != 0)
    width = max((len(names[i]) for i in shown), default=0)
    rows = [f"  {symbol('x', 0, (i,)):<9} {names[i]:<{width}}  {number(x[i]):>12}" for i in shown]
    hidden = len(x) - len(shown)
    others = "smaller ones are not listed" if len(shown) == MOST_ROWS else "others are 0"
    return [*rows, f"  … ({hidden} {others})"] if hidden else rows


def line(name, values):
    return f"  {name:<9} {numbers(values)}"


def backward_lines(trace, sample):
    of = trace.of
    lines = [headline(f"Backward, sample {trace.indices[sample]}: {_chain_rule(trace)}")]
    if trace.mixes_samples:
        lines.append(MIXED)
    for i in reversed(range(len(trace.layers))):
        layer = trace.layers[i]
        slope = layer.function.slope.text(of_unit(layer))
        lines.append(f"layer {i + 1}, {layer.activation}: f′({layer.read_by_f}) = {slope}")
        back = line(f"∂{of}/∂{out_name(layer)}", layer.da[sample])
        lines.append(f"{back}   {_whence(trace, i)}")
        for factor in layer.factors:
            note = f"   {factor.kind}: {factor.note}" if factor.scales_output else ""
            lines.append(line(factor.symbol, factor.values[sample]) + note)
            lines += _norm_back_lines(layer, factor.kind, sample)
        lines.append(line(f"∂{of}/∂z", layer.dz[sample]))
        lines += _learned_lines(trace, layer, sample)
    return lines


MIXED = (
    "A norm over the samples lets each z act on every sample's loss: these are derivatives of the\n"
    "batch's cost C, and the sum over the samples is the gradient."
)


def _whence(trace, i):
    """What a layer's derivative by its output is made of."""
    if i + 1 == len(trace.layers):
        return "share · the loss's derivative" if trace.mixes_samples else "the loss's derivative"
    text = f"∂{trace.of}/∂z of layer {i + 2} times its weights"
    if trace.layers[i + 1].is_passed_by:
        text += f", plus its ∂{trace.of}/∂{out_name(trace.layers[i + 1])} by the straight road"
    return text


def _norm_back_lines(layer, kind, sample):
    """Where a norm's part of the way from ∂ℓ/∂y to ∂ℓ/∂z has come to, behind a kind of factor."""
    norm = layer.norm
    if norm is not None and kind == ACTIVATION:
        return [line(f"∂{norm.of}/∂y", norm.dy[sample])]
    if kind != SCALE:
        return []
    return [
        line(f"∂{norm.of}/∂n", norm.dn[sample]),
        f"  ∂n/∂z is a matrix, over {norm.entry.over}: its product with ∂{norm.of}/∂n is",
        f"  ∂{norm.of}/∂z = {norm.entry.slope.text(of_norm(norm))}",
        *(f"  {one.symbol}: {numbers(one.values[sample])}" for one in norm.gathered),
    ]


def of_norm(norm):
    """What stands for the symbols of the derivative by a norm's z."""
    dn = f"∂{norm.of}/∂n"
    return {"g": dn, "mean": f"mean({dn})", "mean_product": f"mean(n · {dn})", "deviation": "σ"}


def _learned_lines(trace, layer, sample):
    """The derivatives by what the units learn beside weights and bias."""
    lines = []
    for own in layer.learned:
        back = layer.back_through(own.depth)[sample]
        by = "y" if layer.norm is not None and own.name in layer.norm.entry.written else "a"
        slope = own.slope.text({"z": layer.read_by_f})
        shown = line(f"∂{trace.of}/∂{_letter(own)}", back * own.inputs[sample])
        lines.append(f"{shown}   ∂{trace.of}/∂{by} · {slope}: {own.note}")
    return lines


def _chain_rule(trace):
    """Of a layer."""
    of = trace.of
    dropped = any(layer.mask is not None for layer in trace.layers)
    changed = any(layer.out_quantity != "a" for layer in trace.layers)
    rule = f"∂{of}/∂z = ∂{of}/∂a · f′(z)"
    return rule + (f", or ∂{of}/∂ã · {'r · ' * dropped}f′(z)" if changed else "")


def operand(value):
    """In brackets where a sign or a power of ten would be misread."""
    text = number(value)
    return f"({text})" if value < 0 or "e" in text else text


def headline(text):
    return f"{text}\n{'─' * len(text)}"
