"""What holds for any network and any data: shapes, dtypes and strides drawn by hypothesis."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from networks import (
    ACTIVATIONS,
    LOSSES,
    every_optimizer,
    last_activation,
    soft_targets,
    tamed,
    targets,
)

import backprop as bp
from backprop import reference
from backprop._core import probe
from backprop.catalogue import activations
from backprop.catalogue.losses import LOSSES as CATALOGUE

examples = settings(derandomize=True)  # the same every time

SOURCES = "?bBhHiIlLqQfd"
OPTIMIZERS = every_optimizer(
    sgd=bp.SGD(0.05),
    momentum=bp.SGD(0.02, momentum=0.9),
    nesterov=bp.SGD(0.02, momentum=0.9, nesterov=True),
    adam=bp.Adam(0.003),
).values()


@st.composite
def sources(draw, max_side=40):
    """An array of any dtype, strided as slices make it, with any numbers."""
    dtype = np.dtype(draw(st.sampled_from(SOURCES)))
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=max_side))
    whole = draw(hnp.arrays(dtype, shape, elements=hnp.from_dtype(dtype)))
    steps = st.sampled_from(
        [slice(None), slice(None, None, -1), slice(None, None, 2), slice(1, None)]
    )
    view = whole[draw(steps), draw(steps)]
    assume(view.size > 0)
    return view.T if draw(st.booleans()) else view


@st.composite
def networks(draw, losses=LOSSES):
    """Arguments of a network."""
    loss = draw(st.sampled_from(losses))
    units = st.integers(1, 40)
    hidden = draw(st.lists(st.builds(bp.Dense, units, st.sampled_from(ACTIVATIONS)), max_size=3))
    last = draw(st.integers(CATALOGUE[loss].least_outputs, 20))
    activation = last_activation(loss, draw(st.sampled_from(ACTIVATIONS)))
    return {
        "n_inputs": draw(st.integers(1, 40)),
        "layers": [*hidden, bp.Dense(last, activation)],
        "loss": loss,
        "optimizer": draw(st.sampled_from(list(OPTIMIZERS))),
        "seed": draw(st.integers(0, 2**64 - 1)),
    }


def data(arguments, n, seed):
    """X, y and sample weights, some of which are 0."""
    rng = np.random.default_rng(seed)
    n_outputs = arguments["layers"][-1].units
    X = rng.normal(size=(n, arguments["n_inputs"]))
    of_loss = targets if rng.random() < 0.5 else soft_targets
    y = of_loss(arguments["loss"], rng.normal(size=(n, n_outputs)))
    weights = rng.choice([0, 0.5, 1, 2], n)
    weights[0] = 1
    return X, y, weights


rows = st.integers(1, 70)
seeds = st.integers(0, 2**32 - 1)


@pytest.mark.filterwarnings("ignore:batch_size")  # of 80, for a few rows
@examples
@given(
    arguments=networks(),
    n=rows,
    seed=seeds,
    batch_size=st.integers(1, 80),
    weighted=st.booleans(),
    shuffle=st.booleans(),
    n_threads=st.integers(1, 4),
    matmul=st.sampled_from(["fused", "blas"]),
)
def test_fit_is_the_references(
    arguments, n, seed, batch_size, weighted, shuffle, n_threads, matmul
):
    X, y, weights = data(arguments, n, seed)
    fit = {"epochs": 2, "batch_size": batch_size, "shuffle": shuffle}
    fit["sample_weight"] = weights if weighted else None
    fast = tamed(bp.Network(dtype="float64", n_threads=n_threads, matmul=matmul, **arguments))
    exact = tamed(reference.Network(dtype="float64", **arguments))
    history, expected = fast.fit(X, y, **fit), exact.fit(X, y, **fit)
    np.testing.assert_allclose(history.loss, expected.loss, rtol=1e-9)
    for mine, its in zip(fast.layers, exact.layers, strict=True):
        np.testing.assert_allclose(mine.weights, its.weights, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(mine.bias, its.bias, rtol=1e-8, atol=1e-10)
    assert fast.steps == exact.steps == 2 * -(-n // batch_size)
    np.testing.assert_allclose(fast.predict(X), exact.predict(X), rtol=1e-8, atol=1e-10)


@examples
@given(
    arguments=networks(),
    n=rows,
    seed=seeds,
    n_threads=st.integers(2, 6),
    dtype=st.sampled_from("fd"),
)
def test_threads_do_not_change_the_bits(arguments, n, seed, n_threads, dtype):
    X, y, weights = data(arguments, n, seed)
    found = []
    for count in (1, n_threads):
        net = tamed(bp.Network(dtype=dtype, n_threads=count, **arguments))
        net.fit(X, y, epochs=2, batch_size=16, sample_weight=weights)
        parameters = [array for layer in net.layers for array in (layer.weights, layer.bias)]
        found.append([array.tobytes() for array in [*parameters, net.predict(X)]])
    assert found[0] == found[1]


@examples
@given(arguments=networks(), n=rows, seed=seeds, dtype=st.sampled_from("fd"), chosen=st.data())
def test_predictions_do_not_depend_on_the_rows_beside(arguments, n, seed, dtype, chosen):
    X, _, _ = data(arguments, n, seed)
    net = tamed(bp.Network(dtype=dtype, **arguments))
    whole = net.predict(X)
    some = chosen.draw(st.lists(st.integers(0, n - 1), max_size=50))
    np.testing.assert_array_equal(net.predict(X[some].reshape(-1, X.shape[1])), whole[some])
    i = chosen.draw(st.integers(0, n - 1))
    np.testing.assert_array_equal(net.predict(X[i : i + 1])[0], whole[i])


@examples
@given(source=sources(), dtype=st.sampled_from(["float32", "float64"]), chosen=st.data())
def test_gather_is_a_conversion(source, dtype, chosen):
    before = source.tobytes()
    n = len(source)
    picked = np.array(chosen.draw(st.lists(st.integers(0, n - 1), max_size=48)), np.int64)
    with np.errstate(over="ignore"):
        expected = source.astype(np.float64).astype(dtype)
    found = probe.gather(source, dtype, 48, count=min(n, 48))
    np.testing.assert_array_equal(found[:, :n], expected[:48].T)
    assert (found[:, n:] == -77).all()
    found = probe.gather(source, dtype, 48, rows=picked)
    np.testing.assert_array_equal(found[:, : len(picked)], expected[picked].T)
    assert (found[:, len(picked) :] == -77).all()
    assert source.tobytes() == before


@examples
@given(source=sources(max_side=20), seed=seeds, dtype=st.sampled_from(["float32", "float64"]))
def test_any_array_is_taken_and_none_is_modified(source, seed, dtype):
    """A contiguous copy in float64 gives the same bits, or the same complaint."""
    rng = np.random.default_rng(seed)
    n, n_inputs = source.shape
    y, weights = rng.integers(0, 3, n), rng.uniform(0.5, 1, n)
    arrays = (source, y, weights)
    before = [array.tobytes() for array in arrays]

    def outcome(X):
        layers = [bp.Dense(5, "sigmoid"), bp.Dense(3)]
        net = bp.Network(n_inputs, layers, loss="softmax_cross_entropy", dtype=dtype, seed=seed)
        try:
            gradients = net.loss_and_gradients(X, y)[1]
            net.fit(X, y, epochs=2, batch_size=min(n, 7), sample_weight=weights)
        except (FloatingPointError, ValueError) as error:  # it diverged, or X is beyond float32
            return str(error)
        parts = [net.predict(X), *(gradient.weights for gradient in gradients)]
        return [array.tobytes() for array in parts]

    assert outcome(source) == outcome(np.ascontiguousarray(source).astype("float64"))
    assert [array.tobytes() for array in arrays] == before


# Where terms that are rounded cancel each other, what is left is as exact as they are.
DIFFERENCES = ("gelu", "gelu_tanh", "hard_sigmoid", "hard_swish", "sin")
ROUNDS_BEYOND = {"sin": 1e4}  # from there on, less and less is known of what stays of z beyond 2 pi


@examples
@given(
    values=hnp.arrays(np.float64, st.integers(0, 70), elements=st.floats(allow_nan=True)),
    name=st.sampled_from(ACTIVATIONS),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_activations_of_any_number(values, name, dtype):
    entry = activations.ACTIVATIONS[name]
    with np.errstate(all="ignore"):
        z = values.astype(dtype)
        exact = entry.value(z.astype(np.longdouble), *entry.settings.values()).astype(dtype)
    found, slope = probe.activate(name, z, entry.row[1])
    assert np.isfinite(slope[np.abs(z) <= min(1e30, entry.overflows_above or np.inf)]).all()
    far = np.isfinite(z) & (np.abs(z) > ROUNDS_BEYOND.get(name, np.inf))
    assert (np.abs(found[far]) <= 1).all()
    limits = np.finfo(dtype)
    sizes = np.minimum(np.abs(z), 1) if name in DIFFERENCES else 0
    allowed = np.where(
        far, np.inf, 4 * (limits.eps * np.maximum(sizes, np.abs(exact)) + limits.tiny)
    )
    with np.errstate(invalid="ignore"):
        same = (found == exact) | (np.isnan(found) & np.isnan(exact))
        assert (same | far | (np.abs(found - exact) <= allowed)).all(), (z, found, exact)
