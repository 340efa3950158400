"""How good models of tables are: `python bench/quality.py`.

Error, log loss and seconds on the tables of scikit-learn's, those beside the repository and any of
your own, a quarter of the rows held out, on one core; then each way's geometric mean beside the
first of CatBoost, LightGBM and the preset that is there. A misclassification of 0 counts as half a
row.
"""

import argparse
import contextlib
import io
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from estimators import DATA, diamonds
from findings import conditions, say
from results import markdown
from sklearn import datasets
from sklearn import neural_network as sk
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits
from worker import load, pin

import backprop as bp
from backprop.catalogue.presets import PRESETS
from backprop.cli import main as command_line

TARGETS = {"ames": "Sale_Price", "bikeshare": "bikers", "concrete": "compressive_strength"}
TARGETS |= {"churn": "churn"}
ABLATION = {
    "whole": {},
    "no pieces": {"n_pieces": 0},
    "relu": {"activation": "relu"},
    "rates alike": {"learning_rate_factor": 1.0, "learning_rate_init": 0.003},
    "cosine": {"schedule": "cosine"},
    "64 epochs": {"max_iter": 64},
    "β₂ 0.999": {"beta_2": 0.999},
    "no dropout": {"dropout": 0.0},
    "labels as they are": {"label_smoothing": 0.0},
    "no temperature": {"calibrate": False},
}
REFERENCES = ("CatBoost", "LightGBM", "preset")


def main():
    options = parse()
    core, busy, started = pin(options.core), load(), time.perf_counter()
    warnings.simplefilter("ignore")
    ways = ablation if options.ablation else models
    results = {}
    for name, X, y, is_classes in tables(options):
        for split in range(options.splits):
            for way, found in measured(
                ways(X, is_classes, options, split), X, y, is_classes, split
            ):
                results.setdefault(way, {}).setdefault((name, is_classes), []).append(found)
            say(".")
    say("\n")
    print(whole_table(results))
    print()
    print(summary(results))
    seconds = time.perf_counter() - started
    print(f"\n{conditions(core)}, one thread, {options.splits} splits, {seconds:.0f} s{busy}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core", type=int, help="the core to bind to (default: the last)")
    parser.add_argument("--splits", type=int, default=3, help="of each table (default: 3)")
    parser.add_argument("--ablation", action="store_true", help="the preset, each part left out")
    parser.add_argument("--several", type=int, metavar="N", help="also the mean of N networks")
    parser.add_argument("--realmlp", action="store_true", help="also RealMLP, of pytabkit")
    parser.add_argument("--only", default="", help="names of tables, separated by commas")
    parser.add_argument(
        "--table",
        action="append",
        default=[],
        metavar="FILE:TARGET",
        help="a CSV file of your own instead, and the column to predict; may be given again",
    )
    return parser.parse_args()


# ---- tables ------------------------------------------------------------------------------------


def tables(options):
    """(name, X, y, whether y are classes)."""
    wanted = set(filter(None, options.only.split(",")))
    for name, read in sources(options):
        if not wanted or name in wanted:
            X, y = read()
            kept = y.notna().to_numpy()
            X, y = X[kept].reset_index(drop=True), y[kept].reset_index(drop=True)
            is_classes = not pd.api.types.is_numeric_dtype(y) or y.dtype == bool
            yield name, X, y.astype(str) if is_classes else y.astype(float), is_classes


def sources(options):
    if options.table:
        for given in options.table:
            path, _, target = given.rpartition(":")
            yield Path(path).stem, lambda path=path, target=target: of_file(path, target)
        return
    for name in ("diabetes", "breast_cancer", "wine", "digits"):
        yield name, lambda name=name: of_scikit_learn(name)
    for name, target in TARGETS.items():
        path = DATA / "tables" / f"{name}.csv"
        if path.exists():
            yield name, lambda path=path, target=target: of_file(path, target)
    if (DATA / "diamonds.csv").exists():
        yield "diamonds", of_diamonds


def of_file(path, target):
    frame = pd.read_csv(path)
    return frame.drop(columns=target), frame[target]


def of_diamonds():
    X, y = diamonds()
    return X, pd.Series(y)


def of_scikit_learn(name):
    found = getattr(datasets, f"load_{name}")(as_frame=True)
    is_classes = hasattr(found, "target_names")
    return found.data, found.target.astype(str) if is_classes else found.target


