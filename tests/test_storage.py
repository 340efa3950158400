"""Model files: training continues as if never interrupted, and no file is left half-written."""

import dataclasses
import json
import os
import pickle
from copy import deepcopy
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import LOSSES, every_optimizer
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import backprop as bp
from backprop import storage
from backprop.catalogue import activations, losses, records
from backprop.storage import ModelFileError, load, save
from backprop.tabular.preprocessing import Preprocessing
from backprop.tabular.tables import Table

OPTIMIZERS = every_optimizer(
    sgd=bp.SGD(0.1),
    momentum=bp.SGD(0.1, momentum=0.9),
    nesterov=bp.SGD(0.1, momentum=0.9, nesterov=True),
    adam=bp.Adam(0.01, beta_1=0.8, beta_2=0.99, epsilon=1e-7),
).values()
ADAM = {"name": "Adam", **asdict(bp.Adam())}
SGD = {"name": "SGD", **asdict(bp.SGD())}
X = np.random.default_rng(0).normal(size=(50, 3))
Y = np.random.default_rng(1).integers(0, 4, 50)


def network(optimizer=None, **options):
    layers = [bp.Dense(5, "tanh"), bp.Dense(4)]
    options = {"loss": "softmax_cross_entropy", "seed": 7, **options}
    return bp.Network(3, layers, optimizer=optimizer or bp.Adam(), **options)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def rewrite(path):
    """Save a network, let a function change tensors or description, write the file anew."""

    def with_changes(change_tensors=lambda _: None, change_description=lambda _: None):
        trained = network()
        trained.fit(X, Y, epochs=1)
        save(trained, path)
        with safe_open(path, "numpy") as file:
            description = json.loads(file.metadata()["backprop"])
        del description["sha256"], description["checked"]  # as an older file
        tensors = load_file(path)
        change_tensors(tensors)
        change_description(description)
        save_file(tensors, path, {"backprop": json.dumps(description)})
        return path

    return with_changes


def trained_once():
    net = network()
    net.fit(X, Y, epochs=1)
    return net


def complaint(path):
    with pytest.raises(ModelFileError) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


def assert_same(one, other):
    assert one.epochs_trained == other.epochs_trained
    assert one.steps == other.steps
    for name, tensor in storage._tensors(one).items():
        np.testing.assert_array_equal(tensor, storage._tensors(other)[name], err_msg=name)


# ---- there and back -----------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_continues_to_the_same_bits(path, optimizer, dtype):
    whole, half = network(optimizer, dtype=dtype), network(optimizer, dtype=dtype)
    whole.fit(X, Y, epochs=5, batch_size=16)
    half.fit(X, Y, epochs=2, batch_size=16)
    save(half, path)
    again, preprocessing = load(path)
    assert preprocessing is None
    assert_same(again, half)
    again.fit(X, Y, epochs=3, batch_size=16)
    assert_same(again, whole)


def test_everything_comes_back(path):
    offset, scale = np.array([0.1, -1e-30, 3.0]), np.array([1 / 3, 1e30, 0.7])
    before = network(
        bp.SGD(1 / 3, momentum=0.7), matmul="blas", input_offset=offset, input_scale=scale
    )
    before.epochs_trained, before.steps = 12, 345
    before.save(path)
    after = bp.Network.load(path)
    for name in ("n_inputs", "n_outputs", "loss", "optimizer", "dtype", "seed", "matmul"):
        assert getattr(after, name) == getattr(before, name), name
    assert [(at.units, at.activation) for at in after.layers] == [(5, "tanh"), (4, "identity")]
    np.testing.assert_array_equal(after.input_offset, offset)
    np.testing.assert_array_equal(after.input_scale, scale)
    assert_same(after, before)


@pytest.mark.parametrize("loss", LOSSES)
def test_other_losses_and_a_drawn_seed(path, loss):
    before = bp.Network(3, [bp.Dense(2)], loss=loss)
    before.save(path)
    after = bp.Network.load(path)
    assert (after.loss, after.seed) == (loss, before.seed)
    assert after.loss_function is before.loss_function
    np.testing.assert_array_equal(after.predict(X), before.predict(X))


def with_parameters(monkeypatch, table, name):
    """The first entry that has parameters; one that has none is given one until there is such."""
    for entry in table.values():
        if entry.parameters:
            return entry
    scale = records.Parameter("scale", 1.0, "of nothing", above=True)
    monkeypatch.setitem(table, name, dataclasses.replace(table[name], parameters=(scale,)))
    return table[name]


def with_other_values(entry):
    """None of its parameters as by default."""
    middle = {
        p.name: p.default + 0.5 if p.below is None else (p.default + p.below) / 2
        for p in entry.parameters
    }
    return entry(**middle)


