"""What this installation runs on."""

import os

import numpy as np

from backprop._core import blas, kernels
from backprop._version import __version__


def available_threads() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def show_config() -> str:
    """What networks run on here, as text: instruction set, BLAS and its kernels, threads.

    The environment variable ``BACKPROP_ISA`` (for example ``avx2``) takes a lesser instruction set
    than the best.
    """
    sets = kernels.instruction_sets()
    listed = ", ".join(
        name if runs else f"{name} (not on this processor)" for name, runs in sets.items()
    )
    configuration, core_name = blas.describe()
    return "\n".join(
        [
            f"backprop         {__version__}, numpy {np.__version__}",
            f"instruction set  {kernels.best_instruction_set()}, of {listed}",
            f"BLAS             {configuration}",
            f"BLAS kernels     {core_name}",
            f"threads          up to {available_threads()}, chosen for each network and batch size",
        ]
    )
