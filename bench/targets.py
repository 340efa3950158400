"""What is asked of a training step on each shape; report.py prints it beside what is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    share: float | None  # per cent of the multiply-add peak, at least; None: a share says nothing
    jax: float  # times as long as ours, at least
    pytorch: float


TARGETS = {
    "xor": Target(None, 8, 400),
    "iris": Target(None, 5, 90),
    "rl": Target(65, 2.3, 19),
    "digits": Target(70, 2, 8),
    "tabular": Target(90, 1.4, 3),
    "mnist": Target(85, 1.3, 2.8),
    "smallbatch": Target(70, 1.6, 3),
    "wide": Target(88, 1.3, 2.3),
    "deep": Target(93, 1.18, 2.3),
}
