"""Callbacks of ``fit``: what is done between epochs.

A callback is a function, called as ``callback(network, history)`` after each epoch, or an object
with Keras's hooks: ``on_train_begin(logs)``, ``on_epoch_begin(epoch, logs)``, ``on_epoch_end(epoch,
logs)``, ``on_train_end(logs)``. Training ends where one returns True after an epoch. Epochs count
from 0 in a call of `fit`; ``logs`` are the epoch's numbers by name, such as "validation_loss". What
an object remembers of the epochs it gives by ``get_state()`` to a `Checkpoint`, and takes back by
``set_state(state)`` when the run is resumed.
"""

from __future__ import annotations

import csv
import math
import os
import re
import warnings
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from backprop.catalogue.records import Hinted
from backprop.validation import check_flag, check_integer, check_path, check_real

if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from numpy.typing import NDArray

    from backprop.network import Network

HOOKS = ("on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end")
_EPOCH = re.compile(r"\{epoch(?::([^}]*))?\}")
MODES = {"min": False, "max": True}  # {mode: whether more is better}


class Callback:
    """A base of callbacks with hooks, which do nothing; ``self.network`` is the one trained.

    Attributes
    ----------
    network : Network
    only_writes : bool
        Whether it writes files, or reports, and decides nothing: of several ranks the first alone
        then calls it.
    """

    network: Network
    only_writes: ClassVar[bool] = False

    def on_train_begin(self, logs: dict[str, Any]) -> object:
        """Before the first epoch.

        logs: "epochs", "batch_size", "n_samples", and "directions", {name that there will be:
        whether more of it is better, or None}.
        """

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any]) -> object:
        """Before an epoch; logs is empty."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> object:
        """After an epoch; training ends where this returns True."""

    def on_train_end(self, logs: dict[str, float]) -> object:
        """When training has ended, but not by an error or Ctrl-C; logs: of the last epoch."""

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps for this callback: numbers, text, arrays, and lists of them."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """What `get_state` returned before the run was interrupted; after ``on_train_begin``."""


class _Best:
    """The best number so far of the one that is monitored."""

    def __init__(self, owner, monitor, mode, min_delta=0.0):
        if mode != "auto" and mode not in MODES:
            raise ValueError(f"mode={mode!r}: expected 'auto', 'min' or 'max'")
        self._owner, self._monitor, self._mode, self._min_delta = owner, monitor, mode, min_delta

    def begin(self, directions):
        """Raises ValueError where the name will not be there, or nobody knows what is better."""
        if self._monitor not in directions:
            names = ", ".join(map(repr, directions))
            hint = "; validation_data= or validation_split= of fit make those that begin so"
            hint = hint if str(self._monitor).startswith("validation_") else ""
            raise ValueError(f"monitor={self._monitor!r}: expected one of {names}{hint}")
        direction = MODES.get(self._mode, directions[self._monitor])
        if direction is None:
            raise ValueError(
                f"{self._owner}: whether more {self._monitor} is better is not known: "
                "expected mode='min' or mode='max'"
            )
        self._sign, self._told = 1 if direction else -1, False
        self.value = -self._sign * math.inf

    def improves(self, logs):
        """Whether this epoch is the best; then it is noted. nan never is."""
        value = logs[self._monitor]
        if math.isnan(value) and not self._told:
            self._told = True
            warnings.warn(
                f"{self._owner}: {self._monitor} is nan, which is never the best; is there a class "
                "that no row of these has, or an output that never varies?",
                stacklevel=2,
            )
        better = self._sign * (value - self.value) > self._min_delta
        if better:
            self.value = value
        return better


class EarlyStopping(Hinted, Callback):
    """End training when a number has stopped improving, and go back to the best weights.

    Parameters
    ----------
    monitor : str, default "validation_loss"
        "loss", "validation_loss", or a metric such as "validation_f1".
    patience : int, default 10
        Epochs without improvement after which training ends.
    min_delta : float, default 0.0
        What counts as an improvement is more than this.
    restore_best : bool, default True
        Whether the weights of the best epoch are put back when training ends, early or not.
    mode : {"auto", "min", "max"}
        What is better. "auto" asks the metric; a function of one's own has to be told.

    Attributes
    ----------
    best, best_epoch : float, int
        The best number, and its epoch, from 0.

    References
    ----------
    Prechelt, "Early stopping, but when?", 1998.
    """

    keyword_aliases: ClassVar[dict[str, str]] = {
        "metric": "monitor",
        "restore_best_weights": "restore_best",
        "tol": "min_delta",
        "n_iter_no_change": "patience",
    }

    def __init__(
        self,
        monitor: str = "validation_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best: bool = True,
        mode: str = "auto",
    ) -> None:
        self.monitor = monitor
        self.patience = check_integer("patience", patience, 1)
        self.restore_best = check_flag("restore_best", restore_best)
        self._best = _Best("EarlyStopping", monitor, mode, check_real("min_delta", min_delta, 0))
        self._weights: list[NDArray[Any]] | None = None
        self.best_epoch = -1

    @property
    def best(self) -> float:
        """Of the epochs so far."""
        return self._best.value

    def on_train_begin(self, logs: dict[str, Any]) -> None:
        """Start anew."""
        self._best.begin(logs["directions"])
        self._weights, self.best_epoch = None, -1

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        """Whether there was no improvement for so long."""
        if self._best.improves(logs):
            self.best_epoch = epoch
            if self.restore_best:
                self._keep()
        return self.has_ended(epoch + 1)

    def has_ended(self, n_epochs: int) -> bool:
        """Whether training would have ended after so many epochs."""
        return n_epochs - 1 - self.best_epoch >= self.patience

    def get_state(self) -> dict[str, Any]:
        """The best epoch, and its weights."""
        return {"best": self.best, "best_epoch": self.best_epoch, "weights": self._weights}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._best.value, self.best_epoch = state["best"], state["best_epoch"]
        self._weights = state["weights"]

    def _keep(self):
        if self._weights is None:
            self._weights = self.network.get_weights()
        else:  # the arrays that there are
            for own, array in zip(self._weights, self.network._parameters().values(), strict=True):
                own[...] = array

    def on_train_end(self, logs: dict[str, float]) -> None:
        """Put the best weights back."""
        if self._weights is not None:
            self.network.set_weights(self._weights)


class Checkpoint(Hinted, Callback):
    """Save the network and the run that it is in, as `Network.save` does: no file is half written.

    `Network.resume` goes on with the run, to the bits of one that was never interrupted;
    `Network.load` reads the network alone. A file has what all callbacks have made of its epoch.

    Parameters
    ----------
    path : str or os.PathLike
        Where to; ``{epoch}`` in it becomes the epochs trained, in four digits or more, or as in
        ``{epoch:02d}``; within an epoch it is that one's number.
    every : int, default 1
        Epochs from one to the next; the last epoch is saved too.
    every_steps : int, optional
        Steps within an epoch from one to the next, for epochs that take long.
    keep : int, optional
        How many of the files written by this fit are kept, the latest; None: all.
    monitor : str, optional
        Save only where this number is the best so far, as `EarlyStopping` has it.
    mode : {"auto", "min", "max"}
        What is better.
    """

    only_writes = True
    keyword_aliases: ClassVar[dict[str, str]] = {
        "filepath": "path",
        "save_freq": "every",
        "save_best_only": "monitor",
        "max_to_keep": "keep",
    }

    def __init__(
        self,
        path: str | PathLike[str],
        every: int = 1,
        keep: int | None = None,
        monitor: str | None = None,
        mode: str = "auto",
        every_steps: int | None = None,
    ) -> None:
        self.path = str(check_path(path))
        self.every = check_integer("every", every, 1)
        self.keep = None if keep is None else check_integer("keep", keep, 1)
        if keep is not None and keep > 1 and not _EPOCH.search(self.path):
            raise ValueError(f"keep={keep}: expected {{epoch}} in path={self.path!r}, a file each")
        if monitor is not None and self.every > 1:
            raise ValueError(f"every={every}: expected 1 with monitor, lest the best be missed")
        if every_steps is not None:
            every_steps = check_integer("every_steps", every_steps, 1)
            if monitor is not None:
                raise ValueError("every_steps and monitor: expected one of them, got both")
        self.every_steps = every_steps
        self._best = None if monitor is None else _Best("Checkpoint", monitor, mode)
        self._written: deque[Path] = deque()

    def on_train_begin(self, logs: dict[str, Any]) -> None:
        """Refuse a place where nothing can be written, before hours of training."""
        from backprop import atomic

        atomic.check_writable(self._place())
        if self._best is not None:
            self._best.begin(logs["directions"])
        self._written.clear()

    def get_state(self) -> dict[str, Any]:
        """The best so far, and the files that are kept."""
        best = None if self._best is None else self._best.value
        return {"best": best, "written": [str(path) for path in self._written]}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        if self._best is not None:
            self._best.value = state["best"]
        self._written = deque(map(Path, state["written"]))

    def _place(self, begun=0):
        """`begun`: 1 within an epoch, whose own file it then is until it is over."""
        epoch = self.network.epochs_trained + begun
        return Path(_EPOCH.sub(lambda found: format(epoch, found[1] or "04d"), self.path))

    def _epoch_is_over(self, training, is_last):
        """Save where it is time, and where it is the best."""
        if self._best is not None:
            wanted = self._best.improves(training.logs)
        else:
            wanted = is_last or len(training.history.loss) % self.every == 0
        if wanted:
            self._save(training)

    def _save(self, training):
        from backprop import resuming, storage

        path = self._place(int(training.position > 0))
        if path not in self._written:
            self._written.append(path)
        # scipy's L-BFGS alone knows where it stands
        run = None if self.network.optimizer.minimizes else resuming.written(training)
        storage.save(self.network, path, self.network.preprocessing, run)
        while self.keep is not None and len(self._written) > self.keep:
            with suppress(FileNotFoundError):
                self._written.popleft().unlink()


class CSVLog(Hinted, Callback):
    """Write one line an epoch to a CSV file: the epochs trained, then each number by name.

    Parameters
    ----------
    path : str or os.PathLike
        The file, written anew.
    append : bool, default False
        Go on below what is in it; its columns have to be the same.
    """

    only_writes = True

    def __init__(self, path: str | PathLike[str], append: bool = False) -> None:
        self.path = check_path(path)
        self.append = check_flag("append", append)
        self._columns: list[str] = []
        self._n_lines = 0

    def get_state(self) -> dict[str, Any]:
        """How many lines the file has."""
        return {"lines": self._n_lines}

    def on_train_resume(self, logs: dict[str, Any], state: dict[str, Any]) -> None:
        """Take off the lines of epochs that are trained again."""
        from backprop import atomic

        self._columns = ["epoch", *logs["directions"]]
        with open(self.path, encoding="utf-8", newline="") as file:
            lines = file.readlines()
        if len(lines) < state["lines"]:
            raise ValueError(
                f"{self.path} has {len(lines)} lines: expected the {state['lines']} of the run "
                "that is resumed"
            )
        self._n_lines = state["lines"]
        atomic.write_atomically(self.path, "".join(lines[: self._n_lines]).encode())

    def on_train_begin(self, logs: dict[str, Any]) -> None:
        """Write the header."""
        self._columns, self._n_lines = ["epoch", *logs["directions"]], 0
        there = self.append and self.path.exists() and self.path.stat().st_size > 0
        if not there:
            self._write("w", self._columns)
            return
        with open(self.path, newline="", encoding="utf-8") as file:
            found = next(csv.reader(file))
            self._n_lines = 1 + sum(1 for _ in file)
        if found != self._columns:
            raise ValueError(
                f"{self.path} has the columns {', '.join(found)}: expected "
                f"{', '.join(self._columns)}, or append=False"
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Write the epoch's line; it is in the file when this returns."""
        values = {"epoch": self.network.epochs_trained, **logs}
        self._write("a", [values[name] for name in self._columns])

    def _write(self, mode, row):
        with open(self.path, mode, newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(row)
        self._n_lines += 1


class TensorBoard(Hinted, Callback):
    """Write each epoch's numbers for TensorBoard, by the writer of tensorboardX or of PyTorch.

    Parameters
    ----------
    directory : str or os.PathLike
        Where the event files go.

    Raises
    ------
    ImportError
        When neither writer is installed.
    """

    only_writes = True

    def __init__(self, directory: str | PathLike[str]) -> None:
        self.directory = os.fspath(directory)
        self._kind = _summary_writer()
        self._writer: Any = None

    def on_train_begin(self, logs: dict[str, Any]) -> None:
        """Open a file."""
        self._writer = self._kind(self.directory)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Write the epoch's numbers, at the epochs trained."""
        for name, value in logs.items():
            self._writer.add_scalar(name, value, self.network.epochs_trained)
        self._writer.flush()

    def on_train_end(self, logs: dict[str, float]) -> None:
        """Close the file."""
        self._writer.close()


def _summary_writer():
    with suppress(ImportError):
        from tensorboardX import SummaryWriter

        return SummaryWriter
    with suppress(ImportError):
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter
    raise ImportError("TensorBoard needs a writer: pip install tensorboardX")


# ---- what `Training` calls -----------------------------------------------------------------------


class _Called:
    """What `Training` asks of every callback.

    `resumed`: what it remembered in the run that goes on, or None.
    """

    every_steps = resumed = None
    remembers = saves = only_writes = False

    def begin(self, training):
        """Before the first epoch."""

    def before_epoch(self, epoch):
        """Before each."""

    def end(self, training):
        """After the last."""

    def has_ended(self, training):
        """Whether a run that is resumed would be ended by it where it stands."""
        return False

    def save(self, training, is_last):
        """After an epoch, when all callbacks have seen it."""

    def save_within(self, training):
        """Within an epoch, after a step."""


class _Function(_Called):
    """callback(network, history)."""

    def __init__(self, function):
        self._function = function
        self.name = getattr(function, "__name__", type(function).__name__)

    def after_epoch(self, training):
        return _says_stop(self._function(training.network, training.history))


class _Hooks(_Called):
    """An object with some of the hooks."""

    def __init__(self, callback):
        self._callback, self.name = callback, type(callback).__name__
        own = getattr(type(callback), "get_state", None)
        self.remembers = own is not None and own is not Callback.get_state
        self.only_writes = getattr(callback, "only_writes", False)

    @property
    def state(self):
        """What it remembers."""
        return self._callback.get_state()

    def _call(self, hook, *arguments):
        method = getattr(self._callback, hook, None)
        return None if method is None else method(*arguments)

    def begin(self, training):
        if isinstance(self._callback, Callback):
            self._callback.network = training.network
        logs = {
            "epochs": training.epochs,
            "batch_size": training.batch_size,
            "n_samples": training.history.n_samples,
            "directions": training.directions,
        }
        if self.resumed is None:
            self._call("on_train_begin", logs)
        elif hasattr(self._callback, "on_train_resume"):
            self._callback.on_train_resume(logs, self.resumed)
        else:
            self._call("on_train_begin", logs)
            self._callback.set_state(self.resumed)

    def has_ended(self, training):
        if isinstance(self._callback, EarlyStopping):  # its patience may be another by now
            return self._callback.has_ended(len(training.history.loss))
        return training.history.stopped == self.name and self.resumed is not None

    def before_epoch(self, epoch):
        self._call("on_epoch_begin", epoch, {})

    def after_epoch(self, training):
        epoch = len(training.history.loss) - 1
        return _says_stop(self._call("on_epoch_end", epoch, training.logs))

    def end(self, training):
        self._call("on_train_end", training.logs)


class _Saver(_Hooks):
    """A `Checkpoint`, which saves what all others have made of an epoch."""

    saves = True

    def __init__(self, callback):
        super().__init__(callback)
        self.every_steps = callback.every_steps

    def begin(self, training):
        super().begin(training)
        self._saved_at = training.network.steps

    def save(self, training, is_last):
        self._callback._epoch_is_over(training, is_last)
        self._saved_at = training.network.steps

    def save_within(self, training):
        steps = training.network.steps
        if self.every_steps is not None and steps - self._saved_at >= self.every_steps:
            self._callback._save(training)
            self._saved_at = steps


def check_callbacks(callbacks):
    """A tuple of what `Training` calls, out of functions and objects with hooks."""
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks={callbacks!r}: expected a list of callables")
    return tuple(_checked(one) for one in callbacks)


def _checked(callback):
    if isinstance(callback, type):
        raise TypeError(f"callbacks has the class {callback.__name__}: expected an object of it")
    if hasattr(callback, "get_state") and not hasattr(callback, "set_state"):
        raise TypeError(
            f"callbacks: {type(callback).__name__} has get_state and no set_state, by which it "
            "would be given back"
        )
    if any(callable(getattr(callback, hook, None)) for hook in HOOKS):
        known = {*HOOKS, "on_train_resume", *dir(Callback)}
        others = [n for n in dir(callback) if n.startswith("on_") and n not in known]
        if others:
            raise ValueError(
                f"callbacks: {type(callback).__name__}.{others[0]} would never be called: expected "
                f"some of {', '.join(HOOKS)}"
            )
        return _Saver(callback) if isinstance(callback, Checkpoint) else _Hooks(callback)
    if not callable(callback):
        raise TypeError(
            f"callbacks has {callback!r}: expected callables, or objects with some of "
            f"{', '.join(HOOKS)}"
        )
    return _Function(callback)


def _says_stop(answer):
    """Only True does: a callback may return anything else, such as the scores that it printed."""
    return isinstance(answer, bool | np.bool_) and bool(answer)
