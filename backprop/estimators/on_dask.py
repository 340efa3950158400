"""The estimators on dask collections: `DaskMLPClassifier` and `DaskMLPRegressor`.

(a) The network is the one that `MLPClassifier` or `MLPRegressor` would build, by the same code;
    `backprop.dask` trains it, and the order of the rows is the network's.
(b) When to stop, and the rate of the next epoch, follow from the losses so far. All ranks have the
    same losses, so each works that out for itself, as does the client when the fit is over.
(c) What is fitted has everything that the estimators of arrays have, and predicts as they do.
"""

import copy
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from types import SimpleNamespace

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from backprop.callbacks import Callback
from backprop.estimators.asked import ends_with_fit
from backprop.estimators.callers import warn
from backprop.estimators.classifier import MLPClassifier, has_probabilities
from backprop.estimators.numerics import divisor
from backprop.estimators.parameters import ANY, number, parameter
from backprop.estimators.regressor import MLPRegressor
from backprop.estimators.training import Rates
from backprop.sharding import MOST_SHARDS, refuse_what_mixes

try:
    import dask
    import dask.dataframe
    import distributed
except ImportError as error:
    raise ImportError(
        "DaskMLPClassifier and DaskMLPRegressor need dask, distributed and scikit-learn: "
        "pip install 'backprop-mlp[dask,sklearn]'"
    ) from error

from backprop.dask import client_of, fit_blocks, workers_for
from backprop.estimators import dask_rows

SHARDS = 8

# {parameter: what is expected of it here}
NOT_HERE = {
    "early_stopping": "False, since no rows are held out: tol and n_iter_no_change go by the loss",
    "warm_start": "False: bp.dask.fit goes on with a network",
    "preprocess": "None, and columns of numbers",
    "preset": "None",
    "scoring": "None, since no rows are held out",
    "calibrate": "False, since no rows are held out",
}
BEGINS = """{kind} on dask collections, trained by the workers of a cluster.

    A subclass of `{kind}`, with all of its parameters but those that are refused. Initial weights
    are drawn from ``random_state`` as there; so is the seed of the network, by which rows are
    shuffled. The same ``random_state``, data and ``shards`` give the same bits, however many
    workers there are and however the rows are partitioned.
"""
DOCUMENTATION = (
    BEGINS
    + """
    Parameters
    ----------
    shards : int, default 8
        Parts of each batch, from 1 to 256, whose gradients are added along a fixed tree. Another
        number gives other roundings. As many workers train as this allows: ``shards``, or a half,
        a quarter of them and so on.
    client : distributed.Client, optional
        By default the one that is in use. It is neither pickled nor copied; a clone has the same.

    Attributes
    ----------
    loss_, loss_curve_, best_loss_
        Means over all samples of an epoch, without the penalty of ``alpha``, and of "poisson"
        without the term that depends on y alone.

    Notes
    -----
    Refused: ``early_stopping``, ``scoring`` and ``calibrate``, which need rows that are held out;
    ``warm_start`` and ``partial_fit``; ``preprocess`` and ``preset``; ``solver="lbfgs"``; a norm
    over the batch; ``accumulate``; ``verbose="bar"``; sparse X.
    """
)


def has_no_steps(model):
    """AttributeError: there is no ``partial_fit``."""
    raise AttributeError(f"{type(model).__name__} has no partial_fit: expected fit")


