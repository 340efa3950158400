"""A formula, written once as a Python expression: ``w - lr * m / (sqrt(v) + epsilon)``."""

import math
from functools import cached_property

import numpy as np


def _erf(x):
    """By the standard library: numpy has none."""
    return np.vectorize(math.erf, otypes=[float])(x)


FUNCTIONS = {
    "pi": math.pi,
    "erf": _erf,
    "sin": np.sin,
    "cos": np.cos,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sign": np.sign,
    "abs": np.abs,
    "max": np.maximum,
    "min": np.minimum,
    "where": np.where,
}


class Formula:
    """An expression of symbols, in Python's notation.

    ``where(condition, one, other)`` is one where the condition holds, and the other elsewhere.
    """

    def __init__(self, expression):
        self.expression = expression

    @cached_property
    def _code(self):
        return compile(self.expression, f"<{self.expression}>", "eval")

    def evaluate(self, symbols):
        """Its value, of numbers or arrays: {symbol: value}."""
        return eval(self._code, {"__builtins__": {}, **FUNCTIONS}, symbols)

    def __repr__(self):
        return f"Formula({self.expression!r})"
