"""The page of `explain` as a file: what is in it, its size, and in a notebook."""

import base64
import json
import re

import numpy as np
import pytest
from explained import NAME, batch, network, small_trace

import backprop as bp
from backprop.explain import write_page


@pytest.fixture(scope="module")
def trace():
    return small_trace(input_names=["left", NAME])


def test_where_a_page_opens_is_looked_at(trace, tmp_path):
    def refused(error, match, **options):
        with pytest.raises(error, match=match):
            write_page(tmp_path / "page.html", [trace], **options)

    refused(ValueError, r"epoch: there is no trace of epoch 7, only of 0", epoch=7)
    refused(ValueError, r"sample=3: expected an integer, from 0 to 2", sample=3)
    refused(
        ValueError, r"weight: \(0, 0\) was given, expected \(layer, source, unit\)", weight=(0, 0)
    )
    refused(ValueError, r"unit=2: expected an integer, from 0 to 1", weight=(0, 0, 2))
    refused(ValueError, r"weight: 5 was given, expected \(layer, source, unit\)", weight=5)
    refused(TypeError, r"title=5: expected a str, got int", title=5)
    refused(TypeError, r"introduction=5: expected a str, got int", introduction=5)
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (lambda trace: trace, "traces is of type Trace"),
        (lambda trace: trace.to_dict(), "traces is of type dict"),
        (lambda trace: [trace, trace.to_dict()], "traces: number 1 is of type dict"),
    ],
    ids=["one trace", "a dict", "a dict among traces"],
)
def test_a_page_is_of_a_list_of_traces(trace, tmp_path, given, what):
    with pytest.raises(TypeError, match=f"{what}: expected a list of Trace, as Network.explain"):
        write_page(tmp_path / "page.html", given(trace))


def test_names_and_the_introduction_are_text(open_page, trace):
    page = open_page(trace, title="<b>bold</b>", introduction=f"One, & {NAME}.\n\nTwo.")
    assert page.browser.title == "<b>bold</b>"
    assert [p.text for p in page.all(".introduction p")] == [f"One, & {NAME}.", "Two."]
    page.choose(0, 1, 0)
    assert NAME in page.text()
    assert page.all("#panel script, #network script, h1 b, .introduction script") == []


def test_the_page_of_a_small_network_is_small():
    net = network((2, 2, 1))
    X, y = batch((2, 2, 1), 300)
    assert len(net.explain(X, y).to_html().encode()) <= 240_000


def test_the_page_holds_nothing_that_it_does_not_show():
    """Of a wide network each pair of moments is as large as all the weights."""
    net = network((40, 30, 1), optimizer=bp.Adam(0.01))
    trace = net.explain(*batch((40, 30, 1)))
    text = trace.to_html()
    data = json.loads(re.search(r'id="traces">(.*?)</script>', text, re.DOTALL)[1])
    moments = data[0]["optimizer"]["moments"]
    assert list(moments) == ["moment1", "moment2"]
    assert all(set(moment) == {"symbol", "before"} for moment in moments.values())
    script = re.search(r'"use strict";(.*?)</script>', text, re.DOTALL)[1]
    assert not re.search(r"\.after\b|\bafter\b *}", script)
    assert not re.search(r"^\s*(//|/\*)", script, re.MULTILINE)
    first = data[0]["layers"][0]
    assert "finite_difference" in first
    assert not {"kink", "unresolved"} & set(first)


def test_arrays_are_packed_exactly(trace):
    """What the page decodes are the trace's own numbers."""
    data = re.search(r'id="traces">(.*?)</script>', trace.to_html(), re.DOTALL)[1]
    (packed,) = json.loads(data)
    for layer, own in zip(packed["layers"], trace.layers, strict=True):
        names = ("weights", "bias", "z", "a", "da", "dz")
        pairs = [(layer[name], getattr(own, name)) for name in names]
        found = [factor["values"] for factor in layer["factors"]]
        pairs += zip(found, [own.derivative], strict=True)
        for array, expected in pairs:
            numbers = np.frombuffer(base64.b64decode(array["base64"]), f"<{array['type']}")
            np.testing.assert_array_equal(numbers.reshape(array["shape"]), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_notebook_is_spared_a_page_that_it_could_hardly_hold(monkeypatch, dtype):
    from backprop.explain import trace
    from backprop.explain.forms import html

    net = network((40, 30, 2), optimizer=bp.Adam(0.01), dtype=dtype)
    X, y = batch((40, 30, 2), 500)
    found = net.explain(X, y)
    size = html.estimated_size(found)
    assert size == pytest.approx(len(found.to_html()) - len(small_trace().to_html()), rel=0.2)
    assert found._repr_html_().startswith("<iframe")
    monkeypatch.setattr(trace, "MOST_IN_A_NOTEBOOK", size - 1)
    shown = found._repr_html_()
    assert shown.startswith("<p>Trace(40-30-2, loss=&#x27;squared_error&#x27;, 500 samples")
    assert f"its page would have {size / 1e6:.0f} MB" in shown
    assert "<code>to_html(path)</code>" in shown


def test_a_notebook_shows_it(open_file, tmp_path, trace):
    path = tmp_path / "notebook.html"
    path.write_text(f"<h1>Notebook</h1>{trace._repr_html_()}", "utf-8")
    page = open_file(path)
    page.browser.switch_to.frame(page.find("iframe"))
    assert page.find("#panel h2").text.startswith("Weight from")
    page.run("document.getElementById('skip').focus()")
    page.keys("\ue007")  # Enter
    assert page.browser.switch_to.active_element.get_attribute("id") == "panel"
    assert page.find("#panel h2").text.startswith("Weight from")
    page.browser.switch_to.default_content()
    assert page.find("h1").text == "Notebook"
