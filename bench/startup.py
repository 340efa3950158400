"""What it costs to start: `import backprop` beyond `import numpy`, and the size on the disk."""

import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from findings import Finding, alone, say
from results import spread

TURNS = 15
DISTRIBUTION = "backprop-mlp"
STATEMENTS = {
    "import backprop": "import backprop",
    "import Network and Dense": "from backprop import Dense, Network",
}
PROGRAM = """
from time import perf_counter
started = perf_counter()
import numpy
between = perf_counter()
{statement}
print(between - started, perf_counter() - between)
"""
NOT_INSTALLED = (".c", ".pyc")  # what lies beside the sources where they were built in place


def measure(turns=TURNS):
    return [*import_times(turns), installed_size()]


def import_times(turns):
    """Fresh processes, in turns, that import numpy first."""
    say("import: ")
    milliseconds, numpy_alone = {name: [] for name in STATEMENTS}, []
    with tempfile.TemporaryDirectory() as elsewhere:  # lest `import` find what lies about here
        for statement in STATEMENTS.values():  # which compiles and reads the files once
            run(statement, elsewhere)
        for _ in range(turns):
            for name, statement in STATEMENTS.items():
                numpy, ours = run(statement, elsewhere)
                numpy_alone.append(1e3 * numpy)
                milliseconds[name].append(1e3 * ours)
            say(".")
    say("\n")
    note = f"import numpy: {spread(numpy_alone)} ms"
    return [
        Finding(f"{name}, beyond import numpy", "≤ 25 ms", values, "ms", note)
        for name, values in milliseconds.items()
    ]


def run(statement, directory):
    """Seconds for numpy and for the statement in a fresh interpreter.

    It finds the package where this one did.
    """
    path = os.pathsep.join(filter(None, [str(package().parent), os.environ.get("PYTHONPATH")]))
    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(statement=statement)],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        stdout=subprocess.PIPE,
        encoding="ascii",
    ).stdout
    return map(float, printed.split())


def package():
    import backprop

    return Path(backprop.__file__).resolve().parent


def installed_size():
    """Of the files that pip recorded; of the package's directory where it was built in place."""
    files = installed_files()
    note = "as installed"
    if files is None:
        note = "built in place, without what is not installed"
        files = [
            path
            for path in package().rglob("*")
            if path.is_file() and path.suffix not in NOT_INSTALLED
        ]
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    what = "size without numpy and other packages"
    return Finding(what, "≤ 35 MB", [megabytes], "MB", note)


def installed_files():
    """None where the package that is imported is not one that pip installed."""
    try:
        files = metadata.files(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return None
    paths = [Path(file.locate()).resolve() for file in files]
    return [path for path in paths if path.exists()] if package() / "__init__.py" in paths else None


if __name__ == "__main__":
    alone(measure, __doc__)
