"""`backprop train`: held-out rows decide, the catalogue is reached, runs go on."""

import argparse
import csv
import os
import re
import signal
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest

import backprop as bp
from backprop import storage
from backprop.catalogue.losses import LOSSES
from backprop.catalogue.optimizers import SHARED
from backprop.catalogue.presets import find_preset
from backprop.catalogue.targets import CLASSES, NUMBERS
from backprop.cli import values
from backprop.cli.arguments import parser
from backprop.tabular.temperature import temper


def write_csv(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def noisy(tmp_path):
    """Numbers of which a third is noise: a network that trains for long learns that too."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6))
    y = X[:, 0] - 2 * X[:, 1] + 1.5 * rng.normal(size=300)
    rows = [[*x, 1000 + 100 * one] for x, one in zip(X.round(4), y.round(3), strict=True)]
    return write_csv(tmp_path / "noisy.csv", [*"abcdef", "y"], rows)


@pytest.fixture
def rare(tmp_path):
    """One row in twelve is a yes, which a and b tell of."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(600, 3))
    yes = X[:, 0] + X[:, 1] + 0.5 * rng.normal(size=600) > 2
    rows = [[*x, "yes" if one else "no"] for x, one in zip(X.round(4), yes, strict=True)]
    return write_csv(tmp_path / "rare.csv", ["a", "b", "c", "answer"], rows)


def found(pattern, printed):
    return float(re.search(pattern, printed.out)[1].replace(",", ""))


# ---- when it ends, and what is kept -------------------------------------------------------------


def test_the_best_epoch_is_kept(run, noisy):
    arguments = ["train", noisy, "--target", "y", "--preset", "none"]
    printed = run(*arguments)
    best, trained = found(r"best epoch (\d+)", printed), found(r"trained (\d+) epochs", printed)
    assert trained - best == 100  # the patience
    alone = run(*arguments, "--epochs", int(best))
    r2 = r"held-out R² (-?[\d.]+)"
    assert found(r2, printed) == found(r2, alone) > 0.5
    lines = [line for line in printed.err.splitlines() if line.startswith("epoch ")]
    assert len(lines) == trained
    assert all("loss" in line and "validation" in line for line in lines)
    longer = run(*arguments, "--validation", 0, "--epochs", 300)
    assert "(nothing was held out)" in longer.out


def test_ctrl_c_keeps_the_best_too(noisy, tmp_path):
    script = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from backprop.cli import main; sys.exit(main())"
    )
    arguments = ["train", noisy, "--target", "y", "--preset", "none"]
    arguments += ["--epochs", 10**9, "--patience", 10**9]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    while "epoch 200/" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what was trained is saved" in err
    assert float(re.search(r"held-out R² (-?[\d.]+)", out)[1]) > 0.5  # 0.4 at the end


def test_a_model_that_is_no_better_than_none_is_told(run, tmp_path):
    rng = np.random.default_rng(0)
    rows = [[x, y] for x, y in rng.normal(size=(200, 2)).round(4)]
    table = write_csv(tmp_path / "noise.csv", ["x", "y"], rows)
    arguments = ("--epochs", 300, "--validation", 0.5, "--patience", 300, "--learning-rate", 0.1)
    printed = run("train", table, "--target", "y", *arguments)
    if found(r"R² (-?[\d.]+)", printed) <= 0:
        assert "the model is no better than the mean on the held-out rows" in printed.err
    labels = [[x, "ab"[int(y > 1)]] for x, y in rng.normal(size=(200, 2)).round(4)]
    table = write_csv(tmp_path / "labels.csv", ["x", "y"], labels)
    printed = run("train", table, "--target", "y", "--optimizer", "sgd", "--learning-rate", 1e-9)
    assert "the model is no better than each class's share on the held-out rows" in printed.err


# ---- classes ------------------------------------------------------------------------------------


