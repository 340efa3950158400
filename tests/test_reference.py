"""The plain numpy network: against central differences, numbers worked out by hand, and itself."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from networks import CATALOGUED as LOSSES
from networks import every_optimizer, last_activation, soft_targets, tamed

from backprop import reference as ref
from backprop import reference_data
from backprop import reference_random as draws
from backprop.catalogue.activations import ACTIVATIONS
from backprop.catalogue.optimizers import SGD, Adam
from backprop.layers import Dense

OPTIMIZERS = every_optimizer(
    sgd=SGD(0.1),
    momentum=SGD(0.05, momentum=0.9),
    nesterov=SGD(0.05, 0.9, nesterov=True),
    adam=Adam(0.01),
).values()


def samples(loss, n=9, n_inputs=4, n_outputs=3, seed=5):
    """X, y and sample weights."""
    rng = np.random.default_rng(seed)
    y = soft_targets(loss, rng.normal(size=(n, n_outputs)))
    return rng.normal(size=(n, n_inputs)), y, rng.uniform(0.2, 2, n)


def network(loss, activation="tanh", last=None, **settings):
    """4-5-6-3, the biases not 0."""
    last = last or last_activation(loss, activation)
    layers = [Dense(5, activation), Dense(6, activation), Dense(3, last)]
    net = ref.Network(4, layers, loss, **{"dtype": "float64", "seed": 11} | settings)
    rng = np.random.default_rng(12)
    for layer in net.layers:
        layer.bias[...] = rng.uniform(-0.5, 0.5, layer.units)
    return tamed(net)


def central_differences(f, x, h=1e-5):
    """df/dx for each element of x, which is moved in place and put back."""
    found = np.empty_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        x[i] = kept + h
        above = f()
        x[i] = kept - h
        found[i] = (above - f()) / (2 * h)
        x[i] = kept
    return found


def assert_same_gradient(found, expected):
    size = np.linalg.norm(expected)
    assert size > 1e-4  # two gradients of 0 would agree and show nothing
    assert np.linalg.norm(found - expected) <= 1e-6 * size


def parameters(net):
    return [array.copy() for layer in net.layers for array in (layer.weights, layer.bias)]


def assert_same_parameters(one, other, tolerance=0.0):
    for a, b in zip(parameters(one), parameters(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# ---- random numbers ----


def test_splitmix_gives_the_published_numbers():
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert draws.random_words(1234567, 5).tolist() == expected


def test_mix64_of_an_array_is_mix64_of_each_element():
    words = [0, 1, 2**63, 2**64 - 1, 0x0123456789ABCDEF]
    assert draws.mix64(np.array(words, np.uint64)).tolist() == [draws.mix64(word) for word in words]


def test_streams_differ():
    states = {draws.stream(*at) for at in itertools.product([0, 1, 2**64 - 1], [1, 2], range(5))}
    assert len(states) == 30


def test_uniform_lies_in_the_unit_interval_evenly():
    u = draws.uniform(draws.stream(3, 1, 0), 100_000)
    assert 0 <= u.min() < 1e-3
    assert 1 - 1e-3 < u.max() < 1
    assert np.abs(np.histogram(u, 10, (0, 1))[0] - 10_000).max() < 500  # 5 standard deviations


@pytest.mark.parametrize("n", [0, 1, 2, 7, 1000])
def test_shuffle_is_a_permutation(n):
    order = draws.shuffle(draws.stream(0, 2, 0), n)
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(n))


def test_shuffle_favours_no_permutation():
    counts = dict.fromkeys(itertools.permutations(range(4)), 0)
    for epoch in range(4800):
        counts[tuple(draws.shuffle(draws.stream(0, 2, epoch), 4).tolist())] += 1
    chi_square = sum((count - 200) ** 2 / 200 for count in counts.values())
    assert chi_square < 49.7  # 23 degrees of freedom: exceeded once in a thousand


def test_shuffle_scales_a_word_by_its_high_half():
    for epoch in range(20):
        state = draws.stream(1, 2, epoch)
        (word,) = draws.random_words(state, 1).tolist()
        expected = [1, 0] if word < 2**63 else [0, 1]
        assert draws.shuffle(state, 2).tolist() == expected


@pytest.mark.parametrize(("activation", "limit"), [("relu", (6 / 30) ** 0.5), ("tanh", 0.1**0.5)])
def test_initial_weights_fill_their_range(activation, limit):
    scheme = Dense(30, activation).initial_weights
    w = draws.initial_weights(7, 0, 30, 30, scheme, "float64")
    assert 0.98 * limit < np.abs(w).max() < limit
    assert abs(w.mean()) < 0.05 * limit
    first = (2 * draws.uniform(draws.stream(7, 1, 0), 31)[30] - 1) * limit
    assert w[1, 0] == pytest.approx(first, rel=1e-15)  # row by row
    narrow = draws.initial_weights(7, 0, 30, 30, scheme, "float32")
    assert np.array_equal(narrow, w.astype("float32"))


def test_layers_and_seeds_draw_their_own_weights():
    one, other = (ref.Network(5, [Dense(5), Dense(5)], seed=seed) for seed in (0, 1))
    drawn = [layer.weights for net in (one, other) for layer in net.layers]
    assert len({w.tobytes() for w in drawn}) == 4
    again = ref.Network(5, [Dense(5), Dense(5)], seed=0)
    assert_same_parameters(one, again)


# ---- activations ----


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_of_activation_is_its_slope(name):
    f, values = ACTIVATIONS[name], ACTIVATIONS[name].settings.values()
    z = np.linspace(-4, 4, 40)  # no kink is among them
    slope = (f.value(z + 1e-5, *values) - f.value(z - 1e-5, *values)) / 2e-5
    found = f.derivative(z, f.value(z, *values), *values)
    np.testing.assert_allclose(found, slope, rtol=1e-7, atol=1e-9)


def test_relu_at_zero_and_at_nan():
    relu = ACTIVATIONS["relu"]
    assert relu.value(np.array([0.0, -1.0, 2.0])).tolist() == [0, 0, 2]
    assert relu.derivative(np.array([0.0]), np.array([0.0])).tolist() == [0]
    assert np.isnan(relu.value(np.array([np.nan]))).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.filterwarnings("error")
def test_activations_are_stable_and_keep_the_dtype(name, dtype):
    z = np.array([-1e30, -1e4, -1, 0, 1, 1e4, 1e30], dtype)
    f, values = ACTIVATIONS[name], ACTIVATIONS[name].settings.values()
    a = f.value(z, *values)
    slope = f.derivative(z, a, *values)
    assert a.dtype == slope.dtype == np.dtype(dtype)
    finite = z <= (f.overflows_above or np.inf)
    assert np.isfinite(a).tolist() == np.isfinite(slope).tolist() == finite.tolist()
    if name == "sigmoid":
        assert a[[0, 3, 6]].tolist() == [0, 0.5, 1]


# ---- losses ----


def test_losses_equal_their_definitions():
    rng = np.random.default_rng(0)
    a, y = rng.normal(size=(6, 3)), rng.dirichlet(np.ones(3), 6)
    p = 1 / (1 + np.exp(-a))
    q = np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)
    expected = {
        "squared_error": (0.5 * (a - y) ** 2).sum(axis=1),
        "sigmoid_cross_entropy": -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(axis=1),
        "softmax_cross_entropy": -(y * np.log(q)).sum(axis=1),
    }
    for name, losses in expected.items():
        np.testing.assert_allclose(LOSSES[name].value(a, y), losses, rtol=1e-13)


@pytest.mark.parametrize("loss", LOSSES)
def test_derivative_of_loss_is_its_slope(loss):
    """For any y, rows that do not sum to 1 included."""
    rng = np.random.default_rng(1)
    a, y = rng.normal(size=(5, 3)), rng.uniform(size=(5, 3))
    slope = central_differences(lambda: LOSSES[loss].value(a, y).sum(), a)
    assert_same_gradient(LOSSES[loss].derivative(a, y), slope)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e4, 1e30])
@pytest.mark.parametrize("loss", ["sigmoid_cross_entropy", "softmax_cross_entropy"])
@pytest.mark.filterwarnings("error")
def test_cross_entropies_are_stable(loss, size, dtype):
    a = np.array([[size, -size], [-size, size], [size, size], [-size, -size]], dtype)
    y = np.array([[1, 0]] * 4, dtype)
    losses, slope = LOSSES[loss].value(a, y), LOSSES[loss].derivative(a, y)
    expected = {
        "sigmoid_cross_entropy": ([0, 2, 1, 1], [[0, 0], [-1, 1], [0, 1], [-1, 0]]),
        "softmax_cross_entropy": ([0, 2, 0, 0], [[0, 0], [-1, 1], [-0.5, 0.5], [-0.5, 0.5]]),
    }[loss]
    np.testing.assert_allclose(losses / size, expected[0], rtol=1e-6, atol=1 / size)
    assert slope.tolist() == expected[1]
    assert slope.dtype == np.dtype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("error")
def test_softmax_takes_the_largest_finite_logits(dtype):
    top = np.finfo(dtype).max
    a, y = np.array([[top, -top]], dtype), np.array([[1, 0]], dtype)
    loss = LOSSES["softmax_cross_entropy"]
    assert loss.link(a).tolist() == [[1, 0]]
    assert loss.value(a, y).tolist() == [0]


def test_cost_is_the_weighted_mean_of_the_losses():
    a, y = np.array([[1.0], [3.0]]), np.array([[0.0], [0.0]])
    cost, da = ref.cost_and_derivative(LOSSES["squared_error"], a, y, np.array([3.0, 1.0]))
    assert cost == pytest.approx((3 * 0.5 + 1 * 4.5) / 4)
    np.testing.assert_allclose(da, [[0.75], [0.75]])


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_of_zero_give_a_cost_and_gradient_of_zero(loss):
    X, y, _ = samples(loss)
    cost, gradients = network(loss).loss_and_gradients(X, y, np.zeros(len(X)))
    assert cost == 0
    assert not any(part.any() for gradient in gradients for part in gradient)


# ---- the chain rule ----


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_equal_central_differences(activation, loss, weighted):
    X, y, weight = samples(loss, n=11)
    net, weight = network(loss, activation), weight if weighted else None
    _, gradients = net.loss_and_gradients(X, y, weight)
    for layer, gradient in zip(net.layers, gradients, strict=True):
        for name in ("weights", "bias"):
            moved = getattr(layer, name)
            slope = central_differences(lambda: net.loss_and_gradients(X, y, weight)[0], moved)
            assert_same_gradient(getattr(gradient, name), slope)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_backward_reaches_the_inputs(activation):
    """For a loss of the caller's own, sum of c a², through the scaling of the inputs."""
    X, _, _ = samples("squared_error")
    net = network("squared_error", activation, input_offset=0.3, input_scale=[1, 2, -3, 0.5])
    c = np.random.default_rng(2).normal(size=(len(X), 3))
    slope = central_differences(lambda: (c * net.forward(X) ** 2).sum(), X)
    assert_same_gradient(net.backward(2 * c * net.forward(X)), slope)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dense_backward_sums_the_three_factors(activation):
    rng = np.random.default_rng(3)
    x, w, b, da = (rng.normal(size=shape) for shape in [(4, 2), (2, 3), 3, (4, 3)])
    spec = Dense(3, activation)
    layer = ref.new_layer(spec, w, "float64")
    layer.bias[...] = b
    a, passed = ref.layer_forward(layer, x, 1, 0, training=True)
    dx, (d_weights, d_bias) = ref.layer_backward(layer, da, passed)
    slope = spec.function.derivative(passed.z, a, *layer.activation_values())
    for i, j in np.ndindex(2, 3):
        terms = [da[s, j] * slope[s, j] * x[s, i] for s in range(4)]
        assert d_weights[i, j] == pytest.approx(sum(terms), rel=1e-12)
    for j in range(3):
        assert d_bias[j] == pytest.approx(sum(da[s, j] * slope[s, j] for s in range(4)), rel=1e-12)
    for s, i in np.ndindex(4, 2):
        terms = [da[s, j] * slope[s, j] * w[i, j] for j in range(3)]
        assert dx[s, i] == pytest.approx(sum(terms), rel=1e-12)


