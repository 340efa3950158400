"""Model files are written whole or not at all, and stay as private as they were."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import backprop as bp

PIPED = {"capture_output": True, "text": True, "check": True}


def network(seed=7):
    layers = [bp.Dense(5, "tanh"), bp.Dense(4)]
    return bp.Network(3, layers, loss="softmax_cross_entropy", seed=seed)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("culprit", ["replace", "fsync"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(path, monkeypatch, culprit):
    network().save(path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, culprit, fail)
    with pytest.raises(OSError, match="No space left"):
        network(seed=8).save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_an_interrupted_write_leaves_no_file(path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        network().save(path)
    assert os.listdir(path.parent) == []


def test_a_file_replaced_while_it_is_read(path):
    """A loaded network does not depend on the file any more."""
    network(seed=1).save(path)
    loaded = bp.Network.load(path)
    weights = loaded.layers[0].weights.copy()
    network(seed=2).save(path)
    np.testing.assert_array_equal(loaded.layers[0].weights, weights)


def test_a_symbolic_link_stays_one(path):
    path.symlink_to("target.safetensors")
    network().save(path)
    assert path.is_symlink()
    assert bp.Network.load(path.with_name("target.safetensors")).n_inputs == 3


def test_a_device_is_written_to_and_not_replaced():
    network().save(os.devnull)
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize("path", [None, 3, b"model", ["model"]])
def test_what_is_no_path(path):
    for call in (network().save, bp.Network.load):
        with pytest.raises(TypeError, match=r"path=.*expected a str or os.PathLike, got"):
            call(path)


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(IsADirectoryError, match="it is a directory"):
        network().save(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        network().save(tmp_path / "nowhere" / "model.safetensors")


@pytest.mark.skipif(not hasattr(os, "fchown"), reason="needs POSIX permissions")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o400])
def test_a_file_keeps_its_mode(path, mode):
    network().save(path)
    path.chmod(mode)
    network(seed=8).save(path)
    assert path.stat().st_mode & 0o777 == mode
    assert bp.Network.load(path).seed == 8


@pytest.mark.skipif(not hasattr(os, "fchown") or os.getuid() != 0, reason="needs root")
def test_a_file_keeps_its_owner_and_group(path):
    network().save(path)
    os.chown(path, 1234, 2345)
    network(seed=8).save(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


def test_the_longest_name(tmp_path):
    path = tmp_path / ("m" * 255)
    network().save(path)
    assert bp.Network.load(path).seed == 7


def test_without_files_that_have_no_name(path, monkeypatch):
    """As on systems other than Linux."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    network().save(path)
    assert bp.Network.load(path).seed == 7
    assert os.listdir(path.parent) == [path.name]


def test_what_a_killed_process_left_is_removed(path, monkeypatch):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], **PIPED).stdout
    old, new, alive, other = (
        path.with_name(f".backprop-{gone.strip()}-aa.tmp"),
        path.with_name(f".backprop-{gone.strip()}-bb.tmp"),
        path.with_name(f".backprop-{os.getpid()}-cc.tmp"),
        path.with_name(".backprop-x.tmp"),
    )
    for left in (old, new, alive, other):
        left.write_bytes(b"")
    for left in (old, alive, other):
        os.utime(left, (0, 0))
    network().save(path)
    assert sorted(os.listdir(path.parent)) == sorted(p.name for p in (new, alive, other, path))


@pytest.mark.skipif(not hasattr(os, "umask"), reason="needs POSIX permissions")
def test_others_may_read_what_the_umask_lets_them(path):
    before = os.umask(0o022)
    try:
        network().save(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644
