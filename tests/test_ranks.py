"""Ranks, here threads of one process: the bits of one, and errors on all of them alike."""

import socket
import threading

import numpy as np
import pytest
from ranked import WEIGHT, X, Y, digest, network, own_rows, trained

import backprop as bp
from backprop.ranks import Communicator, InProcess, RankStopped, Sockets, agreement

OPTIMIZERS = [
    bp.SGD(0.1, momentum=0.9),
    bp.AdamW(1e-2, clip_norm=0.5, l2=1e-3),
    bp.Adam(1e-2, clip_value=0.01),
    bp.Muon(1e-2),
    bp.RMSprop(1e-3, schedule=bp.Cosine(3)),
    bp.Lion(1e-3, average=bp.EMA(0.9)),
    bp.Adadelta(),
]


def run(size, function, rows="shared"):
    return InProcess.run(size, function, rows=rows, timeout=20)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_ranks_have_the_bits_of_one_process(size, dtype):
    expected = trained(None, dtype=dtype)
    assert set(run(size, lambda ranks: trained(ranks, dtype=dtype))) == {expected}


@pytest.mark.parametrize("size", [1, 2, 4])
def test_own_rows_come_to_the_ranks_whose_shards_they_are_of(size):
    found = run(size, lambda ranks: trained(ranks, own_rows(ranks.rank, size)), rows="own")
    assert set(found) == {trained(None)}


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_ranks_train_with_optimizers_of_every_kind(optimizer):
    expected = trained(None, optimizer=optimizer)
    assert set(run(2, lambda ranks: trained(ranks, optimizer=optimizer))) == {expected}


@pytest.mark.parametrize("loss", ["squared_error", "huber", "own"])
def test_ranks_train_with_other_losses(loss):
    def half_squares(output, target):
        return ((output - target) ** 2).sum(axis=1) / 2, output - target

    def fit(ranks):
        net = network(loss=half_squares if loss == "own" else loss)
        net.fit(X, np.eye(3)[Y], epochs=2, batch_size=3, shards=4, ranks=ranks)
        return digest(net)

    assert set(run(4, fit)) == {fit(None)}  # of a batch of 3 one rank has nothing


def test_three_ranks_of_twelve_shards():
    def fit(ranks):
        net = network()
        net.fit(X, Y, epochs=2, shards=12, ranks=ranks)
        return digest(net)

    assert set(run(3, fit)) == {fit(None)}


def test_layers_with_a_max_norm_and_frozen_ones():
    def fit(ranks):
        layers = [bp.Dense(20, "relu", max_norm=0.5), bp.Dense(20, "relu", trainable=False)]
        net = bp.Network(9, [*layers, bp.Dense(3)], loss="softmax_cross_entropy", seed=1)
        net.fit(X, Y, epochs=2, shards=4, ranks=ranks)
        return digest(net)

    assert set(run(4, fit)) == {fit(None)}


def test_a_run_goes_on_with_another_number_of_ranks(tmp_path):
    path = tmp_path / "run.safetensors"

    def begin(ranks):
        rows = own_rows(ranks.rank, ranks.size)
        net = network()
        saving = [bp.Checkpoint(path, every_steps=2)]
        how = {"batch_size": 20, "shards": 4, "ranks": ranks, "callbacks": saving}
        net.fit(X[rows], Y[rows], epochs=2, **how)

    def go_on(ranks):
        rows = slice(None) if ranks is None else own_rows(ranks.rank, ranks.size)
        net = bp.Network.resume(path)
        net.fit(X[rows], Y[rows], epochs=4, batch_size=20, shards=4, ranks=ranks)
        return digest(net)

    whole = network()
    whole.fit(X, Y, epochs=4, batch_size=20, shards=4)
    run(4, begin, rows="own")
    assert set(run(2, go_on, rows="own")) == {digest(whole)}
    assert go_on(None) == digest(whole)


def test_every_rank_ends_at_the_same_epoch():
    def fit(ranks):
        stopping = bp.EarlyStopping(monitor="validation_loss", patience=1)
        history = network().fit(
            X, Y, epochs=30, shards=2, ranks=ranks, validation_data=(X, Y), callbacks=[stopping]
        )
        return len(history.loss), history.stopped

    assert set(run(2, fit)) == {fit(None)}


def test_a_clock_of_one_rank_decides_for_all():
    def fit(ranks):
        late = [lambda net, history: ranks.rank == 1 or len(history.loss) == 3]
        history = network().fit(X, Y, epochs=9, shards=2, ranks=ranks, callbacks=late)
        return len(history.loss)

    assert run(2, fit) == [3, 3]


def test_one_rank_reports_and_writes(tmp_path, capsys):
    def fit(ranks):
        saved = bp.CSVLog(tmp_path / f"{ranks.rank}.csv")
        network().fit(X, Y, epochs=2, shards=2, ranks=ranks, verbose=2, callbacks=[saved])

    run(2, fit)
    assert [path.name for path in tmp_path.iterdir()] == ["0.csv"]
    assert capsys.readouterr().err.count("epoch 2") == 1


# ---- what goes wrong ----------------------------------------------------------------------------


