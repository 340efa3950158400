"""Columns of Python objects, as JSON and spreadsheets have them."""

from datetime import date, datetime, time, timezone
from numbers import Real

import numpy as np

from backprop.tabular.reading.text import quantities, words_of
from backprop.tabular.tables import Table, TableError, label


def table_of(source, columns, text, notes=()):
    """A `Table` of a dict of lists of objects, None where there is nothing."""
    kept, written, notes = {}, {}, list(notes)
    for name, values in columns.items():
        try:
            column = _column(values)
        except TypeError as error:
            notes.append(f"column {name!r} left out: {error} is neither numbers nor text")
            continue
        if column.dtype == object and name not in text:
            column, how, note = quantities(name, column)
            if how:
                written[name] = how
                notes.append(note)
        kept[name] = column
    if not kept:
        raise TableError(f"{source} has no column of numbers or text")
    return Table(tuple(kept), tuple(kept.values()), str(source), tuple(notes), written)


def _column(values):
    """Numbers or dates where all that is there is such, else text; TypeError for other types."""
    types = {type(value) for value in values} - {type(None)}
    if all(issubclass(kind, Real) and kind is not bool for kind in types):
        return np.array([np.nan if value is None else _float(value) for value in values])
    if types and all(issubclass(kind, date | time) for kind in types):
        return np.array([_moment(value) for value in values], "M8[us]")
    strange = [kind for kind in types if not issubclass(kind, Real | str)]
    if strange:
        raise TypeError(strange[0].__name__)
    return words_of([value if isinstance(value, str) else _word(value) for value in values])


def _moment(value):
    """A date or a time, which is one of the first day of 1970, in UTC; None where there is none."""
    if isinstance(value, time):
        value = datetime.combine(date(1970, 1, 1), value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(timezone.utc).replace(tzinfo=None)
    return value


def _word(value):
    return None if value is None else str(value) if isinstance(value, bool) else label(value)


def _float(value):
    try:
        return float(value)
    except OverflowError:  # a whole number beyond float64
        return np.inf
