"""scikit-learn: `MLPClassifier.partial_fit`, an epoch a call.

It has neither more than one way to do this nor a choice of threads beyond those of numpy's BLAS.
The L2 penalty is 0, as for everyone else, but its sum is worked out in every step all the same.
"""

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from peers import ADAM

NAME = "scikit-learn"
VARIANTS = ("partial_fit",)


def version():
    return sklearn.__version__


class Trainer:
    def __init__(self, shape, dtype, parameters, X, y, variant="partial_fit"):
        self.X, self.y = X.astype(dtype), y
        self.net = MLPClassifier(
            hidden_layer_sizes=shape.sizes[1:-1],
            activation=shape.activation,
            alpha=0.0,
            batch_size=shape.batch,
            learning_rate_init=ADAM["learning_rate"],
            beta_1=ADAM["beta_1"],
            beta_2=ADAM["beta_2"],
            epsilon=ADAM["epsilon"],
            random_state=0,
        )
        # It makes its weights when it first sees data: show it a batch, then start again from the
        # weights that everyone starts from, without the optimizer's moments of that batch.
        classes = np.arange(max(shape.sizes[-1], 2))
        self.net.partial_fit(self.X[: shape.batch], y[: shape.batch], classes=classes)
        for i, (weights, bias) in enumerate(parameters):
            self.net.coefs_[i][...], self.net.intercepts_[i][...] = weights, bias
        del self.net._optimizer

    def train(self, epochs):
        for _ in range(epochs):
            self.net.partial_fit(self.X, self.y)

    def parameters(self):
        return list(zip(self.net.coefs_, self.net.intercepts_, strict=True))

    def first_moments(self):
        n_layers = len(self.net.coefs_)
        moments = self.net._optimizer.ms
        return list(zip(moments[:n_layers], moments[n_layers:], strict=True))
