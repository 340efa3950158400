"""What communicators have in common that send an array to each rank, and receive one from each."""

from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop._core.ranks import RankStopped


class PointToPoint:
    """The calls of a `Communicator`, by `_carry` of a subclass.

    One that has failed once takes no other call: what was on its way may still arrive, and would be
    taken for what the next call waits for.
    """

    rank: int
    size: int
    _broken: BaseException | None = None

    def exchange(
        self,
        sent: NDArray[Any],
        sent_bounds: NDArray[Any],
        received: NDArray[Any],
        received_bounds: NDArray[Any],
    ) -> None:
        """See `Communicator`."""
        self._send_and_receive(
            {r: sent[sent_bounds[r] : sent_bounds[r + 1]] for r in self._other_ranks()},
            {r: received[received_bounds[r] : received_bounds[r + 1]] for r in self._other_ranks()},
        )

    def gather(self, array: NDArray[Any], bounds: NDArray[Any]) -> None:
        """See `Communicator`."""
        own = array[bounds[self.rank] : bounds[self.rank + 1]]
        self._send_and_receive(
            dict.fromkeys(self._other_ranks(), own),
            {r: array[bounds[r] : bounds[r + 1]] for r in self._other_ranks()},
        )

    def barrier(self) -> None:
        """See `Communicator`."""
        self.gather(np.zeros(self.size, np.uint8), np.arange(self.size + 1))

    def _other_ranks(self):
        return [rank for rank in range(self.size) if rank != self.rank]

    def _send_and_receive(self, sent, received):
        """{rank: array} each; of an array without numbers there is no message."""
        with self._unbroken():
            self._carry(
                {rank: array for rank, array in sent.items() if array.size},
                {rank: array for rank, array in received.items() if array.size},
            )

    @contextmanager
    def _unbroken(self):
        if self._broken is not None:
            raise RankStopped(
                f"this communicator has failed before, by {type(self._broken).__name__}: "
                f"{self._broken}; begin again from a checkpoint, with new processes"
            )
        try:
            yield
        except BaseException as error:
            self._broken = error
            raise
