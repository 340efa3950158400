"""A batch whose cost is not finite stops training and changes nothing."""

import numpy as np
import pytest
from networks import OPTIMIZERS

import backprop as bp

ROWS, BATCH, BAD_ROW = 60, 8, 27  # the fourth batch of the rows as they lie


def make(n_threads, optimizer):
    return bp.Network(
        5, [bp.Dense(7, "tanh"), bp.Dense(2)], optimizer=optimizer, seed=1, n_threads=n_threads
    )


def bits(network):
    arrays = [array for layer in network.layers for array in (layer.weights, layer.bias)]
    moments = [pair for pairs in network.optimizer_state().values() for pair in pairs]
    return [array.tobytes() for array in (*arrays, *(m for pair in moments for m in pair))]


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(ROWS, 5)), rng.normal(size=(ROWS, 2))
    X[BAD_ROW, 3] = np.nan
    return X, y


def train(net, X, y, epochs=5):
    """As `fit` does, but for its look at all rows beforehand: a file may change in the meantime."""
    costs, seconds = [], []
    options = {"n_epochs": epochs, "batch_size": BATCH, "counted": True}
    assert net._core.fit(X, y, None, losses=costs, durations=seconds, **options)
    assert len(costs) == len(seconds)
    return costs


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values())
@pytest.mark.parametrize("n_threads", [1, 3])
def test_fit_leaves_the_network_as_the_step_before(rows, n_threads, optimizer):
    X, y = rows
    net, expected = make(n_threads, optimizer), make(n_threads, optimizer)
    assert np.isnan(train(net, X, y)).tolist() == [True]
    good = BAD_ROW // BATCH * BATCH
    expected.fit(X[:good], y[:good], epochs=1, batch_size=BATCH, shuffle=False)
    assert bits(net) == bits(expected)
    assert net.steps == expected.steps == good // BATCH
    assert net.epochs_trained == 0  # that epoch is not complete
    net.fit(X[:good], y[:good], epochs=2)
    assert np.isfinite(net.history.loss).all()


@pytest.mark.parametrize("n_threads", [1, 3])
def test_train_step_changes_nothing(rows, n_threads):
    X, y = rows
    net = make(n_threads, bp.Adam())
    net.train_step(X[:BATCH], y[:BATCH])
    before = bits(net)
    with pytest.raises(ValueError, match="is nan"):
        net.train_step(X, y)
    assert (bits(net), net.steps) == (before, 1)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_infinity_that_the_activation_hides(rows, n_threads, activation, value):
    """The cost would be finite, but 0 times infinity would make weights nan."""
    X, y = rows
    X[BAD_ROW, 3] = value
    layers = [bp.Dense(7, activation), bp.Dense(2)]
    net, expected = (bp.Network(5, layers, seed=1, n_threads=n_threads) for _ in range(2))
    assert np.isnan(train(net, X, y)).tolist() == [True]
    good = BAD_ROW // BATCH * BATCH
    expected.fit(X[:good], y[:good], epochs=1, batch_size=BATCH, shuffle=False)
    assert bits(net) == bits(expected)
    with pytest.raises(ValueError, match=f"is {value}"):
        net.train_step(X, y)
    assert bits(net) == bits(expected)


def test_data_that_change_during_fit_are_named(rows):
    X, y = rows
    X[BAD_ROW, 3] = 0

    def spoil(network, history):
        X[BAD_ROW, 3] = np.inf

    net = make(1, bp.Adam())
    with pytest.raises(ValueError, match=rf"X\[{BAD_ROW}, 3\] is inf"):
        net.fit(X, y, callbacks=[spoil], batch_size=BATCH)
    assert np.isfinite(net.layers[0].weights).all()


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("penalty", [None, 0.0, 0.1])
def test_a_batch_of_nan_that_weighs_nothing(rows, n_threads, penalty):
    """As the estimators train; with a penalty, each sample counts its batch's cost."""
    X, y = rows
    X[BATCH : 2 * BATCH] = np.nan
    weight, costs = np.ones(ROWS), []
    weight[BATCH : 2 * BATCH] = 0
    net = make(n_threads, bp.Adam())
    net._core.fit(
        X, y, weight, n_epochs=1, batch_size=BATCH, losses=costs, durations=[], penalty=penalty
    )
    assert np.isnan(costs).tolist() == [True]
    assert net.steps == 1
    assert np.isfinite(net.layers[0].weights).all()


def test_ctrl_c_in_the_batch_adds_no_epoch(rows):
    X, y = np.full((4000, 5), np.nan), np.zeros((4000, 2000))
    net = bp.Network(5, [bp.Dense(2000)], seed=1)
    costs, seconds = [], []

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        net._core.fit(
            X,
            y,
            None,
            n_epochs=1,
            batch_size=2000,
            counted=True,
            progress=interrupt,
            losses=costs,
            durations=seconds,
        )
    assert costs == seconds == []
    assert net.epochs_trained == 0


def test_a_row_of_nan_that_weighs_nothing_is_refused_too(rows):
    """0 times nan is nan."""
    X, y = rows
    weight = np.ones(ROWS)
    weight[BAD_ROW] = 0
    with pytest.raises(ValueError, match=rf"X\[{BAD_ROW}, 3\] is nan"):
        make(1, bp.Adam()).fit(X, y, sample_weight=weight, batch_size=BATCH)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_update_refuses_gradients_that_are_not_finite(n_threads, value):
    rng = np.random.default_rng(0)
    net = make(n_threads, bp.Adam())
    net.forward(rng.normal(size=(9, 5)))
    net.backward(rng.normal(size=(9, 2)))
    before, kept = bits(net), net.gradients()[1].bias[1]
    net.gradients()[1].bias[1] = value
    with pytest.raises(FloatingPointError, match=rf"gradients\(\)\[1\].bias\[1\] is {value}: exp"):
        net.update()
    assert (bits(net), net.steps) == (before, 0)
    net.gradients()[1].bias[1] = kept  # which can be mended
    net.update()
    assert net.steps == 1
    assert bits(net) != before


@pytest.mark.parametrize("dtype", ["int64", "float64"])
def test_targets_that_float32_cannot_hold_are_refused_before_a_step(dtype):
    """Those of X are looked at where they are floats, those of y too where they are rows."""
    X, y = np.ones((ROWS, 5), dtype), np.zeros((ROWS, 2))
    y[BAD_ROW, 1] = 1e300
    net = make(1, bp.Adam())
    before = bits(net)
    with pytest.raises(ValueError, match=rf"y\[{BAD_ROW}, 1\] is 1e\+300, which is not finite in"):
        net.fit(X, y, batch_size=BATCH, shuffle=False)
    assert (bits(net), net.steps) == (before, 0)