def test_what_is_said_of_classes(run, rare):
    printed = run("train", rare, "--target", "answer", "--seed", 1)
    assert re.search(r"held-out accuracy [\d.]+ % \(\d+ of 120\); 9[\d.]+ % are no", printed.out)
    assert re.search(r"balanced accuracy [\d.]+ %, log loss 0\.\d+", printed.out)
    table = re.search(
        r"true \\ predicted +no +yes\n +no +(\d+) +(\d+)\n +yes +(\d+) +(\d+)\n", printed.out
    )
    right, false, missed, hit = map(int, table.groups())
    assert right + false + missed + hit == 120
    accuracy = found(r"held-out accuracy ([\d.]+)", printed)
    assert accuracy == pytest.approx(100 * (right + hit) / 120, abs=0.01)
    balanced = 50 * (right / (right + false) + hit / (hit + missed))
    assert found(r"balanced accuracy ([\d.]+)", printed) == pytest.approx(balanced, abs=0.01)


def test_balanced_classes_find_more_of_the_rare_one(run, rare):
    def missed(*options):
        printed = run("train", rare, "--target", "answer", "--epochs", 40, *options)
        return found(r"\n +yes +(\d+)", printed)

    assert missed("--class-weight", "balanced") < missed()
    assert missed("--class-weight", "yes=12,no=1") < missed()


def test_a_class_whose_name_has_a_comma_is_weighed(run, rare):
    named = {"yes": "yes, surely", "no": "no, thanks"}
    with open(rare, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    write_csv(rare, header, [[*row[:-1], named[row[-1]]] for row in rows])
    options = ("--target", "answer", "--epochs", 10, "--class-weight")
    one, both = (
        found(r"held-out accuracy ([\d.]+)", run("train", rare, *options, weights))
        for weights in ("yes, surely=12", "yes, surely=12, no, thanks=1")
    )
    assert one == both
    run("train", rare, *options, "yes, surly=2", code=2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes=2,no=1", {"yes": 2, "no": 1}),
        (" yes = 2 , no = 1 ,", {"yes": 2, "no": 1}),
        ("Smith, J.=2,a,b,c=0.5", {"Smith, J.": 2, "a,b,c": 0.5}),
        ("x=y=2,a=b,c=1e-3", {"x=y": 2, "a=b,c": 0.001}),
    ],
)
def test_weights_of_classes(text, expected):
    assert values.class_weights(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yes", "'yes': expected balanced, or class=weight"),
        ("3", "'3': expected balanced"),
        ("yes=2,no", "'no': expected balanced"),
        ("yes=2,no=x", "'no=x': expected balanced"),
        ("yes=-1", "'-1' is not a number of at least 0"),
    ],
)
def test_weights_that_cannot_be_read(text, words):
    with pytest.raises(argparse.ArgumentTypeError, match=words):
        values.class_weights(text)


def test_many_classes_are_not_a_table(run, tmp_path):
    rng = np.random.default_rng(0)
    rows = [[i % 12 + rng.normal(), f"c{i % 12}"] for i in range(600)]
    table = write_csv(tmp_path / "t.csv", ["x", "y"], rows)
    assert re.search(
        r"most often: c\d+ taken for c\d+ \d+×", run("train", table, "--target", "y").out
    )


def test_probabilities_are_tempered():
    """Logits that are too large by a factor come back by it; predictions keep their order."""
    rng = np.random.default_rng(0)
    net = bp.Network(3, bp.Dense(4), "softmax_cross_entropy", dtype="float64", seed=0)
    X = rng.normal(size=(20000, 3))
    p = net.predict(X)
    y = (p.cumsum(axis=1) < rng.random((len(X), 1))).sum(axis=1)
    for factor in (0.3, 1, 5):
        other = net.copy()
        other.layers[0].weights = net.layers[0].weights * factor
        before = other.predict(X).argmax(axis=1)
        logits = other.predict(X, logits=True)
        temper(other.layers[-1], other.loss_function, logits, np.eye(4)[y])
        np.testing.assert_allclose(other.layers[0].weights, net.layers[0].weights, rtol=0.05)
        np.testing.assert_array_equal(other.predict(X).argmax(axis=1), before)


def test_rows_that_are_all_right_say_only_so_much():
    """Their labels would be most probable with logits without end."""
    net = bp.Network(1, bp.Dense(2), "softmax_cross_entropy", dtype="float64", seed=0)
    net.layers[0].weights = [[-1.0, 1.0]]
    X = np.array([-1.0, 1.0] * 10)[:, None]
    temper(net.layers[0], net.loss_function, net.predict(X, logits=True), np.eye(2)[[0, 1] * 10])
    assert 2 < net.layers[0].weights[0, 1] < 4


