"""`explain` of layers with norms, noise, straight roads, learned slopes; trained as all or not."""

import json
import math
import re

import numpy as np
import operations
import pytest
from operations import CASES, batch, network, places

import backprop as bp
from backprop import reference, reference_random
from backprop.catalogue.norms import NORMS
from backprop.explain.forms.text import number

EVERY = pytest.mark.parametrize("case", CASES)


@EVERY
@pytest.mark.parametrize("n", [1, 5])
def test_paths_make_the_gradient_of_core_reference_and_trial(case, n):
    X, y, weight = batch(n)
    trace = network(case).explain(X, y, sample_weight=weight)
    cost, expected = network(case, reference.Network).loss_and_gradients(X, y, weight)
    assert trace.cost == pytest.approx(cost, rel=1e-12)
    assert trace.losses @ trace.shares == pytest.approx(cost, rel=1e-12)
    # of one sample a norm's deviation is √epsilon: what cancels was divided by that
    rounding = 1e-10 if n == 1 else 1e-12
    sizes = []
    for place in places(trace):
        found = trace.gradient(*place)
        by_sample = [
            math.fsum(path.product for path in trace.gradient(*place, s).every_path())
            for s in range(n)
        ]
        summed = math.fsum(trace.parts * by_sample)
        assert found.n_paths == len(list(found.every_path()))
        assert found.gradient == pytest.approx(summed, rel=1e-10, abs=rounding)
        assert found.gradient == pytest.approx(found.of(expected[found.layer]), abs=1e-10)
        assert found.gradient == pytest.approx(found.finite_difference, rel=1e-6, abs=1e-8)
        assert found.per_sample == pytest.approx(trace.parts * by_sample, abs=rounding)
        assert found.sum == pytest.approx(by_sample[0], abs=rounding)
        assert not found.relative_error > 1e-5 or found.unresolved
        whole = math.prod(factor.value for factor in found.factors)
        assert whole == pytest.approx(by_sample[0], rel=1e-10, abs=rounding)
        sizes.append(abs(found.gradient))
    if n > 1:
        assert np.mean(np.array(sizes) > 1e-6) > 0.6


@EVERY
def test_a_layer_is_what_the_core_worked_out(case):
    """From its inputs to what it hands on, and back from there to z."""
    net = network(case)
    X, y, weight = batch()
    trace = net.explain(X, y, sample_weight=weight)
    for i, layer in enumerate(trace.layers):
        x = trace.read_by(i)
        z = x @ layer.weights + (0 if layer.bias is None else layer.bias)
        np.testing.assert_allclose(layer.z, z, atol=1e-12)
        read = layer.z
        if layer.norm is not None:
            norm = layer.norm
            np.testing.assert_allclose(norm.n, (z - norm.mean) / norm.deviation, atol=1e-11)
            y_ = layer.beside["scale"] * norm.n + layer.beside["shift"]
            np.testing.assert_allclose(norm.y, y_, atol=1e-12)
            np.testing.assert_allclose(layer.back_through(1 + (layer.mask is not None)), norm.dy)
            gathered = sum(factor.values for factor in layer.gathered)
            np.testing.assert_allclose((norm.dn + gathered) / norm.deviation, layer.dz, atol=1e-12)
            read = norm.y
        else:
            np.testing.assert_allclose(layer.back_through(len(layer.factors)), layer.dz)
        settings = {**layer.function.settings, **layer.beside}
        values = [settings[name] for name in layer.function.settings]
        np.testing.assert_allclose(layer.a, layer.function.value(read, *values), atol=1e-12)
        out = layer.a if layer.added_noise is None else layer.a + layer.added_noise
        out = out if layer.mask is None else out * layer.mask
        out = out + x if layer.is_passed_by else out
        np.testing.assert_allclose(layer.out, out, atol=1e-12)
        if i + 1 < len(trace.layers):
            above = trace.layers[i + 1]
            da = above.dz @ above.weights.T + (above.da if above.is_passed_by else 0)
            np.testing.assert_allclose(layer.da, da, atol=1e-12)
    slopes = trace.loss_slopes * (trace.shares[:, None] if trace.mixes_samples else 1)
    np.testing.assert_allclose(trace.layers[-1].da, slopes, atol=1e-12)


