"""What the tests of the page of `explain` share: networks, their traces, and how a page is read."""

import numpy as np

import backprop as bp

RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
NAME = "<script>document.title = 'taken over'</script>"
TABS = ("product", "steps", "loss", "batch", "update", "quiz", "health")


def network(sizes, hidden="sigmoid", last="sigmoid", **options):
    layers = [*(bp.Dense(n, hidden) for n in sizes[1:-1]), bp.Dense(sizes[-1], last)]
    options = {"dtype": "float64", "seed": 4, **options}
    net = bp.Network(sizes[0], layers, **options)
    rng = np.random.default_rng(5)
    for layer in net.layers:  # so that no bias is 0
        layer.bias = rng.normal(size=layer.bias.shape) * 0.3
    return net


def batch(sizes, n=3):
    rng = np.random.default_rng(7)
    return rng.normal(size=(n, sizes[0])), rng.normal(size=(n, sizes[-1]))


def small_trace(**names):
    """Of a 2-2-1 network with momentum, on three samples."""
    X, y = np.array([[0.5, -1.0], [1.5, 0.25], [-0.75, 2.0]]), [1.0, 0.0, 1.0]
    return network((2, 2, 1), optimizer=bp.SGD(0.5, 0.9)).explain(X, y, **names)


def parameters(trace):
    """Of every weight and bias: layer, source, unit."""
    for i, layer in enumerate(trace.layers):
        for unit in range(layer.n_out):
            for source in [*range(layer.n_in), "bias"]:
                yield i, source, unit


def item(layer, source, unit):
    """What the page calls a weight or a bias."""
    return f"parameter {layer} {-1 if source == 'bias' else source} {unit}"


def shown(text):
    """The number in "… = −1.5 × 10⁻⁵", or in −9·10⁻⁵ of the drawing."""
    text = text.rpartition("=")[2].strip().replace("−", "-").replace(" × ", "·")
    mantissa, _, power = text.partition("·10")
    return float(f"{mantissa}e{power.translate(RAISED) or 0}")


def marked(page):
    """The edges of the path that is being read."""
    return {shape.get_attribute("data-item") for shape in page.all(".edge.reading")}


def sample_of(page):
    return int(page.find("#sample").get_attribute("value"))
