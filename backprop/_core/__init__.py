"""The compiled core.

``kernels`` is the door to C, ``blas`` to BLAS; ``dense`` has forward and backward, ``steps`` the
training step and the epochs, ``plan`` what is decided before the first batch, ``network`` the
object that Python holds.
"""

from importlib.util import find_spec

if find_spec("backprop._core.kernels") is None:
    raise ImportError(
        f"{__path__[0]} is backprop's source folder, which is not built, and stands before the "
        "installed package here: run from another folder, or build it where it stands "
        "(python setup.py build_ext --inplace)"
    )
