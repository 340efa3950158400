"""What this installation runs on."""

import os

import numpy as np

from backprop._core import blas, kernels
from backprop._version import __version__


def available_threads():
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def show_config():
    """Print the instruction set, the BLAS and its kernels, and the threads that networks are trained with.

    The environment variable ``BACKPROP_ISA`` (for example ``avx2``) takes a lesser instruction set than the best.
    """
    sets = kernels.instruction_sets()
    listed = ", ".join(name if runs else f"{name} (not on this processor)" for name, runs in sets.items())
    configuration, core_name = blas.describe()
    print(f"backprop         {__version__}, numpy {np.__version__}")
    print(f"instruction set  {kernels.best_instruction_set()}, of {listed}")
    print(f"BLAS             {configuration}")
    print(f"BLAS kernels     {core_name}")
    print(f"threads          up to {available_threads()}, chosen for each network and batch size")
