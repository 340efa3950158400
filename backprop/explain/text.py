"""A trace as text for a terminal, and the symbols and formulas that text and pages share."""

import numpy as np

from backprop.optimizers import Adam
from backprop.tables import count

MOST_NUMBERS = 8  # in a line
MOST_ROWS = 12  # of a table
RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
LETTERS = {"weight": "w", "bias": "b", "z": "z", "a": "a"}

LOSSES = {
    "squared_error": "ℓ = ½ Σ (a − y)²",
    "sigmoid_cross_entropy": "ℓ = −Σ (y log p + (1 − y) log(1 − p)), p = σ(a)",
    "softmax_cross_entropy": "ℓ = −Σ y log p, p = softmax(a)",
}
ACTIVATIONS = {
    "identity": ("a = z", "f′(z) = 1"),
    "sigmoid": ("a = 1 / (1 + e⁻ᶻ)", "f′(z) = a (1 − a)"),
    "tanh": ("a = tanh z", "f′(z) = 1 − a²"),
    "relu": ("a = max(0, z)", "f′(z) = 1 where z > 0, else 0"),
}


def symbol(quantity, layer, units):
    """A quantity of a trace as formulas have it: layers and units are counted from 1."""
    if quantity == "one":
        return "1"
    below = ",".join(str(unit + 1).translate(LOWERED) for unit in units)
    if quantity == "x":
        return f"x{below}"
    indices = f"⁽{str(layer + 1).translate(RAISED)}⁾{below}"
    if quantity in ("da", "dz"):
        return f"∂ℓ/∂{quantity[1]}{indices}"
    return f"f′(z{indices})" if quantity == "derivative" else LETTERS[quantity] + indices


def number(value):
    """Six digits, and a real minus."""
    return f"{value + 0.0:.6g}".replace("-", "−")  # −0 is 0


def numbers(values):
    """The first of them, and how many there are."""
    shown = "  ".join(number(value) for value in values[:MOST_NUMBERS])
    return f"{shown}  … ({len(values)})" if len(values) > MOST_NUMBERS else shown


def optimizer_name(optimizer):
    """As people call it."""
    return {
        "sgd": "gradient descent",
        "momentum": "gradient descent with momentum",
        "nesterov": "gradient descent with Nesterov momentum",
        "adam": "Adam",
    }[optimizer.kind]


def optimizer_formula(optimizer):
    """From the gradient g to the new weight w."""
    update = {
        "sgd": "w ← w − lr g",
        "momentum": "v ← μ v − lr g, w ← w + v",
        "nesterov": "v ← μ v − lr g, w ← w + μ v − lr g",
        "adam": "m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², "
        "w ← w − lr (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)",
    }[optimizer.kind]
    if getattr(optimizer, "epsilon_hat", False):
        update = update.replace(
            "lr (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)",
            "lr √(1 − β₂ᵗ) / (1 − β₁ᵗ) m / (√v + ε)",
        )
    return f"g ← g + λ/Σs w (weights only), {update}" if optimizer.l2 else update


