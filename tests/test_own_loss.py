"""A loss of one's own: a Python function that the core calls once a batch."""

import pickle

import numpy as np
import pytest
from networks import snapshot

import backprop as bp
from backprop import reference
from backprop._core import kernels
from backprop.catalogue.losses import LOSSES

ISAS = [name for name, runs_here in kernels.instruction_sets().items() if runs_here]


def squared(output, target):
    error = output - target
    return 0.5 * np.sum(error**2, axis=1), error


def skewed(output, target):
    """exp(e) - e - 1 of e = a - y, which no entry is."""
    error = output - target
    return np.sum(np.exp(error) - error - 1, axis=1), np.exp(error) - 1


def cross_entropy(output, target):
    """Of labels, which stay integers."""
    assert target.dtype == np.int64
    p = np.exp(output - output.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(p))
    losses = -np.log(p[rows, target])
    p[rows, target] -= 1
    return losses, p


def make(loss=squared, kind=bp.Network, units=3, **options):
    layers = [bp.Dense(9, "tanh"), bp.Dense(units)]
    options = {"optimizer": bp.Adam(0.01), "seed": 2, **options}
    return kind(4, layers, loss=loss, **options)


def data(n=53, dtype="float64", units=3):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, 4)), rng.normal(size=(n, units))
    return X.astype(dtype), y.astype(dtype), rng.uniform(0.1, 2, n)


# ---- the same as a loss of the catalogue --------------------------------------------------------


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_threads", [1, 2, 3, pytest.param(8, marks=pytest.mark.long)])
def test_the_bits_are_those_of_the_same_loss_of_the_catalogue(monkeypatch, isa, dtype, n_threads):
    """The derivative is one subtraction, so that numpy and the kernel agree."""
    monkeypatch.setenv("BACKPROP_ISA", isa)
    X, y, weight = data(dtype=dtype)
    for batch_size in (1, 15, 16, 17, 53):
        own, its = (
            make(loss, dtype=dtype, n_threads=n_threads) for loss in (squared, "squared_error")
        )
        for net in (own, its):
            net.fit(X, y, epochs=2, batch_size=batch_size, sample_weight=weight)
        assert snapshot(own) == snapshot(its)
        np.testing.assert_allclose(own.history.loss, its.history.loss, rtol=1e-6)


@pytest.mark.parametrize("matmul", ["fused", "blas"])
def test_labels_as_they_were_given(matmul):
    X, y, weight = data()
    labels = y.argmax(axis=1)
    nets = [
        make(loss, dtype="float64", matmul=matmul)
        for loss in (cross_entropy, "softmax_cross_entropy")
    ]
    for net in nets:
        net.fit(X, labels, epochs=4, batch_size=16, sample_weight=weight)
    own, its = nets
    np.testing.assert_allclose(own.predict(X), its.predict(X, logits=True), rtol=1e-9)
    assert own.evaluate(X, labels, weight) == pytest.approx(
        {"loss": its.evaluate(X, labels, weight)["loss"]}, rel=1e-9
    )


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("activation", ["identity", "tanh"])
def test_training_is_the_references(activation, dropout):
    X, y, weight = data()
    layers = [bp.Dense(9, "relu"), bp.Dense(3, activation, dropout=dropout)]
    nets = [
        kind(4, layers, loss=skewed, dtype="float64", seed=3, optimizer=bp.SGD(0.05))
        for kind in (bp.Network, reference.Network)
    ]
    for net in nets:
        net.fit(X, y, epochs=3, batch_size=16, sample_weight=weight, validation_data=(X, y))
        net.train_step(X, y)
    fast, exact = nets
    np.testing.assert_allclose(fast.predict(X), exact.predict(X), rtol=1e-10)
    assert fast.history.validation_loss[-1] != fast.history.validation_loss[0] > 0
    assert fast.evaluate(X, y, weight) == pytest.approx(exact.evaluate(X, y, weight), rel=1e-10)
    assert list(fast.evaluate(X, y)) == ["loss"]


