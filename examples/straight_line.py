"""A straight line through measured points: the smallest thing that gradient descent can learn.

A network with one input, one weight and one bias computes y' = slope x + intercept. Its cost
C = 1/m sum of ½ (y - y')² is the one of least squares, whose derivatives are

    dC/dslope     = 1/m sum of (y' - y) x
    dC/dintercept = 1/m sum of (y' - y)

Gradient descent steps against them and arrives where `np.polyfit` does in one go. Run it with

    python examples/straight_line.py
"""

import numpy as np

import backprop as bp

# The length of a spring in centimetres, with weights of so many newtons hung from it
FORCE = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0])
LENGTH = np.array([10.1, 11.3, 12.2, 13.6, 14.4, 15.9, 16.8, 18.2, 19.1])


def main():
    """Print the way down; return (slope, intercept) by gradient descent and by `np.polyfit`."""
    optimizer = bp.SGD(learning_rate=0.25)
    net = bp.Network(1, [bp.Dense(1)], "squared_error", optimizer, dtype="float64", seed=0)
    (line,) = net.layers

    print("length = slope * force + intercept, by gradient descent on 1/m sum of ½(y-y')²\n")
    print(f"{'steps':>12}{'slope':>14}{'intercept':>14}{'cost':>14}")
    for steps in (0, 1, 10, 100, 1000):
        # all the points in one batch: an epoch is one step down the gradient of the whole cost
        while net.steps < steps:
            net.train_step(FORCE[:, None], LENGTH)
        cost = net.evaluate(FORCE[:, None], LENGTH)["loss"]
        slope, intercept = line.weights.item(), line.bias.item()
        print(f"{steps:12}{slope:14.8f}{intercept:14.8f}{cost:14.8f}")

    exact = np.polyfit(FORCE, LENGTH, 1)
    print(f"{'np.polyfit':>12}{exact[0]:14.8f}{exact[1]:14.8f}")
    return (slope, intercept), (float(exact[0]), float(exact[1]))


if __name__ == "__main__":
    main()
