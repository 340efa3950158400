"""What `fit` is asked of shards and ranks: which rows, and which part of every batch, are whose."""

from typing import NamedTuple

from backprop.validation import check_integer

MOST_SHARDS = 256


class Sharding(NamedTuple):
    """Of a run, as the core takes it."""

    count: int
    first: int  # shards [first, last) are this process's
    last: int
    n_rows: int  # of all processes
    rows_before: int  # of them, those before the first that this process has
    ranks: object = None  # a Communicator, or None

    def first_row(self, shard):
        """Of a shard, among the rows of all."""
        return shard * (self.n_rows // self.count) + min(shard, self.n_rows % self.count)


def check_communicator(ranks):
    """TypeError for what is none."""
    from backprop.ranks import Communicator

    if not isinstance(ranks, Communicator):
        raise TypeError(
            f"ranks={ranks!r}: expected a communicator such as bp.ranks.MPI(), got "
            f"{type(ranks).__name__}"
        )


def check_shards(network, shards, ranks):
    """What this process alone can tell of them."""
    check_integer("shards", shards, 1, MOST_SHARDS)
    if ranks is not None:
        check_ranks(ranks, shards)
    if ranks is not None or shards > 1:
        refuse_what_mixes(network, f"shards={shards}")


def check_ranks(ranks, shards):
    """ValueError where their shards would be no whole part of the tree."""
    own, rest = divmod(shards, ranks.size)
    if rest or own == 0 or own & (own - 1):
        fitting = [ranks.size << i for i in range(9) if ranks.size << i <= MOST_SHARDS]
        expected = ", ".join(map(str, fitting)) or f"at most {MOST_SHARDS} ranks"
        raise ValueError(f"shards={shards} on {ranks.size} ranks: expected {expected}")


def shard_data(shards, ranks, data):
    """(a `Sharding`, or None for one shard in one process: a batch is one sum; the data).

    The data are others than were given where each rank has its own, and they belong elsewhere.
    """
    if ranks is None:
        return Sharding(shards, 0, shards, len(data[0]), 0) if shards > 1 else None, data
    from backprop.ranks import rows

    own = shards // ranks.size
    first = own * ranks.rank
    sharding = Sharding(shards, first, first + own, rows.count(ranks, data), 0, ranks)
    if has_own_rows(ranks):
        sharding = sharding._replace(rows_before=sharding.first_row(first))
        data = rows.dealt(ranks, data, [sharding.first_row(own * r) for r in range(ranks.size + 1)])
    return sharding, data


def has_own_rows(ranks):
    """Whether each rank is given its own, and not all of them."""
    return ranks is not None and getattr(ranks, "rows", "shared") == "own"


def refuse_what_mixes(network, asked):
    """ValueError for what is no sum over the samples of one batch, or has no bits of its own."""
    if network.matmul == "blas":
        raise ValueError(f'{asked} with matmul="blas": expected "fused" or "auto"')
    if network.optimizer.minimizes:
        raise ValueError(f"{asked} with {network.optimizer!r}: it takes all rows as one batch")
    if network.optimizer.accumulate > 1:
        raise ValueError(
            f"{asked} with accumulate={network.optimizer.accumulate}: expected 1 and a batch_size "
            "that many times as large"
        )
    for i, layer in enumerate(network.layers):
        norm = layer.spec.norm_function
        if norm is not None and norm.is_over_samples:
            raise ValueError(
                f"{asked} with layers[{i}] norm={norm.name!r}, which takes its mean over a whole "
                'batch: expected norm="layer", or none'
            )
