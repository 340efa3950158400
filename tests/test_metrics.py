"""Metrics give what scikit-learn's do, of random predictions, weighted and not."""

import pickle

import numpy as np
import pytest

import backprop as bp
from backprop.catalogue.losses import LOSSES
from backprop.catalogue.metrics import ALIASES, METRICS, NUMBER, check_metrics, kind_of, measure

sk = pytest.importorskip("sklearn.metrics")

N = 200


def _rows(y):
    return y if y.ndim == 2 and y.shape[1] > 1 else np.ravel(y)


def _over_answers(score):
    """Of each answer alone, the mean."""

    def mean(y, p, **weights):
        return np.mean([score(a, b, **weights) for a, b in zip(y.T, p.T, strict=True)])

    return mean


def _auc_of_classes(y, p, **weights):
    if p.shape[1] == 2:
        return sk.roc_auc_score(y, p[:, 1], **weights)
    return sk.roc_auc_score(y, p, multi_class="ovr", **weights)


def _top(k):
    def top(y, p, **weights):
        labels = range(p.shape[1])
        return sk.top_k_accuracy_score(y, p, k=k, labels=labels, **weights)

    return top


# {name: what scikit-learn has for it}, of labels and p; of answers and p; of numbers
OF_CLASSES = {
    "accuracy": lambda y, p, **w: sk.accuracy_score(y, p.argmax(axis=1), **w),
    "balanced_accuracy": lambda y, p, **w: sk.balanced_accuracy_score(y, p.argmax(axis=1), **w),
    "top_k": _top(5),
    "f1": lambda y, p, **w: sk.f1_score(y, p.argmax(axis=1), average="macro", **w),
    "roc_auc": _auc_of_classes,
    "log_loss": lambda y, p, **w: sk.log_loss(y, p, labels=range(p.shape[1]), **w),
}
OF_ANSWERS = {
    "accuracy": lambda y, p, **w: sk.accuracy_score(_rows(y), _rows(p > 0.5), **w),
    "balanced_accuracy": _over_answers(
        lambda y, p, **w: sk.balanced_accuracy_score(y, p > 0.5, **w)
    ),
    "f1": _over_answers(lambda y, p, **w: sk.f1_score(y, p > 0.5, **w)),
    "roc_auc": _over_answers(sk.roc_auc_score),
    "log_loss": _over_answers(sk.log_loss),
}
OF_NUMBERS = {
    "mae": sk.mean_absolute_error,
    "rmse": sk.root_mean_squared_error,
    "r2": sk.r2_score,
    "pinball": sk.mean_pinball_loss,
}


def compare(found, expected, y, p, weight):
    weights = {} if weight is None else {"sample_weight": weight}
    assert found.keys() == expected.keys()
    for name, function in expected.items():
        assert found[name] == pytest.approx(function(y, p, **weights), rel=1e-5), name


@pytest.fixture(params=[False, True], ids=["", "weighted"])
def weight(request):
    return np.random.default_rng(5).integers(0, 4, N) * 1.0 if request.param else None


@pytest.mark.parametrize("k", [2, 3, 7])
def test_of_classes(k, weight):
    rng = np.random.default_rng(k)
    a = np.round(rng.normal(size=(N, k)) * 4) / 4 + rng.normal(size=(1, k)) * 1e-3  # some ties of p
    y = np.where(rng.random(N) < 0.5, a.argmax(axis=1), rng.integers(0, k, N))
    loss = LOSSES["softmax_cross_entropy"]
    names = [name for name in OF_CLASSES if name != "top_k" or k > 5]
    found = measure(check_metrics(names, loss, y, a.shape[1]), loss, a, y, weight)
    compare(found, {name: OF_CLASSES[name] for name in names}, y, loss.link(a), weight)
    soft = np.eye(k)[y] * 0.9 + 0.1 / k
    assert measure(check_metrics(names, loss, y, a.shape[1]), loss, a, soft, weight) == found


@pytest.mark.parametrize("k", [1, 3])
def test_of_answers(k, weight):
    rng = np.random.default_rng(k)
    a = np.round(rng.normal(size=(N, k)) * 8) / 8 + 1e-3
    y = (a + rng.normal(size=(N, k)) > 0.3).astype(float)
    loss = LOSSES["sigmoid_cross_entropy"]
    found = measure(check_metrics(OF_ANSWERS, loss, y, a.shape[1]), loss, a, y, weight)
    compare(found, OF_ANSWERS, y.astype(int), loss.link(a), weight)


@pytest.mark.parametrize("k", [1, 3])
def test_of_numbers(k, weight):
    rng = np.random.default_rng(k)
    a = rng.normal(size=(N, k))
    y = a + rng.normal(size=(N, k)) + 3
    loss = LOSSES["squared_error"]
    found = measure(check_metrics(OF_NUMBERS, loss, y, a.shape[1]), loss, a, y, weight)
    compare(found, OF_NUMBERS, y, a, weight)


