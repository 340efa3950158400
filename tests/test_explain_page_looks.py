"""How the page of `explain` looks: on a phone, in light and dark, with and without motion."""

import numpy as np
import operations
import pytest
from explained import TABS, network

import backprop as bp

NETWORKS = ("2-2-1", "3-4-3-2", "64-32-10", "784-256-10", "all of a layer")


@pytest.fixture(scope="module")
def networks(trace, deep, wide):
    digits = bp.Network(
        64, [bp.Dense(32, "relu"), bp.Dense(10)], loss="softmax_cross_entropy", seed=0
    ).explain(np.random.default_rng(0).uniform(size=(40, 64)), np.arange(40) % 10)
    everything = operations.network("together").explain(*operations.batch()[:2])
    return dict(zip(NETWORKS, (trace, deep, digits, wide, everything), strict=True))


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


def test_no_formula_has_a_scroll_bar_of_its_own_beside_it(open_page):
    """Nor is the foot of one cut off instead, where it is only a little higher than its line."""
    net = network((2, 2, 1), optimizer=bp.Adam(0.01, l2=0.1))
    page = open_page(net.explain([[0.5, -1.0], [1.5, 0.25]], [1.0, 0.0]))
    script = """
        document.getElementById(`tab-${arguments[0]}`).click();
        const all = [...document.querySelectorAll("#panel *")];
        const scrolls = all.filter((one) => getComputedStyle(one).overflowX === "auto");
        const bars = scrolls.filter((one) => getComputedStyle(one).overflowY !== "hidden");
        const bottom = (one) => one.getBoundingClientRect().bottom;
        const cut = scrolls.filter((one) =>
          [...one.querySelectorAll("*")].some((inside) => bottom(inside) > bottom(one)));
        const tooHigh = bars.filter((one) => one.scrollHeight > one.clientHeight);
        return [scrolls.length, tooHigh.length, cut.length];
    """
    for width in (1280, 800):
        page.show_as("light", width)
        for tab in ("product", "loss", "batch", "update", "health"):
            count, *wrong = page.run(script, tab)
            assert count
            assert wrong == [0, 0]


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
@pytest.mark.parametrize("name", ["2-2-1", "all of a layer"])
def test_contrast_in_every_view(open_page, networks, name, scheme):
    """Of every text to what lies behind it: WCAG 2.1, 4.5 to 1."""
    page = open_page(networks[name], scheme=scheme, introduction="One, two.")
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
