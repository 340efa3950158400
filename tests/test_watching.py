"""What fit shows and tells of a training: metrics, held-out rows, class weights, history."""

import numpy as np
import pytest
from networks import data, make, snapshot

import backprop as bp
from backprop.catalogue.losses import LOSSES


def test_validation_split_holds_out_the_same_rows_each_time():
    X, y = data(n=50)
    X = np.arange(50.0)[:, None] / 50 * np.ones(6)
    net, by_hand, again = make(), make(), make()
    seen = []
    history = net.fit(X, y, epochs=3, validation_split=0.2, metrics=["f1"])
    assert history.n_samples == 40
    assert len(history.validation_loss) == len(history.metrics["validation_f1"]) == 3
    from backprop.training import split_rows

    kept, held = split_rows(X, y, None, 0.2, net.seed)
    seen = np.sort(np.concatenate([kept[0][:, 0], held[0][:, 0]]))
    np.testing.assert_array_equal(seen, X[:, 0])  # every row once
    assert len(held[0]) == 10
    assert (np.diff(held[0][:, 0]) > 0).all()
    assert np.ptp(held[0][:, 0]) > 0.5  # from all over, not the last
    by_hand.fit(*kept[:2], epochs=3, validation_data=held[:2])
    assert snapshot(net) == snapshot(by_hand)
    assert by_hand.history.validation_loss == history.validation_loss
    again.fit(X, y, epochs=1, validation_split=0.2)
    again.fit(X, y, epochs=2, validation_split=0.2)
    assert snapshot(net) == snapshot(again)


def test_weights_follow_their_rows_into_the_split():
    from backprop.training import split_rows

    rows = np.arange(30)
    kept, held = split_rows(rows[:, None], rows, rows, 0.5, 2**64 - 1)
    for X, y, weight in (kept, held):
        np.testing.assert_array_equal(X[:, 0], y)
        np.testing.assert_array_equal(weight, y)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"validation_split": 1.0}, ValueError, "validation_split=1.0: expected .* below 1"),
        ({"validation_split": -0.1}, ValueError, "validation_split=-0.1"),
        ({"validation_split": 0.001}, ValueError, "validation_split=0.001 of 50 rows is 0"),
        ({"validation_split": "a"}, TypeError, "validation_split='a'"),
        ({"class_weight": "even"}, ValueError, "class_weight='even': expected a dict"),
        ({"class_weight": {4: 1}}, ValueError, "class_weight has the label 4: expected 0 to 3"),
        ({"class_weight": {0: -1}}, ValueError, r"class_weight\[0\]=-1"),
        ({"class_weight": {i: 0 for i in range(4)}}, ValueError, "class_weight.*not all of them 0"),
        ({"max_seconds": -1}, ValueError, "max_seconds=-1"),
    ],
)
def test_complaints(options, error, words):
    net = make()
    with pytest.raises(error, match=words):
        net.fit(*data(), **options)
    assert (net.steps, net.history) == (0, None)


def test_a_split_beside_validation_data_is_refused():
    X, y = data()
    with pytest.raises(ValueError, match="expected one of them, got both"):
        make().fit(X, y, validation_split=0.1, validation_data=(X, y))


def test_class_weights_are_those_of_scikit_learn():
    utils = pytest.importorskip("sklearn.utils.class_weight")
    X, _ = data(n=60)
    y = np.repeat([0, 1, 3], [40, 15, 5])  # no row of class 2
    for given, as_rows in (("balanced", False), ({0: 0.5, 3: 4}, False), ("balanced", True)):
        net, by_hand = make(), make()
        expected = utils.compute_sample_weight(given, y)
        net.fit(X, np.eye(4)[y] if as_rows else y, class_weight=given, epochs=2, batch_size=8)
        by_hand.fit(X, y, sample_weight=expected, epochs=2, batch_size=8)
        if as_rows:
            np.testing.assert_allclose(net.predict(X), by_hand.predict(X), rtol=1e-4, atol=1e-6)
        else:
            assert snapshot(net) == snapshot(by_hand)
    net, by_hand = make(), make()
    own = np.arange(60) % 3 + 1.0
    net.fit(X, y, class_weight="balanced", sample_weight=own, epochs=1)
    by_hand.fit(X, y, sample_weight=own * utils.compute_sample_weight("balanced", y), epochs=1)
    assert snapshot(net) == snapshot(by_hand)


def test_class_weight_of_one_answer_and_of_what_has_no_classes():
    X, y = data(n=40)
    yes = (y == 0) * 1.0

    def one():
        return bp.Network(6, [bp.Dense(1)], loss="sigmoid_cross_entropy", seed=1)

    net, by_hand = one(), one()
    net.fit(X, yes, class_weight={1: 3}, epochs=2)
    by_hand.fit(X, yes, sample_weight=np.where(yes, 3.0, 1.0), epochs=2)
    assert snapshot(net) == snapshot(by_hand)
    for loss in ("squared_error", "sigmoid_cross_entropy"):
        with pytest.raises(ValueError, match="class_weight is of one class or one answer"):
            make(loss).fit(*data(loss), class_weight="balanced")


