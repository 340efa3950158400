"""Where scikit-learn's arithmetic was, the core: what the two estimators have in common.

They are scikit-learn's own classes, so that parameters, checks, attributes, labels and warnings are
theirs; overridden is what reckons: `_fit_stochastic`, `_backprop` (for lbfgs) and
`_forward_pass_fast`. These are private names: their signatures are looked at when this module is
imported, so that another version of scikit-learn is refused and not misunderstood.
"""

import copy
import inspect
import time
import warnings
from contextlib import nullcontext
from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.utils import compute_sample_weight, shuffle
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from backprop.columns import listed
from backprop.estimators import frames
from backprop.estimators.engine import ACTIVATIONS, DenseEngine, SparseEngine, sparse_outputs
from backprop.optimizers import SGD, Adam

EXPECTED = {  # what is called and overridden, and its parameters
    "_fit_stochastic": "self X y sample_weight activations deltas coef_grads intercept_grads "
    "layer_units incremental",
    "_backprop": "self X y sample_weight activations deltas coef_grads intercept_grads",
    "_forward_pass_fast": "self X check_input",
    "_update_no_improvement_count": "self early_stopping X y sample_weight",
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

BELOW_1 = 1 - 2.0**-53  # scikit-learn allows a momentum of 1, which SGD does not
OWN = ("_engine", "_fitted_sparse", "_optimizer", "loss", "preprocessing_")
SEEN = ("n_features_in_", "feature_names_in_")
BEYOND = {  # parameters that scikit-learn does not have
    "activation": [StrOptions(set(ACTIVATIONS)), list, tuple],
    "verbose": ["verbose", StrOptions({"bar"})],
    "warm_start": ["boolean", StrOptions({"moments"})],
    "scoring": [StrOptions({"loss"}), str, callable, None],
    "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    "preprocess": [StrOptions({"auto"}), None],
    "max_seconds": [Interval(Real, 0, None, closed="neither"), None],
}


class CoreEstimator:
    """What comes before scikit-learn's class in the order of the two estimators' bases."""

    # ---- fitting ----

    def fit(self, X, y, sample_weight=None, *, eval_set=None):
        """Fit the model to X and y.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            CSR and CSC are never made dense.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, or numbers.
        sample_weight : array-like of shape (n_samples,), optional
            At least 0.
        eval_set : tuple (X, y) or (X, y, sample_weight), optional
            For ``early_stopping``, instead of a part of X: then all of X is trained on.

        Returns
        -------
        self : object
            Fitted.
        """
        if eval_set is not None and not self.early_stopping:
            raise ValueError("eval_set is for early_stopping=True, and early_stopping is False")
        self._eval_set = eval_set
        try:
            return super().fit(X, y, sample_weight)
        finally:
            del self._eval_set

    def _fit(self, X, y, sample_weight=None, incremental=False):
        self._check_activation()
        if getattr(self, "class_weight", None) is not None:
            balance = compute_sample_weight(self.class_weight, y)
            sample_weight = balance if sample_weight is None else balance * sample_weight
        self._weights = sample_weight
        try:
            super()._fit(X, y, sample_weight, incremental)
        finally:
            del self._weights
        self._engine_of(self._fitted_sparse)  # lbfgs leaves its own arrays
        return self

    def _check_activation(self):
        if isinstance(self.activation, str):
            return
        widths = np.size(self.hidden_layer_sizes)
        unknown = [name for name in self.activation if name not in ACTIVATIONS]
        if unknown or len(self.activation) != widths:
            raise ValueError(
                f"activation={self.activation!r}: expected one of {', '.join(ACTIVATIONS)} for "
                f"each of the {widths} hidden layers"
            )

    def _hidden_activations(self):
        n_hidden = len(self.coefs_) - 1
        if isinstance(self.activation, str):
            return (self.activation,) * n_hidden
        return tuple(self.activation)

    def _engine_of(self, is_sparse, dtype=None):
        """The engine with this estimator's parameters; coefs_ and intercepts_ are views of its."""
        sizes = [len(self.coefs_[0]), *(w.shape[1] for w in self.coefs_)]
        dtype = self.coefs_[0].dtype if dtype is None else dtype
        kind = SparseEngine if is_sparse else DenseEngine
        arguments = (sizes, self._hidden_activations(), self.out_activation_, dtype, self.n_threads)
        engine = getattr(self, "_engine", None)
        key = (tuple(sizes), *arguments[1:3], np.dtype(dtype), self.n_threads)
        if type(engine) is not kind or engine.key != key:
            engine = self._engine = kind(*arguments)
        self._load(engine)
        self.coefs_ = [layer.weights for layer in engine.layers]
        self.intercepts_ = [layer.bias for layer in engine.layers]
        return engine

    def _load(self, engine):
        """Parameters that somebody has replaced; those that are the engine's own are there."""
        own = [layer.weights for layer in engine.layers], [layer.bias for layer in engine.layers]
        given = self.coefs_, self.intercepts_
        if any(
            mine is not its
            for both in zip(own, given, strict=True)
            for mine, its in zip(*both, strict=True)
        ):
            engine.load(*given)

    def _fit_stochastic(
        self,
        X,
        y,
        sample_weight,
        activations,
        deltas,
        coef_grads,
        intercept_grads,
        layer_units,
        incremental,
    ):
        """Epochs by the core; when to stop, and at which rate to go on, by scikit-learn."""
        self._fitted_sparse = issparse(X)
        engine = self._engine_of(issparse(X), X.dtype)
        self._start_optimizer(engine, incremental)
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        X, y, sample_weight, held_out = self._hold_out(X, y, sample_weight)
        X = X.tocsr() if issparse(X) else X
        n_samples = X.shape[0]
        order, deadline = np.arange(n_samples), self._deadline()
        self.n_iter_ = 0
        with self._bar(incremental) as bar, _interrupted_is_a_warning():
            for _ in range(self.max_iter):
                if self.shuffle:  # the same orders as scikit-learn's
                    order = shuffle(order, random_state=self._random_state)
                given = order if self.shuffle else None
                self.loss_ = self._epoch(engine, X, y, sample_weight, given)
                self.n_iter_ += 1
                self.t_ += n_samples
                self.loss_curve_.append(self.loss_)
                self._report(bar)
                self._update_no_improvement_count(self.early_stopping, *held_out)
                self._optimizer.iteration_ends(self.t_)
                if self._has_stalled() or incremental or time.perf_counter() > deadline:
                    break
                if self.n_iter_ == self.max_iter:
                    warnings.warn(
                        f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and "
                        "the optimization hasn't converged yet.",
                        ConvergenceWarning,
                        stacklevel=4,
                    )
        if self.early_stopping:
            engine.load(self._best_coefs, self._best_intercepts)

    def _start_optimizer(self, engine, incremental):
        """scikit-learn's object, which knows the schedule; the moments are the core's."""
        if incremental and hasattr(self, "_optimizer"):
            return
        if not (self.warm_start == "moments" and hasattr(self, "_optimizer")):
            engine.forget()
        if self.solver == "sgd":
            self._optimizer = SGDOptimizer(
                [],
                self.learning_rate_init,
                self.learning_rate,
                self.momentum,
                self.nesterovs_momentum,
                self.power_t,
            )
        else:
            self._optimizer = AdamOptimizer(
                [], self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon
            )

    def _core_optimizer(self):
        rate = float(self._optimizer.learning_rate)
        if self.solver == "sgd":
            momentum = min(float(self.momentum), BELOW_1)
            nesterov = bool(self.nesterovs_momentum and momentum > 0)
            return SGD(rate, momentum, nesterov, l2=float(self.alpha))
        rates = (float(self.beta_1), float(self.beta_2), float(self.epsilon))
        return Adam(self.learning_rate_init, *rates, l2=float(self.alpha), epsilon_hat=True)

    def _hold_out(self, X, y, sample_weight):
        """What is trained on, and (X, y, sample_weight) for early stopping."""
        if not self.early_stopping:
            return X, y, sample_weight, (None, None, None)
        if getattr(self, "_eval_set", None) is not None:
            return X, y, sample_weight, self._checked_eval_set()
        is_one_label = hasattr(self, "classes_") and self.n_outputs_ == 1
        arrays = [X, y] if sample_weight is None else [X, y, sample_weight]
        parts = train_test_split(
            *arrays,
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=y if is_one_label else None,
        )
        held_out = [*parts[1::2], None][:3]
        if held_out[0].shape[0] < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        if hasattr(self, "classes_"):
            held_out[1] = self._label_binarizer.inverse_transform(held_out[1])
        trained = [*parts[::2], None][:3]
        return *trained, tuple(held_out)

    def _checked_eval_set(self):
        if not isinstance(self._eval_set, tuple | list) or len(self._eval_set) not in (2, 3):
            raise ValueError("eval_set: expected (X, y) or (X, y, sample_weight)")
        X, y, *weight = self._eval_set
        X = self._inputs(X, accept_sparse=["csr", "csc"])
        y = np.asarray(y)
        if len(y) != X.shape[0]:
            raise ValueError(f"eval_set: X has {X.shape[0]} rows and y has {len(y)}")
        return X, y, weight[0] if weight else None

    def _deadline(self):
        return np.inf if self.max_seconds is None else time.perf_counter() + self.max_seconds

    def _bar(self, incremental):
        if self.verbose != "bar" or incremental:
            return nullcontext()
        from tqdm.auto import tqdm

        return tqdm(total=self.max_iter, unit="epoch")

    def _report(self, bar):
        if bar is not None:
            bar.set_postfix(loss=f"{self.loss_:.6g}", refresh=False)
            bar.update()
        elif self.verbose and self.verbose != "bar":
            print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")

    def _epoch(self, engine, X, y, sample_weight, order):
        """Train on all batches; the mean of their costs, the penalty included."""
        n_samples = X.shape[0]
        size = min(200, n_samples) if self.batch_size == "auto" else self.batch_size
        if size > n_samples:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be "
                "clipped",
                stacklevel=2,
            )
            size = n_samples
        before = self._squares()
        y = y.reshape(n_samples, -1)
        loss = engine.epoch(X, y, sample_weight, int(size), order, self._core_optimizer())
        n_batches = -(-n_samples // size)
        squares = (before + self._squares()) / 2  # about their mean over the epoch
        return self._mean_loss(loss) + 0.5 * self.alpha * squares * n_batches / n_samples

    def _squares(self):
        return sum(float(np.vdot(w, w)) for w in self.coefs_) if self.alpha else 0.0

    def _mean_loss(self, loss):
        """scikit-learn reports the squared error's mean over the outputs, the others' sum."""
        return loss / self.n_outputs_ if self.out_activation_ == "identity" else loss

    def _has_stalled(self):
        """Whether to stop; with an adaptive learning rate, that may be lowered instead."""
        if self._no_improvement_count <= self.n_iter_no_change:
            return False
        what = "Validation score" if self.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} "
            "consecutive epochs."
        )
        self._no_improvement_count = 0
        return self._optimizer.trigger_stopping(message, self.verbose not in (False, "bar"))

    def _score(self, X, y, sample_weight=None):
        """What early stopping looks at, higher being better."""
        if self.scoring is None:
            return super()._score(X, y, sample_weight=sample_weight)
        if self.scoring == "loss":
            return -self._loss_on(X, y, sample_weight)
        options = {} if sample_weight is None else {"sample_weight": sample_weight}
        return check_scoring(self, self.scoring)(self, X, y, **options)

    def _loss_on(self, X, y, sample_weight):
        """The mean loss, without the penalty."""
        engine = self._engine_of(self._fitted_sparse)
        y = self._targets(y).reshape(X.shape[0], -1)
        total = engine.mean_loss(X, y, sample_weight)
        return self._mean_loss(total)

    def _targets(self, y):
        """y as a loss takes it."""
        return self._label_binarizer.transform(y) if hasattr(self, "classes_") else np.asarray(y)

    def _fit_lbfgs(self, *arguments):
        verbose = self.verbose
        self.verbose = verbose if verbose != "bar" else False  # scipy prints lines or nothing
        try:
            super()._fit_lbfgs(*arguments)
        finally:
            self.verbose = verbose

    def _backprop(self, X, y, sample_weight, activations, deltas, coef_grads, intercept_grads):
        """The cost and its gradient, for lbfgs: in float64, whose line search needs it."""
        self._fitted_sparse = issparse(X)
        engine = self._engine_of(issparse(X), np.float64)
        X = X.tocsr() if issparse(X) else X
        loss, gradients = engine.loss_and_gradients(X, y, sample_weight)
        total = X.shape[0] if sample_weight is None else sample_weight.sum()
        decay = self.alpha / total
        weights = [g.weights + decay * w for g, w in zip(gradients, self.coefs_, strict=True)]
        loss = self._mean_loss(loss) + 0.5 * decay * self._squares()
        return loss, weights, [g.bias for g in gradients]

    # ---- inputs ----

    def _validate_input(self, X, y, incremental, reset):
        learning = reset and self.preprocess == "auto" and not issparse(X)
        if reset:
            self.preprocessing_ = None
        if not learning and self.preprocessing_ is None:
            return super()._validate_input(X, y, incremental, reset)
        table = frames.as_table(X)
        validate_data(self, X, reset=reset, skip_check_array=True)  # names and number of columns
        if learning:
            weights = self._weights
            weights = weights if weights is None else _check_sample_weight(weights, X)
            self.preprocessing_ = frames.learned(table, weights)
        inputs = frames.transformed(self.preprocessing_, table, getattr(X, "dtype", None))
        seen = {name: getattr(self, name) for name in SEEN if hasattr(self, name)}
        for name in seen:
            delattr(self, name)
        try:
            return super()._validate_input(inputs, y, incremental, True)
        finally:  # what people gave, not what it was made into
            for name, value in seen.items():
                setattr(self, name, value)

    def _inputs(self, X, accept_sparse=False):
        """X as the network takes it, with the checks of a prediction."""
        if self.preprocessing_ is None:
            return validate_data(self, X, accept_sparse=accept_sparse, reset=False)
        table = frames.as_table(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        return frames.transformed(self.preprocessing_, table, getattr(X, "dtype", None))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.preprocess == "auto":
            tags.input_tags.allow_nan = tags.input_tags.categorical = tags.input_tags.string = True
        return tags

    # ---- using ----

    def _forward_pass_fast(self, X, check_input=True):
        if check_input:
            X = self._inputs(X, accept_sparse=["csr", "csc"])
        if issparse(X):
            layers = list(map(_Parameters, self.coefs_, self.intercepts_))
            return sparse_outputs(X, layers, self._hidden_activations(), self.out_activation_)
        return self._dense_engine().outputs(X)

    def _dense_engine(self):
        """For dense rows, whatever the training's were."""
        if self._engine.is_sparse:
            sizes, *rest = self._engine.key
            engine = DenseEngine(sizes, *rest)
            engine.load(self.coefs_, self.intercepts_)
            return engine
        self._load(self._engine)
        return self._engine

    def input_gradients(self, X):
        """The outputs' derivatives by the inputs.

        Of the probabilities (as `predict_proba` has them but for two classes: of the second), or of
        the predicted numbers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Dense.

        Returns
        -------
        array of shape (n_samples, n_features), or (n_samples, n_outputs, n_features)
            ∂output / ∂input.
        """
        check_is_fitted(self)
        X = self._inputs(X)
        engine = self._dense_engine()
        found = np.empty((X.shape[0], self.n_outputs_, X.shape[1]), engine.network.dtype)
        z = engine.network.forward(X)
        outputs = engine.outputs(X)
        for k in range(self.n_outputs_):
            engine.network.forward(X)
            found[:, k] = engine.network.backward(_slope(self.out_activation_, z, outputs, k))
        return found[:, 0] if self.n_outputs_ == 1 else found

    def explain(self, X, y):
        """The chain rule on these samples, factor by factor: a `backprop.explain.Trace`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Dense; or one sample, (n_features,) and its y.
        y : array-like
            Labels or numbers, as for ``fit``.

        Raises
        ------
        ValueError
            For a label that training did not have, and for the Poisson loss.
        """
        check_is_fitted(self)
        if self.out_activation_ == "exp":
            raise ValueError("explain has no Poisson loss")
        if np.ndim(X) == 1:
            X, y = np.asarray(X)[None], np.asarray(y)[None]
        self._check_labels(y)
        names = getattr(self, "feature_names_in_", None)
        if self.preprocessing_ is not None:
            names = self.preprocessing_.input_names()
        X = self._inputs(X)
        network = self._dense_engine().network
        if self.solver != "lbfgs":
            network.optimizer = self._core_optimizer()
        y = self._targets(y).reshape(X.shape[0], -1).astype(np.float64)
        outputs = getattr(self, "classes_", None)
        outputs = None if outputs is None or len(outputs) != self.n_outputs_ else outputs
        return network.explain(X, y, input_names=names, output_names=outputs)

    def _check_labels(self, y):
        """Of a label that it does not know, the binarizer would make another class, or none."""
        if not hasattr(self, "classes_") or self._label_binarizer.y_type_.startswith("multilabel"):
            return
        known = set(self.classes_.tolist())
        for i, label in enumerate(np.ravel(y).tolist()):
            if label not in known:
                raise ValueError(
                    f"y[{i}] is {label!r}, expected one of the classes of the training: "
                    f"{listed(map(repr, self.classes_.tolist()))}"
                )

    # ---- elsewhere ----

    def to_sklearn(self):
        """scikit-learn's own estimator with these weights, whose predictions are equal.

        Raises
        ------
        ValueError
            Where scikit-learn has no such thing: an activation a layer, preprocessing.
        """
        for name, usual in (("activation", str), ("preprocess", type(None))):
            if not isinstance(getattr(self, name), usual):
                raise ValueError(f"{name}={getattr(self, name)!r}: scikit-learn's MLP has no such")
        kind = next(base for base in type(self).__mro__ if base.__module__.startswith("sklearn."))
        parameters = kind._get_param_names()
        new = kind(**{name: getattr(self, name) for name in parameters})
        new.warm_start, new.verbose = bool(self.warm_start), self.verbose is True
        for name, value in vars(self).items():
            if name not in self._get_param_names() and name not in OWN:
                setattr(new, name, copy.deepcopy(value))
        return new

    def __getstate__(self):
        state = super().__getstate__()
        if "_engine" in state:  # has the parameters, and the moments too
            self._load(state["_engine"])
            state = {k: v for k, v in state.items() if k not in ("coefs_", "intercepts_")}
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        engine = state.get("_engine")
        if engine is not None:
            self.coefs_ = [layer.weights for layer in engine.layers]
            self.intercepts_ = [layer.bias for layer in engine.layers]


class _Parameters:
    def __init__(self, weights, bias):
        self.weights, self.bias = weights, bias


class _interrupted_is_a_warning:
    """As in scikit-learn: Ctrl-C ends the training, and what was learnt is kept."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            warnings.warn("Training interrupted by user.", stacklevel=5)
            return True
        return False


def _slope(out_activation, z, outputs, k):
    """∂output k / ∂z, (n, n_outputs)."""
    slope = np.zeros_like(z)
    if out_activation == "softmax":
        slope[...] = -outputs * outputs[:, [k]]
        slope[:, k] += outputs[:, k]
    elif out_activation == "logistic":
        slope[:, k] = outputs[:, k] * (1 - outputs[:, k])
    else:
        slope[:, k] = outputs[:, k] if out_activation == "exp" else 1
    return slope
