"""`explain`: factors multiply to gradients, those of the core, the reference and a trial."""

import copy
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import fits, targets

import backprop as bp
from backprop import reference
from backprop.catalogue import activations
from backprop.catalogue.losses import LOSSES
from backprop.explain import Trace, write_page
from backprop.explain.forms.text import number

# those that learn are not shown yet
ACTIVATIONS = {n: entry for n, entry in activations.ACTIVATIONS.items() if not entry.learned}
SIZES = {"2-2-1": (2, 2, 1), "3-4-3-2": (3, 4, 3, 2)}
CASES = [  # every activation below every loss, and as the last where the loss allows another
    (name, hidden, last, loss.name)
    for name, sizes in SIZES.items()
    for loss in LOSSES.values()
    if fits(loss, sizes[-1])
    for hidden, last in [
        *((activation, "identity") for activation in ACTIVATIONS),
        *(("tanh", activation) for activation in ACTIVATIONS if not loss.takes_logits),
    ]
]


MILD = [  # not those that soon overflow, one layer behind another
    name
    for name, entry in ACTIVATIONS.items()
    if np.abs(entry.value(np.float64(30), *entry.settings.values())) <= 30
]


def layers_of(sizes, hidden, last):
    return [bp.Dense(n, hidden) for n in sizes[1:-1]] + [bp.Dense(sizes[-1], last)]


def batch_for(sizes, loss, n=5):
    """Inputs, targets and weights, none of them special."""
    rng = np.random.default_rng(7)
    X, weight = rng.normal(size=(n, sizes[0])), rng.uniform(0.5, 2, n)
    return X, targets(loss, rng.normal(size=(n, sizes[-1]))), weight


def network_for(sizes, hidden, last, loss, dtype="float64", **options):
    net = bp.Network(
        sizes[0], layers_of(sizes, hidden, last), loss=loss, dtype=dtype, seed=3, **options
    )
    rng = np.random.default_rng(5)
    for layer in net.layers:  # so that no bias is 0 and nothing lies on a kink
        layer.bias = rng.normal(size=layer.bias.shape) * 0.3
        if layer.function.is_silent_below is not None:  # nor any unit silent on all samples
            layer.bias += 1
    return net


def weights_of(trace):
    for i, layer in enumerate(trace.layers):
        for unit in range(layer.n_out):
            for source in [*range(layer.n_in), "bias"]:
                yield trace.gradient(i, source, unit)


