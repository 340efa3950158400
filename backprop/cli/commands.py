"""What the commands do: read, prepare, train, save and score; load, predict and write."""

import csv
import io
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backprop import storage
from backprop.catalogue.losses import usual_loss
from backprop.catalogue.targets import CLASSES, NUMBERS
from backprop.cli.arguments import optimizers
from backprop.datasets import load_digits
from backprop.tabular.columns import ClassTarget, ValueTarget, present
from backprop.tabular.preprocessing import Preprocessing, choose_task
from backprop.tabular.tables import Arrays, TableError, count, read

_FEW_ROWS = 10_000
_SAMPLES_TO_SEE = 1_000_000  # by the end of the default number of epochs, within bounds


@dataclass
class _Problem:
    """A data file made ready: inputs and target of the training rows and of the rows held out."""

    preprocessing: Preprocessing
    X: np.ndarray
    values: np.ndarray  # the target as a column of a table
    X_held: np.ndarray | None
    values_held: np.ndarray | None
    lines: list  # for people, pairs (what, text)


def train(options):
    """`backprop train`: returns the exit code."""

    def say(text=""):
        if not options.quiet:
            print(text, flush=True)

    _check_output("--output", options.output, options.data)
    problem = _prepare(options)
    for what, text in problem.lines:
        say(f"{what:<9} {text}")
    network, fit_options = _network(problem, options)
    say(network.summary())
    y = problem.preprocessing.target.targets(problem.values, network.dtype)
    start = time.perf_counter()
    interrupted = False
    try:
        network.fit(problem.X, y, verbose=not options.quiet, **fit_options)
    except KeyboardInterrupt:
        interrupted = True
    seconds = time.perf_counter() - start
    epochs = network.epochs_trained
    if interrupted and epochs == 0:
        _warn("interrupted before the first epoch was done; nothing was saved")
        return 130
    storage.save(network, options.output, problem.preprocessing)
    if interrupted:
        _warn(f"interrupted after {count(epochs, 'epoch')}; what was trained is saved")
    say(_held_out(network, problem))
    speed = epochs * len(problem.X) / seconds
    say(f"trained {count(epochs, 'epoch')} in {seconds:.2f} s, {speed:,.0f} samples per second")
    say(f"model written to {options.output} ({_size(options.output)})")
    return 130 if interrupted else 0


def predict(options):
    """`backprop predict`: returns the exit code."""
    if options.output is not None:
        _check_output("--output", options.output, options.data, options.model)
    network, preprocessing = storage.load(options.model, options.threads)
    if preprocessing is None:
        preprocessing = _plain_preprocessing(network, options.model)
    if options.probabilities and preprocessing.target.kind != "classification":
        raise ValueError("--probabilities is for classification; the model predicts numbers")
    data = _read(options.data, preprocessing.text_columns())
    notes = list(data.notes)
    X, values = _inputs(data, preprocessing, network.dtype, notes)
    outputs = network.predict(X)
    text = _prediction_csv(preprocessing.target, outputs, options.probabilities)
    if options.output is None:
        sys.stdout.write(text)
    else:
        storage.write_atomically(options.output, text.encode())
    for note in _shortened(notes):
        _warn(note)
    if values is not None and present(values).any():
        _warn(_score_of_file(preprocessing.target, outputs, values))
    return 0


def explain(options):
    """`backprop explain`: returns the exit code."""
    from backprop.explain import write_page

    if options.html is not None:
        _check_output("--html", options.html, options.data, options.model)
    network, preprocessing = storage.load(options.model)
    if preprocessing is None:
        preprocessing = _plain_preprocessing(network, options.model)
    trace = _trace_of_rows(network, preprocessing, options)
    weight = None if options.weight is None else _place_of_weight(trace, options.weight)
    sample = None if options.sample is None else _place_of_sample(trace, options.sample)
    if options.html is not None:
        write_page(options.html, [trace], weight=weight, sample=sample)
        print(f"page written to {options.html} ({_size(options.html)})")
    elif options.latex:
        print(trace.to_latex(weight, sample or 0), end="")
    else:
        print(trace.to_text(weight, sample or 0).rstrip("\n"))
    return 0


