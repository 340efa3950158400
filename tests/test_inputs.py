"""What Network takes as data: any layout and dtype give the same bits; nothing of it changes."""

import warnings

import numpy as np
import pytest
from networks import CATALOGUED, LOSSES, targets

import backprop as bp
from backprop.catalogue.losses import LOSSES as CATALOGUE
from backprop.catalogue.targets import POSITIVE

INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
CODES = "?bBhHiIlLqQfd"  # numpy has two names for some sizes of integer


def make(loss="softmax_cross_entropy", **options):
    layers = [bp.Dense(9, "tanh"), bp.Dense(3)]
    options = {"dtype": "float64", "seed": 3, **options}
    return bp.Network(5, layers, loss=loss, optimizer=bp.Adam(0.01), **options)


def whole_numbers(n=37):
    rng = np.random.default_rng(0)
    return rng.integers(0, 100, (n, 5)), rng.integers(0, 3, n)


def everything(X, y, loss="softmax_cross_entropy", sample_weight=None, **options):
    """What each method makes of the data, as arrays."""
    net = make(loss, **options)
    found = [np.array(net.fit(X, y, epochs=2, batch_size=8, sample_weight=sample_weight).loss)]
    found += [np.array(net.train_step(X, y, sample_weight)), net.predict(X)]
    found += [np.array(list(net.evaluate(X, y, sample_weight).values()))]
    cost, gradients = net.loss_and_gradients(X, y, sample_weight)
    found += [np.array(cost), *(array for gradient in gradients for array in gradient)]
    found += [net.forward(X), net.backward(np.ones((len(X), 3)))]
    net.update()
    return found + [array for layer in net.layers for array in (layer.weights, layer.bias)]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def unaligned(values):
    moved = np.ndarray(values.shape, values.dtype, bytearray(values.nbytes + 1), offset=1)
    moved[...] = values
    return moved


def in_a_record(values):
    """A field of a structured array: neither aligned nor next to each other."""
    record = np.zeros(len(values), [("tag", "i1"), ("x", values.dtype, values.shape[1:])])
    record["x"] = values
    return record["x"]


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "transposed": lambda v: np.ascontiguousarray(v.T).T,
    "every third row": lambda v: np.repeat(v, 3, axis=0)[::3],
    "backwards": lambda v: v[::-1].copy()[::-1],
    "unaligned": unaligned,
    "field of records": in_a_record,
    "list": lambda v: v.tolist(),
    "subclass": lambda v: v.view(type("Subclass", (np.ndarray,), {})),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float64", "int32", "uint8"])
def test_layouts(layout, dtype):
    X, y = whole_numbers()
    X, w = X.astype(dtype), np.arange(37.0)
    change = LAYOUTS[layout]
    expected = everything(X, y, sample_weight=w, input_scale=0.01)
    assert_same(
        everything(change(X), change(y), sample_weight=change(w), input_scale=0.01), expected
    )


@pytest.mark.parametrize("columns", [slice(None, None, 2), slice(None, None, -1), slice(5, 10)])
def test_strided_columns(columns):
    whole, y = np.random.default_rng(0).normal(size=(37, 10)), whole_numbers()[1]
    X = whole[:, columns][:, :5]
    assert_same(everything(X, y), everything(np.ascontiguousarray(X), y))


def test_broadcast_arrays():
    X, y = np.broadcast_to(np.arange(5.0), (37, 5)), np.broadcast_to(1, 37)
    assert X.strides[0] == y.strides[0] == 0
    assert_same(everything(X, y), everything(X.copy(), y.copy()))


@pytest.mark.parametrize("code", CODES)
def test_dtypes_of_x(code):
    X, y = whole_numbers()
    X = X.astype(code)
    expected = everything(X.astype("float64"), y, input_offset=3.0, input_scale=0.01)
    assert_same(everything(X, y, input_offset=3.0, input_scale=0.01), expected)


@pytest.mark.parametrize("code", CODES[:-2])
def test_dtypes_of_labels(code):
    X, y = whole_numbers()
    y = y % 2 if code == "?" else y
    assert_same(everything(X, y.astype(code)), everything(X, y))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("loss", LOSSES)
def test_dtypes_of_targets(loss, code):
    X, y = whole_numbers()
    y = (np.eye(3)[y] + (CATALOGUE[loss].target is POSITIVE)).astype(code)
    assert_same(everything(X, y, loss), everything(X, y.astype(float), loss))


