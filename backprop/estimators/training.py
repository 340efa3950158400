"""Fitting: epochs by the core, or lbfgs by scipy; rates, and when to stop, as in scikit-learn."""

import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from backprop._core.errors import NotFinite
from backprop.catalogue.optimizers import ADDED, LBFGS, SGD, Adam, Optimizer, find_optimizer
from backprop.catalogue.schedules import named_schedule, planned_schedule
from backprop.estimators.asked import ends_with_fit, n_epochs
from backprop.estimators.blas import blas_threads
from backprop.estimators.callers import warn
from backprop.estimators.numerics import divisor, reported
from backprop.minimizing import Place, check
from backprop.tabular.temperature import temper

BELOW_1 = 1 - 2.0**-53  # scikit-learn allows a momentum of 1, which SGD does not
LEAST_RATE = 1e-6  # below which an adaptive rate is not lowered further


def _as_is(optimizer, model, dtype):
    return optimizer, None


def _sgd(optimizer, model, dtype):
    momentum = min(float(model.momentum), BELOW_1)
    nesterov = bool(model.nesterovs_momentum and momentum > 0)
    return replace(optimizer, momentum=momentum, nesterov=nesterov), model.learning_rate


def _adam(optimizer, model, dtype):
    # the core asks for a normal number: the root of a second moment is 0 or far larger
    epsilon = max(float(model.epsilon), float(np.finfo(dtype).tiny))
    beta_1, beta_2 = float(model.beta_1), float(model.beta_2)
    made = replace(optimizer, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, epsilon_hat=True)
    return made, None


# {kind: what makes its (optimizer, schedule) of parameters that are scikit-learn's}
_WITH_PARAMETERS = {SGD: _sgd, Adam: _adam}


