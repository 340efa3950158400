"""A processor without AVX, which QEMU emulates: the package can be imported, it trains, and its
kernels are right.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
QEMU = shutil.which("qemu-x86_64")
# OpenBLAS, numpy's and ours, takes the emulated processor for one with AVX2 unless told
ENVIRONMENT = {**os.environ, "OPENBLAS_CORETYPE": "Nehalem"}

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="for x86-64"),
    pytest.mark.skipif(QEMU is None, reason="qemu-x86_64 (qemu-user) is not installed"),
]

PROGRAM = """
import numpy as np
import backprop as bp
from backprop._core.kernels import best_instruction_set, instruction_sets

assert best_instruction_set() == "baseline", instruction_sets()
X = np.random.default_rng(0).normal(size=(200, 8))
for matmul in ("fused", "blas"):
    layers = [bp.Dense(32, "gelu", dropout=0.1, norm="batch"), bp.Dense(3)]
    net = bp.Network(8, layers, "softmax_cross_entropy", seed=0, n_threads=2, matmul=matmul)
    net.fit(X, X[:, :3].argmax(axis=1), epochs=200)
    assert net.evaluate(X, X[:, :3].argmax(axis=1))["accuracy"] > 0.85
print("trained")
"""


def emulated(*arguments):
    command = [QEMU, "-cpu", "Nehalem", sys.executable, *arguments]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=900)


def test_it_is_imported_and_trains():
    done = emulated("-c", PROGRAM)
    assert done.stdout == "trained\n", done.stderr


def test_its_kernels_are_right():
    done = emulated(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "baseline", str(TESTS / "kernels")
    )
    assert done.returncode == 0, done.stdout[-2000:]
    print(done.stdout.splitlines()[-1])
