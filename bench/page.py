"""The page of `explain`: its size, and how long chromium takes to open it: `python bench/page.py`.

A small network and a wide one; from the navigation to the first frame that shows the numbers.
Needs Selenium, chromium and chromedriver.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from findings import Finding, alone, say
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

import backprop as bp

TURNS = 7
PAGES = {  # sizes, samples, and what is asked of the kilobytes and of the milliseconds
    "2-2-1": ((2, 2, 1), 4, "≤ 200 kB", "–"),
    "784-256-10": ((784, 256, 10), 32, "–", "≤ 2000 ms"),
}
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run")
SHOWN = """
const done = arguments[arguments.length - 1];
requestAnimationFrame(() => setTimeout(() => done(performance.now())));
"""


def measure(turns=TURNS):
    found = []
    with tempfile.TemporaryDirectory() as folder:
        browser = started(folder)
        try:
            for name, (sizes, n, size_asked, time_asked) in PAGES.items():
                path = Path(folder, f"{name}.html")
                trace(sizes, n).to_html(path)
                kilobytes = [path.stat().st_size / 1e3]
                found.append(Finding(f"page of {name}, {n} samples", size_asked, kilobytes, "kB"))
                times = [opened(browser, path) for _ in range(turns)]
                found.append(Finding(f"opening it in {version(browser)}", time_asked, times, "ms"))
                say(".")
        finally:
            browser.quit()
    say("\n")
    return found


def trace(sizes, n):
    network = bp.Network(
        sizes[0],
        [*(bp.Dense(units, "relu") for units in sizes[1:-1]), bp.Dense(sizes[-1])],
        seed=0,
    )
    rng = np.random.default_rng(0)
    return network.explain(rng.uniform(size=(n, sizes[0])), rng.uniform(size=(n, sizes[-1])))


def started(folder):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (*FLAGS, f"--user-data-dir={folder}/profile"):
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def version(browser):
    return f"chromium {browser.capabilities['browserVersion'].partition('.')[0]}"


def opened(browser, path):
    """Milliseconds from the navigation's start; `get` returns when the script has run."""
    browser.get("about:blank")
    browser.get(path.as_uri())
    return browser.execute_async_script(SHOWN)


if __name__ == "__main__":
    alone(measure, __doc__)
