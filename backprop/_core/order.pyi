"""The order of rows that come in blocks through a buffer."""

from numpy import int64
from numpy.typing import NDArray

def shuffle_blocks(blocks: NDArray[int64], seed: int, epoch: int) -> None: ...
def draw_rows(
    rows: NDArray[int64], count: int, n_drawn: int, seed: int, epoch: int, draw: int
) -> None: ...
def shuffle_rows(rows: NDArray[int64], seed: int, epoch: int) -> None: ...
