"""From columns to inputs and back: what is learned, what is said, and what holds for any table."""

import json
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backprop.tabular.columns import ClassTarget, ValueTarget, present
from backprop.tabular.preprocessing import Preprocessing, choose_task
from backprop.tabular.tables import Table, TableError, read


def table(**columns):
    """A Table; lists with a string in them become text, None is a missing value."""
    arrays = []
    for values in columns.values():
        is_text = any(isinstance(value, str) for value in values)
        arrays.append(np.array(values, object if is_text else float))
    return Table(tuple(columns), tuple(arrays))


def fitted(data, target="y", rows=None, **options):
    return Preprocessing(**options).fit(data, target, rows)


def kinds(preprocessing):
    return {column.name: column.kind for column in preprocessing.columns}


def reason(preprocessing, name):
    (column,) = (column for column in preprocessing.columns if column.name == name)
    return column.reason


def reloaded(preprocessing):
    return Preprocessing.from_dict(json.loads(json.dumps(preprocessing.to_dict())))


Y = [0.5, 1.5, 3.0, 4.0]


# ---- columns ------------------------------------------------------------------------------------


def test_numbers_are_standardised_text_is_one_hot():
    data = table(size=[1, 2, 3, 6], colour=["red", "blue", "red", "green"], y=Y)
    found = fitted(data)
    assert kinds(found) == {"size": "numeric", "colour": "text"}
    expected = np.zeros((4, 4))
    expected[:, 0] = (np.array([1, 2, 3, 6]) - 3) / np.std([1, 2, 3, 6])
    expected[[1, 3, 0, 2], [1, 2, 3, 3]] = 1  # blue, green, red
    np.testing.assert_allclose(found.transform(data, dtype=np.float64), expected, rtol=1e-15)
    assert found.transform(data).dtype == np.float32


def test_missing_values_in_training_get_an_indicator():
    data = table(size=[1, None, 3, 2], colour=["a", "b", None, "a"], y=Y)
    found = fitted(data)
    X = found.transform(data)
    assert found.n_inputs == 5
    np.testing.assert_array_equal(X[1, :2], [0, 1])
    np.testing.assert_array_equal(X[2, 2:], [0, 0, 1])
    np.testing.assert_array_equal(X[0, 2:], [1, 0, 0])
    assert ("missing", "size (1), colour (1); imputed, each with an indicator column") in (
        found.describe()
    )


def test_what_training_did_not_have_is_reported():
    found = fitted(table(size=[1, 2, 3, 6], colour=["a", "b", "b", "a"], y=Y))
    notes = []
    strange = table(size=[None, 2, 700, 3], colour=["c", "b", "c", None])
    X = found.transform(strange, notes=notes)
    assert X[0].tolist() == [0, 0, 0]
    assert X[3, 1:].tolist() == [0, 0]
    assert notes == [
        "size: 1 value is far outside the training's 1 to 6, taken as just outside",
        "size: 1 missing value replaced by the mean of the training",
        "colour: 2 values not seen in training ('c'), taken as none",
        "colour: 1 missing value, of which training had none",
    ]


def test_infinite_values_are_missing_ones():
    data = table(size=[1, np.inf, 3, -np.inf], y=Y)
    X = fitted(data).transform(data)
    assert np.isfinite(X).all()
    assert X[:, 1].tolist() == [0, 1, 0, 1]


def test_statistics_come_from_the_training_rows_alone():
    data = table(size=[1, 3, 1000, 7], colour=["a", "b", "c", "a"], y=[1.5, 2.5, 3e9, 0.5])
    found = fitted(data, rows=np.array([0, 1]))
    size, colour = found.columns
    assert (size.mean, size.std, size.highest) == (2, 1, 3)
    assert colour.categories == ("a", "b")
    assert (found.target.mean, found.target.std) == (2, 0.5)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([5, 5, 5, 5], "always 5"),
        (["a", "a", "a", "a"], "always a"),
        ([None] * 4, "no value in the training rows"),
        (["a", "b", "c", "d"], "different in every row"),
        (["1", "2", "3", "x"], "mostly numbers, but row 4 has 'x'"),
    ],
)
def test_columns_of_no_use_are_dropped(values, why):
    found = fitted(table(useless=values, size=[1, 2, 3, 5], y=Y))
    assert why in reason(found, "useless")
    assert found.n_inputs == 1


