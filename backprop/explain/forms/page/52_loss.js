// The derivative of the loss: the long way, the short way, and why they are equal.

const MOST_CLASSES_SHOWN = 10;

function lossView() {
  const { trace } = state;
  const view = { elementwise: longWay, matrix: matrixWay }[trace.lossFunction.long_way] ?? shortWay;
  return [
    h("h2", null, `The loss: ${trace.loss.replaceAll("_", " ")}`),
    h("p", { class: "lead" }, `Sample ${trace.samples.numbers[state.sample]}: loss `, number(trace.samples.loss.at(0, state.sample)), ".", trace.labelSmoothing ? ` The targets are smoothed by ${digits(trace.labelSmoothing)}.` : null),
    trace.targetScale ? scaleNote(trace, state.sample) : null,
    changedOutputNote(trace),
    view(trace, state.sample),
  ];
}

/** Where the last layer hands on something else than a. */
function changedOutputNote(trace) {
  if (!trace.isChanged(trace.last)) return null;
  if (trace.terms(trace.last).length) return h("p", { class: "note" }, "a stands here for ", math(handedOnSymbol(trace.last)), ", which the last layer hands on.");
  return h("p", { class: "note" }, "The outputs are dropped: a stands here for ", math(handedOnSymbol(trace.last), "=", mi("r"), "·", mi("a")), ", which the loss reads.");
}

/** What a regression's output and target stand for, in the unit of the table's column. */
function scaleNote(trace, sample) {
  const [mean, deviation] = trace.targetScale;
  const inItsUnit = (matrix) => number(matrix.at(sample, 0) * deviation + mean);
  const { output, y } = trace.samples;
  return h("p", { class: "note", id: "scale" },
    `The target is scaled: y = (${trace.outputNames[0]} − `, term(mean), ") / ", number(deviation),
    ". Here a stands for ", inItsUnit(output), " and y for ", inItsUnit(y), ".");
}

/** Of the outputs, those that the tables show. */
function shownOutputs(trace, sample) {
  const { lossSlopes: da } = trace.samples;
  const all = Array.from({ length: da.cols }, (_, j) => da.at(sample, j));
  return largest(all, MOST_CLASSES_SHOWN);
}

function othersNote(trace, shown) {
  const others = trace.outputNames.length - shown.length;
  return others ? h("p", { class: "note" }, `${others} outputs with smaller derivatives are not shown.`) : null;
}

const letter = (name, index) => m("msub", mi(name), mi(index));

/** A formula of the loss, for output j; parameters stand with their numbers. */
function ofOutput(tree, settings) {
  return formulaElement(tree, (symbol, level) =>
    symbol.symbol in settings ? numberElement(settings[symbol.symbol], level) : letter(symbol.letter, "j"));
}

/** The derivative by each output that a term of the loss reads, and what they call by a letter. */
function slopeFormulas({ members, slopes, wherein, settings, derivative_formula: derivative }) {
  const by = (member) => inKind("loss", partial(sampleLoss(), letter(member, "j")));
  const right = (place) => (slopes.length ? ofOutput(slopes[place], settings) : m("mtext", derivative));
  return [
    ...members.map((member, place) => formula(by(member), "=", right(place))),
    ...wherein.map(({ sign, formula: tree }) => formula(ofOutput(sign, settings), "=", ofOutput(tree, settings))),
  ];
}

/** Of a loss that contains no sigmoid or softmax: nothing cancels. */
function shortWay(trace, sample) {
  const { lossSlopes: da } = trace.samples;
  const { y } = trace.samples;
  const { term, settings, of_each: ofEach, note, formula: whole } = trace.lossFunction;
  const shown = shownOutputs(trace, sample);
  const own = (j) => Object.values(ofEach).map((numbers) => number(numbers[j]));
  const rows = shown.map((j) => [trace.outputNames[j], number(trace.handedOn(trace.last, sample, j)), number(y.at(sample, j)), ...own(j), number(da.at(sample, j), "loss")]);
  return [
    formula(sampleLoss(), "=", ...(term ? [sumOver("j"), ofOutput(term, settings)] : [m("mtext", whole)])),
    slopeFormulas(trace.lossFunction),
    table("The derivative for each output", ["output", "a", "target y", ...Object.keys(ofEach), "∂ℓ/∂a"], rows),
    othersNote(trace, shown),
    note ? h("p", null, note, " The finite difference beside each gradient settles it.") : null,
  ];
}

