"""Safetensors files: read as their package reads them, opened once, and refused where the header
claims what is not so."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

import backprop as bp
from backprop import tensors
from backprop.storage import ModelFileError

ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def write(path, header, data=bytes(8)):
    """A file with this header, text or what JSON makes of it."""
    header = (header if isinstance(header, str) else json.dumps(header)).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


@pytest.mark.parametrize("dtype", [dtype for dtype in tensors.DTYPES.values() if dtype != "?"])
def test_every_type_is_read_as_it_was_written(path, dtype):
    written = {"one": np.arange(-6, 6).astype(dtype).reshape(3, 4), "none": np.zeros((0, 2), dtype)}
    save_file(written, path, {"some": "text"})
    metadata, found = tensors.read(path)
    assert metadata == {"some": "text"}
    assert found.keys() == written.keys()
    for name, array in written.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
        assert not found[name].flags.writeable


def test_truth_values(path):
    save_file({"one": np.array([True, False])}, path)
    np.testing.assert_array_equal(tensors.read(path)[1]["one"], [True, False])


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("", "does not begin with a header"),
        ("[]", "does not begin with a header"),
        ("{", "header is damaged"),
        ("{" * 100_000, "header is damaged"),
        ('{"a": ' * 100_000, "header is damaged"),
        ('{"\\ud800": {}}', "header is damaged"),
        ('{"a": 1' + "0" * 5000 + "}", "header is damaged"),
        ({"a": 3}, "header is damaged at 'a'"),
        ({"a": {}}, "header is damaged at 'a'"),
        ({"a": {**ENTRY, "more": 1}}, "header is damaged at 'a'"),
        ({"a": {**ENTRY, "dtype": "BF16"}}, "header is damaged at 'a'"),
        ({"a": {**ENTRY, "dtype": ["F32"]}}, "header is damaged at 'a'"),
        ({"a": {**ENTRY, "shape": 2}}, "header is damaged at 'a'"),
        ({"a": {**ENTRY, "shape": [-2]}}, "header is damaged at 'a'"),
        ({"a": {**ENTRY, "shape": [2.0]}}, "header is damaged at 'a'"),
        ({"a": {**ENTRY, "shape": [True, 2]}}, "header is damaged at 'a'"),
        ({"a": {**ENTRY, "data_offsets": [0]}}, "header is damaged at 'a'"),
        ({"a": {**ENTRY, "data_offsets": [-8, 0]}}, "header is damaged at 'a'"),
        ({"a": {**ENTRY, "shape": [3]}}, "the bytes of 'a' are not where they are to be"),
        ({"a": {**ENTRY, "data_offsets": [4, 12]}}, "the bytes of 'a'"),
        ({"a": {**ENTRY, "data_offsets": [8, 0]}}, "the bytes of 'a'"),
        ({"a": {**ENTRY, "shape": [2**70]}}, "the bytes of 'a'"),
        ({"a": ENTRY, "b": ENTRY}, "the bytes of 'b'"),
        ({"a": {**ENTRY, "shape": [1], "data_offsets": [0, 4]}}, "8 bytes follow the header"),
        ({}, "8 bytes follow the header, which says 0"),
        (
            {"a": ENTRY, "b": {**ENTRY, "shape": [2**62, 2**62, 0], "data_offsets": [8, 8]}},
            "the shape of 'b' is impossible",
        ),
        ({"a": ENTRY, "__metadata__": []}, "metadata are not text"),
        ({"a": ENTRY, "__metadata__": {"a": 1}}, "metadata are not text"),
        ({"a": ENTRY, "__metadata__": None}, "metadata are not text"),
    ],
)
def test_what_a_header_claims(path, header, words):
    with pytest.raises(tensors.TensorFileError, match=words):
        tensors.read(write(path, header))
    with pytest.raises(ModelFileError, match=words):
        bp.Network.load(path)


def test_a_name_that_occurs_twice(path):
    one = json.dumps(ENTRY)
    with pytest.raises(tensors.Repetition, match="the name 'a' occurs twice"):
        tensors.read(write(path, f'{{"a": {one}, "a": {one}}}'))


@pytest.mark.parametrize("size", [9, tensors.LARGEST_HEADER + 1, 2**63, 2**64 - 1])
def test_the_length_of_the_header(path, size):
    path.write_bytes(size.to_bytes(8, "little") + b"{}")
    with pytest.raises(tensors.TensorFileError, match="does not begin with a header"):
        tensors.read(path)


def test_a_device_is_no_file():
    with pytest.raises(tensors.TensorFileError, match="it is a device or a pipe"):
        tensors.read(os.devnull)


def test_a_file_that_becomes_shorter(path, monkeypatch):
    write(path, {"a": ENTRY})
    size = tensors._size_of
    monkeypatch.setattr(tensors, "_size_of", lambda file: size(file) + 1)
    with pytest.raises(tensors.TensorFileError, match="became shorter while it was read"):
        tensors.read(path)


LOAD = """
import sys
import backprop as bp
bp.Network.load(sys.argv[1])  # imports what it needs
open("/dev/null").close()
bp.Network.load(sys.argv[1])
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_load_opens_one_file_once(path):
    """Looked at from outside, by the calls that reach the system."""
    bp.Network(3, [bp.Dense(2)], seed=0).save(path)
    command = ["strace", "-f", "-e", "trace=open,openat,openat2,creat,socket,execve"]
    command += [sys.executable, "-c", LOAD, str(path)]
    environment = {name: text for name, text in os.environ.items() if "COVERAGE" not in name}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    if "ptrace" in done.stderr and done.returncode:
        pytest.skip("strace may not trace here")
    calls = done.stderr.split("/dev/null")[1].splitlines()
    calls = [line for line in calls if "(" in line and "resumed" not in line]
    assert len(calls) == 1, calls
    assert str(path) in calls[0]
    assert "O_RDONLY" in calls[0]
