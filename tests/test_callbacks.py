"""Callbacks with hooks, and those that there are; a rate to begin with."""

import csv

import numpy as np
import pytest
from networks import data, make, snapshot

import backprop as bp
from backprop.datasets import load_digits


class Recorder:
    """Hooks without the base: what is called, with what."""

    def __init__(self):
        self.calls = []

    def on_train_begin(self, logs):
        self.calls.append(("train begin", sorted(logs)))

    def on_epoch_begin(self, epoch, logs):
        self.calls.append(("begin", epoch))

    def on_epoch_end(self, epoch, logs):
        self.calls.append(("end", epoch, dict(logs)))
        return epoch == 1

    def on_train_end(self, logs):
        self.calls.append(("train end", dict(logs)))


def test_hooks():
    X, y = data()
    net, recorder, plain = make(), Recorder(), []
    history = net.fit(
        *(X, y), epochs=9, validation_data=(X, y), metrics=["f1"],
        callbacks=[recorder, lambda network, history: plain.append(len(history.loss))],
    )  # fmt: skip
    names = ["loss", "validation_loss", "validation_accuracy", "validation_f1"]
    calls = recorder.calls
    assert calls[0] == ("train begin", ["batch_size", "directions", "epochs", "n_samples"])
    assert [call[:2] for call in calls[1:5]] == [("begin", 0), ("end", 0), ("begin", 1), ("end", 1)]
    assert list(calls[2][2]) == names
    for i, call in enumerate((calls[2], calls[4])):
        assert call[2] == {name: history.columns[name][i] for name in names}
    assert calls[5] == ("train end", calls[4][2])
    assert len(calls) == 6
    assert plain == [1, 2]  # all are called, also after the one that ends training
    assert history.stopped == "Recorder"


def test_the_base_knows_the_network_and_the_directions():
    class Own(bp.Callback):
        def on_train_begin(self, logs):
            self.directions = logs["directions"]

        def on_epoch_end(self, epoch, logs):
            return self.network.epochs_trained == 2

    X, y = data()
    own, net = Own(), make()
    net.fit(X, y, epochs=5, validation_data=(X, y), metrics=["log_loss", max_of], callbacks=[own])
    assert net.epochs_trained == 2
    assert own.directions == {
        "loss": False,
        "validation_loss": False,
        "validation_accuracy": True,
        "validation_log_loss": False,
        "validation_max_of": None,
    }


def max_of(y, p):
    return p.max()


def test_hooks_that_would_never_be_called_are_refused():
    class Batches(bp.Callback):
        def on_train_batch_end(self, batch, logs):
            raise AssertionError

    with pytest.raises(ValueError, match=r"Batches.on_train_batch_end would never be called"):
        make().fit(*data(), callbacks=[Batches()])


# ---- EarlyStopping -----------------------------------------------------------------------------


def prescribed(values):
    """A metric that has these values, one an epoch."""
    left = iter(values)

    def score(y, p):
        return next(left)

    return score


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("restore", [True, False])
def test_early_stopping(mode, restore):
    X, y = data()
    sign = 1 if mode == "min" else -1
    values = [sign * v for v in (5, 4, np.nan, 3.95, 6, 3.9, 7)]
    stop = bp.EarlyStopping("score", 4, min_delta=0.2, restore_best=restore, mode=mode)
    net, expected = make(), make()
    history = net.fit(X, y, epochs=9, metrics=[prescribed(values)], callbacks=[stop])
    assert len(history.loss) == 6  # the best was the second, and four were no better by 0.2
    assert (stop.best, stop.best_epoch) == (sign * 4, 1)
    assert history.stopped == "EarlyStopping"
    expected.fit(X, y, epochs=2 if restore else 6)
    for mine, its in zip(net.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_early_stopping_restores_the_best_where_it_did_not_stop_and_begins_anew():
    X, y = data()
    stop = bp.EarlyStopping("score", 9, mode="max")
    net, expected = make(), make()
    net.fit(X, y, epochs=4, metrics=[prescribed([1, 3, 2, 2])], callbacks=[stop])
    expected.fit(X, y, epochs=2)
    np.testing.assert_array_equal(net.get_weights()[0], expected.get_weights()[0])
    net.fit(X, y, epochs=2, metrics=[prescribed([0, -1])], callbacks=[stop])
    assert (stop.best, stop.best_epoch) == (0, 0)


def test_early_stopping_of_validation_loss():
    X, y = data(n=60)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 4, 20)  # nothing is to be learnt of these
    net = make()
    history = net.fit(
        X[:40], y[:40], epochs=500, validation_data=(X[40:], noise), callbacks=[bp.EarlyStopping()]
    )
    best = int(np.argmin(history.validation_loss))
    assert len(history.loss) == best + 1 + 10 < 500
    assert net.evaluate(X[40:], noise)["loss"] == min(history.validation_loss)


