"""The gather from the user's array, transposes, and the streams of random numbers."""

import itertools

import numpy as np
import pytest

from backprop import reference_data, reference_random
from backprop._core import probe
from backprop.catalogue.activations import ACTIVATIONS
from backprop.catalogue.initializers import INITIALIZERS


def random(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


# ---- gather and transpose ---------------------------------------------------------------------

SOURCES = "?bBhHiIlLqQfd"  # numpy's one-letter codes


def source_values(code, shape):
    """Both ends of the type's range, and what lies between."""
    rng = np.random.default_rng(0)
    kind = np.dtype(code)
    if code == "?":
        return rng.integers(0, 2, shape).astype(bool)
    if kind.kind == "f":
        return (rng.normal(size=shape) * 1e3).astype(kind)
    limits = np.iinfo(kind)
    values = rng.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)
    values.flat[:2] = limits.min, limits.max
    return values


def unaligned(values):
    raw = bytearray(values.nbytes + 1)
    moved = np.ndarray(values.shape, values.dtype, raw, offset=1)
    moved[...] = values
    return moved


def read_only(values):
    values = values.copy()
    values.flags.writeable = False
    return values


LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "every other row and column": lambda v: np.repeat(np.repeat(v, 2, 0), 2, 1)[::2, ::2],
    "backwards": lambda v: v[::-1, ::-1].copy()[::-1, ::-1],
    "transposed": lambda v: np.ascontiguousarray(v.T).T,
    "unaligned": unaligned,
    "read-only": read_only,
}


