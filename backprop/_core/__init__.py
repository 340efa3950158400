"""The compiled core.

``kernels`` is the door to C, ``blas`` to BLAS; ``dense`` has forward and backward, ``steps`` the
training step and the epochs, ``plan`` what is decided before the first batch, ``network`` the
object that Python holds.
"""
