"""Numbers as people write them: ``$1,234.50``, ``45.3 %``, ``1 234``, ``(12)``, ``0,5``.

Decisions, and why:

A. A column is numbers when every value that is not missing is one. Nothing is guessed from a part.
B. What `float` reads is *plain*. Only a column that is not all plain is looked at for signs and
   groups of digits, so that a plain column never changes its meaning.
C. "1,234" is a thousand to some and one and a bit to others. Another value of the column mostly
   tells ("0,5", "1,234.50"). Where none does, it is what the file's delimiter suggests. The answer
   is kept as `written`, "." or ",", for files to come.
D. Two units in one column, "$5" and "€5" or "5 %" and "0.05", are no numbers to compare.
"""

import re

import numpy as np

# Words for "no value", compared in lower case. The second set would be words to keep in a column of
# text.
MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "?"})
MISSING_NUMBER = MISSING | {"none", "nil", "-", "--", "."}

_CURRENCIES = "$€£¥₹₩₽"
_SPACES = " \u00a0\u202f\u2009"


def _pattern(decimal, group):
    mark, group = re.escape(decimal), f"[{group}'’{_SPACES}]"
    digits = rf"(?:[1-9]\d{{0,2}}(?P<group>{group})\d{{3}}(?:(?P=group)\d{{3}})*|\d+)"
    body = rf"(?:{digits}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?"
    return re.compile(
        rf"(?P<open>\()?(?P<minus>[-+−])?[{_SPACES}]?(?P<before>[{_CURRENCIES}])?[{_SPACES}]?"
        rf"(?P<inner>(?(minus)|[-+−]))?(?P<body>{body})"
        rf"[{_SPACES}]?(?P<after>(?(before)|[{_CURRENCIES}%]))?(?(open)\))"
    )


_PATTERNS = {".": _pattern(".", ","), ",": _pattern(",", ".")}
_UNGROUP = {mark: str.maketrans(mark, ".", f"{other}'’{_SPACES}") for mark, other in (".,", ",.")}


def is_missing(value):
    return value.strip().lower() in MISSING


def plain(values, decimal="."):
    """Strings that `float` reads as (float64, NaN where missing; the decimal mark that they have).

    None when one of them is not plain. With ``decimal=","`` all of them may have a decimal comma,
    or all of them a point.
    """
    found = _floats(values, decimal)
    if found is None:
        known = ["nan" if v.strip().lower() in MISSING_NUMBER else v for v in values]
        found = _floats(known, decimal)
    return found


def _floats(values, decimal):
    joined, mark = "".join(values), ""
    if "_" in joined:  # float() reads "1_000" as 1000; people write it for names
        return None
    if decimal == ",":
        mark = "," if "," in joined else "." if "." in joined else ""
        if mark == ",":
            if "." in joined:
                return None
            values = [value.replace(",", ".") for value in values]
    try:
        return np.fromiter(map(float, values), np.float64, len(values)), mark
    except ValueError:
        return None


def with_signs(values, decimals=".,"):
    """Different strings as (float64, `written`), or None where one is not a number.

    `decimals`: the marks that may be the decimal one, the likelier one first.
    """
    known = [(i, v.strip()) for i, v in enumerate(values) if not _is_missing_number(v)]
    for mark in decimals:
        numbers, units = np.full(len(values), np.nan), set()
        for i, value in known:
            found = _number(value, mark)
            if found is None:
                break
            numbers[i] = found[0]
            units.add(found[1])
        else:
            consistent = len(units - {""}) < 2 and not ("%" in units and len(units) > 1)
            return (numbers, mark) if consistent else None
    return None


def has_sign(value):
    """Whether a value says that it is a quantity: a currency or a percentage."""
    return any(sign in value for sign in _CURRENCIES + "%")


def _is_missing_number(value):
    return value.strip().lower() in MISSING_NUMBER


def _number(value, mark):
    """(number, unit), or None."""
    match = _PATTERNS[mark].fullmatch(value)
    if match is None:
        if mark == "," or "_" in value:
            return None
        try:
            return float(value), ""
        except ValueError:
            return None
    negative = (match["minus"] or match["inner"]) in ("-", "−")
    if match["open"] and (match["minus"] or match["inner"]):
        return None
    number = float(match["body"].translate(_UNGROUP[mark]))
    unit = match["before"] or match["after"] or ""
    return (-number if negative or match["open"] else number), unit
