"""The tests of the core with the compiler's sanitizers, in a copy that is built with them.

    python tests/trust/sanitize.py address  # and undefined behaviour, and Cython's bounds
    python tests/trust/sanitize.py thread
    python tests/trust/sanitize.py address tests/kernels -k neon

Nothing is suppressed. Leaks are not looked for, of which Python itself has some at its end:
tests/long/test_leaks.py does that. What is reported is printed; the exit code is 1 where anything
is, or a test fails. Needs gcc with its sanitizers.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from copies import build, make_copy, run

KINDS = {
    "address": {"flags": "address,undefined", "libraries": ("asan", "ubsan")},
    "thread": {"flags": "thread", "libraries": ("tsan",)},
}
# Those that reach the core; those in a thread's company, which is what the other kind looks at.
CORE = (
    *("kernels", "test_memory.py", "test_against_reference.py", "test_reproducible.py"),
    *("test_together.py", "test_operations.py", "test_network.py", "test_not_finite.py"),
    *("test_inputs.py", "test_muon.py", "test_own_loss.py", "test_clipping.py", "test_averages.py"),
    *("test_max_norm.py", "test_layer_training.py", "test_initial_weights.py", "test_quantile.py"),
    *("test_properties.py", "test_configurations.py", "test_explain.py", "test_dropout.py"),
    *("test_floating_point.py", "test_storage.py", "test_tensors.py", "test_network_parts.py"),
    "test_compact.py",
)
THREADS = (
    *("test_reproducible.py", "test_together.py", "test_configurations.py", "test_memory.py"),
    *("test_operations.py", "test_not_finite.py", "test_muon.py", "test_own_loss.py"),
    *("test_free_threading.py", "test_compact.py"),
)
# What cannot be run there: a browser; what takes away the room that the sanitizer needs; an
# emulator; a child that is to end by a fault, which shows that a trap works; and memory that is
# counted, of which the sanitizer takes some.
DESELECTED = "not the_page and not cannot_be_had and not neon and not trap and not twice_the_file"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--folder", help="where the copy goes, and stays (default: for the run)")
    options, pytest_arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = make_copy(options.folder or Path(temporary) / "copy")
        sanitized_build(folder, options.kind)
        failed = run_tests(folder, options.kind, pytest_arguments)
        found = reports(folder)
    print("\n".join(found) or "nothing is reported")
    sys.exit(bool(failed or found))


def sanitized_build(folder, kind):
    flags = f"-fsanitize={KINDS[kind]['flags']} -fno-omit-frame-pointer"
    build(folder, BACKPROP_CHECKED="1", CC="gcc", CFLAGS=flags, LDFLAGS=flags)


def run_tests(folder, kind, pytest_arguments):
    """Pytest's exit code; reports go into files, so that none is lost in what a test captures."""
    names = {"address": CORE, "thread": THREADS}[kind]
    chosen = pytest_arguments or [f"tests/{name}" for name in names]
    if "-k" not in chosen:
        chosen = [*chosen, "-k", DESELECTED]
    return run(
        folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen, **settings(folder, kind)
    )


def settings(folder, kind):
    """Environment variables of a process that loads what was built."""
    (folder / "reports").mkdir(exist_ok=True)
    libraries = [library(name) for name in KINDS[kind]["libraries"]]
    logs = f"log_path={folder}/reports"
    return {
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": f"detect_leaks=0:allocator_may_return_null=1:{logs}/address",
        "UBSAN_OPTIONS": f"print_stacktrace=1:{logs}/undefined",
        "TSAN_OPTIONS": f"die_after_fork=0:{logs}/thread",
        "PYTHONMALLOC": "malloc",  # so that each object is an allocation of its own
        "OPENBLAS_NUM_THREADS": "1",  # numpy's, whose locks are not built with the sanitizer
    }


def library(name):
    """The path of the compiler's own."""
    command = ["gcc", f"-print-file-name=lib{name}.so"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def reports(folder):
    return [path.read_text(errors="replace") for path in sorted((folder / "reports").iterdir())]


if __name__ == "__main__":
    main()
