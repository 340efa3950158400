"""Clipped gradients, and steps of several batches: both keep the gradients until the step."""

import numpy as np
import pytest
from networks import printed

import backprop as bp
from backprop import reference

RANDOM = np.random.default_rng(4)
X = RANDOM.normal(size=(101, 13))
Y = RANDOM.integers(0, 3, 101)
WEIGHTS = RANDOM.uniform(0, 2, 101)
LAYERS = [bp.Dense(33, "tanh", dropout=0.2), bp.Dense(70, "relu"), bp.Dense(3)]
OPTIMIZERS = {
    "norm": bp.Adam(0.01, clip_norm=0.2),
    "value": bp.SGD(0.1, 0.9, clip_value=0.01),
    "both, decay": bp.SGD(0.1, clip_norm=0.05, clip_value=0.01, l2=0.1, l1=0.1, weight_decay=0.1),
    "accumulated": bp.Adam(0.01, accumulate=3, l2=0.3, schedule=bp.Cosine(20)),
    "all": bp.RMSprop(0.003, accumulate=2, clip_norm=0.1, clip_value=0.02),
}
each_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=list(OPTIMIZERS))


def network(optimizer, kind=bp.Network, layers=LAYERS, **settings):
    usual = {"loss": "softmax_cross_entropy", "dtype": "float64", "seed": 3}
    return kind(13, layers, optimizer=optimizer, **{**usual, **settings})


def plain(optimizer, **settings):
    """Without dropout, whose masks depend on the number of the batch."""
    return network(optimizer, layers=[bp.Dense(33, "tanh"), bp.Dense(3)], **settings)


def parameters(net):
    return [array for layer in net.layers for array in (layer.weights, layer.bias)]


def assert_same_bits(one, other):
    for a, b in zip(parameters(one), parameters(other), strict=True):
        np.testing.assert_array_equal(a, b)


@each_optimizer
@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_epochs_are_those_of_the_reference(optimizer, dtype, matmul):
    fast = network(optimizer, dtype=dtype, matmul=matmul)
    exact = network(optimizer, reference.Network)
    for mine, its in zip(parameters(fast), parameters(exact), strict=True):
        its[...] = mine
    fit = {"epochs": 3, "batch_size": 16, "sample_weight": WEIGHTS}
    found, expected = (net.fit(X, Y, **fit).loss for net in (fast, exact))
    tolerance = {"rtol": 1e-10, "atol": 1e-13} if dtype == "float64" else {"atol": 2e-5, "rtol": 0}
    np.testing.assert_allclose(found, expected, **tolerance)
    for mine, its in zip(parameters(fast), parameters(exact), strict=True):
        np.testing.assert_allclose(mine, its, **tolerance)
    assert fast.steps == exact.steps == 3 * -(-7 // optimizer.accumulate)


@each_optimizer
@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_the_same_bits_on_any_number_of_threads(optimizer, n_threads):
    one, other = (network(optimizer, dtype="float32", n_threads=n) for n in (1, n_threads))
    for net in (one, other):
        net.fit(X, Y, epochs=3, batch_size=16, sample_weight=WEIGHTS)
    assert_same_bits(one, other)


def test_the_same_bits_on_every_instruction_set_that_fuses():
    program = (
        "import hashlib; import test_clipping as t;"
        "nets = [t.network(o, dtype='float32') for o in t.OPTIMIZERS.values()];"
        "[net.fit(t.X, t.Y, epochs=2, batch_size=16) for net in nets];"
        "print([hashlib.sha256(b''.join(p.tobytes() for p in t.parameters(net))).hexdigest()"
        " for net in nets])"
    )
    assert len(printed(program)) <= 1


# ---- clipping ----------------------------------------------------------------------------------


def one_step(optimizer):
    """How far a step of plain gradient descent moves, as one array."""
    net = plain(optimizer)
    before = np.concatenate([array.ravel() for array in parameters(net)])
    net.train_step(X, Y, WEIGHTS)
    return before - np.concatenate([array.ravel() for array in parameters(net)])


def test_a_step_is_no_longer_than_the_norm():
    free = one_step(bp.SGD(1.0))
    norm = np.linalg.norm(free)
    clipped = one_step(bp.SGD(1.0, clip_norm=norm / 4))
    assert np.linalg.norm(clipped) == pytest.approx(norm / 4, rel=1e-5)
    np.testing.assert_allclose(clipped, free / 4, rtol=1e-5)
    loose = one_step(bp.SGD(1.0, clip_norm=2 * norm))
    np.testing.assert_allclose(loose, free, rtol=1e-9, atol=1e-14)


def test_no_gradient_exceeds_the_value():
    free = one_step(bp.SGD(1.0))
    bound = float(np.median(np.abs(free)))
    clipped = one_step(bp.SGD(1.0, clip_value=bound))
    np.testing.assert_allclose(clipped, np.clip(free, -bound, bound), rtol=1e-12, atol=1e-16)
    assert np.abs(clipped).max() == pytest.approx(bound, rel=1e-12)


def test_a_value_is_clipped_before_the_norm():
    free = one_step(bp.SGD(1.0))
    bound = float(np.median(np.abs(free)))
    expected = np.clip(free, -bound, bound)
    most = np.linalg.norm(expected) / 3
    clipped = one_step(bp.SGD(1.0, clip_norm=most, clip_value=bound))
    np.testing.assert_allclose(clipped, expected / 3, rtol=1e-5, atol=1e-16)


def test_update_clips_what_backward_kept():
    own = bp.SGD(0.5, clip_norm=0.1)
    nets = plain(own), network(own, reference.Network, [bp.Dense(33, "tanh"), bp.Dense(3)])
    for net in nets:
        net.backward(net.forward(X) ** 3)
        net.update()
    for mine, its in zip(parameters(nets[0]), parameters(nets[1]), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-10, atol=1e-13)
    kept = np.concatenate([part.ravel() for pair in nets[0].gradients() for part in pair])
    assert np.linalg.norm(kept) == pytest.approx(0.1, rel=1e-5)  # as the step took them


def test_an_infinite_gradient_is_refused_before_it_is_clipped():
    net = plain(bp.SGD(0.1, clip_norm=1.0, clip_value=1.0))
    before = net.get_weights()
    net.forward(X)
    net.backward(np.full((len(X), 3), np.inf))
    with pytest.raises(FloatingPointError, match=r"gradients\(\)\[0\]\.weights\[0, 0\] is"):
        net.update()
    for array, old in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("name", ["clip_norm", "clip_value"])
@pytest.mark.parametrize("value", [0, -1.0, float("inf"), float("nan")])
def test_a_limit_outside_its_domain_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name}="):
        bp.Adam(**{name: value})


