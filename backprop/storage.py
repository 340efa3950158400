"""Saves and loads networks: one safetensors file, tensors by name and one JSON entry for everything
else.

Decisions, and why:

A. safetensors: it cannot run code when read, is memory-mapped, and every framework can read the
   weights.
B. The file holds what continues a training bit for bit: parameters, the optimizer's moments, the
   counts of steps and epochs (Adam's bias correction and the shuffles depend on them), the seed,
   and input offset and scale as float64 tensors, since decimal text would have to be trusted.
C. It is written beside its final name, flushed to the disk and renamed: a reader sees the old file
   or the new one.
D. Before a network is built, the shapes that the description claims are compared with those of the
   tensors, which exist on disk: a damaged or hostile description cannot make the program allocate
   more than the file is large.

Layout: ``layers.<i>.weights`` [in][out], ``layers.<i>.bias`` [out],
``optimizer.<moment>.<i>.weights`` and ``.bias``, ``input_offset`` [in], ``input_scale`` [in]; the
metadata entry ``backprop`` is the JSON. There an activation or a loss is its name; or, with other
values of its parameters than the defaults, {"name": …, <parameter>: …}.
"""

import json
import os
import secrets
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import numpy as np

from backprop.catalogue.losses import LOSSES
from backprop.catalogue.optimizers import ADDED, OPTIMIZERS
from backprop.catalogue.records import described
from backprop.layers import described_layer
from backprop.validation import MAX_SEED, check_integer, check_path

FORMAT_VERSION = 1
_ENTRY = "backprop"
_DTYPES = {"F32": "float32", "F64": "float64"}


class ModelFileError(ValueError):
    """A file is not a model, or one that this version cannot use; the message is one line."""


def save(network, path, preprocessing=None):
    """Write a network to `path`, replacing a file of that name only once the new one is complete.

    Parameters
    ----------
    network : Network
        Of any state of training; it is not changed.
    path : str or os.PathLike
        Where to write; ``.safetensors`` is the usual ending.
    preprocessing : Preprocessing, optional
        Stored along, and returned by `load`.

    Raises
    ------
    OSError
        When the file cannot be written; then whatever had that name is as it was.
    """
    from safetensors.numpy import save as serialize

    description = {
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
        "preprocessing": None if preprocessing is None else preprocessing.to_dict(),
    }
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in _tensors(network).items()}
    entry = json.dumps(description, allow_nan=False)
    write_atomically(path, serialize(tensors, {_ENTRY: entry}))


def state(network):
    """What pickle keeps: what a network was made with, and copies of what training changes."""
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
        "parameters": [(layer.weights.copy(), layer.bias.copy()) for layer in network.layers],
        "moments": {
            name: [(w.copy(), b.copy()) for w, b in views]
            for name, views in network.optimizer_state().items()
        },
        "steps": network.steps,
        "epochs_trained": network.epochs_trained,
        "preprocessing": network.preprocessing,
    }


def set_state(network, state):
    """Give a new network, made with the same arguments, the rest of what `state` kept."""
    for layer, (weights, bias) in zip(network.layers, state["parameters"], strict=True):
        layer.weights[...], layer.bias[...] = weights, bias  # also of a training that diverged
    for name, saved_moments in (state["moments"] or {}).items():
        for own, saved in zip(network.optimizer_state()[name], saved_moments, strict=True):
            own[0][...], own[1][...] = saved
    network.steps = state["steps"]
    network.epochs_trained = state["epochs_trained"]
    network.preprocessing = state["preprocessing"]


def load(path, n_threads=None):
    """Read what `save` wrote.

    Parameters
    ----------
    path : str or os.PathLike
        The file.
    n_threads : int, optional
        What `Network` takes; it is the one thing that belongs to the machine and is not stored.

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
    from safetensors import SafetensorError, safe_open

    path = check_path(path)
    with open(path, "rb"):  # a missing file, a directory or missing rights: the usual exceptions
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            return _load(file, n_threads)
    except SafetensorError as error:
        raise ModelFileError(
            f"{path} is not a model file, or a truncated one ({_one_line(error)})"
        ) from error
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error


def check_writable(path):
    """Raise the OSError with which `save` to `path` would fail, before hours have gone into what is
    to be saved."""
    path = check_path(path)
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a directory")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no directory {str(path.parent)!r}")
    if not os.access(path if path.exists() and not path.is_file() else path.parent, os.W_OK):
        raise PermissionError(
            f"cannot write {path}: no permission to write in {str(path.parent)!r}"
        )


def write_atomically(path, data):
    """Write bytes to a temporary file beside `path`, flush it to the disk and rename it to
    `path`."""
    check_writable(path)
    path = Path(os.path.realpath(path))  # a symbolic link stays one; what it points to is replaced
    if path.exists() and not path.is_file():  # a device or a pipe cannot be replaced
        path.write_bytes(data)
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _flush_directory(path.parent)


def _flush_directory(directory):
    """Make a rename last through a power cut; where directories cannot be opened (Windows), it is
    left to the system."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _tensors(network):
    """All arrays of a network by name; views, so that writing into them sets the network."""
    tensors = {}
    for i, layer in enumerate(network.layers):
        tensors[f"layers.{i}.weights"], tensors[f"layers.{i}.bias"] = layer.weights, layer.bias
    for moment, layers in network.optimizer_state().items():
        for i, (weights, bias) in enumerate(layers):
            tensors[f"optimizer.{moment}.{i}.weights"], tensors[f"optimizer.{moment}.{i}.bias"] = (
                weights,
                bias,
            )
    for name in ("input_offset", "input_scale"):
        if getattr(network, name) is not None:
            tensors[name] = getattr(network, name)
    return tensors


