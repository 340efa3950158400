"""Strings: a column of text, or of numbers as people write them."""

import numpy as np

from backprop.tabular.tables import Words, numbers_in
from backprop.tabular.written import has_sign, is_missing, plain


class Codes(dict):
    """The code of each string that occurs, trimmed, among `words`; -1 where it is missing.

    A string that was there before costs one look-up.
    """

    def __init__(self):
        super().__init__()
        self.words = {}

    def __missing__(self, string):
        word = string.strip()
        code = -1 if is_missing(word) else self.words.setdefault(word, len(self.words))
        self[string] = code
        return code

    def of(self, values):
        """The codes of some strings."""
        return np.fromiter(map(self.__getitem__, values), np.intp, len(values))


def words_of(values):
    """A column of text, of strings that are perhaps missing, or None."""
    found = Codes()
    codes = found.of(["" if value is None else value for value in values])
    return Words(codes, list(found.words))


def text_column(values):
    """The same as an array of strings and None."""
    return words_of(values).array()


def as_written(column, decimal="."):
    """Words as (numbers, how they are written) where all of them are numbers, else (words, "")."""
    found = numbers_in(column.words, decimal)
    if found is None:
        return column, ""
    return np.append(found[0], np.nan)[column.codes], found[1]


def note_of_written(name, words, how):
    """What to say of a column of numbers with signs: an example that is not plain."""
    example = next((word for word in words if plain([word]) is None), words[0])
    comma = ", with a decimal comma" if how == "," else ""
    return f"{name}: read as numbers, which are written like {example!r}{comma}"


def quantities(name, column):
    """(column, how it is written, note) of strings: numbers if some value has a sign, such as "$5".

    Strings that are digits alone are text, as their type says: "00007" is a code.
    """
    if any(map(has_sign, column.words)):
        found, how = as_written(column)
        if how:
            return found, how, note_of_written(name, column.words, how)
    return column, "", None
