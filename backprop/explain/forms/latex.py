"""A trace as LaTeX: the formulas of the text, with the numbers in them."""

import re

import numpy as np

from backprop.catalogue.norms import Norm
from backprop.catalogue.notation import spelling
from backprop.explain import update, writing
from backprop.explain.factors import ACTIVATION, SCALE
from backprop.explain.forms import text
from backprop.explain.layer import BIAS

LETTERS = {
    **writing.LETTERS,
    "out": r"\tilde{a}",
    "noise": r"\varepsilon",
    **{name: spelling(form.symbol).latex for name, form in Norm.written.items()},
}
FORMS = {  # around the indices
    "derivative": "f'(z%s)",
    "derivative by y": "f'(y%s)",
    "deviation": r"\frac{1}{\sigma%s}",
}
TRIAL_NOTES = {
    "unresolved": "They differ by less than a trial can resolve.",
    "kink": "A unit lies on a kink of its activation here, or an output on a corner of the loss: "
    "the trial is a mean of the slopes on both sides, training takes one.",
}
MOST_ROWS = 12
IN_A_LINE = 3  # numbers, in brackets and with powers of ten, that fit beside the left side


def symbol(quantity, layer, units, of="ℓ"):
    """As `writing.symbol`, counted from 1."""
    below = ",".join(str(unit + 1) for unit in units)
    if quantity in ("one", "straight"):
        return "1"
    if quantity == "x":
        return f"x_{{{below}}}"
    if quantity in writing.BY:
        return partial(of, symbol(writing.BY[quantity], layer, units))
    if quantity.startswith("a by "):
        letter = spelling(quantity.removeprefix("a by ")).latex
        return partial(symbol("a", layer, units), _indexed(letter, layer, units))
    if quantity == "mean of dn":
        return rf"\left(-\overline{{{symbol('dn', layer, units, of)}}}\right)"
    if quantity == "n mean of dn n":
        n, inside = symbol("n", layer, units[:1]), units[1:]
        product = rf"{symbol('n', layer, inside)} {symbol('dn', layer, inside, of)}"
        return rf"\left(-{n} \overline{{{product}}}\right)"
    form = {
        "derivative": "f'(z%s)",
        "derivative by y": "f'(y%s)",
        "deviation": r"\frac{1}{\sigma%s}",
    }
    indices = _indexed("", layer, units)
    return form[quantity] % indices if quantity in form else LETTERS[quantity] + indices


def _indexed(letter, layer, units):
    """With its layer above and its units below."""
    below = ",".join(str(unit + 1) for unit in units)
    return f"{letter}^{{({layer + 1})}}" + (f"_{{{below}}}" if below else "")


def partial(top, bottom):
    """A derivative; ℓ is written so."""
    return rf"\frac{{\partial {DERIVED.get(top, top)}}}{{\partial {bottom}}}"


DERIVED = {"ℓ": r"\ell", "ℓ_s": r"\ell_s"}


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
        *_changed_output(trace),
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


def _changed_output(trace):
    last = trace.layers[-1]
    if last.out_quantity == "a":
        return []
    if not last.terms:
        return [r"The outputs are dropped: the loss reads $\tilde{a}_j = r_j a_j$ for $a_j$."]
    return [r"The loss reads $\tilde{a}_j$, which the last layer hands on, for $a_j$."]


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
    columns[rf"\partial \ell / \partial {letter}"] = trace.loss_slopes[sample]
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
        above = f"^{{({i + 1})}}"
        rows += [*_forward(layer, above, sample), *_backward(trace, layer, above, sample)]
    return [f"% Sample {trace.indices[sample]}, layer by layer.", *_align(rows)]


def _forward(layer, above, sample):
    """From z to what the layer hands on."""
    value = layer.function.formula.latex(_of_unit(layer, above))
    return [
        *_vector(f"z{above}", layer.z[sample]),
        *_normalised(layer, above, sample),
        *_learned_by_f(layer, above),
        f"a{above}_j &= {value}",
        *_vector(f"a{above}", layer.a[sample]),
        *_handed_on(layer, above, sample),
    ]


def _of_unit(layer, above):
    """What stands for the symbols of an activation's formulas, of unit j."""
    learned = {own.name: f"{spelling(own.symbol).latex}{above}_j" for own in layer.learned}
    of = f"{layer.read_by_f}{above}_j"
    return {**_settings(layer.function), **learned, "z": of, "a": f"a{above}_j"}


def _learned_by_f(layer, above):
    """The numbers that the activation learns."""
    return [
        row
        for own in layer.learned
        if own.name == layer.function.learned
        for row in _vector(f"{spelling(own.symbol).latex}{above}", layer.beside[own.name])
    ]


def _normalised(layer, above, sample):
    """From z to y, where there is a norm: mean and deviation are of each unit, or one for all."""
    norm = layer.norm
    if norm is None:
        return []
    shown = slice(None) if norm.entry.is_over_samples else slice(1)
    letters = {name: f"{LETTERS[name]}{above}" for name in norm.entry.written}
    y = norm.entry.formula.latex({**letters, "n": f"n{above}"})
    sigma = rf"\sigma{above}"
    return [
        *_vector(rf"\overline{{z{above}}}", norm.mean[sample][shown]),
        *_vector(sigma, norm.deviation[sample][shown]),
        rf"n{above} &= \frac{{z{above} - \overline{{z{above}}}}}{{{sigma}}}"
        rf" \quad\text{{over {norm.entry.over}}}",
        *_vector("", norm.n[sample]),
        *(row for name, letter in letters.items() for row in _vector(letter, layer.beside[name])),
        f"y{above} &= {y}",
        *_vector("", norm.y[sample]),
    ]


