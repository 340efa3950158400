"""The rows of all ranks: how many there are, and how each comes to the rank of its shard."""

import numpy as np

from backprop.ranks.agreement import check_same, sample_of, told
from backprop.sharding import Sharding

NAMES = ("X", "y", "sample_weight")


def are_own(ranks):
    """Whether each rank is given its own, and not all of them."""
    return getattr(ranks, "rows", "shared") == "own"


def shared_out(ranks, shards, data):
    """(the `Sharding` of a rank, the data), which are others where they belong elsewhere."""
    own = shards // ranks.size
    first = own * ranks.rank
    sharding = Sharding(shards, first, first + own, count(ranks, data), 0, ranks)
    if are_own(ranks):
        sharding = sharding._replace(rows_before=sharding.first_row(first))
        data = dealt(ranks, data, [sharding.first_row(own * r) for r in range(ranks.size + 1)])
    return sharding, data


def count(ranks, data):
    """Rows of all ranks together; ValueError, on all of them alike, where they do not fit."""
    kinds = told(ranks, [None if one is None else kind(one) for one in data])
    for name, *of_each in zip(NAMES, *kinds, strict=True):
        for rank, other in enumerate(of_each):
            if other != of_each[0]:
                raise ValueError(
                    f"{name} of rank {rank} is {said(other)}: expected {said(of_each[0])}, as of "
                    "rank 0"
                )
    counts = told(ranks, len(data[0]))
    if are_own(ranks):
        return sum(counts)
    if len(set(counts)) > 1:
        raise ValueError(
            f'rows="shared", but the ranks have {counts} rows: expected the same rows on each of '
            'them, or rows="own"'
        )
    check_same(ranks, {"SHA-256 of rows": sample_of(data)})
    return counts[0]


def kind(array):
    """What has to be the same on all ranks: the shape of a row, and the type."""
    return [list(array.shape[1:]), array.dtype.str]


def said(kind):
    if kind is None:
        return "none"
    shape, dtype = kind
    return f"rows of shape {tuple(shape)} and type {np.dtype(dtype)}"


def dealt(ranks, data, starts):
    """The rows [starts[rank], starts[rank + 1]) of all ranks' rows, one rank behind another."""
    counts = told(ranks, len(data[0]))
    before = sum(counts[: ranks.rank])
    reached = np.cumsum([0, *counts])
    sent = np.clip(np.array(starts) - before, 0, counts[ranks.rank])
    received = np.clip(reached - starts[ranks.rank], 0, starts[ranks.rank + 1] - starts[ranks.rank])
    return tuple(
        None if array is None else _exchanged(ranks, array, sent, received) for array in data
    )


def _exchanged(ranks, array, sent, received):
    """Rows by their numbers: of `array` those that go to each rank, and where each rank's come."""
    found = np.empty((received[-1], *array.shape[1:]), array.dtype)
    row_bytes = array.dtype.itemsize * int(np.prod(array.shape[1:]))
    whole, into = (np.ascontiguousarray(one).reshape(-1).view(np.uint8) for one in (array, found))
    ranks.exchange(whole, sent * row_bytes, into, received * row_bytes)
    own = slice(*received[ranks.rank : ranks.rank + 2])
    found[own] = array[slice(*sent[ranks.rank : ranks.rank + 2])]
    return found
