"""The optimizer's step as the assignments that books write, in symbols and in numbers.

The core folds Adam's bias corrections into the learning rate and into ε; the assignments keep them
apart, as the paper has them. What m, v and w become is read out of the core; only the gradient with
weight decay, m̂ and v̂, which the core does not keep, are worked out here, in float64.
"""

from typing import NamedTuple

import numpy as np

RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
SETTINGS = {
    "learning_rate": "lr",
    "momentum": "μ",
    "beta_1": "β₁",
    "beta_2": "β₂",
    "epsilon": "ε",
    "l2": "λ",
}
LATEX = {
    "g": "g",
    "w": "w",
    "m": "m",
    "v": "v",
    "m̂": r"\hat m",
    "v̂": r"\hat v",
    "lr": r"\mathit{lr}",
    "μ": r"\mu",
    "β₁": r"\beta_1",
    "β₂": r"\beta_2",
    "ε": r"\varepsilon",
    "λ": r"\lambda",
    "Σs": r"\textstyle\sum s",
    "t": "t",
}


class Rule(NamedTuple):
    """What is assigned, and what to it: for a terminal, and for LaTeX.

    In braces stand the symbols, for which numbers can be put.
    """

    name: str
    text: str
    latex: str


DECAY = Rule("g", "{g} + {λ} / {Σs} · {w}", r"{g} + \frac{{{λ}}}{{{Σs}}} \cdot {w}")
VELOCITY = Rule("v", "{μ} · {v} − {lr} · {g}", r"{μ} \cdot {v} - {lr} \cdot {g}")
ADAM_MOMENTS = [
    Rule("m", "{β₁} · {m} + (1 − {β₁}) · {g}", r"{β₁} \cdot {m} + (1 - {β₁}) \cdot {g}"),
    Rule("v", "{β₂} · {v} + (1 − {β₂}) · {g}²", r"{β₂} \cdot {v} + (1 - {β₂}) \cdot {g}^2"),
]
RULES = {
    "sgd": [Rule("w", "{w} − {lr} · {g}", r"{w} - {lr} \cdot {g}")],
    "momentum": [VELOCITY, Rule("w", "{w} + {v}", "{w} + {v}")],
    "nesterov": [
        VELOCITY,
        Rule("w", "{w} + {μ} · {v} − {lr} · {g}", r"{w} + {μ} \cdot {v} - {lr} \cdot {g}"),
    ],
    "adam": [
        *ADAM_MOMENTS,
        Rule("m̂", "{m} / (1 − {β₁}{ᵗ})", r"\frac{{{m}}}{{1 - {β₁}^{{{t}}}}}"),
        Rule("v̂", "{v} / (1 − {β₂}{ᵗ})", r"\frac{{{v}}}{{1 - {β₂}^{{{t}}}}}"),
        Rule(
            "w",
            "{w} − {lr} · {m̂} / (√{v̂} + {ε})",
            r"{w} - {lr} \cdot \frac{{{m̂}}}{{\sqrt{{{v̂}}} + {ε}}}",
        ),
    ],
    "adam with ε̂": [
        *ADAM_MOMENTS,
        Rule(
            "w",
            "{w} − {lr} · √(1 − {β₂}{ᵗ}) / (1 − {β₁}{ᵗ}) · {m} / (√{v} + {ε})",
            r"{w} - {lr} \cdot \frac{{\sqrt{{1 - {β₂}^{{{t}}}}}}}{{1 - {β₁}^{{{t}}}}}"
            r" \cdot \frac{{{m}}}{{\sqrt{{{v}}} + {ε}}}",
        ),
    ],
}


class Assignment(NamedTuple):
    """One line of a step, such as m ← β₁ · m + (1 − β₁) · g.

    ``rule``: in symbols; ``numbers``: what its symbols stood for before it, {symbol: number};
    ``value``: what was assigned.
    """

    rule: Rule
    numbers: dict
    value: float


def rules(optimizer, decayed):
    """The lines of a step in their order; `decayed`: of a weight to which weight decay applies."""
    with_hat = getattr(optimizer, "epsilon_hat", False)
    lines = RULES["adam with ε̂" if with_hat else optimizer.kind]
    return [DECAY, *lines] if decayed else lines


def formulas(optimizer):
    """Of a weight, in symbols, each as a str."""
    return [f"{rule.name} ← {in_symbols(rule)}" for rule in rules(optimizer, optimizer.l2 > 0)]


def in_symbols(rule):
    """The right side for a terminal."""
    return rule.text.format_map({**{symbol: symbol for symbol in LATEX}, "ᵗ": "ᵗ"})


def in_numbers(assignment, write):
    """The right side with numbers, each of them as `write` makes a str of it."""
    written = {symbol: write(value) for symbol, value in assignment.numbers.items()}
    power = str(assignment.numbers["t"]).translate(RAISED)
    return assignment.rule.text.format_map({**written, "ᵗ": power})


def latex_symbols(rule):
    """The right side in LaTeX."""
    return rule.latex.format_map(LATEX)


def latex_numbers(assignment, write):
    """The same with numbers."""
    written = {symbol: write(value) for symbol, value in assignment.numbers.items()}
    return assignment.rule.latex.format_map({**written, "t": str(assignment.numbers["t"])})


def settings(trace):
    """{symbol: number} of what the optimizer's formulas contain beside gradient and moments."""
    optimizer = trace.optimizer
    found = {
        symbol: getattr(optimizer, name)
        for name, symbol in SETTINGS.items()
        if hasattr(optimizer, name)
    }
    if optimizer.kind == "sgd":
        del found["μ"]
    if optimizer.kind == "adam":
        found["t"] = trace.steps + 1
    if optimizer.l2:
        found["Σs"] = trace.weight_sum
    else:
        del found["λ"]
    return found


def corrections(trace):
    """1 − β₁ᵗ and 1 − β₂ᵗ, or None and None where it is not Adam."""
    optimizer, t = trace.optimizer, trace.steps + 1
    if optimizer.kind != "adam":
        return None, None
    return 1 - optimizer.beta_1**t, 1 - optimizer.beta_2**t


def assignments(weight):
    """Of one `WeightGradient`: a list of Assignment, the last of which makes the new weight."""
    trace = weight.trace
    numbers = {
        "t": trace.steps + 1,
        **settings(trace),
        "g": weight.gradient,
        "w": weight.value,
        **_moments(weight.moments),
    }
    become = _become(weight)
    found = []
    decayed = trace.optimizer.l2 > 0 and weight.source != "bias"
    for rule in rules(trace.optimizer, decayed):
        found.append(Assignment(rule, dict(numbers), become[rule.name]))
        numbers[rule.name] = become[rule.name]
    return found


def _moments(moments):
    return {"m" if name == "moment1" else "v": value for name, value in moments.items()}


def _become(weight):
    """What each symbol is after its line."""
    after = _moments(weight.moments_after)
    new = {"g": weight.gradient + weight.decay, "w": weight.after, **after}
    first, second = corrections(weight.trace)
    if first is not None:
        new["m̂"], new["v̂"] = np.divide((after["m"], after["v"]), (first, second)).tolist()
    return new
