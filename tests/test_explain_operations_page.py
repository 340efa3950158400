"""The page of `explain`: layers with norms, noise, straight roads, learned slopes."""

import numpy as np
import pytest
from explained import TABS
from operations import CASES, batch, network
from test_explain_page import check_chain
from test_explain_page_answer import check_answer

import backprop as bp

SOON = ("together",)  # the others open pages for two minutes
EVERY = pytest.mark.parametrize(
    "case", [case if case in SOON else pytest.param(case, marks=pytest.mark.long) for case in CASES]
)


def choose(page, place):
    """A weight or a bias of the graph; or what else a unit learns, in the unit's own view."""
    layer, source, unit = place
    if isinstance(source, int) or source == "bias":
        page.choose(*place)
        return
    page.run(
        "document.querySelector(arguments[0]).dispatchEvent(new Event('click'))",
        f'[data-item="unit {layer} {unit}"]',
    )
    page.find(f'[data-key="learned {source}"]').click()


def some(trace):
    """Of every layer a weight, its bias where it has one, and what else a unit learns."""
    found = []
    for i, layer in enumerate(trace.layers):
        found += [(i, source, (i + 1) % layer.n_out) for source in layer.sources[1:]]
    return found


@EVERY
def test_every_factor_on_the_page(open_page, case):
    """Factors as in Python, and trials that the page works out: of the cost and of the sample."""
    X, y, weight = batch()
    trace = network(case).explain(X, y, sample_weight=weight)
    trace.__dict__["differences"] = None
    page = open_page(trace, sample=3)
    for place in some(trace):
        choose(page, place)
        weight = trace.gradient(*place, sample=3)
        found = check_chain(page, weight)
        check_answer(page, weight)
        assert found["gradient"] == weight.gradient
        assert found["mean"] == pytest.approx(weight.gradient, rel=1e-9, abs=1e-12)
        assert found["difference"] == pytest.approx(weight.finite_difference, rel=1e-6, abs=1e-9)
        assert found["sample-difference"] == pytest.approx(weight.sum, rel=1e-6, abs=1e-8)


@EVERY
def test_one_sample(open_page, case):
    X, y, _ = batch(1)
    trace = network(case).explain(X[0], y[0])
    trace.__dict__["differences"] = None
    page = open_page(trace, weight=(0, 1, 1))
    weight = trace.gradient(0, 1, 1)
    found = check_chain(page, weight)
    assert found["gradient"] == pytest.approx(weight.gradient)
    assert found["difference"] == pytest.approx(weight.finite_difference, rel=1e-6, abs=1e-9)


@EVERY
def test_a_unit_on_the_page(open_page, case):
    """The product that makes its ∂/∂z; of a norm the matrix too."""
    trace = network(case).explain(*batch()[:2])
    page = open_page(trace, sample=3)
    for i, layer in enumerate(trace.layers):
        page.find(f'[data-item="unit {i} 1"]').click()
        back = layer.dz if layer.norm is None else layer.norm.dn
        assert page.value(".chain-result") == pytest.approx(back[3, 1], rel=1e-12)
        factors = [factor.values[3, 1] for factor in layer.factors]
        chips = [layer.da[3, 1], *(factors if layer.norm is None else factors[:-1])]
        assert page.values(".chip") == chips
        if layer.norm is not None:
            assert page.value("#column-sum") == pytest.approx(layer.dz[3, 1], abs=1e-12)
            assert page.value("#by-z") == layer.dz[3, 1]


@EVERY
def test_every_view_opens(open_page, case):
    """Without an error, which closing the page would find; the steps show every number."""
    trace = network(case).explain(*batch()[:2])
    page = open_page(trace, sample=3, weight=(1, 1, 0))
    for tab in TABS:
        page.open_tab(tab)
    page.open_tab("steps")
    numbers = []
    while page.find('[data-key="step on"]').get_attribute("aria-disabled") == "false":
        numbers += page.values("#panel")
        page.find('[data-key="step on"]').click()
    for layer in trace.layers:
        arrays = [layer.z, layer.a, layer.out, layer.da, layer.dz]
        arrays += [term.values for term in layer.terms]
        arrays += [factor.values for factor in [*layer.factors, *layer.gathered]]
        arrays += [] if layer.norm is None else [layer.norm.n, layer.norm.y, layer.norm.mean]
        for values in arrays:
            assert set(values[3].tolist()) <= set(numbers)


