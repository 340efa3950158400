"""What ``Network.fit`` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

LOSSES = ("loss", "validation_loss")  # in the loss's own units, unlike any metric


@dataclass
class History:
    """One number an epoch in each list.

    Attributes
    ----------
    loss : list of float
        Σ w loss / Σ w over the epoch, each sample's loss as it was when its batch was seen.
    validation_loss, validation_accuracy : list of float
        After the epoch; empty without validation data, the accuracy also where the loss has another
        score, or none.
    metrics : dict of str to list of float
        After the epoch: with validation data the loss's own score and the metrics asked for, such
        as "validation_f1"; without, the metrics of the rows trained on, such as "f1".
    seconds : list of float
        Time of the epoch's training, without validation and callbacks.
    n_samples : int
        Samples an epoch.
    stopped : str or None
        What ended training before its last epoch: a callback's name, or max_seconds.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    n_samples: int = 0
    stopped: str | None = None

    @property
    def samples_per_second(self) -> float:
        """Samples trained on a second, over all epochs; 0.0 when nothing was trained."""
        total = sum(self.seconds)
        return self.n_samples * len(self.seconds) / total if total > 0 else 0.0

    @property
    def columns(self) -> dict[str, list[float]]:
        """{name: one number an epoch}, all of one length.

        Where an epoch has no number, since training ended with it, nan stands.
        """
        lists = {name: getattr(self, name) for name in LOSSES}
        lists |= {**self.metrics, "seconds": self.seconds}
        length = len(self.loss)
        return {
            name: [*values, *[nan] * (length - len(values))]
            for name, values in lists.items()
            if values
        }

    def to_frame(self) -> Any:
        """The columns as a pandas DataFrame, whose index is the epoch, from 1."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_frame needs pandas: pip install pandas") from error

        columns = self.columns
        index = pandas.RangeIndex(1, len(self.loss) + 1, name="epoch")
        return pandas.DataFrame(columns, index=index)

    def plot(self, axes: Any = None) -> Any:
        """Draw the losses over the epochs, and scores and metrics on a second scale.

        Parameters
        ----------
        axes : matplotlib.axes.Axes, optional
            Where to draw; by default on a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            Of the losses.
        """
        axes = new_axes(axes)
        columns = {n: values for n, values in self.columns.items() if n != "seconds"}
        epochs = range(1, len(self.loss) + 1)
        others = [name for name in columns if name not in LOSSES]
        for name in columns:
            if name not in others:
                axes.plot(epochs, columns[name], label=name)
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        lines = list(axes.lines)
        if others:
            second = axes.twinx()
            second.set_ylabel(", ".join(name.removeprefix("validation_") for name in others))
            for name in others:
                lines += second.plot(epochs, columns[name], "--", label=name)
        axes.legend(lines, [line.get_label() for line in lines])
        return axes


def new_axes(axes):
    """These, or those of a new figure; ImportError says what is missing."""
    if axes is not None:
        return axes
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plot needs matplotlib: pip install matplotlib") from error
    return pyplot.subplots()[1]
