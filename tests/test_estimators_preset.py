"""`preset="tabular"`: what it says, what stays the caller's, and how good it is."""

import pickle
import re
import time
import warnings
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn import datasets
from sklearn.base import clone
from sklearn.ensemble import VotingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import backprop as bp
from backprop.catalogue.presets import PRESETS, find_preset

PACKAGE = Path(bp.__file__).parent
SMALL = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0}


def rows(n=200, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, 1000 + 50 * (X[:, 0] + np.where(X[:, 1] > 0.3, 2, 0) + 0.1 * rng.normal(size=n))


def classes(n=400, seed=0):
    X, y = rows(n, seed)
    return X, np.where(y > 1050, "high", np.where(y > 970, "middle", "low"))


def own_squares(p, y):
    return ((p - y) ** 2).sum(axis=1), 2 * (p - y)


# ---- what it says ----


@pytest.mark.parametrize("kind", [bp.MLPClassifier, bp.MLPRegressor])
@pytest.mark.parametrize("name", PRESETS)
def test_all_that_a_preset_says_is_a_parameter(kind, name):
    known = {one.name for one in fields(kind)}
    preset = find_preset(name)
    assert set(preset.settings_for(kind is bp.MLPClassifier)) <= known
    for parameter, tied in preset.tied.items():
        assert parameter in known
        assert {*tied} <= {one.name for one in fields(bp.MLPClassifier)}


def test_what_is_left_at_its_default_is_the_presets():
    model = bp.MLPRegressor(preset="tabular", dropout=0.5, activation="tanh")
    asked = model.asked
    assert (asked.dropout, asked.activation) == (0.5, "tanh")
    settings = find_preset("tabular").settings_for(False)
    for name in settings.keys() - {"dropout", "activation"}:
        assert getattr(asked, name) == settings[name], name
    assert model.get_params()["hidden_layer_sizes"] == (100,)
    assert clone(model).asked == asked
    assert model.set_params(preset=None).asked is model


def test_a_preset_can_be_told_a_default():
    """Which no parameter can, since nobody can see who gave it."""
    changed = PRESETS["tabular"].changed(dropout=0.0, n_pieces=0, max_iter=7)
    for kind in (bp.MLPRegressor, bp.MLPClassifier):
        model = kind(preset=changed)
        assert (model.asked.dropout, model.asked.n_pieces, model.asked.max_iter) == (0.0, 0, 7)
        assert model.asked.activation == "mish"
        assert clone(model).asked == model.asked
    assert PRESETS["tabular"].settings_for(True)["dropout"] == 0.3
    X, y = rows()
    model = bp.MLPRegressor(hidden_layer_sizes=4, preset=changed).fit(X, y)
    assert model.n_iter_ == 7
    assert model.coefs_[0].shape == (4, 4)


def test_a_learning_rate_goes_with_its_solver():
    own = bp.MLPRegressor(preset="tabular", solver="sgd").asked
    assert (own.learning_rate_init, own.learning_rate_factor) == (0.001, 1.0)
    assert own.schedule is None
    hinge = bp.MLPClassifier(preset="tabular", loss="hinge").asked
    assert (hinge.label_smoothing, hinge.calibrate) == (0.0, False)


def test_the_code_asks_what_holds():
    """A parameter that a preset may say is read off `asked`, wherever it decides something."""
    names = set().union(
        *(preset.settings_for(c) for preset in PRESETS.values() for c in (True, False))
    )
    reading = re.compile(rf"\bself\.({'|'.join(sorted(names))})\b")
    own = {"batch_size", "max_iter", "alpha", "schedule"}  # the caller's alone, lbfgs's, Rates'
    for path in sorted((PACKAGE / "estimators").glob("*.py")):
        if path.name in ("engine.py", "direct.py"):  # not the estimator; no preset comes this way
            continue
        found = set(reading.findall(path.read_text(encoding="utf-8"))) - own
        assert not found, f"{path.name}: {found}"


def test_few_epochs_of_many_rows():
    preset = find_preset("tabular")
    assert [preset.epochs(n) for n in (0, 100, 50_000, 200_000, 10**7)] == [256, 256, 256, 100, 30]


# ---- what it does ----


def test_a_fit_ends_with_its_schedule_and_the_best_epoch():
    X, y = rows()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = bp.MLPRegressor(preset="tabular", **SMALL).fit(X, y)
    assert model.n_iter_ == 5
    assert model.coefs_[0].dtype == np.float32
    optimizer = model._engine.optimizer
    assert isinstance(optimizer.schedule, bp.CosLog)
    assert optimizer.schedule.steps == 5 * 1  # 160 rows are one batch
    factors = [layer.learning_rate_factor for layer in model._engine.layers]
    assert factors == [1 / np.sqrt(model.coefs_[0].shape[0]), 1 / np.sqrt(8)]
    assert model.best_validation_score_ == max(model.validation_scores_)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(clone(model).fit(X, y).predict(X), model.predict(X))


def test_one_row_is_predicted_as_many_are():
    X, y = rows()
    model = bp.MLPRegressor(preset="tabular", **SMALL).fit(X, y)
    whole = model.predict(X)
    for i in (0, 7):
        assert model.predict(X[i : i + 1])[0] == whole[i]


def test_one_row_does_not_wait_for_its_pieces():
    """Of 20 columns in 32 pieces each, which took 2 ms one by one."""
    X = np.random.default_rng(0).normal(size=(300, 20))
    least = {}
    for n_pieces in (0, 32):
        given = {"preprocess": "auto", "n_pieces": n_pieces, "schedule": "cosine", "max_iter": 1}
        model = bp.MLPRegressor(hidden_layer_sizes=8, **given).fit(X, X[:, 0])
        times = []
        for _ in range(30):
            start = time.perf_counter()
            model.predict(X[:1])
            times.append(time.perf_counter() - start)
        least[n_pieces] = min(times)
    assert least[32] < 20 * least[0]
    whole = model.predict(X)  # of more rows than are worked out at once
    long = model._engine.predict(model._inputs(X, dtype=np.float64))
    np.testing.assert_array_equal(whole, model._decided(long))


def test_a_schedule_may_be_a_name():
    X, y = rows()
    model = bp.MLPRegressor(
        hidden_layer_sizes=8, schedule="cosine", max_iter=4, batch_size=50, random_state=0
    )
    other = clone(model).set_params(schedule=bp.Cosine(16))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(model.fit(X, y).predict(X), other.fit(X, y).predict(X))
    with pytest.raises(ValueError, match=r"schedule='cosin'.*did you mean 'cosine'"):
        bp.MLPRegressor(schedule="cosin").fit(X, y)


def test_a_name_needs_all_that_the_schedule_needs():
    """But its length; and one that has none neither ends with a fit nor asks for one."""
    X, y = rows(40)
    with pytest.raises(ValueError, match=r"schedule='stepdecay' needs every: .* StepDecay\(every="):
        bp.MLPRegressor(schedule="stepdecay").fit(X, y)
    model = bp.MLPRegressor(hidden_layer_sizes=4, schedule="inversescaling", max_iter=2)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\)"):
        model.fit(X, y)
    clone(model).partial_fit(X, y)