@pytest.mark.parametrize(("name", "hidden", "last", "loss"), CASES)
def test_paths_make_the_gradient_of_core_reference_and_trial(name, hidden, last, loss):
    sizes = SIZES[name]
    net = network_for(sizes, hidden, last, loss)
    X, y, weight = batch_for(sizes, loss)
    trace = net.explain(X, y, sample_weight=weight)
    plain = reference.Network(sizes[0], layers_of(sizes, hidden, last), loss=loss, dtype="float64")
    for own, layer in zip(plain.layers, net.layers, strict=True):
        own.weights[...], own.bias[...] = layer.weights, layer.bias
    cost, expected = plain.loss_and_gradients(X, y, weight)
    assert trace.cost == pytest.approx(cost, rel=1e-12)
    count = 0
    for found in weights_of(trace):
        by_sample = [
            math.fsum(
                path.product
                for path in trace.gradient(found.layer, found.source, found.unit, s).every_path()
            )
            for s in range(len(X))
        ]
        summed = math.fsum(s * own for s, own in zip(trace.shares, by_sample, strict=True))
        of_reference = expected[found.layer]
        of_reference = (
            of_reference.bias[found.unit]
            if found.source == "bias"
            else of_reference.weights[found.source, found.unit]
        )
        assert found.gradient == pytest.approx(summed, rel=1e-12, abs=1e-14)
        assert found.gradient == pytest.approx(of_reference, rel=1e-12, abs=1e-14)
        assert found.gradient == pytest.approx(found.finite_difference, rel=1e-6, abs=1e-9)
        assert found.per_sample.sum() == pytest.approx(found.gradient, rel=1e-12, abs=1e-14)
        three = math.prod(factor.value for factor in found.factors)
        assert three == pytest.approx(by_sample[0], rel=1e-12, abs=1e-14)
        count += 1
    assert count == net.n_parameters
    for layer in trace.layers:  # equal zeros would agree too
        assert np.mean(np.abs(layer.gradient.weights) > 1e-6) > 0.9
        assert np.mean(np.abs(layer.gradient.bias) > 1e-6) > 0.9


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.mark.parametrize("matmul", ["fused", "blas"])
@pytest.mark.parametrize("n", [1, 3, 33, 200])
def test_what_is_shown_is_what_training_uses(dtype, matmul, n):
    """The bits of the gradients, activations and the step are those of the other runs."""
    X, y, weight = batch_for((9, 1, 4), "softmax_cross_entropy", n)
    options = {"optimizer": bp.Adam(0.01), "n_threads": 2, "matmul": matmul}
    net = network_for((9, 37, 5, 4), "tanh", "identity", "softmax_cross_entropy", dtype, **options)
    net.fit(X, y, epochs=2)
    before = copy.deepcopy(net)
    trace = net.explain(X, y, sample_weight=weight)
    assert_same_network(net, before)
    _, gradients = net.loss_and_gradients(X, y, weight)
    for layer, gradient in zip(trace.layers, gradients, strict=True):
        equal = np.testing.assert_array_equal if matmul == "fused" else np.testing.assert_allclose
        equal(layer.gradient.weights, gradient.weights)
        equal(layer.gradient.bias, gradient.bias)
    if matmul == "fused":
        np.testing.assert_array_equal(trace.layers[-1].a, net.predict(X, logits=True))
    np.testing.assert_array_equal(trace.output, net.predict(X))
    cost = net.train_step(X, y, weight)
    assert trace.cost == pytest.approx(cost, rel=1e-6)
    for own, was, layer in zip(trace.layers, before.layers, net.layers, strict=True):
        np.testing.assert_array_equal(own.weights, was.weights)
        tolerance = 1e-12 if matmul == "fused" else 1e-5
        stepped = (was.weights.astype("float64") + own.step.weights).astype(dtype)
        np.testing.assert_allclose(stepped, layer.weights, rtol=tolerance)


def assert_same_network(one, other):
    assert (one.steps, one.epochs_trained) == (other.steps, other.epochs_trained)
    for mine, its in zip(one.layers, other.layers, strict=True):
        np.testing.assert_array_equal(mine.weights, its.weights)
        np.testing.assert_array_equal(mine.bias, its.bias)
    for name, views in one.optimizer_state().items():
        for mine, its in zip(views, other.optimizer_state()[name], strict=True):
            np.testing.assert_array_equal(mine[0], its[0])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_z_a_and_derivative(dtype, activation):
    X, y, _ = batch_for((3, 1, 2), "squared_error", 17)
    net = network_for((3, 19, 2), activation, "identity", "squared_error", dtype)
    trace = net.explain(X, y)
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-12}
    first, layer = trace.layers[0], net.layers[0]
    np.testing.assert_allclose(first.z, trace.x @ layer.weights + layer.bias, **tolerance)
    entry = ACTIVATIONS[activation]
    values = entry.settings.values()
    np.testing.assert_allclose(first.a, entry.value(first.z, *values), **tolerance)
    slope = entry.derivative(first.z, first.a, *values)
    np.testing.assert_allclose(first.derivative, slope, **tolerance)
    np.testing.assert_allclose(first.dz, first.da * first.derivative, **tolerance)
    back = trace.layers[1].dz @ trace.layers[1].weights.T
    np.testing.assert_allclose(first.da, back, rtol=1e-4, atol=1e-6)


def test_one_sample():
    net = network_for((2, 2, 1), "sigmoid", "sigmoid", "squared_error")
    one, many = net.explain([0.5, -1.0], 1.0), net.explain([[0.5, -1.0]], [[1.0]])
    assert one.to_dict() == many.to_dict()
    assert one.shares == [1.0]
    net = network_for((2, 2, 3), "tanh", "identity", "softmax_cross_entropy")
    assert net.explain([0.5, -1.0], 2).y.tolist() == [[0, 0, 1]]
    assert net.explain([0.5, -1.0], [0.0, 0.5, 0.5]).y.tolist() == [[0, 0.5, 0.5]]


