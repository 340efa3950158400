"""Single calls of the estimators, beside others: `python bench/single_calls.py`.

A network 8-64-64-4: one step of 32 rows, predictions of one row as an array and as a data frame, in
microseconds. Medians of turns, in which each is called many times.
"""

import argparse
import time
import warnings
from statistics import median

import numpy as np
import pandas as pd
from findings import conditions
from results import markdown
from sklearn import neural_network as sk
from worker import load, pin

import backprop as bp

CALLS = 300  # of one turn
HIDDEN = (64, 64)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core", type=int, help="the core to bind to (default: the last)")
    parser.add_argument("--repeats", type=int, default=15, help="turns (default: 15)")
    options = parser.parse_args()
    core, busy = pin(options.core), load()
    warnings.simplefilter("ignore")
    calls = {what: ways(*rest) for what, *rest in cases()}
    found = {(what, who): [] for what in calls for who in calls[what]}
    for _ in range(options.repeats):
        for what, who in found:
            found[what, who].append(microseconds(calls[what][who]))
    names = ("backprop", "scikit-learn", "Network")
    rows = [
        [what, *(f"{median(found[what, who]):.1f}" if who in calls[what] else "–" for who in names)]
        for what in calls
    ]
    print(markdown(("µs a call", *names), rows))
    print(f"\n{conditions(core)}, one thread, {options.repeats} turns{busy}")


def cases():
    """What is called, of which data, by which method."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(32, 8)), rng.integers(0, 4, 32)
    numbers = rng.normal(size=(32, 4))
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    mixed = frame.assign(a=pd.Categorical(np.where(X[:, 0] > 0, "yes", "no")))
    yield "classifier, partial_fit of 32 rows", "classifier", X, y, "step", {}
    yield "regressor, partial_fit of 32 rows", "regressor", X, numbers, "step", {}
    yield "classifier, predict of 1 row", "classifier", X, y, "predict", {}
    yield "classifier, predict_proba of 1 row", "classifier", X, y, "predict_proba", {}
    yield "regressor, predict of 1 row", "regressor", X, numbers, "predict", {}
    yield "regressor, predict of a frame's row", "regressor", frame, numbers, "predict", {}
    auto = {"preprocess": "auto"}
    yield "the same, preprocess='auto'", "regressor", frame, numbers, "predict", auto
    yield "the same, a column of categories", "regressor", mixed, numbers, "predict", auto


def ways(kind, X, y, method, more):
    """{who: a function of no arguments}."""
    makers = {
        "classifier": (bp.MLPClassifier, sk.MLPClassifier),
        "regressor": (bp.MLPRegressor, sk.MLPRegressor),
    }[kind]
    found = {}
    for who, make in zip(("backprop", "scikit-learn"), makers, strict=True):
        if more and who != "backprop":
            continue
        model = make(hidden_layer_sizes=HIDDEN, random_state=0, max_iter=2, **more)
        if method == "step":
            first = {"classes": range(4)} if kind == "classifier" else {}
            model.partial_fit(X, y, **first)
            found[who] = lambda model=model: model.partial_fit(X, y)
        else:
            call, row = getattr(model.fit(X, y), method), X[:1]
            found[who] = lambda call=call, row=row: call(row)
    if isinstance(X, np.ndarray):
        loss = "softmax_cross_entropy" if kind == "classifier" else "squared_error"
        layers = [*(bp.Dense(n, "relu") for n in HIDDEN), bp.Dense(4)]
        net = bp.Network(8, layers, loss=loss, dtype="float64", seed=0, n_threads=1)
        step = {"step": lambda: net.train_step(X, y)}
        found["Network"] = step.get(method, lambda: net.predict(X[:1]))
    return found


def microseconds(call):
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - began) / CALLS * 1e6


if __name__ == "__main__":
    main()