@pytest.fixture
def shaped(monkeypatch):
    """A network whose first activation and whose loss have values of their own."""
    activation = with_parameters(monkeypatch, activations.ACTIVATIONS, "tanh")
    loss = with_parameters(monkeypatch, losses.LOSSES, "squared_error")
    layers = [bp.Dense(5, with_other_values(activation)), bp.Dense(4, activation), bp.Dense(4)]
    return bp.Network(3, layers, loss=with_other_values(loss), seed=7)


def assert_same_entries(found, shaped):
    assert found.loss_function == shaped.loss_function
    assert found.loss == shaped.loss != found.loss_function.name
    assert [at.function for at in found.layers] == [at.function for at in shaped.layers]
    assert [at.activation for at in found.layers] == [at.activation for at in shaped.layers]
    assert found.layers[1].activation == found.layers[0].function.name
    np.testing.assert_array_equal(found.layers[0].weights, shaped.layers[0].weights)


def test_parameters_of_activations_and_losses_come_back(path, shaped):
    shaped.save(path)
    with safe_open(path, "numpy") as file:
        description = json.loads(file.metadata()["backprop"])
    loss = shaped.loss_function
    assert description["loss"] == {"name": loss.name, **loss.settings}
    own, plain, last = (at["activation"] for at in description["layers"])
    assert own == {"name": plain, **shaped.layers[0].function.settings}
    assert (plain, last) == (shaped.layers[1].activation, "identity")
    assert_same_entries(bp.Network.load(path), shaped)


def test_parameters_of_activations_and_losses_are_pickled(shaped):
    assert_same_entries(pickle.loads(pickle.dumps(shaped)), shaped)
    assert_same_entries(deepcopy(shaped), shaped)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"loss": {"name": "square"}}, "did you mean 'squared_error'"),
        ({"loss": {"scale": 1}}, "the description lacks 'name'"),
        ({"loss": {"name": "squared_error", "size": 1}}, "squared_error(size=…)"),
        ({"loss": ["squared_error"]}, "loss=['squared_error']"),
    ],
)
def test_a_damaged_description_of_an_entry(path, rewrite, change, expected):
    rewrite(change_description=lambda description: description.update(change))
    assert expected in complaint(path)


def test_the_largest_seed_and_numbers_of_numpy(path):
    before = network(bp.Adam(np.float32(1e-3)), seed=np.uint64(2**64 - 1))
    before.save(path)
    after = bp.Network.load(path)
    assert after.seed == 2**64 - 1
    assert after.optimizer.learning_rate == np.float32(1e-3)


@pytest.mark.parametrize(
    "optimizer", [bp.Adam(Fraction(1, 10)), bp.SGD(np.float32(0.5), np.float64(0.5), np.True_)]
)
def test_any_number_that_an_optimizer_takes(path, optimizer):
    assert "np." not in str(optimizer)
    network(optimizer).save(path)
    assert bp.Network.load(path).optimizer == optimizer


def a_table():
    words = np.array(["a", "b", "a", None], object)
    return Table(("x", "word", "y"), (np.array([1.0, np.nan, 3, 4]), words, np.arange(4.0) / 3))


def test_preprocessing_comes_back(path):
    data = a_table()
    before = Preprocessing().fit(data, "y")
    save(bp.Network(before.n_inputs, [bp.Dense(1)]), path, before)
    _, after = load(path)
    assert after.to_dict() == before.to_dict()
    np.testing.assert_array_equal(after.transform(data), before.transform(data))


@pytest.mark.parametrize("copied", [lambda net: pickle.loads(pickle.dumps(net)), deepcopy])
def test_preprocessing_goes_along_with_copies(copied):
    data = a_table()
    net = bp.Network(5, [bp.Dense(1)])
    assert copied(net).preprocessing is None
    net.preprocessing = Preprocessing().fit(data, "y")
    again = copied(net).preprocessing
    assert again is not net.preprocessing
    np.testing.assert_array_equal(again.transform(data), net.preprocessing.transform(data))


def test_other_programs_can_read_the_weights(path):
    before = network()
    before.save(path)
    tensors = load_file(path)
    np.testing.assert_array_equal(tensors["layers.0.weights"], before.layers[0].weights)
    assert set(tensors) == {
        f"{owner}{i}.{part}"
        for owner in ("layers.", "optimizer.moment1.", "optimizer.moment2.")
        for i in (0, 1)
        for part in ("weights", "bias")
    }


