"""The progress bar of ``fit(verbose=True)``."""


def progress_bar(wanted, epochs, n_rows):
    """A Bar where one is wanted; else one that says nothing."""
    return Bar(epochs, n_rows) if wanted else NoBar()


class NoBar:
    """Says nothing."""

    rows_done = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def after_epoch(self, history):
        """An epoch is over."""


class Bar(NoBar):
    """A bar on standard error: samples seen of all epochs, and the last epoch's losses."""

    def __init__(self, epochs, n_rows):
        from tqdm.auto import tqdm

        self._n_rows = n_rows
        self._epochs_done = 0
        self._bar = tqdm(
            total=epochs * n_rows, unit=" samples", unit_scale=True, desc=f"epoch 1/{epochs}"
        )
        self._epochs = epochs

    def __exit__(self, *_):
        self._bar.close()

    def rows_done(self, count):
        """The core calls this a few times a second, with the rows of the epoch that are done."""
        self._bar.update(self._epochs_done * self._n_rows + count - self._bar.n)

    def after_epoch(self, history):
        """Show the epoch's losses."""
        self._epochs_done += 1
        self.rows_done(0)
        shown = {"loss": f"{history.loss[-1]:.4g}"}
        if history.validation_loss:
            shown["validation"] = f"{history.validation_loss[-1]:.4g}"
        if history.validation_accuracy:
            shown["accuracy"] = f"{history.validation_accuracy[-1]:.2%}"
        epoch = min(self._epochs_done + 1, self._epochs)
        self._bar.set_postfix(shown, refresh=False)
        self._bar.set_description(f"epoch {epoch}/{self._epochs}", refresh=False)
