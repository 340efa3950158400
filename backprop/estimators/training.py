"""Fitting: epochs by the core, schedules and stopping by scikit-learn, lbfgs by scipy."""

import time
from contextlib import contextmanager, nullcontext

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from backprop.catalogue.optimizers import SGD, Adam
from backprop.estimators.blas import blas_threads
from backprop.estimators.callers import warn
from backprop.estimators.numerics import OUTPUTS

BELOW_1 = 1 - 2.0**-53  # scikit-learn allows a momentum of 1, which SGD does not


class Training:
    """A part of `CoreEstimator`."""

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
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        self._fitted_sparse = issparse(X)
        engine = self._engine_of(issparse(X))
        self._start_optimizer(engine, incremental)
        trained, held_out = self._hold_out(X.tocsr() if issparse(X) else X, y)
        self._start_comparing()
        with (
            self._bar(1 if incremental else self.max_iter) as bar,
            self._quiet(),
            _interrupted_is_a_warning(),
        ):
            self._epochs(engine, trained, held_out, incremental, bar)
        if self.early_stopping:
            engine.load(self._best_coefs, self._best_intercepts)

    def _epochs(self, engine, trained, held_out, incremental, bar):
        n_samples = trained[0].shape[0]
        batch_size, deadline = self._batch(n_samples), self._deadline()
        order = np.arange(n_samples) if self.shuffle else None
        self.n_iter_ = 0
        for _ in range(self.max_iter):
            if self.shuffle:
                order = shuffled(order, self._random_state)
            self.loss_ = self._epoch(engine, *trained, batch_size, order)
            self.n_iter_ += 1
            self.t_ += n_samples
            self.loss_curve_.append(self.loss_)
            self._report(bar)
            self._update_no_improvement_count(self.early_stopping, *held_out)
            self._optimizer.iteration_ends(self.t_)
            if self._has_stalled() or incremental:
                return
            if time.perf_counter() > deadline:
                self._warn_of(f"max_seconds ({self.max_seconds:g})")
                return
        self._warn_of(f"Maximum iterations ({self.max_iter})")

    def _epoch(self, engine, X, y, weights, batch_size, order):
        """Train on all batches; the mean of their costs, the penalty included."""
        penalty = float(self.alpha)
        if OUTPUTS[self.out_activation_].is_averaged:
            penalty *= self.n_outputs_  # `_mean_loss` divides by them
        optimizer = self._core_optimizer()
        y = y.reshape(len(y), -1)
        cost = engine.epoch(X, y, weights, batch_size, order, optimizer, penalty)
        if not np.isfinite(cost):
            raise ValueError(
                f"Solver produced a non-finite loss, {cost}: the input data may contain large "
                f"values and need to be preprocessed, or learning_rate_init="
                f"{self.learning_rate_init:g} is too high."
            )
        return np.float64(self._mean_loss(cost))

    def _batch(self, n_samples):
        size = min(200, n_samples) if self.batch_size == "auto" else self.batch_size
        if size > n_samples:
            warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
            )
        return min(int(size), n_samples)

    def _has_stalled(self):
        """Whether to stop; with an adaptive learning rate, that may be lowered instead."""
        if self._no_improvement_count <= self.n_iter_no_change:
            return False
        what = "Validation score" if self.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} "
            "consecutive epochs."
        )
        stops = self._optimizer.trigger_stopping(message, self.verbose)
        if not stops:  # a fit that goes on from here stops at once, unless it finds better
            self._no_improvement_count = 0
        return stops

    def _warn_of(self, limit):
        warn(
            f"Stochastic Optimizer: {limit} reached and the optimization hasn't converged yet.",
            ConvergenceWarning,
        )

    # ---- the optimizer ----

    def _start_optimizer(self, engine, incremental):
        """scikit-learn's object, which knows the schedule; the moments are the core's."""
        if incremental and hasattr(self, "_optimizer"):
            return
        if not (self.warm_start == "moments" and hasattr(self, "_optimizer")):
            engine.forget()
        self._optimizer = self._new_optimizer()

    def _new_optimizer(self):
        if self.solver == "sgd":
            return SGDOptimizer(
                [],
                self.learning_rate_init,
                self.learning_rate,
                self.momentum,
                self.nesterovs_momentum,
                self.power_t,
            )
        return AdamOptimizer([], self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon)

    def _core_optimizer(self):
        """With the rates of `_optimizer`, which keeps those of its first fit, and today's alpha."""
        its, alpha = self._optimizer, float(self.alpha)
        if isinstance(its, SGDOptimizer):
            momentum = min(float(its.momentum), BELOW_1)
            return SGD(
                float(its.learning_rate), momentum, bool(its.nesterov and momentum > 0), l2=alpha
            )
        # the core asks for a normal number: the root of a second moment is 0 or far larger
        epsilon = max(float(its.epsilon), float(np.finfo(self._engine.key.dtype).tiny))
        rates = (float(its.beta_1), float(its.beta_2), epsilon)
        return Adam(float(its.learning_rate_init), *rates, l2=alpha, epsilon_hat=True)

    # ---- lbfgs ----

    def _fit_lbfgs(self, X, y, sample_weight, *rest):
        X = X.tocsr() if issparse(X) else X
        with self._bar(None) as bar, self._quiet(), blas_threads(self.n_threads):
            self._fitting.bar = bar
            super()._fit_lbfgs(X, y, self._fitting.weights, *rest)

    def _backprop(self, X, y, sample_weight, activations, deltas, coef_grads, intercept_grads):
        """The cost and its gradient, for lbfgs: in float64, whose line search needs it."""
        self._fitted_sparse = issparse(X)
        engine = self._engine_of(issparse(X))
        loss, gradients = engine.loss_and_gradients(X, y, sample_weight)
        decay = self.alpha / (X.shape[0] if sample_weight is None else sample_weight.sum())
        weights = [g.weights + decay * w for g, w in zip(gradients, self.coefs_, strict=True)]
        loss = self._mean_loss(loss) + 0.5 * decay * engine.sum_of_squares()
        if self._fitting.bar is not None:
            advance(self._fitting.bar, loss)
        return np.float64(loss), weights, [g.bias for g in gradients]

    # ---- what people see ----

    def _deadline(self):
        return np.inf if self.max_seconds is None else time.perf_counter() + self.max_seconds

    def _bar(self, n_epochs):
        return _bar(n_epochs) if self.verbose == "bar" else nullcontext()

    def _report(self, bar):
        if bar is not None:
            advance(bar, self.loss_)
        elif self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")

    @contextmanager
    def _quiet(self):
        """Without the lines that scikit-learn and scipy print, where there is a bar instead."""
        verbose = self.verbose
        self.verbose = verbose if verbose != "bar" else False
        try:
            yield
        finally:
            self.verbose = verbose


def shuffled(order, random_state):
    """What scikit-learn's `shuffle(order)` gives, in a sixth of its time."""
    places = np.arange(len(order))
    random_state.shuffle(places)
    return order[places]


@contextmanager
def _bar(n_epochs):
    """Of so many epochs; None: of lbfgs's evaluations, of which nobody knows how many there are."""
    from tqdm.auto import tqdm

    with tqdm(total=n_epochs, unit=" evaluations" if n_epochs is None else " epochs") as bar:
        yield bar
        bar.total = bar.n  # of a fit that stopped early, too, all is done
        bar.refresh()


def advance(bar, loss):
    bar.set_postfix(loss=f"{loss:.6g}", refresh=False)
    bar.update()


class _interrupted_is_a_warning:
    """As in scikit-learn: Ctrl-C ends the training, and what was learnt is kept."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            warn("Training interrupted by user.")
            return True
        return False
