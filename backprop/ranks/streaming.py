"""One call of `fit` with a source on one of several ranks."""

from backprop.ranks import agreement
from backprop.ranks.training import Ranked
from backprop.sources.sharded import ShardedStreaming


class RankedStreaming(Ranked, ShardedStreaming):
    """On the rows of a source, of which each rank reads those of its shards."""

    def _train_shards(self, *arguments, **named):
        with self.together():
            super()._train_shards(*arguments, **named)
            self.interrupts.look()

    def some_of(self, is_so):
        """Whether it is so for one of the ranks."""
        return any(agreement.told(self.ranks, is_so))
