"""What each command takes: the arguments of `backprop`, and their help."""

import argparse

from backprop._version import __version__


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options):
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options
        )

    def error(self, message):
        self.exit(2, f"backprop: error: {message} (see {self.prog} --help)\n")


class _Later:
    """Words from the catalogue, looked up when they are needed.

    numpy, which it loads, takes most of the time of `backprop --help`.
    """

    def __init__(self, words):
        self._words = words

    def __iter__(self):
        return iter(self._words())

    def __contains__(self, word):
        return word in self._words()

    def __str__(self):
        return ", ".join(self._words())


def optimizers():
    """{name on the command line: class}."""
    from backprop.catalogue.optimizers import OPTIMIZERS

    return {name.lower(): kind for name, kind in OPTIMIZERS.items()}


def _activations():
    from backprop.catalogue.activations import ACTIVATIONS

    return list(ACTIVATIONS)


def _rates():
    return [f"{kind.learning_rate:g} for {name}" for name, kind in optimizers().items()]


def _suggested():
    given = [(name, kind.suggested) for name, kind in optimizers().items() if kind.suggested]
    return [f"{name} with {_settings(values)}" for name, values in given]


def _settings(values):
    return " and ".join(f"{name}={value}" for name, value in values.items())


def parser():
    """Of the whole command line."""
    whole = _Parser(
        prog="backprop", description="Train dense neural networks on the CPU and predict with them."
    )
    whole.add_argument("--version", action="version", version=f"backprop {__version__}")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_train(commands)
    _add_predict(commands)
    _add_explain(commands)
    info = commands.add_parser(
        "info", help="show what is in a model file", description="Show what is in a model file."
    )
    info.add_argument(
        "model", metavar="MODEL", help="a file that `backprop train` or Network.save wrote"
    )
    text = "show the instruction set, the BLAS and the threads that are used"
    commands.add_parser("config", help=text, description=text.capitalize() + ".")
    return whole


def _add_train(commands):
    train = commands.add_parser(
        "train",
        help="train a network on a data file and write a model file",
        description="Train a network on a data file, score it on held-out rows, write a model.",
        epilog="examples:\n  backprop train\n  backprop train mnist.npz --epochs 10\n"
        "  backprop train diamonds.csv --target price --output diamonds.safetensors",
    )
    _add_data(train.add_argument)
    _add_layers(train.add_argument)
    _add_steps(train.add_argument)
    _add_computation(train.add_argument)
    train.add_argument(
        "--output",
        default="model.safetensors",
        metavar="FILE",
        help="default: model.safetensors",
    )
    train.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _add_data(add):
    add(
        "data",
        nargs="?",
        default="digits",
        metavar="FILE",
        help="CSV, .npz or Parquet; or digits, which ships with it",
    )
    add("--target", metavar="COLUMN", help="the column to predict (CSV and Parquet)")
    add(
        "--drop",
        type=_names,
        default=(),
        metavar="COLUMNS",
        help="columns not to learn from, separated by commas",
    )
    add(
        "--task",
        choices=("auto", "classification", "regression"),
        default="auto",
        help="default: from the target",
    )


def _add_layers(add):
    add(
        "--hidden",
        type=_hidden,
        default=(256, 128),
        metavar="UNITS",
        help="default: 256,128; none: no hidden layer",
    )
    add(
        "--activation",
        choices=_Later(_activations),
        default="relu",
        metavar="NAME",
        help="%(choices)s; default: %(default)s",
    )


def _add_steps(add):
    add("--epochs", type=_size, metavar="N", help="default: 10 to 60, fewer the more rows")
    add("--batch-size", type=_positive, metavar="N", help="default: 32 below 10,000 rows, else 128")
    optimizer = add(
        "--optimizer",
        choices=_Later(optimizers),
        default="adam",
        metavar="NAME",
        help="%(choices)s; default: %(default)s; %(suggested)s",
    )
    optimizer.suggested = _Later(_suggested)
    rate = add("--learning-rate", type=_rate, metavar="RATE", help="default: %(rates)s")
    rate.rates = _Later(_rates)
    add(
        "--label-smoothing",
        type=_fraction,
        default=0.1,
        metavar="SHARE",
        help="classification: SHARE of the label spread evenly over the classes; default: 0.1",
    )
    add(
        "--validation",
        type=_fraction,
        default=0.2,
        metavar="SHARE",
        help="share of rows to hold out; default: 0.2",
    )
    add(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="of weights, shuffles and the rows held out; default: 0",
    )


