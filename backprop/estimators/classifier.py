"""MLPClassifier."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels

from backprop.catalogue.losses import LOSSES, Loss, usual_loss
from backprop.catalogue.targets import CLASSES, YES_OR_NO
from backprop.estimators.base import CoreEstimator, check_solver
from backprop.estimators.inputs import dense
from backprop.estimators.numerics import behind, is_probability
from backprop.estimators.parameters import (
    BOOLEAN,
    CLASS_WEIGHT,
    CLASSIFIER,
    DOCUMENTATION,
    NONE,
    SHARE,
    among,
    instance,
    parameter,
)
from backprop.tabular.baselines import log_loss_of_shares

LOG_LOSS = "log_loss"  # scikit-learn's name of either cross-entropy
OF_ANSWERS = {name: loss for name, loss in LOSSES.items() if loss.target.is_categorical}


def has_probabilities(model):
    """Whether the loss says more than which answer it is; AttributeError where it does not."""
    if model.loss != LOG_LOSS and not is_probability(behind(model._loss())):
        raise AttributeError(f"loss={model.loss!r} has no probabilities")
    return True


@dataclass(eq=False, repr=False)
class MLPClassifier(ClassifierMixin, CoreEstimator):
    __doc__ = DOCUMENTATION.format(
        name="MLPClassifier", score="accuracy", more=CLASS_WEIGHT, loss=CLASSIFIER
    )

    class_weight: object = parameter(
        None, among("balanced"), instance("a dict or a list", dict, list), NONE
    )
    loss: object = parameter(LOG_LOSS, among(LOG_LOSS, *OF_ANSWERS), instance("a loss", Loss))
    label_smoothing: object = parameter(0.0, SHARE)
    calibrate: object = parameter(False, BOOLEAN)

    @available_if(check_solver)
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """One iteration over X and y, from where the last call ended.

        Parameters
        ----------
        X, y, sample_weight
            As for ``fit``.
        classes : array of shape (n_classes,), optional
            All labels that there may be in any call: needed in the first.

        Returns
        -------
        self : object
            The model. After an error it is as it was, but where the loss was not finite: then
            the batches before have trained it.
        """
        if not self._direct_step(X, y, sample_weight, classes):
            self._fit(X, y, sample_weight, incremental=True, classes=classes)
        return self

    def predict(self, X):
        """The label, or several labels, of each row.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            As for ``fit``.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_classes)
        """
        return self._decided(self._outputs(X))

    @available_if(has_probabilities)
    def predict_proba(self, X):
        """The probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            As for ``fit``.

        Returns
        -------
        array of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        p = self._outputs(X)
        if p.shape[1] == 1:
            return np.hstack([1 - p, p])
        # a yes or no for each of several classes: its share of all that is said for one
        is_one = self._binarizer().y_type_ == "multiclass" and not self._loss().target.is_class
        return p / p.sum(axis=1, keepdims=True) if is_one else p

    @available_if(has_probabilities)
    def predict_log_proba(self, X):
        """The logarithm of `predict_proba`."""
        p = self.predict_proba(X)
        return np.log(p, out=p)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    # ---- labels ----

    def _loss(self):
        loss = self.loss
        if loss == LOG_LOSS:
            is_class = self._binarizer().y_type_ == "multiclass"
            loss = usual_loss(CLASSES if is_class else YES_OR_NO)
        elif isinstance(loss, str):
            loss = OF_ANSWERS[loss]
        if self.asked.calibrate and not is_probability(behind(loss)):
            raise ValueError(f"calibrate is for probabilities, which loss={self.loss!r} has not")
        smoothing = self.asked.label_smoothing
        return loss(label_smoothing=smoothing) if smoothing else loss

    def _binarizer(self):
        """Of a model whose ``classes_`` were set by hand, as of a fitted one."""
        if not hasattr(self, "_label_binarizer"):
            self._label_binarizer = LabelBinarizer().fit(self.classes_)
        return self._label_binarizer

    def _encoded(self, y, incremental):
        """The targets of labels; of the first fit's, the classes are learned."""
        goes_on = self.warm_start or incremental
        if not (hasattr(self, "classes_") and goes_on):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            found = unique_labels(y)
            if self.warm_start and set(found) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous "
                    f"call to fit. Previously got {self.classes_}, `y` has {found}"
                )
            if len(np.setdiff1d(found, self.classes_, assume_unique=True)):
                raise ValueError(
                    "`y` has classes not in `self.classes_`. "
                    f"`self.classes_` has {self.classes_}. 'y' has {found}."
                )
        # bool, and not int64, of which nothing is wider than float32 data
        return self._binarizer().transform(y).astype(bool)

    def _learn_classes(self, y, classes):
        """Of a call of ``partial_fit``: all that there may be in any."""
        known = getattr(self, "classes_", None)
        if known is None and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if classes is None:
            return
        classes = unique_labels(classes)
        if known is None:
            self.classes_ = classes
            several = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if several else classes)
        elif not np.array_equal(known, classes):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                f"{known!r}"
            )

    def _decided(self, outputs):
        binarizer = self._binarizer()
        if binarizer.y_type_ == "multiclass":
            return binarizer.classes_.take(outputs.argmax(axis=1))
        outputs = outputs.ravel() if outputs.shape[1] == 1 else outputs
        if not is_probability(
            getattr(self, "out_activation_", behind(self._loss()))
        ):  # 0 is neither yes nor no
            outputs = (outputs > 0).astype(outputs.dtype)
        return binarizer.inverse_transform(outputs)

    def _as_good(self, engine, X, y, weights):
        """Each class's share, where the model's probabilities say no more; else None."""
        loss = self._loss()
        if not is_probability(behind(loss)):
            return None
        loss = usual_loss(loss.target)
        found = loss.value(engine.predict(X, logits=True), y, *loss.settings.values())
        none = log_loss_of_shares(y, loss.target is CLASSES, weights)
        return "each class's share" if np.average(found, weights=weights) >= none else None

    def _direct_targets(self, y):
        """The targets of an array of known labels, or None."""
        if self.class_weight is not None or y.ndim != 1 or y.dtype != self.classes_.dtype:
            return None
        is_that = y[:, None] == self.classes_
        if np.count_nonzero(is_that) != len(y) or self._has_several_labels():
            return None
        return is_that if self.coefs_[-1].shape[1] > 1 else is_that[:, 1:]

    def _labels(self, targets):
        return dense(self._binarizer().inverse_transform(targets))

    def _targets(self, y):
        return self._binarizer().transform(y).reshape(len(y), -1)

    def _has_several_labels(self):
        return self._binarizer().y_type_.startswith("multilabel")

    def _has_one_target(self):
        return not self._has_several_labels()

    def _target_options(self):
        return {"ensure_2d": False, "dtype": None, "accept_sparse": self._has_several_labels()}

    def _known(self, y):
        """y, typed as in the fit. Of an unknown label the binarizer would make another, or none."""
        y, known = dense(y), np.array([0, 1]) if self._has_several_labels() else self.classes_
        unknown = np.argwhere(~np.isin(y, known))
        if len(unknown):
            place = tuple(unknown[0].tolist())
            raise ValueError(
                f"y[{', '.join(map(str, place))}] is {np.asarray(y[place]).tolist()!r}: "
                f"expected one of {known.tolist()}"
            )
        return y.astype(known.dtype, copy=False)
