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


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values())
@pytest.mark.parametrize("n_threads", [1, 3])
def test_fit_leaves_the_network_as_the_step_before(rows, n_threads, optimizer):
    X, y = rows
    net, expected = make(n_threads, optimizer), make(n_threads, optimizer)
    with pytest.raises(FloatingPointError, match=rf"epoch 1: X\[{BAD_ROW}, 3\] is nan"):
        net.fit(X, y, epochs=5, batch_size=BATCH, shuffle=False)
    good = BAD_ROW // BATCH * BATCH
    expected.fit(X[:good], y[:good], epochs=1, batch_size=BATCH, shuffle=False)
    assert bits(net) == bits(expected)
    assert net.steps == expected.steps == good // BATCH
    assert net.epochs_trained == 0  # that epoch is not complete
    assert len(net.history.loss) == len(net.history.seconds) == 1
    assert np.isnan(net.history.loss[0])
    net.fit(X[:good], y[:good], epochs=2)
    assert np.isfinite(net.history.loss).all()


@pytest.mark.parametrize("n_threads", [1, 3])
def test_train_step_changes_nothing(rows, n_threads):
    X, y = rows
    net = make(n_threads, bp.Adam())
    net.train_step(X[:BATCH], y[:BATCH])
    before = bits(net)
    with pytest.raises(FloatingPointError, match="is nan"):
        net.train_step(X, y)
    assert (bits(net), net.steps) == (before, 1)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_infinity_that_the_activation_hides(rows, n_threads, activation, value):
    """The cost is finite, but 0 times infinity would make weights nan."""
    X, y = rows
    X[BAD_ROW, 3] = value
    layers = [bp.Dense(7, activation), bp.Dense(2)]
    net, expected = (bp.Network(5, layers, seed=1, n_threads=n_threads) for _ in range(2))
    assert np.isfinite(net.evaluate(X, y)["loss"])
    with pytest.raises(FloatingPointError, match=rf"X\[{BAD_ROW}, 3\] is {value}"):
        net.fit(X, y, batch_size=BATCH, shuffle=False)
    good = BAD_ROW // BATCH * BATCH
    expected.fit(X[:good], y[:good], epochs=1, batch_size=BATCH, shuffle=False)
    assert bits(net) == bits(expected)
    with pytest.raises(FloatingPointError, match=f"is {value}"):
        net.train_step(X, y)
    assert bits(net) == bits(expected)


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


def test_a_row_of_nan_that_weighs_nothing_is_no_silent_end(rows):
    """0 times nan is nan; and the first batch, all of whose weights are 0, weighs nothing."""
    X, y = rows
    X[0] = np.nan
    weight = np.ones(ROWS)
    weight[:BATCH] = 0
    with pytest.raises(FloatingPointError, match=r"X\[0, 0\] is nan"):
        make(1, bp.Adam()).fit(X, y, sample_weight=weight, batch_size=BATCH, shuffle=False)