# ---- ways --------------------------------------------------------------------------------------


def models(X, is_classes, options, seed):
    """{name: estimator, not fitted}."""
    kind = "MLPClassifier" if is_classes else "MLPRegressor"
    ours = getattr(bp, kind)
    found = {
        "preset": ours(preset="tabular", random_state=seed),
        "command line": CommandLine(is_classes, seed),
        'preprocess="auto"': ours(preprocess="auto", random_state=seed),
        "scikit-learn": make_pipeline(prepared(), getattr(sk, kind)(random_state=seed)),
    }
    if options.several:
        each = [(str(i), ours(preset="tabular", random_state=i)) for i in range(options.several)]
        several = VotingClassifier(each, voting="soft") if is_classes else VotingRegressor(each)
        found[f"mean of {options.several}"] = several
    return {**found, **boosted(is_classes, seed), **realmlp(is_classes, options, seed)}


def boosted(is_classes, seed):
    found = {}
    with contextlib.suppress(ImportError):
        import lightgbm

        of = lightgbm.LGBMClassifier if is_classes else lightgbm.LGBMRegressor
        found["LightGBM"] = WithCategories(of(n_jobs=1, verbose=-1, random_state=seed), {})
    with contextlib.suppress(ImportError):
        import catboost

        of = catboost.CatBoostClassifier if is_classes else catboost.CatBoostRegressor
        given = {"thread_count": 1, "verbose": 0, "random_seed": seed, "allow_writing_files": False}
        found["CatBoost"] = WithCategories(of(**given), {"cat_features": ...})
    return found


def realmlp(is_classes, options, seed):
    if not options.realmlp:
        return {}
    import pytabkit

    of = pytabkit.RealMLP_TD_Classifier if is_classes else pytabkit.RealMLP_TD_Regressor
    return {"RealMLP": of(device="cpu", n_threads=1, random_state=seed)}


def ablation(X, is_classes, options, seed):
    ours = bp.MLPClassifier if is_classes else bp.MLPRegressor
    of_classes = PRESETS["tabular"].of_classes.keys() - PRESETS["tabular"].of_numbers
    return {
        name: ours(preset=PRESETS["tabular"].changed(**changes), random_state=seed)
        for name, changes in ABLATION.items()
        if is_classes or not of_classes & changes.keys()
    }


def prepared():
    is_number = make_column_selector(dtype_include="number")
    is_text = make_column_selector(dtype_exclude="number")
    text = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), is_number),
        (text, is_text),
    )


class WithCategories:
    """Trees, which are told what is text."""

    def __init__(self, model, options):
        self.model, self.options = model, options

    def columns(self, X):
        X = X.set_axis([f"c{i}" for i in range(X.shape[1])], axis=1)
        self.text = [name for name in X if not pd.api.types.is_numeric_dtype(X[name])]
        if self.options:
            return X.assign(**{c: X[c].astype(object).fillna("").astype(str) for c in self.text})
        return X.assign(
            **{c: pd.Categorical(X[c].astype(object), self.known.get(c)) for c in self.text}
        )

    def fit(self, X, y):
        text = [i for i, c in enumerate(X) if not pd.api.types.is_numeric_dtype(X[c])]
        self.known = {f"c{i}": sorted(X.iloc[:, i].dropna().unique()) for i in text}
        X = self.columns(X)
        options = {name: self.text for name in self.options}
        self.model.fit(X, y, **options)
        self.classes_ = getattr(self.model, "classes_", None)
        return self

    def predict(self, X):
        return np.ravel(self.model.predict(self.columns(X)))

    def predict_proba(self, X):
        return self.model.predict_proba(self.columns(X))