def test_threads_are_those_asked_for(path):
    network(n_threads=2).save(path)
    assert load(path)[0].n_threads is None
    assert load(path, n_threads=1)[0].n_threads == 1
    assert bp.Network.load(path, n_threads=3).n_threads == 3
    with pytest.raises(ValueError, match="n_threads=0"):
        bp.Network.load(path, n_threads=0)


@pytest.mark.parametrize("kind", [str, Path])
def test_kinds_of_paths(path, kind):
    network().save(kind(path))
    assert bp.Network.load(kind(path)).n_inputs == 3


def test_saving_twice_gives_the_same_bytes(path):
    trained = network()
    trained.save(path)
    first = path.read_bytes()
    bp.Network.load(path).save(path)
    assert path.read_bytes() == first


# ---- files that cannot be used ------------------------------------------------------------------


def test_no_file_and_a_directory(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing")
    with pytest.raises(OSError, match=r"directory|denied"):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\x80\x04.", os.urandom(1000)])
def test_not_a_model(path, content):
    path.write_bytes(content)
    assert "not a model file" in complaint(path)


def test_a_pickle_is_not_run(path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(path.with_name("boom")),)

    path.write_bytes(pickle.dumps(Bomb()))
    complaint(path)
    assert not path.with_name("boom").exists()


def test_a_safetensors_file_of_someone_else(path):
    save_file({"weight": np.ones(3)}, path)
    assert "not a model that backprop wrote" in complaint(path)


def test_truncated_anywhere(path):
    network().save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 61):
        path.write_bytes(whole[:length])
        assert "truncated" in complaint(path)


def test_a_newer_version(rewrite):
    path = rewrite(change_description=lambda d: d.update(format_version=2))
    assert "newer backprop (format version 2; this one reads 1)" in complaint(path)


@pytest.mark.parametrize("version", [0, "1", None, 1.5, True])
def test_an_impossible_version(rewrite, version):
    path = rewrite(change_description=lambda d: d.update(format_version=version))
    assert "format version" in complaint(path)


@pytest.mark.parametrize(
    ("name", "tensor", "words"),
    [
        (
            "layers.0.weights",
            np.ones((3, 6), np.float32),
            "(3, 6), expected float32 of shape (3, 5",
        ),
        ("layers.1.bias", np.ones(4), "is float64 of shape (4,), expected float32"),
        ("optimizer.moment2.1.weights", np.ones(20, np.float32), "moment2.1.weights is float32"),
        ("optimizer.moment3.0.bias", np.ones(5, np.float32), "does not belong"),
        ("input_offset", np.ones(3, np.float32), "expected float64 of shape (3,)"),
        ("layers.0.weights", None, "layers.0.weights is missing"),
        ("optimizer.moment1.0.bias", None, "optimizer.moment1.0.bias is missing"),
    ],
)
def test_tensors_that_do_not_fit(rewrite, name, tensor, words):
    def change(tensors):
        tensors.pop(name, None)
        if tensor is not None:
            tensors[name] = tensor

    assert words in complaint(rewrite(change))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_inputs": 10**15}, "expected float32 of shape (1000000000000000, 5)"),
        ({"n_inputs": "3"}, "expected float32 of shape ('3', 5)"),
        ({"layers": []}, "no layers"),
        ({"layers": [{"units": 5}, {"units": 4}]}, "lacks 'activation'"),
        ({"layers": 3}, "does not fit"),
        ({"loss": "absolute"}, "does not fit"),
        ({"dtype": "float16"}, "expected float16"),
        ({"optimizer": {"name": "Moon"}}, "optimizer 'Moon' is unknown"),
        ({"optimizer": {"name": "Adam", "beta": 1}}, "the optimizer lacks 'learning_rate'"),
        ({"optimizer": {**ADAM, "beta": 1}}, "does not fit"),
        ({"optimizer": {**ADAM, "learning_rate": "high"}}, "learning_rate='high'"),
        ({"optimizer": SGD}, "does not belong"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": None}, "seed=None: expected an integer"),
        ({"matmul": "slow"}, "does not fit"),
        ({"steps": -1}, "steps=-1"),
        ({"steps": 2**63}, "steps=9223372036854775808: expected an integer, from 0 to"),
        ({"epochs_trained": "many"}, "epochs_trained='many'"),
        ({"epochs_trained": True}, "epochs_trained=True"),
        ({"epochs_trained": 2**70}, "epochs_trained=1180591620717411303424"),
        ({"preprocessing": {}}, "does not fit"),
    ],
)
def test_a_description_that_does_not_fit(rewrite, changes, words):
    assert words in complaint(rewrite(change_description=lambda d: d.update(changes)))


