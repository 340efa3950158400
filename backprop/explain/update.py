"""The optimizer's step as the assignments that books write, in symbols and in numbers.

The core folds Adam's bias corrections into the learning rate and into ε; the assignments keep them
apart, as the paper has them. What the moments and w become is read out of the core; what the core
does not keep, such as m̂ and the gradient with weight decay, is worked out here, in float64.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields, replace
from typing import NamedTuple

import numpy as np

from backprop.catalogue.formula import Formula
from backprop.catalogue.optimizers import Rule, norm
from backprop.explain.layer import WEIGHTS

CLIPS = {
    "clip_value": "the most that a gradient may be",
    "clip_norm": "the most that the norm of all gradients may be",
}


# Before all else, of a layer with a rate of its own; and instead of all else, of a frozen one.
OWN_RATE = "factor * {rate}"
FROZEN = Rule("w", Formula("w"), "Frozen: no step changes this layer")
# Of a weight whose layer has a max_norm, after all else; norm_w is that of its unit's weights.
LIMIT = Rule("w", Formula("w * min(1, c_max / norm_w)"), "As large as its unit’s norm allows")


class Assignment(NamedTuple):
    """One line of a step, such as m ← β₁ · m + (1 − β₁) · g.

    ``rule``: in symbols; ``numbers``: what its symbols stood for before it, {symbol: number};
    ``value``: what was assigned.
    """

    rule: Rule
    numbers: dict[str, float]
    value: float

    def written(self, write):
        """{symbol: its number}, each of them as `write` makes a str of it."""
        written = {symbol: write(value) for symbol, value in self.numbers.items()}
        return {**written, "t": str(self.numbers["t"])}  # a power: whole, without brackets


class Setting(NamedTuple):
    """A number that the assignments read beside w, its gradient and its moments."""

    symbol: str
    value: float
    meaning: str


def rules(optimizer, decayed):
    """The lines of a step in their order; `decayed`: of a weight to which weight decay applies."""
    decays = optimizer.decay_rules if decayed else ()
    return (*optimizer.clip_rules, *decays, *optimizer.rules)


def formulas(optimizer):
    """Of a weight, in symbols, each as a str."""
    lines = rules(optimizer, decayed=True)
    return [f"{rule.target.text()} ← {rule.formula.text()}" for rule in lines]


def settings(trace):
    """What the letters of a step stand for: a list of Setting."""
    optimizer, t = trace.optimizer, trace.steps + 1
    numbers = {**optimizer.numbers_at(t), optimizer.symbols["learning_rate"]: trace.rate}
    read = {symbol for rule in rules(optimizer, decayed=True) for symbol in rule.formula.symbols}
    found = []
    for field in fields(optimizer):
        if symbol := optimizer.symbols.get(field.name):
            meaning = optimizer.meanings.get(field.name, field.name.replace("_", " "))
            found.append(Setting(symbol, numbers.pop(symbol), meaning))
    step = numbers.pop("t")
    found += [Setting(symbol, value, "") for symbol, value in numbers.items()]
    if any("t" in rule.formula.symbols for rule in optimizer.rules):
        found.append(Setting("t", step, "this step’s number, from 1"))
    own = {**optimizer.clip_symbols, **optimizer.decay_symbols}
    for name, meaning in {**CLIPS, **optimizer.decay_meanings}.items():
        if own[name] in read:
            found.append(Setting(own[name], getattr(optimizer, name), meaning))
    if "norm" in read:
        found.append(Setting("norm", gradient_norm(trace), "the norm of all gradients"))
    if "sums" in read:
        found.append(Setting("sums", trace.weight_sum, "the sum of the samples’ weights"))
    return found


def gradient_norm(trace):
    """Of all gradients of the batch, as clipping by the norm meets them."""
    by_value_alone = replace(trace.optimizer, clip_norm=None)
    trained = [list(one.gradient.parameters.values()) for one in trace.layers if one.trainable]
    return norm(by_value_alone.clipped(trained))


def own_rate_rule(trace, layer):
    """The line that makes the layer's own learning rate; None where it is that of all."""
    if layer.learning_rate_factor == 1:
        return None
    rate = trace.optimizer.symbols["learning_rate"]
    formula = Formula(OWN_RATE.format(rate=rate))
    return Rule(rate, formula, f"The learning rate of {layer.name}")


def lines_of(weight):
    """The lines of the step of one `WeightGradient`, in their order."""
    trace, layer = weight.trace, weight.trace.layers[weight.layer]
    if not layer.trainable:
        return [FROZEN]
    own_rate = own_rate_rule(trace, layer)
    decays = weight.name == WEIGHTS
    limits = [LIMIT] if decays and layer.norms is not None else []
    return [*([own_rate] if own_rate else []), *rules(trace.optimizer, decays), *limits]


def assignments(weight):
    """Of one `WeightGradient`: a list of Assignment, the last of which makes the new weight."""
    trace, layer = weight.trace, weight.trace.layers[weight.layer]
    symbols = trace.optimizer.moments
    numbers = {
        "t": trace.steps + 1,
        "factor": layer.learning_rate_factor,
        **{setting.symbol: setting.value for setting in settings(trace)},
        "g": weight.gradient,
        "w": weight.value,
        **{symbols[name]: value for name, value in weight.moments.items()},
        **({} if layer.norms is None else limit_numbers(layer, weight.unit)),
    }
    kept = {symbols[name]: value for name, value in weight.moments_after.items()}
    kept["w"] = weight.after
    found, lines = [], lines_of(weight)
    for i, rule in enumerate(lines):
        is_last = rule.symbol not in [later.symbol for later in lines[i + 1 :]]
        value = kept[rule.symbol] if is_last and rule.symbol in kept else _value(rule, numbers)
        found.append(Assignment(rule, dict(numbers), value))
        numbers[rule.symbol] = value
    return found


def limit_numbers(layer, unit):
    """{symbol: number} of what LIMIT reads of a unit beside w."""
    return {"c_max": layer.max_norm, "norm_w": float(layer.norms[unit])}


def limit_dict(layer):
    """The same of all units, with the rule, ready for JSON."""
    units = [limit_numbers(layer, unit) for unit in range(layer.n_out)]
    return {"rule": LIMIT.to_dict(), "units": units}


def norms_of_step(network, X, y, sample_weight):
    """Of each unit's weights after a step that limits none: an array for each layer, or None."""
    limited = [layer.spec.max_norm is not None for layer in network.layers]
    if not any(limited):
        return [None] * len(limited)
    state = network.__getstate__()
    arguments = state["arguments"]
    arguments["layers"] = [replace(spec, max_norm=None) for spec in arguments["layers"]]
    free = type(network).__new__(type(network))
    free.__setstate__(state)
    with suppress(FloatingPointError):  # as of the step itself
        free._train_step(X, y, sample_weight)
    norms = [np.sqrt(np.square(one.weights, dtype=np.float64).sum(axis=0)) for one in free.layers]
    return [own if has else None for own, has in zip(norms, limited, strict=True)]


def _value(rule, numbers):
    """In float64, where a division by 0 is no error."""
    exact = {symbol: np.float64(value) for symbol, value in numbers.items()}
    with np.errstate(all="ignore"):
        return float(rule.formula.evaluate(exact))
