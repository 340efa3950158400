"""`explain` of networks that drop: the mask is a factor, and every trial has the same one."""

import json
import math

import numpy as np
import pytest
from explained import batch, parameters
from networks import outputs_of, targets
from test_explain_page import check_chain, linear

import backprop as bp
from backprop import reference, reference_random
from backprop.catalogue.losses import LOSSES
from backprop.explain.forms.text import number

SIZES = (3, 4, 3, 2)
WHERE = {
    "inputs": (0.3, (0, 0, 0)),
    "hidden": (0, (0.5, 0.25, 0)),
    "outputs": (0, (0, 0, 0.2)),
    "everywhere": (0.3, (0.5, 0.25, 0.2)),
}


def network(where="everywhere", kind=bp.Network, sizes=SIZES, **options):
    """A few steps on, so that its masks are not those of the first step."""
    on_inputs, rates = WHERE[where]
    names = ["tanh"] * (len(sizes) - 2) + ["identity"]
    layers = [
        bp.Dense(n, name, dropout=rate)
        for n, name, rate in zip(sizes[1:], names, rates[-len(names) :], strict=True)
    ]
    options = {"dtype": "float64", "seed": 4, "optimizer": bp.SGD(0.1, 0.9), **options}
    net = kind(sizes[0], layers, input_dropout=on_inputs, **options)
    rng = np.random.default_rng(5)
    for layer in net.layers:
        layer.bias[...] = rng.normal(size=layer.bias.shape) * 0.3
    net.steps = 3
    return net


def batch_for(loss, sizes=SIZES, n=5):
    X, y = batch(sizes, n)
    return X, targets(loss.name, np.abs(y)), np.linspace(0.5, 2, n)


def weights_of(trace):
    return [trace.gradient(*place) for place in parameters(trace)]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("loss", LOSSES.values(), ids=lambda loss: loss.name)
def test_paths_make_the_gradient_of_core_reference_and_trial(where, loss):
    sizes = (*SIZES[:-1], outputs_of(loss))
    net = network(where, sizes=sizes, loss=loss.name)
    X, y, weight = batch_for(loss, sizes)
    trace = net.explain(X, y, sample_weight=weight)
    slow = network(where, reference.Network, sizes, loss=loss.name)
    for own, layer in zip(slow.layers, net.layers, strict=True):
        own.weights[...], own.bias[...] = layer.weights, layer.bias
    cost, expected = slow.loss_and_gradients(X, y, weight)
    assert trace.cost == pytest.approx(cost, rel=1e-12)
    assert trace.losses @ trace.shares == pytest.approx(cost, rel=1e-12)
    sizes = []
    for found in weights_of(trace):
        place = (found.layer, found.source, found.unit)
        by_sample = [
            math.fsum(path.product for path in trace.gradient(*place, s).every_path())
            for s in range(len(X))
        ]
        summed = math.fsum(trace.shares * by_sample)
        assert found.gradient == pytest.approx(summed, rel=1e-11, abs=1e-14)
        assert found.gradient == pytest.approx(found.of(expected[found.layer]), abs=1e-12)
        assert found.gradient == pytest.approx(found.finite_difference, rel=1e-6, abs=1e-9)
        assert found.per_sample == pytest.approx(trace.shares * by_sample, abs=1e-14)
        whole = math.prod(factor.value for factor in found.factors)
        assert whole == pytest.approx(by_sample[0], rel=1e-11, abs=1e-14)
        sizes.append(abs(found.gradient))
    assert np.mean(np.array(sizes) > 1e-6) > 0.5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 5, 33])
