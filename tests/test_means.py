"""Columns of many categories: what they explain, and that no row sees its own target."""

import copy
import gc
import json
import pickle
import weakref

import numpy as np
import pytest

import backprop as bp
from backprop.tabular.means import MeansColumn, fit_means, folds_of
from backprop.tabular.preprocessing import Preprocessing
from backprop.tabular.tables import Table, Words


def table(**columns):
    return Table(tuple(columns), tuple(np.asarray(column) for column in columns.values()))


def shops(n, n_shops, seed=0):
    """A name of a shop for each of n rows, and which it is."""
    which = np.random.default_rng(seed).integers(0, n_shops, n)
    return np.array([f"shop {i}" for i in range(n_shops)], object)[which], which


def r2(y, predicted):
    return 1 - np.sum((y - predicted) ** 2) / np.sum((y - y.mean()) ** 2)


def linear_r2(data, y, training, held_out):
    """Of a linear model of the encoded columns, on rows that it has not seen."""
    found = Preprocessing("regression").fit(data, "y", training)
    X, X_held = (
        np.column_stack([found.transform(data, rows, np.float64), np.ones(len(rows))])
        for rows in (training, held_out)
    )
    return r2(y[held_out], X_held @ np.linalg.lstsq(X, y[training], rcond=None)[0])


def test_a_shop_of_5000_explains_what_its_mean_explains():
    """The best that there is explains 0.990."""
    rng = np.random.default_rng(1)
    names, which = shops(200_000, 5_000)
    y = rng.normal(size=5_000)[which] + 0.1 * rng.normal(size=200_000)
    rows = rng.permutation(200_000)
    data = table(shop=names, y=y)
    assert linear_r2(data, y, rows[:160_000], rows[160_000:]) > 0.98


def test_a_network_learns_them():
    rng = np.random.default_rng(1)
    names, which = shops(20_000, 500)
    y = rng.normal(size=500)[which] + 0.1 * rng.normal(size=20_000)
    rows = rng.permutation(20_000)
    training, held_out = rows[:16_000], rows[16_000:]
    data = table(shop=names, y=y)
    found = Preprocessing("regression")
    X = found.fit_transform(data, "y", training)
    network = bp.Network(found.n_inputs, [bp.Dense(32, "relu"), bp.Dense(1)], seed=0)
    network.fit(X, found.target.targets(y[training], np.float32), epochs=10)
    predicted = found.target.decode(network.predict(found.transform(data, held_out)))
    assert r2(y[held_out], predicted) > 0.98


def test_a_random_target_does_not_leak():
    """Nor with a weak effect of the column beside it, which keeps the means apart."""
    rng = np.random.default_rng(2)
    names, which = shops(20_000, 5_000)
    rows = rng.permutation(20_000)
    training, held_out = rows[:16_000], rows[16_000:]
    y = rng.normal(size=20_000)
    assert linear_r2(table(shop=names, y=y), y, training, held_out) > -0.005
    weak = y + 0.3 * rng.normal(size=5_000)[which]
    found = Preprocessing("regression")
    data = table(shop=names, y=weak)
    own = found.fit_transform(data, "y", training, np.float64)[:, 0]
    assert own.std() == pytest.approx(1)
    assert abs(np.corrcoef(own, y[training])[0, 1]) < 0.03
    as_new = found.transform(table(shop=names), training, np.float64)[:, 0]
    assert np.corrcoef(as_new, y[training])[0, 1] > 0.3  # the leak that there would be


def made_up(n=300, n_words=40, k=2):
    rng = np.random.default_rng(3)
    names, which = shops(n, n_words)
    names[:20] = None
    names[20] = "alone"
    return Words.of(names), rng.normal(size=(n, k)) + which[:, None] / 5


def test_a_training_row_is_encoded_by_the_means_of_the_other_folds():
    values, y = made_up()
    column, own = fit_means("shop", values, y, ["a", "b"])
    names, folds = values.array(), folds_of(len(y))
    overall = y.mean(axis=0)
    groups = [y[names == name] for name in set(names)]
    counts = np.array([len(group) for group in groups])
    n, k = len(y), len(groups)
    within = sum(((g - g.mean(axis=0)) ** 2).sum(axis=0) for g in groups) / (n - k)
    between = sum(len(g) * (g.mean(axis=0) - overall) ** 2 for g in groups) / (k - 1)
    size = (n - (counts**2).sum() / n) / (k - 1)
    m = np.maximum(1, within / ((between - within) / size))

    def drawn(group):
        return (group.sum(axis=0) + m * overall) / (len(group) + m)

    found = np.array([drawn(y[(names == names[i]) & (folds != folds[i])]) for i in range(n)], float)
    expected = (found - found.mean(axis=0)) / found.std(axis=0)
    np.testing.assert_allclose(own[:, :2], expected, atol=1e-12)
    full = (np.array([drawn(y[names == name]) for name in names]) - found.mean(axis=0)) / found.std(
        axis=0
    )
    out = np.zeros((n, column.width))
    column.encode(values, out, [])
    np.testing.assert_allclose(out[:, :2], full, atol=1e-12)
    assert np.bincount(folds).min() > 40


