"""The numbers and formulas on the page of `explain`, read in a real browser."""

import math
import re

import numpy as np
import pytest
from explained import NAME, RAISED, batch, network, parameters, sample_of, small_trace

import backprop as bp
from backprop.catalogue.activations import ACTIVATIONS
from backprop.explain.forms import html

LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
SIZES = {
    "2-2-1": (2, 2, 1),
    "3-4-3-2": (3, 4, 3, 2),
    "grouped": (3, 4, 8, 2),  # 16 paths from the first layer, in 8 groups
    "many outputs": (2, 3, 14),
}


@pytest.fixture(scope="module")
def trace():
    return small_trace(input_names=["left", NAME])


def linear(symbol):
    """A symbol of the text as a formula of the page reads: w⁽¹⁾₂,₁ as w_2,1^(1)."""

    def index(match):
        above = f"^({match[1].translate(RAISED)})"
        return f"_{match[2].translate(LOWERED)}{above}" if match[2] else above

    text = re.sub(r"⁽([⁰¹²³⁴⁵⁶⁷⁸⁹]+)⁾([₀₁₂₃₄₅₆₇₈₉,]*)", index, symbol)
    text = re.sub(r"x([₀₁₂₃₄₅₆₇₈₉]+)", lambda match: f"x_{match[1].translate(LOWERED)}", text)
    text = text.replace("ã", "a~").replace(" ", "")  # as an accent is read
    name = r"(\w~?(?:_[\d,]+)?(?:\^\(\d+\))?)"
    return re.sub(rf"∂{name}/∂{name}", r"(∂\1)/(∂\2)", text)


def shown_value(formula):
    """What a formula of numbers comes to; they have six digits."""
    text = formula
    for sign, operator in {"−": "-", "·": "*", "×": "*", "^": "**", "√": "math.sqrt"}.items():
        text = text.replace(sign, operator)
    return eval(text.lstrip("="), {"math": math})


def listed(paths):
    """The paths, or groups of them, that the page lists: the six largest of more than twelve."""
    order = sorted(paths, key=lambda path: -abs(path.product))[:6]
    return [path for path in paths if path in order]


CHAIN = {
    "factors": "#panel .chip",
    "products": ".chain-result",
    "short": ".short-product",
    "sum": ".sum:not(.mean)",
}
RESULTS = {
    name: f"#{name}"
    for name in (
        "sample-gradient",
        "mean",
        "gradient",
        "difference",
        "relative-error",
        "sample-difference",
        "sample-error",
    )
}


def check_chain(page, weight):
    """Every factor of every path, symbol and number; the products, and their sum."""
    paths = listed(weight.paths) if weight.n_paths > 12 else weight.paths
    factors = [factor for path in paths for factor in path.factors]
    found = page.read(**CHAIN, **RESULTS)
    assert found["factors"] == [factor.value for factor in factors]
    assert page.formulas("#panel .chip") == [linear(factor.symbol) for factor in factors]
    products = [path.product for path in paths]
    assert found["products"] == pytest.approx(products, rel=1e-12)
    assert found["sample-gradient"] == pytest.approx([weight.sum], rel=1e-12)
    if weight.n_paths > 1:
        short = [n for path in paths for n in (*(f.value for f in path.factors), path.product)]
        assert found["short"] == pytest.approx(short, rel=1e-12)
        *terms, total = found["sum"]
        others = [weight.sum - sum(products)] if len(paths) < len(weight.paths) else []
        assert terms == pytest.approx([*products, *others], rel=1e-9)
        assert total == pytest.approx(weight.sum, rel=1e-12)
    return {name: found[name][0] for name in RESULTS}


def check_trials(found, weight, alone):
    """The mean over the samples; both derivatives beside their differences."""
    assert found["mean"] == pytest.approx(weight.gradient, rel=1e-9)
    assert found["gradient"] == weight.gradient
    assert found["difference"] == pytest.approx(weight.finite_difference, rel=1e-6)
    assert found["relative-error"] == pytest.approx(weight.relative_error, abs=1e-7)
    assert found["sample-difference"] == pytest.approx(alone, rel=1e-6)
    assert found["sample-error"] < 1e-6


