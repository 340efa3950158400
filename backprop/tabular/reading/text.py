"""Strings: a column of text, or of numbers as people write them."""

import numpy as np

from backprop.tabular.tables import Words, numbers_in
from backprop.tabular.written import has_sign, is_missing, plain


def coded(values, places):
    """The place of each string among the different ones, to which new ones are added; -1 where it
    is missing."""
    codes = np.empty(len(values), np.intp)
    for i, value in enumerate(values):
        value = value.strip()
        codes[i] = -1 if is_missing(value) else places.setdefault(value, len(places))
    return codes


def words_of(values):
    """A column of text, of strings that are perhaps missing, or None."""
    places = {}
    codes = coded(["" if value is None else value for value in values], places)
    return Words(codes, list(places))


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
