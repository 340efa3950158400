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

net.fit(X, y, epochs="3")  # type: ignore[arg-type]
net.predict()  # type: ignore[call-arg]
bp.Dense("32")  # type: ignore[arg-type]
bp.Network(2, bp.Dense(1), loss=lambda output: output)  # type: ignore[misc, arg-type]
net.optimizer = 3  # type: ignore[assignment]
