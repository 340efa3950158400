"""Every loss of the catalogue in `explain`: as text, LaTeX, a dict and a page, and its trials."""

import json
import re
import shutil
import subprocess

import networks
import numpy as np
import pytest
from formulas import latex_number, number_of

import backprop as bp
from backprop.catalogue.losses import LOSSES
from backprop.catalogue.targets import COUNTS, POSITIVE

VARIANTS = [
    *networks.OF_FOUR.values(),
    *(e(label_smoothing=0.3) for e in LOSSES.values() if "label_smoothing" in e.settings),
    LOSSES["huber"](delta=0.25),
    LOSSES["focal"](gamma=0.5),
    LOSSES["quantile"](levels=(0.2, 0.3, 0.7, 0.8), noncrossing=True),
]
each_loss = pytest.mark.parametrize("entry", VARIANTS, ids=repr)


def made(entry, n=3):
    """A network of four outputs, X, y as people give it, and weights of the samples."""
    net = bp.Network(3, [bp.Dense(4, "tanh"), bp.Dense(4)], loss=entry, dtype="float64", seed=4)
    rng = np.random.default_rng(7)
    for layer in net.layers:
        layer.bias = rng.normal(size=layer.bias.shape) * 0.3
    X, z = rng.normal(size=(n, 3)), rng.normal(size=(n, 4))
    return net, X, networks.targets(entry.name, z), np.arange(1.0, n + 1)


@pytest.fixture
def traced(entry):
    net, X, y, weight = made(entry)
    return net.explain(X, y, sample_weight=weight)


@each_loss
def test_the_formulas_give_the_losses_and_slopes_of_the_trace(traced, entry):
    """With y as the trace has it: whatever it shows can be worked out by its reader."""
    plain = entry(label_smoothing=0) if entry.smoothing else entry
    losses, slopes = networks.written_out(plain, traced.layers[-1].a, traced.y)
    np.testing.assert_allclose(traced.losses, losses, rtol=1e-12)
    np.testing.assert_allclose(traced.layers[-1].da, slopes, rtol=1e-10, atol=1e-14)
    assert traced.cost == pytest.approx(traced.shares @ losses, rel=1e-12)
    assert traced.label_smoothing == pytest.approx(entry.smoothing)


@each_loss
def test_trials_agree(traced):
    for layer, tried in zip(traced.layers, traced.differences, strict=True):
        for gradient, difference in zip(layer.gradient, tried, strict=True):
            np.testing.assert_allclose(gradient, difference, rtol=1e-6, atol=1e-9)
        assert layer.gradient.weights.any()


@each_loss
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_y_and_the_slopes_are_those_of_the_reference(entry, dtype):
    from backprop import reference

    net, X, y, weight = made(entry)
    trace = net.copy(dtype=dtype).explain(X, y, sample_weight=weight)
    exact = reference.Network(3, [bp.Dense(4, "tanh"), bp.Dense(4)], loss=entry, dtype="float64")
    for own, its in zip(exact.layers, net.layers, strict=True):
        own.weights[...], own.bias[...] = its.weights, its.bias
    cost, gradients = exact.loss_and_gradients(X, y, weight)
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-10}
    assert trace.cost == pytest.approx(cost, rel=tolerance["rtol"])
    for layer, gradient in zip(trace.layers, gradients, strict=True):
        np.testing.assert_allclose(layer.gradient.weights, gradient.weights, **tolerance)
    rows = reference.targets(y, entry, 4, "float64")
    share, k = entry.smoothing, entry.n_answers(4)
    np.testing.assert_allclose(trace.y, (1 - share) * rows + share / k, rtol=1e-6)


