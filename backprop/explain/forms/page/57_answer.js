// What is read first: the question that the page answers, on the numbers that are chosen, and how to
// read the rest.

const QUESTION = "In back-propagation, is it the derivative of the cost or of the activation that is used?";

/** What a loss may contain, by its long way. */
const CONTAINED = { elementwise: "sigmoid", matrix: "softmax" };

function kindMark(kind) {
  return h("span", { class: `kind-${kind}` }, KINDS[kind].mark);
}

/** A factor's number behind its mark, in its colour. */
function markedFactor({ kind, value }) {
  return h("span", { class: "term" }, kindMark(kind), " ", term(value, kind, 3));
}

/** Of several paths the largest stands for all. */
function pathNote(trace, parameter, chain) {
  if (chain.count === 1) return null;
  const total = [" All of them add up to ", number(chain.sum, null, 4), "."];
  const { way } = chain.largest;
  const count = chain.count.toLocaleString("en");
  if (!chain.isGrouped && chain.gathers) {
    return [` This is the largest path that leads to the loss unit by unit; on the others of all ${count}, a norm’s mean and deviation gather such products.`, ...total];
  }
  if (!chain.isGrouped) return [` This is the largest of ${count} paths.`, ...total];
  const road = way[1].isStraight ? ", by the straight road," : "";
  return [
    ` ${capital(trace.unitName(parameter.layer + 1, way[1].unit))}${road} adds the most; `, kindMark("group"),
    " is what comes back from there: derivatives of the loss, times those of the activations on the way.", ...total,
  ];
}

function costNote(trace, parameter) {
  const { count } = trace.samples;
  if (count === 1) return " The cost is this sample’s loss.";
  const gradient = number(parameterAt(trace.layers[parameter.layer].gradient, parameter), null, 4);
  if (trace.mixesSamples) return [` The derivative of the cost is the sum of the ${count} samples’ parts, since a norm mixes them: `, gradient, "."];
  return [` The derivative of the cost is the mean over the ${count} samples: `, gradient, "."];
}

function answerInNumbers(trace, sample, parameter) {
  const chain = chainOf(trace, sample, parameter);
  const path = chain.largest;
  return h("span", { id: "answer-numbers" },
    ` Here, for the ${trace.parameterName(parameter)} on sample ${trace.samples.numbers[sample]}: `,
    h("span", { class: "answer-product" }, joined("×", path.factors.map(markedFactor)), sign("="), number(path.product, null, 4)), ".",
    pathNote(trace, parameter, chain) ?? [],
    costNote(trace, parameter));
}

/** A loss on logits has a derivative of its own in it, which no factor shows. */
function containedNote({ lossFunction, layers, last }) {
  const contained = CONTAINED[lossFunction.long_way];
  if (!contained) return null;
  return h("p", { id: "answer-contained" },
    `This loss contains the ${contained}, whose derivative is already in `, kindMark("loss"), `; the output layer is the identity, with f′(${layers[last].norm ? "y" : "z"}) = 1. The view “Loss” shows both.`);
}

/** In the quiz without the numbers, which it asks for. */
function drawAnswer() {
  const { trace, sample, tab } = state;
  redraw(
    document.getElementById("answer"),
    h("p", null, h("strong", null, QUESTION), " Both, multiplied.", tab === "quiz" ? null : answerInNumbers(trace, sample, chosenParameter())),
    containedNote(trace),
  );
}

/** Kinds of factors that the network's products have. */
function kindsMet(trace) {
  const hasNorm = trace.layers.some(({ norm }) => norm);
  const isMet = {
    mask: trace.drops,
    scale: hasNorm,
    mean: hasNorm,
    spread: hasNorm,
    deviation: hasNorm,
    weight: trace.last > 0,
    straight: trace.layers.some(({ residual }, layer) => layer > 0 && residual),
    group: trace.layers.some((_, layer) => isGrouped(trace, { layer, from: 0, to: 0 })),
  };
  return Object.keys(KINDS).filter((kind) => isMet[kind] ?? true);
}

function clickNote(trace) {
  const what = isGraph ? "a line, a circle or a bias (b) of the drawing" : "a pixel of the pictures or a cell below them";
  const more = [
    trace.samples.count > 1 ? "“Sample” takes another row of the batch" : null,
    state.traces.length > 1 ? "the slider another moment of the training" : null,
  ].filter(Boolean).join(", ");
  return `Click ${what}, or use the arrow keys, and the page answers for it.${more ? ` ${capital(more)}.` : ""}`;
}

function colourNote() {
  const what = state.show === "gradient"
    ? "orange: the cost grows when the weight does, so that its gradient pushes it down; blue: the other way round."
    : "orange: the weight is above 0; blue: below.";
  return `In the drawing, ${what}`;
}

/** Where a way has fewer activations than layers, or its first factor is a sum that has them in it. */
function exceptions(kinds) {
  const found = [
    kinds.includes("straight") && "a straight road passes a layer by",
    kinds.includes("mean") && "what a norm’s mean and deviation gather has them in it",
  ].filter(Boolean);
  return found.length ? ` (${found.join("; ")})` : "";
}

function drawGuide() {
  const kinds = kindsMet(state.trace).map((kind) => h("li", { class: `kind-${kind}` }, `${KINDS[kind].mark} ${KINDS[kind].label}`));
  redraw(
    document.getElementById("guide"),
    h("p", null, clickNote(state.trace)),
    h("p", null, `Factors have their colours everywhere. Whatever you choose, the loss’s derivative and an activation’s for each layer on the way are among them${exceptions(kindsMet(state.trace))}:`),
    h("ul", { class: "kinds" }, kinds),
    h("p", null, colourNote()),
  );
}
