"""50,000 texts of 100,000 words, sparse: `python bench/sparse.py`.

How far resident memory grows at its peak in a fit, and how long it takes, beside scikit-learn's
MLP with the same parameters; each fit in a process of its own, on one core. Ends with an error
where the losses differ by more than 2 %.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings

import numpy as np
from findings import conditions, say
from results import markdown
from worker import load, pin

ROWS, WORDS, STORED = 50_000, 100_000, 100
CASES = {  # name: parameters
    "adam, 100 units, batches of 5,000": {"hidden_layer_sizes": (100,), "batch_size": 5000},
    "lbfgs, 16 units": {"hidden_layer_sizes": (16,), "solver": "lbfgs", "max_iter": 2},
}
MODULES = {"scikit-learn": "sklearn.neural_network", "backprop": "backprop"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core", type=int, help="the core to bind to (default: the last)")
    parser.add_argument("--fit", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    core, busy = pin(options.core), load()
    if options.fit:
        print(json.dumps(fit(*options.fit)))
        return
    rows, apart = [], []
    for case in CASES:
        theirs, ours = (in_a_process(module, case, core) for module in MODULES)
        rows.append(
            [
                case,
                f"{ours['MB']:.0f} ({theirs['MB']:.0f})",
                f"{ours['seconds']:.1f} ({theirs['seconds']:.1f})",
                f"{100 * (ours['loss'] / theirs['loss'] - 1):+.1g} %",
            ]
        )
        apart += [case] if abs(ours["loss"] / theirs["loss"] - 1) > 0.02 else []
        say(".")
    say("\n")
    head = [
        "fit",
        "memory in MB (scikit-learn)",
        "seconds (scikit-learn)",
        "our loss beside theirs",
    ]
    print(markdown(head, rows))
    print(f"\n{conditions(core)}, one thread{busy}")
    if apart:
        raise SystemExit(f"losses differ by more than 2 %: {', '.join(apart)}")


def in_a_process(module, case, core):
    command = [sys.executable, __file__, "--core", str(core), "--fit", module, case]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def fit(module, case):
    from importlib import import_module

    warnings.simplefilter("ignore")
    kind = import_module(MODULES[module]).MLPClassifier
    X, y = texts()
    kind((2,), max_iter=1).fit(X[:10, :10], y[:10])  # so that the code is in memory
    model = kind(**{"max_iter": 1, "random_state": 0, **CASES[case]})
    before, started = peak(), time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - started
    return {"MB": (peak() - before) / 1024, "seconds": seconds, "loss": float(model.loss_)}


def texts():
    from scipy import sparse

    rng = np.random.default_rng(0)
    words = rng.integers(0, WORDS, ROWS * STORED)
    ends = np.arange(0, ROWS * STORED + 1, STORED)
    counts = np.ones(ROWS * STORED, np.float32)
    X = sparse.csr_matrix((counts, words, ends), shape=(ROWS, WORDS))
    X.sum_duplicates()
    return X, rng.integers(0, 2, ROWS)


def peak():
    """Resident kilobytes at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
