"""What ``Network.fit`` returns."""

from dataclasses import dataclass, field


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
    seconds : list of float
        Time of the epoch's training, without validation and callbacks.
    n_samples : int
        Samples an epoch.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    n_samples: int = 0

    @property
    def samples_per_second(self) -> float:
        """Samples trained on a second, over all epochs; 0.0 when nothing was trained."""
        total = sum(self.seconds)
        return self.n_samples * len(self.seconds) / total if total > 0 else 0.0