def test_a_metric_says_what_is_better():
    X, y = data()
    for monitor in ("validation_f1", "validation_accuracy"):
        stop = bp.EarlyStopping(monitor, patience=100)
        history = make().fit(
            X, y, epochs=20, validation_split=0.3, metrics=["f1"], callbacks=[stop]
        )
        assert stop.best == max(history.metrics[monitor])


@pytest.mark.parametrize(
    ("make_one", "options", "words"),
    [
        (
            lambda p: bp.EarlyStopping(),
            {},
            "monitor='validation_loss': expected one of 'loss'; ",
        ),
        (lambda p: bp.EarlyStopping("f2"), {}, "monitor='f2': expected one of 'loss'$"),
        (lambda p: bp.EarlyStopping("max_of"), {"metrics": [max_of]}, "expected mode='min' or"),
        (lambda p: bp.Checkpoint(p / "a", monitor="b"), {}, "monitor='b'"),
        (lambda p: bp.EarlyStopping(patience=0), {}, "patience=0"),
        (lambda p: bp.EarlyStopping(mode="most"), {}, "mode='most': expected 'auto', 'min' or"),
        (lambda p: bp.Checkpoint(p / "a", keep=2), {}, r"keep=2: expected \{epoch\} in path"),
        (lambda p: bp.Checkpoint(p / "a", every=2, monitor="loss"), {}, "every=2: expected 1"),
        (lambda p: bp.EarlyStopping(min_delta=-1), {}, "min_delta=-1"),
    ],
)
def test_complaints(tmp_path, make_one, options, words):
    net = make()
    with pytest.raises(ValueError, match=words):
        net.fit(*data(), callbacks=[make_one(tmp_path)], **options)
    assert net.steps == 0


def test_arguments_by_their_names_elsewhere():
    with pytest.raises(TypeError, match="did you mean 'restore_best'"):
        bp.EarlyStopping(restore_best_weights=True)
    with pytest.raises(TypeError, match="did you mean 'path'"):
        bp.Checkpoint(filepath="a")


# ---- Checkpoint --------------------------------------------------------------------------------


def test_training_goes_on_from_a_checkpoint_to_the_same_bits(tmp_path):
    X, y = data()
    path = tmp_path / "run.safetensors"
    whole, parts = make(), make()
    whole.fit(X, y, epochs=7, batch_size=8)

    def fails(network, history):
        if len(history.loss) == 4:
            raise RuntimeError("as if the machine had stopped")

    with pytest.raises(RuntimeError, match="as if"):
        parts.fit(X, y, epochs=7, batch_size=8, callbacks=[bp.Checkpoint(path), fails])
    resumed = bp.Network.load(path)
    assert resumed.epochs_trained == 3
    resumed.fit(X, y, epochs=4, batch_size=8)
    assert snapshot(resumed) == snapshot(whole)


