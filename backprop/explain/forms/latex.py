"""A trace as LaTeX: the formulas of the text, with the numbers in them."""

import re

import numpy as np

from backprop.explain import writing
from backprop.explain.forms import text

LETTERS = {**writing.LETTERS, "out": r"\tilde{a}"}
TRIAL_NOTES = {
    "unresolved": "They differ by less than a trial can resolve.",
    "kink": "A unit lies on a kink of its activation here, or an output on a corner of the loss: "
    "the trial is a mean of the slopes on both sides, training takes one.",
}
MOST_ROWS = 12
IN_A_LINE = 3  # numbers, in brackets and with powers of ten, that fit beside the left side


def symbol(quantity, layer, units):
    """As `text.symbol`, counted from 1."""
    if quantity == "one":
        return "1"
    below = ",".join(str(unit + 1) for unit in units)
    if quantity == "x":
        return f"x_{{{below}}}"
    indices = f"^{{({layer + 1})}}_{{{below}}}"
    if quantity in writing.BY:
        below = symbol(writing.BY[quantity], layer, units)
        return rf"\frac{{\partial \ell}}{{\partial {below}}}"
    return f"f'(z{indices})" if quantity == "derivative" else LETTERS[quantity] + indices


def number(value):
    """Six digits; powers of ten as such."""
    if not np.isfinite(value):
        return {"inf": r"\infty", "-inf": r"-\infty"}.get(str(float(value)), r"\mathrm{NaN}")
    digits, _, power = f"{value + 0.0:.6g}".partition("e")  # −0 is 0
    return rf"{digits} \cdot 10^{{{int(power)}}}" if power else digits


def trace_latex(trace, weight, sample):
    """The steps of one sample and the product of one weight; or that product alone."""
    if weight is not None:
        return _document(_weight(weight))
    weight = text.largest(trace, sample)
    parts = [_loss(trace, sample), _layers(trace, sample), _weight(weight), _step(trace)]
    return _document([line for part in parts for line in part])


def _document(lines):
    """The group keeps to these formulas that a page may end within them."""
    lines = ["% Needs amsmath.", r"\begingroup\allowdisplaybreaks", *lines, r"\endgroup"]
    return "\n".join(lines) + "\n"


def _align(rows):
    return [r"\begin{align*}", " \\\\\n".join(rows), r"\end{align*}"]


def _lines(left, parts, join, count, relation="="):
    """Rows `left` = part join part …, of `count` parts each."""
    rows = []
    for start in range(0, len(parts), count):
        own = join.join(parts[start : start + count])
        rows.append(rf" &\quad{join}{own}" if start else f"{left} &{relation} {own}")
    return rows


def _loss(trace, sample):
    share = rf"\tfrac{{1}}{{{len(trace.x)}}} \sum_s \ell_s"
    if np.ptp(trace.shares) > 0:
        share = r"\sum_s \frac{w_s}{\sum_r w_r} \ell_s"
    loss = trace.loss_function
    rows = [
        f"C &= {share} = {number(trace.cost)}",
        rf"\ell &= {_loss_formula(loss)}",
        rf" &= {number(trace.losses[sample])}",
        *_loss_slope(loss),
    ]
    name = f"% The cost of the batch, and the loss of sample {trace.indices[sample]}."
    notes = [
        *_dropped_output(trace),
        *_smoothing(trace),
        *_scale(trace, sample),
        *_division_by_zero(trace, sample),
    ]
    return [name, *_align(rows), *notes, *_outputs(trace, sample)]


def _loss_formula(loss):
    """The right side of ℓ = …"""
    if loss.latex or loss.term is None:
        return loss.latex or rf"\text{{{loss.formula}}}"
    return rf"\sum_j \left({loss.term.latex(_of_outputs(loss))}\right)"


def _loss_slope(loss):
    """Rows of ∂ℓ/∂a = …"""
    if loss.latex_derivative:
        return list(loss.latex_derivative)
    slopes = [slope.latex(_of_outputs(loss)) for slope in loss.slopes]
    slopes = slopes or [rf"\text{{{loss.derivative_formula}}}"]
    rows = [
        rf"\frac{{\partial \ell}}{{\partial {a}_j}} &= {slope}"
        for a, slope in zip(loss.members, slopes, strict=True)
    ]
    return rows + [f"{name}_j &= {what.latex(_of_outputs(loss))}" for name, what in loss.wherein]


