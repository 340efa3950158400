"""Ranks that something else than MPI has started, such as Dask's workers: each connects to each."""

import hashlib
import hmac
import secrets
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from backprop._core.ranks import RankStopped
from backprop.ranks.point_to_point import PointToPoint
from backprop.validation import check_name, check_real

NONCE_BYTES, RANK_BYTES = 32, 8
HANDSHAKE_SECONDS = 2.0  # after which somebody who connects and says nothing is sent away
RETRY_SECONDS = 0.1


class Sockets(PointToPoint):
    """A `Communicator` over TCP.

    Every rank first opens a listener, and learns the addresses of all by whatever started it:
    ``listener = Sockets.listen(host)``, whose ``getsockname()`` is its address, then
    ``Sockets(listener, addresses, rank, key)``. Both sides of a connection prove that they have the
    key, by HMAC-SHA256 of numbers that the other has drawn; what follows is plain TCP, and nothing
    of it is unpickled.

    Parameters
    ----------
    listener : socket
        Of this rank.
    addresses : list of (host, port)
        Of the listeners of all ranks, in their order.
    rank : int
    key : bytes
        The same on all ranks; from `secrets`.
    rows : {"shared", "own"}
        As of `backprop.ranks.MPI`.
    timeout : float
        Seconds after which a rank that does not connect, or does not come, is an error.

    Raises
    ------
    TimeoutError, backprop.ranks.RankStopped
        Name the rank that does not come, or that is gone. No call is possible after that.
    """

    def __init__(
        self,
        listener: socket.socket,
        addresses: list[Any],
        rank: int,
        key: bytes,
        rows: str = "shared",
        timeout: float = 600.0,
    ) -> None:
        self.rank, self.size = rank, len(addresses)
        self.rows = check_name("rows", rows, ("shared", "own"))
        self.timeout = check_real("timeout", timeout, 0, above=True)
        self._others: dict[int, socket.socket] = {}
        ends = time.monotonic() + self.timeout
        try:
            for other in range(rank):  # each pair has one connection: the later rank asks for it
                self._others[other] = self._connected(other, addresses[other], key, ends)
            self._accept(listener, key, ends)
        except BaseException:
            self.close()
            raise
        self._sending = ThreadPoolExecutor(max(1, self.size - 1))  # lest two wait to be read

    @staticmethod
    def listen(host: str) -> socket.socket:
        """A listener on a free port."""
        family = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, 0), family=family, backlog=256)

    def close(self) -> None:
        """End the connections; who waits for one of them gets an error."""
        for connection in self._others.values():
            end(connection)
        if hasattr(self, "_sending"):
            self._sending.shutdown(wait=False)

    def _carry(self, sent, received):
        sending = {
            rank: self._sending.submit(self._others[rank].sendall, array.data.cast("B"))
            for rank, array in sent.items()
        }
        for rank, array in received.items():
            self._with(rank, _fill, self._others[rank], array.data.cast("B"))
        for rank, one in sending.items():
            self._with(rank, one.result)

    def _with(self, rank, function, *arguments):
        """Do something that waits for a rank, whose error names it."""
        try:
            return function(*arguments)
        except TimeoutError:
            raise TimeoutError(
                f"rank {self.rank} has waited {self.timeout:g} s for rank {rank}"
            ) from None
        except (EOFError, OSError) as error:
            raise RankStopped(f"rank {rank} is gone, and rank {self.rank} waits for it") from error

    def _connected(self, other, address, key, ends):
        """A connection to a rank's listener, which may not be there yet."""
        while True:
            left = ends - time.monotonic()
            if left <= 0:
                raise TimeoutError(
                    f"rank {self.rank} has waited {self.timeout:g} s for rank {other} to listen"
                )
            try:
                connection = socket.create_connection(tuple(address)[:2], timeout=left)
                connection.settimeout(left)
                _prove(connection, key, self.rank)
            except (EOFError, OSError):
                time.sleep(RETRY_SECONDS)
                continue
            return self._ready(connection)

    def _accept(self, listener, key, ends):
        """The connections of later ranks; strangers are sent away."""
        while missing := set(range(self.rank + 1, self.size)) - set(self._others):
            listener.settimeout(max(0.0, ends - time.monotonic()) or 1e-3)
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                raise TimeoutError(
                    f"rank {self.rank} has waited {self.timeout:g} s for rank "
                    f"{', '.join(map(str, sorted(missing)))} to connect"
                ) from None
            connection.settimeout(HANDSHAKE_SECONDS)
            try:
                other = _proven(connection, key)
            except (EOFError, OSError, ValueError):
                other = None
            if other in missing:
                self._others[other] = self._ready(connection)
            else:
                connection.close()

    def _ready(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(self.timeout)
        return connection


def end(connection):
    """Close it, also under a thread that waits for it."""
    with suppress(OSError):  # it may be closed already
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _prove(connection, key, rank):
    """Show that this side has the key, and see that the other has; OSError where not."""
    theirs = _received(connection, NONCE_BYTES)
    own = secrets.token_bytes(NONCE_BYTES)
    who = rank.to_bytes(RANK_BYTES, "little")
    connection.sendall(own + who + _sign(key, b"asks", theirs, own, who))
    if not hmac.compare_digest(
        _received(connection, NONCE_BYTES), _sign(key, b"answers", own, theirs, who)
    ):
        raise OSError("who listens there does not have the key")


def _proven(connection, key):
    """The rank that has shown that it has the key; ValueError where it has not."""
    own = secrets.token_bytes(NONCE_BYTES)
    connection.sendall(own)
    theirs, who = _received(connection, NONCE_BYTES), _received(connection, RANK_BYTES)
    if not hmac.compare_digest(
        _received(connection, NONCE_BYTES), _sign(key, b"asks", own, theirs, who)
    ):
        raise ValueError("it does not have the key")
    connection.sendall(_sign(key, b"answers", theirs, own, who))
    return int.from_bytes(who, "little")


def _sign(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def _received(connection, n_bytes):
    place = bytearray(n_bytes)
    _fill(connection, memoryview(place))
    return bytes(place)


def _fill(connection, place):
    """Read as many bytes as there is room for."""
    while len(place):
        n = connection.recv_into(place)
        if n == 0:
            raise EOFError("the connection was closed")
        place = place[n:]
