"""Products whose sum over k falls into shards: each a chain of its own, added along a tree."""

import numpy as np
import pytest
from catalogued import ONE_OF_EACH, T, parameters, random

from backprop._core import probe

# Where shards end: of k = 33 or 400, of 1, 2 and many, one of them empty, most of them empty.
ENDS = (
    (0, 33),
    (9, 17, 25, 33),
    (9, 17, 17, 25, 25, 33, 33),
    tuple(range(1, 34)),
    (5,) * 3 + (33,) * 253,
    (100, 201, 299, 400),
)


def tree(sums):
    """Of equal shapes: neighbours first, then neighbours of these; who has no partner waits."""
    while len(sums) > 1:
        pairs = [sums[i : i + 2] for i in range(0, len(sums), 2)]
        sums = [pair[0] + pair[1] if len(pair) == 2 else pair[0] for pair in pairs]
    return sums[0]


def one_by_one(a, b, ends, isa):
    """[the product of each shard alone]"""
    found, first = [], 0
    for last in ends:
        c = np.zeros((len(a), b.shape[1]), a.dtype)
        if last > first:
            left = np.ascontiguousarray(a[:, first:last])
            probe.Product(left, b[first:last], c, instruction_set=isa).run()
        found.append(c)
        first = last
    return found


@pytest.mark.parametrize("ends", ENDS, ids=str)
def test_shards_are_added_along_the_tree(dtype, isa, ends):
    _, rows, columns = probe.tile_shape(dtype, isa)
    for m, n in ((1, 16), (rows + 1, max(columns, 16) + 16), (2 * rows, 16)):
        a, b = random((m, ends[-1]), dtype, seed=m), random((ends[-1], n), dtype, seed=n)
        c = np.full((m, n), 7, dtype)
        probe.Product(a, b, c, shards=ends, instruction_set=isa).run()
        np.testing.assert_array_equal(c, tree(one_by_one(a, b, ends, isa)))


def test_the_tree_is_another_sum_than_the_chain(dtype, isa):
    """Else the test above could not tell them apart."""
    a, b = random((13, 33), dtype, seed=1), random((33, 16), dtype, seed=2)
    chain, found = np.zeros((13, 16), dtype), np.zeros((13, 16), dtype)
    probe.Product(a, b, chain, instruction_set=isa).run()
    probe.Product(a, b, found, shards=ENDS[1], instruction_set=isa).run()
    assert (chain != found).any()
    np.testing.assert_allclose(chain, found, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_an_update_takes_the_sum_of_its_shards(dtype, isa, name):
    """Beside products or behind them: as one that is given the gradient."""
    for ends in ENDS[1:3]:
        check_update(dtype, isa, name, ends)


def check_update(dtype, isa, name, ends):
    _, rows, columns = probe.tile_shape(dtype, isa)
    m, n = rows + 2, max(columns, 16) + 16
    _, weights, moments = parameters(ONE_OF_EACH[name], m, n, dtype)
    a, b = random((m, ends[-1]), dtype, seed=m), random((ends[-1], n), dtype, seed=n)
    expected, expected_moments = weights.copy(), [one.copy() for one in moments]
    gradient = tree(one_by_one(a, b, ends, isa))
    step = (ONE_OF_EACH[name], T)
    probe.update(step, gradient, expected, expected_moments, instruction_set=isa)
    found, found_moments = weights.copy(), [one.copy() for one in moments]
    how = {"step": step, "moments": found_moments, "shards": ends, "instruction_set": isa}
    probe.Product(a, b, found, epilogue="update", **how).run()
    np.testing.assert_array_equal(found, expected)
    for one, other in zip(found_moments, expected_moments, strict=True):
        np.testing.assert_array_equal(one, other)


def test_shards_stay_inside_their_scratch(dtype, isa, guards):
    a, b = random((25, 256), dtype, seed=1), random((256, 112), dtype, seed=2)
    c = np.zeros((25, 112), dtype)
    probe.Product(a, b, c, shards=range(1, 257), instruction_set=isa).run()
    assert not guards.inside(-1)[-64:].any()


def test_noise_belongs_to_the_place_in_the_whole_batch(dtype, isa):
    whole = probe.add_noise(7, 1.0, np.zeros((3, 64), dtype), isa)
    part = probe.add_noise(7, 1.0, np.zeros((3, 32), dtype), instruction_set=isa, place=19)
    np.testing.assert_array_equal(part, whole[:, 19:51])
