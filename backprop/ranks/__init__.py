"""Several processes that train one network: what they reach one another by.

``net.fit(X, y, shards=4, ranks=bp.ranks.MPI())`` in a program that ``mpiexec -n 4`` starts: each of
the four works out the gradients of one shard of every batch, and all have the same weights after
every step, to the bits of one process with ``shards=4``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from backprop._core.ranks import RankStopped

if TYPE_CHECKING:
    from backprop.ranks.communicator import Communicator
    from backprop.ranks.in_process import InProcess
    from backprop.ranks.mpi import MPI
    from backprop.ranks.sockets import Sockets

_HOME = {"Communicator": "communicator", "InProcess": "in_process"}
_HOME |= {"MPI": "mpi", "Sockets": "sockets"}
__all__ = ["MPI", "Communicator", "InProcess", "RankStopped", "Sockets"]


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
