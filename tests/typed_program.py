"""A user's program, which is not run: `.ci/run` has mypy check it against the installed package.

What a type checker must see of the public names; and at the end what it must refuse: under --strict
a `type: ignore` with nothing to ignore is an error.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import backprop as bp
from backprop.datasets import load_digits
from backprop.explain import Factor, Trace, write_page

X, y = load_digits()
net = bp.Network(
    64,
    [bp.Dense(32, "relu"), bp.Dense(10)],
    loss="softmax_cross_entropy",
    optimizer=bp.Adam(1e-3),
    seed=0,
)
history = net.fit(X, y, epochs=2, callbacks=[lambda network, history: history.loss[-1] < 0.1])
assert_type(history, bp.History)
assert_type(history.loss, list[float])
assert_type(net.predict(X[:3]), NDArray[Any])
assert_type(net.evaluate(X, y), dict[str, float])
assert_type(net.train_step(X, y), float)
assert_type(net.layers[0].weights, NDArray[Any])
trace = net.explain(X[:1], y[:1])
assert_type(trace, Trace)
assert_type(trace.layers[0].dz, NDArray[Any])
assert_type(trace.gradient(0, "bias", 1).factors, list[Factor])
write_page("page.html", [trace], weight=(0, 3, 1))
assert_type(bp.Network.load("digits.safetensors"), bp.Network)
assert_type(bp.show_config(), str)


def own_loss(
    output: NDArray[Any], target: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    return np.zeros(len(output)), output - target


assert_type(bp.Network(2, bp.Dense(1), loss=own_loss), bp.Network)
assert_type(bp.Network.load("own.safetensors", loss=own_loss), bp.Network)
loss, gradients = net.loss_and_gradients(X, y)
assert_type(loss, float)
assert_type(gradients[0].bias, NDArray[Any])
net.layers[0].bias = np.zeros(32)
stop = bp.EarlyStopping("validation_f1", patience=3)
assert_type(stop.best, float)


class Own(bp.Callback):
    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        return self.network.epochs_trained > 3


history = net.fit(
    X,
    y,
    validation_split=0.1,
    metrics=["f1", lambda y, p: float(p.max())],
    class_weight="balanced",
    callbacks=[stop, Own(), bp.Checkpoint("a"), lambda network, history: None],
    verbose=2,
    max_seconds=3.0,
)
assert_type(history.columns, dict[str, list[float]])
source = bp.sources.parquet("rows.parquet", "y", columns=["a", "b"])
assert_type(source, bp.sources.Source)
assert_type(net.fit(source, buffer_rows=1000, validation_data=source), bp.History)
net.fit("rows.parquet", "y", sample_weight="w")
net.fit(lambda: [(X, y)])
net.fit(bp.sources.blocks([(X, y)], n_rows=10))
training, held_out = bp.sources.prepared("rows.parquet", "y", validation=0.1)
assert_type(net.evaluate(training), dict[str, float])
assert_type(net.get_weights(), list[NDArray[Any]])
assert_type(net.hidden(X, 0), NDArray[Any])
assert_type(bp.find_learning_rate(net, X, y).suggestion, float)

net.fit(X, y, epochs="3")  # type: ignore[arg-type]
net.predict()  # type: ignore[call-arg]
bp.Dense("32")  # type: ignore[arg-type]
bp.Network(2, bp.Dense(1), loss=lambda output: output)  # type: ignore[misc, arg-type]
net.optimizer = 3  # type: ignore[assignment]
net.learning_rate = 3  # type: ignore[attr-defined]
