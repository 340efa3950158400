"""The optimizer's step in text, LaTeX and dict: each assignment gives what the reference's does."""

import re

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
from made_up import MadeUp, explained_with

import backprop as bp
from backprop.catalogue.formula import FUNCTIONS, Formula


def stepped(optimizer, weight):
    """{symbol: number} before a step, and [(symbol, number)] of what its lines assign."""
    trace, w = weight.trace, np.array([weight.value])
    moments = [np.array([value]) for value in weight.moments.values()]
    signs = [optimizer.moments[name] for name in weight.moments]
    before = dict(zip(signs, weight.moments.values(), strict=True))
    before = {**before, "g": weight.gradient, "w": weight.value}
    values = {**settings_of(trace), **before}
    is_bias = weight.source == "bias"
    lines = []
    decays = () if is_bias else optimizer.decay_rules
    for rule in (*optimizer.clip_rules, *decays, *optimizer.rules):
        values[rule.symbol] = float(rule.formula.evaluate(values))
        lines.append((rule.symbol, values[rule.symbol]))
    layer = optimizer.clipped([layer.gradient for layer in trace.layers])[weight.layer]
    g = np.array([layer[1][weight.unit] if is_bias else layer[0][weight.source, weight.unit]])
    sums = None if is_bias else trace.weight_sum
    optimizer.update(w, g, moments, trace.steps + 1, sums=sums)
    for symbol, array in zip((*signs, "w"), (*moments, w), strict=True):
        assert values[symbol] == pytest.approx(array[0], rel=1e-12)
    return before, lines


def settings_of(trace):
    """{symbol: number} of all that the lines of a step may read beside gradient and moments."""
    optimizer = trace.optimizer
    decays = {symbol: getattr(optimizer, name) for name, symbol in optimizer.decay_symbols.items()}
    clips = optimizer.clip_numbers
    if optimizer.clip_norm:
        most = optimizer.clip_value or np.inf
        clipped = [np.clip(g, -most, most) for layer in trace.layers for g in layer.gradient]
        clips["norm"] = np.sqrt(sum((g**2).sum() for g in clipped))
    numbers = optimizer.numbers_at(trace.steps + 1)
    return {**numbers, **clips, **decays, "sums": trace.weight_sum}


def in_text(values):
    return {Formula(symbol).text(): value for symbol, value in values.items()}


def in_latex(values):
    return {Formula(symbol).latex(): value for symbol, value in values.items()}


def worked_out(tree, values):
    """What a tree of `to_dict` is."""
    if isinstance(tree, dict):
        return values[tree["symbol"]]
    if not isinstance(tree, list):
        return tree
    operation, *operands = tree
    numbers = [worked_out(operand, values) for operand in operands]
    if operation in FUNCTIONS:
        return FUNCTIONS[operation](*numbers)
    signs = [f"numbers[{i}]" for i in range(len(numbers))]
    return eval(operation.join(signs) if len(signs) > 1 else operation + signs[0])


# What test_formula.py compares with numpy, and the reader of formulas here does not know.
BEYOND = re.compile(r"max|min|where|cases|sign|\||sgn|operatorname")

each_optimizer = pytest.mark.parametrize(
    "optimizer", [*OPTIMIZERS, MadeUp(), MadeUp(l2=0.4)], ids=str
)


each_place = pytest.mark.parametrize("place", [(0, 1, 2), (1, "bias", 1)])


@each_optimizer
@each_place
def test_text_of_a_step(optimizer, place):
    trace = explained_with(optimizer)
    weight = trace.gradient(*place)
    shown = re.findall(r"^  (\S+) ← (.*)\n    = (.*) = (\S+)$", str(weight), re.MULTILINE)
    before, lines = stepped(optimizer, weight)
    values = in_text({**settings_of(trace), **before})
    for (name, symbols, numbers, value), (symbol, after) in zip(shown, lines, strict=True):
        assert name == Formula(symbol).text()
        close(number_of(value), after)
        if not BEYOND.search(symbols):
            close(evaluate(numbers, {}), after)
            assert evaluate(symbols, values) == pytest.approx(after, rel=1e-9)
        values[name] = after
    change = re.search(r"\(a step of (\S+)\)", str(weight))[1]
    after = dict(lines)
    close(number_of(change), after["w"] - before["w"])
    assert weight.moments_after == pytest.approx(
        {name: after[optimizer.moments[name]] for name in weight.moments}, rel=1e-12
    )


