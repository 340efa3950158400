"""The page of `explain` without a pointer: by keyboard, and for a screen reader."""

import pytest
from explained import TABS, network, shown

keys = pytest.importorskip("selenium.webdriver.common.keys", reason="Selenium is not installed")
Keys = keys.Keys


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
    assert page.find("#panel h2").text == "Output y1"
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


def test_a_link_of_the_numbers_hands_the_focus_to_what_it_opens(open_page, deep):
    """Left on nothing, the keyboard and a screen reader would begin anew at the top."""
    page = open_page(deep)
    page.show_as("light", 1280, 500)
    heading = "return document.querySelector('#panel h2').getBoundingClientRect().top"

    def follow(key):
        link = page.find(f'#panel [data-key="{key}"]')
        page.run("arguments[0].focus(); arguments[0].scrollIntoView()", link)
        page.keys(Keys.ENTER)
        assert page.browser.switch_to.active_element.get_attribute("id") == "panel"
        assert 0 <= page.run(heading) < 500

    page.run("""document.querySelector('.unit[data-item="unit 1 1"]').focus()""")
    assert page.find("#panel h2").text == "Layer 2, unit 2"
    follow("from 2")
    assert page.find("#panel h2").text == "Weight from layer 1, unit 3 to layer 2, unit 2"
    follow("open batch")
    assert page.find("#panel h2").text == "The batch"
    page.find('#panel [data-key="sample 1"]').send_keys(Keys.ENTER)  # which is still there
    focused = page.browser.switch_to.active_element
    assert focused.get_attribute("data-key") == "sample 1"


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
