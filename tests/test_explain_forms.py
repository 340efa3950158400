"""The text and the LaTeX of a trace: every formula in them is worked out.

It has to give the number that stands beside it, and that has to be the trace's, or the reference's.
"""

import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from formulas import (
    OPTIMIZERS,
    close,
    evaluate,
    evaluate_latex,
    explained,
    latex_number,
    number_of,
    trained,
)

import backprop as bp
from backprop import reference
from backprop.catalogue.activations import ACTIVATIONS
from backprop.explain.forms import latex, text

LOSSES = ("squared_error", "sigmoid_cross_entropy", "softmax_cross_entropy")


def test_the_formulas_can_be_worked_out():
    values = {"a": 2.0, "y": 5.0, "m̂": 3.0, "m": 7.0, "t": 3}
    assert evaluate("½ Σ (a − y)²", values) == 4.5
    assert evaluate("a (1 − a) + √m̂ / (m − 0.5ᵗ)", values) == -2 + 3**0.5 / 6.875
    assert evaluate("−Σ y log a", values) == -5 * np.log(2)
    assert (
        evaluate_latex(r"\tfrac12 \frac{\sqrt{a}}{1 - 2 \cdot 10^{-1}}", values) == 0.625 * 2**0.5
    )


# ---- the loss ----------------------------------------------------------------------------------


def table_of(lines):
    """{heading: numbers} of the table over the outputs."""
    start = next(i for i, line in enumerate(lines) if line.startswith("  output"))
    headings = lines[start].split()[1:]
    rows = []
    for line in lines[start + 1 :]:
        cells = line.split()
        if len(cells) != len(headings) + 1:
            break
        rows.append([number_of(cell) for cell in cells[1:]])
    return dict(zip(headings, np.array(rows).T, strict=True))


def by_hand(trace, sample):
    """a, y, p, ℓ, ∂ℓ/∂a of one sample from the reference."""
    a, y = trace.layers[-1].a[sample : sample + 1], trace.y[sample : sample + 1]
    loss, slope = reference.cost_and_derivative(trace.loss_function, a, y, np.ones(1))
    p = {
        "squared_error": a,
        "sigmoid_cross_entropy": 1 / (1 + np.exp(-a)),
        "softmax_cross_entropy": np.exp(a) / np.exp(a).sum(),
    }[trace.loss]
    return {"a": a[0], "y": y[0], "p": p[0], "ℓ": loss, "∂ℓ/∂a": slope[0]}


def formula_of(name, body):
    return re.search(rf"{re.escape(name)} = ([^,\n]*(?:\([^)]*\)[^,\n]*)?)", body)[1]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("sample", [0, 4])
def test_text_of_the_loss(loss, sample):
    trace = explained(loss=loss)
    body = trace.to_text(sample=sample)
    own = by_hand(trace, sample)
    shown = re.search(r"^ℓ = (.*?)(?:, p = .*)? = (\S+)$", body, re.MULTILINE)
    close(number_of(shown[2]), own["ℓ"])
    close(evaluate(shown[1], own), own["ℓ"])
    table = table_of(body.splitlines())
    for name in ("a", "y", "∂ℓ/∂a", *(["p"] if loss != "squared_error" else [])):
        close(table[name], own[name])
    p, y = own["p"], own["y"]
    if loss == "squared_error":
        close(evaluate(formula_of("∂ℓ/∂a", body), own), own["∂ℓ/∂a"])
        assert "−(y − a) = a − y" in body
    elif loss == "sigmoid_cross_entropy":
        by_p, by_a = (p - y) / (p * (1 - p)), p * (1 - p)
        for name, expected in {"∂ℓ/∂p": by_p, "∂p/∂a": by_a, "∂ℓ/∂a": own["∂ℓ/∂a"]}.items():
            close(table[name], expected)
            close(evaluate(formula_of(name, body), own), expected)
        close(table["product"], own["∂ℓ/∂a"])
    else:
        close(table["∂ℓ/∂p"], -y / p)
        close(evaluate(formula_of("where ∂ℓ/∂p", body), own), -y / p)
        close(table["sum"], own["∂ℓ/∂a"])
        close(evaluate(formula_of("training takes: ∂ℓ/∂a", body), own), own["∂ℓ/∂a"])
        for k in range(3):
            row = re.search(rf"∂p{'₁₂₃'[k]}/∂a +(.*)", body)[1].split()
            close([number_of(cell) for cell in row], p[k] * (np.eye(3)[k] - p))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("sample", [0, 4])
