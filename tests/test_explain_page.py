"""The page of `explain` in a real browser: Debian's chromium, driven by Selenium."""

import base64
import json
import re
import shutil

import numpy as np
import pytest

import backprop as bp
from backprop.explain import write_page

webdriver = pytest.importorskip("selenium.webdriver", reason="Selenium is not installed")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="needs chromium and chromedriver (chromium-driver)"
)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
)
RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
NAME = "<script>document.title = 'taken over'</script>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def open_page(browser, tmp_path):
    """Called with traces: opens their page. In the end: no error, and no request that leaves it."""

    def open_(*traces, title=None):
        path = tmp_path / "page.html"
        write_page(path, traces, title)
        browser.get(path.as_uri())
        return Page(browser)

    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # what came before is another test's
    set_media(browser, "light", 1280)
    yield open_
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"
    ]
    assert asked
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def set_media(browser, scheme, width):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


class Page:
    def __init__(self, browser):
        self.browser = browser

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def value(self, selector):
        """The whole number, of which the page shows six digits."""
        return float(self.find(f"{selector} .number").get_attribute("data-value"))

    def values(self, selector):
        return [float(e.get_attribute("data-value")) for e in self.all(f"{selector} .number")]

    def choose(self, layer, source, unit):
        source = -1 if source == "bias" else source
        shape = self.find(f'[data-item="parameter {layer} {source} {unit}"]')
        self.browser.execute_script(
            "arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", shape
        )

    def open_tab(self, name):
        self.find(f"#tab-{name}").click()

    def keys(self, *keys):
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def text(self):
        return self.find("#panel").text


def small_network(sizes=(2, 2, 1), **options):
    layers = [bp.Dense(n, "sigmoid") for n in sizes[1:]]
    return bp.Network(sizes[0], layers, dtype="float64", seed=4, **options)


@pytest.fixture(scope="module")
def trace():
    X, y = np.array([[0.5, -1.0], [1.5, 0.25], [-0.75, 2.0]]), [1.0, 0.0, 1.0]
    return small_network(optimizer=bp.SGD(0.5, 0.9)).explain(X, y, input_names=["left", NAME])


def parameters(trace):
    for i, layer in enumerate(trace.layers):
        for unit in range(layer.n_out):
            for source in [*range(layer.n_in), "bias"]:
                yield i, source, unit


def name_of(trace, layer, source, unit):
    """As the page calls a weight."""
    ends = [
        trace.input_names,
        *([f"{at.name}, unit {j + 1}" for j in range(at.n_out)] for at in trace.layers),
    ]
    ends[-1] = trace.output_names
    return f"weight from {ends[layer][source]} to {ends[layer + 1][unit]}"


def shown(text):
    """The number in "… = −1.5 × 10⁻⁵"."""
    text = text.rpartition("=")[2].strip().replace("−", "-")
    mantissa, _, power = text.partition(" × 10")
    return float(mantissa) * 10.0 ** int(power.translate(RAISED) or 0)


def test_every_edge_shows_its_numbers(open_page, trace):
    page = open_page(trace)
    sample = int(page.find("#sample").get_attribute("value"))
    for place in parameters(trace):
        page.choose(*place)
        weight = trace.gradient(*place, sample=sample)
        factors = page.values(".chain .chip")
        assert factors == [factor.value for factor in weight.paths[0].factors]
        assert page.value("#sample-gradient") == pytest.approx(weight.sum, rel=1e-12)
        assert page.value("#gradient") == weight.gradient
        assert page.value("#difference") == weight.finite_difference
        assert page.value("#relative-error") == pytest.approx(weight.relative_error)
        page.open_tab("update")
        assert page.value("#step") == weight.step
        page.open_tab("batch")
        assert page.value(".sum") == pytest.approx(weight.gradient, rel=1e-12)
        page.open_tab("product")


def test_a_sample_is_chosen(open_page, trace):
    page = open_page(trace)
    page.choose(0, 0, 1)
    for sample in range(3):
        page.find(f'#sample option[value="{sample}"]').click()
        expected = trace.gradient(0, 0, 1, sample=sample).sum
        assert page.value("#sample-gradient") == pytest.approx(expected, rel=1e-12)


def test_names_are_text(open_page, trace):
    page = open_page(trace, title="<b>bold</b>")
    assert page.browser.title == "<b>bold</b>"
    page.choose(0, 1, 0)
    assert NAME in page.text()
    assert page.all("#panel script, #network script, h1 b") == []


