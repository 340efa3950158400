"""A dense layer, forward and backward: nothing that Python sees."""