def _trace_of_rows(network, preprocessing, options):
    from backprop.explain import trace

    data, notes = _read(options.data, preprocessing.text_columns()), []
    target = preprocessing.target
    first, last = options.row
    X, values = _inputs(data, preprocessing, network.dtype, notes, slice(first - 1, last))
    if values is None:
        raise TableError(f"{data.source} has no {target.name!r}, to which outputs are compared")
    last = max(first, len(values)) if last is None else last
    if last > len(values):
        raise TableError(f"--row {last}: {data.source} has {count(len(values), 'row')}")
    rows = slice(first - 1, last)
    if not present(values[rows]).all():
        raise TableError(f"--row: {target.name!r} is missing in a row of {data.source}")
    for note in _shortened([*data.notes, *notes]):
        _warn(note)
    classification = target.kind == "classification"
    return trace.explain(
        network,
        X,
        target.targets(values[rows], network.dtype, first),
        None,
        preprocessing.input_names(),
        target.classes if classification else [target.name],
        list(range(first, last + 1)),
        target.smoothing if classification else 0.0,
        None if classification else (target.mean, target.std),
    )


def _place_of_sample(trace, row):
    """From 0 within the batch, of a row of the file counted from 1."""
    if row not in trace.indices:
        shown = f"{trace.indices[0]} to {trace.indices[-1]}"
        raise ValueError(f"--sample {row}: expected one of the rows of --row, {shown}")
    return trace.indices.index(row)


def _place_of_weight(trace, given):
    """(layer, source, unit) counted from 0, of LAYER,FROM,TO counted from 1 or with names."""
    layer, source, unit = given
    layer = _number_of(layer, len(trace.layers), "LAYER", [])
    names = trace.input_names if layer == 0 else []
    if source != "bias":
        source = _number_of(source, trace.layers[layer].n_in, "FROM", names)
    names = trace.output_names if layer + 1 == len(trace.layers) else []
    return layer, source, _number_of(unit, trace.layers[layer].n_out, "TO", names)


def _number_of(text, most, what, names):
    """From 0, of a number from 1 or a name; digits are a number, whatever the names."""
    if text.isdecimal() and 1 <= int(text) <= most:
        return int(text) - 1
    words = [name for name in names if not name.isdecimal()]
    if text not in words:
        also = f", or a name such as {words[0]!r}" if words else ""
        raise ValueError(f"--weight: {what} is {text!r}, expected a number from 1 to {most}{also}")
    return names.index(text)


def info(options):
    """`backprop info`: returns the exit code."""
    network, preprocessing = storage.load(options.model)
    print(f"{options.model} ({_size(options.model)})")
    print(network.summary())
    print(
        f"trained   {count(network.epochs_trained, 'epoch')}, {count(network.steps, 'step')}, "
        f"seed {network.seed}"
    )
    for what, text in [] if preprocessing is None else preprocessing.describe():
        print(f"{what:<9} {text}")
    return 0


def config(options):
    """`backprop config`: returns the exit code."""
    from backprop import show_config

    print(show_config())
    return 0


def split(values, task, share, seed):
    """Divide rows into training and held-out ones at random.

    For classification, each class is divided in the same proportion.

    Parameters
    ----------
    values : numpy.ndarray
        The target, a column of a table without missing values.
    task : str
        "classification" or "regression".
    share : float
        Of the rows to hold out, at least one of each class staying in the training.
    seed : int
        Any number from 0 on; the same one gives the same rows everywhere.

    Returns
    -------
    training, held_out : numpy.ndarray of int
        Row numbers, ascending.
    """
    # The raw words of PCG64 are promised never to change; what numpy makes of them (permutation,
    # choice) is not.
    order = np.argsort(np.random.PCG64(seed).random_raw(len(values)), kind="stable")
    groups = [order]
    if task == "classification":
        _, classes = np.unique(values, return_inverse=True)
        by_class = order[np.argsort(classes[order], kind="stable")]
        groups = np.split(by_class, np.cumsum(np.bincount(classes))[:-1])
    held_out = np.sort(
        np.concatenate([g[: min(round(len(g) * share), len(g) - 1)] for g in groups])
    )
    return np.setdiff1d(order, held_out), held_out


