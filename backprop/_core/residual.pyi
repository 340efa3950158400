"""A residual connection: an operation of the core's chain; nothing here is for Python."""
