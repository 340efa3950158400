"""Saves and loads networks: one safetensors file, tensors by name and one JSON entry for everything
else.

Decisions, and why:

A. safetensors: it cannot run code when read, and every framework can read the weights. It is read
   in one piece (tensors.py), so that what was checked is what is taken.
B. The file holds what continues a training bit for bit: parameters, the optimizer's moments and
   averages, the counts of steps and epochs (Adam's bias correction and the shuffles depend on
   them), the seed, and input offset and scale as float64 tensors, since decimal text would have to
   be trusted.
C. It is written whole or not at all (atomic.py), and numbers that are not finite are not written.
D. A SHA-256 of the description and of each tensor's name, type, shape and bytes is in the file:
   what changed since is refused, down to one bit. Files that are older have none. Names that occur
   twice, of which readers might take either, are refused.
E. Before a network is built, the shapes that the description claims are compared with those of the
   tensors, which exist on disk: a damaged or hostile description cannot make the program allocate
   more than the file is large.

Layout: ``layers.<i>.weights`` [in][out]; where a layer has them ``.bias`` [out], ``.scale``,
``.shift``, ``.mean`` and ``.variance`` of its norm, the parameter of its activation [out];
``optimizer.<moment>.<i>.weights``, ``average.<i>.weights`` and so on; ``input_offset`` and
``input_scale`` [in]. The metadata entry ``backprop`` is the JSON. There an activation or a loss is
its name; or, with other values of its parameters than the defaults, {"name": …, <parameter>: …}. A
loss of one's own is {"own": its name}; the function has to be given to `load`. A checkpoint has a
run besides, see resuming.py: "run" in the JSON, and tensors ``run.…``.
"""

import hashlib
import json
from dataclasses import fields

import numpy as np

from backprop import tensors
from backprop.atomic import write_atomically
from backprop.catalogue.losses import LOSSES
from backprop.catalogue.optimizers import ADDED, OPTIMIZERS, OTHERS
from backprop.catalogue.records import described
from backprop.layers import all_arrays, described_layer
from backprop.sharing import reading
from backprop.validation import (
    MAX_COUNT,
    MAX_SEED,
    check_integer,
    check_path,
    check_threads,
    first_non_finite,
)

FORMAT_VERSION = 1
_ENTRY = "backprop"  # of the metadata
_SUM = '{{"sha256": "{}", '  # how it begins
_RUN = "run."  # how the names of a run's tensors begin


class ModelFileError(ValueError):
    """A file is not a model, or one that this version cannot use; the message is one line."""


def save(network, path, preprocessing=None, run=None):
    """Write a network to `path`, replacing a file of that name only once the new one is complete.

    Parameters
    ----------
    network : Network
        Of any state of training; it is not changed.
    path : str or os.PathLike
        Where to write; ``.safetensors`` is the usual ending.
    preprocessing : Preprocessing, optional
        Stored along, and returned by `load`.
    run : tuple, optional
        Of the training that the network is in; see `backprop.resuming.written`.

    Raises
    ------
    OSError
        When the file cannot be written; then whatever had that name is as it was.
    ValueError
        When a number of the network is not finite.
    RuntimeError
        While another thread uses the network.
    """
    from safetensors.numpy import save as serialize

    description, arrays = _written(network, preprocessing)
    if run is not None:
        description["run"], own = run
        arrays |= {_RUN + name: np.ascontiguousarray(array) for name, array in own.items()}
    description["checked"] = True  # lest the sum, when its name is damaged, seem not to be there
    entry = json.dumps(description, allow_nan=False)
    entry = _SUM.format(_checksum(entry, arrays)) + entry[1:]
    # one entry, since safetensors writes several in any order
    write_atomically(path, serialize(arrays, {_ENTRY: entry}))


def _written(network, preprocessing):
    """(description, {name: copy of a tensor}), of one instant."""
    with reading(network._core):
        _check_finite(network, ValueError)
        arrays = {name: array.copy(order="C") for name, array in _tensors(network).items()}
        return _description_of(network, preprocessing), arrays


