"""What is fuzzed: each makes good inputs, changes one, and uses it; refusals are no findings.

`use` returns whether the input was taken.
"""

import contextlib
import io
import json
import os
import re
import warnings
import zipfile

import numpy as np

import backprop as bp
from backprop import storage, tensors
from backprop.cli import main as command
from backprop.tabular.preprocessing import Preprocessing
from backprop.tabular.tables import Arrays, Table, TableError, read

LONG_NUMBER = re.compile(r"\d{4}|\de\d|digits")
FEW = 64  # parameters up to which a network that was loaded also predicts


class Model:
    """Files of networks, without their sum: it would refuse every change before it is looked at."""

    def __init__(self, folder):
        self.path, self.taken = folder / "model", 0
        self.files = [self._without_sum(net) for net in self._networks()]

    @staticmethod
    def _networks():
        X, y = np.random.default_rng(0).normal(size=(12, 3)), np.arange(12) % 2
        everything = bp.AdamW(schedule=bp.Warmup(3, bp.Cosine(9)), average=bp.EMA(), clip_norm=1.0)
        layers = [
            bp.Dense(3, "prelu", norm="batch", residual=True, dropout=0.1, max_norm=2.0),
            bp.Dense(2, norm="layer", use_bias=False),
        ]
        for given in ({}, {"layers": layers, "optimizer": everything, "input_scale": 0.5}):
            arguments = {"layers": [bp.Dense(2)], "loss": "softmax_cross_entropy", **given}
            net = bp.Network(3, **arguments, seed=0, n_threads=1)
            net.fit(X, y, epochs=1)
            yield net
        table = {"a": np.arange(12.0), "b": np.array(["x", "y"] * 6, object), "y": np.arange(12.0)}
        data = Table(tuple(table), tuple(table.values()))
        preprocessing = Preprocessing().fit(data, "y")
        net = bp.Network(preprocessing.n_inputs, [bp.Dense(1)], seed=0)
        net.preprocessing = preprocessing
        yield net

    def _without_sum(self, net):
        net.save(self.path)
        return self._opened()

    def _opened(self):
        metadata, arrays = tensors.read(self.path)
        description = json.loads(metadata["backprop"])
        del description["sha256"], description["checked"]
        return description, {name: array.copy() for name, array in arrays.items()}

    def _bytes(self, description, arrays):
        from safetensors.numpy import save

        return save(arrays, {"backprop": json.dumps(description)})

    def seeds(self):
        return [self._bytes(*file) for file in self.files]

    def change(self, changes):
        description, arrays = changes.one_of(self.files)
        if changes.random.random() < 0.7:
            description = changes.of_json(description)
        data = self._bytes(description, arrays)
        return changes.of_bytes(data) if changes.random.random() < 0.5 else data

    def use(self, given):
        self.path.write_bytes(given)
        try:
            net = self._load()
        except storage.ModelFileError:
            return False
        net.summary()
        if net.n_parameters < FEW:
            with contextlib.suppress(ValueError):  # a scale that makes rows infinite
                net.predict(np.ones((2, net.n_inputs)))
        return True

    def _load(self):
        net = bp.Network.load(self.path)
        if net.preprocessing is not None:
            net.preprocessing.describe()
        return net


class Run(Model):
    """The same of checkpoints."""

    @staticmethod
    def _networks():
        yield bp.Network(3, [bp.Dense(2)], "softmax_cross_entropy", seed=0, n_threads=1)

    def _without_sum(self, net):
        X, y = np.random.default_rng(0).normal(size=(12, 3)), np.arange(12) % 2
        saves = [bp.EarlyStopping("loss"), bp.Checkpoint(self.path)]
        net.fit(X, y, epochs=2, batch_size=5, metrics=["f1"], callbacks=saves)
        return self._opened()

    def _load(self):
        return bp.Network.resume(self.path)