def _add_computation(add):
    add("--dtype", choices=("float32", "float64"), default="float32", help="default: float32")
    add("--threads", type=_threads, metavar="N", help="default: as many as help")
    add("--matmul", choices=("auto", "fused", "blas"), default="auto", help="default: auto")


def _add_predict(commands):
    predict = commands.add_parser(
        "predict",
        help="predict with a model file",
        description="Write a CSV with one prediction for each row of a data file.\n"
        "If the file has the target too, the score is printed on stderr.",
    )
    predict.add_argument(
        "model", metavar="MODEL", help="a file that `backprop train` or Network.save wrote"
    )
    predict.add_argument(
        "data",
        metavar="FILE",
        help="CSV, .npz or Parquet with the columns of the training; or digits",
    )
    predict.add_argument("--output", metavar="FILE", help="default: standard output")
    predict.add_argument(
        "--probabilities",
        action="store_true",
        help="also a column for each class with its probability",
    )
    predict.add_argument("--threads", type=_threads, metavar="N", help="default: as many as help")


def _add_explain(commands):
    explain = commands.add_parser(
        "explain",
        help="show the chain rule on rows of a data file, factor by factor",
        description="Show how the gradients of a model come about on rows of a data file.\n"
        "Rows, layers, inputs and units are counted from 1.",
        epilog="examples:\n  backprop explain model.safetensors digits --row 3\n"
        "  backprop explain model.safetensors digits --row 3 --weight 1,21,5\n"
        "  backprop explain model.safetensors digits --row 1:20 --html page.html",
    )
    add = explain.add_argument
    add("model", metavar="MODEL", help="a file that `backprop train` or Network.save wrote")
    add("data", metavar="FILE", help="CSV, .npz or Parquet with the target; or digits")
    add(
        "--row",
        type=_rows,
        default=(1, 1),
        metavar="N",
        help="or FIRST:LAST, or FIRST: to the end; default: 1",
    )
    add(
        "--sample",
        type=_positive,
        metavar="N",
        help="which of these rows is followed; default: the first",
    )
    add("--weight", type=_weight, metavar="LAYER,FROM,TO", help="only this one; FROM may be bias")
    form = explain.add_mutually_exclusive_group()
    form.add_argument("--html", metavar="FILE", help="write a page that shows and asks")
    form.add_argument("--latex", action="store_true", help="formulas for a document")


def _rows(text):
    """(first, last); None as the last: to the end."""
    first, colon, last = (part.strip() for part in text.partition(":"))
    if colon and not last:
        return _positive(first), None
    found = _positive(first), _positive(last or first)
    if found[0] > found[1]:
        raise argparse.ArgumentTypeError(f"{text!r}: the first row comes after the last")
    return found


def _weight(text):
    parts = tuple(part.strip() for part in text.split(","))
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"{text!r} is not LAYER,FROM,TO")
    return parts


def _positive(text):
    if not _is_whole(text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def _is_whole(text):
    return text.isdecimal() and len(text) <= 1000  # int() refuses 4,300 digits


def _at_most(most, text):
    number = _positive(text)
    if number > most:
        raise argparse.ArgumentTypeError(f"{text!r} is too large, the most is {most:,}")
    return number


def _size(text):
    from backprop.validation import MAX_SIZE  # here: numpy takes most of the time of --help

    return _at_most(MAX_SIZE, text)


def _threads(text):
    from backprop.validation import MAX_THREADS

    return _at_most(MAX_THREADS, text)


def _seed(text):
    if not _is_whole(text) or int(text) >= 1 << 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2**64 - 1")
    return int(text)


def _number(text):
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _fraction(text):
    if not 0 <= _number(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 0 to below 1")
    return float(text)


def _rate(text):
    if not 0 < _number(text) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return float(text)


def _hidden(text):
    return (
        ()
        if text.strip().lower() == "none"
        else tuple(_size(part.strip()) for part in text.split(","))
    )


def _names(text):
    return tuple(name.strip() for name in text.split(",") if name.strip())
