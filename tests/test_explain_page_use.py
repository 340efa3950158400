"""The page of `explain` in use: drawing, quiz, keyboard, phone, contrast, notebook."""

import re
from itertools import pairwise

import numpy as np
import pytest

import backprop as bp

keys = pytest.importorskip("selenium.webdriver.common.keys", reason="Selenium is not installed")
Keys = keys.Keys

RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
# A <details> that opens says so a little later.
SETTLED = "return new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
TABS = ("product", "steps", "loss", "batch", "update", "quiz", "health")


def network(sizes, hidden="sigmoid", last="sigmoid", **options):
    layers = [*(bp.Dense(n, hidden) for n in sizes[1:-1]), bp.Dense(sizes[-1], last)]
    return bp.Network(sizes[0], layers, **{"dtype": "float64", "seed": 4, **options})


def traced(sizes, n=3, **options):
    rng = np.random.default_rng(7)
    return network(sizes, **options).explain(
        rng.normal(size=(n, sizes[0])), rng.normal(size=(n, sizes[-1]))
    )


@pytest.fixture(scope="module")
def trace():
    X, y = np.array([[0.5, -1.0], [1.5, 0.25], [-0.75, 2.0]]), [1.0, 0.0, 1.0]
    net = network((2, 2, 1), optimizer=bp.SGD(0.5, 0.9))
    return net.explain(X, y)


@pytest.fixture(scope="module")
def deep():
    return traced((3, 4, 3, 2), hidden="tanh")


@pytest.fixture(scope="module")
def grouped():
    return traced((3, 4, 8, 4, 2), hidden="tanh")


@pytest.fixture(scope="module")
def wide():
    net = bp.Network(
        784, [bp.Dense(256, "relu"), bp.Dense(10)], loss="softmax_cross_entropy", seed=0
    )
    X = np.random.default_rng(0).uniform(size=(32, 784)).astype("float32")
    return net.explain(X, np.arange(32) % 10)


def parameters(trace):
    for i, layer in enumerate(trace.layers):
        for unit in range(layer.n_out):
            for source in [*range(layer.n_in), "bias"]:
                yield i, source, unit


def item(layer, source, unit):
    return f"parameter {layer} {-1 if source == 'bias' else source} {unit}"


def shown(text):
    """The number in "… = −1.5 × 10⁻⁵", or in −9·10⁻⁵ of the drawing."""
    text = text.rpartition("=")[2].strip().replace("−", "-").replace(" × ", "·")
    mantissa, _, power = text.partition("·10")
    return float(f"{mantissa}e{power.translate(RAISED) or 0}")


# ---- The drawing --------------------------------------------------------------------------------


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


def marked(page):
    return {shape.get_attribute("data-item") for shape in page.all(".edge.reading")}


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
        page.run(SETTLED)
        assert marked(page) == edges(path.units)


def go_to(page, source, unit):
    """By the fields of the window, which count from 1."""
    for name, wanted in (("from unit", source), ("to unit", unit)):
        page.find(f'[data-key="{name}"]').send_keys(Keys.CONTROL, "a")
        page.find(f'[data-key="{name}"]').send_keys(str(wanted), Keys.ENTER)


def place_of(page):
    names = ("from unit", "to unit")
    return tuple(int(page.find(f'[data-key="{name}"]').get_attribute("value")) for name in names)


def test_a_wide_network_is_drawn_as_heat_maps(open_page, wide):
    page = open_page(wide)
    assert len(page.all("canvas")) == 2
    go_to(page, 300, 77)
    assert page.value("#gradient") == wide.gradient(0, 299, 76).gradient
    page.run("arguments[0].focus()", page.find('[role="gridcell"][tabindex="0"]'))
    for source, unit, key in [
        (300, 76, Keys.ARROW_RIGHT),
        (300, 77, Keys.ARROW_DOWN),
        (301, 77, Keys.ARROW_RIGHT),
    ]:
        page.keys(key)
        page.run(SETTLED)
        assert page.value("#gradient") == wide.gradient(0, source, unit).gradient
        focused = page.browser.switch_to.active_element
        assert focused.get_attribute("role") == "gridcell"
        assert focused.get_attribute("data-item") == item(0, source, unit)
    pixels = page.run(
        "const c = document.querySelector('canvas');"
        "return [...new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)].length"
    )
    assert pixels > 20


