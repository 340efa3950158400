"""What each command takes: the arguments of `backprop`, and their help."""

import argparse

from backprop._version import __version__
from backprop.cli import values


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options):
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options
        )

    def error(self, message):
        self.exit(2, f"backprop: error: {message} (see {self.prog} --help)\n")


class _Later:
    """Words from the catalogue, looked up when the help is shown."""

    def __init__(self, words):
        self._words = words

    def __str__(self):
        return ", ".join(self._words())


def _rates():
    kinds = values.optimizers().items()
    return [f"{kind.learning_rate:g} for {name}" for name, kind in kinds if not kind.minimizes]


def _suggested():
    given = [(n, kind.suggested) for n, kind in values.optimizers().items() if kind.suggested]
    return [f"{name} with {_settings(settings)}" for name, settings in given]


def _settings(settings):
    return " and ".join(f"{name}={value}" for name, value in settings.items())


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
        description="Train a network on a data file until it no longer gets better on rows that "
        "are held out,\nand write a model with the best weights.\n\nWhere NAME has settings, they "
        "follow it: --optimizer adamw:weight_decay=0.1,beta_2=0.99.",
        epilog="examples:\n  backprop train\n  backprop train mnist.npz --dropout 0.2\n"
        "  backprop train diamonds.csv --target price --output diamonds.safetensors",
    )
    _kind(
        train.add_argument,
        "--preset",
        lambda: [*values.presets(), "none"],
        "settings that go well together, for all that is not given; default: tabular for tables, "
        "none for arrays; ",
        type=values.preset,
    )
    _add_data(train.add_argument_group("data").add_argument)
    _add_layers(train.add_argument_group("layers").add_argument)
    _add_optimizer(train.add_argument_group("optimizer").add_argument)
    _add_training(train.add_argument_group("training").add_argument)
    _add_computation(train.add_argument_group("computation").add_argument)