@pytest.mark.parametrize(
    "name", ["n_inputs", "layers", "loss", "optimizer", "dtype", "seed", "steps", "preprocessing"]
)
def test_a_description_that_lacks_something(rewrite, name):
    path = rewrite(change_description=lambda d: d.pop(name))
    assert f"lacks '{name}'" in complaint(path)


def places(value, place=()):
    """All paths into a value of JSON."""
    yield place
    inside = dict(enumerate(value)) if isinstance(value, list) else value
    for key, part in inside.items() if isinstance(inside, dict) else ():
        yield from places(part, (*place, key))


@pytest.mark.parametrize(
    "wrong", [None, True, 0, -1, 1.5, 2**70, 1e308, np.nan, "x", "", [], {}, [1, 2], {"a": 1}]
)
def test_a_wrong_value_anywhere_is_refused_or_does_no_harm(path, wrong):
    data = a_table()
    before = Preprocessing().fit(data, "y")
    save(bp.Network(before.n_inputs, [bp.Dense(1)], seed=1), path, before)
    tensors = load_file(path)
    with safe_open(path, "numpy") as file:
        description = json.loads(file.metadata()["backprop"])
    for *way, last in list(places(description))[1:]:
        changed = deepcopy(description)
        part = changed
        for key in way:
            part = part[key]
        part[last] = wrong
        save_file(tensors, path, {"backprop": json.dumps(changed)})
        try:
            net, preprocessing = load(path)
        except ModelFileError as error:
            assert "\n" not in str(error)  # noqa: PT017  (some of these load)
            continue
        net.summary()
        if preprocessing is not None:
            preprocessing.describe()
            renamed = {c.name for c in preprocessing.columns} != set(data.names[:2])
            if not renamed:
                preprocessing.target.decode(net.predict(preprocessing.transform(data)))


def test_preprocessing_of_another_network(path):
    data = Table(("x", "y"), (np.arange(4.0), np.arange(4.0) / 3))
    preprocessing = Preprocessing().fit(data, "y")
    save(network(), path, preprocessing)
    assert "1 inputs and 1 outputs, the network 3 and 4" in complaint(path)


@given(st.data())
def test_a_damaged_file_is_refused(tmp_path_factory, data):
    """Whichever bits of a byte are wrong."""
    path = tmp_path_factory.mktemp("damaged") / "model.safetensors"
    network().save(path)
    whole = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1) | st.integers(0, 1200))
    whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    complaint(path)


def test_what_is_added_is_refused(path):
    network().save(path)
    whole = path.read_bytes()
    for more in (b"\0", b" ", b"}", bytes(1000)):
        path.write_bytes(whole + more)
        complaint(path)


def test_a_file_of_an_older_version_has_no_sum(rewrite):
    assert_same(load(rewrite())[0], trained_once())


@pytest.mark.parametrize("name", ["format_version", "layers.0.bias"])
def test_a_name_that_occurs_twice_is_refused(path, name):
    network().save(path)
    whole = path.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    if name in header:
        text = json.dumps(header)[:-1] + f', "{name}": {json.dumps(header[name])}' + "}"
    else:
        header["__metadata__"]["backprop"] = (
            header["__metadata__"]["backprop"][:-1] + f', "{name}": 1' + "}"
        )
        text = json.dumps(header)
    path.write_bytes(len(text).to_bytes(8, "little") + text.encode() + whole[8 + size :])
    assert f"the name '{name}' occurs twice" in complaint(path)


@pytest.mark.parametrize("name", ["layers.0.weights", "layers.1.bias", "optimizer.moment1.0.bias"])
def test_numbers_that_are_not_finite_are_refused(rewrite, name):
    def spoil(tensors):
        tensors[name].flat[-1] = np.nan

    message = complaint(rewrite(spoil))
    assert f"the tensor {name} is nan at [" in message


def test_a_network_that_diverged_is_not_saved(path):
    net = network()
    net.layers[0].weights[2, 3] = np.inf
    with pytest.raises(ValueError, match=r"tensor layers.0.weights is inf at \[2, 3\]: expected"):
        net.save(path)
    assert not path.exists()


def test_preprocessing_goes_along(tmp_path):
    """Loaded from Python and saved again, a model of the command line stays one."""
    from backprop.cli import main

    first, second = str(tmp_path / "1.safetensors"), str(tmp_path / "2.safetensors")
    assert main(["train", "digits", "--epochs", "1", "--quiet", "--output", first]) == 0
    bp.Network.load(first).save(second)
    assert main(["predict", second, "digits", "--output", str(tmp_path / "out.csv")]) == 0
    assert storage.load(second)[1].to_dict() == storage.load(first)[1].to_dict()