def test_the_window_keeps_its_place(open_page, wide):
    page = open_page(wide)
    go_to(page, 300, 77)
    frame = page.find(".frame:not([hidden])").get_attribute("style")
    for key, heading in (("bias", "Bias of layer 1, unit 77"), ("unit", "Layer 1, unit 77")):
        page.find(f'.fields [data-key="{key}"]').click()
        assert page.find("#panel h2").text == heading
        assert place_of(page) == (300, 77)
        assert page.find(".frame:not([hidden])").get_attribute("style") == frame
        assert page.all(".cell[aria-selected='true']") == []
        page.run("arguments[0].focus()", page.find('[role="gridcell"][tabindex="0"]'))
        page.keys(Keys.ENTER)
        assert page.find("#panel h2").text == "Weight from x300 to layer 1, unit 77"
        assert page.value("#gradient") == wide.gradient(0, 299, 76).gradient
    page.find('[data-key="layer 1"]').click()  # each layer has a place of its own
    second = place_of(page)
    page.find('.fields [data-key="unit"]').click()
    assert place_of(page) == second
    link = page.find("#panel tbody button")  # to a weight that reads one of the largest inputs
    source = int(link.get_attribute("data-key").removeprefix("from ")) + 1
    link.click()
    assert place_of(page) == (source, second[1])
    page.find('.fields [data-key="bias"]').click()
    page.open_tab("quiz")
    page.find("#panel .again").click()
    page.open_tab("product")
    assert place_of(page) == (source, second[1])


def test_a_click_on_a_heat_map(open_page, wide):
    page = open_page(wide)
    for layer, source, unit in [(0, 500, 31), (1, 40, 7), (1, 200, 2)]:
        place = page.run(
            """
            const [layer, from, to] = arguments;
            const canvas = document.querySelectorAll(".picture canvas")[layer];
            canvas.scrollIntoView({ block: "center" });
            const { left, top, width, height } = canvas.getBoundingClientRect();
            const across = left + ((from + 0.5) * width) / canvas.width;
            return [across, top + ((to + 0.5) * height) / canvas.height, width / canvas.width];
            """,
            layer,
            source,
            unit,
        )
        *point, pixel = place
        page.click_at(*point)
        kind, *found = page.find(".cell[aria-selected='true']").get_attribute("data-item").split()
        assert kind == "parameter"
        at = [int(part) for part in found]
        assert at[0] == layer
        assert abs(at[1] - source) <= 1 / pixel  # the pointer is at a whole pixel of the screen
        assert abs(at[2] - unit) <= (1 if layer == 0 else 0)
        assert page.value("#gradient") == wide.gradient(*at).gradient


def test_the_legend_of_a_heat_map_is_in_sight(open_page, wide):
    page = open_page(wide)
    page.show_as("light", 1280, 720)
    box = page.find("#legend").rect
    assert box["y"] + box["height"] < 320
    overflow = page.run(
        "const c = document.querySelector('.network'); return c.scrollHeight - c.clientHeight"
    )
    assert overflow <= 1


# ---- The quiz -----------------------------------------------------------------------------------