def test_latex_of_the_loss(loss, sample):
    trace = explained(loss=loss)
    body = trace.to_latex(sample=sample)
    own = by_hand(trace, sample)
    values = {f"{name}_j": own[name] for name in ("a", "y", "p")}
    shown = re.search(r"^\\ell &= (.*?)(?:,\\quad p_j = .*)? \\\\\n &= (\S+)", body, re.MULTILINE)
    close(latex_number(shown[2]), own["ℓ"])
    close(evaluate_latex(shown[1], values), own["ℓ"])
    rows = re.search(r"\\begin\{array\}\{r+\}\n(.*?)\n\\end", body, re.DOTALL)[1].split(" \\\\\n")
    table = np.array([[latex_number(cell) for cell in row.split(" & ")] for row in rows[1:]]).T
    names = ["a", "y", *(["p"] if loss != "squared_error" else []), "∂ℓ/∂a"]
    close(table, [np.arange(1, 4), *(own[name] for name in names)])
    start = body.index(r"\frac{\partial \ell}{\partial a_j} &=")
    sides = body[start : body.index(r"\end{align*}", start)].split("&=")[1:]
    sides = [side for part in sides for side in part.replace("\\\\", "").split(" = ")]
    sides = [side.split(r"\quad\text")[0].strip() for side in sides]
    k = {"y_k": own["y"][:, None], "p_k": own["p"][:, None], r"\delta_{kj}": np.eye(3)}
    by_formula = [side for side in sides if "partial" not in side]
    assert len(by_formula) == 2
    for side in by_formula:
        if side.startswith(r"p_j \sum_k y_k"):
            assert side == r"p_j \sum_k y_k - y_j"
            close(own["p"] * own["y"].sum() - own["y"], own["∂ℓ/∂a"])
        else:
            close(evaluate_latex(side, {**values, **k}), own["∂ℓ/∂a"])


# ---- the layers --------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", ["identity", "sigmoid", "tanh", "relu"])
def test_formulas_of_the_activations(hidden):
    trace = explained(hidden=hidden)
    layer, body, tex = trace.layers[0], trace.to_text(sample=1), trace.to_latex(sample=1)
    z, a, slope = layer.z[1], layer.a[1], layer.derivative[1]
    value = ACTIVATIONS[hidden].value(z)
    first = f"a = {ACTIVATIONS[hidden].formula.text()}"
    last = f"f′(z) = {ACTIVATIONS[hidden].slope.text()}"
    assert f"layer 1, {hidden}: {first}" in body
    assert f"layer 1, {hidden}: {last}" in body
    expected = {
        "identity": ("a = z", "f′(z) = 1"),
        "sigmoid": ("a = 1 / (1 + e⁻ᶻ)", "f′(z) = a · (1 − a)"),
        "tanh": ("a = tanh z", "f′(z) = 1 − a²"),
        "relu": ("a = max(0, z)", "f′(z) = 1 where z > 0, else 0"),
    }
    assert (first, last) == expected[hidden]
    close(a, value)
    ones = {"z": z, "a": a, "e": np.e}
    tex_ones = {"z^{(1)}_j": z, "a^{(1)}_j": a, "e": np.e}
    if hidden != "relu":
        close(evaluate(last.removeprefix("f′(z) = "), ones) * np.ones(4), slope)
        shown = re.search(r"^a\^\{\(1\)\}_j &= (.*?) \\\\$", tex, re.MULTILINE)[1]
        close(evaluate_latex(shown, tex_ones), value)
        shown = re.search(r"^f'\(z\^\{\(1\)\}_j\) &= (.*?) \\\\$", tex, re.MULTILINE)[1]
        close(evaluate_latex(shown, tex_ones) * np.ones(4), slope)
    else:
        assert r"a^{(1)}_j &= \max(0, z^{(1)}_j) \\" in tex
        cases = r"\begin{cases} 1 & z^{(1)}_j > 0 \\ 0 & \text{otherwise} \end{cases}"
        assert rf"f'(z^{{(1)}}_j) &= {cases} \\" in tex