@EVERY
def test_the_update_on_the_page(open_page, case):
    trace = network(case).explain(*batch()[:2])
    page = open_page(trace, sample=3)
    page.open_tab("update")
    for place in some(trace):
        choose_in_update(page, place)
        weight = trace.gradient(*place)
        *_, last = page.values(".assignment:last-child .outcome")
        assert last == pytest.approx(weight.update[-1].value, rel=1e-9)
        assert page.value("#new-value") == pytest.approx(weight.after, rel=1e-12)
        layer = trace.layers[place[0]]
        assert ("Its layer is frozen" in page.text()) == (not layer.trainable)
        assert ("The learning rate of layer" in page.text()) == (
            layer.trainable and layer.learning_rate_factor != 1
        )


def choose_in_update(page, place):
    """The tab stays open when a weight is chosen; what else a unit learns is in its own view."""
    if isinstance(place[1], int) or place[1] == "bias":
        page.choose(*place)
    else:
        page.open_tab("product")
        choose(page, place)
        page.open_tab("update")


def test_a_page_opens_at_what_a_unit_learns(open_page):
    trace = network("together").explain(*batch()[:2])
    page = open_page(trace, weight=(0, "negative_slope", 1), sample=2)
    check_chain(page, trace.gradient(0, "negative_slope", 1, sample=2))
    assert "Negative slope of layer 1, unit 2" in page.text()
    assert "It is the unit's slope below 0." in page.text()


def test_the_straight_road_in_the_graph(open_page):
    trace = network("residual").explain(*batch()[:2])
    page = open_page(trace, weight=(0, 1, 2), sample=3)
    assert len(page.all(".straight-road")) == 6
    weight = trace.gradient(0, 1, 2, sample=3)
    straight = [any(f.kind == "straight road" for f in path.factors) for path in weight.paths]
    for place in (straight.index(True), straight.index(False)):
        if page.all("details")[place].get_attribute("open") is None:
            page.all("summary")[place].click()
            page.settle()
        assert bool(page.all(".straight-road.reading")) == straight[place]


def test_what_there_is_not_is_not_drawn(open_page):
    trace = network("no bias").explain(*batch()[:2])
    page = open_page(trace)
    items = {shape.get_attribute("data-item") for shape in page.all(".edge")}
    assert len(items) == sum(layer.weights.size for layer in trace.layers)
    page.find('[data-item="unit 1 2"]').click()
    assert page.text().count("bias") == 1
    assert "Layer 2: no bias." in page.text()
    page.open_tab("batch")
    assert "weight from layer 1, unit 1 to layer 2, unit 3" in page.text()


def test_a_wide_network_with_norms(open_page):
    """Drawn as heat-maps: the unit's view is behind its button, and trials are still quick."""
    layers = [bp.Dense(30, "prelu", norm="batch", use_bias=False), bp.Dense(30, residual=True)]
    net = bp.Network(4, [*layers, bp.Dense(2)], dtype="float64", seed=0)
    X = np.random.default_rng(0).normal(size=(20, 4))
    trace = net.explain(X, X[:, :2])
    trace.__dict__["differences"] = None
    page = open_page(trace, weight=(0, 3, 7), sample=5)
    assert not page.all('[data-key="bias"]')
    weight = trace.gradient(0, 3, 7, sample=5)
    found = check_chain(page, weight)
    assert found["difference"] == pytest.approx(weight.finite_difference, rel=1e-6, abs=1e-9)
    assert found["sample-difference"] == pytest.approx(weight.sum, rel=1e-6, abs=1e-8)
    page.find('[data-key="unit"]').click()
    page.find('[data-key="learned scale"]').click()
    check_chain(page, trace.gradient(0, "scale", 7, sample=5))
    for tab in TABS:
        page.open_tab(tab)


@EVERY
def test_the_quiz(open_page, case):
    """First about what is chosen; it asks for every factor of one path, loss first."""
    trace = network(case).explain(*batch()[:2])
    page = open_page(trace, weight=(0, 1, 0), sample=3)
    page.open_tab("quiz")
    while not page.all("#panel .again.primary"):
        for option in page.all("#panel .option"):
            if option.get_attribute("aria-disabled") != "true":
                option.click()
                break
    kinds = [chip.text.split(maxsplit=1)[1] for chip in page.all("#found .chip-kind")]
    assert kinds[0] == "loss derivative"
    assert kinds[-1] == "input"
    page.find("#panel .again").click()
    assert page.all("#panel .option")