def question(page):
    """The weight and the sample that are asked for, out of the question's own words."""
    lead = page.find("#panel .lead").text
    pattern = (
        r"The weight from (x|layer (\d), unit )(\d+) to (layer (\d), unit |y)(\d+), sample (\d+)"
    )
    match = re.match(pattern, lead)
    layer = int(match[2] or 0)
    path = re.search(r"along the path (.*)\. Build", lead)
    units = [int(n) - 1 for n in re.findall(r"(?:unit |y)(\d+)", path[1])] if path else []
    return (layer, int(match[3]) - 1, int(match[6]) - 1), int(match[7]) - 1, units


def factors_of(trace, place, sample, units):
    weight = trace.gradient(*place, sample=sample)
    (path,) = (p for p in weight.every_path() if not units or list(p.units) == units)
    return path


def answer_with(page, value):
    """Click choices until one is right: it has this value, the wrong ones are marked."""
    for i in range(4):
        choice = page.all("#panel .option")[i]
        given = shown(choice.text)
        choice.click()
        if "right" in page.find("#feedback").get_attribute("class"):
            assert given == pytest.approx(value, rel=1e-5)
            return
        assert len(page.find("#feedback").text) > 20
        tried = page.all("#panel .option")[i]
        assert tried.get_attribute("aria-disabled") == "true"
        assert tried.text.startswith("✗")
    pytest.fail("no choice was right")


def test_the_quiz_asks_for_the_next_factor(open_page, deep):
    page = open_page(deep)
    page.open_tab("quiz")
    asked = set()
    for _ in range(2):
        place, sample, units = question(page)
        chosen = page.find('.edge[aria-selected="true"]').get_attribute("data-item")
        assert chosen == item(*place)  # the drawing shows what is asked
        assert int(page.find("#sample").get_attribute("value")) == sample
        asked.add((place, sample))
        path = factors_of(deep, place, sample, units)
        assert len(marked(page)) == len(path.units) - 1
        for factor in path.factors:
            answer_with(page, factor.value)
        assert page.value("#found .chain-result") == pytest.approx(path.product, rel=1e-12)
        page.find(".again").click()
    assert len(asked) > 1
    assert re.search(r"\d+ of \d+ at the first try", page.find("#score").text)


def lead(page):
    """Of the quiz, by its first line."""
    return page.find("#panel .lead").text.partition(". Build")[0]


def sample_of(page):
    return int(page.find("#sample").get_attribute("value"))


def test_the_quiz_gives_back_what_was_chosen(open_page, deep):
    page = open_page(deep, weight=(1, "bias", 2), sample=1)
    page.open_tab("quiz")
    for _ in range(3):
        page.find(".again").click()
    place, sample, _ = question(page)
    assert page.find('.edge[aria-selected="true"]').get_attribute("data-item") == item(*place)
    assert sample_of(page) == sample
    page.open_tab("product")
    assert page.find("#panel h2").text == "Bias of layer 2, unit 3"
    assert sample_of(page) == 1
    assert page.value("#gradient") == deep.gradient(1, "bias", 2).gradient
    page.open_tab("quiz")
    assert question(page)[:2] == (place, sample)  # it waits too
    page.choose(0, 2, 1)  # which leaves the quiz
    assert page.find("#panel h2").text == "Weight from x3 to layer 1, unit 2"
    assert sample_of(page) == 1
    page.open_tab("quiz")
    page.find('#sample option[value="2"]').click()
    page.open_tab("product")
    assert sample_of(page) == 2  # which was chosen, if in the quiz
    page.find('[data-item="unit 0 3"] circle').click()
    page.open_tab("quiz")
    page.open_tab("batch")
    assert "bias of layer 1, unit 4" in page.text()


@pytest.mark.parametrize("place", [(0, 2, 1), (1, "bias", 2), (2, 2, 1)])
def test_the_first_question_is_about_what_is_chosen(open_page, deep, place):
    page = open_page(deep, weight=place, sample=1)
    name = page.find("#panel h2").text
    page.open_tab("quiz")
    assert lead(page).startswith(f"The {name[0].lower()}{name[1:]}, sample 2")
    weight = deep.gradient(*place, sample=1)
    path = max(weight.paths, key=lambda path: abs(path.product))
    for factor in path.factors:
        options = [option.text.removeprefix("✗ ") for option in page.all("#panel .option")]
        assert len({text.partition(" = ")[0] for text in options}) == len(options) >= 3
        answer_with(page, factor.value)
    assert page.value("#found .chain-result") == pytest.approx(path.product, rel=1e-12)


