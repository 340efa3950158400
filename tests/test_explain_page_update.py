"""The optimizer's step on the page of `explain`, read in a real browser."""

import re

import pytest
from explained import batch, network
from made_up import MadeUp, explained_with
from test_explain_page import linear, shown_value

import backprop as bp

OPTIMIZERS = {
    "sgd": (bp.SGD, {"learning_rate": 0.5}),
    "momentum": (bp.SGD, {"learning_rate": 0.5, "momentum": 0.9}),
    "nesterov": (bp.SGD, {"learning_rate": 0.5, "momentum": 0.9, "nesterov": True}),
    "adam": (bp.Adam, {"learning_rate": 0.01}),
    "adam hat": (bp.Adam, {"learning_rate": 0.01, "epsilon_hat": True, "epsilon": 1e-3}),
}
MOMENTS = {
    "m": "m←β_1·m+(1−β_1)·g",
    "v": "v←β_2·v+(1−β_2)·g^2",
}
FORMULAS = {
    "sgd": {"w": "w←w−lr·g"},
    "momentum": {"v": "v←μ·v−lr·g", "w": "w←w+v"},
    "nesterov": {"v": "v←μ·v−lr·g", "w": "w←w+μ·v−lr·g"},
    "adam": {
        **MOMENTS,
        "m_hat": "m^←(m)/(1−β_1^t)",
        "v_hat": "v^←(v)/(1−β_2^t)",
        "w": "w←w−lr·(m^)/(√(v^)+ε)",
    },
    "adam hat": {
        **MOMENTS,
        "w": "w←w−lr·(√(1−β_2^t))/(1−β_1^t)·(m)/(√(v)+ε)",
    },
}


def assigned(weight, kind, decay):
    """What each row has to show, written once more."""
    o, t, w = weight.trace.optimizer, weight.trace.steps + 1, weight.value
    g = weight.gradient + decay * w
    old = list(weight.moments.values())
    if kind == "sgd":
        return {"g": g, "w": w - o.learning_rate * g}
    if kind in ("momentum", "nesterov"):
        v = o.momentum * old[0] - o.learning_rate * g
        ahead = o.momentum * v - o.learning_rate * g
        return {"g": g, "v": v, "w": w + (ahead if kind == "nesterov" else v)}
    m = o.beta_1 * old[0] + (1 - o.beta_1) * g
    v = o.beta_2 * old[1] + (1 - o.beta_2) * g**2
    m_hat, v_hat = m / (1 - o.beta_1**t), v / (1 - o.beta_2**t)
    if kind == "adam":
        new = w - o.learning_rate * m_hat / (v_hat**0.5 + o.epsilon)
        return {"g": g, "m": m, "v": v, "m_hat": m_hat, "v_hat": v_hat, "w": new}
    rate = o.learning_rate * (1 - o.beta_2**t) ** 0.5 / (1 - o.beta_1**t)
    return {"g": g, "m": m, "v": v, "w": w - rate * m / (v**0.5 + o.epsilon)}