def test_which_checkpoints_are_written_and_kept(tmp_path):
    X, y = data()
    every = bp.Checkpoint(tmp_path / "a-{epoch}.safetensors", every=3, keep=2)
    make().fit(X, y, epochs=10, callbacks=[every])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a-0009.safetensors", "a-0010.safetensors"]  # the last epoch too
    make().fit(X, y, epochs=4, callbacks=[bp.Checkpoint(tmp_path / "b{epoch}", every=2)])
    assert sorted(p.name for p in tmp_path.glob("b*")) == ["b0002", "b0004"]
    best = bp.Checkpoint(tmp_path / "c{epoch}", monitor="score", mode="min")
    values = prescribed([3, 4, 2, np.nan, 2, 5])
    make().fit(X, y, epochs=6, metrics=[values], callbacks=[best])
    assert sorted(p.name for p in tmp_path.glob("c*")) == ["c0001", "c0003"]
    assert bp.Network.load(tmp_path / "c0003").epochs_trained == 3


def test_a_checkpoint_that_cannot_be_written_is_told_before_training(tmp_path):
    net = make()
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        net.fit(*data(), callbacks=[bp.Checkpoint(tmp_path / "none" / "a")])
    assert net.steps == 0


# ---- logs --------------------------------------------------------------------------------------


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_csv_log(tmp_path):
    X, y = data()
    path, net = tmp_path / "log.csv", make()
    lengths = []
    history = net.fit(
        *(X, y), epochs=3, validation_data=(X, y), metrics=["f1"],
        callbacks=[bp.CSVLog(path), lambda *_: lengths.append(len(read(path)))],
    )  # fmt: skip
    assert lengths == [2, 3, 4]  # in the file as soon as the epoch is over
    header, *rows = read(path)
    assert header == ["epoch", "loss", "validation_loss", "validation_accuracy", "validation_f1"]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert [float(row[2]) for row in rows] == history.validation_loss
    options = {"validation_data": (X, y), "metrics": ["f1"]}
    net.fit(X, y, epochs=2, callbacks=[bp.CSVLog(path, append=True)], **options)
    assert [row[0] for row in read(path)[1:]] == ["1", "2", "3", "4", "5"]
    with pytest.raises(ValueError, match=r"has the columns epoch, .*expected epoch, loss, or"):
        net.fit(X, y, epochs=2, callbacks=[bp.CSVLog(path, append=True)])
    net.fit(X, y, epochs=1, callbacks=[bp.CSVLog(path)])
    assert len(read(path)) == 2


def test_tensor_board(tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import RecordWriter  # noqa: F401  (the format read below)

    X, y = data()
    history = make().fit(X, y, epochs=3, callbacks=[bp.TensorBoard(tmp_path)])
    (path,) = tmp_path.iterdir()
    found, content = [], path.read_bytes()
    while content:  # length (8 bytes), its checksum (4), the event, its checksum (4)
        size = int.from_bytes(content[:8], "little")
        event = Event.FromString(content[12 : 12 + size])
        found += [(event.step, v.tag, v.simple_value) for v in event.summary.value]
        content = content[16 + size :]
    assert found == [(i + 1, "loss", pytest.approx(v)) for i, v in enumerate(history.loss)]


def test_tensor_board_says_what_is_missing(monkeypatch, tmp_path):
    for name in ("tensorboardX", "torch.utils.tensorboard"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(ImportError, match="TensorBoard needs a writer: pip install tensorboardX"):
        bp.TensorBoard(tmp_path)


# ---- a learning rate to begin with -------------------------------------------------------------


def test_find_learning_rate():
    X, y = data(n=400)
    net = make()
    before = snapshot(net)
    found = bp.find_learning_rate(net, X, y, batch_size=32)
    assert snapshot(net) == before
    assert net.steps == 0
    assert found.rates == sorted(found.rates)
    assert found.rates[0] == 1e-6
    assert len(found.rates) == len(found.losses) <= 100
    assert found.suggestion in found.rates
    assert 1e-3 < found.suggestion < 1
    again = bp.find_learning_rate(net, X, y, batch_size=32)
    assert again == found
    trained, slow = make(), make()
    trained.optimizer, slow.optimizer = bp.Adam(found.suggestion), bp.Adam(1e-6)
    fast, crawling = (one.fit(X, y, epochs=5).loss[-1] for one in (trained, slow))
    assert fast < crawling / 2


def test_find_learning_rate_ends_where_training_diverges():
    X, y = data("squared_error", n=200)
    net = make("squared_error", optimizer="sgd")
    found = bp.find_learning_rate(net, X, y, highest=1e30, steps=300)
    assert len(found.rates) < 300
    assert found.suggestion < found.rates[-1] < 1e3
    with pytest.raises(ValueError, match=r"diverged at once.*lowest=1e\+37"):
        bp.find_learning_rate(net, 1e3 * X, 1e3 * y, lowest=1e37, highest=1e38)


def test_find_learning_rate_complains():
    X, y = data()
    for options, words in (
        ({"lowest": 0}, "lowest=0"),
        ({"highest": 1e-7}, "highest=1e-07: expected a finite number, above 1e-06"),
        ({"steps": 3}, "steps=3: expected an integer, at least 10"),
        ({"lowest": 1e5, "highest": 1e6}, "did not fall at any learning rate"),
    ):
        with pytest.raises(ValueError, match=words):
            bp.find_learning_rate(make(), X, y, **options)


def test_the_plot_of_the_rates():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    found = bp.find_learning_rate(make(), *data(n=200), batch_size=32)
    axes = found.plot()
    assert axes.get_xscale() == "log"
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), found.losses)
    matplotlib.pyplot.close("all")


