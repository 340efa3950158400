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
    bp.OnPlateau(0.5, patience=0, threshold=0.05),
    bp.Warmup(2, bp.OnPlateau(0.5, patience=0, threshold=0.05)),
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


# ---- on plateau --------------------------------------------------------------------------------

LOSSES = [
    3,
    2,
    2,
    2,
    1.9999,
    2,
    1,
    1,
    1,
    1,
    float("nan"),
    1,
    0.5,
    0.6,
    0.7,
    0.8,
    0.6,
    0.49,
    0.6,
    0.6,
]
PLATEAUS = [
    bp.OnPlateau(0.5, patience=1),
    bp.OnPlateau(0.1, patience=0, cooldown=2),
    bp.OnPlateau(0.3, patience=2, threshold=0.2, end=0.05),
    bp.OnPlateau(0.3, patience=0, threshold=0.0, end=0.05),
]


def told(schedule, losses):
    """The factors before each epoch, and the last state."""
    state, found = schedule.begin(), []
    for loss in losses:
        found.append(schedule.factor_at(0, state))
        state = schedule.check_state(schedule.told(state, loss))
    return found, state


def test_a_plateau_by_hand():
    schedule = bp.OnPlateau(0.5, patience=1, threshold=0.1, cooldown=1)
    #          best: 4  no  2  no: 1.9 is not below 1.8   no: more than one epoch  cools  1  1
    factors, state = told(schedule, [4, 5, 2, 1.9, 1.9, 1.9, 1.9, 1.9, 1.0])
    assert factors == [1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    assert state == {"factor": 0.25, "best": 1.0, "epochs_without": 0, "cooling": 0}
    assert told(schedule, [float("inf"), float("nan")])[1]["best"] is None
    falling = told(bp.OnPlateau(patience=0), [-1.0, -1.1, -1.2])[1]  # of a loss below 0
    assert falling["factor"] == 1
    assert told(bp.OnPlateau(patience=0), [-1.0, -0.99995])[1]["factor"] == 0.1


@pytest.mark.parametrize("schedule", PLATEAUS, ids=str)
def test_plateaus_of_pytorch(schedule):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    follows = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        factor=schedule.ratio,
        patience=schedule.patience,
        threshold=schedule.threshold,
        cooldown=schedule.cooldown,
        min_lr=schedule.end,
        eps=0,
    )
    expected = []
    for loss in LOSSES:
        expected.append(optimizer.param_groups[0]["lr"])
        follows.step(loss)
    found, _ = told(schedule, LOSSES)
    assert len(set(found)) > 2
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_fit_tells_the_validation_loss_or_that_of_training():
    X, y = data()
    schedule = bp.OnPlateau(0.5, patience=0, threshold=0.02)
    for validation in (None, (X[:7], -y[:7])):
        net, seen = network(schedule), []
        history = net.fit(
            X,
            y,
            epochs=8,
            batch_size=6,
            validation_data=validation,
            callbacks=[lambda net, history, seen=seen: seen.append(net.schedule_state["factor"])],
        )
        factors, state = told(schedule, history.validation_loss if validation else history.loss)
        assert seen == [*factors[1:], state["factor"]]
        assert state["factor"] < 1
        assert net.schedule_state == state


def test_a_reduced_rate_is_the_rate_of_the_step():
    X, y = data()
    one, other = network(bp.OnPlateau(0.5)), network(None)
    one.schedule_state = {**one.schedule_state, "factor": 0.5}
    other.optimizer = bp.AdamW(0.025)
    for net in (one, other):
        net.fit(X, y, epochs=2, batch_size=6)
    assert weights(one).tobytes() == weights(other).tobytes()
    assert one.explain(X, y).rate == 0.025


def test_whose_state_it_is():
    net = network(bp.OnPlateau(0.5))
    state = {"factor": 0.25, "best": 1.5, "epochs_without": 2, "cooling": 1}
    net.schedule_state = state
    assert net.copy().schedule_state == pickle.loads(pickle.dumps(net)).schedule_state == state
    net.optimizer = bp.Adam(0.1, schedule=bp.OnPlateau(0.5))
    assert net.schedule_state == state
    net.optimizer = bp.Adam(0.1, schedule=bp.OnPlateau(0.6))
    assert net.schedule_state == bp.OnPlateau(0.6).begin()
    net.optimizer = bp.Adam(0.1)
    assert net.schedule_state is None


@pytest.mark.parametrize(
    ("schedule", "state"),
    [
        (bp.OnPlateau(), None),
        (bp.OnPlateau(), {}),
        (bp.OnPlateau(), {"factor": 1.0, "best": None, "epochs_without": 0, "cooling": -1}),
        (bp.OnPlateau(), {"factor": -1.0, "best": None, "epochs_without": 0, "cooling": 0}),
        (bp.Cosine(3), {"factor": 1.0}),
        (None, {"factor": 1.0}),
    ],
)
def test_a_state_that_is_none(schedule, state):
    net = network(schedule)
    with pytest.raises(ValueError, match="expected"):
        net.schedule_state = state


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