def test_names_by_default():
    pandas = pytest.importorskip("pandas")
    net = network_for((2, 3, 2), "tanh", "identity", "softmax_cross_entropy")
    X = [[0.5, -1.0], [1.0, 2.0]]
    table = pandas.DataFrame(X, columns=["left", "right"])
    for shown in (net.explain(table, [0, 1]), net.explain(table.iloc[1], 1)):
        assert shown.input_names == ["left", "right"]
        assert shown.output_names == ["label 0", "label 1"]  # of which the first is output 1
    assert net.explain(table, [0, 1], input_names=["a", "b"]).input_names == ["a", "b"]
    for nameless in (X, np.array(X), pandas.DataFrame(X), X[0], pandas.Series(X[0])):
        y = [1, 0] if np.ndim(nameless) == 2 else 1
        assert net.explain(nameless, y).input_names == ["x1", "x2"]
    rows = [[0.0, 1.0], [1.0, 0.0]]
    assert net.explain(X, rows).output_names == ["y1", "y2"]
    assert net.explain(X, [0, 1], output_names=["no", "yes"]).output_names == ["no", "yes"]
    logits = network_for((2, 3, 1), "tanh", "identity", "sigmoid_cross_entropy")
    assert logits.explain(X, [0, 1]).output_names == ["y1"]


def test_a_trace_is_found_among_others():
    """Their arrays, compared one by one, would have no one answer."""
    net = network_for((2, 2, 1), "sigmoid", "sigmoid", "squared_error")
    X, y = [[0.5, -1.0], [1.0, 2.0]], [1.0, 0.0]
    one, other = net.explain(X, y), net.explain(X, y)
    assert [one, other].index(other) == 1
    assert {one: "one", other: "other"}[other] == "other"
    assert one.layers[0] != other.layers[0]


def test_inputs_are_those_of_the_first_layer():
    layers = layers_of((2, 3, 1), "tanh", "identity")
    net = bp.Network(2, layers, dtype="float64", seed=0, input_offset=[1, 2], input_scale=0.5)
    trace = net.explain([[3.0, 4.0]], [1.0])
    assert trace.x.tolist() == [[1.0, 1.0]]
    for weight in weights_of(trace):
        assert weight.relative_error < 1e-6


@pytest.mark.parametrize("loss", [n for n, loss in LOSSES.items() if fits(loss, 2)])
@pytest.mark.parametrize("small", [0.0, 1e-30])
def test_a_sample_of_little_weight_keeps_its_own_numbers(loss, small):
    """Only its share, and so what it adds to the gradients, is little."""
    X, y, _ = batch_for((3, 1, 2), loss, 3)
    net = network_for((3, 4, 2), "tanh", "identity", loss)
    trace = net.explain(X, y, sample_weight=[1e10, small, 3e10])
    np.testing.assert_allclose(trace.shares, [0.25, small / 4e10, 0.75])
    alone = net.explain(X[1], y[1])
    assert trace.losses[1] == pytest.approx(alone.cost, rel=1e-12)
    for own, layer in zip(trace.layers, alone.layers, strict=True):
        np.testing.assert_allclose(own.da[1], layer.da[0], rtol=1e-12)
        np.testing.assert_allclose(own.dz[1], layer.dz[0], rtol=1e-12)
        assert layer.dz.all()
    weight = trace.gradient(0, 0, 0, sample=1)
    assert weight.sum == pytest.approx(alone.gradient(0, 0, 0).gradient, rel=1e-12)
    assert weight.per_sample[1] == pytest.approx(small / 4e10 * weight.sum, rel=1e-12)


def test_many_paths_are_grouped_to_the_same_sum():
    X, y, _ = batch_for((3, 1, 3), "softmax_cross_entropy")
    net = network_for((3, 4, 5, 3), "tanh", "identity", "softmax_cross_entropy")
    weight = net.explain(X, y).gradient(0, 1, 2)
    assert weight.n_paths == 15
    assert weight.is_grouped
    assert [path.units for path in weight.paths] == [(2, unit) for unit in range(5)]
    assert weight.sum == pytest.approx(math.fsum(p.product for p in weight.every_path()), rel=1e-12)
    assert {factor.kind for path in weight.paths for factor in path.factors} == {
        "sum of the paths beyond",
        "upstream weight",
        "activation derivative",
        "input",
    }


