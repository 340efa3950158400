"""A run that is interrupted and goes on: what a checkpoint holds beside the network.

It is a run of ``fit`` up to a place between two steps: history, position in the epoch, what its
callbacks remember, and a fingerprint of the data and settings that the rest of it needs. The order
of the rows, what is dropped and the learning rate follow from the seed and the counts of steps and
epochs, which are the network's.

Floats are written as hexadecimal text, and lists of them as tensors, so that no bit is lost.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import chain

import numpy as np

from backprop.history import History
from backprop.ranks import agreement
from backprop.validation import check_integer

HASHED_BYTES = 1 << 24  # that are made contiguous at a time
DATA = ("X", "y", "sample_weight")
SETTINGS = ("batch_size", "shuffle", "metrics", "optimizer", "loss", "layers", "dtype", "seed")
UNSAID = {"shards": 1, "buffer_rows": None}  # in files of versions that knew no other
FINGERPRINT = (
    *("shards", "buffer_rows", *DATA),
    *(f"validation {name}" for name in DATA),
    *SETTINGS,
)
LISTS = ("loss", "validation_loss", "validation_accuracy", "seconds")  # of a history


@dataclass
class Run:
    """Where a run of ``fit`` stood: read from a file, to be gone on from.

    Attributes
    ----------
    fingerprint : dict
        See the function of that name.
    steps : int
        Of the network, when it was written.
    position : int
        Rows of the epoch that are done.
    begun : array (3,)
        Σ loss, Σ weight and seconds of these rows.
    seconds : float
        Of the run, with all that was done between epochs.
    history : History
    callbacks, savers : list of (str, dict)
        Names, and what they remember, of those that do; savers: of checkpoints.
    """

    fingerprint: dict
    steps: int
    position: int
    begun: np.ndarray
    seconds: float
    history: History
    callbacks: list
    savers: list

    @classmethod
    def read(cls, description, arrays):
        """What `written` made; KeyError, TypeError or ValueError where it is something else."""
        history = History(n_samples=check_integer("n_samples", description["n_samples"], 1))
        for name in LISTS:
            getattr(history, name).extend(arrays[f"history.{name}"].tolist())
        for name in description["metrics"]:
            history.metrics[name] = arrays[f"history.metrics.{name}"].tolist()
        history.stopped = description["stopped"]
        position = description["position"]
        fingerprint = UNSAID | description["fingerprint"]
        remembered = {
            which: [(name, _decoded(state, arrays)) for name, state in description[which]]
            for which in ("callbacks", "savers")
        }
        return cls(
            fingerprint={name: fingerprint[name] for name in FINGERPRINT},
            steps=check_integer("steps", description["steps"], 0),
            position=check_integer("position", position, 0, history.n_samples - 1),
            begun=arrays["begun"].astype(np.float64).reshape(3),
            seconds=float.fromhex(description["seconds"]),
            history=history,
            **remembered,
        )


def written(training):
    """(what JSON can hold, {name: array}) of a `Training`, for `Run.read`."""
    history, arrays = training.history, {"begun": training.begun}
    for name in LISTS:
        arrays[f"history.{name}"] = np.array(getattr(history, name), np.float64)
    for name, values in history.metrics.items():
        arrays[f"history.metrics.{name}"] = np.array(values, np.float64)
    description = {
        "fingerprint": fingerprint(training),
        "n_samples": history.n_samples,
        "steps": training.network.steps,
        "position": training.position,
        "seconds": training.seconds.hex(),
        "metrics": list(history.metrics),
        "stopped": history.stopped,
        "callbacks": [],
        "savers": [],
    }
    for i, one in enumerate(training.remembering):
        state = _encoded(one.state, f"callbacks.{i}", arrays, one.name)
        description["savers" if one.saves else "callbacks"].append([one.name, state])
    return description, arrays


def restore(training, run):
    """Put a new `Training` where the run stood; ValueError names what is another than it was."""
    if training.network.steps != run.steps:
        raise ValueError(
            f"the network was trained since it was resumed: it has {training.network.steps} steps, "
            f"expected {run.steps}; Network.load is for training that goes another way"
        )
    _check_same(fingerprint(training), run.fingerprint)
    if training.epochs < len(run.history.loss):
        raise ValueError(
            f"epochs={training.epochs}: the run that is resumed has done "
            f"{len(run.history.loss)}, expected those of the whole run"
        )
    savers = [one for one in training.remembering if one.saves]
    others = [one for one in training.remembering if not one.saves]
    names = [name for name, _ in run.callbacks]
    if names != [one.name for one in others]:
        raise ValueError(
            f"callbacks: expected {', '.join(names) or 'none that remember'}, in that order, as in "
            f"the run that is resumed; got {', '.join(one.name for one in others) or 'none'}"
        )
    training.history, training.seconds_before = run.history, run.seconds
    training.position, training.begun = run.position, run.begun
    for one, (_, state) in zip(others, run.callbacks, strict=True):
        one.resumed = state
    for one, (_, state) in zip(savers, run.savers, strict=False):  # may be others, or none
        one.resumed = state


def hashes(training):
    """Of its data: {name: shape, dtype and SHA-256, or None}."""
    found = dict(zip(DATA, _hashes_of_data(training), strict=True))
    validation = _hashes_of(training.validation or (None, None, None))
    return found | {
        f"validation {name}": value for name, value in zip(DATA, validation, strict=True)
    }


def _hashes_of(data):
    """Of three arrays, or of a `Source` what tells it from others."""
    if isinstance(data, tuple):
        return list(map(_hashed, data))
    found = {"shape": [data.n_rows], "dtype": data.name, "sha256": data.fingerprint()}
    return [found, None, None]


def _hashes_of_data(training):
    """With shards, the hash is that of the shards' hashes: no rank needs to have all rows."""
    sharding = training.sharding
    if sharding is None or not isinstance(training.data, tuple):
        return _hashes_of(training.data)
    starts = [sharding.first_row(i) - sharding.rows_before for i in range(sharding.count + 1)]
    own = [slice(*starts[i : i + 2]) for i in range(sharding.first, sharding.last)]
    found = [
        None if array is None else [_hashed(array[rows])["sha256"] for rows in own]
        for array in training.data
    ]
    if sharding.ranks is not None:
        of_ranks = agreement.told(sharding.ranks, found)
        found = [
            None if one[0] is None else list(chain(*one)) for one in zip(*of_ranks, strict=True)
        ]
    return [
        None
        if digests is None
        else {
            "shape": [sharding.n_rows, *array.shape[1:]],
            "dtype": array.dtype.str,
            "sha256": hashlib.sha256("".join(digests).encode()).hexdigest(),
        }
        for array, digests in zip(training.data, found, strict=True)
    ]


