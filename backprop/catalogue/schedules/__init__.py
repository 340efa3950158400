"""Schedules: the learning rate as a function of the step.

A schedule gives a factor of the optimizer's learning rate: ``bp.Adam(1e-3,
schedule=bp.Cosine(1000))``. It is a pure function of the number t of the step, from 0, or of the
epoch (``per="epoch"``), and of a state, which the network keeps where the schedule follows what
epochs come to; so a training that goes on has the rates that it would have had. Factors
are worked out in Python's float64; where a power or a cosine is among them, its last bit is that of
the machine's C library, and may differ from one machine to another.
"""

from __future__ import annotations

from dataclasses import MISSING, fields

from backprop.catalogue.records import described_kind, optional_kind
from backprop.catalogue.schedules.base import PER, Schedule
from backprop.catalogue.schedules.curves import (
    Constant,
    Cosine,
    CosLog,
    ExponentialDecay,
    InverseScaling,
    OneCycle,
    PolynomialDecay,
    StepDecay,
    Warmup,
)
from backprop.catalogue.schedules.plateau import OnPlateau
from backprop.validation import name_hint

__all__ = [
    "PER",
    "SCHEDULES",
    "Constant",
    "CosLog",
    "Cosine",
    "ExponentialDecay",
    "InverseScaling",
    "OnPlateau",
    "OneCycle",
    "PolynomialDecay",
    "Schedule",
    "StepDecay",
    "Warmup",
    "check_schedule",
    "described_schedule",
    "find_schedule",
    "has_length",
    "named_schedule",
    "needed_settings",
    "planned_schedule",
    "schedules_by_name",
]

SCHEDULES = {
    kind.__name__: kind
    for kind in (
        Constant,
        StepDecay,
        ExponentialDecay,
        PolynomialDecay,
        InverseScaling,
        Cosine,
        Warmup,
        OneCycle,
        CosLog,
        OnPlateau,
    )
}


def check_schedule(value):
    """A schedule or None; or its description."""
    return optional_kind("schedule", value, Schedule, SCHEDULES, described_schedule)


def schedules_by_name() -> dict[str, type[Schedule]]:
    """{name, lower case: kind}."""
    return {name.lower(): kind for name, kind in SCHEDULES.items()}


def find_schedule(name: str) -> type[Schedule]:
    """The kind of that name, lower case."""
    kinds = schedules_by_name()
    if name not in kinds:
        hint = name_hint(name, kinds)
        raise ValueError(f"schedule={name!r}: expected one of {', '.join(kinds)}{hint}")
    return kinds[name]


def named_schedule(name: str) -> type[Schedule]:
    """The kind of that name, which alone has to say enough: but for a planned length."""
    kind = find_schedule(name)
    if needed := needed_settings(kind):
        raise ValueError(
            f"schedule={name!r} needs {needed[0]}: expected {kind.__name__}({needed[0]}=…)"
        )
    return kind


def needed_settings(kind) -> list[str]:
    """Those that have no default; a planned length may be the training's."""
    return [f.name for f in fields(kind) if f.default is MISSING and f.name != "steps"]


def has_length(kind) -> bool:
    """Whether a schedule of that kind has a planned length, ``steps``."""
    return any(field.name == "steps" for field in fields(kind))


def planned_schedule(kind, settings, planned) -> Schedule:
    """One of these settings; a length that they do not give is that of the whole training.

    ``planned``: {"step": how many it has, "epoch": the same}.
    """
    if has_length(kind):
        length = planned.get(settings.get("per", "step"), planned["step"])
        settings = {"steps": length, **settings}
    return kind(**settings)


def described_schedule(description):
    """The schedule of which this is the `description`; every number has to be there."""
    values = dict(description)
    if values.get("then") is not None:
        values["then"] = described_schedule(values["then"])
    return described_kind("schedule", values, SCHEDULES)
