"""Fits that go on from the one before: what is kept, and what the best is compared with."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from scipy import sparse
from sklearn import neural_network as sk

import backprop as bp

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_warm_starts_can_keep_the_moments(digits):
    X, y = digits
    options = {"shuffle": False, "random_state": 0, "n_iter_no_change": 100}
    whole = bp.MLPClassifier(max_iter=6, **options).fit(X, y)
    parts = bp.MLPClassifier(max_iter=3, warm_start="moments", **options).fit(X, y).fit(X, y)
    for mine, expected in zip(parts.coefs_, whole.coefs_, strict=True):
        np.testing.assert_array_equal(mine, expected)
    anew = bp.MLPClassifier(max_iter=3, warm_start=True, **options).fit(X, y).fit(X, y)
    assert not np.array_equal(anew.coefs_[0], whole.coefs_[0])


def test_the_best_weights_of_all_warm_starts_are_kept(digits):
    options = {"early_stopping": True, "warm_start": True, "max_iter": 20, "random_state": 0}
    model = bp.MLPClassifier(learning_rate_init=0.01, **options).fit(*digits)
    best, scores = [weights.copy() for weights in model.coefs_], len(model.validation_scores_)
    model.set_params(learning_rate_init=10.0).fit(*digits)  # which only makes it worse
    assert len(model.validation_scores_) > scores
    for weights, kept in zip(model.coefs_, best, strict=True):
        np.testing.assert_array_equal(weights, kept)


CHANGED = {
    "scoring": ({"scoring": "loss"}, slice(400, 600), 1),
    "rows": ({}, slice(300, 500), 1),
    "labels": ({}, slice(400, 600), -1),
    "no eval_set": ({}, None, 1),
}


def warm(**options):
    given = {"warm_start": True, "max_iter": 5, "random_state": 0, **options}
    return bp.MLPClassifier(learning_rate_init=0.01, **given)


@pytest.mark.parametrize("form", [np.array, sparse.csr_array])
@pytest.mark.parametrize("name", CHANGED)
def test_a_warm_start_compares_anew_what_is_measured_otherwise(digits, name, form):
    X, y = form(digits[0]), digits[1]
    parameters, rows, order = CHANGED[name]
    model = warm(early_stopping=True).fit(X, y, eval_set=(X[400:], y[400:]))
    model.best_validation_score_ = 2.0  # more than any accuracy can be
    model.set_params(**parameters)
    model.fit(X, y, eval_set=None if rows is None else (X[rows], y[rows][::order]))
    assert len(model.validation_scores_) == 5
    assert model.best_validation_score_ == max(model.validation_scores_) < 2
    assert len(model.loss_curve_) == 10


@pytest.mark.parametrize("form", [np.array, sparse.csr_array])
@pytest.mark.parametrize("scoring", [None, "loss", "callable"])
def test_a_warm_start_goes_on_comparing_what_is_measured_alike(digits, scoring, form):
    X, y = form(digits[0]), digits[1]
    scoring = accuracy if scoring == "callable" else scoring
    model = warm(early_stopping=True, scoring=scoring).fit(X, y, eval_set=(X[400:], y[400:]))
    model = pickle.loads(pickle.dumps(model))
    model.best_validation_score_ = 2.0
    model.fit(X, y, eval_set=(form(digits[0][400:]), list(y[400:])))
    assert len(model.validation_scores_) == 10
    assert model.best_validation_score_ == 2


def accuracy(model, X, y):
    return model.score(X, y)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"early_stopping": True}, {"early_stopping": False}),
        ({"early_stopping": False}, {"early_stopping": True}),
        ({"solver": "lbfgs"}, {"solver": "adam"}),
        ({"solver": "lbfgs"}, {"solver": "adam", "early_stopping": True}),
    ],
)
def test_a_warm_start_may_go_by_something_else(digits, first, then):
    """Where scikit-learn's compares a number with None."""
    model = warm(**first).fit(*digits).set_params(**then).fit(*digits)
    if model.early_stopping:
        assert len(model.validation_scores_) == 5
        assert model.best_loss_ is None
    else:
        assert model.best_loss_ == min(model.loss_curve_[-5:])
        assert model.validation_scores_ is None


@pytest.mark.parametrize("early", [False, True])
def test_a_warm_start_goes_on_comparing_from_scikit_learns(digits, early):
    theirs = sk.MLPClassifier(warm_start=True, max_iter=5, early_stopping=early).fit(*digits)
    ours = bp.from_sklearn(theirs).fit(*digits)
    assert len(ours.validation_scores_ if early else ours.loss_curve_) == 10
    assert ours.to_sklearn().fit(*digits).n_iter_ == 5