# ---- optimizers ----


def test_sgd_steps_by_hand():
    w = np.array([1.0])
    SGD(0.1).update(w, np.array([2.0]), [], 1)
    assert w == pytest.approx(0.8)


@pytest.mark.parametrize(("nesterov", "path"), [(False, [-0.1, -0.29]), (True, [-0.19, -0.461])])
def test_momentum_steps_by_hand(nesterov, path):
    w, velocity = np.zeros(1), np.zeros(1)
    for expected, expected_velocity in zip(path, [-0.1, -0.19], strict=True):
        SGD(0.1, 0.9, nesterov).update(w, np.ones(1), [velocity], 1)
        assert w == pytest.approx(expected, rel=1e-14)
        assert velocity == pytest.approx(expected_velocity, rel=1e-14)


def test_adam_steps_by_hand():
    w, m, v = np.ones(1), np.zeros(1), np.zeros(1)
    adam = Adam(0.1, beta_1=0.9, beta_2=0.999, epsilon=0.5)
    adam.update(w, np.array([2.0]), [m, v], 1)
    assert (m, v) == (pytest.approx(0.2), pytest.approx(0.004))
    assert w == pytest.approx(1 - 0.1 * 2 / (2 + 0.5))  # the corrected moments are 2 and 4
    adam.update(w, np.array([-1.0]), [m, v], 2)
    assert (m, v) == (pytest.approx(0.08), pytest.approx(0.004996))
    mean, mean_square = 0.08 / 0.19, 0.004996 / 0.001999
    assert w == pytest.approx(0.92 - 0.1 * mean / (mean_square**0.5 + 0.5))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_every_optimizer_brings_the_cost_down(optimizer):
    X, y, _ = samples("squared_error")
    net = network("squared_error", last="identity", optimizer=optimizer)
    assert set(net.optimizer_state()) == set(optimizer.moments)
    before = net.evaluate(X, y)["loss"]
    net.fit(X, y, epochs=30, batch_size=4)
    assert net.evaluate(X, y)["loss"] < 0.7 * before
    assert net.steps == 30 * 3
    for moments in net.optimizer_state().values():
        assert all(moment.any() for layer in moments for moment in layer)