def test_the_temperature_is_that_of_probabilities_whatever_trained_them():
    """The focal loss is least at other ones, which say too little."""
    rng = np.random.default_rng(0)
    net = bp.Network(3, bp.Dense(1), "focal", dtype="float64", seed=0)
    X = rng.normal(size=(20000, 3))
    p = 1 / (1 + np.exp(-net.predict(X, logits=True)))
    before = net.layers[0].weights.copy()
    y = rng.random(p.shape) < p
    temper(net.layers[0], net.loss_function, net.predict(X, logits=True), y)
    np.testing.assert_allclose(net.layers[0].weights, before, rtol=0.1)


# ---- the catalogue ------------------------------------------------------------------------------


def test_every_field_of_layers_and_optimizers_has_an_option():
    (commands,) = [a for a in parser()._actions if hasattr(a, "choices") and a.choices]
    options = {a.dest for a in commands.choices["train"]._actions}
    layers = {field.name for field in fields(bp.Dense)}
    others = {"units": "hidden", "use_bias": "no_bias"}
    elsewhere = {"trainable", "learning_rate_factor"}  # of a network that there is already
    assert {others.get(name, name) for name in layers - elsewhere} <= options
    assert set(SHARED) <= options


def test_all_that_the_catalogue_has(run, rare):
    options = (
        "--hidden 8,8 --activation leaky_relu:negative_slope=0.2 --dropout 0.1 "
        "--input-dropout 0.05 --noise 0.01 --norm layer:epsilon=0.001 --residual "
        "--weights orthogonal --no-bias --max-norm 3 --optimizer rmsprop:alpha=0.8 "
        "--learning-rate 0.002 --schedule cosine:end=0.1 "
        "--l2 0.001 --clip-norm 1 --clip-value 2 --accumulate 2 --average ema:decay=0.9 "
        "--label-smoothing 0.05 --class-weight balanced --metric f1,top_k:k=1,roc_auc "
        "--epochs 2 --batch-size 50 --patience 3"
    )
    printed = run("train", rare, "--target", "answer", *options.split())
    assert "f1 0." in printed.err
    network, _ = storage.load("model.safetensors")
    optimizer = network.optimizer
    assert (optimizer.learning_rate, optimizer.alpha, optimizer.l2) == (0.002, 0.8, 0.001)
    assert (optimizer.clip_norm, optimizer.clip_value, optimizer.accumulate) == (1, 2, 2)
    assert optimizer.schedule == bp.Cosine(2 * 5, end=0.1)  # 10 batches, of which 2 make a step
    assert optimizer.average == bp.EMA(0.9)
    first, second, last = (layer.spec for layer in network.layers)
    assert repr(first.function) == "leaky_relu(negative_slope=0.2)"
    assert (first.dropout, first.noise, first.max_norm, first.use_bias) == (0.1, 0.01, 3, False)
    assert first.norm_function.settings["epsilon"] == 0.001
    assert not first.residual  # of 3 inputs
    assert second.residual
    assert last == bp.Dense(2)
    assert network.input_dropout == 0.05
    assert network.loss_function.smoothing == 0.05


@pytest.mark.parametrize("name", [name for name, one in LOSSES.items() if one.target is NUMBERS])
def test_each_loss_of_numbers(run, noisy, name):
    run("train", noisy, "--target", "y", "--loss", name, "--epochs", 3)
    assert storage.load("model.safetensors")[0].loss_function.name == name


