"""One call of ``fit``: its epochs, what is asked after each of them, and when it ends.

Where nothing is asked, all epochs are one call of the core.
"""

import time
from contextlib import nullcontext
from math import isfinite

import numpy as np

from backprop.evaluating import score
from backprop.history import History
from backprop.progress import progress_bar
from backprop.sharding import check_shards
from backprop.validation import (
    MAX_SIZE,
    check_batch_size,
    check_flag,
    check_integer,
    check_real,
    check_sample_weight,
    check_samples,
    check_trained,
    check_validation_data,
    check_verbose,
)

# Epochs that the core trains at a time, of which it keeps two numbers each; and the rates of all
# steps, where there is a schedule.
EPOCHS_AT_A_TIME = 65536
RATES_AT_A_TIME = 65536

ALONE = nullcontext()


def prepare_fit(network, X, y, sample_weight, ranks, buffer_rows, asked):
    """The `Training` that `fit` asks for: of arrays or of a source, alone or among ranks.

    `asked`: what all of these are asked, by name.
    """
    if type(X) is not np.ndarray and is_source(X, y):
        from backprop.sources import fitting, open_source

        source = open_source(X, y, weight=sample_weight)
        return fitting.prepare(network, source, ranks=ranks, buffer_rows=buffer_rows, **asked)
    if y is None:
        raise TypeError(
            "y is None: expected an array; only a source, see backprop.sources, comes with its "
            "targets"
        )
    if buffer_rows is not None:
        raise ValueError(
            f"buffer_rows={buffer_rows!r}: expected None with arrays, which are in memory"
        )
    if ranks is not None:
        from backprop.ranks import training as ranked

        return ranked.prepare(network, (X, y, sample_weight), ranks=ranks, **asked)
    return prepare(network, (X, y, sample_weight), **asked)


def is_source(X, y):
    """Whether X is none of the arrays."""
    from backprop.sources import opening

    return opening.is_source(X, y)


def prepare(
    network, data, validation_data, validation_split, class_weight, *, shards, kind=None, **asked
):
    """The `Training` that `fit` asks for, checked before anything is changed; `data`: as given.

    `kind`: a class of it.
    """
    X, y, sample_weight = check_samples(network, *data)
    validation = None
    if validation_data is not None:
        validation = check_validation(network, validation_data)
    network._check_finite(X, y)
    if validation_split:
        if validation is not None:
            raise ValueError("validation_split and validation_data: expected one of them, got both")
        share = check_real("validation_split", validation_split, 0, above=True, below=1)
        (X, y, sample_weight), validation = split_rows(X, y, sample_weight, share, network.seed)
    if class_weight is not None:
        sample_weight = _with_class_weights(network, y, sample_weight, class_weight)
    max_seconds = asked["max_seconds"]
    check_trained(network.layers)
    if network.optimizer.minimizes:
        from backprop import minimizing

        minimizing.check(network)
    return (kind or Training)(
        network,
        (X, y, sample_weight),
        History(n_samples=len(X)),
        validation=validation,
        epochs=check_integer("epochs", asked["epochs"], 1, MAX_SIZE),
        batch_size=check_batch_size(asked["batch_size"], len(X), level=5),
        shuffle=check_flag("shuffle", asked["shuffle"]),
        metrics=network._check_metrics(asked["metrics"], y),
        verbose=check_verbose(asked["verbose"]),
        callbacks=check_callbacks_of(asked["callbacks"]),
        max_seconds=None if max_seconds is None else check_real("max_seconds", max_seconds, 0),
        sharding=check_shards(network, shards, len(X)),
    )


def check_validation(network, data):
    """(X, y, sample_weight) as the network takes them, or a `Source`."""
    X = data[0] if isinstance(data, tuple | list) and data else data
    if not isinstance(X, np.ndarray | list):
        from backprop.sources.opening import validation_source

        source = validation_source(data)
        if source is not None:
            return source
    validation = check_samples(network, *check_validation_data(data), "validation_data: ")
    network._check_finite(*validation[:2], "validation_data: ")
    return validation


def _with_class_weights(network, y, sample_weight, class_weight):
    from backprop.catalogue.class_weights import class_weights

    weights = class_weights(class_weight, y, network.loss_function, network.n_outputs)
    weights = weights if sample_weight is None else weights * sample_weight
    return check_sample_weight(weights, len(y), network.dtype, "class_weight")


def check_callbacks_of(callbacks):
    """What `Training` calls."""
    if isinstance(callbacks, tuple | list) and not callbacks:
        return ()  # most have none, and need not wait for an import
    from backprop.callbacks import check_callbacks

    return check_callbacks(callbacks)


