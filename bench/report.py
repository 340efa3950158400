"""Everything that is asked of the speed and size of this library: `python bench/report.py`.

First compare.py's table, then its shares and ratios beside their targets, then what the other
modules measure, beside theirs. bench/README.md says how to read it.
"""

import argparse
import sys
import time

import avx2
import compare
import findings
import fit_call
import latency
import memory
import precisions
import startup
import threads
import throughput
from results import markdown, save, spread
from targets import TARGETS
from worker import WorkerError, pin

PARTS = (threads, precisions, avx2, latency, throughput, startup, memory, fit_call)


def main(arguments=None):
    options = parse(arguments)
    core = pin(options.core)
    started = time.perf_counter()
    steps = compare.parse(["--repeats", str(options.repeats)])
    comparison = compare.compare(steps)
    compare.show(comparison, steps, core)
    print("\nSteps: the share of the peak, and peers' times over ours, beside what is asked:\n")
    print(targets_table(comparison))
    sys.stdout.flush()
    further, failures = [], []
    for part in PARTS:
        try:
            further += part.measure()
        except WorkerError as error:
            failures.append(f"{part.__name__} failed: {error}")
    print("\nFurther:\n")
    print(findings.table(further))
    print(f"\n{findings.conditions(core)}, {time.perf_counter() - started:.0f} s in all")
    for failure in failures:
        print(failure)
    if options.json:
        save(
            options.json,
            compare.entries(comparison, steps.dtype) + findings.benchmarks(further),
            command="report.py",
            dtype=steps.dtype,
            further=findings.as_dicts(further),
        )
    if comparison.failed or failures:
        sys.exit(1)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7, help="compare.py's turns (default: 7)")
    parser.add_argument("--core", type=int, help="the core to bind to (default: the last)")
    parser.add_argument("--json", metavar="FILE", help="write every number measured to FILE")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error(f"--repeats: {options.repeats}, expected at least 1")
    return options


def targets_table(comparison):
    header = ["shape, batch"]
    for what in ("of peak", "JAX", "PyTorch"):
        header += [what, "asked"]
    return markdown(header, [targets_row(row, comparison.absent) for row in comparison.rows])


def targets_row(row, absent):
    target, ours = TARGETS[row.shape.name], compare.OURS
    if target.share is None:
        line = [str(row.shape), "–", "–"]
    elif ours in row.seconds:
        shares = [100 * share for share in row.shares(ours)]
        line = [str(row.shape), f"{spread(shares)} %", f"≥ {target.share} %"]
    else:
        line = [str(row.shape), "check failed", f"≥ {target.share} %"]
    for peer, asked in (("jax", target.jax), ("pytorch", target.pytorch)):
        if peer in absent:
            line.append("not installed")
        elif ours in row.seconds and peer in row.seconds:
            line.append(f"{spread(row.ratios(peer))}×")
        else:
            line.append("check failed")
        line.append(f"≥ {asked}×")
    return line


if __name__ == "__main__":
    main()