def test_columns_dropped_for_one_reason_are_listed_together():
    data = table(a=[1] * 4, b=[1] * 4, c=[2] * 4, x=[1, 2, 3, 5], y=Y)
    lines = fitted(data).describe()
    assert lines[-2:] == [("dropped", "a, b: always 1"), ("dropped", "c: always 2")]


@pytest.mark.parametrize("name", ["Unnamed: 0", "id", "PassengerId", "index", "row_number", "ID"])
@pytest.mark.parametrize("start", [0, 1])
def test_row_numbers_are_dropped(name, start):
    data = table(**{name: range(start, start + 4), "size": [1, 2, 3, 5], "y": Y})
    found = fitted(data, rows=np.array([0, 2, 3]))
    assert reason(found, name) == "counts the rows"


@pytest.mark.parametrize("values", [[1, 2, 3, 5], [2, 3, 4, 5], [1, 3, 2, 4]])
def test_what_does_not_count_the_rows_is_kept(values):
    assert kinds(fitted(table(id=values, y=Y))) == {"id": "numeric"}


def test_an_ordinary_column_that_counts_is_kept():
    assert kinds(fitted(table(day=[1, 2, 3, 4], y=Y))) == {"day": "numeric"}


def test_columns_are_dropped_as_asked():
    data = table(a=[1, 2, 3, 5], b=[1, 2, 3, 6], y=Y)
    assert reason(fitted(data, drop=["b"]), "b") == "as asked"
    with pytest.raises(TableError, match="no column 'bb'; did you mean 'b'"):
        fitted(data, drop=["bb"])
    with pytest.raises(TableError, match="'y' is the target"):
        fitted(data, drop=["y"])


def test_too_many_categories():
    words = [f"word {i % 50}" for i in range(100)]
    data = table(word=words, size=range(2, 102), y=np.linspace(0, 1, 100))
    assert kinds(fitted(data, max_categories=49))["word"] == "means"
    without_target = Preprocessing(max_categories=49).fit_columns(data)
    assert "text with 50 different values" in reason(without_target, "word")
    assert kinds(fitted(data, max_categories=50))["word"] == "text"


def test_nothing_left_to_learn_from():
    with pytest.raises(TableError, match=r"no column to learn from \(a: always 1\)"):
        fitted(table(a=[1, 1, 1, 1], y=Y))
    with pytest.raises(TableError, match="it has only the target"):
        fitted(table(y=Y))


def test_a_table_without_a_column_of_the_training():
    found = fitted(table(size=[1, 2, 3, 5], y=Y))
    with pytest.raises(TableError, match="no column 'size'; did you mean 'sizes'"):
        found.transform(table(sizes=[1, 2]))


def test_text_where_training_had_numbers():
    found = fitted(table(size=[1, 2, 3, 5], y=Y))
    with pytest.raises(TableError, match="column 'size' has to be numbers; row 2 has 'big'"):
        found.transform(table(size=["1", "big"]))
    np.testing.assert_array_equal(
        found.transform(table(size=["1", None])), found.transform(table(size=[1, None]))
    )


def test_numbers_where_training_had_text():
    found = fitted(table(code=["1", "2", "x", "1"], y=Y))
    assert found.text_columns() == ["code"]
    np.testing.assert_array_equal(found.transform(table(code=[2, 1]))[0], [0, 1, 0])


