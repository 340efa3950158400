"""The optimizer's step with gradients that are kept: nothing that Python sees."""
