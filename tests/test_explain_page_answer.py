"""What a page of `explain` opens with: the answer on its own numbers; and where things stand."""

import numpy as np
import pytest
from explained import batch, network
from networks import outputs_of, targets

import backprop as bp
from backprop.catalogue.losses import LOSSES

QUESTION = (
    "In back-propagation, is it the derivative of the cost or of the activation that is used?"
)
MARKS = {
    "◆": "loss derivative",
    "◐": "dropout mask",
    "●": "activation derivative",
    "◧": "norm scale",
    "◔": "through the mean",
    "◕": "through the deviation",
    "◨": "norm deviation",
    "▲": "upstream weight",
    "△": "straight road",
    "■": "input",
    "◇": "sum of the paths beyond",
}


def followed(paths):
    """Those that lead to the loss unit by unit: not what a norm's mean and deviation gather."""
    return [
        path for path in paths if not any(f.kind.startswith("through the") for f in path.factors)
    ]


def check_answer(page, weight):
    """The largest path's factors with their marks, its product, the sum, the gradient."""
    path = max(followed(weight.paths), key=lambda path: abs(path.product))
    *found, product = page.values(".answer-product")
    assert found == [factor.value for factor in path.factors]
    assert product == pytest.approx(path.product, rel=1e-12)
    words = page.find("#answer").text
    assert words.startswith(f"{QUESTION} Both, multiplied. Here, for the ")
    shown = [mark for mark in page.find(".answer-product").text if mark in MARKS]
    assert [MARKS[mark] for mark in shown] == [factor.kind for factor in path.factors]
    rest = page.values("#answer-numbers")[len(path.factors) + 1 :]
    total = [weight.sum] if weight.n_paths > 1 else []
    mean = [weight.gradient] if len(weight.trace.x) > 1 else []
    assert rest == pytest.approx([*total, *mean], rel=1e-12)
    return words


@pytest.mark.parametrize("loss", LOSSES.values(), ids=lambda loss: loss.name)
@pytest.mark.parametrize("hidden", [(), (3,), (4, 3)], ids=str)
def test_the_answer_of_every_loss(open_page, loss, hidden):
    """Of a loss on logits it says where the derivative of what the loss contains is."""
    n_outputs = outputs_of(loss)
    net = network((3, *hidden, n_outputs), "tanh", "identity", loss=loss.name)
    X = np.random.default_rng(2).normal(size=(4, 3))
    y = targets(loss.name, np.random.default_rng(3).normal(size=(4, n_outputs)))
    trace = net.explain(X, y)
    page = open_page(trace, weight=(0, 2, 0), sample=1)
    words = check_answer(page, trace.gradient(0, 2, 0, sample=1))
    contained = {"elementwise": "sigmoid", "matrix": "softmax"}.get(loss.long_way)
    assert ("This loss contains the" in words) == (contained is not None)
    if contained:
        assert f"contains the {contained}, whose derivative is already in ◆; " in words
        assert "the output layer is the identity, with f′(z) = 1" in words
        assert (trace.layers[-1].derivative == 1).all()
        slope = trace.layers[-1].da
        np.testing.assert_allclose(slope, trace.output - trace.y, atol=1e-12)


@pytest.mark.parametrize("optimizer", [bp.SGD(0.1), bp.Adam()], ids=lambda o: o.kind)
def test_the_answer_follows_what_is_chosen(open_page, optimizer):
    X, y = batch((2, 2, 1), 4)
    net = network((2, 2, 1), optimizer=optimizer)
    traces = [net.explain(X, y)]
    net.fit(X, y, epochs=3)
    traces.append(net.explain(X, y))
    page = open_page(*traces, sample=2, weight=(0, 1, 1))
    check_answer(page, traces[1].gradient(0, 1, 1, sample=2))
    page.choose(1, "bias", 0)
    words = check_answer(page, traces[1].gradient(1, "bias", 0, sample=2))
    assert "for the bias of y1 on sample 3:" in words
    page.find('#sample option[value="0"]').click()
    check_answer(page, traces[1].gradient(1, "bias", 0, sample=0))
    page.find("#epoch").send_keys("\ue011")  # Home
    check_answer(page, traces[0].gradient(1, "bias", 0, sample=0))
    page.find('[data-item="unit 0 1"] circle').click()
    check_answer(page, traces[0].gradient(0, "bias", 1, sample=0))
    page.open_tab("quiz")  # which asks for these factors
    assert page.values(".prose") == []
    assert f"{QUESTION} Both, multiplied." == page.find("#answer").text


