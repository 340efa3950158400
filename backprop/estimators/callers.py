"""Warnings that point at the user's line, however many calls of libraries lie between."""

import sys
import warnings

LIBRARIES = ("backprop", "sklearn", "joblib")


def warn(message, category=UserWarning):
    """Of the first line up the stack that is in none of these libraries."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _package(frame) in LIBRARIES:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _package(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0]