def test_the_first_question_on_grouped_paths(open_page, grouped):
    page = open_page(grouped, weight=(0, 1, 2), sample=0)
    page.open_tab("quiz")
    place, sample, units = question(page)
    assert (place, sample) == ((0, 1, 2), 0)
    weight = grouped.gradient(0, 1, 2, sample=0)
    assert weight.is_grouped
    largest = max(weight.paths, key=lambda path: abs(path.product))
    ends = list(largest.units)
    for layer in grouped.layers[2:]:
        ends.append(int(np.argmax(np.abs(layer.weights[ends[-1]] * layer.dz[0]))))
    assert units == ends
    for factor in factors_of(grouped, place, 0, ends).factors:
        answer_with(page, factor.value)


def test_no_question_about_a_product_of_0(open_page):
    """The first unit is silent, so that nothing comes back to its weights."""
    net = network((2, 3, 1), hidden="relu")
    net.layers[0].bias[:] = [-50, 1, 1]
    page = open_page(net.explain([[0.5, -0.25]], [1.0]), weight=(0, 1, 0))
    page.open_tab("quiz")
    assert not lead(page).startswith("The weight from x2 to layer 1, unit 1,")
    page.open_tab("product")
    page.find('[data-item="unit 0 0"] circle').click()
    assert page.find("#panel h2").text == "Layer 1, unit 1"


def test_a_wrong_choice_counts_once(open_page, trace):
    page = open_page(trace)
    page.open_tab("quiz")
    place, sample, units = question(page)
    right = factors_of(trace, place, sample, units).factors[0].value
    texts = [option.text for option in page.all("#panel .option")]
    wrong = next(i for i, text in enumerate(texts) if shown(text) != pytest.approx(right, rel=1e-5))
    page.all("#panel .option")[wrong].click()
    first = page.find("#feedback").text
    page.all("#panel .option")[wrong].click()
    assert page.find("#feedback").text == first
    assert page.find("#score").text == "0 of 1 at the first try."


def test_another_epoch_or_sample_asks_anew(open_page):
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]) - 0.5, [0, 1, 1, 0]
    net = network((2, 2, 1), optimizer=bp.Adam(0.1))
    traces = [net.explain(X, y)]
    net.fit(X, y, epochs=20)
    traces.append(net.explain(X, y))
    page = open_page(*traces)
    page.open_tab("quiz")
    place, sample, units = question(page)
    answer_with(page, factors_of(traces[1], place, sample, units).factors[0].value)
    page.find("#epoch").send_keys(Keys.HOME)
    assert question(page) == (place, sample, units)
    assert page.all("#found .chip .number") == []  # from the start
    for factor in factors_of(traces[0], place, sample, units).factors:
        answer_with(page, factor.value)
    other = (sample + 1) % 4
    page.find(f'#sample option[value="{other}"]').click()
    assert question(page) == (place, other, units)
    answer_with(page, factors_of(traces[0], place, other, units).factors[0].value)


# ---- Keyboard, screen reader --------------------------------------------------------------------


def tab_to(page, role):
    for _ in range(12):
        page.keys(Keys.TAB)
        if page.browser.switch_to.active_element.get_attribute("role") == role:
            return
    pytest.fail(f"no {role} is reached")


