"""Traces as one HTML file: data, style and script are inside, and nothing is fetched.

The parts of the page are in the folder ``page``. The files of its script share one scope and are
joined in the order of their names' numbers. A policy in the page's head forbids every request, and
every script and style but these, so that text out of a data set can neither run nor call home.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from backprop.atomic import write_atomically
from backprop.validation import check_integer

if TYPE_CHECKING:
    from os import PathLike

    from backprop.explain.trace import Source, Trace

# Lists of these names hold numbers; they are packed wherever in a trace they stand.
ARRAYS = frozenset(("weights", "bias", "z", "a", "da", "dz", "values", "inputs", "out"))
# Of dicts of these names every list does.
OF_ARRAYS = frozenset(("gradient", "finite_difference", "step", "before"))
# The page works these out itself: what the step makes of the moments, and why a trial errs; the
# derivative is one of a layer's factors.
LEFT_OUT = frozenset(("after", "kink", "unresolved", "derivative"))
OF_A_NORM = frozenset(("mean", "deviation", "n", "y", "dy", "dn"))
SAMPLE_ARRAYS = ("x", "y", "output", "share", "loss")

# Comments and the spaces before a line: a fifth of the page of a small network.
UNREAD = re.compile(r"^ *(//.*\n|/\*\*.*\*/\n)?", re.MULTILINE)

FRAME = '<iframe srcdoc="{}" title="{}" style="width: 100%; height: 46rem; border: 0"></iframe>'


def write_page(
    path: str | PathLike[str],
    traces: Iterable[Trace],
    title: str | None = None,
    *,
    introduction: str | None = None,
    weight: tuple[int, Source, int] | None = None,
    sample: int | None = None,
    epoch: int | None = None,
) -> None:
    """Write the page of one trace, or of several with a slider over the epochs.

    Parameters
    ----------
    path : str or path
        Of the HTML file.
    traces : list of Trace
        Of one network, in the order of training.
    title : str, optional
        The page's heading.
    introduction : str, optional
        What is read first, as plain text; an empty line begins a new paragraph.
    weight : tuple (layer, source, unit), optional
        What the page opens at, as for `Trace.gradient`; by default the weight of the first layer
        with the largest gradient.
    sample : int, optional
        The row of the batch that it opens at, from 0; by default the one that adds most to that
        weight's gradient.
    epoch : int, optional
        How many epochs had been trained at the trace that it opens at; by default the last trace.

    Raises
    ------
    TypeError
        When ``traces`` holds anything but traces, or a text is none.
    ValueError
        When there is no trace, when they are not of one network, or when there is no such weight,
        sample or epoch.
    OSError
        When the file cannot be written.
    """
    traces = _check_traces(traces)
    title = title_of(traces[-1]) if title is None else title
    opening = _opening(traces, weight, sample, epoch)
    introduction = "" if introduction is None else introduction
    text = page([trace.to_dict() for trace in traces], title, introduction, opening)
    write_atomically(path, text.encode())


def _check_traces(traces):
    """As a list; one trace alone is not a list of it."""
    expected = "expected a list of Trace, as Network.explain returns"
    if not isinstance(traces, Iterable) or isinstance(traces, str | dict):
        raise TypeError(f"traces is of type {type(traces).__name__}: {expected}")
    traces = list(traces)
    for i, one in enumerate(traces):
        if not hasattr(one, "to_dict"):
            raise TypeError(f"traces: number {i} is of type {type(one).__name__}: {expected}")
    if not traces:
        raise ValueError("traces: the list is empty, expected at least one trace")
    return traces


def _check_text(argument, text):
    if not isinstance(text, str):
        raise TypeError(f"{argument}={text!r}: expected a str, got {type(text).__name__}")


def _opening(traces, weight, sample, epoch):
    """Where the page opens, as its script has it: a bias comes from -1; defaults are left to it."""
    opening, at = {}, len(traces) - 1
    if epoch is not None:
        epochs = [trace.epoch for trace in traces]
        if epoch not in epochs:
            listed = ", ".join(str(one) for one in epochs)
            raise ValueError(f"epoch: there is no trace of epoch {epoch}, only of {listed}")
        opening["trace"] = at = epochs.index(epoch)
    if sample is not None:
        opening["sample"] = check_integer("sample", sample, 0, len(traces[at].x) - 1)
    if weight is not None:
        if not isinstance(weight, tuple | list) or len(weight) != 3:
            raise ValueError(f"weight: {weight!r} was given, expected (layer, source, unit)")
        found = traces[at].gradient(*weight)
        source = -1 if found.source == "bias" else found.source
        opening["weight"] = [found.layer, source, found.unit]
    return opening


def title_of(trace):
    """What a page is called that was not given a title."""
    sizes = "-".join(str(n) for n in (trace.x.shape[1], *(at.n_out for at in trace.layers)))
    return f"Back-propagation through a {sizes} network"


def frame(text):
    """The page inside another, such as a notebook: its script and style stay by themselves."""
    return FRAME.format(html.escape(text), "Back-propagation, explained")


def estimated_size(trace):
    """About how many bytes a page has: its arrays in base64, four letters for three bytes."""
    n = trace.x.size + trace.y.size + trace.output.size
    for layer in trace.layers:
        n_factors = len([*layer.factors, *layer.gathered, *layer.terms, *layer.learned])
        n_arrays = 4 + n_factors + (0 if layer.norm is None else len(OF_A_NORM))
        copies = 3 + len(layer.moments)  # the weights, their gradient and their step
        n += n_arrays * layer.z.size + copies * layer.weights.size
    return n * np.dtype(trace.dtype).itemsize * 4 / 3


def excuse(trace, size):
    """In a notebook, instead of a page that it could hardly hold."""
    return (
        f"<p>{html.escape(repr(trace))}: its page would have {size / 1e6:,.0f} MB. "
        "<code>to_html(path)</code> writes it to a file; of fewer samples it is shown here.</p>"
    )


def page(traces, title, introduction="", opening=None):
    """The HTML of a page that shows traces of one network.

    Parameters
    ----------
    traces : list of dict
        What ``Trace.to_dict()`` returns. With more than one, in the order of training, the page
        has a slider over the epochs.
    title : str
        The page's heading.
    introduction : str, optional
        As for `write_page`.
    opening : dict, optional
        Where it opens: "trace" and "sample" from 0, "weight" [layer, from, to] whose "from" is -1
        for a bias. What is left out is as by default.

    Returns
    -------
    str
        To be written as UTF-8.

    Raises
    ------
    TypeError
        When title or introduction is no str.
    ValueError
        When they are not of one network: other sizes, activations, loss or names.
    """
    _check_text("title", title)
    _check_text("introduction", introduction)
    _check_same_network(traces)
    parts = resources.files("backprop.explain.forms") / "page"
    style = (parts / "style.css").read_text("utf-8")
    scripts = sorted((p for p in parts.iterdir() if p.name.endswith(".js")), key=lambda p: p.name)
    script = UNREAD.sub("", "\n".join(p.read_text("utf-8") for p in scripts))
    script = f'"use strict";\n(() => {{\n{script}\n}})();\n'
    template = Template((parts / "template.html").read_text("utf-8"))
    return template.substitute(
        title=html.escape(title),
        introduction=_paragraphs(introduction),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        opening=_json(opening or {}),
        data=_json([_packed(trace) for trace in traces]),
    )


def _check_same_network(traces):
    """What the slider would otherwise show under another's names and formulas."""
    first = _identity(traces[0])
    for i, trace in enumerate(traces):
        for what, found in _identity(trace).items():
            if found != first[what]:
                raise ValueError(
                    f"traces: number {i} is of a network with {what} {found}, "
                    f"expected {first[what]} as number 0"
                )