def test_the_answer_where_paths_are_grouped(open_page):
    trace = network((3, 4, 8, 2), "tanh").explain(*batch((3, 4, 8, 2)))
    page = open_page(trace, weight=(0, 1, 2), sample=0)
    weight = trace.gradient(0, 1, 2)
    words = check_answer(page, weight)
    largest = max(weight.paths, key=lambda path: abs(path.product))
    assert f"Layer 2, unit {largest.units[1] + 1} adds the most; ◇ is what comes back" in words
    assert "from there: derivatives of the loss, times those of the activations" in words


def test_the_answer_of_one_sample(open_page):
    trace = network((2, 1)).explain([0.5, -1.0], 1.0)
    words = check_answer(open_page(trace, weight=(0, 1, 0)), trace.gradient(0, 1, 0))
    assert "The cost is this sample’s loss." in words


def kinds_in_the_guide(page):
    return [one.text.split(maxsplit=1)[1] for one in page.all("#guide .kinds li")]


def test_the_guide_says_what_to_click_and_what_the_colours_are(open_page, trace, wide):
    page = open_page(trace)
    words = page.find("#guide").text
    assert "Click a line, a circle or a bias (b) of the drawing" in words
    assert "“Sample” takes another row of the batch." in words
    assert "the slider" not in words
    assert "orange: the cost grows when the weight does" in words
    assert kinds_in_the_guide(page) == [
        "loss derivative",
        "activation derivative",
        "upstream weight",
        "input",
    ]
    colour = "return getComputedStyle(document.querySelector(arguments[0])).color"
    for kind in ("loss", "activation", "weight", "input"):
        in_guide = page.run(colour, f"#guide .kind-{kind}")
        assert in_guide == page.run(colour, f"#panel .chip-{kind}")
        assert in_guide == page.run(colour, f".answer-product .number.kind-{kind}")
    page.find('[data-key="show weight"]').click()
    assert "orange: the weight is above 0" in page.find("#guide").text
    words = open_page(wide).find("#guide").text
    assert "Click a pixel of the pictures or a cell below them" in words
    net = bp.Network(2, [bp.Dense(1, dropout=0.5)], seed=0)
    page = open_page(net.explain([0.5, -1.0], 1.0))
    assert kinds_in_the_guide(page) == [
        "loss derivative",
        "dropout mask",
        "activation derivative",
        "input",
    ]


# ---- Where things stand ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1.0, 1e-7], ids=["ordinary", "powers of ten"])
def test_the_factors_of_a_path_through_two_layers_stand_in_one_row(open_page, size):
    """At 1280 pixels, with a sign and six digits in each; and inside of their cards."""
    net = network((2, 2, 1))
    net.layers[1].weights *= -size
    trace = net.explain([[-0.512345, -1.0], [-1.5, 0.25]], [0.123456, 0.0])
    page = open_page(trace, weight=(0, 0, 1), sample=0)
    assert sum(value < 0 for value in page.values(".chip")) >= 1
    for scheme in ("light", "dark"):
        page.show_as(scheme, 1280)
        found = page.run(
            """
            return [...document.querySelectorAll("#panel .chip")].map((chip) =>
              [chip.getBoundingClientRect().top, chip.scrollWidth - chip.clientWidth,
               chip.scrollHeight - chip.clientHeight]);
            """
        )
        assert len(found) == 5
        assert max(top for top, *_ in found) - min(top for top, *_ in found) < 1
        assert all(beyond <= 0 for _, *both in found for beyond in both)


@pytest.mark.parametrize("width", [360, 400, 800, 1280])
def test_what_comes_first(open_page, trace, width):
    """The answer; on a phone the drawing, which is in sight as the page opens."""
    page = open_page(trace, width=width, introduction="One.")
    page.show_as("light", width, 780)
    order = page.run(
        """
        return [".prose", ".controls", ".network", ".numbers"]
          .map((name) => [document.querySelector(name).getBoundingClientRect().top, name])
          .sort(([one], [other]) => one - other).map(([, name]) => name);
        """
    )
    if width <= 400:
        assert order == [".controls", ".network", ".prose", ".numbers"]
        graph = page.find(".graph").rect
        assert graph["y"] + graph["height"] < 780
    else:
        assert order[:2] == [".prose", ".controls"]
