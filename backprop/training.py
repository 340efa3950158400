"""One call of ``fit``: its epochs, what is asked after each of them, and when it ends.

Where nothing is asked, all epochs are one call of the core.
"""

import time

import numpy as np

from backprop.progress import progress_bar

# Epochs that the core trains at a time, of which it keeps two numbers each; and the rates of all
# steps, where there is a schedule.
EPOCHS_AT_A_TIME = 65536
RATES_AT_A_TIME = 65536


class Training:
    """What `fit` was asked, checked; `run` does it."""

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
    ):
        self.network, self.data, self.history = network, data, history
        self.epochs, self.batch_size, self.shuffle = epochs, batch_size, shuffle
        self.validation, self.metrics, self.verbose = validation, metrics, verbose
        self.callbacks, self.max_seconds = callbacks, max_seconds
        self.prefix = "" if validation is None else "validation_"

    def run(self):
        """Train; the history is added to as epochs are done."""
        began, n_rows = time.perf_counter(), self.history.n_samples
        floor = self._floor() if self.verbose else None
        at_a_time = self._epochs_at_a_time(n_rows)
        for callback in self.callbacks:
            callback.begin(self)
        with progress_bar(self.verbose, self.epochs, n_rows, floor) as bar:
            for done in range(0, self.epochs, at_a_time):
                for callback in self.callbacks:
                    callback.before_epoch(done)
                self._train(min(at_a_time, self.epochs - done), bar)
                self._measure()
                bar.after_epoch(self.history, self._first_metric())
                if self._ends(began):
                    break
        for callback in self.callbacks:
            callback.end(self)

    def _epochs_at_a_time(self, n_rows):
        asked = self.callbacks or self.validation or self.metrics or self.verbose
        count = 1 if asked or self.max_seconds is not None else EPOCHS_AT_A_TIME
        if self.network.optimizer.schedule is not None:
            count = min(count, max(1, RATES_AT_A_TIME * self.batch_size // n_rows))
        return count

    def _train(self, epochs, bar):
        X, y, sample_weight = self.data
        finite = self.network._core.fit(
            X,
            y,
            sample_weight,
            n_epochs=epochs,
            batch_size=self.batch_size,
            shuffled=self.shuffle,
            counted=True,
            progress=bar.rows_done,
            losses=self.history.loss,  # also of what is done before Ctrl-C
            durations=self.history.seconds,
        )
        loss = self.history.loss[-1]
        if not (finite and np.isfinite(loss)):
            raise self.network._training_error(X, y, loss, len(self.history.loss))

    def _measure(self):
        history = self.history
        if self.validation is None and not self.metrics:
            return
        scores = self.network._score(*(self.validation or self.data), self.metrics)
        loss = scores.pop("loss")
        if self.validation is None:
            scores = {one.key: scores[one.key] for one in self.metrics}
        else:
            history.validation_loss.append(loss)
            if "accuracy" in scores:
                history.validation_accuracy.append(scores["accuracy"])
        for key, value in scores.items():
            history.metrics.setdefault(self.prefix + key, []).append(value)

    def _first_metric(self):
        return self.prefix + self.metrics[0].key if self.metrics else None

    def _ends(self, began):
        """Whether a callback, all of which are called, or the time ends training."""
        stopping = [one for one in self.callbacks if one.after_epoch(self)]
        if stopping:
            self.history.stopped = stopping[0].name
        elif self.max_seconds is not None and time.perf_counter() - began >= self.max_seconds:
            self.history.stopped = f"max_seconds={self.max_seconds:g}"
        return self.history.stopped is not None

    def _floor(self):
        """The least that the mean loss of these targets can be, where that is not 0."""
        least = self.network.loss_function.least
        _, y, weight = self.data
        if least is None or y.ndim == 1:
            return None
        floor = float(np.average(least(y.astype(np.float64)), weights=weight))
        return floor if floor > 0 else None

    @property
    def directions(self):
        """{name that there will be after an epoch: whether more of it is better, or None}."""
        from backprop.catalogue.metrics import METRICS

        found = {"loss": False}
        if self.validation is not None:
            score = self.network.loss_function.score.name
            entry = METRICS.get(score)
            found["validation_loss"] = False
            found[f"validation_{score}"] = None if entry is None else entry.higher_is_better
        return found | {self.prefix + one.key: one.higher_is_better for one in self.metrics}

    @property
    def logs(self):
        """{name: its number of the last epoch}."""
        history = self.history
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
