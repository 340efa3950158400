"""Initial weights: against the reference, distributions and definitions; an array of one's own."""

import hashlib
import json
import pickle

import numpy as np
import pytest
from scipy import stats

import backprop as bp
from backprop import reference, reference_random
from backprop._core import initial
from backprop.catalogue.initializers import ALIASES, INITIALIZERS

OWN = np.linspace(-1, 1, 12).reshape(4, 3)
SHAPES = [(1, 1), (1, 2), (7, 15), (16, 16), (17, 33), (65, 8)]


@pytest.mark.parametrize("scheme", INITIALIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_bits_are_those_of_the_reference(scheme, dtype, shape):
    layers = [bp.Dense(shape[1], weights=scheme), bp.Dense(3, "tanh", weights=scheme)]
    fast = bp.Network(shape[0], layers, dtype=dtype, seed=2**64 - 1)
    slow = reference.Network(shape[0], layers, dtype=dtype, seed=2**64 - 1)
    for mine, its in zip(fast.layers, slow.layers, strict=True):
        assert mine.weights.dtype == its.weights.dtype == dtype
        np.testing.assert_array_equal(mine.weights, its.weights)
        assert not mine.bias.any()


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (initial.normals, "90847f85781525ea"),
        (initial.orthogonal, "2e6c86b9447dc689"),
    ],
)
def test_the_bits_are_those_that_were_once_drawn(draw, expected):
    """On whichever machine: the operations round alike everywhere."""
    assert hashlib.sha256(draw(7, 37, 23).tobytes()).hexdigest()[:16] == expected


def test_normals_are_normal():
    drawn = initial.normals(5, 400, 501).ravel()
    assert stats.kstest(drawn, "norm").pvalue > 0.01
    assert stats.kstest(np.abs(drawn), "halfnorm").pvalue > 0.01
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.01
    log = reference_random.log_of(np.array([2.0**-53, 0.3, 0.7, 0.7072, 1 - 2.0**-53]))
    np.testing.assert_allclose(log, np.log([2.0**-53, 0.3, 0.7, 0.7072, 1 - 2.0**-53]), rtol=4e-16)


def test_a_portion_begins_where_the_one_before_ends():
    """Numbers are drawn in portions of 2^20, between which Ctrl-C is looked for."""
    drawn = initial.normals(9, 1 << 11, 600)
    np.testing.assert_array_equal(drawn, reference_random.normals(9, 1 << 11, 600))


@pytest.mark.parametrize("shape", [(64, 64), (100, 7), (7, 100), (1, 9), (9, 1)])
def test_orthogonal_weights_are(shape):
    q = initial.orthogonal(3, *shape)
    product = q.T @ q if shape[0] >= shape[1] else q @ q.T
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-14)
    net = bp.Network(
        shape[0], [bp.Dense(shape[1], weights=INITIALIZERS["orthogonal"](gain=2))], dtype="float64"
    )
    assert np.linalg.norm(net.layers[0].weights, 2) == pytest.approx(2, rel=1e-12)


def test_orthogonal_weights_point_anywhere():
    """Of a column of length 1 in n dimensions, each number has variance 1 / n and either sign."""
    drawn = np.stack([initial.orthogonal(seed, 5, 5) for seed in range(2000)])
    np.testing.assert_allclose((drawn**2).mean(axis=0), 0.2, atol=0.02)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.04)


@pytest.mark.parametrize(
    ("scheme", "variance"),
    [
        ("glorot_uniform", 2 / 300),
        ("glorot_normal", 2 / 300),
        ("he_uniform", 2 / 200),
        ("he_normal", 2 / 200),
        ("lecun_uniform", 1 / 200),
        ("lecun_normal", 1 / 200),
    ],
)
def test_variances(scheme, variance):
    net = bp.Network(200, [bp.Dense(100, "relu", weights=scheme)], seed=1)
    assert net.layers[0].weights.var() == pytest.approx(variance, rel=0.03)