def test_numbers_are_read_from_new_files_as_in_training(tmp_path):
    """Alone, "1,234" would be a thousand and more; the training's column had decimal commas."""
    (tmp_path / "old.csv").write_text('x,y\n"0,5",$1\n"1,234",$3\n"2,5","$1,000"\n"2,0",$7\n')
    (tmp_path / "new.csv").write_text('x\n"1,234"\n')
    old = read(tmp_path / "old.csv")
    found = reloaded(fitted(old, task="regression"))
    assert found.columns[0].mean == pytest.approx((0.5 + 1.234 + 2.5 + 2) / 4)
    assert found.target.mean == pytest.approx(1011 / 4)
    assert found.text_columns() == ["x", "y"]
    new = read(tmp_path / "new.csv", found.text_columns())
    np.testing.assert_array_equal(found.transform(new)[0], found.transform(old)[1])
    assert found.target.numbers(np.array(["$1,001"], object)).tolist() == [1001]
    state = found.to_dict()
    state["columns"][0]["written"] = ";"
    with pytest.raises(ValueError, match="written=';': expected"):
        Preprocessing.from_dict(state)
    del state["columns"][0]["written"], state["target"]["written"]  # of an older version
    assert Preprocessing.from_dict(state).columns[0].written == ""


def test_many_columns_take_linear_time(tmp_path):
    """20,000 are read, learned and encoded in about a second."""
    names = [f"c{i}" for i in range(20_000)]
    rows = np.random.default_rng(0).normal(size=(6, len(names)))
    lines = [",".join(names), *(",".join(map(repr, row)) for row in rows.tolist())]
    (tmp_path / "wide.csv").write_text("\n".join(lines))
    start = time.process_time()
    data = read(tmp_path / "wide.csv")
    found = fitted(data, "c0", drop=names[10_000:])
    X = found.transform(data)
    assert time.process_time() - start < 3
    assert X.shape == (6, 9_999)


# ---- targets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b", "a"], "classification"),
        (["True", "False", "True"], "classification"),
        ([0, 1, 1, 0], "classification"),
        ([1, -1, 1, -1], "classification"),
        (list(range(10)) * 10, "classification"),
        (list(range(10)) * 9, "regression"),
        (list(range(21)) * 100, "regression"),
        ([1, 3, 5, 7], "regression"),
        ([0.5, 1.5] * 50, "regression"),
    ],
)
def test_the_task_follows_from_the_target(values, task):
    column = table(y=values).column("y")
    assert choose_task(column) == task
    assert fitted(table(x=range(len(values)), y=values)).target.kind == task


def test_the_task_can_be_given():
    data = table(x=[1, 2, 3, 5], y=[0, 1, 1, 0])
    assert isinstance(fitted(data, task="regression").target, ValueTarget)
    data = table(x=[1, 2, 3, 5], y=[0.5, 1.5, 1.5, 0.5])
    assert fitted(data, task="classification").target.classes == ("0.5", "1.5")


def test_classes_keep_their_names():
    target = fitted(table(x=[1, 2, 3, 5], y=[10, 9, 9, 10])).target
    assert target.classes == ("9", "10")
    assert target.encode(np.array([9.0, 10.0, 11.0, np.nan])).tolist() == [0, 1, -1, -1]
    assert target.encode(np.array(["10", None, "x"], object)).tolist() == [1, -1, -1]
    assert target.decode(np.array([[0.3, 0.7], [0.9, 0.1]])).tolist() == ["10", "9"]


def test_classes_that_are_numbers_are_known_however_they_are_written():
    numbers = fitted(table(x=[1, 2, 3, 5], y=[0.0, 1.0, 1.0, 0.0]))
    assert numbers.text_columns() == []
    assert numbers.target.encode(np.array(["1.0", "1", "0e0", None], object)).tolist() == [
        1,
        1,
        0,
        -1,
    ]
    words = fitted(table(x=[1, 2, 3, 5], y=["01", "1", "x", "1"]))
    assert words.text_columns() == ["y"]
    assert words.target.encode(np.array(["01", "1"], object)).tolist() == [0, 1]


