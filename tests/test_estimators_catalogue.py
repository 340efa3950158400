"""All of the catalogue is there for the estimators, and means what it means to a `Network`."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import backprop as bp
from backprop.catalogue.activations import ACTIVATIONS
from backprop.catalogue.losses import LOSSES
from backprop.catalogue.optimizers import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N_INPUTS, UNITS = 6, 6


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, N_INPUTS))
    return X, np.exp(X[:, 0]) + 0.1


def regressor(**options):
    given = {"hidden_layer_sizes": (UNITS,), "random_state": 0, "max_iter": 3, "alpha": 0}
    return bp.MLPRegressor(**{**given, "shuffle": False, "batch_size": 20, **options})


def same_as_a_network(model, X, y, layers, loss="squared_error", **options):
    """Trained from the weights of a network, by hand, as far as that."""
    net = bp.Network(N_INPUTS, layers, loss=loss, dtype="float64", seed=0, n_threads=1, **options)
    model.set_params(warm_start=True)
    model.coefs_ = [layer.weights.copy() for layer in net.layers]
    model.intercepts_ = [layer.bias.copy() for layer in net.layers]
    model.fit(X, y)
    net.fit(X, y, epochs=model.n_iter_, batch_size=20, shuffle=False)
    for mine, its in zip(model._engine.parameters(), net.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    clone(model)
    return net


ADAM = {"optimizer": bp.Adam(epsilon_hat=True)}  # what scikit-learn's is
KINDS = [*ACTIVATIONS, ACTIVATIONS["elu"](alpha=0.5)]


@pytest.mark.parametrize("activation", KINDS, ids=str)
def test_each_activation(data, activation):
    layers = [bp.Dense(UNITS, activation), bp.Dense(1)]
    net = same_as_a_network(regressor(activation=activation), *data, layers, **ADAM)
    assert np.isfinite(net.predict(data[0])).all()


@pytest.mark.parametrize("name", [n for n, a in ACTIVATIONS.items() if a.learned is None])
def test_each_activation_of_sparse_rows(data, name):
    X, y = data
    dense, thin = regressor(activation=name).fit(X, y), regressor(activation=name)
    thin.fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(thin.coefs_[0], dense.coefs_[0], rtol=1e-7, atol=1e-9)
    with pytest.raises(ValueError, match="X is sparse: expected a first layer with no more"):
        regressor(dropout=0.1).fit(sparse.csr_array(X), y)
    with pytest.raises(ValueError, match="X is sparse and clip_norm=1"):
        regressor(clip_norm=1.0).fit(sparse.csr_array(X), y)


OPTIONS = {
    "dropout": {"dropout": 0.3},
    "noise": {"noise": 0.1},
    "batch norm": {"norm": "batch"},
    "layer norm": {"norm": "layer"},
    "residual": {"residual": True},
    "no bias": {"use_bias": False},
    "frozen": {"trainable": False},
    "half the rate": {"learning_rate_factor": 0.5},
    "max_norm": {"max_norm": 0.5},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_of_a_layer(data, name):
    layers = [bp.Dense(UNITS, "relu", **OPTIONS[name]), bp.Dense(1)]
    same_as_a_network(regressor(**OPTIONS[name]), *data, layers, **ADAM)


def test_options_layer_by_layer(data):
    model = regressor(hidden_layer_sizes=(6, 6), dropout=(0.0, 0.2), residual=[True, False])
    layers = [bp.Dense(6, "relu", residual=True), bp.Dense(6, "relu", dropout=0.2), bp.Dense(1)]
    same_as_a_network(model, *data, layers, **ADAM)
    same_as_a_network(
        regressor(input_dropout=0.2),
        *data,
        [bp.Dense(6, "relu"), bp.Dense(1)],
        **ADAM,
        input_dropout=0.2,
    )
    with pytest.raises(ValueError, match=r"dropout=\(0.1,\): expected one for each of the 2"):
        regressor(hidden_layer_sizes=(6, 6), dropout=(0.1,)).fit(*data)
    with pytest.raises(ValueError, match="dropout=1"):
        regressor(dropout=1.0).fit(*data)


def test_a_random_state_decides_what_is_dropped(data):
    X, y = data
    one, other, third = (
        regressor(dropout=0.5, weights="he_normal", random_state=s).fit(X, y) for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.coefs_[0], other.coefs_[0])
    assert not np.array_equal(one.coefs_[0], third.coefs_[0])


LAYERS = [bp.Dense(UNITS, "relu"), bp.Dense(1)]


@pytest.mark.parametrize("kind", OPTIMIZERS.values(), ids=lambda kind: kind.__name__)
def test_each_optimizer(data, kind):
    """An object as it is; a name with the estimator's rate and penalty."""
    given = kind(l2=0.01, clip_value=0.5)
    same_as_a_network(regressor(solver=given), *data, LAYERS, optimizer=given)
    name = kind.__name__.lower()
    if name not in ("sgd", "adam"):  # scikit-learn's, with parameters of their own
        named = kind(learning_rate=0.002, l2=0.1)
        model = regressor(solver=name, learning_rate_init=0.002, alpha=0.1)
        same_as_a_network(model, *data, LAYERS, optimizer=named)


