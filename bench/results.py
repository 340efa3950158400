"""From lists of seconds to a table, and to a JSON file that `pytest-benchmark compare` reads."""

import json
import platform
import statistics
from datetime import datetime, timezone
from pathlib import Path

from worker import processor


def spread(values, digits=3):
    """'median (min–max)', to so many significant digits."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{number(middle, digits)} ({number(low, digits)}–{number(high, digits)})"


def number(value, digits=3):
    """Significant digits without an exponent: 0.19, 12.2, 1605."""
    decimals = digits - len(str(int(abs(value)))) if abs(value) >= 1 else digits - 1
    return f"{value:.{max(decimals, 0)}f}"


def markdown(header, rows):
    """A table whose columns line up; the first is text, the others are numbers."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells):
        first, *others = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join([first, *others])} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(line(cells) for cells in [header, rule, *rows])


def benchmark(group, name, seconds, **extra_info):
    """One entry of the file: `seconds` are those of each repeat."""
    quarter, middle, three_quarters = (
        statistics.quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else seconds * 3
    )
    mean = statistics.fmean(seconds)
    return {
        "group": group,
        "name": f"{group}[{name}]",
        "fullname": f"{group}[{name}]",
        "params": None,
        "param": None,
        "extra_info": extra_info,
        "options": {},
        "stats": {
            "min": min(seconds),
            "max": max(seconds),
            "mean": mean,
            "stddev": statistics.stdev(seconds) if len(seconds) > 1 else 0.0,
            "median": middle,
            "q1": quarter,
            "q3": three_quarters,
            "iqr": three_quarters - quarter,
            "outliers": "0;0",
            "ops": 1 / mean,
            "total": sum(seconds),
            "rounds": len(seconds),
            "iterations": 1,
            "data": seconds,
        },
    }


def save(path, benchmarks, **about):
    """Write the file; `about` describes the run."""
    machine = {
        "node": "",
        "processor": processor(),
        "machine": platform.machine(),
        "system": platform.system(),
        "release": platform.release(),
        "python_version": platform.python_version(),
        "cpu": {"brand_raw": processor()},
    }
    document = {
        "machine_info": machine,
        "commit_info": {},
        "benchmarks": benchmarks,
        "datetime": datetime.now(timezone.utc).isoformat(),
        "version": "5.0.0",  # of pytest-benchmark's layout
        "about": about,
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
