"""A run that is resumed from any checkpoint has the bits of one that was never interrupted."""

import shutil

import numpy as np
import pytest
from networks import data

import backprop as bp
from backprop.storage import ModelFileError

EVERYTHING = [
    bp.Dense(9, "tanh", dropout=0.3, norm="batch", noise=0.1),
    bp.Dense(9, "prelu", residual=True, norm="layer", max_norm=2),
    bp.Dense(4),
]
OPTIMIZERS = {
    "adam": bp.Adam(0.01),
    "accumulate": bp.SGD(0.1, momentum=0.9, accumulate=3, clip_norm=1.0, average=bp.EMA(0.9)),
    "swa": bp.AdamW(0.01, average=bp.SWA(1), schedule=bp.OneCycle(40)),
    "plateau": bp.NAdam(0.01, schedule=bp.OnPlateau(patience=0, ratio=0.5)),
    "by epoch": bp.Muon(0.01, schedule=bp.StepDecay(2, per="epoch")),
}


class Kept(bp.Checkpoint):
    """Keeps every file that it writes, under a name of its own."""

    def __init__(self, path, **options):
        super().__init__(path, **options)
        self.copies = []

    def _save(self, training):
        super()._save(training)
        self.copies.append(f"{self.path}.{len(self.copies)}")
        shutil.copy(self.path, self.copies[-1])


def network(optimizer, layers=EVERYTHING, **options):
    options = {"dtype": "float64", "seed": 5, "input_dropout": 0.1, **options}
    return bp.Network(6, layers, "softmax_cross_entropy", optimizer, **options)


def callbacks(folder, checkpoint):
    stop = bp.EarlyStopping(patience=50)
    return [checkpoint, bp.CSVLog(folder / "log.csv"), stop]


def fit(net, X, y, folder, checkpoint, **options):
    given = callbacks(folder, checkpoint)
    settings = {
        "epochs": 5,
        "batch_size": 8,
        "validation_split": 0.2,
        "metrics": ["f1"],
        "sample_weight": 1 + np.arange(len(X)) % 3,
        "callbacks": given,
        **options,
    }
    net.fit(X, y, **settings)
    return given[-1]


def bits(net, folder, stop):
    """What the run has made: the network's file, the history without times, the log, the best."""
    net.save(folder / "bits")
    history = {n: v for n, v in net.history.columns.items() if n != "seconds"}
    log = (folder / "log.csv").read_text()
    return (folder / "bits").read_bytes(), history, log, stop.best_epoch, stop.best


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_run_goes_on_from_every_checkpoint_to_the_same_bits(tmp_path, optimizer, shuffle):
    X, y = data(n=71)
    plain = network(optimizer)
    stop = fit(plain, X, y, tmp_path, bp.Checkpoint(tmp_path / "x"), shuffle=shuffle)
    expected = bits(plain, tmp_path, stop)
    kept = Kept(tmp_path / "run", every_steps=1)
    whole = network(optimizer)
    stop = fit(whole, X, y, tmp_path, kept, shuffle=shuffle)
    assert bits(whole, tmp_path, stop) == expected  # pieces of an epoch are the epoch
    assert len(kept.copies) > 10
    for path in kept.copies:
        net = bp.Network.resume(path)
        again = bp.Checkpoint(tmp_path / "run", every_steps=2)
        stop = fit(net, X, y, tmp_path, again, shuffle=shuffle)
        assert bits(net, tmp_path, stop) == expected