@pytest.mark.parametrize("name", ["2-2-1", "3-4-3-2", "grouped"])
def test_every_edge_at_a_click(open_page, name):
    sizes = SIZES[name]
    net = network(sizes, "tanh")
    X, y = batch(sizes)
    trace = net.explain(X, y)
    page = open_page(trace)
    sample = sample_of(page)
    alone = net.explain(X[sample : sample + 1], y[sample : sample + 1])
    places = list(parameters(trace))
    if name == "grouped":  # of those whose paths are not grouped, the other cases have all
        places = [place for place in places if place[0] == 0][:8]
    sizes_seen = set()
    for place in places:
        page.choose(*place)
        weight = trace.gradient(*place, sample=sample)
        assert abs(weight.sum) > 1e-6
        found = check_chain(page, weight)
        check_trials(found, weight, alone.gradient(*place).finite_difference)
        sizes_seen.add(len(weight.paths))
    assert sizes_seen == {"2-2-1": {1}, "3-4-3-2": {1, 2, 6}, "grouped": {8}}[name]


def test_the_largest_of_many_outputs(open_page):
    net = network(SIZES["many outputs"], "tanh")
    trace = net.explain(*batch(SIZES["many outputs"]))
    page = open_page(trace, weight=(0, 1, 2), sample=1)
    weight = trace.gradient(0, 1, 2, sample=1)
    assert weight.n_paths == 14
    check_chain(page, weight)
    assert "8 other paths" in page.text()


@pytest.mark.parametrize(
    ("name", "place", "expected"),
    [
        ("2-2-1", (1, "bias", 0), "(∂ℓ)/(∂a_1^(2))·f′(z_1^(2))·1"),
        (
            "2-2-1",
            (0, 1, 1),
            "(∂ℓ)/(∂a_1^(2))·f′(z_1^(2))·w_2,1^(2)·f′(z_2^(1))·x_2",
        ),
        (
            "3-4-3-2",
            (1, 3, 2),
            "∑_k(∂ℓ)/(∂a_k^(3))·f′(z_k^(3))·w_3,k^(3)·f′(z_3^(2))·a_4^(1)",
        ),
        (
            "3-4-3-2",
            (0, 0, 1),
            "∑_k∑_m(∂ℓ)/(∂a_m^(3))·f′(z_m^(3))·w_k,m^(3)·f′(z_k^(2))·w_2,k^(2)·f′(z_2^(1))·x_1",
        ),
        ("grouped", (0, 2, 3), "∑_k(∂ℓ)/(∂z_k^(2))·w_4,k^(2)·f′(z_4^(1))·x_3"),
    ],
)
def test_the_formula_of_the_whole(open_page, name, place, expected):
    trace = network(SIZES[name], "tanh").explain(*batch(SIZES[name]))
    page = open_page(trace, weight=place)
    symbol = linear(trace.gradient(*place).symbol)
    assert page.formulas("#panel > .formula") == [f"(∂ℓ)/(∂{symbol})={expected}"]


def test_the_trial_of_a_large_network_is_worked_out(open_page):
    """In float64, where the trace has no differences of its own."""
    sizes = (784, 64, 10)
    net = network(sizes, "relu", "identity", loss="softmax_cross_entropy", dtype="float32")
    X = np.random.default_rng(0).uniform(size=(8, 784))
    trace = net.explain(X, np.arange(8))
    trace.__dict__["differences"] = None  # whatever this machine's trace would have
    for place in [(0, 300, 5), (1, 7, 3), (1, "bias", 9)]:
        page = open_page(trace, weight=place)
        weight = trace.gradient(*place)
        assert page.value("#difference") == pytest.approx(weight.finite_difference, rel=1e-6)
        assert page.value("#relative-error") < 1e-4


@pytest.mark.parametrize(
    ("loss", "last"),
    [("sigmoid_cross_entropy", "identity"), ("softmax_cross_entropy", "identity")],
)
def test_the_trial_of_every_loss(open_page, loss, last):
    net = network((3, 4, 2), "relu", last, loss=loss)
    X, _ = batch((3, 4, 2))
    trace = net.explain(X, [[1, 0], [0, 1], [1, 0]], sample_weight=[1, 2, 0.5])
    trace.__dict__["differences"] = None
    page = open_page(trace, weight=(0, 2, 1))
    weight = trace.gradient(0, 2, 1)
    assert abs(weight.gradient) > 1e-6
    assert page.value("#difference") == pytest.approx(weight.finite_difference, rel=1e-6)


