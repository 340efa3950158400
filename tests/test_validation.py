"""Every complaint: the argument is named, with what was given and what was expected."""

import dataclasses
import re
import warnings

import numpy as np
import pytest
from networks import LOSSES

import backprop as bp
from backprop.attributes import OF_A_LAYER, OF_A_NETWORK
from backprop.catalogue.activations import ALIASES as ACTIVATION_ALIASES
from backprop.catalogue.averages import AVERAGES
from backprop.catalogue.losses import ALIASES as LOSS_ALIASES
from backprop.catalogue.optimizers import OPTIMIZERS, OTHERS
from backprop.catalogue.schedules import SCHEDULES

X = np.zeros((4, 3))
LABELS = np.array([0, 1, 0, 1])
ROWS = np.eye(2)[LABELS]


class Sparse:
    """What a scipy sparse matrix looks like from outside."""

    nnz = 0

    def toarray(self):
        return X


def network(loss="softmax_cross_entropy", units=2, activation="identity", **options):
    return bp.Network(3, [bp.Dense(units, activation)], loss=loss, **options)


def fit(X=X, y=LABELS, loss="softmax_cross_entropy", units=2, **options):
    return network(loss, units).fit(X, y, **options)


def assign(values, name="weights"):
    setattr(network().layers[0], name, values)


def explain(**names):
    return network().explain(X, LABELS, **names)


class Unwilling:
    """What a tensor that takes part in a derivative looks like from outside."""

    def __array__(self, *_, **__):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad")


def with_nan(values, place):
    values = np.array(values, dtype=float)
    values[place] = np.nan
    return values