@pytest.mark.parametrize(
    "options",
    [
        {"clip_norm": 0.1},
        {"clip_value": 0.01},
        {"l1": 0.1},
        {"weight_decay": 0.1},
        {"accumulate": 2},
        {"schedule": bp.Cosine(5)},
        {"schedule": bp.StepDecay(1, per="epoch")},
        {"schedule": bp.OnPlateau(patience=0, threshold=0.9)},
    ],
    ids=str,
)
@pytest.mark.parametrize("solver", ["adam", "lion"])
def test_what_every_optimizer_has(data, solver, options):
    kind = bp.Lion if solver == "lion" else bp.Adam
    given = {"epsilon_hat": True} if solver == "adam" else {}
    expected = kind(learning_rate=0.001, **given, **options)
    model = regressor(solver=solver, max_iter=6, **options)
    same_as_a_network(model, *data, LAYERS, optimizer=expected)


def test_an_average_is_what_a_fit_ends_with(data):
    X, y = data
    plain = regressor().fit(X, y)
    model = regressor(average=bp.EMA()).fit(X, y)
    averaged = model._engine.network.averaged().get_weights()
    np.testing.assert_array_equal(model.coefs_[0], averaged[0])
    assert not np.array_equal(model.coefs_[0], plain.coefs_[0])


def test_lbfgs_with_settings_of_its_own(data):
    X, y = data
    plain = regressor(solver="lbfgs", max_iter=20).fit(X, y)
    given = bp.LBFGS(tolerance=1e-4, l2=0.0)
    same = regressor(solver=given, max_iter=20).fit(X, y)
    np.testing.assert_array_equal(same.coefs_[0], plain.coefs_[0])
    other = regressor(solver=bp.LBFGS(memory=1), max_iter=20).fit(X, y)
    assert not np.array_equal(other.coefs_[0], plain.coefs_[0])
    assert not hasattr(other, "partial_fit")
    with pytest.raises(ValueError, match="dropout"):
        regressor(solver="lbfgs", dropout=0.5).fit(X, y)


@pytest.mark.parametrize(
    "option",
    [
        {"l1": 0.1},
        {"weight_decay": 0.1},
        {"schedule": bp.Cosine(5)},
        {"clip_norm": 1.0},
        {"clip_value": 1.0},
        {"accumulate": 2},
        {"average": bp.EMA()},
    ],
    ids=str,
)
@pytest.mark.parametrize("solver", ["lbfgs", bp.LBFGS()])
def test_what_steps_have_is_not_for_lbfgs(data, solver, option):
    with pytest.raises(ValueError, match=f"{next(iter(option))} is for solver='adam' or 'sgd'"):
        regressor(solver=solver, **option).fit(*data)


@pytest.mark.parametrize("options", [{"average": bp.EMA()}, {"solver": bp.Adam(average=bp.SWA())}])
def test_an_average_that_nobody_would_get_is_refused(data, options):
    with pytest.raises(ValueError, match="average is for early_stopping=False"):
        regressor(early_stopping=True, **options).fit(*data)
    with pytest.raises(ValueError, match="average is for fit, which ends with it"):
        regressor(**options).partial_fit(*data)


NUMBERS = [name for name, loss in LOSSES.items() if not loss.target.is_categorical]


@pytest.mark.parametrize("early", [False, "loss", None])
@pytest.mark.parametrize("name", NUMBERS)
def test_each_loss_of_numbers(data, name, early):
    X, y = data
    model = regressor(loss=name, max_iter=30, learning_rate_init=0.01)
    if early is not False:
        model.set_params(early_stopping=True, scoring=early)
    model.fit(X, y)
    assert model.predict(X).shape == y.shape
    assert model.score(X, y) > -1
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    if early is False:
        units = LOSSES[name].n_units(1)
        net = [bp.Dense(UNITS, "relu"), bp.Dense(units)]
        same_as_a_network(regressor(loss=name), X, y, net, loss=name, **ADAM)
        assert model.predict_all(X).shape == (60, units)
    assert np.isfinite(model.input_gradients(X[:2])).all()
    search = GridSearchCV(model, {"alpha": [0.0, 1.0]}, cv=2).fit(X, y)
    assert np.isfinite(search.best_score_)


