"""The graph on the page of `explain`: lines, labels, the path that is read, on a phone too."""

from itertools import pairwise

import numpy as np
import pytest
from explained import item, marked, network, parameters, shown


def lines(page):
    """By item: width and class of its line, and its label."""
    return page.run(
        """
        return Object.fromEntries([...document.querySelectorAll(".edge")].map((edge) => {
          const line = edge.querySelector(".line");
          const label = edge.querySelector(".edge-label");
          const width = Number(line.getAttribute("stroke-width"));
          return [edge.dataset.item, [width, line.getAttribute("class"), label?.textContent]];
        }));
        """
    )


def number_of(part, source, unit):
    return part.bias[unit] if source == "bias" else part.weights[source, unit]


@pytest.mark.parametrize("name", ["trace", "deep"])
@pytest.mark.parametrize("show", ["gradient", "weight"])
def test_width_colour_and_label_of_every_edge(open_page, request, name, show):
    trace = request.getfixturevalue(name)
    page = open_page(trace)
    page.find(f'[data-key="show {show}"]').click()
    found = lines(page)
    parts = [layer.gradient if show == "gradient" else layer for layer in trace.layers]
    most = [max(np.abs(part.weights).max(), np.abs(part.bias).max()) for part in parts]
    assert len(found) == sum(1 for _ in parameters(trace))
    widths = set()
    for layer, source, unit in parameters(trace):
        value = number_of(parts[layer], source, unit)
        width, name, label = found[item(layer, source, unit)]
        assert width == pytest.approx(1 + 6 * abs(value) / most[layer], abs=1e-5)
        sign = "zero" if value == 0 else "negative" if value < 0 else "positive"
        assert name == f"line {sign}"
        if label is not None:
            assert shown(label) == pytest.approx(value, rel=0.06, abs=1e-12)
        widths.add(width)
    assert len(widths) > len(found) / 3
    assert (found[item(0, 0, 0)][2] is None) == (len(found) > 20)
    wanted = "Gradient ∂C/∂w of the cost" if show == "gradient" else "Weight:"
    assert wanted in page.find("#legend").text


def test_nothing_and_not_a_number_have_styles_of_their_own(open_page):
    net = network((2, 3, 1), hidden="relu")
    net.layers[0].bias[:] = [1, -50, 1]  # the second unit is silent: no gradient at all
    X = [[0.5, -0.25], [0.25, 0.5]]
    page = open_page(net.explain(X, [1.0, 0.0]))
    found = lines(page)
    assert {found[item(0, source, 1)][1] for source in (0, 1, "bias")} == {"line zero"}
    assert {found[item(0, source, 1)][0] for source in (0, 1, "bias")} == {1}
    assert "line zero" not in {found[item(0, source, 0)][1] for source in (0, 1, "bias")}
    assert "not a number" not in page.find("#legend").text
    net.layers[1].bias[0] = np.nan
    page = open_page(net.explain(X, [1.0, 0.0]))
    assert lines(page)[item(1, "bias", 0)][1] == "line unknown"
    assert "not a number" in page.find("#legend").text
    strokes = page.run(
        """
        return [...document.querySelectorAll("#legend .line")].map((line) => {
          const { stroke, strokeDasharray } = getComputedStyle(line);
          return stroke + strokeDasharray;
        });
        """
    )
    assert len(set(strokes)) == 4


def test_the_path_that_is_read_is_marked(open_page, deep):
    page = open_page(deep, weight=(0, 2, 1), sample=0)
    weight = deep.gradient(0, 2, 1, sample=0)
    largest = max(weight.paths, key=lambda path: abs(path.product))

    def edges(units):
        return {item(i + 1, a, b) for i, (a, b) in enumerate(pairwise(units))}

    assert marked(page) == edges(largest.units)
    for place, path in enumerate(weight.paths):
        if path is largest:
            continue
        page.all("#panel summary")[place].click()
        page.settle()
        assert marked(page) == edges(path.units)


@pytest.mark.parametrize("name", ["trace", "deep"])
def test_the_whole_graph_is_seen_at_once(open_page, request, name):
    """And every tab: in one column, and in two from the width at which both have room."""
    page = open_page(request.getfixturevalue(name))
    overflow = """
        return [".graph-scroll", ".tabs"].map((name) => {
          const { scrollWidth, clientWidth } = document.querySelector(name);
          return scrollWidth - clientWidth;
        });
    """
    columns = []
    for width in (1000, 1100, 1200, 1263, 1264, 1280):
        page.show_as("light", width)
        assert page.run(overflow) == [0, 0], width
        tops = [page.find(part).rect["y"] for part in (".network", "#panel")]
        columns.append(2 if tops[1] < tops[0] + 200 else 1)
    assert columns == [1, 1, 1, 1, 2, 2]