def test_gradients_are_central_differences():
    X, y, weight = data(5000)  # more rows than are gone through at a time
    net = make(skewed, dtype="float64")
    loss, gradients = net.loss_and_gradients(X, y, weight)
    assert loss == pytest.approx(net.cost(X, y, weight), rel=1e-12)
    assert loss == pytest.approx(weight @ skewed(net.predict(X), y)[0] / weight.sum(), rel=1e-12)
    h = 1e-6
    for layer, gradient in zip(net.layers, gradients, strict=True):
        assert np.abs(gradient.weights).max() > 1e-3
        for place in [(0, 0), (3, 1), (2, 2)]:
            held, costs = layer.weights[place], []
            for step in (h, -h):
                layer.weights[place] = held + step
                costs.append(net.cost(X, y, weight))
            layer.weights[place] = held
            difference = (costs[0] - costs[1]) / (2 * h)
            assert gradient.weights[place] == pytest.approx(difference, rel=1e-6, abs=1e-9)


# ---- what it is called with ---------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_it_is_called_with(dtype, shuffle):
    """Outputs and the targets of the same rows, of any shape; once a batch."""
    X, _, weight = data()
    target = np.arange(53 * 2 * 5, dtype=np.int16).reshape(53, 2, 5)
    calls = []

    def loss(output, rows):
        assert (output.dtype, rows.dtype) == (np.dtype(dtype), np.int16)
        calls.append((output.copy(), rows))
        return np.zeros(len(output)), np.zeros_like(output)

    net = make(loss, dtype=dtype)
    expected = net.predict(X)
    net.fit(X, target, epochs=1, batch_size=20, shuffle=shuffle, sample_weight=weight)
    assert [len(output) for output, _ in calls] == [20, 20, 13]
    order = np.concatenate([rows[:, 0, 0] // 10 for _, rows in calls])
    assert sorted(order) == list(range(53))
    assert (order.tolist() != sorted(order)) == shuffle
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in calls]), target[order])
    np.testing.assert_array_equal(np.concatenate([out for out, _ in calls]), expected[order])


def test_targets_that_are_missing():
    """nan is for the function to know what to do with."""
    X, y, _ = data()
    y[::3, 1] = np.nan

    def masked(output, target):
        error = np.where(np.isnan(target), 0, output - target)
        return 0.5 * np.sum(error**2, axis=1), error

    net = make(masked)
    history = net.fit(X, y, epochs=40)
    assert history.loss[-1] < 0.9 * history.loss[0]


def test_callbacks_and_every_call_that_has_a_loss():
    X, y, weight = data()
    net = make()
    seen = []
    net.fit(X, y, epochs=3, validation_data=(X, y, weight), callbacks=[lambda n, h: seen.append(1)])
    assert len(seen) == len(net.history.validation_loss) == 3
    assert net.history.validation_accuracy == []
    losses = 0.5 * np.sum((net.predict(X) - y) ** 2, axis=1)
    np.testing.assert_allclose(net.inspect(X, y, weight).losses, losses, rtol=1e-5)
    assert net.train_step(X, y) == pytest.approx(losses.mean(), rel=1e-5)
    out = net.forward(X)
    net.backward(squared(out, y)[1])
    net.update()


def test_other_types_of_numbers_may_be_returned():
    X, y, _ = data()
    whole = make(lambda a, y: ((a - y > 0).sum(axis=1), np.sign(a - y).astype(int)))
    exact = make("absolute_error")
    for net in (whole, exact):
        net.fit(X, y.astype("float32"), epochs=2)
    assert snapshot(whole) == snapshot(exact)
    listed = make(lambda a, y: ([1.0] * len(a), (a * 0).tolist()))
    assert listed.evaluate(X, y) == {"loss": 1.0}


# ---- what is refused ----------------------------------------------------------------------------