def test_early_stopping_and_the_files_kept_go_on(tmp_path):
    X, y = data(n=60)
    values = iter([5.0, 4, 3, 4, 5, 6, 7])

    def score(y, predictions):
        return next(values)

    def given():
        stop = bp.EarlyStopping("validation_score", patience=3, mode="min")
        return [stop, bp.Checkpoint(tmp_path / "c{epoch}", keep=2)]

    def ends(net, history):
        if len(history.loss) == 5:
            raise RuntimeError

    settings = {"epochs": 20, "validation_split": 0.2, "metrics": [score]}
    net = network("adam")
    with pytest.raises(RuntimeError):
        net.fit(X, y, **settings, callbacks=[*given(), ends])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c0003", "c0004"]
    best = bp.Network.load(tmp_path / "c0003").get_weights()
    values = iter([5.0, 6, 7])
    again = given()
    net = bp.Network.resume(tmp_path / "c0004")
    net.fit(X, y, **settings, callbacks=again)
    assert again[0].best_epoch == 2
    assert net.history.stopped == "EarlyStopping"
    assert net.history.metrics["validation_score"] == [5, 4, 3, 4, 5, 6]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c0005", "c0006"]
    for array, expected in zip(net.get_weights(), best, strict=True):
        np.testing.assert_array_equal(array, expected)
    # a run that has ended has nothing left but to put the best weights back
    net = bp.Network.resume(tmp_path / "c0006")
    net.fit(X, y, **settings, callbacks=given())
    assert net.history.stopped == "EarlyStopping"
    for array, expected in zip(net.get_weights(), best, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_a_callback_of_ones_own_remembers(tmp_path):
    class Sum(bp.Callback):
        def __init__(self):
            self.total, self.seen = 0.0, np.zeros(0)

        def on_epoch_end(self, epoch, logs):
            self.total += logs["loss"]
            self.seen = np.append(self.seen, epoch)

        def get_state(self):
            return {"total": self.total, "seen": self.seen, "words": ["a", None, True, 3]}

        def set_state(self, state):
            assert state["words"] == ["a", None, True, 3]
            self.total, self.seen = state["total"], state["seen"]

    X, y = data()
    whole, part, rest = Sum(), Sum(), Sum()
    network("adam").fit(X, y, epochs=4, callbacks=[whole])
    network("adam").fit(X, y, epochs=2, callbacks=[part, bp.Checkpoint(tmp_path / "run")])
    net = bp.Network.resume(tmp_path / "run")
    net.fit(X, y, epochs=4, callbacks=[rest, bp.Checkpoint(tmp_path / "run")])
    assert rest.total == whole.total
    np.testing.assert_array_equal(rest.seen, [0, 1, 2, 3])


def test_an_optimizer_that_a_callback_changes_goes_on(tmp_path):
    def decay(net, history):
        net.optimizer = bp.Adam(net.optimizer.learning_rate * 0.5)

    X, y = data()
    whole, part = network("adam"), network("adam")
    whole.fit(X, y, epochs=4, callbacks=[decay])
    part.fit(X, y, epochs=2, callbacks=[decay, bp.Checkpoint(tmp_path / "run")])
    net = bp.Network.resume(tmp_path / "run")
    net.fit(X, y, epochs=4, callbacks=[decay])
    for array, expected in zip(net.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(array, expected)


@pytest.fixture(name="run")
def _run(tmp_path):
    """The path of a checkpoint, and what its fit was called with."""
    X, y = data(n=40)
    given = {"X": X, "y": y, "epochs": 2, "batch_size": 8, "validation_data": (X[:5], y[:5])}
    bp_callbacks = [bp.Checkpoint(tmp_path / "run"), bp.EarlyStopping()]
    network("adam").fit(**given, callbacks=bp_callbacks)
    return tmp_path / "run", given


def other(array):
    array = array.copy()
    array[-1] = array[0]
    return array


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: {"X": other(g["X"])}, "X has other numbers: expected those of the run"),
        (lambda g: {"X": g["X"].astype("f4")}, "X has dtype <f4: expected dtype <f8"),
        (lambda g: {"X": g["X"][:-1], "y": g["y"][:-1]}, r"X has shape \(39, 6\): .*\(40, 6\)"),
        (lambda g: {"y": 3 - g["y"]}, "y has other numbers"),
        (
            lambda g: {"sample_weight": np.ones(40)},
            r"sample_weight is one of shape \(40,\): .*none",
        ),
        (lambda g: {"validation_data": (g["X"], g["y"])}, r"validation X has shape \(40, 6\)"),
        (lambda g: {"validation_data": None}, "validation X is none: expected what the run had"),
        (lambda g: {"batch_size": 9}, "batch_size is 9: expected 8, as in the run"),
        (lambda g: {"shuffle": False}, "shuffle is False: expected True"),
        (lambda g: {"metrics": ["f1"]}, r"metrics is \['f1'\]: expected \[\]"),
        (lambda g: {"callbacks": []}, "callbacks: expected EarlyStopping, .* got none"),
    ],
)
def test_what_is_another_than_it_was_is_named(run, change, words):
    path, given = run
    net = bp.Network.resume(path)
    remembering = [bp.Checkpoint(path), bp.EarlyStopping()]
    before = net.get_weights()
    with pytest.raises(ValueError, match=words):
        net.fit(**{**given, "callbacks": remembering, "epochs": 4, **change(given)})
    for array, old in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, old)
    assert net.history is None
    net.fit(**{**given, "callbacks": remembering, "epochs": 4})  # it can still go on
    assert len(net.history.loss) == 4