# what is called, the exception, and parts that its message must have
VALUES = [
    # layers
    (lambda: bp.Dense(0), ValueError, "units=0", "at least 1"),
    (lambda: bp.Dense(-3), ValueError, "units=-3", "at least 1"),
    (lambda: bp.Dense(3.7), TypeError, "units=3.7", "an integer", "float"),
    (lambda: bp.Dense(3.0), TypeError, "units=3.0", "an integer"),
    (lambda: bp.Dense(True), TypeError, "units=True", "an integer"),
    (lambda: bp.Dense("3"), TypeError, "units='3'", "an integer", "str"),
    (lambda: bp.Dense(None), TypeError, "units=None", "an integer"),
    (lambda: bp.Dense(3, "rleu"), ValueError, "activation='rleu'", "did you mean 'relu'"),
    (lambda: bp.Dense(3, "ReLU"), ValueError, "activation='ReLU'", "did you mean 'relu'"),
    (lambda: bp.Dense(3, "Sigmoid"), ValueError, "activation='Sigmoid'", "did you mean 'sigmoid'"),
    (lambda: bp.Dense(3, "linear"), ValueError, "activation='linear'", "'identity'"),
    (lambda: bp.Dense(3, "zzz"), ValueError, "activation='zzz'", "one of", "'identity', 'sigmoid'"),
    (lambda: bp.Dense(3, None), ValueError, "activation=None", "one of"),
    # optimizers
    (lambda: bp.SGD(-0.1), ValueError, "learning_rate=-0.1", "above 0"),
    (lambda: bp.SGD(np.nan), ValueError, "learning_rate=nan", "finite"),
    (lambda: bp.SGD(np.inf), ValueError, "learning_rate=inf", "finite"),
    (lambda: bp.SGD(10**400), ValueError, "learning_rate=1000", "finite"),
    (lambda: bp.SGD("0.1"), TypeError, "learning_rate='0.1'", "a number", "str"),
    (lambda: bp.SGD(True), TypeError, "learning_rate=True", "a number"),
    (lambda: bp.SGD(momentum=1), ValueError, "momentum=1", "at least 0 and below 1"),
    (lambda: bp.SGD(momentum=-0.5), ValueError, "momentum=-0.5", "at least 0"),
    (lambda: bp.SGD(nesterov=True), ValueError, "nesterov=True", "momentum > 0"),
    (lambda: bp.SGD(momentum=0.9, nesterov=1), TypeError, "nesterov=1", "True or False"),
    (lambda: bp.Adam(-1), ValueError, "learning_rate=-1", "above 0"),
    (lambda: bp.Adam(beta_1=1.0), ValueError, "beta_1=1.0", "below 1"),
    (lambda: bp.Adam(beta_2=1.5), ValueError, "beta_2=1.5", "below 1"),
    (lambda: bp.Adam(epsilon=0), ValueError, "epsilon=0", "above 0"),
    # the network
    (lambda: bp.Network(0, [bp.Dense(1)]), ValueError, "n_inputs=0", "from 1"),
    (lambda: bp.Network(2.0, [bp.Dense(1)]), TypeError, "n_inputs=2.0", "an integer"),
    (lambda: bp.Network(2**31, [bp.Dense(1)]), ValueError, "n_inputs=2147483648", "from 1 to"),
    (
        lambda: bp.Network(2, [bp.Dense(2**31)]),
        ValueError,
        "layers[0].units=2147483648",
        "from 1 to",
    ),
    (lambda: bp.Network(2, []), ValueError, "layers is empty", "bp.Dense"),
    (lambda: bp.Network(2, 5), TypeError, "layers=5", "bp.Dense"),
    (lambda: bp.Network(2, [bp.Dense(1), 8]), TypeError, "layers[1]=8", "bp.Dense(units"),
    (
        lambda: network("softmax"),
        ValueError,
        "loss='softmax'",
        "did you mean 'softmax_cross_entropy'",
    ),
    (lambda: network("square_error"), ValueError, "loss=", "did you mean 'squared_error'"),
    (lambda: network("mse"), ValueError, "loss='mse'", "did you mean 'squared_error'"),
    (lambda: network("MSE"), ValueError, "loss='MSE'", "did you mean 'squared_error'"),
    *(
        (lambda loss=loss: network(loss), ValueError, f"did you mean '{meant}'?")
        for loss, meant in LOSS_ALIASES.items()
    ),
    *(
        (lambda name=name: bp.Dense(1, name), ValueError, f"did you mean '{meant}'?")
        for name, meant in ACTIVATION_ALIASES.items()
    ),
    # arguments that there are not
    (lambda: bp.SGD(lr=0.1), TypeError, "SGD(lr=…)", "expected learning_rate", "'learning_rate'?"),
    (lambda: bp.SGD(0.1, lambda_=1), TypeError, "SGD(lambda_=…)", "did you mean 'l2'?"),
    (lambda: bp.SGD(momentun=1), TypeError, "SGD(momentun=…)", "did you mean 'momentum'?"),
    (lambda: bp.Adam(beta1=0.9), TypeError, "Adam(beta1=…)", "did you mean 'beta_1'?"),
    (lambda: bp.Adam(eps=0.9), TypeError, "Adam(eps=…)", "did you mean 'epsilon'?"),
    (lambda: bp.Dense(3, nonlinearity="relu"), TypeError, "Dense(nonlinearity=…)", "'activation'?"),
    (lambda: network(lr=0.1), TypeError, "Network(lr=…)", "did you mean 'optimizer'?"),
    (lambda: network(learning_rate=1), TypeError, "Network(learning_rate=…)", "'optimizer'?"),
    (lambda: network(n_thread=1), TypeError, "Network(n_thread=…)", "'n_threads'?"),
    (lambda: network(random_state=1), TypeError, "Network(random_state=…)", "'seed'?"),
    (lambda: network("tukey"), ValueError, "loss='tukey'", "one of", "'squared_error'"),
    (lambda: network(None), ValueError, "loss=None", "one of"),
    (
        lambda: network(activation="relu"),
        ValueError,
        "softmax_cross_entropy",
        "'identity'",
        "'relu'",
    ),
    (
        lambda: network("sigmoid_cross_entropy", activation="sigmoid"),
        *(ValueError, "sigmoid_cross_entropy", "logits", "'identity'", "'sigmoid'"),
    ),
    (
        lambda: network(units=1),
        ValueError,
        "softmax_cross_entropy",
        "2 units",
        "sigmoid_cross_entropy",
    ),
    (lambda: network(optimizer="adm"), ValueError, "optimizer='adm'", "did you mean 'adam'?"),
    (lambda: network(optimizer="Momentum"), ValueError, "'adamw'", "did you mean 'sgd'?"),
    (lambda: network(optimizer=bp.Adam), TypeError, "optimizer=", "bp.Adam"),
    (lambda: network(dtype="float16"), ValueError, "dtype='float16'", "'float32' or 'float64'"),
    (lambda: network(dtype="nonsense"), ValueError, "dtype='nonsense'", "'float32' or 'float64'"),
    (lambda: network(dtype=None), ValueError, "dtype=None", "'float32' or 'float64'"),
    (lambda: network(dtype=int), ValueError, "dtype=", "'float32' or 'float64'"),
    (lambda: network(dtype=">f4"), ValueError, "dtype='>f4'", "'float32' or 'float64'"),
    (lambda: network(seed=-1), ValueError, "seed=-1", "from 0"),
    (lambda: network(seed=2**64), ValueError, "seed=18446744073709551616", "18446744073709551615"),
    (lambda: network(seed=1.0), TypeError, "seed=1.0", "an integer"),
    (lambda: network(n_threads=0), ValueError, "n_threads=0", "from 1"),
    (lambda: network(n_threads=5000), ValueError, "n_threads=5000", "1024"),
    (lambda: network(n_threads=1.5), TypeError, "n_threads=1.5", "an integer"),
    (lambda: network(matmul="openblas"), ValueError, "matmul='openblas'", "did you mean 'blas'"),
    (lambda: network(input_offset=[1, 2]), ValueError, "input_offset", "(2,)", "(3,)"),
    (lambda: network(input_scale=np.ones((1, 3))), ValueError, "input_scale", "(1, 3)", "(3,)"),
    (lambda: network(input_scale=np.nan), ValueError, "input_scale", "nan", "finite"),
    (lambda: network(input_offset=[0, np.inf, 0]), ValueError, "input_offset[1]", "inf", "finite"),
    (lambda: network(input_scale="no"), TypeError, "input_scale", "dtype"),
    (lambda: setattr(network(), "optimizer", 3), TypeError, "optimizer=3", "bp.SGD"),
    (lambda: network(input_offset=-np.inf), ValueError, "input_offset is -inf", "finite"),
    (lambda: setattr(network(), "steps", -1), ValueError, "steps=-1", "from 0 to"),
    (lambda: setattr(network(), "steps", 2**63), ValueError, f"steps={2**63}", f"to {2**62}"),
    (lambda: setattr(network(), "epochs_trained", -1), ValueError, "epochs_trained=-1", "from 0"),
    (lambda: setattr(network(), "epochs_trained", 2**63), ValueError, f"epochs_trained={2**63}"),
    (
        lambda: setattr(network(), "epochs_trained", 1.5),
        TypeError,
        "epochs_trained=1.5",
        "an integer",
    ),
    # weights and biases
    (lambda: assign(None), TypeError, "weights is None", "an array"),
    (lambda: assign(np.ma.masked_array(np.ones((3, 2)))), TypeError, "weights is a masked array"),
    (lambda: assign(np.ones((3, 2), complex)), TypeError, "weights has dtype complex128"),
    (lambda: assign([["1", "2"]] * 3), TypeError, "weights has dtype <U1", "float32"),
    (lambda: assign(np.ones((3, 1))), ValueError, "weights has shape (3, 1)", "(3, 2)"),
    (lambda: assign([0, None], "bias"), TypeError, "bias has dtype object"),
    # names
    (lambda: explain(input_names=5), TypeError, "input_names=5", "a sequence of 3 names"),
    (lambda: explain(output_names="ab"), TypeError, "output_names='ab'", "a sequence of 2 names"),
    # what fit is told besides the data
    (lambda: fit(epochs=0), ValueError, "epochs=0", "from 1 to"),
    (lambda: fit(epochs=1.5), TypeError, "epochs=1.5", "an integer"),
    (lambda: fit(batch_size=0), ValueError, "batch_size=0", "at least 1"),
    (lambda: fit(batch_size="8"), TypeError, "batch_size='8'", "an integer"),
    (lambda: fit(shuffle=1), TypeError, "shuffle=1", "True or False"),
    (lambda: fit(verbose=None), TypeError, "verbose=None", "True or False"),
    (lambda: fit(verbose=3), ValueError, "verbose=3", "0, 1 or 2"),
    (lambda: fit(callbacks=print), TypeError, "callbacks", "callables"),
    (lambda: fit(callbacks=[3]), TypeError, "callbacks", "3", "callables"),
    (lambda: fit(validation_data=X), ValueError, "validation_data", "(X, y)", "ndarray"),
    (lambda: fit(validation_data=(X,)), ValueError, "validation_data", "(X, y)", "1 item"),
    (lambda: network().predict(X, logits="yes"), TypeError, "logits='yes'", "True or False"),
]

