"""Weights of the classes: what a sample of each counts in training."""

import numpy as np

from backprop.validation import check_real

BALANCED = "balanced"


def class_weights(class_weight, y, loss, n_outputs):
    """The weights of the rows of y (n,), float64.

    "balanced" gives n / (classes · rows of the class), so that all classes weigh alike (King and
    Zeng, "Logistic regression in rare events data", 2001). A dict {label: weight} leaves the others
    at 1.
    """
    labels, n_classes = _labels(y, loss, n_outputs)
    if isinstance(class_weight, dict):
        weights = np.ones(n_classes)
        for label, weight in class_weight.items():
            if isinstance(label, bool) or label not in range(n_classes):
                raise ValueError(
                    f"class_weight has the label {label!r}: expected 0 to {n_classes - 1}"
                )
            weights[label] = check_real(f"class_weight[{label!r}]", weight, 0)
        return weights[labels]
    if class_weight != BALANCED:
        raise ValueError(f'class_weight={class_weight!r}: expected a dict or "{BALANCED}"')
    counts = np.bincount(labels, minlength=n_classes)
    return len(labels) / (np.count_nonzero(counts) * counts[labels])


def _labels(y, loss, n_outputs):
    if loss.target.is_class:
        return (y if y.ndim == 1 else y.argmax(axis=1)).astype(np.int64), n_outputs
    if loss.target.is_categorical and n_outputs == 1:
        return (y[:, 0] > 0.5).astype(np.int64), 2
    raise ValueError(
        f"class_weight is of one class or one answer a row, and y is {loss.target.name} "
        f"with {n_outputs} outputs: give sample_weight instead"
    )
