"""Measurements beside what was asked of them: the table "Further", and how a part runs alone."""

import argparse
import sys
import time
from dataclasses import asdict, dataclass

from results import benchmark, markdown, save, spread
from worker import load, pin, processor

SECONDS = {"µs": 1e-6, "ms": 1e-3}


@dataclass
class Finding:
    """One row of the table."""

    what: str
    asked: str
    values: list  # one a turn; empty where nothing could be measured
    unit: str = ""
    note: str = ""  # what else to know; why there are no values

    @property
    def measured(self):
        unit = f" {self.unit}" if self.unit else ""
        return f"{spread(self.values)}{unit}" if self.values else "not measured"


def table(findings):
    rows = [[each.what, each.asked, each.measured, each.note] for each in findings]
    return markdown(["what", "asked", "measured", "note"], rows)


def benchmarks(findings):
    """Entries of the JSON file for those that are times."""
    return [
        benchmark("further", each.what, [value * SECONDS[each.unit] for value in each.values])
        for each in findings
        if each.unit in SECONDS and each.values
    ]


def as_dicts(findings):
    return [asdict(each) for each in findings]


def alone(measure, description):
    """The command line of one part: bind to a core, measure, print."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--core", type=int, help="the core to bind to (default: the last)")
    parser.add_argument("--json", metavar="FILE", help="write every number measured to FILE")
    options = parser.parse_args()
    core = pin(options.core)
    busy, started = load(), time.perf_counter()
    found = measure()
    print(table(found))
    print(f"\n{conditions(core)}, {time.perf_counter() - started:.0f} s{busy}")
    if options.json:
        save(options.json, benchmarks(found), command=sys.argv[0], further=as_dicts(found))


def conditions(core):
    """Which processor, and what the run was bound to."""
    bound = "not bound to a core" if core is None else f"bound to core {core}"
    return f"{processor()}, {bound}"


def say(text):
    """Progress, beside what is printed as the result."""
    print(text, end="", file=sys.stderr, flush=True)
