"""Gaussian noise: an operation of the core's chain; nothing here is for Python."""
