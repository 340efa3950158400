"""Writes docs/catalogue.md from backprop/catalogue: `python docs/make_catalogue.py`."""

import inspect
from dataclasses import MISSING, fields
from pathlib import Path

from backprop.catalogue.activations import ACTIVATIONS
from backprop.catalogue.initializers import INITIALIZERS
from backprop.catalogue.losses import LOSSES
from backprop.catalogue.metrics import METRICS
from backprop.catalogue.optimizers import OPTIMIZERS
from backprop.catalogue.schedules import SCHEDULES

FILE = Path(__file__).with_name("catalogue.md")
HEAD = """# What a network can be made of

Made from `backprop/catalogue` by `python docs/make_catalogue.py`; a test compares the two.
"""
ACTIVATIONS_HEAD = """
## Activations

`bp.Dense(units, activation)`, a = f(z). Where f has a corner, f′ there is the slope of one side.

| name | f(z) | f′(z) | parameters | initial weights | source |
|---|---|---|---|---|---|
"""
ADVICE_HEAD = """
When to take which:

"""
LOSSES_HEAD = """
## Losses

`bp.Network(…, loss=…)`, of one sample, with a the last layer's output and y its target. The cost of
a batch is Σ w ℓ / Σ w, w the sample weights or 1.

| name | ℓ(a, y) | ∂ℓ/∂a | `predict` gives | y is | parameters | source |
|---|---|---|---|---|---|---|
"""
OPTIMIZERS_HEAD = """
## Optimizers

`bp.Network(…, optimizer=…)`. A step assigns, in this order, to each weight and bias w; g is its
gradient, t the number of the step, counted from 1, and lr the learning rate. Weights, not biases,
decay before: `g = g + lambda_ / sums * w` with `l2`, `g = g + lambda_1 / sums * sign(w)` with `l1`,
`w = w - lr * delta * w` with `weight_decay`, where sums is the sum of the sample weights.

| | a step | arguments | source |
|---|---|---|---|
"""
SCHEDULES_HEAD = """
## Schedules

`bp.Adam(1e-3, schedule=bp.Cosine(1000))`: the learning rate is multiplied by a factor of t, the
number of the step (or of the epoch, with `per="epoch"`), counted from 0.

| | factor | arguments | when | source |
|---|---|---|---|---|
"""
METRICS_HEAD = """
## Metrics

`net.fit(X, y, metrics=["f1"])` and `net.evaluate`: how good predictions p are, by sample weight. Of
targets that are probabilities the more probable class, or answer, counts.

| name | what it is | y is | better | parameters | the same value as |
|---|---|---|---|---|---|
"""
INITIALIZERS_HEAD = """
## Initial weights

Biases start at 0.

| name | drawn | source |
|---|---|---|
"""


def page():
    """The whole text."""
    optimizers = [(kind, given) for kind in OPTIMIZERS.values() for given in ({}, *kind.variants)]
    initializers = [row(f"`{one.name}`", one.formula, one.source) for one in INITIALIZERS.values()]
    return "".join(
        [
            HEAD,
            ACTIVATIONS_HEAD,
            *map(activation_row, ACTIVATIONS.values()),
            ADVICE_HEAD,
            *(f'- `"{one.name}"`: {one.advice}\n' for one in ACTIVATIONS.values()),
            LOSSES_HEAD,
            *map(loss_row, LOSSES.values()),
            OPTIMIZERS_HEAD,
            *(optimizer_row(kind, given) for kind, given in optimizers),
            SCHEDULES_HEAD,
            *map(schedule_row, SCHEDULES.values()),
            METRICS_HEAD,
            *map(metric_row, METRICS.values()),
            INITIALIZERS_HEAD,
            *initializers,
        ]
    )


def activation_row(one):
    formulas = code(one.formula), code(one.slope)
    return row(f'`"{one.name}"`', *formulas, parameters(one), one.initial_weights, one.source)


def loss_row(one):
    formulas = code(one.formula), code(one.derivative_formula), code(one.prediction_formula)
    return row(f'`"{one.name}"`', *formulas, one.target.name, parameters(one), one.source)


def metric_row(one):
    better = "higher" if one.higher_is_better else "lower"
    about = one.formula, " or ".join(one.targets), better, parameters(one)
    return row(f'`"{one.name}"`', *about, f"`{one.source}`")


def optimizer_row(kind, given):
    """Of the defaults, or of one of the variants."""
    settings = ", ".join(f"{name}={value}" for name, value in given.items())
    optimizer = kind(**given)
    lines = [*optimizer.decay_rules, *optimizer.rules]
    rules = [f"`{rule.symbol} = {rule.formula.expression}`" for rule in lines]
    rest = ("", "") if given else (f"`{defaults(kind)}`", source_of(kind))
    return row(f"`{kind.__name__}({settings})`", "<br>".join(rules), *rest)


def schedule_row(kind):
    cells = f"`{kind.__name__}`", kind.formula, f"`{defaults(kind)}`", kind.advice
    return row(*cells, source_of(kind) or "–")


def defaults(kind):
    """Its arguments as they are called, with their defaults."""
    return ", ".join(
        one.name if one.default is MISSING else f"{one.name}={one.default}" for one in fields(kind)
    )


def source_of(kind):
    """What the docstring refers to."""
    return " ".join(inspect.getdoc(kind).partition("References\n----------\n")[2].split())


def parameters(entry):
    """Names and defaults, with what they are."""
    found = [f"`{one.name}={one.default:g}`, {one.meaning}" for one in entry.parameters]
    return "; ".join(found) or "–"


def code(formula):
    """Of a `Formula`, or of text that stands for one."""
    return f"`{getattr(formula, 'expression', formula)}`"


def row(*cells):
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
    print(f"{FILE.name} written")
