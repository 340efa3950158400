"""An activation, a loss and an optimizer, added as CONTRIBUTING.md says: two files each.

The diffs there are applied to a copy of the sources, which is built; in it each new entry trains
beside the reference and is shown by every form of `explain`.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import explained
import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"```diff\n\+\+\+ (\S+)\n(.*?)```", re.DOTALL)

pytestmark = pytest.mark.long


def same(one, other):
    """Whether two lines are, apart from white space within them."""
    return one.split() == other.split()


def apply(text, hunk):
    """The text after one hunk, whose lines of context and those taken away stand together there."""
    lines, found = text.split("\n"), hunk.rstrip("\n").split("\n")
    before = [line[1:] for line in found if not line.startswith("+")]
    places = [
        i
        for i in range(len(lines) - len(before) + 1)
        if all(same(a, b) for a, b in zip(lines[i:], before, strict=False))
    ]
    assert len(places) == 1, f"{before} stands {len(places)} times in the file"
    (start,) = places
    kept = iter(lines[start : start + len(before)])
    after = []
    for line in found:
        if line.startswith("+"):
            after.append(line[1:])
        else:
            own = next(kept)
            after += [] if line.startswith("-") else [own]
    return "\n".join([*lines[:start], *after, *lines[start + len(before) :]])


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The folder of a built copy with all that CONTRIBUTING.md adds; the files that it touched."""
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("*.so", "__pycache__", "build", "openblas")
    for name in ("backprop", "csrc"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    touched = []
    for name, body in BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        path = folder / name
        text = path.read_text(encoding="utf-8")
        for hunk in body.split("@@\n"):
            text = apply(text, hunk)
        path.write_text(text, encoding="utf-8")
        touched.append(name)
    command = [sys.executable, "setup.py", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder, touched


def test_each_thing_is_two_files(copy):
    _, touched = copy
    assert sorted(touched) == sorted(
        [
            *("backprop/catalogue/activations.py", "csrc/kernels/activations.h"),
            *("backprop/catalogue/losses/numbers.py", "csrc/kernels/losses.h"),
            *("backprop/catalogue/optimizers/signs.py", "csrc/kernels/optimizers.h"),
        ]
    )


PROGRAM = """
import numpy as np
import backprop as bp
from backprop import reference
from backprop.explain import write_page

rng = np.random.default_rng(0)
X = rng.normal(size=(41, 5))
y = np.sin(X[:, :2])
for dtype, tolerance in (("float64", 1e-10), ("float32", 1e-3)):
    made = {
        "dtype": dtype, "seed": 1, "loss": "LOSS",
        "optimizer": OPTIMIZER,
    }
    layers = [bp.Dense(9, "ACTIVATION"), bp.Dense(6, "ACTIVATION"), bp.Dense(2)]
    fast, slow = bp.Network(5, layers, **made), reference.Network(5, layers, **made)
    found, expected = (net.fit(X, y, epochs=3, batch_size=16).loss for net in (fast, slow))
    assert found[-1] < found[0], found
    np.testing.assert_allclose(found, expected, rtol=tolerance)
    for own, its in zip(fast.layers, slow.layers):
        np.testing.assert_allclose(own.weights, its.weights, rtol=tolerance, atol=tolerance)
    fast.save("new.safetensors")
    assert (bp.Network.load("new.safetensors").predict(X) == fast.predict(X)).all()
trace = fast.explain(X[:4], y[:4])
body, tex = trace.to_text(), trace.to_latex()
for word in WORDS:
    assert word in body, (word, body)
assert trace.to_dict()["layers"][0]["activation"] == "ACTIVATION"
difference = trace.difference(0, 0, 0)
assert abs(trace.gradient(0, 0, 0).gradient - difference) < 1e-4 * max(1, abs(difference))
write_page("new.html", [trace], weight=(0, 0, 0), sample=0)
"""
CASES = {
    "activation": ("bent", "squared_error", "bp.Adam(0.01)", ["layer 1, bent: a = z + (√"]),
    "loss": ("tanh", "log_cosh", "bp.Adam(0.01)", ["log_cosh", "∂ℓ/∂a = tanh(a − y)"]),
    "optimizer": ("tanh", "squared_error", '"signum"', ["The next step of Signum", "sign(m)"]),
}


@pytest.fixture(params=CASES)
def shown(request, copy):
    """A page of `explain` about the new thing, after all else has been checked in a program."""
    folder, _ = copy
    activation, loss, optimizer, words = CASES[request.param]
    program = PROGRAM.replace("ACTIVATION", activation).replace("LOSS", loss)
    program = program.replace("OPTIMIZER", optimizer).replace("WORDS", repr(words))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "new.html"


def test_it_trains_and_is_explained(shown, open_file):
    """The page's own trial, worked out from the entry's formulas, agrees with the gradient."""
    page = open_file(shown, "light", 1280)
    error = page.find("#relative-error").text
    assert explained.shown(error) < 1e-3