def _description_of(network, preprocessing):
    return {
        "format_version": FORMAT_VERSION,
        "n_inputs": network.n_inputs,
        "layers": [layer.spec.description for layer in network.layers],
        "loss": network.loss_function.description,
        "optimizer": network.optimizer.description,
        "dtype": np.dtype(network.dtype).name,
        "seed": network.seed,
        "matmul": network.matmul,
        "input_dropout": network.input_dropout,
        "epochs_trained": network.epochs_trained,
        "steps": network.steps,
        "schedule_state": network.schedule_state,
        "n_averaged": network._core.n_averaged,
        "preprocessing": None if preprocessing is None else preprocessing.to_dict(),
    }


def _checksum(entry, arrays):
    """SHA-256 of the description and of every tensor."""
    digest = hashlib.sha256(entry.encode())
    for name in sorted(arrays):
        tensor = arrays[name]
        digest.update(json.dumps([name, tensor.dtype.str, list(tensor.shape)]).encode())
        digest.update(tensor.data if tensor.size else b"")
    return digest.hexdigest()


def _check_sum(arrays, entry):
    begins = _SUM.format("0" * 64)
    rest = "{" + entry[len(begins) :]
    if entry != _SUM.format(_checksum(rest, arrays)) + rest[1:]:
        raise ModelFileError("it is damaged: its bytes are not those that were written")


def _check_finite(network, error):
    """Raise `error` with the name of a tensor of the network, its runs apart, that has such."""
    for name, tensor in _tensors(network).items():
        place = first_non_finite(tensor)
        if place is not None:
            at = ", ".join(map(str, place))
            raise error(f"the tensor {name} is {tensor[place]} at [{at}]: expected finite numbers")


def state(network):
    """What pickle keeps: what a network was made with, and copies of what training changes.

    RuntimeError while another thread changes it.
    """
    with reading(network._core):
        return _state(network)


def _state(network):
    return {
        "arguments": {
            "n_inputs": network.n_inputs,
            "layers": [layer.spec for layer in network.layers],
            "loss": network.loss,
            "optimizer": network.optimizer,
            "dtype": str(network.dtype),
            "seed": network.seed,
            "n_threads": network.n_threads,
            "matmul": network.matmul,
            "input_offset": network.input_offset,
            "input_scale": network.input_scale,
            "input_dropout": network.input_dropout,
        },
        "parameters": [_copies(all_arrays(layer)) for layer in network.layers],
        "moments": {
            name: [_copies(arrays.parameters) for arrays in layers]
            for name, layers in network.optimizer_state().items()
        },
        "averages": [_copies(arrays) for arrays in network._averages()],
        "n_averaged": network._core.n_averaged,
        "steps": network.steps,
        "epochs_trained": network.epochs_trained,
        "schedule_state": network.schedule_state,
        "preprocessing": network.preprocessing,
    }


def set_state(network, state):
    """Give a new network, made with the same arguments, the rest of what `state` kept."""
    for layer, saved in zip(network.layers, state["parameters"], strict=True):
        _set_arrays(all_arrays(layer), saved)
    for name, saved_moments in (state["moments"] or {}).items():
        for own, saved in zip(network.optimizer_state()[name], saved_moments, strict=True):
            _set_arrays(own.parameters, saved)
    if state.get("averages"):
        for own, saved in zip(network._averages(), state["averages"], strict=True):
            _set_arrays(own, saved)
    network._core.n_averaged = state.get("n_averaged", 0)
    network.steps = state["steps"]
    network.epochs_trained = state["epochs_trained"]
    if "schedule_state" in state:  # older pickles have none
        network.schedule_state = state["schedule_state"]
    network.preprocessing = state["preprocessing"]


def _copies(arrays):
    return {name: array.copy() for name, array in arrays.items()}


def _set_arrays(own, saved):
    """`saved`: {name: array}; or, from an older pickle, the weights and the bias."""
    saved = saved if isinstance(saved, dict) else dict(zip(own, saved, strict=True))
    for name, array in own.items():
        array[...] = saved[name]