def test_validation_is_not_weighted_by_class():
    X, y = data()
    net = make()
    history = net.fit(X, y, epochs=1, validation_data=(X, y), class_weight={0: 100})
    assert history.validation_loss == [net.evaluate(X, y)["loss"]]


def test_metrics_without_validation_data_are_of_what_is_trained_on():
    X, y = data()
    net = make()
    history = net.fit(X, y, epochs=2, metrics=["f1", "roc_auc"])
    assert list(history.metrics) == ["f1", "roc_auc"]
    found = net.evaluate(X, y, metrics=["f1", "roc_auc"])
    assert {name: values[-1] for name, values in history.metrics.items()} == {
        name: found[name] for name in ("f1", "roc_auc")
    }
    assert history.validation_loss == []


def test_watching_does_not_change_the_bits():
    X, y = data()
    net, watched = make(), make()
    net.fit(X, y, epochs=4, batch_size=16)
    watched.fit(
        *(X, y), epochs=4, batch_size=16, metrics=["f1"], validation_data=(X, y), max_seconds=1e9
    )
    assert snapshot(net) == snapshot(watched)
    assert net.history.loss == watched.history.loss


def test_a_fit_that_is_not_watched_is_one_call_of_the_core(monkeypatch):
    X, y = data()
    calls = []

    class Counting:
        """The core, whose calls are counted."""

        def __init__(self, core):
            self._core = core

        def __getattr__(self, name):
            if name == "fit":
                calls.append(name)
            return getattr(self._core, name)

    net = make()
    net._core = Counting(net._core)
    net.fit(X, y, epochs=7)
    assert len(calls) == 1
    net.fit(X, y, epochs=7, metrics=["f1"])
    assert len(calls) == 8


def test_max_seconds():
    X, y = data()
    history = make().fit(X, y, epochs=5, max_seconds=0)
    assert len(history.loss) == 1  # an epoch that has begun is done
    assert history.stopped == "max_seconds=0"
    assert make().fit(X, y, epochs=5, max_seconds=1e9).stopped is None


# ---- what is shown -----------------------------------------------------------------------------


def test_a_line_an_epoch(capsys):
    X, y = data()
    net = make()
    history = net.fit(X, y, epochs=2, verbose=2, validation_data=(X, y), metrics=["f1", "roc_auc"])
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert (out, len(lines)) == ("", 2)
    expected = (
        f"epoch 2/2: loss {history.loss[1]:.4g}, validation {history.validation_loss[1]:.4g}, "
        f"f1 {history.metrics['validation_f1'][1]:.4g}, "
    )
    assert lines[1].startswith(expected)


@pytest.mark.parametrize("verbose", [True, 2])
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_the_floor_of_a_loss_of_soft_targets_is_shown(capsys, loss, verbose):
    X, y = data()
    soft = np.eye(4)[y] * 0.8 + 0.05
    weight = np.arange(50) % 2 + 1.0
    net = make(loss, optimizer="sgd", dtype="float64")
    net.fit(X, soft, epochs=1, verbose=verbose, sample_weight=weight)
    least = -(soft * np.log(soft)).sum(axis=1)
    if loss == "sigmoid_cross_entropy":
        least -= ((1 - soft) * np.log(1 - soft)).sum(axis=1)
    assert f"(at best {np.average(least, weights=weight):.4g})" in capsys.readouterr().err
    logits = np.log(soft) if loss == "softmax_cross_entropy" else np.log(soft / (1 - soft))
    exact = net.loss_function.value(logits, soft)
    np.testing.assert_allclose(net.loss_function.least(soft), exact, rtol=1e-10)  # it is reached
    net.fit(X, np.eye(4)[y], epochs=1, verbose=verbose)
    assert "at best" not in capsys.readouterr().err


# ---- the history -------------------------------------------------------------------------------


def test_columns_are_of_one_length():
    X, y = data()

    def stop(y, p):
        if len(net.history.loss) == 2:
            raise KeyboardInterrupt
        return 0.0

    net = make()
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y, epochs=5, validation_data=(X, y), metrics=[stop])
    columns = net.history.columns
    assert list(columns) == [
        *("loss", "validation_loss", "validation_accuracy", "validation_stop", "seconds")
    ]
    assert {len(values) for values in columns.values()} == {2}
    assert np.isnan(columns["validation_loss"][1])
    assert list(bp.History().columns) == []


