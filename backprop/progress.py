"""What ``fit(verbose=…)`` shows, on standard error."""

import sys


def progress_bar(verbose, epochs, history, floor=None):
    """A Bar for 1, Lines for 2, else one that says nothing.

    `history`: of a run that is resumed, or empty. `floor`: below which the training loss cannot
    come, or None.
    """
    if verbose == 2:
        return Lines(epochs, floor)
    return Bar(epochs, history, floor) if verbose else NoBar()


def shown(history, floor, first_metric):
    """{what: text} of the last epoch."""
    loss = f"{history.loss[-1]:.4g}"
    texts = {"loss": loss if floor is None else f"{loss} (at best {floor:.4g})"}
    if history.validation_loss:
        texts["validation"] = f"{history.validation_loss[-1]:.4g}"
    if first_metric is not None:
        texts[first_metric.removeprefix("validation_")] = f"{history.metrics[first_metric][-1]:.4g}"
    elif history.validation_accuracy:
        texts["accuracy"] = f"{history.validation_accuracy[-1]:.2%}"
    return texts


class NoBar:
    """Says nothing."""

    rows_done = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def set_rows(self, n_rows):
        """How many an epoch has, where nobody knew."""

    def after_epoch(self, history, first_metric=None):
        """An epoch is over."""


class Lines(NoBar):
    """One line an epoch."""

    def __init__(self, epochs, floor):
        self._epochs, self._floor = epochs, floor

    def after_epoch(self, history, first_metric=None):
        """Write the epoch's losses."""
        texts = shown(history, self._floor, first_metric)
        what = ", ".join(f"{name} {text}" for name, text in texts.items())
        line = f"epoch {len(history.loss)}/{self._epochs}: {what}, {history.seconds[-1]:.2f} s"
        print(line, file=sys.stderr, flush=True)


class Bar(NoBar):
    """A bar on standard error: samples seen of all epochs, and the last epoch's losses."""

    def __init__(self, epochs, history, floor):
        from tqdm.auto import tqdm

        self._n_rows, self._floor = history.n_samples, floor
        self._epochs, self._epochs_done = epochs, len(history.loss)
        self._bar = tqdm(
            total=epochs * self._n_rows or None,
            initial=self._epochs_done * self._n_rows,
            unit=" samples",
            unit_scale=True,
            desc=f"epoch {min(self._epochs_done + 1, epochs)}/{epochs}",
        )

    def __exit__(self, *_):
        self._bar.close()

    def set_rows(self, n_rows):
        """See `NoBar`."""
        self._n_rows, self._bar.total = n_rows, self._epochs * n_rows

    def rows_done(self, count):
        """The core calls this a few times a second, with the rows of the epoch that are done."""
        self._bar.update(self._epochs_done * self._n_rows + count - self._bar.n)

    def after_epoch(self, history, first_metric=None):
        """Show the epoch's losses."""
        self._epochs_done += 1
        self.rows_done(0)
        epoch = min(self._epochs_done + 1, self._epochs)
        self._bar.set_postfix(shown(history, self._floor, first_metric), refresh=False)
        self._bar.set_description(f"epoch {epoch}/{self._epochs}", refresh=False)
