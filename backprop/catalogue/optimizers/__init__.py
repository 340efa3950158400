"""Optimizers: what each is, for people and for every part of the library that asks.

A class here and a row in csrc/kernels/optimizers.h make an optimizer. Its hyper-parameters are the
fields of the class; ``rules`` are the assignments of one step, which the reference evaluates and
``explain`` shows. A family is imported when one of it is first asked for: twelve dataclasses take
longer to make than all else that a network imports.
"""

from functools import cache as _cache
from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING

from backprop.catalogue.optimizers.base import ADDED, SHARED, Optimizer, Rule, norm
from backprop.validation import name_hint

if _TYPE_CHECKING:  # for type checkers, which do not see what __getattr__ finds
    from backprop.catalogue.optimizers.adam import Adam, AdamW
    from backprop.catalogue.optimizers.adam_variants import Adamax, AMSGrad, NAdam, RAdam
    from backprop.catalogue.optimizers.adaptive import Adadelta, Adagrad, RMSprop
    from backprop.catalogue.optimizers.lbfgs import LBFGS
    from backprop.catalogue.optimizers.muon import Muon
    from backprop.catalogue.optimizers.sgd import SGD
    from backprop.catalogue.optimizers.signs import Lion, Rprop

    OPTIMIZERS: dict[str, type[Optimizer]]
    OTHERS: dict[str, type[Optimizer]]

__all__ = [
    "ADDED",
    "LBFGS",
    "OPTIMIZERS",
    "OTHERS",
    "SGD",
    "SHARED",
    "AMSGrad",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "Rule",
    "find_optimizer",
    "norm",
]

_FAMILIES = ("sgd", "adam", "adam_variants", "adaptive", "signs")  # the modules, usual ones first

_OTHERS = ("lbfgs", "muon")  # of which no rules are the whole step

ALIASES = {  # {what others call it: our name}
    "l-bfgs": "lbfgs",
    "l_bfgs": "lbfgs",
    "l-bfgs-b": "lbfgs",
    "bfgs": "lbfgs",
    "amsgradient": "amsgrad",
    "adam_w": "adamw",
    "gd": "sgd",
    "gradient_descent": "sgd",
    "momentum": "sgd",
    "nesterov": "sgd",
    "rms_prop": "rmsprop",
    "rprop-": "rprop",
    "resilient": "rprop",
}


def _kinds(families=(*_FAMILIES, *_OTHERS)):
    """The classes, family by family."""
    for family in families:
        yield from _import_module(f"{__name__}.{family}").KINDS


def __getattr__(name):
    """A class by its name; and {name: class}: OPTIMIZERS are their rules, OTHERS more."""
    if name == "OPTIMIZERS":
        found = {kind.__name__: kind for kind in _kinds(_FAMILIES)}
    elif name == "OTHERS":
        found = {kind.__name__: kind for kind in _kinds(_OTHERS)}
    elif name.startswith("_"):
        found = None
    else:
        found = next((kind for kind in _kinds() if kind.__name__ == name), None)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def optimizer_names():
    """Of all kinds, lower case, by which `find_optimizer` finds them."""
    return [kind.__name__.lower() for kind in _kinds()]


def find_optimizer(value) -> Optimizer:
    """The optimizer that is given, or the one of that name, lower case, with its defaults."""
    if isinstance(value, Optimizer):
        return value
    if not isinstance(value, str):
        raise TypeError(
            f"optimizer={value!r}: expected one such as bp.SGD(…) or bp.Adam(…), or a name such "
            'as "adam"'
        )
    return _with_defaults(value)


@_cache  # one for all networks: an optimizer is a frozen value
def _with_defaults(name):
    found = next((kind for kind in _kinds() if kind.__name__.lower() == name), None)
    if found is None:
        named = optimizer_names()
        names = ", ".join(map(repr, named))
        hint = name_hint(name, named, ALIASES)
        raise ValueError(f"optimizer={name!r}: expected one of {names}{hint}")
    return found()
