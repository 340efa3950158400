"""Every writer, killed at every call to the system, and with every file call failing: there is the
old file or the new one, whole.

The writer of a model runs by default, the others with `pytest -m long`.
"""

import errno
import itertools
import os

import numpy as np
import pytest
import traced

import backprop as bp
from backprop.atomic import PREFIX, SUFFIX
from backprop.cli import main
from backprop.explain import write_page

REASON = traced.why_not(registers=True)
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

X, Y = np.random.default_rng(0).normal(size=(6, 3)), np.arange(6) % 2
OLD = b"what was there before"
MOST = 2000  # calls of a writer, so that a test ends
ERRORS = (errno.EIO, errno.ENOSPC)


def network():
    layers = [bp.Dense(2, "tanh"), bp.Dense(2)]
    return bp.Network(3, layers, "softmax_cross_entropy", seed=1, n_threads=1)


def save(folder):
    """A model."""
    return network().save


def named(folder):
    """A model, where a file has a name from the beginning: as on systems other than Linux."""

    def write(path):
        with pytest.MonkeyPatch.context() as patch:
            patch.delattr(os, "O_TMPFILE")
            network().save(path)

    return write


def checkpoint(folder):
    """What a run is resumed from."""
    return lambda path: network().fit(X, Y, epochs=1, batch_size=6, callbacks=[bp.Checkpoint(path)])


def page(folder):
    traces = [network().explain(X[:2], Y[:2])]
    return lambda path: write_page(path, traces)


def predictions(folder):
    """What `backprop predict` writes."""
    table, model = str(folder / "table.csv"), str(folder / "model.safetensors")
    network().save(model)
    np.savetxt(table, X, delimiter=",", header="a,b,c", comments="")

    def write(path):
        if main(["predict", model, table, "--output", str(path), "--threads", "1"]):
            raise OSError("the command failed")

    return write


LONG = {"named": named, "checkpoint": checkpoint, "page": page, "predictions": predictions}
WRITERS = [
    pytest.param(save, id="model"),
    *(pytest.param(make, id=name, marks=pytest.mark.long) for name, make in LONG.items()),
]


class Place:
    """A folder with the file that is written, the old one or none before each write."""

    def __init__(self, folder, writer, is_there):
        self.source, self.folder, self.is_there = folder / "source", folder / "written", is_there
        for made in (self.source, self.folder):
            made.mkdir()
        self.path, write = self.folder / "file", writer(self.source)
        self.work = lambda: write(self.path)
        self.work()  # which imports what it needs
        self.whole = self.content()

    def begin(self):
        for name in os.listdir(self.folder):
            (self.folder / name).unlink()
        if self.is_there:
            self.path.write_bytes(OLD)

    def content(self):
        return self.path.read_bytes() if self.path.exists() else None

    def is_old(self):
        return self.content() == (OLD if self.is_there else None)

    def is_new(self):
        """A checkpoint has the seconds that it took, of which no two are alike: it is loaded."""
        content = self.content()
        if content is None or content == OLD:
            return False
        if content[8:9] == b"{":
            return bp.Network.load(self.path).n_inputs > 0
        return content == self.whole

    def others(self):
        return [name for name in os.listdir(self.folder) if name != self.path.name]


@pytest.fixture(
    params=[True, pytest.param(False, marks=pytest.mark.long)],
    ids=["over an old file", "where there is none"],
)
def is_there(request):
    return request.param


@pytest.fixture(params=WRITERS)
def place(request, is_there, tmp_path):
    return Place(tmp_path, request.param, is_there)


def test_killed_at_every_call(place):
    olds = news = 0
    for n in range(MOST):
        place.begin()
        outcome = traced.killed_at(place.work, n)
        assert outcome != traced.REFUSED, n
        assert place.is_old() or place.is_new(), n
        olds, news = olds + place.is_old(), news + place.is_new()
        if outcome == traced.DONE:
            break
        left = place.others()
        assert len(left) <= 1, left
        assert all(name.startswith(PREFIX) and name.endswith(SUFFIX) for name in left)
    assert outcome == traced.DONE
    assert olds > 10
    assert news >= 1
    print(f"killed at {n} calls: {olds} times the old file, {news} times the new one")


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
def test_every_file_call_fails_once(place, number):
    refused = 0
    for n in range(MOST):
        place.begin()
        outcome, failed = traced.failing_at(place.work, n, number)
        assert place.is_new() if outcome == traced.DONE else place.is_old(), (n, outcome)
        assert len(place.others()) <= 1, (n, place.others())  # where it cannot be removed
        refused += outcome == traced.REFUSED
        if not failed:
            break
    assert not failed
    assert outcome == traced.DONE
    assert refused >= 2
    print(f"{n} calls failed: {refused} times the writer said so")


def test_every_write_takes_one_byte_first(place):
    for n in itertools.count():
        place.begin()
        outcome, shortened = traced.writing_one_byte_at(place.work, n)
        assert outcome == traced.DONE
        assert place.is_new()
        if not shortened:
            break
    assert n >= 1


def test_a_log_has_whole_lines_wherever_it_is_killed(tmp_path):
    path = tmp_path / "log.csv"

    def work():
        network().fit(X, Y, epochs=3, batch_size=6, callbacks=[bp.CSVLog(path)])

    work()
    lines = path.read_text().splitlines(keepends=True)
    found = set()
    for n in range(MOST):
        path.unlink(missing_ok=True)
        outcome = traced.killed_at(work, n)
        written = path.read_text() if path.exists() else ""
        assert written == "" or written.endswith("\n")
        found.add(written.count("\n"))
        if outcome == traced.DONE:
            break
    assert found == set(range(len(lines) + 1))
