"""Real data that does not ship with the package, for the tests that ask for it."""

import os
from pathlib import Path

import hypothesis
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("BACKPROP_DATA", ROOT.parent / "shared" / "data")).absolute()

# A machine under load makes a single example slow, which says nothing about the code.
hypothesis.settings.register_profile("backprop", deadline=None, max_examples=60)
hypothesis.settings.load_profile("backprop")


@pytest.fixture(autouse=True, scope="session")
def away_from_the_sources(tmp_path_factory):
    """A child process finds the installed package, not the folder of the sources."""
    os.chdir(tmp_path_factory.mktemp("elsewhere"))


def _path(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not in {DATA}; BACKPROP_DATA names the directory that has it")
    return path


@pytest.fixture(scope="session")
def mnist_npz():
    """The path of mnist.npz."""
    return _path("mnist.npz")


@pytest.fixture(scope="session")
def mnist(mnist_npz):
    """The arrays of mnist.npz by name: x_train, y_train, x_test, y_test, uint8."""
    with np.load(mnist_npz, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


@pytest.fixture(scope="session")
def diamonds_csv():
    """The path of diamonds.csv."""
    return _path("diamonds.csv")