def test_to_frame():
    pytest.importorskip("pandas")
    X, y = data()
    history = make().fit(X, y, epochs=3, validation_data=(X, y), metrics=["f1"])
    frame = history.to_frame()
    assert list(frame.index) == [1, 2, 3]
    assert list(frame.columns) == list(history.columns)
    assert frame["validation_f1"].tolist() == history.metrics["validation_f1"]


def test_plot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib import pyplot

    X, y = data()
    history = make().fit(X, y, epochs=3, validation_data=(X, y), metrics=["f1"])
    axes = history.plot()
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["loss", "validation_loss", "validation_accuracy", "validation_f1"]
    assert [line.get_label() for line in axes.lines] == names[:2]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), history.loss)
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1, 2, 3])
    other = pyplot.figure().add_subplot()
    assert history.plot(other) is other
    pyplot.close("all")


def test_a_metric_that_is_called_a_loss_is_drawn_as_a_metric():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    X, y = data()
    axes = make().fit(X, y, epochs=3, validation_data=(X, y), metrics=["log_loss"]).plot()
    assert [line.get_label() for line in axes.lines] == ["loss", "validation_loss"]
    (second,) = [other for other in axes.figure.axes if other is not axes]
    assert [line.get_label() for line in second.lines] == [
        "validation_accuracy",
        "validation_log_loss",
    ]
    assert (axes.get_ylabel(), second.get_ylabel()) == ("loss", "accuracy, log_loss")
    matplotlib.pyplot.close("all")


@pytest.mark.parametrize(("method", "name"), [("to_frame", "pandas"), ("plot", "matplotlib")])
def test_what_is_missing_is_said(monkeypatch, method, name):
    monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(ImportError, match=f"{method} needs {name}: pip install {name}"):
        getattr(make().fit(*data(), epochs=1), method)()


def test_the_floor_of_smoothed_labels_is_shown(capsys):
    X, y = data()
    net = make(LOSSES["softmax_cross_entropy"](label_smoothing=0.2), dtype="float64")
    net.fit(X, y, epochs=1, verbose=2)
    smoothed = np.array([0.85, 0.05, 0.05, 0.05])
    least = -(smoothed * np.log(smoothed)).sum()
    assert f"(at best {least:.4g})" in capsys.readouterr().err
    net.fit(X, np.eye(4)[y], epochs=1, verbose=2)  # the same labels, as rows
    assert f"(at best {least:.4g})" in capsys.readouterr().err


# ---- metrics of losses whose predictions are more than a number --------------------------------


def numbers(loss, units, columns):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(40, 6)), rng.normal(size=(40, columns))
    net = bp.Network(6, bp.Dense(units), loss, dtype="float64", seed=0)
    return net, X, y


def test_metrics_of_means_and_variances_are_of_the_means():
    net, X, y = numbers("gaussian_nll", 4, 2)
    shapes = []

    def seen(y, predictions):
        shapes.append((y.shape, predictions.shape))
        return 0

    found = net.evaluate(X, y, metrics=["rmse", "mae", "r2", seen])
    error = y - net.predict(X)[:, :2]
    assert found["rmse"] == pytest.approx(np.sqrt((error**2).mean(axis=0)).mean(), rel=1e-12)
    assert found["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-12)
    assert found["r2"] == pytest.approx(1 - ((error**2).sum(axis=0) / (40 * y.var(axis=0))).mean())
    assert shapes == [((40, 2), (40, 4))]


def test_metrics_of_quantiles_are_of_the_one_nearest_to_the_median():
    net, X, y = numbers(LOSSES["quantile"](levels=(0.1, 0.4, 0.9)), 3, 1)
    found = net.evaluate(X, y, metrics=["mae"])
    assert found["mae"] == pytest.approx(np.abs(y[:, 0] - net.predict(X)[:, 1]).mean(), rel=1e-12)


def test_metrics_with_a_loss_of_ones_own():
    def loss(output, target):
        return ((output - target) ** 2).sum(axis=1), 2 * (output - target)

    net, X, y = numbers(loss, 2, 2)
    stop = bp.EarlyStopping(monitor="validation_rmse", patience=2)
    history = net.fit(X, y, epochs=3, validation_split=0.5, metrics=["rmse"], callbacks=[stop])
    assert len(history.metrics["validation_rmse"]) == 3
    with pytest.raises(ValueError, match=r"expected functions, or y of shape \(40, 2\)"):
        net.evaluate(X, y[:, 0], metrics=["rmse"])


def test_a_plateau_is_told_the_validation_loss_beside_callbacks():
    schedule = bp.OnPlateau(ratio=0.5, patience=1, threshold=1e-4)
    X, y = data()
    net = make()
    net.optimizer = bp.SGD(1e-30, schedule=schedule)
    net.fit(X, y, epochs=5, validation_split=0.3, callbacks=[lambda net, history: None])
    assert net.schedule_state["factor"] == 0.25
    assert net.schedule_state["best"] == net.history.validation_loss[0]