class CommandLine:
    """`backprop train` and `backprop predict`, by their files."""

    def __init__(self, is_classes, seed):
        self.task = "classification" if is_classes else "regression"
        self.seed, self.folder = seed, TemporaryDirectory()
        self.model = f"{self.folder.name}/model"

    def fit(self, X, y):
        X.assign(the_target=np.asarray(y)).to_csv(f"{self.folder.name}/t.csv", index=False)
        given = f"--target the_target --task {self.task} --seed {self.seed} --threads 1 --quiet"
        file = f"{self.folder.name}/t.csv"
        self.run("train", file, *given.split(), "--output", self.model)
        self.classes_ = bp.Network.load(self.model).preprocessing.target
        self.classes_ = np.array(getattr(self.classes_, "classes", ()))

    def predict(self, X):
        return self.outputs(X).iloc[:, 0].to_numpy()

    def predict_proba(self, X):
        return self.outputs(X).iloc[:, 1:].to_numpy(float)

    def outputs(self, X):
        X.to_csv(f"{self.folder.name}/n.csv", index=False)
        options = ["--probabilities"] if self.task == "classification" else []
        out = f"{self.folder.name}/o.csv"
        self.run("predict", self.model, f"{self.folder.name}/n.csv", "--output", out, *options)
        kinds = {0: str} if options else None
        return pd.read_csv(out, dtype=kinds, keep_default_na=False)

    def run(self, *arguments):
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            code = command_line(list(arguments))
        if code:
            raise SystemExit(f"backprop {' '.join(arguments)} ended with {code}")


# ---- results -----------------------------------------------------------------------------------


def measured(ways, X, y, is_classes, split):
    """(way, (error, log loss or None, seconds of fit and predict)) of each."""
    parts = train_test_split(
        X, y, random_state=split, test_size=0.25, stratify=y if is_classes else None
    )
    X_train, X_test, y_train, y_test = parts
    for way, model in ways.items():
        started = time.process_time()
        model.fit(X_train, y_train)
        predicted, loss = model.predict(X_test), None
        seconds = time.process_time() - started
        if is_classes:
            error = max(np.mean(predicted != y_test.to_numpy()), 0.5 / len(y_test))
            p = model.predict_proba(X_test)
            places = np.searchsorted(np.asarray(model.classes_, str), y_test.to_numpy(str))
            loss = -np.mean(np.log(p[np.arange(len(p)), places].clip(1e-15)))
        else:
            error = np.sqrt(np.mean((predicted - y_test) ** 2))
        yield way, (error, loss, seconds)


def whole_table(results):
    rows = []
    for name, is_classes in next(iter(results.values())):
        cells = [name, "misclassified, %" if is_classes else "RMSE"]
        for found in results.values():
            if (name, is_classes) not in found:
                cells.append("")
                continue
            error, loss, seconds = zip(*found[name, is_classes], strict=True)
            shown = f"{100 * np.mean(error):.2f}" if is_classes else f"{np.mean(error):.4g}"
            shown += f", log loss {np.mean(loss):.3f}" if is_classes else ""
            cells.append(f"{shown}, {np.mean(seconds):.1f} s")
        rows.append(cells)
    return markdown(["table", "error", *results], rows)


def summary(results):
    """Each way beside the reference: geometric means, and the mean rank."""
    reference = next((way for way in REFERENCES if way in results), next(iter(results)))
    cases = list(results[reference])
    errors = {
        way: np.array([mean_log_error(found.get(case)) for case in cases])
        for way, found in results.items()
    }
    is_classes = np.array([case[1] for case in cases])
    table = np.array(list(errors.values()))
    ranks = np.argsort(np.argsort(table, axis=0, kind="stable"), axis=0) + 1.0
    ranks[np.isnan(table)] = np.nan  # where a table does not go that way
    rows = []
    for (way, found), rank in zip(errors.items(), ranks, strict=True):
        apart = found - errors[reference]
        losses = [
            np.mean([loss for _, loss, _ in results[way][c]])
            - np.mean([loss for _, loss, _ in results[reference][c]])
            for c in cases
            if c[1] and c in results[way]
        ]
        seconds = sum(s for found in results[way].values() for _, _, s in found)
        cells = [
            f"{100 * np.expm1(np.mean(apart[where])):+.1f} %" if where.any() else ""
            for where in (~is_classes & ~np.isnan(apart), is_classes & ~np.isnan(apart))
        ]
        cells.append(f"{np.mean(losses):+.3f}" if losses else "")
        rows.append([way, *cells, f"{np.nanmean(rank):.1f}", f"{seconds:.0f}"])
    head = [f"beside {reference}", "RMSE", "misclassified", "log loss", "mean rank", "seconds"]
    return markdown(head, rows)


def mean_log_error(found):
    """NaN of a way that this table does not go."""
    return np.nan if found is None else np.mean([np.log(error) for error, _, _ in found])


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
