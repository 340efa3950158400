"""What a communicator is after a call that failed."""

from contextlib import contextmanager

from backprop._core.ranks import RankStopped


class Breakable:
    """A communicator that has failed once takes no other call.

    What was on its way may still arrive, and would be taken for what the next call waits for.
    """

    _broken: BaseException | None = None

    @contextmanager
    def unbroken(self):
        """A block whose error is the end of the communicator."""
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
