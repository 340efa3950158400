"""The user's arrays, as a run is given them; nothing here is for Python."""
