"""Step by step, for losses and loops of one's own: a step, gradients, where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from backprop._core.errors import NotFinite
from backprop.attributes import OF_A_NETWORK, Guarded
from backprop.catalogue.records import Hinted
from backprop.layers import Arrays, Gradient, all_arrays, check_parameter, layer_arrays
from backprop.sharing import changing, reading
from backprop.validation import (
    MAX_SIZE,
    check_inputs,
    check_integer,
    check_matrix,
    check_trained,
    first_bad_parameter,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import ArrayLike, NDArray

    from backprop.explain import Trace

# Rows that `loss_and_gradients` takes at a time: their activations, not the whole set's, are in
# memory.
GRADIENT_ROWS = 4096


class Passage(NamedTuple):
    """One batch's way through the network and back, as the core worked it out.

    ``x`` (n, n_inputs): after offset and scale; ``input_mask``: what dropout multiplies it with, or
    None; ``losses`` (n,): of each sample, whatever it weighs; ``layers``: of each a dict of "z",
    "a", "derivative", "da" and "dz" (n, units), the last two of each sample's own loss, or of the
    batch's cost where a norm mixes samples; of a layer that adds noise also "noise", of one
    that drops "mask"; "out" where a is not what it hands on: "da" is by that; of a norm also "n",
    "y" and "dy"; ``gradients``: of the cost, a Gradient for each layer; ``loss_slopes``
    (n, n_outputs): of each sample's own loss by the outputs. What is drawn is what the next step
    draws.
    """

    x: NDArray[Any]
    input_mask: NDArray[Any] | None
    losses: NDArray[Any]
    layers: list[dict[str, NDArray[Any]]]
    gradients: list[Gradient]
    loss_slopes: NDArray[Any]


class Stepwise(Hinted, Guarded):
    """A part of `Network`."""

    instead: ClassVar[dict[str, str]] = OF_A_NETWORK

    keyword_aliases: ClassVar[dict[str, str]] = {
        "learning_rate": "optimizer",
        "lr": "optimizer",
        "momentum": "optimizer",
        "l2": "optimizer",
        "weight_decay": "optimizer",
        "solver": "optimizer",
        "activation": "layers",
        "hidden_layer_sizes": "layers",
        "random_state": "seed",
        "threads": "n_threads",
        "n_jobs": "n_threads",
    }

    def train_step(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """One step of the optimizer on one batch.

        All rows of X. Returns the batch's cost before the step.

        Raises
        ------
        ValueError
            Also where X or y is not finite, or every layer is frozen; nothing was changed.
        FloatingPointError
            When that cost is not finite, and nothing was changed; or when the step has made weights
            that are not finite.
        """
        self._check_steps("train_step")
        check_trained(self.layers)
        return self._train_step(X, y, sample_weight)

    def _train_step(self, X, y, sample_weight):
        """That step, where there may be nothing that it changes."""
        X, y, sample_weight = self._check_samples(X, y, sample_weight)
        check_integer("len(X)", len(X), 1, MAX_SIZE)
        costs = []
        finite = self._core.fit(
            X, y, sample_weight, n_epochs=1, batch_size=len(X), losses=costs, durations=[]
        )
        (loss,) = costs
        if not (finite and np.isfinite(loss)):
            raise self._training_error(X, y, loss, self.epochs_trained + 1)
        return loss

    def loss_and_gradients(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, list[Gradient]]:
        """The cost over all rows and its gradient, without a step.

        Returns
        -------
        loss : float
        gradients : list of Gradient
            ``gradients[i].weights`` (n_in, units) and ``gradients[i].bias`` (units,) of layer i:
            copies.
        """
        return self._loss_and_gradients(*self._check_samples(X, y, sample_weight))

    def _loss_and_gradients(self, X, y, sample_weight):
        try:
            with reading(self._core):
                return self._gradients_of_blocks(X, y, sample_weight)
        except NotFinite:
            raise self._not_finite(X, y) from None

    def _gradients_of_blocks(self, X, y, sample_weight):
        weight = (
            float(len(X)) if sample_weight is None else float(sample_weight.sum(dtype=np.float64))
        )
        total_loss, gradients = 0.0, None
        # a norm over samples takes them all
        at_a_time = len(X) if self._mixes_samples() else GRADIENT_ROWS
        for start in range(0, len(X), at_a_time):
            rows = slice(start, start + at_a_time)
            weights_here = None if sample_weight is None else sample_weight[rows]
            loss, found = self._differentiate(X[rows], y[rows], weights_here, weight)
            total_loss += loss
            if gradients is None:
                gradients = found
            else:
                for total, part in zip(gradients, found, strict=True):
                    for name, array in total.parameters.items():
                        array += part.parameters[name]
        return total_loss / weight, gradients

    def _differentiate(self, X, y, sample_weight, weight):
        """(Σ w loss, gradients of Σ w loss / weight)."""
        loss, views = self._core.differentiate(X, y, sample_weight, weight)
        return loss, self._named(views, Gradient)

    def cost(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Σ w loss / Σ w over all rows, without a score: what ``evaluate`` calls "loss"."""
        X, y, sample_weight = self._check_samples(X, y, sample_weight)
        outputs = np.empty((len(X), self.n_outputs), self.dtype)
        try:
            total_loss, total_weight = self._core.infer(X, y, sample_weight, outputs)
        except NotFinite:
            raise self._not_finite(X, y) from None
        return total_loss / total_weight

    def inspect(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Passage:
        """What passes through the core on one batch, all of it kept: no parameter changes.

        Parameters are as for ``train_step``; `explain` is made of this. Gradients that ``backward``
        kept are overwritten.
        """
        X, y, sample_weight = self._check_samples(X, y, sample_weight)
        try:
            with reading(self._core):
                return self._inspect(X, y, sample_weight)
        except NotFinite:
            raise self._not_finite(X, y) from None

    def _inspect(self, X, y, sample_weight):
        weight = len(X) if sample_weight is None else sample_weight.sum(dtype=np.float64)
        _, gradients = self._differentiate(X, y, sample_weight, float(weight))
        # of each sample alone: what a weight of 0 has multiplied cannot be had back by division
        x, input_mask, losses, layers = self._core.inspect(X, y, None, 1.0)
        slopes = layers[-1]["da"]
        if self._mixes_samples():  # which leaves no derivative by a z to one sample's loss alone
            *_, layers = self._core.inspect(X, y, sample_weight, float(weight))
        return Passage(x, input_mask, losses, layers, gradients, slopes)

    def explain(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        input_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
    ) -> Trace:
        """The chain rule on these numbers: every factor of every gradient. Changes nothing.

        Parameters
        ----------
        X, y, sample_weight
            As for ``train_step``; or one sample: X (n_inputs,) and its y.
        input_names, output_names : sequence of str, optional
            For the forms that people read. By default those of a data frame's columns, else x1, x2,
            …; and label 0, label 1, … where y holds labels, else y1, y2, ….

        Returns
        -------
        backprop.explain.Trace
            What the core works out on this batch: z, a, ∂ℓ/∂a, f'(z), ∂ℓ/∂z, gradients, the next
            step. ``print`` it, look at one weight with ``gradient``, write a page with
            ``to_html``.

        Raises
        ------
        ValueError
            Naming the argument; and for an optimizer whose steps are not of each number alone.
        """
        from backprop.explain import trace

        self._check_steps("explain")
        if not self.optimizer.is_elementwise:
            raise ValueError(
                f"explain with {self.optimizer!r}: expected an optimizer that makes a step of each "
                "number alone"
            )
        with reading(self._core):
            return trace.explain(self, X, y, sample_weight, input_names, output_names)

    def hidden(self, X: ArrayLike, layer: int) -> NDArray[Any]:
        """What comes out of a layer, as predictions are made: nothing is dropped.

        Parameters
        ----------
        X : array of shape (n, n_inputs)
            As for ``predict``.
        layer : int
            From 0; -1 is the last. Its activations are returned, with a cross-entropy the logits.

        Returns
        -------
        array of shape (n, units of that layer)
        """
        X = check_inputs("X", X, self.n_inputs, allow_empty=True)
        n = len(self.layers)
        layer = check_integer("layer", layer, -n, n - 1) % n
        try:
            return self._core.predict(X, linked=False, n_layers=layer + 1)
        except NotFinite:
            raise self._not_finite(X) from None

    def get_weights(self) -> list[NDArray[Any]]:
        """Copies of weights and bias of the first layer, of the second, ….

        After the bias comes what else a layer has: its `parameters`, then its `statistics`.
        """
        with reading(self._core):
            return [array.copy() for array in self._parameters().values()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Give the network what `get_weights` returned, of this one or of another with such layers.

        The optimizer's moments and counts stay as they are.

        Raises
        ------
        ValueError, TypeError
            Naming the array; then none was changed.
        """
        own, weights = self._parameters(), list(weights)
        if len(weights) != len(own):
            raise ValueError(
                f"weights has {len(weights)} arrays, expected {len(own)}: {', '.join(own)}"
            )
        given = zip(own.items(), weights, strict=True)
        values = [check_parameter(name, value, array) for (name, array), value in given]
        with changing(self._core):
            for array, value in zip(own.values(), values, strict=True):
                array[...] = value

    def _parameters(self):
        """{name: view} of all that trains, or is gathered in training, in its order."""
        return {
            f"layers[{i}].{name}": array
            for i, layer in enumerate(self.layers)
            for name, array in all_arrays(layer).items()
        }

    def forward(self, X: ArrayLike) -> NDArray[Any]:
        """The last layer's activations for one batch, kept for ``backward``.

        With a cross-entropy they are the logits.

        Parameters
        ----------
        X : array of shape (n, n_inputs)
            One batch, as for ``fit``.

        Returns
        -------
        array of shape (n, n_outputs)
        """
        X = check_inputs("X", X, self.n_inputs)
        check_integer("len(X)", len(X), 1, MAX_SIZE)
        out = np.empty((len(X), self.n_outputs), self.dtype)
        try:
            self._core.forward(X, out)
        except NotFinite:
            raise self._not_finite(X) from None
        return out

    def backward(self, d_out: ArrayLike) -> NDArray[Any]:
        """Back-propagate ∂L/∂out of the batch that ``forward`` saw, for any loss L of one's own.

        It may be called again with another d_out, whose gradients then take the place of the
        former, and after predictions, which leave the batch as it is. Keeps the gradients of the
        parameters for ``update`` (sums over the batch: a mean is the caller's to take).

        Parameters
        ----------
        d_out : array of shape (n, n_outputs)
            ∂L/∂out, where out is what ``forward`` returned.

        Returns
        -------
        array of shape (n, n_inputs)
            ∂L/∂X, of X as it was given.

        Raises
        ------
        RuntimeError
            When ``forward`` was not called before, with as many rows; or when weights were trained,
            or gradients taken of other rows, since.
        """
        d_out = check_matrix("d_out", d_out, self.n_outputs, "output")
        dX = np.empty((len(d_out), self.n_inputs), self.dtype)
        self._core.backward(d_out, dX)
        if self.input_scale is not None:
            dX *= self.input_scale.astype(self.dtype)
        return dX

    def gradients(self) -> list[Gradient]:
        """The gradients that the last ``backward`` kept.

        A list of Gradient, writable views (to clip or add to).
        """
        return self._named(self._core.gradient_views(), Gradient)

    def _named(self, views, kind=Arrays):
        """The core's views, each layer's by name."""
        return [layer_arrays(*both, kind) for both in zip(self._specs, views, strict=True)]

    def update(self) -> None:
        """One step of the optimizer with the gradients that ``backward`` kept.

        Raises
        ------
        FloatingPointError
            When one of them is not finite; nothing was changed.
        RuntimeError
            When there are none that it has not used yet.
        ValueError
            When every layer is frozen.
        """
        self._check_steps("update")
        check_trained(self.layers)
        try:
            self._core.update()
        except NotFinite:
            what, value = first_bad_parameter(self.gradients(), "gradients()")
            raise FloatingPointError(
                f"{what} is {value}: expected finite gradients; clip what was given to backward, "
                "or leave this batch out"
            ) from None

    def _check_steps(self, called):
        if self.optimizer.minimizes:
            raise ValueError(
                f"{called} with {self.optimizer!r}: expected an optimizer that has steps; this one "
                "minimises in fit"
            )
