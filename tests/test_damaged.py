"""A model file of which any bit is wrong, or any end is missing, is refused."""

import pytest

import backprop as bp
from backprop.storage import ModelFileError


@pytest.fixture(name="path")
def _path(tmp_path):
    net = bp.Network(3, [bp.Dense(2, "tanh")], optimizer=bp.SGD(0.1), seed=0, input_scale=0.5)
    net.save(tmp_path / "model")
    return tmp_path / "model"


def loads(path):
    try:
        bp.Network.load(path)
    except ModelFileError:
        return False
    return True


def test_every_bit(path):
    whole = bytearray(path.read_bytes())
    taken = []
    for place in range(len(whole)):
        for bit in range(8):
            whole[place] ^= 1 << bit
            path.write_bytes(whole)
            whole[place] ^= 1 << bit
            if loads(path):
                taken.append((place, bit))
    assert taken == []
    print(f"{8 * len(whole):,} bits of {len(whole):,} bytes, each wrong once: all refused")


def test_every_end(path):
    whole = path.read_bytes()
    taken = []
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        if loads(path):
            taken.append(length)
    for more in range(256):
        path.write_bytes(whole + bytes([more]))
        if loads(path):
            taken.append(len(whole) + 1)
    assert taken == []
    path.write_bytes(whole)
    assert loads(path)