def fingerprint(training):
    """Of data and settings as they are now: {name: what has to be the same}."""
    network = training.network
    found = training.hashes | {
        "batch_size": training.batch_size,
        "shuffle": training.shuffle,
        "metrics": [one.key for one in training.metrics],
        "optimizer": network.optimizer.description,
        "loss": network.loss_function.description,
        "layers": [layer.spec.description for layer in network.layers],
        "dtype": str(network.dtype),
        "seed": network.seed,
        "shards": 1 if training.sharding is None else training.sharding.count,
        "buffer_rows": training.buffer_rows,
    }
    return json.loads(json.dumps(found))  # as a file gives it back


def _hashed(array):
    """Shape, dtype and SHA-256 of an array's numbers; None of None."""
    if array is None:
        return None
    digest = hashlib.sha256()
    rows = max(1, HASHED_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows]).data)
    return {"shape": list(array.shape), "dtype": array.dtype.str, "sha256": digest.hexdigest()}


def _check_same(given, saved):
    for name, was in saved.items():
        now = given[name]
        if now == was:
            continue
        if isinstance(was, dict) and isinstance(now, dict) and "sha256" in was:
            key = next(key for key in was if was[key] != now[key])
            what = "other numbers" if key == "sha256" else f"{key} {_plain(now[key])}"
            was = "those of the run" if key == "sha256" else f"{key} {_plain(was[key])}"
            raise ValueError(
                f"{name} has {what}: expected {was}, which this network resumes; compared is what "
                "is trained on, after validation_split and class_weight"
            )
        now, was = ("none" if one is None else one for one in (now, was))
        if isinstance(was, dict) and "sha256" in was:
            was = "what the run had"
        if isinstance(now, dict) and "sha256" in now:
            now = f"one of shape {_plain(now['shape'])}"
        raise ValueError(f"{name} is {now}: expected {was}, as in the run that is resumed")


def _plain(value):
    return tuple(value) if isinstance(value, list) else value


def _encoded(value, place, arrays, owner):
    """What JSON can hold of a callback's state, whose arrays go among the others."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        arrays[place] = value
        return {"array": place}
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, dict):
        wrong = [key for key in value if not isinstance(key, str)]
        if wrong:
            raise TypeError(f"{owner}.get_state() has the key {wrong[0]!r}: expected text")
        found = {k: _encoded(part, f"{place}.{k}", arrays, owner) for k, part in value.items()}
        return {"dict": found}
    if isinstance(value, list | tuple):
        parts = [_encoded(part, f"{place}.{i}", arrays, owner) for i, part in enumerate(value)]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(
        f"{owner}.get_state() has {value!r}: expected numbers, text, arrays, lists and dicts"
    )


def _decoded(value, arrays):
    if isinstance(value, list):
        return [_decoded(part, arrays) for part in value]
    if not isinstance(value, dict):
        return value
    ((kind, of),) = value.items()
    if kind == "array":
        return arrays[of]
    if kind == "float":
        return float.fromhex(of)
    if kind == "tuple":
        return tuple(_decoded(part, arrays) for part in of)
    return {key: _decoded(part, arrays) for key, part in of.items()}
