"""The trials of `explain`, and where they settle nothing: at a kink, and below the last digit."""

import json
import re

import numpy as np
import pytest

import backprop as bp
from backprop.explain.trial import relative_error


def fresh_xnor(sample_weight=None):
    """All biases are 0, so sample (0, 0) has z = 0 in the hidden layer, whatever the weights."""
    X, y = [[0.0, 0], [0, 1], [1, 0], [1, 1]], [1.0, 0, 0, 1]
    net = bp.Network(2, [bp.Dense(2, "relu"), bp.Dense(1)], dtype="float64", seed=0)
    return net.explain(X, y, sample_weight=sample_weight)


def smooth():
    return bp.Network(2, [bp.Dense(2, "tanh"), bp.Dense(1)], dtype="float64", seed=3)


def headings(trace):
    """Of the layers, in the text's table of all weights."""
    return re.findall(r"^layer \d+: .* parameters, .*; (.*)$", trace.to_text(), re.MULTILINE)


def test_where_a_relu_lies_on_its_kink():
    trace = fresh_xnor()
    bias = trace.gradient(0, "bias", 0)
    assert bias.kink is True
    assert bias.relative_error > 0.5
    assert "a unit lies on a kink of its activation here" in str(bias)
    rows = [line for line in str(trace).splitlines() if line.endswith("  kink")]
    assert [row.split()[0] for row in rows] == ["b⁽¹⁾₁", "b⁽¹⁾₂"]
    others = [trace.gradient(0, source, 0) for source in (0, 1)]  # which that sample's 0 meets
    others.append(trace.gradient(1, "bias", 0))  # which no relu follows
    for weight in others:
        assert not weight.kink
        assert "kink" not in str(weight)
        assert weight.relative_error < 1e-6
    bias = fresh_xnor([0.0, 1, 1, 1]).gradient(0, "bias", 0)
    assert not bias.kink
    assert bias.relative_error < 1e-6


def test_the_error_of_a_layer_leaves_out_what_lies_at_a_kink():
    first, second = headings(fresh_xnor())
    error = re.fullmatch(
        r"largest error (\S+) of the largest gradient, 2 at a kink left out", first
    )[1]
    assert float(error.replace("−", "-")) < 1e-6
    assert re.fullmatch(r"largest error \S+ of the largest gradient", second)


def test_a_layer_whose_trials_settle_nothing():
    net = bp.Network(1, [bp.Dense(1, "relu")], dtype="float64", seed=0)
    net.layers[0].weights[:] = 0
    assert headings(net.explain([[1.0]], [1.0])) == ["not settled: all at a kink"]


def test_a_wrong_gradient_of_0_is_an_error_of_its_layer():
    trace = smooth().explain([[0.5, 1.0]], [0.3])
    for part in trace.layers[0].gradient:
        part[...] = 0
    assert headings(trace)[0] == "largest error 1 of the largest gradient"


def test_latex_says_why_a_trial_errs():
    trace = fresh_xnor()
    assert r"\intertext{A unit lies on a kink of its activation here" in trace.to_latex(
        (0, "bias", 0)
    )
    assert r"\intertext" not in trace.to_latex((1, "bias", 0))
    trace = smooth().explain([[1e-14, 1.0]], [0.3])
    assert r"\intertext{They differ by less than a trial can resolve.}" in trace.to_latex((0, 0, 0))


def test_the_dict_says_why_trials_err():
    first, second = json.loads(json.dumps(fresh_xnor().to_dict()))["layers"]
    assert first["kink"] == {"weights": [[False] * 2] * 2, "bias": [True, True]}
    assert second["kink"] == {"weights": [[False]] * 2, "bias": [False]}
    first, second = smooth().explain([[1e-14, 1.0]], [0.3]).to_dict()["layers"]
    assert first["unresolved"] == {"weights": [[True] * 2, [False] * 2], "bias": [False] * 2}
    assert second["unresolved"] == {"weights": [[False]] * 2, "bias": [False]}


def test_a_kink_beyond_the_weight_layer():
    net = bp.Network(1, [bp.Dense(1, "tanh"), bp.Dense(1, "relu")], dtype="float64", seed=0)
    assert net.explain([[0.0]], [1.0]).gradient(0, "bias", 0).kink
    net.layers[1].bias = [1.0]
    assert not net.explain([[0.0]], [1.0]).gradient(0, "bias", 0).kink


def test_what_a_trial_cannot_resolve():
    """An input of 1e-14 gives a gradient far below the last digit of the cost over h."""
    net = smooth()
    trace = net.explain([[1e-14, 1.0]], [0.3])
    small, ordinary = trace.gradient(0, 0, 0), trace.gradient(0, 1, 0)
    assert small.gradient != 0
    assert small.relative_error > 0.1
    assert small.unresolved is True
    assert "less than a trial can resolve" in str(small)
    assert sum(line.endswith("  unresolved") for line in str(trace).splitlines()) == 2
    assert not ordinary.unresolved
    assert "resolve" not in str(ordinary)