class Tables:
    """Tables in every format that can be written here: the first byte of an input says which."""

    def __init__(self, folder):
        self.folder, self.taken = folder, 0
        rows = "".join(f'{i},{i % 3}.5,"w{i % 2}",2024-01-{i + 1:02}\n' for i in range(9))
        text = ("number,other,word,day\n" + rows).encode()
        lines = b"".join(b'{"a": %d, "b": "w", "c": null}\n' % i for i in range(5))
        self.good = {
            **{".csv": text, ".tsv": text.replace(b",", b"\t"), ".jsonl": lines},
            **{".npz": self._npz(), ".npy": self._npy(), **packed(text), **framed()},
        }
        self.kinds = list(self.good)

    @staticmethod
    def _npz():
        file = io.BytesIO()
        np.savez(file, X=np.arange(12.0).reshape(4, 3), y=np.arange(4))
        return file.getvalue()

    @staticmethod
    def _npy():
        file = io.BytesIO()
        np.save(file, np.arange(12.0).reshape(4, 3))
        return file.getvalue()

    def seeds(self):
        return [bytes([i]) + data for i, data in enumerate(self.good.values())]

    def change(self, changes):
        which = changes.random.randrange(len(self.kinds))
        other = self.good[changes.one_of(self.kinds)]
        return bytes([which]) + changes.of_bytes(self.good[self.kinds[which]], other)

    def use(self, given):
        kind = self.kinds[given[0] % len(self.kinds)] if given else ".csv"
        path = self.folder / f"table{kind}"
        path.write_bytes(given[1:])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                table = read(path)
                if not isinstance(table, Arrays):
                    prepared = Preprocessing().fit(table, table.names[-1])
                    prepared.transform(table)
        except TableError as error:
            if "\n" in str(error):
                raise AssertionError("a refusal of several lines") from error
            return False
        return True


def packed(text):
    import bz2
    import gzip
    import lzma

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", text)
    made = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
    found = {f".csv{ending}": pack(text) for ending, pack in made.items()}
    return {**found, ".csv.zip": file.getvalue()}


def framed():
    """Parquet and its kin, where pyarrow is installed."""
    with contextlib.suppress(ImportError):
        import pyarrow as pa
        from pyarrow import feather, parquet

        table = pa.table({"a": [1.0, None, 3.0], "b": ["x", "y", None], "c": [1, 2, 3]})
        as_parquet, as_feather = io.BytesIO(), io.BytesIO()
        parquet.write_table(table, as_parquet)
        feather.write_feather(table, as_feather)
        return {".parquet": as_parquet.getvalue(), ".feather": as_feather.getvalue()}
    return {}


class Command:
    """Lists of arguments of the command line, on small files."""

    def __init__(self, folder):
        self.folder, self.taken = folder, 0
        os.chdir(folder)
        text = "a,b,y\n" + "".join(f"{i},w{i % 2},{i % 3}\n" for i in range(12))
        (folder / "t.csv").write_text(text)
        net = ["train", "t.csv", "--target", "y", "--epochs", "2", "--output", "m", "--quiet"]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert not command(net)
        self.good = [
            [*net[:-3], "--output", "n", "--hidden", "4,2", "--activation", "tanh"],
            [*net, "--loss", "softmax_cross_entropy", "--optimizer", "sgd", "--validation", "0.5"],
            ["predict", "m", "t.csv", "--probabilities"],
            ["predict", "m", "t.csv", "--output", "p.csv"],
            ["explain", "m", "t.csv", "--row", "1"],
            ["explain", "m", "t.csv", "--row", "1", "--html", "e.html"],
            ["info", "m"],
            ["info", "t.csv"],
        ]
        self.words = sorted({word for line in self.good for word in line})
        self.words += ["-1", "0", "1e9", "nan", "", "--", "-", "é", "a=b", "nothing.csv", "--seed"]
        self.words += ["--drop", "--key", "--learning-rate", "--batch-size", "--threads", "--l2"]
        self.words += ["1:5", "9:1", ",,", "auto", "--task", "regression", "--weight", "1,1,1"]

    def seeds(self):
        return ["\0".join(line).encode() for line in self.good]

    def change(self, changes):
        line = list(changes.one_of(self.good))
        for _ in range(changes.one_of((1, 1, 2, 3))):
            place = changes.random.randrange(len(line) + 1)
            how = changes.random.randrange(4)
            if how == 0:
                line.insert(place, changes.one_of(self.words))
            elif how == 1:
                del line[place : place + 1]
            elif how == 2 and place < len(line):
                line[place] = changes.one_of(self.words)
            elif place < len(line):
                changed = changes.of_bytes(line[place].encode("utf-8", "surrogateescape"))
                line[place] = changed.decode("utf-8", "surrogateescape")
        return "\0".join(line).encode("utf-8", "surrogateescape")

    def use(self, given):
        line = given.decode("utf-8", "surrogateescape").split("\0")
        if any("/" in word for word in line):
            return False  # no files but those in the folder
        if "train" in line and any(LONG_NUMBER.search(word) for word in line):
            return False  # of epochs, which would take their time
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                status = command(line)
            except SystemExit as error:
                status = error.code
        assert status in (0, 1, 2, None), status
        return not status


TARGETS = {"model": Model, "run": Run, "tables": Tables, "command": Command}
