"""What a network promises of its training and its predictions.

(What its parts are is in test_network_parts.py, what it accepts as data in test_inputs.py.)
"""

import dataclasses

import numpy as np
import pytest
from networks import CATEGORICAL, LOSSES, LOSSES_OF_NUMBERS, data, least_loss, make, snapshot

import backprop as bp
from backprop import reference

# ---- fit, and what it returns ------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_fit_learns_and_returns_a_history(loss):
    X, y = data(loss, 200)
    net = make(loss)
    history = net.fit(
        X[:150], y[:150], epochs=40, validation_data=(X[150:], y[150:]), batch_size=16
    )
    assert isinstance(history, bp.History)
    assert len(history.loss) == len(history.seconds) == len(history.validation_loss) == 40
    assert all(type(value) is float for value in history.loss + history.seconds)
    least, validation_least = least_loss(loss, y[:150]), least_loss(loss, y[150:])
    assert history.loss[-1] - least < (history.loss[0] - least) / 3
    above_least = np.array(history.validation_loss) - validation_least
    assert above_least[-1] < above_least[0] / 3
    assert len(history.validation_accuracy) == (40 if loss in CATEGORICAL else 0)
    scores = net.evaluate(X[150:], y[150:])
    assert history.validation_loss[-1] == scores["loss"]
    if loss in CATEGORICAL:
        assert history.validation_accuracy[-1] == scores["accuracy"] > 0.8
    assert history.n_samples == 150
    assert min(history.seconds) > 0
    assert history.samples_per_second == pytest.approx(150 * 40 / sum(history.seconds))
    assert (net.epochs_trained, net.steps) == (40, 40 * 10)


def test_history_without_validation_data_or_epochs():
    history = make().fit(*data(), epochs=2)
    assert history.validation_loss == history.validation_accuracy == []
    assert bp.History().samples_per_second == 0


def test_epoch_loss_is_the_mean_over_samples_and_not_over_batches():
    X, y = data()
    net = make(optimizer="sgd")
    net.optimizer = bp.SGD(1e-30)
    found = net.fit(X, y, epochs=1, batch_size=16).loss[0]  # 16 + 16 + 16 + 2 rows
    assert found == pytest.approx(net.evaluate(X, y)["loss"], rel=1e-6)


def test_epochs_and_shuffles_go_on_across_calls():
    X, y = data()
    whole, parts, resumed = make(), make(), make()
    losses = whole.fit(X, y, epochs=5, batch_size=8).loss
    first = parts.fit(X, y, epochs=2, batch_size=8).loss
    assert parts.epochs_trained == 2
    assert first + parts.fit(X, y, epochs=3, batch_size=8).loss == losses
    assert snapshot(parts) == snapshot(whole)
    resumed.fit(X, y, epochs=2, batch_size=8)
    resumed.epochs_trained = 0  # the same orders again
    resumed.fit(X, y, epochs=3, batch_size=8)
    assert snapshot(resumed) != snapshot(whole)


def test_settable_counters_put_a_copied_network_where_the_first_one_was():
    X, y = data()
    net, other = make(), make()
    net.fit(X, y, epochs=2, batch_size=8)
    for mine, its in zip(other.layers, net.layers, strict=True):
        mine.weights, mine.bias = its.weights, its.bias
    for name, views in other.optimizer_state().items():
        for mine, its in zip(views, net.optimizer_state()[name], strict=True):
            mine[0][...], mine[1][...] = its
    other.steps, other.epochs_trained = net.steps, net.epochs_trained
    for one in (net, other):
        one.fit(X, y, epochs=2, batch_size=8)
    assert snapshot(net) == snapshot(other)


def test_shuffle_false_takes_the_rows_as_they_lie():
    X, y = data()
    net, by_hand = make(), make()
    net.fit(X, y, epochs=2, batch_size=16, shuffle=False)
    for _ in range(2):
        for start in range(0, 50, 16):
            by_hand.train_step(X[start : start + 16], y[start : start + 16])
    assert snapshot(net) == snapshot(by_hand)
    assert net.steps == by_hand.steps == 8
    assert (net.epochs_trained, by_hand.epochs_trained) == (2, 0)
    shuffled = make()
    shuffled.fit(X, y, epochs=2, batch_size=16)
    assert snapshot(shuffled) != snapshot(net)


