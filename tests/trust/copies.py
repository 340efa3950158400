"""A copy of the sources in a folder of its own, built with other flags, and what runs in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("backprop", "csrc", "tests", "bench", "docs", "examples", "setup.py", "pyproject.toml")
LEFT_OUT = ("*.so", "__pycache__", "build", "openblas", ".hypothesis", "results", ".*_cache")


class BuildFailed(Exception):
    """The copy cannot be built; the message is the compiler's."""


def make_copy(folder):
    """All that a build and the tests need; returns the folder."""
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ignored = shutil.ignore_patterns(*LEFT_OUT)
    for path in (*map(ROOT.joinpath, PARTS), *ROOT.glob("*.md"), ROOT / "LICENSE"):
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=ignored)
        else:
            shutil.copy(path, folder)
    return folder


def environment(folder, **variables):
    """Of a process that imports the copy, from wherever it starts."""
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **variables}


def build(folder, **variables):
    """In place; `variables` are those of the compiler, such as CFLAGS."""
    command = [sys.executable, "setup.py", "build_ext", "--inplace"]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder, **variables),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise BuildFailed(done.stderr[-2000:])


def run(folder, *arguments, **variables):
    """The exit code of `python arguments`, in the copy; it prints as it goes."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment(folder, **variables)
    )
    return done.returncode
