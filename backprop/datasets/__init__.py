"""Small real data that ships with the package, to train on before having any of one's own."""

from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

__all__ = ["load_digits"]


def load_digits() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the 1,797 handwritten digits of UCI as 8×8 images and their labels.

    Returns
    -------
    X : numpy.ndarray of uint8, shape (1797, 64)
        One image a row, its eight lines of eight pixels one after the other; each pixel counts,
        from 0 to 16, the inked points of a 4×4 block of the scanned image.
    y : numpy.ndarray of uint8, shape (1797,)
        The digit, 0 to 9.

    Notes
    -----
    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
       Repository,
    1998, https://archive.ics.uci.edu/dataset/80 (CC BY 4.0); the test part, as scikit-learn
    distributes it. ``README.md`` beside this file says how ``digits.npz`` was made.

    Examples
    --------
    >>> from backprop.datasets import load_digits
    >>> X, y = load_digits()
    >>> X.shape, y[:3].tolist()
    ((1797, 64), [0, 1, 2])
    """
    with (
        files(__name__).joinpath("digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        return arrays["X"], arrays["y"]
