"""Where scikit-learn's arithmetic was, the core: what the two estimators have in common.

They are scikit-learn's own classes, so that parameters, checks, attributes, labels and warnings are
theirs; overridden is what reckons: `_fit_stochastic`, `_backprop` (for lbfgs) and
`_forward_pass_fast`. These are private names: their signatures are looked at when this module is
imported, so that another version of scikit-learn is refused and not misunderstood.
"""

import copy
import inspect

import numpy as np
from scipy.sparse import issparse
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron
from sklearn.utils.validation import check_is_fitted

from backprop.catalogue.optimizers import SGD
from backprop.estimators import convert
from backprop.estimators.blas import blas_threads
from backprop.estimators.engine import Key, make_engine
from backprop.estimators.inputs import Fitting, Inputs, as_row, plain
from backprop.estimators.numerics import OUTPUTS, sparse_outputs
from backprop.estimators.parameters import check_options
from backprop.estimators.stopping import Stopping
from backprop.estimators.training import Training

EXPECTED = {  # what is called and overridden, and its parameters
    "_fit_stochastic": "self X y sample_weight activations deltas coef_grads intercept_grads "
    "layer_units incremental",
    "_backprop": "self X y sample_weight activations deltas coef_grads intercept_grads",
    "_forward_pass_fast": "self X check_input",
    "_update_no_improvement_count": "self early_stopping X y sample_weight",
    "_initialize": "self y layer_units dtype",
    "_init_coef": "self fan_in fan_out dtype",
    "_fit": "self X y sample_weight incremental",
    "_fit_lbfgs": "self X y sample_weight activations deltas coef_grads intercept_grads "
    "layer_units",
}
for _name, _parameters in EXPECTED.items():
    _found = getattr(BaseMultilayerPerceptron, _name, None)
    if _found is None or " ".join(inspect.signature(_found).parameters) != _parameters:
        raise ImportError(
            f"this version of scikit-learn has another BaseMultilayerPerceptron.{_name} than 1.9, "
            "for which backprop's estimators are made: pip install 'scikit-learn>=1.9,<1.10'"
        )