# ---- training ----


def test_fit_is_a_loop_of_train_steps_over_shuffled_batches():
    X, y, weight = samples("softmax_cross_entropy", n=23)
    one, other = network("softmax_cross_entropy"), network("softmax_cross_entropy")
    history = one.fit(X, y, epochs=2, batch_size=10, sample_weight=weight)
    for epoch in range(2):
        order = draws.shuffle(draws.stream(11, 2, epoch), 23)
        total = 0
        for rows in (order[:10], order[10:20], order[20:]):
            total += other.train_step(X[rows], y[rows], weight[rows]) * weight[rows].sum()
        assert history.loss[epoch] == pytest.approx(total / weight.sum(), rel=1e-14)
    assert_same_parameters(one, other)
    assert (one.epochs_trained, one.steps) == (2, 6)


def test_fit_goes_on_where_it_stopped():
    X, y, _ = samples("squared_error", n=23)
    one, other = network("squared_error"), network("squared_error")
    loss = one.fit(X, y, epochs=3, batch_size=5).loss
    parts = (
        other.fit(X, y, epochs=1, batch_size=5).loss + other.fit(X, y, epochs=2, batch_size=5).loss
    )
    assert loss == parts
    assert_same_parameters(one, other)


@pytest.mark.parametrize("shuffle", [False, True])
def test_epoch_loss_counts_every_sample_once(shuffle):
    X, y, weight = samples("sigmoid_cross_entropy", n=23)
    net = network("sigmoid_cross_entropy", optimizer=SGD(1e-30))
    loss = net.fit(X, y, epochs=1, batch_size=7, sample_weight=weight, shuffle=shuffle).loss[0]
    assert loss == pytest.approx(net.evaluate(X, y, weight)["loss"], rel=1e-14)