def trace_text(trace, weight, sample):
    """The whole, or the product of one weight."""
    if weight is not None:
        return weight_text(weight)
    parts = [
        [repr(trace)],
        _cost_lines(trace),
        _forward_lines(trace, sample),
        _loss_lines(trace, sample),
        _backward_lines(trace, sample),
        [_headline("One weight, factor by factor"), weight_text(largest(trace, sample))],
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


def _headline(text):
    return f"{text}\n{'─' * len(text)}"


def _cost_lines(trace):
    n = len(trace.x)
    every = "" if n == 1 else f": share = 1/{n} for each"
    if np.ptp(trace.shares) > 0:
        every = ": share = its weight over the sum of the weights"
    lines = [
        _headline("The cost is the mean of the samples' losses"),
        f"C = Σ share · ℓ = {number(trace.cost)}   ({count(n, 'sample')}{every})",
    ]
    if n > 1:
        lines.append(
            "so each gradient of C is the mean of the samples' own, ∂C/∂w = Σ share · ∂ℓ/∂w"
        )
        lines.append(f"ℓ of the samples: {numbers(trace.losses)}")
    return lines


def _forward_lines(trace, sample):
    lines = [_headline(f"Forward, sample {trace.indices[sample]}: z = x W + b, a = f(z)")]
    lines.append(_line("x", trace.x[sample]))
    for i, layer in enumerate(trace.layers):
        lines.append(f"layer {i + 1}, {layer.activation}: {ACTIVATIONS[layer.activation][0]}")
        lines.append(_line("z", layer.z[sample]))
        lines.append(_line("a", layer.a[sample]))
    return lines


def _line(name, values):
    return f"  {name:<9} {numbers(values)}"


def _loss_lines(trace, sample):
    a, y = trace.layers[-1].a[sample], trace.y[sample]
    lines = [
        _headline(f"The derivative of the loss, sample {trace.indices[sample]}: {trace.loss}"),
        f"{LOSSES[trace.loss]} = {number(trace.losses[sample])}",
        _line("a", a),
        _line("y", y),
    ]
    ways = {
        "squared_error": _squared_error,
        "sigmoid_cross_entropy": _sigmoid_cross_entropy,
        "softmax_cross_entropy": _softmax_cross_entropy,
    }
    return [*lines, *ways[trace.loss](trace, sample)]


def _squared_error(trace, sample):
    return [
        _line("∂ℓ/∂a", trace.layers[-1].da[sample]) + "   = a − y",
        "  Mind the sign: written ½ (y − a)², the inner derivative is −1, and −(y − a) = a − y.",
    ]


def _sigmoid_cross_entropy(trace, sample):
    p, y = (values[sample].astype(np.float64) for values in (trace.output, trace.y))
    with np.errstate(divide="ignore", invalid="ignore"):
        by_p = (p - y) / (p * (1 - p))
        product = by_p * p * (1 - p)
    return [
        _line("p", p),
        "the long way:",
        _line("∂ℓ/∂p", by_p) + "   = (p − y) / (p (1 − p))",
        _line("∂p/∂a", p * (1 - p)) + "   = p (1 − p), the derivative of the sigmoid",
        _line("product", product),
        "the short way, which training takes:",
        _line("∂ℓ/∂a", trace.layers[-1].da[sample]) + "   = p − y",
        "  Equal, because what the loss's derivative divides by is the sigmoid's derivative.",
    ]


def _softmax_cross_entropy(trace, sample):
    p, y = (values[sample].astype(np.float64) for values in (trace.output, trace.y))
    jacobian = np.diag(p) - np.outer(p, p)
    with np.errstate(divide="ignore", invalid="ignore"):  # where p is 0, the long way fails
        by_p = -np.divide(y, p, out=np.zeros_like(p), where=y != 0)
        long_way = by_p @ jacobian
    rows = [_line(f"∂p{symbol('x', 0, (k,))[1:]}/∂a", jacobian[k]) for k in np.flatnonzero(y)]
    return [
        _line("p", p),
        "the long way, a sum over the probabilities pₖ, each of which depends on every aⱼ:",
        _line("∂ℓ/∂p", by_p) + "   = −y / p",
        *rows[:MOST_ROWS],
        "  (∂pₖ/∂aⱼ = pₖ (δₖⱼ − pⱼ); rows whose y is 0 are multiplied by 0)",
        _line("sum", long_way),
        "the short way, which training takes:",
        _line("∂ℓ/∂a", trace.layers[-1].da[sample]) + "   = p − y",
        "  Equal, because each −y / p meets a p in the matrix and cancels it.",
    ]


def _backward_lines(trace, sample):
    lines = [_headline(f"Backward, sample {trace.indices[sample]}: ∂ℓ/∂z = ∂ℓ/∂a · f′(z)")]
    for i in reversed(range(len(trace.layers))):
        layer = trace.layers[i]
        lines.append(f"layer {i + 1}, {layer.activation}: {ACTIVATIONS[layer.activation][1]}")
        last = i + 1 == len(trace.layers)
        whence = "the loss's derivative" if last else f"∂ℓ/∂z of layer {i + 2} times its weights"
        lines.append(_line("∂ℓ/∂a", layer.da[sample]) + f"   {whence}")
        lines.append(_line("f′(z)", layer.derivative[sample]))
        lines.append(_line("∂ℓ/∂z", layer.dz[sample]))
    return lines


def weight_text(weight):
    """The product, or the sum over paths, that makes one weight's gradient."""
    trace = weight.trace
    lines = [
        f"{weight.symbol} = {number(weight.value)}, {_place(weight)}; "
        f"sample {trace.indices[weight.sample]}",
        f"∂ℓ/∂{weight.symbol}: {_how_many(weight)}",
    ]
    listed = weight.paths
    if len(listed) > MOST_ROWS:
        order = sorted(range(len(listed)), key=lambda i: -abs(listed[i].product))[:MOST_ROWS]
        listed = [listed[i] for i in sorted(order)]
    for path in listed:
        symbols = " · ".join(factor.symbol for factor in path.factors)
        values = " · ".join(_signed(factor.value) for factor in path.factors)
        lines += [f"  {symbols}", f"    = {values} = {number(path.product)}"]
    kinds = ", ".join(dict.fromkeys(f.kind for path in listed for f in path.factors))
    lines.append(f"  (factors, in this order: {kinds})")
    if len(weight.paths) > 1:
        others = len(weight.paths) - len(listed)
        note = f" (with {others} smaller ones that are not listed)" if others else ""
        lines.append(f"  sum {number(weight.sum)}{note}")
    lines += _batch_lines(weight)
    lines += [
        f"∂C/∂{weight.symbol} = {number(weight.gradient)} in training",
        f"  central difference {number(weight.finite_difference)} "
        f"(relative error {weight.relative_error:.1g})",
    ]
    return "\n".join([*lines, *_weight_step(weight, trace)])


def _place(weight):
    layer = f"layer {weight.layer + 1}, unit {weight.unit + 1}"
    if weight.layer + 1 == len(weight.trace.layers):
        layer += f" ({weight.trace.output_names[weight.unit]})"
    if weight.source == "bias":
        return f"the bias of {layer}"
    if weight.layer == 0:
        return (
            f"from input {weight.source + 1} ({weight.trace.input_names[weight.source]}) to {layer}"
        )
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
    return [f"share · ∂ℓ/∂{weight.symbol} of the samples: {numbers(own)}; sum {number(own.sum())}"]


def _weight_step(weight, trace):
    names = {"velocity": "v", "moment1": "m", "moment2": "v"}
    moments = "".join(f"{names[name]} {number(at)}, " for name, at in weight.moments.items())
    decay = f" + weight decay {number(weight.decay)}" if weight.decay else ""
    new = weight.value + weight.step
    name = optimizer_name(trace.optimizer)
    return [
        f"next step of {name}: {moments}g {number(weight.gradient)}{decay}: "
        f"{number(weight.value)} → {number(new)} ({'+' if weight.step >= 0 else ''}"
        f"{number(weight.step)})"
    ]


def _gradient_lines(trace):
    lines = [_headline("Every weight: its gradient, the central difference beside it")]
    differences = trace.differences
    for i, layer in enumerate(trace.layers):
        n_parameters = layer.weights.size + layer.bias.size
        norm = np.sqrt(np.mean(np.square(layer.gradient.weights, dtype=np.float64)))
        error = "not tried: too many weights; a single weight's is in trace.gradient"
        if differences is not None:
            error = f"largest difference {_largest_difference(layer.gradient, differences[i]):.1g}"
        lines.append(
            f"layer {i + 1}: {n_parameters:,} parameters, root mean square {number(norm)}; {error}"
        )
        if differences is not None and n_parameters <= 3 * MOST_ROWS:
            lines += _gradient_table(trace, i)
    return lines


def _largest_difference(gradient, difference):
    both = zip(gradient, difference, strict=True)
    return max(float(np.max(np.abs(found - tried))) for found, tried in both)


def _gradient_table(trace, layer):
    lines = []
    for unit in range(trace.layers[layer].n_out):
        for source in [*range(trace.layers[layer].n_in), "bias"]:
            weight = trace.gradient(layer, source, unit)
            found, tried = number(weight.gradient), number(weight.finite_difference)
            lines.append(f"  {weight.symbol:<9} {number(weight.value):>12} {found:>14} {tried:>14}")
    return [f"  {'':<9} {'value':>12} {'gradient':>14} {'difference':>14}", *lines]


def _step_lines(trace):
    optimizer = trace.optimizer
    settings = {
        "learning_rate": "lr",
        "momentum": "μ",
        "beta_1": "β₁",
        "beta_2": "β₂",
        "epsilon": "ε",
    }
    shown = ", ".join(
        f"{sign} = {getattr(optimizer, name):g}"
        for name, sign in settings.items()
        if getattr(optimizer, name, 0)
    )
    if optimizer.l2:
        shown += f", Σs = {number(trace.weight_sum)}, the sum of the sample weights"
    if isinstance(optimizer, Adam):
        shown += f", t = {trace.steps + 1}"
    change = trace.cost_after_step - trace.cost
    return [
        _headline(f"The next step of {optimizer_name(optimizer)}"),
        f"{optimizer_formula(optimizer)}   ({shown})",
        f"C before {number(trace.cost)}, after {number(trace.cost_after_step)} "
        f"({'+' if change >= 0 else ''}{number(change)})",
        "There is no dropout in these networks."
        if optimizer.l2
        else "This network has no weight decay and no dropout: nothing else enters the gradient.",
    ]


def _diagnostic_lines(trace):
    lines = [_headline("Diagnostics")]
    for found in trace.diagnostics:
        lines += [f"{found['kind']}: {found['message']}", f"  try: {found['advice']}"]
    return lines if trace.diagnostics else [*lines, "Nothing looks unwell."]
