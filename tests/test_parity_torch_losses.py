"""Every loss trains as PyTorch's does, or as its formula in PyTorch: 50 steps, float64, to 1e-9."""

import networks
import numpy as np
import pytest

import backprop as bp
from backprop.catalogue.losses import LOSSES

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn = torch.nn

STEPS = 50
OUTPUTS = 4
LEVELS = (0.1, 0.4, 0.6, 0.9)
TOLERANCE = {"rtol": 1e-9, "atol": 1e-12}


def summed(criterion):
    """Of each sample, over its outputs."""
    return lambda a, y: criterion(a, y).sum(dim=1)


def softplus(a):
    return torch.logaddexp(a, torch.zeros_like(a))


def gamma_nll(a, y):
    return y * torch.exp(-a) + a


def pinball(a, y):
    error, q = y - a, torch.tensor(LEVELS, dtype=torch.float64)
    return torch.maximum(q * error, (q - 1) * error)


def gaussian(a, y):
    mean, spread = a.chunk(2, dim=1)
    criterion = nn.GaussianNLLLoss(reduction="none", eps=1e-6)
    return criterion(mean, y, softplus(spread) + 1e-6)


def focal(gamma):
    def losses(a, y):
        p = torch.sigmoid(a)
        cross_entropy = nn.functional.binary_cross_entropy_with_logits(a, y, reduction="none")
        return (1 - (p * y + (1 - p) * (1 - y))) ** gamma * cross_entropy  # y is 0 or 1

    return losses


def hinge(a, y):
    return torch.relu(1 - (2 * y - 1) * a)


def smoothed_binary(share):
    criterion = nn.BCEWithLogitsLoss(reduction="none")
    return lambda a, y: criterion(a, (1 - share) * y + share / 2)


def multi_label(a, y):
    """The mean over the outputs is what it gives of a sample."""
    return OUTPUTS * nn.MultiLabelSoftMarginLoss(reduction="none")(a, y)


def classes(share=0.0):
    return nn.CrossEntropyLoss(reduction="none", label_smoothing=share)


# (ours, the losses of the samples as PyTorch has them)
PAIRS = [
    ("squared_error", summed(lambda a, y: nn.MSELoss(reduction="none")(a, y) / 2)),
    ("absolute_error", summed(nn.L1Loss(reduction="none"))),
    ("huber", summed(nn.HuberLoss(reduction="none"))),
    (LOSSES["huber"](delta=0.3), summed(nn.HuberLoss(reduction="none", delta=0.3))),
    ("poisson", summed(nn.PoissonNLLLoss(reduction="none"))),
    ("gamma", summed(gamma_nll)),
    (LOSSES["quantile"](levels=LEVELS), summed(pinball)),
    ("gaussian_nll", summed(gaussian)),
    ("sigmoid_cross_entropy", summed(smoothed_binary(0.0))),
    ("sigmoid_cross_entropy", multi_label),
    (LOSSES["sigmoid_cross_entropy"](label_smoothing=0.2), summed(smoothed_binary(0.2))),
    ("softmax_cross_entropy", classes()),
    (LOSSES["softmax_cross_entropy"](label_smoothing=0.1), classes(0.1)),
    ("focal", summed(focal(2.0))),
    (LOSSES["focal"](gamma=0.7), summed(focal(0.7))),
    ("hinge", summed(hinge)),
]
IDS = [f"{i} {ours!r}" for i, (ours, _) in enumerate(PAIRS)]


def batches(name):
    """X, y as ours takes it and as a tensor of theirs, weights."""
    rng = np.random.default_rng(2)
    mixed = rng.normal(size=(5, OUTPUTS))
    for _ in range(STEPS):
        X = rng.normal(size=(16, 5))
        y = networks.targets(name, np.sin(X @ mixed) + rng.normal(size=(16, OUTPUTS)))
        theirs = torch.tensor(y if y.dtype == np.int64 else y.astype("float64"))
        is_one_number = LOSSES[name].of_each  # a column, which all outputs are compared with
        yield X, y, theirs[:, None] if is_one_number else theirs, rng.uniform(0.2, 2, 16)


def network(loss):
    layers = [bp.Dense(7, "tanh"), bp.Dense(OUTPUTS)]
    return bp.Network(5, layers, loss, bp.Adam(0.01), dtype="float64", seed=4)


def parameters_of(net):
    """Weights and biases, layer by layer, as tensors of their own."""
    arrays = [part for layer in net.layers for part in (layer.weights, layer.bias)]
    return [torch.tensor(part.copy(), requires_grad=True) for part in arrays]


def output(parameters, X):
    w, b, v, c = parameters
    return torch.tanh(torch.tensor(X) @ w + b) @ v + c


@pytest.mark.parametrize(("loss", "theirs"), PAIRS, ids=IDS)
def test_steps(loss, theirs):
    net = network(loss)
    parameters = parameters_of(net)
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    before = [part.detach().clone() for part in parameters]
    for X, y, target, weight in batches(net.loss_function.name):
        shares = torch.tensor(weight / weight.sum())
        optimizer.zero_grad()
        cost = shares @ theirs(output(parameters, X), target)
        cost.backward()
        assert net.train_step(X, y, weight) == pytest.approx(cost.item(), rel=1e-9)
        optimizer.step()
    found = [part for layer in net.layers for part in (layer.weights, layer.bias)]
    for own, part, first in zip(found, parameters, before, strict=True):
        np.testing.assert_allclose(own, part.detach().numpy(), **TOLERANCE)
        assert (part - first).abs().max() > 0.01  # it has gone further than one step
    with torch.no_grad():
        costs = theirs(output(parameters, X), target)
    assert net.evaluate(X, y)["loss"] == pytest.approx(costs.mean().item(), rel=1e-9)


LINKS = {
    "poisson": torch.exp,
    "gamma": torch.exp,
    "sigmoid_cross_entropy": torch.sigmoid,
    "focal": torch.sigmoid,
    "softmax_cross_entropy": lambda a: torch.softmax(a, dim=1),
    "gaussian_nll": lambda a: torch.hstack([a[:, :2], softplus(a[:, 2:]) + 1e-6]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_predictions(name):
    net = network(networks.OF_FOUR[name])
    X = 3 * np.random.default_rng(1).normal(size=(20, 5))
    expected = LINKS.get(name, lambda a: a)(output(parameters_of(net), X)).detach().numpy()
    np.testing.assert_allclose(net.predict(X), expected, **TOLERANCE)
    assert (name in LINKS) == (LOSSES[name].prediction_formula[0] != "a")


def test_class_probabilities_as_targets():
    loss = LOSSES["softmax_cross_entropy"](label_smoothing=0.1)
    rng = np.random.default_rng(3)
    net, X = network(loss), rng.normal(size=(9, 5))
    y = rng.dirichlet(np.ones(OUTPUTS), 9)
    expected = classes(0.1)(output(parameters_of(net), X), torch.tensor(y)).mean().item()
    assert net.evaluate(X, y)["loss"] == pytest.approx(expected, rel=1e-9)


def test_every_loss_has_a_pair():
    names = {ours if isinstance(ours, str) else ours.name for ours, _ in PAIRS}
    assert names == set(LOSSES)