@pytest.mark.parametrize(
    "optimizer",
    [
        bp.SGD(0.1),
        bp.SGD(0.1, momentum=0.9),
        bp.SGD(0.1, 0.9, nesterov=True),
        bp.Adam(),
        bp.Adam(l2=0.5, epsilon_hat=True),
    ],
    ids=lambda optimizer: f"{optimizer.kind} {optimizer.l2}",
)
def test_the_step_follows_from_gradient_and_moments(optimizer):
    """As the page's formula has it, worked out by the reference."""
    X, y, _ = batch_for((3, 1, 2), "squared_error")
    net = network_for((3, 4, 2), "tanh", "identity", "squared_error", optimizer=optimizer)
    net.fit(X, y, epochs=3, batch_size=len(X))
    trace = net.explain(X, y)
    assert trace.gradient(0, "bias", 0).decay == 0
    for i, layer in enumerate(trace.layers):
        w, moments = layer.weights.copy(), [own[0].copy() for own in layer.moments.values()]
        decay = [[trace.gradient(i, *at).decay for at in row] for row in places(w)]
        g = layer.gradient.weights + decay
        optimizer.update(w, g, moments, trace.steps + 1)
        np.testing.assert_allclose(layer.weights + layer.step.weights, w, rtol=1e-12)
        for (name, after), expected in zip(layer.moments_after.items(), moments, strict=True):
            np.testing.assert_allclose(after[0], expected, rtol=1e-12, err_msg=name)
    after = net.train_step(X, y)
    assert trace.cost == pytest.approx(after, rel=1e-12)
    assert trace.cost_after_step == pytest.approx(net.evaluate(X, y)["loss"], rel=1e-12)


def places(matrix):
    return [[(i, j) for j in range(matrix.shape[1])] for i in range(matrix.shape[0])]


@pytest.mark.parametrize("loss", [n for n, loss in LOSSES.items() if fits(loss, 2)])
def test_forms(loss, tmp_path):
    X, y, weight = batch_for((3, 1, 2), loss)
    net = network_for((3, 4, 3, 2), "relu", "identity", loss, optimizer=bp.SGD(0.1, 0.9))
    trace = net.explain(X, y, sample_weight=weight, input_names=["<script>", "b & c", "d"])
    text = trace.to_text()
    assert str(trace) == text
    for found in weights_of(trace):
        assert number(found.gradient) in text
        assert number(found.gradient) in trace.to_text((found.layer, found.source, found.unit))
    assert number(trace.cost) in text
    assert ("the long way" in text) == (LOSSES[loss].long_way is not None)
    assert ("Mind the sign" in text) == (loss == "squared_error")
    latex = trace.to_latex()
    assert latex.count(r"\begin{align*}") == latex.count(r"\end{align*}") == 4
    assert latex.count("{") == latex.count("}")
    again = json.loads(json.dumps(trace.to_dict(), allow_nan=False))
    assert again["layers"][0]["gradient"]["weights"] == trace.layers[0].gradient.weights.tolist()
    assert [sample["loss"] for sample in again["samples"]] == trace.losses.tolist()
    page = trace.to_html()
    assert trace.to_html(tmp_path / "page.html") is None
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    assert "<script>" not in page.split('type="application/json"')[1].split("</script>")[0]
    assert trace._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert repr(trace) == f"Trace(3-4-3-2, loss={str(LOSSES[loss])!r}, 5 samples, epoch 0)"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("loss", [loss.name for loss in LOSSES.values() if loss.long_way])
@pytest.mark.parametrize("size", [1e3, 1e308])
def test_where_the_long_way_divides_by_zero(loss, size):
    net = network_for((2, 2, 2), "tanh", "identity", loss)
    net.layers[1].bias = [size, -size]
    y = [[0, 1]] if loss == "sigmoid_cross_entropy" else [1]
    trace = net.explain([[0.5, -1.0]], y)
    assert trace.layers[1].da[0].tolist() == [1, -1]  # the short way does not
    assert "inf" in str(trace) or "nan" in str(trace)
    assert "  Here a p has become 0" in str(trace)
    assert "  Elsewhere they are equal, because" in str(trace)
    assert "  Equal," not in str(trace)
    assert "the fraction divides by zero" in trace.to_latex()
    assert trace.to_html()