def test_validation_callbacks_and_verbose_do_not_change_the_bits(capsys):
    X, y = data()
    plain = make()
    losses = plain.fit(X, y, epochs=3, batch_size=16).loss
    for options in (
        {"validation_data": (X[:9], y[:9])},
        {"callbacks": [lambda network, history: network.predict(X)]},
        {"verbose": True},
    ):
        net = make()
        assert net.fit(X, y, epochs=3, batch_size=16, **options).loss == losses
        assert snapshot(net) == snapshot(plain)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "3/3" in shown.err
    assert "loss" in shown.err


def test_no_output_unless_asked_for(capfd):
    net = make()
    net.fit(*data(), epochs=2)
    net.evaluate(*data())
    shown = capfd.readouterr()
    assert shown.out == shown.err == ""


def test_verbose_shows_validation(capsys):
    X, y = data()
    make().fit(X, y, epochs=2, validation_data=(X, y), verbose=True)
    shown = capsys.readouterr().err
    assert "validation" in shown
    assert "accuracy" in shown
    assert "100 " in shown.replace("100/100", "100 ")  # samples of both epochs


def test_callbacks_are_called_after_each_epoch():
    X, y = data()
    net, calls = make(), []

    def first(network, history):
        assert network is net
        calls.append(
            ("first", network.epochs_trained, len(history.loss), len(history.validation_loss))
        )

    def second(network, history):
        calls.append("second")
        return network.epochs_trained == 3

    history = net.fit(X, y, epochs=9, validation_data=(X, y), callbacks=[first, second])
    assert calls == [
        *(("first", 1, 1, 1), "second"),
        *(("first", 2, 2, 2), "second"),
        *(("first", 3, 3, 3), "second"),
    ]
    assert len(history.loss) == net.epochs_trained == 3


@pytest.mark.parametrize("result", [None, False, 0, {"loss": 1.0}, np.ones(3), "yes"])
def test_a_callback_that_returns_anything_but_true_does_not_stop(result):
    assert len(make().fit(*data(), epochs=2, callbacks=[lambda *_: result]).loss) == 2


@pytest.mark.parametrize("result", [True, np.True_])
def test_a_callback_that_returns_true_stops(result):
    assert len(make().fit(*data(), epochs=2, callbacks=[lambda *_: result]).loss) == 1


def test_callbacks_may_use_and_change_the_network():
    X, y = data()

    def slower(network, history):
        network.predict(X)
        network.evaluate(X, y)
        network.optimizer = dataclasses.replace(network.optimizer, learning_rate=1e-30)

    net = make()
    net.fit(X, y, epochs=1, callbacks=[slower])
    before = [layer.weights.copy() for layer in net.layers]
    net.fit(X, y, epochs=2)
    for layer, old in zip(net.layers, before, strict=True):
        np.testing.assert_array_equal(layer.weights, old)


def test_an_exception_in_a_callback_leaves_the_network_usable():
    X, y = data()

    def fails(network, history):
        raise ZeroDivisionError("mine")

    net = make()
    with pytest.raises(ZeroDivisionError, match="mine"):
        net.fit(X, y, epochs=3, callbacks=[fails])
    assert net.epochs_trained == 1
    net.fit(X, y, epochs=1)
    assert net.epochs_trained == 2


def test_the_history_of_an_interrupted_fit_is_kept():
    def stop(network, history):
        if len(history.loss) == 3:
            raise KeyboardInterrupt

    net = bp.Network(2, [bp.Dense(1)], seed=1)
    with pytest.raises(KeyboardInterrupt):
        net.fit(np.ones((4, 2)), np.ones(4), epochs=9, callbacks=[stop])
    assert len(net.history.loss) == net.epochs_trained == 3


