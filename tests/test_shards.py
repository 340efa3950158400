"""Shards: parts of a batch whose gradients are summed by themselves, then along a tree."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranked import WEIGHT, X, Y, digest, network

import backprop as bp
from backprop import reference
from backprop.reference_random import dealt, shard_orders


@pytest.mark.parametrize("batch_size", [10, 32, 137])
@pytest.mark.parametrize("shards", [2, 3, 7, 32])
def test_shards_train_as_the_reference(shards, batch_size):
    nets = network(), network(reference.Network)
    how = {"epochs": 3, "batch_size": batch_size, "sample_weight": WEIGHT, "shards": shards}
    found, expected = (net.fit(X, Y, **how) for net in nets)
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-12)
    for one, other in zip(*(net.layers for net in nets), strict=True):
        np.testing.assert_allclose(one.weights, other.weights, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shards_have_the_same_bits_on_any_number_of_threads(dtype):
    found = set()
    for n_threads in (1, 2, 3, 8):
        net = network(dtype=dtype, n_threads=n_threads)
        net.fit(X, Y, epochs=3, batch_size=50, sample_weight=WEIGHT, shards=5)
        found.add(digest(net))
    assert len(found) == 1


def test_the_number_of_shards_is_a_parameter_of_the_algorithm():
    found = set()
    for shards in (1, 2, 4):
        net = network()
        net.fit(X, Y, epochs=1, shards=shards)
        found.add(digest(net))
    assert len(found) == 3


@pytest.mark.parametrize(
    "optimizer",
    [
        bp.SGD(0.1, momentum=0.9),
        bp.AdamW(1e-2, clip_norm=0.5),
        bp.Adam(1e-2, clip_value=0.01),
        bp.Muon(1e-2),
        bp.RMSprop(1e-3, schedule=bp.Cosine(3)),
        bp.Lion(1e-3, average=bp.EMA(0.9)),
    ],
    ids=lambda o: type(o).__name__,
)
def test_shards_train_with_optimizers_of_every_kind(optimizer):
    nets = [network(kind, optimizer=optimizer) for kind in (bp.Network, reference.Network)]
    for net in nets:
        net.fit(X, Y, epochs=2, batch_size=30, shards=4)
    for one, other in zip(*(net.layers for net in nets), strict=True):
        np.testing.assert_allclose(one.weights, other.weights, rtol=0, atol=1e-11)


def test_a_loss_of_ones_own_sees_each_batch_once():
    sizes = []

    def halves(output, target):
        sizes.append(len(output))
        return ((output - target) ** 2).sum(axis=1) / 2, output - target

    target = np.eye(3)[Y]
    nets = [network(loss=loss) for loss in (halves, "squared_error")]
    for net in nets:
        net.fit(X, target, epochs=2, batch_size=50, shards=4)
    assert sizes == [50, 50, 37] * 2
    for one, other in zip(*(net.layers for net in nets), strict=True):
        np.testing.assert_allclose(one.weights, other.weights, rtol=0, atol=1e-12)


def test_pieces_of_an_epoch_are_the_epoch(tmp_path):
    """Checkpoints within an epoch train it in pieces."""
    whole, in_pieces = network(), network()
    whole.fit(X, Y, epochs=2, batch_size=20, shards=3)
    checkpoint = bp.Checkpoint(tmp_path / "run.safetensors", every_steps=2)
    in_pieces.fit(X, Y, epochs=2, batch_size=20, shards=3, callbacks=[checkpoint])
    assert digest(whole) == digest(in_pieces)


def test_a_run_is_resumed_with_as_many_shards(tmp_path):
    path, whole = tmp_path / "run.safetensors", network()
    whole.fit(X, Y, epochs=4, batch_size=20, shards=3)
    begun = network()
    begun.fit(X, Y, epochs=2, batch_size=20, shards=3, callbacks=[bp.Checkpoint(path)])
    resumed = bp.Network.resume(path)
    with pytest.raises(ValueError, match="shards is 1: expected 3, as in the run that is resumed"):
        resumed.fit(X, Y, epochs=4, batch_size=20)
    resumed.fit(X, Y, epochs=4, batch_size=20, shards=3)
    assert digest(resumed) == digest(whole)


@given(st.integers(0, 300), st.integers(1, 20), st.integers(1, 64))
@settings(max_examples=60, deadline=None)
def test_every_row_comes_once_an_epoch(n, count, batch_size):
    """In batches of the size that was asked for, of which every shard has its part, to one row."""
    batches = dealt(shard_orders(3, 0, n, count, True), batch_size)
    rows = [row for batch in batches for shard in batch for row in shard]
    assert sorted(rows) == list(range(n))
    sizes = [sum(map(len, batch)) for batch in batches]
    assert sizes == [min(batch_size, n - start) for start in range(0, n, batch_size)]
    for batch in batches:
        lengths = list(map(len, batch))
        assert max(lengths) - min(lengths) <= 1


def test_a_shard_trains_its_own_piece_of_the_rows():
    orders = shard_orders(3, 0, 10, 4, shuffled=False)
    assert [order.tolist() for order in orders] == [[0, 1, 2], [3, 4, 5], [6, 7], [8, 9]]
    drawn = shard_orders(3, 5, 1000, 4, shuffled=True)
    for before, after in itertools.pairwise(drawn):
        assert max(before) < min(after)


@pytest.mark.parametrize(
    ("change", "asked", "message"),
    [
        ({}, 0, "shards=0: expected an integer, from 1 to 256"),
        ({}, 257, "shards=257: expected an integer, from 1 to 256"),
        ({"matmul": "blas"}, 2, 'shards=2 with matmul="blas": expected "fused" or "auto"'),
        ({"optimizer": bp.Adam(accumulate=3)}, 2, "shards=2 with accumulate=3: expected 1 and a"),
        ({"optimizer": bp.LBFGS()}, 2, "it takes all rows as one batch"),
    ],
)
def test_what_cannot_have_shards_says_so(change, asked, message):
    net = bp.Network(9, [bp.Dense(4), bp.Dense(3)], loss="softmax_cross_entropy", seed=1, **change)
    before = digest(net)
    with pytest.raises(ValueError, match=message):
        net.fit(X, Y, shards=asked)
    assert digest(net) == before


def test_a_norm_over_the_batch_says_so():
    net = bp.Network(9, [bp.Dense(4, norm="batch"), bp.Dense(3)], loss="softmax_cross_entropy")
    with pytest.raises(ValueError, match=r"layers\[0\] norm='batch', which takes its mean over"):
        net.fit(X, Y, shards=2)
