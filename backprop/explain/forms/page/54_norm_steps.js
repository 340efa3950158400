// The steps of a layer that has more than a product and an activation.

/** What the activation reads, as columns: z, or y where there is a norm. */
function readHeadings({ norm, function: { learned } }) {
  const of = norm ? "y" : "z";
  return [of, ...(learned ? [learned.replaceAll("_", " ")] : []), `a = f(${of})`];
}

function readCells(layer, unit) {
  const { learned } = layer.function;
  const read = (layer.norm ? layer.norm.y : layer.z).at(state.sample, unit);
  return [{ value: read }, ...(learned ? [{ value: layer[learned].at(0, unit) }] : [])];
}

function normForwardStep(layer) {
  const { name, norm } = state.trace.layers[layer];
  const own = () => state.trace.layers[layer];
  return {
    title: `Forward: the norm of ${name}`,
    lit: { kind: "unit", layer },
    body: () => [
      formula(indexed("n", layer, "j"), "=", m("mfrac", mrow(indexed("z", layer, "j"), mo("−"), meanOf(indexed("z", layer, ...ownIndex(layer, "j")))), indexed("σ", layer, ...ownIndex(layer, "j")))),
      formula(indexed("y", layer, "j"), "=", ofNorm(layer, norm.formula, "j")),
      h("p", null, `Mean and deviation are taken over ${norm.over}; scale and shift are the unit’s own, and are learned.`),
      unitTable("From z to y", layer, ["z", "mean", "σ", "n", "y"], (unit) => [
        { value: own().z.at(state.sample, unit) },
        ...["mean", "deviation", "n", "y"].map((part) => ({ value: own().norm[part].at(state.sample, unit) })),
      ]),
    ],
  };
}

function normBackwardStep(layer) {
  const { name, norm } = state.trace.layers[layer];
  const own = () => state.trace.layers[layer];
  return {
    title: `Back: through the norm of ${name}`,
    lit: { kind: "unit", layer },
    body: () => [
      formula(partial(derived(), indexed("n", layer, "j")), "=", inKind("group", partial(derived(), indexed("y", layer, "j"))), "·", inKind("scale", SYMBOLS.scale(layer, "j"))),
      h("p", null, `Every z acts on every n over ${norm.over}, by the mean and by the deviation: ∂n/∂z is a matrix. Its product with the derivatives by n collapses to two means.`),
      formula(partial(derived(), indexed("z", layer, "j")), "=", normSlope(layer, "j")),
      unitTable("From the derivative by y to that by z", layer, [`∂${derivedLetter()}/∂y`, "scale", `∂${derivedLetter()}/∂n`, KINDS.mean.label, KINDS.spread.label, "1/σ", `∂${derivedLetter()}/∂z`], (unit) => [
        { value: own().norm.dy.at(state.sample, unit), kind: "group" },
        cellOfKind("scale", layer, unit),
        { value: own().norm.dn.at(state.sample, unit), kind: "group" },
        cellOfKind("mean", layer, unit),
        cellOfKind("spread", layer, unit),
        cellOfKind("deviation", layer, unit),
        { value: own().dz.at(state.sample, unit) },
      ]),
    ],
  };
}

function cellOfKind(kind, layer, unit) {
  return { value: state.trace.factorOf(kind, layer).values.at(state.sample, unit), kind };
}

/** The derivatives by what the units learn beside weights and bias. */
function learnedSteps(layer) {
  const { trace, sample } = state;
  return trace.layers[layer].learned.map(({ name, note }) => [
    formula(partial(derived(), parameterSymbol({ layer, from: name, to: "j" })), "=", meetingSymbol({ layer, from: name, to: "j" }), "·", inKind("input", learnedInputSymbol(layer, name, "j"))),
    unitTable(`The derivative by ${note}`, layer, ["what meets it", "input", "product"], (unit) => {
      const parameter = { layer, from: name, to: unit };
      return [{ value: trace.meeting(parameter, sample), kind: "group" }, { value: trace.input(parameter, sample), kind: "input" }, { value: trace.sampleGradient(parameter, sample) }];
    }),
  ]);
}

/** Of the layers that no step changes. */
function frozenNames() {
  const names = state.trace.layers.filter(({ frozen }) => frozen).map(({ name }) => name);
  return names.length ? `, but for ${names.join(", ")}, which ${names.length > 1 ? "are" : "is"} frozen` : "";
}