function longWay(trace, sample) {
  const { lossSlopes: da } = trace.samples;
  const { y, output } = trace.samples;
  const shown = shownOutputs(trace, sample);
  const rows = shown.map((j) => {
    const p = output.at(sample, j);
    const target = y.at(sample, j);
    const first = (p - target) / (p * (1 - p));
    const second = p * (1 - p);
    return [trace.outputNames[j], number(trace.handedOn(trace.last, sample, j), null, 4), number(p, null, 4), number(target, null, 4), number(first, "loss", 4), number(second, "activation", 4), number(first * second, null, 4), number(da.at(sample, j), "loss", 4)];
  });
  const p = () => letter("p", "j");
  const pq = () => mrow(p(), inBrackets(mn(1), mo("−"), p()));
  return [
    formula(sampleLoss(), "=", "−", sumOver("j"), inSquareBrackets(letter("y", "j"), log(), p(), mo("+"), inBrackets(mn(1), mo("−"), letter("y", "j")), log(), inBrackets(mn(1), mo("−"), p())), gap(), p(), "=", mi("σ"), inBrackets(letter("a", "j"))),
    h("h3", null, "The long way"),
    formula(inKind("loss", partial(sampleLoss(), p())), "=", m("mfrac", mrow(p(), mo("−"), letter("y", "j")), pq()), gap(), inKind("activation", partial(p(), letter("a", "j"))), "=", pq()),
    h("h3", null, "The short way"),
    formula(partial(sampleLoss(), letter("a", "j")), "=", p(), "−", letter("y", "j")),
    table("Both ways, for each output", ["output", "logit a", "p = σ(a)", "target y", "∂ℓ/∂p", "∂p/∂a", "their product", "p − y"], rows),
    othersNote(trace, shown),
    h("p", null, "Equal, because the derivative of the sigmoid, p(1 − p), is what the derivative of the loss divides by. Training takes the short way: where p has become 0 or 1 the long way divides by zero."),
  ];
}

function matrixWay(trace, sample) {
  const { lossSlopes: da } = trace.samples;
  const { y, output } = trace.samples;
  const shown = shownOutputs(trace, sample);
  const p = (j) => output.at(sample, j);
  const targets = shown.map((_, place) => place).filter((place) => y.at(sample, shown[place]) !== 0);
  const byP = (k) => (y.at(sample, k) === 0 ? 0 : -y.at(sample, k) / p(k));
  const jacobian = (k, j) => p(k) * ((k === j ? 1 : 0) - p(j));
  const all = Array.from(trace.outputNames.keys());
  const product = (j) => all.reduce((sum, k) => sum + byP(k) * (byP(k) === 0 ? 0 : jacobian(k, j)), 0);
  const first = shown.map((k) => [trace.outputNames[k], number(p(k), null, 4), number(y.at(sample, k), null, 4), number(byP(k), "loss", 4)]);
  const matrix = shown.map((k, place) => [
    h("span", targets.includes(place) ? { class: "kind-loss" } : null, trace.outputNames[k]),
    ...shown.map((j) => number(jacobian(k, j), "activation", 3)),
  ]);
  const both = shown.map((j) => [trace.outputNames[j], number(product(j)), number(da.at(sample, j), "loss")]);
  const pk = () => letter("p", "k");
  return [
    formula(sampleLoss(), "=", "−", sumOver("k"), letter("y", "k"), log(), pk(), gap(), pk(), "=", m("mfrac", m("msup", mi("e"), letter("a", "k")), mrow(sumOver("j"), m("msup", mi("e"), letter("a", "j"))))),
    h("h3", null, "The long way"),
    formula(inKind("loss", partial(sampleLoss(), pk())), "=", "−", m("mfrac", letter("y", "k"), pk()), gap(), inKind("activation", partial(pk(), letter("a", "j"))), "=", pk(), inBrackets(m("msub", mi("δ"), mrow(mi("k"), mi("j"))), mo("−"), letter("p", "j"))),
    table("The derivative by each probability", ["output", "p", "target y", "∂ℓ/∂p"], first),
    h("p", null, "Each probability depends on every logit, so the second derivative is a matrix: its rows are the probabilities, its columns the logits."),
    table("The softmax’s matrix of derivatives", ["∂p/∂a", ...shown.map((j) => trace.outputNames[j])], matrix),
    h("h3", null, "The short way"),
    formula(partial(sampleLoss(), letter("a", "j")), "=", letter("p", "j"), "−", letter("y", "j")),
    table("Both ways, for each output", ["output", "sum over k of the long way", "p − y, as training has it"], both),
    othersNote(trace, shown),
    h("p", null, "Equal, because each term −y/p meets a p in the matrix and cancels it: what is left is −y where k = j, and p times the sum of the targets, which is 1. (Where the targets do not sum to 1, the short way is p Σy − y.)"),
  ];
}
