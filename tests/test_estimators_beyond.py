"""What the estimators can do and scikit-learn's cannot."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.datasets import load_diabetes, load_digits
from sklearn.utils import compute_sample_weight

import backprop as bp

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600] / 16, y[:600]


def equal(one, other):
    for mine, its in zip(one.coefs_, other.coefs_, strict=True):
        np.testing.assert_array_equal(mine, its)


def test_an_activation_for_each_layer(digits):
    X, y = digits
    options = {"max_iter": 3, "random_state": 0}
    mixed = bp.MLPClassifier((9, 8), ("tanh", "relu"), **options).fit(X, y)
    layers = mixed._engine.network.layers
    assert [layer.activation for layer in layers] == ["tanh", "relu", "identity"]
    same = bp.MLPClassifier((9, 8), ["tanh", "tanh"], **options).fit(X, y)
    equal(same, bp.MLPClassifier((9, 8), "tanh", **options).fit(X, y))
    for wrong in (("tanh",), ("tanh", "sigmoid")):
        with pytest.raises(ValueError, match="for each of the 2 hidden layers"):
            bp.MLPClassifier((9, 8), wrong).fit(X, y)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 5.0, 3: 0.0}])
def test_class_weights_are_sample_weights(digits, class_weight):
    X, y = digits
    options = {"max_iter": 3, "random_state": 0}
    model = bp.MLPClassifier(class_weight=class_weight, **options).fit(X, y)
    weight = compute_sample_weight(class_weight, y)
    equal(model, bp.MLPClassifier(**options).fit(X, y, sample_weight=weight))
    once_more = np.linspace(0.5, 2, len(y))
    model.fit(X, y, sample_weight=once_more)
    equal(model, bp.MLPClassifier(**options).fit(X, y, sample_weight=weight * once_more))


def test_an_eval_set_and_a_scoring(digits):
    X, y = digits
    held_out = X[400:], y[400:]
    options = {"early_stopping": True, "max_iter": 30, "random_state": 0}
    for scoring in (None, "loss", "balanced_accuracy", lambda model, X, y: model.score(X, y)):
        model = bp.MLPClassifier(scoring=scoring, **options)
        model.fit(X[:400], y[:400], eval_set=held_out)
        best = max(model.validation_scores_)
        assert model.best_validation_score_ == best
        # the best weights were put back: scored again they give the best score
        assert model._score(*held_out) == pytest.approx(best, rel=1e-12)
    log_p = np.log(model.predict_proba(held_out[0]))
    model = bp.MLPClassifier(scoring="loss", **options).fit(X[:400], y[:400], eval_set=held_out)
    log_p = np.log(model.predict_proba(held_out[0]))
    loss = -log_p[np.arange(200), held_out[1]].mean()
    assert model.best_validation_score_ == pytest.approx(-loss, rel=1e-6)
    plain = bp.MLPClassifier(max_iter=model.n_iter_, random_state=0).fit(X[:400], y[:400])
    np.testing.assert_allclose(
        model.loss_curve_, plain.loss_curve_, rtol=1e-12
    )  # all was trained on
    with pytest.raises(ValueError, match=r"eval_set: y has shape \(3,\): expected \(200,\)"):
        model.fit(X, y, eval_set=(X[400:], y[:3]))
    with pytest.raises(ValueError, match="eval_set: expected"):
        model.fit(X, y, eval_set=X)
    with pytest.raises(ValueError, match="early_stopping is False"):
        bp.MLPClassifier().fit(X, y, eval_set=held_out)


def test_a_regressors_validation_loss():
    X, y = load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    model = bp.MLPRegressor(scoring="loss", early_stopping=True, random_state=0, max_iter=50)
    model.fit(X, y, eval_set=(X[:50], y[:50]))
    loss = 0.5 * np.mean((model.predict(X[:50]) - y[:50]) ** 2)
    assert model.best_validation_score_ == pytest.approx(-loss, rel=1e-9)


def test_max_seconds(digits):
    model = bp.MLPClassifier(max_iter=10**6, tol=0, n_iter_no_change=10**6, max_seconds=0.2)
    model.fit(*digits)
    assert 1 <= model.n_iter_ < 10**6
    with pytest.raises(ValueError, match="max_seconds"):
        bp.MLPClassifier(max_seconds=0).fit(*digits)


def test_warm_starts_can_keep_the_moments(digits):
    X, y = digits
    options = {"shuffle": False, "random_state": 0, "n_iter_no_change": 100}
    whole = bp.MLPClassifier(max_iter=6, **options).fit(X, y)
    parts = bp.MLPClassifier(max_iter=3, warm_start="moments", **options).fit(X, y).fit(X, y)
    equal(parts, whole)
    anew = bp.MLPClassifier(max_iter=3, warm_start=True, **options).fit(X, y).fit(X, y)
    assert not np.array_equal(anew.coefs_[0], whole.coefs_[0])


def test_a_progress_bar(digits, capsys):
    bp.MLPClassifier(max_iter=3, verbose="bar").fit(*digits)
    printed = capsys.readouterr()
    assert "3/3" in printed.err
    assert "loss=" in printed.err
    assert printed.out == ""
    assert bp.MLPClassifier(solver="lbfgs", max_iter=3, verbose="bar").fit(*digits).n_iter_ == 3
    bp.MLPClassifier(max_iter=3, verbose=True).fit(*digits)
    assert capsys.readouterr().out.count("Iteration ") == 3


@pytest.mark.parametrize("kind", ["two classes", "classes", "labels", "number", "count"])
def test_input_gradients_are_central_differences(digits, kind):
    X, y = digits
    options = {"hidden_layer_sizes": (12,), "activation": "tanh", "max_iter": 5, "random_state": 0}
    if kind in ("number", "count"):
        loss = "poisson" if kind == "count" else "squared_error"
        model = bp.MLPRegressor(loss, **options).fit(X, y)
        outputs = model.predict
    else:
        y = {"two classes": y > 4, "classes": y, "labels": np.eye(10, dtype=int)[y]}[kind]
        model = bp.MLPClassifier(**options).fit(X, y)
        outputs = model.predict_proba
        if kind == "two classes":
            outputs = lambda X: model.predict_proba(X)[:, 1]  # noqa: E731
    found = model.input_gradients(X[:3])
    assert found.shape == ((3, 10, 64) if kind in ("classes", "labels") else (3, 64))
    for i in (20, 43):
        step = np.zeros(64)
        step[i] = 1e-5
        slope = (outputs(X[:3] + step) - outputs(X[:3] - step)) / 2e-5
        np.testing.assert_allclose(found[..., i], slope, rtol=1e-5, atol=1e-9)


def test_explain(digits):
    X, y = digits
    model = bp.MLPClassifier((6,), max_iter=5, random_state=0, alpha=0.1).fit(X, y)
    trace = model.explain(X[:5], y[:5])
    assert trace.output_names == [str(label) for label in model.classes_]
    np.testing.assert_array_equal(trace.output, model.predict_proba(X[:5]))
    weight = trace.gradient(0, 20, 1)
    assert weight.relative_error < 1e-6
    assert weight.decay == pytest.approx(0.1 / 5 * weight.value)
    labels = np.eye(10, dtype=int)[y]
    assert bp.MLPClassifier((6,), max_iter=2).fit(X, labels).explain(X[:2], labels[:2]).cost > 0
    assert (
        bp.MLPRegressor(hidden_layer_sizes=(6,), max_iter=2).fit(X, y).explain(X[:2], y[:2]).cost
        > 0
    )
    assert model.explain(X[3], y[3]).to_dict() == model.explain(X[3:4], y[3:4]).to_dict()


@pytest.mark.parametrize("labels", [["no", "yes"], ["a", "b", "c"], [1, 4]])
def test_explain_refuses_a_label_that_training_did_not_have(labels):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), np.resize(np.array(labels), 40)
    model = bp.MLPClassifier((4,), max_iter=2, random_state=0).fit(X, y)
    unknown = [labels[0], "zz" if isinstance(labels[0], str) else 3]
    message = (
        rf"y\[1\] is {unknown[1]!r}, expected one of the classes of the training: {labels[0]!r}"
    )
    with pytest.raises(ValueError, match=message):
        model.explain(X[:2], unknown)
    assert model.explain(X[:2], labels[:2]).cost > 0


# ---- preprocess="auto" -------------------------------------------------------------------------


@pytest.fixture
def frame():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    rng = np.random.default_rng(0)
    n = 400
    area, colour = rng.uniform(20, 200, n), rng.choice(["red", "green", "blue"], n)
    rooms = rng.integers(1, 6, n).astype(float)
    price = 3 * area + 40 * rooms + np.where(colour == "red", 100, 0)
    rooms[::7] = np.nan
    table = pd.DataFrame(
        {
            "area": area,
            "colour": pd.Categorical(colour),
            "rooms": rooms,
            "note": pd.array(np.where(rng.random(n) < 0.3, None, "seen"), dtype="string"),
            "new": rng.random(n) < 0.5,
        }
    )
    return table, price


def test_a_frame_with_categories_and_gaps(frame):
    table, price = frame
    options = {"hidden_layer_sizes": (32,), "max_iter": 400, "random_state": 0}
    model = bp.MLPRegressor(preprocess="auto", **options)
    target = (price - price.mean()) / price.std()
    model.fit(table, target)
    assert model.score(table, target) > 0.95
    assert model.preprocessing_.input_names() == [
        "area",
        "colour=blue",
        "colour=green",
        "colour=red",
        "rooms",
        "rooms is missing",
        "note=seen",
        "note is missing",
        "new",
    ]
    assert list(model.feature_names_in_) == list(table.columns)
    assert model.n_features_in_ == 5
    other = table.iloc[:9].copy()
    other["colour"] = other["colour"].astype(str)
    np.testing.assert_allclose(model.predict(other), model.predict(table.iloc[:9]))
    kept = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(kept.predict(table), model.predict(table))
    assert model.explain(table.iloc[:3], target[:3]).input_names[1] == "colour=blue"
    assert model.input_gradients(table.iloc[:3]).shape == (3, 9)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table.rename(columns={"area": "size"}))
    with pytest.raises(ValueError, match=r"convert|cast"):
        bp.MLPRegressor().fit(table, target)


def test_it_is_the_preprocessing_of_backprop_train(frame, tmp_path):
    from backprop.preprocessing import Preprocessing
    from backprop.tables import read

    table, price = frame
    table.assign(price=price, new=table["new"].astype(float)).to_csv(
        tmp_path / "flats.csv", index=False
    )
    data = read(tmp_path / "flats.csv")
    trained = Preprocessing().fit(data, "price")
    model = bp.MLPRegressor(max_iter=2, preprocess="auto").fit(table, price)
    assert model.preprocessing_.columns == trained.columns


def test_early_stopping_on_frames(frame):
    table, price = frame
    model = bp.MLPClassifier(max_iter=40, preprocess="auto", early_stopping=True, random_state=0)
    y = price > np.median(price)
    model.fit(table.iloc[:300], y[:300], eval_set=(table.iloc[300:], y[300:]))
    assert model.score(table.iloc[300:], y[300:]) == model.best_validation_score_ > 0.8
    model.set_params(scoring="loss").fit(table, y)
    assert model.best_validation_score_ < 0