@dataclass
class Rates:
    """The optimizer of a fit, and where its learning rate is; moments are the engine's."""

    given: dict  # the parameters that it was made of
    optimizer: Optimizer
    schedule: str | None = None  # "invscaling" and "adaptive", of gradient descent
    is_own: bool = False  # it came with a penalty of its own

    @classmethod
    def of(cls, model, dtype, planned=None):
        """As the parameters say now; `planned`: how many epochs a fit has, of how many batches."""
        asked = model.asked
        given = {name: getattr(asked, name) for name in model.get_params(deep=False)}
        rate = float(asked.learning_rate_init)
        beyond = {name: given[name] for name in ADDED if given[name] != ADDED[name]}
        name = beyond.pop("schedule") if isinstance(asked.schedule, str) else None
        if isinstance(model.solver, Optimizer):
            made = cls(given, replace(model.solver, **beyond), is_own=True)
        else:
            optimizer = replace(find_optimizer(model.solver), learning_rate=rate, **beyond)
            make = _WITH_PARAMETERS.get(type(optimizer), _as_is)
            made = cls(given, *make(optimizer, asked, dtype))
        return made if name is None else made.planned(name, *planned)

    def planned(self, name, epochs, n_batches):
        """The same with the schedule of that name, for so many epochs of so many batches."""
        steps = epochs * -(-n_batches // self.optimizer.accumulate)
        schedule = planned_schedule(named_schedule(name), {}, {"step": steps, "epoch": epochs})
        return replace(self, optimizer=replace(self.optimizer, schedule=schedule))

    def with_penalty(self, alpha):
        """The optimizer, which is the same object for as long as nothing of it changes."""
        if self.optimizer.l2 != alpha and not self.is_own:
            self.optimizer = replace(self.optimizer, l2=float(alpha))
        return self.optimizer

    def set(self, rate):
        """The learning rate, from now on."""
        self.optimizer = replace(self.optimizer, learning_rate=rate)

    def end_epoch(self, n_seen):
        """After so many samples in all."""
        if self.schedule == "invscaling":
            self.set(
                float(self.given["learning_rate_init"]) / (n_seen + 1) ** self.given["power_t"]
            )

    def has_stalled(self):
        """(Whether to stop, what is done about it), where an epoch was no better than others."""
        if self.schedule != "adaptive":
            return True, "Stopping."
        if self.optimizer.learning_rate <= LEAST_RATE:
            return True, "Learning rate too small. Stopping."
        self.set(self.optimizer.learning_rate / 5)
        return False, f"Setting learning rate to {self.optimizer.learning_rate:f}"


class Training:
    """A part of `CoreEstimator`."""

    def _fit_stochastic(self, engine, X, y, incremental):
        if self.asked.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        trained, held_out = self._hold_out(X, y)
        n_rows = trained[0].shape[0]
        epochs = 1 if incremental else n_epochs(self, n_rows)
        if not (incremental and hasattr(self, "_rates")):
            if not (self.warm_start == "moments" and hasattr(self, "_rates")):
                engine.forget()
            n_batches = -(-n_rows // self._batch(n_rows))
            self._rates = Rates.of(self, engine.key.dtype, (epochs, n_batches))
        self._start_comparing(engine)
        vars(self).setdefault("loss_curve_", [])  # which lbfgs has not
        with self._bar(epochs) as bar:
            try:
                self._epochs(engine, trained, held_out, incremental, bar)
            except KeyboardInterrupt:
                warn("Training interrupted by user.")
        if self.asked.early_stopping:
            engine.restore(self._best)
            if getattr(self.asked, "calibrate", False):
                self._calibrate(engine, *held_out)
            if self.preset is not None:
                self._compare_to_none(engine, *held_out)
        elif not incremental:
            engine.average()

    def _epochs(self, engine, trained, held_out, incremental, bar):
        n_samples = trained[0].shape[0]
        batch_size, deadline = self._batch(n_samples), self._deadline()
        if self.batch_size != "auto" and self.batch_size > n_samples:
            warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
            )
        order = np.arange(n_samples) if self.shuffle else None
        self.n_iter_ = 0
        most = 1 if incremental else n_epochs(self, n_samples)
        for _ in range(most):
            if self.shuffle:
                order = shuffled(order, self._random_state)
            self._epoch(engine, *trained, batch_size, order)
            self._report(bar)
            if not np.isfinite(self.loss_):
                self._diverged()
                return
            self._count_improvements(engine, *held_out)
            self._rates.end_epoch(self.t_)
            is_by_loss = self.asked.scoring == "loss"
            engine.tell(-self.validation_scores_[-1] if is_by_loss else self.loss_)
            if self._has_stalled() or incremental:
                return
            if time.perf_counter() > deadline:
                self._warn_of(f"max_seconds ({self.max_seconds:g})")
                return
        if not ends_with_fit(self.asked.schedule):
            self._warn_of(f"Maximum iterations ({most})")

    def _calibrate(self, engine, X, y, sample_weight):
        """Make probabilities agree with the rows held out."""
        y, logits = self._held_out_targets(y), engine.predict(X, logits=True)
        temper(engine.layers[-1], engine.key.loss, logits, y, sample_weight)

    def _compare_to_none(self, engine, X, y, sample_weight):
        """Say when the rows held out are predicted as well without looking at their inputs."""
        same = self._as_good(engine, X, self._held_out_targets(y), sample_weight)
        if same is not None:
            warn(f"the model is no better than {same} on the rows held out")

    def _held_out_targets(self, y):
        return y if self.asked.scoring == "loss" else self._targets(y)

    def _epoch(self, engine, X, y, weights, batch_size, order):
        """Train on all batches; ``loss_`` is the mean of their costs, the penalty included."""
        optimizer, loss = self._rates.with_penalty(self.asked.alpha), engine.key.loss
        penalty = optimizer.l2 * divisor(loss, y.shape[1])  # which `reported` divides by
        try:
            cost = engine.epoch(X, y, weights, batch_size, order, optimizer, penalty)
        except (NotFinite, FloatingPointError):
            cost = np.nan
        self.loss_ = np.float64(reported(loss, cost, y, weights, (order, batch_size)))
        self.n_iter_ += 1
        self.t_ += X.shape[0]
        self.loss_curve_.append(self.loss_)

    def _diverged(self):
        """With early stopping there are best weights to go back to, and a search goes on."""
        what = (
            f"Solver produced a non-finite loss, {self.loss_}: the input data may contain large "
            "values and need to be preprocessed, or learning_rate_init="
            f"{self.asked.learning_rate_init:g} is too high."
        )
        if not self.asked.early_stopping:
            self.loss_curve_.pop()
            raise ValueError(what)
        self.validation_scores_.append(np.nan)
        warn(f"{what} The best weights are put back.", ConvergenceWarning)

    def _batch(self, n_samples):
        size = self.asked.batch_size
        return min(n_samples, 200 if size == "auto" else int(size))

    def _has_stalled(self):
        """Whether to stop; with an adaptive learning rate, that may be lowered instead."""
        if self._no_improvement_count <= self.asked.n_iter_no_change:
            return False
        stops, done = self._rates.has_stalled()
        if self._prints():
            what = "Validation score" if self.asked.early_stopping else "Training loss"
            print(
                f"{what} did not improve more than tol={self.tol:f} for "
                f"{self.asked.n_iter_no_change} consecutive epochs. {done}"
            )
        if not stops:  # a fit that goes on from here stops at once, unless it finds better
            self._no_improvement_count = 0
        return stops

    def _warn_of(self, limit):
        warn(
            f"Stochastic Optimizer: {limit} reached and the optimization hasn't converged yet.",
            ConvergenceWarning,
        )

    # ---- lbfgs ----

    def _fit_lbfgs(self, engine, X, y):
        """scipy's, on all rows: in float64, which its line search needs."""
        is_given = isinstance(self.solver, Optimizer)
        solver = self.solver if is_given else LBFGS(tolerance=float(self.tol), l2=float(self.alpha))
        for network in engine.networks:
            network.optimizer = solver
            check(network)
        weights, place = self._fitting.weights, Place(engine)
        decay = solver.l2 / (X.shape[0] if weights is None else weights.sum())

        def cost(x):
            place.write(x)
            mean, gradients = engine.loss_and_gradients(X, y, weights)
            loss = reported(engine.key.loss, mean, y, weights)
            loss += 0.5 * decay * engine.sum_of_squares()
            if bar is not None:
                advance(bar, loss)
            return loss, place.gather(gradients) + decay * place.weights_of(x)

        def after(intermediate_result):
            self.n_iter_ += 1
            if self._prints():
                print(f"Iteration {self.n_iter_}, loss = {intermediate_result.fun:.8f}")

        self.n_iter_ = 0
        limits = {"maxfun": self.max_fun, "maxiter": self.asked.max_iter, "maxcor": solver.memory}
        limits |= {"gtol": solver.tolerance, "ftol": solver.change}
        with self._bar(None) as bar, blas_threads(self.n_threads):
            found = minimize(
                cost, place.read(), method="L-BFGS-B", jac=True, options=limits, callback=after
            )
        place.write(found.x)
        self.n_iter_, self.loss_ = min(found.nit, self.asked.max_iter), np.float64(found.fun)
        if found.status != 0:
            more = f" Increase the number of iterations (max_iter={self.asked.max_iter})."
            warn(
                f"lbfgs failed to converge after {self.n_iter_} iteration(s) "
                f"(status={found.status}):\n{found.message}\n\nYou might want to scale the data."
                f"{more if self.n_iter_ == self.asked.max_iter else ''}",
                ConvergenceWarning,
            )

    # ---- what people see ----

    def _deadline(self):
        return np.inf if self.max_seconds is None else time.perf_counter() + self.max_seconds

    def _prints(self):
        return self.verbose and self.verbose != "bar"

    def _bar(self, n_epochs):
        return _bar(n_epochs) if self.verbose == "bar" else nullcontext()

    def _report(self, bar):
        if bar is not None:
            advance(bar, self.loss_)
        elif self._prints():
            print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")


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