ARRAYS = [
    # X
    (lambda: fit(None), TypeError, "X is None", "an array"),
    (lambda: fit(X[0]), ValueError, "X has shape (3,)", "(n, 3)", "reshape(1, -1)"),
    (lambda: fit(np.zeros(())), ValueError, "X has shape ()", "2 dimensions"),
    (
        lambda: fit(np.zeros((4, 3, 1))),
        ValueError,
        "X has shape (4, 3, 1)",
        "2 dimensions",
        "reshape",
    ),
    (lambda: fit(np.zeros((4, 5))), ValueError, "X has 5 columns", "expected 3"),
    (lambda: fit(X[:0], LABELS[:0]), ValueError, "X has no rows"),
    (lambda: fit(X.astype(complex)), TypeError, "X has dtype complex128", "float32"),
    (lambda: fit(X.astype(object)), TypeError, "X has dtype object", "float32"),
    (lambda: fit(X.astype(str)), TypeError, "X has dtype <U", "float32"),
    (lambda: fit(X.astype("datetime64[s]")), TypeError, "X has dtype datetime64", "float32"),
    (lambda: network(input_scale=0), ValueError, "input_scale is 0", "expected another number"),
    (lambda: network(input_scale=[1, 0, 1]), ValueError, "input_scale[1] is 0", "1 leaves one"),
    (lambda: fit(np.ma.masked_array(X)), TypeError, "X is a masked array", "fill"),
    (lambda: fit([np.ma.masked_array(X[0])] * 4), TypeError, "X has masked arrays", "fill"),
    (lambda: fit([X[0], np.ma.masked_array(X[0])]), TypeError, "X has masked arrays", "fill"),
    (lambda: fit(y=[0, 1, np.ma.masked, 1]), TypeError, "y has masked arrays"),
    (lambda: fit(Unwilling()), ValueError, "X cannot be made an array", "Can't call numpy()"),
    (lambda: fit(Sparse()), TypeError, "X is a sparse matrix", "toarray()"),
    (lambda: fit([[1, 2, 3], [1, 2]]), ValueError, "X"),
    (lambda: fit({"a": 1}), TypeError, "X has dtype object"),
    (lambda: network().predict(X[0]), ValueError, "X has shape (3,)", "(n, 3)", "reshape(1, -1)"),
    (lambda: network().predict(np.zeros((0, 2))), ValueError, "X has 2 columns", "expected 3"),
    (lambda: network().forward(X[:0]), ValueError, "X has no rows"),
    (lambda: network().evaluate(X[:0], LABELS[:0]), ValueError, "X has no rows"),
    (lambda: network().train_step(X[:, :2], LABELS), ValueError, "X has 2 columns", "expected 3"),
    (lambda: network().loss_and_gradients(None, LABELS), TypeError, "X is None"),
    # d_out
    (lambda: network().backward(np.zeros(4)), ValueError, "d_out has shape (4,)", "(n, 2)"),
    (lambda: network().backward(np.zeros((4, 3))), ValueError, "d_out has 3 columns", "expected 2"),
    (lambda: network().backward(None), TypeError, "d_out is None"),
    # y, whatever the loss
    (lambda: fit(y=None), TypeError, "y is None", "an array"),
    (lambda: fit(y=LABELS[:3]), ValueError, "y has shape (3,)", "4 rows"),
    (lambda: fit(y=np.int64(1)), ValueError, "y has shape ()", "4 rows"),
    *(
        (
            lambda y=y, loss=loss: fit(y=y, loss=loss),
            *(
                TypeError,
                "y has dtype",
                "integers from 0 to k - 1",
                "np.unique(y, return_inverse=T",
            ),
        )
        for y in (np.array(["a", "b", "a", "b"]), ["a", "b", "a", None], [b"a", b"b", b"a", b"b"])
        for loss in LOSSES
    ),
    (lambda: fit(y=np.ma.masked_array(LABELS)), TypeError, "y is a masked array"),
    # y for softmax_cross_entropy
    (lambda: fit(y=LABELS + 1), ValueError, "y has labels from 1 to 2", "0 to 1", "2 outputs"),
    (lambda: fit(y=LABELS - 1), ValueError, "y has labels from -1 to 0", "0 to 1"),
    (
        lambda: fit(y=LABELS * 1.0),
        TypeError,
        "y has dtype float64",
        "integer labels",
        "astype(int)",
    ),
    (lambda: fit(y=np.zeros((4, 3))), ValueError, "y has shape (4, 3)", "(4,)", "(4, 2)"),
    (lambda: fit(y=LABELS[:, None]), ValueError, "y has shape (4, 1)", "(4,)", "(4, 2)"),
    (lambda: fit(y=ROWS[:, :, None]), ValueError, "y has shape (4, 2, 1)", "(4, 2)"),
    (lambda: fit(y=2 * ROWS), ValueError, "y", "probabilities that sum to 1", "sums to 2"),
    (lambda: fit(y=ROWS * 3 - 1), ValueError, "y[0, 1] is -1.0", "at least 0"),
    (lambda: fit(y=ROWS - [0.5, -0.5]), ValueError, "y[1, 0] is -0.5", "probabilities"),
    (lambda: fit(y=with_nan(ROWS, (2, 1))), ValueError, "y[2, 1] is nan", "finite"),
    # y for sigmoid_cross_entropy
    (lambda: fit(y=LABELS, loss="sigmoid_cross_entropy"), ValueError, "y has shape (4,)", "(4, 2)"),
    (lambda: fit(y=3 * ROWS, loss="sigmoid_cross_entropy"), ValueError, "from 0.0 to 3.0", "0, 1"),
    (lambda: fit(y=-ROWS, loss="sigmoid_cross_entropy"), ValueError, "from -1.0 to", "0, 1"),
    (
        lambda: fit(y=with_nan(ROWS, (1, 0)), loss="sigmoid_cross_entropy"),
        *(ValueError, "y[1, 0] is nan", "finite"),
    ),
    # y for poisson and gamma
    (lambda: fit(y=-ROWS, loss="poisson"), ValueError, "y[0, 0] is -1.0", "poisson", "at least 0"),
    (lambda: fit(y=ROWS, loss="gamma"), ValueError, "y[0, 1] is 0.0", "gamma", "numbers above 0"),
    (lambda: fit(y=-LABELS, loss="poisson", units=1), ValueError, "y[1, 0] is -1", "at least 0"),
    (
        lambda: network("poisson", activation="exp"),
        *(ValueError, "takes logits", "'exp'", "predict gives exp(a)"),
    ),
    (lambda: network("mae"), ValueError, "did you mean 'absolute_error'?"),
    (lambda: network("smooth_l1"), ValueError, "did you mean 'huber'?"),
    # y for squared_error
    (lambda: fit(y=LABELS, loss="squared_error"), ValueError, "y has shape (4,)", "(4, 2)"),
    (
        lambda: fit(y=ROWS, loss="squared_error", units=1),
        ValueError,
        "y has shape (4, 2)",
        "(4, 1)",
    ),
    (
        lambda: fit(y=with_nan(LABELS, 3), loss="squared_error", units=1),
        *(ValueError, "y[3", "is nan", "finite"),
    ),
    (
        lambda: network("squared_error").evaluate(X, LABELS),
        ValueError,
        "y has shape (4,)",
        "(4, 2)",
    ),
    # sample_weight
    (
        lambda: fit(sample_weight=[1e-42, 0, 1, 1]),
        ValueError,
        "sample_weight has the value 1e-42",
        "expected 0, or from 5.4e-20 to 1.8e+19 for float32",
        "divide them by their mean",
    ),
    (lambda: fit(sample_weight=[1e20, 0, 1, 1]), ValueError, "sample_weight has the value 1e+20"),
    (lambda: fit(sample_weight=np.ones(3)), ValueError, "sample_weight has shape (3,)", "(4,)"),
    (
        lambda: fit(sample_weight=np.ones((4, 1))),
        ValueError,
        "sample_weight has shape (4, 1)",
        "(4,)",
    ),
    (lambda: fit(sample_weight=2.0), ValueError, "sample_weight has shape ()", "(4,)"),
    (
        lambda: fit(sample_weight=[1, 1, -1, 1]),
        ValueError,
        "sample_weight",
        "from -1 to 1",
        "at least 0",
    ),
    (lambda: fit(sample_weight=np.zeros(4)), ValueError, "sample_weight", "not all of them 0"),
    (lambda: fit(sample_weight=with_nan(np.ones(4), 2)), ValueError, "sample_weight[2] is nan"),
    (
        lambda: fit(sample_weight=np.ones(4, complex)),
        TypeError,
        "sample_weight has dtype complex128",
    ),
    # validation_data
    (
        lambda: fit(validation_data=(X[:, :2], LABELS)),
        ValueError,
        "validation_data",
        "X has 2 columns",
    ),
    (
        lambda: fit(validation_data=(X, LABELS[:2])),
        ValueError,
        "validation_data",
        "y has shape (2,)",
    ),
    (
        lambda: fit(validation_data=(X, LABELS, np.ones(2))),
        *(ValueError, "validation_data", "sample_weight has shape (2,)"),
    ),
    (
        lambda: fit(validation_data=(X[:0], LABELS[:0])),
        ValueError,
        "validation_data",
        "X has no rows",
    ),
]