D = np.zeros((53, 3))
RETURNED = [
    (None, TypeError, r"returned not a pair \(NoneType\): expected \(losses, d_output\)"),
    (D, TypeError, r"returned not a pair \(ndarray\)"),
    ((D, D, D), TypeError, "returned 3 values"),
    ((0.5, D), ValueError, r"losses: shape \(\), expected \(53,\), .* neither their mean"),
    ((D, D), ValueError, r"losses: shape \(53, 3\), expected \(53,\)"),
    ((D[:, 0], D.T), ValueError, r"d_output: shape \(3, 53\), expected \(53, 3\)"),
    ((D[:, 0], D[:, :1]), ValueError, r"d_output: shape \(53, 1\), expected \(53, 3\)"),
    ((D[:, 0].astype(str), D), TypeError, r"losses has dtype <U\d+"),
    ((D[:, 0], D.astype(complex)), TypeError, "d_output has dtype complex128"),
    ((None, D), TypeError, "losses is None"),
    ((D[:, 0], D + np.nan), FloatingPointError, r"d_output\[0, 0\] is nan: expected finite"),
    ((D[:, 0], D + 1e300), FloatingPointError, r"d_output\[0, 0\] is inf: expected finite"),
]


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize(("returned", "error", "message"), RETURNED)
def test_what_it_may_not_return(returned, error, message, n_threads):
    def wrong(output, target):
        return returned

    X, y, _ = data()
    net = make(wrong, n_threads=n_threads)
    before = snapshot(net)
    for call in (net.train_step, net.evaluate, net.loss_and_gradients, net.inspect):
        with pytest.raises(error, match=message) as caught:
            call(X, y)
        assert "wrong" in str(caught.value)
    assert snapshot(net) == before


class Trouble(Exception):
    pass


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("error", [Trouble, KeyboardInterrupt])
def test_exceptions_reach_the_caller_and_training_can_go_on(error, n_threads):
    X, y, _ = data()
    calls = []

    def troubled(output, target):
        calls.append(1)
        if len(calls) == 6:
            raise error("the sixth")
        return squared(output, target)

    net, other = make(troubled, n_threads=n_threads), make()
    with pytest.raises(error, match="the sixth"):
        net.fit(X, y, epochs=3, batch_size=20, shuffle=False)
    assert net.steps == 5
    assert net.epochs_trained == len(net.history.loss) == 1
    other.fit(X, y, epochs=1, batch_size=20, shuffle=False)
    other.fit(X[:40], y[:40], epochs=1, batch_size=20, shuffle=False)
    assert snapshot(net) == snapshot(other)  # all but the batch that failed
    net.fit(X, y, epochs=1)


def test_a_loss_that_is_not_finite():
    X, y, _ = data()
    net = make(lambda a, y: (np.full(len(a), np.nan), a))
    before = snapshot(net)
    with pytest.raises(FloatingPointError, match="the loss became nan in epoch 1"):
        net.fit(X, y)
    assert snapshot(net) == before
    assert np.isnan(net.evaluate(X, y)["loss"])


def test_it_cannot_use_the_network_that_trains():
    X, y, _ = data()
    net = make(lambda a, y: (net.predict(X), a))
    with pytest.raises(RuntimeError, match="in use"):
        net.fit(X, y)
    within = make(lambda a, y: (np.full(len(a), net.n_outputs), a * 0))
    assert within.evaluate(X, y) == {"loss": 3.0}


def test_rows_of_y_are_counted():
    X, y, _ = data()
    with pytest.raises(ValueError, match=r"y has shape \(52, 3\): expected 53 rows"):
        make().fit(X, y[1:])
    with pytest.raises(TypeError, match="y has dtype"):
        make().fit(X, np.array(["a"] * 53))