def _add_data(add):
    add(
        "data",
        nargs="?",
        default="digits",
        metavar="FILE",
        help="CSV, JSON lines, Parquet, Excel, .npz, …; a folder of CSV or Parquet; - is standard "
        "input; or digits, which ships with it",
    )
    text = "the column to predict, of a table; of numbers several, separated by commas"
    add("--target", metavar="COLUMN", help=text)
    add(
        "--key",
        type=values.names,
        default=(),
        metavar="COLUMNS",
        help="columns that name the rows: not learned from, written beside predictions",
    )
    add(
        "--drop",
        type=values.names,
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
    add(
        "--validation",
        type=values.fraction,
        default=0.2,
        metavar="SHARE",
        help="share of rows to hold out; default: 0.2",
    )
    what = "read rows as they are trained on; so are folders and what is large beside the memory"
    add("--stream", action="store_true", help=what)
    what = "of a stream, rows in memory, among which they are shuffled; default: what 256 MB hold"
    add("--buffer-rows", type=values.size, metavar="N", help=what)
    what = "pieces, by quantiles, that a number is beside itself; default without a preset: 0"
    add("--pieces", type=values.whole, metavar="N", help=what)


def _named(add, option, argument, module, what="", **options):
    """An option whose value is an entry of a module of the catalogue; the help lists them."""
    kind = values.entry(argument, module)
    action = add(option, metavar="NAME", help=f"{what}%(listed)s", **{"type": kind, **options})
    action.listed = _Later(values.names_of(module))


def _kind(add, option, kinds, what, **options):
    """The same of classes."""
    action = add(option, metavar="NAME", help=f"{what}%(listed)s", **options)
    action.listed = _Later(kinds)


def _add_layers(add):
    add(
        "--hidden",
        type=values.hidden,
        metavar="UNITS",
        help="units of each hidden layer; default without a preset: 256,128; none: no hidden layer",
    )
    what = "of hidden layers; default without a preset: relu; "
    _named(add, "--activation", "activation", "activations", what)
    add("--dropout", type=values.fraction, metavar="SHARE", help="of hidden units")
    add("--input-dropout", type=values.fraction, default=0.0, metavar="SHARE", help="of inputs")
    add("--noise", type=values.at_least_0, default=0.0, metavar="DEVIATION", help="of hidden units")
    _named(add, "--norm", "norm", "norms")
    add("--residual", action="store_true", help="add a layer's inputs to as many outputs")
    _named(add, "--weights", "weights", "initializers", "of hidden layers, at first: ")
    add("--no-bias", action="store_true", help="hidden layers without a bias")
    add("--max-norm", type=values.above_0, metavar="NORM", help="of a hidden unit's weights")


def _add_optimizer(add):
    _named(add, "--loss", "loss", "losses", "default: from the task; ")
    add(
        "--label-smoothing",
        type=values.fraction,
        metavar="SHARE",
        help="classification: SHARE of the label spread evenly over the classes; default: 0.1 "
        "where rows are held out, to which the probabilities are fitted",
    )
    optimizer = add(
        "--optimizer",
        type=values.optimizer,
        metavar="NAME",
        help="%(listed)s; default: adam; %(suggested)s",
    )
    optimizer.listed, optimizer.suggested = _Later(values.optimizers), _Later(_suggested)
    rate = add("--learning-rate", type=values.above_0, metavar="RATE", help="default: %(rates)s")
    rate.rates = _Later(_rates)
    kinds = values.schedules
    _kind(add, "--schedule", kinds, "of the learning rate: ", type=values.schedule)
    for option, what in (("--l2", "½ λ Σ W²"), ("--l1", "λ Σ |W|")):
        add(option, type=values.at_least_0, metavar="LAMBDA", help=f"adds {what} to the loss")
    add("--weight-decay", type=values.at_least_0, metavar="DECAY", help="apart from the gradient")
    add("--clip-norm", type=values.above_0, metavar="NORM", help="of all gradients")
    add("--clip-value", type=values.above_0, metavar="BOUND", help="of each gradient")
    add("--accumulate", type=values.positive, metavar="N", help="batches that make a step")
    kinds = values.averages
    _kind(add, "--average", kinds, "of the weights, for the model: ", type=values.average)


def _add_training(add):
    add("--epochs", type=values.size, metavar="N", help="the most; default: by rows")
    add(
        "--batch-size",
        type=values.positive,
        metavar="N",
        help="default without a preset: 32; 128 from 10,000 rows",
    )
    add(
        "--patience",
        type=values.positive,
        metavar="N",
        help="epochs without a better loss on the rows held out that end it; default: 2000 steps, "
        "10 to 100 epochs",
    )
    add(
        "--class-weight",
        type=values.class_weights,
        metavar="WEIGHTS",
        help="balanced, or class=weight,…",
    )
    what, kind = "shown after each epoch: ", values.metric_names
    _named(add, "--metric", "metric", "metrics", what, type=kind)
    add("--seed", type=values.seed, default=0, metavar="N", help="of all that is drawn; default: 0")
    add("--output", default="model.safetensors", metavar="FILE", help="default: model.safetensors")
    add("--plot", metavar="FILE", help="draw loss and metrics over the epochs (matplotlib)")
    add("--checkpoint", metavar="FILE", help="save the run after each epoch")
    add("--resume", action="store_true", help="go on with the run in --checkpoint, if it is there")
    add("--quiet", action="store_true", help="print nothing but errors and warnings")


def _add_computation(add):
    add("--dtype", choices=("float32", "float64"), default="float32", help="default: float32")
    add("--threads", type=values.threads, metavar="N", help="default: as many as help")
    add("--matmul", choices=("auto", "fused", "blas"), default="auto", help="default: auto")
    add(
        "--shards",
        type=values.shards,
        metavar="N",
        help="parts of every batch, whose gradients are summed by themselves; default: 1, or as "
        "many as there are ranks",
    )
    add(
        "--mpi",
        action="store_true",
        help="the processes that mpiexec has started train one network, each some of the shards",
    )


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
    kind = values.threads
    predict.add_argument("--threads", type=kind, metavar="N", help="default: as many as help")


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
        type=values.rows,
        default=(1, 1),
        metavar="N",
        help="or FIRST:LAST, or FIRST: to the end; default: 1",
    )
    add(
        "--sample",
        type=values.positive,
        metavar="N",
        help="which of these rows is followed; default: the first",
    )
    kind = values.weight
    add(
        "--weight",
        type=kind,
        metavar="LAYER,FROM,TO",
        help="only this one; FROM may be bias, or scale, …",
    )
    form = explain.add_mutually_exclusive_group()
    form.add_argument("--html", metavar="FILE", help="write a page that shows and asks")
    form.add_argument("--latex", action="store_true", help="formulas for a document")
