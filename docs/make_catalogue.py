"""Writes docs/catalogue.md from backprop/catalogue: `python docs/make_catalogue.py`."""

import inspect
from dataclasses import MISSING, fields
from pathlib import Path

import backprop as bp
from backprop.catalogue.activations import ACTIVATIONS
from backprop.catalogue.averages import AVERAGES
from backprop.catalogue.initializers import INITIALIZERS
from backprop.catalogue.losses import LOSSES
from backprop.catalogue.metrics import METRICS
from backprop.catalogue.norms import NORMS, Norm
from backprop.catalogue.optimizers import OPTIMIZERS, OTHERS
from backprop.catalogue.optimizers.base import Common
from backprop.catalogue.records import shown
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
NORMS_HEAD = f"""
## Norms

`bp.Dense(units, activation, norm=…)` normalises the pre-activations z:
y = `{Norm.formula.expression}`, n = `{Norm.normalised.expression}`, and a = f(y).
Each unit learns its scale and its shift.

| name | mean and variance | parameters | when | source |
|---|---|---|---|---|
"""
LOSSES_HEAD = """
## Losses

`bp.Network(…, loss=…)`, of one sample, with a the last layer's output and y its target. The cost of
a batch is Σ w ℓ / Σ w, w the sample weights or 1. In place of a name may stand a
[function of your own](api.md#a-loss-of-your-own).

| name | ℓ(a, y) | ∂ℓ/∂a | `predict` gives | y is | parameters | source |
|---|---|---|---|---|---|---|
"""
OPTIMIZERS_HEAD = """
## Optimizers

`bp.Network(…, optimizer=…)`. A step assigns, in this order, to each weight and bias w; g is its
gradient, t the number of the step, counted from 1, and lr the learning rate. Weights, not biases,
decay before: `g = g + lambda_ / sums * w` with `l2`, `g = g + lambda_1 / sums * sign(w)` with `l1`,
`w = w - lr * delta * w` with `weight_decay`, where sums is the sum of the sample weights.
Before all else gradients are clipped, where that is asked for (norm is that of all of them):
CLIPPED

Every optimizer takes as well, by keyword:
COMMON

| | a step | arguments | source |
|---|---|---|---|
"""
OTHERS_HEAD = """
Of these no assignments to each number alone are the whole step:

| | | arguments | source |
|---|---|---|---|
"""
SCHEDULES_HEAD = """
## Schedules

`bp.Adam(1e-3, schedule=bp.Cosine(1000))`: the learning rate is multiplied by a factor of t, the
number of the step (or of the epoch, with `per="epoch"`), counted from 0.

| | factor | arguments | when | source |
|---|---|---|---|---|
"""
AVERAGES_HEAD = """
## Averages

`bp.Adam(1e-3, average=bp.EMA())`: kept beside the weights and biases w, for `net.averaged()`; n is
how many it holds, and the first is taken as it is.

| | next | arguments | when | source |
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

`bp.Dense(…, weights="orthogonal")`; by default the scheme that suits the activation. Normal ones
are not truncated. Biases start at 0.

| name | drawn | parameters | when | source |
|---|---|---|---|---|
"""


def page():
    """The whole text."""
    optimizers = [(kind, given) for kind in OPTIMIZERS.values() for given in ({}, *kind.variants)]
    return "".join(
        [
            HEAD,
            ACTIVATIONS_HEAD,
            *map(activation_row, ACTIVATIONS.values()),
            ADVICE_HEAD,
            *(f'- `"{one.name}"`: {one.advice}\n' for one in ACTIVATIONS.values()),
            NORMS_HEAD,
            *map(norm_row, NORMS.values()),
            LOSSES_HEAD,
            *map(loss_row, LOSSES.values()),
            ADVICE_HEAD,
            *(f'- `"{one.name}"`: {one.advice}\n' for one in LOSSES.values()),
            optimizers_head(),
            *(optimizer_row(kind, given) for kind, given in optimizers),
            OTHERS_HEAD,
            *map(other_row, OTHERS.values()),
            SCHEDULES_HEAD,
            *map(schedule_row, SCHEDULES.values()),
            AVERAGES_HEAD,
            *map(average_row, AVERAGES.values()),
            METRICS_HEAD,
            *map(metric_row, METRICS.values()),
            INITIALIZERS_HEAD,
            *map(initializer_row, INITIALIZERS.values()),
        ]
    )


def optimizers_head():
    """With what all optimizers have in common, as the catalogue has it."""
    clipping = bp.SGD(clip_value=1.0, clip_norm=1.0)
    clips = [f"`{rule.symbol} = {rule.formula.expression}`" for rule in clipping.clip_rules]
    clipped = f"{clips[0]} with `clip_value`,\n{clips[1]} with `clip_norm`."
    common = ", ".join(f"`{one.name}={one.default}`" for one in fields(Common)) + "."
    return OPTIMIZERS_HEAD.replace("CLIPPED", clipped).replace("COMMON", common)


def activation_row(one):
    formulas = code(one.formula), code(one.slope)
    return row(f'`"{one.name}"`', *formulas, parameters(one), one.initial_weights, one.source)


def norm_row(one):
    over = "of each unit over the samples of a batch" if one.is_over_samples else "of each sample"
    over += "; predictions take those gathered" if one.gathered else ", over the units"
    return row(f'`"{one.name}"`', over, parameters(one), one.advice, one.source)


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


def other_row(kind):
    what = inspect.getdoc(kind).partition("\n")[0]
    return row(f"`{kind.__name__}`", what, f"`{defaults(kind)}`", source_of(kind))


def schedule_row(kind):
    cells = f"`{kind.__name__}`", kind.formula, f"`{defaults(kind)}`", kind.advice
    return row(*cells, source_of(kind) or "–")


def initializer_row(one):
    return row(f'`"{one.name}"`', one.formula, parameters(one), one.advice, one.source)


def average_row(kind):
    cells = f"`{kind.__name__}`", f"`{kind.formula}`", f"`{defaults(kind)}`", kind.advice
    return row(*cells, source_of(kind))


def defaults(kind):
    """Its arguments as they are called, with their defaults."""
    return ", ".join(
        one.name if one.default is MISSING else f"{one.name}={one.default}"
        for one in fields(kind)
        if not one.kw_only
    )


def source_of(kind):
    """What the docstring refers to."""
    return " ".join(inspect.getdoc(kind).partition("References\n----------\n")[2].split())


def parameters(entry):
    """Names and defaults, with what they are."""
    found = [f"`{one.name}={shown(one.default)}`, {one.meaning}" for one in entry.parameters]
    return "; ".join(found) or "–"


def code(formula):
    """Of a `Formula`, or of text that stands for one."""
    return f"`{getattr(formula, 'expression', formula)}`"


def row(*cells):
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
    print(f"{FILE.name} written")
