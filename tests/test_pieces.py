"""Numbers in pieces: the inputs that they are, what becomes of odd ones, and what files keep."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backprop.tabular.pieces import edges_of, write_pieces
from backprop.tabular.preprocessing import Preprocessing
from backprop.tabular.tables import Table

NUMBERS = st.floats(-1e100, 1e100)


def table(x, y=None):
    columns = {"x": x, "y": np.arange(len(x)) + 0.5 if y is None else y}
    return Table(tuple(columns), tuple(np.array(c, float) for c in columns.values()))


def fitted(x, n_pieces=4):
    return Preprocessing(n_pieces=n_pieces).fit(table(x), "y")


def reloaded(preprocessing, **changes):
    state = json.loads(json.dumps(preprocessing.to_dict()))
    state["columns"][0].update(changes)
    return Preprocessing.from_dict(state)


def test_each_piece_says_how_far_the_number_has_come_through_it():
    found = fitted([0, 1, 2, 4, 8])
    assert found.columns[0].edges == (0, 1, 2, 4, 8)
    X = found.transform(table([3, 0, 8]), dtype=np.float64)
    standardised = (np.array([3, 0, 8]) - 3) / np.std([0, 1, 2, 4, 8])
    np.testing.assert_allclose(X[:, 0], standardised, rtol=1e-15)
    np.testing.assert_array_equal(X[0, 1:], [0.5, 0.5, 0.0, -0.5])
    np.testing.assert_array_equal(X[1:, 1:], [[-0.5] * 4, [0.5] * 4])


def test_names_say_from_where_to_where():
    assert fitted([0, 1, 2, 4, None]).input_names() == [
        "x",
        "x: 0 to 1",
        "x: 1 to 2",
        "x: 2 to 4",
        "x is missing",
    ]


def test_a_missing_number_is_in_the_pieces_of_the_mean():
    found = fitted([0, 1, 2, 4, 8, None])
    missing, mean = found.transform(table([None, 3.0]), dtype=np.float64)
    np.testing.assert_array_equal(missing[:5], mean[:5])
    assert (missing[5], mean[5]) == (1, 0)


@pytest.mark.parametrize("x", [[0, 1, 0, 1, 0, 1], [3, 5, 3, 3, 3, 3]])
def test_two_values_have_no_pieces(x):
    assert fitted(x).columns[0].edges == ()


def test_many_columns_have_fewer_pieces_each():
    rng = np.random.default_rng(0)
    n = 1200
    columns = tuple(rng.normal(size=(n, 20)))
    data = Table(tuple(f"x{i}" for i in range(n)), columns)
    found = Preprocessing(n_pieces=16).fit_columns(data)
    assert {column.n_pieces for column in found.columns} == {3}
    assert found.n_inputs == 4 * n


def test_what_is_said_of_them():
    lines = dict(fitted([0, 1, 2, 4, 8]).describe())
    assert lines["pieces"] == "x (4): by quantiles, beside the number itself"
    assert "pieces" not in dict(fitted([0, 1, 2, 4, 8], 0).describe())


def test_files_keep_the_edges_and_older_ones_have_none():
    found = fitted([0, 1, 2, 4, 8])
    data = table([0.3, 5, -1, np.nan])
    np.testing.assert_array_equal(reloaded(found).transform(data), found.transform(data))
    state = fitted([0, 1, 2, 4, 8], 0).to_dict()
    del state["columns"][0]["edges"]
    assert Preprocessing.from_dict(state).columns[0].edges == ()


@pytest.mark.parametrize("edges", [[1], [1, 1, 2], [2, 1, 3], ["a", "b"], 3, [0, 1, float("nan")]])
def test_edges_that_are_none_are_refused(edges):
    with pytest.raises(ValueError, match=r"damaged: .*edges"):
        reloaded(fitted([0, 1, 2, 4, 8]), edges=edges)


@given(arrays(np.float64, st.integers(1, 40), elements=NUMBERS), st.integers(0, 20), NUMBERS)
def test_pieces_of_any_numbers_are_between_their_ends_and_never_fall(values, n_pieces, other):
    edges = edges_of(values, n_pieces)
    assert len(edges) <= n_pieces + 1
    if not edges:
        return
    assert edges == tuple(sorted(set(edges)))
    assert set(edges) <= set(values.tolist())
    ascending = np.sort([*values, other])
    out = np.empty((len(ascending), len(edges) - 1))
    write_pieces(ascending, edges, out)
    assert (np.abs(out) <= 0.5).all()
    assert (np.diff(out, axis=0) >= 0).all()
