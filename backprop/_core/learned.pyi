"""Activations that learn: an operation of the core's chain; nothing here is for Python."""