@EVERY
def test_the_step_is_that_of_the_core(case):
    net = network(case, optimizer=bp.Adam(0.01, l2=0.1))
    X, y, weight = batch()
    trace = net.explain(X, y, sample_weight=weight)
    after = net.copy()
    after.train_step(X, y, weight)
    for place in places(trace):
        layer, source, _ = place
        found = trace.gradient(*place)
        assert found.after == pytest.approx(found.of(after.layers[layer]), abs=1e-14)
        assert found.update[-1].value == pytest.approx(found.after, abs=1e-14)
        numbers = {symbol: np.float64(value) for symbol, value in found.update[-1].numbers.items()}
        formula = found.update[-1].rule.formula
        assert formula.evaluate(numbers) == pytest.approx(found.after, rel=1e-9, abs=1e-12)
        spec = net.layers[layer].spec
        symbols = [line.rule.symbol for line in found.update]
        if not spec.trainable:
            assert (found.step, symbols) == (0, ["w"])
            assert "Frozen: no step changes this layer" in str(found)
        elif spec.learning_rate_factor != 1:
            rate = found.update[symbols.index("lr")]
            assert rate.value == spec.learning_rate_factor * 0.01
            assert f"lr ← factor · lr\n    = {number(spec.learning_rate_factor)} · 0.01" in str(
                found
            )
        decays = isinstance(source, int) and spec.trainable
        assert any("λ" in line.rule.formula.text() for line in found.update) == decays
    after.steps = net.steps
    assert trace.cost_after_step == pytest.approx(after.loss_and_gradients(X, y, weight)[0])


def test_a_frozen_layer_is_no_part_of_the_norm_that_clips():
    net = network("together, frozen", optimizer=bp.SGD(0.1, clip_norm=0.05))
    trace = net.explain(*batch()[:2])
    trained = [layer.gradient for layer in trace.layers if layer.trainable]
    squares = sum(np.square(a).sum() for one in trained for a in one.parameters.values())
    line = trace.gradient(0, "negative_slope", 1).update
    (norm,) = {own.numbers["norm"] for own in line}
    assert norm == pytest.approx(np.sqrt(squares))


def test_the_noise_is_that_of_the_next_step():
    net = network("noise")
    X, y, _ = batch()
    trace = net.explain(X, y)
    for i, layer in enumerate(trace.layers):
        state = reference_random.stream(net.seed, reference_random.NOISE, i)
        state = reference_random.stream(state, net.steps, 0)
        drawn = layer.noise * reference_random.normal_noise(state, 5, layer.n_out)
        np.testing.assert_allclose(layer.added_noise, drawn, rtol=1e-12)
    assert trace.predicts_otherwise
    np.testing.assert_array_equal(trace.output, trace.layers[-1].out)
    net.steps += 1
    assert (net.explain(X, y).layers[0].added_noise != trace.layers[0].added_noise).all()


@pytest.mark.parametrize("norm", NORMS)
def test_the_matrix_of_a_norm(norm):
    """Each column, by central differences of n; its product with ∂/∂n is ∂/∂z."""
    trace = network(f"{norm} norm").explain(*batch()[:2])
    own = trace.layers[0].norm
    z, entry = trace.layers[0].z, own.entry

    def normalised(z):
        return entry.forward(z, 1.0, 0.0, entry.statistics(z))[1]

    for place in np.ndindex(z.shape):
        moved = np.zeros(z.shape)
        moved[place] = 1e-6
        slopes = (normalised(z + moved) - normalised(z - moved)) / 2e-6
        column, dn = own.column(*place)
        expected = slopes[:, place[1]] if entry.is_over_samples else slopes[place[0]]
        np.testing.assert_allclose(column, expected, atol=1e-8)
        assert column @ dn == pytest.approx(trace.layers[0].dz[place], abs=1e-12)


def test_what_there_is_not_is_refused_by_name():
    trace = network("no bias").explain(*batch()[:2])
    assert trace.layers[0].bias is None
    assert trace.layers[0].sources == [0, 1, 2]
    with pytest.raises(ValueError, match=r"source='bias': layers\[0\] has no bias"):
        trace.gradient(0, "bias", 0)
    with pytest.raises(TypeError, match="source='scale'"):
        trace.gradient(0, "scale", 0)


