"""One call of `fit` on one of several ranks."""

from backprop import sharding
from backprop import training as alone
from backprop.ranks import agreement, rows
from backprop.ranks.communicator import Communicator
from backprop.ranks.interrupts import Interrupts
from backprop.validation import check_batch_size, check_integer


def prepare(network, data, *, shards, ranks, batch_size, **asked):
    """As backprop/training.py has it, on all ranks or on none."""
    check_communicator(ranks)
    with agreement.Together(ranks):
        if rows.are_own(ranks):
            _refuse_of_own_rows(**asked)
        check_ranks(network, ranks, shards)
        training = alone.prepare(  # whose shards and batches are settled with the others
            network, data, shards=1, batch_size=None, kind=RankedTraining, **asked
        )
        _refuse_validation_source(training)
    agreement.check_same(ranks, agreement.of_training(training, shards, batch_size))
    training.lead(ranks)
    training.share_out(shards, batch_size)
    return training


def prepare_source(network, source, *, shards, ranks, **asked):
    """As backprop/sources/fitting.py has it, on all ranks or on none."""
    from backprop.ranks.streaming import RankedStreaming
    from backprop.sources.fitting import prepare_alone

    check_communicator(ranks)
    with agreement.Together(ranks):
        if rows.are_own(ranks):
            raise ValueError(f'{source} with rows="own": expected the same source on all ranks')
        check_ranks(network, ranks, shards)
        training = prepare_alone(network, source, RankedStreaming, **asked)
        _refuse_validation_source(training)
        training.share_out(shards, ranks)
    same = agreement.of_training(training, shards, training.batch_size)
    same |= {"buffer_rows": training.buffer_rows, "rows of the source": source.n_rows}
    agreement.check_same(ranks, same)
    training.lead(ranks)
    return training


def check_communicator(ranks):
    """TypeError for what is none."""
    if not isinstance(ranks, Communicator):
        raise TypeError(
            f"ranks={ranks!r}: expected a communicator such as bp.ranks.MPI(), got "
            f"{type(ranks).__name__}"
        )


def _refuse_validation_source(training):
    if not isinstance(training.validation, tuple | None):
        raise ValueError("validation_data is a source: expected arrays with ranks")


def check_ranks(network, ranks, shards):
    """ValueError where the shards of each would be no node of their tree, or cannot be."""
    check_integer("shards", shards, 1, sharding.MOST_SHARDS)
    sharding.refuse_what_mixes(network, f"shards={shards}")
    own, rest = divmod(shards, ranks.size)
    if rest or own == 0 or own & (own - 1):
        most = sharding.MOST_SHARDS
        fitting = [ranks.size << i for i in range(9) if ranks.size << i <= most]
        expected = ", ".join(map(str, fitting)) or f"at most {most} ranks"
        raise ValueError(f"shards={shards} on {ranks.size} ranks: expected {expected}")


def _refuse_of_own_rows(*, validation_data, validation_split, class_weight, metrics, **_):
    """ValueError for what would be another number on each rank."""
    if validation_split:
        raise ValueError(
            f'validation_split={validation_split} with rows="own": expected validation_data, the '
            "same on all ranks"
        )
    if isinstance(class_weight, str):
        raise ValueError(f'class_weight={class_weight!r} with rows="own": expected a dict')
    if metrics and validation_data is None:
        raise ValueError('metrics with rows="own": expected validation_data to measure them on')


class Ranked:
    """What comes to a `Training` whose ranks go the same way: the error of one is that of all."""

    def lead(self, ranks):
        """Let the first rank report, and write files."""
        self.ranks = ranks
        leads = ranks.rank == 0
        self.verbose = self.verbose if leads else 0
        self.called = [one for one in self.callbacks if leads or not one.only_writes]

    def together(self):
        """A block that raises on all ranks or on none."""
        return agreement.Together(self.ranks)

    def run(self):
        """As alone, but that Ctrl-C waits for a place at which all ranks can be told."""
        with Interrupts() as self.interrupts:
            super().run()

    def _train(self, *arguments):
        with self.together():
            super()._train(*arguments)
            self.interrupts.look()

    @property
    def progress(self):
        """As alone, with a bar or without."""
        return self._rows_done

    def _rows_done(self, count):
        """Called by the core when it looks for Ctrl-C: what is raised here is told to all."""
        self.interrupts.look()
        if self.bar.rows_done:
            super()._rows_done(count)

    def begin(self):
        """Tell the callbacks, any of which may refuse."""
        if self.remembering or self.network._run is not None:
            self.hash_data()  # all ranks together, of which one writes files
        super().begin()

    def tell(self, hook, *arguments):
        """Call this of every callback; of those that only write, on the first rank."""
        with self.together():
            super().tell(hook, *arguments)

    def look(self):
        """As alone; clocks and functions of the user's may differ, and rank 0 decides for all."""
        with self.together():
            super().look()
            self.interrupts.look()
        self.history.stopped = agreement.told(self.ranks, self.history.stopped)[0]

    def epochs_at_a_time(self):
        """One: what is watched may differ."""
        return 1


class RankedTraining(Ranked, alone.Training):
    """On arrays."""

    def share_out(self, shards, batch_size):
        """Take the shards of this rank, and their rows where each rank was given its own."""
        self.sharding, self.data = rows.shared_out(self.ranks, shards, self.data)
        n_rows = self.history.n_samples = self.sharding.n_rows
        self.batch_size = check_batch_size(batch_size, n_rows, level=6)