def test_the_best_weights_have_what_a_norm_has_gathered():
    X, y = data()
    layers = [bp.Dense(7, "tanh", norm="batch"), bp.Dense(4)]
    net = bp.Network(6, layers, "softmax_cross_entropy", bp.SGD(0.5), "float64", seed=0)
    held, kept = (X[:20], y[:20]), []
    stop = bp.EarlyStopping(patience=50)

    def keep(net, history):
        kept.append(net.predict(X))

    history = net.fit(X[20:], y[20:], epochs=60, validation_data=held, callbacks=[stop, keep])
    best = int(np.argmin(history.validation_loss))
    assert best < 59
    np.testing.assert_array_equal(net.predict(X), kept[best])


def test_a_refusal_of_a_callback_leaves_the_history():
    net = make()
    net.fit(*data(), epochs=1)
    before = net.history
    with pytest.raises(ValueError, match="validation_split"):
        net.fit(*data(), epochs=1, callbacks=[bp.EarlyStopping()])
    with pytest.raises(TypeError, match="has the class EarlyStopping: expected an object of it"):
        net.fit(*data(), epochs=1, callbacks=[bp.EarlyStopping])
    assert net.history is before


def test_a_number_that_is_always_nan_is_told():
    stop = bp.EarlyStopping("validation_nothing", mode="min", patience=2)

    def nothing(y, predictions):
        return np.nan

    with pytest.warns(UserWarning, match="validation_nothing is nan, which is never the best"):
        make().fit(*data(), epochs=5, validation_split=0.2, metrics=[nothing], callbacks=[stop])


@pytest.mark.parametrize("name", ["loss", "seconds"])
def test_a_metric_may_not_take_a_columns_name(name):
    def metric(y, predictions):
        return 0

    metric.__name__ = name
    with pytest.raises(ValueError, match=f"the name '{name}' is another column's"):
        make().fit(*data(), epochs=1, metrics=[metric])


def test_a_metric_that_returns_nothing_is_named():
    def forgot(y, predictions):
        pass

    with pytest.raises(TypeError, match="metrics: forgot returned None, expected a number"):
        make().evaluate(*data(), metrics=[forgot])


def test_seeds_agree_on_a_learning_rate():
    """The first batches alone decide nothing."""
    X, y = load_digits()
    found = []
    for seed in range(10):
        layers = [bp.Dense(16, "relu"), bp.Dense(10)]
        net = bp.Network(64, layers, "softmax_cross_entropy", bp.SGD(0.1), seed=seed)
        found.append(bp.find_learning_rate(net, X / 16, y).suggestion)
    assert max(found) / min(found) < 30
    assert min(found) > 0.01
