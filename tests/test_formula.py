"""Formulas: what is written for people and for a page is what numpy works out."""

import json
import re
import shutil
import subprocess
from importlib import resources

import formulas
import numpy as np
import pytest
from mathml import LINEAR

from backprop.catalogue.activations import ACTIVATIONS
from backprop.catalogue.formula import Formula
from backprop.catalogue.optimizers import OPTIMIZERS

WRITTEN = {  # expression: (text, LaTeX)
    "w - lr * m_hat / (sqrt(v_hat) + epsilon)": (
        "w − lr · m̂ / (√v̂ + ε)",
        r"w - \mathit{lr} \cdot \frac{\hat m}{\sqrt{\hat v} + \varepsilon}",
    ),
    "m / (1 - beta_1**t)": ("m / (1 − β₁ᵗ)", r"\frac{m}{1 - \beta_1^{t}}"),
    "beta_1 * m + (1 - beta_1) * g": (
        "β₁ · m + (1 − β₁) · g",
        r"\beta_1 \cdot m + (1 - \beta_1) \cdot g",
    ),
    "w - lr * sqrt(1 - b**t) / (1 - a**t) * m": (
        "w − lr · √(1 − bᵗ) / (1 − aᵗ) · m",
        r"w - \mathit{lr} \cdot \frac{\sqrt{1 - b^{t}}}{1 - a^{t}} \cdot m",
    ),
    "g + lambda_ / sums * w": (
        "g + λ / Σs · w",
        r"g + \frac{\lambda}{\textstyle\sum s} \cdot w",
    ),
    "mu * v - lr * g": ("μ · v − lr · g", r"\mu \cdot v - \mathit{lr} \cdot g"),
    "g**2": ("g²", "g^{2}"),
    "1 / (1 + exp(-z))": ("1 / (1 + e⁻ᶻ)", r"\frac{1}{1 + e^{-z}}"),
    "exp(-z**2 / 2)": ("exp(−z² / 2)", r"e^{-\frac{z^{2}}{2}}"),
    "(-z)**2": ("(−z)²", "(-z)^{2}"),
    "-z * y": ("−z · y", r"-z \cdot y"),
    "a - (b - c)": ("a − (b − c)", "a - (b - c)"),
    "a - -b": ("a − (−b)", "a - (-b)"),
    "a * (b * c)": ("a · (b · c)", r"a \cdot (b \cdot c)"),
    "a / (b / c)": ("a / (b / c)", r"\frac{a}{\frac{b}{c}}"),
    "(a / b)**2": ("(a / b)²", r"\left(\frac{a}{b}\right)^{2}"),
    "a**(b + 1)": ("a^(b + 1)", "a^{b + 1}"),
    "(a**b)**c": ("(aᵇ)ᶜ", "(a^{b})^{c}"),
    "sqrt(v)**2": ("(√v)²", r"\sqrt{v}^{2}"),
    "tanh(z)": ("tanh z", r"\tanh z"),
    "tanh(z) * z": ("tanh(z) · z", r"\tanh(z) \cdot z"),
    "1 + log(1 - p)": ("1 + log(1 − p)", r"1 + \log(1 - p)"),
    "log1p(exp(z))": ("log(1 + eᶻ)", r"\log(1 + e^{z})"),
    "alpha * expm1(z)": ("α · (eᶻ − 1)", r"\alpha \cdot (e^{z} - 1)"),
    "abs(a - y)": ("|a − y|", r"\left|a - y\right|"),
    "max(0, min(z, 6))": ("max(0, min(z, 6))", r"\max(0, \min(z, 6))"),
    "where(z > 0, 1, 0)": (
        "1 where z > 0, else 0",
        r"\begin{cases} 1 & z > 0 \\ 0 & \text{otherwise} \end{cases}",
    ),
    "where(z <= 0, where(z < -1, 1, 2), 3)": (
        "(1 where z < −1, else 2) where z ≤ 0, else 3",
        r"\begin{cases} \begin{cases} 1 & z < -1 \\ 2 & \text{otherwise} \end{cases} & z \le 0 \\"
        r" 3 & \text{otherwise} \end{cases}",
    ),
    "sign(z) * erf(z)": ("sign(z) · erf(z)", r"\operatorname{sign}(z) \cdot \operatorname{erf}(z)"),
    "sin(z) + cos(z)": ("sin z + cos z", r"\sin z + \cos z"),
    "v_max - slope": ("v_max − slope", r"v_{\mathrm{max}} - \mathit{slope}"),
    "1.0507009873554805 * z": ("1.0507 · z", r"1.0507 \cdot z"),
    "z + 1e-7": ("z + (1e−07)", r"z + (1 \cdot 10^{-7})"),
}


