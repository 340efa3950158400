"""Optimizers: what each is, for people and for every part of the library that asks.

A class here and a row in csrc/kernels/optimizers.h make an optimizer. Its hyper-parameters are the
fields of the class; ``rules`` are the assignments of one step, which the reference evaluates and
``explain`` shows.
"""

from backprop.catalogue.optimizers.adam import Adam, Adamax, AdamW, AMSGrad, NAdam, RAdam
from backprop.catalogue.optimizers.adaptive import Adadelta, Adagrad, RMSprop
from backprop.catalogue.optimizers.base import ADDED, SHARED, Optimizer, Rule
from backprop.catalogue.optimizers.sgd import SGD
from backprop.catalogue.optimizers.signs import Lion, Rprop

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
]

OPTIMIZERS = {
    kind.__name__: kind
    for kind in (
        SGD,
        Adam,
        AdamW,
        AMSGrad,
        NAdam,
        RAdam,
        Adamax,
        RMSprop,
        Adagrad,
        Adadelta,
        Lion,
        Rprop,
    )
}
