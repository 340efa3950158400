"""Pieces as the network takes them: every complaint names the place and the row."""

from __future__ import annotations

import numpy as np

from backprop.validation import (
    check_array,
    check_inputs,
    check_targets,
    check_weight_range,
    first_non_finite,
)


class Checker:
    """What makes arrays of pieces that can be trained on.

    Numbers wider than the network's are kept in its own type, as it would take them anyway; where
    it subtracts and scales its inputs it does so before that, and they are kept as they are.

    Parameters
    ----------
    network : Network
    source : Source
    class_weight : dict, optional
        {label: weight}.
    is_trained_on : bool
        Else targets and weights are kept as they are, of which a score is worked out.
    """

    def __init__(self, network, source, class_weight=None, is_trained_on=True):
        self._is_trained_on = is_trained_on
        self._network, self._source, self._class_weight = network, source, class_weight
        self._narrows = network.input_offset is None and network.input_scale is None
        self._kinds = None  # of the first piece's arrays

    def __call__(self, piece):
        """The same piece, its arrays checked."""
        network, place = self._network, piece.place
        X = check_inputs(f"{place}: X", piece.X, network.n_inputs, allow_empty=True)
        self._check_finite(piece, X, self._source.input_names, "X")
        y = check_array(f"{place}: y", piece.y)
        self._check_finite(piece, y, self._source.target_names, "y")
        y = check_targets(f"{place}: y", y, network.loss_function, len(X), network.n_outputs)
        weight = self._weights(piece, y, len(X))
        if self._narrows:
            X = self._narrowed(X)
        if self._is_trained_on:
            y = y if network.loss_function.ask is not None else self._narrowed(y)
            weight = None if weight is None else self._narrowed(weight)
        self._check_kinds(place, X, y, weight)
        return piece._replace(X=X, y=y, weight=weight)

    def _narrowed(self, array):
        dtype = self._network.dtype
        return array.astype(dtype) if array.dtype.kind == "f" and array.dtype != dtype else array

    def _check_finite(self, piece, array, names, letter):
        """In the network's dtype, where that is what is kept."""
        is_ones_own = letter == "y" and self._network.loss_function.ask is not None
        if array.dtype.kind != "f" or is_ones_own:
            return
        narrows = array.dtype != self._network.dtype and (letter == "y" or self._narrows)
        dtype = self._network.dtype if narrows else array.dtype
        bad = first_non_finite(array, lambda rows: rows.astype(dtype, copy=False))
        if bad is not None:
            column = bad[1] if len(bad) > 1 else 0
            what = f"{letter}[:, {column}]" if names is None else f"column {names[column]!r}"
            value, row = array[bad], f"{piece.first_row + bad[0] + 1:,}"
            limit = f", which is not finite in {dtype}" if np.isfinite(value) else ""
            raise ValueError(
                f"{piece.place}: {what} is {value} in row {row}{limit}: expected finite numbers"
            )

    def _weights(self, piece, y, n):
        weight = piece.weight
        if weight is not None:
            name = f"{piece.place}: weight"
            weight = check_array(name, weight)
            if weight.shape != (n,):
                raise ValueError(f"{name} has shape {weight.shape}: expected ({n},), one a row")
            self._check_finite(piece, weight, ("weight",), "weight")
            if n and weight.min() < 0:
                raise ValueError(f"{name} has the value {weight.min()}: expected at least 0")
        if self._class_weight is not None:
            from backprop.catalogue.class_weights import class_weights

            network = self._network
            own = class_weights(self._class_weight, y, network.loss_function, network.n_outputs)
            weight = own if weight is None else own * weight
        if weight is not None and weight.any():
            check_weight_range(f"{piece.place}: weight", weight, self._network.dtype)
        return weight

    def _check_kinds(self, place, X, y, weight):
        """That they are those of the first piece, beside which they will stand."""
        kinds = {"X": X.dtype, "y": (y.dtype, y.shape[1:])}
        kinds["weight"] = None if weight is None else weight.dtype
        if self._kinds is None:
            self._kinds = kinds
        for name, kind in kinds.items():
            if kind != self._kinds[name]:
                raise ValueError(
                    f"{place}: {name} is {_shown(kind)}, expected {_shown(self._kinds[name])}, as "
                    "in the first block"
                )


def _shown(kind):
    if kind is None:
        return "missing"
    return str(kind) if not isinstance(kind, tuple) else f"{kind[0]} of shape {('n', *kind[1])}"
