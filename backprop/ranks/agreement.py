"""What has to be the same on all ranks is the same, or all of them say what is not."""

import hashlib
import json
from itertools import pairwise

import numpy as np

from backprop._core.ranks import RankStopped

SAMPLED_ROWS = 64  # of what is to be the same on all ranks


def told(ranks, value):
    """[what each rank has told], of values that JSON can hold."""
    own = np.frombuffer(json.dumps(value).encode(), np.uint8)
    sizes = np.zeros(ranks.size, np.int64)
    sizes[ranks.rank] = len(own)
    ranks.gather(sizes, np.arange(ranks.size + 1))
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    whole = np.zeros(bounds[-1], np.uint8)
    whole[bounds[ranks.rank] : bounds[ranks.rank + 1]] = own
    ranks.gather(whole, bounds)
    pieces = [whole[a:b].tobytes() for a, b in pairwise(bounds)]
    return [json.loads(piece) for piece in pieces]


class Together:
    """A block that all ranks enter: where it raises on one of them, it raises on all.

    On one that has no error of its own a `RankStopped` names the rank and what happened there.
    Within the block ranks must not wait for one another.
    """

    def __init__(self, ranks):
        self._ranks = ranks

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        failed = np.zeros(self._ranks.size, np.int64)
        failed[self._ranks.rank] = error is not None
        self._ranks.gather(failed, np.arange(self._ranks.size + 1))
        if not failed.any():
            return
        own = None if error is None else f"{kind.__name__}: {error}"
        for rank, message in enumerate(told(self._ranks, own)):
            if message is not None and error is None:
                raise RankStopped(f"rank {rank}: {message}")


def check_same(ranks, values):
    """ValueError, the same on all ranks, names the first of {name: value} that differs."""
    first, *others = told(ranks, values)
    for rank, of_rank in enumerate(others, 1):
        for name, value in first.items():
            if of_rank[name] != value:
                raise ValueError(
                    f"{name} of rank {rank} is {of_rank[name]!r}: expected {value!r}, as of rank 0"
                )


def sample_of(data):
    """SHA-256 of some of the rows, from the first to the last."""
    return digest(
        one[np.linspace(0, len(one) - 1, SAMPLED_ROWS, dtype=np.int64)]
        for one in data
        if one is not None and len(one)
    )


def digest(arrays):
    """SHA-256 of arrays, in hexadecimal."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def of_training(training, shards, batch_size):
    """{name: what has to be the same on all ranks} of a network and what `fit` is asked."""
    network = training.network
    return {
        "shards": shards,
        "batch_size": batch_size,
        "epochs": training.epochs,
        "shuffle": training.shuffle,
        "metrics": [one.key for one in training.metrics],
        "callbacks": [[one.name, one.every_steps] for one in training.callbacks],
        "max_seconds": training.max_seconds,
        "dtype": str(network.dtype),
        "loss": network.loss_function.description,
        "optimizer": network.optimizer.description,
        "layers": [layer.spec.description for layer in network.layers],
        "seed": network.seed,
        "steps": network.steps,
        "epochs_trained": network.epochs_trained,
        "schedule_state": network.schedule_state,
        "input_dropout": network.input_dropout,
        "SHA-256 of input_offset and input_scale": digest(
            [one for one in (network.input_offset, network.input_scale) if one is not None]
        ),
        "SHA-256 of the weights": digest(
            array for layer in network.layers for array in layer.parameters.values()
        ),
        "SHA-256 of the optimizer's moments": digest(
            array
            for of_layers in network.optimizer_state().values()
            for of_layer in of_layers
            for array in of_layer
        ),
        "SHA-256 of validation_data": digest(
            array for array in training.validation or () if array is not None
        ),
    }
