"""A formula, written once as a Python expression: ``w - lr * m / (sqrt(v) + epsilon)``."""

import math
from functools import cached_property

import numpy as np

FUNCTIONS = {
    "sqrt": np.sqrt,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "sign": np.sign,
    "abs": np.abs,
    "max": np.maximum,
    "min": np.minimum,
    "where": np.where,
}


def _notation():
    """What writes formulas: imported when one is written, which training does not."""
    from backprop.catalogue import notation

    return notation


class Formula:
    """An expression of symbols, in Python's notation.

    ``where(condition, one, other)`` is one where the condition holds, and the other elsewhere. How
    a symbol is written follows from its name: ``beta_1`` is β₁, ``m_hat`` is m̂.
    """

    def __init__(self, expression):
        self.expression = expression

    @cached_property
    def _code(self):
        return compile(self.expression, f"<{self.expression}>", "eval")

    @cached_property
    def _tree(self):
        return _notation().tree_of(self.expression)

    @property
    def symbols(self):
        """The names of its symbols, in the order in which they are read."""
        return _notation().symbols_of(self._tree)

    def evaluate(self, symbols):
        """Its value, of numbers or arrays: {symbol: value}."""
        return eval(self._code, {"__builtins__": {}, **FUNCTIONS}, symbols)

    def text(self, symbols=None):
        """For a terminal: ``w − lr · m̂ / (√v̂ + ε)``.

        `symbols`: {symbol: what is written in its place}, such as its number, which has brackets
        of its own where it needs them.
        """
        return _notation().Text(symbols).write(self._tree)

    def latex(self, symbols=None):
        """In LaTeX (needs amsmath); `symbols` as in `text`."""
        return _notation().Latex(symbols).write(self._tree)

    def tree(self):
        """For JSON: a number, a symbol {"symbol", "letter", "index", "hat"} or [operation, …]."""
        return _notation().described(self._tree)

    def __repr__(self):
        return f"Formula({self.expression!r})"