def test_regression_targets_come_back_in_their_unit():
    target = fitted(table(x=[1, 2, 3, 5], y=[10.5, 20, 30, 40])).target
    values = np.array([10.5, 20, 30, 40])
    encoded = target.encode(values)
    assert abs(encoded.mean()) < 1e-15
    assert encoded.std() == pytest.approx(1)
    np.testing.assert_allclose(target.decode(encoded[:, None]), values, rtol=1e-15)
    far = ValueTarget("y", 1e90, 1e89).decode(np.float32([[1]]))  # beyond float32
    np.testing.assert_allclose(far, [1.1e90])


def test_a_target_that_cannot_be_learned():
    with pytest.raises(TableError, match="'y' is 'a' in every training row"):
        fitted(table(x=[1, 2, 3, 5], y=["a"] * 4))
    with pytest.raises(TableError, match=r"'y' is '5\.5' in every training row"):
        fitted(table(x=[1, 2, 3, 5], y=[5.5] * 4))
    with pytest.raises(TableError, match="'y' is '5' in every training row"):
        fitted(table(x=[1, 2, 3, 5], y=[5] * 4), task="regression")
    with pytest.raises(TableError, match="no value in the training rows"):
        fitted(table(x=[1, 2, 3, 5], y=[None] * 4))
    with pytest.raises(TableError, match="row 3 has 'many'"):
        fitted(table(x=[1, 2, 3, 5], y=["1", "2", "many", "3"]), task="regression")
    names = [f"name {i}" for i in range(30)]
    with pytest.raises(TableError, match="30 different values in 30 rows"):
        fitted(table(x=range(30), y=names))
    numbers = [*map(str, range(30)), "many"]
    with pytest.raises(TableError, match="mostly numbers, but row 31 has 'many'"):
        fitted(table(x=range(31), y=numbers))


def test_label_smoothing():
    target = ClassTarget("y", ("a", "b", "c", "d"), smoothing=0.2)
    values = np.array(["b", "d"], object)
    rows = target.targets(values, np.float64)
    np.testing.assert_allclose(rows, [[0.05, 0.85, 0.05, 0.05], [0.05, 0.05, 0.05, 0.85]])
    assert target.decode(rows).tolist() == ["b", "d"]
    assert ClassTarget("y", ("a", "b")).targets(np.array(["b"], object), float).tolist() == [1]


def test_present():
    assert present(np.array([1, np.nan, np.inf])).tolist() == [True, False, False]
    assert present(np.array(["a", None], object)).tolist() == [True, False]


# ---- arrays -------------------------------------------------------------------------------------


def standardised(X, found):
    return (X - found.input_offset) * found.input_scale


def test_images_are_divided_by_their_range():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (50, 6), np.uint8), np.arange(50) % 2.0
    X[0, :2] = 0, 255
    X[:, 5] = 7
    found = Preprocessing().fit_array(X, y, sample_shape=(2, 3))
    np.testing.assert_allclose(found.input_scale, 1 / 255)
    np.testing.assert_allclose(found.input_offset, X.mean(axis=0))
    assert found.transform(X) is X
    assert found.describe()[1] == ("inputs", "2×3 numbers a sample")


def test_other_arrays_are_standardised_column_by_column():
    rng = np.random.default_rng(0)
    X, y = rng.normal([3, -5, 7], [1, 1e-3, 1e3], (50, 3)), rng.normal(size=50)
    X = np.column_stack([X, np.full(50, 0.1)])
    Z = standardised(X, Preprocessing().fit_array(X, y))
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(Z.std(axis=0), [1, 1, 1, 0], atol=1e-9)


def test_arrays_of_several_dimensions_share_a_scale():
    X = np.random.default_rng(0).normal(0, [1, 2, 3, 4], (50, 4))
    found = Preprocessing().fit_array(X, np.arange(50.0), sample_shape=(2, 2))
    assert len(set(found.input_scale)) == 1
    assert np.sqrt(np.mean(standardised(X, found) ** 2)) == pytest.approx(1)


