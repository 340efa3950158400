"""The training step and the epochs: nothing that Python sees."""