def test_equal_numbers():
    layers = [
        bp.Dense(3, weights="zeros"),
        bp.Dense(3, weights="constant"),
        bp.Dense(2, weights=INITIALIZERS["constant"](value=-2)),
    ]
    net = bp.Network(4, layers, dtype="float64")
    for layer, value in zip(net.layers, (0, 0.1, -2), strict=True):
        assert (layer.weights == value).all()


@pytest.mark.parametrize("kind", [bp.Network, reference.Network])
def test_weights_of_ones_own(kind):
    given = OWN.copy()
    spec = bp.Dense(3, weights=given)
    given[:] = 9  # a copy was kept
    net = kind(4, [spec, bp.Dense(1)], dtype="float64", seed=1)
    np.testing.assert_array_equal(net.layers[0].weights, OWN)
    assert spec == bp.Dense(3, weights=OWN)
    assert hash(spec) == hash(bp.Dense(3, weights=OWN))
    assert spec != bp.Dense(3, weights=-OWN)
    assert spec != bp.Dense(3)
    np.testing.assert_array_equal(np.asarray(spec.weights), OWN)
    assert "array of shape (4, 3)" in repr(spec)


def test_files_pickles_and_copies(tmp_path):
    """A file holds the weights that there are now, and says what drew them, but no array twice."""
    own, drawn = bp.Dense(3, "relu", weights=OWN), bp.Dense(5, weights="orthogonal")
    scaled = bp.Dense(2, weights=INITIALIZERS["orthogonal"](gain=0.5))
    net = bp.Network(4, [own, drawn, scaled], seed=4)
    net.layers[0].weights[0, 0] = 7
    net.save(tmp_path / "model")
    loaded = bp.Network.load(tmp_path / "model")
    for twin in (loaded, pickle.loads(pickle.dumps(net)), net.copy()):
        for mine, its in zip(net.layers, twin.layers, strict=True):
            np.testing.assert_array_equal(mine.weights, its.weights)
        assert [layer.spec for layer in twin.layers[1:]] == [drawn, scaled]
    assert loaded.layers[0].spec == bp.Dense(3, "relu")
    assert net.copy().layers[0].spec == own
    json.dumps([layer.spec.description for layer in net.layers])


def test_a_network_after_training_is_that_of_the_reference():
    layers = [bp.Dense(9, "tanh", weights="orthogonal"), bp.Dense(2, weights="lecun_normal")]
    X = np.random.default_rng(0).normal(size=(40, 5))
    fast, slow = (
        kind(5, layers, dtype="float64", seed=3) for kind in (bp.Network, reference.Network)
    )
    for net in (fast, slow):
        net.fit(X, X[:, :2], epochs=3, batch_size=16)
    for mine, its in zip(fast.layers, slow.layers, strict=True):
        np.testing.assert_allclose(mine.weights, its.weights, rtol=1e-10)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("orthogonol", ValueError, "did you mean 'orthogonal'"),
        ("xavier_uniform", ValueError, "did you mean 'glorot_uniform'"),
        ("kaiming_normal", ValueError, "did you mean 'he_normal'"),
        ("lecun", ValueError, "did you mean 'lecun_normal'"),
        (np.ones(3), ValueError, r"weights has shape \(3,\), expected \(n_in, units\)"),
        (np.full((4, 3), np.nan), ValueError, "expected finite numbers"),
        (np.array([["a"]]), TypeError, "weights has dtype"),
        (7, ValueError, r"weights has shape \(\)"),
    ],
)
def test_what_weights_cannot_be(given, error, words):
    with pytest.raises(error, match=words):
        bp.Dense(3, weights=given)


def test_weights_that_do_not_fit():
    with pytest.raises(
        ValueError, match=r"layers\[1\]\.weights has shape \(4, 3\), expected \(2, 3\)"
    ):
        bp.Network(4, [bp.Dense(2), bp.Dense(3, weights=OWN)])
    with pytest.raises(TypeError, match="did you mean 'weights'"):
        bp.Dense(3, kernel_initializer="zeros")
    with pytest.raises(ValueError, match="gain"):
        INITIALIZERS["orthogonal"](gain=0)


def test_names_of_others_lead_to_ours():
    assert set(ALIASES.values()) <= set(INITIALIZERS)
