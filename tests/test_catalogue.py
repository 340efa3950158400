"""Each entry of the catalogue is right in itself, and the rest of the library knows no names."""

import ast
import re
import runpy
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from networks import OF_FOUR, OPTIMIZERS, every_optimizer, soft_targets, written_out

import backprop as bp
from backprop.catalogue import activations, initializers, losses, optimizers, records, scores
from backprop.catalogue.activations import ACTIVATIONS
from backprop.catalogue.losses import LOSSES
from backprop.validation import check_targets

ROOT = Path(__file__).resolve().parent.parent
Z = np.linspace(-6, 6, 241) + 0.0123  # no kink is among them

each_activation = pytest.mark.parametrize("entry", ACTIVATIONS.values(), ids=list(ACTIVATIONS))
each_loss = pytest.mark.parametrize("entry", OF_FOUR.values(), ids=list(OF_FOUR))


def values(entry):
    return entry.settings.values()


# ---- activations -------------------------------------------------------------------------------


@each_activation
def test_derivative_is_the_slope_off_the_kinks(entry):
    z = np.array([z for z in Z if all(abs(z - kink) > 1e-3 for kink in entry.kinks)])
    h = 1e-5
    above, below = (entry.value(z + d, *values(entry)) for d in (h, -h))
    found = entry.derivative(z, entry.value(z, *values(entry)), *values(entry))
    np.testing.assert_allclose(found, (above - below) / (2 * h), rtol=1e-6, atol=1e-9)
    assert found.any()


@each_activation
def test_derivative_jumps_at_the_kinks_alone(entry):
    """With parameters of their own: by their defaults, elu has no kink."""
    entry = entry(**{name: value / 2 for name, value in entry.settings.items()})

    def slope(z):
        z = np.array([z])
        return float(entry.derivative(z, entry.value(z, *values(entry)), *values(entry))[0])

    for kink in entry.kinks:
        assert abs(slope(kink + 1e-9) - slope(kink - 1e-9)) > 0.01
    for z in np.linspace(-6, 6, 49):
        if z not in entry.kinks:
            assert slope(z + 1e-9) == pytest.approx(slope(z - 1e-9), abs=1e-6)


