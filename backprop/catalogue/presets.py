"""Presets: settings that go well together, by the names of the estimators' parameters.

A preset says what a parameter is that is left at its default; whatever else is given holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Any

from backprop.catalogue.records import find

_LEAST_EPOCHS = 30
_SAMPLES_TO_SEE = 20_000_000  # at most, by the end of the epochs, where these are more than few


def epochs_of(n_rows: int, most: int) -> int:
    """How many epochs so many rows are trained for: fewer, but not few, where rows are many."""
    return min(most, max(_LEAST_EPOCHS, _SAMPLES_TO_SEE // max(1, n_rows)))


@dataclass(frozen=True)
class Preset:
    """Settings for a kind of data.

    Attributes
    ----------
    name, advice, source : str
    settings : dict
        {parameter: value}.
    of_numbers, of_classes : dict
        The same, where numbers or classes are predicted.
    tied : dict
        {parameter: those that go with its default alone}, as a learning rate does with a solver.
    """

    name: str
    advice: str
    source: str
    settings: dict[str, Any]
    of_numbers: dict[str, Any]
    of_classes: dict[str, Any]
    tied: dict[str, tuple[str, ...]]

    def settings_for(self, is_classes: bool) -> dict[str, Any]:
        """{parameter: value} where classes are predicted, or numbers."""
        return self.settings | (self.of_classes if is_classes else self.of_numbers)

    def changed(self, **settings: Any) -> Preset:
        """The same with other settings, which may be the parameters' defaults."""
        own = {name: {**getattr(self, name), **settings} for name in ("of_numbers", "of_classes")}
        return replace(self, **own)

    def epochs(self, n_rows: int) -> int:
        """How many: fewer where the rows are many."""
        return epochs_of(n_rows, self.settings_for(False)["max_iter"])


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="tabular",
            advice="Tables of a few hundred to some hundred thousand rows.",
            source="After RealMLP: Holzmüller, Grinsztajn and Steinwart, “Better by default”, "
            "NeurIPS 2024; pieces for its periodic embeddings: Gorishniy et al., NeurIPS 2022.",
            settings={
                "preprocess": "auto",
                "hidden_layer_sizes": (256, 256, 256),
                "activation": "mish",
                "weights": "he_uniform",
                "beta_2": 0.95,
                "learning_rate_factor": "fan_in",
                "alpha": 0.0,
                "schedule": "coslog",
                "batch_size": 256,
                "max_iter": 256,
                "early_stopping": True,
                "validation_fraction": 0.2,
                "scoring": "loss",
                "n_iter_no_change": inf,
            },
            of_numbers={"n_pieces": 32, "learning_rate_init": 0.06, "dropout": 0.15},
            of_classes={
                "n_pieces": 8,
                "learning_rate_init": 0.02,
                "dropout": 0.3,
                "label_smoothing": 0.1,
                "calibrate": True,
            },
            tied={
                "solver": ("learning_rate_init", "beta_2", "learning_rate_factor", "schedule"),
                "loss": ("label_smoothing", "calibrate"),
            },
        ),
    )
}


def find_preset(value: str | Preset) -> Preset:
    """The preset of that name, or the one that is given."""
    return value if isinstance(value, Preset) else find("preset", value, PRESETS)