def test_a_warning_has_the_number_of_epochs_that_were_taken():
    X, y = rows(40)
    preset = PRESETS["tabular"].changed(max_iter=3)
    model = bp.MLPRegressor(hidden_layer_sizes=4, solver="sgd", preset=preset)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\)"):
        model.fit(X, y)


@pytest.mark.parametrize("given", [{"accumulate": 3}, {"solver": bp.Adam(accumulate=3)}])
def test_a_length_is_planned_in_steps_of_several_batches(given):
    X, y = rows(100)
    given |= {"hidden_layer_sizes": 4, "max_iter": 2, "batch_size": 25}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = bp.MLPRegressor(schedule="cosine", **given).fit(X, y)
    assert model._engine.optimizer.schedule.steps == model._engine.steps == 2 * 2


def test_probabilities_agree_with_the_rows_held_out():
    X, y = classes()
    given = {"hidden_layer_sizes": (64,), "max_iter": 100, "n_iter_no_change": 100, "alpha": 0}
    given |= {"early_stopping": True, "scoring": "accuracy", "learning_rate_init": 0.05}
    X_held, y_held = classes(300, seed=1)
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for calibrate in (False, True):
            model = bp.MLPClassifier(calibrate=calibrate, random_state=0, **given)
            p = model.fit(X, y, eval_set=(X_held, y_held)).predict_proba(X_held)
            found[calibrate] = p.argmax(1), log_loss(y_held, p)
    np.testing.assert_array_equal(found[True][0], found[False][0])
    assert found[True][1] < found[False][1]


