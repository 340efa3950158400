"""Tables that are streamed: what is learned of them in one pass, and the command line on them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import backprop as bp
from backprop.tabular.columns import DateColumn, NumericColumn
from backprop.tabular.preprocessing import Preprocessing
from backprop.tabular.streamed import Numbers
from backprop.tabular.tables import read
from backprop.tabular.values import mean_and_std

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

N = 400
RNG = np.random.default_rng(0)


def columns():
    """Of every kind that a table may have."""
    days = np.datetime64("2020-01-01", "us") + RNG.integers(0, 900, N) * np.timedelta64(1, "D")
    number = RNG.normal(size=N)
    return {
        "id": np.arange(1, N + 1),
        "number": number,
        "whole": RNG.integers(0, 9, N),
        "holes": [None if i % 7 == 0 else float(i % 50) for i in range(N)],
        "word": RNG.choice(["red", "green", "blue"], N).tolist(),
        "gaps": [None if i % 9 == 0 else "ab"[i % 2] for i in range(N)],
        "day": days,
        "written": [str(day)[:10] for day in days],
        "amount": [f"${i % 30},000.50" if i % 30 else "$7" for i in range(N)],
        "same": ["x"] * N,
        "code": [f"r{i}" for i in range(N)],
        "flag": RNG.random(N) < 0.3,
        "y": number * 3 + RNG.normal(size=N),
        "kind": RNG.choice(["yes", "no", "maybe"], N).tolist(),
    }


@pytest.fixture
def parquet(tmp_path):
    pq.write_table(pa.table(columns()), tmp_path / "rows.parquet", row_group_size=60)
    return tmp_path / "rows.parquet"


def rows(source):
    pieces = list(source.pieces())
    return tuple(np.concatenate([getattr(piece, name) for piece in pieces]) for name in "Xy")


def close(one, other):
    """Columns that say the same, but for rounding."""
    assert type(one) is type(other)
    for name, value in vars(one).items():
        found = getattr(other, name)
        if isinstance(value, float):
            assert found == pytest.approx(value, rel=1e-12, abs=1e-12), (one, other)
        elif hasattr(value, "mean") and hasattr(value, "std"):
            close(value, found)
        else:
            assert found == value, (one, other)


@pytest.mark.parametrize("target", ["y", "kind", "flag", "whole"])
def test_what_is_learned_is_what_a_table_in_memory_teaches(parquet, target):
    table = read(parquet)
    expected = Preprocessing(n_pieces=4).fit(table, target)
    found, held_out = bp.sources.prepared(parquet, target, n_pieces=4)
    assert held_out is None
    made = found.preprocessing
    assert [column.name for column in made.columns] == [c.name for c in expected.columns]
    for one, other in zip(expected.columns, made.columns, strict=True):
        if one.name == "amount":  # whose pieces the sample of numbers does not have
            one = NumericColumn(**{**vars(one), "edges": ()})
        close(one, other)
    close(expected.target, made.target)
    expected.columns = made.columns
    expected.n_inputs = made.n_inputs
    X, y = rows(found)
    np.testing.assert_allclose(X, expected.transform(table), atol=1e-6)
    np.testing.assert_allclose(
        y, expected.target.targets(expected.target_values(table), np.float32), atol=1e-6
    )
    reloaded = Preprocessing.from_dict(made.to_dict())
    assert reloaded.columns == made.columns


def test_kinds_of_columns(parquet):
    made = bp.sources.prepared(parquet, "y", drop=["word"], key="id")[0].preprocessing
    kinds = {column.name: column.kind for column in made.columns}
    assert kinds == {
        "id": "key",
        "number": "numeric",
        "whole": "numeric",
        "holes": "numeric",
        "word": "dropped",
        "gaps": "text",
        "day": "date",
        "written": "date",
        "amount": "numeric",
        "same": "dropped",
        "code": "dropped",
        "flag": "text",
        "kind": "text",
    }
    found = bp.sources.prepared(parquet, "y")[0].preprocessing
    reasons = {c.name: c.reason for c in found.columns if c.kind == "dropped"}
    assert reasons["id"] == "counts the rows"
    assert reasons["same"] == "always x"
    assert reasons["code"].startswith("text that is different in every row")


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_rows_are_held_out_by_the_seed(parquet, share):
    training, held_out = bp.sources.prepared(parquet, "y", validation=share, seed=3)
    assert training.n_rows + held_out.n_rows == N
    assert abs(held_out.n_rows / N - share) < 0.1
    both = [rows(part)[1] * training.preprocessing.target.std for part in (training, held_out)]
    values = np.sort(np.concatenate(both) + training.preprocessing.target.mean)
    np.testing.assert_allclose(values, np.sort(read(parquet).column("y")), atol=1e-4)
    again = bp.sources.prepared(parquet, "y", validation=share, seed=3)[1]
    np.testing.assert_array_equal(rows(again)[1], rows(held_out)[1])
    other = bp.sources.prepared(parquet, "y", validation=share, seed=4)[1]
    assert rows(other)[1].shape != both[1].shape or (rows(other)[1] != rows(held_out)[1]).any()
    numbers = read(parquet).column("number")
    learned = next(c for c in training.preprocessing.columns if c.name == "number")
    assert learned.mean != numbers.mean()  # which the rows held out are no part of


def test_rows_without_a_target_are_left_out(tmp_path):
    y = [None if i % 5 == 0 else float(i) for i in range(100)]
    pq.write_table(pa.table({"x": RNG.normal(size=100), "y": y}), tmp_path / "t.parquet")
    training, _ = bp.sources.prepared(tmp_path / "t.parquet", "y")
    assert (training.n_rows, training.n_left_out) == (80, 20)


def test_a_network_is_trained_on_it(parquet):
    training, held_out = bp.sources.prepared(parquet, "y", validation=0.25)
    X, y = rows(training)
    nets = [
        bp.Network(training.n_inputs, [bp.Dense(8, "relu"), bp.Dense(1)], seed=1) for _ in range(3)
    ]
    nets[0].fit(X, y, epochs=3, validation_data=rows(held_out))
    nets[1].fit(training, epochs=3, validation_data=held_out)
    for one, other in zip(*(net.get_weights() for net in nets[:2]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert nets[0].history.validation_loss == nets[1].history.validation_loss
    history = nets[2].fit(training, epochs=40, batch_size=16, buffer_rows=64)
    assert history.loss[-1] < 0.5 * history.loss[0]


def test_what_is_wrong(parquet, tmp_path):
    for options, message in (
        ({"target": "z"}, "has no column 'z'"),
        ({"target": "day"}, "the target 'day' has dates"),
        ({"target": "same"}, "the target 'same' is 'x' in every training row"),
        ({"target": "code"}, "too many different values to be classes"),
        ({"target": "word", "task": "regression"}, "is text: expected numbers"),
        ({"target": "y", "drop": ["y"]}, "is the target and cannot be dropped"),
    ):
        with pytest.raises(ValueError, match=message):
            bp.sources.prepared(parquet, **options)
    with pytest.raises(TypeError, match="expected a path"):
        bp.sources.prepared(lambda: [], "y")
    (tmp_path / "folder").mkdir()
    pq.write_table(pa.table({"x": [1.0], "y": [2.0]}), tmp_path / "folder" / "1.parquet")
    pq.write_table(pa.table({"x": ["a"], "y": [2.0]}), tmp_path / "folder" / "2.parquet")
    with pytest.raises(TypeError, match=r"2\.parquet: column 'x' is string, expected double as in"):
        bp.sources.prepared(tmp_path / "folder", "y")


@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=20), min_size=1, max_size=6))
def test_numbers_in_parts_are_those_of_the_whole(parts):
    found, values = Numbers(), np.array([x for part in parts for x in part])
    for part in parts:
        found.add(np.array([*part, np.nan]))
    assert (found.n, found.n_missing) == (len(values), len(parts))
    if len(values):
        mean, std = mean_and_std(values)
        assert found.mean == pytest.approx(mean, rel=1e-9, abs=1e-9)
        if std != 1.0:  # else it may be rounding in one way and not in the other
            assert found.mean_and_std[1] == pytest.approx(std, rel=1e-6, abs=1e-6)
        assert (found.low, found.high) == (values.min(), values.max())


def test_more_words_and_dates_than_are_kept(parquet, monkeypatch):
    from backprop.tabular import streamed

    monkeypatch.setattr(streamed, "MOST_WORDS", 50)
    made = bp.sources.prepared(parquet, "y")[0].preprocessing
    found = {column.name: column for column in made.columns}
    assert found["code"].reason == "text with over 50 different values"
    assert found["written"].kind == "dropped"
    assert isinstance(found["day"], DateColumn)


COMMAND = ("--target", "y", "--hidden", "16", "--epochs", "3", "--drop", "kind")


def test_the_command_line_streams(run, parquet, tmp_path):
    printed = run("train", parquet, "--stream", "--buffer-rows", "128", *COMMAND)
    assert "400 rows, 14 columns, once to learn from, and as they are trained on" in printed.out
    assert "held-out R²" in printed.out
    predicted = run("predict", "model.safetensors", parquet)
    assert len(predicted.out.splitlines()) == N + 1
    printed = run("train", parquet, "--stream", "--validation", "0", *COMMAND)
    assert "training loss" in printed.out


def test_classes_are_balanced_by_their_counts(run, parquet):
    training, _ = bp.sources.prepared(parquet, "kind")
    assert sum(training.class_counts) == N
    kinds = read(parquet).column("kind")
    classes = training.preprocessing.target.classes
    assert training.class_counts == [int((kinds == name).sum()) for name in classes]
    options = ("--target", "kind", "--hidden", "8", "--epochs", "2", "--validation", "0")
    run("train", parquet, "--stream", "--class-weight", "balanced", *options)
    weighted = bp.Network.load("model.safetensors").get_weights()
    run("train", parquet, "--stream", *options)
    plain = bp.Network.load("model.safetensors").get_weights()
    assert any((one != other).any() for one, other in zip(weighted, plain, strict=True))


def test_the_command_line_takes_a_folder(run, tmp_path):
    for kind in ("parquet", "csv"):
        folder = tmp_path / kind
        folder.mkdir()
        for i in range(2):
            table = pa.table({"a": RNG.normal(size=50), "b": ["u", "v"] * 25, "y": range(50)})
            if kind == "csv":
                (folder / f"{i}.csv").write_text(table.to_pandas().to_csv(index=False))
            else:
                pq.write_table(table, folder / f"{i}.parquet")
        printed = run("train", folder, "--target", "y", "--hidden", "4", "--epochs", "2")
        assert "100 rows, 3 columns" in printed.out


def test_the_command_line_goes_on_with_a_run(run, parquet):
    run("train", parquet, "--stream", "--checkpoint", "run.st", *COMMAND)
    whole = run("train", parquet, "--stream", *COMMAND[:5], "3", *COMMAND[6:]).out
    again = run("train", parquet, "--stream", "--checkpoint", "run.st", "--resume", *COMMAND).out
    assert "resumed" in again
    scores = [[line for line in out.splitlines() if "held-out" in line] for out in (whole, again)]
    assert scores[0] == scores[1]


def test_large_files_are_streamed_by_themselves(run, parquet, monkeypatch):
    from backprop.cli import streaming

    monkeypatch.setattr(streaming, "free_memory", lambda: 1000)
    assert "once to learn from" in run("train", parquet, *COMMAND).out
    monkeypatch.setattr(streaming, "free_memory", lambda: None)
    assert "once to learn from" not in run("train", parquet, *COMMAND).out
    error = run("train", parquet, "--buffer-rows", "9", *COMMAND, code=2).err
    assert "--buffer-rows is of rows that are read piece by piece: expected --stream" in error