def _of_outputs(loss):
    """What stands for the symbols of a loss's formulas: the numbers of its parameters; output j."""
    own = [*loss.members, "y", *loss.of_each, *(symbol for symbol, _ in loss.wherein)]
    return {**_settings(loss), **{symbol: f"{symbol}_j" for symbol in own}}


def _settings(entry):
    """What stands for the parameters of an activation or a loss in its formulas: their numbers."""
    return {name: _signed(value) for name, value in entry.numbers.items()}


def _dropped_output(trace):
    if trace.layers[-1].mask is None:
        return []
    return [r"The outputs are dropped: the loss reads $\tilde{a}_j = r_j a_j$ for $a_j$."]


def _smoothing(trace):
    if not trace.label_smoothing:
        return []
    return [f"The targets are smoothed by ${number(trace.label_smoothing)}$."]


def _scale(trace, sample):
    if trace.target_scale is None:
        return []
    mean, deviation = map(_signed, trace.target_scale)
    a, y = (number(text.in_its_unit(trace, v[sample, 0])) for v in (trace.output, trace.y))
    return [
        rf"The targets are scaled: $y = (\mathrm{{value}} - {mean}) / {deviation}$;",
        f"here $a$ stands for ${a}$, and $y$ for ${y}$.",
    ]


def _division_by_zero(trace, sample):
    if not text.divides_by_zero(trace, sample):
        return []
    ends = re.sub("([01])", r"$\1$", text.ends_of(trace.loss_function))
    return [f"Here a $p_j$ has become {ends}: the fraction divides by zero, $p_j - y_j$ does not."]


def _outputs(trace, sample):
    """A table of the outputs; their names, which may hold anything, are in comments."""
    last, of_each = trace.layers[-1], trace.loss_function.of_each
    letter = f"{LETTERS[last.out_quantity]}_j"
    columns = {letter: last.out[sample], "y_j": trace.y[sample]}
    columns |= {f"{symbol}_j": values for symbol, values in of_each.items()}
    if trace.loss_function.long_way:
        columns["p_j"] = trace.output[sample]
    columns[rf"\partial \ell / \partial {letter}"] = last.da[sample]
    shown = text.shown_outputs(trace, sample)
    rows = [" & ".join(["j", *columns])]
    for j in shown:
        rows.append(" & ".join([str(j + 1), *(number(values[j]) for values in columns.values())]))
    if len(shown) < len(trace.output_names):
        rows.append(r"\vdots")
    return [
        *(f"% Output {j + 1} is {writing.one_line(trace.output_names[j])}." for j in shown),
        rf"\[ \begin{{array}}{{r{'r' * len(columns)}}}",
        " \\\\\n".join(rows),
        r"\end{array} \]",
    ]


def _layers(trace, sample):
    rows = _input_mask(trace, sample)
    for i, layer in enumerate(trace.layers):
        above, each = f"^{{({i + 1})}}", f"^{{({i + 1})}}_j"
        symbols = {**_settings(layer.function), "z": f"z{each}", "a": f"a{each}"}
        value, slope = (
            formula.latex(symbols) for formula in (layer.function.formula, layer.function.slope)
        )
        out = f"{LETTERS[layer.out_quantity]}{above}"
        by_z, by_out = (rf"\frac{{\partial \ell}}{{\partial {v}}}" for v in (f"z{above}", out))
        factors = [_factor(factor, above) for factor in layer.factors]
        rows += [
            *_vector(f"z{above}", layer.z[sample]),
            f"a{each} &= {value}",
            *_vector(f"a{above}", layer.a[sample]),
            *_dropped(layer, above, out, sample),
            f"f'(z{each}) &= {slope}",
            *_vector(f"f'(z{above})", layer.derivative[sample]),
            *_vector(by_out, layer.da[sample]),
            " ".join([f"{by_z} &= {by_out}", *(rf"\odot {factor}" for factor in factors)]),
            *_vector("", layer.dz[sample]),
        ]
    return [f"% Sample {trace.indices[sample]}, layer by layer.", *_align(rows)]


def _factor(factor, above):
    """A layer's own factor, such as r^{(1)} of all its units."""
    return f"f'(z{above})" if factor.name == "derivative" else f"{LETTERS[factor.name]}{above}"


def _dropped(layer, above, out, sample):
    """The mask, and what is left of a."""
    if layer.mask is None:
        return []
    mask = f"{LETTERS['mask']}{above}"
    return [
        *_vector(mask, layer.mask[sample]),
        rf"{out} &= {mask} \odot a{above}",
        *_vector("", layer.out[sample]),
    ]