def test_labels_equal_one_hot_rows():
    X, _, _ = samples("softmax_cross_entropy")
    labels = np.arange(9) % 3
    one, other = network("softmax_cross_entropy"), network("softmax_cross_entropy")
    assert one.fit(X, labels).loss == other.fit(X, np.eye(3, dtype=int)[labels]).loss
    assert_same_parameters(one, other)
    assert one.evaluate(X, labels) == one.evaluate(X, np.eye(3)[labels])


@pytest.mark.parametrize("loss", LOSSES)
def test_a_sample_of_weight_two_is_two_samples(loss):
    X, y, _ = samples(loss)
    copies = np.array([2, 0, 1, 1, 3, 1, 1, 0, 1])
    net = network(loss)
    cost, gradients = net.loss_and_gradients(X, y, copies)
    again, repeated = net.loss_and_gradients(np.repeat(X, copies, 0), np.repeat(y, copies, 0))
    assert cost == pytest.approx(again, rel=1e-14)
    for a, b in zip(gradients, repeated, strict=True):
        np.testing.assert_allclose(a.weights, b.weights, rtol=1e-10, atol=1e-15)
        np.testing.assert_allclose(a.bias, b.bias, rtol=1e-10, atol=1e-15)
    scores, same = (
        net.evaluate(X, y, copies),
        net.evaluate(X.repeat(copies, 0), y.repeat(copies, 0)),
    )
    assert scores == pytest.approx(same, rel=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_forward_backward_update_is_a_train_step(loss):
    X, y, _ = samples(loss)
    one, other = network(loss), network(loss)
    one.train_step(X, y)
    a = other.forward(X)
    other.backward(LOSSES[loss].derivative(a, y) / len(X))
    _, gradients = other.loss_and_gradients(X, y)
    for kept, expected in zip(other.gradients(), gradients, strict=True):
        np.testing.assert_allclose(kept.weights, expected.weights, rtol=1e-12, atol=1e-15)
    other.update()
    assert other.steps == 1
    assert_same_parameters(one, other, 1e-9)


def test_forward_gives_away_a_copy():
    X, _, _ = samples("squared_error")
    net = network("squared_error", "sigmoid")
    expected = net.backward(net.forward(X))
    out = net.forward(X)
    kept = out.copy()
    out[...] = 0
    assert np.array_equal(net.backward(kept), expected)


def test_xor_is_learnt():
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    layers = [Dense(4, "tanh"), Dense(1)]
    net = ref.Network(2, layers, "sigmoid_cross_entropy", Adam(0.05), "float32", seed=0)
    net.fit(X, [0, 1, 1, 0], epochs=200, batch_size=4)
    assert net.evaluate(X, [0, 1, 1, 0])["accuracy"] == 1
    assert np.abs(net.predict(X)[:, 0] - [0, 1, 1, 0]).max() < 0.1


def test_callbacks_and_validation():
    X, y, _ = samples("softmax_cross_entropy")
    net = network("softmax_cross_entropy")
    seen = []
    callbacks = [
        lambda net, history: net.epochs_trained == 2,
        lambda net, history: seen.append(len(history.validation_loss)),
    ]
    history = net.fit(X, y, epochs=5, validation_data=(X, y), callbacks=callbacks)
    assert seen == [1, 2]
    assert len(history.loss) == len(history.seconds) == len(history.validation_accuracy) == 2
    assert history.validation_loss[-1] == net.evaluate(X, y)["loss"]
    assert history.samples_per_second > 0


# ---- the user's arrays ----


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_of_the_users_is_modified_and_the_dtype_is_kept(loss, dtype):
    arrays = samples(loss)
    copies = [array.copy() for array in arrays]
    for array in arrays:
        array.setflags(write=False)
    X, y, weight = arrays
    net = network(loss, dtype=dtype, input_offset=X.mean(axis=0), input_scale=2)
    net.fit(X, y, epochs=2, batch_size=4, sample_weight=weight, validation_data=(X, y))
    _, gradients = net.loss_and_gradients(X, y, weight)
    d_out = net.forward(X)
    d_out.setflags(write=False)
    results = [net.predict(X), net.predict(X, logits=True), net.backward(d_out), d_out]
    results += [part for gradient in gradients for part in gradient]
    results += [m for layers in net.optimizer_state().values() for layer in layers for m in layer]
    results += parameters(net)
    assert {array.dtype for array in results} == {np.dtype(dtype)}
    for array, copy in zip(arrays, copies, strict=True):
        assert np.array_equal(array, copy)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool", "float32"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_inputs_are_scaled_as_they_are_gathered(dtype, order):
    X = np.asarray(np.random.default_rng(0).integers(0, 250, (9, 4)), dtype, order=order)
    _, y, _ = samples("squared_error")
    scaled = (X.astype(float) - 3) * [0.1, 0.2, 0.3, 0.4]
    one = network("squared_error", input_offset=3, input_scale=[0.1, 0.2, 0.3, 0.4])
    other = network("squared_error")
    assert one.fit(X, y).loss == other.fit(scaled, y).loss
    assert np.array_equal(one.predict(X), other.predict(scaled))


def test_backward_does_not_depend_on_what_becomes_of_the_inputs():
    X, _, _ = samples("squared_error")
    net = network("squared_error")
    d_out = net.forward(X)
    net.backward(d_out)
    expected = net.gradients()[0].weights
    X[...] = 0
    net.backward(d_out)
    assert np.array_equal(net.gradients()[0].weights, expected)


def test_float32_follows_float64():
    X, y, weight = samples("softmax_cross_entropy")
    wide, narrow = (network("softmax_cross_entropy", dtype=t) for t in ("float64", "float32"))
    cost, gradients = wide.loss_and_gradients(X, y, weight)
    narrow_cost, narrow_gradients = narrow.loss_and_gradients(X, y, weight)
    assert narrow_cost == pytest.approx(cost, rel=1e-6)
    for a, b in zip(gradients, narrow_gradients, strict=True):
        assert np.linalg.norm(a.weights - b.weights) < 1e-6 * np.linalg.norm(a.weights)


# ---- what comes out ----


def test_predictions():
    X, _, _ = samples("softmax_cross_entropy")
    for loss, of_logits in [
        ("softmax_cross_entropy", lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)),
        ("sigmoid_cross_entropy", lambda z: 1 / (1 + np.exp(-z))),
    ]:
        net = network(loss)
        assert np.array_equal(net.predict(X, logits=True), net.forward(X))
        np.testing.assert_allclose(net.predict(X), of_logits(net.forward(X)), rtol=1e-14)
    net = network("squared_error", "tanh")
    assert np.array_equal(net.predict(X), net.forward(X))
    assert np.array_equal(np.tanh(net.predict(X, logits=True)), net.predict(X))