def load(path, n_threads=None, loss=None):
    """Read what `save` wrote.

    Parameters
    ----------
    path : str or os.PathLike
        The file.
    n_threads : int, optional
        What `Network` takes; it is the one thing that belongs to the machine and is not stored.
    loss : callable, optional
        The loss of one's own that the network was trained with, where it was.

    Returns
    -------
    network : Network
        As it was when it was saved.
    preprocessing : Preprocessing or None

    Raises
    ------
    ModelFileError
        When the file is not a model, is truncated or damaged, or was written by a newer version.
    OSError
        When the file cannot be read.
    """
    return _read(path, n_threads, loss)[:2]


def resume(path, n_threads=None, loss=None):
    """The same of a checkpoint: (network, preprocessing, `backprop.resuming.Run`).

    Raises
    ------
    ModelFileError
        Also when the file has no run.
    """
    network, preprocessing, run = _read(path, n_threads, loss, with_run=True)
    return network, preprocessing, run


def _read(path, n_threads, loss, with_run=False):
    path, n_threads = check_path(path), check_threads(n_threads)
    try:
        return _load(*tensors.read(path), n_threads, loss, with_run)
    except tensors.TensorFileError as error:
        raise ModelFileError(f"{path} is not a model file, or a truncated one ({error})") from error
    except (ModelFileError, tensors.Repetition) as error:
        raise ModelFileError(f"{path}: {error}") from error


def _tensors(network):
    """All arrays of a network by name; views, so that writing into them sets the network."""
    found = {}
    for i, layer in enumerate(network.layers):
        for name, array in all_arrays(layer).items():
            found[f"layers.{i}.{name}"] = array
    for moment, layers in network.optimizer_state().items():
        for i, arrays in enumerate(layers):
            for name, array in arrays.parameters.items():
                found[f"optimizer.{moment}.{i}.{name}"] = array
    for i, arrays in enumerate(network._averages()):
        for name, array in arrays.items():
            found[f"average.{i}.{name}"] = array
    for name in ("input_offset", "input_scale"):
        if getattr(network, name) is not None:
            found[name] = getattr(network, name)
    return found


def _load(metadata, arrays, n_threads, loss, with_run):
    from backprop.tabular.preprocessing import Preprocessing

    description = _description(metadata, arrays)
    try:
        _check_shapes(arrays, description)
        network = _build(arrays, description, n_threads, loss)
        run = _run(arrays, description) if with_run else None
        state = description["preprocessing"]
        preprocessing = None if state is None else Preprocessing.from_dict(state)
    except KeyError as error:
        raise ModelFileError(f"the description lacks {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"the description does not fit: {_one_line(error)}") from error
    if preprocessing is not None:
        _check_preprocessing(network, preprocessing)
    _fill(arrays, network, "run" in description)
    _check_finite(network, ModelFileError)
    return network, preprocessing, run


def _run(arrays, description):
    from backprop.resuming import Run

    if "run" not in description:
        raise ModelFileError(
            "it holds a network and no run to resume; bp.Checkpoint writes one, and Network.load "
            "reads this"
        )
    names = [name for name in arrays if name.startswith(_RUN)]
    own = {name.removeprefix(_RUN): arrays[name].copy() for name in names}
    return Run.read(description["run"], own)


def _description(metadata, arrays):
    entry = metadata.get(_ENTRY)
    if entry is None:
        raise ModelFileError("a safetensors file, but not a model that backprop wrote")
    try:
        description = json.loads(entry, object_pairs_hook=tensors.without_repetition)
        version = description["format_version"]
        is_checked = description.get("checked", False)
    except tensors.Repetition:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileError("the description of the model is damaged") from error
    if is_checked or "sha256" in description:  # older files have none
        _check_sum(arrays, entry)
    if type(version) is not int or version < 1:  # True is an int, too
        raise ModelFileError(f"the format version is {version!r}, expected {FORMAT_VERSION}")
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"written by a newer backprop (format version {version}; this one reads "
            f"{FORMAT_VERSION}): upgrade with "
            "pip install --upgrade backprop-mlp"
        )
    return description