def name_of(case):
    return re.sub(r"\s+", " ", f"{case[1].__name__}: {case[2]}")


@pytest.mark.parametrize("case", VALUES + ARRAYS, ids=name_of)
def test_complaints(case):
    call, exception, *parts = case
    with pytest.raises(exception) as raised:
        call()
    assert type(raised.value) is exception
    for part in parts:
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("column", "dtype"), [(["x"] * 4, "str"), ([1.0, None, 2.0, 3.0], "Float32")]
)
def test_the_column_of_a_frame_that_is_no_numbers(column, dtype):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    fit(frame)
    frame["b"] = pandas.array(column, dtype=dtype)
    with pytest.raises(TypeError, match=rf"X has dtype object \(column 'b' is {dtype}\): expected"):
        fit(frame)


def test_complaints_come_before_anything_is_changed():
    net = network(seed=0)
    before = net.layers[0].weights.tobytes()
    for options in ({"epochs": 0}, {"validation_data": (X, LABELS[:2])}, {"callbacks": [None]}):
        with pytest.raises((ValueError, TypeError)):
            net.fit(X + 1, LABELS, **options)
    assert net.layers[0].weights.tobytes() == before
    assert (net.steps, net.epochs_trained) == (0, 0)
    net.fit(X + 1, LABELS, epochs=1)
    assert net.layers[0].weights.tobytes() != before


