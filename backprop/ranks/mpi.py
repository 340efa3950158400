"""Ranks that are MPI's, by mpi4py."""

import atexit
import os
import sys
import time
import traceback
from typing import Any

import numpy as np

from backprop._core.ranks import RankStopped
from backprop.ranks.point_to_point import PointToPoint
from backprop.validation import check_name, check_real

ROWS = ("shared", "own")
SPINS = 200  # without giving the processor away
LOOK_SECONDS = 0.05  # between two looks for what has happened to ranks that do not come
DATA, LEFT = 1, 2  # tags of messages: what is exchanged; that a rank has ended


class MPI(PointToPoint):
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
        if self.size > 1:
            self._abort_on_errors()
            atexit.register(self._leave)

    def _carry(self, sent, received):
        """Messages from one rank to another keep their order."""
        comm = self._comm
        receiving = [comm.Irecv(array, rank, DATA) for rank, array in received.items()]
        sending = [comm.Isend(array, rank, DATA) for rank, array in sent.items()]
        requests = receiving + sending
        self._pending = requests, sent, received  # MPI may write into them after an error too
        for _ in range(SPINS):
            if self._mpi.Request.Testall(requests):
                return
        self._wait(requests, received, receiving)

    def _wait(self, requests, received, receiving):
        """Longer; TimeoutError or RankStopped names the ranks that do not come.

        `receiving`: the requests of what is `received`.
        """
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
                for rank, request in zip(received, receiving, strict=True)
                if not request.Get_status()
            ]
            for rank in late:
                if self._comm.Iprobe(rank, LEFT) and not self._comm.Iprobe(rank, DATA):
                    raise RankStopped(f"rank {rank} has ended, and rank {self.rank} waits for it")
            if now > ends:
                raise TimeoutError(
                    f"rank {self.rank} has waited {self.timeout:g} s for rank "
                    f"{', '.join(map(str, late or self._other_ranks()))}"
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
        for rank in self._other_ranks():
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