def test_the_keyboard_alone(open_page, trace):
    page = open_page(trace)
    tab_to(page, "option")
    page.keys(Keys.HOME)
    assert page.find("#panel h2").text == "Input x1"
    page.keys(Keys.ARROW_RIGHT)
    seen = [page.find("#panel h2").text]
    for _ in range(5):
        page.keys(Keys.ARROW_DOWN)
        seen.append(page.find("#panel h2").text)
    assert len(set(seen)) == 6  # the four weights and two biases of the first layer
    page.keys(Keys.END)
    assert page.find("#panel h2").text == "Y1"
    tab_to(page, "tab")
    page.keys(Keys.ARROW_RIGHT)
    assert page.find("#tab-steps").get_attribute("aria-selected") == "true"
    page.keys(Keys.TAB)  # into the panel
    page.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.find(".step-count").text.startswith("3 of ")
    assert "Step 3 of" in page.find("#announcer").get_attribute("textContent")
    page.keys(Keys.END)
    assert page.find("#step-title").text == "The step"
    page.browser.switch_to.active_element.send_keys(Keys.SHIFT + Keys.TAB)
    page.keys(Keys.END, Keys.ARROW_LEFT)
    assert page.find("#tab-quiz").get_attribute("aria-selected") == "true"
    page.keys(Keys.TAB, Keys.TAB, Keys.ENTER)
    assert page.find("#feedback").text
    focused = page.browser.switch_to.active_element
    assert focused.get_attribute("class").split()[0] in ("option", "again")
    assert focused.get_attribute("aria-disabled") is None


def test_the_arrow_keys_after_a_click_on_the_steps(open_page, trace):
    page = open_page(trace)
    page.find("#tab-steps").click()
    page.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.find("#tab-steps").get_attribute("aria-selected") == "true"
    assert page.find(".step-count").text.startswith("3 of ")
    page.find("#tab-loss").click()
    page.keys(Keys.ARROW_LEFT)  # by the keyboard the focus stays on the tabs
    page.keys(Keys.ENTER)
    assert page.browser.switch_to.active_element.get_attribute("id") == "tab-steps"


FOCUS = """
const at = document.activeElement;
const part = at.querySelector(".halo, circle") ?? at;
const { outlineStyle, outlineWidth, strokeOpacity, strokeWidth, stroke } = getComputedStyle(part);
return [outlineStyle, outlineWidth, strokeOpacity, strokeWidth, stroke].join(" ");
"""


def test_the_focus_is_seen(open_page, trace):
    page = open_page(trace)
    page.keys(Keys.TAB)
    assert page.browser.switch_to.active_element.get_attribute("id") == "skip"
    assert page.find("#skip").rect["x"] >= 0
    tab_to(page, "option")
    for key in (Keys.HOME, Keys.ARROW_RIGHT):  # a unit, an edge
        page.keys(key)
        focused = page.run(FOCUS)
        page.run("document.activeElement.blur()")
        blurred = page.run(
            'const at = document.querySelector(\'[aria-selected="true"][role="option"]\');'
            "const part = at.querySelector('.halo, circle');"
            "const { outlineStyle, outlineWidth, strokeOpacity, strokeWidth, stroke } ="
            "  getComputedStyle(part);"
            "return [outlineStyle, outlineWidth, strokeOpacity, strokeWidth, stroke].join(' ')"
        )
        assert focused != blurred
        page.find('[role="option"][tabindex="0"]').send_keys(Keys.NULL)
    tab_to(page, "tab")
    assert page.run(FOCUS).startswith("solid 3px")


def test_all_digits_without_a_pointer(open_page):
    net = network((2, 2, 1))
    net.layers[1].weights *= [[1e-5], [1.0]]
    page = open_page(net.explain([[0.5, -1.0], [1.5, 25e6]], [1.0, 0.0]), weight=(0, 1, 0))
    texts = """
        return [...document.querySelectorAll(".number")].map((one) => [one.textContent, one.title]);
    """
    short = page.run(texts)
    assert any(shown(text) != float(exact) for text, exact in short)
    page.run("document.getElementById('all-digits').focus()")
    page.keys(Keys.SPACE)
    assert page.browser.switch_to.active_element.get_attribute("id") == "all-digits"
    for tab in TABS:
        for text, exact in page.run(texts):
            assert shown(text) == float(exact)
        page.open_tab(tab)
    page.open_tab("product")
    page.find(".foot label").click()
    assert page.run(texts) == short
    assert "pointer" not in page.find(".foot").text


