"""The examples run, and the numbers that they print are right."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run_main(name):
    return runpy.run_path(str(EXAMPLES / name))["main"]()


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
