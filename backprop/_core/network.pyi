"""The object that backprop.Network holds. It checks nothing: backprop/validation.py has."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from backprop._core.shared import Shared

_Array = NDArray[np.generic]
_Views = tuple[_Array, _Array, _Array]  # weights, bias, what is beside them
_Row = tuple[str, Sequence[float]]  # an entry's name, and the values of its parameters

class Core(Shared):
    def __new__(
        cls,
        *,
        n_inputs: int,
        layers: Sequence[dict[str, object]],
        loss: _Row,
        dtype: np.dtype[np.generic],
        seed: int,
        threads_asked: int,
        threads_available: int,
        with_blas: bool,
        instruction_set: str,
        offset: NDArray[np.float64] | None,
        scale: NDArray[np.float64] | None,
        input_dropout: float = 0,
        own_loss: Callable[[_Array, _Array], tuple[_Array, _Array]] | None = None,
    ) -> Core: ...
    @property
    def dtype(self) -> np.dtype[np.generic]: ...
    @property
    def seed(self) -> int: ...
    steps: int
    epochs_trained: int
    @property
    def schedule_state(self) -> Any: ...
    @schedule_state.setter
    def schedule_state(self, state: Any) -> None: ...
    n_averaged: int
    def configure_optimizer(
        self,
        name: str,
        *,
        learning_rate: float,
        decays: tuple[float, float, float],
        settings: Sequence[float],
        clips: tuple[float, float],
        parts: int = 1,
        schedule: object = None,
        matrices: tuple[float, float, float] | None = None,
        average: tuple[str, float, int | None] | None = None,
    ) -> None: ...
    def configure_layer(self, i: int, *, frozen: bool, rate_factor: float) -> None: ...
    def views(self, which: Literal["parameters", "gradient"]) -> list[_Views]: ...
    def moment_views(self, which: int) -> list[_Views]: ...
    def average_views(self) -> list[_Views]: ...
    def plan_threads(self, batch: int) -> int: ...
    def fit(
        self,
        x: _Array,
        y: _Array,
        sample_weights: _Array | None,
        *,
        n_epochs: int,
        batch_size: int,
        losses: list[float],
        durations: list[float],
        shuffled: bool = False,
        counted: bool = False,
        progress: Callable[[int], None] | None = None,
        order: _Array | None = None,
        penalty: float | None = None,
        piece: tuple[int, int, _Array] | None = None,
        sharding: Any = None,
    ) -> bool: ...
    def admits(self, x: _Array, y: _Array) -> bool: ...
    def takes(self, x: object) -> bool: ...
    def predict(
        self, x: _Array, *, linked: bool = True, activated: bool = True, n_layers: int = 0
    ) -> _Array: ...
    def infer(
        self, x: _Array, y: _Array | None, sample_weights: _Array | None, out: _Array
    ) -> tuple[float, float]: ...
    def differentiate(
        self, x: _Array, y: _Array, sample_weights: _Array | None, total_weight: float
    ) -> tuple[float, list[_Views]]: ...
    def inspect(
        self, x: _Array, y: _Array, sample_weights: _Array | None, total_weight: float
    ) -> tuple[_Array, _Array | None, _Array, list[dict[str, _Array]]]: ...
    def forward(self, x: _Array, out: _Array) -> None: ...
    def backward(self, d_out: _Array, dx: _Array) -> None: ...
    def update(self) -> None: ...
    def sum_of_squares(self) -> float: ...
    def accept_gradients(self) -> list[_Views]: ...
    def gradient_views(self) -> list[_Views]: ...