def _check_shapes(arrays, description):
    """Compare the parameters that the description claims with the tensors there are."""
    n_in, dtype = description["n_inputs"], description["dtype"]
    if not description["layers"]:
        raise ModelFileError("the description has no layers")
    for i, layer in enumerate(description["layers"]):
        _check_tensor(arrays, f"layers.{i}.weights", (n_in, layer["units"]), dtype)
        if layer.get("use_bias", True):
            _check_tensor(arrays, f"layers.{i}.bias", (layer["units"],), dtype)
        n_in = layer["units"]
    for name in ("input_offset", "input_scale"):
        if name in arrays:
            _check_tensor(arrays, name, (description["n_inputs"],), "float64")


def _check_tensor(arrays, name, shape, dtype):
    if name not in arrays:
        raise ModelFileError(f"the tensor {name} is missing")
    found = arrays[name].shape, arrays[name].dtype.name
    if found != (tuple(shape), dtype):
        raise ModelFileError(
            f"the tensor {name} is {found[1]} of shape {found[0]}, expected {dtype} of shape "
            f"{tuple(shape)}"
        )


def _build(arrays, description, n_threads, loss):
    """The network described, with initial weights still."""
    from backprop import Network

    network = Network(
        description["n_inputs"],
        [described_layer(layer) for layer in description["layers"]],
        loss=_loss(description["loss"], loss),
        optimizer=_optimizer(description["optimizer"]),
        dtype=description["dtype"],
        seed=check_integer("seed", description["seed"], 0, MAX_SEED),  # None would draw one
        n_threads=n_threads,
        matmul=description["matmul"],
        input_offset=arrays.get("input_offset"),
        input_scale=arrays.get("input_scale"),
        input_dropout=description.get("input_dropout", 0.0),  # older files have none
    )
    network.epochs_trained, network.steps = description["epochs_trained"], description["steps"]
    if "schedule_state" in description:  # older files have none
        network.schedule_state = description["schedule_state"]
    n_averaged = description.get("n_averaged", 0)  # older files have none
    network._core.n_averaged = check_integer("n_averaged", n_averaged, 0, MAX_COUNT)
    return network


def _loss(description, given):
    """The entry described; or the function that was given, where the file names one."""
    own = description.get("own") if isinstance(description, dict) else None
    if own is None and given is None:
        return described("loss", description, LOSSES)
    if own is None:
        raise ModelFileError(
            f"its loss is {description!r}: expected no other one, got loss={given!r}"
        )
    if given is None:
        raise ModelFileError(
            f"its loss is a function of one's own, {own!r}, which is not in the file: "
            "expected it as Network.load(path, loss=…)"
        )
    if not callable(given):
        raise ModelFileError(f"loss={given!r}: expected the function {own!r}")
    return given


def _optimizer(description):
    """The optimizer described; every one of its numbers has to be there, since a default might not
    be what the training had, but those that a file may be too old for."""
    values, kinds = {**description}, {**OPTIMIZERS, **OTHERS}
    name = values.pop("name")
    if name not in kinds:
        raise ModelFileError(
            f"the optimizer {name!r} is unknown, expected one of {', '.join(kinds)}"
        )
    for field in fields(kinds[name]):
        if field.name in ADDED:
            values.setdefault(field.name, ADDED[field.name])
        if field.name not in values:
            raise ModelFileError(f"the optimizer lacks {field.name!r}")
    return kinds[name](**values)


def _check_preprocessing(network, preprocessing):
    claimed = (preprocessing.n_inputs, preprocessing.target.n_outputs)
    if claimed != (network.n_inputs, network.n_outputs):
        raise ModelFileError(
            f"the preprocessing has {claimed[0]} inputs and {claimed[1]} outputs, the network "
            f"{network.n_inputs} and "
            f"{network.n_outputs}"
        )


def _fill(arrays, network, has_run):
    """Copy every tensor of the file into the network; exactly those must be there that the network
    has."""
    own = _tensors(network)
    unknown = sorted(set(arrays) - set(own))
    if has_run:
        unknown = [name for name in unknown if not name.startswith(_RUN)]
    if unknown:
        raise ModelFileError(f"the tensor {unknown[0]} does not belong to the model described")
    for name, tensor in own.items():
        _check_tensor(arrays, name, tensor.shape, tensor.dtype.name)
        if not name.startswith("input_"):  # the constructor was given those
            tensor[...] = arrays[name]


def _one_line(error):
    return " ".join(str(error).split())