def test_the_graph_on_a_phone(open_page, deep, trace):
    sizes = """
        const graph = document.querySelector(".graph");
        const scale = graph.getBoundingClientRect().width / graph.viewBox.baseVal.width;
        const font = (one) => parseFloat(getComputedStyle(one).fontSize) * scale;
        const side = (one) => Math.min(...["width", "height"].map((name) =>
          one.getBoundingClientRect()[name]));
        return {
          fonts: [...graph.querySelectorAll("text")].map(font),
          boxes: [...graph.querySelectorAll(".bias-target, circle")].map(side),
          lines: [...graph.querySelectorAll(".target")].map((one) =>
            parseFloat(getComputedStyle(one).strokeWidth) * scale),
        };
    """
    for one in (deep, trace):
        page = open_page(one, width=360)
        found = page.run(sizes)
        assert min(found["fonts"]) >= 11
        assert min(found["boxes"]) >= 24
        assert min(found["lines"]) >= 24
    beside = page.run(
        """
        const line = document.querySelector('[data-item="parameter 1 1 0"] .line');
        line.scrollIntoView({ block: "center" });
        const { x, y } = line.getPointAtLength(0.72 * line.getTotalLength());
        const at = new DOMPoint(x, y + 10).matrixTransform(line.getScreenCTM());
        return document.elementFromPoint(at.x, at.y).closest("[data-item]")?.dataset.item;
        """
    )
    assert beside == item(1, 1, 0)  # a finger need not hit the line itself
    page.choose(0, 1, 0)
    assert page.value("#brief") == trace.gradient(0, 1, 0).gradient
    page.find('[data-key="to numbers"]').click()
    assert page.browser.switch_to.active_element.get_attribute("id") == "panel"
    assert page.run("return document.getElementById('panel').getBoundingClientRect().top") < 60


LONG_NAMES = ["<script>alert(1)</script>", "WWWWWWWWWWWWWWWW"]


@pytest.mark.parametrize("names", [None, LONG_NAMES, ["a rather long & weird feature", "b"]])
def test_labels_do_not_lie_over_each_other(open_page, names):
    X, y = np.array([[0.5, -1.0], [1.5, 0.25], [-0.75, 2.0]]), [1.0, 0.0, 1.0]
    trace = network((2, 2, 1)).explain(X, y, input_names=names)
    for width in (1280, 360):
        page = open_page(trace, width=width)
        for name, unit in zip(names or [], page.all(".unit"), strict=False):
            title = page.run("return arguments[0].querySelector('title').textContent", unit)
            assert title == (name if len(name) > 9 else "")
            assert unit.get_attribute("aria-label").startswith(name)
        boxes = page.run(
            """
            return [...document.querySelectorAll(".edge-label, .unit-name")].map((label) => {
              const { left, right, top, bottom } = label.getBoundingClientRect();
              return [left, right, top + 2, bottom - 2];
            });
            """
        )
        for i, (left, right, top, bottom) in enumerate(boxes):
            for other in boxes[:i]:
                beside = right <= other[0] or left >= other[1]
                assert beside or bottom <= other[2] or top >= other[3]


def test_the_minus_of_a_label_is_no_dash_of_its_line(open_page, trace):
    page = open_page(trace)
    for _ in range(2):
        grounds = page.run(
            """
            return [...document.querySelectorAll(".edge-label")].map((label) => {
              const ground = label.previousElementSibling;
              const [inside, outside] = [label, ground].map((one) => one.getBBox());
              const isUnder = outside.x < inside.x - 2 && outside.y < inside.y + 1
                && outside.x + outside.width > inside.x + inside.width + 2;
              return [isUnder, getComputedStyle(ground).fill, label.textContent];
            });
            """
        )
        assert len(grounds) == 9
        assert any(text.startswith("−") for _, _, text in grounds)
        card = page.run("return getComputedStyle(document.querySelector('.card')).backgroundColor")
        assert [(under, fill) for under, fill, _ in grounds] == [(True, card)] * 9
        page.find('[data-key="show weight"]').click()
