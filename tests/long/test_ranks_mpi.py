"""Ranks that mpiexec starts: the bits of one process; and no rank waits for one that is no more."""

import importlib.util
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ranked import trained

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(importlib.util.find_spec("mpi4py") is None, reason="needs mpi4py"),
]
PROGRAM = Path(__file__).resolve().parents[1] / "ranked.py"
MPIEXEC = Path(sys.executable).with_name("mpiexec")


def run(n_ranks, how):
    """(exit code, what was printed, seconds)"""
    began = time.monotonic()
    command = [str(MPIEXEC) if MPIEXEC.exists() else "mpiexec", "-n", str(n_ranks)]
    command += [sys.executable, str(PROGRAM), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr, time.monotonic() - began


@pytest.mark.parametrize("how", ["train", "own"])
@pytest.mark.parametrize("n_ranks", [1, 2, 4])
def test_ranks_have_the_bits_of_one_process(n_ranks, how):
    code, said, _ = run(n_ranks, how)
    assert code == 0, said
    digest, _ = trained(None)
    assert re.findall("[0-9a-f]{64}", said) == [digest] * n_ranks


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("raise", "rank 1: OSError: the disk is full"),
        ("kill", "Killed"),
        ("sleep", r"rank 0 has waited 5 s for rank 1"),
        ("exit", "rank 1 has ended, and rank 0 waits for it"),
    ],
)
def test_a_rank_that_fails_ends_all(how, expected):
    code, said, seconds = run(2, how)
    assert code != 0
    assert re.search(expected, said), said
    assert seconds < 30


def test_ctrl_c_on_one_rank_stops_all_before_the_same_step():
    """Each time, and the ranks go on together."""
    code, said, _ = run(2, "interrupt")
    assert code == 0, said
    found = re.findall(r"(KeyboardInterrupt|RankStopped|ended) (\d+) ([0-9a-f]{64})", said)
    assert len(found) == 8
    by_steps = {}
    for what, steps, digest in found:
        by_steps.setdefault(int(steps), []).append((what, digest))
    assert len(by_steps) == 4
    for of_step in by_steps.values():
        assert len({digest for _, digest in of_step}) == 1
        assert {what for what, _ in of_step} in ({"KeyboardInterrupt", "RankStopped"}, {"ended"})
