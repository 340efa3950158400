"""MLPClassifier."""

from typing import ClassVar

from sklearn.neural_network import MLPClassifier as _MLPClassifier
from sklearn.utils._param_validation import StrOptions

from backprop.estimators.base import CoreEstimator
from backprop.estimators.convert import counterpart
from backprop.estimators.parameters import CLASS_WEIGHT, CONSTRAINTS, DOCUMENTATION


@counterpart
class MLPClassifier(CoreEstimator, _MLPClassifier):
    __doc__ = DOCUMENTATION.format(name="MLPClassifier", score="accuracy", more=CLASS_WEIGHT)

    _parameter_constraints: ClassVar[dict] = {
        **_MLPClassifier._parameter_constraints,
        **CONSTRAINTS,
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        class_weight=None,
        scoring=None,
        n_threads=1,
        max_seconds=None,
        preprocess=None,
    ):
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )
        self.class_weight = class_weight
        self.scoring = scoring
        self.n_threads = n_threads
        self.max_seconds = max_seconds
        self.preprocess = preprocess