def test_metrics_of_numbers_are_in_their_unit(run, noisy):
    printed = run(
        "train", noisy, "--target", "y", "--metric", "rmse,pinball:level=0.9", "--epochs", 5
    )
    shown = [float(v) for v in re.findall(r"rmse ([\d.]+)", printed.err)]
    assert min(shown) == pytest.approx(found(r"RMSE ([\d.,]+)", printed), rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--optimizer rmspro", "did you mean 'rmsprop'"),
        ("--optimizer adam:beta=1", "there is no such argument"),
        ("--optimizer adam:beta_1=2", "beta_1=2: expected"),
        ("--optimizer adam:beta_1", "expected name:setting=value, got 'beta_1'"),
        ("--optimizer lbfgs --learning-rate 1", "--learning-rate: --optimizer lbfgs has none"),
        ("--schedule cosin", "did you mean 'cosine'"),
        ("--schedule stepdecay", "expected stepdecay:every=…"),
        ("--average emma", "expected one of ema, swa"),
        ("--loss mse", "did you mean 'squared_error'"),
        ("--loss squared_error", "is of numbers: expected one of softmax_cross_entropy"),
        ("--norm bach", "did you mean 'batch'"),
        ("--activation swish", "did you mean 'silu'"),
        ("--class-weight yes", "expected balanced, or class=weight"),
        ("--class-weight maybe=2", "has the class 'maybe': expected some of no, yes"),
        ("--metric rmse", "is of a number, and y is one of several classes"),
        ("--metric acuracy", "did you mean 'accuracy'"),
        ("--resume", "in --checkpoint FILE, which was not given"),
        ("--checkpoint nowhere/a", "there is no directory"),
        ("--plot rare.csv", "would overwrite what is read"),
    ],
)
def test_complaints(run, rare, arguments, words):
    printed = run("train", rare, "--target", "answer", *arguments.split(), code=2)
    assert words in printed.err.strip().splitlines()[-1]
    assert not os.path.exists("model.safetensors")


# ---- files --------------------------------------------------------------------------------------


def test_a_run_goes_on_from_its_checkpoint(run, noisy, tmp_path):
    arguments = ["train", noisy, "--target", "y", "--preset", "none", "--patience", 1000]
    run(*arguments, "--epochs", 30, "--output", "whole")
    run(*arguments, "--epochs", 12, "--checkpoint", "run", "--output", "part")
    printed = run(*arguments, "--epochs", 30, "--checkpoint", "run", "--resume", "--output", "rest")
    assert "resumed   run, after 12 epochs" in printed.out
    assert (tmp_path / "rest").read_bytes() == (tmp_path / "whole").read_bytes()
    assert (tmp_path / "rest").read_bytes() != (tmp_path / "part").read_bytes()
    assert run("predict", "run", noisy).out.startswith("y\n")
    printed = run(*arguments, "--checkpoint", "run", "--resume", "--hidden", 8, code=2)
    assert "run: its layers are" in printed.err
    printed = run(*arguments, "--checkpoint", "run", "--resume", "--drop", "a", code=2)
    assert "run: its n_inputs are 6; the options say 5" in printed.err
    planned = ["train", noisy, "--target", "y", "--checkpoint", "planned"]
    run(*planned, "--epochs", 2)
    printed = run(*planned, "--epochs", 3, "--resume", code=2)
    assert re.search(
        r"planned: its learning rate goes by CosLog\(steps=2.* come to CosLog\(steps=3.*--epochs",
        printed.err,
    )
    printed = run(*arguments, "--checkpoint", "new", "--resume", "--epochs", 1)
    assert "resumed" not in printed.out


