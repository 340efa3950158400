"""Training steps of this library and of its peers, side by side: `python bench/compare.py`.

Each library has a process of its own; all are bound to the same core and take turns, so that they
meet the same clock rate and the same noise. For each shape everyone is first checked against the
reference, then timed in slices of whole epochs, turn by turn, with the multiply-add peak probed
in each turn. bench/README.md says how to read the table.
"""

import argparse
import statistics
import sys
import time
from dataclasses import dataclass

from findings import conditions, say
from peers import PEERS
from results import benchmark, markdown, number, save, spread
from shapes import SHAPES, Shape
from stopwatch import Stopwatch
from worker import NotInstalled, Worker, WorkerError, load, pin

OURS = "backprop"
PEAK_SECONDS = 0.05
MIN_LIMIT = 0.1  # µs: a step whose products take less has its time elsewhere; a share says nothing


@dataclass
class Row:
    """What was measured on one shape; lists have one entry a turn."""

    shape: Shape
    seconds: dict  # {peer: [of a step]}, of those that passed their check
    peaks: list  # GFLOP/s
    found: dict  # {peer: {"variant", "difference", "losses"}}
    failures: dict  # {peer: message}

    @property
    def limit(self):
        """Microseconds that the step's multiply-adds would take at the peak."""
        return self.shape.flops / statistics.median(self.peaks) / 1e3

    def gflops(self, peer):
        return self.shape.flops / statistics.median(self.seconds[peer]) / 1e9

    def shares(self, peer):
        """The part of the turn's peak that the step's products used, turn by turn."""
        turns = zip(self.seconds[peer], self.peaks, strict=True)
        return [self.shape.flops / (1e9 * seconds * peak) for seconds, peak in turns]

    def share_of_peak(self, peer):
        return statistics.median(self.shares(peer))

    def ratios(self, peer):
        """How many times as long as ours the peer's step took, turn by turn."""
        turns = zip(self.seconds[peer], self.seconds[OURS], strict=True)
        return [theirs / ours for theirs, ours in turns]

    def ratio(self, peer):
        return statistics.median(self.ratios(peer))


@dataclass
class Comparison:
    """A whole run."""

    rows: list
    about: dict  # {peer: {"name", "version"}}
    absent: dict  # {peer: what its import said}
    seconds: float
    busy: str  # words of warning, or ''

    @property
    def failed(self):
        return any(row.failures for row in self.rows)


def main(arguments=None):
    options = parse(arguments)
    core = pin(options.core)
    comparison = compare(options)
    show(comparison, options, core)
    if options.json:
        save(
            options.json,
            entries(comparison, options.dtype),
            command="compare.py",
            dtype=options.dtype,
        )
    if comparison.failed:
        sys.exit(1)


def compare(options):
    """Every peer that is there, on every shape asked for."""
    busy, started = load(), time.perf_counter()
    workers, absent = {}, {}
    for peer in PEERS:
        if peer == OURS or peer in options.peers:
            try:
                workers[peer] = Worker(Stopwatch, peer, options.dtype)
            except NotInstalled as error:
                absent[peer] = str(error)
    if OURS in absent:
        sys.exit(f"{absent[OURS]}: build and install the library first, as README.md says")
    about = {peer: worker.call("about") for peer, worker in workers.items()}
    rows = [measure(SHAPES[name], workers, options.repeats) for name in options.shapes]
    for worker in workers.values():
        worker.close()
    return Comparison(rows, about, absent, time.perf_counter() - started, busy)


def show(comparison, options, core):
    rows, about, absent = comparison.rows, comparison.about, comparison.absent
    print(markdown(*table(rows, about, absent)))
    peaks = [peak for row in rows for peak in row.peaks]
    print(
        f"\n{conditions(core)}, one thread, {options.dtype}, {options.repeats} turns, "
        f"{comparison.seconds:.0f} s; multiply-add peak {spread(peaks)} GFLOP/s{comparison.busy}"
    )
    print_notes(rows, about, absent)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    listing = {"type": lambda text: text.split(","), "metavar": "A,B,…"}
    parser.add_argument(
        "--shapes",
        **listing,
        default=list(SHAPES),
        help=f"some of {', '.join(SHAPES)} (default: all)",
    )
    parser.add_argument(
        "--peers",
        **listing,
        default=list(PEERS),
        help=f"some of {', '.join(PEERS)}; backprop always takes part (default: all)",
    )
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--repeats", type=int, default=7, help="turns for each shape (default: 7)")
    parser.add_argument("--core", type=int, help="the core to bind to (default: the last)")
    parser.add_argument("--json", metavar="FILE", help="write every number measured to FILE")
    options = parser.parse_args(arguments)
    for option, known in (("shapes", SHAPES), ("peers", PEERS)):
        for name in getattr(options, option):
            if name not in known:
                parser.error(f"--{option}: {name!r} is not one of {', '.join(known)}")
    if options.repeats < 1:
        parser.error(f"--repeats: {options.repeats}, expected at least 1")
    return options