def test_another_optimizer_or_training_since_is_named(run):
    path, given = run
    remembering = [bp.Checkpoint(path), bp.EarlyStopping()]
    net = bp.Network.resume(path)
    net.optimizer = bp.Adam(0.5)
    with pytest.raises(ValueError, match=r"optimizer is .*0\.5.*: expected .*0\.001"):
        net.fit(**given, callbacks=remembering)
    net = bp.Network.resume(path)
    net.train_step(given["X"], given["y"])
    with pytest.raises(ValueError, match="it has 11 steps, expected 10"):
        net.fit(**given, callbacks=remembering)


def test_what_holds_no_run_is_refused(tmp_path, run):
    network("adam").save(tmp_path / "model")
    with pytest.raises(ModelFileError, match="holds a network and no run to resume"):
        bp.Network.resume(tmp_path / "model")
    net = bp.Network.load(run[0])  # the network of a checkpoint, to go another way
    net.fit(run[1]["X"], run[1]["y"], epochs=1)
    assert len(net.history.loss) == 1


def test_a_loss_that_is_not_finite_within_a_piece_ends_the_run(tmp_path):
    net = bp.Network(6, bp.Dense(1), optimizer=bp.SGD(0.1), dtype="float64", seed=0)
    X, y = data(n=64)[0], np.zeros(64)
    y[40] = 1e200
    checkpoint = bp.Checkpoint(tmp_path / "run", every_steps=2)
    with pytest.raises(FloatingPointError, match="the loss became inf in epoch 1"):
        net.fit(X, y, batch_size=8, shuffle=False, callbacks=[checkpoint])
    assert bp.Network.load(tmp_path / "run").steps == 4


def test_lbfgs_has_no_run(tmp_path):
    pytest.importorskip("scipy", reason="scipy is not installed")
    X, y = data()
    net = bp.Network(6, bp.Dense(4), "softmax_cross_entropy", bp.LBFGS())
    net.fit(X, y, epochs=3, callbacks=[bp.Checkpoint(tmp_path / "a")])
    assert bp.Network.load(tmp_path / "a").steps == 3
    with pytest.raises(ModelFileError, match="no run to resume"):
        bp.Network.resume(tmp_path / "a")


def test_a_log_that_lacks_lines_is_refused(tmp_path):
    X, y = data()
    given = [bp.CSVLog(tmp_path / "log.csv"), bp.Checkpoint(tmp_path / "run")]
    network("adam").fit(X, y, epochs=3, callbacks=given)
    (tmp_path / "log.csv").write_text("epoch,loss\n")
    with pytest.raises(ValueError, match="has 1 lines: expected the 4 of the run"):
        bp.Network.resume(tmp_path / "run").fit(X, y, epochs=4, callbacks=given)


def test_the_bar_goes_on_where_the_run_stood(tmp_path, capsys):
    X, y = data(n=40)
    given = {"epochs": 2, "batch_size": 8, "callbacks": [bp.Checkpoint(tmp_path / "run")]}
    network("adam").fit(X, y, **given)
    bp.Network.resume(tmp_path / "run").fit(X, y, **{**given, "epochs": 3}, verbose=2)
    assert capsys.readouterr().err.startswith("epoch 3/3")


