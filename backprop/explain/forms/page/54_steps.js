// The computation step by step, there and back, for the chosen sample.

const MOST_UNITS_TABLED = 12;
const MOST_TERMS_WRITTEN = 4;

/** A table with a row a unit; the largest by the last column where there are many. */
function unitTable(caption, layer, headings, cellsOf) {
  const { trace } = state;
  const rows = Array.from({ length: trace.units(layer) }, (_, unit) => cellsOf(unit));
  const shown = largest(rows.map((cells) => cells[cells.length - 1].value), MOST_UNITS_TABLED);
  const cellOf = (cell) => (typeof cell === "string" ? cell : number(cell.value, cell.kind));
  const listed = shown.map((unit) => [trace.unitName(layer, unit), ...rows[unit].map(cellOf)]);
  const others = rows.length - shown.length;
  return [
    table(caption, ["", ...headings], listed),
    others ? h("p", { class: "note" }, `The ${shown.length} largest of ${rows.length}.`) : null,
  ];
}

function inputStep() {
  return {
    title: "The inputs",
    lit: { kind: "unit", layer: INPUTS },
    body: () => [
      h("p", null, "One sample enters: these are the numbers as the network sees them."),
      unitTable("Inputs", INPUTS, ["x", ...handedOnHeadings(INPUTS, "x̃")], (unit) => [
        { value: state.trace.activation(INPUTS, state.sample, unit), kind: "input" }, ...handedOnCells(INPUTS, unit),
      ]),
      changeNotes(state.trace, INPUTS),
    ],
  };
}

/** For tables of what a layer hands on: nothing where that is its activations; else what they are changed by, and what comes out. */
function handedOnHeadings(layer, result) {
  return changesOf(layer).map(({ label }) => label).concat(state.trace.isChanged(layer) ? [result] : []);
}

/** What is done to a layer's activations, in its order, as columns of a table. */
function changesOf(layer) {
  const { trace } = state;
  const terms = (isLast) => trace.terms(layer).filter((term) => term.comes_last === isLast).map(({ name, values }) => ({ label: name, values }));
  const scaling = trace.scaling(layer).map(({ kind, values }) => ({ label: KINDS[kind].label, kind, values }));
  return [...terms(false), ...scaling, ...terms(true)];
}

function handedOnCells(layer, unit) {
  const { trace, sample } = state;
  if (!trace.isChanged(layer)) return [];
  return [...changesOf(layer).map(({ kind, values }) => ({ value: values.at(sample, unit), kind })), { value: trace.handedOn(layer, sample, unit) }];
}

/** z of a unit written out with its numbers, where that is short. */
function writtenOut(layer, unit) {
  const { trace, sample } = state;
  const { inputs, weights, bias } = trace.layers[layer];
  if (inputs > MOST_TERMS_WRITTEN) return `${inputs} products${bias ? " and the bias" : ""}`;
  const brackets = (value) => (value < 0 ? `(${digits(value, 3)})` : digits(value, 3));
  const terms = Array.from({ length: inputs }, (_, from) =>
    `${brackets(trace.handedOn(layer - 1, sample, from))} · ${brackets(weights.at(from, unit))}`);
  if (bias) terms.push(brackets(bias.at(0, unit)));
  return terms.join(" + ");
}

/** A formula of the activation for unit j, or of its slope; parameters stand with their numbers, or their letters where units learn them. */
function ofUnit(layer, tree) {
  const { settings, learned } = state.trace.layers[layer].function;
  return formulaElement(tree, (symbol, level) => {
    const { symbol: name, letter: own } = symbol;
    if (name === learned) return parameterSymbol({ layer, from: name, to: "j" });
    if (name in settings) return numberElement(settings[name], level);
    const element = name === "z" ? readByFSymbol(layer, "j") : indexed(own, layer, "j");
    return level === ATOM ? inBrackets(element) : element; // the base of a power, beside the layer above it
  });
}

/** As a table's heading. */
function outputDerivative(layer) {
  return `∂${derivedLetter()}/∂${state.trace.isChanged(layer) ? "ã" : "a"}`;
}

function forwardSteps(layer) {
  const { name, activation, function: f } = state.trace.layers[layer];
  const own = () => state.trace.layers[layer];
  return [
    {
      title: `Forward: the sums of ${name}`,
      lit: { kind: "parameter", layer },
      body: () => [
        formula(indexed("z", layer, "j"), "=", sumOver("i"), inKind("input", handedOnSymbol(layer - 1, "i")), "·", inKind("weight", indexed("w", layer, "i", "j")), ...biasTerm(layer, "j")),
        h("p", null, own().bias ? "Each unit weighs what comes in, and adds its bias." : "Each unit weighs what comes in; this layer has no bias."),
        unitTable("Pre-activations", layer, ["calculation", "z"], (unit) => [writtenOut(layer, unit), { value: own().z.at(state.sample, unit) }]),
      ],
    },
    ...(own().norm ? [normForwardStep(layer)] : []),
    {
      title: `Forward: the activations of ${name}`,
      lit: { kind: "unit", layer },
      body: () => [
        formula(indexed("a", layer, "j"), "=", mi("f"), inBrackets(readByFSymbol(layer, "j")), "=", ofUnit(layer, f.formula), gap(), mi("f"), "=", m("mtext", activation)),
        h("p", null, f.is_identity ? "The identity hands its sum on unchanged." : `The ${activation} bends each sum; this is what the next layer reads.`),
        state.trace.isChanged(layer) ? formula(handedOnSymbol(layer, "j"), "=", ...handedOnParts(state.trace, layer, "j")) : null,
        unitTable("Activations", layer, [...readHeadings(own()), ...handedOnHeadings(layer, "ã")], (unit) => [
          ...readCells(own(), unit), { value: own().a.at(state.sample, unit) }, ...handedOnCells(layer, unit),
        ]),
        changeNotes(state.trace, layer),
      ],
    },
  ];
}

