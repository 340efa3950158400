"""Every optimizer takes the steps of PyTorch's: equal weights and batches, float64, to 1e-9."""

from dataclasses import fields

import numpy as np
import pytest

import backprop as bp
from backprop.catalogue.optimizers import OPTIMIZERS

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
optim = torch.optim

STEPS = 50


@pytest.fixture(autouse=True)
def _whole_state_in_float64():
    """The product of NAdam's momenta is a number of the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# (ours, theirs, what theirs is called with)
PAIRS = [
    (bp.SGD(0.1), optim.SGD, {}),
    (bp.SGD(0.1, 0.9), optim.SGD, {"momentum": 0.9}),
    (bp.SGD(0.1, 0.9, nesterov=True), optim.SGD, {"momentum": 0.9, "nesterov": True}),
    (bp.Adam(0.01), optim.Adam, {}),
    (bp.AMSGrad(0.01), optim.Adam, {"amsgrad": True}),
    (bp.AMSGrad(0.01, 0.8, 0.7), optim.Adam, {"betas": (0.8, 0.7), "amsgrad": True}),
    (bp.NAdam(0.01), optim.NAdam, {}),
    (bp.NAdam(0.01, momentum_decay=0.5), optim.NAdam, {"momentum_decay": 0.5}),
    (bp.RAdam(0.01), optim.RAdam, {}),
    (bp.RAdam(0.01, beta_2=0.8), optim.RAdam, {"betas": (0.9, 0.8)}),
    (bp.Adamax(0.01), optim.Adamax, {}),
    (bp.RMSprop(0.01), optim.RMSprop, {}),
    (bp.RMSprop(0.01, momentum=0.9), optim.RMSprop, {"momentum": 0.9}),
    (bp.RMSprop(0.01, 0.9, centered=True), optim.RMSprop, {"alpha": 0.9, "centered": True}),
    (
        bp.RMSprop(0.01, momentum=0.5, centered=True),
        optim.RMSprop,
        {"momentum": 0.5, "centered": True},
    ),
    (bp.Adagrad(0.1), optim.Adagrad, {}),
    (bp.Adagrad(0.1, lr_decay=0.1), optim.Adagrad, {"lr_decay": 0.1}),
    (bp.Adadelta(), optim.Adadelta, {}),
    (bp.Rprop(), optim.Rprop, {}),
    (bp.Rprop(0.001, 0.4, 1.3), optim.Rprop, {"etas": (0.4, 1.3)}),
]


class PaperLion(torch.optim.Optimizer):
    """Algorithm 2 of Chen et al., which PyTorch does not have."""

    def __init__(self, parameters, lr, beta_1=0.9, beta_2=0.99, weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.m = {}

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:  # of a frozen layer
                    continue
                m, g = self.m.get(p, np.zeros(p.shape)), p.grad.numpy()
                c = self.beta_1 * m + (1 - self.beta_1) * g
                w = p.numpy()
                w -= group["lr"] * (np.sign(c) + group["weight_decay"] * w)
                self.m[p] = self.beta_2 * m + (1 - self.beta_2) * g


PAIRS.append((bp.Lion(0.001), PaperLion, {}))


def batches():
    rng = np.random.default_rng(2)
    mixed = rng.normal(size=(5, 2))
    for _ in range(STEPS):
        X = rng.normal(size=(16, 5))
        yield X, np.sin(X @ mixed)


def network(optimizer):
    layers = [bp.Dense(7, "tanh"), bp.Dense(2)]
    return bp.Network(5, layers, "squared_error", optimizer, dtype="float64", seed=4)


def parameters_of(net):
    """As tensors of their own: the weights, then the biases."""
    weights = [torch.tensor(layer.weights.copy(), requires_grad=True) for layer in net.layers]
    biases = [torch.tensor(layer.bias.copy(), requires_grad=True) for layer in net.layers]
    return weights, biases


def cost(weights, biases, X, y):
    a = torch.tensor(X)
    for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
        a = a @ w + b
        a = torch.tanh(a) if i == 0 else a
    return ((a - torch.tensor(y)) ** 2).sum() / 2 / len(X)


def assert_equal_paths(ours, make_theirs, penalty=None, schedule=None, clip=None):
    """`penalty`: of the weights, what is added to the cost; `clip`: called before each step."""
    net = network(ours)
    weights, biases = parameters_of(net)
    theirs = make_theirs(weights, biases)
    after_step = schedule(theirs) if schedule else None
    for X, y in batches():
        net.train_step(X, y)
        theirs.zero_grad()
        total = cost(weights, biases, X, y)
        if penalty is not None:
            total = total + penalty(weights) / len(X)
        total.backward()
        if clip is not None:
            clip([*weights, *biases])
        theirs.step()
        if after_step is not None:
            after_step.step()
    assert_equal_parameters(net, weights, biases)


def assert_equal_parameters(net, weights, biases):
    for layer, w, b in zip(net.layers, weights, biases, strict=True):
        np.testing.assert_allclose(layer.weights, w.detach().numpy(), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(layer.bias, b.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("ours", "theirs", "settings"), PAIRS, ids=str)
def test_steps(ours, theirs, settings):
    settings = {"lr": ours.learning_rate, **settings}
    assert_equal_paths(ours, lambda weights, biases: theirs([*weights, *biases], **settings))


DECAYED = [
    (bp.SGD(0.1, l2=0.5), optim.SGD, {}),
    (bp.SGD(0.1, l1=0.5), optim.SGD, {}),
    (bp.SGD(0.1, 0.9, nesterov=True, l2=0.2, l1=0.1), optim.SGD, {"momentum": 0.9, "nesterov": 1}),
    (bp.Adam(0.01, l1=0.3), optim.Adam, {}),
    (bp.NAdam(0.01, weight_decay=0.2), optim.NAdam, {"decoupled_weight_decay": True}),
    (bp.RAdam(0.01, weight_decay=0.2, l1=0.1), optim.RAdam, {"decoupled_weight_decay": True}),
    (bp.AdamW(0.01), optim.AdamW, {}),
    (bp.AdamW(0.01, weight_decay=0.5, l2=0.2), optim.AdamW, {}),
    (bp.Lion(0.001, weight_decay=0.5, l1=0.1), PaperLion, {}),
]


@pytest.mark.parametrize(("ours", "theirs", "settings"), DECAYED, ids=str)
def test_decay_of_weights(ours, theirs, settings):
    def make(weights, biases):
        groups = [
            {"params": weights, "weight_decay": ours.weight_decay},
            {"params": biases, "weight_decay": 0.0},
        ]
        return theirs(groups, lr=ours.learning_rate, **settings)

    def penalty(weights):
        return sum(ours.l2 / 2 * (w**2).sum() + ours.l1 * w.abs().sum() for w in weights)

    assert_equal_paths(ours, make, penalty)


def limit_norm(parameters):
    torch.nn.utils.clip_grad_norm_(parameters, 0.3)


def limit_value(parameters):
    torch.nn.utils.clip_grad_value_(parameters, 0.05)


def limit_both(parameters):
    limit_value(parameters)
    limit_norm(parameters)


@pytest.mark.parametrize(
    ("ours", "theirs", "settings", "clip"),
    [
        (bp.SGD(0.1, clip_norm=0.3), optim.SGD, {}, limit_norm),
        (bp.SGD(0.1, 0.9, clip_value=0.05), optim.SGD, {"momentum": 0.9}, limit_value),
        (bp.Adam(0.01, clip_norm=0.3), optim.Adam, {}, limit_norm),
        (
            bp.Adam(0.01, clip_value=0.05, clip_norm=0.3),
            optim.Adam,
            {},
            limit_both,
        ),
        (bp.Rprop(clip_value=0.05), optim.Rprop, {}, limit_value),
    ],
    ids=str,
)
def test_clipping(ours, theirs, settings, clip):
    settings = {"lr": ours.learning_rate, **settings}
    assert_equal_paths(ours, lambda w, b: theirs([*w, *b], **settings), clip=clip)


def test_accumulated_gradients():
    """Four batches a step, whose cost is a quarter of each; the last of an epoch has fewer."""
    net, rows = network(bp.Adam(0.01, accumulate=4, clip_norm=0.3)), list(batches())
    X, y = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    weights, biases = parameters_of(net)
    theirs = optim.Adam([*weights, *biases], lr=0.01)
    net.fit(X, y, epochs=1, batch_size=16, shuffle=False)
    for start in range(0, STEPS, 4):
        step = rows[start : start + 4]
        theirs.zero_grad()
        for batch in step:
            (cost(weights, biases, *batch) / len(step)).backward()
        limit_norm([*weights, *biases])
        theirs.step()
    assert net.steps == 13
    assert_equal_parameters(net, weights, biases)


@pytest.mark.parametrize("decay", [0.9, 0.999])
def test_moving_averages(decay):
    net = network(bp.Adam(0.01, average=bp.EMA(decay)))
    weights, biases = parameters_of(net)
    holder = torch.nn.ParameterList([*weights, *biases])
    step = torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
    averaged = torch.optim.swa_utils.AveragedModel(holder, multi_avg_fn=step)
    theirs = optim.Adam(holder.parameters(), lr=0.01)
    for X, y in batches():
        net.train_step(X, y)
        theirs.zero_grad()
        cost(list(holder)[:2], list(holder)[2:], X, y).backward()
        theirs.step()
        averaged.update_parameters(holder)
    own = list(averaged.module)
    assert_equal_parameters(net.averaged(), own[:2], own[2:])
    assert_equal_parameters(net, list(holder)[:2], list(holder)[2:])


def test_means_of_epochs():
    """Ten epochs of five batches, of which those from the fourth on count."""
    net, rows = network(bp.SGD(0.1, 0.9, average=bp.SWA(3))), list(batches())[:5]
    X, y = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    weights, biases = parameters_of(net)
    holder = torch.nn.ParameterList([*weights, *biases])
    averaged = torch.optim.swa_utils.AveragedModel(holder)
    theirs = optim.SGD(holder.parameters(), lr=0.1, momentum=0.9)
    net.fit(X, y, epochs=10, batch_size=16, shuffle=False)
    for epoch in range(10):
        for batch in rows:
            theirs.zero_grad()
            cost(list(holder)[:2], list(holder)[2:], *batch).backward()
            theirs.step()
        if epoch >= 3:
            averaged.update_parameters(holder)
    own = list(averaged.module)
    assert_equal_parameters(net.averaged(), own[:2], own[2:])


def test_largest_norms():
    """PyTorch's renorm divides by the norm + 1e-7; the paper and Keras project, as here."""
    optimizer, most, exceeded = bp.Adam(0.05), 0.6, 0
    layers = [bp.Dense(7, "tanh", max_norm=most), bp.Dense(2)]
    net = bp.Network(5, layers, "squared_error", optimizer, dtype="float64", seed=4)
    weights, biases = parameters_of(net)
    theirs = optim.Adam([*weights, *biases], lr=0.05)
    for X, y in batches():
        net.train_step(X, y)
        theirs.zero_grad()
        cost(weights, biases, X, y).backward()
        theirs.step()
        with torch.no_grad():
            norms = torch.linalg.vector_norm(weights[0], dim=0)
            exceeded += int((norms > most).sum())
            weights[0] *= torch.clamp(most / norms, max=1)
    assert exceeded > STEPS
    assert_equal_parameters(net, weights, biases)


def test_every_optimizer_has_a_pair():
    assert {type(ours) for ours, *_ in [*PAIRS, *DECAYED]} == {*OPTIMIZERS.values()}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (bp.NAdam, optim.NAdam),
        (bp.RAdam, optim.RAdam),
        (bp.Adamax, optim.Adamax),
        (bp.RMSprop, optim.RMSprop),
        (bp.Adagrad, optim.Adagrad),
        (bp.Adadelta, optim.Adadelta),
        (bp.Rprop, optim.Rprop),
    ],
)
def test_defaults(ours, theirs):
    its = theirs([torch.zeros(1)]).defaults
    names = {"learning_rate": "lr", "epsilon": "eps"}
    pairs = {"beta_1": ("betas", 0), "beta_2": ("betas", 1)}
    pairs |= {"eta_minus": ("etas", 0), "eta_plus": ("etas", 1)}
    pairs |= {"least_step": ("step_sizes", 0), "most_step": ("step_sizes", 1)}
    for field in fields(ours):
        name = names.get(field.name, field.name)
        if field.name in pairs:
            outer, place = pairs[field.name]
            assert field.default == its[outer][place]
        elif name in its:
            assert field.default == its[name], field.name
