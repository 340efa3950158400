"""Muon's step, as an operation behind a layer's gradient and on its own."""
