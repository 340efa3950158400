"""Dense neural networks trained straight on numpy arrays, on the CPU, in Cython and C.

>>> import backprop as bp
>>> net = bp.Network(64, [bp.Dense(32, "relu"), bp.Dense(10)], loss="softmax_cross_entropy")

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING

from backprop._version import __version__
from backprop._version import is_known as _is_known

if _TYPE_CHECKING:  # for type checkers and editors, which do not see what __getattr__ finds
    from backprop import dask as dask
    from backprop import ranks as ranks
    from backprop import sources as sources
    from backprop.callbacks import Callback, Checkpoint, CSVLog, EarlyStopping, TensorBoard
    from backprop.catalogue.averages import EMA, SWA
    from backprop.catalogue.optimizers.adam import Adam, AdamW
    from backprop.catalogue.optimizers.adam_variants import Adamax, AMSGrad, NAdam, RAdam
    from backprop.catalogue.optimizers.adaptive import Adadelta, Adagrad, RMSprop
    from backprop.catalogue.optimizers.lbfgs import LBFGS
    from backprop.catalogue.optimizers.muon import Muon
    from backprop.catalogue.optimizers.sgd import SGD
    from backprop.catalogue.optimizers.signs import Lion, Rprop
    from backprop.catalogue.schedules import (
        Constant,
        Cosine,
        CosLog,
        ExponentialDecay,
        InverseScaling,
        OneCycle,
        OnPlateau,
        PolynomialDecay,
        StepDecay,
        Warmup,
    )
    from backprop.config import show_config
    from backprop.estimators import MLPClassifier as MLPClassifier
    from backprop.estimators import MLPRegressor as MLPRegressor
    from backprop.estimators import from_sklearn as from_sklearn
    from backprop.estimators.on_dask import DaskMLPClassifier as DaskMLPClassifier
    from backprop.estimators.on_dask import DaskMLPRegressor as DaskMLPRegressor
    from backprop.history import History
    from backprop.layers import Dense
    from backprop.learning_rate import find_learning_rate
    from backprop.network import Network

_CALLBACKS = "backprop.callbacks"
_ESTIMATORS = "backprop.estimators"
_ON_DASK = "backprop.estimators.on_dask"
_OPTIMIZERS = "backprop.catalogue.optimizers"
_AVERAGES = "backprop.catalogue.averages"
_SCHEDULES = "backprop.catalogue.schedules"
_HOME = {
    "Network": "backprop.network",
    "Dense": "backprop.layers",
    "SGD": _OPTIMIZERS,
    "AdamW": _OPTIMIZERS,
    "Adam": _OPTIMIZERS,
    "AMSGrad": _OPTIMIZERS,
    "NAdam": _OPTIMIZERS,
    "RAdam": _OPTIMIZERS,
    "Adamax": _OPTIMIZERS,
    "RMSprop": _OPTIMIZERS,
    "Adagrad": _OPTIMIZERS,
    "Adadelta": _OPTIMIZERS,
    "Lion": _OPTIMIZERS,
    "Rprop": _OPTIMIZERS,
    "LBFGS": _OPTIMIZERS,
    "Muon": _OPTIMIZERS,
    "EMA": _AVERAGES,
    "SWA": _AVERAGES,
    "Constant": _SCHEDULES,
    "StepDecay": _SCHEDULES,
    "ExponentialDecay": _SCHEDULES,
    "PolynomialDecay": _SCHEDULES,
    "InverseScaling": _SCHEDULES,
    "Cosine": _SCHEDULES,
    "Warmup": _SCHEDULES,
    "OneCycle": _SCHEDULES,
    "CosLog": _SCHEDULES,
    "OnPlateau": _SCHEDULES,
    "Callback": _CALLBACKS,
    "EarlyStopping": _CALLBACKS,
    "Checkpoint": _CALLBACKS,
    "CSVLog": _CALLBACKS,
    "TensorBoard": _CALLBACKS,
    "find_learning_rate": "backprop.learning_rate",
    "History": "backprop.history",
    "show_config": "backprop.config",
    "MLPClassifier": _ESTIMATORS,
    "MLPRegressor": _ESTIMATORS,
    "from_sklearn": _ESTIMATORS,
    "DaskMLPClassifier": _ON_DASK,
    "DaskMLPRegressor": _ON_DASK,
}

_MODULES = ("dask", "ranks", "sources")  # that are imported when they are asked for

# Without the estimators, so that `from backprop import *` does not need scikit-learn.
__all__ = [
    "EMA",
    "LBFGS",
    "SGD",
    "SWA",
    "AMSGrad",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "CSVLog",
    "Callback",
    "Checkpoint",
    "Constant",
    "CosLog",
    "Cosine",
    "Dense",
    "EarlyStopping",
    "ExponentialDecay",
    "History",
    "InverseScaling",
    "Lion",
    "Muon",
    "NAdam",
    "Network",
    "OnPlateau",
    "OneCycle",
    "PolynomialDecay",
    "RAdam",
    "RMSprop",
    "Rprop",
    "StepDecay",
    "TensorBoard",
    "Warmup",
    "__version__",
    "find_learning_rate",
    "show_config",
]


def __getattr__(name):
    if name in _MODULES:
        return _import_module(f"backprop.{name}")
    if name not in _HOME:
        from backprop.attributes import package_hint

        hint = package_hint(name, _HOME)
        raise AttributeError(f"module 'backprop' has no attribute {name!r}{hint}")
    value = getattr(_import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__():
    """Without the estimators where they cannot be had: what looks at all names would fail."""
    missing = set() if _has_scikit_learn() else {_ESTIMATORS, _ON_DASK}
    if not _has_dask():
        missing.add(_ON_DASK)
    return sorted({*__all__, *_MODULES, *(n for n, home in _HOME.items() if home not in missing)})


def _has_dask():
    from importlib.util import find_spec

    return all(find_spec(name) is not None for name in ("dask", "distributed", "pandas"))


def _has_scikit_learn():
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    try:
        installed = version("scikit-learn")
    except PackageNotFoundError:
        return False
    return _is_known(installed) and find_spec("sklearn") is not None
