"""The user's arrays, as a run is given them."""

TYPES: str