def test_vectors_of_every_layer():
    trace = explained(sizes=(3, 4, 5, 3))
    body, tex = trace.to_text(sample=2), trace.to_latex(sample=2)
    forward, backward = body.split("Backward, ")
    for i, layer in enumerate(trace.layers):
        above = rf"^{{({i + 1})}}"
        ahead = forward.split(f"layer {i + 1}, ")[1].splitlines()
        back = backward.split(f"\nlayer {i + 1}, ")[1].splitlines()
        found = {"z": ahead[1], "a": ahead[2], "∂ℓ/∂a": back[1], "f′(z)": back[2], "∂ℓ/∂z": back[3]}
        lefts = {
            "z": f"z{above}",
            "a": f"a{above}",
            "f′(z)": f"f'(z{above})",
            "∂ℓ/∂a": rf"\frac{{\partial \ell}}{{\partial a{above}}}",
            "∂ℓ/∂z": rf"\odot f'(z{above}) \\" + "\n",
        }
        arrays = {
            "z": layer.z,
            "a": layer.a,
            "f′(z)": layer.derivative,
            "∂ℓ/∂a": layer.da,
            "∂ℓ/∂z": layer.dz,
        }
        for name, values in arrays.items():
            label, *cells = found[name].split("   ∂ℓ")[0].split("   the loss")[0].split()
            assert label == name
            close([number_of(cell) for cell in cells], values[2])
            start = tex.index(lefts[name] + " &= (") + len(lefts[name] + " &= (")
            shown = re.split(r"\)(?: \\\\)?\n", tex[start:])[0]
            cells = re.sub(r"&\\quad|\\\\\n", "", shown).split(r",\; ")
            close([latex_number(cell.strip()) for cell in cells if cell.strip()], values[2])


# ---- one weight --------------------------------------------------------------------------------

NETS = [((3, 4, 3), "one layer above"), ((3, 4, 3, 2), "every path"), ((3, 5, 4, 3), "grouped")]


def values_by_symbol(trace, sample, in_latex):
    """{symbol: number} of all that can be a factor, as the arrays have it."""
    symbol = latex.symbol if in_latex else text.symbol
    found = {symbol("x", -1, (i,)): value for i, value in enumerate(trace.x[sample])}
    for i, layer in enumerate(trace.layers):
        for quantity in ("a", "da", "dz", "derivative"):
            for unit, value in enumerate(getattr(layer, quantity)[sample]):
                found[symbol(quantity, i, (unit,))] = value
        for place in np.ndindex(layer.weights.shape):
            found[symbol("weight", i, place)] = layer.weights[place]
    return found


def weights_of(trace):
    for i, layer in enumerate(trace.layers):
        for source in [*range(layer.n_in), "bias"]:
            yield i, source, layer.n_out - 1


@pytest.mark.parametrize(("sizes", "what"), NETS, ids=[what for _, what in NETS])
def test_text_of_a_weight(sizes, what):
    trace = explained(sizes=sizes)
    values = values_by_symbol(trace, 3, False)
    for place in weights_of(trace):
        weight = trace.gradient(*place, sample=3)
        body = str(weight)
        products = re.findall(r"^  (∂ℓ.*)\n    = (.*) = (\S+)$", body, re.MULTILINE)
        assert len(products) == len(weight.paths)
        for symbols, numbers, product in products:
            close(evaluate(symbols, values), number_of(product))
            close(evaluate(numbers, {}), number_of(product))
        shown = [number_of(product) for _, _, product in products]
        own = trace.layers[place[0]].dz[3, place[2]] * weight.inputs[3]
        close(sum(shown), own)
        if len(shown) > 1:
            close(number_of(re.search(r"^  sum (\S+)", body, re.MULTILINE)[1]), own)
        assert_batch(weight, body)


