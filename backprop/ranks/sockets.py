"""Ranks that something else than MPI has started, such as Dask's workers: each connects to each."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop._core.ranks import RankStopped
from backprop.validation import check_real


class Sockets:
    """A `Communicator` over TCP.

    Every rank first opens a listener, and learns the addresses of all by whatever started it:
    ``Sockets.listen(host, key)``, then ``Sockets(listener, addresses, rank, key)``. Nothing is
    unpickled that comes from another rank, and who does not have the key gets no connection.

    Parameters
    ----------
    listener : multiprocessing.connection.Listener
        Of this rank.
    addresses : list
        Of the listeners of all ranks, in their order.
    rank : int
    key : bytes
        The same on all ranks; from `secrets`.
    rows : {"shared", "own"}
        As of `backprop.ranks.MPI`.
    timeout : float
        Seconds after which a rank that does not come is an error.

    Raises
    ------
    TimeoutError, backprop.ranks.RankStopped
        Name the rank that does not come, or that is gone.
    """

    def __init__(
        self,
        listener: Listener,
        addresses: list[Any],
        rank: int,
        key: bytes,
        rows: str = "shared",
        timeout: float = 600.0,
    ) -> None:
        self.rank, self.size, self.rows = rank, len(addresses), rows
        self.timeout = check_real("timeout", timeout, 0, above=True)
        self._others: dict[int, Connection] = {}
        for other in range(rank):  # each pair has one connection: the later rank asks for it
            self._others[other] = Client(addresses[other], authkey=key)
            self._others[other].send_bytes(np.int64(rank).tobytes())
        while len(self._others) < self.size - 1:
            connection = listener.accept()
            (other,) = np.frombuffer(connection.recv_bytes(8), np.int64)
            self._others[int(other)] = connection
        self._sending = ThreadPoolExecutor(max(1, self.size - 1))  # lest two wait to be read

    @staticmethod
    def listen(host: str, key: bytes) -> Listener:
        """A listener on a free port; its ``address`` is what the other ranks need."""
        return Listener((host, 0), backlog=256, authkey=key)

    def exchange(
        self,
        sent: NDArray[Any],
        sent_bounds: NDArray[Any],
        received: NDArray[Any],
        received_bounds: NDArray[Any],
    ) -> None:
        """See `Communicator`."""
        pieces = [sent[a:b] for a, b in pairwise(sent_bounds)]
        places = [received[a:b] for a, b in pairwise(received_bounds)]
        self._send_and_receive(pieces, places)

    def gather(self, array: NDArray[Any], bounds: NDArray[Any]) -> None:
        """See `Communicator`."""
        places = [array[a:b] for a, b in pairwise(bounds)]
        self._send_and_receive([places[self.rank]] * self.size, places)

    def barrier(self) -> None:
        """See `Communicator`."""
        sign = np.zeros((self.size, 1), np.uint8)
        self._send_and_receive(sign, sign.copy())

    def close(self) -> None:
        """End the connections."""
        self._sending.shutdown()
        for connection in self._others.values():
            connection.close()

    def _send_and_receive(self, sent, received):
        """An array to each rank, and one from each; of none there is no message."""
        sending = [
            self._sending.submit(connection.send_bytes, sent[rank].data.cast("B"))
            for rank, connection in self._others.items()
            if sent[rank].size
        ]
        for rank, connection in self._others.items():
            if received[rank].size:
                self._receive(rank, connection, received[rank])
        for one in sending:
            one.result()

    def _receive(self, rank, connection, place):
        if not connection.poll(self.timeout):
            raise TimeoutError(f"rank {self.rank} has waited {self.timeout:g} s for rank {rank}")
        try:
            connection.recv_bytes_into(place.data.cast("B"))
        except (EOFError, OSError) as error:
            raise RankStopped(f"rank {rank} is gone, and rank {self.rank} waits for it") from error
