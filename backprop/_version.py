"""The one place of the version."""

__version__ = "0.1.0"
SCIKIT_LEARN = "1.9"  # for which the estimators are made