def assert_batch(weight, body):
    """The samples' shares add up to the gradient, beside which the central difference stands."""
    shares, total = re.search(r"of the samples: (.*); sum (\S+)$", body, re.MULTILINE).groups()
    close([number_of(share) for share in shares.split()], weight.per_sample)
    close(number_of(total), weight.gradient)
    close(number_of(re.search(r"= (\S+) in training", body)[1]), weight.gradient)
    tried, error = re.search(r"difference (\S+) \(relative error (\S+)\)", body).groups()
    close(number_of(tried), weight.finite_difference)
    assert number_of(error) == pytest.approx(weight.relative_error, rel=0.5)


@pytest.mark.parametrize(("sizes", "what"), NETS, ids=[what for _, what in NETS])
def test_latex_of_a_weight(sizes, what):
    trace = explained(sizes=sizes)
    values = values_by_symbol(trace, 3, True)
    for place in weights_of(trace):
        weight = trace.gradient(*place, sample=3)
        body = re.sub(r" \\\\\n &\\quad", " ", trace.to_latex(place, sample=3))
        one = r"(?:P_\{\d+\}|\\frac\{\\partial \\ell\}\{\\partial [wb]\S+\}) &= (.*) \\\\\n"
        products = re.findall(one + r" &= (.*) \\\\\n &= (.*) \\\\$", body, re.MULTILINE)
        assert len(products) == len(weight.paths)
        for symbols, numbers, product in products:
            close(evaluate_latex(symbols, values), latex_number(product))
            close(evaluate_latex(numbers, {}), latex_number(product))
        if len(products) > 1:
            shown = re.search(r"&= \\sum_i P_i = (.*) \\\\$", body, re.MULTILINE)[1]
            close(latex_number(shown), sum(latex_number(product) for *_, product in products))
        shown = re.search(r"\\ell_s.*\\\\\n &= (.*) \\\\\n &= (.*) \\\\\n &\\approx (\S+) .*", body)
        close(evaluate_latex(shown[1], {}), weight.gradient)
        close(latex_number(shown[2]), weight.gradient)
        close(latex_number(shown[3]), weight.finite_difference)


# ---- the whole ---------------------------------------------------------------------------------


def test_the_table_of_the_weights_has_their_relative_errors():
    trace = explained()
    rows = re.findall(r"^  ([wb]⁽\S+)((?: +\S+){4})$", trace.to_text(), re.MULTILINE)
    assert len(rows) == 4 * 4 + 5 * 3
    found = {symbol: [number_of(cell) for cell in cells.split()] for symbol, cells in rows}
    for i, layer in enumerate(trace.layers):
        for place in np.ndindex(layer.weights.shape):
            weight = trace.gradient(i, *place)
            *numbers, error = found[weight.symbol]
            close(numbers, [weight.value, weight.gradient, weight.finite_difference])
            assert error == pytest.approx(weight.relative_error, rel=0.5)
            assert 0 < error < 1e-6


def test_an_output_table_always_has_the_label():
    net = bp.Network(2, [bp.Dense(40)], loss="softmax_cross_entropy", dtype="float64", seed=0)
    names = [f"class {i}".replace(" ", "-") for i in range(40)]
    trace = net.explain([[0.5, -1.0]], [33], output_names=names)
    table = table_of(trace.to_text().splitlines())
    assert len(table["y"]) == 13
    assert table["y"][-1] == 1
    assert "class-33 " in trace.to_text()
    assert "% Output 34 is class-33." in trace.to_latex()
    assert "\n34 & " in trace.to_latex()


def test_ten_outputs_are_not_cut():
    net = bp.Network(2, [bp.Dense(10)], loss="softmax_cross_entropy", dtype="float64", seed=0)
    trace = net.explain([[0.5, -1.0]], [9], output_names=list("0123456789"))
    assert "… (10)" not in trace.to_text()
    assert r"\dots" not in trace.to_latex()
    assert len(table_of(trace.to_text().splitlines())["y"]) == 10


