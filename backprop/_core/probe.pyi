"""The leaf kernels, callable from Python: for tests and benchmarks only."""

from collections.abc import Sequence
from typing import Literal, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from backprop.catalogue.optimizers import Optimizer

_Array = NDArray[np.generic]
_Step = tuple[Optimizer, int]  # and the number of its step, from 1

@final
class Product:
    def __init__(
        self,
        a: _Array,
        b: _Array,
        c: _Array,
        *,
        a_is_k_major: bool = False,
        epilogue: Literal["store", "activate", "derivative", "update"] = "store",
        activation: str = "identity",
        parameters: Sequence[float] = (),
        kept: _Array | None = None,
        step: _Step | None = None,
        moments: Sequence[_Array] = (),
        parameters_are_far: bool = False,
        resumes: bool = False,
        shards: Sequence[int] | None = None,
        instruction_set: str | None = None,
    ) -> None: ...
    def units(self) -> int: ...
    def run(self, first: int = 0, last: int | None = None) -> None: ...

def instruction_sets() -> dict[str, bool]: ...
def tile_shape(dtype: DTypeLike, instruction_set: str | None = None) -> tuple[int, int, int]: ...
def multiply_add_peak(
    dtype: DTypeLike = "float32", seconds_to_run: float = 0.2, instruction_set: str | None = None
) -> float: ...
def barrier_seconds(n_threads: int, count: int = 10_000) -> float: ...
def function(name: str, values: _Array, instruction_set: str | None = None) -> _Array: ...
def activate(
    activation: str,
    values: _Array,
    parameters: Sequence[float] = (),
    instruction_set: str | None = None,
) -> tuple[_Array, _Array]: ...
def blas_multiply(
    a: _Array, b: _Array, c: _Array, a_is_k_major: bool = False, b_is_n_major: bool = False
) -> None: ...
def update(
    step: _Step,
    gradient: _Array,
    weights: _Array,
    moments: Sequence[_Array] = (),
    instruction_set: str | None = None,
) -> None: ...
def gather(
    source: _Array,
    dtype: DTypeLike,
    columns: int,
    rows: NDArray[np.int64] | None = None,
    offset: NDArray[np.float64] | None = None,
    scale: NDArray[np.float64] | None = None,
    start: int = 0,
    count: int | None = None,
    instruction_set: str | None = None,
) -> _Array: ...
def transpose(values: _Array, instruction_set: str | None = None) -> _Array: ...
def loss(
    name: str,
    a: _Array,
    targets: _Array,
    weights: _Array,
    scale: float,
    parameters: Sequence[float] = (),
    instruction_set: str | None = None,
) -> tuple[_Array, _Array]: ...
def link(
    name: str,
    outputs: _Array,
    parameters: Sequence[float] = (),
    instruction_set: str | None = None,
) -> _Array: ...
def batch_norm(
    z: _Array,
    scale: _Array,
    shift: _Array,
    epsilon: float,
    count: int,
    instruction_set: str | None = None,
) -> tuple[_Array, _Array, _Array, _Array]: ...
def batch_norm_backward(
    dy: _Array,
    n: _Array,
    variance: _Array,
    scale: _Array,
    epsilon: float,
    count: int,
    instruction_set: str | None = None,
) -> tuple[_Array, _Array, _Array]: ...
def layer_norm(
    z: _Array,
    scale: _Array,
    shift: _Array,
    epsilon: float,
    instruction_set: str | None = None,
) -> tuple[_Array, _Array, _Array]: ...
def layer_norm_backward(
    dy: _Array, n: _Array, inverse: _Array, scale: _Array, instruction_set: str | None = None
) -> _Array: ...
def follow_statistics(
    statistics: tuple[_Array, _Array],
    running: tuple[_Array, _Array],
    count: int,
    rate: float,
    instruction_set: str | None = None,
) -> None: ...
def activate_learned(
    name: str, z: _Array, parameters: _Array, instruction_set: str | None = None
) -> tuple[_Array, _Array]: ...
def learned_backward(
    name: str,
    da: _Array,
    z: _Array,
    parameters: _Array,
    count: int,
    instruction_set: str | None = None,
) -> tuple[_Array, _Array]: ...
def add_noise(
    state: int, deviation: float, values: _Array, instruction_set: str | None = None, place: int = 0
) -> _Array: ...
def total(values: _Array, instruction_set: str | None = None) -> float: ...
def is_finite(
    values: _Array, first: int, last: int, instruction_set: str | None = None
) -> bool: ...
def are_classes(
    labels: _Array, first: int, last: int, n_classes: int, instruction_set: str | None = None
) -> bool: ...
def sum_of_squares(values: _Array, instruction_set: str | None = None) -> float: ...
def limit(
    values: _Array, factor: float, bound: float = ..., instruction_set: str | None = None
) -> None: ...
def follow(
    values: _Array, averages: _Array, share: float, instruction_set: str | None = None
) -> None: ...
def limit_columns(
    values: _Array, first: int, last: int, most: float, instruction_set: str | None = None
) -> None: ...
def uniform(
    dtype: DTypeLike,
    state: int,
    limit: float,
    rows: int,
    columns: int,
    instruction_set: str | None = None,
) -> _Array: ...
def random_stream(seed: int, purpose: int, index: int) -> int: ...
def permutation(state: int, count: int) -> NDArray[np.int64]: ...