def test_a_plot_is_drawn(run, noisy, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    run("train", noisy, "--target", "y", "--epochs", 3, "--plot", "curve.png", "--metric", "mae")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_no_loss_of_classes_is_left_out():
    assert [name for name, one in LOSSES.items() if one.target is CLASSES] == [
        "softmax_cross_entropy"
    ]


def test_a_table_has_a_preset_and_what_is_given_holds(run, noisy, rare):
    arguments = ("train", noisy, "--target", "y", "--epochs", 3)
    run(*arguments)
    preset = find_preset("tabular").settings_for(False)
    network, preprocessing = storage.load("model.safetensors")
    *hidden, last = network.layers
    assert tuple(layer.units for layer in hidden) == preset["hidden_layer_sizes"]
    assert {layer.activation for layer in hidden} == {preset["activation"]}
    assert {layer.spec.dropout for layer in hidden} == {preset["dropout"]}
    assert last.learning_rate_factor == 1 / 256**0.5
    assert network.optimizer.learning_rate == preset["learning_rate_init"]
    assert network.optimizer.schedule.steps == network.steps == 3
    assert preprocessing.columns[0].n_pieces == preset["n_pieces"]
    given = ("--hidden", 5, "--dropout", 0, "--pieces", 3, "--learning-rate", 0.01)
    run(*arguments, *given)
    network, preprocessing = storage.load("model.safetensors")
    assert [layer.units for layer in network.layers] == [5, 1]
    assert network.layers[0].spec.dropout == 0
    assert network.optimizer.learning_rate == 0.01
    assert preprocessing.columns[0].n_pieces == 3
    run(*arguments, "--optimizer", "adam")  # brings all its own
    network, _ = storage.load("model.safetensors")
    assert network.optimizer == bp.Adam()
    assert network.layers[0].learning_rate_factor == 1
    run(*arguments, "--preset", "none")
    network, preprocessing = storage.load("model.safetensors")
    assert [layer.units for layer in network.layers] == [256, 128, 1]
    assert preprocessing.columns[0].n_pieces == 0
    run("train", rare, "--target", "answer", "--epochs", 1)
    classes = find_preset("tabular").settings_for(True)
    network, _ = storage.load("model.safetensors")
    assert network.layers[0].spec.dropout == classes["dropout"]
    assert network.loss_function.settings["label_smoothing"] == classes["label_smoothing"]


def test_what_minimizes_has_no_preset(run, noisy):
    arguments = ("train", noisy, "--target", "y", "--optimizer", "lbfgs", "--epochs", 3)
    run(*arguments)
    network, preprocessing = storage.load("model.safetensors")
    assert [layer.units for layer in network.layers] == [256, 128, 1]
    assert network.layers[0].spec.dropout == 0
    assert preprocessing.columns[0].n_pieces == 0
    printed = run(*arguments, "--preset", "tabular", code=2)
    assert "--preset tabular is for optimizers of steps, which lbfgs has not" in printed.err


def test_arrays_have_a_preset_where_it_is_asked_for(run):
    run("train", "--epochs", 1)
    assert storage.load("model.safetensors")[0].layers[0].activation == "relu"
    run("train", "--epochs", 1, "--preset", "tabular")
    assert storage.load("model.safetensors")[0].layers[0].activation == "mish"
    assert "did you mean 'tabular'" in run("train", "--preset", "tabul", code=2).err
    assert "--pieces is for tables" in run("train", "--pieces", 2, code=2).err


@pytest.mark.parametrize("name", ["onecycle", "cosine", "coslog", "polynomialdecay"])
def test_a_planned_length_is_that_of_all_epochs(run, rare, name):
    arguments = ("train", rare, "--target", "answer", "--epochs", 4, "--batch-size", 32)
    run(*arguments, "--schedule", name)
    network, _ = storage.load("model.safetensors")
    assert network.optimizer.schedule.steps == network.steps == 4 * 15
    run(*arguments, "--schedule", f"{name}:per=epoch")
    assert storage.load("model.safetensors")[0].optimizer.schedule.steps == 4
    for given in (("--optimizer", "adam:accumulate=2"), ("--accumulate", 2)):
        run(*arguments, "--schedule", name, *given)
        network, _ = storage.load("model.safetensors")
        assert network.optimizer.schedule.steps == network.steps == 4 * 8


@pytest.mark.parametrize("name", ["accuracy", "f1", "roc_auc", "log_loss"])
def test_metrics_of_classes_are_not_of_numbers(run, noisy, name):
    printed = run("train", noisy, "--target", "y", "--metric", name, code=2)
    assert f"--metric {name} is of classes, and y are numbers" in printed.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--metric k=3", "metric='k=3'"),
        ("--pieces -1", "--pieces: '-1' is not a whole number of at least 0"),
        ("--plot x.xyz", "--plot x.xyz: expected a name that ends in one of"),
        ("--optimizer lbfgs --checkpoint c", "--optimizer lbfgs has no run to go on with"),
    ],
)
def test_slips_are_told_before_training(run, noisy, arguments, words):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    printed = run("train", noisy, "--target", "y", *arguments.split(), code=2)
    assert words in printed.err
    assert "epoch" not in printed.err


def test_no_target_at_all(run, noisy):
    assert "has no column ''" in run("train", noisy, "--target", "", code=2).err


def test_averages_are_of_all_epochs(run, noisy):
    printed = run("train", noisy, "--target", "y", "--average", "ema", "--epochs", 20)
    assert "best epoch" not in printed.out


# ---- what is read -------------------------------------------------------------------------------