def catalogue():
    """Every formula of an activation, and of a rule of every optimizer."""
    found = [part for entry in ACTIVATIONS.values() for part in (entry.formula, entry.slope)]
    for kind in OPTIMIZERS.values():
        for settings in ({}, *kind.variants):
            found += [rule.formula for rule in kind(**settings).rules]
    return list({formula.expression: formula for formula in found}.values())


EVERY = [*catalogue(), *map(Formula, WRITTEN)]
each = pytest.mark.parametrize("formula", EVERY, ids=lambda formula: formula.expression)


def values_of(formula, n):
    """Random numbers for its symbols, t a whole one: [{symbol: number}]."""
    rng = np.random.default_rng(7)
    rows = [{symbol: rng.uniform(0.05, 0.95) for symbol in formula.symbols} for _ in range(n)]
    return [{s: int(rng.integers(1, 9)) if s == "t" else v for s, v in row.items()} for row in rows]


@pytest.mark.parametrize("expression", WRITTEN)
def test_how_a_formula_is_written(expression):
    formula = Formula(expression)
    assert (formula.text(), formula.latex()) == WRITTEN[expression]


def test_numbers_in_place_of_symbols():
    formula = Formula("m / (1 - beta_1**t)")
    assert formula.text({"m": "(−3)", "beta_1": "0.9", "t": "12"}) == "(−3) / (1 − 0.9¹²)"
    assert formula.latex({"m": "7", "beta_1": "0.9", "t": "12"}) == r"\frac{7}{1 - 0.9^{12}}"
    assert Formula("exp(-z)").text({"z": "0.5"}) == "exp(−0.5)"


def test_only_what_can_be_written_is_a_formula():
    for expression in ("a if b else c", "0 < z < 1", "a[0]", "'text'", "a % b"):
        with pytest.raises(ValueError, match=re.escape(f"cannot hold {expression!r}")):
            Formula(expression).text()


# What `formulas` reads: no functions but a few, and no powers but whole numbers and t.
READABLE = [
    formula
    for formula in EVERY
    if not re.search(r"where|max|min|abs|exp|sign|erf|sin|cos|\*\*[^2t]", formula.expression)
]


@pytest.mark.parametrize("formula", READABLE, ids=lambda formula: formula.expression)
def test_text_and_latex_mean_what_numpy_works_out(formula):
    for values in values_of(formula, 5):
        expected = pytest.approx(float(formula.evaluate(values)), rel=1e-5)
        spelled = {Formula(symbol).text(): value for symbol, value in values.items()}
        assert formulas.evaluate(formula.text(), spelled) == expected
        spelled = {Formula(symbol).latex(): value for symbol, value in values.items()}
        assert formulas.evaluate_latex(formula.latex(), spelled) == expected


