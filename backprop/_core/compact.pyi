"""Rows of parameters without padding; nothing here is for Python."""
