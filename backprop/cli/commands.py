"""What the other commands do: load, predict and write; explain; show."""

import csv
import io
import sys

import numpy as np

from backprop import atomic, storage
from backprop.cli.common import check_output, harmless, read_data, shortened, show, size_of, warn
from backprop.cli.scoring import known, score_of_file
from backprop.tabular.columns import ClassTarget, ValueTarget
from backprop.tabular.preprocessing import Preprocessing
from backprop.tabular.tables import Arrays, TableError, count, label


def predict(options):
    """`backprop predict`: returns the exit code."""
    if options.output is not None:
        check_output("--output", options.output, options.data, options.model)
    network, preprocessing = storage.load(options.model, options.threads)
    if preprocessing is None:
        preprocessing = _plain_preprocessing(network, options.model)
    if options.probabilities and preprocessing.target.task != "classification":
        raise ValueError("--probabilities is for classification; the model predicts numbers")
    data = read_data(options.data, preprocessing.text_columns())
    notes = list(data.notes)
    X, values = _inputs(data, preprocessing, network.dtype, notes)
    outputs = network.predict(X)
    keys = {name: data.column(name) for name in preprocessing.key if name in data}
    lost = [name for name in preprocessing.key if name not in keys]
    notes += [f"there is no key {name!r}, which would name the rows" for name in lost]
    text = _prediction_csv(preprocessing.target, outputs, options.probabilities, keys)
    if options.output is None:
        sys.stdout.write(harmless(text) if sys.stdout.isatty() else text)
    else:
        atomic.write_atomically(options.output, text.encode())
    for note in shortened(notes):
        warn(note)
    if values is not None and known(values).any():
        for line in score_of_file(preprocessing.target, outputs, values):
            warn(line)
    return 0


def explain(options):
    """`backprop explain`: returns the exit code."""
    from backprop.explain import write_page

    if options.html is not None:
        check_output("--html", options.html, options.data, options.model)
    network, preprocessing = storage.load(options.model)
    if preprocessing is None:
        preprocessing = _plain_preprocessing(network, options.model)
    trace = _trace_of_rows(network, preprocessing, options)
    weight = None if options.weight is None else _place_of_weight(trace, options.weight)
    sample = None if options.sample is None else _place_of_sample(trace, options.sample)
    if options.html is not None:
        write_page(options.html, [trace], weight=weight, sample=sample)
        show(f"page written to {options.html} ({size_of(options.html)})")
    elif options.latex:
        show(trace.to_latex(weight, sample or 0).rstrip("\n"))
    else:
        show(trace.to_text(weight, sample or 0).rstrip("\n"))
    return 0


def _trace_of_rows(network, preprocessing, options):
    from backprop.explain import trace

    data, notes = read_data(options.data, preprocessing.text_columns()), []
    target = preprocessing.target
    first, last = options.row
    X, values = _inputs(data, preprocessing, network.dtype, notes, slice(first - 1, last))
    if values is None:
        raise TableError(f"{data.source} has no {target.name!r}, to which outputs are compared")
    last = max(first, len(values)) if last is None else last
    if last > len(values):
        raise TableError(f"--row {last}: {data.source} has {count(len(values), 'row')}")
    rows = slice(first - 1, last)
    if not known(values[rows]).all():
        raise TableError(f"--row: {target.name!r} is missing in a row of {data.source}")
    for note in shortened([*data.notes, *notes]):
        warn(note)
    classification = target.task == "classification"
    return trace.explain(
        network,
        X,
        target.targets(values[rows], network.dtype, first),
        None,
        preprocessing.input_names(),
        target.classes if classification else list(target.names),
        list(range(first, last + 1)),
        target.smoothing if classification else 0.0,
        target.scale,
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
    own = [name for name in trace.layers[layer].sources if isinstance(name, str)]
    if source != "bias" and source not in own:  # such as the scale of a norm
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
    show(f"{options.model} ({size_of(options.model)})")
    show(network.summary())
    show(
        f"trained   {count(network.epochs_trained, 'epoch')}, {count(network.steps, 'step')}, "
        f"seed {network.seed}"
    )
    for what, text in [] if preprocessing is None else preprocessing.describe():
        show(f"{what:<9} {text}")
    return 0


def config(options):
    """`backprop config`: returns the exit code."""
    from backprop import show_config

    show(show_config())
    return 0


def _inputs(data, preprocessing, dtype, notes, rows=slice(None)):
    """The inputs for a prediction, of `rows`, and the whole target column, if the file has one.

    An array is checked whole, so that a message about a row has the file's number for it.
    """
    names = preprocessing.target.names
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
    values = None
    if all(name in data for name in names):
        values = preprocessing.target_values(data)
    if not preprocessing.columns:
        return preprocessing.transform(_matrix(data, names[0]))[rows], values
    return preprocessing.transform(data, rows, dtype, notes), values


def _matrix(table, target):
    """All columns of a table but the target as one array, as the model was trained on."""
    columns = [table.column(name) for name in table.names if name != target]
    others = [name for name in table.names if name != target]
    words = [name for name in others if table.column(name).dtype.kind not in "fiub"]
    if words:
        what = "dates" if table.column(words[0]).dtype.kind == "M" else "text"
        raise TableError(
            f"{table.source}: column {words[0]!r} is {what}; the model was trained on arrays of "
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


def _prediction_csv(target, outputs, probabilities, keys):
    """`keys`: {name: column} of what names the rows."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    named = list(zip(*(_written(column) for column in keys.values()), strict=True))
    named = named or [()] * len(outputs)
    predicted = target.decode(outputs)
    if target.task == "classification":
        header = [target.name, *(f"probability_{name}" for name in target.classes)]
        rows = [[name, *map(str, row)] for name, row in zip(predicted, outputs, strict=True)]
        if not probabilities:
            header, rows = header[:1], [row[:1] for row in rows]
    else:  # no more digits than the network's dtype has
        digits = ".8g" if outputs.dtype == np.float32 else ""
        header = list(target.names)
        numbers = predicted.reshape(len(predicted), -1).tolist()
        rows = [[f"{value:{digits}}" for value in row] for row in numbers]
    writer.writerow([*keys, *header])
    writer.writerows([*key, *row] for key, row in zip(named, rows, strict=True))
    return file.getvalue()


def _written(column):
    """A column's values as text, nothing where one is missing."""
    if column.dtype == object:
        return ["" if value is None else value for value in column]
    return ["" if value != value else label(value) for value in column.tolist()]