@pytest.mark.parametrize("code", SOURCES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gather_converts_any_source(dtype, isa, code, layout):
    values = source_values(code, (21, 19))
    source = LAYOUTS[layout](values)
    np.testing.assert_array_equal(source, values)
    found = probe.gather(source, dtype, 32, instruction_set=isa)
    np.testing.assert_array_equal(found[:, :21], values.astype(np.float64).astype(dtype).T)
    assert (found[:, 21:] == -77).all()


@pytest.mark.parametrize("code", SOURCES)
def test_gather_offset_and_scale(dtype, isa, code):
    values = source_values(code, (21, 19))
    size = np.abs(values.astype(float)).max() + 1
    offset = np.random.default_rng(1).normal(size=19) * size / 3
    scale = np.random.default_rng(2).uniform(0.5, 2, 19) / size
    found = probe.gather(values, dtype, 32, offset=offset, scale=scale, instruction_set=isa)
    exact = reference_data.gather(values, offset=offset, scale=scale, dtype="float64").T
    largest = ((size + np.abs(offset)) * scale)[
        :, None
    ]  # both are rounded before they are subtracted
    assert (np.abs(found[:, :21] - exact) <= 2 * np.finfo(dtype).eps * largest).all()
    assert (found[:, 21:] == -77).all()


@pytest.mark.parametrize("code", "iIlLqQd")
@pytest.mark.parametrize("features", [3, 16])
def test_gather_keeps_a_small_difference_from_a_large_offset(isa, code, features):
    """A time stamp less its mean is worked out in float64 before it is rounded to float32."""
    steps = np.arange(16.0 * features).reshape(16, features) / (7 if code == "d" else 1)
    values = (1.7e9 + steps).astype(code)
    offset, scale = np.full(features, 1.7e9), np.ones(features)
    found = probe.gather(values, "float32", 16, offset=offset, scale=scale, instruction_set=isa)
    np.testing.assert_allclose(found, (values - 1.7e9).T, rtol=1e-7)


@pytest.mark.parametrize("shape", [(1, 1), (15, 16), (16, 17), (17, 15), (33, 1), (1, 40), (5, 0)])
def test_gather_shapes_and_chosen_rows(dtype, isa, shape):
    values = random(shape, "float64")
    rows = np.random.default_rng(1).integers(0, shape[0], 23)
    expected = values.astype(dtype)
    found = probe.gather(values, dtype, 48, rows=rows, instruction_set=isa)
    np.testing.assert_array_equal(found[:, :23], expected[rows].T)
    assert (found[:, 23:] == -77).all()
    found = probe.gather(values, dtype, 16, rows=rows, start=5, count=9, instruction_set=isa)
    np.testing.assert_array_equal(found[:, :9], expected[rows[5:14]].T)
    assert (found[:, 9:] == -77).all()
    last = shape[0] - 1
    found = probe.gather(values, dtype, 16, start=last, count=1, instruction_set=isa)
    np.testing.assert_array_equal(found[:, :1], expected[last:].T)
    found = probe.gather(values, dtype, 16, count=0, instruction_set=isa)
    assert (found == -77).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gather_of_many_rows_in_any_order(dtype, isa, layout):
    """Enough of them for whole blocks, for rows that are fetched ahead, and for a rest of both."""
    source = LAYOUTS[layout](random((311, 75), "float32"))
    rows = reference_random.shuffle(1, 311)
    found = probe.gather(source, dtype, 320, rows=rows, instruction_set=isa)
    np.testing.assert_array_equal(found[:, :311], source[rows].T.astype(dtype))
    assert (found[:, 311:] == -77).all()
    found = probe.gather(source, dtype, 320, rows=rows, start=160, count=133, instruction_set=isa)
    np.testing.assert_array_equal(found[:, :133], source[rows[160:293]].T.astype(dtype))
    assert (found[:, 133:] == -77).all()


def test_gather_rounds_large_integers_alike_in_every_column(dtype, isa):
    """By way of float64, as the reference does, whether a block of columns is whole or not."""
    value = 2**60 + 2**36 + 1
    source = np.full((3, 17), value, np.int64)
    found = probe.gather(source, dtype, 16, instruction_set=isa)[:, :3]
    np.testing.assert_array_equal(found, np.float64(value).astype(dtype))


def test_gather_nan_and_infinity(dtype, isa):
    values = np.array([[np.nan, np.inf, -np.inf]])
    found = probe.gather(values, dtype, 16, instruction_set=isa)
    np.testing.assert_array_equal(found[:, :1], values.T.astype(dtype))


@pytest.mark.parametrize(
    "shape", [(0, 5), (5, 0), (1, 1), (15, 17), (16, 16), (17, 33), (1, 40), (96, 80)]
)
def test_transpose(dtype, isa, shape):
    values = random(shape, dtype)
    np.testing.assert_array_equal(probe.transpose(values, isa), values.T)


def test_the_same_bits_on_every_instruction_set(dtype, assert_same_bits):
    offset, scale = np.full(9, 0.1), np.full(9, 0.7)

    def results_of(isa):
        return {
            code: probe.gather(
                source_values(code, (16, 9)),
                dtype,
                16,
                offset=offset,
                scale=scale,
                instruction_set=isa,
            )
            for code in SOURCES
        }

    assert_same_bits(results_of)


# ---- random numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (3, 15), (4, 16), (5, 17)])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_initial_weights(dtype, isa, shape, activation):
    limit = np.sqrt(6 / shape[0]) if activation == "relu" else np.sqrt(6 / sum(shape))
    state = probe.random_stream(7, reference_random.WEIGHTS, 2)
    found = probe.uniform(dtype, state, limit, *shape, instruction_set=isa)
    scheme = INITIALIZERS[ACTIVATIONS[activation].initial_weights]
    expected = reference_random.initial_weights(7, 2, *shape, scheme, dtype)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
def test_streams_and_shuffles(seed):
    for purpose, index in itertools.product((1, 2), (0, 1, 2**40)):
        state = probe.random_stream(seed, purpose, index)
        assert state == reference_random.stream(seed, purpose, index)
        for count in (0, 1, 2, 3, 1000):
            found = probe.permutation(state, count)
            np.testing.assert_array_equal(found, reference_random.shuffle(state, count))
            np.testing.assert_array_equal(np.sort(found), np.arange(count))


# ---- the door to the kernels ------------------------------------------------------------------


def test_best_first_ending_in_the_plain_one():
    assert list(probe.instruction_sets())[-1] == "baseline"
    assert probe.instruction_sets()["baseline"]


def test_an_instruction_set_that_is_not_there():
    with pytest.raises(ValueError, match="'mmx'"):
        probe.activate("relu", np.ones(3), instruction_set="mmx")