def test_statistics_in_chunks_are_those_of_the_whole(monkeypatch):
    X = np.random.default_rng(0).normal(5, 2, (101, 3)).astype(np.float32)
    y = np.arange(101.0)
    rows = np.arange(0, 101, 2)
    whole = Preprocessing().fit_array(X, y, rows)
    monkeypatch.setattr("backprop.tabular.chunks._ELEMENTS_PER_CHUNK", 7)
    pieces = Preprocessing().fit_array(X, y, rows)
    np.testing.assert_allclose(pieces.input_offset, whole.input_offset, rtol=1e-14)
    np.testing.assert_allclose(pieces.input_scale, whole.input_scale, rtol=1e-14)
    np.testing.assert_allclose(whole.input_offset, X[rows].mean(axis=0, dtype=float), rtol=1e-14)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_arrays_with_values_that_are_not_finite(bad):
    X = np.ones((5, 3))
    X[3, 1] = bad
    with pytest.raises(TableError, match="row 4, column 2"):
        Preprocessing().fit_array(X, np.arange(5.0))
    found = Preprocessing().fit_array(np.eye(5, 3), np.arange(5.0))
    with pytest.raises(TableError, match="row 4, column 2"):
        found.transform(X)


def test_arrays_of_another_width():
    found = Preprocessing().fit_array(np.eye(6), np.arange(6.0), sample_shape=(2, 3))
    with pytest.raises(TableError, match=r"6 columns \(2×3\); got an array \(6, 5\)"):
        found.transform(np.eye(6, 5))


# ---- what is saved ------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["columns", "target", "n_inputs", "sample_shape"])
def test_a_damaged_description(damage):
    state = fitted(table(size=[1, 2, 3, 5], y=Y)).to_dict()
    del state[damage]
    with pytest.raises(ValueError, match="preprocessing is damaged"):
        Preprocessing.from_dict(state)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"mean": "3"}, "mean='3'"),
        ({"mean": np.nan}, "mean=nan"),
        ({"std": 0}, "std=0: expected a finite number, above 0"),
        ({"std": -1.0}, "std=-1.0"),
        ({"std": np.inf}, "std=inf"),
        ({"lowest": 6}, "lowest=6.0: expected at most highest=5.0"),
        ({"n_missing": None}, "n_missing=None"),
        ({"n_missing": -1}, "n_missing=-1: expected an integer, at least 0"),
        ({"name": 3}, "name=3: expected text"),
        ({"mode": 1}, "mode"),
        ({"kind": "x"}, "kind='x': expected one of 'numeric', 'text'"),
    ],
)
def test_a_damaged_column(damage, words):
    state = fitted(table(size=[1, 2, 3, 5], y=Y)).to_dict()
    state["columns"][0].update(damage)
    with pytest.raises(ValueError, match="preprocessing is damaged") as caught:
        Preprocessing.from_dict(state)
    assert words in str(caught.value)


@pytest.mark.parametrize("texts", [["a", ["b"]], ["a", 1], ["a", "a"], [], "ab", None])
def test_categories_and_classes_are_different_texts(texts):
    data = table(colour=["a", "b", "b", "a"], y=["p", "q", "q", "p"])
    for changed, name in (("columns", "categories"), ("target", "classes")):
        state = fitted(data).to_dict()
        part = state["columns"][0] if changed == "columns" else state["target"]
        part[name] = texts
        with pytest.raises(ValueError, match=f"preprocessing is damaged: {name}="):
            Preprocessing.from_dict(state)


@pytest.mark.parametrize("columns", ["", {}, [], None])
def test_a_table_without_its_columns(columns):
    state = fitted(table(size=[1, 2, 3, 5], y=Y)).to_dict()
    with pytest.raises(ValueError, match=r"columns=.*expected a list|describes 0 columns"):
        Preprocessing.from_dict(state | {"columns": columns})


