"""Shards of a batch: nothing here is for Python."""