@pytest.mark.parametrize("code", CODES)
def test_dtypes_of_sample_weights(code):
    X, y = whole_numbers()
    w = np.arange(37).astype(code)
    assert_same(everything(X, y, sample_weight=w), everything(X, y, sample_weight=w.astype(float)))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_at_both_ends_of_their_range(dtype):
    ends = np.iinfo(dtype)
    X = np.array([[ends.min, ends.max, 0, 1, ends.max // 2]] * 4, dtype)
    scale = 1 / float(ends.max)
    net = bp.Network(5, [bp.Dense(5)], dtype="float64", input_scale=scale)
    net.layers[0].weights = np.eye(5)
    np.testing.assert_allclose(net.predict(X), X.astype(float) * scale, rtol=1e-15)


def test_float32_networks_take_float64_data_and_the_other_way_round():
    X, y = np.random.default_rng(0).normal(size=(37, 5)), whole_numbers()[1]
    single = X.astype("float32")
    assert_same(everything(X, y, dtype="float32"), everything(single, y, dtype="float32"))
    assert_same(everything(single, y), everything(single.astype("float64"), y))


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_maps(tmp_path, order):
    X, y = whole_numbers(500)
    mapped = np.memmap(tmp_path / "x", "uint8", "w+", shape=X.shape, order=order)
    mapped[...] = X
    mapped.flush()
    labels = np.memmap(tmp_path / "y", "int64", "w+", shape=y.shape)
    labels[...] = y
    labels.flush()
    X_read = np.memmap(tmp_path / "x", "uint8", "r", shape=X.shape, order=order)
    y_read = np.memmap(tmp_path / "y", "int64", "r", shape=y.shape)
    before = (tmp_path / "x").read_bytes(), (tmp_path / "y").read_bytes()
    assert_same(everything(X_read, y_read, input_scale=0.1), everything(X, y, input_scale=0.1))
    assert before == ((tmp_path / "x").read_bytes(), (tmp_path / "y").read_bytes())


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_of_the_users_is_modified(loss):
    """Read-only arrays are taken by every method, and writable ones come back as they were."""
    X, y = whole_numbers()
    y = targets(loss, np.eye(3)[y])
    X, w, offset, scale = X * 0.01, np.arange(37.0), np.arange(5.0), np.full(5, 0.5)
    arrays = (X, y, w, offset, scale)
    before = [array.tobytes() for array in arrays]
    transform = {"input_offset": offset, "input_scale": scale}
    expected = everything(X, y, loss, w, **transform)
    assert [array.tobytes() for array in arrays] == before
    for array in arrays:
        array.flags.writeable = False
    assert_same(everything(X, y, loss, w, **transform), expected)
    d_out = np.ones((37, 3))
    d_out.flags.writeable = False
    net = make(loss)
    net.forward(X)
    net.backward(d_out)
    net.fit(X, y, validation_data=(X, y, w), sample_weight=w)


def test_the_input_transform_is_the_networks_own():
    offset = np.arange(5.0)
    net = make(input_offset=offset)
    X, _ = whole_numbers()
    before = net.predict(X)
    offset[...] = 99
    np.testing.assert_array_equal(net.predict(X), before)
    np.testing.assert_array_equal(make().predict(X - np.arange(5.0)), before)


def test_data_that_changes_after_fit_does_not_matter():
    X, y = whole_numbers()
    net, other = make(), make()
    for one in (net, other):
        one.fit(X * 1.0, y, epochs=1)
    X[...] = 0
    np.testing.assert_array_equal(net.predict(X + 1), other.predict(X + 1))


# ---- labels, targets and sample weights --------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_labels_are_one_hot_rows(dtype):
    X, y = whole_numbers()
    options = {"dtype": dtype, "input_scale": 0.01}
    assert_same(everything(X, y, **options), everything(X, np.eye(3)[y], **options))


@pytest.mark.parametrize(
    "loss", [name for name, loss in CATALOGUED.items() if loss.least_outputs == 1]
)
def test_one_target_may_be_a_vector_or_a_column(loss):
    X, y = whole_numbers()
    y = targets(loss, np.where(y > 1, 1, -1))

    def trained(targets):
        net = bp.Network(5, [bp.Dense(1)], loss=loss, seed=0)
        net.fit(X * 0.01, targets, epochs=2)
        assert net.predict(X).shape == (37, 1)
        return net.layers[0].weights

    np.testing.assert_array_equal(trained(y), trained(y[:, None]))


def test_weights_of_one_are_no_weights():
    X, y = whole_numbers()
    assert_same(everything(X, y, sample_weight=np.ones(37)), everything(X, y))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_weight_is_a_number_of_repetitions_and_0_is_absence(loss):
    X, y = whole_numbers()
    X, w = X * 0.01, np.arange(37) % 4
    y = targets(loss, np.eye(3)[y])
    net = make(loss)
    cost, gradients = net.loss_and_gradients(X, y, w)
    repeated, expected = net.loss_and_gradients(X.repeat(w, 0), y.repeat(w, 0))
    assert cost == pytest.approx(repeated, rel=1e-12)
    for one, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(one.weights, other.weights, rtol=1e-9, atol=1e-14)
    garbage = X.copy()
    garbage[w == 0] = 1e6
    assert net.loss_and_gradients(garbage, y, w)[0] == pytest.approx(cost, rel=1e-12)


def test_the_scale_of_weights_does_not_matter():
    X, y = whole_numbers()
    w = np.random.default_rng(0).uniform(0, 1, 37)
    one, other = everything(X, y, sample_weight=w), everything(X, y, sample_weight=w * 2**20)
    assert_same(one, other)


def test_weights_of_one_call_are_gone_in_the_next():
    X, y = whole_numbers()
    w = np.arange(37.0)
    net, other = make(), make()
    net.fit(X, y, epochs=1, sample_weight=w)
    net.evaluate(X, y, w)
    for mine, its in zip(other.layers, net.layers, strict=True):
        mine.weights, mine.bias = its.weights, its.bias
    assert net.evaluate(X, y) == other.evaluate(X, y)
    assert net.loss_and_gradients(X, y)[0] == other.loss_and_gradients(X, y)[0]
    assert net.train_step(X, y) == other.train_step(X, y)


def test_a_batch_without_weight_changes_nothing():
    X, y = whole_numbers()
    net, other = make(input_scale=0.01), make(input_scale=0.01)
    net.optimizer = other.optimizer = bp.SGD(0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        w = np.r_[np.zeros(24), np.ones(12)]
        losses = net.fit(
            X[:36], y[:36], epochs=1, batch_size=12, shuffle=False, sample_weight=w
        ).loss
    assert losses == [other.train_step(X[24:36], y[24:36])]
    assert net.steps == 3
    for mine, its in zip(net.layers, other.layers, strict=True):
        np.testing.assert_array_equal(mine.weights, its.weights)


# ---- few rows and large batches ----------------------------------------------------------------


def test_a_batch_larger_than_the_data_is_all_of_it():
    X, y = whole_numbers()
    weights = []
    for batch_size in (37, 38, 1000, 2**40):
        net = make()
        if batch_size == 37:
            net.fit(X, y, epochs=2, batch_size=batch_size)
        else:
            with pytest.warns(UserWarning, match=f"batch_size={batch_size} is more than the 37"):
                net.fit(X, y, epochs=2, batch_size=batch_size)
        assert net.steps == 2
        weights.append(net.layers[0].weights)
        np.testing.assert_array_equal(weights[0], weights[-1])


def test_one_row():
    X, y = whole_numbers(1)
    assert all(np.isfinite(array).all() for array in everything(X, y, input_scale=0.01))


def test_batches_that_shrink_and_grow_again():
    """Buffers are made for the largest batch and serve smaller ones: nothing may remain."""
    X, y = whole_numbers(400)
    used, scratch = make(input_scale=0.01), make(input_scale=0.01)
    for call in (used.predict, lambda rows: used.loss_and_gradients(rows, y[:300])):
        with pytest.raises(ValueError, match=r"X\[0, 0\] is nan"):  # when it is gathered already
            call(np.full((300, 5), np.nan))
    for n in (400, 3, 17, 1, 250, 16):
        cost, gradients = used.loss_and_gradients(X[:n], y[:n])
        fresh = make(input_scale=0.01)
        for mine, its in zip(fresh.layers, scratch.layers, strict=True):
            mine.weights, mine.bias = its.weights, its.bias
        exact, expected = fresh.loss_and_gradients(X[:n], y[:n])
        assert cost == exact
        for one, other in zip(gradients, expected, strict=True):
            np.testing.assert_array_equal(one.weights, other.weights)
            np.testing.assert_array_equal(one.bias, other.bias)
        np.testing.assert_array_equal(used.predict(X[:n]), fresh.predict(X[:n]))


@pytest.mark.parametrize("kind", ["f2", ">f2", ">f4", ">f8", ">i2", ">u4"])
def test_types_that_are_converted_whole(kind):
    """float16, and the other byte order: the same numbers, and the user's array stays as it is."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 5)), rng.integers(0, 3, 50)
    X = abs(10 * X).astype(kind)
    before = X.copy()
    native = X.astype({"f": "float64", "i": "int32", "u": "uint32"}[X.dtype.kind])
    assert_same(everything(X, y, input_scale=0.01), everything(native, y, input_scale=0.01))
    np.testing.assert_array_equal(X, before)
    assert X.dtype == kind


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("label", [-1, 3, 2**31])
def test_labels_that_become_none_while_they_are_trained_on(label, dtype):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 5)), rng.integers(0, 3, 50)
    net = make(dtype=dtype)

    def spoil(network, history):
        y[7] = label

    words = rf"y\[7\] became {label} while it was trained on: expected 0 to 2"
    with pytest.raises(ValueError, match=words):
        net.fit(X, y, epochs=5, callbacks=[spoil])
    assert net.epochs_trained == 1