@each_loss
def test_the_text(traced, entry):
    body = traced.to_text(sample=1)
    headline = f"The derivative of the loss, sample 1: {entry!r}"
    assert headline in body
    assert number_of(re.search(r"^ℓ = .* = (\S+)$", body, re.MULTILINE)[1]) == pytest.approx(
        traced.losses[1], rel=1e-5
    )
    lines = body[body.index(headline) :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  output"))
    headings = re.split(r"\s{2,}", lines[start].strip())[1:]
    rows = [line[-14 * len(headings) :].split() for line in lines[start + 1 : start + 5]]
    table = dict(zip(headings, np.array([[number_of(c) for c in r] for r in rows]).T, strict=True))
    expected = {"a": traced.layers[-1].a[1], "y": traced.y[1], "∂ℓ/∂a": traced.layers[-1].da[1]}
    expected |= entry.of_each
    for name, numbers in expected.items():
        np.testing.assert_allclose(table[name], numbers, rtol=1e-5, atol=1e-12)
    assert [line.split("  ")[1].strip() for line in lines[start + 1 : start + 5]] == (
        traced.output_names
    )
    for symbol, _ in entry.wherein:
        assert f"  with {symbol} = " in body


@each_loss
def test_the_dict(traced, entry):
    data = json.loads(json.dumps(traced.to_dict()))
    own = data["loss_entry"]
    assert (own["term"] is None) == (own["long_way"] == "matrix")
    assert len(own["slopes"]) == (len(own["members"]) if own["term"] else 0)
    assert {s: tuple(numbers) for s, numbers in own["of_each"].items()} == entry.of_each
    assert data["outputs"]["label_smoothing"] == pytest.approx(entry.smoothing)
    np.testing.assert_array_equal([sample["y"] for sample in data["samples"]], traced.y)


@each_loss
def test_the_latex_holds_the_numbers(traced, entry):
    body = traced.to_latex(sample=2)
    start = body.index(r"\begin{array}")
    rows = body[start : body.index(r"\end{array}", start)].split("\n")[1:-1]
    rows = [[latex_number(cell) for cell in row.rstrip("\\ ").split(" & ")] for row in rows[1:]]
    table = np.array(rows).T
    np.testing.assert_allclose(table[1], traced.layers[-1].a[2], rtol=1e-5)
    np.testing.assert_allclose(table[2], traced.y[2], rtol=1e-5)
    np.testing.assert_allclose(table[-1], traced.layers[-1].da[2], rtol=1e-5, atol=1e-12)
    assert ("The targets are smoothed by $0.3$." in body) == (entry.smoothing > 0)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_the_latex_compiles(tmp_path):
    bodies = []
    for entry in VARIANTS:
        net, X, y, weight = made(entry)
        bodies.append(net.explain(X, y, sample_weight=weight).to_latex())
    start = r"\documentclass{article}\usepackage{amsmath}\begin{document}"
    (tmp_path / "d.tex").write_text("\n".join([start, *bodies, r"\end{document}"]), "utf-8")
    run = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "d.tex"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout.decode("latin-1")[-2000:]


@each_loss
def test_the_page(open_page, entry):
    net, X, y, weight = made(entry)
    trace = net.explain(X, y, sample_weight=weight)
    trace.__dict__["differences"] = None  # so that the page works them out
    page = open_page(trace, weight=(0, 2, 1), sample=1)
    alone = net.explain(X[1:2], y[1:2]).gradient(0, 2, 1)
    whole = trace.gradient(0, 2, 1)
    assert abs(whole.gradient) > 1e-6
    assert page.value("#difference") == pytest.approx(whole.finite_difference, rel=1e-6)
    assert page.value("#sample-difference") == pytest.approx(alone.finite_difference, rel=1e-6)
    assert page.value("#relative-error") < 1e-6
    assert not page.all("#no-trial")
    page.open_tab("loss")
    for j in range(4):
        found = page.values(f"#panel .table:last-of-type tbody tr:nth-child({j + 1})")
        assert found[-1] == trace.layers[-1].da[1, j]
        if entry.long_way is None:
            own = [numbers[j] for numbers in entry.of_each.values()]
            assert found[:-1] == [trace.layers[-1].a[1, j], trace.y[1, j], *own]
    text = page.text()
    assert ("The targets are smoothed by 0.3." in text) == (entry.smoothing > 0)
    assert "undefined" not in text
    assert "NaN" not in text
    formulas = page.formulas("#panel > .formula")
    assert len(formulas) >= 1 + len(entry.members) + len(entry.wherein)


CORNERS = [
    (LOSSES["quantile"](levels=(0.2, 0.3, 0.7, 0.8)), 0.5, 0.5),
    (LOSSES["hinge"], 1.0, 1.0),
    (LOSSES["hinge"], -1.0, 0.0),
]


@pytest.mark.parametrize(("entry", "at", "y"), CORNERS, ids=repr)
def test_a_corner_of_the_loss_is_a_reason(open_page, entry, at, y):
    """The trial is the mean of the slopes on both sides, whichever of them training takes."""
    net = bp.Network(2, [bp.Dense(4)], loss=entry, dtype="float64", seed=1)
    net.layers[0].bias = np.full(4, at)
    X, y = np.array([[0.0, 0.0], [0.5, -1.0]]), np.full((2, 4), y)
    trace = net.explain(X, y)
    bias, weight = trace.gradient(0, "bias", 1), trace.gradient(0, 0, 1)
    assert bias.relative_error > 0.1
    assert bias.kink
    assert "an output on a corner of the loss" in str(bias)
    assert not weight.kink
    assert weight.relative_error < 1e-6
    page = open_page(trace, weight=(0, "bias", 1), sample=0)
    assert page.value("#sample-error") > 0.1
    assert page.all('#panel .trial-note[data-reason="kink"]')
    page.find('#sample option[value="1"]').click()
    assert page.value("#sample-error") < 1e-6


@each_loss
def test_what_is_declared_of_corners(entry):
    """The slope jumps nowhere but where the corner's formula changes its sign."""
    y, at = np.array([[0.0, 1.0, 0.0, 1.0]]), np.linspace(-2, 2, 81).round(9)[:, None]
    if entry.target in (COUNTS, POSITIVE):
        y = y + 0.5
    a = np.broadcast_to(at, (81, 4))
    below, above = (entry.derivative(a + h, y, *entry.settings.values()) for h in (-1e-9, 1e-9))
    jumps = np.abs(above - below) > 1e-3
    if entry.corner is None:
        assert not jumps.any()
        return
    sides = [entry.corner.evaluate({"a": a + h, "y": y}) > 0 for h in (-1e-9, 1e-9)]
    assert jumps.any(axis=0).all()
    assert not (jumps & (sides[0] == sides[1])).any()
    assert jumps.sum() >= (sides[0] != sides[1]).sum() / 2  # of hinge's two, one


@pytest.mark.parametrize(("units", "high", "low"), [(1, 0.85, 0.15), (3, 0.85, 0.15)])
def test_yes_or_no_is_smoothed_towards_a_half(units, high, low):
    loss = LOSSES["sigmoid_cross_entropy"](label_smoothing=0.3)
    net = bp.Network(2, [bp.Dense(units)], loss=loss, seed=1, dtype="float64")
    trace = net.explain(np.ones((2, 2)), np.array([[0.0] * units, [1.0] * units]))
    np.testing.assert_allclose(trace.y, [[low] * units, [high] * units])
    assert "targets smoothed by 0.3: y is 0.85 where the label is 1 and 0.15 elsewhere" in str(
        trace
    )


@pytest.mark.parametrize("shape", ["one sample", "a batch", "as rows"])
def test_targets_with_fewer_columns_than_outputs(shape):
    """A number that several outputs are compared with stands in the trace for each of them."""
    for name, given, rows in [
        ("quantile", [0.5], [[0.5] * 4]),
        ("gaussian_nll", [[0.5, -1.0]], [[0.5, -1.0, 0.5, -1.0]]),
    ]:
        net, X, _, _ = made(networks.OF_FOUR[name], 1)
        given = np.array(rows if shape == "as rows" else given)
        trace = net.explain(X[0], given[0]) if shape == "one sample" else net.explain(X, given)
        np.testing.assert_array_equal(trace.y, rows)
        names = [f"q{i}" for i in range(4)]
        assert net.explain(X, given, output_names=names).output_names == names


def test_outputs_are_named_after_what_they_are():
    names = {entry.name: made(entry)[0] for entry in networks.OF_FOUR.values()}
    X = made(networks.OF_FOUR["quantile"])[1]
    assert names["quantile"].explain(X, X[:, 0]).output_names == [
        *("quantile 0.1", "quantile 0.4", "quantile 0.6", "quantile 0.9"),
    ]
    assert names["gaussian_nll"].explain(X, X[:, :2]).output_names == [
        *("mean of y1", "mean of y2", "variance of y1", "variance of y2"),
    ]
    assert names["huber"].explain(X, X @ np.ones((3, 4))).output_names == ["y1", "y2", "y3", "y4"]