def test_losses_of_several_outputs(data):
    X, y = data
    model = regressor(loss=LOSSES["quantile"](levels=(0.1, 0.5, 0.9, 0.99)), max_iter=200)
    model.set_params(learning_rate_init=0.02).fit(X, y)
    quantiles = model.predict_all(X)
    assert quantiles.shape == (60, 4)
    np.testing.assert_array_equal(model.predict(X), quantiles[:, 1])
    Y = np.c_[y, -y]
    model = regressor(loss="gaussian_nll").fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), model.predict_all(X)[:, :2])
    assert (model.predict_all(X)[:, 2:] > 0).all()
    with pytest.raises(ValueError, match="y"):
        regressor(loss="quantile").fit(X, Y)
    with pytest.raises(ValueError, match=r"gamma expects numbers above 0"):
        regressor(loss="gamma").fit(X, y - 5)


def absolute(output, target):
    error = output - target
    return np.abs(error).sum(axis=1), np.sign(error)


def test_a_loss_of_ones_own(data):
    X, y = data
    model, named = (regressor(loss=loss).fit(X, y) for loss in (absolute, "absolute_error"))
    np.testing.assert_allclose(model.coefs_[0], named.coefs_[0])
    assert pickle.loads(pickle.dumps(model)).predict(X).shape == y.shape


ANSWERS = [name for name, loss in LOSSES.items() if loss.target.is_categorical]


@pytest.mark.parametrize("labels", [2, 4])
@pytest.mark.parametrize("name", ANSWERS)
def test_each_loss_of_answers(data, name, labels):
    X, _ = data
    y = np.array(list("abcd"))[np.digitize(X[:, 0], [0] if labels == 2 else [-0.7, 0, 0.7])]
    options = {"max_iter": 300, "learning_rate_init": 0.02, "random_state": 0}
    model = bp.MLPClassifier((12,), loss=name, **options)
    if LOSSES[name].least_outputs > 1 and labels == 2:
        with pytest.raises(ValueError, match="needs a last layer of 2 units"):
            model.fit(X, y)
        return
    model.fit(X, y)
    assert model.score(X, y) > 0.9
    if name == "hinge":
        assert not hasattr(model, "predict_proba")
        return
    p = model.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(model.classes_[p.argmax(axis=1)], model.predict(X))


def test_labels_are_smoothed(data):
    X, y = data
    y = np.digitize(y, [0.7, 1.5])
    options = {"max_iter": 100, "learning_rate_init": 0.02, "random_state": 0}
    model = bp.MLPClassifier((12,), label_smoothing=0.2, **options).fit(X, y)
    loss = LOSSES["softmax_cross_entropy"](label_smoothing=0.2)
    given = bp.MLPClassifier((12,), loss=loss, **options).fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], given.coefs_[0])
    plain = bp.MLPClassifier((12,), **options).fit(X, y)
    assert model.predict_proba(X).max() < plain.predict_proba(X).max()
    two = bp.MLPClassifier((12,), label_smoothing=0.2, **options).fit(X, y > 0)
    assert two.score(X, y > 0) > 0.8
    with pytest.raises(TypeError, match="label_smoothing"):
        bp.MLPClassifier(loss="hinge", label_smoothing=0.1).fit(X, y)


@pytest.mark.parametrize(
    "options",
    [
        {"activation": "elu"},
        {"solver": "lion"},
        {"solver": bp.SGD(0.1)},
        {"loss": "huber"},
        {"dropout": 0.1},
        {"clip_norm": 1.0},
    ],
    ids=str,
)
def test_what_scikit_learn_has_not_is_not_converted(data, options):
    with pytest.raises(ValueError, match=rf"{next(iter(options))}=.*: scikit-learn's MLP has no"):
        regressor(**options).fit(*data).to_sklearn()


def test_another_loss_in_another_fit(data):
    X, y = data
    model = regressor(loss="quantile", dropout=0.1).fit(X, y)
    again = model.set_params(loss="gamma", dropout=0.0).fit(X, y)
    np.testing.assert_array_equal(again.coefs_[0], regressor(loss="gamma").fit(X, y).coefs_[0])
    assert (again.out_activation_, again.coefs_[-1].shape) == ("exp", (UNITS, 1))


def test_unknown_names():
    X, y = np.ones((5, 2)), np.arange(5)
    for name in ("activation", "solver", "loss"):
        with pytest.raises(ValueError, match=f"The '{name}' parameter of MLPRegressor must be"):
            bp.MLPRegressor(**{name: "nonsense"}).fit(X, y)
