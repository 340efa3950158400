"""What the words of the command line stand for: numbers, names, and entries of the catalogue.

An entry is its name; with settings ``name:setting=value,setting=value``, such as
``huber:delta=2``.
Imports stand in the functions, since numpy takes most of the time of `backprop --help`.
"""

import argparse
from contextlib import suppress


def entry(argument, module):
    """A type: an entry of the table of a module of the catalogue, by its name or another's."""

    def convert(text):
        from backprop.catalogue.records import find

        name, settings = parted(text)
        table, aliases = _table(module)
        return made(lambda: find(argument, name, table, aliases)(**settings))

    return convert


def names_of(module):
    """Of the entries of a module of the catalogue, for the help."""
    return lambda: list(_table(module)[0])


def _table(module):
    """The table that a module is called after, and what others call its entries."""
    from importlib import import_module

    found = import_module(f"backprop.catalogue.{module}")
    return getattr(found, module.upper()), found.ALIASES


def average(text):
    """What is kept of the weights."""
    name, settings = parted(text)
    kind = kind_of("--average", name, averages())
    return made(lambda: kind(**settings))


def kind_of(option, name, kinds):
    """The class of that name; what is nearest is told."""
    from backprop.validation import name_hint

    if name not in kinds:
        hint = name_hint(name, kinds)
        raise argparse.ArgumentTypeError(
            f"{option} {name}: expected one of {', '.join(kinds)}{hint}"
        )
    return kinds[name]


def parted(text):
    """(name, {setting: value}) of name:setting=value,…."""
    name, _, rest = text.partition(":")
    settings = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise argparse.ArgumentTypeError(f"{text!r}: expected name:setting=value, got {part!r}")
        settings[key.strip().replace("-", "_")] = value_of(value.strip())
    return name.strip(), settings


def value_of(text):
    """A whole number, a number, yes or no, or else the text."""
    words = {"true": True, "yes": True, "false": False, "no": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def made(make):
    """What `make` makes; what it complains about is the option's fault."""
    try:
        return make()
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def optimizers():
    """{name on the command line: class}."""
    from backprop.catalogue.optimizers import OPTIMIZERS, OTHERS

    return {name.lower(): kind for name, kind in {**OPTIMIZERS, **OTHERS}.items()}


def schedules():
    """{name on the command line: class}, of those that need no other schedule."""
    from backprop.catalogue.schedules import schedules_by_name

    return schedules_by_name()


def averages():
    """{name on the command line: class}."""
    from backprop.catalogue.averages import AVERAGES

    return {name.lower(): kind for name, kind in AVERAGES.items()}


def optimizer(text):
    """(name, class, {setting: value}): the learning rate and others are options of their own."""
    name, settings = parted(text)
    kind = kind_of("--optimizer", name, optimizers())
    made(lambda: kind(**{**kind.suggested, **settings}))
    return name, kind, settings


def schedule(text):
    """(class, {setting: value}): a planned length, `steps`, may be that of the training."""
    from backprop.catalogue.schedules import needed_settings, planned_schedule

    name, settings = parted(text)
    kind = kind_of("--schedule", name, schedules())
    for setting in needed_settings(kind):
        if setting not in settings:
            raise argparse.ArgumentTypeError(f"{text!r}: expected {name}:{setting}=…")
    made(lambda: planned_schedule(kind, settings, {"step": 10**6}))  # what is wrong, is told now
    return kind, settings


def rows(text):
    """(first, last); None as the last: to the end."""
    first, colon, last = (part.strip() for part in text.partition(":"))
    if colon and not last:
        return positive(first), None
    found = positive(first), positive(last or first)
    if found[0] > found[1]:
        raise argparse.ArgumentTypeError(f"{text!r}: the first row comes after the last")
    return found


def weight(text):
    """LAYER,FROM,TO."""
    parts = tuple(part.strip() for part in text.split(","))
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"{text!r} is not LAYER,FROM,TO")
    return parts


def positive(text):
    """A whole number above 0."""
    if not _is_whole(text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def _is_whole(text):
    return text.isdecimal() and len(text) <= 1000  # int() refuses 4,300 digits


def whole(text):
    """A whole number of at least 0."""
    if not _is_whole(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def presets():
    """Names."""
    from backprop.catalogue.presets import PRESETS

    return list(PRESETS)


def preset(text):
    """The name of one, or none."""
    from backprop.catalogue.presets import find_preset

    return text if text == "none" else made(lambda: find_preset(text).name)


def _at_most(most, text):
    number = positive(text)
    if number > most:
        raise argparse.ArgumentTypeError(f"{text!r} is too large, the most is {most:,}")
    return number


def size(text):
    """Of an array."""
    from backprop.validation import MAX_SIZE

    return _at_most(MAX_SIZE, text)


def threads(text):
    """How many."""
    from backprop.validation import MAX_THREADS

    return _at_most(MAX_THREADS, text)


def shards(text):
    """How many."""
    from backprop.sharding import MOST_SHARDS

    return _at_most(MOST_SHARDS, text)


def seed(text):
    """0 to 2⁶⁴ - 1."""
    if not _is_whole(text) or int(text) >= 1 << 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2**64 - 1")
    return int(text)


def _number(text):
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def fraction(text):
    """From 0 to below 1."""
    if not 0 <= _number(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 0 to below 1")
    return float(text)


def above_0(text):
    """A finite number."""
    if not 0 < _number(text) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return float(text)


def at_least_0(text):
    """A finite number."""
    if not 0 <= _number(text) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return float(text)


def hidden(text):
    """Units of each hidden layer."""
    if text.strip().lower() == "none":
        return ()
    return tuple(size(part.strip()) for part in text.split(","))


def names(text):
    """Separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def metric_names(text):
    """Names of metrics, each with its settings after a colon, separated by commas."""
    found = []
    for part in names(text):
        if found and "=" in part and ":" not in part:  # a further setting of the last one
            found[-1] = f"{found[-1]},{part}"
        else:
            found.append(part)
    convert = entry("metric", "metrics")
    return tuple(convert(part) for part in found)


def class_weights(text):
    """ "balanced", or {class: weight} of class=weight,….

    A class ends where its weight does, so that its name may hold commas.
    """
    if text.strip() == "balanced":
        return "balanced"
    found, begun = {}, []
    for part in text.split(","):
        begun.append(part)
        name, equals, number = ",".join(begun).rpartition("=")
        if not equals:
            continue
        with suppress(ValueError):  # else the name goes on
            float(number)
            found[name.strip()], begun = at_least_0(number.strip()), []
    left = ",".join(begun).strip(", ")
    if left:
        raise argparse.ArgumentTypeError(f"{left!r}: expected balanced, or class=weight,…")
    return found
