"""Symbols and numbers as people read them: what `explain` and its forms share."""

from backprop.catalogue.notation import LOWERED, RAISED

MOST_NUMBERS = 12  # in a line
LETTERS = {"weight": "w", "bias": "b", "z": "z", "a": "a", "out": "ã", "mask": "r"}
BY = {"da": "a", "dout": "out", "dz": "z"}  # by what ℓ is derived


def symbol(quantity, layer, units):
    """A quantity of a trace as formulas have it: layers and units are counted from 1."""
    if quantity == "one":
        return "1"
    below = ",".join(str(unit + 1).translate(LOWERED) for unit in units)
    if quantity == "x":
        return f"x{below}"
    if quantity in BY:
        return f"∂ℓ/∂{symbol(BY[quantity], layer, units)}"
    indices = f"⁽{str(layer + 1).translate(RAISED)}⁾{below}"
    return f"f′(z{indices})" if quantity == "derivative" else LETTERS[quantity] + indices


def number(value):
    """Six digits, and a real minus."""
    return f"{value + 0.0:.6g}".replace("-", "−")  # −0 is 0


def numbers(values):
    """The first of them, and how many there are."""
    shown = "  ".join(number(value) for value in values[:MOST_NUMBERS])
    return f"{shown}  … ({len(values)})" if len(values) > MOST_NUMBERS else shown


def one_line(name):
    """A name out of a data set; a line break, which would end a row or a comment, as ``\\n``."""
    return name if name.isprintable() else repr(name)[1:-1]
