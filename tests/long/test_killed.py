"""A run that is killed at any instant, and resumed, ends with the bits of one that is not."""

import random
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.long

KILLS = 200
PROGRAM = """
import hashlib, os, sys
import numpy as np
import backprop as bp

path = sys.argv[1]
rng = np.random.default_rng(0)
X = rng.normal(size=(4000, 20))
y = (X[:, :4] @ rng.normal(size=(4, 5)) + X[:, 4:9]).argmax(axis=1)
if os.path.exists(path):
    net = bp.Network.resume(path)
else:
    layers = [bp.Dense(64, "relu", dropout=0.2, norm="batch"), bp.Dense(5)]
    optimizer = bp.AdamW(1e-3, schedule=bp.Cosine(3000), average=bp.EMA(0.99))
    net = bp.Network(20, layers, "softmax_cross_entropy", optimizer, seed=1)
print("begun", net.steps, flush=True)
net.fit(
    X, y, epochs=40, batch_size=50, validation_split=0.1, metrics=["f1"],
    callbacks=[
        bp.EarlyStopping(patience=30), bp.CSVLog(path + ".csv"), bp.Checkpoint(path, every_steps=7)
    ],
)
arrays = [*net.get_weights(), *net.averaged().get_weights()]
arrays += [array for views in net.optimizer_state().values() for pair in views for array in pair]
columns = {name: values for name, values in net.history.columns.items() if name != "seconds"}
log = open(path + ".csv").read()
what = b"".join(array.tobytes() for array in arrays) + repr((columns, net.steps, log)).encode()
print("ended", hashlib.sha256(what).hexdigest(), flush=True)
"""


def start(path):
    """A process that trains, and the line that it says when it begins."""
    command = [sys.executable, "-c", PROGRAM, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().split()


def end(process):
    """Its hash."""
    word, found = process.stdout.readline().split()
    assert (word, process.wait()) == ("ended", 0)
    return found


def test_a_run_that_is_killed_at_any_instant_goes_on_to_the_same_bits(tmp_path):
    draw = random.Random(7)
    began = time.perf_counter()
    expected = end(start(tmp_path / "whole")[0])
    seconds = time.perf_counter() - began
    kills = runs = resumed = 0
    while kills < KILLS:
        path = tmp_path / f"run{runs}"
        runs += 1
        while True:
            process, (_, steps) = start(path)
            resumed += int(steps) > 0
            try:
                process.wait(draw.uniform(0, seconds / 4))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                continue
            assert end(process) == expected
            break
    assert resumed > KILLS / 2  # the others were killed before their first checkpoint
    print(f"{kills} kills in {runs} runs, {resumed} resumed: all ended with the same bits")