def test_fit_takes_its_options_by_name_only():
    with pytest.raises(TypeError):
        network().fit(X, LABELS, 10)


def test_numpy_scalars_are_numbers():
    net = bp.Network(np.int32(3), [bp.Dense(np.int64(2))], seed=np.uint64(5), n_threads=np.int8(1))
    assert (type(net.seed), type(net.n_inputs), type(net.layers[0].units)) == (int, int, int)
    net.optimizer = bp.SGD(np.float32(0.5), momentum=np.float64(0.5), nesterov=np.True_)
    net.fit(X, ROWS, epochs=np.int64(1), batch_size=np.uint8(2), shuffle=np.False_)
    assert net.steps == 2


def test_first_of_several_that_are_not_finite_is_named():
    y = with_nan(np.ones((5000, 2)), (4999, 1))
    y[4321, 1] = np.inf
    with pytest.raises(ValueError, match=r"y\[4321, 1\] is inf"):
        network("squared_error").fit(np.zeros((5000, 3)), y)


def test_parameters_that_no_memory_holds():
    with pytest.raises(MemoryError):
        bp.Network(2 * 10**9, [bp.Dense(2 * 10**9)])


# ---- attributes that there are not -------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("learning_rate", r"dataclasses.replace\(net.optimizer, learning_rate=…\)"),
        ("lr", r"net.optimizer.learning_rate"),
        ("batch_size", r"net.fit\(X, y, batch_size=…\)"),
        ("training", "predict and evaluate do not"),
        ("weights", r"net.layers\[i\].weights"),
        ("optimiser", "did you mean 'optimizer'"),
        ("zzzzzz", "has no attribute 'zzzzzz'$"),
    ],
)
def test_an_attribute_of_a_network_that_there_is_not(name, words):
    net = network(seed=0)
    with pytest.raises(AttributeError, match=words):
        getattr(net, name)
    with pytest.raises(AttributeError, match=words):
        setattr(net, name, 1)
    assert not hasattr(net, name)
    with pytest.raises(AttributeError, match="object has no attribute '_zzz'"):
        net._zzz  # noqa: B018


