"""The commands: what they print, what they write, and that errors are one line."""

import csv
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import backprop as bp
from backprop import storage
from backprop.catalogue.activations import ACTIVATIONS
from backprop.catalogue.losses import LOSSES
from backprop.catalogue.optimizers import OPTIMIZERS
from backprop.cli.preparing import split
from backprop.datasets import load_digits
from backprop.tabular.tables import read

COLOURS = ("red", "green", "blue")


@pytest.fixture
def complaint(run):
    """What follows "backprop: error:" in the one line that a failing command prints."""

    def of(*arguments):
        printed = run(*arguments, code=2)
        lines = printed.err.strip().split("\n")
        assert len(lines) == 1, printed.err
        assert lines[0].startswith("backprop: error: ")
        return lines[0].removeprefix("backprop: error: ")

    return of


def write_csv(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def fruit(tmp_path):
    """A table whose class and whose price follow from its other columns, one in ten missing."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(400):
        size, colour = rng.uniform(1, 9), COLOURS[rng.integers(3)]
        price = 3 * size + 10 * COLOURS.index(colour)
        kind = "large" if size > 5 else "small"
        shown = "" if rng.random() < 0.1 else f"{size:.3f}"
        rows.append([i + 1, f"no. {i}", shown, colour, f"{price:.2f}", kind])
    return write_csv(tmp_path / "fruit.csv", ["", "tag", "size", "colour", "price", "kind"], rows)


def held_out_accuracy(printed):
    return float(re.search(r"held-out accuracy ([\d.]+) %", printed.out)[1])


# ---- digits, from the two words of the README ---------------------------------------------------


def test_train_on_the_digits(run, tmp_path):
    printed = run("train")
    assert held_out_accuracy(printed) >= 97.5
    assert "1,797 samples of uint8" in printed.out
    assert "1,438 to train on, 359 held out" in printed.out
    assert re.search(r"trained \d+ epochs in [\d.]+ s, [\d,]+ samples per second", printed.out)
    assert re.search(r"best epoch \d+, by the loss on the rows held out", printed.out)
    assert "model written to model.safetensors" in printed.out
    assert "epoch" in printed.err
    assert (tmp_path / "model.safetensors").exists()


@pytest.mark.long
def test_the_digits_are_learned_whatever_the_seed(run):
    accuracies = [
        held_out_accuracy(run("train", "--seed", seed, "--threads", 1)) for seed in range(10)
    ]
    assert min(accuracies) >= 97.5
    assert np.mean(accuracies) >= 98.5


def test_the_held_out_score_is_that_of_rows_not_trained_on(run):
    """The same network, made by hand on the training rows, scores the same on the others."""
    printed = run("train", "--seed", 3, "--threads", 1)
    X, y = load_digits()
    training, held_out = split(y.astype(float), "classification", 0.2, 3)
    network = bp.Network(
        64,
        [bp.Dense(256, "relu"), bp.Dense(128, "relu"), bp.Dense(10)],
        loss=LOSSES["softmax_cross_entropy"](label_smoothing=0.1),
        seed=3,
        n_threads=1,
        input_offset=X[training].mean(axis=0, dtype=float),
        input_scale=1 / 16,
    )
    stop = bp.EarlyStopping(patience=44)  # 2000 steps
    held = X[held_out], y[held_out]
    network.fit(
        X[training], y[training], epochs=1000, batch_size=32, validation_data=held, callbacks=[stop]
    )
    accuracy = 100 * network.evaluate(*held)["accuracy"]
    assert accuracy == pytest.approx(held_out_accuracy(printed), abs=0.01)
    assert f"best epoch {stop.best_epoch + 1}," in printed.out


def test_the_same_seed_gives_the_same_file(run, tmp_path):
    for name in ("a", "b"):
        run("train", "--epochs", 3, "--seed", 5, "--output", name)
    run("train", "--epochs", 3, "--seed", 6, "--output", "c")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_predict_and_info_on_the_digits(run):
    run("train", "--epochs", 20)
    printed = run("predict", "model.safetensors", "digits", "--probabilities")
    rows = list(csv.reader(printed.out.splitlines()))
    assert rows[0] == ["class", *(f"probability_{i}" for i in range(10))]
    probabilities = np.array([row[1:] for row in rows[1:]], float)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    predicted = np.array([row[0] for row in rows[1:]], int)
    np.testing.assert_array_equal(predicted, probabilities.argmax(axis=1))
    right = (predicted == load_digits()[1]).sum()
    assert f"accuracy {100 * right / 1797:.2f} % ({right:,} of 1,797)" in printed.err
    printed = run("info", "model.safetensors")
    for words in ("50,826 parameters", "trained   20 epochs", "8×8", "classification into 10"):
        assert words in printed.out


# ---- the user's tables --------------------------------------------------------------------------


def test_a_table_classified(run, fruit):
    printed = run("train", fruit, "--target", "kind", "--drop", "price")
    assert "400 rows, 6 columns" in printed.out
    assert "Unnamed: 0: counts the rows" in printed.out
    assert "tag: text that is different in every row" in printed.out
    assert "price: as asked" in printed.out
    assert "colour (3)" in printed.out
    assert re.search(r"missing   size \(\d+\); imputed", printed.out)
    assert held_out_accuracy(printed) > 85  # where the size is missing there is nothing to go by
    printed = run("predict", "model.safetensors", fruit, "--output", "out.csv")
    assert printed.out == ""
    assert "accuracy 9" in printed.err
    lines = Path("out.csv").read_text(encoding="utf-8").split("\n")
    assert lines[0] == "kind"
    assert set(lines[1:-1]) == {"large", "small"}
    assert len(lines) == 402


def test_a_table_regressed(run, fruit):
    printed = run("train", fruit, "--target", "price", "--drop", "kind", "--epochs", 150)
    assert "price: regression" in printed.out
    assert float(re.search(r"held-out R² ([\d.]+), RMSE [\d.]+, MAE", printed.out)[1]) > 0.8
    printed = run("predict", "model.safetensors", fruit)
    predicted = np.array(printed.out.split("\n")[1:-1], float)
    wanted = read(fruit).column("price")
    r2 = 1 - ((predicted - wanted) ** 2).sum() / ((wanted - wanted.mean()) ** 2).sum()
    assert f"R² {r2:.4f}" in printed.err


def test_predict_for_a_file_of_other_shape(run, fruit, tmp_path):
    """Other order, no target, a category that is new, a value that is missing, one far outside."""
    run("train", fruit, "--target", "kind", "--drop", "price", "--quiet")
    rows = [["pink", "2"], ["red", ""], ["red", "8.5"], ["red", "1e9"]]
    other = write_csv(tmp_path / "other.csv", ["colour", "size"], rows)
    printed = run("predict", "model.safetensors", other)
    assert printed.out.split()[0] == "kind"
    assert printed.out.split()[3:] == ["large", "large"]
    assert "colour: 1 value not seen in training ('pink'), taken as none" in printed.err
    assert "size: 1 value is far outside the training's" in printed.err
    assert "accuracy" not in printed.err


def test_a_target_that_is_not_numbers_where_there_is_nothing_to_compare(run, fruit, tmp_path):
    run("train", fruit, "--target", "price", "--drop", "kind", "--epochs", 1)
    table = write_csv(tmp_path / "t.csv", ["size", "colour", "price"], [[1, "red", "cheap"]])
    printed = run("predict", "model.safetensors", table)
    assert len(printed.out.split()) == 2
    assert "no score: column 'price' has to be numbers; row 1 has 'cheap'" in printed.err


def test_classes_written_with_decimals(run, tmp_path):
    rows = [[i, f"{i % 2}.0"] for i in range(40)]
    table = write_csv(tmp_path / "t.csv", ["x", "y"], rows)
    run("train", table, "--target", "y", "--epochs", 1)
    printed = run("predict", "model.safetensors", table)
    right = sum(float(p) == i % 2 for i, p in enumerate(printed.out.split()[1:]))
    assert f"({right} of 40)" in printed.err


def test_many_notes_are_shortened(run, tmp_path):
    columns = [f"c{i}" for i in range(20)]
    rows = np.random.default_rng(0).normal(size=(50, 20)).tolist()
    table = write_csv(tmp_path / "t.csv", [*columns, "y"], [[*row, row[0]] for row in rows])
    run("train", table, "--target", "y", "--epochs", 1, "--validation", 0)
    far = write_csv(tmp_path / "far.csv", columns, [[1000] * 20])
    lines = run("predict", "model.safetensors", far).err.strip().split("\n")
    assert len(lines) == 6
    assert lines[-1] == "backprop: and 15 more columns like these"


def test_rows_without_target_are_left_out(run, tmp_path):
    rows = [[i, "" if i % 4 == 0 else i % 2] for i in range(1, 41)]
    table = write_csv(tmp_path / "some.csv", ["x", "y"], rows)
    printed = run("train", table, "--target", "y", "--epochs", 1)
    assert "24 to train on, 6 held out, 10 left out, whose target is missing" in printed.out
    assert "of 30)" in run("predict", "model.safetensors", table).err


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_target_beyond_float32(run, tmp_path, dtype):
    rows = [[i, f"{i + 1}e90"] for i in range(60)]
    table = write_csv(tmp_path / "t.csv", ["x", "y"], rows)
    printed = run("train", table, "--target", "y", "--epochs", 1, "--dtype", dtype)
    assert re.search(r"RMSE \d\.\d+e\+\d\d, MAE \d\.", printed.out)
    predicted = np.array(run("predict", "model.safetensors", table).out.split()[1:], float)
    assert np.isfinite(predicted).all()
    assert np.abs(predicted).max() > 1e89


def test_nothing_held_out(run, fruit):
    printed = run("train", fruit, "--target", "kind", "--validation", 0, "--epochs", 1)
    assert "training accuracy" in printed.out
    assert "(nothing was held out)" in printed.out


def test_every_option_of_training(run, fruit):
    options = "--hidden 8,4 --activation tanh --optimizer sgd --learning-rate 0.1 --epochs 2"
    options += " --batch-size 7 --validation 0.5 --seed 3 --dtype float64 --threads 1"
    options += " --matmul blas --task classification --label-smoothing 0 --output m"
    printed = run("train", fruit, "--target", "kind", *options.split(), "--quiet")
    assert (printed.out, printed.err) == ("", "")
    network, preprocessing = storage.load("m")
    assert [(at.units, at.activation) for at in network.layers] == [
        (8, "tanh"),
        (4, "tanh"),
        (2, "identity"),
    ]
    assert network.optimizer == bp.SGD(0.1, momentum=0.9, nesterov=True)
    assert (network.dtype, network.seed, network.matmul) == (np.float64, 3, "blas")
    assert (network.epochs_trained, network.steps) == (2, 2 * -(-200 // 7))
    assert preprocessing.target.smoothing == 0


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_activation(run, fruit, name):
    run("train", fruit, "--target", "kind", "--hidden", "4", "--activation", name, "--epochs", 1)
    network, _ = storage.load("model.safetensors")
    assert [at.activation for at in network.layers] == [name, "identity"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_with_its_own_rate(run, fruit, name):
    chosen = ("--optimizer", name.lower(), "--epochs", 1)
    run("train", fruit, "--target", "kind", *chosen)
    kind = OPTIMIZERS[name]
    assert storage.load("model.safetensors")[0].optimizer == kind(**kind.suggested)
    run("train", fruit, "--target", "kind", *chosen, "--learning-rate", 0.5)
    assert storage.load("model.safetensors")[0].optimizer == kind(0.5, **kind.suggested)


def test_a_choice_that_there_is_not(complaint, fruit):
    train = ("train", fruit, "--target", "kind")
    for option, names in (("--activation", ACTIVATIONS), ("--optimizer", OPTIMIZERS)):
        message = complaint(*train, option, "nonsense")
        assert message.startswith(f"argument {option}: ")
        assert "nonsense" in message
        assert all(name.lower() in message for name in names)


def test_help_lists_the_choices(run):
    shown = " ".join(run("train", "--help").out.split())
    for name in (*ACTIVATIONS, *map(str.lower, OPTIMIZERS)):
        assert name in shown
    assert "sgd with momentum=0.9 and nesterov=True" in shown
    assert "0.01 for sgd, 0.001 for adam" in shown


def test_no_hidden_layer_finds_a_straight_line(run, tmp_path):
    table = write_csv(tmp_path / "line.csv", ["x", "y"], [[i / 10, 3 - i / 5] for i in range(300)])
    options = "--target y --preset none --hidden none --optimizer sgd --epochs 50"
    options += " --learning-rate 0.1"
    assert "R² 1.0000" in run("train", table, *options.split()).out


def test_arrays_of_the_user(run, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(5, [1, 100], (300, 2))
    np.savez(tmp_path / "a.npz", X=x, y=np.where(x[:, 0] > 5, "in", "out"))
    printed = run("train", "a.npz")
    assert held_out_accuracy(printed) > 90
    table = write_csv(tmp_path / "a.csv", ["a", "b"], [[9, 0], [1, 0]])
    assert run("predict", "model.safetensors", table).out == "class\nin\nout\n"


def test_a_model_saved_from_python(run, tmp_path):
    network = bp.Network(2, [bp.Dense(3)], "softmax_cross_entropy", seed=0)
    network.save("plain")
    table = write_csv(tmp_path / "a.csv", ["a", "b"], [[9, 0], [1, 5]])
    expected = network.predict(np.array([[9.0, 0], [1, 5]])).argmax(axis=1)
    assert run("predict", "plain", table).out.split() == ["class", *map(str, expected)]
    assert "0 epochs" in run("info", "plain").out
    bp.Network(2, [bp.Dense(3)]).save("plain")
    assert "3 outputs" in run("predict", "plain", table, code=2).err


# ---- errors: one line, exit code 2 --------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("train nowhere.csv", "no such file: 'nowhere.csv'"),
        ("train fruits.csv", "did you mean 'fruit.csv'"),
        ("train .", ". cannot be read as CSV"),
        ("train empty.csv", "empty.csv is empty"),
        ("train ragged.csv --target a", "line 3: 1 value where the header has 2"),
        ("train fruit.csv", "--target is needed"),
        ("train fruit.csv --target prize", "no column 'prize'; did you mean 'price'"),
        ("train fruit.csv --target tag", "too many to be classes"),
        ("train fruit.csv --target kind --task regression", "has to be numbers; row 1 has"),
        ("train fruit.csv --target kind --drop kind", "is the target"),
        ("train digits --target y", "--target, --drop and --key are for tables"),
        ("train one.csv --target b", "1 row with a target; at least 2"),
        ("train --output nowhere/model", "there is no directory 'nowhere'"),
        ("train --output .", "is a directory"),
        ("train fruit.csv --target kind --output ./fruit.csv", "would overwrite what is read"),
        ("predict model fruit.csv --output model", "would overwrite what is read"),
        ("train --hidden 8,x", "'x' is not a positive whole number"),
        ("train --hidden 0", "'0' is not a positive whole number"),
        ("train --hidden 8,1000000000000", "too large, the most is 2,147,483,583"),
        ("train --epochs -1", "is not a positive whole number"),
        ("train --epochs 99999999999", "--epochs: '99999999999' is too large"),
        ("train --threads 99999", "--threads: '99999' is too large, the most is 1,024"),
        ("predict model digits --threads 99999", "--threads: '99999' is too large"),
        ("train --validation 1", "'1' is not from 0 to below 1"),
        ("train --learning-rate nan", "'nan' is not a positive number"),
        ("train --seed -1", "'-1' is not a whole number"),
        ("train --activation swish", "activation='swish': expected one of"),
        ("train --epoch 3", "unrecognized arguments: --epoch"),
        ("predict nothing digits", "No such file or directory: 'nothing'"),
        ("predict fruit.csv digits", "not a model file"),
        ("predict model digits", "model was trained on a table"),
        ("predict model fruit.parquet", "no such file"),
        ("predict model ragged.csv", "no column 'size'"),
        ("predict model fruit.csv --output nowhere/out", "there is no directory"),
        ("predict model fruit.csv --probabilities", "--probabilities is for classification"),
        ("predict images fruit.csv", "'tag' is text"),
        ("predict images ragged.csv", "line 3"),
        ("predict images one.csv", "got an array (1, 2)"),
        ("info ragged.csv", "not a model file"),
        ("info .", "Is a directory"),
        ("", "the following arguments are required: COMMAND"),
        ("learn", "invalid choice: 'learn'"),
    ],
)
def test_an_error_is_one_line(run, complaint, fruit, tmp_path, arguments, words):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3\n" if "model" not in arguments else "a\n1\n")
    (tmp_path / "one.csv").write_text("a,b\n1,2\n")
    run("train", fruit, "--target", "price", "--epochs", 1, "--output", "model", "--quiet")
    run("train", "digits", "--epochs", 1, "--output", "images", "--quiet")
    assert words in complaint(*arguments.split())


def test_training_that_diverges(run, fruit, complaint):
    message = complaint(
        "train",
        fruit,
        "--target",
        "price",
        "--optimizer",
        "sgd",
        "--learning-rate",
        1e30,
        "--quiet",
    )
    assert message.endswith(
        "training diverged. Try a lower --learning-rate (it is 1e+30), or inputs and targets "
        "scaled to about 1"
    )
    assert not os.path.exists("model.safetensors")


def test_other_commands(run):
    assert run("--version").out == f"backprop {bp.__version__}\n"
    assert run("config").out == bp.show_config() + "\n"
    for command in ("", "train", "predict", "info", "config"):
        assert "usage: backprop" in run(*command.split(), "--help").out


# ---- the process --------------------------------------------------------------------------------


def start(*arguments):
    script = (  # SIGINT may be ignored here, by nohup or CI, and a child inherits that
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from backprop.cli import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", script, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **pipes)


def wait_for_training(process):
    """Read stderr until the progress bar has been drawn with some epochs done."""
    seen, epochs_done = "", re.compile(r"epoch ([2-9]|\d\d+)/")
    while not epochs_done.search(seen) and process.poll() is None:
        seen += process.stderr.read(1)
    assert epochs_done.search(seen), seen


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_saves_what_was_trained(run):
    process = start("train", "--epochs", 1_000_000)
    wait_for_training(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    epochs = int(re.search(r"interrupted after ([\d,]+) epochs; .* saved", err)[1].replace(",", ""))
    assert f"trained {epochs:,} epochs" in out
    assert "held-out accuracy" in out
    assert f"trained   {epochs:,} epochs" in run("info", "model.safetensors").out


def test_ctrl_c_before_the_first_epoch_saves_nothing(run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(bp.Network, "fit", interrupt)
    assert "nothing was saved" in run("train", code=130).err
    assert not os.path.exists("model.safetensors")


def test_ctrl_c_elsewhere(run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("backprop.cli.common.load_digits", interrupt)
    assert run("train", code=130).err == "backprop: interrupted\n"


def test_a_reader_that_leaves(run):
    run("train", "--epochs", 1, "--quiet")
    process = start("predict", "model.safetensors", "digits", "--probabilities")
    process.stdout.close()  # long before a new interpreter has anything to write
    err = process.stderr.read()
    assert process.wait(timeout=60) == 141
    assert "Traceback" not in err
    assert "Broken" not in err
    process.stderr.close()


# ---- what must hold of a split ------------------------------------------------------------------


def test_a_split_is_stratified_complete_and_seeded():
    values = np.array(["a"] * 50 + ["b"] * 20 + ["c"] * 5 + ["d"], object)
    training, held_out = split(values, "classification", 0.2, 0)
    np.testing.assert_array_equal(np.sort(np.concatenate([training, held_out])), np.arange(76))
    counts = [int((values[held_out] == name).sum()) for name in "abcd"]
    assert counts == [10, 4, 1, 0]
    np.testing.assert_array_equal(split(values, "classification", 0.2, 0)[1], held_out)
    assert set(split(values, "classification", 0.2, 1)[1]) != set(held_out)


def test_a_split_for_regression():
    training, held_out = split(np.arange(100.0), "regression", 0.25, 0)
    assert (len(training), len(held_out)) == (75, 25)
    assert len(split(np.arange(100.0), "regression", 0.0, 0)[1]) == 0


# ---- real files ---------------------------------------------------------------------------------


@pytest.mark.long
def test_diamonds(run, diamonds_csv):
    printed = run("train", diamonds_csv, "--target", "price", "--epochs", 8)
    assert "53,940 rows, 11 columns" in printed.out
    assert float(re.search(r"held-out R² ([\d.]+)", printed.out)[1]) >= 0.97
    assert "R² 0.9" in run("predict", "model.safetensors", diamonds_csv, "--output", "out").err


@pytest.mark.long
def test_mnist(run, mnist_npz):
    printed = run("train", mnist_npz, "--epochs", 3)
    rows = r"54,00\d to train on, [\d,]+ held out, 10,000 of the file's own test"
    assert re.search(rows, printed.out)
    assert float(re.search(r"test accuracy ([\d.]+) %", printed.out)[1]) >= 97.5
