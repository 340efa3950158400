"""Optimizers: what each is, for people and for every part of the library that asks.

A class here and a row in csrc/kernels/optimizers.h make an optimizer. Its hyper-parameters are the
fields of the class; ``rules`` are the assignments of one step, which the reference evaluates and
``explain`` shows.
"""

from backprop.catalogue.optimizers import adam, adaptive, sgd, signs
from backprop.catalogue.optimizers.adam import Adam, Adamax, AdamW, AMSGrad, NAdam, RAdam
from backprop.catalogue.optimizers.adaptive import Adadelta, Adagrad, RMSprop
from backprop.catalogue.optimizers.base import ADDED, SHARED, Optimizer, Rule
from backprop.catalogue.optimizers.sgd import SGD
from backprop.catalogue.optimizers.signs import Lion, Rprop
from backprop.validation import name_hint

__all__ = [
    "ADDED",
    "OPTIMIZERS",
    "SGD",
    "SHARED",
    "AMSGrad",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "Rule",
    "find_optimizer",
]

OPTIMIZERS = {
    kind.__name__: kind for family in (sgd, adam, adaptive, signs) for kind in family.KINDS
}

ALIASES = {  # {what others call it: our name}
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


def find_optimizer(value) -> Optimizer:
    """The optimizer that is given, or the one of that name, lower case, with its defaults."""
    named = {name.lower(): kind for name, kind in OPTIMIZERS.items()}
    if isinstance(value, str):
        if value in named:
            return named[value]()
        names = ", ".join(map(repr, named))
        hint = name_hint(value, named, ALIASES)
        raise ValueError(f"optimizer={value!r}: expected one of {names}{hint}")
    if not isinstance(value, Optimizer):
        raise TypeError(
            f"optimizer={value!r}: expected one such as bp.SGD(…) or bp.Adam(…), or a name such "
            'as "adam"'
        )
    return value
