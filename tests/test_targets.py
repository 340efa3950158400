"""Several targets, and columns that are a key."""

import json

import numpy as np
import pytest

from backprop.tabular.preprocessing import Preprocessing
from backprop.tabular.tables import Table, TableError, read
from backprop.tabular.targets import ValuesTarget
from backprop.tabular.values import present


def table(**columns):
    return Table(tuple(columns), tuple(np.asarray(column) for column in columns.values()))


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return table(
        x=rng.normal(size=50),
        a=rng.normal(5, 2, 50),
        b=np.array([f"{v:.3f}" for v in rng.normal(-3, 0.1, 50)], object),
        c=np.array(["red", "blue"] * 25, object),
    )


def reloaded(found):
    return Preprocessing.from_dict(json.loads(json.dumps(found.to_dict())))


def test_several_targets_are_standardised_each(data):
    rows = np.arange(40)
    found = Preprocessing().fit(data, ["a", "b"], rows)
    assert isinstance(found.target, ValuesTarget)
    assert found.target.n_outputs == 2
    assert found.target.names == ("a", "b")
    assert found.target.task == "regression"
    assert found.input_names() == ["x", "c=blue", "c=red"]
    values = found.target_values(data, rows)
    both = np.stack([data.column("a"), data.column("b").astype(float)], axis=1)
    np.testing.assert_array_equal(values, both[:40])
    y = found.target.targets(values, np.float32)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(y.std(axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(found.target.decode(y), values, rtol=1e-6)
    assert found.describe()[0][1].startswith("a, b: regression of 2 (a: mean ")
    again = reloaded(found)
    assert again.target == found.target
    assert again.task == "regression"


def test_a_list_of_one_is_one(data):
    assert Preprocessing().fit(data, ["a"]).target == Preprocessing().fit(data, "a").target


def test_rows_that_lack_a_target(data):
    gaps = data.column("a").copy()
    gaps[3] = np.nan
    data = table(x=data.column("x"), a=gaps, b=data.column("b"))
    found = Preprocessing().fit(data, ["a", "b"])
    assert np.flatnonzero(~present(found.target_values(data))).tolist() == [3]
    assert found.target.parts[0].mean == pytest.approx(np.nanmean(gaps))


def test_many_categories_have_a_mean_of_each_target(data):
    names = np.array([f"shop {i % 5}" for i in range(50)], object)
    data = table(shop=names, a=data.column("a"), b=data.column("b"))
    found = Preprocessing(max_categories=4).fit(data, ["a", "b"])
    assert found.input_names() == ["shop: mean of a", "shop: mean of b"]


def test_written_targets_are_read_as_they_were(tmp_path):
    (tmp_path / "t.csv").write_text('x,a,b\n1,$1,2\n3,$2,"3,5"\n2,$4,"1,5"\n')
    data = read(tmp_path / "t.csv")
    found = reloaded(Preprocessing().fit(data, ["a", "b"]))
    assert [part.written for part in found.target.parts] == [".", ","]
    assert found.text_columns() == ["a", "b"]
    (tmp_path / "new.csv").write_text('x,a,b\n1,$1,"1,234"\n')
    new = read(tmp_path / "new.csv", found.text_columns())
    assert found.target_values(new).tolist() == [[1, 1.234]]


@pytest.mark.parametrize(
    ("targets", "options", "words"),
    [
        (["a", "c"], {}, "column 'c' has to be numbers; row 1 has 'red'"),
        (["a", "a"], {}, r"target=\['a', 'a'\]: expected different names"),
        ([], {}, r"target=\[\]: expected different names"),
        (["a", "bb"], {}, "no column 'bb'"),
        (["a", "b"], {"task": "classification"}, "targets a, b are several: expected numbers"),
        (["a", "b"], {"drop": ["b"]}, "'b' is the target and cannot be dropped"),
        ("a", {"key": "a"}, "'a' is the target and cannot be the key"),
        ("a", {"key": "number"}, "no column 'number'"),
    ],
)
def test_targets_that_cannot_be(data, targets, options, words):
    with pytest.raises(TableError, match=words):
        Preprocessing(**options).fit(data, targets)


@pytest.mark.parametrize("damage", [[], None, [3], [{"name": "a"}], "same"])
def test_damaged_targets(data, damage):
    state = reloaded(Preprocessing().fit(data, ["a", "b"])).to_dict()
    parts = list(state["target"]["parts"])
    state["target"]["parts"] = [parts[0]] * 2 if damage == "same" else damage
    with pytest.raises(ValueError, match="preprocessing is damaged"):
        Preprocessing.from_dict(state)


def test_a_key_is_kept_out_and_named(data, tmp_path):
    found = Preprocessing(key="x", drop=["b"]).fit(data, "a")
    assert found.input_names() == ["c=blue", "c=red"]
    assert ("key", "x") in found.describe()
    again = reloaded(found)
    assert again.key == ("x",)
    assert again.describe() == found.describe()
    assert again.text_columns() == ["x", "c"]  # as they stand there: "007"
    without = table(c=data.column("c"))
    np.testing.assert_array_equal(again.transform(without), found.transform(data))
    assert Preprocessing(key=["x", "c"]).fit(data, "a").key == ("x", "c")
    with pytest.raises(TableError, match="no column to learn from"):
        Preprocessing(key=["x", "b", "c"]).fit(data, "a")
