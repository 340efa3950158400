"""What `fit` is asked of shards: parts of every batch whose gradients are summed by themselves."""

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


def check_shards(network, shards, n_rows):
    """The `Sharding` of this process alone, or None: of one shard a batch is one sum."""
    if check_integer("shards", shards, 1, MOST_SHARDS) == 1:
        return None
    refuse_what_mixes(network, f"shards={shards}")
    return Sharding(shards, 0, shards, n_rows, 0)


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
