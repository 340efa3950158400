"""A trace as text for a terminal, and the symbols and formulas that text and pages share."""

import numpy as np

from backprop.catalogue.formula import Formula
from backprop.catalogue.losses import ELEMENTWISE, MATRIX
from backprop.explain import trial, update, writing
from backprop.explain.forms.layer_text import (
    MOST_ROWS,
    backward_lines,
    forward_lines,
    headline,
    line,
    operand,
    out_name,
    settings_of,
)
from backprop.explain.layer import BIAS
from backprop.explain.writing import number, numbers, one_line, symbol
from backprop.tabular.tables import count

TRIAL_NOTES = {
    "unresolved": "they differ by less than a trial can resolve",
    "kink": "a unit lies on a kink of its activation here, or an output on a corner of the loss: "
    "the trial is a mean of the slopes on both sides, training takes one",
}


def shown_outputs(trace, sample):
    """Which rows of a table over the outputs to show: the first, and those of the largest targets.

    Up to `MOST_ROWS` of either, so that a label is always among them.
    """
    y = trace.y[sample]
    largest = [i for i in np.argsort(-y, kind="stable")[:MOST_ROWS] if y[i] > y.min()]
    return sorted({*range(min(len(y), MOST_ROWS)), *map(int, largest)})


def trace_text(trace, weight, sample):
    """The whole, or the product of one weight."""
    if weight is not None:
        return weight_text(weight)
    parts = [
        [repr(trace)],
        _cost_lines(trace),
        forward_lines(trace, sample),
        _loss_lines(trace, sample),
        backward_lines(trace, sample),
        [headline("One weight, factor by factor"), weight_text(largest(trace, sample))],
        _gradient_lines(trace),
        _step_lines(trace),
        _diagnostic_lines(trace),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def largest(trace, sample):
    """Of the first layer's weights, the one with the largest gradient."""
    gradient = np.nan_to_num(np.abs(trace.layers[0].gradient.weights))
    source, unit = np.unravel_index(np.argmax(gradient), gradient.shape)
    return trace.gradient(0, int(source), int(unit), sample)


def _cost_lines(trace):
    n = len(trace.x)
    every = "" if n == 1 else f": share = 1/{n} for each"
    if np.ptp(trace.shares) > 0:
        every = ": share = its weight over the sum of the weights"
    lines = [
        headline("The cost is the mean of the samples' losses"),
        f"C = Σ share · ℓ = {number(trace.cost)}   ({count(n, 'sample')}{every})",
    ]
    if n > 1:
        lines.append(
            "each gradient of C is that of all samples together: a norm mixes them"
            if trace.mixes_samples
            else "so each gradient of C is the mean of the samples' own, ∂C/∂w = Σ share · ∂ℓ/∂w"
        )
        lines.append(f"ℓ of the samples: {numbers(trace.losses)}")
    return lines


def _loss_lines(trace, sample):
    loss = trace.loss_function
    return [
        headline(f"The derivative of the loss, sample {trace.indices[sample]}: {loss!r}"),
        f"ℓ = {loss_formula(loss)} = {number(trace.losses[sample])}",
        *_smoothing_lines(trace),
        *_changed_output_lines(trace),
        *_scale_lines(trace, sample),
        *WAYS[loss.long_way](trace, sample),
    ]


def loss_formula(loss):
    """The right side of ℓ = …"""
    if loss.text or loss.term is None:
        return loss.text or loss.formula
    return f"Σ ({loss.term.text(settings_of(loss))})"


def in_its_unit(trace, value):
    """Of a scaled target, or of the output that is compared with it, what it stands for."""
    mean, deviation = trace.target_scale
    return float(value) * deviation + mean


def _scale_lines(trace, sample):
    if trace.target_scale is None:
        return []
    name, (mean, deviation) = one_line(trace.output_names[0]), trace.target_scale
    a, y = (in_its_unit(trace, v[sample, 0]) for v in (trace.output, trace.y))
    return [
        f"targets scaled: y = ({name} − {operand(mean)}) / {operand(deviation)}; "
        f"a stands for {number(a)}, y for {number(y)}"
    ]


def _changed_output_lines(trace):
    last = trace.layers[-1]
    if last.out_quantity == "a":
        return []
    if not last.terms:
        return ["the outputs are dropped: in the formulas of the loss a stands for ã = r · a"]
    return ["in the formulas of the loss a stands for ã, which the last layer hands on"]


def _smoothing_lines(trace):
    share = trace.label_smoothing
    if not share:
        return []
    k = trace.loss_function.n_answers(len(trace.output_names))
    high, low = number(1 - share + share / k), number(share / k)
    return [
        f"targets smoothed by {number(share)}: y is {high} where the label is 1 and {low} elsewhere"
    ]


def _output_table(trace, sample, columns):
    """A row for each output, with its name, a, y and the `columns`: {heading: numbers}."""
    last = trace.layers[-1]
    columns = {
        out_name(last): last.out[sample],
        "y": trace.y[sample],
        **trace.loss_function.of_each,
        **columns,
    }
    names = [one_line(name) for name in trace.output_names]
    shown = shown_outputs(trace, sample)
    width = max(6, *(len(names[i]) for i in shown))
    rows = [f"  {'output':<{width}}" + "".join(f"{heading:>14}" for heading in columns)]
    for i in shown:
        values = "".join(f"{number(values[i]):>14}" for values in columns.values())
        rows.append(f"  {names[i]:<{width}}{values}")
    if len(shown) < len(names):
        rows.append(f"  … ({len(names)})")
    return rows


def _short_way(trace, sample):
    """Of a loss without a link whose derivative could cancel."""
    loss = trace.loss_function
    slopes = [slope.text(settings_of(loss)) for slope in loss.slopes] or [loss.derivative_formula]
    return [
        *_output_table(
            trace, sample, {f"∂ℓ/∂{out_name(trace.layers[-1])}": trace.loss_slopes[sample]}
        ),
        *(f"  ∂ℓ/∂{a} = {slope}" for a, slope in zip(loss.members, slopes, strict=True)),
        *(f"  with {symbol} = {formula.text()}" for symbol, formula in loss.wherein),
        *([f"  {loss.note}"] if loss.note else []),
    ]


def sigmoid_way(trace, sample):
    """∂ℓ/∂p, ∂p/∂a and their product, in float64: NaN or infinite where p is 0 or 1."""
    p, y = (values[sample].astype(np.float64) for values in (trace.output, trace.y))
    with np.errstate(divide="ignore", invalid="ignore"):
        by_p, by_a = (p - y) / (p * (1 - p)), p * (1 - p)
        return by_p, by_a, by_p * by_a


def softmax_way(trace, sample):
    """∂ℓ/∂p, the matrix ∂p/∂a and their product, in float64: infinite or NaN where p is 0."""
    p, y = (values[sample].astype(np.float64) for values in (trace.output, trace.y))
    jacobian = np.diag(p) - np.outer(p, p)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_p = -np.divide(y, p, out=np.zeros_like(p), where=y != 0)
        return by_p, jacobian, by_p @ jacobian


def divides_by_zero(trace, sample):
    """Whether the long way does: p (1 − p) is 0, or with softmax the p of an output whose y is not.

    A p that is not a number comes from elsewhere.
    """
    p, y = trace.output[sample], trace.y[sample]
    way = trace.loss_function.long_way
    if way == ELEMENTWISE:
        return bool(((p == 0) | (p == 1)).any())
    return way == MATRIX and bool(((p == 0) & (y != 0)).any())


def ends_of(loss):
    """The probabilities at which the long way divides by zero."""
    return "0 or 1" if loss.long_way == ELEMENTWISE else "0"


def _comparison(trace, sample, because):
    """The last line under both ways: that they are equal, unless one of them has no value."""
    if not divides_by_zero(trace, sample):
        return [f"  Equal, because {because}."]
    return [
        f"  Here a p has become {ends_of(trace.loss_function)}, and the long way divides by zero: "
        "the short one is taken.",
        f"  Elsewhere they are equal, because {because}.",
    ]


def _long_way(trace, sample):
    """Output by output, where the loss contains a sigmoid."""
    by_p, by_a, product = sigmoid_way(trace, sample)
    columns = {
        "p": trace.output[sample],
        "∂ℓ/∂p": by_p,
        "∂p/∂a": by_a,
        "product": product,
        f"∂ℓ/∂{out_name(trace.layers[-1])}": trace.loss_slopes[sample],
    }
    return [
        *_output_table(trace, sample, columns),
        "  the long way: ∂ℓ/∂p = (p − y) / (p (1 − p)),",
        "  and ∂p/∂a = p (1 − p), the derivative of the sigmoid",
        "  the short way, which training takes: ∂ℓ/∂a = p − y",
        *_comparison(
            trace, sample, "what the loss's derivative divides by is the sigmoid's derivative"
        ),
    ]


def _matrix_way(trace, sample):
    """Where every probability depends on every logit."""
    by_p, jacobian, long_way = softmax_way(trace, sample)
    columns = {
        "p": trace.output[sample],
        "∂ℓ/∂p": by_p,
        "sum": long_way,
        f"∂ℓ/∂{out_name(trace.layers[-1])}": trace.loss_slopes[sample],
    }
    shown = [k for k in shown_outputs(trace, sample) if trace.y[sample, k]]
    return [
        *_output_table(trace, sample, columns),
        "  the long way: the sum over k of ∂ℓ/∂pₖ · ∂pₖ/∂a, where ∂ℓ/∂p = −y / p,",
        "  and each pₖ depends on every aⱼ:",
        *(line(f"∂p{symbol('x', 0, (k,))[1:]}/∂a", jacobian[k]) for k in shown),
        "  (∂pₖ/∂aⱼ = pₖ (δₖⱼ − pⱼ); rows whose y is 0 are multiplied by 0)",
        "  the short way, which training takes: ∂ℓ/∂a = p − y",
        *_comparison(trace, sample, "each −y / p meets a p in the matrix and cancels it"),
    ]


WAYS = {None: _short_way, ELEMENTWISE: _long_way, MATRIX: _matrix_way}


def weight_text(weight):
    """The product, or the sum over paths, that makes one weight's gradient."""
    trace = weight.trace
    lines = [
        f"{weight.symbol} = {number(weight.value)}, {_place(weight)}; "
        f"sample {trace.indices[weight.sample]}",
        f"∂{trace.of}/∂{weight.symbol}{_own_part(weight)}: {_how_many(weight)}",
    ]
    listed = weight.paths
    if len(listed) > MOST_ROWS:
        order = sorted(range(len(listed)), key=lambda i: -abs(listed[i].product))[:MOST_ROWS]
        listed = [listed[i] for i in sorted(order)]
    for path in listed:
        symbols = " · ".join(factor.symbol for factor in path.factors)
        values = " · ".join(_signed(factor.value) for factor in path.factors)
        lines += [f"  {symbols}", f"    = {values} = {number(path.product)}"]
    lines.append(_kinds_line(listed))
    if len(weight.paths) > 1:
        others = len(weight.paths) - len(listed)
        note = f" (with {others} smaller ones that are not listed)" if others else ""
        lines.append(f"  sum {number(weight.sum)}{note}")
    lines += [*_slope_lines(weight), *_matrix_lines(weight), *_batch_lines(weight)]
    lines += [
        f"∂C/∂{weight.symbol} = {number(weight.gradient)} in training",
        f"  central difference {number(weight.finite_difference)} "
        f"(relative error {error_text(weight.relative_error)})",
    ]
    if reason := trial_reason(weight):
        lines.append(f"  {TRIAL_NOTES[reason]}")
    return "\n".join([*lines, *_weight_step(weight, trace)])


def _kinds_line(paths):
    """What their factors are: one order of kinds, where none of the paths has another."""
    orders = [list(dict.fromkeys(factor.kind for factor in path.factors)) for path in paths]
    longest = max(orders, key=len)
    if any(order != [kind for kind in longest if kind in order] for order in orders):
        kinds = ", ".join(dict.fromkeys(kind for order in orders for kind in order))
        return f"  (kinds of factors: {kinds})"
    return f"  (factors, in this order: {', '.join(longest)})"


def _slope_lines(weight):
    """Of what an activation learns: the formula of its last factor."""
    if weight.learned is None or not weight.learned.quantity.startswith("a by "):
        return []
    layer = weight.trace.layers[weight.layer]
    last = writing.symbol(weight.learned.quantity, weight.layer, (weight.unit,))
    read = writing.symbol(layer.read_by_f, weight.layer, (weight.unit,))
    return [f"  {last} = {weight.learned.slope.text({'z': read})}"]


def _matrix_lines(weight):
    """Of a weight before a norm: the column of the norm's matrix, and how it collapses."""
    norm = weight.trace.layers[weight.layer].norm
    if norm is None or weight.learned is not None:
        return []
    column, dn = norm.column(weight.sample, weight.unit)
    n, z = (symbol(name, weight.layer, (weight.unit,) * (name == "z")) for name in "nz")
    return [
        f"the norm: every n over {norm.entry.over} depends on {z}",
        f"  ∂{n}/∂{z}: {numbers(column)}",
        f"  ∂{norm.of}/∂{n}: {numbers(dn)}",
        f"  the sum of their products is ∂{norm.of}/∂{z} = {number(column @ dn)}",
    ]


def _own_part(weight):
    """Where samples are mixed the products are not the whole derivative of anything."""
    trace = weight.trace
    return f", sample {trace.indices[weight.sample]}'s part" if trace.mixes_samples else ""


def trial_reason(weight):
    """Why the trial may contradict the chain rule though both are right: in a word, or None."""
    return "unresolved" if weight.unresolved else "kink" if weight.kink else None


def error_text(error):
    """One digit is what an error has."""
    return "unknown" if np.isnan(error) else f"{error:.1g}".replace("-", "−")


def _place(weight):
    layer = f"layer {weight.layer + 1}, unit {weight.unit + 1}"
    if weight.layer + 1 == len(weight.trace.layers):
        layer += f" ({one_line(weight.trace.output_names[weight.unit])})"
    if weight.name == BIAS:
        return f"the bias of {layer}"
    if weight.learned is not None:
        return f"{weight.learned.note}, {layer}"
    if weight.layer == 0:
        name = one_line(weight.trace.input_names[weight.source])
        return f"from input {weight.source + 1} ({name}) to {layer}"
    return f"from layer {weight.layer}, unit {weight.source + 1} to {layer}"


def _how_many(weight):
    if weight.n_paths == 1:
        return "one path to the loss, one product"
    text = f"the sum over {weight.n_paths:,} paths to the loss"
    if weight.is_grouped:
        text += ", grouped by the unit of the next layer that they go through"
    return text


def _signed(value):
    return f"({number(value)})" if value < 0 else number(value)


def _batch_lines(weight):
    own = weight.per_sample
    if len(own) == 1:
        return []
    part = f"share · ∂ℓ/∂{weight.symbol}"
    if weight.trace.mixes_samples:
        part = f"∂C/∂{weight.symbol}"
    return [f"{part} of the samples: {numbers(own)}; sum {number(own.sum())}"]


def _weight_step(weight, trace):
    lines = [f"next step of {trace.optimizer.title}, w standing for {weight.symbol}:"]
    if not trace.layers[weight.layer].trainable:
        lines.append(f"  {update.FROZEN.title}")
    for own in weight.update:
        target, formula = own.rule.target, own.rule.formula
        lines.append(f"  {target.text()} ← {formula.text()}")
        lines.append(f"    = {formula.text(own.written(operand))} = {number(own.value)}")
    return [*lines, f"  (a step of {_change(weight.step)})"]


def _change(value):
    return f"{'+' if value >= 0 else ''}{number(value)}"


def _gradient_lines(trace):
    lines = [headline("Every weight: its gradient, the central difference beside it")]
    differences = trace.differences
    for i, layer in enumerate(trace.layers):
        n_parameters = sum(array.size for array in layer.parameters.values())
        norm = np.sqrt(np.mean(np.square(layer.gradient.weights, dtype=np.float64)))
        error = "not tried: too many weights; a single weight's is in trace.gradient"
        if differences is not None:
            error = _error_of_layer(layer.gradient, differences[i], trace.unsettled[i]["kink"])
        lines.append(
            f"layer {i + 1}: {n_parameters:,} parameters, root mean square {number(norm)}; {error}"
        )
        if differences is not None and n_parameters <= 3 * MOST_ROWS:
            lines += _gradient_table(trace, i, differences[i])
    return lines


def _error_of_layer(gradient, difference, kink):
    """The largest, as a share of the largest gradient: beside one near 0 rounding is large.

    Those at a kink are left out: there a difference says nothing about its gradient.
    """
    found, tried, at_kink = (
        np.concatenate([part.ravel() for part in parts.parameters.values()])
        for parts in (gradient, difference, kink)
    )
    if at_kink.all():
        return "not settled: all at a kink"
    found, tried = found[~at_kink], tried[~at_kink]
    largest = np.nan
    if np.isfinite(found).all() and np.isfinite(tried).all():
        scale = np.max(np.abs([found, tried]))
        largest = np.max(np.abs(found - tried)) / scale if scale else 0.0
    left_out = f", {np.sum(at_kink)} at a kink left out" if at_kink.any() else ""
    return f"largest error {error_text(largest)} of the largest gradient{left_out}"


def _gradient_table(trace, layer, differences):
    headings = "".join(f"{heading:>15}" for heading in ("value", "gradient", "difference", "error"))
    lines = [f"  {'':<9}{headings}"]
    for unit in range(trace.layers[layer].n_out):
        for source in trace.layers[layer].sources:
            weight = trace.gradient(layer, source, unit)
            tried = weight.of(differences)
            error = trial.relative_error(weight.gradient, tried)
            numbers = map(number, (weight.value, weight.gradient, tried))
            columns = "".join(f"{column:>15}" for column in (*numbers, error_text(error)))
            reason = trial_reason(weight) if error > trial.NOTABLE else None
            lines.append(f"  {weight.symbol:<9}{columns}" + (f"  {reason}" if reason else ""))
    return lines


def _step_lines(trace):
    optimizer = trace.optimizer
    settings = [
        f"{Formula(setting.symbol).text()} = {number(setting.value)}"
        for setting in update.settings(trace)
    ]
    formulas = update.formulas(optimizer)
    for i, rule in enumerate(optimizer.decay_rules, len(optimizer.clip_rules)):
        reads_sums = "sums" in rule.formula.symbols
        sums = "; Σs is the sum of the sample weights" if reads_sums else ""
        formulas[i] += f"   (weights only{sums})"
    limits = [
        f"then the weights of each unit of {layer.name} are scaled down to a norm of "
        f"{number(layer.max_norm)}, where it is larger"
        for layer in trace.layers
        if layer.norms is not None
    ]
    return [
        headline(f"The next step of {optimizer.title}"),
        *formulas,
        f"  with {', '.join(settings)}",
        *limits,
        *_layers_own_steps(trace),
        f"C before {number(trace.cost)}, after {number(trace.cost_after_step)} "
        f"({_change(trace.cost_after_step - trace.cost)})",
        *_step_notes(trace),
    ]


def _layers_own_steps(trace):
    """Of layers that are frozen, or have a learning rate of their own."""
    lines = []
    for layer in trace.layers:
        if not layer.trainable:
            lines.append(f"{layer.name} is frozen: all that it has stays as it is")
        elif (rule := update.own_rate_rule(trace, layer)) is not None:
            rate = layer.learning_rate_factor * trace.rate
            factor = {"factor": operand(layer.learning_rate_factor)}
            line = f"{rule.target.text()} ← {rule.formula.text(factor)} = {number(rate)}"
            lines.append(f"{layer.name} has a learning rate of its own: {line}")
    return lines


def _step_notes(trace):
    if trace.drops:
        return ["Both costs are with what this step drops; predictions are made without."]
    if trace.predicts_otherwise:
        return ["Both costs are of outputs as this step has them; predictions are made otherwise."]
    if trace.optimizer.decay_rules:
        return ["This network has no dropout."]
    return ["This network has no weight decay and no dropout: nothing else enters the gradient."]


def _diagnostic_lines(trace):
    lines = [headline("Diagnostics")]
    for found in trace.diagnostics:
        lines += [f"{found['kind']}: {found['message']}", f"  try: {found['advice']}"]
    return lines if trace.diagnostics else [*lines, "Nothing looks unwell."]
