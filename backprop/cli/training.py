"""`backprop train`: a network is trained until rows held out say that it gets no better."""

import io
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from backprop import atomic, storage
from backprop._core.ranks import RankStopped
from backprop.catalogue.losses import LOSSES, usual_loss
from backprop.catalogue.metrics import METRICS, NUMBER
from backprop.catalogue.optimizers import SHARED
from backprop.catalogue.presets import epochs_of
from backprop.catalogue.schedules import has_length, planned_schedule
from backprop.catalogue.targets import CLASSES, NUMBERS
from backprop.cli.common import check_output, show, size_of, warn
from backprop.cli.preparing import prepare
from backprop.cli.scoring import InUnits, is_no_better, score
from backprop.cli.streaming import StreamedPart
from backprop.tabular.tables import count
from backprop.tabular.temperature import temper

_FEW_ROWS = 10_000
_MOST_EPOCHS = 1000
_PATIENCE_STEPS = 2000
_PATIENCE_EPOCHS = 10, 100
_TEMPERED_ROWS = 50  # fewer say too little about probabilities
# The usual share of a label that is spread over the classes, where a temperature takes it back: the
# digits' held-out log loss is 0.030 with it and 0.053 without, churn's 0.205 and 0.213.
_SMOOTHING = 0.1


def train(options):
    """Returns the exit code."""

    def say(text):
        if not options.quiet:
            show(text)

    ranks = _ranks(options)
    leads = ranks is None or ranks.rank == 0
    options.quiet |= not leads
    _check_files(options)
    problem = prepare(options)
    options = problem.options
    for what, text in problem.lines:
        say(f"{what:<9} {text}")
    run = _Run(problem, options, ranks)
    for line in run.begin():
        say(line)
    interrupted = run.train()
    if interrupted and run.network.epochs_trained == 0:
        warn("interrupted before the first epoch was done; nothing was saved")
        return 130
    if not leads:
        return 130 if interrupted else 0
    network = run.result()
    storage.save(network, options.output, problem.preprocessing)
    if interrupted:
        done = count(run.network.epochs_trained, "epoch")
        warn(f"interrupted after {done}; what was trained is saved")
    for line in [*_scores(network, problem), *run.end()]:
        say(line)
    say(f"model written to {options.output} ({size_of(options.output)})")
    return 130 if interrupted else 0


def _check_files(options):
    check_output("--output", options.output, options.data)
    for option, path in (("--plot", options.plot), ("--checkpoint", options.checkpoint)):
        if path is not None:
            check_output(option, path, options.data)
            if Path(path) == Path(options.output):
                raise ValueError(f"{option} {path}: expected another file than --output")
    if options.plot is not None:
        _check_plot(options.plot)
    if options.checkpoint is not None and options.optimizer and options.optimizer[1].minimizes:
        raise ValueError(
            f"--checkpoint: --optimizer {options.optimizer[0]} has no run to go on with, since "
            "scipy alone knows where it stands"
        )
    if options.resume and options.checkpoint is None:
        raise ValueError("--resume goes on with the run in --checkpoint FILE, which was not given")


