"""The quiz on the page of `explain`."""

import re

import numpy as np
import pytest
from explained import batch, item, marked, network, sample_of, shown

import backprop as bp

keys = pytest.importorskip("selenium.webdriver.common.keys", reason="Selenium is not installed")
Keys = keys.Keys


def question(page):
    """The weight and the sample that are asked for, out of the question's own words."""
    words = page.find("#panel .lead").text
    pattern = (
        r"The weight from (x|layer (\d), unit )(\d+) to (layer (\d), unit |y)(\d+), sample (\d+)"
    )
    match = re.match(pattern, words)
    layer = int(match[2] or 0)
    path = re.search(r"along the path (.*)\. Build", words)
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


def lead(page):
    """Of the quiz, by its first line."""
    return page.find("#panel .lead").text.partition(". Build")[0]


@pytest.fixture(scope="module")
def grouped():
    sizes = (3, 4, 8, 4, 2)
    return network(sizes, "tanh").explain(*batch(sizes))


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