def score(target, outputs, values):
    """One line saying how well `outputs` of a network predict the `values` of a target column."""
    if target.kind == "classification":
        right = int((np.argmax(outputs, axis=1) == target.encode(values)).sum())
        return f"accuracy {100 * right / len(values):.2f} % ({right:,} of {len(values):,})"
    values = target.numbers(values)
    errors = target.decode(outputs) - values
    spread = np.sum((values - values.mean()) ** 2)
    r2 = f"{1 - np.sum(errors**2) / spread:.4f}" if spread > 0 else "undefined (equal values)"
    rmse, mae = np.sqrt(np.mean(errors**2)), np.mean(np.abs(errors))
    return f"R² {r2}, RMSE {_number(rmse)}, MAE {_number(mae)}"


def _read(name, text=()):
    if name != "digits":
        return read(name, text)
    X, y = load_digits()
    return Arrays(X, y.astype(np.float64), sample_shape=(8, 8), source="digits")


def _prepare(options):
    data = _read(options.data)
    if isinstance(data, Arrays):
        return _prepare_arrays(data, options)
    if options.target is None:
        raise TableError(
            f"--target is needed: the column of {data.source} to predict, one of "
            f"{', '.join(data.names)}"
        )
    values = data.column(options.target)
    there, task, training, held_out = _choose_rows(values, options)
    preprocessing = Preprocessing(task, options.drop, options.label_smoothing).fit(
        data, options.target, training
    )
    lines = [("read", f"{data.source}: {data.n_rows:,} rows, {len(data.names)} columns")]
    lines += [("note", note) for note in data.notes]
    lines += [*preprocessing.describe(), _row_line(there, training, held_out)]
    X, X_held, notes = preprocessing.transform(data, training, options.dtype), None, []
    if len(held_out):
        X_held = preprocessing.transform(data, held_out, options.dtype, notes)
    lines += [("held out", note) for note in _shortened(notes)]
    return _Problem(preprocessing, X, values[training], X_held, values[held_out], lines)


def _prepare_arrays(data, options):
    if options.target is not None or options.drop:
        raise TableError(f"--target and --drop are for tables; {data.source} has arrays: X and y")
    if data.y is None:
        raise TableError(f"{data.source} has no y_train or y to learn")
    own_test = data.X_test is not None and data.y_test is not None
    there, task, training, held_out = _choose_rows(data.y, options, own_test)
    rows = None if len(training) == len(data.X) else training  # None: the array, not a copy
    preprocessing = Preprocessing(task, label_smoothing=options.label_smoothing).fit_array(
        data.X, data.y, rows, data.sample_shape
    )
    lines = [
        ("read", f"{data.source}: {data.n_rows:,} samples of {data.X.dtype}"),
        *preprocessing.describe(),
    ]
    X, values = preprocessing.transform(data.X, rows), data.y[training]
    if own_test:
        held_out = np.flatnonzero(present(data.y_test))
        whole = len(held_out) == len(data.y_test)
        X_held = preprocessing.transform(data.X_test, None if whole else held_out)
        values_held = data.y_test[held_out]
    else:
        X_held = preprocessing.transform(data.X, held_out) if len(held_out) else None
        values_held = data.y[held_out]
    lines.append(_row_line(there, training, held_out))
    return _Problem(preprocessing, X, values, X_held, values_held, lines)


def _choose_rows(values, options, own_test=False):
    """Which rows have a target, the task, and the row numbers to train on and to hold out."""
    there = present(values)
    rows = np.flatnonzero(there)
    if len(rows) < 2:
        raise TableError(
            f"{options.data} has {count(len(rows), 'row')} with a target; at least 2 are needed"
        )
    task = choose_task(values[rows]) if options.task == "auto" else options.task
    training, held_out = split(
        values[rows], task, 0.0 if own_test else options.validation, options.seed
    )
    return there, task, rows[training], rows[held_out]


def _row_line(there, training, held_out):
    text = f"{len(training):,} to train on, {len(held_out):,} held out"
    if not there.all():
        text += f", {(~there).sum():,} left out, whose target is missing"
    return "rows", text


