"""A largest norm for the incoming weights of each unit."""

import numpy as np
import pytest
from networks import printed

import backprop as bp
from backprop import reference

RANDOM = np.random.default_rng(4)
X = RANDOM.normal(size=(101, 13))
Y = RANDOM.integers(0, 3, 101)
LAYERS = [
    bp.Dense(70, "tanh", max_norm=0.5),
    bp.Dense(33, "relu", dropout=0.2),
    bp.Dense(3, max_norm=0.4),
]
OPTIMIZERS = {
    "sgd": bp.SGD(0.2, 0.9),
    "adam": bp.Adam(0.01),
    "kept, averaged": bp.Adam(0.01, clip_norm=0.5, accumulate=2, average=bp.EMA(0.9)),
    "averaged": bp.SGD(0.2, average=bp.EMA(0.5)),
}
each_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=list(OPTIMIZERS))


def network(optimizer="adam", kind=bp.Network, layers=LAYERS, **settings):
    usual = {"loss": "softmax_cross_entropy", "dtype": "float64", "seed": 3}
    return kind(13, layers, optimizer=optimizer, **{**usual, **settings})


def parameters(net):
    found = [array for layer in net.layers for array in (layer.weights, layer.bias)]
    return found if net.optimizer.average is None else [*found, *parameters_of_average(net)]


def parameters_of_average(net):
    return [array for layer in net.averaged().layers for array in (layer.weights, layer.bias)]


def norms(net):
    return [np.linalg.norm(layer.weights, axis=0) for layer in net.layers]


def assert_same_bits(one, other):
    for a, b in zip(parameters(one), parameters(other), strict=True):
        np.testing.assert_array_equal(a, b)


@each_optimizer
@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_epochs_are_those_of_the_reference(optimizer, dtype, matmul):
    fast = network(optimizer, dtype=dtype, matmul=matmul)
    exact = network(optimizer, reference.Network)
    for mine, its in zip(fast.layers, exact.layers, strict=True):
        its.weights[...] = mine.weights
    for net in (fast, exact):
        net.fit(X, Y, epochs=3, batch_size=16)
    tolerance = {"rtol": 1e-10, "atol": 1e-13} if dtype == "float64" else {"atol": 5e-5, "rtol": 0}
    for mine, its in zip(parameters(fast), parameters(exact), strict=True):
        np.testing.assert_allclose(mine, its, **tolerance)


@each_optimizer
@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_the_same_bits_on_any_number_of_threads(optimizer, n_threads):
    one, other = (network(optimizer, dtype="float32", n_threads=n) for n in (1, n_threads))
    for net in (one, other):
        net.fit(X, Y, epochs=3, batch_size=16)
    assert_same_bits(one, other)


def test_the_same_bits_on_every_instruction_set_that_fuses():
    program = (
        "import hashlib; import test_max_norm as t;"
        "nets = [t.network(o, dtype='float32') for o in t.OPTIMIZERS.values()];"
        "[net.fit(t.X, t.Y, epochs=2, batch_size=16) for net in nets];"
        "print([hashlib.sha256(b''.join(p.tobytes() for p in t.parameters(net))).hexdigest()"
        " for net in nets])"
    )
    assert len(printed(program)) <= 1


def test_norms_are_limited_after_every_step_and_biases_are_not():
    net = network(bp.SGD(0.5))
    assert norms(net)[0].max() > 0.5  # initial weights are as they were drawn
    for step in range(3):
        if step == 1:
            net.backward(net.forward(X))
            net.update()
        else:
            net.train_step(X, Y)
        first, second, last = norms(net)
        assert first.max() == pytest.approx(0.5, rel=1e-12)
        assert last.max() == pytest.approx(0.4, rel=1e-12)
        assert second.max() > 0.9
    net.layers[0].bias = np.full(70, 5.0)
    net.train_step(X, Y)
    assert np.abs(net.layers[0].bias).max() > 4


def test_a_limit_that_none_reaches_changes_no_bit():
    limited = network(layers=[bp.Dense(70, "tanh", max_norm=1e3), bp.Dense(3)])
    free = network(layers=[bp.Dense(70, "tanh"), bp.Dense(3)])
    for net in (limited, free):
        net.fit(X, Y, epochs=2, batch_size=16)
    assert_same_bits(limited, free)


@each_optimizer
def test_training_goes_on_to_the_same_bits_after_a_load(tmp_path, optimizer):
    whole, parted = network(optimizer), network(optimizer)
    whole.fit(X, Y, epochs=4, batch_size=16)
    parted.fit(X, Y, epochs=2, batch_size=16)
    parted.save(tmp_path / "model.safetensors")
    loaded = bp.Network.load(tmp_path / "model.safetensors")
    assert [layer.spec for layer in loaded.layers] == LAYERS
    loaded.fit(X, Y, epochs=2, batch_size=16)
    assert_same_bits(whole, loaded)


@pytest.mark.parametrize("value", [0, -1.0, float("inf"), float("nan")])
def test_a_norm_outside_its_domain_is_named(value):
    with pytest.raises(ValueError, match="max_norm="):
        bp.Dense(3, max_norm=value)
    with pytest.raises(TypeError, match="did you mean 'max_norm'"):
        bp.Dense(3, kernel_constraint=3)


# ---- explain -----------------------------------------------------------------------------------


def explained():
    layers = [bp.Dense(5, "tanh", max_norm=0.9), bp.Dense(3)]
    net = network(bp.SGD(0.5, 0.9, l2=0.1), layers=layers)
    net.fit(X, Y, epochs=1)
    return net.explain(X[:6], Y[:6])


def test_the_last_line_of_a_step_is_the_limit():
    trace = explained()
    for unit in range(5):
        lines = trace.gradient(0, 2, unit).update
        *_, free, limited = lines
        norm = limited.numbers["norm_w"]
        assert limited.numbers["c_max"] == 0.9
        assert limited.value == pytest.approx(free.value * min(1, 0.9 / norm), rel=1e-12)
        assert limited.value == trace.gradient(0, 2, unit).after
    assert any(trace.layers[0].norms > 0.9)
    assert trace.gradient(0, "bias", 1).update[-1].rule.formula.expression == "w + v"
    assert trace.gradient(1, 0, 1).update[-1].rule.formula.expression == "w + v"
    assert "each unit of layer 1 are scaled down to a norm of 0.9" in trace.to_text()
    assert r"\min" in trace.to_latex((0, 2, 1))


def test_the_page_shows_the_limit(open_page):
    trace = explained()
    unit = int(np.argmax(trace.layers[0].norms))
    assert trace.layers[0].norms[unit] > 0.9
    page = open_page(trace, weight=(0, 2, unit))
    page.open_tab("update")
    lines = trace.gradient(0, 2, unit).update
    outcomes = page.values(".assignment .outcome")
    assert outcomes[-len(lines) :] == pytest.approx([line.value for line in lines], rel=1e-12)
    last = f".assignment:nth-child({len(page.all('.assignment'))})"
    assert page.formulas(last)[0] == "w←w·min(1,(c_max)/(norm_w))"
    assert page.value("#new-value") == pytest.approx(lines[-1].value, rel=1e-12)
