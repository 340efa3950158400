"""The data that ships with the package."""

import hashlib
from importlib.resources import files

import numpy as np

from backprop.datasets import load_digits


def test_digits_are_what_the_docstring_says():
    X, y = load_digits()
    assert X.shape == (1797, 64)
    assert X.dtype == y.dtype == np.uint8
    assert (X.min(), X.max()) == (0, 16)
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digits_are_those_of_scikit_learn():
    """The digest is that of sklearn.datasets.load_digits() as uint8."""
    X, y = load_digits()
    digest = hashlib.sha256(X.tobytes() + y.tobytes()).hexdigest()
    assert digest == "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def test_each_call_gives_arrays_of_its_own():
    X, _ = load_digits()
    X[:] = 0
    assert load_digits()[0].any()


def test_source_and_licence_ship_with_it():
    folder = files("backprop.datasets")
    text = folder.joinpath("README.md").read_text(encoding="utf-8")
    assert "CC BY 4.0" in text
    assert "Alpaydin" in text
    assert len(folder.joinpath("digits.npz").read_bytes()) < 60_000