def test_no_function():
    for given in (3, None, "squared"):
        with pytest.raises(ValueError, match="loss="):
            make(given)
    with pytest.raises(TypeError, match="squared: a loss of one's own has no parameters"):
        make().loss_function(delta=2)


# ---- copies, pickles, files ---------------------------------------------------------------------


def test_copies_pickles_and_files_go_on_to_the_same_bits(tmp_path):
    X, y, _ = data()
    net = make(skewed)
    net.fit(X, y, epochs=2)
    path = tmp_path / "model.safetensors"
    net.save(path)
    others = [net.copy(), pickle.loads(pickle.dumps(net)), bp.Network.load(path, loss=skewed)]
    for each in (net, *others):
        each.fit(X, y, epochs=2)
    assert {str(snapshot(each)) for each in others} == {str(snapshot(net))}
    assert [repr(each.loss_function) for each in others] == ["skewed"] * 3
    assert "loss=skewed" in repr(net)
    assert "loss skewed" in net.summary()


def test_a_file_asks_for_the_function(tmp_path):
    path = tmp_path / "model.safetensors"
    make(skewed).save(path)
    with pytest.raises(ValueError, match="a function of one's own, 'skewed', which is not in"):
        bp.Network.load(path)
    with pytest.raises(ValueError, match="loss='skewed': expected the function 'skewed'"):
        bp.Network.load(path, loss="skewed")
    make("squared_error").save(path)
    with pytest.raises(ValueError, match="its loss is 'squared_error': expected no other one"):
        bp.Network.load(path, loss=skewed)


def test_what_does_not_pickle_says_so():
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(make(lambda a, y: squared(a, y)))


def test_an_object_that_is_called():
    class Scaled:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, output, target):
            losses, d_output = squared(output, target)
            return self.factor * losses, self.factor * d_output

    X, y, _ = data()
    one, three = make(), make(Scaled(3))
    assert three.evaluate(X, y)["loss"] == pytest.approx(3 * one.evaluate(X, y)["loss"])
    assert repr(three.loss_function) == "Scaled"


# ---- explain ------------------------------------------------------------------------------------


def test_explain_shows_its_numbers():
    X, y, weight = data(3)
    net = make(skewed, dtype="float64")
    trace = net.explain(X, y, sample_weight=weight)
    losses, d_output = skewed(net.predict(X), y)
    np.testing.assert_allclose(trace.losses, losses)
    np.testing.assert_allclose(trace.layers[-1].da, d_output)
    np.testing.assert_array_equal(trace.y, y)
    body = trace.to_text()
    assert "ℓ = skewed(a, y) = " in body
    assert "∂ℓ/∂a = as the function returns it" in body
    assert r"\mathrm{skewed}(a, y)" in trace.to_latex()
    assert trace.gradient(0, 1, 2).relative_error < 1e-6


def test_explain_needs_a_target_for_each_output():
    net = make(cross_entropy)
    with pytest.raises(ValueError, match=r"y has shape \(2,\): explain shows a target for each"):
        net.explain(np.ones((2, 4)), np.array([0, 1]))


def test_the_page_says_that_it_cannot_try_the_loss(open_page):
    X, y, weight = data(3)
    trace = make(skewed, dtype="float64").explain(X, y, sample_weight=weight)
    page = open_page(trace, weight=(0, 1, 2))
    assert "which is a Python function" in page.find("#no-trial").text
    tried = trace.gradient(0, 1, 2).finite_difference
    assert page.value("#difference") == pytest.approx(tried, rel=1e-6)  # out of the trace
    assert not page.all("#sample-difference")
    page.open_tab("loss")
    assert page.formulas("#panel > .formula")[0] == "ℓ=skewed(a,y)"
    trace.__dict__["differences"] = None
    page = open_page(trace, weight=(0, 1, 2))
    assert page.find("#no-trial")
    assert not page.all("#difference")


def test_every_loss_of_the_catalogue_has_a_kernel_instead():
    assert all(entry.ask is None for entry in LOSSES.values())