@dataclass(eq=False, repr=False)
class OnDask:
    """What both are, but for labels and numbers."""

    shards: object = parameter(SHARDS, number(Integral, 1, MOST_SHARDS, "both"))
    client: object = parameter(None, ANY)

    def fit(self, X, y, sample_weight=None):
        """Fit the model to X and y by the cluster's workers.

        Parameters
        ----------
        X : dask array or DataFrame of shape (n_samples, n_features)
            Numbers. Or an array or a pandas DataFrame, if all three are in memory: its rows are
            then sent to the workers.
        y : dask array, Series or DataFrame of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, or numbers, in X's partitions; or the name of a column of X, or several.
        sample_weight : dask array or Series of shape (n_samples,), optional
            At least 0, and some above, in X's partitions; or the name of a column.

        Returns
        -------
        self : object
            Fitted. A fit that ends in an error, or by Ctrl-C, leaves the model as it was.

        Raises
        ------
        ValueError, TypeError
            For what is not here, before anything is computed; for data that do not fit.
        """
        self._refuse()
        return self._fit(*dask_rows.parted(X, y, sample_weight))

    @available_if(has_no_steps)
    def partial_fit(self):
        """There is none."""

    def predict(self, X):
        """As for arrays; of a dask collection a dask array, which nothing computes yet."""
        return self._blockwise("predict", X)

    def score(self, X, y, sample_weight=None):
        """As for arrays; of dask collections, predictions and y are gathered here.

        Returns
        -------
        float
        """
        if not dask_rows.is_lazy(X, y, sample_weight):
            return super().score(X, y, sample_weight)
        given = [as_array(one) for one in (y, self.predict(X), sample_weight)]
        if self.client is None:
            y, found, weights = dask.compute(*given)
        else:
            y, found, weights = self.client.gather(self.client.compute(given))
        return float(self._measure(y, found, sample_weight=weights))

    # ---- fitting ----

    def _refuse(self):
        """ValueError for what is not here."""
        kind = type(self).__name__
        for name, expected in NOT_HERE.items():
            if value := getattr(self, name, None):
                raise ValueError(f"{name}={value!r} of {kind}: expected {expected}")
        if self._minimizes():
            raise ValueError(f"solver={self.solver!r} of {kind}: expected one that takes steps")
        if isinstance(self.verbose, str):
            raise ValueError(f"verbose={self.verbose!r} of {kind}: expected True or False")

    def _fit_checked(self, X, y, incremental):
        sizes = self._sizes()
        self._refuse_what_mixes(sizes)
        self.preprocessing_ = None
        self._learn_scale(None)
        dask_rows.learn_columns(self, X)
        client = client_of(self.client)
        pieces, found = self._pieces(client, X, y)
        dtype = np.result_type(*(one.dtype for one in found))
        self._train(self._begin([self.n_features_in_, *sizes], dtype), client, pieces, found)
        self._check_parameters()

    def _refuse_what_mixes(self, sizes):
        """Of layers and optimizer, before there are any."""
        accumulate = max(self.accumulate, getattr(self.solver, "accumulate", 1))
        refuse_what_mixes(
            SimpleNamespace(
                matmul="auto",
                optimizer=SimpleNamespace(minimizes=False, accumulate=accumulate),
                layers=[SimpleNamespace(spec=spec) for spec in self._layers([*sizes, 1])],
            ),
            f"shards={self.shards}",
        )

    def _pieces(self, client, X, y):
        """([X, y, weights] in futures of blocks, what is `Found` of each); classes are learned."""
        given = self._fitting.sample_weight
        tasks = dask_rows.placed(client, workers_for(client, self.shards), X, y, given)
        blocks = dask_rows.on_workers(client, partial(dask_rows.checked, self._bare()), tasks)
        found = client.gather(mapped(client, dask_rows.part, blocks, 1))
        blocks = [block for block, one in zip(blocks, found, strict=True) if one.n_rows]
        found = [one for one in found if one.n_rows]
        if not found:
            raise ValueError("X has no rows: expected at least one")
        if len(columns := {one.n_columns for one in found}) > 1:
            raise ValueError(f"y has partitions of {sorted(columns)} columns: expected the same")
        if given is not None and not any(one.has_weight for one in found):
            raise ValueError("Sample weights must contain at least one non-zero number.")
        encoding = self._encoding(found)
        blocks = mapped(client, dask_rows.part, blocks, 0)
        blocks = mapped(client, dask_rows.encoded, blocks, encoding)
        pieces = [mapped(client, dask_rows.part, blocks, i) for i in range(3)]
        if given is None and encoding.class_weights is None:
            pieces[2] = None
        return pieces, found

    def _train(self, engine, client, pieces, found):
        n_rows = sum(one.n_rows for one in found)
        batch_size, epochs = self._batch(n_rows), int(self.max_iter)
        if self.batch_size != "auto" and self.batch_size > n_rows:
            warn(f"batch_size={self.batch_size} is more than the {n_rows} rows, which it now is")
        self._start_comparing(engine)
        self.n_iter_, self.loss_curve_ = 0, []
        planned = epochs, -(-n_rows // batch_size)
        self._rates = Rates.of(self._bare(), engine.key.dtype, planned)  # which keeps no client
        engine.optimizer = self._rates.with_penalty(self.alpha)
        scale = divisor(engine.key.loss, self.n_outputs_)
        try:
            history = fit_blocks(
                engine.network,
                pieces,
                shards=int(self.shards),
                client=client,
                epochs=epochs,
                batch_size=batch_size,
                shuffle=bool(self.shuffle),
                callbacks=self._callbacks(n_rows, scale),
                max_seconds=self.max_seconds,
            )
        except FloatingPointError as error:
            raise ValueError(f"Solver produced a non-finite loss: {error}") from error
        ends = [self._count_epoch(loss, n_rows, scale) for loss in history.loss][-1]
        engine.optimizer = self._rates.optimizer  # at its last rate
        engine.average()
        if ends:
            return
        if history.stopped is not None:
            self._warn_of(f"max_seconds ({self.max_seconds:g})")
        elif not ends_with_fit(self.schedule):
            self._warn_of(f"Maximum iterations ({epochs})")

    def _callbacks(self, n_rows, scale):
        counted = "n_iter_", "t_", "best_loss_", "_no_improvement_count"
        counted = {name: getattr(self, name) for name in counted}
        rates = copy.deepcopy(self._rates)
        model = self._bare(verbose=False, loss_curve_=[], _rates=rates, **counted)
        reporting = [Reporting(scale)] if self.verbose else []
        return [Counting(model, n_rows, scale), *reporting]

    def _count_epoch(self, loss, n_rows, scale):
        """Whether training ends after it; sets the rate of the next."""
        self.loss_ = np.float64(loss / scale)
        self.n_iter_ += 1
        self.t_ += n_rows
        self.loss_curve_.append(self.loss_)
        self._count_improvements(None, None, None, None)
        self._rates.end_epoch(self.t_)
        return self._has_stalled()

    def _draw_own(self, dtype):
        super()._draw_own(dtype)
        if not hasattr(self, "_seed"):  # by which rows are shuffled
            self._seed = int(self._random_state.randint(2**31))

    # ---- using ----

    def _blockwise(self, method, X):
        """What a method gives of X: of a dask collection, a dask array of what it gives of each."""
        if not dask_rows.is_lazy(X):
            return getattr(super(), method)(X)
        check_is_fitted(self)
        model = copy.copy(self)  # whose weights a later fit of this one leaves
        model.client = None
        return dask_rows.blockwise(model, method, X)

    # ---- copies ----

    def _bare(self, **attributes):
        """One that has these parameters, but no client, and these attributes."""
        new = object.__new__(type(self))
        vars(new).update(self.get_params(deep=False) | {"client": None} | attributes)
        return new

    def __sklearn_clone__(self):
        own = {k: v for k, v in vars(self).items() if k == "_metadata_request"}
        new = BaseEstimator.__sklearn_clone__(self._bare(**own))
        new.client = self.client
        return new

    def __deepcopy__(self, memo):
        memo[id(self.client)] = self.client  # there is no copy of a connection
        new = object.__new__(type(self))
        new.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        new.client = self.client
        return new

    def __getstate__(self):
        return {**super().__getstate__(), "client": None}


def as_array(given):
    """Of a dask frame or Series an array, which dask computes with others in one go."""
    if not hasattr(given, "to_dask_array"):
        return given
    return given.map_partitions(np.asarray, meta=np.asarray(given._meta))


def mapped(client, function, futures, argument):
    """Futures of ``function(result, argument)``."""
    return client.map(function, futures, [argument] * len(futures), pure=False)


class Counting(Callback):
    """Ends training where the estimator would, and sets its rates; on every rank alike."""

    def __init__(self, model, n_rows, scale):
        self.model, self.n_rows, self.scale = model, n_rows, scale

    def on_epoch_end(self, epoch, logs):
        """Whether there was no improvement for long."""
        ends = self.model._count_epoch(logs["loss"], self.n_rows, self.scale)
        if self.network.optimizer != self.model._rates.optimizer:
            self.network.optimizer = self.model._rates.optimizer
        return ends


class Reporting(Callback):
    """Prints each epoch's loss where the client is."""

    only_writes = True

    def __init__(self, scale):
        self.scale = scale

    def on_epoch_end(self, epoch, logs):
        """Of the first rank."""
        distributed.print(f"Iteration {epoch + 1}, loss = {logs['loss'] / self.scale:.8f}")


@dataclass(eq=False, repr=False)
class DaskMLPClassifier(OnDask, MLPClassifier):
    __doc__ = DOCUMENTATION.format(kind="MLPClassifier")

    _measure = staticmethod(accuracy_score)

    @available_if(has_probabilities)
    def predict_proba(self, X):
        """As for arrays; of a dask collection a dask array, which nothing computes yet."""
        return self._blockwise("predict_proba", X)

    @available_if(has_probabilities)
    def predict_log_proba(self, X):
        """The logarithm of `predict_proba`."""
        return self._blockwise("predict_log_proba", X)

    def _refuse(self):
        super()._refuse()
        if isinstance(self.class_weight, list):
            raise ValueError(f"class_weight={self.class_weight!r}: expected a dict, or 'balanced'")

    def _encoding(self, found):
        """Of labels, the classes of which are put together."""
        if found[0].labels is None:  # several labels a row: 0 or 1 each
            seen, counts = np.repeat([[0], [1]], found[0].n_columns, axis=1), None
        else:
            seen = np.concatenate([one.labels for one in found])
            counts = np.concatenate([one.counts for one in found])
            seen, places = np.unique(seen, return_inverse=True)
            counts = np.bincount(places.ravel(), weights=counts)
        self.n_outputs_ = self._encoded(seen, False).shape[1]
        return dask_rows.Encoding(
            np.result_type(*(one.dtype for one in found)),
            self._binarizer(),
            self._loss().target.is_class and counts is not None,
            self._weights_of_classes(counts),
        )

    def _weights_of_classes(self, counts):
        """One for each class, or None."""
        given = self.class_weight
        if given is None:
            return None
        if counts is None:
            raise ValueError(f"class_weight={given!r}: expected one label a row, and y has several")
        if isinstance(given, str):
            return counts.sum() / (len(counts) * counts)
        weights = compute_class_weight(given, classes=self.classes_, y=self.classes_)
        if not (weights.min() >= 0 and np.isfinite(weights).all() and weights.any()):
            raise ValueError(
                f"class_weight={given!r}: expected finite weights of at least 0, not all of them 0"
            )
        return weights


@dataclass(eq=False, repr=False)
class DaskMLPRegressor(OnDask, MLPRegressor):
    __doc__ = DOCUMENTATION.format(kind="MLPRegressor")

    _measure = staticmethod(r2_score)

    def predict_all(self, X):
        """As for arrays; of a dask collection a dask array, which nothing computes yet."""
        return self._blockwise("predict_all", X)

    def _encoding(self, found):
        """Of numbers, which are trained on as they are."""
        self.n_outputs_ = found[0].n_columns
        return dask_rows.Encoding(np.result_type(*(one.dtype for one in found)))