@pytest.mark.parametrize("loss", [loss.name for loss in LOSSES.values() if loss.long_way])
def test_where_the_long_way_has_a_value(loss):
    net = network_for((2, 2, 2), "tanh", "identity", loss)
    y = [[0, 1]] if loss == "sigmoid_cross_entropy" else [1]
    trace = net.explain([[0.5, -1.0]], y)
    assert "  Equal, because" in str(trace)
    assert "by zero" not in str(trace) + trace.to_latex()
    if loss == "softmax_cross_entropy":  # whose p may be 0 where y is: nothing is divided by it
        net.layers[1].bias = [-1e3, 1e3]
        trace = net.explain([[0.5, -1.0]], y)
        assert trace.output.tolist() == [[0, 1]]
        assert "  Equal, because" in str(trace)
    net.layers[1].bias[...] = [np.nan, 0]
    trace = net.explain([[0.5, -1.0]], y)
    assert "by zero" not in str(trace) + trace.to_latex()  # that is not why it is no number


def test_numbers_that_are_not_finite():
    net = network_for((2, 2, 1), "identity", "identity", "squared_error")
    net.layers[0].weights[0, 0] = np.inf
    trace = net.explain([[1.0, 1.0]], [0.0])
    found = json.loads(json.dumps(trace.to_dict(), allow_nan=False))
    assert found["layers"][0]["weights"][0][0] == "inf"
    assert found["layers"][0]["a"][0][0] == "inf"
    assert "inf" in str(trace)
    assert "inf" in trace.to_latex()
    assert trace.to_html()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_settles_nothing(value):
    net = network_for((2, 2, 1), "tanh", "identity", "squared_error")
    net.layers[0].weights[0, 1] = value
    trace = net.explain([[1.0, 1.0]], [0.0])
    weight = trace.gradient(0, 0, 1)
    assert np.isnan(weight.relative_error)
    assert "relative error unknown" in str(weight)
    assert r"\text{unknown}" in trace.to_latex((0, 0, 1))
    first = trace.diagnostics[0]
    assert (first["kind"], first["layer"], first["units"]) == ("not finite", 0, [1])
    assert "weights" in first["message"]
    assert "learning rate" in first["advice"]
    assert "Nothing looks unwell" not in str(trace)
    net.layers[0].weights[0, 1] = 0.5
    assert "not finite" not in kinds(net.explain([[1.0, 1.0]], [0.0]))


def kinds(trace):
    return [found["kind"] for found in trace.diagnostics]


def test_diagnostics():
    X, y, _ = batch_for((3, 1, 1), "squared_error", 20)
    net = network_for((3, 4, 1), "relu", "identity", "squared_error", optimizer=bp.SGD(1e-6))
    assert kinds(net.explain(X, y)) == []
    net.layers[0].bias[2] = -1000
    (dead,) = net.explain(X, y).diagnostics
    assert (dead["kind"], dead["layer"], dead["units"]) == ("dead", 0, [2])
    assert "1 of 4 units" in dead["message"]
    assert kinds(net.explain(X[:2], y[:2])) == []  # on two samples any unit may be silent
    net.layers[0].bias[:] = -1000
    (silent,) = (f for f in net.explain(X[:2], y[:2]).diagnostics if f["kind"] == "silent")
    assert (silent["layer"], silent["units"]) == (0, [0, 1, 2, 3])
    assert "all units give 0 on the 2 samples shown" in silent["message"]
    net = network_for((3, 4, 1), "tanh", "sigmoid", "squared_error", optimizer=bp.SGD(1e-6))
    net.layers[0].bias[1] = 50
    net.layers[1].bias[0] = -50
    first, second = (f for f in net.explain(X, y).diagnostics if f["kind"] == "saturated")
    assert (first["layer"], first["units"]) == (0, [1])
    assert second["layer"] == 1
    assert "sigmoid_cross_entropy" in second["advice"]
    assert "large inputs" in kinds(net.explain(100 * X, y))
    net = network_for((3, 4, 1), "tanh", "identity", "squared_error", optimizer=bp.SGD(100))
    assert "large step" in kinds(net.explain(X, y))