def test_missing_and_unseen_have_a_place_of_their_own():
    values, y = made_up()
    column, own = fit_means("shop", values, y, ["a", "b"])
    assert column.input_names[:2] == ["shop: mean of a", "shop: mean of b"]
    assert column.input_names[2:] == ["shop is missing", "shop is rare"]
    assert own[:21, 2].tolist() == [1] * 20 + [0]
    assert own[20, 3] == 1  # no other fold has "alone"
    assert column.n_missing == 20
    out, notes = np.zeros((4, 4)), []
    column.encode(Words.of(np.array(["shop 1", None, "new", "alone"], object)), out, notes)
    assert out[:, 2:].tolist() == [[0, 0], [1, 0], [0, 1], [0, 0]]
    assert out[2, :2].tolist() == list(column.unseen)
    assert out[1, :2].tolist() == list(column.missing) != list(column.unseen)
    assert notes == ["shop: 1 value not seen in training ('new'), taken as the mean of all"]


def test_what_is_missing_where_training_had_all():
    names, which = shops(500, 300)
    found = Preprocessing().fit(table(shop=names, y=which / 7), "y", np.arange(400))
    notes = []
    X = found.transform(table(shop=np.array([None, "x"], object)), notes=notes)
    assert X[0, 0] == X[1, 0]
    assert notes[-1] == "shop: 1 missing value, of which training had none"


def test_weights_and_unknown_targets_count():
    """A weight of 2 is a row twice, but for the folds; a row of weight 0 or no target is none."""
    values, y = made_up()
    weights = np.where(np.arange(len(y)) % 3 == 0, 0.0, 1.0)
    y_gaps = np.where(weights[:, None] == 0, np.nan, y)
    column, own = fit_means("shop", values, y, "ab", weights)
    gaps, own_gaps = fit_means("shop", values, y_gaps, "ab")
    assert gaps == column
    np.testing.assert_array_equal(own, own_gaps)
    assert fit_means("shop", values, y, "ab", weights * 2)[0] != column
    y[weights == 0] = 1e9
    assert fit_means("shop", values, y, "ab", weights)[0] == column


@pytest.mark.parametrize(("n_classes", "n_columns"), [(2, 1), (3, 3), (30, 10)])
def test_classes(n_classes, n_columns):
    names, which = shops(4_000, 300)
    rng = np.random.default_rng(0)
    classes = np.minimum(which % n_classes, rng.integers(0, n_classes, 4_000))
    y = np.array([f"class {i:02d}" for i in range(n_classes)], object)[classes]
    data = table(shop=names, y=y)
    found = Preprocessing().fit(data, "y", np.arange(3_000))
    (column,) = found.columns
    assert len(column.outputs) == n_columns
    first = 1 if n_classes == 2 else 0
    assert column.outputs[:2] == ("y=class 00", "y=class 01")[first:]
    X = found.transform(data, np.arange(3_000, 4_000), np.float64)
    assert np.corrcoef(X[:, 0], y[3_000:] == column.outputs[0][2:])[0, 1] > 0.3


def test_which_rows_are_training_rows_is_known_by_the_table():
    names, which = shops(3_000, 300)
    data = table(shop=names, y=which / 7)
    training, held_out = np.arange(0, 3_000, 2), np.arange(1, 3_000, 2)
    found = Preprocessing()
    own = found.fit_transform(data, "y", training)
    np.testing.assert_array_equal(found.transform(data, training), own)
    everything = found.transform(data)
    np.testing.assert_array_equal(everything[training], own)
    np.testing.assert_array_equal(found.transform(data, slice(0, 3_000, 2)), own)
    for elsewhere in (table(shop=names), data):
        there = copy.deepcopy(found) if elsewhere is data else found
        as_new = there.transform(elsewhere)
        assert (as_new[training] != own).any()
        np.testing.assert_array_equal(as_new[held_out], everything[held_out])
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.transform(data), as_new)
    alive = weakref.ref(data)
    del data, elsewhere
    gc.collect()
    assert alive() is None


def test_columns_without_a_target_take_numbers_for_it():
    names, which = shops(3_000, 300)
    data = table(shop=names)
    by_target = Preprocessing().fit(table(shop=names, y=which / 7), "y")
    by_numbers = Preprocessing().fit_columns(data, y=which / 7)
    np.testing.assert_allclose(by_numbers.columns[0].means, by_target.columns[0].means, atol=1e-12)
    assert by_numbers.input_names() == ["shop: mean of y"]
    two = Preprocessing().fit_columns(data, y=np.eye(2)[which % 2])
    assert two.input_names() == ["shop: mean of y0", "shop: mean of y1"]


def saved():
    values, y = made_up(k=1)
    data = table(shop=values.array(), y=y[:, 0])
    return data, Preprocessing(max_categories=10).fit(data, "y")


def test_what_was_saved_does_the_same():
    data, found = saved()
    again = Preprocessing.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.columns == found.columns
    assert isinstance(again.columns[0], MeansColumn)
    assert again.describe() == found.describe()
    assert again.text_columns() == ["shop"]
    new = table(shop=data.column("shop"))
    np.testing.assert_array_equal(again.transform(new), found.transform(new))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"means": [[1.0]]}, "means=.*expected 41 rows of 1"),
        ({"means": [[1.0, 2.0]] * 41}, "expected 41 rows of 1"),
        ({"means": [["1"]] * 41}, "means='1'"),
        ({"means": [[float("nan")]] * 41}, "means=nan"),
        ({"means": 3}, "means=3"),
        ({"unseen": []}, "expected 41 rows of 1"),
        ({"missing": None}, "missing=None"),
        ({"outputs": []}, "outputs="),
        ({"n_unseen": -1}, "n_unseen=-1"),
    ],
)
def test_a_damaged_column_of_means(damage, words):
    state = json.loads(json.dumps(saved()[1].to_dict()))
    state["columns"][0].update(damage)
    with pytest.raises(ValueError, match=f"preprocessing is damaged: .*{words}"):
        Preprocessing.from_dict(state)