def test_a_sample_is_chosen(open_page, trace):
    page = open_page(trace)
    page.choose(0, 0, 1)
    assert [option.text for option in page.all("#sample option")] == ["1", "2", "3"]
    for sample in range(3):
        page.find(f'#sample option[value="{sample}"]').click()
        expected = trace.gradient(0, 0, 1, sample=sample).sum
        assert page.value("#sample-gradient") == pytest.approx(expected, rel=1e-12)
        assert f"loss of sample {sample + 1} do" in page.text()


SQUARED = [
    "ℓ=∑_j((a_j−y_j)^2)/(2)",
    "(∂ℓ)/(∂a_j)=a_j−y_j",
]
SIGMOID = [
    "ℓ=−∑_j[y_jlogp_j+(1−y_j)log(1−p_j)]p_j=σ(a_j)",
    "(∂ℓ)/(∂p_j)=(p_j−y_j)/(p_j(1−p_j))(∂p_j)/(∂a_j)=p_j(1−p_j)",
    "(∂ℓ)/(∂a_j)=p_j−y_j",
]
SOFTMAX = [
    "ℓ=−∑_ky_klogp_kp_k=(e^a_k)/(∑_je^a_j)",
    "(∂ℓ)/(∂p_k)=−(y_k)/(p_k)(∂p_k)/(∂a_j)=p_k(δ_kj−p_j)",
    "(∂ℓ)/(∂a_j)=p_j−y_j",
]


@pytest.mark.parametrize(
    ("loss", "formulas"),
    [
        ("squared_error", SQUARED),
        ("sigmoid_cross_entropy", SIGMOID),
        ("softmax_cross_entropy", SOFTMAX),
    ],
)
def test_the_loss_the_long_way_and_the_short_way(open_page, loss, formulas):
    net = network((3, 4, 2), "tanh", "identity", loss=loss)
    X, _ = batch((3, 4, 2), 2)
    trace = net.explain(X, [[1, 0], [0, 1]])
    page = open_page(trace, sample=1)
    page.open_tab("loss")
    assert page.formulas("#panel > .formula") == formulas
    a, y = trace.layers[-1].a[1], trace.y[1]
    da = trace.layers[-1].da[1]
    short = {"squared_error": a - y}.get(loss, trace.output[1] - y)
    assert da == pytest.approx(short, rel=1e-9)
    for j in range(2):
        found = page.values(f"#panel .table:last-of-type tbody tr:nth-child({j + 1})")
        assert found[-1] == da[j]
        if loss == "squared_error":
            assert found == [a[j], y[j], da[j]]
        else:
            assert found[-2] == pytest.approx(da[j], rel=1e-9)  # the long way
    if loss == "softmax_cross_entropy":
        p = trace.output[1]
        matrix = page.values("#panel .table:nth-of-type(4)")
        assert matrix == pytest.approx((np.diag(p) - np.outer(p, p)).ravel(), rel=1e-12)


def test_smoothed_targets_are_told(open_file, tmp_path, trace):
    data = trace.to_dict()
    for smoothing in (0.1, 0):
        data["outputs"]["label_smoothing"] = smoothing
        (tmp_path / "page.html").write_text(html.page([data], "Smoothed"), "utf-8")
        page = open_file(tmp_path / "page.html")
        page.open_tab("loss")
        assert ("The targets are smoothed by 0.1." in page.text()) == (smoothing > 0)


@pytest.mark.parametrize("scale", [None, [-300.0, 20.0]])
def test_scaled_targets_are_told_in_their_unit(open_file, tmp_path, trace, scale):
    data = trace.to_dict()
    assert data["outputs"]["scale"] is None
    data["outputs"]["scale"] = scale
    (tmp_path / "page.html").write_text(html.page([data], "Scaled"), "utf-8")
    page = open_file(tmp_path / "page.html")
    page.open_tab("loss")
    s = sample_of(page)
    expected = [-300, 20, trace.output[s, 0] * 20 - 300, trace.y[s, 0] * 20 - 300]
    assert page.values("#scale") == pytest.approx(expected if scale else [], rel=1e-12)