def worked_out_by_node(script):
    """What a script prints, as JSON."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    done = subprocess.run([node, "-"], input=script, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


PAGE = resources.files("backprop.explain.forms") / "page"
ELEMENTS = """
class Element {
  constructor(localName) { this.localName = localName; this.nodes = []; }
  append(...nodes) { this.nodes.push(...nodes); }
  setAttribute() {}
  get children() { return this.nodes.filter((node) => node instanceof Element); }
  get textContent() { return this.nodes.map((node) => node.textContent ?? node).join(""); }
}
const document = { createElementNS: (_, name) => new Element(name) };
"""


def on_the_page(expression):
    """What an expression of the page's script is, where elements are no more than their text."""
    names = ("10_data.js", "20_dom.js", "21_mathml.js", "22_formula.js")
    files = [(PAGE / name).read_text("utf-8") for name in names]
    script = "\n".join([ELEMENTS, LINEAR, *files])
    return worked_out_by_node(f"{script}\nconsole.log(JSON.stringify({expression}))")


def cases_of_numbers():
    found = [(formula, row) for formula in EVERY for row in values_of(formula, 5)]
    return found + [(Formula("erf(z)"), {"z": z}) for z in (-7.0, -2.5, 0.0, 1e-9, 4.0, 5.9)]


def test_the_page_agrees_with_numpy():
    cases = cases_of_numbers()
    given = json.dumps([(formula.tree(), row) for formula, row in cases])
    expected = [float(formula.evaluate(row)) for formula, row in cases]
    found = on_the_page(f"{given}.map(([tree, values]) => evaluated(tree, values))")
    np.testing.assert_allclose(found, expected, rtol=1e-12)


ON_THE_PAGE = {
    "w - lr * m_hat / (sqrt(v_hat) + epsilon)": "w−lr·(m^)/(√(v^)+ε)",
    "lr * sqrt(1 - b**t) / (1 - beta_2**t) * m": "lr·(√(1−b^t))/(1−β_2^t)·m",
    "1 / (1 + exp(-z))": "(1)/(1+e^−z)",
    "(-z)**2": "(−z)^2",
    "a - (b - c)": "a−(b−c)",
    "a - -b": "a−(−b)",
    "a * (b + c)": "a·(b+c)",
    "tanh(z)": "tanhz",
    "tanh(z) * z": "tanh(z)·z",
    "log1p(exp(z))": "log(1+e^z)",
    "alpha * expm1(z)": "α·(e^z−1)",
    "abs(a - y)": "|a−y|",
    "max(0, min(z, 6))": "max(0,min(z,6))",
    "where(z <= 0, 1, 0)": "1wherez≤0,else0",
    "v_top": "v_top",
}


def test_formulas_on_the_page():
    trees = json.dumps([Formula(expression).tree() for expression in ON_THE_PAGE])
    assert on_the_page(f"{trees}.map((tree) => linear(formulaElement(tree)))") == [
        *ON_THE_PAGE.values()
    ]


def test_numbers_on_the_page():
    """In brackets below 0, and as a factor with a power of ten."""
    shown = {
        "w - lr * g": "(−2)−(3×10^−5)·(−4)",
        "w + lr": "(−2)+3×10^−5",
        "g**2 / w": "((−4)^2)/(−2)",
        "sqrt(lr)": "√(3×10^−5)",
        "tanh(w)": "tanh(−2)",
    }
    trees = json.dumps([Formula(expression).tree() for expression in shown])
    values = json.dumps({"w": -2, "lr": 3e-5, "g": -4})
    found = on_the_page(f"{trees}.map((tree) => linear(formulaInNumbers(tree, {values})))")
    assert found == [*shown.values()]


@each
def test_a_tree_is_json(formula):
    tree = formula.tree()
    assert json.loads(json.dumps(tree)) == tree


def test_a_tree():
    m_hat = {"symbol": "m_hat", "letter": "m", "index": "", "hat": True}
    beta = {"symbol": "beta_1", "letter": "β", "index": "1", "hat": False}
    assert Formula("sqrt(m_hat) - beta_1 / 2").tree() == ["-", ["sqrt", m_hat], ["/", beta, 2]]
