"""What a training is to predict: how a target is encoded, and outputs turned back."""

from dataclasses import dataclass

import numpy as np

from backprop.tabular.judging import almost_numbers
from backprop.tabular.means import MOST_OUTPUTS
from backprop.tabular.tables import TableError, as_numbers, label
from backprop.tabular.values import (
    as_words,
    finite,
    listed,
    mean_and_std,
    numbers_of,
    places_of,
)


@dataclass(frozen=True)
class ClassTarget:
    """The target of a classification: class i is called ``classes[i]``.

    `numeric` says that the names stand for numbers, so that "3.0" is another way to write "3".
    With label smoothing s (Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer
    Vision") the network learns (1 − s)·y + s/k for the one-hot row y of k classes, which keeps the
    logits from growing without bound; `probabilities` takes the map back.
    """

    name: str
    classes: tuple
    numeric: bool = False
    smoothing: float = 0.0

    kind = task = "classification"
    scale = None

    @property
    def names(self):
        return (self.name,)

    @property
    def n_outputs(self):
        return len(self.classes)

    def encode(self, values):
        """Class numbers; -1 for a class that training did not have and for a missing one."""
        index = {name: i for i, name in enumerate(self.classes)}
        if self.numeric and values.dtype == object:
            numbers = as_numbers(values)  # "3.0" is the class "3"
            values = values if numbers is None else numbers
        if values.dtype == object:
            return places_of(as_words(values), self.classes).astype(np.int64)
        distinct, where = np.unique(values, return_inverse=True)
        return np.array([index.get(label(value), -1) for value in distinct], np.int64)[where]

    def targets(self, values, dtype, first_row=1):
        """What `Network.fit` takes for a column without missing values: labels or smoothed rows.

        A label that training did not have is a `TableError`; `first_row`: what to call the first.
        """
        codes = self.encode(values)
        unknown = np.flatnonzero(codes < 0)
        if len(unknown):
            i = unknown[0]
            raise TableError(
                f"column {self.name!r}: row {first_row + i} has {label(values[i])!r}, expected one "
                f"of the classes of the training: {listed(self.classes)}"
            )
        if self.smoothing == 0:
            return codes
        rows = np.full((len(codes), self.n_outputs), self.smoothing / self.n_outputs, dtype)
        rows[np.arange(len(codes)), codes] += 1 - self.smoothing
        return rows

    def means_of(self, values):
        """(0/1 for each class, NaN where there is none; their names), for `means`: of the most
        frequent classes where there are many, of one where there are two."""
        codes = self.encode(values)
        counts = np.bincount(codes[codes >= 0], minlength=self.n_outputs)
        chosen = np.sort(np.argsort(-counts, kind="stable")[:MOST_OUTPUTS])
        chosen = chosen[1:] if self.n_outputs == 2 else chosen
        y = np.where(codes[:, None] < 0, np.nan, codes[:, None] == chosen)
        return y, [f"{self.name}={self.classes[i]}" for i in chosen]

    def describe(self):
        """One phrase."""
        return f"classification into {len(self.classes)} classes ({listed(self.classes)})"

    def decode(self, outputs):
        """The name of the most probable class of each row of `outputs`."""
        return np.array(self.classes, object)[np.argmax(outputs, axis=1)]


@dataclass(frozen=True)
class ValueTarget:
    """The target of a regression: the network learns ``(value - mean) / std``."""

    name: str
    mean: float
    std: float
    written: str = ""

    kind = task = "regression"
    n_outputs = 1

    @property
    def names(self):
        return (self.name,)

    @property
    def scale(self):
        """What a standardised number stands for: (mean, standard deviation)."""
        return self.mean, self.std

    def encode(self, values, first_row=1):
        """Standardised values, NaN where missing."""
        return (finite(self.numbers(values, first_row)) - self.mean) / self.std

    def numbers(self, values, first_row=1):
        """`numbers_of` this target."""
        return numbers_of(self.name, values, first_row, self.written)

    def targets(self, values, dtype, first_row=1):
        """What `Network.fit` takes for a column without missing values."""
        return self.encode(values, first_row).astype(dtype)

    def means_of(self, values):
        """(standardised values, their name), for `means`."""
        return self.encode(values)[:, None], [self.name]

    def describe(self):
        """One phrase."""
        return f"regression (mean {self.mean:.6g}, standard deviation {self.std:.6g})"

    def decode(self, outputs):
        """Values in the unit of the target: float64, since float32 ends at 3e38."""
        return outputs[:, 0].astype(np.float64) * self.std + self.mean


@dataclass(frozen=True)
class ValuesTarget:
    """Several numbers to predict, each of them standardised: values are rows of one each."""

    parts: tuple[ValueTarget, ...]

    kind = "regressions"
    task = "regression"
    scale = None

    @property
    def n_outputs(self):
        return len(self.parts)

    @property
    def names(self):
        return tuple(part.name for part in self.parts)

    @property
    def name(self):
        return ", ".join(self.names)

    def encode(self, values, first_row=1):
        """Standardised values (n, k), NaN where missing."""
        return np.stack([part.encode(values[:, i]) for i, part in enumerate(self.parts)], axis=1)

    def numbers(self, values, first_row=1):
        """The values, which are numbers."""
        return values

    def targets(self, values, dtype, first_row=1):
        """What `Network.fit` takes for rows without missing values."""
        return self.encode(values).astype(dtype)

    def means_of(self, values):
        """(standardised values, their names), for `means`."""
        return self.encode(values)[:, :MOST_OUTPUTS], self.names[:MOST_OUTPUTS]

    def describe(self):
        """One phrase."""
        spreads = (f"{p.name}: mean {p.mean:.6g}, std {p.std:.6g}" for p in self.parts)
        return f"regression of {len(self.parts)} ({listed(spreads, 5, '; ')})"

    def decode(self, outputs):
        """Values (n, k) in the units of the targets."""
        columns = enumerate(self.parts)
        return np.stack([part.decode(outputs[:, i : i + 1]) for i, part in columns], axis=1)


def require_no_dates(name, values):
    if values.dtype.kind == "M":
        raise TableError(f"the target {name!r} has dates, expected numbers or classes")


def fit_values(name, values, written):
    """The `ValueTarget` of a column; `written`: of all columns of the table."""
    require_no_dates(name, values)
    numbers = finite(numbers_of(name, values))
    numbers = numbers[~np.isnan(numbers)]
    if len(numbers) == 0:
        raise TableError(f"the target {name!r} has no value in the training rows")
    require_difference(name, numbers.min(), numbers.max())
    return ValueTarget(name, *mean_and_std(numbers), written.get(name, ""))


def class_names(name, values):
    """The classes of a column without missing values."""
    classes = sorted(set(values)) if values.dtype == object else np.unique(values).tolist()
    require_difference(name, classes[0], classes[-1])
    if len(classes) > max(10, len(values) // 2):
        is_text = values.dtype == object
        hint = almost_numbers(values) if is_text else "; --task regression predicts numbers"
        raise TableError(
            f"the target {name!r} has {len(classes):,} different values in {len(values):,} rows, "
            f"too many to be classes{hint}"
        )
    return tuple(map(label, classes))


def require_difference(name, lowest, highest):
    """TableError where all values of a target are one."""
    if lowest == highest:
        only = label(lowest)
        raise TableError(f"the target {name!r} is {only!r} in every training row: nothing to learn")
