"""Clipped gradients, weights of limited norm, averages of weights."""

import numpy as np
import pytest
from catalogued import random

from backprop import reference
from backprop._core import probe

SHAPES = [(1, 16), (3, 32), (17, 48), (5, 272)]  # columns: whole vectors


def apart(shape, dtype, seed=0):
    """(a whole matrix, its first columns as a view whose rows lie further apart)."""
    whole = random((shape[0], shape[1] + 16), dtype, seed)
    return whole, whole[:, : shape[1]]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bound", [np.inf, 0.25])
@pytest.mark.parametrize("factor", [1.0, 0.3])
def test_limit(dtype, isa, shape, factor, bound):
    whole, values = apart(shape, dtype)
    values[0, 0] = np.nan
    before = whole.copy()
    probe.limit(values, factor, bound, isa)
    expected = np.clip(before[:, : shape[1]] * np.dtype(dtype).type(factor), -bound, bound)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(whole[:, shape[1] :], before[:, shape[1] :])
    assert np.isnan(values[0, 0])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [1.0, 0.001, 0.5])
def test_follow(dtype, isa, shape, share):
    values, averages = random(shape, dtype), random(shape, dtype, seed=1)
    expected = reference.followed(averages, values, share)
    probe.follow(values, averages, share, isa)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(averages, expected, rtol=2 * eps, atol=2 * eps)


def test_the_first_that_are_followed_are_taken_as_they_are(dtype, isa):
    values, averages = random((4, 32), dtype), np.zeros((4, 32), dtype)
    probe.follow(values, averages, 1.0, isa)
    np.testing.assert_array_equal(averages, values)


@pytest.mark.parametrize("shape", SHAPES)
def test_limit_columns(dtype, isa, shape):
    for first, last in ((0, shape[1]), (0, 16), (16, shape[1])):
        whole, values = apart(shape, dtype)
        norms = np.sqrt(np.square(values, dtype=float).sum(axis=0))
        most = float(np.median(norms))
        before = whole.copy()
        probe.limit_columns(values, first, last, most, isa)
        expected = before.copy()
        expected[:, first:last] = reference.limited_columns(before[:, first:last], most)
        np.testing.assert_allclose(whole, expected, rtol=2 * np.finfo(dtype).eps)
        own, rest = np.arange(first, last), norms <= most
        np.testing.assert_array_equal(whole[:, own[rest[own]]], before[:, own[rest[own]]])
        if first < last and not rest[own].all():
            assert (whole != before).any()


def test_columns_below_the_limit_keep_their_bits(dtype, isa):
    values = random((40, 32), dtype)
    before = values.copy()
    probe.limit_columns(values, 0, 32, 1e3, isa)
    np.testing.assert_array_equal(values, before)


def test_the_same_bits_on_every_instruction_set(dtype, assert_same_bits):
    def results_of(isa):
        limited, columns = random((33, 144), dtype), random((33, 144), dtype)
        averages = random((33, 144), dtype, seed=1)
        probe.limit(limited, 0.7, 0.9, isa)
        probe.follow(columns, averages, 0.01, isa)
        probe.limit_columns(columns, 0, 144, 5.5, isa)
        return {"limited": limited, "averages": averages, "columns": columns}

    assert_same_bits(results_of)