def test_each_sample_of_the_batch(open_page):
    net = network((2, 3, 1))
    X, y = batch((2, 3, 1), 4)
    trace = net.explain(X, y, sample_weight=[1, 2, 0.5, 1])
    page = open_page(trace, weight=(0, 1, 2))
    page.open_tab("batch")
    weight = trace.gradient(0, 1, 2)
    for s, row in enumerate(weight.per_sample):
        expected = [
            trace.losses[s],
            trace.shares[s],
            trace.layers[0].dz[s, 2],
            weight.inputs[s],
            row,
        ]
        found = page.values(f"#panel tbody tr:nth-child({s + 1})")
        assert found == pytest.approx(expected, rel=1e-12)
    total, training = page.values(".sum")
    assert total == pytest.approx(weight.gradient, rel=1e-12)
    assert training == weight.gradient
    assert page.formulas("#panel > .formula")[1] == (
        "(∂C)/(∂w_2,3^(1))=∑_sshare_s·(∂ℓ_s)/(∂z_s,3^(1))·x_s,2"
    )
    page.find('[data-key="sample 2"]').click()
    assert sample_of(page) == 2


def test_units_and_inputs(open_page):
    trace = network((2, 3, 2), "tanh").explain(*batch((2, 3, 2)))
    page = open_page(trace, sample=1)
    hidden, output = trace.layers
    page.find('[data-item="unit 0 2"] circle').click()
    z_terms, back = page.values(".table:nth-of-type(2)"), page.values(".table:nth-of-type(5)")
    z = [z_terms[i : i + 3] for i in range(0, 6, 3)]
    for source, (x, w, product) in enumerate(z):
        assert (x, w) == (trace.x[1, source], hidden.weights[source, 2])
        assert product == pytest.approx(x * w, rel=1e-12)
    assert z_terms[6:] == [hidden.bias[2], hidden.bias[2]]
    dz, w = output.dz[1], output.weights[2]
    expected = [number for j in range(2) for number in (dz[j], w[j], dz[j] * w[j])]
    assert back == pytest.approx(expected, rel=1e-12)
    assert page.values(".chip") == [hidden.da[1, 2], hidden.derivative[1, 2]]
    assert page.value(".chain-result") == hidden.dz[1, 2]
    page.run(
        "document.querySelector('[data-item=\"unit -1 1\"]').dispatchEvent(new Event('click'))"
    )
    assert page.value(".lead") == trace.x[1, 1]
    expected = [(hidden.weights[1, j], hidden.gradient.weights[1, j]) for j in range(3)]
    assert page.values(".table") == [number for pair in expected for number in pair]


def test_the_steps_go_there_and_back(open_page, trace):
    page = open_page(trace)
    page.open_tab("steps")
    titles, numbers, texts = [], [], []
    while True:
        titles.append(page.find("#step-title").text)
        texts.append(page.text())
        numbers += page.values("#panel")
        forward = page.find('[data-key="step on"]')
        if forward.get_attribute("aria-disabled") == "true":
            break
        forward.click()
    assert titles[0] == "The inputs"
    assert titles[-1] == "The step"
    order = [
        "sums of layer 1",
        "activations of layer 2",
        "derivative of the loss",
        "weights of layer 1",
    ]
    places = [next(i for i, title in enumerate(titles) if part in title) for part in order]
    assert places == sorted(places)
    met = [titles[i] for i, text in enumerate(texts) if "The derivative of the loss meets" in text]
    assert met == ["Back: through the activation of layer 2"]
    sample = sample_of(page)
    for layer in trace.layers:
        for name in ("z", "a", "da", "derivative", "dz"):
            assert set(getattr(layer, name)[sample].tolist()) <= set(numbers), name
    assert page.formulas("#panel")[-2:] == ["v←μ·v−lr·g", "w←w+v"]
    page.find('[data-key="step back"]').click()
    assert page.find("#step-title").text == titles[-2]


