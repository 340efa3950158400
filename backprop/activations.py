"""What each activation is.

Formula, derivative, source. The code is in csrc/kernels/activations.h and in reference.py.
"""

from typing import NamedTuple


class Activation(NamedTuple):
    """An activation a = f(z) and its derivative, written with a as the core does."""

    formula: str
    derivative: str
    source: str


ACTIVATIONS = {
    "identity": Activation("z", "1", "-"),
    "sigmoid": Activation("1 / (1 + exp(-z))", "a (1 - a)", "Rumelhart, Hinton and Williams 1986"),
    "tanh": Activation("tanh(z)", "1 - a²", "LeCun, Bottou, Orr and Müller 1998"),
    "relu": Activation("max(z, 0)", "1 where a > 0, else 0 (0 at z = 0)", "Nair and Hinton 2010"),
}