@pytest.fixture
def houses(tmp_path):
    """Two numbers to predict, codes that name the rows, dates, many shops, prices as written."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(500):
        area, shop = rng.uniform(20, 200), int(rng.integers(300))
        day = f"2024-{1 + i % 12:02}-{1 + i % 28:02}"
        price = 1000 * area + 500 * (shop % 7)
        rows.append(
            [f"{i:05}", f"{area:.2f}", f"shop {shop}", day, f"${price:,.2f}", f"{area / 2:.3f}"]
        )
    names = ["code", "area", "shop", "day", "price", "heat"]
    return write_csv(tmp_path / "houses.csv", names, rows)


def test_several_targets_and_keys(run, houses, tmp_path):
    printed = run("train", houses, "--target", "price,heat", "--key", "code", "--epochs", 200)
    assert re.search(r"price: R² 0\.9\d+, RMSE [\d,]+, MAE", printed.out)
    assert re.search(r"heat: R² 0\.9\d+, RMSE", printed.out)
    assert re.search(r"key +code", printed.out)
    assert re.search(r"dates +day", printed.out)
    run("predict", "model.safetensors", houses, "--output", "p.csv")
    with open(tmp_path / "p.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["code", "price", "heat"]
    assert [row[0] for row in rows] == [f"{i:05}" for i in range(500)]
    with open(houses, newline="") as file:
        given = [
            (float(r[4][1:].replace(",", "")), float(r[5])) for r in list(csv.reader(file))[1:]
        ]
    error = np.array(given) - np.array([row[1:] for row in rows], float)
    assert (error.std(axis=0) < 0.2 * np.std(given, axis=0)).all()
    whole = run("explain", "model.safetensors", houses).out
    assert "price" in whole


def test_several_targets_are_numbers(run, houses):
    printed = run("train", houses, "--target", "price,shop", code=2)
    assert "column 'shop' has to be numbers" in printed.err


def test_a_key_stays_beside_classes_too(run, rare, tmp_path):
    run("train", rare, "--target", "answer", "--key", "a", "--epochs", 3)
    printed = run("predict", "model.safetensors", rare, "--probabilities")
    assert printed.out.startswith("a,answer,probability_no,probability_yes\n")


def test_how_far_a_large_file_is_read_is_shown(run, noisy, monkeypatch):
    quiet = run("train", noisy, "--target", "y", "--epochs", 1)
    assert "read " not in quiet.err
    monkeypatch.setattr("backprop.cli.common._BAR_FROM", 100)
    assert f"read {noisy}" in run("train", noisy, "--target", "y", "--epochs", 1).err
    assert "read " not in run("train", noisy, "--target", "y", "--epochs", 1, "--quiet").err


# ---- terminals ----------------------------------------------------------------------------------

RED, BELL, BACKWARDS = "\x1b[31m", "\a", "\u202e"


def test_nothing_out_of_a_file_commands_a_terminal(run, tmp_path):
    """Neither column names, nor labels, nor categories, nor what a message quotes."""
    answers = f"no{BACKWARDS}", f"yes{BELL}"
    rows = [[i % 7, f"{'ab'[i % 2]}{RED}", answers[i % 2]] for i in range(60)]
    table = write_csv(tmp_path / "t.csv", [f"x{RED}", f"kind{BELL}", f"answer{RED}"], rows)
    (tmp_path / "u.csv").write_text(f"x{RED},kind{BELL}\n3,c{RED}\n")
    target = ("--target", f"answer{RED}")
    shown = [
        run("train", table, *target, "--epochs", 2),
        run("info", "model.safetensors"),
        run("explain", "model.safetensors", table),
        run("explain", "model.safetensors", table, "--latex"),
        run("predict", "model.safetensors", "u.csv", "--output", "p.csv"),
        run("train", table, "--target", f"nothing{RED}", code=2),
        run("train", f"no{RED}.csv", code=2),
        run("train", table, *target, "--class-weight", f"maybe{BELL}=1", code=2),
    ]
    for printed in shown:
        for text in printed:
            assert not {*RED, BELL, BACKWARDS} & {c for c in text if not c.isprintable()}
    assert "x\\x1b[31m" in shown[0].out
    assert RED in (tmp_path / "p.csv").read_text()  # a file is data