def test_names_keep_to_their_line():
    net, X, y, _ = trained()
    names = ["one\ntwo", "tab\tbed", "\x1b[31mred"]
    trace = net.explain(100 * X, y, input_names=names, output_names=names)
    for form in (trace.to_text(), trace.to_latex(), trace.to_latex((0, 0, 0)), str(trace)):
        assert "\ntwo" not in form
        assert "\x1b" not in form
    assert r"(one\ntwo)" in str(trace.gradient(0, 0, 0))


def test_inputs_stand_beside_their_names():
    net = bp.Network(14, [bp.Dense(2, "tanh"), bp.Dense(1)], dtype="float64", seed=0)
    names = ["a long name", "b\nc", *(f"column {i}" for i in range(12))]
    x = np.zeros(14)
    x[[1, 13]] = -2.5, 0.125

    def shown(x, **named):
        body = net.explain(x, [1.0], **named).to_text()
        return [line.split("  ") for line in body[body.index("a = f(z)") :].splitlines()[2:]]

    def rows(x):
        lines = shown(x, input_names=names)
        return [[part.strip() for part in line if part.strip()] for line in lines]

    assert rows(x)[:3] == [
        ["x₂", "b\\nc", "−2.5"],
        ["x₁₄", "column 11", "0.125"],
        ["… (12 others are 0)"],
    ]
    many = rows(np.arange(14) - 1.0)
    listed = [0, *range(3, 14)]
    assert [row[1] for row in many[:12]] == [text.one_line(names[i]) for i in listed]
    assert many[12] == ["… (2 smaller ones are not listed)"]
    assert rows(np.zeros(14))[0] == ["… (14 others are 0)"]
    assert shown(x)[0][1] == "x"


@pytest.mark.parametrize("form", ["to_text", "to_latex"])
def test_no_zero_has_a_sign(form):
    """−0 is what a silent relu makes of a negative derivative."""
    net = bp.Network(1, [bp.Dense(1, "relu"), bp.Dense(1)], dtype="float64", seed=0)
    net.layers[0].weights[...], net.layers[1].weights[...] = 1.0, -1.0
    trace = net.explain([[-1.0], [2.0], [-3.0]], [[-1.0], [1.0], [-2.0]])
    assert any(np.signbit(own) and own == 0 for own in trace.gradient(0, 0, 0).per_sample)
    for shown in (getattr(trace, form)((0, 0, 0), 2), getattr(trace, form)()):
        assert not re.search(r"[-−]0(?![\d.])", shown)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_and_fits_the_page(tmp_path):
    """Of an ordinary article, with numbers of many characters, many paths, outputs and samples."""
    bodies = []
    for loss in LOSSES:
        for optimizer in (OPTIMIZERS[3], *OPTIMIZERS[-2:]):
            net, X, y, weight = trained(loss, optimizer, (3, 14, 13, 14, 20), n=20)
            trace = net.explain(1e-3 * X, y, sample_weight=weight, input_names=["a\nb", "_", "%"])
            bodies += [
                trace.to_latex(sample=19),
                trace.to_latex((0, 0, 0)),
                trace.to_latex((2, "bias", 3)),
            ]
    net = bp.Network(2, [bp.Dense(2, "relu"), bp.Dense(1)], dtype="float64", seed=0)
    at_kink = net.explain([[0.0, 0.0]], [1.0]).to_latex((0, "bias", 0))
    assert r"\intertext" in at_kink
    bodies.append(at_kink)
    start = r"\documentclass{article}\usepackage{amsmath}\begin{document}"
    (tmp_path / "d.tex").write_text("\n".join([start, *bodies, r"\end{document}"]), "utf-8")
    run = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "d.tex"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    log = done.stdout.decode("latin-1")
    assert done.returncode == 0, log[-2000:]
    assert "Overfull" not in log


def test_a_loss_that_is_no_sum_of_a_formula_is_shown_by_its_words():
    """Of a record without a term: as one would be whose outputs depend on each other."""
    trace = explained(loss="squared_error")
    words = {"term": None, "slopes": (), "text": "", "latex": "", "latex_derivative": ()}
    trace = replace(trace, loss_function=replace(trace.loss_function, **words))
    assert "ℓ = ½ Σ (a - y)² = " in trace.to_text()
    assert r"\ell &= \text{½ Σ (a - y)²}" in trace.to_latex()
