// The product that makes a gradient, factor by factor, and the trial that settles it.

/** The mean over more samples than this is written as the chosen sample's term and the rest. */
const MOST_MEAN_TERMS = 4;

function chip({ kind, symbol, value }) {
  const { mark, label } = KINDS[kind];
  return h(
    "span",
    { class: `chip chip-${kind}` },
    h("span", { class: "chip-kind" }, h("span", { "aria-hidden": "true" }, `${mark}\u00a0`), label),
    largeMath(inKind(kind, symbol())),
    number(value, kind),
  );
}

/** One path's factors, and their product. */
function chainElement(path) {
  return h(
    "div",
    { class: "chain" },
    joined("×", path.factors.map(chip)),
    h("span", { class: "chain-result" }, sign("="), number(path.product)),
  );
}

function wayText(trace, parameter, { way }) {
  const names = way.map(({ unit, isStraight }, place) => (place && isStraight ? "straight to " : "") + trace.unitName(parameter.layer + place, unit));
  const { gathers } = way[way.length - 1];
  return [...names, ...(gathers ? [`${KINDS[gathers].label} of its norm`] : [])].join(" → ");
}

/** The formula of the whole: the factors of every path, in the order in which the paths list them. */
function chainFormula(trace, parameter) {
  const { sums, product } = chainSymbols(trace, parameter);
  const isOnePart = trace.mixesSamples && trace.samples.count > 1; // of the derivative of the cost
  const [others, more] = isOnePart ? [["…", "+"], ["+", "…"]] : [[], []];
  return formula(partial(derived(), parameterSymbol(parameter)), "=", ...others, ...sums, ...product, ...more);
}

function pathsIntroduction(chain) {
  if (chain.count === 1) return "One path leads from here to the loss: the derivative is one product.";
  const all = `${chain.count.toLocaleString("en")} paths lead from here to the loss; the derivative is the sum of their products.`;
  if (chain.isGrouped) return `${all} They are grouped by the unit that they go through next; the first factor is the sum of all that lies beyond that unit.${chain.gathers ? " What a norm’s mean and deviation gather stands beside them." : ""}`;
  return chain.others ? `${all} The largest are listed.` : all;
}

/** The path's numbers on one line, each in its colour. */
function shortProduct(path) {
  const numbers = path.factors.map(({ kind, value }) => term(value, kind, 3));
  return h("span", { class: "short-product" }, joined("×", numbers), sign("="), number(path.product, null, 3));
}

/** The path that is open is the one that a graph marks; heat-maps show no paths, and would lose the focus. */
function onPathToggle({ target }, path) {
  if (!target.open || !target.isConnected) return;
  state.way = path.way;
  if (isGraph) drawing.paint();
}

function pathElement(trace, parameter, chain, path) {
  const next = path.way[1]?.unit;
  const openUnit = () => select({ kind: "unit", layer: parameter.layer + 1, unit: next });
  return h("li", null, h(
    "details",
    { name: "path", open: path === chain.largest, ontoggle: (event) => onPathToggle(event, path) },
    h("summary", null, h("span", { class: "way" }, wayText(trace, parameter, path)), " ", shortProduct(path)),
    chainElement(path),
    chain.isGrouped && next !== undefined ? button(`open ${next}`, "Open this unit", openUnit, { class: "quiet" }) : null,
  ));
}

/** A single path in full; of several, the largest is open and the others open at a click. */
function pathElements(trace, parameter, chain) {
  if (chain.count === 1) return chainElement(chain.listed[0]);
  return h("ol", { class: "paths" }, chain.listed.map((path) => pathElement(trace, parameter, chain, path)));
}

function sumElement(chain) {
  if (chain.count === 1) return null;
  const terms = chain.listed.map(({ product }) => term(product));
  if (chain.others) {
    const groups = chain.isGrouped ? "groups" : "paths";
    terms.push([term(chain.othersSum), h("span", { class: "note" }, ` (the ${chain.others} other ${groups})`)]);
  }
  return h("p", { class: "sum" }, h("strong", null, "Sum of the paths "), joined("+", terms), sign("="), number(chain.sum));
}

/** The samples of which the mean is written out: all of them, or the chosen one. */
function meanTerms(trace, parameter) {
  const { count, share } = trace.samples;
  const alone = state.sample;
  const written = count <= MOST_MEAN_TERMS ? [...Array(count).keys()] : [alone];
  const terms = written.map((s) => h(
    "span",
    { class: s === alone ? "mean-term this-sample" : "mean-term" },
    trace.mixesSamples ? [] : [number(share.at(0, s), null, 4), sign("×")], term(trace.sampleGradient(parameter, s)),
  ));
  if (written.length === count) return terms;
  const rest = sum(trace.contributions(parameter).filter((_, s) => s !== alone));
  return [...terms, [term(rest), h("span", { class: "note" }, ` (the ${count - 1} other samples)`)]];
}

/** From the derivative of one sample's loss to that of the cost. */
function meanElement(trace, parameter) {
  const { count } = trace.samples;
  const symbol = largeMath(partial(mi("C"), parameterSymbol(parameter)), "=");
  const gradient = h("span", { id: "mean" }, number(sum(trace.contributions(parameter))));
  const openBatch = button("open batch", "Every sample’s part", () => update({ tab: "batch" }), { class: "link" });
  return [
    h("h3", null, "From this sample to the cost"),
    count === 1
      ? h("p", null, "The batch is this one sample, so that its loss is the cost:")
      : h("p", null, trace.mixesSamples
        ? `A norm over the ${count} samples lets each one act on every sample’s loss. So all derivatives here are those of the cost, and the samples’ parts add up. `
        : `The cost is the mean over ${count} samples, each with its share; training follows the mean of their derivatives. `, openBatch),
    h("p", { class: "sum mean" }, symbol, " ", joined("+", meanTerms(trace, parameter)), sign("="), gradient),
  ];
}

