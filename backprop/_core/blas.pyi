"""The only door to BLAS."""

LIBRARY_NAME: str
LIBRARY: str
CORE_TYPES: dict[str, str]

def load() -> None: ...
def describe() -> tuple[str, str]: ...
