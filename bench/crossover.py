"""Our own kernels against BLAS, over batch and width: `python bench/crossover.py --svg FILE`.

Square layers. Three products without an epilogue, the same job for both sides, and a whole step of
a network width-width-width-10 with `matmul="fused"` and `matmul="blas"`. Both sides take turns; a
number is BLAS's time over ours, the median of the turns' ratios: above 1, ours is faster. Prints
the tables, and draws them with --svg.
"""

import argparse
import re
import time
from importlib.util import find_spec
from io import StringIO
from math import isnan, nan
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import numpy as np
from findings import conditions, say
from peers import ours
from products import bare_products
from results import benchmark, markdown, save
from shapes import Shape
from stopwatch import GRADIENT_TOLERANCE, seconds_a_call
from worker import load, pin

BATCHES = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
WIDTHS = (16, 32, 64, 128, 256, 512, 1024, 2048)
STEP = "whole step"
PANELS = ("forward", "backward data", "weight gradient", STEP)
WAYS = ("fused", "blas")
SLICE_SECONDS = 0.003  # of calls between two looks at the clock; one call where that takes longer
PRODUCT_TOLERANCE = {"float32": 1e-5, "float64": 1e-13}  # between the two ways, of the norm


def main(arguments=None):
    options = parse(arguments)
    core = pin(options.core)
    busy, started = load(), time.perf_counter()
    times = {}  # {(panel, batch, width): {way: [seconds]}}
    for width in options.widths:
        for batch in options.batches:
            for panel, seconds in measure(batch, width, options.dtype, options.repeats):
                times[panel, batch, width] = seconds
            say(".")
    say("\n")
    ratios = {key: turn_by_turn(seconds) for key, seconds in times.items()}
    for panel in PANELS:
        print(f"\n{panel}: BLAS's time over ours\n")
        print(table(panel, ratios, options))
    about = (
        f"{conditions(core)}, one thread, {options.dtype}, {options.repeats} turns, "
        f"{time.perf_counter() - started:.0f} s{busy}"
    )
    print(f"\n{about}\n~ some turn had the other side ahead: no difference was measured")
    print("– the product takes hardly longer than its call from Python")
    if options.svg:
        draw(ratios, options, about)
    if options.json:
        entries = [
            benchmark(f"{panel} {batch}×{width} {options.dtype}", way, seconds[way])
            for (panel, batch, width), seconds in times.items()
            for way in WAYS
            if not any(map(isnan, seconds[way]))
        ]
        save(options.json, entries, command="crossover.py", dtype=options.dtype)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    listing = {"type": lambda text: [int(each) for each in text.split(",")], "metavar": "A,B,…"}
    parser.add_argument("--batches", **listing, default=BATCHES)
    parser.add_argument("--widths", **listing, default=WIDTHS)
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--repeats", type=int, default=7, help="turns for each cell (default: 7)")
    parser.add_argument("--core", type=int, help="the core to bind to (default: the last)")
    parser.add_argument("--json", metavar="FILE", help="write every number measured to FILE")
    parser.add_argument("--svg", metavar="FILE", help="draw to FILE")
    options = parser.parse_args(arguments)
    if options.svg and find_spec("matplotlib") is None:
        parser.error("--svg: needs matplotlib, which is not installed")
    if min(options.repeats, *options.batches, *options.widths) < 1:
        parser.error("--repeats, --batches and --widths: expected numbers of at least 1")
    return options


def measure(batch, width, dtype, repeats):
    """(panel, {way: seconds of each turn}) of the four panels."""
    layer = SimpleNamespace(n_in=width, n_out=width, batch=batch)
    for panel, (runs, result) in bare_products(layer, dtype).items():
        found = []
        for run, _ in runs.values():
            run()
            found.append(result.astype(np.float64))
        assert_same(*found, PRODUCT_TOLERANCE[dtype])
        yield panel, alternate({way: calls_of(*pair) for way, pair in runs.items()}, repeats)
    yield STEP, alternate(steps(batch, width, dtype), repeats)


def calls_of(run, empty):
    """A function from a number of calls to the seconds of one, without what an empty call takes.

    nan where hardly more is left than noise.
    """

    def seconds_of(count):
        call = seconds_a_call(count, empty)
        product = seconds_a_call(count, run) - call
        return product if product > call / 4 else nan

    return seconds_of