@each_activation
def test_formulas_are_what_is_computed(entry):
    symbols = {"z": Z, **entry.settings}
    a = entry.value(Z, *values(entry))
    np.testing.assert_allclose(entry.formula.evaluate(symbols), a, rtol=1e-12, atol=1e-15)
    slope = np.broadcast_to(entry.slope.evaluate({**symbols, "a": a}), Z.shape)
    found = entry.derivative(Z, a, *values(entry))
    np.testing.assert_allclose(found, slope, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each_activation
@pytest.mark.filterwarnings("error")
def test_large_numbers_and_nan(entry, dtype):
    z = np.array([-1e4, -50, 0, 50, 1e4], dtype)
    before = z.copy()
    a = entry.value(z, *values(entry))
    slope = entry.derivative(z, a, *values(entry))
    np.testing.assert_array_equal(z, before)
    assert a.dtype == slope.dtype == np.dtype(dtype)
    finite = z <= (entry.overflows_above or np.inf)
    assert np.isfinite(a).tolist() == np.isfinite(slope).tolist() == finite.tolist()
    assert np.isnan(entry.value(np.array([np.nan, 1], dtype), *values(entry))).tolist() == [1, 0]


@each_activation
def test_what_is_declared_of_slopes(entry):
    z = np.append(Z, [0.0, -40.0, 40.0])
    a = entry.value(z, *values(entry))
    slope = entry.derivative(z, a, *values(entry))
    if entry.largest_slope is not None:
        assert np.abs(slope).max() == pytest.approx(entry.largest_slope, rel=1e-3)
        assert np.abs(slope[-2:]).max() < 1e-3  # such a unit saturates
    silent = ((a == 0) & (slope == 0))[: len(Z)]  # beyond, rounding makes zeros
    below = -np.inf if entry.is_silent_below is None else entry.is_silent_below
    assert silent.tolist() == [z < below for z in Z]


@each_activation
def test_activations_of_scikit_learn_have_a_slope_that_a_alone_gives(entry):
    if entry.scikit_learn is None:
        return
    a = entry.value(Z)
    np.testing.assert_array_equal(entry.derivative(None, a), entry.derivative(Z, a))
    assert not entry.parameters  # of which scikit-learn has none


@each_activation
def test_an_activation_names_its_initial_weights(entry):
    assert entry.initial_weights in initializers.INITIALIZERS
    assert bp.Dense(3, entry.name).function is bp.Dense(3, entry).function is entry


@each_activation
def test_an_activation_says_when_to_take_it(entry):
    assert re.fullmatch(r"[A-Z][^\n|]{20,100}\.", entry.advice)


# ---- losses ------------------------------------------------------------------------------------


def samples(loss, n=7, k=4):
    rng = np.random.default_rng(4)
    return rng.normal(size=(n, k)), soft_targets(loss, rng.normal(size=(n, k)))


def central_differences(f, x, h=1e-5):
    """Of f(x) [n] by each x [n][k], which belongs to its row alone; [n][k], or [n][m][k]."""
    parts = []
    for j in range(x.shape[1]):
        step = np.zeros(x.shape[1])
        step[j] = h
        parts.append((f(x + step) - f(x - step)) / (2 * h))
    return np.stack(parts, axis=-1)


@each_loss
def test_derivative_of_a_loss_is_its_slope(entry):
    a, y = samples(entry.name)
    slope = central_differences(lambda a: entry.value(a, y, *values(entry)), a)
    found = entry.derivative(a, y, *values(entry))
    np.testing.assert_allclose(found, slope, rtol=1e-7, atol=1e-8)
    assert np.abs(found).max() > 0.1


OF_OTHER_VALUES = [
    entry(**{p.name: p.default + 0.5 if p.below is None else 0.2 for p in entry.parameters})
    for entry in LOSSES.values()
    if entry.parameters and entry.misfit is None
]


@pytest.mark.parametrize("entry", OF_OTHER_VALUES, ids=repr)
def test_losses_of_other_values(entry):
    test_derivative_of_a_loss_is_its_slope(entry)
    test_formulas_of_a_loss_are_what_is_computed(entry)
    a, y = samples(entry.name)
    assert (entry.value(a, y, *values(entry)) != entry.value(a, y)).any()  # the defaults


def test_label_smoothing_is_a_loss_of_smoothed_targets():
    """Of k classes, and of the 2 that yes and no are."""
    a, y = samples("softmax_cross_entropy")
    for name, k in (("softmax_cross_entropy", 4), ("sigmoid_cross_entropy", 2)):
        plain, smooth = LOSSES[name], LOSSES[name](label_smoothing=0.3)
        smoothed = 0.7 * y + 0.3 / k
        np.testing.assert_allclose(smooth.value(a, y, 0.3), plain.value(a, smoothed), rtol=1e-14)
        np.testing.assert_array_equal(plain.value(a, y, 0.0), plain.value(a, y))
        assert (repr(plain), repr(smooth)) == (name, f"{name}(label_smoothing=0.3)")
        for share in (-0.1, 1.0):
            with pytest.raises(ValueError, match=f"label_smoothing={share}: .* below 1"):
                plain(label_smoothing=share)


@each_loss
def test_derivative_of_a_link_is_its_slope(entry):
    a, _ = samples(entry.name)
    slopes = central_differences(entry.link, a)  # [n][output][by which a]
    for k in range(a.shape[1]):
        found = entry.link_derivative(entry.link(a), k)
        np.testing.assert_allclose(found, slopes[:, k], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each_loss
@pytest.mark.filterwarnings("error")
def test_losses_of_large_numbers_and_of_nan(entry, dtype):
    _, y = samples(entry.name, 3)
    a = np.array([[1e4, -1e4, 0, 50], [50, -50, 1e4, 1e4], [np.nan, 0, 1, 2]])
    given = a.astype(dtype), y.astype(dtype), *values(entry)
    losses, slope = entry.value(*given), entry.derivative(*given)
    assert losses.dtype == np.float64
    assert slope.dtype == entry.link(a.astype(dtype)).dtype == np.dtype(dtype)
    assert np.isnan(losses).tolist() == [False, False, True]
    within = np.abs(a[:2]) <= (entry.finite_within or np.inf)
    assert np.isfinite(losses[:2][within.all(axis=1)]).all()
    assert np.isfinite(slope[:2][within]).all()
    assert not np.isnan(slope[:2]).any()
    assert np.isnan(slope[2, 0])


@each_loss
def test_a_loss_is_least_where_the_prediction_is_the_target(entry):
    _, y = samples(entry.name, 5)
    a = np.zeros_like(y)
    for rate in np.linspace(0.2, 0, 5000):
        a -= rate * entry.derivative(a, y, *values(entry))
    if entry.is_least_at_target:
        np.testing.assert_allclose(entry.link(a), y, atol=1e-3)
    elif entry.target.is_categorical:
        assert ((a > 0) == (y > 0.5)).all()


@each_loss
def test_formulas_of_a_loss_are_what_is_computed(entry):
    assert (entry.term is None) == (entry.long_way == losses.MATRIX)
    a, y = samples(entry.name)
    found, slopes = written_out(entry, a, y)
    np.testing.assert_allclose(found, entry.value(a, y, *values(entry)), rtol=1e-13)
    np.testing.assert_allclose(slopes, entry.derivative(a, y, *values(entry)), rtol=1e-12)


@each_loss
def test_a_loss_says_when_to_take_it(entry):
    assert re.fullmatch(r"[A-Z][^\n|]{20,100}\.", entry.advice)


@pytest.mark.parametrize("score", [scores.PoissonD2, scores.GammaD2])
def test_d2_is_the_share_of_the_deviance(score):
    """Written out as deviances, of the outputs that vary; block by block."""
    rng = np.random.default_rng(3)
    y, w = rng.integers(1, 6, (20, 3)).astype(float), rng.uniform(0, 2, 20)
    a = rng.normal(size=(20, 3))
    y[:, 1] = 2.0
    deviances = {
        scores.PoissonD2: lambda y, p: y * np.log(y / p) - y + p,
        scores.GammaD2: lambda y, p: np.log(p / y) + y / p - 1,
    }
    deviance = deviances[score]
    mean = np.average(y, axis=0, weights=w)
    with np.errstate(divide="ignore"):
        exact = 1 - (w @ deviance(y, np.exp(a)) / (w @ deviance(y, mean)))[[0, 2]]
    found = score()
    for rows in (slice(0, 7), slice(7, 20)):
        found.add(a[rows], y[rows], w[rows])
    assert found.value() == pytest.approx(exact.mean())
    constant = score()
    constant.add(a[:, 1:2], y[:, 1:2], None)
    assert np.isnan(constant.value())


@each_loss
def test_what_is_declared_of_a_loss(entry):
    _, y = samples(entry.name, 5)
    assert check_targets("y", y, entry, 5, 4).tolist() == y.tolist()
    assert (entry.score.name == "accuracy") == entry.target.is_categorical
    assert entry.least_outputs == 1 or entry.too_few
    n_outputs = entry.least_outputs if entry.misfit is None else 4
    assert losses.find_loss(entry, n_outputs, ACTIVATIONS["identity"]) is entry
    assert records.find("loss", entry.name, LOSSES) is LOSSES[entry.name]


# ---- optimizers --------------------------------------------------------------------------------


def sgd(o, w, g, moments, t):
    if o.momentum == 0:
        return w - o.learning_rate * g, []
    v = o.momentum * moments[0] - o.learning_rate * g
    return w + (o.momentum * v - o.learning_rate * g if o.nesterov else v), [v]


def adam(o, w, g, moments, t):
    m = o.beta_1 * moments[0] + (1 - o.beta_1) * g
    v = o.beta_2 * moments[1] + (1 - o.beta_2) * g * g
    c1, c2 = 1 - o.beta_1**t, 1 - o.beta_2**t
    if o.epsilon_hat:
        return w - o.learning_rate * np.sqrt(c2) / c1 * m / (np.sqrt(v) + o.epsilon), [m, v]
    return w - o.learning_rate * (m / c1) / (np.sqrt(v / c2) + o.epsilon), [m, v]


def amsgrad(o, w, g, moments, t):
    m = o.beta_1 * moments[0] + (1 - o.beta_1) * g
    v = o.beta_2 * moments[1] + (1 - o.beta_2) * g * g
    u = np.where(v > moments[2], v, moments[2])
    c1, c2 = 1 - o.beta_1**t, 1 - o.beta_2**t
    return w - o.learning_rate * (m / c1) / (np.sqrt(u / c2) + o.epsilon), [m, v, u]


def nadam(o, w, g, moments, t):
    m = o.beta_1 * moments[0] + (1 - o.beta_1) * g
    v = o.beta_2 * moments[1] + (1 - o.beta_2) * g * g
    mu = [o.beta_1 * (1 - 0.5 * 0.96 ** (i * o.momentum_decay)) for i in range(1, t + 2)]
    ahead = (1 - mu[t - 1]) * g / (1 - np.prod(mu[:t])) + mu[t] * m / (1 - np.prod(mu))
    return w - o.learning_rate * ahead / (np.sqrt(v / (1 - o.beta_2**t)) + o.epsilon), [m, v]


def radam(o, w, g, moments, t):
    m = o.beta_1 * moments[0] + (1 - o.beta_1) * g
    v = o.beta_2 * moments[1] + (1 - o.beta_2) * g * g
    end = 2 / (1 - o.beta_2) - 1
    rho = end - 2 * t * o.beta_2**t / (1 - o.beta_2**t)
    step = o.learning_rate * m / (1 - o.beta_1**t)
    if rho > 5:
        r = np.sqrt((rho - 4) * (rho - 2) * end / ((end - 4) * (end - 2) * rho))
        step = step * r * np.sqrt(1 - o.beta_2**t) / (np.sqrt(v) + o.epsilon)
    return w - step, [m, v]


def adamax(o, w, g, moments, t):
    m = o.beta_1 * moments[0] + (1 - o.beta_1) * g
    faded, size = o.beta_2 * moments[1], np.abs(g) + o.epsilon
    u = np.where(faded > size, faded, size)
    return w - o.learning_rate * m / ((1 - o.beta_1**t) * u), [m, u]


def rmsprop(o, w, g, moments, t):
    moments = list(moments)
    kept = [o.alpha * moments.pop(0) + (1 - o.alpha) * g * g]
    variance = kept[0]
    if o.centered:
        kept.append(o.alpha * moments.pop(0) + (1 - o.alpha) * g)
        variance = variance - kept[1] * kept[1]
    step = g / (np.sqrt(variance) + o.epsilon)
    if o.momentum:
        step = o.momentum * moments.pop(0) + step
        kept.append(step)
    return w - o.learning_rate * step, kept


def adagrad(o, w, g, moments, t):
    v = moments[0] + g * g
    rate = o.learning_rate / (1 + (t - 1) * o.lr_decay)
    return w - rate * g / (np.sqrt(v) + o.epsilon), [v]


def adadelta(o, w, g, moments, t):
    v = o.rho * moments[0] + (1 - o.rho) * g * g
    d = g * np.sqrt(moments[1] + o.epsilon) / np.sqrt(v + o.epsilon)
    return w - o.learning_rate * d, [v, o.rho * moments[1] + (1 - o.rho) * d * d]


def lion(o, w, g, moments, t):
    c = o.beta_1 * moments[0] + (1 - o.beta_1) * g
    m = o.beta_2 * moments[0] + (1 - o.beta_2) * g
    return np.where(c > 0, w - o.learning_rate, w + o.learning_rate), [m]


def rprop(o, w, g, moments, t):
    w, p, s = w.copy(), np.empty_like(w), np.empty_like(w)
    for at in np.ndindex(w.shape):
        last, size = moments[0][at], moments[1][at] if t > 1 else o.learning_rate
        if g[at] * last > 0:
            size = min(size * o.eta_plus, o.most_step)
        elif g[at] * last < 0:
            size = max(size * o.eta_minus, o.least_step)
        p[at] = 0 if g[at] * last < 0 else g[at]
        w[at] -= size * (1 if p[at] > 0 else -1 if p[at] < 0 else 0)
        s[at] = size
    return w, [p, s]


TEXTBOOK = {  # of each class, one step written out by hand
    bp.SGD: sgd,
    bp.Adam: adam,
    bp.AdamW: adam,
    bp.AMSGrad: amsgrad,
    bp.NAdam: nadam,
    bp.RAdam: radam,
    bp.Adamax: adamax,
    bp.RMSprop: rmsprop,
    bp.Adagrad: adagrad,
    bp.Adadelta: adadelta,
    bp.Lion: lion,
    bp.Rprop: rprop,
}
VARIANTS = {**OPTIMIZERS, **every_optimizer()}
each_optimizer = pytest.mark.parametrize("optimizer", VARIANTS.values(), ids=list(VARIANTS))


@each_optimizer
def test_rules_are_the_textbooks_step(optimizer):
    assert type(optimizer) in TEXTBOOK, "write its step by hand into TEXTBOOK"
    rng = np.random.default_rng(0)
    w, moments = rng.normal(size=(3, 2)), [np.zeros((3, 2)) for _ in optimizer.moments]
    expected, expected_moments = w.copy(), [moment.copy() for moment in moments]
    for t in range(1, 8):
        g = rng.normal(size=(3, 2))
        given = expected, g, expected_moments, t
        expected, expected_moments = TEXTBOOK[type(optimizer)](optimizer, *given)
        before = w.copy()
        optimizer.update(w, g, moments, t)
        np.testing.assert_allclose(w, expected, rtol=1e-13)
        for found, its in zip(moments, expected_moments, strict=True):
            np.testing.assert_allclose(found, its, rtol=1e-13)
        assert (w != before).any()


def test_decay_of_weights_comes_before_the_step():
    w, g = np.array([2.0, -1.0, 0.0]), np.array([0.5, 0.5, 0.5])
    decaying = bp.SGD(0.1, l2=0.3, l1=0.6, weight_decay=0.2)
    assert [rule.symbol for rule in decaying.decay_rules] == ["g", "g", "w"]
    expected = w - 0.1 * 0.2 * w - 0.1 * (g + 0.3 / 4 * w + 0.6 / 4 * np.array([1, -1, 0]))
    bias = w.copy()
    decaying.update(w, g, [], 1, sums=4)
    np.testing.assert_allclose(w, expected, rtol=1e-15)
    decaying.update(bias, g, [], 1)
    np.testing.assert_allclose(bias, np.array([2.0, -1.0, 0.0]) - 0.05, rtol=1e-15)
    assert bp.Adam().decay_rules == ()


@each_optimizer
def test_rules_read_what_an_optimizer_declares(optimizer):
    numbers = optimizer.numbers_at(1)
    assert set(optimizer.symbols.values()) <= set(numbers)
    known = {"w", "g", *numbers, *optimizer.moments.values()}
    for rule in optimizer.rules:
        assert rule.title
        rule.formula.evaluate({symbol: 0.5 for symbol in known})  # NameError for another symbol
        known.add(rule.symbol)
    assert {rule.symbol for rule in optimizer.rules} >= {"w", *optimizer.moments.values()}
    assert optimizer.rules[-1].symbol == "w"
    assert set(optimizer.symbols) <= {field.name for field in fields(optimizer)}
    assert all(type(number) is float for number in optimizer.settings)
    assert (optimizer.kind, optimizer.title) != ("", "")


@pytest.mark.parametrize("kind", optimizers.OPTIMIZERS.values())
def test_an_optimizer_checks_its_numbers(kind):
    for field in fields(kind):
        with pytest.raises((TypeError, ValueError), match=f"{field.name}="):
            kind(**{field.name: "1"})
    with pytest.raises(ValueError, match="learning_rate=-1"):
        kind(-1)
    with pytest.raises(TypeError, match=r"lr=….*did you mean 'learning_rate'\?"):
        kind(lr=1)


# ---- names -------------------------------------------------------------------------------------


def test_every_optimizer_is_public():
    for name, kind in optimizers.OPTIMIZERS.items():
        assert name in bp.__all__
        assert getattr(bp, name) is kind


def test_aliases_lead_to_entries_and_hide_none():
    for module, table in ((activations, ACTIVATIONS), (losses, LOSSES)):
        assert set(module.ALIASES.values()) <= set(table)
        assert not set(module.ALIASES) & set(table)
        assert all(alias == alias.lower() for alias in module.ALIASES)


def test_the_page_is_up_to_date():
    page = runpy.run_path(str(ROOT / "docs" / "make_catalogue.py"))["page"]()
    shown = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert shown == page, "python docs/make_catalogue.py writes it anew"
    for name in (*ACTIVATIONS, *LOSSES, *optimizers.OPTIMIZERS):
        assert name in page


# ---- no other file asks for a name -------------------------------------------------------------

PACKAGE = ROOT / "backprop"
SOURCES = [
    path
    for ending in ("py", "pyx", "js")
    for path in sorted(PACKAGE.rglob(f"*.{ending}"))
    if PACKAGE / "catalogue" not in path.parents and path != PACKAGE / "__init__.py"
]  # the package's own __init__ lists the public names, which are loaded when they are used
NAMES = {*ACTIVATIONS, *LOSSES, *optimizers.OPTIMIZERS}
KINDS = {optimizer.kind for optimizer in VARIANTS.values()}
# of numbers that only some optimizers have, and of their moments
FIELDS = {f.name for kind in optimizers.OPTIMIZERS.values() for f in fields(kind)}
FIELDS = {*FIELDS, *(m for one in VARIANTS.values() for m in one.moments)} - {*optimizers.SHARED}


def words(node):
    """The strings of a display such as ("relu", "tanh"), the keys of a dict, or the one string."""
    parts = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [node])
    return {part.value for part in parts if isinstance(part, ast.Constant)}


def is_of_scikit_learn(node):
    """Its solvers are parameters of its own."""
    return isinstance(node, ast.Attribute) and node.attr == "solver"


def asks_for_a_name(node):
    """Whether a node compares, lists or looks up what the catalogue declares."""
    if isinstance(node, ast.Compare) and not is_of_scikit_learn(node.left):
        return any(words(part) & (NAMES | KINDS) for part in [node.left, *node.comparators])
    if isinstance(node, ast.MatchValue):
        return bool(words(node.value) & (NAMES | KINDS))
    if isinstance(node, ast.Dict | ast.List | ast.Tuple | ast.Set):
        return len(words(node) & (NAMES | KINDS)) > 1 or len(words(node) & FIELDS) > 2
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        called, rest = node.func.id, node.args[1:]
        if called in ("hasattr", "getattr"):
            return any(words(part) & FIELDS for part in rest)
        if called == "isinstance":
            kinds = {
                part.id for arg in rest for part in ast.walk(arg) if isinstance(part, ast.Name)
            }
            return bool(kinds & {*optimizers.OPTIMIZERS})
    return False


def places_in_python(text):
    return {node.lineno for node in ast.walk(ast.parse(text)) if asks_for_a_name(node)}


QUOTED = rf"""["'](?:{"|".join(sorted(NAMES | KINDS))})["']"""
# as keys; "exp" is what formulas call a function, too
KEYS = "|".join([name for name in (*ACTIVATIONS, *LOSSES) if name not in ("exp", "sin")])
ELSEWHERE = re.compile(
    rf"""[=!]=\s*{QUOTED}|{QUOTED}\s*[=!]=|\bin\s*[(\[{{]\s*{QUOTED}|case\s+{QUOTED}"""
    rf"""|(?:^|[{{,])\s*{QUOTED}\s*:|^\s*(?:{KEYS})\s*:(?!:)"""
    rf"""|(?:hasattr|getattr)\([^)]*["'](?:{"|".join(sorted(FIELDS))})["']"""
)


def places_elsewhere(text):
    """Line by line, of Cython and JavaScript."""
    return {i for i, line in enumerate(text.splitlines(), 1) if ELSEWHERE.search(line)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_name_is_asked_for(path):
    text = path.read_text(encoding="utf-8")
    found = places_in_python(text) if path.suffix == ".py" else places_elsewhere(text)
    lines = text.splitlines()
    shown = [f"{path.relative_to(ROOT)}:{i}: {lines[i - 1].strip()}" for i in sorted(found)]
    assert not shown, "ask the catalogue's record for a trait instead:\n" + "\n".join(shown)


@pytest.mark.parametrize(
    "line",
    [
        'x = loss == "squared_error"',
        "x = 'relu' != layer.activation",
        'x = loss in ("squared_error", other)',
        'x = optimizer.kind == "adam"',
        'x = hasattr(optimizer, "beta_1")',
        'x = getattr(optimizer, "momentum", 0)',
        'x = {"relu": 1, "tanh": 2}[name]',
        'x = ("relu", "tanh")',
        "x = isinstance(optimizer, Adam)",
        "x = isinstance(optimizer, (bp, SGD))",
    ],
)
def test_what_asks_for_a_name_is_found(line):
    assert places_in_python(line) == {1}


@pytest.mark.parametrize(
    "line",
    [
        "const x = loss === 'squared_error';",
        'if (kind !== "adam") return;',
        "  relu: (z) => Math.max(0, z),",
        'T = {"relu": 1}',
        '  case "tanh":',
        'x = hasattr(optimizer, "beta_1")',
    ],
)
def test_what_asks_for_a_name_is_found_elsewhere(line):
    assert places_elsewhere(line) == {1}


@pytest.mark.parametrize(
    "line",
    [
        'def f(activation="relu"): pass',
        'f(loss="squared_error")',
        '"""Takes "relu" == "relu", as hasattr(x, "beta_1") would."""',
        'x = self.solver == "adam"',
        "x = loss.takes_logits",
    ],
)
def test_what_does_not_ask_is_left_alone(line):
    assert places_in_python(line) == set()


def test_rprop_has_room_between_its_steps():
    with pytest.raises(ValueError, match=r"least_step=100.0: expected at most most_step=50"):
        bp.Rprop(least_step=100)


@each_activation
def test_slope_formulas_are_what_is_computed_at_the_kinks_too(entry):
    z = np.array(entry.kinks, float)
    a = entry.value(z, *values(entry))
    slope = entry.slope.evaluate({"z": z, "a": a, **entry.settings})
    np.testing.assert_allclose(slope, entry.derivative(z, a, *values(entry)), rtol=1e-12)
