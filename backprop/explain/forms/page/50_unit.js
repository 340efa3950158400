// What a unit works out, forward and back; and the weights that read an input.

const MOST_TERMS = 12;

/** A sum of products as a table, the largest terms where there are many. */
function termsTable(caption, headings, terms, last) {
  const listed = largest(terms.map(({ value }) => value), MOST_TERMS);
  const rows = listed.map((place) => terms[place].cells);
  const others = terms.length - listed.length;
  if (others) {
    const rest = sum(terms.filter((_, place) => !listed.includes(place)).map(({ value }) => value));
    rows.push([`${others} others`, ...headings.slice(2).map(() => ""), number(rest)]);
  }
  return table(caption, headings, last ? [...rows, last] : rows);
}

/** z of a unit: what comes in, times its weight. */
function preActivation(trace, layer, unit, sample) {
  const { inputs, bias, weights, z } = trace.layers[layer];
  const terms = Array.from({ length: inputs }, (_, from) => {
    const parameter = { layer, from, to: unit };
    const input = trace.input(parameter, sample);
    const weight = weights.at(from, unit);
    const choose = button(`from ${from}`, trace.unitName(layer - 1, from), () => select({ kind: "parameter", ...parameter }), { class: "link" });
    return { value: input * weight, cells: [choose, number(input, "input"), number(weight, "weight"), number(input * weight)] };
  });
  const chooseBias = button("from bias", "bias", () => select({ kind: "parameter", layer, from: BIAS, to: unit }), { class: "link" });
  terms.push({ value: bias.at(0, unit), cells: [chooseBias, "1", number(bias.at(0, unit), "weight"), number(bias.at(0, unit))] });
  return [
    formula(indexed("z", layer, unit), "=", sumOver("i"), inKind("input", handedOnSymbol(layer - 1, "i")), "·", inKind("weight", indexed("w", layer, "i", unit)), "+", indexed("b", layer, unit), "=", decimal(z.at(sample, unit))),
    termsTable("The pre-activation, term by term", ["from", "input", "weight", "product"], terms),
  ];
}

/** da of a hidden unit: what each unit of the next layer passes back. */
function passedBack(trace, layer, unit, sample) {
  const next = trace.layers[layer + 1];
  const terms = Array.from({ length: next.units }, (_, to) => {
    const dz = next.dz.at(sample, to);
    const weight = next.weights.at(unit, to);
    const open = button(`to ${to}`, trace.unitName(layer + 1, to), () => select({ kind: "unit", layer: layer + 1, unit: to }), { class: "link" });
    return { value: dz * weight, cells: [open, number(dz, "group"), number(weight, "weight"), number(dz * weight)] };
  });
  return [
    formula(partial(sampleLoss(), handedOnSymbol(layer, unit)), "=", sumOver("k"), inKind("group", partial(sampleLoss(), indexed("z", layer + 1, "k"))), "·", inKind("weight", indexed("w", layer + 1, unit, "k"))),
    termsTable("What the next layer passes back", ["through", "its ∂ℓ/∂z", "weight", "product"], terms),
  ];
}

function unitProduct(trace, { layer, unit }) {
  const { sample } = state;
  const own = trace.layers[layer];
  const isOutput = layer === trace.last;
  const name = trace.unitName(layer, unit);
  const heading = h("h2", null, isOutput ? `Output ${name}` : capital(name));
  const column = Array.from({ length: own.inputs }, (_, from) => parameterAt(shownPart(layer), { from, to: unit }));
  const picture = layer === 0 ? pictureOf(column, `The unit’s ${state.show}s, as the picture they look at`) : null;
  const kind = isOutput ? "loss" : "group";
  const byOutput = factor(kind, () => partial(sampleLoss(), handedOnSymbol(layer, unit)), own.da.at(sample, unit));
  const { factors } = pathOf(trace, sample, [unit], partsThrough(trace, layer, unit));
  const all = [byOutput, ...factors];
  return [
    heading,
    picture,
    h("h3", null, "Forward"),
    preActivation(trace, layer, unit, sample),
    formula(indexed("a", layer, unit), "=", mi("f"), inBrackets(indexed("z", layer, unit)), "=", decimal(own.a.at(sample, unit)), gap(), m("mtext", own.activation)),
    maskFormulas(trace, layer, unit),
    h("h3", null, "Backward"),
    isOutput ? h("p", null, "What comes back to an output is the derivative of the loss itself.") : passedBack(trace, layer, unit, sample),
    formula(partial(sampleLoss(), indexed("z", layer, unit)), "=", ...between("·", all.map((one) => inKind(one.kind, one.symbol())))),
    chainElement({ factors: all, product: own.dz.at(sample, unit) }),
  ];
}

/** What the step makes of a unit's activation, or of an input, on its way to the next layer: ã = r · a. */
function maskFormulas(trace, layer, unit) {
  return trace.scaling(layer).map(({ kind, note }) => [
    formula(handedOnSymbol(layer, unit), "=", inKind(kind, SYMBOLS[kind](layer, unit)), "·", activationSymbol(layer, unit), "=", decimal(trace.handedOn(layer, state.sample, unit))),
    h("p", { class: "note" }, `The ${KINDS[kind].label}: ${note}.`),
  ]);
}

function inputProduct(trace, { unit }) {
  const first = trace.layers[0];
  const terms = Array.from({ length: first.units }, (_, to) => {
    const parameter = { kind: "parameter", layer: 0, from: unit, to };
    const gradient = parameterAt(first.gradient, parameter);
    const open = button(`to ${to}`, trace.unitName(0, to), () => select(parameter), { class: "link" });
    return { value: gradient, cells: [open, number(parameterAt(first, parameter), "weight"), number(gradient)] };
  });
  return [
    h("h2", null, `Input ${trace.unitName(INPUTS, unit)}`),
    h("p", { class: "lead" }, math(activationSymbol(INPUTS, unit), "="), " ", number(trace.activation(INPUTS, state.sample, unit), "input"), ", as the network sees it."),
    maskFormulas(trace, INPUTS, unit),
    termsTable("The weights that read it", ["to", "weight", "gradient"], terms),
  ];
}

/** A unit's view, or an input's. */
function nodeProduct(trace, item) {
  return item.layer === INPUTS ? inputProduct(trace, item) : unitProduct(trace, item);
}