def _network(problem, options):
    """The network that the options describe, not trained, and what to call its `fit` with."""
    from backprop import Dense, Network

    preprocessing, n = problem.preprocessing, len(problem.X)
    kind = optimizers()[options.optimizer]
    rate = options.learning_rate or kind.learning_rate
    target = preprocessing.target
    network = Network(
        preprocessing.n_inputs,
        [*(Dense(units, options.activation) for units in options.hidden), Dense(target.n_outputs)],
        loss=usual_loss(CLASSES if target.kind == "classification" else NUMBERS),
        optimizer=kind(rate, **kind.suggested),
        dtype=options.dtype,
        seed=options.seed,
        n_threads=options.threads,
        matmul=options.matmul,
        input_offset=preprocessing.input_offset,
        input_scale=preprocessing.input_scale,
    )
    epochs = options.epochs or min(max(round(_SAMPLES_TO_SEE / n), 10), 60)
    batch_size = options.batch_size or (32 if n < _FEW_ROWS else 128)
    return network, {"epochs": epochs, "batch_size": batch_size}


def _held_out(network, problem):
    target = problem.preprocessing.target
    if problem.X_held is None:
        line = score(target, network.predict(problem.X), problem.values)
        return f"training {line} (nothing was held out)"
    return f"held-out {score(target, network.predict(problem.X_held), problem.values_held)}"


def _score_of_file(target, outputs, values):
    there = present(values)
    try:
        return score(target, outputs[there], values[there])
    except TableError as error:
        return f"no score: {error}"


def _inputs(data, preprocessing, dtype, notes, rows=slice(None)):
    """The inputs for a prediction, of `rows`, and the whole target column, if the file has one.

    An array is checked whole, so that a message about a row has the file's number for it.
    """
    name = preprocessing.target.name
    if isinstance(data, Arrays):
        if preprocessing.columns:
            raise TableError(
                f"{data.source} holds arrays; the model was trained on a table with named columns"
            )
        test = data.X_test is not None
        if test:
            notes.append(f"predictions for x_test of {data.source}")
        X, values = (data.X_test, data.y_test) if test else (data.X, data.y)
        return preprocessing.transform(X)[rows], values
    values = data.column(name) if name in data else None
    if not preprocessing.columns:
        return preprocessing.transform(_matrix(data, name))[rows], values
    return preprocessing.transform(data, rows, dtype, notes), values


def _matrix(table, target):
    """All columns of a table but the target as one array, as the model was trained on."""
    columns = [table.column(name) for name in table.names if name != target]
    text = [name for name in table.names if name != target and table.column(name).dtype == object]
    if text:
        raise TableError(
            f"{table.source}: column {text[0]!r} is text; the model was trained on arrays of "
            "numbers"
        )
    return np.stack(columns, axis=1) if columns else np.empty((table.n_rows, 0))


def _plain_preprocessing(network, path):
    """For a model that Network.save wrote: numbers in, class numbers or a number out."""
    plain = Preprocessing()
    plain.n_inputs, plain.sample_shape = network.n_inputs, (network.n_inputs,)
    target = network.loss_function.target
    if target.is_class:
        plain.target = ClassTarget("class", tuple(map(str, range(network.n_outputs))), numeric=True)
    elif not target.is_categorical and network.n_outputs == 1:
        plain.target = ValueTarget("value", 0.0, 1.0)
    else:
        raise ValueError(
            f"{path} has {count(network.n_outputs, 'output')} and the loss {network.loss}; use it "
            "from Python: backprop.Network.load(path).predict(X)"
        )
    return plain


def _prediction_csv(target, outputs, probabilities):
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    predicted = target.decode(outputs)
    if probabilities:
        writer.writerow([target.name, *(f"probability_{name}" for name in target.classes)])
        rows = outputs
        writer.writerows([name, *map(str, row)] for name, row in zip(predicted, rows, strict=True))
    else:
        writer.writerow([target.name])
        if target.kind == "regression":  # no more digits than the network's dtype has
            digits = ".8g" if outputs.dtype == np.float32 else ""
            predicted = [f"{float(value):{digits}}" for value in predicted]
        writer.writerows([value] for value in predicted)
    return file.getvalue()


def _shortened(notes, most=5):
    """The first notes, and how many more there are: a table may have hundreds of columns."""
    n_more = len(notes) - most
    return notes if n_more < 2 else [*notes[:most], f"and {n_more} more columns like these"]


def _check_output(option, output, *inputs):
    storage.check_writable(output)
    for path in inputs:
        if os.path.exists(path) and os.path.exists(output) and os.path.samefile(path, output):
            raise ValueError(f"{option} {output} would overwrite what is read")


def _warn(message):
    print(f"backprop: {message}", file=sys.stderr)


def _number(value):
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


def _size(path):
    n_bytes = Path(path).stat().st_size
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.1f} kB"
