"""`backprop explain`: which rows and which weight it shows, by what names, and what it refuses."""

import re
from pathlib import Path

import numpy as np
import pytest

import backprop as bp
from backprop.datasets import load_digits
from backprop.explain.forms.text import number

COLOURS = ("red", "green", "blue")


def test_explain_follows_a_weight(run):
    run("train", "--hidden", "6", "--epochs", "3", "--quiet")
    net = bp.Network.load("model.safetensors")
    X, y = load_digits()
    target = y[2:9]
    weight = net.explain(X[2:9], target).gradient(0, 20, 4)
    out, err = run("explain", "model.safetensors", "digits", "--row", "3:9", "--weight", "1,21,5")
    assert not err
    assert out.splitlines()[0].endswith("sample 3")
    assert f"= {number(weight.gradient)} in training" in out
    assert out.count("\n  ∂ℓ/∂a⁽²⁾") == 10
    whole, _ = run("explain", "model.safetensors", "digits")
    assert whole.startswith(
        "Trace(64-6-10, loss='softmax_cross_entropy(label_smoothing=0.1)', 1 sample, epoch 3)"
    )
    latex, _ = run("explain", "model.safetensors", "digits", "--latex")
    assert latex.count(r"\begin{align*}") == 4
    assert "smoothed by $0.1$" in latex
    assert "targets smoothed by 0.1: y is 0.91 where the label is 1 and 0.01 elsewhere" in whole
    place = ("--row", "3:9", "--sample", "5", "--weight", "1,21,5")
    out, _ = run("explain", "model.safetensors", "digits", *place)
    assert (
        out
        == str(net.explain(X[2:9], target).gradient(0, 20, 4, sample=2)).replace(
            "sample 2\n", "sample 5\n"
        )
        + "\n"
    )
    latex, _ = run("explain", "model.safetensors", "digits", "--latex", *place)
    assert "layer 1" not in latex
    assert "sample 5." in latex
    out, _ = run("explain", "model.safetensors", "digits", "--row", "1790:")
    assert ", 8 samples, " in out
    assert ", sample 1790:" in out
    out, _ = run("explain", "model.safetensors", "digits", "--row", "1:5", "--html", "page.html")
    assert out.startswith("page written to page.html (")
    assert Path("page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    place = ("--row", "1:5", "--sample", "3", "--weight", "2,bias,7")
    run("explain", "model.safetensors", "digits", *place, "--html", "page.html")
    opening = '{"sample":2,"weight":[1,-1,6]}'
    assert opening in Path("page.html").read_text(encoding="utf-8")


def test_explain_knows_a_tables_names(run):
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{COLOURS[i % 3]},{a + i % 3:.3f}" for i, a in enumerate(rng.normal(size=60))]
    Path("t.csv").write_text("size,colour,price\n" + "\n".join(rows), encoding="utf-8")
    plain = "--target price --preset none --hidden 3 --epochs 2 --quiet"
    run("train", "t.csv", *plain.split())
    for name, place in {"size": 1, "colour=blue": 2, "colour=green": 3, "colour=red": 4}.items():
        out, _ = run("explain", "model.safetensors", "t.csv", "--weight", f"1,{name},2")
        assert f"from input {place} ({name}) to layer 1, unit 2; sample 1" in out
    out, _ = run("explain", "model.safetensors", "t.csv", "--weight", "2,bias,price")
    assert "layer 2, unit 1 (price)" in out


def test_explain_says_what_scaled_numbers_stand_for(run):
    """A table's target is learnt as (value − mean) / deviation; people know its own unit."""
    rows = [f"{i % 7},{COLOURS[i % 3]},{1000 - 30 * i - i % 3}" for i in range(60)]
    Path("t.csv").write_text("size,colour,price\n" + "\n".join(rows), encoding="utf-8")
    plain = "--target price --preset none --hidden 3 --epochs 2 --quiet"
    run("train", "t.csv", *plain.split())
    net = bp.Network.load("model.safetensors")
    mean, deviation = net.preprocessing.target.mean, net.preprocessing.target.std
    out, _ = run("explain", "model.safetensors", "t.csv", "--row", "1:5", "--sample", "4")
    scale = f"y = (price − {number(mean)}) / {number(deviation)}"
    found = re.search(rf"{re.escape(scale)}; a stands for (\S+), y for (\S+)\n", out)
    assert found[2] == "910"  # 1000 − 3 · 30
    a = float(re.search(r"^  price +(\S+)", out, re.MULTILINE)[1].replace("−", "-"))
    assert float(found[1].replace("−", "-")) == pytest.approx(a * deviation + mean, rel=1e-4)
    latex, _ = run("explain", "model.safetensors", "t.csv", "--latex", "--row", "4")
    assert f"here $a$ stands for ${found[1]}$, and $y$ for $910$.".replace("−", "-") in latex
    shown = re.findall(r"^  x[₁₂₃₄] +(\S+) +(\S+)$", out, re.MULTILINE)
    assert [name for name, _ in shown] == ["size", "colour=blue", "colour=green", "colour=red"]
    assert [value for _, value in shown[1:]] == ["0", "0", "1"]
    run("train", "--hidden", "3", "--epochs", "1", "--quiet")
    out, _ = run("explain", "model.safetensors", "digits")
    assert "scaled" not in out


def test_explain_warns_of_the_rows_it_shows(run):
    rows = [f"{20 + i},{COLOURS[i % 3]},{2 * i + i % 3}" for i in range(30)]
    Path("t.csv").write_text("age,colour,price\n" + "\n".join(rows), encoding="utf-8")
    run("train", "t.csv", "--target", "price", "--hidden", "3", "--epochs", "2", "--quiet")
    rows = ["30,red,4", "31,red,5", ",mauve,6", "1000,,7"]
    Path("new.csv").write_text("age,colour,price\n" + "\n".join(rows), encoding="utf-8")
    for chosen, words in {
        "1": [],
        "1:2": [],
        "3": ["1 missing value ", "not seen in training ('mauve')"],
        "4": ["far outside", "colour: 1 missing value,"],
        "2:": ["1 missing value ", "far outside", "mauve", "colour: 1 missing value,"],
    }.items():
        _, err = run("explain", "model.safetensors", "new.csv", "--row", chosen)
        assert err.count("\n") == len(words)
        for word in words:
            assert word in err
    _, err = run("explain", "model.safetensors", "new.csv", "--row", "5", code=2)
    assert "--row 5: new.csv has 4 rows" in err


def test_explain_counts_the_files_rows_in_a_message(run):
    X, y = np.arange(40.0).reshape(20, 2), np.arange(20.0)
    np.savez("t.npz", X=X, y=y)
    training = ("--task", "regression", "--hidden", "3", "--epochs", "2", "--quiet")
    run("train", "t.npz", *training)
    X[16, 1] = np.nan
    np.savez("new.npz", X=X, y=y)
    _, err = run("explain", "model.safetensors", "new.npz", "--row", "15:18", code=2)
    assert "nan in row 17, column 2" in err


def test_explain_says_what_is_wrong(run):
    run("train", "--hidden", "6", "--epochs", "1", "--quiet")
    for arguments, message in {
        ("--row", "1798"): "--row 1798: digits has 1,797 rows",
        ("--row", "0"): "argument --row: '0' is not a positive whole number",
        ("--row", "5:3"): "'5:3': the first row comes after the last",
        ("--weight", "1,2"): "'1,2' is not LAYER,FROM,TO",
        ("--weight", "3,1,1"): "--weight: LAYER is '3', expected a number from 1 to 2",
        ("--weight", "2,7,1"): "--weight: FROM is '7', expected a number from 1 to 6",
        ("--html", "model.safetensors"): "error: --html model.safetensors would overwrite what is",
        ("--html", "page.html", "--weight", "1,65,1"): "--weight: FROM is '65', expected a number",
        ("--row", "3:5", "--sample", "6"): "--sample 6: expected one of the rows of --row, 3 to 5",
        ("--row", "1798:"): "--row 1798: digits has 1,797 rows",
        ("--row", ":5"): "argument --row: '' is not a positive whole number",
        ("--html", "nowhere/page.html"): "nowhere",
    }.items():
        _, err = run("explain", "model.safetensors", "digits", *arguments, code=2)
        assert message in err
        assert err.count("\n") == 1
    Path("t.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    np.savez("x.npz", X=np.zeros((3, 64)))
    _, err = run("explain", "model.safetensors", "x.npz", code=2)
    assert "x.npz has no" in err


@pytest.mark.parametrize("smoothing", ["0", "0.1"])
def test_explain_refuses_a_label_that_training_did_not_have(run, smoothing):
    rows = [f"{i % 7},{'no' if i % 3 else 'yes'}" for i in range(30)]
    Path("t.csv").write_text("a,b\n" + "\n".join(rows), encoding="utf-8")
    training = ("--target", "b", "--hidden", "3", "--epochs", "2", "--quiet")
    run("train", "t.csv", *training, "--label-smoothing", smoothing)
    Path("new.csv").write_text("a,b\n1,yes\n2,no\n3,maybe\n", encoding="utf-8")
    _, err = run("explain", "model.safetensors", "new.csv", "--row", "2:3", code=2)
    assert (
        "column 'b': row 3 has 'maybe', expected one of the classes of the training: no, yes" in err
    )
    out, _ = run("explain", "model.safetensors", "new.csv", "--row", "2")
    assert re.search(r"^  output +a +y .*\n  no .*\n  yes ", out, re.MULTILINE)
    assert ("smoothed" in out) == (smoothing != "0")


def test_explain_names_the_row_of_a_target_that_is_no_number(run):
    rows = [f"{i},{2 * i + i % 3}" for i in range(30)]
    Path("t.csv").write_text("a,b\n" + "\n".join(rows), encoding="utf-8")
    run("train", "t.csv", "--target", "b", "--hidden", "3", "--epochs", "2", "--quiet")
    Path("new.csv").write_text("a,b\n1,3\n2,5\n3,seven\n", encoding="utf-8")
    _, err = run("explain", "model.safetensors", "new.csv", "--row", "3", code=2)
    assert "row 3 has 'seven'" in err


def test_what_a_norm_learns_is_a_weight_too(run):
    run("train", "--hidden", "6", "--norm", "layer", "--epochs", "2", "--quiet")
    out, _ = run("explain", "model.safetensors", "digits", "--weight", "1,scale,3")
    net = bp.Network.load("model.safetensors")
    X, y = load_digits()
    assert f"= {number(net.explain(X[:1], y[:1]).gradient(0, 'scale', 2).gradient)}" in out
    error = run("explain", "model.safetensors", "digits", "--weight", "2,scale,3", code=2).err
    assert "FROM is 'scale', expected a number from 1 to 6" in error
