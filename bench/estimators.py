"""The estimators beside scikit-learn's own, and LightGBM: `python bench/estimators.py`.

First fit and predict with the same parameters on one core, in turns: how many times as long
scikit-learn takes; it is an error where the losses they end at differ by more than 2 %. Then errors
and times on six data sets: scikit-learn's MLP on scaled inputs, this library's with the same
settings, this library's with ``preprocess="auto"`` on the columns as they are, and LightGBM with
its defaults.
"""

import argparse
import os
import time
import warnings
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
from findings import conditions, say
from results import markdown, spread
from sklearn import datasets
from sklearn import neural_network as sk
from sklearn.compose import make_column_transformer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits
from worker import load, pin

import backprop as bp
from backprop.tabular.tables import read

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("BACKPROP_DATA", HERE.parent.parent / "shared" / "data"))
CATEGORIES = ("cut", "color", "clarity")
SAME_LOSS = 0.02  # how far two losses may be apart


def main():
    options = parse()
    core, busy, started = pin(options.core), load(), time.perf_counter()
    warnings.simplefilter("ignore")
    print("Fit and predict, the same parameters, one core; scikit-learn's time over ours:\n")
    table, differences = speed_table(options.repeats)
    print(table)
    check(differences)
    say("\n")
    print("\nErrors on held-out rows (a quarter), and seconds of fit and predict:\n")
    print(error_table())
    seconds = time.perf_counter() - started
    print(f"\n{conditions(core)}, one thread, {options.repeats} turns, {seconds:.0f} s{busy}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core", type=int, help="the core to bind to (default: the last)")
    parser.add_argument("--repeats", type=int, default=5, help="turns (default: 5)")
    return parser.parse_args()


# ---- speed -------------------------------------------------------------------------------------


def speed_cases():
    """(name, estimator's name, X, y, parameters, what is asked of fit)."""
    X, y = datasets.load_digits(return_X_y=True)
    for dtype in ("float64", "float32"):
        yield f"digits, {dtype}", "MLPClassifier", (X / 16).astype(dtype), y, {}, "≥ 10×"
    if (DATA / "mnist.npz").exists():
        mnist = np.load(DATA / "mnist.npz")
        X = mnist["x_train"].reshape(-1, 784)
        for dtype in ("float64", "float32"):
            given = (X / 255).astype(dtype)
            yield f"MNIST, {dtype}", "MLPClassifier", given, mnist["y_train"], few(3), "≥ 4×"
    if (DATA / "diamonds.csv").exists():
        X, y = scaled_diamonds()
        for dtype in ("float64", "float32"):
            options = {"hidden_layer_sizes": (64, 64), **few(3)}
            yield f"diamonds, {dtype}", "MLPRegressor", X.astype(dtype), y, options, "≥ 8×"


def check(differences):
    """Times of fits that do not end at the same loss compare nothing."""
    apart = {name: d for name, d in differences.items() if not abs(d) <= SAME_LOSS}
    if apart:
        raise SystemExit(
            f"losses differ by more than {SAME_LOSS:.0%}: "
            + ", ".join(f"{name} by {d:+.1%}" for name, d in apart.items())
        )


def few(epochs):
    return {"max_iter": epochs}


def speed_table(repeats):
    """(text, {name: our loss beside theirs, the farthest of the turns})."""
    rows, differences = [], {}
    for name, kind, X, y, options, asked in speed_cases():
        ratios, seconds, losses, predictions = [], [], [], []
        for _ in range(repeats):
            (its, its_fit), (our, our_fit) = (
                fitted(module, kind, X, y, {"max_iter": 30, "random_state": 0, **options})
                for module in (sk, bp)
            )
            ratios.append(its_fit / our_fit)
            seconds.append(our_fit)
            losses.append(our.loss_ / its.loss_ - 1)
            predictions.append(seconds_of(its.predict, X) / seconds_of(our.predict, X))
        say(".")
        fit, predict = f"{spread(ratios)}×", f"{spread(predictions)}×"
        differences[name] = max(losses, key=abs)
        loss = f"{100 * differences[name]:+.1g} %"
        rows.append([name, f"{median(seconds):.3g}", fit, asked, predict, loss])
    head = ["data", "our fit, s", "fit", "asked", "predict", "our loss beside theirs"]
    return markdown(head, rows), differences


