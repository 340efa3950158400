"""The compiled core.

``kernels`` (the door to C), ``blas``, ``dense`` (forward, backward) and ``network`` (plan, epochs).
"""
