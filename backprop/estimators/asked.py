"""The parameters as they hold: with a preset, what is left at its default is the preset's."""

from dataclasses import fields
from types import SimpleNamespace

from sklearn.base import ClassifierMixin

from backprop.catalogue.presets import find_preset
from backprop.catalogue.schedules import has_length, named_schedule


def with_preset(model):
    """An object with every parameter of a model that has a preset."""
    given = {one.name: getattr(model, one.name) for one in fields(model)}
    left = {one.name for one in fields(model) if _is_default(given[one.name], one.default)}
    preset = find_preset(model.preset)
    settings = preset.settings_for(isinstance(model, ClassifierMixin))
    for parameter, tied in preset.tied.items():
        if parameter not in left:
            left -= {*tied}
    return SimpleNamespace(**given | {k: v for k, v in settings.items() if k in left})


def n_epochs(model, n_rows):
    """At most, of a fit to so many rows."""
    most = model.asked.max_iter
    if model.preset is None or model.max_iter == most:
        return most
    return find_preset(model.preset).epochs(n_rows)


def ends_with_fit(schedule):
    """Whether it is a name, of one that is planned for the whole of a fit."""
    return isinstance(schedule, str) and has_length(named_schedule(schedule))


def _is_default(value, default):
    return type(value) is type(default) and value == default
