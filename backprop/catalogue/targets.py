"""What the targets of a loss may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backprop import validation


@dataclass(frozen=True)
class Target:
    """A kind of target.

    Attributes
    ----------
    name : str
        What one is, for people.
    is_class : bool
        Whether it is one class of several, so that y may hold integer labels (n,).
    is_categorical : bool
        Whether it is classes or yes-or-no answers, rather than amounts.
    check : callable
        (argument, array, n_outputs, loss's name) -> array as the core takes it: integer labels (n,)
        or (n, n_outputs); of a loss of one's own, any numbers. Raises ValueError or TypeError.
    """

    name: str
    is_class: bool
    is_categorical: bool
    check: Callable


NUMBERS = Target("numbers", False, False, validation.check_number_targets)
COUNTS = Target("numbers of at least 0", False, False, validation.check_counts)
POSITIVE = Target("numbers above 0", False, False, validation.check_positive_targets)
ONE_NUMBER = Target("one number", False, False, validation.check_one_target)
MEANS = Target("numbers, half as many as outputs", False, False, validation.check_targets_of_means)
YES_OR_NO = Target("yes or no", False, True, validation.check_yes_or_no_targets)
ANY = Target("what the loss takes", False, False, lambda argument, array, n_outputs, loss: array)
CLASSES = Target("one of several classes", True, True, validation.check_class_targets)