def test_scores_by_hand():
    a = np.array([[2.0, -1.0], [-1.0, 1.0], [3.0, 0.5]])
    y = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    weight = np.array([1.0, 2.0, 1.0])
    classes, yes_or_no = LOSSES["softmax_cross_entropy"], LOSSES["sigmoid_cross_entropy"]
    assert reference_data.accuracy(classes, a, y, weight) == 0.5
    assert reference_data.accuracy(yes_or_no, a, y, weight) == 0.5
    one_right_of_two = np.array([[1.0, 1.0]]), np.array([[1.0, 0.0]]), np.ones(1)
    assert reference_data.accuracy(yes_or_no, *one_right_of_two) == 0
    y = np.array([[1.0], [2.0], [4.0]])
    a = np.array([[1.0], [3.0], [4.0]])
    # weighted mean 9/4; residual 2; spread 25/16 + 2/16 + 49/16
    assert reference_data.r2(a, y, weight) == pytest.approx(1 - 2 / (76 / 16))
    assert np.isnan(reference_data.r2(a, np.ones((3, 1)), weight))
    two = np.hstack([a, a]), np.hstack([y, np.ones((3, 1))])  # the second never varies
    assert reference_data.r2(*two, weight) == pytest.approx(1 - 2 / (76 / 16))


