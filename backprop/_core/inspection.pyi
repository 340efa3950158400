"""All that passes through a network on one batch, kept; nothing here is for Python."""
