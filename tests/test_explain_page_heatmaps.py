"""The heat-maps on the page of `explain`, which draw a wide network."""

import pytest
from explained import item

keys = pytest.importorskip("selenium.webdriver.common.keys", reason="Selenium is not installed")
Keys = keys.Keys


def go_to(page, source, unit):
    """By the fields of the window, which count from 1."""
    for name, wanted in (("from", source), ("to", unit)):
        page.find(f'[data-key="{name}"]').send_keys(Keys.CONTROL, "a")
        page.find(f'[data-key="{name}"]').send_keys(str(wanted), Keys.ENTER)


def place_of(page):
    names = ("from", "to")
    return tuple(int(page.find(f'[data-key="{name}"]').get_attribute("value")) for name in names)


def test_a_wide_network_is_drawn_as_heat_maps(open_page, wide):
    page = open_page(wide)
    assert len(page.all("canvas")) == 2
    go_to(page, 300, 77)
    assert page.value("#gradient") == wide.gradient(0, 299, 76).gradient
    assert [one.text for one in page.all(".fields label")] == ["from input", "to unit"]
    page.run("arguments[0].focus()", page.find('[role="gridcell"][tabindex="0"]'))
    for source, unit, key in [
        (300, 76, Keys.ARROW_RIGHT),
        (300, 77, Keys.ARROW_DOWN),
        (301, 77, Keys.ARROW_RIGHT),
    ]:
        page.keys(key)
        page.settle()
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
    assert box["y"] + box["height"] < 460
    overflow = page.run(
        "const c = document.querySelector('.network'); return c.scrollHeight - c.clientHeight"
    )
    assert overflow <= 1


def test_a_wide_network_has_no_element_for_each_weight(open_page, wide):
    """Which is what lets it open at once: `python bench/page.py` has the times."""
    n_weights = sum(layer.weights.size for layer in wide.layers)
    elements = open_page(wide).run("return document.querySelectorAll('*').length")
    assert elements < n_weights / 50