# ---- what is refused ----


def test_mistakes_are_named():
    X, _, _ = samples("softmax_cross_entropy")
    net = network("softmax_cross_entropy")
    with pytest.raises(ValueError, match="loss"):
        ref.Network(4, [Dense(3)], "mean_error")
    with pytest.raises(ValueError, match="logits"):
        ref.Network(4, [Dense(3, "sigmoid")], "sigmoid_cross_entropy")
    with pytest.raises(ValueError, match="0 to 2"):
        net.train_step(X, np.arange(9) % 4)
    with pytest.raises(ValueError, match="0 to 2"):
        net.train_step(X, -(np.arange(9) % 3))
    with pytest.raises(ValueError, match="rows"):
        net.train_step(X, [0])
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        net.train_step(X, np.zeros((9, 2)))
    with pytest.raises(ValueError, match=r"X: .*\(n, 4\)"):
        net.predict(X[:, :3])
    with pytest.raises(RuntimeError, match="forward"):
        net.backward(np.zeros((9, 3)))
    with pytest.raises(RuntimeError, match="backward"):
        net.update()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_not_finite_is_an_error():
    X, y, _ = samples("squared_error")
    with pytest.raises(FloatingPointError, match=r"became (inf|nan)$"):
        network("squared_error", "identity", optimizer=SGD(1e3)).fit(X, y, epochs=100)
    X[3, 2] = np.nan
    with pytest.raises(FloatingPointError, match=r"X\[3, 2\] is nan"):
        network("squared_error").fit(X, y)
    with pytest.raises(FloatingPointError, match=r"X\[0, 2\] is nan"):
        network("squared_error").train_step(X[3:], y[3:])


# ---- beside the fast network ----


def test_reference_does_not_load_the_core():
    code = (
        "import sys, backprop.reference; print([m for m in sys.modules if 'backprop._core' in m])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