def errors(size, function, rows="shared"):
    """[what each rank raised]"""

    def caught(ranks):
        try:
            function(ranks)
        except BaseException as error:
            return f"{type(error).__name__}: {error}"
        return "nothing"

    return run(size, caught, rows=rows)


def test_a_number_that_is_not_finite_stops_all_before_anything():
    def fit(ranks):
        bad = X.copy()
        if ranks.rank == 1:
            bad[60, 2] = np.nan
        network().fit(bad, Y, shards=2, ranks=ranks)

    first, second = errors(2, fit)
    assert first == "RankStopped: rank 1: ValueError: X[60, 2] is nan: expected finite numbers"
    assert second == "ValueError: X[60, 2] is nan: expected finite numbers"


def test_ranks_diverge_at_the_same_step():
    steps = []

    def fit(ranks):
        net = network(loss="squared_error", optimizer=bp.SGD(1e9))
        try:
            net.fit(X, np.eye(3)[Y], epochs=9, shards=2, ranks=ranks)
        finally:
            steps.append(net.steps)

    found = errors(2, fit)
    assert all(message.startswith("FloatingPointError: the loss became") for message in found)
    assert len(set(steps)) == 1


def test_what_stops_one_rank_stops_all_before_the_same_step():
    nets, calls = {}, []

    def fit(ranks):
        def loss(output, target):
            if ranks.rank == 1:
                calls.append(len(output))
                if len(calls) == 5:
                    raise KeyboardInterrupt
            return ((output - target) ** 2).sum(axis=1) / 2, output - target

        net = nets[ranks.rank] = network(loss=loss)
        net.fit(X, np.eye(3)[Y], epochs=3, batch_size=20, shards=2, ranks=ranks)

    first, second = errors(2, fit)
    assert first == "RankStopped: rank 1 was stopped, and all others with it"
    assert second.startswith("KeyboardInterrupt")
    assert nets[0].steps == nets[1].steps == 4
    assert digest(nets[0]) == digest(nets[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, "ValueError: seed of rank 1 is 4: expected 3, as of rank 0"),
        ({"dtype": "float32"}, "ValueError: dtype of rank 1 is 'float32': expected 'float64', as"),
        ({"loss": "squared_error"}, "ValueError: loss of rank 1 is "),
        ({"optimizer": "sgd"}, "ValueError: optimizer of rank 1 is "),
    ],
)
def test_networks_that_differ_are_named_on_all_ranks(change, message):
    def fit(ranks):
        net = network(**(change if ranks.rank else {}))
        net.fit(X, np.eye(3)[Y], shards=2, ranks=ranks)

    for found in errors(2, fit):
        assert found.startswith(message), found


def test_weights_that_differ_are_named():
    def fit(ranks):
        net = network()
        net.layers[0].bias[...] = ranks.rank
        net.fit(X, Y, shards=2, ranks=ranks)

    for found in errors(2, fit):
        assert found.startswith("ValueError: SHA-256 of the weights of rank 1 is ")


@pytest.mark.parametrize(
    ("of_rank_1", "message"),
    [
        ((X[:100], Y[:100], None), "the ranks have [137, 100] rows: expected the same rows"),
        ((X, Y, WEIGHT), "sample_weight of rank 1 is rows of shape () and type float64: expected"),
        ((X.astype("float32"), Y, None), "X of rank 1 is rows of shape (9,) and type float32"),
    ],
)
def test_rows_that_do_not_fit_together_are_named_on_all_ranks(of_rank_1, message):
    def fit(ranks):
        x, y, weight = of_rank_1 if ranks.rank else (X, Y, None)
        network().fit(x, y, sample_weight=weight, shards=2, ranks=ranks)

    for found in errors(2, fit):
        assert message in found


def test_a_rank_with_no_rows_or_unknown_labels_stops_all():
    def fit(ranks):
        rows = slice(0, 0) if ranks.rank == 1 else slice(None)
        network().fit(X[rows], Y[rows], shards=2, ranks=ranks)

    first, second = errors(2, fit, rows="own")
    assert first == f"RankStopped: rank 1: {second}"

    def fit_labels(ranks):
        network().fit(X, Y + 5 * ranks.rank, shards=2, ranks=ranks)

    first, second = errors(2, fit_labels)
    assert first == f"RankStopped: rank 1: {second}"
    assert "y" in second


@pytest.mark.parametrize(
    ("size", "shards", "expected"),
    [(2, 1, "2, 4, 8, 16, 32, 64, 128, 256"), (3, 4, "3, 6, 12, 24, 48, 96, 192"), (2, 6, "2, 4,")],
)
def test_shards_that_are_no_node_of_the_tree(size, shards, expected):
    def fit(ranks):
        network().fit(X, Y, shards=shards, ranks=ranks)

    for found in errors(size, fit):
        assert f"shards={shards} on {size} ranks: expected {expected}" in found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation_split": 0.2}, 'validation_split=0.2 with rows="own": expected validation'),
        ({"class_weight": "balanced"}, "class_weight='balanced' with rows=\"own\": expected a"),
        ({"metrics": ["accuracy"]}, 'metrics with rows="own": expected validation_data'),
    ],
)
def test_what_own_rows_do_not_tell(options, message):
    def fit(ranks):
        network().fit(X, Y, shards=2, ranks=ranks, **options)

    for found in errors(2, fit, rows="own"):
        assert message in found