def test_the_steps_go_there_and_back(open_page, trace):
    page = open_page(trace)
    page.open_tab("steps")
    titles, numbers = [], []
    while True:
        titles.append(page.find("#step-title").text)
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
    sample = int(page.find("#sample").get_attribute("value"))
    for layer in trace.layers:
        for name in ("z", "a", "da", "derivative", "dz"):
            assert set(getattr(layer, name)[sample].tolist()) <= set(numbers), name
    page.find('[data-key="step back"]').click()
    assert page.find("#step-title").text == titles[-2]


def test_the_quiz_asks_for_the_next_factor(open_page, trace):
    page = open_page(trace)
    page.open_tab("quiz")
    places = {name_of(trace, *p): p for p in parameters(trace) if p[1] != "bias"}
    asked = set()
    for _ in range(6):
        lead = page.find("#panel .lead").text
        name = re.match(r"The (weight from .*), sample (\d+)", lead, re.DOTALL)
        asked.add(name[1])
        weight = trace.gradient(*places[name[1]], sample=int(name[2]))
        for factor in weight.paths[0].factors:
            answer_with(page, factor.value)
        assert page.value("#found .chain-result") == pytest.approx(weight.sum, rel=1e-12)
        page.find(".again").click()
    assert len(asked) > 1
    assert re.search(r"\d+ of \d+ at the first try", page.find("#score").text)


def answer_with(page, value):
    """Click choices until one is right; that it has this value, and the wrong ones a reason."""
    for i in range(4):
        choice = page.all("#panel .option")[i]
        given = shown(choice.text)
        choice.click()
        if "right" in page.find("#feedback").get_attribute("class"):
            assert given == pytest.approx(value, rel=1e-5)
            return
        assert len(page.find("#feedback").text) > 20
    pytest.fail("no choice was right")


def test_the_keyboard_alone(open_page, trace):
    page = open_page(trace)
    for _ in range(12):
        page.keys(Keys.TAB)
        if page.browser.switch_to.active_element.get_attribute("role") == "option":
            break
    page.keys(Keys.HOME)
    assert page.find("#panel h2").text == "Input left"
    page.keys(Keys.ARROW_RIGHT)
    seen = [page.find("#panel h2").text]
    for _ in range(5):
        page.keys(Keys.ARROW_DOWN)
        seen.append(page.find("#panel h2").text)
    assert len(set(seen)) == 6  # the four weights and two biases of the first layer
    page.keys(Keys.END)
    assert page.find("#panel h2").text == "Y1"
    for _ in range(12):
        page.keys(Keys.TAB)
        if page.browser.switch_to.active_element.get_attribute("role") == "tab":
            break
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
    assert page.browser.switch_to.active_element.get_attribute("class").split()[0] in (
        "option",
        "again",
    )


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
        if not button.accessible_name
    ]
    assert unnamed == []


def test_every_view_in_light_dark_and_on_a_phone(open_page, trace, browser):
    page = open_page(trace)
    backgrounds = {}
    for scheme in ("light", "dark"):
        for width in (1280, 390):
            set_media(browser, scheme, width)
            for tab in [tab.get_attribute("id") for tab in page.all('[role="tab"]')]:
                browser.execute_script("arguments[0].click()", page.find(f"#{tab}"))
                assert page.text()
                wide = browser.execute_script("return document.documentElement.scrollWidth")
                assert wide <= width, tab
        style = "return getComputedStyle(document.body).backgroundColor"
        backgrounds[scheme] = browser.execute_script(style)
        assert least_contrast(browser) >= 4.5
    assert backgrounds["light"] != backgrounds["dark"]


def least_contrast(browser):
    """Of the texts of the kinds of factor and of the rest, to what lies behind (WCAG 2.1)."""
    colours = browser.execute_script(
        """
        document.getElementById("tab-product").click();
        const behind = (element) => {
          for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (!/, 0\\)$/.test(colour) && colour !== "transparent") return colour;
          }
          return getComputedStyle(document.body).backgroundColor;
        };
        const selector = "#panel .number, #panel p, #panel h2, #tabs button, #controls span";
        const texts = document.querySelectorAll(selector);
        return [...texts].map((one) => [getComputedStyle(one).color, behind(one)]);
        """
    )
    return min(contrast(*pair) for pair in {tuple(pair) for pair in colours})


def contrast(one, other):
    lights = sorted(luminance(colour) + 0.05 for colour in (one, other))
    return lights[1] / lights[0]