# ---- accumulation ------------------------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_several_batches_have_the_bits_of_one_as_large(dtype, n_threads):
    """Where both keep their gradients: each sum is one chain over all samples. 101 rows, 9 left."""
    settings = {"dtype": dtype, "n_threads": n_threads}
    parted = plain(bp.Adam(0.01, accumulate=3, clip_norm=0.5), **settings)
    whole = plain(bp.Adam(0.01, clip_norm=0.5), **settings)
    parted.fit(X, Y, epochs=3, batch_size=16)
    whole.fit(X, Y, epochs=3, batch_size=48)
    assert_same_bits(parted, whole)
    assert parted.steps == whole.steps == 9


def test_several_batches_are_one_as_large_to_rounding():
    parted, whole = plain(bp.Adam(0.01, accumulate=3, l2=0.5)), plain(bp.Adam(0.01, l2=0.5))
    parted.fit(X, Y, epochs=3, batch_size=16, sample_weight=WEIGHTS)
    whole.fit(X, Y, epochs=3, batch_size=48, sample_weight=WEIGHTS)
    for mine, its in zip(parameters(parted), parameters(whole), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-9, atol=1e-12)


def test_what_is_left_at_an_epochs_end_is_a_step():
    net = plain(bp.SGD(0.1, accumulate=1000))
    net.fit(X, Y, epochs=2, batch_size=10)
    assert (net.steps, net.epochs_trained) == (2, 2)
    net.train_step(X, Y)
    assert net.steps == 3


def test_batches_of_one_step_drop_other_outputs():
    """Of equal rows in batches of one, which would drop the same if the step alone counted."""
    ones, y = np.ones((8, 1)), np.zeros((8, 200))
    net = bp.Network(1, [bp.Dense(200, dropout=0.5)], optimizer=bp.SGD(1.0, accumulate=8), seed=1)
    net.layers[0].weights = np.ones((1, 200))
    net.fit(ones, y, epochs=1, batch_size=1)
    moved = 1 - net.layers[0].weights.ravel()  # Σ over the batches of their factors² / 8
    counts = np.round(moved * 8 / 4)
    assert len(np.unique(counts)) > 4
    assert counts.mean() == pytest.approx(4, abs=0.5)


def test_a_batch_that_is_not_finite_drops_the_step_that_it_was_a_part_of():
    net = bp.Network(13, bp.Dense(1), "squared_error", bp.SGD(0.1, accumulate=4), "float64")
    before = [array.copy() for array in parameters(net)]
    spoilt = X[:, :1].copy()
    spoilt[40] = 1e200  # whose square there is not
    with pytest.raises(FloatingPointError, match="from finite inputs"):
        net.fit(X, spoilt, epochs=1, batch_size=16, shuffle=False)
    for array, old in zip(parameters(net), before, strict=True):
        np.testing.assert_array_equal(array, old)
    assert net.steps == 0


@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_a_count_of_batches_outside_its_domain_is_named(value):
    with pytest.raises((ValueError, TypeError), match="accumulate="):
        bp.SGD(accumulate=value)


# ---- files, other names ------------------------------------------------------------------------


@each_optimizer
def test_training_goes_on_to_the_same_bits_after_a_load(tmp_path, optimizer):
    whole, parted = network(optimizer), network(optimizer)
    whole.fit(X, Y, epochs=4, batch_size=16)
    parted.fit(X, Y, epochs=2, batch_size=16)
    parted.save(tmp_path / "model.safetensors")
    loaded = bp.Network.load(tmp_path / "model.safetensors")
    assert loaded.optimizer == optimizer
    loaded.fit(X, Y, epochs=2, batch_size=16)
    assert_same_bits(whole, loaded)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("clipnorm", "clip_norm"),
        ("max_grad_norm", "clip_norm"),
        ("grad_clip", "clip_norm"),
        ("clipvalue", "clip_value"),
        ("gradient_accumulation_steps", "accumulate"),
    ],
)
def test_other_libraries_names_lead_to_ours(given, meant):
    with pytest.raises(TypeError, match=f"did you mean '{meant}'"):
        bp.Adam(**{given: 1})


def test_an_optimizer_shows_what_is_unusual_about_it():
    assert repr(bp.SGD(0.1, clip_norm=1)).endswith("clip_norm=1.0)")
    assert "clip" not in repr(bp.SGD(0.1))