def test_the_masks_are_those_of_the_next_step(dtype, n):
    net = network(dtype=dtype)
    X, y = batch(SIZES, n)
    trace = net.explain(X, y)

    def drawn(purpose, layer, rate, units):
        state = reference_random.stream(
            reference_random.stream(net.seed, purpose, layer), net.steps, 0
        )
        return reference_random.dropout_factors(state, rate, n, units, dtype)

    on_inputs = drawn(reference_random.INPUT_DROPOUT, 0, net.input_dropout, 3)
    np.testing.assert_array_equal(trace.input_mask, on_inputs)
    np.testing.assert_array_equal(trace.x, X.astype(dtype))
    for i, layer in enumerate(trace.layers):
        own = drawn(reference_random.DROPOUT, i, layer.dropout, layer.n_out)
        np.testing.assert_array_equal(layer.mask, own)
        np.testing.assert_allclose(layer.dz, layer.da * layer.mask * layer.derivative, rtol=1e-6)
        z = trace.read_by(i) @ layer.weights + layer.bias
        np.testing.assert_allclose(layer.z, z, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(trace.output, trace.layers[-1].out)
    if n > 1:
        net.steps += 1
        assert (net.explain(X, y).layers[0].mask != trace.layers[0].mask).any()


@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_shown_is_what_training_uses(dtype, matmul):
    """The gradients' bits, the step, the cost; and the network, gradients too, stays as it is."""
    net = network(dtype=dtype, matmul=matmul)
    X, y = batch(SIZES, 33)
    net.forward(X)
    net.backward(np.ones((33, 2)))
    kept = [gradient.weights.copy() for gradient in net.gradients()]
    trace = net.explain(X, y)
    for before, gradient in zip(kept, net.gradients(), strict=True):
        np.testing.assert_array_equal(gradient.weights, before)
    assert net.steps == 3
    _, gradients = net.copy().loss_and_gradients(X, y)
    for layer, gradient in zip(trace.layers, gradients, strict=True):
        equal = np.testing.assert_array_equal if matmul == "fused" else np.testing.assert_allclose
        equal(layer.gradient.weights, gradient.weights)
        equal(layer.gradient.bias, gradient.bias)
    after = net.copy()
    assert trace.cost == pytest.approx(after.train_step(X, y), rel=1e-6)
    for layer, stepped in zip(trace.layers, after.layers, strict=True):
        expected = (layer.weights + layer.step.weights).astype(dtype)
        np.testing.assert_allclose(expected, stepped.weights, rtol=1e-5, atol=1e-7)
    after.steps = net.steps
    assert trace.cost_after_step == pytest.approx(after.loss_and_gradients(X, y)[0], rel=1e-6)
    assert trace.cost_after_step < trace.cost


def test_a_batch_of_more_rows_than_gradients_are_taken_of_at_a_time():
    net = bp.Network(1, [bp.Dense(1, dropout=0.5)], dtype="float64", seed=0)
    X = np.linspace(-1, 1, 5000)[:, None]
    weight = net.explain(X, X[:, 0] ** 2).gradient(0, 0, 0)
    assert abs(weight.gradient) > 1e-3
    assert weight.relative_error < 1e-6


def test_a_network_that_drops_nothing_has_no_mask():
    trace = bp.Network(2, [bp.Dense(1)], seed=0).explain([[1.0, 2.0]], [1.0])
    assert not trace.drops
    assert trace.input_mask is trace.layers[0].mask is None
    assert [factor.name for factor in trace.layers[0].factors] == ["derivative"]
    assert "r⁽" not in str(trace)
    assert "no dropout" in str(trace)


def test_the_mask_in_the_text():
    trace = network().explain(*batch(SIZES, 5))
    weight = trace.gradient(1, 1, 0, sample=2)
    symbols = "∂ℓ/∂ã⁽³⁾₁ · r⁽³⁾₁ · f′(z⁽³⁾₁) · w⁽³⁾₁,₁ · r⁽²⁾₁ · f′(z⁽²⁾₁) · r⁽¹⁾₂ · a⁽¹⁾₂"
    assert f"\n  {symbols}\n" in str(weight)
    assert "loss derivative, dropout mask, activation derivative" in str(weight)
    first = str(trace.gradient(0, 2, 0, sample=2))
    assert "· r⁽¹⁾₁ · f′(z⁽¹⁾₁) · r⁽⁰⁾₃ · x₃" in first
    body = trace.to_text(sample=2)
    for name, values in [
        ("x̃", trace.read_by(0)),
        *(pair for at in trace.layers for pair in (("r", at.mask), ("ã", at.out))),
        *(("∂ℓ/∂ã", at.da) for at in trace.layers),
    ]:
        assert f"\n  {name:<9} " + "  ".join(map(number, values[2])) in body
    assert "∂ℓ/∂z = ∂ℓ/∂a · f′(z), or ∂ℓ/∂ã · r · f′(z)" in body
    assert "else 1 / (1 − 0.25) = 1.33333" in body
    assert "in the formulas of the loss a stands for ã = r · a" in body
    assert "Both costs are with what this step drops" in body


def test_the_mask_in_latex():
    trace = network().explain(*batch(SIZES, 5))
    tex = trace.to_latex((1, 1, 0))
    product = "".join(tex.split())
    assert r"\frac{\partial\ell}{\partial\tilde{a}^{(3)}_{1}}\cdotr^{(3)}_{1}\cdotf'(z" in product
    assert r"\cdotr^{(1)}_{2}" in product
    tex = "".join(trace.to_latex().split())
    assert r"\tilde{x}=r^{(0)}\odotx&=(" in tex
    assert r"\tilde{a}^{(2)}&=r^{(2)}\odota^{(2)}" in tex
    assert r"&=\frac{\partial\ell}{\partial\tilde{a}^{(2)}}\odotr^{(2)}\odotf'(z^{(2)})" in tex


def test_the_mask_in_the_dict():
    trace = network().explain(*batch(SIZES, 5))
    found = json.loads(json.dumps(trace.to_dict()))
    (on_inputs,) = found["inputs"]["factors"]
    assert on_inputs["values"] == trace.input_mask.tolist()
    for layer, own in zip(found["layers"], trace.layers, strict=True):
        mask, derivative = layer["factors"]
        assert (mask["name"], mask["kind"], mask["symbol"]) == ("mask", "dropout mask", "r")
        assert (mask["scales_output"], derivative["scales_output"]) == (True, False)
        assert mask["values"] == own.mask.tolist()
        assert derivative["values"] == layer["derivative"] == own.derivative.tolist()
        product = np.array(layer["da"])
        for factor in layer["factors"]:
            product = product * factor["values"]
        np.testing.assert_allclose(product, own.dz, rtol=1e-12)


# ---- The page ----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", WHERE)
def test_every_edge_on_the_page(open_page, where):
    """Factors as in Python, and a trial that the page works out with the same mask."""
    trace = network(where).explain(*batch(SIZES, 5))
    trace.__dict__["differences"] = None
    page = open_page(trace, sample=3)
    places = list(parameters(trace))
    seen = set()
    for place in places[:6] + places[-3:]:
        page.choose(*place)
        weight = trace.gradient(*place, sample=3)
        found = check_chain(page, weight)
        seen |= {factor.kind for path in weight.paths for factor in path.factors}
        assert found["gradient"] == weight.gradient
        assert found["difference"] == pytest.approx(weight.finite_difference, rel=1e-6, abs=1e-10)
        assert found["sample-difference"] == pytest.approx(weight.sum, rel=1e-6, abs=1e-10)
    assert "dropout mask" in seen


def test_the_views_of_the_page(open_page):
    trace = network().explain(*batch(SIZES, 5))
    page = open_page(trace, weight=(1, 1, 0), sample=3)
    dropped = {
        f"unit {i} {unit}"
        for i, mask in enumerate([trace.input_mask, *(at.mask for at in trace.layers)], -1)
        for unit in np.flatnonzero(mask[3] == 0)
    }
    assert dropped
    shapes = page.all(".unit.dropped")
    assert {shape.get_attribute("data-item") for shape in shapes} == dropped
    assert all("value 0, dropped" in shape.get_attribute("aria-label") for shape in shapes)
    weight = trace.gradient(1, 1, 0, sample=3)
    whole = [factor.symbol for factor in weight.paths[0].factors]
    expected = "·".join(map(linear, whole)).replace("_1^(3)", "_k^(3)").replace("_1,1^(3)", "_1,k")
    (formula,) = page.formulas("#panel > .formula")
    assert formula.count("r_") == expected.count("r_") == 3
    page.run("document.querySelector('[data-item=\"unit 1 2\"]').dispatchEvent(new Event('click'))")
    layer = trace.layers[1]
    chips = [layer.da[3, 2], layer.mask[3, 2], layer.derivative[3, 2]]
    assert page.values(".chip") == chips
    assert page.value(".chain-result") == layer.dz[3, 2]
    assert "The dropout mask: 0 where the step drops the unit" in page.text()
    page.open_tab("batch")
    assert page.values("#panel tbody tr:nth-child(4)")[3] == 1  # the bias's input
    page.open_tab("loss")
    found = page.values("#panel tbody tr:nth-child(1)")
    assert found == [trace.layers[2].out[3, 0], trace.y[3, 0], trace.layers[2].da[3, 0]]
    assert "The outputs are dropped" in page.text()
    page.open_tab("steps")
    numbers = []
    while page.find('[data-key="step on"]').get_attribute("aria-disabled") == "false":
        numbers += page.values("#panel")
        page.find('[data-key="step on"]').click()
    for at in trace.layers:
        for values in (at.mask, at.out, at.da, at.derivative, at.dz):
            assert set(values[3].tolist()) <= set(numbers)
    assert set(trace.read_by(0)[3].tolist()) <= set(numbers)


def test_the_quiz_asks_for_the_mask(open_page):
    trace = network("hidden").explain(*batch(SIZES, 5))
    page = open_page(trace)
    page.open_tab("quiz")
    asked = []
    while not page.all("#panel .again.primary"):
        for option in page.all("#panel .option"):
            if option.get_attribute("aria-disabled") != "true":
                option.click()
                break
    asked = [chip.text.split(maxsplit=1)[1] for chip in page.all("#found .chip-kind")]
    assert asked.count("dropout mask") == 2
