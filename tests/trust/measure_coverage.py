"""How much of the Python and of the C the tests reach: lines and branches.

    python tests/trust/measure_coverage.py                        # the default tests, in a copy
    python tests/trust/measure_coverage.py tests/test_storage.py  # what pytest is given

Needs `pip install coverage`, and gcov of the compiler that builds. What is printed are the totals,
and of each file what is least covered; the exit code is 1 where a total is below what is promised.
"""

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from copies import build, make_copy, run

PYTHON_ASKED, C_ASKED = 95, {"lines": 90, "branches": 0}  # percent; the latter are told alone
FLAGS = "--coverage -fprofile-update=single"  # a count that threads lose is no line that they do
LEAST_COVERED = 15  # files that are listed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", help="where the copy goes, and stays (default: for the run)")
    options, tests = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = make_copy(options.folder or Path(temporary) / "copy")
        build(folder, CFLAGS=FLAGS, LDFLAGS="--coverage")
        failed = run(folder, "-m", "coverage", "run", "-m", "pytest", "-q", *tests)
        run(folder, "-m", "coverage", "combine", "-q")
        found = [*of_python(folder), *of_c(folder)]
    for what, share, asked in found:
        print(f"{what}: {share:.2f} %, asked {asked} %")
    if failed:
        print("tests failed")
    sys.exit(bool(failed) or any(share < asked for _, share, asked in found))


def of_python(folder):
    """(what, share, asked) of lines and branches, by coverage.py."""
    report = folder / "coverage.json"
    run(folder, "-m", "coverage", "json", "-q", "-o", str(report))
    found = json.loads(report.read_text())
    totals, files = found["totals"], found["files"]
    missing = {name: file["missing_lines"] for name, file in files.items()}
    show_least({name: file["summary"]["percent_covered"] for name, file in files.items()}, missing)
    yield "Python, lines", share(totals["covered_lines"], totals["num_statements"]), PYTHON_ASKED
    yield (
        "Python, branches",
        share(totals["covered_branches"], totals["num_branches"]),
        PYTHON_ASKED,
    )


def of_c(folder):
    """The same of csrc, by gcov; a line that is compiled several times is reached where one is."""
    lines, branches = defaultdict(dict), defaultdict(dict)
    for counts in sorted(folder.glob("build/**/csrc/**/*.gcda")):
        for file in gcov(counts, folder)["files"]:
            if "csrc/" in file["file"]:
                add(file, lines[file["file"]], branches[file["file"]])
    missing = {
        name: [n for n, hit in sorted(each.items()) if not hit] for name, each in lines.items()
    }
    show_least(
        {name: share(sum(each.values()), len(each)) for name, each in lines.items()}, missing
    )
    for what, found in (("lines", lines), ("branches", branches)):
        hits = [hit for each in found.values() for hit in each.values()]
        yield f"C, {what}", share(sum(hits), len(hits)), C_ASKED[what]


def gcov(counts, folder):
    command = ["gcov", "--branch-probabilities", "--json-format", "--stdout", str(counts)]
    printed = subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout
    return json.loads(gzip.decompress(printed) if printed[:2] == b"\x1f\x8b" else printed)


def add(file, lines, branches):
    """Of one object: {line: whether it was reached}, {(line, which): whether it was taken}."""
    for line in file["lines"]:
        number = line["line_number"]
        lines[number] = lines.get(number, False) or line["count"] > 0
        for which, branch in enumerate(line["branches"]):
            taken = branches.get((number, which), False)
            branches[number, which] = taken or branch["count"] > 0


def show_least(shares, missing):
    """The files that are least covered, with the lines that nothing reaches."""
    for name in sorted(shares, key=shares.get)[:LEAST_COVERED]:
        if shares[name] < 100:
            print(f"{shares[name]:6.1f} %  {name}: {' '.join(map(str, missing[name][:40]))}")


def share(part, whole):
    return 100 * part / max(1, whole)


if __name__ == "__main__":
    main()
