"""Initial weights."""

import numpy as np
from numpy.typing import NDArray

def normals(state: int, rows: int, columns: int) -> NDArray[np.float64]: ...
def orthogonal(state: int, rows: int, columns: int) -> NDArray[np.float64]: ...
