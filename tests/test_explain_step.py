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

from backprop import reference


def stepped(optimizer, weight):
    """{symbol: number} before and after a step, by the reference."""
    trace, w = weight.trace, np.array([weight.value])
    g = np.array([weight.gradient])
    if weight.source != "bias":
        g += optimizer.l2 / trace.weight_sum * w
    moments = [np.array([value]) for value in weight.moments.values()]
    reference.optimizer_update(optimizer, w, g, moments, trace.steps + 1)
    names = ["m", "v"] if optimizer.kind == "adam" else ["v"][: len(moments)]
    after = {"g": g[0], "w": w[0], **dict(zip(names, (own[0] for own in moments), strict=True))}
    if optimizer.kind == "adam":
        t = trace.steps + 1
        after["m̂"] = after["m"] / (1 - optimizer.beta_1**t)
        after["v̂"] = after["v"] / (1 - optimizer.beta_2**t)
    before = dict(zip(names, weight.moments.values(), strict=True))
    return {**before, "g": weight.gradient, "w": weight.value}, after


def settings_of(trace):
    optimizer = trace.optimizer
    names = {"lr": "learning_rate", "μ": "momentum", "β₁": "beta_1", "β₂": "beta_2"}
    names |= {"ε": "epsilon", "λ": "l2"}
    found = {sign: getattr(optimizer, name, None) for sign, name in names.items()}
    return {**found, "t": trace.steps + 1, "Σs": trace.weight_sum}


def expected_names(optimizer, place):
    """What the assignments of a step assign to, in their order."""
    names = {"sgd": [], "momentum": ["v"], "nesterov": ["v"], "adam": ["m", "v"]}[optimizer.kind]
    if optimizer.kind == "adam" and not optimizer.epsilon_hat:
        names = [*names, "m̂", "v̂"]
    return [*(["g"] if optimizer.l2 and place[1] != "bias" else []), *names, "w"]


each_optimizer = pytest.mark.parametrize(
    "optimizer", OPTIMIZERS, ids=lambda o: f"{o.kind} {o.l2:g} {getattr(o, 'epsilon_hat', '')}"
)


@each_optimizer
@pytest.mark.parametrize("place", [(0, 1, 2), (1, "bias", 1)])
def test_text_of_a_step(optimizer, place):
    trace = explained(optimizer=optimizer)
    weight = trace.gradient(*place)
    lines = re.findall(r"^  (\S+) ← (.*)\n    = (.*) = (\S+)$", str(weight), re.MULTILINE)
    assert [name for name, *_ in lines] == expected_names(optimizer, place)
    before, after = stepped(optimizer, weight)
    values = {**settings_of(trace), **before}
    for name, symbols, numbers, value in lines:
        close(number_of(value), after[name])
        close(evaluate(numbers, {}), after[name])
        values[name] = evaluate(symbols, values)
        assert values[name] == pytest.approx(after[name], rel=1e-9)
    change = re.search(r"\(a step of (\S+)\)", str(weight))[1]
    close(number_of(change), after["w"] - before["w"])
    assert weight.moments_after == pytest.approx(
        dict(zip(weight.moments, [after[n] for n in ("m", "v") if n in before], strict=True)),
        rel=1e-12,
    )


@each_optimizer
@pytest.mark.parametrize("place", [(0, 1, 2), (1, "bias", 1)])
def test_latex_of_a_step(optimizer, place):
    trace = explained(optimizer=optimizer)
    weight = trace.gradient(*place)
    lines = re.findall(
        r"^(\S+(?: .)?) &\\leftarrow (.*) \\\\\n &= (.*) \\\\\n &= (.*?)(?: \\\\)?$",
        trace.to_latex(place),
        re.MULTILINE,
    )
    tex = {"m̂": r"\hat m", "v̂": r"\hat v"}
    names = expected_names(optimizer, place)
    assert [name for name, *_ in lines] == [tex.get(name, name) for name in names]
    before, after = stepped(optimizer, weight)
    signs = {"lr": r"\mathit{lr}", "μ": r"\mu", "β₁": r"\beta_1", "β₂": r"\beta_2"}
    signs |= {"ε": r"\varepsilon", "λ": r"\lambda", "Σs": r"\textstyle\sum s", **tex}
    values = {signs.get(name, name): value for name, value in settings_of(trace).items()}
    values |= before
    for name, (shown_name, symbols, numbers, value) in zip(names, lines, strict=True):
        close(latex_number(value), after[name])
        close(evaluate_latex(numbers, {}), after[name])
        values[shown_name] = evaluate_latex(symbols, values)
        assert values[shown_name] == pytest.approx(after[name], rel=1e-9)


@each_optimizer
def test_the_cost_after_the_step(optimizer):
    net, X, y, weight = trained(optimizer=optimizer)
    trace = net.explain(X, y, sample_weight=weight)
    body, tex = trace.to_text(), trace.to_latex()
    shown = re.search(r"with (.*)\nC before (\S+), after (\S+) \((\S+)\)", body).groups()
    settings = dict(pair.split(" = ") for pair in shown[0].split(", "))
    for sign, value in settings.items():
        close(number_of(value), settings_of(trace)[sign])
    used = "".join(trace.to_dict()["optimizer"]["formulas"]).replace("ᵗ", "t")
    assert {sign for sign in settings_of(trace) if sign in used.replace("√", "")} == set(settings)
    before = net.train_step(X, y, weight)
    after = net.loss_and_gradients(X, y, weight)[0]
    close([number_of(value) for value in shown[1:]], [before, after, after - before])
    assert before - after > 1e-4
    pair = re.findall(r"^C_\{\\mathrm\{(?:before|after)\}\} &= (\S+)", tex, re.MULTILINE)
    close([latex_number(value) for value in pair], [before, after])


@each_optimizer
def test_the_step_in_to_dict(optimizer):
    trace = explained(optimizer=optimizer)
    found = trace.to_dict()["optimizer"]
    assert found["kind"] == optimizer.kind
    assert found["t"] == 4
    assert found["weight_sum"] == pytest.approx(trace.weight_sum)
    assert found["decay"] == pytest.approx(optimizer.l2 / trace.weight_sum)
    assert [line.split(" ← ")[0] for line in found["formulas"]] == expected_names(
        optimizer, (0, 0, 0)
    )
    assert dict(found["settings"]).items() <= settings_of(trace).items()
    for i in range(2):
        _, after = stepped(optimizer, trace.gradient(i, 0, 1))
        names = {"adam": ["m", "v"], "sgd": []}.get(optimizer.kind, ["v"])
        shown = [found[key] for key in ("moment1_after", "moment2_after") if found[key]]
        assert [own[i]["weights"][0][1] for own in shown] == pytest.approx(
            [after[n] for n in names]
        )
        if optimizer.kind == "adam":
            assert shown[0][i]["weights"][0][1] / found["correction1"] == pytest.approx(after["m̂"])
            assert shown[1][i]["weights"][0][1] / found["correction2"] == pytest.approx(after["v̂"])
        else:
            assert found["correction1"] is found["correction2"] is None
