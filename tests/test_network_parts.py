"""The parts of a network: parameters, optimizer and gradients, a loop of one's own, copies."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from networks import LOSSES, OPTIMIZERS, data, make, snapshot

import backprop as bp
from backprop._core import plan
from backprop.catalogue import losses
from backprop.catalogue.activations import ACTIVATIONS

# ---- parameters, optimizer and copies ----------------------------------------------------------


def test_layers_are_writable_views():
    X, y = data()
    net = make()
    weights, bias = net.layers[0].weights, net.layers[0].bias
    assert weights.shape == (6, 11)
    assert bias.shape == (11,)
    assert weights.dtype == bias.dtype == net.dtype
    assert (net.layers[0].units, net.layers[0].activation) == (11, "tanh")
    assert not bias.any()
    net.fit(X, y, epochs=1)
    assert net.layers[0].weights is weights  # the same memory before and after
    before = net.predict(X)
    weights[2, 3] += 1
    assert (net.predict(X) != before).any()
    bias[...] = np.arange(11)
    net.layers[1].bias = [1, 2, 3, 4]
    np.testing.assert_array_equal(net.layers[1].bias, [1, 2, 3, 4])
    given = np.ones((6, 11))
    net.layers[0].weights = given
    given[...] = 0
    assert (weights == 1).all()
    for values in (np.ones(11), np.ones((11, 6)), 1.0):
        with pytest.raises(ValueError, match=r"weights has shape .* expected \(6, 11\)"):
            net.layers[0].weights = values
    with pytest.raises(ValueError, match=r"bias has shape .* expected \(11,\)"):
        net.layers[0].bias = np.ones(6)


@pytest.mark.parametrize(
    ("optimizer", "names"),
    [
        ("sgd", []),
        ("momentum", ["velocity"]),
        ("nesterov", ["velocity"]),
        ("adam", ["moment1", "moment2"]),
    ],
)
def test_optimizer_state(optimizer, names):
    X, y = data()
    net, other = make(optimizer=optimizer), make(optimizer=optimizer)
    state = net.optimizer_state()
    assert list(state) == names
    for views in state.values():
        assert [(w.shape, b.shape) for w, b in views] == [((6, 11), (11,)), ((11, 4), (4,))]
        assert not any(array.any() for pair in views for array in pair)
    for one in (net, other):
        one.train_step(X, y)
    for views in state.values():
        assert all(array.any() for pair in views for array in pair)
        views[0][0][...] = 0.5
    for one in (net, other):
        one.train_step(X, y)
    same = (net.layers[0].weights == other.layers[0].weights).all()
    assert same == (names == [])


def test_another_optimizer():
    X, y = data()
    net = make(optimizer="adam")
    net.fit(X, y, epochs=1)
    moments = net.optimizer_state()["moment1"][0][0].copy()
    net.optimizer = bp.Adam(0.5)  # of the same kind: goes on
    assert net.optimizer.learning_rate == 0.5
    np.testing.assert_array_equal(net.optimizer_state()["moment1"][0][0], moments)
    assert net.steps == 1
    net.optimizer = bp.SGD(0.1, momentum=0.9)
    assert not net.optimizer_state()["velocity"][0][0].any()
    net.fit(X, y, epochs=1)
    net.optimizer = bp.Adam()
    assert not net.optimizer_state()["moment1"][0][0].any()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_another_optimizer_of_the_same_kind_goes_on_counting_steps(optimizer):
    X, y = data()
    net = make(optimizer=optimizer)
    net.fit(X, y, epochs=3, batch_size=25)
    net.optimizer = dataclasses.replace(net.optimizer, learning_rate=0.001)
    assert net.steps == 6
    net.optimizer = bp.SGD(0.1) if isinstance(net.optimizer, bp.Adam) else bp.Adam()
    assert net.steps == 0


def test_another_optimizer_that_finds_no_memory_changes_nothing(monkeypatch):
    X, y = data()
    net, other = make(optimizer="momentum"), make(optimizer="momentum")
    for one in (net, other):
        one.fit(X, y, epochs=1)

    class SecondBlockFails:
        """numpy, which has room for the first moment and none for the second."""

        uint8 = np.uint8
        calls = 0

        def zeros(self, *arguments, **options):
            self.calls += 1
            if self.calls == 2:
                raise MemoryError
            return np.zeros(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(plan, "np", SecondBlockFails())
        with pytest.raises(MemoryError):
            net.optimizer = bp.Adam()
    assert net.optimizer == OPTIMIZERS["momentum"]
    (velocity, _), (expected, _) = (one.optimizer_state()["velocity"][0] for one in (net, other))
    assert expected.any()
    np.testing.assert_array_equal(velocity, expected)
    for one in (net, other):
        one.fit(X, y, epochs=1)
    assert snapshot(net) == snapshot(other)


def test_values_are_frozen():
    for value in (bp.Dense(3), bp.SGD(), bp.Adam()):
        with pytest.raises(dataclasses.FrozenInstanceError):
            value.units = value.learning_rate = 5
    assert bp.Dense(3, "relu") == bp.Dense(units=3, activation="relu")
    assert make().optimizer == OPTIMIZERS["adam"]
    assert bp.Network(1, [bp.Dense(1)]).optimizer == bp.Adam()
    assert bp.Network(1, [bp.Dense(1)], optimizer="adamw").optimizer == bp.AdamW()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    "how", [lambda net: pickle.loads(pickle.dumps(net)), copy.deepcopy, copy.copy]
)
def test_copies(how, optimizer, dtype):
    X, y = data()
    options = {"dtype": dtype, "n_threads": 1, "matmul": "fused", "input_scale": 0.5}
    net = make(optimizer=optimizer, **options)
    net.fit(X, y, epochs=2, batch_size=16)
    other = how(net)
    assert snapshot(other) == snapshot(net)
    for name in (
        "n_inputs",
        "n_outputs",
        "loss",
        "optimizer",
        "dtype",
        "seed",
        "n_threads",
        "matmul",
    ):
        assert getattr(other, name) == getattr(net, name), name
    assert (other.steps, other.epochs_trained) == (net.steps, net.epochs_trained) == (8, 2)
    np.testing.assert_array_equal(other.input_scale, net.input_scale)
    np.testing.assert_array_equal(other.predict(X), net.predict(X))
    before = snapshot(net)
    other.fit(X, y, epochs=1, batch_size=16)
    assert snapshot(net) == before  # apart
    net.fit(X, y, epochs=1, batch_size=16)
    assert snapshot(net) == snapshot(other)  # and goes on alike


def test_seed_none_draws_one():
    one, other = make(seed=None), make(seed=None)
    assert one.seed != other.seed
    assert type(one.seed) is int
    assert snapshot(one) != snapshot(other)
    again = make(seed=one.seed)
    assert snapshot(again) == snapshot(one)
    assert snapshot(make(seed=3)) != snapshot(make(seed=4))


def test_attributes():
    net = make(dtype="float64", n_threads=2, matmul="blas", input_offset=range(6))
    assert (net.n_inputs, net.n_outputs, net.loss) == (6, 4, "softmax_cross_entropy")
    assert (net.dtype, net.seed, net.n_threads, net.matmul) == (np.float64, 3, 2, "blas")
    assert net.input_offset.dtype == np.float64
    assert net.input_offset.tolist() == [0, 1, 2, 3, 4, 5]
    assert net.input_scale is None
    assert make(input_scale=2).input_scale.tolist() == [2.0] * 6
    assert make().n_threads is None
    assert make().matmul == "auto"


def test_summary_and_repr():
    shown = make().summary()
    for part in ("tanh", "identity", "77", "48", "125", "float32", "softmax_cross_entropy", "Adam"):
        assert part in shown
    assert len(shown.splitlines()) == 4
    assert "6-11-4" in repr(make())
    assert repr(make().layers[0]) == "Layer(6 -> 11, 'tanh')"


def test_what_a_network_was_made_with_is_not_to_be_set():
    net = bp.Network(2, [bp.Dense(1)], seed=1)
    for name in ("loss", "seed", "dtype", "n_threads", "matmul", "input_scale", "n_inputs"):
        with pytest.raises(AttributeError):
            setattr(net, name, getattr(net, name))


def test_layers_cannot_be_replaced():
    net = make()
    with pytest.raises(AttributeError):
        net.layers = []
    assert len(net.layers) == 2


# ---- one's own loop ----------------------------------------------------------------------------


def test_train_step_returns_the_cost_before_the_step():
    X, y = data()
    net = make()
    before = net.evaluate(X, y)["loss"]
    cost = net.train_step(X, y)
    assert type(cost) is float
    assert cost == pytest.approx(before, rel=1e-6)
    assert net.evaluate(X, y)["loss"] < before
    assert (net.steps, net.epochs_trained) == (1, 0)


def own_gradient(loss, a, y):
    """dC/da of the mean loss."""
    y = np.eye(a.shape[1])[y] if y.ndim == 1 else y
    return losses.LOSSES[loss].derivative(a, y) / len(a)


@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("loss", LOSSES)
def test_forward_backward_update_is_train_step(loss, optimizer, matmul):
    X, y = data(loss)
    net = make(loss, optimizer, dtype="float64", matmul=matmul)
    other = make(loss, optimizer, dtype="float64", matmul=matmul)
    for _ in range(3):
        net.train_step(X, y)
        d_inputs = other.backward(own_gradient(loss, other.forward(X), y))
        other.update()
    assert d_inputs.shape == X.shape
    assert net.steps == other.steps == 3
    for mine, its in zip(net.layers, other.layers, strict=True):
        np.testing.assert_allclose(mine.weights, its.weights, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(mine.bias, its.bias, rtol=1e-9, atol=1e-12)


def test_gradients_of_backward_are_those_of_the_loss_and_can_be_changed():
    X, y = data()
    net = make(optimizer="sgd", dtype="float64")
    _, expected = net.loss_and_gradients(X, y)
    net.backward(own_gradient(net.loss, net.forward(X), y))
    before = [layer.weights.copy() for layer in net.layers]
    for kept, exact in zip(net.gradients(), expected, strict=True):
        np.testing.assert_allclose(kept.weights, exact.weights, rtol=1e-9, atol=1e-14)
        kept.weights[...] *= 0.5  # as clipping would
    net.update()
    for layer, old, exact in zip(net.layers, before, expected, strict=True):
        np.testing.assert_allclose(layer.weights, old - 0.5 * 0.05 * exact.weights, rtol=1e-9)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_update_takes_l2_of_the_weights_alone(n_threads):
    """Also where threads share out the rows of a layer, the last of which is its bias."""
    X, _ = data()
    net = make(dtype="float64", n_threads=n_threads)
    net.optimizer = bp.SGD(0.05, l2=0.7)
    for layer in net.layers:
        layer.bias[...] = 1
    net.backward(net.forward(X) - 0.5)
    before = [(layer.weights.copy(), layer.bias.copy()) for layer in net.layers]
    net.update()
    for layer, (weights, bias), g in zip(net.layers, before, net.gradients(), strict=True):
        expected = weights - 0.05 * (g.weights + 0.7 * weights)
        np.testing.assert_allclose(layer.weights, expected, rtol=1e-12)
        np.testing.assert_allclose(layer.bias, bias - 0.05 * g.bias, rtol=1e-12)


def test_loss_and_gradients_changes_nothing():
    X, y = data()
    net = make()
    net.fit(X, y, epochs=1)
    before, steps = snapshot(net), net.steps
    loss, gradients = net.loss_and_gradients(X, y)
    assert loss == pytest.approx(net.evaluate(X, y)["loss"], rel=1e-6)
    kept = gradients[0].weights.copy()
    for gradient, layer in zip(gradients, net.layers, strict=True):
        assert gradient.weights.shape == layer.weights.shape
        assert gradient.bias.shape == layer.bias.shape
        assert gradient.weights.any()
    net.loss_and_gradients(X[:3], y[:3])
    np.testing.assert_array_equal(gradients[0].weights, kept)  # a copy
    assert snapshot(net) == before
    assert net.steps == steps


def test_loss_and_gradients_of_more_rows_than_are_taken_at_a_time():
    X, y = data("squared_error", 9000)
    net, w = make("squared_error", dtype="float64"), np.random.default_rng(0).uniform(0, 1, 9000)
    loss, gradients = net.loss_and_gradients(X, y, w)
    other = make("squared_error", "sgd", dtype="float64")
    assert loss == pytest.approx(other.train_step(X, y, w))
    for layer, start, gradient in zip(other.layers, net.layers, gradients, strict=True):
        np.testing.assert_allclose(
            layer.weights, start.weights - 0.05 * gradient.weights, rtol=1e-9
        )


def test_backward_and_update_in_the_wrong_order():
    X, _ = data()
    net, d_out = make(), np.ones((50, 4))
    with pytest.raises(RuntimeError, match="forward"):
        net.backward(d_out)
    with pytest.raises(RuntimeError, match="forward"):
        net.backward(d_out[:0])
    with pytest.raises(RuntimeError, match="backward"):
        net.update()
    net.forward(X)
    with pytest.raises(RuntimeError, match=r"3 rows.*50"):
        net.backward(d_out[:3])
    net.train_step(*data())
    with pytest.raises(RuntimeError, match="forward"):
        net.backward(d_out)
    net.forward(X)
    net.predict(X)  # does not disturb
    assert net.backward(d_out).shape == X.shape


def test_another_optimizer_between_forward_backward_and_update():
    X, _ = data()
    net, other = make(dtype="float64"), make(optimizer="sgd", dtype="float64")
    out = net.forward(X)
    net.optimizer = OPTIMIZERS["momentum"]
    d_inputs = net.backward(out)
    np.testing.assert_array_equal(d_inputs, other.backward(other.forward(X)))
    net.optimizer = OPTIMIZERS["sgd"]
    net.update()
    other.update()
    assert snapshot(net) == snapshot(other)


def test_update_uses_gradients_once():
    net = bp.Network(2, [bp.Dense(1)], seed=1)
    X = np.ones((4, 2))
    with pytest.raises(RuntimeError, match="follow backward"):
        net.gradients()
    net.backward(net.forward(X))
    net.update()
    with pytest.raises(RuntimeError, match="not used yet"):
        net.update()
    net.forward(X)
    with pytest.raises(RuntimeError, match="not used yet"):
        net.update()
    assert net.steps == 1


def test_a_summary_shows_the_values_of_parameters():
    leaky = ACTIVATIONS["leaky_relu"](negative_slope=0.2)
    net = bp.Network(2, [bp.Dense(3, leaky), bp.Dense(1)])
    assert "leaky_relu(negative_slope=0.2)" in net.summary()
    assert bp.Network(2, [bp.Dense(3, "relu")]).summary().splitlines()[1].split()[3] == "relu"


# ---- what an own loop may do between forward and update -----------------------------------------


@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("dropout", [0, 0.3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_backward_again_and_after_predictions(activation, dropout, matmul):
    rng = np.random.default_rng(0)
    X, d_out, other = rng.normal(size=(40, 6)), *rng.normal(size=(2, 40, 4))
    layers = [bp.Dense(n, activation, dropout=dropout) for n in (11, 9, 4)]
    options = {"seed": 1, "matmul": matmul, "n_threads": 2, "input_dropout": dropout}
    used, fresh = (bp.Network(6, layers, **options) for _ in range(2))
    used.forward(X)
    first = used.backward(other)
    used.predict(X[:33])
    used.predict(X[:3])
    used.evaluate(X, d_out)
    dX = used.backward(d_out)
    fresh.forward(X)
    np.testing.assert_array_equal(dX, fresh.backward(d_out))
    assert (dX != first).any()
    for mine, its in zip(used.gradients(), fresh.gradients(), strict=True):
        np.testing.assert_array_equal(mine.weights, its.weights)
        np.testing.assert_array_equal(mine.bias, its.bias)


@pytest.mark.parametrize("between", ["update", "train_step", "fit", "loss_and_gradients"])
def test_backward_after_what_ends_the_batch(between):
    X, y = data("squared_error")
    net = make("squared_error")
    net.forward(X)
    net.backward(y)
    getattr(net, between)(*(() if between == "update" else (X, y)))
    with pytest.raises(RuntimeError, match="backward follows forward"):
        net.backward(y)


# ---- all weights at once, and what inner layers give ---------------------------------------------


def test_get_and_set_weights():
    X, y = data()
    net, other = make(seed=1), make(seed=2)
    weights = net.get_weights()
    assert [array.shape for array in weights] == [(6, 11), (11,), (11, 4), (4,)]
    net.train_step(X, y)
    assert (weights[0] != net.layers[0].weights).all()  # copies
    other.set_weights(net.get_weights())
    np.testing.assert_array_equal(other.predict(X), net.predict(X))
    other.set_weights([array.tolist() for array in weights])
    np.testing.assert_array_equal(other.layers[1].weights, weights[2])
    before = snapshot(other)
    with pytest.raises(ValueError, match="weights has 3 arrays, expected 4"):
        other.set_weights(weights[:3])
    with pytest.raises(ValueError, match=r"layers\[1\].bias has shape \(5,\), expected \(4,\)"):
        other.set_weights([np.ones((6, 11)), np.ones(11), np.ones((11, 4)), np.ones(5)])
    with pytest.raises(ValueError, match=r"layers\[1\].bias\[2\] is inf"):
        other.set_weights([np.ones((6, 11)), np.ones(11), np.ones((11, 4)), [0, 0, np.inf, 0]])
    assert snapshot(other) == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hidden(activation, matmul, dtype):
    """A network of the first layers alone gives the same bits, in any number of rows."""
    X, _ = data(n=70)
    layers = [bp.Dense(n, activation, dropout=0.2) for n in (11, 1, 9)] + [bp.Dense(4)]
    options = {"seed": 1, "matmul": matmul, "dtype": dtype, "n_threads": 2}
    net = bp.Network(6, layers, loss="softmax_cross_entropy", **options)
    for i in range(4):
        first = bp.Network(6, layers[: i + 1], **options)  # whose seed draws the same weights
        for n in (0, 1, 7, 8, 9, 70):
            np.testing.assert_array_equal(net.hidden(X[:n], i), first.predict(X[:n]))
        np.testing.assert_array_equal(net.hidden(X, i - 4), net.hidden(X, i))
    np.testing.assert_array_equal(net.hidden(X, -1), net.predict(X, logits=True))


def test_hidden_complains():
    with pytest.raises(ValueError, match="layer=2: expected an integer, from -2 to 1"):
        make().hidden(np.ones((1, 6)), 2)
    with pytest.raises(TypeError, match=r"layer=0\.0: expected an integer"):
        make().hidden(np.ones((1, 6)), 0.0)
    with pytest.raises(ValueError, match=r"X\[0, 0\] is nan"):
        make().hidden(np.full((1, 6), np.nan), 0)