def test_a_call_that_runs_out_of_memory_leaves_the_network_usable(monkeypatch):
    def no_memory(*_, **__):
        raise MemoryError

    net = bp.Network(2, [bp.Dense(1)], seed=1)
    X, y = np.ones((4, 2)), np.ones(4)
    monkeypatch.setattr(np, "empty", no_memory)  # the order of the rows
    with pytest.raises(MemoryError):
        net.fit(X, y)
    monkeypatch.undo()
    assert net.predict(X).shape == (4, 1)
    assert net.fit(X, y, epochs=2).loss


# ---- what is not finite ------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_data_that_are_not_finite_are_named_and_change_nothing(value, n_threads):
    """Also an infinity, which tanh hides: the cost itself would be finite."""
    X, y = data("squared_error")
    good, bad = X.copy(), X.copy()
    bad[31, 4] = bad[40, 0] = value
    net = make("squared_error", n_threads=n_threads)
    earlier = net.fit(good, y, epochs=1)
    before = snapshot(net)
    for call in (
        lambda: net.fit(bad, y, batch_size=8),
        lambda: net.fit(good, y, validation_data=(bad, y)),
        lambda: net.train_step(bad, y),
        lambda: net.predict(bad),
        lambda: net.evaluate(bad, y),
        lambda: net.cost(bad, y),
        lambda: net.loss_and_gradients(bad, y),
        lambda: net.forward(bad),
        lambda: net.inspect(bad, y),
        lambda: net.explain(bad, y),
    ):
        with pytest.raises(ValueError, match=rf"X\[31, 4\] is {value}: expected finite numbers"):
            call()
    with pytest.raises(ValueError, match=rf"^X\[0, 4\] is {value}"):
        net.predict(bad[31:32])
    with pytest.raises(RuntimeError, match="forward"):
        net.backward(y)  # of a batch that forward has refused
    assert snapshot(net) == before
    assert net.history is earlier
    assert (net.steps, net.epochs_trained) == (1, 1)


def test_floating_point_error_of_training_that_diverged():
    X, y = data("squared_error")
    net = make("squared_error", "sgd")
    net.optimizer = bp.SGD(1e6)
    with pytest.raises(FloatingPointError, match=r"diverged.*learning_rate.*1e\+06"):
        net.fit(1000 * X, y, epochs=100)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_an_error_of_a_scale_that_is_too_large(dtype):
    X, y = np.zeros((5, 2), dtype), np.arange(5.0)
    X[3, 1] = 2
    net = bp.Network(2, [bp.Dense(1)], input_scale=[1, 1e300], seed=0)
    place = r"0, 1\] is 0" if dtype in ("float32", "uint8") else r"3, 1\] is 2"  # 0 times infinity
    words = rf"X\[{place}.*, of which \(x - offset\) \* scale is not finite in float32: "
    with pytest.raises(ValueError, match=words):
        net.fit(X, y, epochs=1)
    with pytest.raises(ValueError, match=words):
        net.predict(X)