def test_a_wrong_gradient_is_not_put_down_to_rounding():
    net = smooth()
    trace = net.explain([[0.5, 1.0]], [0.3])
    trace.layers[0].gradient.weights[0, 0] *= -1
    weight = trace.gradient(0, 0, 0)
    assert not weight.unresolved
    assert weight.relative_error > 1


def test_relative_errors():
    found = relative_error(np.array([0, 1, 1, np.nan, 1, np.inf]), [0, 1, 2, 1, np.inf, np.inf])
    np.testing.assert_array_equal(found, [0, 0, 0.5, np.nan, np.nan, np.nan])


def test_large_networks_are_tried_one_weight_at_a_time():
    net = bp.Network(200, [bp.Dense(300, "tanh"), bp.Dense(3)], dtype="float64", seed=0)
    X = np.random.default_rng(0).normal(size=(4, 200))
    trace = net.explain(X, np.zeros((4, 3)))
    assert trace.differences is None
    first = trace.to_dict()["layers"][0]
    assert [first[name] for name in ("finite_difference", "kink", "unresolved")] == [None] * 3
    assert trace.gradient(0, 17, 250).relative_error < 1e-5
    assert "not tried" in str(trace)


# ---- The page ----------------------------------------------------------------------------------


def notes(page):
    """Below the trials: {reason: what it is said of}."""
    found = page.all("#panel .trial-note")
    return {note.get_attribute("data-reason"): note.text.partition(":")[0] for note in found}


BOTH, SAMPLE, BATCH = "This sample and the batch", "This sample", "The batch"


@pytest.mark.parametrize(
    ("sample_weight", "expected"),
    [(None, [BOTH, BATCH, BATCH, BATCH]), ([0.0, 1, 1, 1], [SAMPLE, None, None, None])],
)
@pytest.mark.parametrize("is_tried", [True, False])
def test_the_page_says_why_a_trial_errs(open_page, is_tried, sample_weight, expected):
    trace = fresh_xnor(sample_weight)
    if not is_tried:  # then the page works the difference of the cost out itself
        trace.__dict__["differences"] = None
    page = open_page(trace, weight=(0, "bias", 0), sample=0)
    found = []
    for sample in range(4):
        page.find(f'#sample option[value="{sample}"]').click()
        found.append(notes(page).get("kink"))
        assert (page.value("#sample-error") > 0.1) == (sample == 0)
        assert (page.value("#relative-error") > 0.1) == (sample_weight is None)
    assert found == expected
    for place in [(0, 0, 0), (1, "bias", 0)]:
        page.choose(*place)
        assert notes(page) == {}


def test_every_kink_on_the_page(open_page):
    """Above the weight too: a sample of zeros has z = 0 in each relu layer without biases."""
    layers = [bp.Dense(2, "tanh"), bp.Dense(3, "relu"), bp.Dense(1, "relu")]
    net = bp.Network(2, layers, dtype="float64", seed=3)
    X, y = np.array([[0.0, 0.0], [0.5, -1.0]]), np.array([0.5, -0.25])
    trace = net.explain(X, y)
    page = open_page(trace, sample=1)
    alone = net.explain(X[1:], y[1:])
    seen = set()
    for i, layer in enumerate(trace.layers):
        for source, unit in [(0, 0), (1, layer.n_out - 1), ("bias", layer.n_out - 1)]:
            page.choose(i, source, unit)
            at_kink = trace.gradient(i, source, unit).kink
            assert not alone.gradient(i, source, unit).kink
            assert notes(page) == ({"kink": BATCH} if at_kink else {})
            seen.add((i, source == "bias", at_kink))
    assert seen == {(i, is_bias, is_bias) for i in range(3) for is_bias in (False, True)}


def test_what_a_trial_on_the_page_cannot_resolve(open_page):
    page = open_page(smooth().explain([[1e-14, 1.0]], [0.3]), weight=(0, 0, 0))
    assert page.value("#relative-error") > 0.1
    assert notes(page) == {"unresolved": BOTH}
    page.choose(0, 1, 0)
    assert notes(page) == {}


def test_a_wrong_gradient_on_the_page_is_not_put_down_to_rounding(open_page):
    trace = smooth().explain([[0.5, 1.0]], [0.3])
    trace.layers[0].gradient.weights[0, 0] *= -1
    page = open_page(trace, weight=(0, 0, 0))
    assert page.value("#relative-error") > 1
    assert notes(page) == {}
