"""Ranks that are threads of one process: for tests, for trying a program out, and as an example."""

import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar

from numpy.typing import NDArray

from backprop._core.ranks import RankStopped

Result = TypeVar("Result")

TIMEOUT = 60.0  # seconds


class InProcess:
    """A `Communicator` between threads; made by `run`.

    Parameters
    ----------
    rank : int
    shared : Shared
        What all ranks of a group have in common.
    rows : {"shared", "own"}
        As of `backprop.ranks.MPI`.
    """

    def __init__(self, rank: int, shared: "Shared", rows: str = "shared") -> None:
        self.rank, self.size, self.rows = rank, shared.size, rows
        self._shared = shared

    @classmethod
    def run(
        cls,
        size: int,
        function: Callable[["InProcess"], Result],
        rows: str = "shared",
        timeout: float = TIMEOUT,
    ) -> list[Result]:
        """Call ``function(communicator)`` in ``size`` threads: the list of what they return.

        Raises
        ------
        BaseException
            What the first of them raised; the others are let go.
        """
        shared = Shared(size, timeout)
        results: list[Any] = [None] * size
        raised: list[BaseException] = []

        def one(rank):
            try:
                results[rank] = function(cls(rank, shared, rows))
            except BaseException as error:
                raised.append(error)
                shared.barrier.abort()

        threads = [
            threading.Thread(target=one, args=(rank,), name=f"rank {rank}") for rank in range(size)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if raised:  # first what the others follow from
            raise min(raised, key=lambda error: isinstance(error, RankStopped))
        return results

    def exchange(
        self,
        sent: NDArray[Any],
        sent_bounds: NDArray[Any],
        received: NDArray[Any],
        received_bounds: NDArray[Any],
    ) -> None:
        """See `Communicator`."""
        pieces = [sent[a:b] for a, b in pairwise(sent_bounds)]
        for other, of_other in enumerate(self._all(pieces)):
            if other != self.rank:
                received[received_bounds[other] : received_bounds[other + 1]] = of_other[self.rank]
        self.barrier()

    def gather(self, array: NDArray[Any], bounds: NDArray[Any]) -> None:
        """See `Communicator`."""
        own = array[bounds[self.rank] : bounds[self.rank + 1]]
        for other, piece in enumerate(self._all(own)):
            if other != self.rank:
                array[bounds[other] : bounds[other + 1]] = piece
        self.barrier()

    def barrier(self) -> None:
        """See `Communicator`."""
        try:
            self._shared.barrier.wait()
        except threading.BrokenBarrierError:
            raise RankStopped(
                f"rank {self.rank} waits for another, which has ended or does not come"
            ) from None

    def _all(self, own):
        """What every rank has put there; nobody may change it before the next barrier."""
        self._shared.slots[self.rank] = own
        self.barrier()
        return list(self._shared.slots)


class Shared:
    """A barrier, and a place for each rank."""

    def __init__(self, size: int, timeout: float) -> None:
        self.size = size
        self.slots: list[Any] = [None] * size
        self.barrier = threading.Barrier(size, timeout=timeout)