@pytest.mark.parametrize(("n", "kind"), [(3, "silent"), (20, "dead")])
def test_a_layer_that_gives_nothing_is_found_once(n, kind):
    """That its gradient, and those below, are 0 times the next one's follows from it."""
    X, y, _ = batch_for((3, 1, 1), "squared_error", n)
    net = network_for((3, 4, 4, 4, 1), "relu", "identity", "squared_error", optimizer=bp.SGD(1e-30))
    net.layers[1].bias[:] = -1000
    (found,) = net.explain(X, y).diagnostics
    assert (found["kind"], found["layer"]) == (kind, 1)
    net.layers[3].weights *= 1e-3  # what vanishes above it is found nevertheless
    found = [(one["kind"], one["layer"]) for one in net.explain(X, y).diagnostics]
    assert found == [(kind, 1), ("vanishing", 2)]


@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_relu_is_advised_only_in_place_of_what_damps(hidden):
    X, y, _ = batch_for((3, 1, 1), "squared_error", 20)
    net = network_for((3, 4, 4, 4, 1), hidden, "identity", "squared_error")
    for layer in net.layers[1:]:
        layer.weights = layer.weights * 0.01
    found = next(f for f in net.explain(X, y).diagnostics if f["kind"] == "vanishing")
    expected = "fewer layers, or larger initial weights"
    if ACTIVATIONS[hidden].largest_slope is not None:
        expected = f"relu instead of {hidden}, {expected}"
    assert found["advice"] == expected


@pytest.mark.parametrize(("factor", "kind"), [(0.01, "vanishing"), (30.0, "exploding")])
def test_diagnostics_between_layers(factor, kind):
    X, y, _ = batch_for((3, 1, 1), "squared_error", 20)
    net = network_for((3, 4, 4, 4, 1), "identity", "identity", "squared_error")
    for layer in net.layers[1:]:
        layer.weights = layer.weights * factor
    found = next(
        f for f in net.explain(X, y).diagnostics if f["kind"] in ("vanishing", "exploding")
    )
    assert found["kind"] == kind
    assert found["advice"]


def rescaled(*factors):
    """A deep linear network, the weights of whose layers are made larger or smaller."""
    X, y, _ = batch_for((3, 1, 1), "squared_error", 20)
    sizes = (3, *([4] * (len(factors) - 1)), 1)
    net = network_for(sizes, "identity", "identity", "squared_error", optimizer=bp.SGD(1e-30))
    for layer, factor in zip(net.layers, factors, strict=True):
        layer.weights = layer.weights * factor
    return net.explain(X, y)


def test_diagnostics_of_neighbouring_layers():
    """What one layer shrinks another may blow up again: the ends alone show nothing."""
    trace = rescaled(1, 1e6, 1e-6, 1)
    found = [(f["kind"], f["layer"]) for f in trace.diagnostics if f["kind"] != "large step"]
    assert found == [("exploding", 0), ("vanishing", 1)]
    layers = trace.to_dict()["layers"]
    sizes = [np.sqrt(np.mean(np.square(layer.dz))) for layer in trace.layers]
    assert [layer["dz_rms"] for layer in layers] == pytest.approx(sizes)
    ratios = [one / other for one, other in itertools.pairwise(sizes)]
    assert [layer["dz_ratio"] for layer in layers] == [*map(pytest.approx, ratios), None]
    for ratio, finding in zip(ratios, trace.diagnostics, strict=False):
        assert f"{ratio:.1g}" in finding["message"]


def test_what_vanishes_little_by_little():
    (found,) = (f for f in rescaled(1, *[0.05] * 5).diagnostics if f["kind"] == "vanishing")
    assert found["layer"] == 0
    assert "of that in the last layer" in found["message"]