def luminance(colour):
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_slider_over_the_epochs(open_page):
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), [0, 1, 1, 0]
    net = small_network(optimizer=bp.Adam(0.1))
    traces = []
    for _ in range(5):
        traces.append(net.explain(X, y))
        net.fit(X, y, epochs=10)
    page = open_page(*traces)
    page.choose(1, 1, 0)
    slider = page.find("#epoch")
    slider.send_keys(Keys.HOME)
    for trace in traces:
        assert page.find("#epoch-control output").text == str(trace.epoch)
        assert page.value("#gradient") == trace.gradient(1, 1, 0).gradient
        slider.send_keys(Keys.ARROW_RIGHT)


@pytest.mark.parametrize("loss", ["sigmoid_cross_entropy", "softmax_cross_entropy"])
def test_the_long_way_and_the_short_way(open_page, loss):
    layers = [bp.Dense(4, "tanh"), bp.Dense(3, "relu"), bp.Dense(2)]
    net = bp.Network(3, layers, loss=loss, dtype="float64", seed=1)
    y = [[1, 0], [0, 1]] if loss == "sigmoid_cross_entropy" else [1, 0]
    trace = net.explain(np.random.default_rng(0).normal(size=(2, 3)), y)
    page = open_page(trace)
    page.open_tab("loss")
    sample = int(page.find("#sample").get_attribute("value"))
    rows = page.all("#panel .table:last-of-type tbody tr")
    assert len(rows) == 2
    for row, expected in zip(rows, trace.layers[-1].da[sample], strict=True):
        numbers = [
            e.get_attribute("data-value") for e in row.find_elements(By.CSS_SELECTOR, ".number")
        ]
        assert float(numbers[-1]) == pytest.approx(expected, rel=1e-12)
        assert float(numbers[-2]) == pytest.approx(expected, rel=1e-9)


def test_diagnostics_are_told(open_page):
    net = small_network((2, 3, 1))
    net.layers[0].bias[1] = 100
    X = np.random.default_rng(0).normal(size=(12, 2))
    page = open_page(net.explain(X, np.zeros(12)))
    page.open_tab("health")
    assert "Saturated" in page.text()
    page.find('[data-key="unit 0 1"]').click()
    assert page.find("#panel h2").text == "Layer 1, unit 2"


def test_a_wide_network_is_drawn_as_heat_maps(open_page):
    net = bp.Network(
        784, [bp.Dense(256, "relu"), bp.Dense(10)], loss="softmax_cross_entropy", seed=0
    )
    X = np.random.default_rng(0).uniform(size=(8, 784)).astype("float32")
    trace = net.explain(X, np.arange(8))
    page = open_page(trace)
    assert len(page.all("canvas")) == 2
    for name, wanted in (("from unit", 300), ("to unit", 77)):
        page.find(f'[data-key="{name}"]').send_keys(Keys.CONTROL, "a")
        page.find(f'[data-key="{name}"]').send_keys(str(wanted), Keys.ENTER)
    assert page.value("#gradient") == trace.gradient(0, 299, 76).gradient
    cell = page.find('[role="gridcell"][tabindex="0"]')
    cell.send_keys(Keys.ARROW_RIGHT)
    assert page.value("#gradient") == trace.gradient(0, 300, 76).gradient
    pixels = page.browser.execute_script(
        "const c = document.querySelector('canvas');"
        "return [...new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)].length"
    )
    assert pixels > 20


def test_numbers_that_are_not_finite(open_page):
    net = small_network()
    net.layers[1].bias[0] = np.nan
    page = open_page(net.explain([[1.0, 2.0]], [0.0]))
    page.choose(1, "bias", 0)
    assert "NaN" in page.text()


def test_a_notebook_shows_it(browser, tmp_path, trace):
    (tmp_path / "notebook.html").write_text(f"<h1>Notebook</h1>{trace._repr_html_()}", "utf-8")
    browser.get((tmp_path / "notebook.html").as_uri())
    browser.switch_to.frame(browser.find_element(By.TAG_NAME, "iframe"))
    assert browser.find_element(By.CSS_SELECTOR, "#panel h2").text.startswith("Weight from")
    browser.switch_to.default_content()


def test_the_page_of_a_small_network_is_small(trace):
    assert len(trace.to_html().encode()) <= 200_000


def test_arrays_are_packed_exactly(trace):
    """What the page decodes are the trace's own numbers."""
    data = re.search(r'id="traces">(.*?)</script>', trace.to_html(), re.DOTALL)[1]
    (packed,) = json.loads(data)
    for layer, own in zip(packed["layers"], trace.layers, strict=True):
        for name in ("weights", "bias", "z", "a", "da", "derivative", "dz"):
            array = layer[name]
            numbers = np.frombuffer(base64.b64decode(array["base64"]), f"<{array['type']}")
            np.testing.assert_array_equal(numbers.reshape(array["shape"]), getattr(own, name))
