"""Each line of bad_input.txt raises what stands beneath it there, and changes nothing."""

import contextlib
import gzip
import io
import re
from pathlib import Path

import numpy as np
import pytest
from networks import snapshot

import backprop as bp
from backprop.catalogue.activations import ACTIVATIONS
from backprop.catalogue.losses import LOSSES
from backprop.cli import main
from backprop.tabular.preprocessing import Preprocessing
from backprop.tabular.tables import read

TABLE = Path(__file__).with_name("bad_input.txt")
ROWS = 8


def cases():
    """(call, exception and message) of each line."""
    blocks = re.findall(
        r"^(\S.*)\n((?:    .*\n)+)", TABLE.read_text(encoding="utf-8"), re.MULTILINE
    )
    return [(call, " ".join(lines.split())) for call, lines in blocks]


CASES = cases()


def with_nan(values):
    """The last number is nan."""
    values = np.array(values, float)
    values.flat[-1] = np.nan
    return values


def of(loss):
    return bp.Network(3, bp.Dense(2), loss, seed=0)


def after_forward(net):
    net.forward(np.zeros((ROWS, 3)))
    return net


def after_backward(net, d_out):
    after_forward(net).backward(d_out)
    return net


def backprop(*arguments):
    """The command; where it fails, SystemExit with its status and what it printed."""
    printed, status = io.StringIO(), 0
    with contextlib.redirect_stderr(printed):
        try:
            status = main([*map(str, arguments)])
        except SystemExit as error:
            status = error.code
    if status:
        raise SystemExit(f"{status}: {printed.getvalue()}")


def files(folder, model):
    """Good ones and bad ones, by the names that bad_input.txt has for them."""
    whole = model.read_bytes()
    contents = {
        "damaged": whole[:-1] + bytes([whole[-1] ^ 1]),
        "cut": whole[:-9],
        "table.csv": "a,b\n" + "".join(f"{i},{i % 2}\n" for i in range(20)),
        "empty.csv": "",
        "ragged.csv": "a,b\n1,2\n3\n",
        "broken.npz": b"PK\x03\x04 no zip",
        "broken.csv.gz": gzip.compress(b"a,b\n1,2\n")[:-6],
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return {name.split(".")[0]: folder / name for name in contents} | {
        "broken_npz": folder / "broken.npz",
        "broken_zip": folder / "broken.csv.gz",
    }


@pytest.fixture
def names(tmp_path, monkeypatch):
    """What a call may use."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(ROWS, 3)), np.arange(ROWS) % 2
    net = bp.Network(3, [bp.Dense(4, "tanh"), bp.Dense(2)], "softmax_cross_entropy", seed=0)
    net.fit(X, y, epochs=2, batch_size=4)
    net.save(tmp_path / "model")
    made = {"X": X, "y": y, "rows": np.eye(2)[y], "net": net, "folder": tmp_path}
    made |= {"model": tmp_path / "model", **files(tmp_path, tmp_path / "model")}
    tools = (with_nan, of, after_forward, after_backward, backprop, read, Preprocessing)
    made |= {tool.__name__: tool for tool in tools}
    return {**made, "np": np, "bp": bp, "ACTIVATIONS": ACTIVATIONS, "LOSSES": LOSSES}


def everything(names):
    """All that a call could change."""
    net = names["net"]
    arrays = [names[name].tobytes() for name in ("X", "y", "rows")]
    layers = [(layer.trainable, layer.learning_rate_factor) for layer in net.layers]
    found = [snapshot(net), net.steps, net.epochs_trained, net.optimizer, layers, id(net.history)]
    held = {path.name: path.read_bytes() for path in sorted(names["folder"].iterdir())}
    return [*found, net.history.loss[:], arrays, held, np.random.get_state()[1].tobytes()]


def raised(call, names):
    """The exception of a call and its message, in one line."""
    try:
        eval(call, dict(names))
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}".replace(str(names["folder"]), "FOLDER")
        return " ".join(said.split())
    return "nothing was raised"


def test_there_are_enough():
    assert len(CASES) >= 120
    assert len({call for call, _ in CASES}) == len(CASES)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("call", "expected"), CASES, ids=[call for call, _ in CASES])
def test_bad_input(call, expected, names):
    if "MLP" in call:
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
        names |= {"MLPClassifier": bp.MLPClassifier, "MLPRegressor": bp.MLPRegressor}
    if "sparse" in call:
        sparse = pytest.importorskip("scipy.sparse", reason="scipy is not installed")
        names["sparse"] = sparse.csr_matrix(names["X"])
    before = everything(names)
    found = raised(call, names)
    pattern = ".*".join(map(re.escape, expected.split("…")))
    assert re.fullmatch(pattern, found), f"{found}\nexpected\n{expected}"
    assert everything(names) == before