def _load(file, n_threads):
    from backprop.tabular.preprocessing import Preprocessing

    description = _description(file)
    try:
        _check_shapes(file, description)
        network = _build(file, description, n_threads)
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
    _fill(file, network)
    return network, preprocessing


def _description(file):
    entry = (file.metadata() or {}).get(_ENTRY)
    if entry is None:
        raise ModelFileError("a safetensors file, but not a model that backprop wrote")
    try:
        description = json.loads(entry)
        version = description["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError("the description of the model is damaged") from error
    if type(version) is not int or version < 1:  # True is an int, too
        raise ModelFileError(f"the format version is {version!r}, expected {FORMAT_VERSION}")
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"written by a newer backprop (format version {version}; this one reads "
            f"{FORMAT_VERSION}): upgrade with "
            "pip install --upgrade backprop-mlp"
        )
    return description


def _check_shapes(file, description):
    """Compare the parameters that the description claims with the tensors there are."""
    n_in, dtype = description["n_inputs"], description["dtype"]
    if not description["layers"]:
        raise ModelFileError("the description has no layers")
    for i, layer in enumerate(description["layers"]):
        _check_tensor(file, f"layers.{i}.weights", (n_in, layer["units"]), dtype)
        _check_tensor(file, f"layers.{i}.bias", (layer["units"],), dtype)
        n_in = layer["units"]
    for name in ("input_offset", "input_scale"):
        if name in file.keys():  # noqa: SIM118  (safe_open has keys() and no `in`)
            _check_tensor(file, name, (description["n_inputs"],), "float64")


def _check_tensor(file, name, shape, dtype):
    if name not in file.keys():  # noqa: SIM118
        raise ModelFileError(f"the tensor {name} is missing")
    tensor = file.get_slice(name)
    found = tuple(tensor.get_shape()), _DTYPES.get(tensor.get_dtype(), tensor.get_dtype())
    if found != (tuple(shape), dtype):
        raise ModelFileError(
            f"the tensor {name} is {found[1]} of shape {found[0]}, expected {dtype} of shape "
            f"{tuple(shape)}"
        )


def _build(file, description, n_threads):
    """The network described, with initial weights still."""
    from backprop import Network

    names = file.keys()
    network = Network(
        description["n_inputs"],
        [described_layer(layer) for layer in description["layers"]],
        loss=described("loss", description["loss"], LOSSES),
        optimizer=_optimizer(description["optimizer"]),
        dtype=description["dtype"],
        seed=check_integer("seed", description["seed"], 0, MAX_SEED),  # None would draw one
        n_threads=n_threads,
        matmul=description["matmul"],
        input_offset=file.get_tensor("input_offset") if "input_offset" in names else None,
        input_scale=file.get_tensor("input_scale") if "input_scale" in names else None,
        input_dropout=description.get("input_dropout", 0.0),  # older files have none
    )
    network.epochs_trained, network.steps = description["epochs_trained"], description["steps"]
    return network


def _optimizer(description):
    """The optimizer described; every one of its numbers has to be there, since a default might not
    be what the training had, but those that a file may be too old for."""
    values = {**ADDED, **description}
    name = values.pop("name")
    if name not in OPTIMIZERS:
        raise ModelFileError(
            f"the optimizer {name!r} is unknown, expected one of {', '.join(OPTIMIZERS)}"
        )
    missing = [field.name for field in fields(OPTIMIZERS[name]) if field.name not in values]
    if missing:
        raise ModelFileError(f"the optimizer lacks {missing[0]!r}")
    return OPTIMIZERS[name](**values)


def _check_preprocessing(network, preprocessing):
    claimed = (preprocessing.n_inputs, preprocessing.target.n_outputs)
    if claimed != (network.n_inputs, network.n_outputs):
        raise ModelFileError(
            f"the preprocessing has {claimed[0]} inputs and {claimed[1]} outputs, the network "
            f"{network.n_inputs} and "
            f"{network.n_outputs}"
        )


def _fill(file, network):
    """Copy every tensor of the file into the network; exactly those must be there that the network
    has."""
    tensors = _tensors(network)
    unknown = sorted(set(file.keys()) - set(tensors))
    if unknown:
        raise ModelFileError(f"the tensor {unknown[0]} does not belong to the model described")
    for name, tensor in tensors.items():
        _check_tensor(file, name, tensor.shape, tensor.dtype.name)
        if not name.startswith("input_"):  # the constructor was given those
            tensor[...] = file.get_tensor(name)


def _one_line(error):
    return " ".join(str(error).split())