def test_a_run_that_a_limit_has_ended_goes_on(tmp_path):
    X, y = data()
    whole, part = network("adam"), network("adam")
    whole.fit(X, y, epochs=5)
    checkpoint = [bp.Checkpoint(tmp_path / "run")]
    part.fit(X, y, epochs=5, max_seconds=0, callbacks=checkpoint)
    assert len(part.history.loss) == 1
    net = bp.Network.resume(tmp_path / "run")
    net.fit(X, y, epochs=5, callbacks=checkpoint)
    assert net.history.stopped is None
    assert net.history.loss == whole.history.loss


def test_more_patience_goes_on(tmp_path):
    X, y = data(n=60)
    values = iter([1.0, *range(2, 40)])

    def worse(y, predictions):
        return float(next(values))

    def fit(net, patience):
        stop = bp.EarlyStopping("validation_worse", patience=patience, mode="min")
        given = [stop, bp.Checkpoint(tmp_path / "run")]
        net.fit(X, y, epochs=12, validation_split=0.3, metrics=[worse], callbacks=given)

    net = network("adam")
    fit(net, 2)
    assert (net.history.stopped, len(net.history.loss)) == ("EarlyStopping", 3)
    net = bp.Network.resume(tmp_path / "run")
    fit(net, 4)
    assert (net.history.stopped, len(net.history.loss)) == ("EarlyStopping", 5)


def test_a_callback_that_refuses_leaves_the_run(run, tmp_path):
    path, given = run
    net = bp.Network.resume(path)
    given = {**given, "epochs": 3}
    with pytest.raises(FileNotFoundError):
        net.fit(**given, callbacks=[bp.Checkpoint(tmp_path / "none" / "x"), bp.EarlyStopping()])
    assert net.history is None
    net.fit(**given, callbacks=[bp.Checkpoint(path), bp.EarlyStopping()])
    assert (len(net.history.loss), net.epochs_trained) == (3, 3)


def test_fewer_epochs_than_are_done(run):
    path, given = run
    net = bp.Network.resume(path)
    with pytest.raises(ValueError, match="epochs=1: the run that is resumed has done 2"):
        net.fit(**{**given, "epochs": 1}, callbacks=[bp.EarlyStopping()])


@pytest.mark.parametrize(
    ("state", "error"),
    [({"a": object()}, "get_state.. has <object"), ({"a": {0: 1}}, "get_state.. has the key 0")],
)
def test_a_state_that_cannot_be_kept_is_named(tmp_path, state, error):
    class Own(bp.Callback):
        def get_state(self):
            return state

    with pytest.raises(TypeError, match=f"Own.{error}"):
        network("adam").fit(*data(), epochs=1, callbacks=[Own(), bp.Checkpoint(tmp_path / "a")])


def test_a_state_of_numpys_numbers_and_tuples(tmp_path):
    seen = []

    class Own(bp.Callback):
        def get_state(self):
            return {"a": np.int64(3), "b": np.float32(0.1), "c": (1, [2.5, None])}

        def set_state(self, state):
            seen.append(state)

    X, y = data()
    given = [Own(), bp.Checkpoint(tmp_path / "a")]
    network("adam").fit(X, y, epochs=1, callbacks=given)
    bp.Network.resume(tmp_path / "a").fit(X, y, epochs=2, callbacks=given)
    assert seen == [{"a": 3, "b": float(np.float32(0.1)), "c": (1, [2.5, None])}]


def test_files_of_epochs_under_way(tmp_path):
    X, y = data(n=64)
    given = [bp.Checkpoint(tmp_path / "e{epoch:02d}", every_steps=3)]
    network("adam").fit(X, y, epochs=2, batch_size=8, callbacks=given)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e01", "e02"]
    assert [bp.Network.load(tmp_path / f"e0{i}").steps for i in (1, 2)] == [8, 16]


def test_two_intervals(tmp_path):
    X, y = data(n=64)
    few, many = Kept(tmp_path / "few", every_steps=4), Kept(tmp_path / "many", every_steps=2)
    network("adam").fit(X, y, epochs=1, batch_size=8, callbacks=[few, many])
    steps = [[bp.Network.load(path).steps for path in one.copies] for one in (few, many)]
    assert steps == [[4, 8], [2, 4, 6, 8]]
