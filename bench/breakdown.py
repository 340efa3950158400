"""Where the time of a step goes: `python bench/breakdown.py`.

For each of the nine shapes, the products of all its layers alone; the same with their epilogues
(activation, its derivative, Adam), each repeated on its own arrays; and the whole step, in which
they meet in one cache and gather, loss, transposes and calls come on top. Shares are of the
multiply-add peak, of the same work.
"""

import argparse
import time
from statistics import median
from types import SimpleNamespace

from findings import conditions, say
from peers import ADAM
from products import aligned, layer_arrays
from results import markdown, number
from shapes import SHAPES
from stopwatch import calls_in, seconds_a_call
from worker import load, pin

import backprop as bp
from backprop._core import probe

SLICE_SECONDS = 0.05
STEP = (bp.Adam(**ADAM), 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core", type=int, help="the core to bind to (default: the last)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--repeats", type=int, default=7, help="turns (default: 7)")
    options = parser.parse_args()
    core, busy, started = pin(options.core), load(), time.perf_counter()
    head = ["shape, batch", "limit, µs", "products alone", "with epilogues", "whole step", "rest"]
    rows = []
    for shape in SHAPES.values():
        rows.append(row_of(shape, options.dtype, options.repeats))
        say(".")
    say("\n")
    print(markdown(head, rows))
    seconds = time.perf_counter() - started
    print(
        f"\nrest: of the step, what the products and their epilogues alone do not take\n"
        f"{conditions(core)}, one thread, {options.dtype}, {seconds:.0f} s{busy}"
    )


def row_of(shape, dtype, repeats):
    """Median times of a turn each: the bare products, the fused ones, the step."""
    bare, fused = products(shape, dtype, with_epilogues=False), products(shape, dtype, True)
    step = step_of(shape, dtype)
    counts = [calls_in(SLICE_SECONDS, run) for run in (bare, fused, step)]
    turns = [
        [seconds_a_call(count, run) for count, run in zip(counts, (bare, fused, step), strict=True)]
        for _ in range(repeats)
    ]
    peak = max(probe.multiply_add_peak(dtype, 0.02) for _ in range(repeats))
    times = [median(column) for column in zip(*turns, strict=True)]
    times[2] /= shape.steps  # a call is an epoch
    limit = shape.flops / (1e9 * peak)
    if limit < 1e-6:  # a call from Python takes longer than the products
        return [str(shape), "–", "–", "–", f"{1e6 * times[2]:.2f} µs", "–"]
    cells = [f"{1e6 * t:.4g} µs, {100 * limit / t:.0f} %" for t in times]
    rest = 100 * (1 - times[1] / times[2])
    return [str(shape), number(1e6 * limit), *cells, f"{rest:.0f} %"]


def products(shape, dtype, with_epilogues):
    """A function that runs every product of a step once."""
    runs = []
    for i, (n_in, n_out) in enumerate(shape.layer_sizes):
        last = i + 1 == len(shape.layer_sizes)
        layer = SimpleNamespace(n_in=n_in, n_out=n_out, batch=shape.batch)
        runs += layer_products(layer, dtype, shape.activation, with_epilogues, i == 0, last)

    def run():
        for product in runs:
            product()

    return run


def layer_products(layer, dtype, activation, with_epilogues, first, last):
    t = layer_arrays(layer, dtype)
    weights = t.parameters[:, : layer.n_out]
    forward, backward, update, c = {}, {}, {}, t.gradient
    if with_epilogues:
        name = "identity" if last else activation
        forward = {"epilogue": "activate", "activation": name}
        backward = {"epilogue": "derivative", "activation": activation, "kept": t.a_in[:-1]}
        moments = [aligned(*t.parameters.shape, dtype) for _ in STEP[0].moments]
        update, c = {"epilogue": "update", "step": STEP, "moments": moments}, t.parameters
    made = [probe.Product(weights, t.a_in, t.a_out, a_is_k_major=True, **forward)]
    if not first:
        made.append(probe.Product(weights[:-1], t.dz, t.da_in, **backward))
    a_in, dz_transposed = t.a_in[:, : layer.batch], t.dz_transposed[: layer.batch]
    made.append(probe.Product(a_in, dz_transposed, c, **update))
    return [product.run for product in made]


def step_of(shape, dtype):
    """A function that trains an epoch."""
    X, y = shape.random_data()
    network = bp.Network(
        shape.sizes[0],
        shape.layers(),
        loss=shape.loss,
        optimizer=bp.Adam(**ADAM),
        dtype=dtype,
        seed=0,
        n_threads=1,
    )
    X = X.astype(dtype)
    return lambda: network.fit(X, y, epochs=1, batch_size=shape.batch)


if __name__ == "__main__":
    main()
