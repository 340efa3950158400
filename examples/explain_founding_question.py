"""The question that this library grew from, answered on numbers, as text and as a page.

    When a network is trained by gradient descent on the squared error, is it the derivative of
    the cost that is used, or the derivative of the activation?

Both, multiplied, one step after another, and so for every weight of every layer at once. A
network 2-2-1 learns "exactly one of the two"; the product that makes one weight's gradient is
printed, and a page is written that shows it for all weights and at each stage of the training.

    python examples/explain_founding_question.py [PAGE]
"""

import sys

import numpy as np

import backprop as bp
from backprop.explain import write_page

TITLE = "The derivative of the cost, or of the activation?"
INTRODUCTION = """
Leave one factor out, and the product no longer says how the cost changes: the trial below it shows
that.

Here a network with two inputs, A and B, learns “exactly one of the two”. The page opens before the
training, at the sample A = 1, B = 0.
"""

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
Y = np.array([0, 1, 1, 0], dtype=float)
STAGES, EPOCHS = 12, 60
WEIGHT, SAMPLE = (0, 0, 0), 2  # from A to the first hidden unit; A = 1, B = 0


def main(path="founding_question.html"):
    """Train, print and write; returns the traces, one a stage."""
    net = bp.Network(
        2,
        [bp.Dense(2, "sigmoid"), bp.Dense(1, "sigmoid")],
        loss="squared_error",
        optimizer=bp.SGD(2.0, momentum=0.9),
        dtype="float64",
        seed=3,
    )
    names = {"input_names": ["A", "B"], "output_names": ["exactly one"]}
    traces = [net.explain(X, Y, **names)]
    for _ in range(STAGES):
        net.fit(X, Y, epochs=EPOCHS, batch_size=4)
        traces.append(net.explain(X, Y, **names))

    weight = traces[0].gradient(*WEIGHT, sample=SAMPLE)
    loss, output, upstream, hidden, x = weight.paths[0].factors
    print("One weight of the first layer, before training, for A = 1, B = 0:")
    print(f"  {loss.value:+.6f}  derivative of the loss, a - y")
    print(f"  {output.value:+.6f}  derivative of the output's activation, a (1 - a)")
    print(f"  {upstream.value:+.6f}  the weight from the hidden unit to the output")
    print(f"  {hidden.value:+.6f}  derivative of the hidden unit's activation")
    print(f"  {x.value:+.6f}  input")
    print(f"  {weight.sum:+.6f}  their product")
    print(f"The mean over the {len(X)} samples is {weight.gradient:.9f}, which training uses;")
    print(f"moving the weight a little each way shows {weight.finite_difference:.9f}.")
    print()
    print(f"cost {traces[0].cost:.4f} before training, {traces[-1].cost:.6f} after")
    write_page(
        path,
        traces,
        TITLE,
        introduction=INTRODUCTION,
        weight=WEIGHT,
        sample=SAMPLE,
        epoch=0,
    )
    print(f"page written to {path}")
    return traces


if __name__ == "__main__":
    main(*sys.argv[1:2])