def _paragraphs(text):
    """Plain text as markup: what an empty line parts are paragraphs."""
    parts = (part.strip() for part in re.split(r"\n\s*\n", text))
    return "".join(f"<p>{html.escape(part)}</p>" for part in parts if part)


def _identity(trace):
    layers = trace["layers"]
    return {
        "sizes": "-".join(str(n) for n in (layers[0]["n_in"], *(at["n_out"] for at in layers))),
        "activations": ", ".join(at["activation"] for at in layers),
        "norms": ", ".join(at["norm"]["name"] if at["norm"] else "none" for at in layers),
        "parameters": ", ".join(" ".join(at["gradient"]) for at in layers),
        "loss": trace["loss_function"],
        "input names": ", ".join(trace["inputs"]["names"]),
        "output names": ", ".join(trace["outputs"]["names"]),
    }


def _hash(text):
    """As the content security policy names a script or a style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(value):
    """JSON that cannot end the element it stands in: no text in it begins a tag or a comment."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _packed(trace):
    """What the page needs of a trace: arrays packed, samples as columns instead of rows."""
    samples = trace["samples"]
    names = list(SAMPLE_ARRAYS)
    if trace["derivatives_of"] == "cost":  # else the last layer's da has them
        names.append("loss_slopes")
    columns = {name: _array([s[name] for s in samples]) for name in names}
    columns["index"] = [sample["index"] for sample in samples]
    rest = {name: value for name, value in trace.items() if name != "samples"}
    return {**_packed_within(rest), "samples": columns}


def _packed_within(value, arrays=ARRAYS):
    if isinstance(value, dict):
        return {
            name: _packed_part(name, item, arrays)
            for name, item in value.items()
            if name not in LEFT_OUT
        }
    if isinstance(value, list):
        return [_packed_within(item, arrays) for item in value]
    return value


def _packed_part(name, item, arrays):
    """Of a dict; what is None stays so."""
    if isinstance(item, list) and name in arrays:
        return _array(item)
    if name in OF_ARRAYS and item is not None:
        parts = item if isinstance(item, list) else [item]
        packed = [{part: own and _array(own) for part, own in one.items()} for one in parts]
        return packed if isinstance(item, list) else packed[0]
    return _packed_within(item, OF_A_NORM if name == "norm" else arrays)


def _array(numbers):
    """A list of numbers, or of rows, as base64: small, exact, and quick to open.

    float32 where that changes no number. "nan" and "inf" are numbers here.
    """
    exact = np.array(numbers, dtype="<f8")
    with np.errstate(over="ignore"):
        single = exact.astype("<f4")
    is_single = np.array_equal(single.astype("<f8"), exact, equal_nan=True)
    array = single if is_single else exact
    return {
        "type": "f4" if is_single else "f8",
        "shape": array.shape,
        "base64": base64.b64encode(array.tobytes()).decode(),
    }
