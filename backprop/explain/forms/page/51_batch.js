// The batch: what each sample contributes to the gradient of the chosen parameter.

const MOST_SAMPLES_LISTED = 24;

/** The parameter that a view is about: a unit stands for its bias, or without one for its first weight, an input for its first weight. */
function chosenParameter() {
  const { item } = state;
  if (item.kind === "parameter") return item;
  if (item.layer === INPUTS) return { kind: "parameter", layer: 0, from: item.unit, to: 0 };
  const { bias } = state.trace.layers[item.layer];
  return { kind: "parameter", layer: item.layer, from: bias ? BIAS : 0, to: item.unit };
}

function batchView() {
  const { trace } = state;
  const parameter = chosenParameter();
  const { samples } = trace;
  const own = trace.layers[parameter.layer];
  const contributions = trace.contributions(parameter);
  const listed = largest(contributions, MOST_SAMPLES_LISTED);
  const most = largestOf(contributions);
  const rows = listed.map((s) => [
    button(`sample ${s}`, String(samples.numbers[s]), () => selectSample(s), { class: "link", "aria-pressed": String(s === state.sample), "aria-label": `sample ${samples.numbers[s]}` }),
    number(samples.loss.at(0, s), null, 4),
    number(samples.share.at(0, s), null, 4),
    number(trace.meeting(parameter, s), "group", 4),
    number(trace.input(parameter, s), "input", 4),
    number(contributions[s], null, 4),
    bar(contributions[s], most),
  ]);
  const others = samples.count - listed.length;
  const s = () => mi("s");
  return [
    h("h2", null, "The batch"),
    h("p", { class: "lead" }, trace.mixesSamples
      ? "The cost is the mean of the samples’ losses. A norm over the samples mixes them, so each sample’s derivative is that of the cost already; its share is in it."
      : "The cost is the mean of the samples’ losses, so the gradient is the mean of the samples’ derivatives. A share is a sample’s weight over the sum of the weights: 1/n where all weigh the same."),
    formula(mi("C"), "=", sumOver("s"), m("msub", mi("share"), s()), "·", m("msub", sampleLoss(), s()), "=", decimal(trace.cost)),
    formula(partial(mi("C"), parameterSymbol(parameter)), "=", sumOver("s"), ...ofSample(trace, parameter), "·", inKind("input", inputSymbol(parameter, "s"))),
    h("p", null, `Here for the ${trace.parameterName(parameter)}.`, others ? ` The ${listed.length} largest contributions of ${samples.count}.` : ""),
    table("Each sample’s contribution", ["sample", "loss", "share", `∂${derivedLetter()}/∂${metLetter(trace, parameter)}`, "input", "contribution", ""], rows),
    h("p", { class: "sum" }, h("strong", null, "Sum over the batch "), sign("="), number(sum(contributions)), h("span", { class: "note" }, " on this page; training has "), number(parameterAt(own.gradient, parameter))),
  ];
}

/** By what the derivative is that meets a parameter's input: z, or what a norm's or an activation's parameter shapes. */
function metLetter(trace, parameter) {
  if (!isLearned(parameter)) return "z";
  return trace.learnedAs(parameter).quantity.startsWith("a by ") ? "a" : "y";
}

/** A sample's share, and its derivative; where samples are mixed that of the cost alone. */
function ofSample(trace, parameter) {
  const met = () => indexed(metLetter(trace, parameter), parameter.layer, "s", parameter.to);
  if (trace.mixesSamples) return [inKind("group", partial(mi("C"), met()))];
  const s = () => mi("s");
  return [m("msub", mi("share"), s()), "·", inKind("group", partial(m("msub", sampleLoss(), s()), met()))];
}

/** A bar to the left or to the right of zero. */
function bar(value, most) {
  const width = most > 0 && Number.isFinite(value) ? (46 * Math.abs(value)) / most : 0;
  const x = value < 0 ? 50 - width : 50;
  return svg(
    "svg",
    { class: "bar", viewBox: "0 0 100 12", "aria-hidden": "true" },
    svg("path", { class: "axis", d: "M50,0V12" }),
    svg("rect", { class: signClass(value), x, y: 2, width, height: 8, rx: 1 }),
  );
}
