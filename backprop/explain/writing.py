"""Symbols and numbers as people read them: what `explain` and its forms share."""

from backprop.catalogue.norms import Norm
from backprop.catalogue.notation import LOWERED, RAISED, spelling

MOST_NUMBERS = 12  # in a line
LETTERS = {
    "weight": "w",
    "bias": "b",
    "z": "z",
    "a": "a",
    "out": "ã",
    "mask": "r",
    "noise": "ε",
    "n": "n",
    "y": "y",
    **{name: spelling(form.symbol).letter for name, form in Norm.written.items()},
}
BY = {"da": "a", "dout": "out", "dz": "z", "dn": "n"}  # by what ℓ is derived


def symbol(quantity, layer, units, of="ℓ"):
    """A quantity of a trace as formulas have it: layers and units are counted from 1.

    `of`: what is derived, ℓ of a sample or C of the batch.
    """
    below = ",".join(str(unit + 1).translate(LOWERED) for unit in units)
    if quantity in ("one", "straight"):
        return "1"
    if quantity == "x":
        return f"x{below}"
    if quantity in BY:
        return f"∂{of}/∂{symbol(BY[quantity], layer, units)}"
    if quantity.startswith("a by "):
        letter = spelling(quantity.removeprefix("a by ")).letter
        return f"∂{symbol('a', layer, units)}/∂{indexed(letter, layer, units)}"
    if quantity == "mean of dn":
        return f"(−mean {symbol('dn', layer, units, of)})"
    if quantity == "n mean of dn n":
        n, inside = symbol("n", layer, units[:1]), units[1:]
        product = f"{symbol('n', layer, inside)} · {symbol('dn', layer, inside, of)}"
        return f"(−{n} · mean({product}))"
    form = {"derivative": "f′(z{})", "derivative by y": "f′(y{})", "deviation": "1/σ{}"}
    indices = indexed("", layer, units)
    return form[quantity].format(indices) if quantity in form else LETTERS[quantity] + indices


def indexed(letter, layer, units):
    """A letter with its layer above and its units below, counted from 1."""
    below = ",".join(str(unit + 1).translate(LOWERED) for unit in units)
    return f"{letter}⁽{str(layer + 1).translate(RAISED)}⁾{below}"


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
