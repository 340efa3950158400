"""Schedules: their curves, those of PyTorch's, and that training follows them and goes on."""

import pickle

import numpy as np
import pytest

import backprop as bp
from backprop import reference
from backprop.catalogue.schedules import SCHEDULES, described_schedule

SOME = [
    bp.Constant(0.5),
    bp.StepDecay(3, 0.5),
    bp.ExponentialDecay(0.9),
    bp.PolynomialDecay(9, 2.0, 0.1),
    bp.InverseScaling(),
    bp.Cosine(9, 0.1),
    bp.Cosine(3, restarts=True, growth=2),
    bp.Warmup(4, bp.Cosine(7)),
    bp.OneCycle(11),
    bp.CosLog(11),
]
each = pytest.mark.parametrize("schedule", SOME, ids=str)


def network(schedule, kind=bp.Network, **options):
    layers = [bp.Dense(5, "tanh"), bp.Dense(2)]
    optimizer = bp.AdamW(0.05, schedule=schedule)
    return kind(3, layers, "squared_error", optimizer, dtype="float64", seed=4, **options)


def data(n=20):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3)), rng.normal(size=(n, 2))


def weights(net):
    return np.concatenate([layer.weights.ravel() for layer in net.layers])


def test_every_schedule_is_tested_and_public():
    assert {type(schedule) for schedule in SOME} == {*SCHEDULES.values()}
    for name, kind in SCHEDULES.items():
        assert getattr(bp, name) is kind
        assert name in bp.__all__
        assert kind.advice
        assert kind.formula


@each
def test_a_curve_is_the_factors(schedule):
    curve = schedule.curve(15, 0.2)
    np.testing.assert_array_equal(curve, [0.2 * schedule.factor(t) for t in range(15)])
    assert np.isfinite(curve).all()
    assert (curve >= 0).all()


@each
def test_descriptions_and_pickles(schedule):
    assert described_schedule(schedule.description) == schedule
    assert pickle.loads(pickle.dumps(schedule)) == schedule


@each
@pytest.mark.parametrize("shuffle", [True, False])
def test_training_is_the_references(schedule, shuffle):
    X, y = data()
    fast, exact = network(schedule), network(schedule, reference.Network)
    for net in (fast, exact):
        net.fit(X, y, epochs=3, batch_size=6, shuffle=shuffle)
        net.train_step(X, y)
    np.testing.assert_allclose(weights(fast), weights(exact), rtol=1e-10)


@each
def test_training_goes_on_with_the_rates_it_would_have_had(schedule, tmp_path):
    X, y = data()
    whole, parts = network(schedule), network(schedule, n_threads=2)
    whole.fit(X, y, epochs=4, batch_size=6)
    parts.fit(X, y, epochs=1, batch_size=6)
    parts = pickle.loads(pickle.dumps(parts))
    parts.fit(X, y, epochs=1, batch_size=6)
    parts.save(tmp_path / "net.safetensors")
    parts = bp.Network.load(tmp_path / "net.safetensors")
    assert parts.optimizer == whole.optimizer
    parts.fit(X, y, epochs=2, batch_size=6, callbacks=[lambda net, history: None])
    assert weights(parts).tobytes() == weights(whole).tobytes()


def test_per_epoch():
    X, y = data()
    schedule = bp.StepDecay(1, 0.0, per="epoch")  # the first epoch alone has a rate
    net, other = network(schedule), network(None)
    net.fit(X, y, epochs=3, batch_size=6)
    other.fit(X, y, epochs=1, batch_size=6)
    np.testing.assert_array_equal(weights(net), weights(other))
    assert schedule.curve(5, 2.0, steps_per_epoch=3).tolist() == [2, 2, 2, 0, 0]


def test_update_follows_the_schedule():
    X, y = data()
    one, other = network(bp.ExponentialDecay(0.5)), network(bp.ExponentialDecay(0.5))
    for _ in range(3):
        one.train_step(X, y)
        other.backward((other.forward(X) - y) / len(X))
        other.update()
    one.optimizer = other.optimizer = bp.SGD(1.0)
    np.testing.assert_allclose(weights(one), weights(other), rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: bp.SGD(schedule=3), TypeError, "schedule=3"),
        (lambda: bp.Cosine(0), ValueError, "steps=0"),
        (lambda: bp.Cosine(3, per="day"), ValueError, "per='day'"),
        (lambda: bp.Cosine(T_max=3), TypeError, "did you mean 'steps'"),
        (lambda: bp.Warmup(3, 4), TypeError, "then=4"),
        (lambda: bp.Warmup(3, bp.Cosine(3, per="epoch")), ValueError, "then is per 'epoch'"),
        (lambda: bp.ExponentialDecay(1.5), ValueError, "ratio=1.5"),
    ],
)
def test_what_is_refused(make, error, words):
    with pytest.raises(error) as caught:
        make()
    assert words in str(caught.value)


PARITY = [
    (bp.StepDecay(4, 0.3), "StepLR", {"step_size": 4, "gamma": 0.3}),
    (bp.ExponentialDecay(0.9), "ExponentialLR", {"gamma": 0.9}),
    (bp.PolynomialDecay(20, 1.5), "PolynomialLR", {"total_iters": 20, "power": 1.5}),
    (bp.Cosine(29, 0.1), "CosineAnnealingLR", {"T_max": 29, "eta_min": 0.1}),
    (
        bp.Cosine(4, 0.1, restarts=True, growth=2),
        "CosineAnnealingWarmRestarts",
        {"T_0": 4, "T_mult": 2, "eta_min": 0.1},
    ),
    (bp.Warmup(6, start=0.25), "LinearLR", {"start_factor": 0.25, "total_iters": 6}),
    (bp.OneCycle(30), "OneCycleLR", {"max_lr": 1.0, "total_steps": 30}),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("schedule", "theirs", "settings"), PARITY, ids=str)
def test_curves_of_pytorch(schedule, theirs, settings):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    follows = getattr(torch.optim.lr_scheduler, theirs)(optimizer, **settings)
    found = []
    for _ in range(29):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        follows.step()
    np.testing.assert_allclose(schedule.curve(29), found, rtol=1e-12, atol=1e-14)
