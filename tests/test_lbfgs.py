"""L-BFGS: scipy's path on the reference's cost, scikit-learn's fit; what it keeps and refuses."""

import pickle
import sys

import numpy as np
import pytest
from scipy.optimize import minimize

import backprop as bp
from backprop import reference
from backprop.catalogue.optimizers import OPTIMIZERS, OTHERS, find_optimizer

RANDOM = np.random.default_rng(6)
X = RANDOM.normal(size=(60, 4))
Y = np.sin(X[:, :2]) + 0.1 * RANDOM.normal(size=(60, 2))
WEIGHT = RANDOM.uniform(0.5, 2, 60)


DECAYED = bp.LBFGS(l2=0.3)


def network(optimizer=DECAYED, kind=bp.Network, first=None, dtype="float64", **settings):
    layers = [bp.Dense(7, "tanh", **(first or {})), bp.Dense(2)]
    return kind(4, layers, "squared_error", optimizer, dtype=dtype, seed=2, **settings)


def parameters(net):
    return [array for layer in net.layers for array in (layer.weights, layer.bias)]


def flat(net):
    return np.concatenate([array.ravel() for array in parameters(net)])


# ---- the path ----


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_the_path_is_scipys_on_the_cost_of_the_reference(weight):
    slow, net = network("sgd", reference.Network), network()
    total = len(X) if weight is None else weight.sum()

    def cost(x):
        start = 0
        for array in parameters(slow):
            array[...] = x[start : start + array.size].reshape(array.shape)
            start += array.size
        loss, gradients = slow.loss_and_gradients(X, Y, weight)
        squares = sum((layer.weights**2).sum() for layer in slow.layers)
        parts = [
            part
            for layer, own in zip(slow.layers, gradients, strict=True)
            for part in (own.weights + 0.3 / total * layer.weights, own.bias)
        ]
        return loss + 0.15 / total * squares, np.concatenate([part.ravel() for part in parts])

    places = []
    minimize(
        cost,
        flat(net),
        jac=True,
        method="L-BFGS-B",
        callback=lambda x: places.append(x.copy()),
        options={"maxiter": 12, "gtol": 1e-5, "maxcor": 10},
    )
    seen = []
    history = net.fit(
        X,
        Y,
        epochs=12,
        sample_weight=weight,
        callbacks=[lambda net, history: seen.append(flat(net))],
    )
    assert len(seen) == len(places) == 12
    np.testing.assert_allclose(seen, places, rtol=1e-6, atol=1e-9)
    assert history.loss[-1] == pytest.approx(net.cost(X, Y, weight), rel=1e-12)
    assert history.loss[-1] < history.loss[0] / 2


def test_the_fit_is_scikit_learns():
    sklearn = pytest.importorskip("sklearn.neural_network", reason="scikit-learn is not installed")
    settings = {"hidden_layer_sizes": (7,), "activation": "tanh", "solver": "lbfgs", "alpha": 0.3}
    its = sklearn.MLPRegressor(**settings, max_iter=1, tol=1e-5, random_state=0, warm_start=True)
    with pytest.warns(UserWarning, match="converge"):
        its.fit(X, Y[:, 0])
    net = bp.Network(
        4, [bp.Dense(7, "tanh"), bp.Dense(1)], optimizer=bp.LBFGS(l2=0.3), dtype="float64"
    )
    for layer, weights, bias in zip(net.layers, its.coefs_, its.intercepts_, strict=True):
        layer.weights, layer.bias = weights, bias
    its.max_iter = 500
    its.fit(X, Y[:, 0])
    history = net.fit(X, Y[:, 0], epochs=500)
    assert its.n_iter_ < 500
    assert abs(len(history.loss) - its.n_iter_) < 10
    np.testing.assert_allclose(net.predict(X)[:, 0], its.predict(X), atol=2e-3)
    gradient = net.loss_and_gradients(X, Y[:, 0])[1]
    for own, layer in zip(gradient, net.layers, strict=True):
        assert np.abs(own.weights + 0.3 / 60 * layer.weights).max() < 1e-3  # a minimum


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_that_are_not_trained_stay(dtype):
    net = network(first={"trainable": False, "use_bias": False}, dtype=dtype)
    before = net.layers[0].weights.copy()
    losses = net.fit(X, Y, epochs=5).loss
    np.testing.assert_array_equal(net.layers[0].weights, before)
    assert not net.layers[0].bias.any()
    assert losses[-1] < losses[0]