const TRIAL_REASONS = {
  unresolved: "the two differ by less than a trial can resolve.",
  kink: "a unit lies on a kink of its activation here, or an output on a corner of the loss. The trial is a mean of the slopes on both sides; training takes one.",
};

/** Under the trials: why one may contradict the chain rule though both are right. */
function trialNotes(own, batch) {
  return Object.entries(TRIAL_REASONS).map(([reason, text]) => {
    const places = [own.reason === reason && "this sample", batch.reason === reason && "the batch"].filter(Boolean);
    if (!places.length) return null;
    return h("p", { class: "trial-note", "data-reason": reason }, h("strong", null, `${capital(places.join(" and "))}: `), text);
  });
}

/** Why there is no trial of the cost, or of the sample alone. */
function missingTrialNote(trace, batch) {
  const elsewhere = "in Python, trace.gradient(…).finite_difference has it.";
  const note = (text) => h("p", { class: "note", id: "no-trial" }, text);
  if (!isTriedHere(trace)) return note(`This page cannot try the loss, which is a Python function: ${elsewhere}`);
  return batch.difference === null ? note(`A trial of the cost would take this page long: ${elsewhere}`) : null;
}

/** How one sample's part is tried where a norm mixes the samples. */
const PART_ALONE = " For the sample’s part it is moved where this sample uses it, and nowhere else; what changes is the cost.";

/** What a trial keeps of the step's chance. */
function sameAgain(trace) {
  const hasNoise = trace.layers.some(({ terms }) => terms.some(({ is_drawn: isDrawn }) => isDrawn));
  const kept = [trace.drops && "the same units dropped", hasNoise && "the same noise"].filter(Boolean);
  return kept.length ? `with ${kept.join(" and ")} and ` : "";
}

function questionOfProduct(trace, sample) {
  const number = trace.samples.numbers[sample];
  return trace.mixesSamples
    ? `When it grows, what does the cost do, as far as sample ${number} uses it?`
    : `When it grows, what does the loss of sample ${number} do?`;
}

/** Of what is neither a weight nor a bias: what it is. */
function learnedNote(trace, parameter) {
  if (!isLearned(parameter)) return null;
  const { note, slope, quantity } = trace.learnedAs(parameter);
  const { layer, from, to } = parameter;
  const read = () => readByFSymbol(layer, to);
  const formulaOfSlope = quantity.startsWith("a by ") ? [" ", math(learnedInputSymbol(layer, from, to), "=", formulaElement(slope, read))] : [];
  return h("p", { class: "note" }, `It is ${note}.`, formulaOfSlope);
}

/** Both derivatives above what a trial says: a column each, so that a phone has room for them. */
function checkElement(trace, parameter) {
  const { sample } = state;
  const symbol = (of) => largeMath(partial(of, parameterSymbol(parameter)));
  const cell = (id, value, precision) => (value === null ? "–" : h("span", { id }, number(value, null, precision)));
  const layer = trace.layers[parameter.layer];
  const value = parameterAt(layer, parameter);
  const tried = trace.mixesSamples ? trace.cost : trace.samples.loss.at(0, sample);
  const own = compared(trace.sampleGradient(parameter, sample), isTried(trace) ? sampleTrial(trace, sample, parameter) : null, tried, value);
  const batch = compared(parameterAt(layer.gradient, parameter), costTrial(trace, parameter), trace.cost, value);
  const headings = ["", [symbol(derived()), trace.mixesSamples ? " this sample’s part" : " this sample"], [symbol(mi("C")), " the batch"]];
  const rows = [
    ["chain rule", number(own.gradient), cell("gradient", batch.gradient)],
    ["trial", cell("sample-difference", own.difference), cell("difference", batch.difference)],
    ["relative error", cell("sample-error", own.error, 2), cell("relative-error", batch.error, 2)],
  ];
  return [
    h("h3", null, "Settled by trial"),
    h("p", { class: "note" }, `The number is moved a little each way, and the network worked out again in float64, ${sameAgain(trace)}without any derivative: this is how fast the loss really changes. A product that lacks a factor would not agree.`, trace.mixesSamples ? PART_ALONE : null),
    table("Each derivative, as training has it, beside its central difference", headings, rows),
    trialNotes(own, batch),
    missingTrialNote(trace, batch),
  ];
}

function parameterProduct(trace, parameter) {
  const { sample } = state;
  const chain = chainOf(trace, sample, parameter);
  const value = parameterAt(trace.layers[parameter.layer], parameter);
  return [
    h("h2", null, capital(trace.parameterName(parameter))),
    h("p", { class: "lead" }, math(parameterSymbol(parameter), "="), " ", number(value), `. ${questionOfProduct(trace, sample)}`),
    learnedNote(trace, parameter),
    chainFormula(trace, parameter),
    h("p", null, pathsIntroduction(chain)),
    pathElements(trace, parameter, chain),
    sumElement(chain),
    h("p", { class: "result" }, largeMath(partial(derived(), parameterSymbol(parameter)), "="), trace.mixesSamples && trace.samples.count > 1 ? " … + " : " ", h("span", { id: "sample-gradient" }, number(trace.sampleGradient(parameter, sample)))),
    meanElement(trace, parameter),
    checkElement(trace, parameter),
  ];
}

function capital(text) {
  const [first = "", ...rest] = text;
  return first.toUpperCase() + rest.join("");
}

function productView() {
  const { trace, item } = state;
  return item.kind === "parameter" ? parameterProduct(trace, item) : nodeProduct(trace, item);
}