def test_parameters():
    rng = np.random.default_rng(0)
    a, y = rng.normal(size=(N, 7)), rng.integers(0, 7, N)
    loss = LOSSES["softmax_cross_entropy"]
    metrics = check_metrics(
        [METRICS["top_k"](k=2), "top_k", METRICS["top_k"](k=1)], loss, y, a.shape[1]
    )
    found = measure(metrics, loss, a, y, None)
    compare(found, {"top_k_2": _top(2), "top_k": _top(5), "top_k_1": _top(1)}, y, a, None)
    y, loss = rng.normal(size=(N, 7)), LOSSES["squared_error"]
    found = measure(check_metrics([METRICS["pinball"](level=0.9)], loss, y, 7), loss, a, y, None)
    assert found == {"pinball_0.9": pytest.approx(sk.mean_pinball_loss(y, a, alpha=0.9))}
    for wrong, error in ((2.5, TypeError), (0, ValueError)):
        with pytest.raises(error, match=f"k={wrong}"):
            METRICS["top_k"](k=wrong)


def test_what_one_class_or_no_answer_gives():
    loss, answers = LOSSES["softmax_cross_entropy"], LOSSES["sigmoid_cross_entropy"]
    a, y = np.array([[1.0, 0, 0], [0, 1, 0]]), np.array([0, 0])
    names = ["balanced_accuracy", "roc_auc", "f1"]
    found = measure(check_metrics(names, loss, y, a.shape[1]), loss, a, y, None)
    assert found["balanced_accuracy"] == 0.5  # of the one class that there is
    assert np.isnan(found["roc_auc"])
    assert found["f1"] == pytest.approx((2 / 3 + 0) / 2)
    nothing = measure(
        check_metrics(["f1"], answers, a[:, 2:], 1), answers, -np.ones((2, 1)), a[:, 2:], None
    )
    assert nothing == {"f1": 0.0}


def test_every_metric_is_compared_and_takes_some_loss():
    compared = {**OF_CLASSES, **OF_ANSWERS, **OF_NUMBERS}
    assert set(compared) == set(METRICS)
    for metric in METRICS.values():
        assert metric.formula
        assert any(kind_of(loss.target) in metric.targets for loss in LOSSES.values())
        assert pickle.loads(pickle.dumps(metric)) == metric
    assert set(ALIASES.values()) <= set(METRICS)
    assert not set(ALIASES) & set(METRICS)


# ---- in evaluate -------------------------------------------------------------------------------


def classifier():
    return bp.Network(4, [bp.Dense(3)], loss="softmax_cross_entropy", seed=1)


def test_evaluate_goes_through_blocks(monkeypatch, weight):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(N, 4)), rng.integers(0, 3, N)
    net = classifier()
    names = ["f1", "roc_auc", "accuracy"]
    whole = net.evaluate(X, y, weight, metrics=names)
    assert list(whole) == ["loss", "accuracy", "f1", "roc_auc"]
    assert whole["loss"] == net.evaluate(X, y, weight)["loss"]
    monkeypatch.setattr("backprop.evaluating.EVALUATED_ROWS", 7)
    assert net.evaluate(X, y, weight, metrics=names) == pytest.approx(whole)
    weights = {} if weight is None else {"sample_weight": weight}
    assert whole["roc_auc"] == pytest.approx(OF_CLASSES["roc_auc"](y, net.predict(X), **weights))


def test_a_function_of_ones_own(weight):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(N, 4)), rng.integers(0, 3, N)

    def largest(y, p, sample_weight=None):
        assert (sample_weight is None) == (weight is None)
        return p.max()

    found = classifier().evaluate(X, y, weight, metrics=[largest, "f1"])
    assert found["largest"] == classifier().predict(X).max()


@pytest.mark.parametrize(
    ("metrics", "error", "words"),
    [
        ("accuracy", TypeError, r"metrics='accuracy': expected a list"),
        (3, TypeError, "metrics=3: expected a list"),
        (["acuracy"], ValueError, r"metrics\[0\]='acuracy'.*did you mean 'accuracy'"),
        (["f1", "auc"], ValueError, r"metrics\[1\]='auc'.*did you mean 'roc_auc'"),
        (["rmse"], ValueError, r"metrics\[0\]='rmse' is of a number, and y is one of .*'accuracy'"),
        (["f1", "f1"], ValueError, "expected each once, got f1, f1"),
        ([3], ValueError, r"metrics\[0\]=3"),
    ],
)
def test_complaints(metrics, error, words):
    X, y = np.zeros((4, 4)), np.array([0, 1, 2, 0])
    net = classifier()
    for call in (net.evaluate, net.fit):
        with pytest.raises(error, match=words):
            call(X, y, metrics=metrics)
    assert net.steps == 0


def test_log_loss_is_of_probabilities():
    loss = LOSSES["softmax_cross_entropy"]
    with pytest.raises(ValueError, match="log_loss is of probabilities"):
        METRICS["log_loss"].value(np.array([[2.0, -1.0]]), np.array([0]), None)
    assert NUMBER not in METRICS["log_loss"].targets
    assert kind_of(loss.target) in METRICS["log_loss"].targets