@each_optimizer
@each_place
def test_latex_of_a_step(optimizer, place):
    trace = explained_with(optimizer)
    weight = trace.gradient(*place)
    shown = re.findall(
        r"^(\S+(?: .)?) &\\leftarrow (.*) \\\\\n &= (.*) \\\\\n &= (.*?)(?: \\\\)?$",
        trace.to_latex(place),
        re.MULTILINE,
    )
    before, lines = stepped(optimizer, weight)
    values = in_latex({**settings_of(trace), **before})
    for (name, symbols, numbers, value), (symbol, after) in zip(shown, lines, strict=True):
        assert name == Formula(symbol).latex()
        close(latex_number(value), after)
        if not BEYOND.search(symbols):
            close(evaluate_latex(numbers, {}), after)
            assert evaluate_latex(symbols, values) == pytest.approx(after, rel=1e-9)
        values[name] = after


def test_the_intermediate_results_of_adam():
    """Written once more, without the catalogue's rules."""
    optimizer = bp.Adam(0.02)
    weight = explained(optimizer=optimizer).gradient(0, 1, 2)
    t = weight.trace.steps + 1
    found = {line.rule.symbol: line.value for line in weight.update}
    m, v = weight.moments_after.values()
    assert found["m_hat"] == pytest.approx(m / (1 - optimizer.beta_1**t), rel=1e-12)
    assert found["v_hat"] == pytest.approx(v / (1 - optimizer.beta_2**t), rel=1e-12)
    assert list(found) == ["m", "v", "m_hat", "v_hat", "w"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_the_cost_after_the_step(optimizer):
    net, X, y, weight = trained(optimizer=optimizer)
    trace = net.explain(X, y, sample_weight=weight)
    body, tex = trace.to_text(), trace.to_latex()
    shown = re.search(r"with (.*)\nC before (\S+), after (\S+) \((\S+)\)", body).groups()
    settings = dict(pair.split(" = ") for pair in shown[0].split(", "))
    known = in_text(settings_of(trace))
    for sign, value in settings.items():
        close(number_of(value), known[sign])
    used = " ".join(trace.to_dict()["optimizer"]["formulas"]).replace("ᵗ", " t")
    assert {sign for sign in known if sign in re.findall(r"[^\W√]+", used)} == set(settings)
    before = net.train_step(X, y, weight)
    after = net.loss_and_gradients(X, y, weight)[0]
    close([number_of(value) for value in shown[1:]], [before, after, after - before])
    assert before - after > 1e-4
    pair = re.findall(r"^C_\{\\mathrm\{(?:before|after)\}\} &= (\S+)", tex, re.MULTILINE)
    close([latex_number(value) for value in pair], [before, after])


@each_optimizer
def test_the_step_in_to_dict(optimizer):
    trace = explained_with(optimizer)
    found = trace.to_dict()["optimizer"]
    assert (found["name"], found["kind"]) == (optimizer.title, optimizer.kind)
    assert found["t"] == 4
    assert found["weight_sum"] == pytest.approx(trace.weight_sum)
    assert found["decay"] == pytest.approx(optimizer.l2 / trace.weight_sum)
    settings = {setting["symbol"]["symbol"]: setting["value"] for setting in found["settings"]}
    assert settings.items() <= settings_of(trace).items()
    rules = [*found["clip_rules"], *found["decay_rules"], *found["rules"]]
    for i in range(2):
        before, lines = stepped(optimizer, trace.gradient(i, 0, 1))
        values = {**settings, **{name: before[name] for name in "wg"}}
        for moment in found["moments"].values():
            values[moment["symbol"]] = moment["before"][i]["weights"][0][1]
        for rule, text, (symbol, after) in zip(rules, found["formulas"], lines, strict=True):
            assert rule["target"]["symbol"] == symbol
            assert text.split(" ← ")[0] == Formula(symbol).text()
            values[symbol] = worked_out(rule["formula"], values)
            assert values[symbol] == pytest.approx(after, rel=1e-12)
        for moment in found["moments"].values():
            shown = moment["after"][i]["weights"][0][1]
            assert shown == pytest.approx(values[moment["symbol"]], rel=1e-12)
    assert list(found["moments"]) == list(optimizer.moments)