def _backward(trace, layer, above, sample):
    """From the derivative by what the layer hands on to that by z, and by what it learns."""
    slope = layer.function.slope.latex(_of_unit(layer, above))
    of_f = f"{layer.read_by_f}{above}"
    by_z, by_out = (
        partial(trace.of, v) for v in (f"z{above}", f"{LETTERS[layer.out_quantity]}{above}")
    )
    return [
        f"f'({of_f}_j) &= {slope}",
        *_vector(f"f'({of_f})", layer.derivative[sample]),
        *_vector(by_out, layer.da[sample]),
        *_way_back(layer, above, by_z, by_out, sample),
        *_vector("", layer.dz[sample]),
        *_by_learned(trace, layer, above, sample),
    ]


def _way_back(layer, above, by_z, by_out, sample):
    """The product that makes the derivative by z; of a norm in three steps."""
    factors = {factor.kind: _factor(factor, above) for factor in layer.factors}
    norm = layer.norm
    if norm is None:
        return [" ".join([f"{by_z} &= {by_out}", *(rf"\odot {one}" for one in factors.values())])]
    by_y, by_n = (partial(norm.of, f"{v}{above}") for v in ("y", "n"))
    kinds = list(factors)
    to_y = [factors[kind] for kind in kinds[: kinds.index(ACTIVATION) + 1]]
    n, sigma = f"n{above}", rf"\sigma{above}"
    symbols = {"n": n, "deviation": sigma, "g": by_n, "mean": rf"\overline{{{by_n}}}"}
    symbols["mean_product"] = rf"\overline{{{n} {by_n}}}"
    return [
        " ".join([f"{by_y} &= {by_out}", *(rf"\odot {one}" for one in to_y)]),
        *_vector("", norm.dy[sample]),
        rf"{by_n} &= {by_y} \odot {factors[SCALE]}",
        *_vector("", norm.dn[sample]),
        f"{by_z} &= {norm.entry.slope.latex(symbols)}",
    ]


def _by_learned(trace, layer, above, sample):
    """The derivatives by what the units learn beside weights and bias."""
    rows = []
    for own in layer.learned:
        back = layer.back_through(own.depth)[sample]
        by = partial(trace.of, f"{spelling(own.symbol).latex}{above}")
        rows += _vector(by, back * own.inputs[sample])
    return rows


def _factor(factor, above):
    """A layer's own factor, such as r^{(1)} of all its units."""
    form = {
        "derivative": "f'(z%s)",
        "derivative by y": "f'(y%s)",
        "deviation": r"\frac{1}{\sigma%s}",
    }
    if factor.name in form:
        return form[factor.name] % above
    return f"{LETTERS[factor.name]}{above}"


def _handed_on(layer, above, sample):
    """What is added to a, or it is multiplied with, and what comes out."""
    if layer.out_quantity == "a":
        return []
    mask, out = f"{LETTERS['mask']}{above}", f"{LETTERS['out']}{above}"
    noise = f"{LETTERS['noise']}{above}"
    rows, right = [], f"a{above}"
    if layer.added_noise is not None:
        rows += _vector(noise, layer.added_noise[sample])
        right = f"a{above} + {noise}" if layer.mask is None else rf"(a{above} + {noise})"
    if layer.mask is not None:
        rows += _vector(mask, layer.mask[sample])
        right = rf"{mask} \odot {right}"
    if layer.is_passed_by:
        rows += _vector(f"x{above}", layer.passed_by[sample])
        right += f" + x{above}"
    return [*rows, f"{out} &= {right}", *_vector("", layer.out[sample])]


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
    own = _own_symbol(weight)
    by_own = partial(weight.trace.of, own)
    if weight.trace.mixes_samples:  # it is not the whole derivative of anything
        by_own = rf"\left[{by_own}\right]_s"
    name = f"% {weight.symbol}, {_place(weight)}, sample {weight.trace.indices[weight.sample]}."
    rows, step = _paths(weight, by_own) + _batch(weight, own), _assignments(weight, own)
    if reason := text.trial_reason(weight):
        step[0] = rf"\intertext{{{TRIAL_NOTES[reason]}}}" + f"\n{step[0]}"
    return [name, *_align(rows + step)]


def _own_symbol(weight):
    if weight.name == BIAS:
        return symbol("bias", weight.layer, (weight.unit,))
    if weight.learned is not None:
        return _indexed(spelling(weight.learned.symbol).latex, weight.layer, (weight.unit,))
    return symbol("weight", weight.layer, (weight.source, weight.unit))


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
    symbols = [symbol(one.quantity, one.layer, one.units, one.of) for one in path.factors]
    values = [_signed(factor.value) for factor in path.factors]
    return [
        *_lines(left, symbols, r" \cdot ", IN_A_LINE + 1),
        *_lines("", values, r" \cdot ", IN_A_LINE),
        f" &= {number(path.product)}",
    ]


def _batch(weight, own):
    by_own = partial("C", own)
    parts = rf"\mathrm{{share}}_s {partial('ℓ_s', own)}"
    if weight.trace.mixes_samples:
        parts = rf"\left[{by_own}\right]_s"
    rows = [rf"{by_own} &= \sum_s {parts}"]
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
    if not weight.trace.layers[weight.layer].trainable:
        rows.append(rf" &\quad\text{{{update.FROZEN.title}}}")
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
    if weight.learned is not None:
        return f"{weight.learned.note}, unit {weight.unit + 1} of layer {weight.layer + 1}"
    if weight.layer == 0 and weight.name != BIAS:
        return f"whose input is {writing.one_line(weight.trace.input_names[weight.source])}"
    return f"unit {weight.unit + 1} of layer {weight.layer + 1}"


def _signed(value):
    """In brackets where a sign or a power of ten would be misread."""
    text = number(value)
    return rf"\left({text}\right)" if value < 0 or "cdot" in text else text
