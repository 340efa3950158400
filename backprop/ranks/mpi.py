"""Ranks that are MPI's, by mpi4py."""

import atexit
import os
import sys
import time
import traceback
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop._core.ranks import RankStopped
from backprop.ranks.broken import Breakable
from backprop.validation import check_name, check_real

ROWS = ("shared", "own")
SPINS = 200  # without giving the processor away
LOOK_SECONDS = 0.05  # between two looks for what has happened to ranks that do not come
DATA, LEFT = 1, 2  # tags of messages: what is exchanged; that a rank has ended


class MPI(Breakable):
    """A `Communicator` of the processes that ``mpiexec`` has started.

    Whatever nobody catches on one rank ends all of them, with exit code 1 and the rank's name.

    Parameters
    ----------
    comm : mpi4py communicator, optional
        By default all processes; a copy of it is used, which disturbs nobody's messages.
    rows : {"shared", "own"}
        Whether every rank is given all rows, such as one memory map, of which it reads those of its
        shards; or its own, which come one rank behind another and are sent where they belong.
    timeout : float
        Seconds after which a rank that does not come is an error. By default 600.

    Raises
    ------
    ImportError
        Without mpi4py, or without an MPI library.
    """

    def __init__(self, comm: Any = None, *, rows: str = "shared", timeout: float = 600.0) -> None:
        self.rows = check_name("rows", rows, ROWS)
        self.timeout = check_real("timeout", timeout, 0, above=True)
        self._mpi = _import_mpi()
        self._comm = (self._mpi.COMM_WORLD if comm is None else comm).Dup()
        self.rank, self.size = self._comm.Get_rank(), self._comm.Get_size()
        self._others = [rank for rank in range(self.size) if rank != self.rank]
        if self.size > 1:
            self._abort_on_errors()
            atexit.register(self._leave)

    def exchange(
        self,
        sent: NDArray[Any],
        sent_bounds: NDArray[Any],
        received: NDArray[Any],
        received_bounds: NDArray[Any],
    ) -> None:
        """See `Communicator`."""
        self._send_and_receive(
            {r: sent[sent_bounds[r] : sent_bounds[r + 1]] for r in self._others},
            {r: received[received_bounds[r] : received_bounds[r + 1]] for r in self._others},
        )

    def gather(self, array: NDArray[Any], bounds: NDArray[Any]) -> None:
        """See `Communicator`."""
        own = array[bounds[self.rank] : bounds[self.rank + 1]]
        self._send_and_receive(
            dict.fromkeys(self._others, own),
            {r: array[bounds[r] : bounds[r + 1]] for r in self._others},
        )

    def barrier(self) -> None:
        """See `Communicator`."""
        nothing = np.empty(0, np.uint8)
        self._send_and_receive(
            dict.fromkeys(self._others, nothing), dict.fromkeys(self._others, nothing)
        )

    def _send_and_receive(self, sent, received):
        """{rank: array} each; messages from one rank to another keep their order."""
        with self.unbroken():
            self._carry(sent, received)

    def _carry(self, sent, received):
        comm = self._comm
        receiving = [comm.Irecv(array, rank, DATA) for rank, array in received.items()]
        sending = [comm.Isend(array, rank, DATA) for rank, array in sent.items()]
        requests = receiving + sending
        self._pending = requests, sent, received  # MPI may write into them after an error too
        for _ in range(SPINS):
            if self._mpi.Request.Testall(requests):
                return
        self._wait(requests, receiving)

    def _wait(self, requests, receiving):
        """Longer; TimeoutError or RankStopped names the ranks that do not come."""
        ends = time.monotonic() + self.timeout
        look = 0.0
        while not self._mpi.Request.Testall(requests):
            os.sched_yield()  # there may be more ranks than cores
            now = time.monotonic()
            if now < look:
                continue
            look = now + LOOK_SECONDS
            late = [
                rank
                for rank, request in zip(self._others, receiving, strict=True)
                if not request.Get_status()
            ]
            for rank in late:
                if self._comm.Iprobe(rank, LEFT) and not self._comm.Iprobe(rank, DATA):
                    raise RankStopped(f"rank {rank} has ended, and rank {self.rank} waits for it")
            if now > ends:
                raise TimeoutError(
                    f"rank {self.rank} has waited {self.timeout:g} s for rank "
                    f"{', '.join(map(str, late or self._others))}"
                )

    def _abort_on_errors(self):
        usual = sys.excepthook

        def hook(kind, error, trace):
            usual(kind, error, trace)
            last = traceback.format_exception_only(kind, error)[-1].strip()
            print(f"rank {self.rank} ends all {self.size}: {last}", file=sys.stderr, flush=True)
            self._comm.Abort(1)

        sys.excepthook = hook

    def _leave(self):
        """Tell the others: one may wait for this rank, which MPI lets wait until all end."""
        for rank in self._others:
            self._comm.Isend(np.empty(0, np.uint8), rank, LEFT).Free()


def _import_mpi():
    try:
        from mpi4py import MPI as mpi
    except (ImportError, RuntimeError) as error:
        raise ImportError(
            "ranks need mpi4py and an MPI library, pip install backprop-mlp[mpi] brings both; "
            f"importing mpi4py says: {error}"
        ) from error
    return mpi