def test_what_a_screen_reader_is_told(open_page, trace):
    page = open_page(trace)
    for shape in page.all('[role="option"]'):
        label = shape.get_attribute("aria-label")
        assert "gradient" in label or "value" in label
    assert page.find('[role="listbox"]').get_attribute("aria-label")
    for tab in page.all('[role="tab"]'):
        assert tab.get_attribute("aria-controls") == "panel"
    assert page.find("html").get_attribute("lang") == "en"
    unnamed = [
        button.get_attribute("outerHTML")
        for button in page.all("button, input, select")
        if button.is_displayed() and not button.accessible_name
    ]
    assert unnamed == []
    for tab in TABS:
        page.open_tab(tab)
        scopes = "return [...document.querySelectorAll('#panel th')].map((th) => th.scope)"
        rows = "return document.querySelectorAll('#panel tbody tr').length"
        assert page.run(scopes).count("row") == page.run(rows)


# ---- Light, dark, phone -------------------------------------------------------------------------

NETWORKS = ("2-2-1", "3-4-3-2", "64-32-10", "784-256-10")


@pytest.fixture(scope="module")
def networks(trace, deep, wide):
    digits = bp.Network(
        64, [bp.Dense(32, "relu"), bp.Dense(10)], loss="softmax_cross_entropy", seed=0
    ).explain(np.random.default_rng(0).uniform(size=(40, 64)), np.arange(40) % 10)
    return dict(zip(NETWORKS, (trace, deep, digits, wide), strict=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_is_wider_than_a_phone(open_page, networks, name):
    page = open_page(networks[name], width=360)
    script = """
        document.getElementById(`tab-${arguments[0]}`).click();
        return document.documentElement.scrollWidth;
    """
    for width in (360, 320):
        page.show_as("light", width, 640)
        for _ in range(2):  # with all digits too
            found = {tab: page.run(script, tab) for tab in TABS}
            assert found == dict.fromkeys(TABS, width)
            assert page.text()
            page.run("document.getElementById('all-digits').click()")


@pytest.mark.parametrize("name", NETWORKS[:2])
def test_the_whole_graph_is_seen_at_once(open_page, networks, name):
    """And every tab: in one column, and in two from the width at which both have room."""
    page = open_page(networks[name])
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


def test_the_trial_is_in_sight_on_a_phone(open_page):
    """With the longest of numbers: a sign, six digits and a power of ten."""
    net = network((2, 2, 1))
    net.layers[1].weights *= 1e-5
    trace = net.explain([[0.5, -1.0], [1.5, 0.25]], [1.0, 0.0])
    page = open_page(trace, width=360, weight=(0, 1, 1))
    assert 0 < abs(page.value("#gradient")) < 1e-4
    ends = """
        return ["#relative-error", "#sample-error", "#difference"].map((name) => {
          const cell = document.querySelector(name);
          const inside = cell.closest(".table-scroll");
          return inside.getBoundingClientRect().right - cell.getBoundingClientRect().right;
        });
    """
    assert min(page.run(ends)) >= 0
    assert page.all(".table-scroll .caption") == []
    captions = [one.text for one in page.all(".caption")]
    names = [one.get_attribute("aria-label") for one in page.all("#panel table")]
    assert captions == names
    assert all(captions)


def test_a_row_keeps_its_heading_where_its_table_scrolls(open_page):
    net = bp.Network(2, [bp.Dense(9)], loss="softmax_cross_entropy", seed=0)
    page = open_page(net.explain(np.ones((9, 2)), np.arange(9)), width=360)
    page.open_tab("loss")
    scrolled, before, after = page.run(
        """
        const [table] = [...document.querySelectorAll("#panel .table-scroll")]
          .filter((one) => one.querySelectorAll("tbody tr:first-child td").length === 9);
        const left = () => table.querySelector("tbody th").getBoundingClientRect().left;
        const before = left();
        table.scrollLeft = 150;
        return [table.scrollLeft, before, left()];
        """
    )
    assert scrolled == 150
    assert after == before


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


TEXTS = """
document.getElementById(`tab-${arguments[0]}`).click();
const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = channels(getComputedStyle(at).backgroundColor);
    if (colour[3] === undefined || colour[3] > 0) return colour.slice(0, 3);
  }
};
const hasText = (element) => [...element.childNodes].some((node) =>
  node.nodeType === Node.TEXT_NODE && node.data.trim());
const isShown = (element) => element.checkVisibility() && !element.closest(".for-ears, .skip");
const isOff = (element) => element.closest('[aria-disabled="true"]');
return [...document.body.querySelectorAll("*:not(script)")]
  .filter((element) => hasText(element) && isShown(element) && !isOff(element))
  .map((element) => {
    const style = getComputedStyle(element);
    const colour = element.closest("svg") ? style.fill : style.color;
    return [channels(colour), behind(element), element.textContent.slice(0, 40)];
  });
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_in_every_view(open_page, trace, scheme):
    """Of every text to what lies behind it: WCAG 2.1, 4.5 to 1."""
    page = open_page(trace, scheme=scheme, introduction="One, two.")
    for tab in TABS:
        texts = page.run(TEXTS, tab)
        assert len(texts) > 40
        low = [(text, one, other) for one, other, text in texts if contrast(one, other) < 4.5]
        assert low == []
    page.open_tab("quiz")
    for i in range(3):
        page.all("#panel .option")[i].click()
        texts = page.run(TEXTS, "quiz")
        assert [text for one, other, text in texts if contrast(one, other) < 4.5] == []
    darkness = luminance(page.run("return " + BACKGROUND))
    assert darkness > 0.8 if scheme == "light" else darkness < 0.05


BACKGROUND = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"


def contrast(one, other):
    lights = sorted(luminance(colour) + 0.05 for colour in (one, other))
    return lights[1] / lights[0]


def luminance(colour):
    parts = [part / 255 for part in colour[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_motion_is_left_out_where_it_is_not_wanted(open_page, trace):
    page = open_page(trace)
    duration = "return getComputedStyle(document.querySelector('.line')).transitionDuration"
    page.show_as("light", 1280, motion="reduce")
    assert page.run(duration) == "0s"
    page.show_as("light", 1280, motion="no-preference")
    assert page.run(duration) != "0s"


# ---- Around the page ----------------------------------------------------------------------------


def test_a_notebook_shows_it(open_file, tmp_path, trace):
    path = tmp_path / "notebook.html"
    path.write_text(f"<h1>Notebook</h1>{trace._repr_html_()}", "utf-8")
    page = open_file(path)
    page.browser.switch_to.frame(page.find("iframe"))
    assert page.find("#panel h2").text.startswith("Weight from")
    page.run("document.getElementById('skip').focus()")
    page.keys(Keys.ENTER)
    assert page.browser.switch_to.active_element.get_attribute("id") == "panel"
    assert page.find("#panel h2").text.startswith("Weight from")
    page.browser.switch_to.default_content()
    assert page.find("h1").text == "Notebook"


def test_a_wide_network_has_no_element_for_each_weight(open_page, wide):
    """Which is what lets it open at once: `python bench/page.py` has the times."""
    n_weights = sum(layer.weights.size for layer in wide.layers)
    elements = open_page(wide).run("return document.querySelectorAll('*').length")
    assert elements < n_weights / 50
