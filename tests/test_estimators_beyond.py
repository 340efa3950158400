"""What the estimators can do and scikit-learn's cannot."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
import sklearn
from scipy import sparse
from sklearn import neural_network as sk
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer, log_loss
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import compute_sample_weight

import backprop as bp
from backprop.estimators import stopping

VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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
    same = bp.MLPClassifier((9, 8), ("logistic", "logistic"), **options).fit(X, y)
    equal(same, bp.MLPClassifier((9, 8), "logistic", **options).fit(X, y))
    assert bp.MLPClassifier((), (), **options).fit(X, y).n_layers_ == 2
    same = bp.MLPClassifier((9, 8), np.array(["tanh", "relu"]), **options)
    equal(clone(same).fit(X, y), mixed)
    for wrong in (("tanh",), ("tanh", "sigmoidal"), [["relu"], "tanh"], np.array("tanh")):
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


def test_class_weights_of_several_labels(digits):
    X, y = digits
    labels = np.c_[y > 4, y % 2 == 0].astype(int)
    options = {"max_iter": 3, "random_state": 0}
    each = [{0: 1.0, 1: 3.0}, {0: 2.0, 1: 0.5}]
    model = bp.MLPClassifier(class_weight=each, **options).fit(X, labels)
    weight = np.where(y > 4, 3.0, 1.0) * np.where(y % 2 == 0, 0.5, 2.0)
    equal(model, bp.MLPClassifier(**options).fit(X, labels, sample_weight=weight))


def test_class_weights_in_parts(digits):
    X, y = digits
    given = {0: 5.0, 3: 0.5}
    one, other = (bp.MLPClassifier(random_state=0, class_weight=w) for w in (given, None))
    for rows in (slice(0, 300), slice(300, 600)):
        one.partial_fit(X[rows], y[rows], classes=range(10))
        weight = compute_sample_weight(given, y[rows])
        other.partial_fit(X[rows], y[rows], classes=range(10), sample_weight=weight)
    equal(one, other)
    with pytest.raises(ValueError, match="'balanced' would weigh each call of partial_fit"):
        bp.MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=range(10))


def test_class_weights_of_labels_that_a_part_does_not_have(digits):
    X, y = digits
    model = bp.MLPClassifier(class_weight={0: 5.0, 3: 0.5}, random_state=0)
    other = bp.MLPClassifier(random_state=0)
    for rows in (y == 1, y < 3, y > 3):
        weight = np.where(y[rows] == 0, 5.0, 1.0)
        model.partial_fit(X[rows], y[rows], classes=range(10))
        other.partial_fit(X[rows], y[rows], classes=range(10), sample_weight=weight)
    equal(model, other)
    labels, options = np.c_[y < 0, y > 4].astype(int), {"max_iter": 3, "random_state": 0}
    model = bp.MLPClassifier(class_weight=[{1: 2.0}, {1: 3.0}], **options).fit(X, labels)
    weight = np.where(y > 4, 3.0, 1.0)
    equal(model, bp.MLPClassifier(**options).fit(X, labels, sample_weight=weight))
    for unknown in ({0: 5.0, 77: 0.5}, {"0": 5.0}):
        with pytest.raises(ValueError, match="are not in class_weight"):
            bp.MLPClassifier(class_weight=unknown).partial_fit(X, y, classes=range(10))


def test_class_weights_are_not_in_the_validation(digits):
    """Of held-out rows as of an eval_set: only sample weights, where they were given."""
    X, y = digits
    options = {"early_stopping": True, "max_iter": 3, "random_state": 0, "scoring": "loss"}
    weight = np.random.default_rng(0).integers(0, 4, len(X)).astype(float)
    for given in (None, weight):
        model = bp.MLPClassifier(class_weight={0: 50.0}, **options)
        model.fit(X, y, sample_weight=given)
        rows = np.arange(len(X))
        held_out = model._split(len(X), None, state_after_weights(model, X))[1]
        rows = np.setdiff1d(rows, held_out)
        by_hand = bp.MLPClassifier(class_weight={0: 50.0}, **options)
        weights = [] if given is None else [given[held_out]]
        loss = log_loss(
            y[held_out],
            model.predict_proba(X[held_out]),
            labels=range(10),
            sample_weight=None if given is None else given[held_out],
        )
        assert model.best_validation_score_ == pytest.approx(-loss, rel=1e-9)
        by_hand.fit(X, y, eval_set=(X[held_out], y[held_out], *weights))
        loss = log_loss(
            y[held_out],
            by_hand.predict_proba(X[held_out]),
            labels=range(10),
            sample_weight=None if given is None else given[held_out],
        )
        assert by_hand.best_validation_score_ == pytest.approx(-loss, rel=1e-9)


def state_after_weights(model, X):
    """Random numbers where the weights have been drawn, and the rows to hold out are."""
    state = np.random.RandomState(model.random_state)
    for weights, bias in zip(model.coefs_, model.intercepts_, strict=True):
        state.uniform(size=weights.shape)
        state.uniform(size=bias.shape)
    return state


@pytest.mark.parametrize(
    ("options", "y", "weight", "message"),
    [
        ({}, 0.5, None, "Unknown label type"),
        ({}, np.nan, None, "NaN"),
        ({}, 1, [1.0, 2.0, 3.0], r"sample_weight.shape == \(3,\)"),
        ({"class_weight": None}, 1, -1.0, "sample_weight has values from -1"),
        ({"class_weight": None}, 1, 0.0, "Sample weights must contain at least one non-zero"),
        ({"class_weight": dict.fromkeys(range(20), 0)}, 1, None, "no sample of y has a weight"),
    ],
)
def test_targets_and_weights_are_checked_first(digits, options, y, weight, message):
    X, labels = digits
    if np.ndim(weight) == 0 and weight is not None:
        weight = np.full(len(X), weight)
    with pytest.raises(ValueError, match=message):
        bp.MLPClassifier(**{"class_weight": "balanced", **options}).fit(X, labels + y, weight)


@pytest.mark.parametrize("scoring", [None, "loss", "accuracy", "callable"])
def test_an_eval_sets_weights_weigh(digits, scoring):
    X, y = digits
    weight = np.random.default_rng(0).integers(0, 4, 200).astype(float)

    def weighted(model, X, y, sample_weight=None):
        return model.score(X, y, sample_weight)

    options = {"early_stopping": True, "max_iter": 5, "random_state": 0}
    model = bp.MLPClassifier(scoring=weighted if scoring == "callable" else scoring, **options)
    model.fit(X[:400], y[:400], eval_set=(X[400:], y[400:], weight))
    if scoring == "loss":
        found = model.predict_proba(X[400:])
        expected = -log_loss(y[400:], found, labels=range(10), sample_weight=weight)
    else:
        expected = model.score(X[400:], y[400:], weight)
        assert expected != model.score(X[400:], y[400:])
    assert model.best_validation_score_ == pytest.approx(expected, rel=1e-9)


def test_a_scorer_that_takes_no_weights_is_given_none(digits):
    X, y = digits
    options = {"early_stopping": True, "max_iter": 3, "class_weight": "balanced"}
    model = bp.MLPClassifier(scoring=lambda model, X, y: model.score(X, y), **options)
    assert model.fit(X, y, sample_weight=np.ones(len(X))).best_validation_score_ > 0


SPARSE = "X is sparse, and the X to fit dense"
WRONG_EVAL_SETS = {
    "a new label": (lambda X, y: (X, y + 100), r"y\[0\] is 100: expected one of"),
    "text": (lambda X, y: (X, y.astype(str)), r"y\[0\] is '0': expected one of"),
    "one-hot": (lambda X, y: (X, np.eye(10)[y]), r"y has shape \(5, 10\): expected \(5,\)"),
    "too few": (lambda X, y: (X, y[:3]), r"y has shape \(3,\): expected \(5,\)"),
    "sparse": (lambda X, y: (sparse.csr_array(X), y), SPARSE),
    "narrow": (lambda X, y: (X[:, :3], y), "X has 3 features"),
    "negative": (lambda X, y: (X, y, -np.ones(5)), "sample_weight has values from -1"),
    "no weight": (
        lambda X, y: (X, y, np.zeros(5)),
        "Sample weights must contain at least one non-zero",
    ),
    "X alone": (lambda X, y: X, "expected"),
    "no y": (lambda X, y: (X, None), "Input should have at least 1 dimension"),
    "sparse y": (lambda X, y: (X, sparse.csr_array(y[:, None])), "Sparse data was passed for y"),
}


@pytest.mark.parametrize("name", WRONG_EVAL_SETS)
def test_an_eval_set_is_checked(digits, name):
    X, y = digits
    make, message = WRONG_EVAL_SETS[name]
    model = bp.MLPClassifier(early_stopping=True, max_iter=1)
    with pytest.raises(ValueError, match=f"eval_set: {message}"):
        model.fit(X, y, eval_set=make(X[:5], y[:5]))
    assert not hasattr(model, "coefs_")


@pytest.mark.parametrize("scoring", [None, "loss", "neg_log_loss"])
def test_an_eval_set_may_have_any_types_that_X_and_y_may(digits, scoring):
    X, y = digits[0].astype(np.float16), digits[1]
    model = bp.MLPClassifier(scoring=scoring, early_stopping=True, max_iter=2, random_state=0)
    expected = model.fit(X, y, eval_set=(X.astype(float), y)).validation_scores_
    for kind in (np.float16, np.longdouble, ">f8"):
        for labels in (y.astype(float), y.astype(object), list(y)):
            model.fit(X, y, eval_set=(X.astype(kind), labels))
            np.testing.assert_allclose(model.validation_scores_, expected, rtol=1e-9)


def test_a_regressors_eval_set_is_checked(digits):
    X, y = digits
    model = bp.MLPRegressor(early_stopping=True, max_iter=1)
    for wrong in (np.array(list("abcde")), np.ones((5, 2)), [1, 2, 3, 4, np.nan]):
        with pytest.raises(ValueError, match="eval_set: "):
            model.fit(X, y, eval_set=(X[:5], wrong))


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ({"solver": "lbfgs", "max_seconds": 1}, "max_seconds is for solver='adam' or 'sgd'"),
        ({"solver": "lbfgs", "scoring": "loss"}, "scoring is for solver="),
        ({"scoring": "accuracy"}, "scoring is for early_stopping=True"),
        ({"scoring": "nonsense"}, "'scoring' parameter"),
        ({"n_threads": 5000}, r"'n_threads' parameter.*\[1, 1024\]"),
    ],
)
def test_what_would_be_ignored_is_refused(digits, options, given):
    with pytest.raises(ValueError, match=given):
        bp.MLPClassifier(**options).fit(*digits)
    if "solver" in options:
        with pytest.raises(ValueError, match="eval_set is for solver="):
            bp.MLPClassifier(solver="lbfgs", early_stopping=True).fit(*digits, eval_set=digits)


def accuracy(model, X, y):
    return model.score(X, y)


def test_an_eval_set_and_a_scoring(digits):
    X, y = digits
    held_out = X[400:], y[400:]
    options = {"early_stopping": True, "max_iter": 30, "random_state": 0}
    for scoring in (None, "neg_log_loss", "balanced_accuracy", accuracy):
        model = bp.MLPClassifier(scoring=scoring, **options)
        model.fit(X[:400], y[:400], eval_set=held_out)
        best = max(model.validation_scores_)
        assert model.best_validation_score_ == best
        # the best weights were put back: scored again they give the best score
        again = get_scorer("accuracy" if scoring is None else scoring)
        assert again(model, *held_out) == pytest.approx(best, rel=1e-12)
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


@pytest.mark.parametrize("given", [None, "eval_set"])
@pytest.mark.parametrize("scoring", [None, "loss", "roc_auc", "f1_macro"])
def test_sparse_labels_are_scored_as_dense_ones(digits, scoring, given):
    X, labels = digits[0], np.eye(10, dtype=int)[digits[1]]
    options = {"early_stopping": True, "validation_fraction": 0.5, "max_iter": 3, "random_state": 0}
    weights = [{0: 1.0, 1: 2.0}] * 10
    found = []
    for form in (np.array, sparse.csr_array, sparse.csc_matrix):
        model = bp.MLPClassifier(scoring=scoring, class_weight=weights, **options)
        Y = form(labels)
        model.fit(X, Y, eval_set=given and (X, Y))
        found.append(model.validation_scores_)
        assert model.explain(X[:2], Y[:2]).cost > 0
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("scoring", ["loss", "f1_macro"])
def test_what_a_score_needs_is_made_once(digits, monkeypatch, scoring):
    """And not at each iteration, beside which it would take most of the time of small data."""
    X, y = digits
    made, binarized = [], []
    scorer, transform = stopping.finite_scorer, LabelBinarizer.transform
    monkeypatch.setattr(
        stopping, "finite_scorer", lambda model: (made.append(model), scorer(model))[1]
    )
    monkeypatch.setattr(
        LabelBinarizer, "transform", lambda self, y: (binarized.append(y), transform(self, y))[1]
    )
    model = bp.MLPClassifier(scoring=scoring, early_stopping=True, max_iter=4)
    for given in (None, (X, y)):
        model.fit(X, y, eval_set=given)
        assert len(model.validation_scores_) == 4
    assert len(made) == (0 if scoring == "loss" else 2)
    assert len(binarized) == (3 if scoring == "loss" else 2)  # y twice, and the eval_set's


LABELS = {
    "two": lambda y: y > 4,
    "words": lambda y: np.array(list("abcdefghij"))[y],
    "objects": lambda y: np.array(list("abcdefghij"), object)[y],
    "numbers": lambda y: y / 2.0 * 2,
    "several": lambda y: np.c_[y > 4, y % 2 == 0].astype(int),
    "several, sparse": lambda y: sparse.csr_array(np.c_[y > 4, y % 2 == 0].astype(int)),
}


SOON = ("words", "several, sparse")  # the others take ten seconds


@pytest.mark.parametrize(
    "name", [n if n in SOON else pytest.param(n, marks=pytest.mark.long) for n in LABELS]
)
def test_the_accuracy_of_early_stopping_is_scikit_learns(digits, name):
    """To the last bit, without the checks of labels that are known to be such."""
    X, y = digits[0], LABELS[name](digits[1])
    options = {"early_stopping": True, "max_iter": 20, "random_state": 0}
    if VERSION < (1, 9) and name not in ("two", "numbers", "several"):
        pytest.skip("before 1.9 scikit-learn looks for NaN among these labels, and fails")
    for weight in (None, 0.7 * (np.arange(len(X)) % 3)):
        given = [] if weight is None else [weight]
        if given and VERSION < (1, 7):
            continue  # whose MLP has no sample weights
        its = sk.MLPClassifier(**options).fit(X, y, *given).validation_scores_
        assert bp.MLPClassifier(**options).fit(X, y, *given).validation_scores_ == its
        assert len(set(its)) > 2


@pytest.mark.parametrize("scoring", [None, "loss", "f1_macro"])
def test_held_out_rows_that_weigh_nothing_are_refused(digits, scoring):
    X, y = digits
    model = bp.MLPClassifier(early_stopping=True, max_iter=1, random_state=0).fit(X, y)
    weight = np.ones(len(X))
    weight[model._split(len(X), None, state_after_weights(model, X))[1]] = 0
    model.set_params(scoring=scoring)
    with pytest.raises(ValueError, match="at least one non-zero number: those of the 60 rows"):
        model.fit(X, y, weight)


def test_a_regressors_validation_loss():
    X, y = load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    model = bp.MLPRegressor(scoring="loss", early_stopping=True, random_state=0, max_iter=50)
    model.fit(X, y, eval_set=(X[:50], y[:50]))
    loss = 0.5 * np.mean((model.predict(X[:50]) - y[:50]) ** 2)
    assert model.best_validation_score_ == pytest.approx(-loss, rel=1e-9)


def test_max_seconds(digits):
    model = bp.MLPClassifier(max_iter=10**6, tol=0, n_iter_no_change=10**6, max_seconds=0.2)
    with pytest.warns(ConvergenceWarning, match=r"max_seconds \(0.2\) reached and the optim"):
        model.fit(*digits)
    assert 1 <= model.n_iter_ < 10**6
    with pytest.raises(ValueError, match="max_seconds is for fit: partial_fit is one iteration"):
        model.partial_fit(*digits)
    with pytest.raises(ValueError, match="max_seconds"):
        bp.MLPClassifier(max_seconds=0).fit(*digits)


def test_a_progress_bar(digits, capsys):
    bp.MLPClassifier(max_iter=3, verbose="bar").fit(*digits)
    printed = capsys.readouterr()
    assert "3/3" in printed.err
    assert "loss=" in printed.err
    assert printed.out == ""
    options = {"early_stopping": True, "n_iter_no_change": 1, "tol": 1.0}
    model = bp.MLPClassifier(max_iter=400, verbose="bar", **options).fit(*digits)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{model.n_iter_}/{model.n_iter_}" in printed.err
    bp.MLPClassifier(max_iter=3, verbose=True).fit(*digits)
    assert capsys.readouterr().out.count("Iteration ") == 3


@pytest.mark.parametrize("form", [np.array, sparse.csr_array])
def test_a_progress_bar_of_lbfgs(digits, capsys, form):
    X, y = digits
    model = bp.MLPClassifier(solver="lbfgs", max_iter=3, verbose="bar").fit(form(X), y)
    printed = capsys.readouterr()
    assert model.n_iter_ == 3
    done = [int(n) for n in re.findall(r"(\d+)/\d+ .*evaluation", printed.err)][-1]
    assert 3 < done < 3 * model.max_fun
    assert "loss=" in printed.err
    assert printed.out == ""


def test_a_progress_bar_of_partial_fit(digits, capsys):
    model = bp.MLPClassifier(max_iter=7, verbose="bar")
    for _ in range(2):
        model.partial_fit(*digits, classes=range(10))
        printed = capsys.readouterr()
        assert "1/1" in printed.err
        assert f"loss={model.loss_:.6g}" in printed.err
        assert printed.out == ""


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
    with pytest.raises(ValueError, match=r"y\[1\] is 77: expected one of \[0, 1, 2"):
        model.explain(X[:2], [3, 77])
    labels = np.eye(10, dtype=int)[y]
    assert bp.MLPClassifier((6,), max_iter=2).fit(X, labels).explain(X[:2], labels[:2]).cost > 0
    assert (
        bp.MLPRegressor(hidden_layer_sizes=(6,), max_iter=2).fit(X, y).explain(X[:2], y[:2]).cost
        > 0
    )
    assert model.explain(X[3], y[3]).to_dict() == model.explain(X[3:4], y[3:4]).to_dict()
    names = np.array(list("abcdefghij"), dtype=object)[y]
    named = bp.MLPClassifier((6,), max_iter=2).fit(X, names)
    with pytest.raises(ValueError, match=r"y\[1\] is 'k': expected one of \['a', 'b'"):
        named.explain(X[:2], np.array(["a", "k"], dtype=object))


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
@pytest.mark.parametrize("trained", [np.array, sparse.csr_array])
def test_sparse_rows_are_explained(digits, monkeypatch, form, trained):
    X, y = digits
    model = bp.MLPClassifier((6,), max_iter=2, random_state=0).fit(trained(X), y)
    found, expected = model.explain(form(X[:5]), y[:5]), model.explain(X[:5], y[:5])
    assert found.to_dict() == expected.to_dict()
    np.testing.assert_array_equal(model.input_gradients(form(X)), model.input_gradients(X))
    row = sparse.csr_array(X)[3]
    assert model.explain(row, y[3]).to_dict() == model.explain(X[3], y[3]).to_dict()
    monkeypatch.setattr("backprop.estimators.inputs.MADE_DENSE", 3 * 64)
    for call in (model.input_gradients, lambda X: model.explain(X, y[: X.shape[0]])):
        with pytest.raises(ValueError, match=r"X is sparse and has 4 rows of 64 features.* most 3"):
            call(form(X[:4]))
        call(form(X[:3]))


@pytest.mark.parametrize("labels", [["no", "yes"], ["a", "b", "c"], [1, 4]])
def test_explain_refuses_a_label_that_training_did_not_have(labels):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), np.resize(np.array(labels), 40)
    model = bp.MLPClassifier((4,), max_iter=2, random_state=0).fit(X, y)
    unknown = [labels[0], "zz" if isinstance(labels[0], str) else 3]
    message = rf"y\[1\] is {unknown[1]!r}: expected one of \[{labels[0]!r}"
    with pytest.raises(ValueError, match=message):
        model.explain(X[:2], unknown)
    assert model.explain(X[:2], labels[:2]).cost > 0


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_explain_shows_the_step_that_would_come(digits, solver):
    """Of models from sparse rows and from scikit-learn, too, which it leaves as they are."""
    X, y = digits
    options = {"solver": solver, "max_iter": 3, "random_state": 0, "alpha": 0.1}
    dense = bp.MLPClassifier((6,), **options).fit(X, y)
    thin = bp.MLPClassifier((6,), **options).fit(sparse.csr_array(X), y)
    theirs = bp.from_sklearn(sk.MLPClassifier((6,), **options).fit(X, y))
    before = pickle.dumps(dense)
    weight = dense.explain(X[:5], y[:5]).gradient(0, 20, 1)
    assert pickle.dumps(dense) == before
    assert weight.decay == pytest.approx(0.1 / 5 * weight.value)
    for other in (thin, theirs):
        found = other.explain(X[:5], y[:5]).gradient(0, 20, 1)
        assert found.step == pytest.approx(weight.step, rel=1e-4 if solver == "lbfgs" else 1e-6)
    if solver == "lbfgs":  # has no step of its own
        assert weight.step == pytest.approx(-1e-3 * (weight.gradient + weight.decay))


def test_input_gradients_beside_predictions(digits):
    """Threads may do both: neither is in the other's way."""
    X, y = digits
    model = bp.MLPClassifier((12,), max_iter=3, random_state=0).fit(X, y)
    expected = model.input_gradients(X), model.predict_proba(X)
    with ThreadPoolExecutor(4) as pool:
        jobs = [(model.input_gradients, 0), (model.predict_proba, 1)] * 10
        found = [(pool.submit(call, X), which) for call, which in jobs]
    for result, which in found:
        np.testing.assert_array_equal(result.result(), expected[which])
