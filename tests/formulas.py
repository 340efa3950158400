"""What the tests of text and LaTeX share: traces, and formulas that are worked out."""

import re

import networks
import numpy as np

import backprop as bp

OPTIMIZERS = [
    *networks.every_optimizer(
        sgd=bp.SGD(0.1),
        momentum=bp.SGD(0.1, 0.9),
        nesterov=bp.SGD(0.1, 0.9, nesterov=True),
        nesterov_l2=bp.SGD(0.1, 0.9, nesterov=True, l2=0.4),
        adam=bp.Adam(0.02),
        adam_l2=bp.Adam(0.02, l2=0.4),
        clipped=bp.SGD(0.1, 0.9, clip_norm=0.3),
        clipped_by_value=bp.Adam(0.02, clip_value=0.05),
        clipped_twice=bp.SGD(0.1, clip_value=0.2, clip_norm=0.3, l2=0.4, weight_decay=0.1),
        epsilon_hat=bp.Adam(0.02, l2=0.4, epsilon=1e-3, epsilon_hat=True),
    ).values()
]
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
FUNCTIONS = {
    "√": np.sqrt,
    "log": np.log,
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "Σ": lambda values: np.sum(values, 0),
}
TOKEN = re.compile(
    r"[\ue000-\uf8ff]|\d+(?:\.\d+)?(?:e-?\d+)?|√|log|tanh|sin|cos|Σ|\*\*|[-+*/()]|\S"
)


def trained(loss="squared_error", optimizer=None, sizes=(3, 4, 3), hidden="tanh", n=6):
    """A network that has moments, and a batch of weighted samples."""
    layers = [*(bp.Dense(k, hidden) for k in sizes[1:-1]), bp.Dense(sizes[-1])]
    options = {} if optimizer is None else {"optimizer": optimizer}
    net = bp.Network(sizes[0], layers, loss=loss, dtype="float64", seed=2, **options)
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, sizes[0]))
    y = networks.soft_targets(loss, rng.normal(size=(n, sizes[-1])))
    net.fit(X, y, epochs=3, batch_size=n)
    return net, X, y, rng.uniform(0.5, 2, n)


def explained(**options):
    net, X, y, weight = trained(**options)
    return net.explain(X, y, sample_weight=weight)


def evaluate(formula, values):
    """What a formula of the text is, where its symbols have these values."""
    formula, values = put(formula.replace("ᵗ", " ** t"), values)
    formula = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: f" ** {m[0].translate(SUPERSCRIPTS)}", formula)
    formula = formula.replace("½", "0.5 ").replace("·", "*").replace("−", "-").replace("^", " ** ")
    return worked_out(formula, values)


def evaluate_latex(formula, values):
    """The same of a formula in LaTeX."""
    formula, values = put(formula, values)
    for old, new in {
        r"\tfrac12": "0.5",
        r"\left": "",
        r"\right": "",
        r"\bigl": "",
        r"\bigr": "",
        r"\cdot": "*",
        "^2": " ** 2",
        r"\sum_j": "Σ",
        r"\sum_k": "Σ",
        r"\log": "log",
        r"\tanh": "tanh",
        r"\sin": "sin",
        r"\cos": "cos",
    }.items():
        formula = formula.replace(old, new)
    for _ in range(4):  # from the innermost braces on
        formula = re.sub(r"\^\{([^{}]*)\}", r" ** (\1)", formula)
        formula = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"((\1) / (\2))", formula)
        formula = re.sub(r"\\sqrt\{([^{}]*)\}", r"√(\1)", formula)
    return worked_out(formula, values)


def put(formula, values):
    """Symbols become single characters of their own, the longest first."""
    names = sorted(values, key=len, reverse=True)
    stands = {name: chr(0xE000 + len(values) + i) for i, name in enumerate(names)}
    pattern = rf"(?<![A-Za-z\\])(?:{'|'.join(map(re.escape, names))})(?![A-Za-z])"
    formula = re.sub(pattern, lambda match: stands[match[0]], formula) if names else formula
    return formula, {stands[name]: values[name] for name in names}


def worked_out(formula, values):
    """With `*` where two operands stand side by side; Σ takes all to its right."""
    found, sums = [], 0
    tokens = TOKEN.findall(formula)
    for before, token in zip([None, *tokens], tokens, strict=False):
        is_operand = token in values or token[0].isdigit()
        ended = before is not None and (before in values or before[0].isdigit() or before == ")")
        if ended and (is_operand or token == "(" or token in FUNCTIONS):
            found.append("*")
        if is_operand:
            operand = f"_[{token!r}]" if token in values else token
            found.append(f"({operand})" if before in FUNCTIONS else operand)
        else:
            found.append(f"_[{token!r}]" if token in FUNCTIONS else token)
        if token == "Σ":
            found.append("(")
            sums += 1
    return eval(" ".join(found) + ")" * sums, {}, {"_": {**values, **FUNCTIONS}})


def number_of(shown):
    return float(shown.replace("−", "-"))


def latex_number(shown):
    return float(re.sub(r" \\cdot 10\^\{(-?\d+)\}", r"e\1", shown))


def close(found, expected, rel=3e-5):
    """To the six digits that are shown, and what a difference of such numbers loses."""
    np.testing.assert_allclose(found, expected, rtol=rel, atol=3e-6)