def fitted(module, kind, X, y, options):
    model = getattr(module, kind)(**options)
    return model, seconds_of(model.fit, X, y)


def seconds_of(function, *arguments):
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


# ---- errors ------------------------------------------------------------------------------------


@cache
def diamonds():
    """(columns as they are, as a frame; price in thousands)."""
    import pandas as pd

    table = read(DATA / "diamonds.csv")
    frame = pd.DataFrame({name: table.column(name) for name in table.names if name != "price"})
    unnamed = [name for name in frame.columns if name not in KEPT]
    return frame.drop(columns=unnamed), table.column("price") / 1000


KEPT = ("carat", *CATEGORIES, "depth", "table", "x", "y", "z")


def scaled_diamonds():
    X, y = diamonds()
    return scaler(X).fit_transform(X), y


def scaler(X):
    if not hasattr(X, "columns"):
        return StandardScaler()
    return make_column_transformer(
        (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), list(CATEGORIES)),
        remainder=StandardScaler(),
    )


def error_cases():
    """(name, whether classes, X, y, parameters)."""
    for name in ("digits", "breast_cancer", "wine"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        yield name, True, X, y, {}
    X, y = datasets.load_diabetes(return_X_y=True)
    yield "diabetes", False, X, y / 100, {}
    if (DATA / "diamonds.csv").exists():
        yield "diamonds", False, *diamonds(), {"hidden_layer_sizes": (64, 64), "max_iter": 30}
    X, y = datasets.make_friedman1(20_000, noise=1.0, random_state=0)
    yield "friedman1", False, X, y, {"hidden_layer_sizes": (64, 64), "max_iter": 30}


def models(is_classes, X, parameters):
    """{name: estimator}; the networks take as many iterations as they need, 200 at most."""
    kind = "MLPClassifier" if is_classes else "MLPRegressor"
    options = {"random_state": 0, **parameters}
    found = {
        "scikit-learn": make_pipeline(scaler(X), getattr(sk, kind)(**options)),
        "backprop, the same": make_pipeline(scaler(X), getattr(bp, kind)(**options)),
        'backprop, preprocess="auto"': getattr(bp, kind)(preprocess="auto", **options),
    }
    try:
        import lightgbm
    except ImportError:
        return found
    boosted = lightgbm.LGBMClassifier if is_classes else lightgbm.LGBMRegressor
    return {**found, "LightGBM": boosted(n_jobs=1, verbose=-1, random_state=0)}


def error_table():
    rows, names = [], []
    for name, is_classes, X, y, parameters in error_cases():
        parts = train_test_split(
            X, y, random_state=0, test_size=0.25, stratify=y if is_classes else None
        )
        names, cells = ["data", "error"], [name, "misclassified, %" if is_classes else "RMSE"]
        for label, model in models(is_classes, X, parameters).items():
            names.append(label)
            cells.append(result(model, is_classes, parts, label == "LightGBM"))
        say(".")
        rows.append(cells)
    say("\n")
    return markdown(names, rows)


def result(model, is_classes, parts, as_category):
    X, X_test, y, y_test = parts
    if as_category and hasattr(X, "columns"):
        X, X_test = (part.astype(dict.fromkeys(CATEGORIES, "category")) for part in (X, X_test))
    fit = seconds_of(model.fit, X, y)
    started = time.perf_counter()
    predicted = model.predict(X_test)
    predict = time.perf_counter() - started
    if is_classes:
        error = f"{100 * np.mean(predicted != y_test):.2f}"
    else:
        error = f"{np.sqrt(np.mean((predicted - y_test) ** 2)):.4g}"
    return f"{error} in {fit:.3g} + {predict:.2g} s"


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