def test_the_steps_show_an_activation_and_its_slope(open_page):
    """With the values of its parameters; a power has its base in brackets, beside the layer."""
    layers = [
        bp.Dense(2, "tanh"),
        bp.Dense(2, ACTIVATIONS["leaky_relu"](negative_slope=0.25)),
        bp.Dense(1),
    ]
    net = bp.Network(2, layers, dtype="float64", seed=0)
    page = open_page(net.explain([0.5, -1.0], 1.0))
    page.open_tab("steps")
    found = []
    while page.find('[data-key="step on"]').get_attribute("aria-disabled") == "false":
        found += page.formulas("#panel > .formula")
        page.find('[data-key="step on"]').click()
    for expected in (
        "a_j^(1)=f(z_j^(1))=tanhz_j^(1)f=tanh",
        "f′(z_j^(1))=1−(a_j^(1))^2f=tanh",
        "f′(z_j^(2))=1wherez_j^(2)>0,else0.25f=leaky_relu(negative_slope=0.25)",
        "a_j^(3)=f(z_j^(3))=z_j^(3)f=identity",
        "f′(z_j^(3))=1f=identity",
    ):
        assert expected in found


def test_health_from_layer_to_layer(open_page):
    net = network((2, 3, 2, 1))
    net.layers[0].bias[1] = 100
    X = np.random.default_rng(0).normal(size=(12, 2))
    trace = net.explain(X, np.zeros(12))
    page = open_page(trace)
    page.open_tab("health")
    rms = [float(np.sqrt(np.mean(layer.dz**2))) for layer in trace.layers]
    for i, layer in enumerate(trace.layers):
        found = page.values(f"#panel tbody tr:nth-child({i + 1})")
        assert found[0] == pytest.approx(np.sqrt(np.mean(layer.weights**2)))
        assert found[1] == pytest.approx(np.sqrt(np.mean(layer.gradient.weights**2)))
        assert found[3] == pytest.approx(rms[i])
        assert found[4:] == pytest.approx([rms[i] / rms[i + 1]] if i < 2 else [])
    assert "Saturated" in page.text()
    page.find('[data-key="unit 0 1"]').click()
    assert page.find("#panel h2").text == "Layer 1, unit 2"


def test_a_slider_over_the_epochs(open_page):
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), [0, 1, 1, 0]
    net = network((2, 2, 1), optimizer=bp.Adam(0.1))
    traces = []
    for _ in range(5):
        traces.append(net.explain(X, y))
        net.fit(X, y, epochs=10)
    page = open_page(*traces, weight=(1, 1, 0), sample=3, epoch=20)
    assert page.value("#gradient") == traces[2].gradient(1, 1, 0).gradient
    assert sample_of(page) == 3
    slider = page.find("#epoch")
    slider.send_keys("\ue011")  # Home
    for trace in traces:
        assert page.find("#epoch-control output").text == str(trace.epoch)
        assert page.value("#gradient") == trace.gradient(1, 1, 0).gradient
        slider.send_keys("\ue014")  # to the right


def test_numbers_that_are_not_finite(open_page):
    net = network((2, 2, 1))
    net.layers[1].bias[0] = np.nan
    page = open_page(net.explain([[1.0, 2.0]], [0.0]))
    page.choose(1, "bias", 0)
    assert math.isnan(page.value("#gradient"))
    assert math.isnan(page.value("#relative-error"))


def test_the_choice_of_the_sample_stays_in_its_place(open_page):
    """To put thousands of samples into the page again takes a second, whatever was chosen."""
    net = network((2, 2, 1))
    X, y = batch((2, 2, 1), 5)
    few, more, one = (net.explain(X[:n], y[:n]) for n in (3, 5, 1))
    page = open_page(more, few, one, epoch=0, weight=(0, 1, 1), sample=4)
    choice = page.find("#sample")
    for tab in ("batch", "quiz", "loss", "product"):
        page.open_tab(tab)
        assert page.find("#sample") == choice
        assert sample_of(page) == 4
    page.choose(0, 0, 1)
    page.run("document.getElementById('all-digits').click()")
    assert page.find("#sample") == choice
    slide = "const e = document.getElementById('epoch'); e.value = arguments[0]; "
    slide += "e.dispatchEvent(new Event('input'))"
    page.run(slide, 1)
    assert [o.text for o in page.all("#sample option")] == ["1", "2", "3"]
    assert sample_of(page) == 2
    page.run(slide, 2)
    assert page.all("#sample") == []
    page.run(slide, 0)
    assert page.find("#sample") == choice
    assert len(page.all("#sample option")) == 5
