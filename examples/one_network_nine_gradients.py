"""Every gradient of the smallest network, three times over: by hand, by backprop, by trial.

    A1 ──w11──► h1 ──v1──┐           h1 = sigmoid(w11 A1 + w21 A2 + b1)
       ╲w12  ╱           ├──► B      h2 = sigmoid(w12 A1 + w22 A2 + b2)
       ╱w21  ╲           │           B  = sigmoid(v1 h1 + v2 h2 + c)
    A2 ──w22──► h2 ──v2──┘           C  = mean over m samples of ½ (y - y')², y' = B

Six weights and three biases, so nine gradients. Each is a sum over the samples of a product of
factors, one for each step between the parameter and the cost. Run it with

    python examples/one_network_nine_gradients.py
"""

import math

import numpy as np

import backprop as bp

# A1, A2 and the wanted output y: "exactly one of the two"
SAMPLES = [(0.0, 0.0, 0.0), (0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0)]

PARAMETERS = {
    "w11": 0.8, "w12": -0.4, "w21": 0.3, "w22": 0.9, "b1": -0.2, "b2": 0.1,
    "v1": 1.2, "v2": -0.7, "c": 0.15,
}  # fmt: skip

FORMULAS = {
    "w11": "(y'-y) B(1-B) v1 h1(1-h1) A1",
    "w12": "(y'-y) B(1-B) v2 h2(1-h2) A1",
    "w21": "(y'-y) B(1-B) v1 h1(1-h1) A2",
    "w22": "(y'-y) B(1-B) v2 h2(1-h2) A2",
    "b1": "(y'-y) B(1-B) v1 h1(1-h1)",
    "b2": "(y'-y) B(1-B) v2 h2(1-h2)",
    "v1": "(y'-y) B(1-B) h1",
    "v2": "(y'-y) B(1-B) h2",
    "c": "(y'-y) B(1-B)",
}


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def outputs(p, A1, A2):
    """The two hidden nodes and the output for one sample."""
    h1 = sigmoid(p["w11"] * A1 + p["w21"] * A2 + p["b1"])
    h2 = sigmoid(p["w12"] * A1 + p["w22"] * A2 + p["b2"])
    B = sigmoid(p["v1"] * h1 + p["v2"] * h2 + p["c"])
    return h1, h2, B


def cost(p):
    """C = 1/m sum of ½ (y - y')²."""
    return sum(0.5 * (y - outputs(p, A1, A2)[2]) ** 2 for A1, A2, y in SAMPLES) / len(SAMPLES)


def gradients_by_hand(p):
    """The chain rule, factor by factor."""
    m = len(SAMPLES)
    gradient = dict.fromkeys(p, 0.0)
    for A1, A2, y in SAMPLES:
        h1, h2, B = outputs(p, A1, A2)

        # The derivative of the loss. The inner derivative of (y - y') with respect to y' is -1,
        # which turns the difference round: y' - y, positive where the output is too high.
        dC_dB = (B - y) / m
        # The derivative of the output's activation.
        dB_dz = B * (1 - B)
        # Back through the output weights into the hidden nodes, each with its own activation.
        dz_dh1, dz_dh2 = p["v1"], p["v2"]
        dh1_dz1, dh2_dz2 = h1 * (1 - h1), h2 * (1 - h2)

        gradient["v1"] += dC_dB * dB_dz * h1
        gradient["v2"] += dC_dB * dB_dz * h2
        gradient["c"] += dC_dB * dB_dz * 1
        gradient["w11"] += dC_dB * dB_dz * dz_dh1 * dh1_dz1 * A1
        gradient["w21"] += dC_dB * dB_dz * dz_dh1 * dh1_dz1 * A2
        gradient["b1"] += dC_dB * dB_dz * dz_dh1 * dh1_dz1 * 1
        gradient["w12"] += dC_dB * dB_dz * dz_dh2 * dh2_dz2 * A1
        gradient["w22"] += dC_dB * dB_dz * dz_dh2 * dh2_dz2 * A2
        gradient["b2"] += dC_dB * dB_dz * dz_dh2 * dh2_dz2 * 1
    return gradient


def gradients_by_trial(p, h=1e-5):
    """Central differences: move one parameter a little up and down, and see what the cost does."""
    return {k: (cost(p | {k: p[k] + h}) - cost(p | {k: p[k] - h})) / (2 * h) for k in p}


def gradients_by_backprop(p):
    """The same network in the library: its cost and its gradients under the same names."""
    layers = [bp.Dense(2, "sigmoid"), bp.Dense(1, "sigmoid")]
    net = bp.Network(2, layers, loss="squared_error", dtype="float64", seed=0)
    hidden, output = net.layers
    hidden.weights[...] = [[p["w11"], p["w12"]], [p["w21"], p["w22"]]]  # [from][to]
    hidden.bias[...] = [p["b1"], p["b2"]]
    output.weights[...] = [[p["v1"]], [p["v2"]]]
    output.bias[...] = [p["c"]]

    samples = np.array(SAMPLES)
    loss, (hidden, output) = net.loss_and_gradients(samples[:, :2], samples[:, 2])
    names = ["w11", "w12", "w21", "w22", "b1", "b2", "v1", "v2", "c"]
    parts = [hidden.weights, hidden.bias, output.weights, output.bias]
    values = np.concatenate([part.ravel() for part in parts])
    return loss, dict(zip(names, values.tolist(), strict=True))


def main():
    """Print the table; return the costs and {name: (by hand, by backprop, by trial)}."""
    by_hand, by_trial = gradients_by_hand(PARAMETERS), gradients_by_trial(PARAMETERS)
    loss, by_backprop = gradients_by_backprop(PARAMETERS)
    rows = {k: (by_hand[k], by_backprop[k], by_trial[k]) for k in PARAMETERS}

    print("Two inputs A1 A2, two sigmoid nodes h1 h2, one sigmoid output B = y'.")
    print(f"Cost 1/m sum of ½(y-y')²: {cost(PARAMETERS):.12f} by hand, {loss:.12f} by backprop\n")
    print(f"{'':9}{'mean over the samples of':31}{'by hand':>16}{'backprop':>16}{'difference':>16}")
    for name, values in rows.items():
        columns = "".join(f"{value:16.12f}" for value in values)
        print(f"dC/d{name:5}{FORMULAS[name]:31}{columns}")
    print("\n(y'-y) is the derivative of the loss, B(1-B) and h(1-h) are those of the activations:")
    print("the chain rule multiplies them. The last column is (C(p+h) - C(p-h)) / 2h, h = 0.00001.")
    return cost(PARAMETERS), loss, rows


if __name__ == "__main__":
    main()