def _check_plot(path):
    """That it will be drawn, before the training that it shows."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("--plot needs matplotlib: pip install matplotlib") from error
    ending, known = _ending(path), Figure().canvas.get_supported_filetypes()
    if ending not in known:
        raise ValueError(f"--plot {path}: expected a name that ends in one of {', '.join(known)}")


def _ending(path):
    return Path(path).suffix[1:].lower() or "png"


def _ranks(options):
    """The processes that train together, or None."""
    if not options.mpi:
        return None
    from backprop.ranks import MPI

    return MPI()


class _Run:
    """The network, what stops it, and how long it took."""

    def __init__(self, problem, options, ranks):
        from backprop import Checkpoint, EarlyStopping

        self.problem, self.options, self.ranks = problem, options, ranks
        self.shards = options.shards or (1 if ranks is None else ranks.size)
        n_batches = -(-len(problem.training) // _batch_size(problem, options))
        self.epochs = options.epochs or _epochs(options.preset_, len(problem.training))
        planned = {"step": self.epochs * _n_steps(options, n_batches), "epoch": self.epochs}
        self.network = _network(problem, options, planned)
        self.network.preprocessing = problem.preprocessing
        self.stop, self.callbacks = None, []
        if problem.held_out is not None:
            schedule = self.network.optimizer.schedule
            usual = _within(_PATIENCE_STEPS // n_batches, _PATIENCE_EPOCHS)
            if schedule is not None and has_length(schedule):
                usual = self.epochs  # whose planned length is worth its end
            patience = options.patience or usual
            # of averages there is no best epoch: they are those of all
            self.stop = EarlyStopping(patience=patience, restore_best=options.average is None)
            self.callbacks.append(self.stop)
        if options.checkpoint is not None:
            self.callbacks.append(Checkpoint(options.checkpoint))
        self.seconds, self.epochs_before = 0.0, 0

    def begin(self):
        """Go on with a run, where that is asked for; lines for people."""
        checkpoint = self.options.checkpoint
        lines = [self.network.summary()]
        if self.ranks is not None:
            lines.append(f"shards    {self.shards}, on {count(self.ranks.size, 'rank')}")
        if self.options.resume and Path(checkpoint).exists():
            self.network = _resumed(self.network, checkpoint, self.options.threads)
            self.network.preprocessing = self.problem.preprocessing
            self.epochs_before = self.network.epochs_trained
            lines.append(f"resumed   {checkpoint}, after {count(self.epochs_before, 'epoch')}")
        return lines

    def train(self):
        """Whether Ctrl-C has ended it; the best weights are put back then too."""
        problem, options, network = self.problem, self.options, self.network
        target = problem.target
        held = problem.held_out
        settings = {"epochs": self.epochs, "batch_size": _batch_size(problem, options)}
        if held is not None:
            settings["validation_data"] = held.X, target.targets(held.values, network.dtype)
        rows = problem.training.rows(target, network.dtype)
        verbose = False if options.quiet else (True if sys.stderr.isatty() else 2)
        start = time.perf_counter()
        try:
            network.fit(
                **rows,
                verbose=verbose,
                metrics=_metrics(problem, options),
                class_weight=_class_weight(target, options.class_weight, problem.training),
                callbacks=self.callbacks,
                shards=self.shards,
                ranks=self.ranks,
                **settings,
            )
        except (KeyboardInterrupt, RankStopped) as error:
            if isinstance(error, RankStopped) and not options.quiet:
                warn(str(error))
            if self.stop is not None and self.stop.restore_best and network.epochs_trained:
                self.stop.on_train_end({})
            return True
        finally:
            self.seconds = time.perf_counter() - start
        return False

    def result(self):
        """The network whose weights are the averages, where these are kept, with probabilities that
        the rows held out agree with."""
        network = self.network
        if network.optimizer.average is not None:
            network = network.averaged()
            network.preprocessing = self.problem.preprocessing
        if _is_tempered(self.problem):
            held = self.problem.held_out
            y = np.eye(network.n_outputs)[self.problem.target.encode(held.values)]
            logits = network.predict(held.X, logits=True)
            temper(network.layers[-1], network.loss_function, logits, y)
        return network

    def end(self):
        """Draw, and say how long it took; lines for people."""
        history, epochs = self.network.history, self.network.epochs_trained
        if self.options.plot is not None:
            drawn = io.BytesIO()
            history.plot().figure.savefig(drawn, format=_ending(self.options.plot))
            atomic.write_atomically(self.options.plot, drawn.getvalue())
        n_trained = (epochs - self.epochs_before) * len(self.problem.training)
        line = f"trained {count(epochs, 'epoch')} in {self.seconds:.2f} s"
        lines = [f"{line}, {n_trained / max(self.seconds, 1e-9):,.0f} samples per second"]
        if self.stop is not None and self.stop.restore_best and self.stop.best_epoch >= 0:
            lines.append(f"best epoch {self.stop.best_epoch + 1}, by the loss on the rows held out")
        return lines


def _epochs(preset, n_rows):
    """At most, where nobody says how many."""
    return preset.epochs(n_rows) if preset else epochs_of(n_rows, _MOST_EPOCHS)


def _n_steps(options, n_batches):
    """Of an epoch; what follows an optimizer's name holds, as in `_optimizer`."""
    accumulate = options.optimizer[2].get("accumulate", options.accumulate or 1)
    return -(-n_batches // accumulate)


def _within(value, bounds):
    return min(max(value, bounds[0]), bounds[1])


def _is_tempered(problem):
    """Whether there are rows enough to fit a temperature of probabilities to."""
    held = problem.held_out
    is_class = problem.target.task == "classification"
    return is_class and held is not None and len(held) >= _TEMPERED_ROWS


def _batch_size(problem, options):
    n = len(problem.training)
    return min(n, options.batch_size or (32 if n < _FEW_ROWS else 128))


def _network(problem, options, planned):
    """The network that the options describe, not trained.

    `planned`: {"step": how many there may be, "epoch": the same}.
    """
    from backprop import Dense, Network

    preprocessing, target = problem.preprocessing, problem.target
    hidden, n_in = [], preprocessing.n_inputs
    for units in options.hidden:
        hidden.append(
            Dense(
                units,
                options.activation,
                dropout=options.dropout,
                noise=options.noise,
                norm=options.norm,
                residual=options.residual and units == n_in,
                weights=options.weights,
                use_bias=not options.no_bias,
                max_norm=options.max_norm,
                learning_rate_factor=options.rate_factor,
            )
        )
        n_in = units
    return Network(
        preprocessing.n_inputs,
        [*hidden, Dense(target.n_outputs, learning_rate_factor=options.rate_factor)],
        loss=_loss(problem, options),
        optimizer=_optimizer(options, planned),
        dtype=options.dtype,
        seed=options.seed,
        n_threads=options.threads,
        matmul=options.matmul,
        input_offset=preprocessing.input_offset,
        input_scale=preprocessing.input_scale,
        input_dropout=options.input_dropout,
    )


def _loss(problem, options):
    """That of the options, where it is one of such targets; else the usual one."""
    target, smoothing = problem.target, options.label_smoothing
    kind = CLASSES if target.task == "classification" else NUMBERS
    loss = options.loss or usual_loss(kind)
    if loss.target is not kind:
        fitting = [name for name, one in LOSSES.items() if one.target is kind]
        raise ValueError(
            f"--loss {loss.name} is of {loss.target.name}: expected one of {', '.join(fitting)} "
            f"for a {target.task}; others are for Python"
        )
    if smoothing is None and options.loss is None and _is_tempered(problem):
        smoothing = _SMOOTHING
    if not smoothing:
        return loss
    if "label_smoothing" not in loss.settings:
        raise ValueError(f"--label-smoothing: {loss.name} has none")
    return loss(label_smoothing=smoothing)


def _optimizer(options, planned):
    name, kind, settings = options.optimizer
    known = {field.name for field in fields(kind)}
    schedule = options.schedule and planned_schedule(*options.schedule, planned)
    given = {"schedule": schedule}
    given |= {setting: getattr(options, setting) for setting in SHARED if setting != "schedule"}
    given = {setting: value for setting, value in given.items() if value is not None}
    unknown = [setting for setting in given if setting not in known]
    if unknown:
        option = unknown[0].replace("_", "-")
        raise ValueError(f"--{option}: --optimizer {name} has none")
    return kind(**{**kind.suggested, **given, **settings})


def _metrics(problem, options):
    metrics = options.metric or ()
    if problem.target.task == "classification":
        return metrics
    for metric in metrics:
        if NUMBER not in metric.targets:
            fitting = [name for name, one in METRICS.items() if NUMBER in one.targets]
            raise ValueError(
                f"--metric {metric.name} is of classes, and {problem.target.name} are numbers: "
                f"expected some of {', '.join(fitting)}"
            )
    return [InUnits(metric, problem.target) for metric in metrics]


def _class_weight(target, given, part):
    """What `Network.fit` takes, of names of classes."""
    if given == "balanced" and isinstance(part, StreamedPart):
        return part.balanced
    if given is None or given == "balanced":
        return given
    if target.task != "classification":
        raise ValueError(f"--class-weight is for classes; {target.name} are numbers")
    for name in given:
        if name not in target.classes:
            raise ValueError(
                f"--class-weight has the class {name!r}: expected some of "
                f"{', '.join(target.classes[:20])}"
            )
    return {target.classes.index(name): weight for name, weight in given.items()}


def _resumed(network, path, n_threads):
    """The network of a checkpoint, which has to be made as this one is."""
    from backprop import Network

    resumed = Network.resume(path, n_threads)
    for what in ("n_inputs", "layers", "loss", "optimizer", "dtype", "seed", "input_dropout"):
        found, expected = (_described(one, what) for one in (resumed, network))
        if what == "optimizer" and found != expected == replace(found, schedule=expected.schedule):
            raise ValueError(
                f"{path}: its learning rate goes by {found.schedule}, and the options come to "
                f"{expected.schedule}: expected the --epochs and rows that it began with"
            )
        if found != expected:
            raise ValueError(f"{path}: its {what} are {found}; the options say {expected}")
    return resumed


def _described(network, what):
    if what == "layers":
        return [layer.spec for layer in network.layers]
    return getattr(network, what)


def _scores(network, problem):
    """Lines for people; what is no better than no model is told on standard error."""
    if problem.test is not None:
        what, part = "test", problem.test
    elif problem.held_out is not None:
        what, part = "held-out", problem.held_out
    else:
        what, part = "training", problem.training
    if isinstance(part, StreamedPart):
        loss = network.evaluate(part.source)["loss"]
        return [f"training loss {loss:.4g} (nothing was held out)"]
    outputs = network.predict(part.X)
    first, *rest = score(problem.target, outputs, part.values)
    if problem.held_out is None and problem.test is None:
        first += " (nothing was held out)"
    same = is_no_better(problem.target, outputs, part.values)
    if same is not None:
        warn(f"the model is no better than {same} on the {what} rows")
    return [f"{what} {first}", *rest]
