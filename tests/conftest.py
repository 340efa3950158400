"""For the tests that ask for it: the command line, a browser, data that is not in the package."""

import json
import os
import shutil
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))  # where tests find the modules that they share
from mathml import LINEAR  # noqa: E402

DATA = Path(os.environ.get("BACKPROP_DATA", ROOT.parent / "shared" / "data")).absolute()

# A machine under load makes a single example slow, which says nothing about the code.
hypothesis.settings.register_profile("backprop", deadline=None, max_examples=60)
hypothesis.settings.load_profile("backprop")


@pytest.fixture(autouse=True, scope="session")
def away_from_the_sources(tmp_path_factory):
    """A child process finds the installed package, not the folder of the sources."""
    os.chdir(tmp_path_factory.mktemp("elsewhere"))


def _path(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not in {DATA}; BACKPROP_DATA names the directory that has it")
    return path


@pytest.fixture(scope="session")
def mnist_npz():
    """The path of mnist.npz."""
    return _path("mnist.npz")


@pytest.fixture(scope="session")
def mnist(mnist_npz):
    """The arrays of mnist.npz by name: x_train, y_train, x_test, y_test, uint8."""
    with np.load(mnist_npz, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


@pytest.fixture(scope="session")
def diamonds_csv():
    """The path of diamonds.csv."""
    return _path("diamonds.csv")


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run the command line in this process; what it printed, after checking the exit code.

    Files are written to `tmp_path` unless it is told otherwise.
    """
    from backprop.cli import main

    monkeypatch.chdir(tmp_path)

    def with_arguments(*arguments, code=0):
        try:
            found = main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            found = exit_.code
        printed = capsys.readouterr()
        assert found == code, printed.err
        return printed

    return with_arguments


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


def _number(text):
    """As JavaScript writes it."""
    return float(text.replace("Infinity", "inf"))


class Page:
    """A page of `explain` in the browser."""

    def __init__(self, browser):
        self.browser = browser

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def read(self, **selectors):
        """For each the whole numbers there, of which the page shows six digits."""
        script = """
            const read = (one) => [...document.querySelectorAll(`${one} .number`)];
            const entries = Object.entries(arguments[0]);
            return entries.map(([name, one]) => [name, read(one).map((e) => e.dataset.value)]);
        """
        found = self.run(script, selectors)
        return {name: [_number(text) for text in texts] for name, texts in found}

    def values(self, selector):
        return self.read(found=selector)["found"]

    def value(self, selector):
        (found,) = self.values(selector)
        return found

    def formulas(self, selector):
        """Each formula there on one line, without spaces."""
        script = "return [...document.querySelectorAll(arguments[0])].map(linear)"
        found = self.run(LINEAR + script, f"{selector} math")
        return ["".join(text.split()) for text in found]

    def click_at(self, x, y):
        """With the pointer, at a place of the viewport."""
        from selenium.webdriver.common.action_chains import ActionBuilder

        actions = ActionBuilder(self.browser, duration=0)
        actions.pointer_action.move_to_location(round(x), round(y))
        actions.pointer_action.click()
        actions.perform()

    def choose(self, layer, source, unit):
        """A weight or a bias of the graph, by a click where nothing lies over it."""
        place = self.run(
            """
            const shape = document.querySelector(`[data-item="${arguments[0]}"]`);
            shape.scrollIntoView({ block: "center", inline: "center" });
            const path = shape.querySelector(".line");
            const toScreen = path.getScreenCTM();
            for (const share of [0.3, 0.4, 0.2, 0.5, 0.6, 0.7, 0.8, 0]) {
              const point = path.getPointAtLength(share * path.getTotalLength());
              const { x, y } = point.matrixTransform(toScreen);
              const place = [Math.round(x), Math.round(y)];
              if (shape.contains(document.elementFromPoint(...place))) return place;
            }
            return null;
            """,
            f"parameter {layer} {-1 if source == 'bias' else source} {unit}",
        )
        assert place is not None, f"{layer}, {source}, {unit} cannot be clicked"
        self.click_at(*place)

    def open_tab(self, name):
        self.find(f"#tab-{name}").click()

    def settle(self):
        """Wait until a <details> that opens has said so, which is a little later."""
        script = "return new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
        self.run(script)

    def keys(self, *keys):
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def text(self):
        return self.find("#panel").text

    def show_as(self, scheme, width, height=900, motion="reduce"):
        """In light or dark, at a width of the viewport."""
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": motion},
        ]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Debian's chromium, driven by Selenium."""
    reason = "Selenium is not installed"
    webdriver = pytest.importorskip("selenium.webdriver", reason=reason)
    service = pytest.importorskip("selenium.webdriver.chrome.service", reason=reason)
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("needs chromium and chromedriver (chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=service.Service(driver))
    yield started
    started.quit()


@pytest.fixture
def open_file(browser):
    """Called with a path: opens the page. In the end: no error, and no request but for the page."""
    opened = []

    def open_(path, scheme="light", width=1280):
        opened.append(path.as_uri())
        page = Page(browser)
        page.show_as(scheme, width)
        browser.get(path.as_uri())
        return page

    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # what came before is another test's
    yield open_
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"
    ]
    inside = ("data:,", "about:srcdoc")  # the empty icon, and a page in a frame
    assert [url for url in asked if url not in inside] == opened


@pytest.fixture
def open_page(open_file, tmp_path):
    """Called with traces: writes their page and opens it."""

    def open_(*traces, scheme="light", width=1280, **options):
        from backprop.explain import write_page

        write_page(tmp_path / "page.html", traces, **options)
        return open_file(tmp_path / "page.html", scheme, width)

    return open_


@pytest.fixture(scope="session")
def trace():
    """Of a 2-2-1 network, on three samples."""
    from explained import small_trace

    return small_trace()


@pytest.fixture(scope="session")
def deep():
    """Of a 3-4-3-2 network, on three samples."""
    from explained import batch, network

    sizes = (3, 4, 3, 2)
    return network(sizes, "tanh").explain(*batch(sizes))


@pytest.fixture(scope="session")
def wide():
    """Of a 784-256-10 network, on 32 samples."""
    import backprop as bp

    layers = [bp.Dense(256, "relu"), bp.Dense(10)]
    net = bp.Network(784, layers, loss="softmax_cross_entropy", seed=0)
    X = np.random.default_rng(0).uniform(size=(32, 784)).astype("float32")
    return net.explain(X, np.arange(32) % 10)


@pytest.fixture(scope="session")
def digits():
    """600 of scikit-learn's images, scaled, and their labels."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X[:600] / 16, y[:600]