@pytest.mark.parametrize(
    ("kind", "classes", "as_good", "given"),
    [
        (bp.MLPRegressor, None, "the mean", {}),
        (bp.MLPRegressor, None, "the mean", {"loss": "gaussian_nll", "scoring": "r2"}),
        (bp.MLPRegressor, None, "the mean", {"loss": own_squares}),
        (bp.MLPClassifier, [0], "each class's share", {}),
        (bp.MLPClassifier, [-0.5, 0.5], "each class's share", {"scoring": "accuracy"}),
    ],
)
def test_a_model_that_has_learned_nothing_is_told(kind, classes, as_good, given):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    y = X[:, 0] if classes is None else np.digitize(X[:, 0], classes)
    model = kind(preset="tabular", **{**SMALL, "hidden_layer_sizes": 32, "max_iter": 40}, **given)
    words = f"the model is no better than {as_good} on the rows held out"
    with pytest.warns(UserWarning, match=words):
        clone(model).fit(X, rng.permutation(y), sample_weight=rng.random(600))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)


@pytest.mark.parametrize("labels", [2, 3])
def test_binary_and_multilabel_targets_are_calibrated_too(labels):
    X, _ = rows(1000)
    y = (X[:, :3] > 0).astype(int) if labels == 3 else X[:, 0] > 0
    model = bp.MLPClassifier(preset="tabular", **SMALL | {"max_iter": 100}).fit(X, y)
    assert model.score(X, y) > 0.8
    assert np.isfinite(model.predict_proba(X)).all()


# ---- what it refuses ----


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"preset": "table"}, "'preset' parameter of MLPClassifier must be a str among"),
        ({"preset": "tabular", "solver": "lbfgs"}, "preset='tabular' is for solvers of steps"),
        ({"n_pieces": 4}, "n_pieces=4 is for preprocess='auto'"),
        ({"calibrate": True}, "calibrate is for early_stopping=True"),
        (
            {"calibrate": True, "early_stopping": True, "loss": "hinge"},
            "which loss='hinge' has not",
        ),
    ],
)
def test_what_contradicts_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        bp.MLPClassifier(**options).fit(*classes(60))


@pytest.mark.parametrize(
    "options",
    [{"preset": "tabular"}, {"calibrate": True}, {"n_pieces": 2}],
    ids=lambda options: next(iter(options)),
)
def test_scikit_learn_has_no_such(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}=.*has no such"):
        bp.MLPClassifier(**options).to_sklearn()


def test_partial_fit_has_no_end_to_plan_for():
    X, y = rows(40)
    with pytest.raises(ValueError, match="preset='tabular' is for fit"):
        bp.MLPRegressor(preset="tabular").partial_fit(X, y)
    with pytest.raises(ValueError, match="schedule='coslog' is as long as a fit"):
        bp.MLPRegressor(schedule="coslog").partial_fit(X, y)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dropuot": 0.1}, "has the setting 'dropuot', .* did you mean 'dropout'"),
        ({"batch_size": 0}, "'batch_size' parameter .* Got 0 from its preset"),
        ({"validation_fraction": 3}, "'validation_fraction' parameter .* Got 3 from its preset"),
    ],
)
@pytest.mark.parametrize("kind", [bp.MLPClassifier, bp.MLPRegressor])
def test_what_a_preset_is_told_is_checked(kind, settings, words):
    X, y = rows(60)
    with pytest.raises(ValueError, match=words):
        kind(preset=PRESETS["tabular"].changed(**settings)).fit(X, y > 1000)


def test_a_preset_is_called_by_its_name():
    with pytest.raises(ValueError, match=r"^preset='tabular' is for solvers of steps, not"):
        bp.MLPRegressor(preset=PRESETS["tabular"].changed(), solver="lbfgs").fit(*rows(60))


# ---- how good it is ----


def test_it_is_better_than_the_defaults_and_several_are_better_than_one():
    """Functions with steps, of which tables are full."""
    X, y = rows(600, seed=1)
    X_test, y_test = rows(1000, seed=2)
    given = {"preset": "tabular", "hidden_layer_sizes": (64, 64), "max_iter": 100}
    several = [(f"n{i}", bp.MLPRegressor(random_state=i, **given)) for i in range(3)]
    voting = VotingRegressor(several).fit(X, y)
    one = [model.score(X_test, y_test) for model in voting.estimators_]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = bp.MLPRegressor(preprocess="auto", random_state=0).fit(X, y)
    assert 1 - np.mean(one) < 0.5 * (1 - plain.score(X_test, y_test))
    assert voting.score(X_test, y_test) > np.mean(one)


def test_its_probabilities_beat_a_straight_lines():
    X, y = datasets.load_wine(return_X_y=True, as_frame=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = bp.MLPClassifier(preset="tabular", random_state=0).fit(X_train, y_train)
        line = make_pipeline(StandardScaler(), LogisticRegression()).fit(X_train, y_train)
        found = [log_loss(y_test, one.predict_proba(X_test)) for one in (model, line)]
        score = model.score(X_test, y_test)
    assert score >= 0.95
    assert found[0] < max(found[1], 0.2)
