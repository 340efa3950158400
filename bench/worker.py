"""One process for each library that is timed, so that no two thread pools or allocators meet.

Processes take turns: while one works, the others wait for their next call and use no processor.
"""

import multiprocessing
import os
import platform
import traceback
from contextlib import contextmanager
from pathlib import Path

from peers import ENVIRONMENT

# The cores that this process was given, before it binds itself to one; None where none can say.
GIVEN = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


class NotInstalled(Exception):
    """A peer is not there to be compared with; the message is what its import said."""


class WorkerError(Exception):
    """What went wrong in a worker: its traceback."""


def pin(core=None):
    """Bind this process, and those that it starts, to one core and one thread; the core's number.

    To be called before anything is imported that starts threads. None where the system cannot bind.
    """
    os.environ.update(ENVIRONMENT)
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0)) if core is None else core
    os.sched_setaffinity(0, {core})
    return core


@contextmanager
def bound_to(cores):
    """Workers that are made in here are bound to these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def environment(**variables):
    """Workers that are made in here see these variables."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Worker:
    """An object that lives in a process of its own; `call` runs one of its methods there."""

    def __init__(self, make, *arguments):
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
        self._process.start()
        theirs.close()
        self.answer()  # that it is made

    def call(self, method, *arguments):
        self.ask(method, *arguments)
        return self.answer()

    def ask(self, method, *arguments):
        """The first half of a call, for two workers that are to work at the same time."""
        self._connection.send((method, arguments))

    def answer(self):
        try:
            kind, value = self._connection.recv()
        except EOFError:
            self._process.join()
            raise WorkerError(f"it ended with exit code {self._process.exitcode}") from None
        if kind == "not installed":
            raise NotInstalled(value)
        if kind == "error":
            raise WorkerError(value)
        return value

    def close(self):
        self._connection.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.terminate()


def _serve(connection, make, arguments):
    try:
        target = make(*arguments)
    except ImportError as error:
        connection.send(("not installed", str(error)))
        return
    except Exception:
        connection.send(("error", traceback.format_exc()))
        return
    connection.send(("value", None))
    while True:
        try:
            method, arguments = connection.recv()
        except EOFError:
            return
        try:
            connection.send(("value", getattr(target, method)(*arguments)))
        except Exception:
            connection.send(("error", traceback.format_exc()))


def processor():
    """The CPU's name in /proc/cpuinfo, with family and model: makers use a name again."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine()
    lines = (line.partition(":") for line in path.read_text().splitlines())
    facts = {}
    for key, _, value in lines:
        facts.setdefault(key.strip(), value.strip())
    if "cpu family" not in facts:
        return facts.get("model name", platform.machine())
    family, model = facts["cpu family"], facts.get("model", "?")
    return f"{facts.get('model name', 'unnamed')} (family {family}, model {model})"


def load():
    """'', or words of warning when others are at work on this machine."""
    if not hasattr(os, "getloadavg") or os.getloadavg()[0] < 0.5:
        return ""
    return f"; NOISY: the machine was busy before this began (load {os.getloadavg()[0]:.1f})"