def measure(shape, workers, repeats):
    """Everyone's check, then their turns."""
    say(f"{shape.name}: checking")
    row = Row(shape, {}, [], {}, {})
    for peer, worker in workers.items():
        try:
            row.found[peer] = worker.call("prepare", shape.name)
            row.seconds[peer] = []
        except WorkerError as error:
            row.failures[peer] = str(error)
    say(", timing ")
    for _ in range(repeats):
        row.peaks.append(workers[OURS].call("peak", PEAK_SECONDS))
        for peer, seconds in row.seconds.items():
            seconds.append(workers[peer].call("time"))
        say(".")
    for peer in list(row.seconds):
        try:
            row.found[peer]["losses"] = workers[peer].call("losses")
        except WorkerError as error:
            row.failures[peer] = str(error)
            del row.seconds[peer]
    say("\n")
    return row


def table(rows, about, absent):
    """(header, rows of cells)."""
    peers = [peer for peer in PEERS if peer != OURS and (peer in about or peer in absent)]
    header = ["shape, batch", "limit, µs a step", "backprop", "GFLOP/s", "of peak"]
    header += [about[peer]["name"] if peer in about else peer for peer in peers]
    return header, [cells(row, peers, absent) for row in rows]


def cells(row, peers, absent):
    limited = row.limit >= MIN_LIMIT
    line = [str(row.shape), number(row.limit) if limited else "–"]
    if OURS in row.seconds:
        line += [spread(in_microseconds(row.seconds[OURS])), number(row.gflops(OURS))]
        line.append(f"{100 * row.share_of_peak(OURS):.0f} %" if limited else "–")
    else:
        line += ["check failed", "–", "–"]
    for peer in peers:
        if peer in absent:
            line.append("not installed")
        elif peer in row.failures:
            line.append("check failed")
        else:
            ratio = f" {number(row.ratio(peer), 2)}×" if OURS in row.seconds else ""
            line.append(spread(in_microseconds(row.seconds[peer])) + ratio)
    return line


def in_microseconds(seconds):
    return [1e6 * each for each in seconds]


def print_notes(rows, about, absent):
    """Versions, what was fastest where, how exact the gradients were, and what went wrong."""
    for peer, facts in about.items():
        passed = {row.shape.name: row.found[peer] for row in rows if peer in row.seconds}
        variants = {}
        for name, found in passed.items():
            variants.setdefault(found["variant"], []).append(name)
        used = "; ".join(f"{variant}: {' '.join(names)}" for variant, names in variants.items())
        if not passed:
            continue
        worst = max(found["difference"] for found in passed.values())
        print(f"{peer} {facts['version']} ({used}); gradient within {worst:.1g} of the reference")
    for peer, why in absent.items():
        print(f"{peer} is not installed: {why}")
    for row in rows:
        for peer, why in row.failures.items():
            print(f"{peer} failed on {row.shape}: {why.strip().splitlines()[-1]}")


def entries(comparison, dtype):
    """What the JSON file holds of each shape and peer."""
    return [
        entry(row, peer, dtype, comparison.about) for row in comparison.rows for peer in row.seconds
    ]


def entry(row, peer, dtype, about):
    return benchmark(
        f"{row.shape.name} {dtype}",
        peer,
        row.seconds[peer],
        version=about[peer]["version"],
        gflops=row.gflops(peer),
        share_of_peak=row.share_of_peak(peer),
        times_as_long_as_backprop=row.ratio(peer) if OURS in row.seconds else None,
        peak_gflops=row.peaks,
        **row.found[peer],
    )


if __name__ == "__main__":
    main()