def _input_mask(trace, sample):
    if trace.input_mask is None:
        return []
    return [
        *_vector("x", trace.x[sample]),
        *_vector(f"{LETTERS['mask']}^{{(0)}}", trace.input_mask[sample]),
        *_vector(rf"\tilde{{x}} = {LETTERS['mask']}^{{(0)}} \odot x", trace.read_by(0)[sample]),
    ]


def _vector(left, values):
    shown = [number(value) for value in values[: writing.MOST_NUMBERS]]
    if len(values) > writing.MOST_NUMBERS:
        shown.append(r"\dots")
    rows = _lines(left, shown, r",\; ", IN_A_LINE)
    rows[0] = rows[0].replace("&= ", "&= (", 1)
    return [*rows[:-1], f"{rows[-1]})"]


def _weight(weight):
    own = symbol("bias", weight.layer, (weight.unit,))
    if weight.source != "bias":
        own = symbol("weight", weight.layer, (weight.source, weight.unit))
    by_own = rf"\frac{{\partial \ell}}{{\partial {own}}}"
    name = f"% {weight.symbol}, {_place(weight)}, sample {weight.trace.indices[weight.sample]}."
    rows, step = _paths(weight, by_own) + _batch(weight, own), _assignments(weight, own)
    if reason := text.trial_reason(weight):
        step[0] = rf"\intertext{{{TRIAL_NOTES[reason]}}}" + f"\n{step[0]}"
    return [name, *_align(rows + step)]


def _paths(weight, by_own):
    """The product of each path, and the sum of the products."""
    listed = sorted(weight.paths, key=lambda path: -abs(path.product))[:MOST_ROWS]
    if len(weight.paths) == 1:
        return _product(by_own, listed[0])
    rows = []
    for i, path in enumerate(listed, 1):
        rows += _product(f"P_{{{i}}}", path)
    hidden = len(weight.paths) - len(listed)
    note = rf" \quad\text{{({hidden} smaller ones are not listed)}}" if hidden else ""
    return [*rows, rf"{by_own} &= \sum_i P_i = {number(weight.sum)}{note}"]


def _product(left, path):
    symbols = [symbol(factor.quantity, factor.layer, factor.units) for factor in path.factors]
    values = [_signed(factor.value) for factor in path.factors]
    return [
        *_lines(left, symbols, r" \cdot ", IN_A_LINE + 1),
        *_lines("", values, r" \cdot ", IN_A_LINE),
        f" &= {number(path.product)}",
    ]


def _batch(weight, own):
    by_own = rf"\frac{{\partial C}}{{\partial {own}}}"
    rows = [rf"{by_own} &= \sum_s \mathrm{{share}}_s \frac{{\partial \ell_s}}{{\partial {own}}}"]
    shown = [_signed(value) for value in weight.per_sample[: writing.MOST_NUMBERS]]
    if len(weight.per_sample) > writing.MOST_NUMBERS:
        shown.append(r"\dots")
    if len(shown) > 1:
        rows += _lines("", shown, " + ", IN_A_LINE)
    return [
        *rows,
        f" &= {number(weight.gradient)}",
        rf" &\approx {number(weight.finite_difference)}"
        rf" \quad\text{{by central difference, relative error }} {_error(weight.relative_error)}",
    ]


def _error(error):
    return r"\text{unknown}" if np.isnan(error) else number(float(f"{error:.1g}"))


def _assignments(weight, own):
    """The optimizer's step, in which w stands for the weight."""
    rows = [f"w &= {own} = {number(weight.value)}"]
    for line in weight.update:
        rows += [
            rf"{line.rule.target.latex()} &\leftarrow {line.rule.formula.latex()}",
            f" &= {line.rule.formula.latex(line.written(_signed))}",
            f" &= {number(line.value)}",
        ]
    return rows


def _step(trace):
    after = rf"C_{{\mathrm{{after}}}} &= {number(trace.cost_after_step)}"
    return [
        f"% The cost before and after the step of {trace.optimizer.title}.",
        *_align([rf"C_{{\mathrm{{before}}}} &= {number(trace.cost)}", after]),
    ]


def _place(weight):
    if weight.layer == 0 and weight.source != "bias":
        return f"whose input is {writing.one_line(weight.trace.input_names[weight.source])}"
    return f"unit {weight.unit + 1} of layer {weight.layer + 1}"


def _signed(value):
    """In brackets where a sign or a power of ten would be misread."""
    text = number(value)
    return rf"\left({text}\right)" if value < 0 or "cdot" in text else text
