"""What outlives a network, or is another like it: copies, averages, files, pickles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backprop.layers import all_arrays, gathered_rows, layer_arrays
from backprop.sharing import reading
from backprop.validation import check_dtype

if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from numpy.typing import DTypeLike

    from backprop.network import Network, OwnFunction


class Keeping:
    """A part of `Network`."""

    def copy(self, *, dtype: DTypeLike | None = None, n_threads: int | None = None) -> Network:
        """A network of its own with the same parameters, seed and counts.

        With the same dtype it has the optimizer's moments and averages too, and training goes on to
        the same bits. By default dtype and n_threads are those of this one.
        """
        from backprop import storage

        state = storage.state(self)
        dtype = self.dtype if dtype is None else check_dtype(dtype)
        if dtype != self.dtype:
            state["moments"], state["averages"], state["n_averaged"] = None, None, 0
        state["arguments"]["dtype"] = str(dtype)
        if n_threads is not None:
            state["arguments"]["n_threads"] = n_threads
        twin = type(self).__new__(type(self))
        twin.__setstate__(state)
        return twin

    def averaged(self) -> Network:
        """A copy whose weights and biases are the averages that the optimizer keeps.

        It predicts with them; this network trains on as it would without. See
        ``backprop.catalogue.averages``.

        Raises
        ------
        RuntimeError
            When the optimizer keeps no average, or there has been nothing to average yet.
        """
        if self.optimizer.average is None:
            raise RuntimeError(
                "averaged() needs an optimizer that keeps an average, such as "
                "bp.Adam(average=bp.EMA())"
            )
        with reading(self._core):
            if self._core.n_averaged == 0:
                raise RuntimeError(
                    f"there is no average yet: {self.optimizer.average!r} has met no weights"
                )
            twin = self.copy()
            for layer, averages in zip(twin.layers, self._averages(), strict=True):
                for name, array in all_arrays(layer).items():
                    array[...] = averages[name]
        return twin

    def save(self, path: str | PathLike[str]) -> None:
        """Write the network to a safetensors file.

        Parameters, optimizer's moments, and all that it was made with, but for a loss of one's own,
        of which the name is written.
        """
        from backprop import storage

        storage.save(self, path, self.preprocessing)

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        n_threads: int | None = None,
        loss: OwnFunction | None = None,
    ) -> Network:
        """The network that ``save`` wrote; training goes on as if it had not been interrupted.

        ``n_threads`` belongs to the machine and is not in the file: as for ``Network``. Nor is a
        loss of one's own, of which the file has the name: give the function as ``loss``.
        """
        from backprop import storage

        network, network.preprocessing = storage.load(path, n_threads, loss)
        return network

    @classmethod
    def resume(
        cls,
        path: str | PathLike[str],
        n_threads: int | None = None,
        loss: OwnFunction | None = None,
    ) -> Network:
        """The network of a `Checkpoint`, of which the next ``fit`` goes on with the run.

        Call ``fit`` as it was called before, with the same data, settings and callbacks that
        remember something; ``epochs`` are those of the whole run and may be others. Weights,
        moments and history become, to the bit, those of a run that was never interrupted, also
        where the checkpoint was written within an epoch. Another network made of such layers by
        ``load`` starts a run of its own.

        Parameters are as for ``load``.

        Raises
        ------
        ModelFileError
            Also when the file holds a network without a run. ``fit`` raises ValueError where data
            or settings are others, and names them.
        """
        from backprop import storage

        network, network.preprocessing, network._run = storage.resume(path, n_threads, loss)
        return network

    def __getstate__(self) -> dict[str, Any]:
        from backprop import storage

        return storage.state(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        from backprop import storage

        self.__init__(**state["arguments"])
        storage.set_state(self, state)

    def _averages(self):
        """[{name: view} of each layer] of the averages that the optimizer keeps; [] of none."""
        if self.optimizer.average is None:
            return []
        both = zip(self._specs, self._core.average_views(), strict=True)
        return [
            {**layer_arrays(spec, views).parameters, **gathered_rows(spec, views)}
            for spec, views in both
        ]