# ---- as every fit ----


def test_callbacks_validation_and_counts():
    net, seen = network(), []

    def callback(net, history):
        seen.append((net.epochs_trained, net.steps, len(history.loss)))
        return len(seen) == 4

    history = net.fit(X, Y, epochs=50, validation_data=(X[:9], Y[:9]), callbacks=[callback])
    assert seen == [(i, i, i) for i in (1, 2, 3, 4)]
    assert len(history.loss) == len(history.validation_loss) == len(history.seconds) == 4
    assert history.validation_loss[-1] == net.evaluate(X[:9], Y[:9])["loss"]
    assert all(seconds > 0 for seconds in history.seconds)


def test_it_ends_where_the_cost_has_converged():
    net = network(bp.LBFGS(tolerance=1e-3))
    assert len(net.fit(X, Y, epochs=1000).loss) < 1000
    gradients = net.loss_and_gradients(X, Y)[1]
    assert max(np.abs(part).max() for own in gradients for part in own) <= 1e-3
    kept = net.get_weights()
    stop = bp.EarlyStopping(monitor="loss")
    assert net.fit(X, Y, epochs=10, callbacks=[stop]).loss == []  # it is there already
    for array, old in zip(net.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(array, old)


def test_hooks_are_called_about_each_iteration():
    class Told(bp.Callback):
        def __init__(self):
            self.calls = []

        def on_epoch_begin(self, epoch, logs):
            self.calls.append(("begin", epoch))

        def on_epoch_end(self, epoch, logs):
            self.calls.append(("end", epoch))

    told = Told()
    network().fit(X, Y, epochs=3, callbacks=[told])
    assert told.calls == [(what, epoch) for epoch in range(3) for what in ("begin", "end")]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_fit_keeps_its_last_iteration(error, monkeypatch):
    net, kept = network(), []
    whole = network()
    whole.fit(X, Y, epochs=3, callbacks=[lambda net, history: kept.append(flat(net))])
    method, calls = type(net)._loss_and_gradients, []

    def interrupted(self, *data):
        calls.append(1)
        if len(self.history.loss) == 3 and calls:
            raise error
        return method(self, *data)

    monkeypatch.setattr(type(net), "_loss_and_gradients", interrupted)
    with pytest.raises(error):
        net.fit(X, Y, epochs=9)
    np.testing.assert_array_equal(flat(net), kept[-1])
    assert len(net.history.loss) == net.steps == 3


def test_what_is_not_finite_is_named():
    bad = X.copy()
    bad[3, 1] = np.nan
    net = network()
    before = flat(net)
    with pytest.raises(ValueError, match=r"X\[3, 1\] is nan"):
        net.fit(bad, Y)
    np.testing.assert_array_equal(flat(net), before)
    with pytest.raises(FloatingPointError, match="Try inputs and targets scaled"):
        network().fit(X, Y * 1e200)


def test_a_line_search_that_fails_is_told(monkeypatch):
    method = bp.Network._loss_and_gradients

    def uphill(self, *data):
        loss, gradients = method(self, *data)
        return -loss, gradients

    monkeypatch.setattr(bp.Network, "_loss_and_gradients", uphill)
    with pytest.warns(RuntimeWarning, match=r"L-BFGS ended after 0 of 50 epochs: ABNORMAL") as seen:
        network().fit(X, Y, epochs=50)
    assert seen[0].filename == __file__  # the line that called fit


def test_the_same_bits_on_any_number_of_threads():
    nets = [network(n_threads=n) for n in (1, 3)]
    for net in nets:
        net.fit(X, Y, epochs=9)
    np.testing.assert_array_equal(flat(nets[0]), flat(nets[1]))


def test_files_pickles_and_names(tmp_path):
    net = network(bp.LBFGS(memory=5, l2=0.1))
    net.fit(X, Y, epochs=4)
    net.save(tmp_path / "model")
    for twin in (bp.Network.load(tmp_path / "model"), pickle.loads(pickle.dumps(net)), net.copy()):
        assert twin.optimizer == net.optimizer
        assert twin.steps == 4
        np.testing.assert_array_equal(flat(twin), flat(net))
        twin.fit(X, Y, epochs=2)
    assert find_optimizer("lbfgs") == bp.LBFGS()
    assert not {*OTHERS} & {*OPTIMIZERS}
    assert repr(bp.LBFGS(3)).startswith("LBFGS(memory=3, tolerance=1e-05")


def test_another_optimizer_goes_on():
    net = network()
    net.fit(X, Y, epochs=3)
    net.optimizer = bp.Adam(0.01)
    assert len(net.fit(X, Y, epochs=2).loss) == 2
    net.optimizer = "lbfgs"
    assert len(net.fit(X, Y, epochs=2).loss) == 2


def test_what_norms_and_activations_learn_is_minimised_too():
    net = bp.Network(
        4,
        [bp.Dense(7, "prelu", norm="layer", use_bias=False), bp.Dense(2)],
        "squared_error",
        bp.LBFGS(tolerance=1e-9),
        dtype="float64",
        seed=2,
    )
    before = {name: array.copy() for name, array in net.layers[0].parameters.items()}
    assert list(before) == ["weights", "scale", "shift", "negative_slope"]
    history = net.fit(X, Y, epochs=200)
    for name, array in net.layers[0].parameters.items():
        assert (array != before[name]).any(), name
    _, gradients = net.loss_and_gradients(X, Y)
    largest = max(np.abs(g).max() for own in gradients for g in own.parameters.values())
    assert largest < 1e-2 * history.loss[0]
    assert history.loss[-1] < 0.5 * history.loss[0]


# ---- what is refused ----


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: bp.LBFGS(0), ValueError, "memory=0"),
        (lambda: bp.LBFGS(tolerance=-1), ValueError, "tolerance=-1"),
        (lambda: bp.LBFGS(history_size=3), TypeError, "did you mean 'memory'"),
        (lambda: bp.Network(1, [bp.Dense(1)], optimizer="l-bfgs"), ValueError, "'lbfgs'"),
        (lambda: network().train_step(X, Y), ValueError, "train_step with LBFGS"),
        (lambda: network().explain(X, Y), ValueError, "explain with LBFGS"),
        (lambda: network().update(), ValueError, "update with LBFGS"),
        (lambda: network(input_dropout=0.5).fit(X, Y), ValueError, "dropout=0"),
        (
            lambda: network(first={"learning_rate_factor": 2}).fit(X, Y),
            ValueError,
            r"layers\[0\]\.learning_rate_factor is 2",
        ),
        (lambda: network(first={"noise": 0.1}).fit(X, Y), ValueError, r"layers\[0\]\.noise=0\.1"),
        (lambda: network(first={"norm": "batch"}).fit(X, Y), ValueError, "norm='batch'"),
        (lambda: network(first={"max_norm": 2}).fit(X, Y), ValueError, "max_norm=2"),
        (lambda: bp.LBFGS(clip_norm=1.0), ValueError, r"clip_norm=1\.0"),
        (lambda: bp.LBFGS(accumulate=2), ValueError, "accumulate=2"),
        (lambda: bp.LBFGS(average=bp.EMA()), ValueError, "average=EMA"),
        (lambda: network(kind=reference.Network), ValueError, "the reference has steps only"),
    ],
)
def test_what_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(
        ImportError, match=r"LBFGS needs scipy: pip install 'backprop-mlp\[lbfgs\]'"
    ):
        network().fit(X, Y)