def test_an_attribute_of_a_layer_that_there_is_not():
    layer = network(seed=0).layers[0]
    for name, words in {"W": "layer.weights", "b": "layer.bias", "bais": "'bias'"}.items():
        with pytest.raises(AttributeError, match=words):
            getattr(layer, name)
        with pytest.raises(AttributeError, match=words):
            setattr(layer, name, 1)


@pytest.mark.parametrize("name", ["loss", "dtype", "n_inputs", "layers"])
def test_what_was_decided_when_a_network_was_made(name):
    with pytest.raises(AttributeError, match=f"^{name} of a Network cannot be assigned"):
        setattr(network(), name, 1)


def test_what_is_suggested_exists():
    """Each attribute of a network or a layer that a hint begins with."""
    net = network(seed=0)
    net.fit(X, LABELS, epochs=1)
    for hints, owner in ((OF_A_NETWORK, net), (OF_A_LAYER, net.layers[0])):
        for name, hint in hints.items():
            assert not hasattr(owner, name), name
            for first in re.findall(r"\b(?:net|layer)\.(\w+)", hint):
                assert hasattr(owner, first) or hasattr(net, first), hint


def test_an_attribute_that_a_subclass_declares():
    class Named(bp.Network):
        title: str = ""

    net = Named(3, [bp.Dense(2)])
    net.title = "mine"
    assert net.title == "mine"