def test_bad_arguments():
    X, y, _ = batch_for((3, 1, 2), "squared_error")
    net = network_for((3, 4, 2), "tanh", "identity", "squared_error")
    with pytest.raises(ValueError, match=r"X has 2 columns, expected 3"):
        net.explain(X[:, :2], y)
    with pytest.raises(ValueError, match="X has no rows"):
        net.explain(X[:0], y[:0])
    with pytest.raises(ValueError, match="input_names has 2 names, expected 3"):
        net.explain(X, y, input_names=["a", "b"])
    with pytest.raises(TypeError, match="output_names='ab'"):
        net.explain(X, y, output_names="ab")
    trace = net.explain(X, y)
    for place, message in {
        (2, 0, 0): "layer=2: expected an integer, from 0 to 1",
        (0, 3, 0): "source=3: expected an integer, from 0 to 2",
        (0, 0, 4): "unit=4: expected an integer, from 0 to 3",
    }.items():
        for look_up in (trace.gradient, trace.difference):
            with pytest.raises(ValueError, match=message):
                look_up(*place)
    with pytest.raises(ValueError, match="layer=-1"):
        trace.difference(-1, 0, 0)
    for form in (trace.to_text, trace.to_latex):
        with pytest.raises(
            ValueError, match=r"weight=\(0, 0\): expected a tuple \(layer, source, u"
        ):
            form(weight=(0, 0))
    with pytest.raises(ValueError, match="sample_weight has 2 values, expected 1"):
        net.explain(X[0], y[0], sample_weight=[1, 2])
    with pytest.raises(ValueError, match="sample=5"):
        trace.to_text(sample=5)
    with pytest.raises(TypeError, match="source='b'"):
        trace.gradient(0, "b", 0)


def test_pages_of_several_traces(tmp_path):
    X, y, _ = batch_for((3, 1, 2), "squared_error")
    net = network_for((3, 4, 2), "tanh", "identity", "squared_error")
    traces = []
    for _ in range(3):
        traces.append(net.explain(X, y))
        net.fit(X, y, epochs=2)
    write_page(tmp_path / "history.html", traces, "From <start> to end")
    text = (tmp_path / "history.html").read_text(encoding="utf-8")
    assert "From &lt;start&gt; to end" in text
    assert [trace.epoch for trace in traces] == [0, 2, 4]
    other = network_for((3, 5, 2), "tanh", "identity", "squared_error").explain(X, y)
    with pytest.raises(ValueError, match="1 is of a network with sizes 3-5-2, expected 3-4-2 as"):
        write_page(tmp_path / "history.html", [traces[0], other])
    other = network_for((3, 4, 2), "relu", "identity", "squared_error")
    logits = network_for((3, 4, 2), "tanh", "identity", "sigmoid_cross_entropy")
    for what, trace in {
        "activations relu, identity": other.explain(X, y),
        "loss sigmoid_cross_entropy": logits.explain(X, np.ones((5, 2))),
        "input names a, b, c": net.explain(X, y, input_names=["a", "b", "c"]),
        "output names d, e": net.explain(X, y, output_names=["d", "e"]),
    }.items():
        with pytest.raises(ValueError, match=f"number 1 is of a network with {what}, expected"):
            write_page(tmp_path / "history.html", [traces[0], trace])
    with pytest.raises(ValueError, match="the list is empty"):
        write_page(tmp_path / "history.html", [])


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_network_adds_up(data):
    """Of any shape: what the samples add is the gradient, and dz is da times f'."""
    sizes = data.draw(st.lists(st.integers(1, 20), min_size=2, max_size=5))
    hidden = data.draw(st.sampled_from(MILD))
    n, seed = data.draw(st.integers(1, 40)), data.draw(st.integers(0, 2**32))
    net = bp.Network(sizes[0], layers_of(sizes, hidden, "tanh"), dtype="float64", seed=seed)
    rng = np.random.default_rng(seed)
    trace = net.explain(rng.normal(size=(n, sizes[0])), rng.normal(size=(n, sizes[-1])))
    assert isinstance(trace, Trace)
    inputs = [trace.x, *(layer.a for layer in trace.layers)]
    for x, layer in zip(inputs[:-1], trace.layers, strict=True):
        own = trace.shares[:, None] * layer.dz
        np.testing.assert_allclose(x.T @ own, layer.gradient.weights, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(own.sum(axis=0), layer.gradient.bias, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(layer.dz, layer.da * layer.derivative, rtol=1e-12, atol=1e-300)
