"""The one place of the version."""

__version__ = "0.1.0"
SCIKIT_LEARN = "1.6"  # the oldest that the estimators run with


def is_known(scikit_learn):
    """Whether that version is not older."""
    given, oldest = (version.split(".")[:2] for version in (scikit_learn, SCIKIT_LEARN))
    return [*map(int, given)] >= [*map(int, oldest)]