FROZEN = [
    *(kind() for kind in OPTIMIZERS.values()),
    bp.Constant(),
    bp.StepDecay(3),
    bp.Cosine(10),
    bp.Warmup(5),
    bp.Dense(3),
    bp.SWA(),
]


@pytest.mark.parametrize("value", FROZEN, ids=repr)
def test_a_frozen_value_says_how_to_have_another(value):
    for field in dataclasses.fields(value):
        words = rf"{type(value).__name__} is a frozen value: .*replace\(.*, {field.name}=…\)"
        with pytest.raises(dataclasses.FrozenInstanceError, match=words):
            setattr(value, field.name, 1)
        with pytest.raises(dataclasses.FrozenInstanceError, match=words):
            delattr(value, field.name)
    with pytest.raises(dataclasses.FrozenInstanceError, match="has no field 'zzz'"):
        value.zzz = 1


def test_every_frozen_class_says_how_to_have_another():
    kinds = [*OPTIMIZERS.values(), *OTHERS.values(), *SCHEDULES.values(), *AVERAGES.values()]
    kinds.append(bp.Dense)
    assert [k.__name__ for k in kinds if "refuse" not in k.__setattr__.__qualname__] == []


# ---- what would train nothing, or otherwise than was said --------------------------------------


def test_a_batch_size_above_the_rows_is_told():
    with pytest.warns(UserWarning, match="batch_size=5 is more than the 4 rows") as warned:
        network().fit(X, LABELS, batch_size=5, epochs=1)
    assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network().fit(X, LABELS, epochs=1)  # none was given
        network().fit(X, LABELS, batch_size=4, epochs=1)


@pytest.mark.parametrize("kind", OPTIMIZERS.values())
def test_a_learning_rate_of_0_is_refused(kind):
    with pytest.raises(ValueError, match=r"learning_rate=0: expected a finite number, above 0"):
        kind(learning_rate=0)
    with pytest.raises(ValueError, match=r"learning_rate=1e-60: expected at least 1.17549e-38"):
        network(optimizer=kind(learning_rate=1e-60))
    network(optimizer=kind(learning_rate=1e-60), dtype="float64")


def test_a_schedule_that_is_0_throughout_is_refused():
    with pytest.raises(ValueError, match="value=0: expected a finite number, above 0"):
        bp.Constant(0)
    assert bp.PolynomialDecay(2).curve(3)[-1] == 0  # at single steps it may be


def test_a_refused_argument_leaves_the_history():
    net = network(seed=0)
    earlier = net.fit(X, LABELS, epochs=1)
    for refused in ({"verbose": "yes"}, {"epochs": 0}, {"callbacks": 3}, {"shuffle": 2}):
        with pytest.raises((TypeError, ValueError)):
            net.fit(X, LABELS, **refused)
        assert net.history is earlier
