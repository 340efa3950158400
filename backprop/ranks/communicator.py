"""What ranks need of whatever carries their bytes: five names."""

from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray


@runtime_checkable
class Communicator(Protocol):
    """One of ``size`` processes, each of which makes the same calls in the same order.

    It carries bytes and adds nothing: sums are made by the library, along its own tree, or they
    would depend on how the carrier adds. Arrays are one-dimensional and contiguous, and of the same
    type on all ranks; ``bounds`` has ``size + 1`` places, the piece of rank r being
    ``array[bounds[r]:bounds[r + 1]]``. Each call returns when this rank's part of it is done.

    Where a rank has died or does not come, a call has to raise, within a time of its choice.

    Attributes
    ----------
    rank : int
        From 0 to ``size - 1``.
    size : int
    """

    rank: int
    size: int

    def exchange(
        self,
        sent: NDArray[Any],
        sent_bounds: NDArray[Any],
        received: NDArray[Any],
        received_bounds: NDArray[Any],
    ) -> None:
        """Piece r of ``sent`` goes to rank r, whose piece for this rank comes to piece r.

        The piece for this rank itself need not be copied.
        """

    def gather(self, array: NDArray[Any], bounds: NDArray[Any]) -> None:
        """Every rank's own piece of ``array`` comes to all ranks, in place."""

    def barrier(self) -> None:
        """Wait for all ranks."""