def test_a_description_that_contradicts_itself():
    state = fitted(table(size=[1, 2, 3, 5], y=Y)).to_dict()
    with pytest.raises(ValueError, match="describes 1 columns and claims 2"):
        Preprocessing.from_dict(state | {"n_inputs": 2})


# ---- what holds for any table -------------------------------------------------------------------

numbers = st.one_of(
    st.none(), st.integers(-5, 5), st.floats(-1e6, 1e6), st.floats(), st.just(1e-300)
)
words = st.one_of(st.none(), st.sampled_from(["red", "green", "blue", "1", "1.0", "ünï"]))


@st.composite
def tables(draw):
    """A table of up to 3 numeric and 3 text columns with a target of either kind."""
    n = draw(st.integers(2, 12))
    columns = {
        f"{kind} {i}": draw(st.lists(values, min_size=n, max_size=n))
        for kind, values in (("number", numbers), ("word", words))
        for i in range(draw(st.integers(0, 3)))
    }
    y = draw(
        st.one_of(
            st.lists(st.floats(-1e9, 1e9), min_size=n, max_size=n),
            st.lists(st.sampled_from(["yes", "no"]), min_size=n, max_size=n),
        )
    )
    return SimpleNamespace(data=table(**columns, y=y), n=n)


def fit_if_possible(drawn):
    try:
        return fitted(drawn.data)
    except TableError:
        assume(False)


@given(tables())
def test_inputs_are_finite_and_standardised(drawn):
    found = fit_if_possible(drawn)
    X = found.transform(drawn.data, dtype=np.float64)
    assert X.shape == (drawn.n, found.n_inputs)
    assert np.isfinite(X).all()
    assert np.isfinite(found.transform(drawn.data)).all()
    start = 0
    for column in found.columns:
        block = X[:, start : start + column.width]
        if column.kind == "numeric":
            there = block[block[:, 1] == 0, 0] if column.width == 2 else block[:, 0]
            assert abs(there.mean()) < 1e-6
            assert there.std() < 1 + 1e-6
        elif column.kind == "text":
            assert (block.sum(axis=1) == 1).all()  # a category or missing
        start += column.width


@given(tables())
def test_nothing_new_is_reported_of_the_training_rows(drawn):
    notes = []
    fit_if_possible(drawn).transform(drawn.data, notes=notes)
    assert notes == []


@given(tables(), st.data())
def test_a_row_does_not_depend_on_the_others(drawn, data):
    found = fit_if_possible(drawn)
    rows = np.array(data.draw(st.lists(st.integers(0, drawn.n - 1), min_size=1)))
    np.testing.assert_array_equal(
        found.transform(drawn.data, rows), found.transform(drawn.data)[rows]
    )


@given(tables())
def test_what_was_saved_does_the_same(drawn):
    found = fit_if_possible(drawn)
    again = reloaded(found)
    assert again.to_dict() == found.to_dict()
    assert again.describe() == found.describe()
    np.testing.assert_array_equal(again.transform(drawn.data), found.transform(drawn.data))


@given(tables())
def test_targets_come_back(drawn):
    target = fit_if_possible(drawn).target
    values = drawn.data.column("y")
    if target.kind == "classification":
        outputs = np.eye(target.n_outputs)[target.encode(values)]
        assert target.decode(outputs).tolist() == [
            v if isinstance(v, str) else str(int(v)) for v in values
        ]
    else:
        back = target.decode(target.encode(values)[:, None])
        np.testing.assert_allclose(back, values, rtol=1e-9, atol=1e-9 * np.abs(values).max())


def test_diamonds(diamonds_csv):
    data = read(diamonds_csv)
    found = fitted(data, "price")
    assert reason(found, "Unnamed: 0") == "counts the rows"
    assert found.n_inputs == 6 + 5 + 7 + 8
    assert found.target.kind == "regression"
    X = found.transform(data)
    np.testing.assert_allclose(X[:, 0].mean(), 0, atol=1e-5)
    assert (X[:, 1:6].sum(axis=1) == 1).all()