def test_ranks_that_are_none():
    with pytest.raises(TypeError, match=r"ranks=2: expected a communicator such as bp\.ranks\.MPI"):
        network().fit(X, Y, shards=2, ranks=2)


def test_validation_data_may_not_be_a_source():
    def function(ranks):
        held_out = bp.sources.blocks([(X, Y)])
        network().fit(X, Y, shards=2, ranks=ranks, validation_data=held_out)

    with pytest.raises(ValueError, match="validation_data is a source: expected arrays with ranks"):
        run(2, function)


def test_a_thread_that_raises_lets_the_others_go():
    def function(ranks):
        if ranks.rank == 1:
            raise OSError("gone")
        ranks.barrier()

    with pytest.raises(OSError, match="gone"):
        run(3, function)
    assert not [one for one in threading.enumerate() if one.name.startswith("rank ")]


def test_what_carries_bytes_is_a_communicator():
    def function(ranks):
        assert isinstance(ranks, Communicator)
        told = agreement.told(ranks, {"rank": ranks.rank, "text": "ä" * ranks.rank})
        assert told == [{"rank": r, "text": "ä" * r} for r in range(3)]
        sent, received = np.arange(6) + 10 * ranks.rank, np.full(6, -1)
        of_each = np.array([0, 1, 3, 6])  # one number for rank 0, two for rank 1, three for rank 2
        own = of_each[ranks.rank + 1] - of_each[ranks.rank]
        ranks.exchange(sent, of_each, received, np.arange(4) * own)
        for other in {0, 1, 2} - {ranks.rank}:
            piece = slice(*of_each[ranks.rank : ranks.rank + 2])
            expected = np.arange(6)[piece] + 10 * other
            assert received[other * own : (other + 1) * own].tolist() == expected.tolist()

    run(3, function)


# ---- TCP ----------------------------------------------------------------------------------------


def by_sockets(size, function, timeout=5.0):
    """[what each rank returns or raises], connected over TCP."""
    listeners = [Sockets.listen("127.0.0.1") for _ in range(size)]
    addresses = [one.getsockname() for one in listeners]
    found = [None] * size

    def one(rank):
        try:
            ranks = Sockets(listeners[rank], addresses, rank, b"key", timeout=timeout)
            found[rank] = function(ranks)
        except Exception as error:
            found[rank] = error
        finally:
            listeners[rank].close()

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    return threads, addresses, found


def joined(threads):
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_sockets_have_the_bits_of_one_process():
    threads, _, found = by_sockets(4, trained)
    joined(threads)
    assert set(found) == {trained(None)}


def test_strangers_who_connect_are_sent_away():
    listener = Sockets.listen("127.0.0.1")
    other = Sockets.listen("127.0.0.1")
    addresses = [listener.getsockname(), other.getsockname()]
    silent = socket.create_connection(addresses[0])
    wrong = socket.create_connection(addresses[0])
    wrong.sendall(b"x" * 100)
    found = {}

    def one(rank, own):
        found[rank] = trained_two(Sockets(own, addresses, rank, b"key", timeout=20))

    threads = [
        threading.Thread(target=one, args=(rank, own)) for rank, own in enumerate((listener, other))
    ]
    for thread in threads:
        thread.start()
    joined(threads)
    for one in (silent, wrong, listener, other):
        one.close()
    assert found[0] == found[1] == trained_two(None)


def trained_two(ranks):
    net = network()
    net.fit(X, Y, epochs=1, shards=2, ranks=ranks)
    return digest(net)


def test_a_rank_without_the_key_or_that_does_not_come():
    listener = Sockets.listen("127.0.0.1")
    here = listener.getsockname()
    with pytest.raises(TimeoutError, match=r"rank 0 has waited 0\.5 s for rank 1 to connect"):
        Sockets(listener, [here, here], 0, b"key", timeout=0.5)
    with pytest.raises(TimeoutError, match=r"rank 1 has waited 0\.5 s for rank 0 to listen"):
        Sockets(Sockets.listen("127.0.0.1"), [here, here], 1, b"another", timeout=0.5)
    listener.close()


def test_a_rank_that_is_gone_breaks_the_communicator():
    def function(ranks):
        if ranks.rank == 1:
            ranks.close()
            return None
        with pytest.raises(RankStopped, match="rank 1 is gone, and rank 0 waits for it"):
            ranks.barrier()
        with pytest.raises(RankStopped, match="this communicator has failed before, by RankStop"):
            network().fit(X, Y, shards=2, ranks=ranks)

    threads, _, found = by_sockets(2, function)
    joined(threads)
    assert found == [None, None]


def test_ranks_that_were_given_other_rows_say_so():
    def fit(ranks):
        network().fit(X + ranks.rank, Y, shards=2, ranks=ranks)

    for found in errors(2, fit):
        assert found.startswith("ValueError: SHA-256 of rows of rank 1 is ")
