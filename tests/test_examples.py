"""The examples run, and the numbers that they print are right."""

import math
import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run_main(name, *arguments, **named):
    return runpy.run_path(str(EXAMPLES / name))["main"](*arguments, **named)


def test_nine_gradients_agree_three_ways(capsys):
    cost, loss, rows = run_main("one_network_nine_gradients.py")
    assert loss == pytest.approx(cost, rel=1e-14)
    assert list(rows) == ["w11", "w12", "w21", "w22", "b1", "b2", "v1", "v2", "c"]
    for by_hand, by_backprop, by_trial in rows.values():
        assert abs(by_hand) > 1e-4  # nine gradients of 0 would agree too
        assert by_backprop == pytest.approx(by_hand, rel=1e-12)
        assert by_trial == pytest.approx(by_hand, rel=1e-7)
    printed = capsys.readouterr().out
    for name, (by_hand, _, _) in rows.items():
        (line,) = [line for line in printed.splitlines() if line.startswith(f"dC/d{name} ")]
        assert line.count(f"{by_hand:.12f}") >= 2


def test_straight_line_equals_polyfit(capsys):
    (slope, intercept), exact = run_main("straight_line.py")
    assert slope == pytest.approx(exact[0], rel=1e-6)
    assert intercept == pytest.approx(exact[1], rel=1e-6)
    *_, last, polyfit = capsys.readouterr().out.splitlines()
    assert last.split()[:3] == ["1000", f"{slope:.8f}", f"{intercept:.8f}"]
    assert polyfit.split() == ["np.polyfit", f"{exact[0]:.8f}", f"{exact[1]:.8f}"]


def test_dropout_with_max_norm_learns_images(capsys, tmp_path, digits):
    """The published network, smaller, on a few hundred digits in the place of MNIST's."""
    X, y = (255 * digits[0]).astype("uint8").reshape(-1, 8, 8), digits[1]
    path = tmp_path / "digits.npz"
    np.savez(path, x_train=X[:500], y_train=y[:500], x_test=X[500:], y_test=y[500:])
    error = run_main("mnist_dropout.py", path, epochs=150, units=128)
    assert error <= 0.3  # of ten classes
    assert f"test error {100 * error:.2f} % after 150 epochs" in capsys.readouterr().out


@pytest.fixture
def founding_question(tmp_path):
    """Its traces, and the page that it wrote."""
    return run_main("explain_founding_question.py", tmp_path / "page.html"), tmp_path / "page.html"


def product_by_hand(trace):
    """∂ℓ/∂a · f′ · w · f′ · x of the weight from A to the first hidden unit, where A = 1, B = 0."""
    hidden, output = trace.layers
    a, h, y = output.a[2, 0], hidden.a[2, 0], 1.0
    return [a - y, a * (1 - a), output.weights[0, 0], h * (1 - h), 1.0]


def test_the_founding_question(capsys, founding_question):
    traces, path = founding_question
    assert path.stat().st_size < 300_000
    assert traces[-1].cost < 0.01 < traces[0].cost
    by_hand = product_by_hand(traces[0])
    lines = capsys.readouterr().out.splitlines()
    printed = [float(line.split()[0]) for line in lines[1:7]]
    assert printed == pytest.approx([*by_hand, math.prod(by_hand)], abs=1e-6)
    weight = traces[0].gradient(0, 0, 0)
    assert weight.sum == 0  # of the sample (0, 0), whose input is 0
    assert f"{weight.gradient:.9f}" in lines[7]
    assert f"{weight.gradient:.9f}" in lines[8]


def test_the_page_that_answers_the_founding_question(open_file, founding_question):
    traces, path = founding_question
    page = open_file(path)
    words = " ".join(page.find(".prose").text.split())
    assert "derivative of the cost or of the activation that is used? Both, multiplied." in words
    assert "Leave one factor out, and the product no longer says how the cost changes" in words
    assert page.find("#epoch-control output").text == "0"
    assert page.find("#panel h2").text == "Weight from A to layer 1, unit 1"
    by_hand = product_by_hand(traces[0])
    assert all(abs(number) > 0.01 for number in by_hand)
    assert page.values(".chip") == pytest.approx(by_hand, rel=1e-12)
    kinds = [kind.text.split(maxsplit=1)[1] for kind in page.all(".chip-kind")]
    assert kinds == [
        "loss derivative",
        "activation derivative",
        "upstream weight",
        "activation derivative",
        "input",
    ]
    assert page.value(".chain-result") == pytest.approx(math.prod(by_hand), rel=1e-12)
    assert page.value("#sample-difference") == pytest.approx(math.prod(by_hand), rel=1e-6)
    page.find("#epoch").send_keys("\ue014")  # to the right
    assert page.find("#epoch-control output").text == "60"
    assert page.values(".chip") == pytest.approx(product_by_hand(traces[1]), rel=1e-12)