@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_row_of_the_update(open_page, kind, l2):
    make, settings = OPTIMIZERS[kind]
    net = network((2, 3, 1), optimizer=make(**settings, l2=l2))
    X, y = batch((2, 3, 1))
    net.fit(X, y, epochs=3)
    sample_weight = [1.0, 2.0, 0.5]
    trace = net.explain(X, y, sample_weight=sample_weight)
    page = open_page(trace)
    page.open_tab("update")
    for place in [(0, 1, 2), (1, "bias", 0)]:
        page.choose(*place)
        weight = trace.gradient(*place)
        is_bias = place[1] == "bias"
        expected = assigned(weight, kind, 0 if is_bias else l2 / sum(sample_weight))
        cost = f"(∂C)/(∂{linear(weight.symbol)})"
        decay = "+(λ)/(Σs)·w" if l2 and not is_bias else ""
        formulas = {"g": f"g←{cost}{decay}", **FORMULAS[kind]}
        assert [row.get_attribute("data-row") for row in page.all(".assignment")] == [*expected]
        for name, result in expected.items():
            row = f'.assignment[data-row="{name}"]'
            symbols, *numbers = page.formulas(row)
            formula = formulas[name]
            if is_bias and name == "w":
                formula = re.sub(r"\bw\b", "b", formula)
            assert symbols == formula
            assert page.value(row) == pytest.approx(result, rel=1e-12, abs=1e-15), name
            assert len(numbers) == (name != "g" or decay != "")
            for shown in numbers:
                assert shown_value(shown) == pytest.approx(result, rel=1e-4, abs=1e-7), name
        assert page.value("#old-value") == weight.value
        assert page.value("#step") == weight.step
        assert page.value("#new-value") == weight.value + weight.step
        assert page.value('[data-row="w"]') == pytest.approx(page.value("#new-value"), rel=1e-12)
    assert page.value("#cost-before") == trace.cost
    assert page.value("#cost-after") == trace.cost_after_step
    assert page.value("#cost-change") == trace.cost_after_step - trace.cost
    assert page.values(".facts") == [trace.cost, trace.cost_after_step]


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_an_optimizer_of_which_only_the_record_is_there(open_page, l2):
    """A number of its own, three moments, and w assigned twice."""
    trace = explained_with(MadeUp(l2=l2))
    page = open_page(trace)
    page.open_tab("update")
    assert page.find("#panel h2").text == f"The next step of {MadeUp.title}"
    for place in [(0, 1, 2), (1, "bias", 0)]:
        page.choose(*place)
        lines = trace.gradient(*place).update
        rows = page.all(".assignment")
        if lines[0].rule.symbol != "g":
            rows = rows[1:]
        for row, line in zip(rows, lines, strict=True):
            assert row.get_attribute("data-row") == line.rule.symbol
            assert line.rule.title in row.text
        found = page.values(".assignment .outcome")[-len(lines) :]
        assert found == pytest.approx([line.value for line in lines], rel=1e-12)
    row = '.assignment[data-row="v_top"]'
    assert page.formulas(row)[0] == "v_top←v_top+(v)/(t)"
    assert "how much is kept" in page.text()


def test_a_clipped_gradient(open_page):
    """The gradient and its first limit share a line."""
    net = network((2, 3, 1), optimizer=bp.SGD(0.1, clip_value=0.01, clip_norm=0.005, l2=0.3))
    trace = net.explain(*batch((2, 3, 1)))
    page = open_page(trace)
    page.open_tab("update")
    for place in [(0, 1, 2), (1, "bias", 0)]:
        page.choose(*place)
        lines = trace.gradient(*place).update
        assert page.values(".assignment .outcome") == pytest.approx(
            [line.value for line in lines], rel=1e-12
        )
        first, second, *_ = (page.formulas(row)[0] for row in rows_of(page))
        cost = f"(∂C)/(∂{linear(trace.gradient(*place).symbol)})"
        assert first == f"g←max(−c_value,min(c_value,{cost}))"
        assert second.startswith("g←g·min(1,(c_norm)/(norm+")
    assert "the norm of all gradients" in page.text()


def rows_of(page):
    return [f".assignment:nth-child({i + 1})" for i in range(len(page.all(".assignment")))]


def test_a_power_of_a_small_number(open_page):
    """In brackets: 2·10⁻⁷² is no square of 2·10⁻⁷."""
    trace = network((2, 2, 1), optimizer=bp.Adam(1e-5)).explain([[3e-5, -2e-6]], [0.5])
    page = open_page(trace, weight=(0, 0, 1))
    weight = trace.gradient(0, 0, 1)
    assert 0 < abs(weight.gradient) < 1e-4
    page.open_tab("update")
    for name, result in assigned(weight, "adam", 0).items():
        for shown in page.formulas(f'.assignment[data-row="{name}"]')[1:]:
            assert shown_value(shown) == pytest.approx(result, rel=1e-4), name
    _, square = page.formulas('.assignment[data-row="v"]')
    assert re.search(r"\(−?[\d.]+×10\^−\d\)\^2$", square)