class Training:
    """What `fit` was asked; `run` does it."""

    _hashes = None

    def __init__(
        self,
        network,
        data,
        history,
        *,
        epochs,
        batch_size,
        shuffle,
        validation,
        metrics,
        verbose,
        callbacks,
        max_seconds,
        sharding,
    ):
        self.network, self.data, self.history = network, data, history
        self.epochs, self.batch_size, self.shuffle = epochs, batch_size, shuffle
        self.validation, self.metrics, self.verbose = validation, metrics, verbose
        self.callbacks = self.called = callbacks
        self.max_seconds, self.sharding = max_seconds, sharding
        self.prefix = "" if validation is None else "validation_"
        self.buffer_rows = None  # of a source
        self.position, self.begun = 0, np.zeros(3)  # of the epoch, where its pieces are trained
        self.seconds_before = 0.0  # of the run that is resumed

    @property
    def hashes(self):
        """Of the data: a run that is resumed has to have the same."""
        self.hash_data()
        return self._hashes

    def hash_data(self):
        """Work the hashes out, once; without a lock, for ranks that are threads wait in it."""
        if self._hashes is None:
            from backprop import resuming

            self._hashes = resuming.hashes(self)

    def together(self):
        """A block that raises on all ranks or on none, of which there are no others here."""
        return ALONE

    def tell(self, hook, *arguments):
        """Call this of every callback."""
        for callback in self.called:
            getattr(callback, hook)(*arguments)

    @property
    def remembering(self):
        """The callbacks that have something to remember, should the run be interrupted."""
        return [one for one in self.callbacks if one.remembers]

    @property
    def seconds(self):
        """Of this run so far, interruptions left out."""
        return self.seconds_before + time.perf_counter() - self.began

    def begin(self):
        """Tell the callbacks, any of which may refuse."""
        self.began = time.perf_counter()
        if self.network._run is not None:
            from backprop import resuming

            resuming.restore(self, self.network._run)
        self.tell("begin", self)
        if self.history.stopped is not None and not any(
            callback.has_ended(self) for callback in self.callbacks
        ):
            self.history.stopped = None  # the run that is resumed ended otherwise than this would

    def run(self):
        """Train; the history is added to as epochs are done."""
        floor = self._floor() if self.verbose else None
        with progress_bar(self.verbose, self.epochs, self.history, floor) as self.bar:
            if self.network.optimizer.minimizes:
                from backprop import minimizing

                minimizing.fit(self)
            else:
                self._train_epochs()
        self.tell("end", self)

    def _train_epochs(self):
        at_a_time = self.epochs_at_a_time()
        steps_at_a_time = self._steps_at_a_time()
        while self.history.stopped is None and (done := len(self.history.loss)) < self.epochs:
            self.begin_epoch(done)
            if steps_at_a_time or self.position:
                self._train_pieces(steps_at_a_time)
            else:
                self._train(min(at_a_time, self.epochs - done))
            if self.end_epoch():
                return

    def begin_epoch(self, done):
        """Tell who wants to know; `done`: epochs of this call."""
        self.tell("before_epoch", done)

    def end_epoch(self):
        """Measure, and tell who wants to know; whether training ends here."""
        self.look()
        ends = self.history.stopped is not None
        self.tell("save", self, ends or len(self.history.loss) == self.epochs)
        return ends

    def look(self):
        """What the epoch has come to, and whether `history.stopped` says that it is the last."""
        self._measure()
        self._tell_schedule()
        self.bar.after_epoch(self.history, self._first_metric())
        self._ask_whether_it_ends()

    def epochs_at_a_time(self):
        """How many the core trains without looking up."""
        schedule = self.network.optimizer.schedule
        is_watched = self.callbacks or self.validation or self.metrics or self.verbose
        if is_watched or self.max_seconds is not None:
            return 1
        if schedule is None:
            return EPOCHS_AT_A_TIME
        if schedule.follows_results:
            return 1
        # the rates of all steps are held
        return min(
            EPOCHS_AT_A_TIME, max(1, RATES_AT_A_TIME * self.batch_size // self.history.n_samples)
        )

    def _steps_at_a_time(self):
        """After how many a callback wants to look up within an epoch; None: none does."""
        if not self.callbacks:
            return None
        asked = [one.every_steps for one in self.callbacks if one.every_steps is not None]
        return min(asked, default=None)

    def _train_pieces(self, steps):
        """What is left of an epoch, so many steps at a time."""
        n_rows = self.history.n_samples
        stride = n_rows
        if steps is not None:
            stride = steps * self.batch_size * self.network.optimizer.accumulate
        while True:
            last = min(self.position + stride, n_rows)
            self._train(1, (self.position, last, self.begun))
            if last == n_rows:
                break
            self.position = last
            self.tell("save_within", self)
        self.position, self.begun = 0, np.zeros(3)

    def _train(self, epochs, piece=None):
        X, y, sample_weight = self.data
        done = len(self.history.loss)
        finite = self.network._core.fit(
            X,
            y,
            sample_weight,
            n_epochs=epochs,
            batch_size=self.batch_size,
            shuffled=self.shuffle,
            counted=True,
            progress=self.progress,
            losses=self.history.loss,  # also of what is done before Ctrl-C
            durations=self.history.seconds,
            piece=piece,
            sharding=self.sharding,
        )
        loss = self.history.loss[-1] if len(self.history.loss) > done else 0.0  # of a piece: none
        if not (finite and isfinite(loss)):
            raise self.network._training_error(X, y, loss, max(done + 1, len(self.history.loss)))

    @property
    def progress(self):
        """What the core calls with the rows that are done, when it looks for Ctrl-C; or None."""
        return self.bar.rows_done and self._rows_done

    def _rows_done(self, count):
        self.bar.rows_done(self.position + count)

    def _measure(self):
        history = self.history
        if self.validation is None and not self.metrics:
            return
        scores = self._scores(self.validation or self.data)
        loss = scores.pop("loss")
        if self.validation is None:
            scores = {one.key: scores[one.key] for one in self.metrics}
        else:
            history.validation_loss.append(loss)
            if "accuracy" in scores:
                history.validation_accuracy.append(scores["accuracy"])
        for key, value in scores.items():
            history.metrics.setdefault(self.prefix + key, []).append(value)

    def _scores(self, data):
        if isinstance(data, tuple):
            return score(self.network, *data, self.metrics)
        from backprop.sources import scoring

        return scoring.score(self.network, data, self.metrics)

    def _tell_schedule(self):
        """What this epoch came to, where the learning rate depends on it."""
        schedule = self.network.optimizer.schedule
        if schedule is not None and schedule.follows_results:
            loss = (self.history.validation_loss or self.history.loss)[-1]
            self.network.schedule_state = schedule.told(self.network.schedule_state, loss)

    def _first_metric(self):
        return self.prefix + self.metrics[0].key if self.metrics else None

    def _ask_whether_it_ends(self):
        """Of callbacks, all of which are called, and of the time."""
        stopping = [one for one in self.called if one.after_epoch(self)]
        if stopping:
            self.history.stopped = stopping[0].name
        elif self.max_seconds is not None and self.seconds >= self.max_seconds:
            self.history.stopped = f"max_seconds={self.max_seconds:g}"

    def _floor(self):
        """The least that the mean loss of these targets can be, where that is not 0."""
        loss, (_, y, weight) = self.network.loss_function, self.data
        if loss.least is None or (y.ndim == 1 and not loss.smoothing):
            return None
        if y.ndim == 1:  # the same for every label
            y, weight = np.eye(1, self.network.n_outputs), None
        floor = float(np.average(loss.least(loss.smoothed(y.astype(np.float64))), weights=weight))
        return floor if floor > 0 else None

    @property
    def directions(self):
        """{name that there will be after an epoch: whether more of it is better, or None}."""
        found = {"loss": False}
        if self.validation is not None:
            found["validation_loss"] = False
            score = self.network.loss_function.score
            if score is not None:
                found[f"validation_{score.name}"] = score.higher_is_better
        return found | {self.prefix + one.key: one.higher_is_better for one in self.metrics}

    @property
    def logs(self):
        """{name: its number of the last epoch}."""
        history = self.history
        if not history.loss:  # the optimizer found nothing to do
            return {}
        found = {"loss": history.loss[-1]}
        if history.validation_loss:
            found["validation_loss"] = history.validation_loss[-1]
        return found | {name: values[-1] for name, values in history.metrics.items()}


def split_rows(X, y, sample_weight, share, seed):
    """((X, y, sample_weight) to train on, the same to validate with); rows drawn by the seed.

    The same rows each time, so that a second `fit` does not train on what the first held out.
    """
    n = len(X)
    count = round(share * n)
    if not 0 < count < n:
        raise ValueError(
            f"validation_split={share:g} of {n} rows is {count}: expected at least one row on "
            "either side"
        )
    words = [seed & 0xFFFFFFFF, seed >> 32]
    order = np.random.RandomState(words).permutation(n)  # whose stream no numpy will change
    held, kept = np.sort(order[:count]), np.sort(order[count:])
    arrays = (X, y, sample_weight)
    return tuple(
        tuple(None if array is None else array[rows] for array in arrays) for rows in (kept, held)
    )
