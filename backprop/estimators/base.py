"""What the two estimators have in common: fitting, predicting, and the arrays that both show."""

import copy
from dataclasses import replace
from itertools import chain, pairwise

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from backprop.catalogue.activations import Activation
from backprop.catalogue.optimizers import SGD
from backprop.estimators import convert
from backprop.estimators.direct import Direct
from backprop.estimators.engine import Key, make_engine
from backprop.estimators.inputs import Fitting, Inputs, as_row, plain
from backprop.estimators.numerics import ACTIVATIONS, behind, link_of, trained_loss
from backprop.estimators.parameters import OF_LAYERS, Parameters, check_options, check_parameters
from backprop.estimators.rows import in_memory
from backprop.estimators.stopping import Stopping
from backprop.estimators.training import Training
from backprop.layers import Dense

SLOPED = 0.25  # the largest slope from which down Glorot's bound is a smaller one


def check_solver(model):
    """Whether there is a ``partial_fit``."""
    if model._minimizes():
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. "
            f"{model.solver} is not stochastic."
        )
    return True


class CoreEstimator(Parameters, Training, Stopping, Inputs, Direct, BaseEstimator):
    """What both are, but for labels and numbers."""

    def fit(self, X, y=None, sample_weight=None, *, eval_set=None):
        """Fit the model to X and y.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            CSR and CSC are never made dense. Also a Parquet or CSV file or a folder of them, and
            what pyarrow, dask or ``backprop.sources`` have, all of which is read into memory.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, or numbers. Of a file, or where all columns stand in X, the name of the
            target, or several.
        sample_weight : array-like of shape (n_samples,), optional
            At least 0, and some above; or the name of a column, as y.
        eval_set : tuple (X, y) or (X, y, sample_weight), optional
            For ``early_stopping``, instead of a part of X: then all of X is trained on.

        Returns
        -------
        self : object
            Fitted. A fit that ends in an error leaves the model as it was, but with ``warm_start``
            what it had trained by then.
        """
        return self._fit(*in_memory(X, y, sample_weight), eval_set)

    def _fit(self, X, y, sample_weight, eval_set=None, incremental=False, classes=None):
        before = vars(self).copy()
        try:
            if not (incremental and hasattr(self, "coefs_")):
                check_parameters(self)
            check_options(self, incremental, eval_set is not None)
            self._fitting = Fitting(sample_weight, eval_set)
            if incremental:
                self._learn_classes(y, classes)
            self._fit_checked(X, y, incremental)
        except BaseException:  # Ctrl-C too, but where epochs make a warning of it
            vars(self).clear()
            vars(self).update(before)
            raise
        del self._fitting
        self._see()
        return self

    def _fit_checked(self, X, y, incremental):
        sizes = self._sizes()
        is_first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        X, y = self._validate_input(X, y, incremental, reset=is_first)
        y = y.reshape(len(y), -1)
        X = X.tocsr() if issparse(X) else X
        engine = self._begin([X.shape[1], *sizes], X.dtype, is_first, issparse(X))
        if not engine.key.loss.scikit_learn:  # what the core takes of y, such as a column twice
            loss = engine.key.loss
            y = loss.target.check("y", y, self.coefs_[-1].shape[1], loss.name)
        if self._minimizes():
            self._fit_lbfgs(engine, X, y)
        else:
            self._fit_stochastic(engine, X, y, incremental)
        self._check_parameters()

    def _sizes(self):
        """Of the hidden layers."""
        sizes = np.atleast_1d(self.asked.hidden_layer_sizes).tolist()
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return sizes

    def _begin(self, units, dtype, is_first=True, is_sparse=False):
        """The engine to train; `units`: those of the inputs and of the hidden layers."""
        self._random_state = check_random_state(self.random_state)
        if is_first:
            self._initialize([*units, self._loss().n_units(self.n_outputs_)], dtype)
        self._complete()
        return self._engine_of(is_sparse)

    def _check_parameters(self):
        """ValueError after a fit that has made some that are not finite."""
        if not all(np.isfinite(array).all() for array in chain(self.coefs_, self.intercepts_)):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )

    def _learn_classes(self, y, classes):
        """A regressor has none."""

    def _minimizes(self):
        """Also where nothing has checked the solver yet, as ``hasattr(model, "partial_fit")``."""
        return self.solver == "lbfgs" or getattr(self.solver, "minimizes", False)

    # ---- parameters of the network ----

    def _initialize(self, units, dtype):
        """Parameters and counts of a first fit; numbers are drawn as scikit-learn draws them."""
        self.coefs_, self.intercepts_ = [], []
        functions = self._functions(len(units) - 2)
        # as in scikit-learn, whose one activation is that of the last bound too
        functions += (self._functions(1) or [ACTIVATIONS["identity"]])[-1:]
        for (n_in, n_out), function in zip(pairwise(units), functions, strict=True):
            is_flat = function.largest_slope is not None and function.largest_slope <= SLOPED
            bound = np.sqrt((2.0 if is_flat else 6.0) / (n_in + n_out))
            drawn = [self._random_state.uniform(-bound, bound, s) for s in ((n_in, n_out), n_out)]
            for array, kept in zip(drawn, (self.coefs_, self.intercepts_), strict=True):
                kept.append(array.astype(dtype, copy=False))
        self.t_ = 0
        # somebody may hold the weights of the fit before; the rest is of that fit
        for name in ("_engine", "_measured", "_seed", "out_activation_", "loss_curve_"):
            vars(self).pop(name, None)
        self._draw_own(dtype)

    def _draw_own(self, dtype):
        """What the core draws: weights by a scheme of the catalogue, and in training what drops."""
        specs = self._layers([w.shape[1] for w in self.coefs_])
        plain = [Dense(spec.units, spec.function) for spec in specs]
        if specs == plain and not self.input_dropout:
            return
        self._seed = int(self._random_state.randint(2**31))
        drawn = make_engine(self._key(False), 1, self._seed)
        for i, spec in enumerate(specs):
            if spec.weights is not None:
                self.coefs_[i] = drawn.arrays[i][0].astype(dtype)
            if not spec.use_bias:
                self.intercepts_[i] = np.zeros(spec.units, dtype)

    def _complete(self):
        """Counts that a model lacks which was made by hand, or not trained by epochs."""
        self.n_layers_ = len(self.coefs_) + 1
        vars(self).setdefault("out_activation_", behind(self._loss()))
        vars(self).setdefault("n_outputs_", self.coefs_[-1].shape[1])
        vars(self).setdefault("t_", 0)

    def _functions(self, n_hidden):
        """Each hidden layer's activation in the catalogue."""
        given = self.asked.activation
        several = [given] * n_hidden if isinstance(given, str | Activation) else list(given)
        return [ACTIVATIONS[one] if isinstance(one, str) else one for one in several]

    def _layers(self, units):
        """As `Network` takes them; the last is the identity, behind which stands the loss."""
        n_hidden, options, asked = len(units) - 1, [{} for _ in units[1:]], self.asked
        for name in OF_LAYERS:
            value = getattr(asked, name)
            each = value if isinstance(value, tuple | list) else [value] * n_hidden
            if len(each) != n_hidden:
                raise ValueError(
                    f"{name}={value!r}: expected one for each of the {n_hidden} hidden layers"
                )
            for own, one in zip(options, each, strict=True):
                own[name] = one
        functions = self._functions(n_hidden)
        if len(functions) != n_hidden:
            raise ValueError(
                f"activation={self.asked.activation!r}: expected one for each of the {n_hidden} "
                "hidden layers of coefs_"
            )
        hidden = zip(units[:-1], functions, options, strict=True)
        hidden = [Dense(n, function, **own) for n, function, own in hidden]
        rate = asked.learning_rate_factor
        by_width = {"learning_rate_factor": rate} if isinstance(rate, str) else {}
        return [*hidden, Dense(units[-1], **by_width)]

    def _key(self, is_sparse):
        """What today's parameters and coefs_ ask of an engine."""
        units = [w.shape[1] for w in self.coefs_]
        is_single = all(w.dtype == np.float32 for w in self.coefs_)
        dtype = np.dtype(np.float32 if is_single else np.float64)
        out, loss = getattr(self, "out_activation_", None), self._loss()
        loss = loss if out is None else trained_loss(loss, out, units[-1])
        layers = tuple(self._layers(units))
        return Key(is_sparse, len(self.coefs_[0]), layers, loss, dtype, self.input_dropout)

    def _engine_of(self, is_sparse):
        """The engine for a fit; coefs_ and intercepts_ become views of its parameters."""
        engine, key = getattr(self, "_engine", None), self._key(is_sparse)
        if self._minimizes():
            key = key._replace(dtype=np.dtype(np.float64))  # which a line search needs
        if engine is None or engine.key != key or engine.n_threads != self.n_threads:
            engine = self._replace_engine(key)
        self._load(engine)
        self._show(engine)
        return engine

    def _replace_engine(self, key):
        old, new = getattr(self, "_engine", None), self._made(key)
        if old is not None and [w.shape for w, _ in old.arrays] == [w.shape for w, _ in new.arrays]:
            new.go_on_from(old)
        self._engine = new
        return new

    def _made(self, key):
        return make_engine(key, self.n_threads, getattr(self, "_seed", 0))

    def _prediction_engine(self):
        """The engine with today's coefs_, whatever has been assigned to them."""
        engine = getattr(self, "_engine", None)
        key = self._key(engine is not None and engine.key.is_sparse)
        if engine is None or engine.key != key:
            engine = self._replace_engine(key)
        self._load(engine)
        return engine

    def _show(self, engine):
        self.coefs_, self.intercepts_ = map(list, zip(*engine.arrays, strict=True))

    def _load(self, engine):
        """Parameters that somebody has replaced; those that are the engine's own are there."""
        given = zip(self.coefs_, self.intercepts_, strict=True)
        own = chain.from_iterable(engine.arrays)
        if any(one is not its for one, its in zip(own, chain.from_iterable(given), strict=True)):
            engine.load(self.coefs_, self.intercepts_)

    # ---- using ----

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coefs_")

    def _outputs(self, X):
        """What stands behind the last layer, of X as people give it."""
        found = self._direct_outputs(X)
        if found is None:
            check_is_fitted(self)
            found = self._outputs_of(self._inputs(X, accept_sparse=["csr", "csc"]))
            self._see()
        return found

    def _outputs_of(self, X):
        """The same of X as the network takes it."""
        engine, dtype = self._prediction_engine(), X.dtype
        outputs = self._linked(engine, plain(X))
        return outputs.astype(np.result_type(dtype, engine.key.dtype), copy=False)

    def _linked(self, engine, X):
        out = getattr(self, "out_activation_", None)
        if out is None or out == behind(engine.key.loss):
            return engine.predict(X)
        return link_of(out)(engine.predict(X, logits=True))

    def _own_engine(self, **options):
        """A dense one with these parameters for one caller, who may do with it what it likes."""
        key, engine = self._key(is_sparse=False), self._prediction_engine()
        hidden = (replace(spec, **options) for spec in key.layers[:-1])
        own = self._made(key._replace(layers=(*hidden, key.layers[-1])))
        own.restore(engine.parameters())
        return own

    def input_gradients(self, X):
        """The outputs' derivatives by the inputs.

        Of the probabilities (as `predict_proba` has them but for two classes: of the second), or of
        the predicted numbers.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Sparse rows are made dense: at most 2²⁴ numbers, or one row.

        Returns
        -------
        array of shape (n_samples, n_features), or (n_samples, n_outputs, n_features)
            ∂output / ∂input; with preprocessing, by the columns that it makes.
        """
        check_is_fitted(self)
        X = self._dense_inputs(X)
        network = self._own_engine(dropout=0.0, noise=0.0).network
        if any(layer.spec.gathered for layer in network.layers):
            raise ValueError("input_gradients: expected no norm over the samples of a batch")
        loss = network.loss_function
        outputs = loss.link(network.forward(X))
        found = np.empty((X.shape[0], network.n_outputs, X.shape[1]), network.dtype)
        for k in range(network.n_outputs):
            found[:, k] = network.backward(loss.link_derivative(outputs, k))
        return found[:, 0] if network.n_outputs == 1 else found

    def explain(self, X, y):
        """The chain rule on these samples, factor by factor: a `backprop.explain.Trace`.

        The model is left as it is. lbfgs has no step to show: the trace's is one of gradient
        descent with ``learning_rate_init`` and ``alpha``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Or one sample, (n_features,) and its y. Sparse rows are made dense: at most 2²⁴ numbers,
            or one row.
        y : array-like
            Labels or numbers, as for ``fit``.

        Raises
        ------
        ValueError
            For a label that training did not have.
        """
        from backprop.explain import trace

        check_is_fitted(self)
        if np.ndim(X) == 1:
            X = as_row(X)
            y = np.asarray(y)[None]
        names = getattr(self, "feature_names_in_", None)
        if self._prepares():
            names = self.preprocessing_.input_names()
        X = self._dense_inputs(X)
        y = self._targets(self._checked_targets(y, X.shape[0])).astype(np.float64)
        engine = self._own_engine()
        if self._minimizes() or not hasattr(self, "_rates"):
            engine.optimizer = SGD(float(self.asked.learning_rate_init), l2=float(self.asked.alpha))
        else:
            engine.go_on_from(self._engine)
            engine.optimizer = self._rates.with_penalty(self.asked.alpha)
        labels = getattr(self, "classes_", ())
        labels = labels if len(labels) == self.n_outputs_ else None
        return trace.explain(
            engine.network, X, y, None, names, labels, target_scale=self._target_unit()
        )

    def _target_unit(self):
        """(mean, standard deviation) that a standardised number stands for, or None."""
        return None

    # ---- elsewhere ----

    def to_sklearn(self):
        """scikit-learn's own estimator with these weights and moments, whose predictions are equal.

        Raises
        ------
        ValueError
            Where scikit-learn has no such thing: different activations, preprocessing.
        """
        return convert.to_sklearn(self)

    def onnx_shape_calculator(self):
        """What ``skl2onnx.to_onnx`` asks for: it converts what `to_sklearn` can."""
        return convert.as_sklearns

    def __copy__(self):
        new = type(self).__new__(type(self))
        vars(new).update(vars(self))
        if "_engine" in vars(self):
            self._prediction_engine()
            new._engine = copy.deepcopy(self._engine)
            new._show(new._engine)
        return new

    def __getstate__(self):
        spared = {"_fitting"}  # of a fit that is under way, whose scorer pickles
        if "_engine" in vars(self):  # has the parameters, and the moments too
            self._prediction_engine()
            spared |= {"coefs_", "intercepts_"}
        return {k: v for k, v in super().__getstate__().items() if k not in spared}

    def __setstate__(self, state):
        super().__setstate__(state)
        if "_engine" in vars(self):
            self._show(self._engine)
        convert.adopt(self)