function lossSteps() {
  const { last } = state.trace;
  return [
    {
      title: "The loss, and the cost",
      lit: { kind: "unit", layer: last },
      body: () => {
        const { trace, sample } = state;
        return [
          h("p", null, "The sample’s loss compares the output with the target; the cost is the mean of the samples’ losses."),
          unitTable("Outputs and targets", last, ["target y", "output"], (unit) => [{ value: trace.samples.y.at(sample, unit) }, { value: trace.samples.output.at(sample, unit) }]),
          h("p", { class: "result" }, math(sampleLoss(), "="), " ", number(trace.samples.loss.at(0, sample)), " and ", math(mi("C"), "="), " ", number(trace.cost)),
        ];
      },
    },
    {
      title: "Back: the derivative of the cost",
      lit: { kind: "unit", layer: last },
      body: () => [
        formula(partial(mi("C"), m("msub", sampleLoss(), mi("s"))), "=", m("msub", mi("share"), mi("s"))),
        h("p", null, state.trace.mixesSamples
          ? "A mean passes on to each sample its share. A norm mixes the samples on the way, so that all derivatives from here on are those of the cost."
          : "A mean passes on to each sample its share. It is kept for the end: until then, the derivatives are those of the sample’s own loss."),
        h("p", { class: "result" }, "share = ", number(state.trace.samples.share.at(0, state.sample))),
      ],
    },
    {
      title: "Back: the derivative of the loss",
      lit: { kind: "unit", layer: last },
      body: () => [
        formula(inKind("loss", partial(derived(), handedOnSymbol(last, "j")))),
        h("p", null, state.trace.mixesSamples
          ? "How the cost changes with each output of this sample: its share, times the derivative of its loss. Only here does the loss come in; the view “Loss” shows where the formula comes from."
          : "How the sample’s loss changes with each output. Only here does the loss come in; the view “Loss” shows where the formula comes from."),
        unitTable("Derivatives of the loss", last, [outputDerivative(last)], (unit) => [{ value: state.trace.layers[last].da.at(state.sample, unit), kind: "loss" }]),
      ],
    },
  ];
}

function backwardSteps(layer) {
  const { last } = state.trace;
  const own = () => state.trace.layers[layer];
  const daKind = layer === last ? "loss" : "group";
  const byOutput = outputDerivative(layer);
  const through = () => own().factors.slice(0, own().norm ? -2 : undefined); // what follows is the norm's
  const by = () => (own().norm ? "y" : "z");
  const reached = (unit) => (own().norm ?? own())[`d${by()}`].at(state.sample, unit);
  const steps = [
    {
      title: `Back: through the activation of ${own().name}`,
      lit: { kind: "unit", layer },
      body: () => [
        formula(
          partial(derived(), readByFSymbol(layer, "j")), "=", inKind(daKind, partial(derived(), handedOnSymbol(layer, "j"))),
          ...through().flatMap(({ kind }) => [mo("·"), inKind(kind, SYMBOLS[kind](layer, "j"))]),
        ),
        formula(inKind("activation", derivativeSymbol(layer, "j")), "=", ofUnit(layer, own().function.slope), gap(), mi("f"), "=", m("mtext", own().activation)),
        h("p", null, `${layer === last ? "The derivative of the loss" : "What came back from the layer above"} meets the derivative of the activation: both, multiplied.`),
        unitTable(own().norm ? "Derivatives by what the activation reads" : "Derivatives by the pre-activation", layer, [byOutput, ...through().map(({ kind }) => KINDS[kind].label), `∂${derivedLetter()}/∂${by()}`], (unit) => [
          { value: own().da.at(state.sample, unit), kind: daKind },
          ...through().map(({ kind, values }) => ({ value: values.at(state.sample, unit), kind })),
          { value: reached(unit) },
        ]),
        learnedSteps(layer),
      ],
    },
    ...(own().norm ? [normBackwardStep(layer)] : []),
    {
      title: `Back: the weights of ${own().name}`,
      lit: { kind: "parameter", layer },
      body: () => [
        formula(partial(derived(), indexed("w", layer, "i", "j")), "=", inKind("group", partial(derived(), indexed("z", layer, "j"))), "·", inKind("input", handedOnSymbol(layer - 1, "i"))),
        h("p", null, `A weight’s derivative is its unit’s ∂${derivedLetter()}/∂z times what the weight is multiplied with${own().bias ? "; a bias is multiplied with 1" : ""}.`),
        weightTable(layer),
      ],
    },
  ];
  if (layer === 0) return steps;
  const before = () => state.trace.layers[layer - 1];
  return [
    ...steps,
    {
      title: `Back: from ${own().name} to ${before().name}`,
      lit: { kind: "parameter", layer },
      body: () => [
        passedBackFormula(layer - 1, "i", "j"),
        h("p", null, "Through the weights upstream, each unit gets its share of the blame: a sum, as it reaches the loss on every path."),
        own().residual ? h("p", null, `And by the straight road: ${own().name} adds its inputs to its outputs, so that the derivative by these comes back as it is.`) : null,
        unitTable("Derivatives by what is handed on", layer - 1, [outputDerivative(layer - 1)], (unit) => [{ value: before().da.at(state.sample, unit) }]),
      ],
    },
  ];
}

