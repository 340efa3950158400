"""The network that people hold: checks what it is given, calls the core, keeps the score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from backprop._core import kernels
from backprop._core.errors import NotFinite
from backprop._core.network import Core
from backprop.catalogue.losses import find_loss
from backprop.catalogue.optimizers import Optimizer, find_optimizer
from backprop.config import available_threads
from backprop.evaluating import score
from backprop.history import History
from backprop.keeping import Keeping
from backprop.layers import (
    Arrays,
    Layer,
    check_layers,
    core_layers,
)
from backprop.sharing import changing
from backprop.stepwise import Gradient, Stepwise
from backprop.training import is_source, prepare_fit
from backprop.validation import (
    DTYPES,
    MAX_COUNT,
    MAX_SIZE,
    bad_label,
    check_dtype,
    check_flag,
    check_input_transform,
    check_inputs,
    check_integer,
    check_name,
    check_real,
    check_samples,
    check_seed,
    check_threads,
    diverged,
    first_bad_parameter,
    not_finite_error,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from os import PathLike
    from typing import Any

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from backprop import callbacks as _callbacks
    from backprop.catalogue.losses import Loss
    from backprop.catalogue.metrics import Metric
    from backprop.layers import Dense
    from backprop.ranks import Communicator
    from backprop.sources import Source

    Rows = ArrayLike | Source | PathLike[str] | Callable[[], Iterable[Any]] | Iterable[Any]
    OwnFunction = Callable[[NDArray[Any], NDArray[Any]], tuple[ArrayLike, ArrayLike]]
    Callback = Callable[["Network", History], object] | _callbacks.Callback

__all__ = ["Gradient", "Network"]

TINY = {dtype: float(np.finfo(dtype).tiny) for dtype in DTYPES.values()}
MATMULS = ("auto", "fused", "blas")


class Network(Stepwise, Keeping):
    """A dense network, trained by back-propagation.

    Parameters
    ----------
    n_inputs : int
        Columns of X.
    layers : sequence of Dense
        From the first hidden layer to the last, whose units are the outputs.
    loss : str, Loss or callable
        What is minimised: a name of ``backprop.catalogue.losses.LOSSES``, where the formulas are,
        or one of its entries with parameters, ``LOSSES["huber"](delta=2)``. Those that take logits,
        such as the cross-entropies, ask for "identity" as the last layer. Or a function of one's
        own, ``(output, target) -> (losses, d_output)``: see Notes.
    optimizer : Optimizer or str, default "adam"
        How weights follow their gradients: such as ``bp.SGD(0.1)``, or a name of the catalogue in
        lower case, for its defaults.
    dtype : {"float32", "float64"}
        Of parameters, activations and predictions.
    seed : int, optional
        Of initial weights and shuffles, 0 to 2⁶⁴ - 1. The same seed gives the same bits on any
        number of threads. Drawn from the system by default; ``net.seed`` says which.
    n_threads : int, optional
        By default as many as the batch's work is worth, at most the processors that this process
        may use.
    matmul : {"auto", "fused", "blas"}
        Which matrix multiplies: the library's own with fused epilogues ("fused"), or OpenBLAS
        ("blas"), whose bits depend on the number of threads. "auto" is "fused".
    input_offset, input_scale : float or array of shape (n_inputs,), optional
        The network sees (x - offset) · scale, worked out as a batch is gathered, so that images of
        uint8 or raw columns need no scaled copy. Part of the model, saved with it.
    input_dropout : float, default 0.0
        What ``Dense``'s dropout is, of the network's inputs.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was given and what was expected.
    MemoryError
        When the parameters do not fit.

    Notes
    -----
    Initial weights are uniform in ±√(6 / n_in) (He et al. 2015) or ±√(6 / (n_in + n_out)) (Glorot
    and Bengio 2010), as each activation's entry in the catalogue says; biases start at 0.

    A loss of one's own is called once a batch: with the last layer's output, (n, k) in the
    network's dtype, and the n rows of y, as they were given. It returns the losses of the samples,
    (n,), and d_output, (n, k), of which row i is the derivative of sample i's loss by its output.
    Neither has been divided by n or multiplied with a sample weight: the cost is Σ w loss / Σ w, as
    with any loss. y may hold any numbers, in n rows of any shape; ``evaluate`` gives no score.
    """

    history: History | None = None  # of the last fit, also one that Ctrl-C ended
    _run: Any = None  # that `resume` has read, for the next fit to go on with
    preprocessing: Any = None  # what `backprop train` put in the file that this was loaded from

    def __init__(
        self,
        n_inputs: int,
        layers: Sequence[Dense] | Dense,
        loss: Loss | str | OwnFunction = "squared_error",
        optimizer: Optimizer | str = "adam",
        dtype: DTypeLike = "float32",
        seed: int | None = None,
        n_threads: int | None = None,
        matmul: str = "auto",
        input_offset: ArrayLike | None = None,
        input_scale: ArrayLike | None = None,
        input_dropout: float = 0.0,
    ) -> None:
        n_inputs = check_integer("n_inputs", n_inputs, 1, MAX_SIZE)
        specs = check_layers(n_inputs, layers)
        vars(self).update(  # sooner than one by one, past the guard
            _n_inputs=n_inputs,
            _specs=specs,
            _loss=find_loss(loss, specs[-1].units, specs[-1].function),
            _dtype=check_dtype(dtype),
            _seed=check_seed(seed),
            _n_threads=check_threads(n_threads),
            _matmul=check_name("matmul", matmul, MATMULS),
            _input_offset=check_input_transform("input_offset", input_offset, n_inputs),
            _input_scale=check_input_transform("input_scale", input_scale, n_inputs),
            _input_dropout=check_real("input_dropout", input_dropout, 0, below=1),
        )
        offset, scale = self._transform()
        self._core = Core(
            n_inputs=self.n_inputs,
            layers=core_layers(self.n_inputs, self._specs),
            loss=self._loss.row,
            own_loss=self._loss.ask,
            dtype=self.dtype,
            seed=self.seed,
            threads_asked=self.n_threads or 0,
            threads_available=available_threads(),
            with_blas=self.matmul == "blas",
            instruction_set=kernels.best_instruction_set(),
            offset=offset,
            scale=scale,
            input_dropout=self.input_dropout,
        )
        self.optimizer = "adam" if optimizer is None else optimizer
        views = self._core.views("parameters")
        self._layers = tuple(
            Layer(spec, view, self._core, i)
            for i, (spec, view) in enumerate(zip(self._specs, views, strict=True))
        )

    @property
    def n_inputs(self) -> int:
        """Columns of X."""
        return self._n_inputs

    @property
    def layers(self) -> tuple[Layer, ...]:
        """From the first hidden layer to the last; their weights and biases can be assigned to."""
        return self._layers

    @property
    def loss(self) -> str:
        """Name of the loss."""
        return self._loss.label

    @property
    def loss_function(self) -> Loss:
        """The loss's entry in the catalogue: formula, numpy value, derivative, target, score."""
        return self._loss

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64, as a numpy dtype."""
        return self._dtype

    @property
    def seed(self) -> int:
        """Of the initial weights and the shuffles."""
        return self._seed

    @property
    def n_threads(self) -> int | None:
        """As it was given; None: as many as the work is worth."""
        return self._n_threads

    @property
    def matmul(self) -> str:
        """As it was given."""
        return self._matmul

    @property
    def input_offset(self) -> NDArray[np.float64] | None:
        """What is subtracted from X: (n_inputs,) of float64, or None."""
        return self._input_offset

    @property
    def input_scale(self) -> NDArray[np.float64] | None:
        """What the difference is multiplied by: (n_inputs,) of float64, or None."""
        return self._input_scale

    @property
    def input_dropout(self) -> float:
        """The share of its inputs that a training step sets to 0."""
        return self._input_dropout

    @property
    def drops(self) -> bool:
        """Whether a training step drops inputs or outputs of a layer."""
        return self.input_dropout > 0 or any(spec.dropout > 0 for spec in self._specs)

    @property
    def n_outputs(self) -> int:
        """Units of the last layer."""
        return self._specs[-1].units

    @property
    def n_parameters(self) -> int:
        """Weights, biases and what else trains, of all layers."""
        return sum(layer.n_parameters for layer in self.layers)

    @property
    def optimizer(self) -> Optimizer:
        """How weights follow their gradients.

        Another of the same kind keeps the moments; another kind starts with moments of 0.
        """
        return self._optimizer

    @optimizer.setter
    def optimizer(self, value: Optimizer | str) -> None:
        value = find_optimizer(value)
        tiny = TINY[self.dtype]
        rates = () if value.minimizes else ("learning_rate",)
        for name in (*rates, *value.divisors):
            number = getattr(value, name)
            if number < tiny:
                raise ValueError(
                    f"{name}={number!r}: expected at least {tiny:g}, the smallest normal "
                    f"{self.dtype}"
                )
        self._core.configure_optimizer(
            value.kind,
            learning_rate=value.learning_rate,
            decays=value.decays,
            settings=value.settings,
            schedule=value.schedule,
            matrices=value.matrices,
            clips=value.clips,
            parts=value.accumulate,
            average=None if value.average is None else value.average.row,
        )
        self._optimizer = value

    @property
    def steps(self) -> int:
        """Steps that the optimizer has taken: the t of Adam's bias corrections."""
        return self._core.steps

    @steps.setter
    def steps(self, count: int) -> None:
        count = check_integer("steps", count, 0, MAX_COUNT)
        self._set("steps", count)

    @property
    def epochs_trained(self) -> int:
        """Epochs completed in all calls of ``fit``.

        With the seed it decides the order of the next.
        """
        return self._core.epochs_trained

    @epochs_trained.setter
    def epochs_trained(self, count: int) -> None:
        count = check_integer("epochs_trained", count, 0, MAX_COUNT)
        self._set("epochs_trained", count)

    @property
    def schedule_state(self) -> dict[str, Any] | None:
        """What the schedule has been told of epochs, such as `OnPlateau`'s factor; else None.

        Another optimizer with an equal schedule keeps it.
        """
        return self._core.schedule_state

    @schedule_state.setter
    def schedule_state(self, state: dict[str, Any] | None) -> None:
        schedule = self.optimizer.schedule
        if schedule is not None:
            state = schedule.check_state(state)
        elif state is not None:
            raise ValueError(f"schedule_state={state!r}: expected None, there is no schedule")
        self._set("schedule_state", state)

    def _set(self, name, value):
        """What the core counts, or was told."""
        with changing(self._core):
            setattr(self._core, name, value)

    def optimizer_state(self) -> dict[str, list[Arrays]]:
        """The optimizer's moments: {name: [(weights, bias) of each layer]}, writable views.

        Where a layer learns more, each pair has it in ``parameters``, {name: view}.

        ``{}`` for plain SGD, "velocity" with momentum, "moment1" and "moment2" for Adam: as
        ``optimizer.moments`` has them.
        """
        return {
            name: self._named(self._core.moment_views(i))
            for i, name in enumerate(self.optimizer.moments)
        }

    def fit(
        self,
        X: Rows,
        y: ArrayLike | str | Sequence[str] | None = None,
        *,
        epochs: int = 10,
        batch_size: int | None = None,
        validation_data: Sequence[Any] | Source | None = None,
        sample_weight: ArrayLike | str | None = None,
        shuffle: bool = True,
        verbose: bool | int = False,
        callbacks: Iterable[Callback] = (),
        validation_split: float = 0.0,
        metrics: Iterable[Metric | str | Callable[..., float]] = (),
        class_weight: dict[int, float] | str | None = None,
        max_seconds: float | None = None,
        shards: int = 1,
        ranks: Communicator | None = None,
        buffer_rows: int | None = None,
    ) -> History:
        """Train for some epochs.

        Each is one pass over the rows in batches, the last of which may be smaller.

        Parameters
        ----------
        X : array of shape (n, n_inputs)
            float32, float64, bool or any integer type; any strides, read-only or a memory map:
            converted a batch at a time. Or rows that need not fit into memory: a Parquet or CSV
            file or a folder of them, what pyarrow or dask holds, a function or an iterable that
            yields (X, y) or (X, y, weight), or a `Source` of ``backprop.sources``.
        y : array
            Of columns with names the name, or names, of the target; nothing where X comes with it.
            Integer labels (n,) or rows of probabilities (n, k) for softmax_cross_entropy; 0 and 1,
            (n,) or (n, k), for sigmoid_cross_entropy, focal and hinge; numbers, (n,) or (n, k), for
            the others: at least 0 for poisson, above 0 for gamma; one number, (n,) or (n, 1), for
            quantile; (n, k) with 2k outputs for gaussian_nll; n rows of any numbers for a loss of
            one's own.
        epochs : int
            At least 1.
        batch_size : int, optional
            By default 128. At least 1; above n it means n, and that it was given is told in a
            warning. `LBFGS` takes all rows at once, whatever batch_size is, and an epoch is one of
            its iterations.
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
            Evaluated after each epoch, never trained on. Or a source, as X and y may be.
        sample_weight : array of shape (n,), optional
            At least 0. A batch's cost is Σ w loss / Σ w. Of columns with names, a name.
        shuffle : bool
            A new order each epoch, which depends on ``seed`` and ``epochs_trained`` only; of a
            source also on its blocks and on ``buffer_rows``.
        verbose : bool or int
            On standard error: True or 1, a progress bar; 2, a line an epoch.
        callbacks : iterable
            Functions, each called as ``callback(network, history)`` after an epoch, and objects
            with hooks, such as `EarlyStopping`: see ``backprop.callbacks``. Training stops when one
            returns True.
        validation_split : float
            In place of ``validation_data``: the share of the rows that is held out, drawn by the
            seed, so the same ones in every call. Both parts are copies.
        metrics : iterable
            Names or entries of ``backprop.catalogue.metrics.METRICS``, or functions called as
            ``function(y, predictions)``, with ``sample_weight=`` where there is one. Worked out
            after each epoch on the validation data; without, on the rows that are trained on.
        class_weight : dict or "balanced", optional
            {label: weight}, 1 for others; or n / (classes · rows of the class). Multiplies
            ``sample_weight`` in training, not in validation.
        max_seconds : float, optional
            No epoch is begun after so long.
        shards : int
            From 1 to 256: parts of every batch, each from a part of the rows, whose gradients are
            summed by themselves and then along a tree that depends on their number alone. It is a
            parameter of the algorithm: as many processes as divide it train to the same bits.
        ranks : Communicator, optional
            Other processes that call ``fit`` with the same network, such as
            ``backprop.ranks.MPI()``. Each has as many shards: 1, 2, 4 or another power of two.
        buffer_rows : int, optional
            Of a source: how many rows are in memory, from which batches are drawn; at least a
            step's. By default what 256 MiB hold. Where all rows are in it, the bits are those of
            arrays.

        Returns
        -------
        History

        Raises
        ------
        FloatingPointError
            When the cost of a batch is not finite; that batch changed nothing. And when training
            ends with weights that are not finite, as its last step left them.
        KeyboardInterrupt
            On Ctrl-C, within 100 ms, or when a step is done that has begun to change the weights
            and takes longer; the network is left as the last whole step made it,
            and can go on.
        ValueError, TypeError
            Naming the argument, what was given and what was expected, before anything is changed:
            also for X or y with a number that is not finite, or not in the network's dtype, and
            where every layer is frozen.
        """
        asked = {
            "validation_data": validation_data,
            "validation_split": validation_split,
            "class_weight": class_weight,
            "epochs": epochs,
            "batch_size": batch_size,
            "shuffle": shuffle,
            "metrics": metrics,
            "verbose": verbose,
            "callbacks": callbacks,
            "max_seconds": max_seconds,
            "shards": shards,
        }
        training = prepare_fit(self, X, y, sample_weight, ranks, buffer_rows, asked)
        self._core.check_idle()
        training.begin()  # which may refuse still
        vars(self).update(history=training.history, _run=None)  # which are declared
        training.run()
        return self.history

    def _check_metrics(self, metrics, y):
        if isinstance(metrics, tuple | list) and not metrics:
            return ()  # most ask for none, and need not wait for an import
        from backprop.catalogue.metrics import check_metrics

        return check_metrics(metrics, self._loss, y, self.n_outputs)

    def _check_finite(self, X, y, prefix=""):
        """ValueError for what is not finite, before anything is changed."""
        if not self._core.admits(X, y):
            raise self._not_finite(X, y, prefix)

    def _not_finite(self, X, y=None, prefix=""):
        """The error that names the number which the core has found not to be finite."""
        found = self._first_not_finite(X, y, prefix)
        return found or ValueError(f"{prefix}X or y is not finite as the network sees it")

    def _first_not_finite(self, X, y=None, prefix=""):
        if self._loss.ask is not None:
            y = None  # what it may hold is known to the function alone
        return not_finite_error(self.dtype, self._transform(), prefix, X=X, y=y)

    def _training_error(self, X, y, loss, epoch):
        """Of a batch's loss, or of parameters, that are not finite."""
        bad = first_bad_parameter(self.layers)
        what = f"the loss became {loss}" if bad is None else f"{bad[0]} became {bad[1]}"
        rate = None if self.optimizer.minimizes else self.optimizer.learning_rate
        found = self._first_not_finite(X, y) or bad_label(y, self.n_outputs)
        return found or diverged(f"{what} in epoch {epoch}", rate)

    def predict(self, X: ArrayLike, logits: bool = False) -> NDArray[Any]:
        """Outputs for each row.

        Parameters
        ----------
        X : array of shape (n, n_inputs)
            As for ``fit``; n may be 0.
        logits : bool
            The last layer's pre-activations z instead of probabilities or activations.

        Returns
        -------
        array of shape (n, n_outputs), dtype of the network
            Probabilities with a cross-entropy or focal, means with poisson and gamma, the last
            layer's activations with the others.
        """
        if not self._core.takes(X):  # which spares a loop of small predictions the checks
            X = check_inputs("X", X, self.n_inputs, allow_empty=True)
        logits = check_flag("logits", logits)
        try:
            return self._core.predict(X, linked=not logits, activated=not logits)
        except NotFinite:
            raise self._not_finite(X) from None

    def evaluate(
        self,
        X: Rows,
        y: ArrayLike | str | Sequence[str] | None = None,
        sample_weight: ArrayLike | str | None = None,
        *,
        metrics: Iterable[Metric | str | Callable[..., float]] = (),
    ) -> dict[str, float]:
        """The cost over all rows, and how good the predictions are.

        Parameters
        ----------
        X, y, sample_weight, metrics
            As for ``fit``. Of a source, outputs and targets are held in memory where there are
            metrics.

        Returns
        -------
        dict
            {"loss", "accuracy"} where y is a class or yes or no: the share of rows whose every
            label is right (for probabilities as targets: whose most probable class is).

            {"loss", "r2"} where y is any number: the coefficient of determination,
            1 - Σ (y - a)² / Σ (y - mean y)². {"loss", "d2"} with poisson and gamma: the share of
            the deviance that is explained. Both are the mean over the outputs whose target varies,
            and nan where none does. {"loss", "pinball"} with quantile: the mean over its levels.
            {"loss"} alone with a loss of one's own. And each metric by name.
        """
        if type(X) is not np.ndarray and is_source(X, y):
            from backprop.sources import open_source, scoring

            source = open_source(X, y, weight=sample_weight)
            metrics = self._check_metrics(metrics, np.empty((0, self.n_outputs)))
            return scoring.score(self, source, metrics)
        data = self._check_samples(X, y, sample_weight)
        return score(self, *data, self._check_metrics(metrics, data[1]))

    def summary(self) -> str:
        """A table of the layers, as text."""
        lines = [f"{'layer':<7}{'in':>8}{'out':>8}  {'activation':<12}{'parameters':>12}"]
        for i, layer in enumerate(self.layers):
            n_in, units = layer.weights.shape
            line = f"{i:<7}{n_in:>8}{units:>8}  {layer.function!r:<12}{layer.n_parameters:>12,}"
            lines.append("  ".join([line, ", ".join(layer.spec.remarks)]).rstrip())
        lines.append(
            f"{self.n_parameters:,} parameters, {self.dtype}; loss {self.loss}; {self.optimizer}"
        )
        return "\n".join(lines)

    def __repr__(self) -> str:
        sizes = "-".join(str(n) for n in (self.n_inputs, *(layer.units for layer in self.layers)))
        how = f"loss={self.loss!r}, optimizer={self.optimizer!r}, dtype={str(self.dtype)!r}"
        return f"Network({sizes}, {how})"

    def _mixes_samples(self):
        """Whether a sample's outputs in training depend on the samples beside it."""
        norms = [spec.norm_function for spec in self._specs]
        return any(norm is not None and norm.is_over_samples for norm in norms)

    def _transform(self):
        """Offset and scale as the core takes them: both or neither."""
        if self.input_offset is None and self.input_scale is None:
            return None, None
        offset = np.zeros(self.n_inputs) if self.input_offset is None else self.input_offset
        scale = np.ones(self.n_inputs) if self.input_scale is None else self.input_scale
        return offset, scale

    def _check_samples(self, X, y, sample_weight, prefix=""):
        return check_samples(self, X, y, sample_weight, prefix)
