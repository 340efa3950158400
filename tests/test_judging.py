"""Columns that mislead are named: ids, row numbers, constants, near-copies of the target."""

import json
import warnings

import numpy as np
import pytest

from backprop.tabular.preprocessing import Preprocessing
from backprop.tabular.tables import Table

N = 200
RNG = np.random.default_rng(0)
X = RNG.normal(size=N)
Y = RNG.normal(size=N)
PQR = np.array(list("prq") * 67, object)[:N]


def table(**columns):
    return Table(tuple(columns), tuple(np.asarray(column) for column in columns.values()))


def remarks(values, y=Y, name="c", **options):
    return Preprocessing(**options).fit(table(x=X, **{name: values}, y=y), "y").remarks


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("c", np.arange(N), "counts the rows"),
        ("c", np.arange(5, N + 5), "counts the rows"),
        ("c", np.arange(N) * 3 + 1000, "in order: leave it out if it is an id"),
        ("c", np.arange(N)[::-1], "in order: leave it out if it is an id"),
        ("customer_id", RNG.permutation(N) + 4711, "whole numbers that differ in every row:"),
    ],
)
def test_ids_and_row_numbers(name, values, words):
    ((what, text),) = remarks(values.astype(float), name=name)
    assert what == "note"
    assert text.startswith(f"{name}: ")
    assert words in text


@pytest.mark.parametrize(
    "values",
    [
        RNG.permutation(N) * 1.0,
        np.arange(N) / 8,
        np.arange(N) // 2,
        np.where(np.arange(N) == 7, np.nan, np.arange(N)),
        np.where(np.arange(N) == N - 1, np.inf, np.arange(N)),
    ],
)
def test_what_is_no_id(values):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert remarks(values) == ()


def test_few_rows_in_order_are_chance():
    few = table(x=np.arange(1.0, 16), y=Y[:15])
    assert Preprocessing().fit(few, "y").remarks == ()


@pytest.mark.parametrize(
    ("values", "y", "words"),
    [
        (Y * -3 + 1e-4 * X, Y, "a near-copy of the target (correlation over 0.9999)"),
        (np.where(np.arange(N) == 3, np.nan, Y), Y, "a near-copy of the target"),
        ((Y > 0) * 2.0, np.where(Y > 0, "p", "q").astype(object), "a near-copy of the target"),
        (np.arange(N) % 3.0, PQR, "each of its values has one"),
        (np.array(list("abcd") * 50, object), np.arange(N) % 4.0 // 2, "each of its values has"),
        (np.array(list("ab") * 100, object), np.arange(N) % 2 + 0.25, "each of its values has"),
    ],
)
def test_near_copies_of_the_target_are_a_warning_and_kept(values, y, words):
    found = Preprocessing().fit(table(x=X, c=values, y=y), "y")
    ((what, text),) = found.remarks
    assert what == "warning"
    assert text.startswith("c: ")
    assert words in text
    assert [column.name for column in found.columns if column.width] == ["x", "c"]
    assert found.describe()[-1] == ("warning", text)
    again = Preprocessing.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.describe() == found.describe()


@pytest.mark.parametrize(
    ("values", "y"),
    [
        (Y + 0.02 * X, Y),
        (np.array([f"word {i // 2}" for i in range(N)], object), np.arange(N) // 2 / 7),
        (np.array(["a", "b"] * 99 + ["a", "a"], object), np.arange(N) % 2),
    ],
)
def test_what_is_no_copy(values, y):
    assert remarks(values, y) == ()


def test_copies_are_looked_for_in_the_training_rows():
    c = np.where(np.arange(N) < 100, Y, X)
    data = table(x=X, c=c, y=Y)
    assert Preprocessing().fit(data, "y", np.arange(100)).remarks[0][0] == "warning"
    assert Preprocessing().fit(data, "y").remarks == ()


def test_a_constant_is_named_where_it_is_dropped():
    found = Preprocessing().fit(table(x=X, c=np.full(N, 5.0), y=Y), "y")
    assert ("dropped", "c: always 5") in found.describe()


@pytest.mark.parametrize("damage", [3, [["note"]], [["note", 3]], ["ab"], [None]])
def test_damaged_remarks(damage):
    state = Preprocessing().fit(table(x=X, y=Y), "y").to_dict()
    with pytest.raises(ValueError, match="preprocessing is damaged"):
        Preprocessing.from_dict(state | {"remarks": damage})
    del state["remarks"]  # of an older version
    assert Preprocessing.from_dict(state).remarks == ()