/** The derivatives of a layer's weights and biases by one sample's loss; the largest of many. */
function weightTable(layer) {
  const { trace, sample } = state;
  const { inputs, units, bias } = trace.layers[layer];
  const parameters = [];
  for (let to = 0; to < units; to++) {
    for (let from = bias ? BIAS : 0; from < inputs; from++) parameters.push({ layer, from, to });
  }
  const values = parameters.map((parameter) => trace.sampleGradient(parameter, sample));
  const shown = largest(values, MOST_UNITS_TABLED);
  const rows = shown.map((place) => [
    trace.parameterName(parameters[place]),
    number(trace.layers[layer].dz.at(sample, parameters[place].to), "group"),
    number(trace.input(parameters[place], sample), "input"),
    number(values[place]),
  ]);
  return [
    table("Derivatives by the weights", ["", `∂${derivedLetter()}/∂z`, "input", `∂${derivedLetter()}/∂w`], rows),
    shown.length < values.length ? h("p", { class: "note" }, `The ${shown.length} largest of ${values.length.toLocaleString("en")}.`) : null,
  ];
}

function closingSteps() {
  return [
    {
      title: "The mean over the batch",
      body: () => [
        state.trace.mixesSamples ? null : formula(partial(mi("C"), mi("w")), "=", sumOver("s"), m("msub", mi("share"), mi("s")), "·", partial(m("msub", sampleLoss(), mi("s")), mi("w"))),
        h("p", null, `The same is done for all ${state.trace.samples.count} samples of the batch; ${state.trace.mixesSamples ? "their shares are in it already" : "their shares now come in"}, and the sum is the gradient. The view “Batch” lists the contributions to the chosen weight.`),
      ],
    },
    {
      title: "The step",
      body: () => [
        stepFormulas(),
        h("p", null, `Every weight of every layer moves at once, against its gradient${frozenNames()}. The view “Update” follows the chosen weight through it.`),
        h("p", { class: "result" }, "cost ", number(state.trace.cost), " → ", number(state.trace.costAfterStep)),
      ],
    },
  ];
}

/** The optimizer's assignments, without their numbers. */
function stepFormulas() {
  const parameter = chosenParameter();
  return assignmentsOf(state.trace, parameter).map(({ target, symbols }) => formula(target, "←", symbols));
}

/** The steps' titles and what they light up do not depend on the sample: they are made once. */
function allSteps() {
  const layers = Array.from(state.trace.layers.keys());
  return [
    inputStep(),
    ...layers.flatMap(forwardSteps),
    ...lossSteps(),
    ...layers.reverse().flatMap(backwardSteps),
    ...closingSteps(),
  ];
}

function currentStep() {
  state.steps ??= allSteps();
  return state.steps[state.step];
}

function goToStep(step) {
  const wanted = Math.min(state.steps.length - 1, Math.max(0, step));
  update({ step: wanted });
  announce(`Step ${wanted + 1} of ${state.steps.length}: ${currentStep().title}`);
}

function stepsView() {
  const { title, body } = currentStep();
  const { steps, step } = state;
  const isFirst = step === 0;
  const isLast = step === steps.length - 1;
  const progress = h("progress", { max: steps.length, value: step + 1, "aria-hidden": "true" });
  return [
    h(
      "div",
      { class: "stepper" },
      button("step back", "← Back", () => goToStep(step - 1), { "aria-disabled": String(isFirst) }),
      h("span", { class: "step-count" }, `${step + 1} of ${steps.length}`),
      button("step on", "Next →", () => goToStep(step + 1), { "aria-disabled": String(isLast), class: "primary" }),
      progress,
    ),
    h("h2", { id: "step-title" }, title),
    body(),
    h("p", { class: "note" }, "With the focus in this panel, the keys ← and → go through the steps, Home and End to the first and the last."),
  ];
}

function onStepsKey(event) {
  if (state.tab !== "steps" || event.target.closest(".table, input, select")) return;
  const goals = { ArrowLeft: state.step - 1, ArrowRight: state.step + 1, Home: 0, End: state.steps.length - 1 };
  if (!(event.key in goals)) return;
  event.preventDefault();
  goToStep(goals[event.key]);
}