def test_inputs_are_looked_at_as_the_network_sees_them():
    X, y = np.full((5, 1), 1e200), np.arange(5.0)
    net = bp.Network(1, [bp.Dense(1)], input_scale=1e-200, optimizer=bp.SGD(1e30), seed=0)
    with pytest.raises(FloatingPointError, match="diverged"):
        net.fit(X, y, epochs=9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_only_ratios_of_sample_weights_matter(loss, dtype):
    """At both ends of what is taken; test_validation.py has what lies beyond."""
    X, y = data(loss)
    ratios = np.random.default_rng(0).choice([0.0, 1.0, 2.0, 4.0], 50)
    largest = 2.0 ** (np.finfo(dtype).maxexp // 2)
    expected = make(loss, dtype=dtype)
    expected.fit(X, y, sample_weight=ratios, epochs=2, batch_size=16)
    for scale in (1 / largest, largest / 4):
        net = make(loss, dtype=dtype)
        net.fit(X, y, sample_weight=ratios * scale, epochs=2, batch_size=16)
        assert snapshot(net) == snapshot(expected)


def test_nan_passes_through_relu():
    """Of weights, since inputs are looked at."""
    net = bp.Network(2, [bp.Dense(3, "relu"), bp.Dense(1, "relu")], seed=0)
    net.layers[0].weights[...] = np.nan
    assert np.isnan(net.predict(np.array([[0.5, 1.0]]))).all()


@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("activation", ["tanh", "identity"])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_training_does_not_end_with_weights_that_are_not_finite(n_threads, activation, matmul):
    """The last step makes them so, no batch has met them, and tanh would hide an infinity."""
    X, y = data("squared_error")
    layers = [bp.Dense(11, activation), bp.Dense(4)]
    options = {"seed": 3, "n_threads": n_threads, "matmul": matmul}
    net = bp.Network(6, layers, optimizer=bp.SGD(1e-3), **options)
    net.train_step(X, y)
    net.optimizer = bp.SGD(3e38)
    with pytest.raises(FloatingPointError, match=r"layers\[\d\]\..* became .*diverged.*3e\+38"):
        net.train_step(1e3 * X, 1e3 * y)
    assert net.steps == 2
    net = bp.Network(6, layers, optimizer=bp.SGD(3e38), **options)
    with pytest.raises(FloatingPointError, match=r"became .* in epoch 1.*diverged"):
        net.fit(1e3 * X, 1e3 * y, epochs=1)
    assert len(net.history.loss) == net.epochs_trained == 1


def test_weights_that_are_not_finite_cannot_be_assigned():
    net = make()
    before = snapshot(net)
    values = np.ones((6, 11))
    values[2, 3] = np.nan
    with pytest.raises(ValueError, match=r"weights\[2, 3\] is nan: expected finite numbers"):
        net.layers[0].weights = values
    with pytest.raises(ValueError, match=r"bias\[1\] is 1e\+300, which is not finite in float32"):
        net.layers[1].bias = [0, 1e300, 0, 0]
    assert snapshot(net) == before


@pytest.mark.parametrize("name", ["X", "y"])
def test_a_number_beyond_float32_is_named(name):
    given = {"X": np.ones((4, 2)), "y": np.ones(4)}
    given[name][2] = 1e300
    net = bp.Network(2, [bp.Dense(1)], seed=1)
    for method in (net.fit, net.train_step, net.evaluate, net.loss_and_gradients):
        with pytest.raises(ValueError, match=rf"{name}\[2.*1e\+300, .*not finite in float32"):
            method(**given)
    assert net.steps == 0


# ---- predict and evaluate ----------------------------------------------------------------------


@pytest.mark.parametrize("rows", [3, 10, 1000])
@pytest.mark.parametrize("target", [0.1, 0.3, 1e6 + 0.1])
def test_r2_of_a_target_that_does_not_vary(monkeypatch, rows, target):
    """The mean of equal numbers need not be that number; rows of weight 0 do not count."""
    monkeypatch.setattr("backprop.evaluating.EVALUATED_ROWS", 400)
    y, weight = np.full((rows, 1), target), np.ones(rows)
    y[-1], weight[-1] = 5, 0
    net = bp.Network(6, [bp.Dense(1)], seed=0)
    plain = reference.Network(6, [bp.Dense(1)], seed=0)
    for network in (net, plain):
        assert np.isnan(network.evaluate(np.ones((rows, 6)), y, weight)["r2"])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_evaluate_goes_through_the_rows_block_by_block(monkeypatch, loss, weighted):
    X, y = data(loss)
    y = y + 1e6 if loss in LOSSES_OF_NUMBERS else y  # of sums of squares nothing would be left
    weight = np.where(np.arange(50) < 21, 0.0, np.arange(50.0)) if weighted else None
    net = make(loss)
    whole = net.evaluate(X, y, weight)
    monkeypatch.setattr("backprop.evaluating.EVALUATED_ROWS", 7)  # of which three are of weight 0
    assert net.evaluate(X, y, weight) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_predict(loss, dtype):
    X, _ = data(loss)
    net = make(loss, dtype=dtype)
    out, z = net.predict(X), net.predict(X, logits=True)
    assert out.shape == z.shape == (50, 4)
    assert out.dtype == z.dtype == net.dtype == np.dtype(dtype)
    hidden = np.tanh(X @ net.layers[0].weights + net.layers[0].bias)
    exact = hidden @ net.layers[1].weights + net.layers[1].bias
    np.testing.assert_allclose(z, exact, rtol=1e-4, atol=1e-5)
    if net.loss_function.target.is_class:
        np.testing.assert_allclose(out.sum(axis=1), 1, rtol=1e-6)
    exact = net.loss_function.link(z.astype(float))
    np.testing.assert_allclose(out, exact, rtol=1e-5, atol=1e-6)
    out[...] = 0  # the caller's own array
    np.testing.assert_array_equal(net.predict(X, logits=True), z)


def test_logits_are_pre_activations_with_squared_error():
    net = bp.Network(6, [bp.Dense(3, "sigmoid")], seed=1, dtype="float64")
    X, _ = data("squared_error")
    np.testing.assert_allclose(net.predict(X, logits=True), X @ net.layers[0].weights, rtol=1e-12)
    np.testing.assert_allclose(net.predict(X), 1 / (1 + np.exp(-net.predict(X, logits=True))))
    np.testing.assert_array_equal(net.forward(X), net.predict(X))


@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_few_rows_are_predicted_as_many_are(loss, dtype, matmul):
    """Fewer rows than a vector has lanes take another way through the products."""
    X, y = data(loss)
    X, y = X[:33], y[:33]
    net = make(loss, dtype=dtype, matmul=matmul)
    whole = net.predict(X)
    for n in range(1, 19):
        few = net.predict(X[:n])
        if matmul == "fused":
            np.testing.assert_array_equal(few, whole[:n])
        np.testing.assert_allclose(few, whole[:n], rtol=1e-5, atol=1e-6)
    exact = sum(net.evaluate(X[i : i + 1], y[i : i + 1])["loss"] for i in range(33)) / 33
    assert net.evaluate(X, y)["loss"] == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_predict_on_no_rows(dtype):
    net = make()
    assert net.predict(np.zeros((0, 6), dtype)).shape == (0, 4)
    assert len(net.predict(data()[0])) == 50


def test_evaluate_squared_error():
    X, y = data("squared_error")
    net, w = make("squared_error", dtype="float64"), np.arange(50) % 3
    a = net.predict(X)
    scores = net.evaluate(X, y)
    assert scores["loss"] == pytest.approx(0.5 * ((a - y) ** 2).sum(axis=1).mean())
    exact = 1 - ((a - y) ** 2).sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    assert scores["r2"] == pytest.approx(exact.mean())
    weighted, repeated = net.evaluate(X, y, w), net.evaluate(X.repeat(w, 0), y.repeat(w, 0))
    assert weighted["loss"] == pytest.approx(repeated["loss"])
    assert weighted["r2"] == pytest.approx(repeated["r2"])
    y[:, 2] = 1.5  # an output that never varies is left out
    assert net.evaluate(X, y)["r2"] == pytest.approx(exact[[0, 1, 3]].mean())
    y[...] = 1.5
    assert np.isnan(net.evaluate(X, y)["r2"])


@pytest.mark.parametrize("loss", ["sigmoid_cross_entropy", "softmax_cross_entropy"])
def test_evaluate_cross_entropies(loss):
    X, y = data(loss)
    net, w = make(loss), np.arange(50) % 3
    net.fit(X, y, epochs=3)
    p = net.predict(X).astype(float)
    if loss == "softmax_cross_entropy":
        expected, right = -np.log(p[np.arange(50), y]), p.argmax(axis=1) == y
    else:
        expected = -np.log(np.where(y, p, 1 - p)).sum(axis=1)
        right = ((p > 0.5) == y).all(axis=1)
    assert 0 < right.mean() < 1
    for weight in (None, w):
        scores = net.evaluate(X, y, weight)
        assert scores["loss"] == pytest.approx(np.average(expected, weights=weight), rel=1e-5)
        assert scores["accuracy"] == pytest.approx(np.average(right, weights=weight))
