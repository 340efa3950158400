"""What options are that nobody gave: a preset's for tables, the usual ones else."""

from argparse import Namespace

from backprop.catalogue.presets import find_preset
from backprop.catalogue.schedules import find_schedule
from backprop.cli import values

_OPTIONS = {  # {a preset's name of it: that of the option}
    "hidden_layer_sizes": "hidden",
    "activation": "activation",
    "weights": "weights",
    "dropout": "dropout",
    "n_pieces": "pieces",
    "learning_rate_init": "learning_rate",
    "schedule": "schedule",
    "batch_size": "batch_size",
}
_TIED = {"solver": "optimizer", "loss": "loss"}  # the same of what others go with
_OPTIMIZER = "adam"
_USUAL = {"hidden": (256, 128), "activation": "relu", "dropout": 0.0, "pieces": 0}


def settled(options, is_table, task):
    """The options with a value for each of them; `preset_`: the preset that they come of, or None.

    Of a table's preset its validation share, and what makes probabilities right, are what is done
    to all data.
    """
    name = _preset(options, is_table)
    found = {**vars(options), "preset_": None, "rate_factor": 1.0}
    if name != "none":
        preset = found["preset_"] = find_preset(name)
        given = preset.settings_for(task == "classification")
        for parameter, tied in preset.tied.items():
            if found[_TIED[parameter]] is not None:
                given = {key: value for key, value in given.items() if key not in tied}
        if "schedule" in given:
            given["schedule"] = find_schedule(given["schedule"]), {}
        for parameter, option in _OPTIONS.items():
            if found[option] is None and parameter in given:
                found[option] = given[parameter]
        if found["optimizer"] is None:
            _, kind, _ = values.optimizer(_OPTIMIZER)
            found["optimizer"] = _OPTIMIZER, kind, {"beta_2": given["beta_2"]}
            found["rate_factor"] = given["learning_rate_factor"]
    usual = {**_USUAL, "optimizer": values.optimizer(_OPTIMIZER)}
    return Namespace(
        **found | {option: value for option, value in usual.items() if found[option] is None}
    )


def _preset(options, is_table):
    """The name of the one that is given, or usual; an optimizer that takes no steps has none."""
    minimizes = options.optimizer is not None and options.optimizer[1].minimizes
    given = options.preset or ("tabular" if is_table and not minimizes else "none")
    if minimizes and given != "none":
        raise ValueError(
            f"--preset {given} is for optimizers of steps, which {options.optimizer[0]} has not"
        )
    return given