class CoreEstimator(Training, Stopping, Inputs):
    """What comes before scikit-learn's class in the order of the two estimators' bases."""

    _eval_set = None

    def fit(self, X, y, sample_weight=None, *, eval_set=None):
        """Fit the model to X and y.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            CSR and CSC are never made dense.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, or numbers.
        sample_weight : array-like of shape (n_samples,), optional
            At least 0, and some above.
        eval_set : tuple (X, y) or (X, y, sample_weight), optional
            For ``early_stopping``, instead of a part of X: then all of X is trained on.

        Returns
        -------
        self : object
            Fitted. A fit that ends in an error leaves the model as it was, but with ``warm_start``
            what it had trained by then.
        """
        self._eval_set = eval_set
        try:
            return super().fit(X, y, sample_weight)
        finally:
            del self._eval_set

    def _fit(self, X, y, sample_weight=None, incremental=False):
        check_options(self, incremental, self._eval_set is not None)
        before = vars(self).copy()
        self._fitting = Fitting(sample_weight, self._eval_set)
        try:
            super()._fit(X, y, sample_weight, incremental)
        except BaseException:  # Ctrl-C too, but where epochs make a warning of it
            vars(self).clear()
            vars(self).update(before)
            raise
        del self._fitting
        self._engine_of(self._fitted_sparse)  # lbfgs leaves its own arrays
        return self

    # ---- parameters of the network ----

    def _initialize(self, y, layer_units, dtype):
        super()._initialize(y, layer_units, dtype)
        vars(self).pop("_engine", None)  # somebody may hold the weights of the fit before
        vars(self).pop("_measured", None)

    def _init_coef(self, fan_in, fan_out, dtype):
        """scikit-learn's, whose bound depends on the activation, by the layer's own."""
        names = [self.activation] if isinstance(self.activation, str) else self.activation
        name = names[min(len(self.coefs_), len(names) - 1)] if len(names) else None
        given, self.activation = self.activation, name
        try:
            return super()._init_coef(fan_in, fan_out, dtype)
        finally:
            self.activation = given

    def _key(self, is_sparse):
        """What today's parameters and coefs_ ask of an engine."""
        sizes = (len(self.coefs_[0]), *(w.shape[1] for w in self.coefs_))
        activations = self.activation
        if isinstance(activations, str):
            activations = (activations,) * (len(sizes) - 2)
        if len(activations) != len(sizes) - 2:
            raise ValueError(
                f"activation={activations!r}: expected one for each of the {len(sizes) - 2} hidden "
                "layers of coefs_"
            )
        is_single = all(w.dtype == np.float32 for w in self.coefs_)
        dtype = np.dtype(np.float32 if is_single else np.float64)
        return Key(is_sparse, sizes, tuple(activations), self.out_activation_, dtype)

    def _engine_of(self, is_sparse):
        """The engine for a fit; coefs_ and intercepts_ become views of its parameters."""
        engine, key = getattr(self, "_engine", None), self._key(is_sparse)
        if engine is None or engine.key != key or engine.n_threads != self.n_threads:
            engine = self._replace_engine(key)
        self._load(engine)
        self._show(engine)
        return engine

    def _replace_engine(self, key):
        old, new = getattr(self, "_engine", None), make_engine(key, self.n_threads)
        if old is not None and old.key.sizes == key.sizes:
            new.go_on_from(old)
        self._engine = new
        return new

    def _prediction_engine(self):
        """The engine with today's coefs_, whatever has been assigned to them."""
        engine, key = self._engine, self._key(self._engine.key.is_sparse)
        if engine.key != key:
            engine = self._replace_engine(key)
        self._load(engine)
        return engine

    def _show(self, engine):
        self.coefs_ = [layer.weights for layer in engine.layers]
        self.intercepts_ = [layer.bias for layer in engine.layers]

    def _load(self, engine):
        """Parameters that somebody has replaced; those that are the engine's own are there."""
        own = [array for layer in engine.layers for array in (layer.weights, layer.bias)]
        pairs = zip(self.coefs_, self.intercepts_, strict=True)
        given = [array for pair in pairs for array in pair]
        if any(mine is not its for mine, its in zip(own, given, strict=True)):
            engine.load(self.coefs_, self.intercepts_)

    # ---- using ----

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coefs_")

    def _forward_pass_fast(self, X, check_input=True):
        if check_input:
            X = self._inputs(X, accept_sparse=["csr", "csc"])
        engine, dtype = self._prediction_engine(), X.dtype
        X = plain(X)
        if issparse(X) and not engine.key.is_sparse:
            with blas_threads(self.n_threads):
                outputs = sparse_outputs(X, self.coefs_, self.intercepts_, *engine.key[2:4])
        else:
            outputs = engine.outputs(X)
        return outputs.astype(np.result_type(dtype, engine.key.dtype), copy=False)

    def _own_engine(self):
        """A dense one with these parameters for one caller, who may do with it what it likes."""
        own = make_engine(self._key(is_sparse=False), self.n_threads)
        own.load(self.coefs_, self.intercepts_)
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
        network, output = self._own_engine().network, OUTPUTS[self.out_activation_]
        outputs = output.f(network.forward(X))
        found = np.empty((X.shape[0], self.n_outputs_, X.shape[1]), network.dtype)
        for k in range(self.n_outputs_):
            found[:, k] = network.backward(output.d(outputs, k))
        return found[:, 0] if self.n_outputs_ == 1 else found

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
            For a label that training did not have, and for the Poisson loss.
        """
        check_is_fitted(self)
        if OUTPUTS[self.out_activation_].core_loss is None:
            raise ValueError("explain has no Poisson loss")
        if np.ndim(X) == 1:
            X = as_row(X)
            y = np.asarray(y)[None]
        names = getattr(self, "feature_names_in_", None)
        if self.preprocessing_ is not None:
            names = self.preprocessing_.input_names()
        X = self._dense_inputs(X)
        y = self._targets(self._checked_targets(y, X.shape[0])).astype(np.float64)
        engine = self._own_engine()
        if self.solver == "lbfgs" or not hasattr(self, "_optimizer"):
            engine.optimizer = SGD(float(self.learning_rate_init), l2=float(self.alpha))
        else:
            engine.go_on_from(self._engine)
            engine.optimizer = self._core_optimizer()
        labels = getattr(self, "classes_", ())
        labels = labels if len(labels) == self.n_outputs_ else None
        return engine.network.explain(X, y, input_names=names, output_names=labels)

    # ---- elsewhere ----

    def to_sklearn(self):
        """scikit-learn's own estimator with these weights and moments, whose predictions are equal.

        Raises
        ------
        ValueError
            Where scikit-learn has no such thing: different activations, preprocessing.
        """
        return convert.to_sklearn(self)

    def __copy__(self):
        new = type(self).__new__(type(self))
        vars(new).update(vars(self))
        if "_engine" in vars(self):
            self._prediction_engine()
            new._engine = copy.deepcopy(self._engine)
            new._show(new._engine)
        return new

    def __getstate__(self):
        spared = {"_fitting", "_eval_set"}  # of a fit that is under way, whose scorer pickles
        if "_engine" in vars(self):  # has the parameters, and the moments too
            self._prediction_engine()
            spared |= {"coefs_", "intercepts_"}
        return {k: v for k, v in super().__getstate__().items() if k not in spared}

    def __setstate__(self, state):
        super().__setstate__(state)
        if "_engine" in vars(self):
            self._show(self._engine)