def steps(batch, width, dtype):
    """{way: a function from a number of steps to the seconds of one}."""
    shape = Shape("square", (width, width, width, 10), batch, 1)
    X, y = shape.random_data()
    parameters = shape.initial_parameters(dtype)
    trainers = [ours.Trainer(shape, dtype, parameters, X, y, matmul=way) for way in WAYS]
    for trainer in trainers:
        trainer.train(1)
    assert_same(*(each.first_moments()[0][0] for each in trainers), GRADIENT_TOLERANCE[dtype])
    return {way: training_of(trainer) for way, trainer in zip(WAYS, trainers, strict=True)}


def training_of(trainer):
    return lambda count: seconds_a_call(1, trainer.train, count) / count


def assert_same(found, other, tolerance):
    difference = np.linalg.norm(found - other) / np.linalg.norm(other)
    if not difference <= tolerance:
        raise AssertionError(f"the two ways differ by {difference:.2g} of the result's size")


def alternate(ways, repeats):
    """{way: seconds of each turn}."""
    counts = {way: count_for(seconds_of) for way, seconds_of in ways.items()}
    times = {way: [] for way in ways}
    for _ in range(repeats):
        for way, seconds_of in ways.items():
            times[way].append(seconds_of(counts[way]))
    return times


def count_for(seconds_of):
    """How many repeats make up a slice."""
    count, taken = 1, 0.0
    while taken < SLICE_SECONDS / 2:
        count *= 2
        taken = seconds_a_call(1, seconds_of, count)
    return max(1, round(count * SLICE_SECONDS / taken))


def turn_by_turn(seconds):
    return [theirs / mine for mine, theirs in zip(*(seconds[way] for way in WAYS), strict=True)]


def table(panel, ratios, options):
    """A row a batch, a column a width."""
    header = ["batch \\ width", *map(str, options.widths)]
    rows = [
        [str(batch), *(cell(ratios[panel, batch, width]) for width in options.widths)]
        for batch in options.batches
    ]
    return markdown(header, rows)


def cell(values):
    if any(map(isnan, values)):
        return "–"
    undecided = min(values) < 1 < max(values)
    return f"{'~' if undecided else ''}{median(values):.2f}"


def draw(ratios, options, about):
    """Four maps: green where ours is faster, brown where BLAS is, black where they cross."""
    from matplotlib import pyplot
    from matplotlib.colors import LogNorm

    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "crossover", "font.size": 8})
    pyplot.rcParams["font.sans-serif"] = ["DejaVu Sans"]  # whose list is repeated for each number
    figure, axes = pyplot.subplots(2, 2, figsize=(10, 8), layout="constrained", facecolor="white")
    for axis, panel in zip(axes.flat, PANELS, strict=True):
        values = np.array(
            [[median(ratios[panel, b, w]) for w in options.widths] for b in options.batches]
        )
        colours = axis.pcolormesh(values, cmap="BrBG", norm=LogNorm(1 / 3, 3), edgecolors="white")
        for (row, column), value in np.ndenumerate(values):
            dark = abs(np.log(value)) > np.log(2.2)
            text = cell(ratios[panel, options.batches[row], options.widths[column]])
            axis.text(
                column + 0.5,
                row + 0.5,
                text,
                ha="center",
                va="center",
                color="white" if dark else "black",
            )
        frontier(axis, values)
        axis.set_title(panel)
        axis.set_xlabel("width")
        axis.set_ylabel("batch")
        axis.set_xticks(np.arange(len(options.widths)) + 0.5, options.widths)
        axis.set_yticks(np.arange(len(options.batches)) + 0.5, options.batches)
    bar = figure.colorbar(colours, ax=axes, label="BLAS's time / ours", ticks=[1 / 3, 0.5, 1, 2, 3])
    bar.ax.set_yticklabels(["1/3", "1/2", "1", "2", "3"])
    bar.ax.minorticks_off()
    figure.suptitle(f"Our kernels against BLAS; {about}", fontsize=7)
    drawing = StringIO()
    figure.savefig(drawing, format="svg", metadata={"Date": None})
    # A tenth of a point is fine enough in a tag, and a third of the file.
    text = re.sub(r' transform="rotate\(-0 [^"]*"', "", drawing.getvalue())
    Path(options.svg).write_text(re.sub(r"(\d\.\d)\d+(?=[^<>]*>)", r"\1", text), encoding="utf-8")


def frontier(axis, values):
    """A line between each two neighbours of which BLAS is faster on one only."""
    side = np.sign(np.nan_to_num(np.log(values)))
    for row, column in np.argwhere(side[:, 1:] * side[:, :-1] < 0):
        axis.plot([column + 1] * 2, [row, row + 1], color="black", linewidth=2)
    for row, column in np.argwhere(side[1:] * side[:-1] < 0):
        axis.plot([column, column + 1], [row + 1] * 2, color="black", linewidth=2)


if __name__ == "__main__":
    main()