def test_many_paths_are_grouped_with_the_straight_road():
    trace = network("residual").explain(*batch()[:2])
    weight = trace.gradient(0, 1, 2, sample=3)
    assert weight.n_paths == 3 * 2 + 2 == len(weight.paths)
    wide = [bp.Dense(3, "tanh", norm="layer"), bp.Dense(3, "tanh", residual=True), bp.Dense(5)]
    net = bp.Network(3, wide, dtype="float64", seed=1)
    X, _, _ = batch()
    weight = net.explain(X, X @ np.ones((3, 5))).gradient(0, 1, 2, sample=3)
    assert weight.is_grouped
    assert weight.n_paths == 4 * 5 + 2
    kinds = [[factor.kind for factor in path.factors] for path in weight.paths]
    assert len(kinds) == 1 + 3 + 2
    assert kinds[0][:2] == ["sum of the paths beyond", "straight road"]
    assert kinds[1][:2] == ["sum of the paths beyond", "upstream weight"]
    assert kinds[4] == ["through the mean", "norm deviation", "input"]
    assert kinds[5] == ["through the deviation", "norm deviation", "input"]
    assert weight.sum == pytest.approx(math.fsum(path.product for path in weight.every_path()))


# ---- Forms -------------------------------------------------------------------------------------


def numbers_in(text):
    """All numbers of a text."""
    text = text.replace("−", "-")
    return {float(found) for found in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", text)}


def shown_of(trace, sample):
    """What both forms show of every layer, as {name: numbers}."""
    for i, layer in enumerate(trace.layers):
        own = {"z": layer.z, "a": layer.a, "da": layer.da, "dz": layer.dz, "out": layer.out}
        own |= {
            factor.name: factor.values for factor in layer.factors if factor.name != "deviation"
        }
        own |= {term.name: term.values for term in layer.terms}
        own |= {one.name: layer.back_through(one.depth) * one.inputs for one in layer.learned}
        if layer.norm is not None:
            own |= {
                name: getattr(layer.norm, name) for name in ("mean", "deviation", "n", "y", "dn")
            }
        for name, values in own.items():
            yield f"{i} {name}", values[sample]


@EVERY
def test_every_number_is_in_the_text_and_in_latex(case):
    X, y, weight = batch()
    trace = network(case).explain(X, y, sample_weight=weight)
    text, tex = trace.to_text(sample=3), trace.to_latex(sample=3)
    tex = re.sub(r" \\cdot 10\^\{(-?\d+)\}", r"e\1", tex)
    for body in (text, tex):
        found = numbers_in(body)
        for name, values in shown_of(trace, 3):
            for value in values:
                assert float(f"{value:.6g}") in found, name
    assert ("∂C/∂z" in text) == trace.mixes_samples == (r"\partial C}{\partial z" in tex)
    for layer in trace.layers:
        heading = ", ".join([layer.name, layer.activation, *layer.remarks])
        assert f"\n{heading}: a = " in text
    for place in places(trace):
        weight = trace.gradient(*place, sample=3)
        for path in weight.paths[:12]:
            assert f"\n  {' · '.join(factor.symbol for factor in path.factors)}\n" in str(weight)
        assert trace.to_latex(place, 3).count(r"\begin{align*}") == 1


def test_the_words_of_the_text():
    text = network("together").explain(*batch()[:2]).to_text()
    assert "layer 1, prelu, batch norm, noise 0.1, residual: a = y where y > 0, else α · y" in text
    assert "r · (a + ε) + x" in text
    assert "∂C/∂z = (∂C/∂n − mean(∂C/∂n) − n · mean(n · ∂C/∂n)) / σ" in text
    assert "layer 2, gelu, layer norm, no bias, learning rate × 0.5: a = " in text
    assert "layer 2 has a learning rate of its own: lr ← 0.5 · lr = 0.05" in text
    assert "derivatives of the\nbatch's cost C" in text
    text = network("together, frozen").explain(*batch()[:2]).to_text()
    assert "layer 2 is frozen: all that it has stays as it is" in text
    assert "plus its ∂C/∂ã by the straight road" in text
    text = str(network("layer norm").explain(*batch()[:2]).gradient(0, 1, 2))
    assert "(−mean ∂ℓ/∂n⁽¹⁾) · 1/σ⁽¹⁾ · x₂" in text
    assert "(−n⁽¹⁾₃ · mean(n⁽¹⁾ · ∂ℓ/∂n⁽¹⁾)) · 1/σ⁽¹⁾ · x₂" in text
    assert "the norm: every n over the units of the layer depends on z⁽¹⁾₃" in text
    text = str(network("prelu").explain(*batch()[:2]).gradient(1, "negative_slope", 2))
    assert text.startswith("α⁽²⁾₃ = ")
    assert " · r⁽²⁾₃ · ∂a⁽²⁾₃/∂α⁽²⁾₃\n" in text
    assert "\n  ∂a⁽²⁾₃/∂α⁽²⁾₃ = min(z⁽²⁾₃, 0)\n" in text


@EVERY
def test_the_dict(case):
    trace = network(case).explain(*batch()[:2])
    found = json.loads(json.dumps(trace.to_dict(), allow_nan=False))
    assert found["format"] == "backprop trace 4"
    assert found["derivatives_of"] == ("cost" if trace.mixes_samples else "loss")
    for layer, own in zip(found["layers"], trace.layers, strict=True):
        assert layer["bias"] == (None if own.bias is None else own.bias.tolist())
        assert (layer["out"] or layer["a"]) == own.out.tolist()
        assert (layer["frozen"] is None) == own.trainable
        assert (layer["own_rate"] is None) == (own.learning_rate_factor == 1)
        for name, values in own.parameters.items():
            assert layer["gradient"][name] == own.gradient.parameters[name].tolist()
            assert np.shape(layer["finite_difference"][name]) == values.shape
        learned = {one["name"]: one["values"] for one in layer["learned"]}
        assert learned == {name: array.tolist() for name, array in own.beside.items()}
        assert [one["kind"] for one in layer["gathered"]] == [one.kind for one in own.gathered]
        assert [one["name"] for one in layer["terms"]] == [one.name for one in own.terms]


def test_the_symbols_of_what_is_learned_are_declared():
    """By the norm and the activation themselves; their formulas are what the core derives by."""
    z = np.linspace(-2, 2, 9)
    prelu = bp.Dense(1, "prelu").function
    np.testing.assert_array_equal(
        prelu.parameter_form.slope.evaluate({"z": z}), prelu.by_parameter(z)
    )
    for norm in NORMS.values():
        assert list(norm.written) == list(norm.learned)
    assert operations.specs("together")[0].written.keys() == {"scale", "shift", "negative_slope"}


@pytest.mark.parametrize("case", ["noise", "layer norm", "batch norm", "together"])
def test_float32(case):
    """The trial, in float64, has the noise of the network that it is of."""
    X, y, weight = batch()
    trace = network(case, dtype="float32").explain(X, y, sample_weight=weight)
    for place in places(trace):
        weight = trace.gradient(*place)
        assert weight.gradient == pytest.approx(weight.finite_difference, rel=1e-3, abs=1e-4)
        assert weight.per_sample.sum() == pytest.approx(weight.gradient, rel=1e-3, abs=1e-4)


@EVERY
def test_the_latex_is_balanced(case):
    trace = network(case).explain(*batch()[:2])
    for place in [None, *places(trace)]:
        tex = trace.to_latex(place)
        assert tex.count("{") == tex.count("}")
        assert len(re.findall(r"\\left(?!arrow)", tex)) == tex.count(r"\right")
        tex = re.sub(r"\\begin\{cases\}.*?\\end\{cases\}", "", tex, flags=re.DOTALL)
        for own in re.findall(r"\\begin\{align\*\}(.*?)\\end\{align\*\}", tex, re.DOTALL):
            assert all(row.count("&") == 1 for row in own.split(r"\\"))


@pytest.mark.parametrize("residual", [False, True])
def test_a_silent_layer_with_a_straight_road_stops_nothing(residual):
    layers = [bp.Dense(2), bp.Dense(2, "relu", residual=residual), bp.Dense(1)]
    net = bp.Network(2, layers, dtype="float64", seed=0)
    net.layers[1].bias = [-50.0, -50.0]
    trace = net.explain([0.5, -1.0], 1.0)
    assert (np.abs(trace.layers[0].gradient.weights).max() > 0) == residual
    (found,) = (one for one in trace.diagnostics if one["kind"] == "silent")
    assert ("by the straight road" in found["message"]) == residual
    assert ("neither this layer nor those below" in found["message"]) != residual
